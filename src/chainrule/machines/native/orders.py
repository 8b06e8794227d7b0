"""In which order the axes of a node lie in memory, where it is not that of the recorded array.

A convolution over many examples lays its result out with the examples innermost: vectors run along
them, whatever the size of the image. What is computed from it elementwise, reduced or padded keeps
that order, until somebody needs rows, or a product reads it as a transpose. Such a node has the
shape that it has in memory; `Graph.laid` tells which axis of the recorded array is its last, and
whoever reads it reads a view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .nodes import Access, Shape, contiguous, restrided, sliced

if TYPE_CHECKING:
    from .graph import Graph


def inward(x: Access, axis: int) -> Access:
    """Return the access with an axis moved to the end."""
    return permuted(x, [k for k in range(len(x.shape)) if k != axis] + [axis])


def outward(x: Access, axis: int) -> Access:
    """Return the access with its last axis moved to a place."""
    order = list(range(len(x.shape) - 1))
    order.insert(axis, len(x.shape) - 1)
    return permuted(x, order)


def permuted(x: Access, order: Sequence[int]) -> Access:
    """Return the access with its axes in this order."""
    return replace(
        x, shape=tuple(x.shape[k] for k in order), strides=tuple(x.strides[k] for k in order)
    )


def innermost_axis(graph: Graph, x: Access) -> int | None:
    """Return the axis along which elements are neighbours, where that is not the last, on purpose.

    A transpose of the user's is no purpose: only what a convolution has laid out is followed.
    """
    if x.node not in graph.laid:
        return None
    for k, (n, stride) in enumerate(zip(x.shape[:-1], x.strides, strict=False)):
        if n > 1 and stride == 1:
            return k
    return None


def shared_axis(graph: Graph, sources: Sequence[Access], shape: Shape) -> int | None:
    """Return the innermost axis of an elementwise result of this shape; None for the last."""
    for x in sources:
        if x.shape == shape:
            axis = innermost_axis(graph, x)
            if axis is not None:
                return axis
    return None


def laid(graph: Graph, x: Access, axis: int) -> Access:
    """Return the same elements with neighbours along an axis; copied if they are not."""
    if x.strides[axis] == 1 or x.shape[axis] == 1:
        return x
    known = graph.copies.get((x, axis))
    if known is None:
        known = graph.copies[(x, axis)] = _copied(graph, x, axis)
    return known


def packed(graph: Graph, x: Access, axis: int) -> Access:
    """Return the same elements with neighbours along an axis, and no gaps."""
    x = laid(graph, x, axis)
    inside = inward(x, axis)
    if restrided(inside, (math.prod(x.shape),)) == (1,):
        return x
    return _copied(graph, x, axis)


def _copied(graph: Graph, x: Access, axis: int) -> Access:
    whole = gathered(graph, inward(x, axis))
    if axis < len(x.shape) - 1:
        graph.laid[whole.node] = axis
    return outward(whole, axis)


def gathered(graph: Graph, x: Access) -> Access:
    """Return the same elements contiguous, turned in registers where they are a transpose."""
    for k in range(1, len(x.shape)):
        sizes = math.prod(x.shape[:k]), math.prod(x.shape[k:])
        first = restrided(replace(x, shape=x.shape[:k], strides=x.strides[:k]), sizes[:1])
        second = restrided(replace(x, shape=x.shape[k:], strides=x.strides[k:]), sizes[1:])
        if first == (1,) and second is not None and second[0] > 1:
            matrix = Access(x.node, sizes, x.offset, (1, second[0]))
            return replace(graph.turned(matrix), shape=x.shape, strides=contiguous(x.shape))
    return graph.copied(x)


def operands_along(
    graph: Graph, sources: Sequence[Access], shape: Shape, axis: int
) -> list[Access]:
    """Return the operands of an elementwise gate, to be walked with an axis innermost."""
    found = []
    for x in sources:
        lead = len(shape) - len(x.shape)
        if x.shape == shape and x.strides[axis]:
            x = laid(graph, x, axis)
        if math.prod(x.shape) > 1 or x.shape == shape:
            whole = replace(x, shape=(1,) * lead + x.shape, strides=(0,) * lead + x.strides)
            x = inward(whole, axis)
        found.append(x)
    return found


def padded(
    graph: Graph, x: Access, widths: Sequence[tuple[int, int]], fill: float, row: int,
    axis: int | None,
) -> Access:  # fmt: skip
    """Return the elements with others around them, neighbours along an axis; None for the last."""
    rank = len(x.shape)
    order = [k for k in range(rank) if k != axis] + ([] if axis is None else [axis])
    inside = permuted(x, order)
    around = [widths[k] for k in order]
    shape = tuple(n + sum(both) for n, both in zip(inside.shape, around, strict=True))
    made = graph.node(
        "pieces", "pad", graph.nodes[x.node].kind, shape, operands=[inside], fill=fill, row=row
    )
    part = tuple(
        slice(before, before + n) for n, (before, _) in zip(inside.shape, around, strict=True)
    )
    place = sliced(graph.whole(made), part)
    assert place is not None
    made.places.append(place)
    if axis is not None and axis < rank - 1:
        graph.laid[made.number] = axis
    return graph.view(made)
