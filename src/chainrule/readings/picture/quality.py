"""How good a picture is, measured on what is drawn: crossings, bends, overlaps.

For tests and `benchmarks/layout.py`. Wires are taken as the lines that they are drawn as; of two
wires out of one box only what lies apart counts. A wire may touch the symbol where it ends and the
one where it begins, and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .layout import Segment
from .scene import Scene, boxes_of

Point = tuple[float, float]
Line = Sequence[Point]
Room = tuple[float, float, float, float]

_STEPS = 16  # straight pieces that stand for a curve
_TOUCH = 0.05  # less than this is no overlap


@dataclass(frozen=True, slots=True)
class Quality:
    """What was counted.

    Attributes
    ----------
    crossings : int
        Pairs of wires of different boxes that cross, each place counted.
    bends : int
        Pieces of wire that do not run straight.
    overlaps : int
        Pairs of things that stand on each other.
    area : float
        Width times height.
    """

    crossings: int
    bends: int
    overlaps: int
    area: float


def quality(found: Scene) -> Quality:
    """Return how good a picture is."""
    placed = found.layout
    bends = sum(abs(s.start[1] - s.end[1]) > _TOUCH for s in placed.segments)
    area = placed.width * placed.height
    lines = [(s.wire, line_of(s)) for s in placed.segments]
    return Quality(crossings(lines), bends, sum(1 for _ in overlaps(found)), area)


def line_of(segment: Segment) -> list[Point]:
    """Return the line that a segment is drawn as, its straight run included."""
    (ax, ay), (bx, by) = segment.start, segment.end
    points = [(ax, ay)]
    if abs(ay - by) > 0.01:
        for k in range(1, _STEPS + 1):
            t = k / _STEPS
            # The Bézier curve with level ends: x is 3/2 t(1-t) + t³..., y the smooth step.
            x = ax + (bx - ax) * (1.5 * t * (1 - t) ** 2 + 1.5 * t * t * (1 - t) + t**3)
            points.append((x, ay + (by - ay) * (3 * t * t - 2 * t**3)))
    points.append((bx + segment.run, by))
    return points


def overlaps(found: Scene) -> Iterator[str]:
    """Yield a sentence for each pair of things that stand on each other."""
    rooms: list[tuple[str, int, Room]] = [
        (f"{t.style} {t.text!r}", t.box, t.room()) for t in found.texts if t.style != "symbol"
    ]
    rooms += [("a strip", s.box, s.room()) for s in found.strips]
    symbols = [(f"box {k}", k, room) for k, room in boxes_of(found)]
    everything = sorted(rooms + symbols, key=lambda item: item[2][0])
    for k, (one, _, a) in enumerate(everything):
        for other, _, b in everything[k + 1 :]:
            if b[0] > a[2]:
                break
            if _meet(a, b):
                yield f"{one} and {other}"
    within = dict(boxes_of(found))
    for number, text in ((t.box, t) for t in found.texts if t.style == "symbol"):
        inner, outer = text.room(), within[number]
        if inner[0] < outer[0] or inner[2] > outer[2]:
            yield f"{text.text!r} is wider than its gate"
    yield from _wires_on(found, [*rooms, *symbols])


def _wires_on(found: Scene, rooms: Sequence[tuple[str, int, Room]]) -> Iterator[str]:
    placed = found.layout
    ordered = sorted(rooms, key=lambda item: item[2][0])
    lines: list[tuple[int, int, Line]] = [(s.wire, s.target, line_of(s)) for s in placed.segments]
    for number, box in enumerate(found.graph.boxes):
        if box.has_wire:
            x, y = placed.x[number] + found.extents[number].half, placed.y[number]
            lines.append((number, -1, [(x, y), (placed.ends[number], y)]))
    for wire, target, line in lines:
        left, right = line[0][0], line[-1][0]
        for what, owner, room in ordered:
            if room[0] > right:
                break
            if room[2] < left or (what.startswith("box") and owner in (wire, target)):
                continue
            if any(_passes(a, b, room) for a, b in itertools.pairwise(line)):
                yield f"the wire of box {wire} and {what}"


def _meet(a: Room, b: Room) -> bool:
    return (
        a[0] + _TOUCH < b[2]
        and b[0] + _TOUCH < a[2]
        and a[1] + _TOUCH < b[3]
        and b[1] + _TOUCH < a[3]
    )


def _passes(a: Point, b: Point, room: Room) -> bool:
    """Return whether a straight piece, which leads to the right, passes through a room."""
    left, right = max(a[0], room[0] + _TOUCH), min(b[0], room[2] - _TOUCH)
    if left > right or b[0] <= a[0]:
        return False
    slope = (b[1] - a[1]) / (b[0] - a[0])
    first, last = a[1] + slope * (left - a[0]), a[1] + slope * (right - a[0])
    return min(first, last) < room[3] - _TOUCH and max(first, last) > room[1] + _TOUCH


def crossings(lines: Sequence[tuple[int, Line]]) -> int:
    """Count the places where lines of different owners cross.

    Parameters
    ----------
    lines : sequence of (int, line)
        The owner of each line, and its points.
    """
    pieces = sorted(
        (min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1]), owner, a, b)
        for owner, line in lines
        for a, b in itertools.pairwise(line)
        if a != b
    )
    total = 0
    active: list[tuple[float, float, float, int, Point, Point]] = []
    for left, right, top, bottom, owner, a, b in pieces:
        active = [piece for piece in active if piece[0] >= left]
        for _, high, low, other, c, d in active:
            if other != owner and high <= bottom and low >= top and _cross(a, b, c, d):
                total += 1
        active.append((right, top, bottom, owner, a, b))
    return total


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    one, two = _side(a, b, c), _side(a, b, d)
    three, four = _side(c, d, a), _side(c, d, b)
    # Half-open, so that a crossing at a joint of two pieces counts once.
    return (one > 0) != (two > 0) and (three > 0) != (four > 0)


def _side(a: Point, b: Point, p: Point) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
