"""The ledger adds up, exactly, and lists the largest: held to every path listed one by one."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from chainrule import trace
from chainrule.cli.screen import plain_data
from chainrule.errors import NotScalarError, UnknownWireError
from chainrule.passes.paths import largest_paths
from tests.readings.test_words import A, B, C, D


def adds_up(ledger):
    parts = [entry.part for entry in ledger]
    return math.fsum([*parts, ledger.remainder, ledger.rounding]) == ledger.gradient


def test_the_staged_example_by_path():
    # REFERENCE C: mpmath at 50 digits.
    ledger = C.ledger("x")
    by = {entry.via[0]: entry.part for entry in ledger}
    assert by == pytest.approx(
        {
            "xpy": 1.58318689454518699847,
            "num": 0.51214444883963160346,
            "sigx": -0.03576154781265369130,
        },
        rel=1e-15,
        abs=1e-17,
    )
    assert [entry.via[0] for entry in ledger] == ["xpy", "num", "sigx"]
    assert ledger[0].path == ("x", "xpy", "xpysqr", "den", "invden", "f")
    assert ledger.others == 0 and ledger.remainder == 0.0 and abs(ledger.rounding) < 1e-15
    assert adds_up(ledger) and ledger.gradient == C.gradients["x"]
    by = {entry.via[0]: entry.part for entry in C.ledger("y")}
    assert by == pytest.approx(
        {"xpy": 1.58318689454518699847, "sigy": 0.00904585693862231542}, rel=1e-14
    )


@pytest.mark.parametrize("circuit", [A, B, C, D], ids="ABCD")
def test_every_wire_adds_up(circuit):
    for name, wire in circuit.wires.items():
        ledger = circuit.ledger(name)
        assert ledger.gradient == wire.gradient
        assert adds_up(ledger), name


def test_the_neuron_by_element():
    # REFERENCE B.
    def f(w, x):
        dot = w[0] * x[0] + w[1] * x[1] + w[2]
        return 1 / (1 + np.exp(-dot))

    circuit = trace(f, np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0]))
    (entry,) = circuit.ledger("x[1]")
    assert entry.part == pytest.approx(-0.589835799724445557612, rel=1e-15)
    assert entry.via == ("dot",)
    assert circuit.ledger("w[-1]").gradient == pytest.approx(0.19661193324148185, rel=1e-15)
    with pytest.raises(IndexError, match=r"shape \(2,\)"):
        circuit.ledger("x[2]")


def test_a_gradient_of_zero_says_where_it_stops():
    # REFERENCE D: w gets nothing.
    ledger = D.ledger("w")
    assert ledger.gradient == 0 and len(ledger) == 0
    assert "maximum" in str(ledger)


def test_a_tie_gives_both_a_half():
    tied = trace("2 * (x * y + max(z, w))", x=3, y=-4, z=2, w=2)
    assert [tied.ledger(name)[0].part for name in "zw"] == [1.0, 1.0]  # REFERENCE D
    both = trace("max(x, x) + x", x=1.0).ledger("x")
    assert [entry.part for entry in both] == [1.0, 1.0] and adds_up(both)


def test_parallel_edges_are_one():
    (entry,) = trace("x * x", x=3.0).ledger("x")
    assert entry.part == 6.0 and entry.path == ("x", "f")


# ---------------------------------------------------------------------- the k largest


def all_paths(edges, start, end):
    if start == end:
        yield (end,), 1.0
    for head, slope in edges.get(start, ()):
        for rows, part in all_paths(edges, head, end):
            yield (start, *rows), part * slope


@pytest.mark.parametrize("seed", range(30))
def test_the_largest_of_all_paths(seed):
    generator = np.random.default_rng(seed)
    count = 9
    edges = {
        row: [
            (head, float(generator.choice([-3.0, -1.0, 0.0, 0.3, 0.5, 2.0])))
            for head in range(row + 1, count)
            if generator.random() < 0.6
        ]
        for row in range(count)
    }
    every = [part for _, part in all_paths(edges, 0, count - 1) if part]
    for most in (1, 4, 1000):
        found = largest_paths(edges, range(count - 1, -1, -1), 0, count - 1, most)
        assert found.count == len(every)
        sizes = sorted(map(abs, every), reverse=True)[:most]
        assert [abs(p.part) for p in found.best] == pytest.approx(sizes, rel=1e-12)
        assert len({p.rows for p in found.best}) == len(found.best)
        truth = dict(all_paths(edges, 0, count - 1))
        for path in found.best:
            assert path.part == pytest.approx(truth[path.rows], rel=1e-12)


def forks(x):
    for _ in range(60):
        x = x * 0.6 + 0.5 * x
    return x


def test_sixty_forks_answer_at_once():
    circuit = trace(forks, 1.0)
    ledger = circuit.ledger("x", largest=62)
    assert len(ledger) + ledger.others == 2**60
    # The best takes 0.6 everywhere; 60 paths take 0.5 once; then it is 0.5 twice.
    expected = [0.6**60, *[0.6**59 * 0.5] * 60, 0.6**58 * 0.25]
    assert [e.part for e in ledger] == pytest.approx(expected, rel=1e-12)
    assert adds_up(ledger) and ledger.gradient == pytest.approx(1.1**60)
    assert "1.15292e+18" in str(ledger)


def test_nothing_overflows_on_the_way():
    ledger = trace("(x * 1e-200) * 1e-200 * 1e300 * 1e300", x=1.0).ledger("x")
    assert ledger[0].part == pytest.approx(1e200)


def test_more_paths_than_can_be_counted():
    def many(x):
        for _ in range(400):
            x = 0.5 * x + 0.5 * x + 0.0
        return x

    ledger = trace(many, 1.0).ledger("x", largest=3)
    assert ledger.others == math.inf and "over 1e77" in str(ledger) and adds_up(ledger)


def test_a_hundred_thousand_gates():
    def chain(x):
        y = x
        for _ in range(50_000):
            y = y * 0.9999 + x
        return y

    circuit = trace(chain, 1.0)
    ledger = circuit.ledger("x")
    assert ledger.others == 49_991 and ledger[0].part == 1.0 and adds_up(ledger)


# ---------------------------------------------------------------------- not finite


def test_nan_is_not_hidden():
    ledger = trace("x * y + x", x=1.0, y=math.nan).ledger("x")
    assert math.isnan(ledger.gradient) and math.isnan(ledger[0].part) and ledger[1].part == 1.0


def test_a_branch_not_taken_hands_on_nothing():
    def f(x):
        return np.where(x > 0, x, np.sqrt(x)) * 2.0 + x

    for x in (0.0, 4.0):
        circuit = trace(f, np.array(x))
        ledger = circuit.ledger("x")
        assert ledger.gradient == circuit.gradients["x"]
        assert math.isfinite(ledger.gradient) == all(math.isfinite(e.part) for e in ledger)


# ---------------------------------------------------------------------- arrays and networks


def network(W1, W2, W3, x):
    h1 = np.tanh(W1 @ x)
    h2 = np.tanh(W2 @ h1)
    h3 = 0.01 * (W3 @ h2)
    cost = np.mean(h3**2)
    return cost


GENERATOR = np.random.default_rng(0)
NETWORK = trace(network, *GENERATOR.normal(size=(3, 8, 8)), GENERATOR.normal(size=8))


def test_blocks_add_up():
    def f(x):
        a = np.tanh(x)
        b = x * x
        return np.sum(a * b) + np.sum(x)

    circuit = trace(f, np.array([0.3, -2.0, 1.5]))
    ledger = circuit.ledger("x", largest=2)
    assert ledger.kind == "blocks" and len(ledger) == 2 and ledger.others == 1
    total = sum(e.part for e in ledger) + ledger.remainder + ledger.rounding
    np.testing.assert_allclose(total, circuit.gradients["x"], rtol=1e-15)
    assert ledger[0].size >= ledger[1].size
    assert adds_up(circuit.ledger("x[1]"))


def test_a_vanishing_layer_is_named_with_its_gain():
    layers = {layer.wire: layer for layer in NETWORK.ledger().layers}
    for wire, above in (("h2", "h3"), ("h1", "h2"), ("W1", "h1"), ("h3", "cost")):
        expected = np.linalg.norm(NETWORK[wire].gradient) / np.linalg.norm(NETWORK[above].gradient)
        assert layers[wire].gain == pytest.approx(expected), wire
        assert layers[wire].feeds == (above,)
    assert [wire for wire, layer in layers.items() if layer.vanishes] == ["h2"]
    text = str(NETWORK.ledger())
    assert f"vanishes from h3 to h2: gain {layers['h2'].gain:.3g}" in text


def test_an_exploding_layer_and_many_small_ones():
    def deep(x):
        h = x * 1.0
        for _ in range(30):
            h = 0.5 * h
        h = 1e12 * h
        return np.sum(h)

    text = str(trace(deep, np.ones(4)).ledger())
    assert "explodes from h to h_31: gain 1e+12" in text
    shrinks = trace(lambda x: _halved(x), np.ones(4))
    assert "the norm is multiplied by" in str(shrinks.ledger())


def _halved(x):
    h = x * 1.0
    for _ in range(30):
        h = 0.5 * h
    return np.sum(h)


def test_a_mean_is_no_vanishing_layer():
    assert "vanish" not in str(trace(lambda x: np.mean(np.sin(x)), np.ones(10_000)).ledger())


def test_the_first_wire_that_is_not_finite_is_named():
    def f(x):
        a = x * 2.0
        b = np.sqrt(a)
        c = b * 3.0
        return np.sum(c)

    assert "da is the first on the way back that is not finite" in str(
        trace(f, np.array([1.0, 0.0])).ledger()
    )


# ---------------------------------------------------------------------- the rest


def test_text():
    text = str(C.ledger("x"))
    assert text.splitlines()[0] == "dx = 2.05957" and "-0.0357615  via sigx" in text
    assert repr(C.ledger("x")) == "Ledger(dx = 2.05957: 3 paths)"
    assert str(C.ledger("x", notation="df/dz")).startswith("df/dx = ")
    assert str(C.ledger("x", notation="nabla")).startswith("∇x = ")


def test_wires_that_have_no_gradient_say_why():
    circuit = trace(lambda x, n: np.sum(x) * 2.0 + 0 * n.sum(), np.ones(2), np.array([1, 2]))
    assert "no float" in str(circuit.ledger("n"))
    unused = trace("x + 0 * y", x=1.0, y=2.0)
    assert unused.ledger("y").gradient == 0.0
    dead = trace(lambda x, y: x * 2.0, 1.0, 2.0)
    assert "does not lead" in str(dead.ledger("y"))


def test_errors():
    with pytest.raises(UnknownWireError, match="Did you mean 'sigx'"):
        C.ledger("sigxx")
    with pytest.raises(NotScalarError):
        trace(lambda x: x * 2.0, np.ones(3)).ledger("x")
    with pytest.raises(ValueError, match="largest"):
        C.ledger("x", largest=0)


def test_records_are_json():
    for ledger in (C.ledger("x"), NETWORK.ledger("W1"), NETWORK.ledger(), D.ledger("w")):
        text = json.dumps(plain_data(ledger.records()), allow_nan=False)
        assert json.loads(text)["output"] == ledger.output


def test_hostile_names():
    def f(p):
        a, b = p.values()
        return a * b + a

    circuit = trace(f, {'"><script>\n': 2.0, "\u202eevil": 3.0})
    for name in itertools.islice(circuit.wires, 2):
        assert "<" not in str(circuit.ledger(name)) and "\u202e" not in str(circuit.ledger(name))
