"""Rows as the loop over batches reads them: every dtype as NumPy converts it, on every target."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from chainrule.data.converted import Converted, convert
from chainrule.machines.native import linking
from chainrule.machines.native.builder import Builder, module
from chainrule.machines.native.conversion import emit_converted
from chainrule.machines.native.data_rows import data_rows
from chainrule.machines.native.epoch import Epoch
from chainrule.machines.native.target import AVX2, SSE, compile_object, host

RNG = np.random.default_rng(5)
ROWS, ELEMENTS = 6, 37  # odd: some elements are left over behind the vectors


def numbers(code: str) -> np.ndarray:
    """Return elements of a dtype, the largest and the odd ones among them."""
    dtype = np.dtype(code)
    raw = RNG.integers(0, 256, ROWS * ELEMENTS * dtype.itemsize, dtype=np.uint8)
    if dtype.kind == "b":
        return (raw > 99).reshape(ROWS, ELEMENTS)
    found = raw.view(dtype).reshape(ROWS, ELEMENTS).copy()  # every bit pattern may occur
    if dtype.kind == "f":
        small = np.finfo(dtype).smallest_subnormal
        found[0, :6] = [0.0, -0.0, np.inf, -np.inf, np.nan, small]
        found[1, -4:] = [-small, np.finfo(dtype).max, np.finfo(dtype).tiny, -np.inf]
    else:
        found[0, :2] = np.iinfo(dtype).min, np.iinfo(dtype).max
        found[1, -2:] = np.iinfo(dtype).max, np.iinfo(dtype).min
    return found


KINDS = [
    (source, target)
    for source in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8",
                   ">u2", ">i4", ">f2", ">f4", ">f8")
    for target in ("f4", "f8", "i4", "i8")
    if np.can_cast(source, target, "same_kind")
]  # fmt: skip


def gathered(given) -> np.ndarray:
    """Return what a step is given as its batches of one row, in turn."""

    def step(parameters, state, x):
        return np.sum(parameters), x[0], state

    seen = []
    zeros = np.zeros(given.shape[1:], given.dtype.newbyteorder("="))
    epoch = Epoch(step, zeros, (), (given,), 1, threads=1)
    for row in range(len(given)):
        epoch.run(np.arange(len(given)), row, 1)
        seen.append(epoch.values()[0])
    return np.array(seen)


def same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.filterwarnings("ignore:.*encountered in cast")
@pytest.mark.parametrize("processor", [SSE, AVX2, host()], ids=["sse", "avx2", "host"])
def test_rows_are_converted_as_numpy_does(processor):
    if processor is AVX2 and host().vector_bytes < 32:
        pytest.skip("this processor has no AVX2")
    if not host().triple.startswith("x86_64") and processor is not host():
        pytest.skip("another kind of processor")
    cases, builders = [], []
    for source, target in KINDS:
        divisors = (None, 255.0) if target[0] == "f" else (None,)
        for divisor in divisors:
            given = convert(numbers(source), target, divisor=divisor)
            b = Builder(f"convert{len(cases)}", [("ptr", "start"), ("ptr", "to")], processor)
            emit_converted(b, data_rows(given), b.arguments["start"], b.arguments["to"])
            b.ret()
            builders.append(b)
            cases.append(given)
    code = compile_object(module(builders), processor)
    addresses = linking.load(code, tuple(b.name for b in builders))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    for given, address in zip(cases, addresses, strict=True):
        found = np.empty(ELEMENTS, given.dtype)
        for row in range(ROWS):
            one = np.ascontiguousarray(given.array[row])
            call(address)(one.ctypes.data, found.ctypes.data)
            with np.errstate(all="ignore"):
                same_bits(found, given[row])


@pytest.mark.parametrize("code", ["u1", ">f4", "f2"])
def test_batches_are_converted(code):
    x = numbers(code)
    given = convert(np.where(np.isfinite(x), x, x.dtype.type(1)), "f4", divisor=16)
    assert given.array.dtype.itemsize == x.dtype.itemsize
    same_bits(gathered(given), given[:])


def test_bytes_in_the_other_order_are_the_same_numbers():
    x = RNG.normal(size=(5, 3)).astype(">f8")
    same_bits(gathered(x), x)


X = RNG.normal(size=(8, 6, 4))


@pytest.mark.parametrize(
    ("x", "is_copied"),
    [
        (X, False),
        (X[::2], False),
        (X[::-1], False),
        (X[:, :2], False),
        (X[:, 2:, :], False),
        (np.broadcast_to(X[0], X.shape), False),
        (X[:, :, ::2], True),
        (np.asfortranarray(X), True),
        (X.transpose(1, 0, 2), True),
        (X[:, 0, 0], False),
        (X[::-3, 0, 0], False),
        (np.frombuffer(b"1" + X[0].tobytes(), np.uint8)[1:].view(float).reshape(6, 4), True),
    ],
)
def test_rows_in_one_piece_are_read_where_they_are(x, is_copied):
    assert np.shares_memory(data_rows(x).array, x) is not is_copied
    same_bits(gathered(x), x)


def test_a_whole_batch_is_converted_once():
    given = convert(np.arange(12, dtype=np.uint8).reshape(4, 3), "f4", divisor=2)

    def step(parameters, state, x):
        return np.sum(x * parameters), parameters, state

    epoch = Epoch(step, np.ones(3, np.float32), (), (given,), 4)
    np.testing.assert_array_equal(epoch.run(np.arange(4), 0, 1), [33.0])


def test_tracing_sees_what_the_code_sees():
    assert isinstance(convert(X, "f4")[:], np.ndarray) and not isinstance(X, Converted)
    taken = data_rows(convert(X, "f4")).take(np.array([3, 1]))
    np.testing.assert_array_equal(taken, X[[3, 1]].astype("f4"))
