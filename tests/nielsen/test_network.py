"""Chapter 1's network: its numbers, its printed lines, what it takes and what it refuses.

Expected numbers: the network worked out by hand in NumPy and mpmath (see the issue's reference),
and the book's algorithm in plain loops (`by_hand.py`).
"""

from __future__ import annotations

import copy
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import load_digits
from chainrule.errors import ChainruleError, DtypeError, NonFiniteCostError, ShapeError
from chainrule.nielsen import Network, network
from chainrule.nielsen.saturation import dead_outputs
from tests.nielsen import by_hand

EXAMPLE = [
    (np.array([[1.0], [2.0]]), np.array([[1.0]])),
    (np.array([[-1.0], [0.5]]), np.array([[0.0]])),
]
AFTER_W1 = [
    [0.15557720051833082, 0.21394693021920344],
    [0.23880724427504788, -0.41744972834078337],
    [-0.4376240254426786, 0.6190429767889885],
]
AFTER_B1 = [-0.01218877613563576, 0.04275587076234461, 0.0078087966967979]
AFTER_W2 = [0.6519116851096747, -0.846046032070213, 0.813924855082248]
AFTER_B2 = -0.08045984582143725


def worked_out():
    """Return the network of sizes [2, 3, 1] that was worked out by hand."""
    net = Network([2, 3, 1])
    net.weights = [np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]]), np.array([[0.7, -0.8, 0.9]])]
    net.biases = [np.array([[0.01], [0.02], [0.03]]), np.array([[0.04]])]
    return net


def close(found, expected, rtol=1e-12):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def as_parameters(net):
    return [*net.biases, *net.weights]


# ------------------------------------------------------------------ the numbers worked out


def test_outputs_and_cost():
    net = worked_out()
    outputs = [net.feedforward(x).item() for x, _ in EXAMPLE]
    assert outputs == pytest.approx([0.6854403118626003, 0.6709903606777697], rel=1e-15)
    cost = sum(float(net.cost.fn(net.feedforward(x), y)) for x, y in EXAMPLE)
    assert cost == pytest.approx(0.27458793076179083, rel=1e-14)


def test_backprop_summed_over_the_mini_batch():
    net = worked_out()
    first, second = (net.backprop(x, y) for x, y in EXAMPLE)
    nabla_b, nabla_w = (
        [one + other for one, other in zip(of_first, of_second, strict=True)]
        for of_first, of_second in zip(first, second, strict=True)
    )
    b1 = [[0.01479251742375717], [-0.01517058050822974], [0.01479413553546807]]
    w1 = [
        [-0.03705146701222055, -0.00929795347946894],
        [0.0407951704833014, 0.01163315222718888],
        [-0.04158398303821426, -0.01269531785932561],
    ]
    close(nabla_b, [b1, [[0.08030656388095817]]], rtol=1e-14)
    w2 = [[0.03205887659355019, 0.03069735471347533, 0.05738342994516801]]
    close(nabla_w, [w1, w2], rtol=1e-14)


@pytest.mark.parametrize("way", ["update_mini_batch", "SGD"])
def test_one_update(way):
    net = worked_out()
    if way == "SGD":
        net.SGD(EXAMPLE, 1, 2, 3.0)
    else:
        net.update_mini_batch(EXAMPLE, 3.0)
    close(net.biases, [[[b] for b in AFTER_B1], [[AFTER_B2]]], rtol=1e-14)
    close(net.weights, [AFTER_W1, [AFTER_W2]], rtol=1e-14)


def test_cost_derivative():
    net = Network([2, 3])
    a, y = np.array([[0.25], [0.5], [1.0]]), np.array([[0.0], [1.0], [1.0]])
    assert net.cost_derivative(a, y).tolist() == [[0.25], [-0.5], [0.0]]


# ------------------------------------------------------------------ the book's loops


@pytest.mark.parametrize(
    ("sizes", "size"),
    [([4, 3], 5), ([4, 6, 3], 1), ([4, 6, 3], 7), ([4, 6, 5, 3], 10), ([4, 5, 3], 40)],
)
def test_trains_as_the_books_loops_do(sizes, size):
    data = by_hand.columns(np.random.default_rng(5), 23, 4, 3)
    net = Network(sizes, seed=8)
    rng = np.random.default_rng(8)
    start = by_hand.draw(sizes, rng, scaled=False)
    close(as_parameters(net), [*start[0], *start[1]], rtol=0.0)
    if size >= len(data):
        rng = np.random.default_rng()  # the order within one batch only changes the rounding
    *_, (biases, weights) = by_hand.epochs(*start, data, rng, 4, size, 2.5, "quadratic")
    net.SGD(data, 4, size, 2.5)
    close(as_parameters(net), [*biases, *weights], rtol=1e-11)
    close([net.feedforward(data[0][0])], [by_hand.forward(biases, weights, data[0][0])[-1]])


def test_one_step_and_one_gradient():
    data = by_hand.columns(np.random.default_rng(6), 6, 4, 3)
    net = Network([4, 5, 3], seed=1)
    biases, weights = net.biases, net.weights
    x, y = data[0]
    for found, expected in zip(
        net.backprop(x, y), by_hand.gradient(biases, weights, x, y, "quadratic"), strict=True
    ):
        close(found, expected)
    net.update_mini_batch(zip(*zip(*data, strict=True), strict=True), 0.5)
    biases, weights = by_hand.descend(biases, weights, data, 0.5, "quadratic")
    close(as_parameters(net), [*biases, *weights])


def test_what_the_user_puts_in_place_is_trained():
    data = by_hand.columns(np.random.default_rng(7), 8, 4, 3)
    one, other = Network([4, 5, 3], seed=1), Network([4, 5, 3], seed=2)
    other.weights, other.biases = [w.copy() for w in one.weights], copy.deepcopy(one.biases)
    one.SGD(data, 2, 8, 1.0)
    other.SGD(data, 2, 8, 1.0)
    close(as_parameters(one), as_parameters(other), rtol=0.0)
    before = other.weights[0]
    other.weights[0][:] = 0.0
    other.update_mini_batch(data, 1.0)
    assert before is not other.weights[0]
    assert not (before != 0.0).any()
    assert (other.weights[0] != 0.0).any()


def test_the_same_seed_gives_the_same_bits():
    data = by_hand.columns(np.random.default_rng(7), 12, 4, 3)
    nets = [Network([4, 5, 3], seed=seed) for seed in (3, np.random.default_rng(3), 4)]
    for net in nets:
        net.SGD(data, 2, 5, 1.0)
    close(as_parameters(nets[0]), as_parameters(nets[1]), rtol=0.0)
    assert (nets[0].weights[0] != nets[2].weights[0]).any()


def test_float32():
    data = by_hand.columns(np.random.default_rng(7), 12, 4, 3)
    single, double = (Network([4, 5, 3], seed=3, dtype=kind) for kind in ("float32", "float64"))
    for net in (single, double):
        net.SGD(data, 3, 5, 1.0)
        net.update_mini_batch(data, 1.0)
    assert {array.dtype.name for array in as_parameters(single)} == {"float32"}
    assert single.feedforward(data[0][0].astype(np.float32)).dtype == np.float32
    close(as_parameters(single), as_parameters(double), rtol=1e-5)


# ------------------------------------------------------------------ what it prints and records


def test_prints_the_books_lines(capsys):
    data = by_hand.columns(np.random.default_rng(9), 10, 4, 3)
    net = Network([4, 3], seed=0)
    rng = np.random.default_rng(0)
    start = by_hand.draw([4, 3], rng, scaled=False)
    rights = [
        by_hand.count_right(biases, weights, by_hand.labelled(data))
        for biases, weights in by_hand.epochs(*start, data, rng, 2, 4, 3.0, "quadratic")
    ]
    net.SGD(data, 2, 4, 3.0, test_data=by_hand.labelled(data))
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"Epoch {k}: {right} / 10" for k, right in enumerate(rights)
    ]
    assert net.history["correct"] == rights
    assert net.evaluate(by_hand.labelled(data)) == net.evaluate(data) == rights[-1]
    assert set(net.history) == {"cost", "correct", "dead_outputs", "seconds"}
    net.SGD(data, 1, 4, 3.0)
    assert capsys.readouterr().out.splitlines()[0] == "Epoch 0 complete"
    assert net.history.entries == 1


def test_the_cost_in_the_history_is_the_mean_over_the_examples():
    data = by_hand.columns(np.random.default_rng(9), 11, 4, 3)
    net = Network([4, 3], seed=0)
    net.SGD(data, 3, 4, 0.0)  # learns nothing
    expected = by_hand.mean_cost(net.biases, net.weights, data, "quadratic", 0.0)
    assert net.history["cost"] == pytest.approx([expected] * 3, rel=1e-13)


def test_no_epochs_change_nothing(capsys):
    net = worked_out()
    net.SGD(EXAMPLE, 0, 1, 3.0)
    close(as_parameters(net), as_parameters(worked_out()), rtol=0.0)
    assert capsys.readouterr().out == ""


def test_learns_the_digits():
    train, test = load_digits().split(seed=0)
    columns = [image.reshape(-1, 1) for image in train.images]
    net = Network([64, 30, 10], seed=0)
    net.SGD(
        zip(columns, map(int, train.labels), strict=True),
        20,
        10,
        3.0,
        test_data=[(x.reshape(-1, 1), y) for x, y in zip(test.images, test.labels, strict=True)],
    )
    assert net.history["correct"][-1] / len(test) >= 0.93
    assert net.notes == []


# ------------------------------------------------------------------ dead outputs


def test_a_dead_output_is_named(capsys):
    rng = np.random.default_rng(0)
    data = by_hand.columns(rng, 30, 4, 3)
    net = Network([4, 3], seed=0)
    net.biases[0][1] = -40.0  # as after a step that went too far
    net.SGD(data, 3, 5, 1.0, test_data=data)
    assert net.history["dead_outputs"] == [1.0] * 3
    (note,) = net.notes
    count = sum(int(y[1, 0]) for _, y in data)
    assert note.startswith(f"output 1 is dead: on the {count} examples of class 1 it gives at most")
    assert capsys.readouterr().out.splitlines()[-1] == f"Note: {note}"
    net.biases[0][1] = 0.0
    net.SGD(data, 3, 5, 1.0)
    assert net.notes == [] and net.history["dead_outputs"] == [0.0] * 3


def test_dead_outputs_are_looked_for_among_training_examples_too():
    data = by_hand.labelled(by_hand.columns(np.random.default_rng(0), 30, 4, 3))
    net = Network([4, 3], seed=0)
    net.biases[0][2] = -40.0
    net.SGD(data, 1, 5, 1.0)
    assert "output 2 is dead" in net.notes[0]


def test_a_dead_output_that_wins_now_and_then_is_named():
    """Where all outputs are down, a dead one may be the largest by accident."""
    labels = np.repeat([0, 1, 2], 40)
    outputs = np.where(labels[:, None] == np.arange(3), 0.9, 0.05)
    outputs[labels == 2, 2] = np.linspace(1e-6, 1e-4, 40)
    outputs[0] = [1e-7, 1e-7, 1e-5]  # class 0, taken for 2
    outputs[80] = [1e-7, 1e-7, 1e-5]  # class 2, taken for 2
    examples = SimpleNamespace(labels=labels, has_classes=True)
    (dead,) = dead_outputs(outputs, examples)
    assert (dead.output, dead.right, dead.examples) == (2, 1, 40)
    assert "and reads 1 of them right" in str(dead)
    outputs[labels == 2, 2] = np.linspace(0.02, 0.9, 40)  # it learns
    assert dead_outputs(outputs, examples) == []


def test_one_class_only_is_named(capsys):
    data = by_hand.columns(np.random.default_rng(0), 20, 4, 3)
    ones = [(x, 1) for x, _ in data]
    net = Network([4, 3], seed=0)
    net.SGD(ones, 1, 5, 1.0)
    said = "training_data holds one class only, 1, in all 20 examples: there is nothing to tell"
    assert net.notes[0].startswith(said)
    assert said in capsys.readouterr().out
    net.SGD(ones[:1], 1, 5, 1.0)  # one example may be learned by heart
    assert net.notes == []


def test_what_is_no_class_is_not_called_dead():
    rng = np.random.default_rng(0)
    data = [(rng.normal(size=(4, 1)), rng.uniform(size=(3, 1))) for _ in range(20)]
    net = Network([4, 3], seed=0)
    net.biases[0][1] = -40.0
    net.SGD(data, 1, 5, 1.0)
    assert net.notes == []


# ------------------------------------------------------------------ data in the book's forms


def test_forms_of_the_data():
    data = by_hand.columns(np.random.default_rng(2), 9, 4, 3)
    forms = [
        data,
        tuple(data),
        iter(data),
        zip([x for x, _ in data], [y for _, y in data], strict=True),
        [[x, y] for x, y in data],
        by_hand.labelled(data),
        [(x, np.int64(y)) for x, y in by_hand.labelled(data)],
        [(x, np.array(y)) for x, y in by_hand.labelled(data)],
        [(x.tolist(), y.astype(int).tolist()) for x, y in data],
        [(np.asfortranarray(x), y.astype(np.float32)) for x, y in data],
    ]
    found = []
    for form in forms:
        net = Network([4, 5, 3], seed=0)
        net.SGD(form, 2, 4, 1.0)
        found.append(as_parameters(net))
    for parameters in found[1:]:
        close(parameters, found[0], rtol=0.0)


def test_the_users_list_stays_as_it_is():
    data = by_hand.columns(np.random.default_rng(2), 9, 4, 3)
    before, bits = list(map(id, data)), [(x.tobytes(), y.tobytes()) for x, y in data]
    Network([4, 3], seed=0).SGD(data, 3, 2, 1.0)
    assert list(map(id, data)) == before
    assert [(x.tobytes(), y.tobytes()) for x, y in data] == bits


GOOD = (np.zeros((4, 1)), np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        ([], ShapeError, "training_data has no examples. A zip or a generator can be read only on"),
        (iter(()), ShapeError, "training_data has no examples"),
        (np.zeros((5, 4)), TypeError, "must be a list of pairs (x, y), not ndarray"),
        (7, TypeError, "must be a list of pairs (x, y), not int"),
        ([GOOD, GOOD[0]], ShapeError, "training_data[1] must be a pair (x, y), not an array of f"),
        ([(1, 2, 3)], ShapeError, "training_data[0] must be a pair (x, y), not tuple of 3"),
        ([GOOD, (np.zeros(4), GOOD[1])], ShapeError, "training_data[1][0] must be a column of the "
         "network's 4 inputs, of shape (4, 1), not (4,). Write .reshape(-1, 1)."),
        ([(np.zeros((5, 1)), GOOD[1])], ShapeError, "of shape (4, 1), not (5, 1)."),
        ([(GOOD[0], np.zeros((2, 1)))], ShapeError, "[0][1] must be a column of the network's 3"),
        ([(GOOD[0], 3)], ValueError, "[0][1] is the label 3, but the network's 3 outputs have the "
         "labels 0 to 2."),
        ([(GOOD[0], -1)], ValueError, "is the label -1"),
        ([(GOOD[0], 1.0)], DtypeError, "[0][1] is 1.0 (float64), but a label is an integer. Write "
         "int(1.0); or, for what a network's only output is to give, np.array([[1.0]])."),
        ([(GOOD[0], "1")], DtypeError, "[0][1] is '1' (<U1), but a label is an integer. Number the "
         "classes from 0 on."),
        ([(GOOD[0], True)], DtypeError, "[0][1] is True (bool), but a label is an integer"),
        ((np.zeros((5, 4)), np.zeros(5)), ShapeError, "training_data[0] must be a pair (x, y), not "
         "an array of float64. From arrays with one row an example: [(x.reshape(-1, 1), y) for"),
        ([GOOD, (np.full((4, 1), np.nan), GOOD[1])], ValueError, "[1][0] holds nan, from which "
         "nothing can be learned: leave this example out, or mend it."),
        ([(GOOD[0], np.array([[0.0], [np.inf], [0.0]]))], ValueError, "[0][1] holds inf"),
        ([GOOD, (GOOD[0], 1)], ShapeError, "[0][1] is of shape (3, 1), but others are labels"),
        ([(np.full((4, 1), "a"), 1)], DtypeError, "[0][0] must be an array of numbers, not an arr"),
        ([(np.zeros((4, 1), complex), 1)], DtypeError, "[0][0] must be an array of numbers"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit(data, kind, said):
    net = Network([4, 3], seed=0)
    before = copy.deepcopy(as_parameters(net))
    with pytest.raises(kind, match=rf"^test_network\.py:\d+: .*{re.escape(said)}"):
        net.SGD(data, 1, 1, 1.0)
    close(as_parameters(net), before, rtol=0.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((-1, 1, 1.0), "epochs must be at least 0"),
        ((1, 0, 1.0), "mini_batch_size must be at least 1"),
        ((1, 1, -1.0), "eta must be a number, 0 or more, not -1.0"),
        ((1, 1, np.nan), "eta must be a number"),
        ((1, 1, "x"), "eta must be a number"),
    ],
)
def test_settings_that_cannot_be_meant(settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Network([4, 3]).SGD([GOOD], *settings)


@pytest.mark.parametrize("sizes", [[], [3], [3, 0], [3, 2.5], 7, "ab", None])
def test_sizes_that_cannot_be_meant(sizes):
    with pytest.raises(ValueError, match="sizes must be two or more whole numbers"):
        Network(sizes)


def test_other_things_that_cannot_be_meant():
    net = Network([4, 3])
    for dtype in ("int64", "nonsense"):
        with pytest.raises(DtypeError, match=f"dtype must be 'float64' or 'float32', not '{dtype}"):
            Network([4, 3], dtype=dtype)
    with pytest.raises(TypeError, match=r"seed must be a whole number, 0 or more, .* not 'today'"):
        Network([4, 3], seed="today")
    with pytest.raises(DtypeError, match="feedforward takes numbers, not <U1"):
        net.feedforward(np.full((4, 1), "a"))
    with pytest.raises(ShapeError, match=r"column vector of shape \(4, 1\), not \(4,\). Write"):
        net.feedforward(np.zeros(4))
    net.weights = [np.zeros((4, 3))]
    with pytest.raises(ShapeError, match=r"sizes \[4, 3\] has weights of shapes \(3, 4\), not \(4"):
        net.feedforward(np.zeros((4, 1)))


def test_an_infinite_cost_leaves_the_network_as_it_was():
    net = Network([4, 3], seed=0)
    net.weights[0][1, 2] = np.nan
    before = copy.deepcopy(as_parameters(net))
    with pytest.raises(NonFiniteCostError, match="the cost became nan in epoch 1"):
        net.SGD([GOOD, GOOD], 1, 1, 1.0)
    close(as_parameters(net), before, rtol=0.0)


# ------------------------------------------------------------------ at home in Python


def test_the_books_module_has_its_name():
    assert network.Network is Network
    assert repr(Network([4, 3])) == "Network([4, 3], float64)"
    assert Network((4, 3)).sizes == [4, 3] and Network([4, 2, 3]).num_layers == 3


def test_copies_and_pickles_go_on_alike():
    data = by_hand.columns(np.random.default_rng(2), 9, 4, 3)
    net = Network([4, 3], seed=0)
    net.SGD(data, 1, 2, 1.0)
    others = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    for one in (net, *others):
        one.SGD(data, 1, 2, 1.0)
    for other in others:
        close(as_parameters(other), as_parameters(net), rtol=0.0)


def test_gradient_along_the_inputs():
    net, x = Network([4, 5, 3], seed=0), np.random.default_rng(1).normal(size=(4, 1))
    found = cr.grad(lambda a: net.feedforward(a)[1, 0])(x)
    step = 1e-6 * np.eye(4)[:, :, None]
    numeric = [(net.feedforward(x + h) - net.feedforward(x - h))[1, 0] / 2e-6 for h in step]
    np.testing.assert_allclose(found[:, 0], numeric, rtol=1e-7, atol=1e-10)


def test_several_columns_at_once():
    net, x = Network([4, 5, 3], seed=0), np.random.default_rng(1).normal(size=(4, 6))
    one_by_one = np.hstack([net.feedforward(x[:, k : k + 1]) for k in range(6)])
    np.testing.assert_allclose(net.feedforward(x), one_by_one, rtol=1e-14)


def test_ctrl_c_keeps_what_was_learned(capsys, monkeypatch):
    data = by_hand.columns(np.random.default_rng(2), 9, 4, 3)
    net = Network([4, 3], seed=0)
    before = net.weights[0].copy()
    calls = []

    def interrupted(*what):
        calls.append(what)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", interrupted)
    net.SGD(data, 10, 2, 1.0)
    monkeypatch.undo()
    assert net.history.entries == 2
    assert (net.weights[0] != before).any()
    assert calls[-1] == ("Stopped by Ctrl-C after 2 epochs",)


def test_errors_are_of_the_family():
    with pytest.raises(ChainruleError):
        Network([4, 3]).evaluate([])
