"""The largest products of slopes along the paths from a wire to the output, without listing all.

Sixty forks in a row make 2**60 paths. Each wire has one best way on to the output; every other path
leaves the best way at some edges, its detours, and costs a factor at each. The wires share the
sorted list of the detours below them, cut to the k smallest, and a queue over (path, next detour)
gives the k best paths one after the other: k log k after one pass over the circuit.

Source: D. Eppstein, "Finding the k shortest paths", SIAM J. Comput. 28 (1998), in the form without
heaps of heaps that a cut to k allows.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_MOST_COUNTED = 2**256
_NOT_FINITE = 1e9  # stands for log2 of an infinite or undefined slope: before all numbers


class Path(NamedTuple):
    """A path and the product of its slopes.

    Parameters
    ----------
    rows : tuple of int
        From the wire to the output, both included.
    part : float
        The product of the slopes and the seed: what this path contributes to the gradient.
    """

    rows: tuple[int, ...]
    part: float


@dataclass(frozen=True, slots=True)
class Paths:
    """The largest contributions of one wire, and how many paths there are.

    Parameters
    ----------
    best : tuple of Path
        The largest by magnitude first; those that are not finite before all others.
    count : int
        The exact number of paths with no slope of 0 on them; inf from 2**256 on, where the
        number itself would be what costs.
    """

    best: tuple[Path, ...]
    count: int | float


class _Detour(NamedTuple):
    """An edge off the best way: what it costs, and the edge."""

    cost: float
    tail: int
    head: int


def largest_paths(
    edges: Mapping[int, Iterable[tuple[int, float]]],
    order: Iterable[int],
    start: int,
    end: int,
    most: int,
    seed: float = 1.0,
) -> Paths:
    """Return the paths from one wire to another with the largest products of slopes.

    Parameters
    ----------
    edges : mapping of int to iterable of (int, float)
        For each row the rows that it feeds, each with the slope; parallel edges added up.
    order : iterable of int
        The rows between the two, the output first: each row after all that it feeds.
    start, end : int
        The wire and the output.
    most : int
        How many paths.
    seed : float
        The output's own gradient.

    Returns
    -------
    Paths
        Exactly the `most` largest, up to the rounding of the products: two paths whose products
        differ by less than about 1e-12 of themselves may change places.

    Examples
    --------
    >>> found = largest_paths({0: [(1, 2.0), (2, -3.0)], 1: [(2, 1.0)]}, [2, 1, 0], 0, 2, 5)
    >>> found.best
    (Path(rows=(0, 2), part=-3.0), Path(rows=(0, 1, 2), part=2.0))
    """
    kept = {
        row: [(head, slope) for head, slope in edges.get(row, ()) if slope != 0] for row in order
    }
    size = {end: 0.0}  # log2 of the best product from here on
    step: dict[int, int] = {}  # the next row on the best way
    detours: dict[int, tuple[_Detour, ...]] = {end: ()}
    counts: dict[int, int | float] = {end: 1}
    slopes: dict[tuple[int, int], float] = {}
    for row in kept:
        if row == end:
            continue
        ways = [
            (_log2(slope) + size[head], head, slope) for head, slope in kept[row] if head in size
        ]
        if not ways:
            continue
        best, head, _ = max(ways, key=lambda way: way[0])
        size[row], step[row] = best, head
        count = sum(counts[head] for _, head, _ in ways)
        counts[row] = count if count < _MOST_COUNTED else math.inf
        for _, other, slope in ways:
            slopes[row, other] = slope
        below = detours[head]
        if len(ways) > 1:
            own = (_Detour(best - log, row, other) for log, other, _ in ways if other != head)
            below = tuple(heapq.nsmallest(most, itertools.chain(below, own)))
        detours[row] = below  # shared along a chain: a tuple of its own only at a fork
    if start not in size:
        return Paths((), 0)
    found = [
        Path(rows, _product(rows, slopes, seed))
        for rows in _ways_on(start, end, step, detours, most)
    ]
    found.sort(key=lambda path: -_magnitude(path.part))
    return Paths(tuple(found), counts[start])


def _ways_on(
    start: int,
    end: int,
    step: Mapping[int, int],
    detours: Mapping[int, tuple[_Detour, ...]],
    most: int,
) -> Iterable[tuple[int, ...]]:
    """Yield the paths from the best on, each as rows."""
    # What the queue holds: the cost in all, a number against ties, the detours taken before the
    # last one, the list that the last one stands in, and its place there.
    queue: list[tuple[float, int, tuple[_Detour, ...], tuple[_Detour, ...], int]] = []
    number = 0

    def offer(
        cost: float, taken: tuple[_Detour, ...], among: tuple[_Detour, ...], place: int
    ) -> None:
        nonlocal number
        if place < len(among):
            number += 1
            heapq.heappush(queue, (cost + among[place].cost, number, taken, among, place))

    yield _rows(start, end, step, ())
    offer(0.0, (), detours[start], 0)
    for _ in range(most - 1):
        if not queue:
            return
        cost, _, before, among, place = heapq.heappop(queue)
        last = among[place]
        taken = (*before, last)
        yield _rows(start, end, step, taken)
        offer(cost - last.cost, before, among, place + 1)
        offer(cost, taken, detours[last.head], 0)


def _rows(
    start: int, end: int, step: Mapping[int, int], taken: tuple[_Detour, ...]
) -> tuple[int, ...]:
    """Return the path that takes these detours and the best way between them."""
    rows = [start]
    row = start
    following = iter((*taken, None))
    detour = next(following)
    while row != end:
        if detour is not None and row == detour.tail:
            row = detour.head
            detour = next(following)
        else:
            row = step[row]
        rows.append(row)
    return tuple(rows)


def _product(rows: tuple[int, ...], slopes: Mapping[tuple[int, int], float], seed: float) -> float:
    """Return the product from the output down, as the backward pass multiplies.

    The exponent is kept apart, so that nothing over- or underflows on the way to a number that
    does not.
    """
    product, exponent = math.frexp(seed)
    for head, row in zip(rows[:0:-1], rows[-2::-1], strict=True):
        slope, more = math.frexp(slopes[row, head])
        product, shift = math.frexp(slope * product)
        exponent += more + shift
    try:
        return math.ldexp(product, exponent)
    except OverflowError:
        return math.copysign(math.inf, product)


def _log2(slope: float) -> float:
    return math.log2(abs(slope)) if math.isfinite(slope) else _NOT_FINITE


def _magnitude(part: float) -> float:
    return abs(part) if part == part else math.inf
