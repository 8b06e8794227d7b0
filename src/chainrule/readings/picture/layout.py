"""Where everything stands: columns from left to right, wires between them, nothing on anything.

A box is a symbol with the stub of its wire at the right; value and gradient stand above and below
the stub, inside the room that the box reserves. Wires run straight through columns, at heights of
their own, and bend only between columns; so they meet no label and no gate. `Extent` says how much
room a box takes; the unit is the caller's: pixels for drawings, characters for a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .graph import Graph
from .heights import heights
from .layers import layered
from .order import ordered

_MOST_AT_LEFT = 40  # gates: in larger pictures an input stands where it is first used


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a box reaches from the centre of its symbol.

    Attributes
    ----------
    left, right, up, down : float
        The reserved room; `right` ends where the stub does.
    half : float
        Half the width of the symbol itself.
    """

    left: float
    right: float
    up: float
    down: float
    half: float = 0.0


@dataclass(frozen=True, slots=True)
class Spacing:
    """How much room there is between things.

    Attributes
    ----------
    above : float
        Between two boxes above each other.
    beside : float
        Between two wires, or a wire and a box.
    gap : float
        Between two columns, at least.
    slope : float
        How much wider a gap is for each unit that a wire in it rises or falls.
    widest : float
        The widest gap.
    radius, port : float
        Of the gates' circles, and the distance between two wires that arrive there.
    """

    above: float = 16.0
    beside: float = 14.0
    gap: float = 26.0
    slope: float = 0.22
    widest: float = 110.0
    radius: float = 18.0
    port: float = 9.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of wire between two neighbouring columns.

    Attributes
    ----------
    wire : int
        The box whose wire it is.
    start, end : (float, float)
        Where it leaves the one column and reaches the other; an S between them if their heights
        differ.
    run : float
        How far it goes straight on, through the column or up to a symbol.
    target : int
        The box where it ends; -1 where it goes on.
    """

    wire: int
    start: tuple[float, float]
    end: tuple[float, float]
    run: float
    target: int


@dataclass(slots=True)
class Layout:
    """The places of a picture.

    Attributes
    ----------
    columns : list of list of int
        The points of each column from top to bottom; those from `len(graph.boxes)` on are wires
        that pass.
    x, y : list of float
        The centre of each box's symbol.
    ends : list of float
        For each box where the stub of its wire ends: at the right edge of its column.
    segments : list of Segment
        The wires between the columns.
    swapped : set of int
        Gates whose first input does not arrive above the second.
    width, height : float
        Of the whole.
    """

    columns: list[list[int]]
    x: list[float]
    y: list[float]
    ends: list[float]
    segments: list[Segment] = field(default_factory=list)
    swapped: set[int] = field(default_factory=set)
    width: float = 0.0
    height: float = 0.0


@dataclass(slots=True)
class Plan:
    """Columns and order, before there are sizes.

    Attributes
    ----------
    columns : list of list of int
        As in `Layout`.
    wire : list of int
        For each point the box whose wire it is.
    before, after : list of list of int
        The neighbours of each point; a box that feeds another twice is there twice.
    """

    columns: list[list[int]]
    wire: list[int]
    before: list[list[int]]
    after: list[list[int]]
    swapped: set[int]


def plan(graph: Graph) -> Plan:
    """Return the columns of a graph and the order in each."""
    count = len(graph.boxes)
    sources = graph.sources()
    targets = [[target for target, _ in fed] for fed in graph.targets]
    at_left = [k for k, box in enumerate(graph.boxes) if box.kind == "input"]
    outputs = [k for k, box in enumerate(graph.boxes) if box.kind == "output"]
    if graph.gates > _MOST_AT_LEFT:
        at_left = [k for k in at_left if not targets[k]]
    level = layered(count, targets, sources, left=at_left, right=outputs)
    columns: list[list[int]] = [[] for _ in range(max(level, default=0) + 1)]
    wire = list(range(count))
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    carrier: list[list[int]] = [[] for _ in range(count)]  # a wire's point in each column it passes
    for box in range(count):
        columns[level[box]].append(box)
        carrier[box] = [box]
        far = max((level[t] for t in targets[box]), default=level[box])
        for column in range(level[box] + 1, far):
            point = len(wire)
            wire.append(box)
            before.append([carrier[box][-1]])
            after.append([])
            after[carrier[box][-1]].append(point)
            carrier[box].append(point)
            columns[column].append(point)
    for box in range(count):
        for source in sources[box]:
            point = carrier[source][level[box] - level[source] - 1]
            before[box].append(point)
            after[point].append(box)
    in_order = [k for k, box in enumerate(graph.boxes) if box.in_order]
    columns = ordered(columns, before, after, in_order)
    place = {point: k for column in columns for k, point in enumerate(column)}
    swapped = set()
    for box in in_order:
        arriving = [place[point] for point in before[box]]
        if arriving != sorted(arriving):
            swapped.add(box)
    return Plan(columns, wire, before, after, swapped)


def layout(graph: Graph, extents: Sequence[Extent], spacing: Spacing, made: Plan) -> Layout:
    """Return where each box and each wire goes.

    Parameters
    ----------
    graph : Graph
        What is drawn.
    extents : sequence of Extent
        The room of each box.
    spacing : Spacing
        The room between them.
    made : Plan
        What `plan` gave.
    """
    count = len(graph.boxes)

    def apart(upper: int, lower: int) -> float:
        if upper >= count or lower >= count:
            down = extents[upper].down if upper < count else 0.0
            up = extents[lower].up if lower < count else 0.0
            return down + spacing.beside + up
        return extents[upper].down + spacing.above + extents[lower].up

    y = heights(made.columns, made.before, made.after, lambda point: point >= count, apart)
    top = min((y[k] - extents[k].up for k in range(count)), default=0.0)
    for point in y:
        y[point] = round(y[point] - top, 2)
    found = Layout(made.columns, [0.0] * count, [y[k] for k in range(count)], [0.0] * count)
    found.swapped = made.swapped
    _place(found, graph, extents, spacing, made, y)
    lowest = max((y[k] + extents[k].down for k in range(count)), default=0.0)
    found.height = max(lowest, max(y.values(), default=0.0))
    return found


def _place(
    found: Layout,
    graph: Graph,
    extents: Sequence[Extent],
    spacing: Spacing,
    made: Plan,
    y: dict[int, float],
) -> None:
    """Set the columns one after the other, with gaps as wide as their wires need."""
    count = len(graph.boxes)
    pieces: list[tuple[int, int, float, float]] = []  # (from, to, height, height at the port)
    right = -spacing.gap
    for number, column in enumerate(made.columns):
        pieces = []
        for point in column:
            arriving = sorted(enumerate(made.before[point]), key=lambda pair: (y[pair[1]], pair[0]))
            heights_at = _ports([y[p] for _, p in arriving], y[point], spacing)
            if point >= count:
                heights_at = [y[point]]
            pieces += [(p, point, y[p], h) for (_, p), h in zip(arriving, heights_at, strict=True)]
        steepest = max((abs(a - b) for _, _, a, b in pieces), default=0.0)
        gap = min(spacing.gap + spacing.slope * steepest, spacing.widest) if number else 0.0
        boxes = [point for point in column if point < count]
        at_left = max((extents[k].left for k in boxes), default=0.0)
        at_right = max((extents[k].right for k in boxes), default=0.0)
        start = right + gap if number else 0.0
        centre = round(start + at_left, 2)
        end = round(centre + at_right, 2)
        for k in boxes:
            found.x[k], found.ends[k] = centre, end
        for source, point, a, b in pieces:
            if point < count:
                half = extents[point].half
                lift = min(abs(b - y[point]), spacing.radius)
                # A symbol is a circle, or a pill with round ends.
                stop = centre - half + spacing.radius - math.sqrt(spacing.radius**2 - lift**2)
                stop = stop if half >= spacing.radius else centre - half
            else:
                stop = end
            found.segments.append(
                Segment(
                    made.wire[source],
                    (right, a),
                    (start, b),
                    max(round(stop - start, 2), 0.0),
                    point if point < count else -1,
                )
            )
        right = end
    found.width = right


def _ports(sources: Sequence[float], own: float, spacing: Spacing) -> list[float]:
    """Return the heights at which wires arrive: one that comes straight stays straight."""
    count = len(sources)
    if not count:
        return []
    straight = [k for k, height in enumerate(sources) if abs(height - own) < 0.5]
    middle = float(straight[0]) if len(straight) == 1 else (count - 1) / 2
    reach = max(middle, count - 1 - middle)
    step = min(spacing.port, (spacing.radius - 4) / reach) if reach else 0.0
    return [round(own + (k - middle) * step, 2) for k in range(count)]
