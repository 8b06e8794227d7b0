"""A picture in bands: what does not fit the width goes on below, as a text goes on in a new line.

A band is a graph of its own. A wire that comes from a band above enters at the left under its name,
with its numbers; one that goes on is marked at the right: `q ...`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from .graph import Box, Graph
from .layout import plan

Drawn = TypeVar("Drawn")
_SOURCES = ("input", "constant")


def bands(
    graph: Graph, draw: Callable[[Graph], Drawn], width: Callable[[Drawn], float], most: float
) -> Iterator[Drawn]:
    """Yield the drawings of as few bands as fit.

    Parameters
    ----------
    graph : Graph
        What to draw.
    draw, width : callable
        Draw a graph; tell how wide a drawing is.
    most : float
        How wide one may be. A band of a single column may be wider.
    """
    whole = draw(graph)
    if width(whole) <= most:
        yield whole
        return
    level = _levels(graph)
    steps: list[list[int]] = [[] for _ in range(max(level) + 1)]
    for box, step in enumerate(level):
        steps[step].append(box)
    first, count = 0, max(round(len(steps) * most / width(whole)), 1)
    while first < len(steps):
        # Starting from what fitted last saves drawing every band column by column.
        count = min(count, len(steps) - first)
        fits = draw(_part(graph, steps, level, first, first + count))
        while count > 1 and width(fits) > most:
            count -= 1
            fits = draw(_part(graph, steps, level, first, first + count))
            if width(fits) <= most:
                break
        else:
            while first + count < len(steps):
                longer = draw(_part(graph, steps, level, first, first + count + 1))
                if width(longer) > most:
                    break
                fits, count = longer, count + 1
        yield fits
        first += count


def _levels(graph: Graph) -> list[int]:
    """Return the column of each box; an output or a tap is in that of what it belongs to."""
    columns = plan(graph).columns
    level = {box: k for k, column in enumerate(columns) for box in column}
    for source, fed in enumerate(graph.targets):
        for target, _ in fed:
            if graph.boxes[target].kind in ("output", "tap"):
                level[target] = level[source]
    own = [level[box] for box in range(len(graph.boxes))]
    number = {step: k for k, step in enumerate(sorted(set(own)))}  # none is empty now
    return [number[step] for step in own]


def _part(
    graph: Graph, steps: Sequence[list[int]], level: Sequence[int], first: int, last: int
) -> Graph:
    """Return some columns, with the wires that come in at the left and go on at the right."""
    part = Graph(graph.title, gates=graph.gates, notation=graph.notation)
    wanted = {k for column in steps[first:last] for k in column}
    number: dict[int, int] = {}
    for k, box in enumerate(graph.boxes):
        fed = [target for target, _ in graph.targets[k]]
        if level[k] < first and any(target in wanted for target in fed):
            name = box.name or box.call
            number[k] = part.add(replace(box, kind="input", symbol="", note="", name=name))
        elif k in wanted and (box.kind not in _SOURCES or not fed or not wanted.isdisjoint(fed)):
            number[k] = part.add(box)
    for k, place in list(number.items()):
        box, fed = graph.boxes[k], [target for target, _ in graph.targets[k]]
        part.targets[place] = [(number[t], port) for t, port in graph.targets[k] if t in wanted]
        # An input needs no sign that it goes on: it has its name wherever it is used.
        goes_on = k in wanted and any(level[target] >= last for target in fed)
        if goes_on and box.kind not in _SOURCES:
            end = Box("output", name=f"{box.name or box.call} ...", has_wire=False)
            part.targets[place].append((part.add(end), 0))
    return part
