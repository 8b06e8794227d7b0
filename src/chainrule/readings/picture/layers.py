"""Which column a box stands in: wires lead from left to right, and are as short as can be.

Boxes are numbered so that a wire leads from a smaller number to a larger one. The first columns
come from the longest paths; then each box moves to where the wires around it are shortest, and
small groups of boxes move together, until none wants to move. A wire that feeds several boxes is
one wire: only its farthest end counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

_SWEEPS = 8
_LARGEST = 24  # boxes that move together


def layered(
    count: int,
    targets: Sequence[Sequence[int]],
    sources: Sequence[Sequence[int]],
    *,
    left: Collection[int] = (),
    right: Collection[int] = (),
) -> list[int]:
    """Return the column of each box.

    Parameters
    ----------
    count : int
        How many boxes there are.
    targets, sources : sequence of sequence of int
        For each box those that its wire feeds, and those that feed it.
    left, right : collection of int
        Boxes that must stand in the first and in the last column.
    """
    column = [0] * count
    for box in range(count):
        for source in sources[box]:
            column[box] = max(column[box], column[source] + 1)
    last = max(column, default=0)
    for box in right:
        column[box] = last
    fixed = {*left, *right}
    for _ in range(_SWEEPS):
        moved = False
        for box in range(count - 1, -1, -1):
            if box not in fixed:
                best = _best(box, column, targets, sources)
                moved = moved or best != column[box]
                column[box] = best
        for box in range(count):
            for step, ahead in ((1, targets), (-1, sources)):
                moved = _shift(box, step, ahead, column, targets, sources, fixed) or moved
        if not moved:
            break
    return column


def _shift(
    box: int,
    step: int,
    ahead: Sequence[Sequence[int]],
    column: list[int],
    targets: Sequence[Sequence[int]],
    sources: Sequence[Sequence[int]],
    fixed: Collection[int],
) -> bool:
    """Move a box, and those that are in its way, by one column if wires get shorter."""
    group = [box]
    taken = {box}
    for member in group:  # grows while it is walked
        if member in fixed or len(group) > _LARGEST or not targets[member]:
            return False
        for other in ahead[member]:
            if other not in taken and column[other] == column[member] + step:
                taken.add(other)
                group.append(other)
    if step < 0 and any(column[member] == 0 for member in group):
        return False
    wires = {*taken, *(source for member in group for source in sources[member])}

    def length() -> int:
        return sum(max(column[t] for t in targets[w]) - column[w] for w in wires if targets[w])

    before = length()
    for member in group:
        column[member] += step
    if length() < before:
        return True
    for member in group:
        column[member] -= step
    return False


def _best(
    box: int,
    column: Sequence[int],
    targets: Sequence[Sequence[int]],
    sources: Sequence[Sequence[int]],
) -> int:
    """Return the column in which the wires at a box are shortest; where it is, among equals."""
    if not targets[box]:
        return column[box]
    low = max((column[s] + 1 for s in sources[box]), default=0)
    high = min(column[t] for t in targets[box]) - 1
    # How far each wire that comes in reaches without this box.
    reach = [
        max((column[t] for t in targets[s] if t != box), default=column[s])
        for s in dict.fromkeys(sources[box])
    ]

    def length(place: int) -> int:
        return sum(max(place, far) for far in reach) - place

    here = column[box]
    # The length is convex in the place: it bends only where a reach ends.
    places = {low, high, here, *(far for far in reach if low <= far <= high)}
    return min(sorted(places), key=lambda place: (length(place), place != here, -place))
