"""Whole epochs: the compiled loop does what the step does, batch by batch."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.tree import flatten
from chainrule.machines.native.epoch import Epoch
from chainrule.machines.native.fed import Fed
from chainrule.machines.native.training_step import TrainingStep


def by_hand(step, parameters, state, data, order, size) -> tuple[list[float], Any, Any]:
    costs = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        cost, parameters, state = step(parameters, state, *(a[rows] for a in data))
        costs.append(float(cost))
    return costs, parameters, state


def assert_same(one, two, rtol=1e-9) -> None:
    for x, y in zip(flatten(one)[0], flatten(two)[0], strict=True):
        assert type(x) is type(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def descent(cost, rate=0.1):
    def step(parameters, state, *batch):
        value, slopes = cr.value_and_grad(cost)(parameters, *batch)
        leaves, tree = flatten(parameters)
        moved = [p - rate * g for p, g in zip(leaves, flatten(slopes)[0], strict=True)]
        return value, tree.build(moved), {"count": state["count"] + 1.0}

    return step


def network(p, x, y):
    return np.mean((np.tanh(x @ p["W"] + p["b"]) @ p["V"] - y) ** 2)


def data(rows, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 5))
    return x, np.sin(x[:, :2])


def start(seed=1):
    generator = np.random.default_rng(seed)
    return {
        "W": generator.normal(size=(5, 7)) / 2,
        "b": np.zeros(7),
        "V": generator.normal(size=(7, 2)) / 2,
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [1, 4, 7, 32, 33, 50])
def test_batches_in_any_order_and_size(size, threads):
    arrays = data(33)
    step = descent(network)
    epoch = Epoch(step, start(), {"count": 0.0}, arrays, size, threads=threads)
    order = np.random.default_rng(2).permutation(33)
    costs, parameters, state = by_hand(step, start(), {"count": 0.0}, arrays, order, size)
    found = np.concatenate([epoch.run(order, 0, 2), epoch.run(order, 2, 99)])
    np.testing.assert_allclose(found, costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))
    assert epoch.values()[1]["count"] == len(costs)


def test_several_epochs_at_once():
    arrays = data(12)
    step = descent(network)
    epoch = Epoch(step, start(), {"count": 0.0}, arrays, 4)
    generator = np.random.default_rng(2)
    order = np.concatenate([generator.permutation(12) for _ in range(3)])
    costs, parameters, state = by_hand(step, start(), {"count": 0.0}, arrays, order, 4)
    np.testing.assert_allclose(epoch.run(order, 0, 9), costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))


def test_branches_are_those_of_python():
    def cost(p, x, y):
        error = np.mean(np.abs(x @ p - y))
        return error if error < 1.0 else error * error  # Huber-like, by a branch

    arrays = data(40)[0], 1.2 * np.random.default_rng(3).normal(size=40)
    step = descent(cost, 0.1)
    epoch = Epoch(step, np.zeros(5), {"count": 0.0}, arrays, 3)
    order = np.random.default_rng(2).permutation(40)
    costs, parameters, state = by_hand(step, np.zeros(5), {"count": 0.0}, arrays, order, 3)
    assert min(costs) < 1.0 < max(costs)  # both branches are taken
    np.testing.assert_allclose(epoch.run(order, 0, 99), costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))


def test_more_branches_than_are_compiled():
    def cost(p, x):
        total = np.sum(p * x)
        steps = 0
        while total > 1.0:
            total = total / 2.0
            steps += 1
        return total * steps

    x = (2.0 ** np.arange(30)).reshape(30, 1)
    step = descent(cost, 0.0)
    epoch = Epoch(step, np.ones(1), {"count": 0.0}, (x,), 1)
    order = np.arange(30)
    costs, _, state = by_hand(step, np.ones(1), {"count": 0.0}, (x,), order, 1)
    np.testing.assert_allclose(epoch.run(order, 0, 30), costs, rtol=1e-12)
    assert epoch.values()[1] == state


def test_gates_that_numpy_computes():
    def cost(p, x, labels):
        picked = (x @ p)[np.arange(len(x)), labels]
        return np.mean((picked - 1.0) ** 2) + np.sum(np.linalg.inv(p[:2].T @ p[:2] + 3 * np.eye(2)))

    x = data(20)[0]
    labels = np.arange(20) % 2
    p = np.random.default_rng(4).normal(size=(5, 2))
    step = descent(cost, 0.05)
    epoch = Epoch(step, p, {"count": 0.0}, (x, labels), 8)
    order = np.random.default_rng(2).permutation(20)
    costs, parameters, state = by_hand(step, p, {"count": 0.0}, (x, labels), order, 8)
    np.testing.assert_allclose(epoch.run(order, 0, 9), costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))


def test_labels_out_of_range_are_refused_where_they_come():
    def cost(p, x, labels):
        return -np.mean(np.sum(cr.log_softmax(x @ p) * cr.one_hot(labels, 3), axis=1))

    x = data(12)[0]
    labels = np.arange(12) % 3
    step = descent(cost)
    epoch = Epoch(step, np.zeros((5, 3)), {"count": 0.0}, (x, labels), 4)
    epoch.run(np.arange(12), 0, 3)
    labels[9] = 3  # contiguous data is not copied: this is what the loop reads
    with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
        epoch.run(np.arange(12), 0, 3)
    assert epoch.values()[1]["count"] == 5.0  # the batches before it were done


def test_parameters_that_change_places_and_those_that_stay():
    def step(parameters, state, x):
        a, b, c = parameters
        cost = np.sum(x) + np.sum(a @ b.T) + c
        return cost, [b, a + 0.0, c], state

    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    x = np.arange(4.0)
    epoch = Epoch(step, [a, b, 2.0], (), (x,), 2)
    costs, parameters, _ = by_hand(step, [a, b, 2.0], (), (x,), np.arange(4), 2)
    np.testing.assert_allclose(epoch.run(np.arange(4), 0, 2), costs)
    assert_same(epoch.values()[0], parameters)


def test_in_single_precision_with_odd_sizes():
    generator = np.random.default_rng(5)
    x = generator.normal(size=(23, 5)).astype(np.float32)
    y = generator.normal(size=(23, 2)).astype(np.float32)
    p = {name: value.astype(np.float32) for name, value in start().items()}
    step = descent(network)
    epoch = Epoch(step, p, {"count": 0.0}, (x, y), 9)
    order = generator.permutation(23)
    costs, parameters, state = by_hand(step, p, {"count": 0.0}, (x, y), order, 9)
    np.testing.assert_allclose(epoch.run(order, 0, 3), costs, rtol=1e-4)
    assert_same(epoch.values(), (parameters, state), 1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_long_steps_look_whether_to_stop(threads, monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler.STOPPABLE", 0.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    arrays = data(33)
    step = descent(network)
    epoch = Epoch(step, start(), {"count": 0.0}, arrays, 8, threads=threads)
    order = np.arange(33)
    costs, parameters, state = by_hand(step, start(), {"count": 0.0}, arrays, order, 8)
    np.testing.assert_allclose(epoch.run(order, 0, 9), costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))


def test_branches_of_the_update_itself(monkeypatch):
    """What tracing lets go of in the update it cannot decide by: then it is traced with all."""
    monkeypatch.setattr("chainrule.tracing.passing.LARGE", 1)
    compiled, exact = TrainingStep._compiled, []
    monkeypatch.setattr(
        TrainingStep,
        "_compiled",
        lambda *args, **how: exact.append(how["exact"]) or compiled(*args, **how),
    )

    def step(parameters, state, x):
        value, g = cr.value_and_grad(lambda p: np.sum((x @ p - 1.0) ** 2))(parameters)
        moved = parameters - (0.01 if np.sum(g * g) > 30.0 else 0.02) * g
        if np.sum(np.abs(moved)) > 1.0:
            moved = moved * 0.9
        return value, moved, {"count": state["count"] + 1.0}

    x = data(40)[0]
    costs, parameters, state = by_hand(step, np.zeros(5), {"count": 0.0}, (x,), np.arange(40), 4)
    epoch = Epoch(step, np.zeros(5), {"count": 0.0}, (x,), 4)
    np.testing.assert_allclose(epoch.run(np.arange(40), 0, 10), costs, rtol=1e-9)
    assert_same(epoch.values(), (parameters, state))
    assert any(exact)
    fed = Fed(step, np.zeros(5), {"count": 0.0}, (x[:4],))
    found = [fed.feed((x[k : k + 4],)) for k in range(0, 40, 4)]
    np.testing.assert_allclose(found, costs, rtol=1e-9)
    assert_same(fed.values(), (parameters, state))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors are left as they are")
@pytest.mark.parametrize("threads", [1, 2])
def test_subnormal_numbers_are_zero_while_an_epoch_runs(threads):
    # 2^-126 is the smallest normal float32: its half is 0 in an epoch, and 2^-127 in NumPy.
    smallest = np.float32(2.0**-126)

    def step(parameters, state, x):
        return np.mean(x), parameters * 0.5, state * 0.5

    x = np.ones((4, 1), np.float32)
    large = np.full((300, 300), smallest)  # so that both threads take part
    epoch = Epoch(step, large, np.full(2, 4 * smallest), (x,), 4, threads=threads)
    epoch.run(np.arange(4), 0, 1)
    parameters, state = epoch.values()
    assert not parameters.any()
    assert (state == 2 * smallest).all()
    assert (large * np.float32(0.5) == np.float32(2.0**-127)).all()  # NumPy goes on as before


def test_what_numpy_computes_in_an_epoch_keeps_its_subnormal_numbers():
    def step(parameters, state, x):
        return np.mean(x), np.sort(parameters) * 0.5, state

    start = np.full(3, 2.0**-126, np.float32)
    epoch = Epoch(step, start, np.zeros(1), (np.ones((4, 1), np.float32),), 4)
    epoch.run(np.arange(4), 0, 1)
    assert (epoch.values()[0] == np.float32(2.0**-127)).all()
