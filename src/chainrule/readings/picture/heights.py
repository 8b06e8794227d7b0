"""How high each point stands: straight runs, even spacing, and room for what a box carries.

Points that should stand at one height are joined into blocks, once from each corner of the picture
(from the first or the last column, from the top or the bottom); blocks are packed; the four
results are averaged. The method is Brandes and Köpf's (2001), packed over the graph of blocks, so
that boxes may be of any height. A wire that passes several columns is always one straight run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

Neighbours = Sequence[Sequence[int]]
Distance = Callable[[int, int], float]


def heights(
    columns: Sequence[Sequence[int]],
    before: Neighbours,
    after: Neighbours,
    is_passing: Callable[[int], bool],
    distance: Distance,
) -> dict[int, float]:
    """Return the height of each point, downwards.

    Parameters
    ----------
    columns : sequence of sequence of int
        The points of each column from top to bottom.
    before, after : sequence of sequence of int
        The neighbours of each point in the columns beside its own.
    is_passing : callable
        Whether a point is a wire that only passes its column.
    distance : callable
        `distance(upper, lower)`: how far apart two neighbours in a column must be at least.
    """
    crossed = _crossed(columns, before, is_passing)
    results: list[dict[int, float]] = []
    for from_right in (False, True):
        near = after if from_right else before
        layers = [list(c) for c in (reversed(columns) if from_right else columns)]
        for from_below in (False, True):
            rows = [list(reversed(c)) for c in layers] if from_below else layers
            root = _aligned(rows, near, crossed)

            def apart(a: int, b: int, *, flip: bool = from_below) -> float:
                return distance(b, a) if flip else distance(a, b)

            found = _packed(rows, root, apart)
            results.append({p: -y for p, y in found.items()} if from_below else found)
    y = _balanced(results)
    _straighten(columns, before, after, is_passing, distance, y)
    return y


def _straighten(
    columns: Sequence[Sequence[int]],
    before: Neighbours,
    after: Neighbours,
    is_passing: Callable[[int], bool],
    distance: Distance,
    y: dict[int, float],
) -> None:
    """Move wires that pass to the height of what is at one of their ends, where there is room.

    The mean of four results can leave a wire a little beside both.
    """
    above = {b: a for column in columns for a, b in itertools.pairwise(column)}
    below = {a: b for b, a in above.items()}
    for column in columns:
        for point in column:
            if not is_passing(point) or is_passing(before[point][0]):
                continue
            run, ends = [point], [before[point][0]]
            for passing in run:  # grows while it is walked
                run += [n for n in after[passing] if is_passing(n)]
                ends += [n for n in after[passing] if not is_passing(n)]
            low = max(
                (y[above[p]] + distance(above[p], p) for p in run if p in above), default=None
            )
            high = min(
                (y[below[p]] - distance(p, below[p]) for p in run if p in below), default=None
            )
            now = y[point]
            fitting = [
                y[end]
                for end in ends
                if (low is None or y[end] >= low) and (high is None or y[end] <= high)
            ]

            def bent(height: float, ends: Sequence[int] = ends) -> float:
                return sum(abs(height - y[end]) for end in ends)

            best = min(fitting, key=bent, default=None)
            if best is not None and bent(best) <= bent(now) + 1e-9:
                for passing in run:
                    y[passing] = best


def _crossed(
    columns: Sequence[Sequence[int]], before: Neighbours, is_passing: Callable[[int], bool]
) -> set[tuple[int, int]]:
    """Return the segments that cross the straight run of a passing wire."""
    found: set[tuple[int, int]] = set()
    for left, right in itertools.pairwise(columns):
        place = {point: k for k, point in enumerate(left)}
        inner = [
            (k, place[before[point][0]])
            for k, point in enumerate(right)
            if is_passing(point) and is_passing(before[point][0])
        ]
        if not inner:
            continue
        for k, point in enumerate(right):
            for source in before[point]:
                if is_passing(point) and is_passing(source):
                    continue
                start = place[source]
                if any((k - a) * (start - b) < 0 for a, b in inner):
                    found.add((source, point))
    return found


def _aligned(
    rows: Sequence[Sequence[int]], near: Neighbours, crossed: set[tuple[int, int]]
) -> dict[int, int]:
    """Join each point with the middle one of its neighbours; return the first point of its run."""
    root: dict[int, int] = {}
    for level, row in enumerate(rows):
        if not level:
            root.update((point, point) for point in row)
            continue
        place = {point: k for k, point in enumerate(rows[level - 1])}
        reached = -1
        taken: set[int] = set()
        for point in row:
            root[point] = point
            beside = sorted(set(near[point]), key=place.__getitem__)
            count = len(beside)
            middle = beside[(count - 1) // 2 : count // 2 + 1]
            for other in middle:
                free = other not in taken and place[other] > reached
                if free and not {(other, point), (point, other)} & crossed:
                    root[point] = root[other]
                    taken.add(other)
                    reached = place[other]
                    break
    return root


def _packed(
    rows: Sequence[Sequence[int]], root: dict[int, int], apart: Distance
) -> dict[int, float]:
    """Return heights that keep the distances: blocks as far up as they go, then pulled down."""
    ahead: dict[int, dict[int, float]] = {block: {} for block in root.values()}
    behind: dict[int, dict[int, float]] = {block: {} for block in ahead}
    for row in rows:
        for upper, lower in itertools.pairwise(row):
            a, b = root[upper], root[lower]
            ahead[a][b] = behind[b][a] = max(ahead[a].get(b, 0.0), apart(upper, lower))
    order = _sorted_blocks(ahead, behind)
    top: dict[int, float] = {}
    for block in order:
        top[block] = max((top[k] + d for k, d in behind[block].items()), default=0.0)
    for block in reversed(order):
        if ahead[block]:
            top[block] = max(top[block], min(top[k] - d for k, d in ahead[block].items()))
    return {point: top[block] for point, block in root.items()}


def _sorted_blocks(
    ahead: dict[int, dict[int, float]], behind: dict[int, dict[int, float]]
) -> list[int]:
    left = {block: len(found) for block, found in behind.items()}
    ready = [block for block, count in left.items() if not count]
    order = []
    while ready:
        block = ready.pop()
        order.append(block)
        for other in ahead[block]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    assert len(order) == len(left), "blocks above each other in a circle"
    return order


def _balanced(results: Sequence[dict[int, float]]) -> dict[int, float]:
    """Return the mean of the two middle results, all four moved to the narrowest."""
    lows = [min(found.values(), default=0.0) for found in results]
    highs = [max(found.values(), default=0.0) for found in results]
    narrow = min(range(len(results)), key=lambda k: highs[k] - lows[k])
    # The results packed upwards share their top with it, those packed downwards their bottom.
    shifts = [
        lows[narrow] - lows[k] if k % 2 == 0 else highs[narrow] - highs[k]
        for k in range(len(results))
    ]
    balanced = {}
    for point in results[0]:
        _, a, b, _ = sorted(found[point] + shifts[k] for k, found in enumerate(results))
        balanced[point] = (a + b) / 2
    lowest = min(balanced.values(), default=0.0)
    return {point: y - lowest for point, y in balanced.items()}
