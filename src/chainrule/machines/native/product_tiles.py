"""The innermost part of a matrix product: one tile of C, summed over k in registers.

A tile is some rows by some vectors. Its sums stay in registers while k runs; an element of A is
spread over a vector and meets a vector of B in one FMA. Where B's columns are not neighbours but
its k are (x @ W.T without a transpose), `dots` runs along k instead and folds the lanes at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .builder import Builder, Value, lanes, vector_of
from .transpose import shuffled

Finish = Callable[[Value, Value, Value, "Value | None"], None]

# An FMA takes 4 or 5 cycles and one or two begin in each: fewer sums than this would wait for
# each other, so that small tiles keep several sets of sums for every few k.
CHAINS = 8


@dataclass(frozen=True)
class Operands:
    """Where a tile reads: the addresses of its first elements, and the strides in elements."""

    kind: str
    a: Value
    a_row: int
    a_inner: int
    b: Value
    b_inner: int
    b_column: int = 1


def first_lanes(b: Builder, kind: str, count: int) -> Value | None:
    """Return the mask of the first lanes; None where these are all."""
    width = b.target.lanes(kind)
    return None if count == width else lanes("i1", [lane < count for lane in range(width)])


def tile(
    b: Builder,
    of: Operands,
    rows: int,
    counts: Sequence[int],
    inner: int | Value,
    sums: Sequence[Value] = (),
    ahead: Callable[[Value], None] | None = None,
) -> list[Value]:
    """Emit the sums over k of one tile and return them, vector by vector, row by row.

    Parameters
    ----------
    b : Builder
        The function in the making.
    of : Operands
        A at the tile's first row, B at its first column.
    rows : int
        The height of the tile.
    counts : sequence of int
        How many lanes of each vector of B to read.
    inner : int or Value
        How many k: known when the code is emitted, or an i64.
    sums : sequence of Value, optional
        What to add to; zeros if left out.
    ahead : callable, optional
        `ahead(k)` emits what else is done for each k: a prefetch of what comes later.
    """
    kind = vector_of(of.kind, b.target.lanes(of.kind))
    count = rows * len(counts)
    chains = 1
    if isinstance(inner, int):
        chains = max(1, min(-(-CHAINS // count), inner // 2))
    zero = b.constant(kind, 0.0)
    start = [*(sums or [zero] * count), *([zero] * (count * (chains - 1)))]

    def step(a: Value, bb: Value, sums: list[Value]) -> None:
        """Add the products of one k to a set of sums."""
        row = [_vector(b, of, bb, v, n) for v, n in enumerate(counts)]
        for r in range(rows):
            element = b.load(of.kind, b.address(a, r * of.a_row, of.kind))
            spread = b.splat(element, b.target.lanes(of.kind))
            for v, vector in enumerate(row):
                at = r * len(counts) + v
                sums[at] = b.fma(spread, vector, sums[at])

    def body(k: Value, a: Value, bb: Value, *carried: Value) -> list[Value]:
        if ahead is not None:
            ahead(k)
        sums = list(carried)
        for chain in range(chains):
            own = sums[chain * count : (chain + 1) * count]
            step(
                b.address(a, chain * of.a_inner, of.kind),
                b.address(bb, chain * of.b_inner, of.kind),
                own,
            )
            sums[chain * count : (chain + 1) * count] = own
        following = b.address(a, chains * of.a_inner, of.kind)
        return [following, b.address(bb, chains * of.b_inner, of.kind), *sums]

    whole = inner - inner % chains if isinstance(inner, int) else inner
    a, bb, *total = b.loop(0, whole, chains, body, [of.a, of.b, *start])
    for chain in range(inner - whole if isinstance(inner, int) and isinstance(whole, int) else 0):
        own = total[chain * count : (chain + 1) * count]
        step(
            b.address(a, chain * of.a_inner, of.kind),
            b.address(bb, chain * of.b_inner, of.kind),
            own,
        )
        total[chain * count : (chain + 1) * count] = own
    while len(total) > count:  # pairs of chains, so that no sum waits for all the others
        half = -(-len(total) // count // 2) * count
        rest = total[half:]
        total = [b.fadd(x, y) for x, y in zip(total, rest, strict=False)] + total[len(rest) : half]
    return total


def _vector(b: Builder, of: Operands, bb: Value, v: int, count: int) -> Value:
    """Return a vector of one row of B; zeros in the lanes beyond the count."""
    width = b.target.lanes(of.kind)
    kind = vector_of(of.kind, width)
    if of.b_column == 1:
        return b.load(kind, b.address(bb, v * width, of.kind), first_lanes(b, of.kind, count))
    return _gathered(
        b, of.kind, b.address(bb, v * width * of.b_column, of.kind), of.b_column, count
    )


def _gathered(b: Builder, kind: str, pointer: Value, stride: int, count: int) -> Value:
    """Return elements a stride apart as a vector; zeros in the lanes beyond the count."""
    together = b.constant(vector_of(kind, b.target.lanes(kind)), 0.0)
    for lane in range(count):
        element = b.load(kind, b.address(pointer, lane * stride, kind))
        together = b.let(
            together.type,
            f"insertelement {together.type} {together.name}, {kind} {element.name}, i32 {lane}",
        )
    return together


def dots(b: Builder, of: Operands, columns: int, inner: int) -> Value:
    """Emit one row of A by up to a vector of columns of B, both contiguous in k.

    Each column has a sum of its own, a vector along k; the lanes are folded at the end.
    """
    assert of.a_inner == 1 and of.b_inner == 1
    width = b.target.lanes(of.kind)
    kind = vector_of(of.kind, width)
    zero = b.constant(kind, 0.0)

    def step(at: Value | int, sums: Sequence[Value], mask: Value | None) -> list[Value]:
        row = b.load(kind, b.address(of.a, at, of.kind), mask)
        here = b.address(of.b, at, of.kind)
        return [
            b.fma(row, b.load(kind, b.address(here, c * of.b_column, of.kind), mask), total)
            for c, total in enumerate(sums)
        ]

    whole = inner - inner % width
    sums = b.loop(0, whole, width, lambda k, *s: step(k, s, None), [zero] * columns)
    if inner > whole:
        sums = step(whole, sums, first_lanes(b, of.kind, inner - whole))
    return folded(b, [*sums, *([zero] * (width - columns))])


def folded(b: Builder, sums: list[Value]) -> Value:
    """Return a vector whose lane c is the sum of the lanes of `sums[c]`.

    Two vectors become one by adding the halves of each: after log2(lanes) such rounds, in which
    the halves get shorter, one vector is left, in order.
    """
    width = part = len(sums)
    while part > 1:
        part //= 2
        low = [
            lane % part + lane // (2 * part) * 2 * part + (width if lane // part % 2 else 0)
            for lane in range(width)
        ]
        high = [lane + part for lane in low]
        half = len(sums) // 2
        zero = b.constant(sums[0].type, 0.0)
        sums = [
            zero if x == y == zero else b.fadd(shuffled(b, x, y, low), shuffled(b, x, y, high))
            for x, y in zip(sums[:half], sums[half:], strict=True)
        ]
    return sums[0]
