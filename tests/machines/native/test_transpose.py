"""Transposes against NumPy's, bit for bit."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import replace

import numpy as np
import pytest

from chainrule.machines.native import transpose
from chainrule.machines.native.builder import Builder, module
from chainrule.machines.native.target import (
    AVX2,
    NEON,
    SSE,
    Target,
    assembly,
    compile_object,
    host,
    load,
)
from chainrule.machines.native.transpose import emit_transpose, pieces
from tests.machines.native.fences import fenced

DTYPES = {"float": np.float32, "double": np.float64}
GAP, CANARY = 3, -77.25


def kernel(kind: str, rows: int, columns: int, target: Target) -> str:
    arguments = [("ptr", "source"), ("ptr", "to"), ("i64", "first"), ("i64", "last")]
    b = Builder("kernel", arguments, target)
    source, to, first, last = b.arguments.values()
    emit_transpose(b, kind, rows, columns, source, columns + GAP, to, rows + GAP, first, last)
    b.ret()
    return module([b])


def check(kind: str, rows: int, columns: int, target: Target, room: int = 0) -> None:
    """Transpose in three parts, from and to rows with gaps between them; with some room behind."""
    rng = np.random.default_rng(7)
    source = fenced(max(rows * (columns + GAP) - GAP, 0), DTYPES[kind])
    source[:] = rng.standard_normal(source.size)
    to = fenced(max(columns * (rows + GAP) - GAP, 0) + room, DTYPES[kind])
    to[:] = CANARY
    code = compile_object(kernel(kind, rows, columns, target), target)
    (address,) = load(code, ("kernel",))
    types = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    run = ctypes.CFUNCTYPE(None, *types)(address)
    count = pieces(kind, rows, columns, target)
    for first, last in itertools.pairwise([0, count // 3, count // 2, count]):
        run(source.ctypes.data, to.ctypes.data, first, last)
    if not rows or not columns:
        assert count == 0 and (to == CANARY).all()
        return
    size = to.itemsize
    wide = np.lib.stride_tricks.as_strided
    given = wide(source, (rows, columns), ((columns + GAP) * size, size))
    found = wide(to, (columns, rows), ((rows + GAP) * size, size))
    np.testing.assert_array_equal(found, given.T)
    gaps = wide(to[rows:], (columns - 1, GAP), ((rows + GAP) * size, size))
    assert (gaps == CANARY).all(), "a store beside the matrix"


SIZES = [0, 1, 3, 16, 19, 48, 53]


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize(("rows", "columns"), list(itertools.product(SIZES, SIZES)))
def test_transposes_of_all_shapes(rows, columns, kind):
    check(kind, rows, columns, host())


def lesser() -> list[Target]:
    """Return this processor with features left out."""
    here = host()
    found = [replace(here, vector_bytes=16, registers=16)]
    if here.triple.startswith("x86_64"):
        found.append(replace(SSE, triple=here.triple))
        if here.vector_bytes >= 32:
            found.append(replace(AVX2, triple=here.triple))
    return found


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("target", lesser(), ids=lambda t: f"{t.vector_bytes}{t.cpu}")
def test_transposes_on_lesser_processors(target, kind):
    for rows, columns in [(1, 9), (3, 3), (9, 2), (8, 20), (37, 23)]:
        check(kind, rows, columns, target)


@pytest.mark.parametrize(("target", "word"), [(NEON, "trn1"), (SSE, "unpck")], ids=["NEON", "SSE"])
def test_transposes_for_other_processors_turn_in_registers(target, word):
    assert word in assembly(kernel("float", 64, 64, target), target)


def test_a_wrong_turn_is_noticed(monkeypatch):
    right = transpose.turned
    monkeypatch.setattr(transpose, "turned", lambda b, tile: right(b, tile)[::-1])
    with pytest.raises(AssertionError, match="not equal"):
        check("float", 48, 19, host())


def test_a_store_beside_the_matrix_is_noticed(monkeypatch):
    monkeypatch.setattr(transpose, "lanes", lambda kind, numbers: None)
    with pytest.raises(AssertionError, match="beside"):
        check("float", 2, 19, replace(host(), vector_bytes=16), room=4)
