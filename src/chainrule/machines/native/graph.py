"""A circuit as the native machine sees it: nodes with a shape, a dtype and a form.

A node is an input, a constant, `each` (one result element from one element of each operand),
`reduce`, `product`, `transpose` (a matrix turned in memory), `pieces` (written part by part), or
`host` (NumPy computes it). Views
(transposes, slices, reshapes, broadcasts) are no nodes: they are ways to read a node, an `Access`
with an offset and a stride for each axis. To teach the machine a structural gate, give it a
function in `_FORMS`; an elementwise one an emitter in `elementwise.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT, INPUT, Columns
from ...gates import Gate
from ...gates.rules import axes_of
from .elementwise import EMITTERS

Shape = tuple[int, ...]
FLOATS = {"f8": "double", "f4": "float"}
KINDS = FLOATS | {"i8": "i64", "i4": "i32", "b1": "i1"}
REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum",
              "any": "logical_or", "all": "logical_and"}  # fmt: skip
_WHOLE_NUMBERS = {"add", "subtract", "multiply", "negative", "where", "maximum", "minimum"}
_COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
                "isnan", "isinf", "isfinite", "signbit"}  # fmt: skip
_TRUTHS = {"logical_and", "logical_or", "logical_xor", "logical_not"}
_WORTH_TURNING = 3  # rows: a product of fewer reads its second factor as it lies
_SAME = {"positive", "copy", "item"}


@dataclass(slots=True)
class Node:
    """Something computed or given.

    Attributes
    ----------
    number : int
        Its place in the order of computation.
    form : str
        "input", "constant", "each", "reduce", "product", "transpose", "pieces" or "host".
    gate : str
        The gate's name.
    kind : str
        LLVM's type of an element: "double", "float", "i64", "i32" or "i1".
    shape : tuple of int
        Its shape.
    operands : list of Access
        What it reads. For `pieces`: what is written, in order.
    settings : dict
        The gate's settings.
    operand_kind : str
        The type that operands of `each` are brought to before the gate.
    value : Any
        The value of a constant; its recorded gate for `host`.
    places : list of Access
        For `pieces`: where each part is written, as a view of this node.
    axes : tuple of int
        For `reduce`: the axes of the operand that go.
    fill : float or None
        For `pieces`: what the rest is filled with.
    """

    number: int
    form: str
    gate: str
    kind: str
    shape: Shape
    operands: list[Access] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    operand_kind: str = ""
    value: Any = None
    places: list[Access] = field(default_factory=list)
    axes: tuple[int, ...] = ()
    fill: float | None = None
    row: int = -1

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Access:
    """A way to read a node: in this shape, from this offset, with these strides (elements)."""

    node: int
    shape: Shape
    offset: int
    strides: tuple[int, ...]

    def is_whole(self, shape: Shape) -> bool:
        """Whether it reads a contiguous node of this shape as it is."""
        return self.shape == shape and self.offset == 0 and self.strides == contiguous(shape)


def contiguous(shape: Shape) -> tuple[int, ...]:
    """Return the strides, in elements, of an array in C order."""
    strides = [1] * len(shape)
    for k in range(len(shape) - 2, -1, -1):
        strides[k] = strides[k + 1] * max(shape[k + 1], 1)
    return tuple(strides)


class NotLowered(Exception):  # noqa: N818  # not an error of the user's: another machine runs it
    """The native machine has no form for something in a circuit."""


def kind_of(value: Any) -> str:
    """Return LLVM's type of a recorded value's elements.

    Raises
    ------
    NotLowered
        For float16, unsigned integers and whatever else has none.
    """
    if type(value) is float:
        return "double"
    if type(value) is bool:
        return "i1"
    if type(value) is int and -(2**63) <= value < 2**63:
        return "i64"
    kind = KINDS.get(value.dtype.str[1:]) if isinstance(value, (np.ndarray, np.generic)) else None
    if kind is None or not value.dtype.isnative:
        raise NotLowered(f"values of {getattr(value, 'dtype', type(value).__name__)}")
    return kind


class Graph:
    """The nodes of a circuit, and how each recorded row reads them.

    Parameters
    ----------
    columns : Columns
        Simplified rows.
    outputs, guards : sequence of int
        The rows that are read.
    """

    def __init__(self, columns: Columns, inputs: Sequence[int], read: Sequence[int]) -> None:
        self.columns = columns
        self.nodes: list[Node] = []
        self.access: dict[int, Access] = {}
        self.inputs: list[int] = []
        needed = columns.needed_for(list(read))
        for row in inputs:
            value = columns.values[row]
            kind = kind_of(value)
            node = self.node("input", "input", kind, np.shape(value), row=row)
            self.inputs.append(node.number)
            self.access[row] = self.whole(node)
        rows = [row for row in range(len(columns)) if needed[row]]
        # Constants first: simplifying has added some behind the rows that read them.
        rows.sort(key=lambda row: columns.gates[row] is not CONSTANT)
        for row in rows:
            if columns.gates[row] is not INPUT:
                self._add(row, columns.gates[row])

    # ------------------------------------------------------------------ making nodes

    def node(self, form: str, gate: str, kind: str, shape: Shape, **more: Any) -> Node:
        """Add a node."""
        made = Node(len(self.nodes), form, gate, kind, shape, **more)
        self.nodes.append(made)
        return made

    def whole(self, node: Node) -> Access:
        """Return the access that reads a node as it is."""
        return Access(node.number, node.shape, 0, contiguous(node.shape))

    def copy(self, access: Access) -> Access:
        """Return the same elements as a contiguous node of their own."""
        kind = self.nodes[access.node].kind
        made = self.node("each", "copy", kind, access.shape, operands=[access], operand_kind=kind)
        return self.whole(made)

    def turned(self, access: Access) -> Access:
        """Return the same elements contiguous: a product reads whole vectors along the columns."""
        if len(access.shape) != 2 or access.strides[0] != 1:
            return self.copy(access)
        kind = self.nodes[access.node].kind
        for node in self.nodes:
            if node.form == "transpose" and node.operands == [access]:
                return self.whole(node)
        made = self.node("transpose", "transpose", kind, access.shape, operands=[access])
        return self.whole(made)

    def _add(self, row: int, gate: Gate) -> None:
        value = self.columns.values[row]
        if gate is CONSTANT:
            kind = kind_of(value)
            self.access[row] = self.whole(
                self.node("constant", "constant", kind, np.shape(value), value=value)
            )
            return
        sources = [self.access[k] for k in self.columns.inputs(row)]
        settings = self.columns.settings_of(row)
        made: Access | None = None
        form = _FORMS.get(gate.name)
        if form is not None:
            made = form(self, row, gate, sources, settings)
        elif gate.name in EMITTERS:
            made = self._each(row, gate, sources, settings)
        if made is None:
            made = self._host(row, gate, sources, settings)
        self.access[row] = made

    def _host(self, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]) -> Access:
        value = self.columns.values[row]
        whole = [s if s.is_whole(self.nodes[s.node].shape) else self.copy(s) for s in sources]
        recorded = [_empty(self.columns.values[k]) for k in self.columns.inputs(row)]
        made = self.node(
            "host", gate.name, kind_of(value), np.shape(value),
            operands=whole, settings=settings, row=row, value=(gate, recorded, _empty(value)),
        )  # fmt: skip
        return self.whole(made)

    def _each(
        self, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
    ) -> Access | None:
        value = self.columns.values[row]
        kind = kind_of(value)
        name = gate.name
        rows = self.columns.inputs(row)
        values = [self.columns.values[k] for k in rows]
        if name in _COMPARISONS or name in _TRUTHS:
            common = _common(values)
        elif name == "where":
            common = kind
        elif name.startswith("bitwise_") or name == "invert":
            if kind != "i1":
                return None
            common = "i1"
        else:
            common = kind
        if name in _TRUTHS and common not in ("double", "float", "i64", "i1"):
            return None
        if common is None or (common not in FLOATS.values() and not _counts(name, common)):
            return None
        made = self.node(
            "each", name, kind, np.shape(value),
            operands=list(sources), settings=settings, operand_kind=common, row=row,
        )  # fmt: skip
        return self.whole(made)


def _empty(value: Any) -> Any:
    """Return something of the same type and dtype that holds no memory."""
    return np.empty((0,), value.dtype) if isinstance(value, np.ndarray) else value


def _counts(name: str, kind: str) -> bool:
    """Whether an emitter gives the right result on whole numbers or truth values."""
    if kind == "i1":
        return name in _TRUTHS or name.startswith("bitwise_") or name in (
            "invert", "where", "equal", "not_equal"
        )
    return name in _WHOLE_NUMBERS or name in (_COMPARISONS - {"isnan", "isinf", "isfinite"})


def _common(values: Sequence[Any]) -> str | None:
    """Return the type in which NumPy compares values: Python's numbers are weak."""
    strong = [v for v in values if type(v) not in (float, int, bool)]
    if not strong:
        if any(type(v) is float for v in values):
            return "double"
        return "i1" if all(type(v) is bool for v in values) else "i64"
    found = np.result_type(*strong)
    if found.kind in "iub" and any(type(v) is float for v in values):
        found = np.dtype(float)
    if found.kind == "b" and any(type(v) is int for v in values):
        found = np.dtype(np.int64)
    return KINDS.get(found.str[1:])


# ---------------------------------------------------------------------- forms


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
    made = graph.node(
        "each", "copy", kind, np.shape(value), operands=sources, operand_kind=kind, row=row
    )
    return graph.whole(made)


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
    strides = _restrided(x, shape)
    if strides is None:
        return _reshape(graph, graph.copy(x), shape)
    return replace(x, shape=shape, strides=strides)


def _restrided(x: Access, shape: Shape) -> tuple[int, ...] | None:
    """Return strides that read an access in another shape; None where there are none."""
    if math.prod(shape) == 0:
        return contiguous(shape)
    old = [(n, s) for n, s in zip(x.shape, x.strides, strict=True) if n != 1]
    merged: list[tuple[int, int]] = []
    for n, s in old:  # axes that follow one another in memory are one
        if merged and merged[-1][1] == n * s:
            merged[-1] = (merged[-1][0] * n, s)
        else:
            merged.append((n, s))
    strides = [0] * len(shape)
    rest = list(merged)
    room, step = 1, 0
    for k in range(len(shape) - 1, -1, -1):
        n = shape[k]
        if n == 1:
            continue
        if room == 1:
            if not rest:
                return None
            room, step = rest.pop()
        if room % n:
            return None
        strides[k] = step
        step, room = step * n, room // n
    return tuple(strides) if room == 1 and not rest else None


def _broadcast(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    return broadcast(sources[0], np.shape(graph.columns.values[row]))


def broadcast(x: Access, shape: Shape) -> Access:
    """Return the access stretched to a shape, by strides of 0."""
    lead = len(shape) - len(x.shape)
    strides = [0] * lead + [
        0 if n == 1 and m != 1 else s
        for n, m, s in zip(x.shape, shape[lead:], x.strides, strict=True)
    ]
    return replace(x, shape=shape, strides=tuple(strides))


def _flip(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access:
    (x,) = sources
    offset, strides = x.offset, list(x.strides)
    for k in axes_of(len(x.shape), settings.get("axis")):
        offset += max(x.shape[k] - 1, 0) * strides[k]
        strides[k] = -strides[k]
    return replace(x, offset=offset, strides=tuple(strides))


def sliced(x: Access, template: Any) -> Access | None:
    """Return what a basic index reads; None where the index holds arrays."""
    parts = list(template) if isinstance(template, tuple) else [template]
    if any(isinstance(p, (str, list, np.ndarray, bool, np.bool_)) for p in parts):
        return None
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        missing = len(x.shape) - sum(p is not None and p is not Ellipsis for p in parts)
        parts[at : at + 1] = [slice(None)] * missing
    offset, axis = x.offset, 0
    shape: list[int] = []
    strides: list[int] = []
    for part in parts:
        if part is None:
            shape.append(1)
            strides.append(0)
            continue
        n, s = x.shape[axis], x.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            count = len(range(start, stop, step))
            offset += start * s if count else 0
            shape.append(count)
            strides.append(s * step)
        else:
            offset += (int(part) % n) * s
    return Access(
        x.node, (*shape, *x.shape[axis:]), offset, (*strides, *x.strides[axis:])
    )


def _index(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if len(sources) != 1:
        return None
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
        return None
    value = graph.columns.values[row]
    whole = Access(-1, np.shape(value), 0, contiguous(np.shape(value)))
    place = sliced(whole, settings["template"])
    if place is None:
        return None
    made = _pieces(graph, row, [_lined_up(sources[0], place.shape)], 0.0)
    made.places.append(replace(place, node=made.number))
    return graph.whole(made)


def _lined_up(x: Access, shape: Shape) -> Access:
    """Broadcast as an assignment does: leading axes of length 1 of the value may go."""
    while len(x.shape) > len(shape):
        x = Access(x.node, x.shape[1:], x.offset, x.strides[1:])
    return broadcast(x, shape)


def _set_index(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    if len(sources) != 2:
        return None
    shape = sources[0].shape
    place = sliced(Access(-1, shape, 0, contiguous(shape)), settings["template"])
    if place is None:
        return None
    made = _pieces(graph, row, [sources[0], _lined_up(sources[1], place.shape)], None)
    made.places += [graph.whole(made), replace(place, node=made.number)]
    return graph.whole(made)


def _pad(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    fill = settings.get("constant_values", 0)
    if settings.get("mode", "constant") != "constant" or np.ndim(fill) or isinstance(
        settings["pad_width"], dict
    ):
        return None
    (x,) = sources
    widths = np.broadcast_to(settings["pad_width"], (len(x.shape), 2))
    made = _pieces(graph, row, [x], float(fill))
    part = tuple(slice(int(a), int(a) + n) for (a, _), n in zip(widths, x.shape, strict=True))
    made.places.append(_place(graph, made, part))
    return graph.whole(made)


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
    kept = tuple(n for k, n in enumerate(x.shape) if k not in axes)
    made = graph.node(
        "reduce", gate.name, kind, kept, operands=[x], axes=axes, operand_kind=kind, row=row
    )
    return _reshape(graph, graph.whole(made), np.shape(value))


def _matmul(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    value = graph.columns.values[row]
    kind = kind_of(value)
    if kind not in FLOATS.values():
        return None
    x, y = (_as_kind(graph, s, kind) for s in sources)
    if len(x.shape) == 1:
        x = replace(x, shape=(1, *x.shape), strides=(0, *x.strides))
    if len(y.shape) == 1:
        y = replace(y, shape=(*y.shape, 1), strides=(*y.strides, 0))
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x = broadcast(x, (*batch, *x.shape[-2:]))
    y = broadcast(y, (*batch, *y.shape[-2:]))
    if batch and not any(y.strides[:-2]):  # one matrix for the whole batch: one long product
        rows = math.prod(x.shape[:-1])
        strides = _restrided(x, (rows, x.shape[-1]))
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


def _as_kind(graph: Graph, x: Access, kind: str) -> Access:
    if graph.nodes[x.node].kind == kind:
        return x
    made = graph.node("each", "copy", kind, x.shape, operands=[x], operand_kind=kind)
    return graph.whole(made)


_Form = Callable[[Graph, int, Gate, list[Access], dict[str, Any]], Access | None]
_FORMS: dict[str, _Form] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(REDUCTIONS, _reduce),
    "astype": _astype,
    "transpose": _transpose,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "expand_dims": _reshaped,
    "broadcast_to": _broadcast,
    "flip": _flip,
    "index": _index,
    "diagonal": _diagonal,
    "concatenate": _concatenate,
    "stack": _stack,
    "scatter": _scatter,
    "set_index": _set_index,
    "pad": _pad,
    "matmul": _matmul,
}


def knows(gate: Gate) -> bool:
    """Return whether the machine has a form or an emitter for a gate."""
    return gate.name in _FORMS or gate.name in EMITTERS
