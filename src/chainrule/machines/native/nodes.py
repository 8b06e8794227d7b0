"""The records of a graph: what is computed, and the ways to read it from memory.

A node is an input, a constant, `each` (one result element from one element of each operand),
`reduce`, `product`, `transpose` (a matrix turned in memory), `pieces` (written part by part), `own`
(a gate with a kernel of its own, in `own.py`), or `host` (NumPy computes it). Views (transposes,
slices, reshapes, broadcasts) are no nodes: they are ways to read a node, an `Access` with an offset
and a stride for each axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Shape = tuple[int, ...]
FLOATS = {"f8": "double", "f4": "float"}
KINDS = FLOATS | {"i8": "i64", "i4": "i32", "b1": "i1"}


@dataclass(slots=True)
class Node:
    """Something computed or given.

    Attributes
    ----------
    number : int
        Its place in the order of computation.
    form : str
        "input", "constant", "each", "reduce", "product", "transpose", "pieces", "own" or "host".
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


def restrided(x: Access, shape: Shape) -> tuple[int, ...] | None:
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


def broadcast(x: Access, shape: Shape) -> Access:
    """Return the access stretched to a shape, by strides of 0."""
    lead = len(shape) - len(x.shape)
    strides = [0] * lead + [
        0 if n == 1 and m != 1 else s
        for n, m, s in zip(x.shape, shape[lead:], x.strides, strict=True)
    ]
    return replace(x, shape=shape, strides=tuple(strides))


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
    return Access(x.node, (*shape, *x.shape[axis:]), offset, (*strides, *x.strides[axis:]))


def lined_up(x: Access, shape: Shape) -> Access:
    """Broadcast as an assignment does: leading axes of length 1 of the value may go."""
    while len(x.shape) > len(shape):
        x = Access(x.node, x.shape[1:], x.offset, x.strides[1:])
    return broadcast(x, shape)
