"""Dropout: what is dropped, what is made up for, and the key that goes from step to step."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.networks.dropout import Dropout
from chainrule.random import random_key, random_split, random_uniform

MACHINES = ("interpret", "staged", "native")


def begun(layer: Dropout, seed: int = 0):
    return layer.carried(np.random.default_rng(seed), np.dtype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_part_that_is_dropped_and_the_mean(rate, dtype):
    layer = Dropout(rate)
    x = np.ones((100, 1000), dtype)
    y, following = layer.train({}, x, begun(layer))
    assert y.dtype == dtype
    dropped = np.mean(y == 0.0)
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_allclose(y[y != 0.0], 1 / (1 - rate), rtol=1e-6)
    # Each row and each step drop others.
    again, _ = layer.train({}, x, following)
    both = np.mean((y == 0.0) & (again == 0.0))
    assert abs(both - rate**2) < 5 * rate / math.sqrt(x.size)
    assert len({row.tobytes() for row in y == 0.0}) == 100


def test_what_is_kept_is_above_the_rate():
    layer, x = Dropout(0.25), np.arange(1.0, 13.0).reshape(3, 4)
    carried = begun(layer)
    y, following = layer.train({}, x, carried)
    keys = random_split(carried["key"])
    kept = random_uniform(keys[1], (3, 4), "float32") >= 0.25
    np.testing.assert_allclose(y, np.where(kept, x / 0.75, 0.0))
    np.testing.assert_array_equal(following["key"], keys[0])


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_machines_drop_the_same(machine, dtype):
    layer = Dropout(0.3)

    def step(x, carried):
        y, following = layer.train({}, x, carried)
        slope = cr.grad(lambda x: np.sum(layer.train({}, x, carried)[0] ** 2))(x)
        return np.sum(y * y), slope, following

    compiled = cr.compile(step, machine=machine)
    x = np.random.default_rng(0).normal(size=(13, 37)).astype(dtype)
    mine = theirs = begun(layer)
    for _ in range(4):
        value, slope, following = step(x, mine)
        found, its_slope, theirs = compiled(x, theirs)
        np.testing.assert_array_equal(its_slope == 0.0, slope == 0.0)
        np.testing.assert_allclose(its_slope, slope, rtol=1e-6)
        assert found == pytest.approx(value, rel=1e-5)
        np.testing.assert_array_equal(theirs["key"], following["key"])
        mine = following
    assert theirs["key"].dtype == np.int32


@pytest.mark.parametrize("threads", [1, 2])
def test_training_drops_what_plain_python_drops(threads):
    layer = Dropout(0.5)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 30)), generator.normal(size=(40, 2))

    def cost(p, carried, x, y):
        h, following = layer.train({}, np.tanh(x @ p["V"]), carried)
        return np.mean((h @ p["W"] - y) ** 2), following

    start = {"V": 0.2 * generator.normal(size=(30, 50)), "W": np.zeros((50, 2))}
    settings = {"carry": begun(layer), "epochs": 3, "batch_size": 16, "seed": 1}
    plain = cr.fit(cost, start, (x, y), machine="python", **settings)
    native = cr.fit(cost, start, (x, y), machine="native", threads=threads, **settings)
    np.testing.assert_array_equal(native.carry["key"], plain.carry["key"])
    np.testing.assert_allclose(native.parameters["V"], plain.parameters["V"], rtol=1e-9)
    np.testing.assert_allclose(native.parameters["W"], plain.parameters["W"], rtol=1e-9)


def test_the_gradient_goes_where_the_numbers_went():
    layer, carried = Dropout(0.4), begun(Dropout(0.4))
    x = np.random.default_rng(1).normal(size=(4, 5))
    slope = cr.grad(lambda x: np.sum(layer.train({}, x, carried)[0]))(x)
    y, _ = layer.train({}, x, carried)
    np.testing.assert_allclose(slope, y / x)
    cr.check_gradients(lambda x: np.sum(layer.train({}, x, carried)[0] ** 2), x)


def test_outside_training_everything_is_kept():
    layer, x = Dropout(0.5), np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(layer.predict({}, x, begun(layer)), x)
    np.testing.assert_array_equal(layer({}, x), x)
    assert layer.outputs((3,)) == (3,) and layer.parameters(np.random.default_rng(0), x.dtype) == {}


def test_a_rate_of_zero_changes_nothing():
    layer, x = Dropout(0.0), np.arange(6.0).reshape(2, 3)
    carried = begun(layer)
    y, following = layer.train({}, x, carried)
    assert y is x and following is carried


def test_keys_come_from_the_generator():
    layer, generator = Dropout(0.5), np.random.default_rng(3)
    first = layer.carried(generator, np.dtype(np.float32))["key"]
    second = layer.carried(generator, np.dtype(np.float32))["key"]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, random_key(np.random.default_rng(3)))


def test_nan_is_not_hidden():
    layer, x = Dropout(0.5), np.full((1, 100), np.nan)
    assert np.isnan(layer.train({}, x, begun(layer))[0]).all()


@pytest.mark.parametrize("rate", [1.0, -0.1, math.nan, 2])
def test_rates_out_of_range(rate):
    with pytest.raises(ValueError, match="rate must be from 0 to below 1"):
        Dropout(rate)


def test_a_rate_that_is_no_number():
    with pytest.raises(TypeError, match="rate must be a number, not 'half'"):
        Dropout("half")
    assert Dropout(np.float32(0.5)) == Dropout(0.5) and type(Dropout(np.float64(0.5)).rate) is float
