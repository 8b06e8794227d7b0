"""Arrays that are written part by part, and how those that follow one another become one.

The gradient of a loop over the slices of an array is a sum of arrays, each 0 but for its slice; a
loop that writes into an array makes a new one each time. Of n slices that would be n times n
slices of work. Here what nobody else reads is not made: its parts are written straight into what
comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .nodes import Access, Node, lined_up

if TYPE_CHECKING:
    from .graph import Graph


@dataclass(slots=True)
class Cover:
    """Which elements of a node are written by its parts, and how many; the others are 0."""

    marks: np.ndarray[Any, np.dtype[np.bool_]]
    count: int


def scattered(graph: Graph, row: int, part: Access, place: Access, kind: str) -> Access:
    """Return zeros with a part written to a place, which is a view of them."""
    value = graph.columns.values[row]
    made = graph.node(
        "pieces", "scatter", kind, np.shape(value), operands=[lined_up(part, place.shape)],
        places=[], fill=0.0, row=row,
    )  # fmt: skip
    made.places.append(replace(place, node=made.number))
    return graph.whole(made)


def summed(graph: Graph, row: int, sources: Sequence[Access]) -> Access | None:
    """Return a sum of zeros with parts as zeros with more parts, where no two parts meet.

    None where it is another sum. The sign of a zero may be another than NumPy's, who adds 0 to it.
    """
    rows = graph.columns.inputs(row)
    nodes = [_only_for(graph, k, x) for k, x in zip(rows, sources, strict=True)]
    first, second = nodes
    if first is None or second is None or first is second or sources[0].shape != sources[1].shape:
        return None
    if any(node.gate != "scatter" or node.kind != first.kind for node in (first, second)):
        return None
    cover = graph.covers.get(first.number) or _cover(first)
    views = [_view(cover.marks, place) for place in second.places]
    if any(view.any() for view in views):
        return None
    for view in views:
        view[...] = True
        cover.count += view.size
    made = _joined(graph, row, first, second.operands, second.places)
    made.gate, made.fill = "scatter", None if cover.count == made.size else 0.0
    graph.covers[made.number] = cover
    return graph.whole(made)


def written(graph: Graph, row: int, x: Access, value: Access, place: Access) -> Access:
    """Return an array with a part of it written anew; the place is a view of it."""
    part = lined_up(value, place.shape)
    before = _only_for(graph, graph.columns.inputs(row)[0], x)
    if before is not None:
        made = _joined(graph, row, before, [part], [place])
    else:
        node = graph.nodes[x.node]
        made = graph.node(
            "pieces", "set_index", node.kind, x.shape, operands=[x, part], row=row
        )  # fmt: skip
        made.places += [graph.whole(made), replace(place, node=made.number)]
    made.gate = "set_index"
    return graph.whole(made)


def _only_for(graph: Graph, row: int, x: Access) -> Node | None:
    """Return the node of parts that a row is, if nobody else reads it."""
    node = graph.nodes[x.node]
    if node.form != "pieces" or node.number in graph.laid or not x.is_whole(node.shape):
        return None
    if node.row != row or graph.readers[row] != 1:
        return None
    return node


def _joined(
    graph: Graph, row: int, node: Node, operands: Sequence[Access], places: Sequence[Access]
) -> Node:
    """Return a node with more parts: a new one, for what it reads was made after the old one."""
    made = graph.node(
        "pieces", node.gate, node.kind, node.shape, operands=[*node.operands, *operands],
        fill=node.fill, row=row,
    )  # fmt: skip
    made.places += [replace(place, node=made.number) for place in (*node.places, *places)]
    return made


def _cover(node: Node) -> Cover:
    """Return what the parts of a node cover, which do not meet."""
    marks = np.zeros(node.size, bool)
    for place in node.places:
        _view(marks, place)[...] = True
    return Cover(marks, int(np.count_nonzero(marks)))


def _view(marks: np.ndarray[Any, Any], place: Access) -> np.ndarray[Any, Any]:
    """Return the marks of a place."""
    if 0 in place.shape:
        return marks[:0]
    return np.lib.stride_tricks.as_strided(marks[place.offset :], place.shape, place.strides)
