"""Emit matrix products for their exact shape, with whatever follows them in registers.

`product_plan` chooses how a product is cut into tiles, `product_loops` emits the loops around the
tiles, `product_tiles` the sums of one tile, `product_packing` the copies that large products need.
"""

from __future__ import annotations

from dataclasses import replace

from .builder import Builder, Value, size_of, vector_of
from .product_loops import Fetch, Loops
from .product_packing import layout, pack_transpose
from .product_plan import Plan, Product, flipped, is_lying, is_narrow, is_upright, plan
from .product_tiles import Finish, first_lanes
from .target import Target

__all__ = ["Product", "emit_product", "pieces", "scratch_bytes"]


def pieces(product: Product, target: Target) -> int:
    """Return into how many units of work of equal cost, for threads, a product is cut."""
    if not product.rows or not product.columns:
        return 0
    return _planned(product, target)[1].pieces


def scratch_bytes(product: Product, target: Target) -> int:
    """Return the bytes of workspace that each thread needs; aligned to 64 bytes, best so."""
    if not product.rows or not product.columns:
        return 0
    computed, p = _planned(product, target)
    copy = product.inner * product.columns if is_narrow(product, target) else 0
    return layout(p, computed, target).size + copy * size_of(product.kind)


def emit_product(
    b: Builder,
    product: Product,
    a: Value,
    bb: Value,
    scratch: Value | None,
    first: Value,
    last: Value,
    finish: Finish,
    fetch: Fetch | None = None,
) -> None:
    """Emit the pieces [first, last) of a product.

    Parameters
    ----------
    b : Builder
        The function in the making.
    product : Product
        Its shape.
    a, bb : Value
        Pointers to A[0, 0] and B[0, 0]. The product writes nothing but scratch memory, so what
        `finish` stores must not be read by the product.
    scratch : Value or None
        Pointer to `scratch_bytes` bytes; None where these are 0.
    first, last : Value
        Numbers of pieces, i64.
    finish : callable
        `finish(i, j, value, mask)` emits what happens to the sums of row i, columns j and
        following: a full vector, of which only the lanes in the mask count (None: all). It is
        called for each copy of the text that is needed, and once more for a text that is thrown
        away, to see how long it is: it should do nothing but emit.
    fetch : callable, optional
        `fetch(i, j)` emits prefetches of what `finish` will read there. It is called before the
        sums are made, where they take long enough.
    """
    if not product.rows or not product.columns:
        return
    computed, p = _planned(product, b.target)
    columns = bb
    if computed is not product:
        a, bb = bb, a
    if is_narrow(product, b.target):
        assert scratch is not None
        a = b.address(scratch, layout(p, computed, b.target).size, "i8")
        pack_transpose(b, product, columns, a)
    if is_lying(product):
        fetch = None
        finish = _one_by_one(b, product, finish)
    turns = is_upright(product, b.target)
    Loops(b, computed, p, turns, a, bb, scratch, finish, fetch).emit(first, last)


def _planned(product: Product, target: Target) -> tuple[Product, Plan]:
    """Return what is computed, the product or its transpose, and how it is cut."""
    if is_upright(product, target):
        computed = flipped(product)
        if is_narrow(product, target):
            computed = replace(computed, a_row=product.inner, a_inner=1)
        return computed, plan(computed, target, whole=True)
    if is_lying(product):
        product = flipped(product)
    return product, plan(product, target)


def _one_by_one(b: Builder, product: Product, finish: Finish) -> Finish:
    """Return an epilogue for the transpose of a product of one column."""
    kind = product.kind
    width = b.target.lanes(kind)
    vector = vector_of(kind, width)
    only = first_lanes(b, kind, 1)
    zero = Value("i64", "0")

    def finish_lying(_: Value, j: Value, value: Value, mask: Value | None) -> None:
        def one(lane: Value) -> None:
            element = b.let(kind, f"extractelement {value.type} {value.name}, i64 {lane.name}")
            alone = b.let(
                vector,
                f"insertelement {vector} zeroinitializer, {kind} {element.name}, i32 0",
            )
            finish(b.add(j, lane), zero, alone, only)

        b.loop(0, width if mask is None else product.rows % width, 1, one)

    return finish_lying
