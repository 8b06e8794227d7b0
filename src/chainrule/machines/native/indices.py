"""Reading and adding at index arrays: what the native machine makes of `x[i]` and its gradient.

The index arrays become one array of places, rows of x counted as they lie in memory, which the
kernels of `gather.py` follow. An index out of range stops the program by a guard, and plain NumPy
then raises what it raises; the kernels, which may run before the guard is looked at, are given
place 0 for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...gates import Gate
from .nodes import FLOATS, Access, Node, Shape, broadcast, contiguous

if TYPE_CHECKING:
    from .graph import Graph

_WHOLE = ("i64", "i32")


def read_at(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    """Return the form of `x[i]`, `x[i, j]`, ...; None where slices stand before or between."""
    x, *arrays = sources
    if not _lead(settings["template"], len(arrays)):
        return None
    return _read(graph, row, x, _places(graph, arrays, x.shape))


def add_at(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    """Return the form of adding into zeros at the places that `x[i]` reads."""
    g, *arrays = sources
    if not _lead(settings["template"], len(arrays)):
        return None
    return _added(graph, row, g, _places(graph, arrays, settings["shape"]))


def read_along(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    """Return the form of np.take_along_axis."""
    x, indices = sources
    return _read(graph, row, x, _along(graph, indices, x.shape, settings["axis"]))


def add_along(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    """Return the form of adding into zeros at the places that np.take_along_axis reads."""
    g, indices = sources
    return _added(graph, row, g, _along(graph, indices, settings["shape"], settings["axis"]))


def _lead(template: tuple[Any, ...], arrays: int) -> bool:
    """Whether the arrays are the first parts of an index, and the rest takes everything."""
    rest = template[arrays:]
    leading = all(isinstance(part, str) for part in template[:arrays])
    return leading and all(p is Ellipsis or p == slice(None) for p in rest)


def _read(graph: Graph, row: int, x: Access, places: Access | None) -> Access | None:
    node = graph.nodes[x.node]
    if places is None:
        return None
    whole = x if x.is_whole(node.shape) else graph.copy(x)
    return _own(graph, row, "index", [whole, places])


def _added(graph: Graph, row: int, g: Access, places: Access | None) -> Access | None:
    node = graph.nodes[g.node]
    if places is None or node.kind not in FLOATS.values():
        return None
    whole = g if g.is_whole(node.shape) else graph.copy(g)
    return _own(graph, row, "scatter", [whole, places])


def _own(graph: Graph, row: int, gate: str, operands: list[Access]) -> Access:
    kind = graph.nodes[operands[0].node].kind
    shape = np.shape(graph.columns.values[row])
    return graph.whole(graph.node("own", gate, kind, shape, operands=operands, row=row))


# ---------------------------------------------------------------------- places


def _places(graph: Graph, arrays: list[Access], shape: Shape) -> Access | None:
    """Return which row of an array of this shape each entry of the index arrays means.

    A row is what the axes behind them hold.
    """
    sizes = shape[: len(arrays)]
    if any(graph.nodes[a.node].kind not in _WHOLE for a in arrays) or 0 in sizes:
        return None
    key = (*arrays, sizes)
    if key not in graph.places:
        common = np.broadcast_shapes(*(a.shape for a in arrays))
        total: Access | None = None
        for k, array in enumerate(arrays):
            place = _in_range(graph, broadcast(array, common), sizes[k])
            step = math.prod(sizes[k + 1 :])
            if step != 1:
                place = _each(graph, "multiply", place, _number(graph, step))
            total = place if total is None else _each(graph, "add", total, place)
        assert total is not None
        graph.places[key] = total
    return graph.places[key]


def _along(graph: Graph, indices: Access, shape: Shape, axis: int | None) -> Access | None:
    """Return which element of an array of this shape each index along an axis means."""
    if axis is None:
        shape, axis = (math.prod(shape),), 0
    axis %= len(shape)
    if graph.nodes[indices.node].kind not in _WHOLE or 0 in shape:
        return None
    key = (indices, shape, axis)
    if key not in graph.places:
        common = (*shape[:axis], indices.shape[axis], *shape[axis + 1 :])
        strides = contiguous(shape)
        rest = np.zeros(common, np.int64)  # where the line along the axis begins
        for k, n in enumerate(common):
            if k != axis:
                rest += strides[k] * np.arange(n).reshape(-1, *[1] * (len(common) - k - 1))
        begin = graph.node("constant", "constant", "i64", common, value=rest)
        place = _in_range(graph, broadcast(indices, common), shape[axis])
        place = _each(graph, "multiply", place, _number(graph, strides[axis]))
        graph.places[key] = _each(graph, "add", place, graph.whole(begin))
    return graph.places[key]


def _in_range(graph: Graph, index: Access, size: int) -> Access:
    """Return indices counted from 0, as i64; those out of range as 0, and a guard against them."""
    count, zero = _number(graph, size), _number(graph, 0)
    below = _each(graph, "less", index, zero)
    place = _each(graph, "where", below, _each(graph, "add", index, count), index)
    bad = _each(
        graph,
        "logical_or",
        _each(graph, "less", place, zero),
        _each(graph, "greater_equal", place, count),
    )
    if not _is_checked(graph.nodes[index.node]):
        axes = tuple(range(len(bad.shape)))
        found = graph.node(
            "reduce", "any", "i1", (), operands=[bad], axes=axes, operand_kind="i1"
        )  # fmt: skip
        graph.guards.append((graph.whole(found), False))
    return _each(graph, "where", bad, zero, place)


def _is_checked(node: Node) -> bool:
    """Whether NumPy has taken these very indices already, when the circuit was recorded."""
    return node.form == "constant"


def _number(graph: Graph, number: int) -> Access:
    return graph.whole(graph.node("constant", "constant", "i64", (), value=np.int64(number)))


def _each(graph: Graph, gate: str, *operands: Access) -> Access:
    """Return an elementwise node on whole numbers, or on truth values for the logical gates."""
    shape = np.broadcast_shapes(*(a.shape for a in operands))
    truths = gate in ("less", "greater_equal", "logical_or")
    common = "i1" if gate == "logical_or" else "i64"
    made = graph.node(
        "each", gate, "i1" if truths else "i64", shape, operands=list(operands), operand_kind=common
    )
    return graph.whole(made)
