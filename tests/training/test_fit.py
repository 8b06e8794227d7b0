"""`fit` gives the numbers of a loop written by hand in NumPy, on every machine."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.steps import MACHINES

ROWS = 23  # prime: no batch divides it


def regression(dtype: str = "float64") -> tuple[Any, Any, Any]:
    """Return inputs, targets and a first guess for a plane through points."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, 3))
    y = x @ [1.0, -2.0, 3.0] + 0.5 + rng.normal(0, 0.1, ROWS)
    return x.astype(dtype), y.astype(dtype), {"w": np.zeros(3, dtype), "b": np.zeros((), dtype)}


def cost(parameters, x, y):
    return np.mean((x @ parameters["w"] + parameters["b"] - y) ** 2)


def by_hand(batch_size, epochs, seed, rate=0.1, momentum=0.0):
    """Return parameters and mean costs of gradient descent, with the gradient worked out on paper.

    The shuffles are those of NumPy's generator, one permutation an epoch.
    """
    x, y, _ = regression()
    w, b, v, u = np.zeros(3), 0.0, np.zeros(3), 0.0
    rng, costs = np.random.default_rng(seed), []
    for _ in range(epochs):
        order = rng.permutation(ROWS) if batch_size < ROWS else np.arange(ROWS)
        total = 0.0
        for start in range(0, ROWS, batch_size):
            rows = order[start : start + batch_size]
            error = x[rows] @ w + b - y[rows]
            total += np.sum(error**2)
            v = momentum * v + 2 * x[rows].T @ error / len(rows)
            u = momentum * u + 2 * np.mean(error)
            w, b = w - rate * v, b - rate * u
        costs.append(total / ROWS)
    return w, b, costs


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("batch_size", [None, 5, 1])
def test_full_batch_mini_batches_and_single_examples(batch_size, machine):
    x, y, start = regression()
    result = cr.fit(
        cost, start, (x, y), epochs=3, batch_size=batch_size, optimizer=cr.SGD(0.05, momentum=0.5),
        seed=3, machine=machine,
    )  # fmt: skip
    w, b, costs = by_hand(batch_size or ROWS, 3, 3, rate=0.05, momentum=0.5)
    np.testing.assert_allclose(result.parameters["w"], w, rtol=1e-11)
    np.testing.assert_allclose(result.parameters["b"], b, rtol=1e-11)
    np.testing.assert_allclose(result.history["cost"], costs, rtol=1e-11)
    assert list(result.history) == ["cost", "seconds"] and result.epochs == 3
    assert not start["w"].any() and start["b"] == 0.0  # left as they were


@pytest.mark.parametrize("machine", MACHINES)
def test_float32_stays_float32(machine):
    x, y, start = regression("float32")
    result = cr.fit(cost, start, (x, y), batch_size=4, optimizer=cr.Adam(0.1), machine=machine)
    assert result.parameters["w"].dtype == result.parameters["b"].dtype == np.float32
    assert isinstance(result.parameters["b"], np.ndarray)  # of shape (), as it was given
    state = result.state.optimizer
    assert state["m"]["w"].dtype == np.float32 and type(state["step"]) is float


@pytest.mark.parametrize("machine", MACHINES)
def test_containers_of_every_kind(machine):
    x = np.linspace(-1.0, 1.0, 12)

    def curve(p, x, y):
        (a, b), more = p["line"], p["more"]
        return np.mean((a * x + b + more[0][0] * x**2 - y) ** 2)

    start = {"line": (0.0, np.float64(0.0)), "more": [(np.zeros(1),)]}
    y = 3.0 * x - 1.0 + 0.5 * x**2
    result = cr.fit(
        curve, start, (x, y), epochs=400, optimizer=cr.SGD(0.3, momentum=0.5), machine=machine
    )
    (a, b), more = result.parameters["line"], result.parameters["more"]
    assert type(a) is float and type(b) is np.float64 and type(more[0]) is tuple
    np.testing.assert_allclose([a, b, more[0][0][0]], [3.0, -1.0, 0.5], atol=1e-4)


@pytest.mark.parametrize("machine", ["staged", "native"])
def test_integers_and_booleans_are_data(machine):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    x = rng.normal(size=(60, 2)) + np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0]])[labels]
    known = rng.random(60) < 0.8

    def entropy(p, x, labels, known):
        is_right = labels[:, None] == np.arange(3)
        rows = np.where(is_right, cr.log_softmax(x @ p[0] + p[1]), 0.0)
        return -np.sum(np.where(known, np.sum(rows, axis=1), 0.0)) / len(x)

    start = (np.zeros((2, 3)), np.zeros(3))
    result = cr.fit(
        entropy, start, (x, labels, known), epochs=30, batch_size=16, seed=0, machine=machine
    )
    read = np.argmax(x @ result.parameters[0] + result.parameters[1], axis=1)
    assert np.mean(read == labels) > 0.95


def test_one_array_alone_and_a_bare_parameter():
    values = np.array([1.0, 2.0, 6.0])
    result = cr.fit(lambda p, x: np.mean((x - p) ** 2), 0.0, values, epochs=60)
    assert type(result.parameters) is float
    assert result.parameters == pytest.approx(3.0, abs=1e-5)


def test_xor_is_learned():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    rng = np.random.default_rng(1)
    start = [rng.normal(size=(2, 4)), np.zeros(4), rng.normal(size=4), np.zeros(())]

    def error(p, x, y):
        return np.mean((cr.sigmoid(np.tanh(x @ p[0] + p[1]) @ p[2] + p[3]) - y) ** 2)

    result = cr.fit(error, start, (x, y), epochs=500, optimizer=cr.Adam(0.05), machine="native")
    assert result.history["cost"][0] > 0.2 and result.history["cost"][-1] < 0.001


@pytest.mark.parametrize("optimizer", [cr.AdamW(0.02), cr.RMSprop(0.02)], ids=repr)
def test_two_moons_are_told_apart(optimizer):
    rng = np.random.default_rng(2)
    angle, side = rng.uniform(0, np.pi, 200), np.arange(200) % 2
    x = np.where(
        side[:, None] == 0,
        np.stack([np.cos(angle), np.sin(angle)], 1),
        np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], 1),
    )
    x = (x + rng.normal(0, 0.1, x.shape)).astype(np.float32)
    y = (2.0 * side - 1.0).astype(np.float32)
    start = {
        "W1": rng.normal(size=(2, 16)).astype(np.float32), "b1": np.zeros(16, np.float32),
        "W2": rng.normal(0, 0.25, (16, 1)).astype(np.float32), "b2": np.zeros(1, np.float32),
    }  # fmt: skip

    def scores(p, x):
        return (np.maximum(x @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"])[:, 0]

    def hinge(p, x, y):
        return np.mean(np.maximum(1 - y * scores(p, x), 0))

    result = cr.fit(
        hinge, start, (x, y), epochs=60, batch_size=32, optimizer=optimizer, seed=0,
        machine="native",
    )  # fmt: skip
    assert np.mean((scores(result.parameters, x) > 0) == (y > 0)) > 0.99


def test_seeds():
    x, y, start = regression()

    def trained(seed, **options):
        return cr.fit(cost, start, (x, y), batch_size=5, epochs=2, seed=seed, **options).parameters[
            "w"
        ]

    before = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index,union-attr]
    np.testing.assert_array_equal(trained(4), trained(4))
    assert (trained(4) != trained(5)).any() and (trained(None) != trained(None)).any()
    np.testing.assert_array_equal(trained(None, shuffle=False), trained(4, shuffle=False))
    generator = np.random.default_rng(4)
    np.testing.assert_array_equal(trained(generator), trained(4))
    assert (trained(generator) != trained(4)).any()  # it went on
    assert np.array_equal(np.random.get_state()[1], before[0])  # type: ignore[index]
    assert random.getstate() == before[1]


def test_threads_and_threads_of_python():
    x, y, start = regression()
    alone = cr.fit(cost, start, (x, y), epochs=3, batch_size=5, seed=1, machine="native", threads=2)
    found: list[Any] = []

    def train() -> None:
        found.append(cr.fit(cost, start, (x, y), epochs=3, batch_size=5, seed=1, machine="native"))

    workers = [threading.Thread(target=train) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    for result in found:
        np.testing.assert_allclose(result.parameters["w"], alone.parameters["w"], rtol=1e-12)


class Lion:
    """An optimizer of somebody else's: X. Chen et al. (2023), without weight decay."""

    def init(self, parameters):
        return [0.0 * p for p in parameters]

    def update(self, parameters, gradients, state):
        moved, means = [], []
        for p, g, m in zip(parameters, gradients, state, strict=True):
            moved.append(p - 0.01 * np.sign(0.9 * m + 0.1 * g))
            means.append(0.99 * m + 0.01 * g)
        return moved, means


@pytest.mark.parametrize("machine", MACHINES)
def test_an_optimizer_of_ones_own(machine):
    x = np.linspace(0.0, 1.0, 8).astype(np.float32)
    result = cr.fit(
        lambda p, x: np.mean((p[0] * x - 1.0) ** 2),
        [np.zeros(1, np.float32)],
        x,
        epochs=5,
        optimizer=Lion(),
        machine=machine,
    )
    # Five steps of 0.01: the slope, -2 mean(x) = -1 at first, stays below 0.
    assert result.parameters[0].dtype == np.float32
    np.testing.assert_allclose(result.parameters[0], 0.05, rtol=1e-5)


def test_branches_are_those_of_python():
    def branching(p, x):
        error = np.mean((x - p) ** 2)
        return error if error > 0.5 else 0.5 * error

    values = np.array([1.0, 2.0, 6.0])
    plain = cr.fit(branching, 0.0, values, epochs=30, batch_size=1, seed=0, machine="python")
    result = cr.fit(branching, 0.0, values, epochs=30, batch_size=1, seed=0, machine="native")
    assert result.parameters == pytest.approx(plain.parameters, rel=1e-12)


def test_what_has_no_machine_code_is_run_by_another_machine_with_a_warning():
    def cost(p, x):
        return np.mean((x.astype(np.float64) - p) ** 2)

    values = np.array([1.0, 2.0, 6.0], np.float16)
    with pytest.warns(RuntimeWarning, match="It runs on machine='staged'") as caught:
        result = cr.fit(cost, 0.0, values, epochs=3, machine="native")
    assert caught[0].filename == __file__
    plain = cr.fit(cost, 0.0, values, epochs=3, machine="python")
    assert result.parameters == pytest.approx(plain.parameters, rel=1e-14)
