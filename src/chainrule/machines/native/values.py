"""Compute nodes at one place of a kernel: loads, conversions, gates.

A `Scope` holds what is known at one depth of the loops: the pointer that each access has come to,
and the values already computed there. What does not change inside a loop is computed before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .builder import Builder, Value, constant, lanes_of, vector_of
from .elementwise import EMITTERS
from .graph import Graph
from .nodes import FLOATS, Access, Node, Shape

MEMORY = {"i1": "i8"}  # a truth value is a byte in memory


@dataclass(frozen=True, slots=True)
class Stream:
    """Something read or written along a domain: a node's memory, with a stride for each axis."""

    node: int
    offset: int
    strides: tuple[int, ...]


def aligned(access: Access, domain: Shape) -> Stream:
    """Return an access as it is walked along a domain: stretched axes do not move."""
    lead = len(domain) - len(access.shape)
    strides = tuple(0 if n == 1 else s for n, s in zip(access.shape, access.strides, strict=True))
    if lead < 0:  # axes of length 1 in front
        return Stream(access.node, access.offset, strides[-lead:])
    return Stream(access.node, access.offset, (0,) * lead + strides)


def is_immediate(node: Node) -> bool:
    """Whether a constant stands in the code itself."""
    return node.form == "constant" and node.size == 1


def number_of(node: Node) -> Any:
    """Return a one-element constant as a Python number."""
    value = node.value
    return value.item() if hasattr(value, "item") else value


def convert(b: Builder, value: Value, kind: str) -> Value:
    """Bring a value to another element type, as NumPy casts."""
    own = value.element
    if own == kind:
        return value
    if kind == "i1":
        zero = constant(value.type, 0)
        return b.compare("une" if own in FLOATS.values() else "ne", value, zero)
    if own in FLOATS.values():
        if kind in FLOATS.values():
            return b.convert("fpext" if kind == "double" else "fptrunc", value, kind)
        return b.convert("fptosi", value, kind)
    if kind in FLOATS.values():
        return b.convert("uitofp" if own == "i1" else "sitofp", value, kind)
    if own == "i1":
        return b.convert("zext", value, kind)
    return b.convert("sext" if kind == "i64" else "trunc", value, kind)


def load(
    b: Builder, kind: str, pointer: Value, stride: int, lanes: int, mask: Value | None, count: int
) -> Value:
    """Load elements along the last axis; `count` lanes of them are real."""
    memory = MEMORY.get(kind, kind)
    if not lanes or not stride:
        value = b.load(memory, pointer)
    elif stride == 1:
        value = b.load(vector_of(memory, lanes), pointer, mask)
    else:
        value = Value(vector_of(memory, lanes), "zeroinitializer")
        for lane in range(count):
            one = b.load(memory, b.address(pointer, lane * stride, memory))
            value = b.let(
                value.type,
                f"insertelement {value.type} {value.name}, {one.type} {one.name}, i32 {lane}",
            )
    if kind == "i1":
        value = b.compare("ne", value, constant(value.type, 0))
    return value


def store(
    b: Builder,
    value: Value,
    pointer: Value,
    stride: int,
    lanes: int,
    mask: Value | None,
    count: int,
) -> None:
    """Store elements along the last axis; `count` lanes of them are real."""
    if value.element == "i1":
        value = b.convert("zext", value, "i8")
    value = b.splat(value, lanes)
    if not lanes:
        b.store(value, pointer)
    elif stride == 1:
        b.store(value, pointer, mask)
    else:
        for lane in range(count):
            one = b.let(value.element, f"extractelement {value.type} {value.name}, i32 {lane}")
            b.store(one, b.address(pointer, lane * stride, one.type))


@dataclass(slots=True)
class Scope:
    """What is known at one depth of the loops."""

    pointers: dict[Stream, Value] = field(default_factory=dict)
    values: dict[Any, Value] = field(default_factory=dict)

    def inner(self) -> Scope:
        """Return a scope for what is inside: it knows all this, and forgets its own."""
        return Scope(dict(self.pointers), dict(self.values))


class Expressions:
    """The elementwise nodes that a kernel computes on its way.

    Parameters
    ----------
    graph : Graph
        The nodes.
    stored : set of int
        Nodes that are read from memory, unless the kernel itself has just made them.
    domain : tuple of int
        What is walked.
    roots : sequence of Access
        What is wanted.
    given : set of int
        Nodes whose value at each place is known: members computed in this kernel, the product.
    """

    def __init__(
        self,
        graph: Graph,
        stored: set[int],
        domain: Shape,
        roots: Sequence[Access],
        given: set[int],
    ) -> None:
        self.graph = graph
        self.domain = domain
        self.inlined: list[Node] = []  # in order of computation
        self.streams: dict[Access, Stream] = {}
        self._given = given
        pending = list(roots)
        seen: set[int] = set()
        while pending:
            access = pending.pop()
            node = graph.nodes[access.node]
            if self._is_given(access) or is_immediate(node):
                if node.form == "each" and node.number not in seen:
                    seen.add(node.number)
                    self.inlined.append(node)
                    pending += node.operands
                continue
            if node.form == "each" and node.number not in stored:
                if node.number not in seen:
                    seen.add(node.number)
                    self.inlined.append(node)
                    pending += node.operands
                continue
            self.streams.setdefault(access, aligned(access, domain))
        self.inlined.sort(key=lambda node: node.number)

    def _is_given(self, access: Access) -> bool:
        node = self.graph.nodes[access.node]
        return (
            access.node in self._given and access.is_whole(node.shape) and node.shape == self.domain
        )

    def levels(self, streams: dict[Access, Stream], rank: int) -> dict[int, int]:
        """Return for each inlined node how many loops it is inside of."""
        found: dict[int, int] = {}
        for node in self.inlined:
            level = 0
            for access in node.operands:
                level = max(level, self.level(access, streams, found, rank))
            found[node.number] = level
        return found

    def level(
        self, access: Access, streams: dict[Access, Stream], found: dict[int, int], rank: int
    ) -> int:
        """Return how many loops an access is inside of."""
        node = self.graph.nodes[access.node]
        if access in streams:
            return max((k + 1 for k, s in enumerate(streams[access].strides) if s), default=0)
        if is_immediate(node):
            return 0
        return found.get(node.number, rank)  # a product is innermost

    def compute(self, b: Builder, node: Node, operands: Sequence[Value]) -> Value:
        """Emit one node's gate."""
        if node.gate == "copy":
            return convert(b, operands[0], node.kind)
        kind = node.operand_kind
        if node.gate == "where":
            chooser = convert(b, operands[0], "i1")
            brought = [chooser, *(convert(b, v, kind) for v in operands[1:])]
        elif node.gate in ("logical_and", "logical_or", "logical_xor", "logical_not"):
            brought = [convert(b, v, "i1") for v in operands]
        else:
            brought = [convert(b, v, kind) for v in operands]
        value = EMITTERS[node.gate](b, *brought, **node.settings)
        return convert(b, value, node.kind)


def identity(kind: str, gate: str) -> float | bool:
    """Return what a reduction starts from."""
    if gate == "any":
        return False
    if gate == "all":
        return True
    return {"sum": 0, "prod": 1, "max": float("-inf"), "min": float("inf")}[gate]


_FOLDS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


def fold(b: Builder, gate: str, x: Value, y: Value) -> Value:
    """Combine two partial results of a reduction."""
    if gate == "any":
        return b.or_(x, y)
    if gate == "all":
        return b.and_(x, y)
    if x.element not in FLOATS.values():
        return b.add(x, y) if gate == "sum" else b.mul(x, y)
    return EMITTERS[_FOLDS[gate]](b, x, y)


def across(b: Builder, gate: str, x: Value) -> Value:
    """Fold the lanes of a vector into one scalar: halves, then quarters ..."""
    count = lanes_of(x.type)
    while count > 1:
        half = count // 2
        kind = vector_of(x.element, half)
        parts = []
        for start in (0, half):
            order = ", ".join(f"i32 {k}" for k in range(start, start + half))
            parts.append(
                b.let(
                    kind,
                    f"shufflevector {x.type} {x.name}, {x.type} poison, <{half} x i32> <{order}>",
                )
            )
        x = fold(b, gate, *parts)
        count = half
    return b.let(x.element, f"extractelement {x.type} {x.name}, i32 0") if x.lanes else x
