"""Reading and adding at index arrays in machine code: NumPy's values, bits, order and errors."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GuardError
from chainrule.machines.interpret import interpret
from chainrule.machines.native.epoch import Epoch
from chainrule.machines.native.machine import Native
from chainrule.tracing.record import record

# shape of the table, shape of the indices, how many axes they index
CASES = [
    ((7, 5), (3, 4), 1),
    ((9, 128), (17,), 1),
    ((9, 70), (5, 2), 1),
    ((9, 300), (1,), 1),
    ((6,), (11,), 1),
    ((9, 1), (4,), 1),
    ((4, 5), (11,), 2),
    ((4, 5, 33), (3, 1), 2),
    ((2, 3, 4), (6,), 3),
    ((3, 2, 3), (0,), 1),
]


def read(table, g, *indices):
    return np.sum(table[indices if len(indices) > 1 else indices[0]] * g)


def case(shape, places, axes, dtype, seed=0):
    generator = np.random.default_rng(seed)
    indices = [
        generator.integers(-n, n, size=places).astype([np.int64, np.int32][k % 2])
        for k, n in enumerate(shape[:axes])
    ]
    table = generator.normal(size=shape).astype(dtype)
    g = generator.normal(size=(*places, *shape[axes:])).astype(dtype)
    return table, g, *indices


@pytest.fixture
def many_threads(monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("shape", "places", "axes"), CASES)
def test_values_and_gradients_to_the_bit(shape, places, axes, dtype, threads, many_threads):
    def both(table, g, *indices):
        value = table[indices if axes > 1 else indices[0]]
        return value, cr.grad(read)(table, g, *indices)

    circuit = record(both, case(shape, places, axes, dtype), {})
    native, reference = Native(circuit, threads=threads), interpret(circuit)
    assert not native._hosts
    for seed in (0, 1):
        given = case(shape, places, axes, dtype, seed)
        for found, expected in zip(native(*given), reference(*given), strict=True):
            # To the bit: additions to one element come in the same order as NumPy's.
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_along_an_axis(axis, dtype):
    def function(x, indices, g):
        cost = lambda x: np.sum(np.take_along_axis(x, indices, axis=axis) * g)  # noqa: E731
        return np.take_along_axis(x, indices, axis=axis), cr.grad(cost)(x)

    generator = np.random.default_rng(0)
    shape = {None: (7,), 0: (6, 4), 1: (3, 7), -1: (3, 1)}[axis]
    x = generator.normal(size=(3, 4)).astype(dtype)
    length = 12 if axis is None else x.shape[axis]
    indices = generator.integers(-length, length, size=shape)
    g = generator.normal(size=shape).astype(dtype)
    circuit = record(function, (x, indices, g), {})
    native = Native(circuit, threads=1)
    assert not native._hosts
    for found, expected in zip(
        native(x, indices, g), interpret(circuit)(x, indices, g), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_one_index_array_that_broadcasts_over_lines():
    x = np.random.default_rng(0).normal(size=(3, 4))
    indices = np.array([[3, -4]])
    compiled = cr.compile(lambda x, i: np.take_along_axis(x, i, axis=1))
    for _ in range(2):
        np.testing.assert_array_equal(compiled(x, indices), x[:, [3, 0]])


def test_reading_a_view_and_adding_a_view():
    def cost(x, i, g):
        return np.sum(x.T[:, ::2][i] * g[::-1].T)

    generator = np.random.default_rng(0)
    given = generator.normal(size=(6, 5)), np.array([4, 0, 4]), generator.normal(size=(3, 3))
    compiled = cr.compile(cr.value_and_grad(cost))
    for _ in range(2):
        value, gradient = compiled(*given)
        expected = cr.value_and_grad(cost)(*given)
        assert value == pytest.approx(expected[0], rel=1e-14)
        np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("wrong", [5, -6, 2**40, -(2**63)])
def test_an_index_out_of_range_is_numpys_error(wrong):
    table, indices = np.arange(10.0).reshape(5, 2), np.array([0, 4, -5])
    compiled = cr.compile(lambda x, i: x[i] * 2.0)
    np.testing.assert_array_equal(compiled(table, indices), table[indices] * 2.0)
    for _ in range(2):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0"):
            compiled(table, np.array([0, wrong, 1]))
    np.testing.assert_array_equal(compiled(table, indices), table[indices] * 2.0)
    native = Native(record(lambda x, i: x[i], (table, indices), {}), threads=1)
    with pytest.raises(GuardError):
        native(table, np.array([0, wrong, 1]))


def test_constant_indices_need_no_guard():
    labels = np.array([1, 0, 2])

    def picked(x):
        return x[np.arange(3), labels]

    x = np.random.default_rng(0).normal(size=(3, 3))
    native = Native(record(picked, (x,), {}), threads=1)
    assert not native.layout.stops
    np.testing.assert_array_equal(native(x), x[np.arange(3), labels])


def test_nan_reaches_only_its_row():
    table, indices = np.ones((3, 2)), np.array([2, 2, 0])
    g = np.array([[np.nan, 1.0], [1.0, 2.0], [np.inf, 0.5]])
    compiled = cr.compile(cr.grad(read))
    for _ in range(2):
        np.testing.assert_array_equal(
            compiled(table, g, indices), [[np.inf, 0.5], [0.0, 0.0], [np.nan, 3.0]]
        )


def test_integer_and_truth_tables_are_read_too():
    numbers, truths = np.arange(6).reshape(3, 2), np.array([True, False, True])
    compiled = cr.compile(lambda x, n, t, i: (n[i] * x, t[i] & (x[:, 0] > 0)))
    x, i = np.array([[1.0, 2.0], [-3.0, 4.0]]), np.array([2, -3])
    for _ in range(2):
        found = compiled(x, numbers, truths, i)
        np.testing.assert_array_equal(found[0], numbers[i] * x)
        np.testing.assert_array_equal(found[1], [True, False])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: x[:, i],
        lambda x, i: x[i, 1:],
        lambda x, i: x[i, ..., 0],
        lambda x, i: x[None, i],
    ],
)
def test_numpy_reads_what_has_no_code(function):
    x, i = np.random.default_rng(0).normal(size=(3, 4)), np.array([2, 0, 2])
    compiled = cr.compile(cr.value_and_grad(lambda x, i: np.sum(function(x, i) ** 2)))
    for _ in range(2):
        value, gradient = compiled(x, i)
        expected = cr.value_and_grad(lambda x, i: np.sum(function(x, i) ** 2))(x, i)
        assert value == pytest.approx(expected[0])
        np.testing.assert_allclose(gradient, expected[1])


def test_an_epoch_stops_at_a_wrong_index():
    def cost(p, tokens):
        return np.mean(p[tokens] ** 2)

    def step(p, state, tokens):
        value, slope = cr.value_and_grad(cost)(p, tokens)
        return value, p - 0.1 * slope, state

    tokens = np.arange(12) % 4
    epoch = Epoch(step, np.ones((4, 3)), (), (tokens,), 3)
    epoch.run(np.arange(12), 0, 4)
    tokens[7] = 4  # contiguous data is not copied: this is what the loop reads
    before = epoch.values()[0]
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        epoch.run(np.arange(12), 0, 4)
    after = before
    for k in (0, 1):  # the batches before it were done, and no part of the third
        after = step(after, (), tokens[3 * k : 3 * k + 3])[1]
    np.testing.assert_allclose(epoch.values()[0], after, rtol=1e-14)


def test_parameters_that_are_reordered_are_not_read_after_they_are_written():
    def step(p, state, order):
        return np.sum(p[0]), p[order], state

    start, order = np.random.default_rng(0).normal(size=(6, 33)), np.array([5, 3, 0, 1, 2, 4])
    epoch = Epoch(step, start, (), (order,), 6)
    epoch.run(np.arange(6), 0, 1)
    np.testing.assert_array_equal(epoch.values()[0], start[order])
