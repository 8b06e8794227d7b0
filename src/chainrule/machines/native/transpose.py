"""Emit a transpose in square tiles that are turned in registers.

A tile is as many rows as a vector has lanes. The last tile of an axis begins earlier where it
would stick out, and writes a few elements twice; so one copy of the text serves all, and only a
matrix narrower than a vector needs masks.
"""

from __future__ import annotations

from collections.abc import Sequence

from .builder import Builder, Value, lanes, vector_of
from .target import Target


def pieces(kind: str, rows: int, columns: int, target: Target) -> int:
    """Return into how many units of work of equal cost, for threads, a transpose is cut."""
    if not rows or not columns:
        return 0
    width = target.lanes(kind)
    return max(-(-rows // width), -(-columns // width))


def emit_transpose(
    b: Builder,
    kind: str,
    rows: int,
    columns: int,
    source: Value,
    source_stride: int,
    to: Value,
    to_stride: int,
    first: Value,
    last: Value,
) -> None:
    """Emit the pieces [first, last) of `to[j, i] = source[i, j]`.

    Parameters
    ----------
    b : Builder
        The function in the making.
    kind : str
        "float", "double" or an integer type.
    rows, columns : int
        The shape of the source. Either may be 0.
    source, to : Value
        Pointers to the first elements, of memory that does not overlap.
    source_stride, to_stride : int
        From one row to the next, in elements; within a row elements are neighbours.
    first, last : Value
        Numbers of pieces, i64.
    """
    if not rows or not columns:
        return
    width = b.target.lanes(kind)
    vector = vector_of(kind, width)
    high, wide = min(rows, width), min(columns, width)
    nothing = b.constant(vector, 0)

    def mask(count: int) -> Value | None:
        return None if count == width else lanes("i1", [lane < count for lane in range(width)])

    def start(tile: Value, size: int) -> Value:
        """Return where a tile begins along an axis: earlier than its turn where that is short."""
        if size <= width:
            return _i64(0)
        begin = b.mul(tile, _i64(width))
        if size % width == 0:
            return begin
        return b.call("llvm.smin.i64", "i64", begin, _i64(size - width))

    def turn(i: Value, j: Value) -> None:
        here = b.address(b.address(source, b.mul(i, _i64(source_stride)), kind), j, kind)
        there = b.address(b.address(to, b.mul(j, _i64(to_stride)), kind), i, kind)
        tile = [
            b.load(vector, b.address(here, r * source_stride, kind), mask(wide))
            for r in range(high)
        ]
        for c, value in enumerate(turned(b, [*tile, *([nothing] * (width - high))])[:wide]):
            b.store(value, b.address(there, c * to_stride, kind), mask(high))

    def one(t: Value, u: Value) -> None:
        i, j = (t, u) if rows > columns else (u, t)
        turn(start(i, rows), start(j, columns))

    # The longer axis is cut for threads; each goes all the way along the other one.
    across = -(-min(rows, columns) // width)

    def piece(t: Value) -> None:
        b.loop(0, across, 1, lambda u: one(t, u))

    b.loop(first, last, 1, piece)


def turned(b: Builder, tile: list[Value]) -> list[Value]:
    """Return the columns of a square tile given by its rows.

    Of every two blocks on both sides of the diagonal, first halves of the tile, then quarters and
    so on to single elements, each takes the other's place: the off-diagonal blocks of a row and of
    the row half a block below change places in two shuffles.
    """
    width = part = len(tile)
    while part > 1:
        part //= 2
        low = [lane if lane % (2 * part) < part else lane - part + width for lane in range(width)]
        high = [lane + part for lane in low]
        following = list(tile)
        for r in range(width):
            if r % (2 * part) < part:
                x, y = tile[r], tile[r + part]
                following[r] = shuffled(b, x, y, low)
                following[r + part] = shuffled(b, x, y, high)
        tile = following
    return tile


def shuffled(b: Builder, x: Value, y: Value, order: Sequence[int]) -> Value:
    """Return lanes of two vectors in this order; those of the second are counted on."""
    index = ", ".join(f"i32 {n}" for n in order)
    return b.let(
        x.type,
        f"shufflevector {x.type} {x.name}, {y.type} {y.name}, <{len(order)} x i32> <{index}>",
    )


def _i64(number: int) -> Value:
    return Value("i64", str(number))
