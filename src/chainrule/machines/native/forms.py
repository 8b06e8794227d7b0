"""What each structural gate is to the native machine: a view, or a node of some form.

A form is called with the graph, the row, its gate, what it reads and its settings, and returns how
the row reads a node; None hands the gate to NumPy. To teach the machine a structural gate, add a
function and its line in `FORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...gates import Gate
from ...gates.rules import axes_of
from .convolution import convolved
from .indices import add_along, add_at, read_along, read_at
from .nodes import (
    FLOATS,
    Access,
    Node,
    Shape,
    broadcast,
    contiguous,
    kind_of,
    restrided,
    sliced,
)
from .orders import innermost_axis, inward, outward, packed, padded, permuted
from .pieces import scattered, written

if TYPE_CHECKING:
    from .graph import Graph

_WORTH_TURNING = 3  # rows: a product of fewer reads its second factor as it lies
_POOLS = ("max_pool2d", "mean_pool2d", "max_pool2d_spread", "mean_pool2d_spread")
_REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")


def _same(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    value = graph.columns.values[row]
    source = sources[0]
    if np.shape(value) != source.shape:
        return _reshape(graph, source, np.shape(value))
    return source


def _astype(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    value = graph.columns.values[row]
    kind = kind_of(value)
    source = graph.nodes[sources[0].node].kind
    if kind == source:
        return sources[0]
    if kind not in FLOATS.values():
        return None  # a float too large for an integer: NumPy's own answer depends on the machine
    return graph.each("copy", kind, np.shape(value), sources, operand_kind=kind, row=row)


def _transpose(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    (x,) = sources
    axes = settings.get("axes")
    order = range(len(x.shape))[::-1] if axes is None else [k % len(x.shape) for k in axes]
    return replace(
        x,
        shape=tuple(x.shape[k] for k in order),
        strides=tuple(x.strides[k] for k in order),
    )


def _reshaped(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if settings.get("order", "C") != "C":
        return None
    return _reshape(graph, sources[0], np.shape(graph.columns.values[row]))


def _reshape(graph: Graph, x: Access, shape: Shape) -> Access:
    """Return the elements in another shape; copied where strides cannot say it."""
    strides = restrided(x, shape)
    if strides is None:
        axis = innermost_axis(graph, x)
        if axis is not None:
            x = packed(graph, x, axis)
            strides = restrided(x, shape)
    if strides is None:
        return _reshape(graph, graph.copy(x), shape)
    return replace(x, shape=shape, strides=strides)


def _broadcast(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    return broadcast(sources[0], np.shape(graph.columns.values[row]))


def _flip(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    (x,) = sources
    offset, strides = x.offset, list(x.strides)
    for k in axes_of(len(x.shape), settings.get("axis")):
        offset += max(x.shape[k] - 1, 0) * strides[k]
        strides[k] = -strides[k]
    return replace(x, offset=offset, strides=tuple(strides))


def _index(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if len(sources) != 1:
        return read_at(graph, row, gate, sources, settings)
    return sliced(sources[0], settings["template"])


def _diagonal(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    (x,) = sources
    by, n = settings.get("offset", 0), len(x.shape)
    one, two = settings.get("axis1", 0) % n, settings.get("axis2", 1) % n
    length = np.shape(graph.columns.values[row])[-1]
    offset = x.offset + (by * x.strides[two] if by > 0 else -by * x.strides[one]) * (length > 0)
    rest = [k for k in range(n) if k not in (one, two)]
    return Access(
        x.node,
        (*(x.shape[k] for k in rest), length),
        offset,
        (*(x.strides[k] for k in rest), x.strides[one] + x.strides[two]),
    )


def _pieces(graph: Graph, row: int, parts: list[Access], fill: float | None) -> Node:
    value = graph.columns.values[row]
    return graph.node(
        "pieces", graph.columns.gates[row].name, kind_of(value), np.shape(value),
        operands=parts, fill=fill, row=row,
    )  # fmt: skip


def _concatenate(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    axis = settings.get("axis", 0)
    if axis is None:
        sources = [_reshape(graph, s, (math.prod(s.shape),)) for s in sources]
        axis = 0
    made = _pieces(graph, row, sources, None)
    axis %= len(made.shape)
    start = 0
    for s in sources:
        part = (*(slice(None),) * axis, slice(start, start + s.shape[axis]))
        start += s.shape[axis]
        made.places.append(_place(graph, made, part))
    return graph.whole(made)


def _place(graph: Graph, node: Node, template: Any) -> Access:
    place = sliced(graph.whole(node), template)
    assert place is not None
    return place


def _stack(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    made = _pieces(graph, row, sources, None)
    axis = settings.get("axis", 0) % len(made.shape)
    for k in range(len(sources)):
        made.places.append(_place(graph, made, (*(slice(None),) * axis, k)))
    return graph.whole(made)


def _scatter(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if len(sources) != 1:
        return add_at(graph, row, gate, sources, settings)
    value = graph.columns.values[row]
    whole = Access(-1, np.shape(value), 0, contiguous(np.shape(value)))
    place = sliced(whole, settings["template"])
    if place is None:
        return None
    return scattered(graph, row, sources[0], place, kind_of(value))


def _set_index(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if len(sources) != 2:
        return None
    shape = sources[0].shape
    place = sliced(Access(-1, shape, 0, contiguous(shape)), settings["template"])
    if place is None:
        return None
    return written(graph, row, sources[0], sources[1], place)


def _pad(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    fill = settings.get("constant_values", 0)
    if (
        settings.get("mode", "constant") != "constant"
        or np.ndim(fill)
        or isinstance(settings["pad_width"], dict)
    ):
        return None
    (x,) = sources
    widths = [
        (int(a), int(b)) for a, b in np.broadcast_to(settings["pad_width"], (len(x.shape), 2))
    ]
    return padded(graph, x, widths, float(fill), row, innermost_axis(graph, x))


def _reduce(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    (x,) = sources
    value = graph.columns.values[row]
    kind, source = kind_of(value), graph.nodes[x.node].kind
    axes = axes_of(len(x.shape), settings.get("axis"))
    axes = tuple(k for k in axes if x.shape[k] != 1)
    if gate.name in ("any", "all") and source != "i1":
        return None
    if gate.name in ("max", "min", "prod") and source not in FLOATS.values():
        return None
    if gate.name in ("max", "min") and math.prod(x.shape) == 0:
        return None
    if not axes and kind == source:
        return _reshape(graph, x, np.shape(value))
    along = innermost_axis(graph, x)
    order = [k for k in range(len(x.shape)) if k != along] + ([] if along is None else [along])
    kept = [k for k in order if k not in axes]
    made = graph.node(
        "reduce", gate.name, kind, tuple(x.shape[k] for k in kept), operands=[permuted(x, order)],
        axes=tuple(order.index(k) for k in axes), operand_kind=kind, row=row,
    )  # fmt: skip
    if along is not None and along in kept and along != max(kept):
        graph.laid[made.number] = sorted(kept).index(along)
    return _reshape(graph, graph.view(made), np.shape(value))


def _matmul(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    value = graph.columns.values[row]
    kind = kind_of(value)
    if kind not in FLOATS.values():
        return None
    x, y = (graph.as_kind(s, kind) for s in sources)
    if len(x.shape) == 1:
        x = replace(x, shape=(1, *x.shape), strides=(0, *x.strides))
    if len(y.shape) == 1:
        y = replace(y, shape=(*y.shape, 1), strides=(*y.strides, 0))
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x = broadcast(x, (*batch, *x.shape[-2:]))
    y = broadcast(y, (*batch, *y.shape[-2:]))
    if batch and not any(y.strides[:-2]):  # one matrix for the whole batch: one long product
        rows = math.prod(x.shape[:-1])
        strides = restrided(x, (rows, x.shape[-1]))
        if strides is not None:
            x = replace(x, shape=(rows, x.shape[-1]), strides=strides)
            y, batch = replace(y, shape=y.shape[-2:], strides=y.strides[-2:]), ()
    if y.shape[-1] == 1:
        y = replace(y, strides=(*y.strides[:-1], 1))
    elif y.strides[-1] != 1 and x.shape[-2] >= _WORTH_TURNING:
        y = graph.turned(y)
    shape = (*batch, x.shape[-2], y.shape[-1])
    made = graph.node("product", gate.name, kind, shape, operands=[x, y], row=row)
    return _reshape(graph, graph.whole(made), np.shape(value))


def _random(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    (key,) = sources
    value = graph.columns.values[row]
    if graph.nodes[key.node].kind not in ("i32", "i64") or np.size(value) >= 2**32:
        return None
    key = key if key.strides == (1,) else graph.copy(key)
    made = graph.node(
        "own",
        gate.name,
        kind_of(value),
        np.shape(value),
        operands=[key],
        settings=settings,
        row=row,
    )
    return graph.whole(made)


def _pooled(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    value = graph.columns.values[row]
    kind = kind_of(value)
    if kind not in FLOATS.values() or any(graph.nodes[s.node].kind != kind for s in sources):
        return None
    # Examples lie innermost where a convolution has laid them so; else columns do.
    rank = len(sources[0].shape)
    found = (innermost_axis(graph, s) for s in reversed(sources))
    axis = next((k for k in found if k is not None and k < rank - 2), rank - 1)
    operands = [inward(packed(graph, s, axis), axis) for s in sources]
    shape = (
        tuple(n for k, n in enumerate(np.shape(value)) if k != axis) + np.shape(value)[axis:][:1]
    )
    inner = shape[-1] if axis < rank - 2 else 1
    made = graph.node(
        "own", gate.name, kind, shape, operands=operands, settings={**settings, "inner": inner},
        row=row,
    )  # fmt: skip
    if axis < rank - 2:
        graph.laid[made.number] = axis
    return outward(graph.whole(made), axis)


_Form = Callable[["Graph", int, Gate, list[Access], dict[str, Any]], Access | None]
FORMS: dict[str, _Form] = {
    **dict.fromkeys(("positive", "copy", "item"), _same),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "astype": _astype,
    "transpose": _transpose,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "expand_dims": _reshaped,
    "broadcast_to": _broadcast,
    "flip": _flip,
    "index": _index,
    "take_along_axis": read_along,
    "add_along_axis": add_along,
    "diagonal": _diagonal,
    "concatenate": _concatenate,
    "stack": _stack,
    "scatter": _scatter,
    "set_index": _set_index,
    "pad": _pad,
    "matmul": _matmul,
    "conv2d": convolved,
    "random_uniform": _random,
    **dict.fromkeys(_POOLS, _pooled),
}
