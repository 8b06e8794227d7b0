"""Matrix products against NumPy in float64, within the bound of a sum in working precision.

|computed - exact| <= n u / (1 - n u) * |A| |B| for n products (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., eq. 3.13), in whatever order they are added; one more rounding
for the result, and as much again for the reference in float64.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from chainrule.machines.native import product_loops, product_plan, product_tiles
from chainrule.machines.native.builder import Builder, Value, module
from chainrule.machines.native.product import Product, emit_product, pieces, scratch_bytes
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
from tests.machines.native.fences import fenced

DTYPES = {"float": np.float32, "double": np.float64}
GAP = 3  # columns of C that are not the product's
CANARY = -77.25


def targets() -> list[Target]:
    """Return this processor as it is and with features left out."""
    here = host()
    found = [here, replace(here, fma=False), replace(here, vector_bytes=16, registers=16)]
    if here.triple.startswith("x86_64"):
        found.append(replace(SSE, triple=here.triple))
        if here.vector_bytes >= 32:
            found.append(replace(AVX2, triple=here.triple))
    return found


def kernel(p: Product, target: Target, lines: int = 0, rounds: int = 0) -> str:
    """Return a module that stores the product in C and counts how often it does so in `seen`."""
    names = ["a", "b", "c", "seen", "scratch"]
    arguments = [("ptr", n) for n in names] + [("i64", "first"), ("i64", "last")]
    b = Builder("kernel", arguments, target)
    a, bb, c, seen, scratch, first, last = b.arguments.values()

    def finish(i: Value, j: Value, value: Value, mask: Value | None) -> None:
        at = b.add(b.mul(i, Value("i64", str(p.columns + GAP))), j)
        count = b.address(seen, at, p.kind)
        one = b.constant(value.type, 1.0)
        b.store(b.fadd(b.load(value.type, count, mask), one), count, mask)
        for _ in range(lines):  # -(-x): an epilogue of any length that changes nothing
            value = b.fneg(value)
        b.store(value, b.address(c, at, p.kind), mask)

    def whole(_: Value | None = None) -> None:
        emit_product(
            b, p, a, bb, scratch if scratch_bytes(p, target) else None, first, last, finish
        )

    if rounds:
        b.loop(0, rounds, 1, whole)
    else:
        whole()
    b.ret()
    return module([b])


def compiled(text: str, target: Target) -> Callable[..., None]:
    (address,) = load(compile_object(text, target), ("kernel",))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64, ctypes.c_int64)(address)


def strided(rng: np.random.Generator, kind: str, shape: tuple[int, int], strides: tuple[int, int]):
    """Return a matrix with these strides, NaN between its elements, no memory after its last."""
    extent = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if min(shape) else 0
    flat = fenced(extent, DTYPES[kind])
    flat[:] = np.nan
    matrix = np.lib.stride_tricks.as_strided(
        flat, shape, [s * flat.itemsize for s in strides], writeable=True
    )
    for index in np.ndindex(*shape):
        matrix[index] = rng.standard_normal()
    return flat, matrix


def check(
    p: Product,
    target: Target,
    rng: np.random.Generator,
    plant: Callable[[np.ndarray, np.ndarray], None] = lambda a, b: None,
    **options: int,
) -> np.ndarray:
    """Run a product in several ways of cutting it; return C."""
    flat_a, A = strided(rng, p.kind, (p.rows, p.inner), (p.a_row, p.a_inner))
    flat_b, B = strided(rng, p.kind, (p.inner, p.columns), (p.b_inner, p.b_column))
    plant(A, B)
    run = compiled(kernel(p, target, **options), target)
    count = pieces(p, target)
    assert (count > 0) == bool(p.rows and p.columns)
    results = []
    for cuts in ([0, count], [0, count // 3, count // 2, count]):
        width = p.columns + GAP
        flat, seen = (fenced(p.rows * width, DTYPES[p.kind]) for _ in "Cs")
        flat[:] = seen[:] = CANARY
        C, times = flat.reshape(p.rows, width), seen.reshape(p.rows, width)
        times[:, : p.columns] = 0
        scratch = fenced(scratch_bytes(p, target), np.uint8)
        scratch[:] = 255  # NaN
        spans = list(itertools.pairwise(cuts))
        for first, last in reversed(spans):
            data = [x.ctypes.data for x in (flat_a, flat_b, flat, seen, scratch)]
            run(*data, first, last)
        beside = np.hstack([C[:, p.columns :], times[:, p.columns :]])
        assert (beside == CANARY).all(), "a store beside the product"
        assert (times[:, : p.columns] == 1).all(), "an element finished twice, or never"
        results.append(C[:, : p.columns])
    np.testing.assert_array_equal(*results)  # the bits do not depend on who computes what
    with np.errstate(all="ignore"):
        exact = A.astype(np.float64) @ B.astype(np.float64)
        size = np.abs(A).astype(np.float64) @ np.abs(B).astype(np.float64)
        unit = np.finfo(DTYPES[p.kind]).eps / 2
        bound = (p.inner + 2) * unit * 2 * size
        wrong = ~(np.abs(results[0] - exact) <= bound)
    finite = np.isfinite(size)
    assert not (wrong & finite).any(), f"{p} on {target.cpu}"
    np.testing.assert_array_equal(results[0][~finite], exact.astype(DTYPES[p.kind])[~finite])
    return results[0]


def contiguous(rows: int, columns: int, inner: int, kind: str = "float", **more: int) -> Product:
    return Product(rows, columns, inner, kind, inner, 1, columns, **more)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


SHAPES = [
    (0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 0), (1, 1, 1), (1, 1, 37), (1, 5, 3), (2, 3, 1),
    (7, 1, 5), (17, 1, 16), (40, 1, 17), (5, 2, 33), (10, 30, 31), (31, 17, 2), (13, 67, 11),
    (16, 16, 100), (1, 131, 9), (64, 32, 8),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_all_shapes(shape, transposed, kind, rng):
    rows, columns, inner = shape
    a = (1, rows) if transposed else (inner, 1)
    check(Product(rows, columns, inner, kind, *a, columns), host(), rng)


STRIDES = [
    # A's row, A's inner, B's inner, B's column
    (50, 1, 40, 1),  # rows with gaps
    (1, 50, 40, 1),
    (60, 2, 40, 1),
    (2, 60, 37, 1),
    (0, 1, 37, 1),  # broadcast
    (40, 1, 0, 1),
    (40, 1, 1, 40),  # x @ W.T: along k
    (1, 40, 1, 40),  # gathered
    (40, 1, 80, 2),
]


@pytest.mark.parametrize("columns", [1, 19, 32])
@pytest.mark.parametrize("strides", STRIDES)
def test_products_of_all_strides(strides, columns, rng):
    check(Product(21, columns, 35, "float", *strides), host(), rng)


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("target", targets(), ids=lambda t: f"{t.vector_bytes}{t.cpu}{t.fma:d}")
def test_products_on_lesser_processors(target, kind, rng):
    check(contiguous(9, 21, 13, kind), target, rng)
    check(Product(9, 3, 13, kind, 1, 9, 3), target, rng)
    check(Product(7, 1, 13, kind, 13, 1, 1), target, rng)
    check(Product(2, 11, 21, kind, 21, 1, 1, 21), target, rng)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("shape", [(10, 30, 20), (1, 200, 5), (2, 90, 3), (67, 16, 4), (40, 1, 9)])
def test_products_cut_for_threads(shape, threads, rng):
    p = contiguous(*shape, threads=threads)
    count = pieces(p, host())
    assert count % threads == 0 or count > 2 * threads or shape[1] == 1
    check(p, host(), rng)


@pytest.fixture
def small_caches(monkeypatch):
    """Make the cuts for large products happen in small ones."""
    monkeypatch.setattr(product_plan, "PANEL", 3000)
    monkeypatch.setattr(product_plan, "WORTH_PACKING", 100)
    monkeypatch.setattr(product_plan, "TILES_TO_PACK", 1)
    monkeypatch.setattr(product_plan, "INNER_TO_PACK", 20)
    product_plan.plan.cache_clear()
    yield
    product_plan.plan.cache_clear()


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(25, 150, 101), (12, 33, 64), (40, 19, 300)])
def test_products_cut_along_k(small_caches, shape, threads, kind, rng):
    p = contiguous(*shape, kind, threads=threads)
    assert scratch_bytes(p, host()) > 0
    check(p, host(), rng)
    check(replace(p, a_row=1, a_inner=p.rows), host(), rng, lines=100)


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(25, 150, 41), (9, 300, 8), (40, 131, 30)])
def test_products_whose_tiles_go_along_the_rows(
    shape, packed, threads, kind, rng, small_caches, monkeypatch
):
    monkeypatch.setattr(product_plan, "ROWS_TO_PACK", 1 if packed else 1000)
    p = contiguous(*shape, kind, threads=threads, far=True)
    cut = product_plan.plan(p, host())
    assert cut.along_rows and cut.packed == packed
    check(p, host(), rng)
    check(replace(p, a_row=1, a_inner=p.rows), host(), rng, lines=100)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("b_inner", [150, 512])  # the second copies its panels
def test_products_with_the_next_panel_on_its_way(b_inner, threads, rng, monkeypatch):
    monkeypatch.setattr(product_loops, "NEAR", 0)
    p = Product(70, 150, 101, "float", 101, 1, b_inner, threads=threads)
    assert "call void @llvm.prefetch" in kernel(p, host())
    check(p, host(), rng)  # a prefetch behind the last panel, where no memory is, does nothing


@pytest.mark.parametrize("shape", [(10, 30, 20), (23, 70, 3), (5, 1, 9), (3, 16, 2)])
def test_long_epilogues_are_looped_over(shape, rng):
    check(contiguous(*shape), host(), rng, lines=200)
    text = kernel(contiguous(*shape), host(), lines=200)
    assert text.count("fneg") <= 200 * 4


def test_a_long_epilogue_in_a_loop_takes_no_more_stack(rng):
    rounds = 100_000  # a buffer of 1 KiB a round would be 100 MB
    p = contiguous(10, 16, 1)
    ones = [fenced(n, np.float32) for n in (10, 16, 10 * (16 + GAP), 10 * (16 + GAP))]
    for x in ones[:2]:
        x[:] = 1
    ones[3][:] = 0
    run = compiled(kernel(p, host(), lines=200, rounds=rounds), host())
    run(*(x.ctypes.data for x in ones), None, 0, pieces(p, host()))
    assert (ones[3].reshape(10, -1)[:, :16] == rounds).all()


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("lines", [0, 100])
@pytest.mark.parametrize("shape", [(35, 5, 30), (64, 2, 60), (16, 7, 80), (130, 3, 50)])
def test_narrow_products_are_computed_upright(shape, lines, kind, rng):
    rows, columns, inner = shape
    for threads in (1, 2):
        p = Product(*shape, kind, 1, rows, columns, threads=threads)
        assert product_plan.is_upright(p, host()) or host().lanes(kind) < 8
        check(p, host(), rng, lines=lines)
    check(Product(*shape, kind, 1, rows + 3, 1, inner), host(), rng)


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("lines", [0, 100])
@pytest.mark.parametrize("shape", [(64, 2, 32), (77, 2, 101), (70, 3, 33), (131, 4, 47)])
def test_very_narrow_products_run_along_k(shape, lines, kind, rng):
    for threads in (1, 2):
        p = contiguous(*shape, kind, threads=threads)
        if shape[1] <= host().lanes(kind) // 4:
            assert product_plan.is_narrow(p, host())
        check(p, host(), rng, lines=lines)
    inner = shape[2]
    check(Product(*shape, kind, inner + 3, 1, 1, inner), host(), rng)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("strides", [(20, 1, 18, 1), (1, 20, 18, 1), (20, 1, 1, 20)])
def test_what_is_not_finite_passes_where_it_belongs(odd, strides, rng):
    def plant(A: np.ndarray, B: np.ndarray) -> None:
        A[3, 7] = odd
        B[2, 17] = odd

    C = check(Product(11, 18, 19, "float", *strides), host(), rng, plant)
    assert not np.isfinite(C[3]).any() and not np.isfinite(C[:, 17]).any()
    assert np.isfinite(np.delete(np.delete(C, 3, 0), 17, 1)).all()


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize(
    ("target", "word"),
    [(NEON, "fmla"), (SSE, "mulp"), (AVX2, "vfmadd")],
    ids=["NEON", "SSE", "AVX2"],
)
def test_products_for_other_processors_keep_their_sums_in_registers(target, word, kind):
    for p in (contiguous(24, 48, 32, kind), contiguous(10, 30, 784, kind)):
        listing = assembly(kernel(p, target), target)
        assert word in listing
        assert product_plan.plan(p, target).height > 1


def test_a_forgotten_product_is_noticed(monkeypatch, rng):
    whole = product_tiles.tile
    monkeypatch.setattr(
        product_loops,
        "tile",
        lambda b, of, rows, counts, inner, **_: whole(b, of, rows, counts, inner - 1),
    )
    with pytest.raises(AssertionError, match="rows=10"):
        check(contiguous(10, 30, 20), host(), rng)


def test_a_store_beside_the_product_is_noticed(monkeypatch, rng):
    monkeypatch.setattr(product_loops, "first_lanes", lambda b, kind, count: None)
    with pytest.raises(AssertionError, match="beside"):
        check(contiguous(1, 16 * 4 - 2, 20), replace(host(), vector_bytes=16), rng)
