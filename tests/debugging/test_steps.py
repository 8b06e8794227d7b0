"""The steps are the backward pass: its numbers to the bit, forward and back, forks in sight."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule import trace
from chainrule.errors import NotScalarError, UnknownWireError
from tests.readings.test_words import A, B, C, D, neuron


def shown(steps):
    return [(s.wire, s.upstream, [(a.wire, a.before, a.after) for a in s.added]) for s in steps]


def network(W, x):
    q = np.tanh(W @ x)
    cost = np.sum(q * q + q)
    return cost


NETWORK = trace(network, np.arange(6.0).reshape(2, 3) / 10, np.array([1.0, -2.0, 0.5]))


def test_the_lecture_s_first_circuit():
    # REFERENCE A.
    assert shown(A.steps()) == [
        ("f", 1.0, [("t1", None, -4.0), ("z", None, 3.0)]),
        ("t1", -4.0, [("x", None, -4.0), ("y", None, -4.0)]),
    ]
    assert [a.slope for s in A.steps() for a in s.added] == [-4.0, 3.0, 1, 1]


def test_the_neuron_goes_through_its_small_gates():
    # REFERENCE B: -0.53, -0.53, -0.20, 0.20 on the way through 1/x, c + x, exp and a x.
    steps = B.steps()
    upstream = [s.upstream for s in steps]
    expected = [1, -0.534446645388523, -0.534446645388523, -0.196611933241482, 0.196611933241482]
    assert upstream[:5] == pytest.approx(expected, rel=1e-14)
    assert [s.gate for s in B.steps()][:4] == ["divide", "add", "exp", "negative"]


def test_the_neuron_is_one_gate_where_the_small_ones_overflow():
    far = trace(neuron, 1000.0, 1.0, 0.0, -1.0, 0.0)
    steps = list(far.steps())
    assert steps[0].gate == "sigmoid"
    assert steps[-1].added[0].after == 0.0  # the small gates say nan


def test_partial_sums_at_a_fork():
    # REFERENCE C: dx = 1.58 via xpy - 0.04 via sigx + 0.51 via num.
    sums = [a for s in C.steps() for a in s.added if a.wire == "x"]
    assert [a.before for a in sums] == [None, sums[0].after, sums[1].after]
    expected = [1.58318689454518699847, -0.03576154781265369130, 0.51214444883963160346]
    assert [a.part for a in sums] == pytest.approx(expected, rel=1e-14)
    assert [(a.arrival, a.arrivals, a.is_fork) for a in sums] == [(k, 3, True) for k in (1, 2, 3)]
    assert sums[-1].after == C.gradients["x"]
    assert "(fork: 2 of 3)" in str(C.steps()[5])


def test_a_zero_share_is_a_step_too():
    # REFERENCE D: max routes 2 to z and nothing to w.
    steps = {s.wire: s for s in D.steps()}
    assert [(a.wire, a.part) for a in steps["t2"].added] == [("z", 2.0), ("w", 0.0)]


@pytest.mark.parametrize("circuit", [A, C, D, NETWORK], ids=["A", "C", "D", "network"])
def test_the_end_is_the_circuit_s_gradients_to_the_bit(circuit):
    steps = circuit.steps()
    assert len(list(steps)) == len(steps) == steps.position
    at_end = steps.gradients
    for name, gradient in circuit.gradients.items():
        assert np.array_equal(at_end[name], gradient), name


def test_the_small_gates_of_a_sigmoid_end_within_a_rounding():
    steps = B.steps()
    steps.go(len(steps))
    for name, gradient in B.gradients.items():
        assert steps.gradients[name] == pytest.approx(gradient, rel=1e-15)


@pytest.mark.parametrize("circuit", [A, B, C, D, NETWORK], ids=["A", "B", "C", "D", "network"])
def test_back_restores_exactly(circuit):
    steps = circuit.steps()
    seen = [dict(steps.gradients)]
    while next(steps, None) is not None:
        seen.append(dict(steps.gradients))
    taken = [repr(s) for s in circuit.steps()]
    for before in reversed(seen[:-1]):
        assert repr(steps.current) == taken[steps.position - 1]
        undone = steps.back()
        assert repr(undone) == taken[steps.position]
        now = steps.gradients
        assert list(now) == list(before)
        assert all(now[name] is before[name] for name in now)
    assert steps.position == 0 and steps.back() is None and steps.current is None
    assert [repr(s) for s in steps] == taken


def test_indexing_does_not_move():
    steps = C.steps()
    next(steps)
    assert steps[-1].wire == "sigy" and steps[0].wire == "f" and steps[3].number == 4
    assert steps.position == 1
    with pytest.raises(IndexError, match="8 steps"):
        steps[8]


def test_run_to_stops_at_each_contribution():
    steps = C.steps()
    assert [steps.run_to("x").wire for _ in range(3)] == ["xpy", "sigx", "num"]
    assert steps.run_to("x") is None and steps.position == 8
    steps.go(0)
    steps.break_on("sigx", "invden")
    stops = [(s.wire, s.number) for s in iter(steps.run, None)]
    assert stops == [("f", 1), ("invden", 2), ("den", 3), ("sigx", 6)]


def test_an_unknown_wire_is_an_error_that_names_the_near_one():
    with pytest.raises(UnknownWireError, match=r"'sigz'.*Did you mean 'sig"):
        C.steps().run_to("sigz")


def test_both_inputs_the_same_wire():
    steps = trace("x * x", x=3.0).steps()
    (step,) = steps
    assert [(a.before, a.after) for a in step.added] == [(None, 3.0), (3.0, 6.0)]
    assert [a.arrival for a in step.added] == [1, 2]


def test_lines_of_text():
    steps = C.steps()
    assert repr(next(steps)) == (
        "1/8 f = num * invden: df = 1.00 gives dnum = 0.51; dinvden = 3.02"
    )
    assert all("\n" not in repr(s) for s in C.steps())
    assert repr(steps) == "Steps(1 of 8 done)"
    assert "norm" in str(NETWORK.steps()[0])


@pytest.mark.parametrize(("notation", "spelled"), [("df/dz", "df/dxpy = "), ("nabla", "∇xpy = ")])
def test_notation(notation, spelled):
    assert any(spelled in repr(s) for s in C.steps(notation=notation))


def test_where_it_was_written():
    step = C.steps()[0]
    assert step.source == "f = num * invden" and step.file.endswith("test_words.py")
    assert f"line {step.line}" in str(step)


def test_records_are_data():
    record = C.steps()[5].record()
    assert record["wire"] == "sigx" and record["added"][0]["arrival"] == 2


def test_nan_and_infinity_are_shown():
    steps = list(trace("sqrt(x) * y", x=0.0, y=math.nan).steps())
    assert "nan" in repr(steps[0])


def test_a_gate_that_stops_and_an_output_that_does_not_move():
    steps = list(trace("sign(x) * y", x=2.0, y=3.0).steps())
    assert steps[-1].added == () and "stops here" in repr(steps[-1])
    assert len(trace(lambda x: np.sum(np.ones(3)) + 0.0 * 1.0, 2.0).steps()) == 0


def test_one_number_is_asked_for():
    with pytest.raises(NotScalarError):
        trace(lambda x: x * 2.0, np.ones(3)).steps()


def test_hostile_names_stay_on_their_line():
    hostile = {'"><script>alert(1)</script>\n': 2.0, "\u202eevil": 3.0}

    def f(p):
        a, b = p.values()
        return a * b

    for step in trace(f, hostile).steps():
        assert "\n" not in repr(step) and "<" not in repr(step) and "\u202e" not in str(step)


def test_a_hundred_thousand_gates():
    def chain(x):
        y = x
        for _ in range(50_000):
            y = y * 0.9999 + x
        return y

    circuit = trace(chain, 1.0)
    steps = circuit.steps()
    assert sum(1 for _ in steps) == len(steps) == 100_000
    steps.go(99_000)
