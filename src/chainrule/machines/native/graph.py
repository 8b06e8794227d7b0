"""A circuit as the native machine sees it: nodes, and how each recorded row reads them.

Structural gates are turned into nodes and views by `forms`, elementwise ones into `each` nodes
here. To teach the machine an elementwise gate, give it an emitter in `elementwise.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT, INPUT, Columns
from ...gates import Gate
from .elementwise import EMITTERS
from .forms import FORMS
from .nodes import FLOATS, KINDS, Access, Node, NotLowered, Shape, contiguous, kind_of
from .orders import gathered, inward, operands_along, outward, shared_axis
from .pieces import Cover, summed

__all__ = ["Graph", "NotLowered", "knows"]

_WHOLE_NUMBERS = {"add", "subtract", "multiply", "negative", "where", "maximum", "minimum"}
_COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
                "isnan", "isinf", "isfinite", "signbit"}  # fmt: skip
_TRUTHS = {"logical_and", "logical_or", "logical_xor", "logical_not"}


class Graph:
    """The nodes of a circuit, and how each recorded row reads them.

    Parameters
    ----------
    columns : Columns
        Simplified rows.
    inputs : sequence of int
        The rows of the inputs, in the order of the frame.
    read : sequence of int
        The rows that somebody reads: inputs, outputs and guards.
    """

    def __init__(self, columns: Columns, inputs: Sequence[int], read: Sequence[int]) -> None:
        self.columns = columns
        self.nodes: list[Node] = []
        self.access: dict[int, Access] = {}
        self.inputs: list[int] = []
        # Which axis of the recorded array a node has last, where it is another: see `orders`.
        self.laid: dict[int, int] = {}
        self.copies: dict[tuple[Access, int], Access] = {}
        self.places: dict[tuple[Any, ...], Access] = {}  # of index arrays
        self._relus: dict[int, int] = {}  # the row of each relu by that of its input
        # What must be seen besides the recorded guards: that indices are in range.
        self.guards: list[tuple[Access, bool]] = []
        self.covers: dict[int, Cover] = {}  # of arrays that are written part by part
        needed = columns.needed_for(list(read))
        self.readers = Counter(read)  # how often each row is read
        for row in range(len(columns)):
            if needed[row] and columns.gates[row] not in (INPUT, CONSTANT):
                self.readers.update(columns.inputs(row))
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

    def view(self, node: Node) -> Access:
        """Return the access that reads a node with its axes as they were recorded."""
        axis = self.laid.get(node.number)
        return self.whole(node) if axis is None else outward(self.whole(node), axis)

    def copy(self, access: Access) -> Access:
        """Return the same elements as a contiguous node of their own."""
        return gathered(self, access) if access.node in self.laid else self.copied(access)

    def copied(self, access: Access) -> Access:
        """Return the same elements, copied one by one."""
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

    def as_kind(self, x: Access, kind: str) -> Access:
        """Return the same elements as another type."""
        if self.nodes[x.node].kind == kind:
            return x
        return self.each("copy", kind, x.shape, [x], operand_kind=kind)

    def each(
        self, gate: str, kind: str, shape: Shape, sources: Sequence[Access], **more: Any
    ) -> Access:
        """Add an elementwise node, in the order in which what it reads lies in memory."""
        axis = shared_axis(self, sources, shape)
        if axis is None:
            return self.whole(self.node("each", gate, kind, shape, operands=list(sources), **more))
        operands = operands_along(self, sources, shape, axis)
        inside = inward(Access(-1, shape, 0, contiguous(shape)), axis).shape
        made = self.node("each", gate, kind, inside, operands=operands, **more)
        self.laid[made.number] = axis
        return self.view(made)

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
        form = FORMS.get(gate.name)
        if form is not None:
            made = form(self, row, gate, sources, settings)
        elif gate.name in EMITTERS:
            made = self._each(row, gate, sources, settings)
        if made is None:
            made = self._host(row, gate, sources, settings)
        self.access[row] = made

    def _host(
        self, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
    ) -> Access:
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
        if name == "add":
            joined = summed(self, row, sources)
            if joined is not None:
                return joined
        if name == "relu":
            self._relus[rows[0]] = row
        if name == "heaviside" and rows[0] in self._relus and self._is_zero(rows[1]):
            # The slope of a relu, from what came out of it: what went in need not be kept.
            sources = [self.access[self._relus[rows[0]]], sources[1]]
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
        return self.each(
            name, kind, np.shape(value), sources, settings=settings, operand_kind=common, row=row
        )

    def _is_zero(self, row: int) -> bool:
        value = self.columns.values[row]
        return self.columns.gates[row] is CONSTANT and np.ndim(value) == 0 and bool(value == 0.0)


def _empty(value: Any) -> Any:
    """Return something of the same type and dtype that holds no memory."""
    return np.empty((0,), value.dtype) if isinstance(value, np.ndarray) else value


def _counts(name: str, kind: str) -> bool:
    """Whether an emitter gives the right result on whole numbers or truth values."""
    if kind == "i1":
        return (
            name in _TRUTHS
            or name.startswith("bitwise_")
            or name in ("invert", "where", "equal", "not_equal")
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


def knows(gate: Gate) -> bool:
    """Return whether the machine has a form or an emitter for a gate."""
    return gate.name in FORMS or gate.name in EMITTERS
