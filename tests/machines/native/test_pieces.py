"""Arrays written part by part: joined where nobody looks between, and right where somebody does."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.machines.native.machine import Native
from chainrule.tracing.record import record
from tests.machines.native.test_agreement import agree

X = np.random.default_rng(0).normal(size=(5, 6, 4))
W = np.random.default_rng(1).normal(size=(4, 4))


def filled(native: Native) -> int:
    """Return how many times zeros or copies were written as wholes."""
    return sum("5x6x4" in line for line in native.layout.report)


def over_time(x, w):
    h = np.zeros((5, 4))
    for t in range(6):
        h = np.tanh(x[:, t] + h @ w)
    return np.sum(h)


def test_the_gradient_of_a_loop_over_slices_is_one_array():
    native = agree(cr.grad(over_time), (X, W), (2.0 * X, W), rtol=1e-12)
    assert filled(native) == 1


def test_slices_that_leave_something_out_leave_zeros():
    def some(x):
        return np.sum(x[:, 1] * x[:, 4]) + np.sum(np.sin(x[3, 2:3]))

    native = agree(cr.grad(some), (X,), rtol=1e-13)
    assert filled(native) == 1
    slope = native(X)
    assert not slope[:, 0].any() and slope[0, 1].all()


@pytest.mark.parametrize(
    "cost",
    [
        lambda x: np.sum(x[:, 1:4] * x[:, 2:5]),  # they meet
        lambda x: np.sum(np.exp(x[:, 0])) + np.sum(np.sin(x[:, ::2])),
        lambda x: np.sum(x[1:] * x[:-1]) + np.sum(x[0] ** 2),
        lambda x: np.sum(x[:, 0] * x[:, 1, ::-1]) + np.sum(x[::-1, 2:] ** 3),
        lambda x: np.sum(x[:0]) + np.sum(x[1] * x[2]),
    ],
)
def test_parts_of_all_kinds(cost):
    agree(cr.value_and_grad(cost), (X,), (X + 1.0,), rtol=1e-13)


def test_a_sum_that_others_read_too():
    def function(x, g):
        slope = cr.grad(lambda x: np.sum(x[:, 0] * g) + np.sum(x[:, 1] * g * 2.0))(x)
        part = cr.grad(lambda x: np.sum(x[:, 0] * g))(x)  # the same zeros and part
        return slope, part, slope + part, part * 3.0

    agree(function, (X, X[:, 0] + 1.0), rtol=1e-13)


def test_an_array_added_to_itself():
    def function(x):
        part = cr.grad(lambda x: np.sum(x[:, 0] ** 2))(x)
        return part + part

    agree(function, (X,), rtol=1e-13)


def test_writes_in_a_loop_are_one_array():
    def states(x, w):
        out = x * 0.0
        h = np.zeros((5, 4))
        for t in range(6):
            h = np.tanh(x[:, t] + h @ w)
            out[:, t] = h
        return out

    native = agree(states, (X, W), (2.0 * X, W), rtol=1e-12)
    assert filled(native) == 2  # x * 0.0, and what is written over it
    agree(cr.grad(lambda x, w: np.sum(states(x, w) ** 3), (0, 1)), (X, W), rtol=1e-10)


def test_writes_that_are_read_between_and_written_over():
    def function(x):
        out = x * 2.0
        out[:, 0] = x[:, 1]
        middle = out * 1.0
        out[:, 1] = out[:, 0] + 1.0
        out[1:3] = 7.0
        out[:, :, 1] = x[:, :, 0]
        return out, middle, np.sum(out[:, 1])

    agree(function, (X,), rtol=1e-13)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads(threads, monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    x, w = np.tile(X, (20, 1, 8)), np.tile(W, (8, 8)) / 8

    def cost(x, w):
        h = np.zeros((100, 32))
        for t in range(6):
            h = np.tanh(x[:, t] + h @ w)
        return np.sum(h)

    circuit = record(cr.grad(cost), (x, w), {})
    several, one = Native(circuit, threads=threads), Native(circuit, threads=1)
    assert several.layout.threads == threads
    np.testing.assert_allclose(several(x, w), one(x, w), rtol=1e-12, atol=1e-12)


def test_integers_and_truths_are_written_too():
    def function(n, mask, x):
        n = n * 2
        n[1:2] = 5
        n[3] = 6
        mask = mask & (x[0, 0, 0] > -100.0)
        mask[0] = True
        return n, mask

    agree(function, (np.arange(5), np.array([False, True, False]), X), rtol=1e-13)
