"""Where the bars stand that gather the wires of each gate, between two columns of a text picture.

A bar stands on a track, a column of characters. Two bars on one track must not touch. A wire that
comes from the left on the row on which a gate's own piece goes on to the right must have turned off
before that gate's bar; where such demands run in a circle, the gate moves down a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Bar:
    """The bar of one gate, or of a wire that goes on at another row.

    Attributes
    ----------
    point : int
        Whose bar it is.
    row : int
        Where it goes on to the right.
    sources : tuple of int
        The rows from which wires join it.
    track : int
        Where it stands, from 0.
    """

    point: int
    row: int
    sources: tuple[int, ...]
    track: int = 0

    @property
    def top(self) -> int:
        """The first row."""
        return min(self.row, *self.sources)

    @property
    def bottom(self) -> int:
        """The last row."""
        return max(self.row, *self.sources)


class Gap:
    """The bars between two columns.

    Parameters
    ----------
    left, right : sequence of int
        The points of the two columns from top to bottom.
    before : sequence of sequence of int
        For each point those of the left column that feed it.
    y : dict of int to int
        The row of each point; those of the right column are moved down where it must be.
    apart : callable
        `apart(upper, lower)`: the least distance of two neighbours.

    Attributes
    ----------
    bars : list of Bar
        The bars.
    straight : list of int
        The points of the left column whose wire goes straight across.
    reaches : dict of int to int
        For each other point that feeds a bar, the last track that it reaches.
    tracks : int
        How many tracks there are.
    """

    def __init__(
        self,
        left: Sequence[int],
        right: Sequence[int],
        before: Sequence[Sequence[int]],
        y: dict[int, int],
        apart: Callable[[int, int], float],
    ) -> None:
        self._at_left = {y[point]: point for point in left}
        while True:
            self.bars: list[Bar] = []
            self.straight: list[int] = []
            for point in right:
                rows = tuple(sorted({y[source] for source in before[point]}))
                if rows == (y[point],):
                    self.straight.append(before[point][0])
                elif rows:
                    self.bars.append(Bar(point, y[point], rows))
            stuck = self._assign(before)
            if stuck is None:
                break
            _move_down(right, stuck, y, apart, self._at_left)
        self.tracks = max((bar.track + 1 for bar in self.bars), default=0)
        self.reaches: dict[int, int] = {}
        for bar in self.bars:
            for row in bar.sources:
                point = self._at_left[row]
                if point not in self.straight:
                    self.reaches[point] = max(self.reaches.get(point, 0), bar.track)

    def _assign(self, before: Sequence[Sequence[int]]) -> int | None:
        """Give each bar a track; return the point of a bar that finds none."""
        on_row = {bar.row: bar for bar in self.bars}
        feeding: dict[int, list[Bar]] = {}
        for bar in self.bars:
            for row in bar.sources:
                feeding.setdefault(row, []).append(bar)
        earlier = {
            bar.point: [other for other in feeding.get(row, ()) if other is not bar]
            for row, bar in on_row.items()
        }
        placed: dict[int, Bar] = {}
        waiting = sorted(self.bars, key=lambda bar: (bar.top, bar.bottom))
        while waiting:
            ready = next(
                (b for b in waiting if all(o.point in placed for o in earlier[b.point])), None
            )
            if ready is None:
                return waiting[-1].point
            waiting.remove(ready)
            track = max((other.track + 1 for other in earlier[ready.point]), default=0)
            while any(
                other.track == track and other.top <= ready.bottom and ready.top <= other.bottom
                for other in placed.values()
            ):
                track += 1
            ready.track = track
            placed[ready.point] = ready
        return None


def _move_down(
    column: Sequence[int],
    point: int,
    y: dict[int, int],
    apart: Callable[[int, int], float],
    taken: dict[int, int],
) -> None:
    """Move a point to the next row on which nothing comes from the left, and what is below it."""
    y[point] += 1
    while y[point] in taken:
        y[point] += 1
    start = column.index(point)
    for upper, lower in zip(column[start:], column[start + 1 :], strict=False):
        y[lower] = max(y[lower], y[upper] + int(apart(upper, lower)))
