"""The order of the boxes in each column: few crossings.

Column by column, each point goes to the median place of its neighbours in the column before (then,
on the way back, in the column after), and neighbours that cross less when they change places do.
The best order met is kept. Wires that pass a column without ending there have a place in it too.

The method is Sugiyama, Tagawa and Toda's (1981), with the medians and exchanges of Gansner,
Koutsofios, North and Vo (1993); crossings are counted with Barth, Jünger and Mutzel's accumulator
tree (2002).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

Neighbours = Sequence[Sequence[int]]

_MOST_SWEEPS = 24
_EXCHANGES = 4  # passes after a sweep
_PATIENCE = 8  # sweeps without a better order


def ordered(
    columns: list[list[int]], before: Neighbours, after: Neighbours, in_order: Collection[int] = ()
) -> list[list[int]]:
    """Return the columns with their points in an order with few crossings.

    Parameters
    ----------
    columns : list of list of int
        The points of each column, in an order to start from.
    before, after : sequence of sequence of int
        For each point its neighbours in the column before and in the one after, in port order.
    in_order : collection of int
        Points whose neighbours before them should stand in their order; where crossings are equal.
    """
    best: list[list[int]] = []
    fewest: tuple[int, int] | None = None
    for start in (_depth_first(columns, before), columns):
        current = [list(column) for column in start]
        last = 0
        for turn in range(_MOST_SWEEPS):
            if turn:
                forward = turn % 2 == 1
                _sweep(current, before if forward else after, forward, swap_ties=turn % 4 >= 2)
                _exchange(current, before, after)
            count = crossings(current, after), _wrong(current, before, in_order)
            if fewest is None or count < fewest:
                fewest, best, last = count, [list(column) for column in current], turn
            if fewest == (0, 0):
                return best
            if turn - last >= _PATIENCE:
                break
    return best


def _wrong(columns: Sequence[Sequence[int]], before: Neighbours, in_order: Collection[int]) -> int:
    """Count the points whose neighbours before them do not stand in their order."""
    place = {point: k for column in columns for k, point in enumerate(column)}
    arriving = [[place[n] for n in before[point]] for point in in_order]
    return sum(places != sorted(places) for places in arriving)


def crossings(columns: Sequence[Sequence[int]], after: Neighbours) -> int:
    """Count the crossings of an order."""
    total = 0
    for left, right in itertools.pairwise(columns):
        place = {point: k for k, point in enumerate(right)}
        ends = [p for point in left for p in sorted(place[n] for n in after[point])]
        total += _inversions(ends, len(right))
    return total


def _inversions(values: Sequence[int], size: int) -> int:
    first = 1
    while first < size:
        first *= 2
    tree = [0] * (2 * first)
    total = 0
    for value in values:
        node = value + first
        tree[node] += 1
        while node > 1:
            if not node & 1:
                total += tree[node + 1]
            node >>= 1
            tree[node] += 1
    return total


def _depth_first(columns: Sequence[Sequence[int]], before: Neighbours) -> list[list[int]]:
    """Return the columns in the order in which the points are met going back from the outputs.

    A gate's first input then comes above its second, which is how a formula is read.
    """
    level = {point: k for k, column in enumerate(columns) for point in column}
    found: list[list[int]] = [[] for _ in columns]
    seen: set[int] = set()
    for column in reversed(columns):
        for start in column:
            pending = [start]
            while pending:
                point = pending.pop()
                if point in seen:
                    continue
                seen.add(point)
                found[level[point]].append(point)
                pending += reversed(before[point])
    return found


def _sweep(
    columns: list[list[int]], neighbours: Neighbours, forward: bool, *, swap_ties: bool
) -> None:
    """Sort each column by where the neighbours of its points stand in the one before it.

    Points without such neighbours stay where they are.
    """
    place: dict[int, int] = {}
    for column in columns if forward else reversed(columns):
        free = [k for k, point in enumerate(column) if neighbours[point]]
        points = [column[k] for k in free]
        if swap_ties:
            points.reverse()
        middle = {p: _median(sorted(place[n] for n in neighbours[p])) for p in points}
        points.sort(key=middle.__getitem__)
        for k, point in zip(free, points, strict=True):
            column[k] = point
        place = {point: k for k, point in enumerate(column)}


def _median(places: Sequence[int]) -> float:
    """Return the middle of sorted places; of an even number, nearer to where they are denser."""
    half = len(places) // 2
    if len(places) % 2:
        return float(places[half])
    low, high = places[half - 1], places[half]
    left, right = low - places[0], places[-1] - high
    if left + right == 0:
        return (low + high) / 2
    return (low * right + high * left) / (left + right)


def _exchange(columns: list[list[int]], before: Neighbours, after: Neighbours) -> None:
    """Let neighbours in a column change places while that takes crossings away."""
    place = [0] * len(before)
    for column in columns:
        for k, point in enumerate(column):
            place[point] = k
    pending = set(range(len(columns)))
    for _ in range(_EXCHANGES):
        changed: set[int] = set()
        for level in sorted(pending):
            column = columns[level]
            ends = [(_places(place, before[p]), _places(place, after[p])) for p in column]
            for k in range(len(column) - 1):
                (a_left, a_right), (b_left, b_right) = ends[k], ends[k + 1]
                now = _pairs(a_left, b_left) + _pairs(a_right, b_right)
                if now and _pairs(b_left, a_left) + _pairs(b_right, a_right) < now:
                    column[k], column[k + 1] = column[k + 1], column[k]
                    ends[k], ends[k + 1] = ends[k + 1], ends[k]
                    place[column[k]], place[column[k + 1]] = k, k + 1
                    changed.add(level)
        if not changed:
            break
        pending = {level + step for level in changed for step in (-1, 0, 1)}
        pending &= set(range(len(columns)))


def _places(place: Sequence[int], points: Sequence[int]) -> list[int]:
    if len(points) == 1:  # most are wires that pass
        return [place[points[0]]]
    return sorted([place[point] for point in points])


def _pairs(upper: Sequence[int], lower: Sequence[int]) -> int:
    """Count how often an end of the upper point lies below one of the lower: both are sorted."""
    if not upper or not lower or upper[-1] <= lower[0]:
        return 0
    total = k = 0
    for end in upper:
        while k < len(lower) and lower[k] < end:
            k += 1
        total += k
    return total
