"""Copy the operands of a large matrix product together, into scratch memory.

A panel of B is copied where its rows lie far apart. A is copied where its k lie far apart (it is
a transpose) and many panels read it: k by k, tile by tile, so that a tile reads it in one stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from .builder import Builder, Value, size_of, vector_of
from .product_plan import Plan, Product
from .product_tiles import first_lanes
from .target import Target


@dataclass(frozen=True)
class Layout:
    """Where in scratch memory things are, in bytes.

    Parameters
    ----------
    panel : int
        The copy of a panel of B; of all panels, one after another, where tiles go along the rows.
    waiting : int
        The sums of one panel, which wait for the next block of k.
    rows : int
        The copy of A; the tile at row i begins at element i * inner.
    size : int
        All of it.
    """

    panel: int
    waiting: int
    rows: int
    size: int


def layout(p: Plan, product: Product, target: Target) -> Layout:
    """Return where things are in scratch memory."""
    size = size_of(product.kind)
    row = p.width * target.vector_bytes
    panels = p.column_tiles if p.along_rows else 1
    waiting = p.block * row * panels if p.packed else 0
    rows = waiting + (product.rows * row if p.block < product.inner else 0)
    whole = rows + (product.rows * product.inner * size if p.packs_rows else 0)
    return Layout(0, waiting, rows, whole)


def pack_panel(
    b: Builder, product: Product, source: Value, to: Value, counts: list[int], inner: int | Value
) -> None:
    """Emit the copy of some k of a panel of B; there are zeros where there are no columns."""
    vector = vector_of(product.kind, b.target.lanes(product.kind))

    def copy(_: Value, source: Value, to: Value) -> list[Value]:
        for v, lanes in enumerate(counts):
            mask = first_lanes(b, product.kind, lanes)
            b.store(b.load(vector, b.address(source, v, vector), mask), b.address(to, v, vector))
        ahead = b.address(source, product.b_inner, product.kind)
        return [ahead, b.address(to, len(counts), vector)]

    b.loop(0, inner, 1, copy, [source, to])


def pack_rows(b: Builder, product: Product, source: Value, to: Value, height: int) -> None:
    """Emit the copy of a tile's rows of A, which are neighbours, k by k."""
    kind, lanes = product.kind, b.target.lanes(product.kind)
    vector = vector_of(kind, lanes)

    def copy(_: Value, source: Value, to: Value) -> list[Value]:
        for r in range(0, height, lanes):
            mask = first_lanes(b, kind, min(lanes, height - r))
            b.store(b.load(vector, b.address(source, r, kind), mask), b.address(to, r, kind), mask)
        return [b.address(source, product.a_inner, kind), b.address(to, height, kind)]

    b.loop(0, product.inner, 1, copy, [source, to])


def pack_transpose(b: Builder, product: Product, source: Value, to: Value) -> None:
    """Emit the copy of a B of few columns, column after column."""
    kind = product.kind

    def copy(k: Value, source: Value) -> list[Value]:
        for j in range(product.columns):
            element = b.load(kind, b.address(source, j * product.b_column, kind))
            b.store(element, b.address(b.address(to, k, kind), j * product.inner, kind))
        return [b.address(source, product.b_inner, kind)]

    b.loop(0, product.inner, 1, copy, [source])
