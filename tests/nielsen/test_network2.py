"""Chapter 3's network: costs, regularisation, monitoring, early stopping, initialisers.

Expected numbers: the book's algorithm in plain loops (`by_hand.py`), mpmath, central differences.
"""

from __future__ import annotations

import re
import warnings

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.data import load_digits
from chainrule.nielsen import network2
from chainrule.nielsen.costs import COSTS, total
from chainrule.nielsen.network2 import CrossEntropyCost, Network, QuadraticCost
from tests.nielsen import by_hand

NAMES = {"quadratic": QuadraticCost, "cross-entropy": CrossEntropyCost}
MONITORED = {
    "monitor_evaluation_cost": True,
    "monitor_evaluation_accuracy": True,
    "monitor_training_cost": True,
    "monitor_training_accuracy": True,
}


def close(found, expected, rtol=1e-11):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def made(count, seed=5):
    return by_hand.columns(np.random.default_rng(seed), count, 4, 3)


# ------------------------------------------------------------------ costs


def test_slope_of_the_sigmoid():
    """The book's module has it, for a `delta` of one's own; e^-z far out, not 0."""
    found = network2.sigmoid_prime(np.array([[-2.0], [0.0], [2.0], [40.0]]))
    slope = 0.10499358540350651  # e^-2 / (1 + e^-2)^2
    expected = [slope, 0.25, slope, 4.248354255291589e-18]
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-14)


@pytest.mark.parametrize("cost", COSTS.values())
def test_delta_is_the_gradient_of_fn_at_the_weighted_inputs(cost):
    z, y = np.array([[-2.0], [0.5], [3.0]]), np.array([[0.0], [1.0], [0.25]])
    expected = cr.grad(lambda z: cost.fn(cr.sigmoid(z), y))(z)
    np.testing.assert_allclose(cost.delta(z, cr.sigmoid(z), y), expected, rtol=1e-13)
    along = cr.grad(lambda z: total(cost, z.T, y.T))(z)
    np.testing.assert_allclose(along, expected, rtol=1e-13)


def test_cross_entropy_against_mpmath():
    a, y = [0.1, 0.5, 0.999], [0.0, 1.0, 0.25]
    expected = sum(
        -(t * mpmath.log(p) + (1 - t) * mpmath.log(1 - mpmath.mpf(p)))
        for p, t in zip(a, y, strict=True)
    )
    found = CrossEntropyCost.fn(np.array(a), np.array(y))
    assert float(found) == pytest.approx(float(expected), rel=1e-14)


def test_cross_entropy_at_the_ends():
    certain = np.array([[0.0], [1.0]])
    assert CrossEntropyCost.fn(certain, certain) == 0.0
    assert CrossEntropyCost.fn(certain, 1.0 - certain) == np.inf
    z = np.array([[-800.0, 800.0]])
    assert total(CrossEntropyCost, z, np.array([[1.0, 0.0]])) == 1600.0
    assert total(CrossEntropyCost, z, np.array([[0.0, 1.0]])) == 0.0


def test_delta_of_the_quadratic_cost_where_the_sigmoid_rounds_to_1():
    found = QuadraticCost.delta(np.array(40.0), cr.sigmoid(np.array(40.0)), np.array(0.0))
    assert float(found) == pytest.approx(4.2483542552915889e-18, rel=1e-14)  # mpmath


# ------------------------------------------------------------------ training


@pytest.mark.parametrize("cost", NAMES)
@pytest.mark.parametrize(("size", "lmbda"), [(4, 0.0), (5, 1.5), (20, 0.3)])
def test_trains_and_monitors_as_the_books_loops_do(cost, size, lmbda, capsys):
    data, held_out = made(20), made(13, seed=6)
    net = Network([4, 5, 3], cost=NAMES[cost], seed=8)
    rng = np.random.default_rng(8)
    start = by_hand.draw(net.sizes, rng, scaled=True)
    close(net.biases + net.weights, start[0] + start[1], rtol=1e-15)
    expected, lines = ([], [], [], []), []
    steps = by_hand.epochs(*start, data, rng, 3, size, 0.5, cost, lmbda)
    for epoch, state in enumerate(steps):
        expected[0].append(by_hand.mean_cost(*state, held_out, cost, lmbda))
        expected[1].append(by_hand.count_right(*state, by_hand.labelled(held_out)))
        expected[2].append(by_hand.mean_cost(*state, data, cost, lmbda))
        expected[3].append(by_hand.count_right(*state, by_hand.labelled(data)))
        lines += [
            f"Epoch {epoch} training complete",
            "Cost on training data: ...",
            f"Accuracy on training data: {expected[3][-1]} / 20",
            "Cost on evaluation data: ...",
            f"Accuracy on evaluation data: {expected[1][-1]} / 13",
            "",
        ]
    found = net.SGD(data, 3, size, 0.5, lmbda, by_hand.labelled(held_out), **MONITORED)
    close(found, expected)
    assert [type(one[0]) for one in found] == [float, int, float, int]
    close(net.biases + net.weights, state[0] + state[1])
    printed = re.sub(r"(?<=data: )[\d.e-]+$", "...", capsys.readouterr().out, flags=re.MULTILINE)
    assert printed.splitlines() == lines
    assert net.history["evaluation_cost"] == found[0]
    assert net.history["training_accuracy"] == found[3]
    assert net.total_cost(data, lmbda) == pytest.approx(found[2][-1], rel=1e-15)
    assert net.total_cost(by_hand.labelled(data), lmbda, convert=True) == pytest.approx(
        found[2][-1], rel=1e-15
    )
    assert net.accuracy(held_out, convert=True) == net.accuracy(held_out) == found[1][-1]


def test_lists_are_empty_where_nothing_is_monitored(capsys):
    net = Network([4, 3], seed=0)
    assert net.SGD(made(6), 2, 3, 0.1) == ([], [], [], [])
    assert capsys.readouterr().out == "Epoch 0 training complete\n\nEpoch 1 training complete\n\n"
    lists = net.SGD(made(6), 2, 3, 0.1, evaluation_data=made(5), monitor_training_cost=True)
    assert [len(one) for one in lists] == [0, 0, 2, 0]


def test_one_step_with_regularisation():
    data = made(6)
    net = Network([4, 5, 3], seed=1)
    expected = by_hand.descend(net.biases, net.weights, data, 0.5, "cross-entropy", 2.0, 60)
    net.update_mini_batch(data, 0.5, 2.0, 60)
    close(net.biases + net.weights, expected[0] + expected[1])


def test_early_stopping(capsys):
    data = made(12)
    net = Network([4, 3], seed=0)
    # At a rate of 0 nothing ever gets better: the first epoch counts, and then it waits for three.
    *_, accuracy = net.SGD(
        data, 50, 4, 0.0, evaluation_data=data, monitor_evaluation_accuracy=True,
        monitor_training_accuracy=True, early_stopping_n=3,
    )  # fmt: skip
    assert accuracy == [net.accuracy(data)] * 4
    assert net.history.entries == 4
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Early stopping: no better accuracy in the last 3 epochs"


def test_early_stopping_waits_again_after_each_improvement():
    data, held_out = made(30), made(30, seed=6)
    net = Network([4, 5, 3], seed=0)
    _, accuracy, _, _ = net.SGD(
        data, 60, 3, 1.0, evaluation_data=held_out, monitor_evaluation_accuracy=True,
        early_stopping_n=4,
    )  # fmt: skip
    best, waited, ended = 0, 0, None
    for epoch, right in enumerate(accuracy):
        best, waited = (right, 0) if right > best else (best, waited + 1)
        if waited == 4:
            ended = epoch
            break
    assert ended == len(accuracy) - 1 and len(accuracy) > 5


def test_an_own_cost_needs_no_delta():
    class Cubed:
        @staticmethod
        def fn(a, y):
            return np.sum(np.abs(a - y) ** 3.0)

    data = made(6)
    net = Network([4, 3], cost=Cubed, seed=1)
    x, y = data[0]
    nabla_b, nabla_w = net.backprop(x, y)
    before = net.biases[0].copy()
    for k in range(3):
        sides = []
        for step in (1e-6, -1e-6):
            net.biases[0] = before.copy()
            net.biases[0][k, 0] += step
            sides.append(float(Cubed.fn(net.feedforward(x), y)))
        assert nabla_b[0][k, 0] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6)
    np.testing.assert_allclose(nabla_w[0], nabla_b[0] @ x.T, rtol=1e-13)
    net.biases[0] = before
    stepped = Network([4, 3], cost=Cubed(), seed=1)
    stepped.update_mini_batch(data, 0.7, 0.0, 6)
    net.SGD(data, 1, 6, 0.7)
    close(net.biases + net.weights, stepped.biases + stepped.weights)
    assert net.total_cost(data, 0.0) == pytest.approx(
        sum(float(Cubed.fn(net.feedforward(x), y)) for x, y in data) / 6, rel=1e-14
    )


def test_learns_the_digits_better_than_chapter_1():
    train, test = load_digits().split(seed=0)
    pairs = [
        [(x.reshape(-1, 1), int(y)) for x, y in zip(part.images, part.labels, strict=True)]
        for part in (train, test)
    ]
    net = Network([64, 30, 10], seed=0)
    _, accuracy, _, _ = net.SGD(
        pairs[0], 20, 10, 0.5, 1.0, pairs[1], monitor_evaluation_accuracy=True
    )
    assert max(accuracy) / len(test) >= 0.95


# ------------------------------------------------------------------ initialisers and small things


def test_initialisers():
    net = Network([400, 100, 10], seed=0)
    spread = [float(w.std()) for w in net.weights]
    assert spread == pytest.approx([1 / 20, 1 / 10], rel=0.05)
    net.large_weight_initializer()
    assert [float(w.std()) for w in net.weights] == pytest.approx([1.0, 1.0], rel=0.05)
    assert float(net.biases[0].std()) == pytest.approx(1.0, rel=0.2)
    net.default_weight_initializer()
    assert [float(w.std()) for w in net.weights] == pytest.approx(spread, rel=0.1)


def test_vectorized_result():
    assert network2.vectorized_result(3).ravel().tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert network2.vectorized_result(1, 2).shape == (2, 1)
    for j in (-1, 10, 3.5, "3"):
        with pytest.raises(ValueError, match="10 classes have the labels 0 to 9"):
            network2.vectorized_result(j)


@pytest.mark.parametrize(
    "asked",
    [
        {"monitor_evaluation_cost": True},
        {"monitor_evaluation_accuracy": True},
        {"early_stopping_n": 2},
    ],
)
def test_monitoring_without_evaluation_data(asked):
    with pytest.raises(ValueError, match="there is no evaluation_data"):
        Network([4, 3]).SGD(made(4), 1, 2, 0.1, **asked)


def test_settings_that_cannot_be_meant():
    with pytest.raises(TypeError, match="cost must be a class or an object with fn"):
        Network([4, 3], cost="quadratic")
    with pytest.raises(ValueError, match="lmbda must be a number, 0 or more, not -1"):
        Network([4, 3]).SGD(made(4), 1, 2, 0.1, -1)
    with pytest.raises(ValueError, match="lmbda must be a number"):
        Network([4, 3]).total_cost(made(4), np.nan)
    with pytest.raises(ValueError, match="early_stopping_n must be at least 0"):
        Network([4, 3]).SGD(made(4), 1, 2, 0.1, early_stopping_n=-1)


def test_no_warning_where_outputs_saturate():
    net = Network([4, 3], seed=0)
    net.weights[0] *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        costs = net.SGD(made(10), 2, 5, 0.5, evaluation_data=made(5), **MONITORED)[2]
    assert np.isfinite(costs).all()
