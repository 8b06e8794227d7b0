"""Emit a kernel that walks its domain in loops: vectors along the last axis, scalars around it.

Axes that follow one another in every array are merged, so that most kernels are one long loop,
cut into blocks for the threads. Reductions over the innermost axes stay in registers; others add
into memory, which the kernel clears first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .builder import Builder, Value, constant, lanes, size_of, vector_of
from .graph import Graph
from .nodes import Access, Node, Shape
from .schedule import cost
from .target import Target
from .values import (
    MEMORY,
    Expressions,
    Scope,
    Stream,
    across,
    convert,
    fold,
    identity,
    is_immediate,
    load,
    number_of,
    store,
)

BLOCK = 4096  # elements: a piece of work for a thread, and of a sum that is added up on its own
_UNROLLED = 4  # partial sums, so that an addition need not wait for the one before
_DEAR = 40  # additions; longer bodies are not written out several times


@dataclass(slots=True)
class Loops:
    """What a loop kernel does.

    Attributes
    ----------
    domain : tuple of int
        What is walked.
    stores : list of (Access, Stream)
        Values of the domain's shape, and where they go.
    reductions : list of (Node, Stream)
        Reduction nodes; where they go has stride 0 along the reduced axes.
    """

    domain: Shape
    stores: list[tuple[Access, Stream]]
    reductions: list[tuple[Node, Stream]]


@dataclass(slots=True)
class Emitted:
    """A kernel's function and what it must be called with.

    Attributes
    ----------
    builder : Builder
        The function: pointers, then the first and the last piece.
    arguments : list of (int, int)
        Node and offset in elements of each pointer.
    pieces : int
        Into how many pieces the work is cut.
    partial : bool
        Whether each thread has reductions of its own, to be combined.
    cost : float
        Estimated time of all the work, in vector operations.
    scratch : int
        Bytes of workspace per thread, the last pointer; 0 where there is none.
    gates : list of str
        What is computed on the way.
    operations : int
        How many floating-point operations that is, a gate counted as one.
    """

    builder: Builder
    arguments: list[tuple[int, int]]
    pieces: int
    partial: bool
    cost: float
    scratch: int = 0
    gates: list[str] = field(default_factory=list)
    operations: int = 0


def lanes_for(graph: Graph, numbers: Sequence[int], target: Target) -> int:
    """Return how many elements a vector has: as many as the widest of them allow."""
    kinds = {graph.nodes[n].kind for n in numbers}
    kinds |= {graph.nodes[n].operand_kind or graph.nodes[n].kind for n in numbers}
    return target.lanes("float" if kinds <= {"float", "i1", "i32"} else "double")


def emit_loops(graph: Graph, stored: set[int], loops: Loops, target: Target, name: str) -> Emitted:
    """Return the function of a loop kernel."""
    return _Writer(graph, stored, loops, target, name).emitted()


class _Writer:
    def __init__(
        self, graph: Graph, stored: set[int], loops: Loops, target: Target, name: str
    ) -> None:
        self.graph, self.loops, self.target = graph, loops, target
        roots = [a for a, _ in loops.stores] + [n.operands[0] for n, _ in loops.reductions]
        # Made here; what another kernel has stored is read, even where this one copies all of it.
        given = {a.node for a, s in loops.stores if s.node == a.node}
        given = {number for number in given if graph.nodes[number].form == "each"}
        self.expressions = Expressions(graph, stored, loops.domain, roots, given)
        involved = {n.number for n in self.expressions.inlined} | {a.node for a in roots}
        involved |= {a.node for a in self.expressions.streams} | {
            n.number for n, _ in loops.reductions
        }
        self.width = lanes_for(graph, sorted(involved), target)
        self._collapse()
        self.rank = len(self.sizes)
        keys: dict[tuple[str, int, int], None] = {}
        for s in self.streams.values():
            keys[("in", s.node, s.offset)] = None
        for _, s in self.outputs:
            keys[("out", s.node, s.offset)] = None
        for _, s in self.sums:
            keys[("out", s.node, s.offset)] = None
        self.keys = list(keys)
        arguments = [("ptr", f"p{k}") for k in range(len(keys))]
        self.b = Builder(name, [*arguments, ("i64", "first"), ("i64", "last")], target)
        self.named = {key: Value("ptr", f"%p{k}") for k, key in enumerate(keys)}
        self.first, self.last = Value("i64", "%first"), Value("i64", "%last")
        self.levels = self.expressions.levels(self.streams, self.rank)
        self.body_cost = sum(cost(n) for n in self.expressions.inlined) + len(self.outputs)
        total = math.prod(loops.domain) / max(self.width, 1)
        self.total = total * (self.body_cost + len(self.streams) + len(self.sums))

    def _collapse(self) -> None:
        """Merge the axes that every stream walks as one."""
        loops = self.loops
        all_streams = [
            *self.expressions.streams.values(),
            *(s for _, s in loops.stores),
            *(s for _, s in loops.reductions),
        ]
        axes: list[list[int]] = []
        for k, n in enumerate(loops.domain):
            if n == 1:
                continue
            if axes and all(s.strides[axes[-1][-1]] == s.strides[k] * n for s in all_streams):
                axes[-1].append(k)
            else:
                axes.append([k])
        self.sizes = [math.prod(loops.domain[k] for k in group) for group in axes]

        def collapsed(s: Stream) -> Stream:
            return Stream(s.node, s.offset, tuple(s.strides[group[-1]] for group in axes))

        self.streams = {a: collapsed(s) for a, s in self.expressions.streams.items()}
        self.outputs = [(a, collapsed(s)) for a, s in loops.stores]
        self.sums = [(n, collapsed(s)) for n, s in loops.reductions]

    # ------------------------------------------------------------------ the function

    def emitted(self) -> Emitted:
        b = self.b
        scope = Scope()
        for s in self.streams.values():
            scope.pointers[s] = self.named[("in", s.node, s.offset)]
        for _, s in self.outputs:
            scope.pointers[_out(s)] = self.named[("out", s.node, s.offset)]
        for _, s in self.sums:
            scope.pointers[_out(s)] = self.named[("out", s.node, s.offset)]
        pieces = 1
        if 0 in self.sizes:
            self.sizes, self.rank = [0], 1
            for node, s in self.sums:
                self._clear(node, s, scope)
            b.ret()
            return self._done(1, False)
        self.kept_outside = {n.number: self._split_of(s) for n, s in self.sums}
        partial = False
        for node, s in self.sums:
            if self.kept_outside[node.number] is None:
                self._clear(node, s, scope)
        if self.rank == 0:
            self._at_level(scope, 0)
            self._finish_point(scope)
        elif self.rank == 1:
            n = self.sizes[0]
            pieces = -(-n // BLOCK)
            partial = bool(self.sums) and pieces > 1
            self._blocks(scope, n)
        else:
            pieces = self.sizes[0]
            partial = any(s.strides[0] == 0 for _, s in self.sums)
            self._at_level(scope, 0)
            ends = self._dimension(scope, 0, self._start(0), self.first, self.last)
            self._end(scope, 0, ends)
        b.ret()
        return self._done(pieces, partial and pieces > 1)

    def _done(self, pieces: int, partial: bool) -> Emitted:
        arguments = [(node, offset) for _, node, offset in self.keys]
        gates = [n.gate for n in self.expressions.inlined] + [n.gate for n, _ in self.sums]
        operations = math.prod(self.loops.domain) * len(gates)
        return Emitted(self.b, arguments, pieces, partial, self.total, 0, gates, operations)

    def _split_of(self, s: Stream) -> int | None:
        """Return from which axis on everything is reduced; None where a kept axis is inside."""
        at = self.rank
        while at and s.strides[at - 1] == 0:
            at -= 1
        inside = any(stride == 0 for stride in s.strides[:at])
        return None if inside or at == self.rank else at

    def _clear(self, node: Node, s: Stream, scope: Scope) -> None:
        """Set the memory of a reduction that adds into it: of these pieces, or all of it."""
        b = self.b
        kind = MEMORY.get(node.kind, node.kind)
        start = constant(kind, identity(node.kind, node.gate))
        pointer = scope.pointers.get(_out(s), self.named[("out", s.node, s.offset)])
        size = node.size
        if self.rank > 1 and s.strides[0] and self.sizes[0]:
            each = size // self.sizes[0]
            lo = b.mul(self.first, Value("i64", str(each)))
            hi = b.mul(self.last, Value("i64", str(each)))
            b.loop(lo, hi, 1, lambda k: b.store(start, b.address(pointer, k, kind)))
            return
        width = self.width
        full = size - size % width
        wide = constant(vector_of(kind, width), identity(node.kind, node.gate))
        b.loop(0, full, width, lambda k: b.store(wide, b.address(pointer, k, kind)))
        for k in range(full, size):
            b.store(start, b.address(pointer, k, kind))

    # ------------------------------------------------------------------ loops

    def _start(self, axis: int) -> list[Value]:
        """Return what the sums in registers begin with, for those that begin before this axis."""
        return [
            constant(vector_of(n.kind, self.width), identity(n.kind, n.gate))
            for n, _ in self.sums
            if self.kept_outside[n.number] == axis
        ]

    def _dimension(
        self, scope: Scope, axis: int, carried: list[Value], first: Value | int, last: Value | int
    ) -> list[Value]:
        """Walk one axis; return the sums in registers that go on after it."""
        if axis == self.rank - 1:
            return self._vectors(scope, self.sizes[axis], carried)

        def body(index: Value, *sums: Value) -> list[Value]:
            inside = self._enter(scope, axis, index)
            self._at_level(inside, axis + 1)
            starts = self._start(axis + 1)
            stop = self.sizes[axis + 1]
            ends = self._dimension(inside, axis + 1, [*sums, *starts], 0, stop)
            self._end(inside, axis + 1, ends[len(sums) :])
            return ends[: len(sums)]

        return self.b.loop(first, last, 1, body, carried)

    def _enter(self, scope: Scope, axis: int, index: Value, times: int = 1) -> Scope:
        """Return a scope with the pointers moved along an axis."""
        inside = scope.inner()
        for s, pointer in scope.pointers.items():
            stride = s.strides[axis] * times if axis < len(s.strides) else 0
            if stride:
                kind = self.graph.nodes[abs_node(s)].kind
                step = self.b.mul(index, Value("i64", str(stride)))
                inside.pointers[s] = self.b.address(pointer, step, MEMORY.get(kind, kind))
        return inside

    def _order(self) -> list[Node]:
        """Return the reductions in the order in which their registers are carried."""
        found = [n for n, _ in self.sums if self.kept_outside[n.number] is not None]
        return sorted(found, key=lambda n: self.kept_outside[n.number] or 0)

    def _end(self, scope: Scope, axis: int, ends: Sequence[Value]) -> None:
        """Fold the lanes of the sums that began before this axis, and store them."""
        mine = [n for n in self._order() if self.kept_outside[n.number] == axis]
        places = {n.number: s for n, s in self.sums}
        for node, value in zip(mine, ends, strict=True):
            place = scope.pointers[_out(places[node.number])]
            store(self.b, across(self.b, node.gate, value), place, 1, 0, None, 1)

    def _blocks(self, scope: Scope, n: int) -> None:
        """Walk one long axis in blocks, each added up on its own."""
        b = self.b
        self._at_level(scope, 0)
        full, rest = divmod(n, BLOCK)
        if n <= BLOCK:
            ends = self._vectors(scope, n, self._start(0))
            self._end(scope, 0, ends)
            return
        totals = self._start(0)

        def block(index: Value, *sums: Value) -> list[Value]:
            inside = self._enter(scope, 0, index, BLOCK)
            ends = self._vectors(inside, BLOCK, self._start(0))
            return self._added(sums, ends)

        end = b.select(
            b.compare("slt", self.last, Value("i64", str(full))), self.last, Value("i64", str(full))
        )
        totals = b.loop(self.first, end, 1, block, totals)
        if rest:

            def tail() -> list[Value]:
                inside = self._enter(scope, 0, Value("i64", str(full)), BLOCK)
                ends = self._vectors(inside, rest, self._start(0))
                return self._added(totals, ends)

            has_tail = b.compare("sgt", self.last, Value("i64", str(full)))
            totals = b.when(has_tail, tail, totals)
        self._end(scope, 0, totals)

    def _added(self, sums: Sequence[Value], ends: Sequence[Value]) -> list[Value]:
        order = self._order()
        return [fold(self.b, n.gate, x, y) for n, x, y in zip(order, sums, ends, strict=True)]

    def _vectors(self, scope: Scope, n: int, carried: list[Value]) -> list[Value]:
        """Walk the last axis by vectors; the last few elements by a masked one."""
        b, width = self.b, self.width
        axis = self.rank - 1
        order = self._order()
        sums = list(carried)
        full = n - n % width
        done = 0
        if sums and full >= 2 * _UNROLLED * width and self.body_cost < _DEAR:
            step = _UNROLLED * width
            starts = [
                constant(v.type, identity(node.kind, node.gate))
                for _ in range(_UNROLLED - 1)
                for node, v in zip(order, sums, strict=True)
            ]

            def several(index: Value, *partial: Value) -> list[Value]:
                given = list(partial)
                for k in range(_UNROLLED):
                    at = b.add(index, Value("i64", str(k * width))) if k else index
                    mine = slice(k * len(sums), (k + 1) * len(sums))
                    given[mine] = self._point(scope, axis, at, None, width, given[mine])
                return given

            done = full - full % step
            ends = b.loop(0, done, step, several, [*sums, *starts])
            sums = ends[: len(sums)]
            for k in range(1, _UNROLLED):
                sums = self._added(sums, ends[k * len(sums) : (k + 1) * len(sums)])
        if full > done:
            sums = b.loop(
                done,
                full,
                width,
                lambda i, *given: self._point(scope, axis, i, None, width, given),
                sums,
            )
        if n > full:
            mask = lanes("i1", [k < n - full for k in range(width)])
            at = Value("i64", str(full))
            sums = self._point(scope, axis, at, mask, n - full, sums)
        return sums

    # ------------------------------------------------------------------ one place

    def _at_level(self, scope: Scope, level: int) -> None:
        """Compute what changes with the loops up to here and not with those inside."""
        if level == self.rank and self.rank:
            return
        for access, s in self.streams.items():
            if max((k + 1 for k, t in enumerate(s.strides) if t), default=0) == level:
                kind = self.graph.nodes[access.node].kind
                scope.values[access] = load(self.b, kind, scope.pointers[s], 0, 0, None, 1)
        for node in self.expressions.inlined:
            if self.levels[node.number] == level:
                scope.values[node.number] = self._computed(scope, node)

    def _computed(self, scope: Scope, node: Node) -> Value:
        kind = "" if node.gate == "copy" else node.operand_kind
        operands = [self._value(scope, a, kind) for a in node.operands]
        return self.expressions.compute(self.b, node, operands)

    def _value(self, scope: Scope, access: Access, wanted: str = "") -> Value:
        node = self.graph.nodes[access.node]
        if access in self.streams:
            return scope.values[access]
        if is_immediate(node):
            kind = node.kind if not wanted or node.kind == "i1" else wanted
            return constant(kind, number_of(node))
        return scope.values[node.number]

    def _point(
        self,
        scope: Scope,
        axis: int,
        index: Value,
        mask: Value | None,
        count: int,
        sums: Sequence[Value],
    ) -> list[Value]:
        """Compute one vector of every member, then store them; return the sums in registers."""
        b, width = self.b, self.width
        inside = self._enter(scope, axis, index)
        for access, s in self.streams.items():
            if s.strides[axis]:
                kind = self.graph.nodes[access.node].kind
                inside.values[access] = load(
                    b, kind, inside.pointers[s], s.strides[axis], width, mask, count
                )
        for node in self.expressions.inlined:
            if self.levels[node.number] == self.rank:
                inside.values[node.number] = self._computed(inside, node)
        # All is read before anything is written: an output may lie over an input.
        found = self._found(inside)
        for (_, s), value in zip(self.outputs, found, strict=True):
            pointer = inside.pointers[_out(s)]
            store(b, value, pointer, s.strides[axis], width, mask, count)
        ends = list(sums)
        order = {n.number: k for k, n in enumerate(self._order())}
        for node, s in self.sums:
            value = b.splat(self._operand(inside, node), width)
            if mask is not None:
                start = constant(value.type, identity(node.kind, node.gate))
                value = b.select(mask, value, start)
            if node.number in order:
                k = order[node.number]
                ends[k] = fold(b, node.gate, ends[k], value)
            else:
                self._add_into(inside, node, s, s.strides[axis], value, mask, count)
        return ends

    def _found(self, scope: Scope) -> list[Value]:
        return [
            convert(self.b, self._value(scope, a), self.graph.nodes[a.node].kind)
            for a, _ in self.outputs
        ]

    def _operand(self, scope: Scope, node: Node) -> Value:
        return convert(self.b, self._value(scope, node.operands[0]), node.kind)

    def _add_into(
        self, scope: Scope, node: Node, s: Stream, stride: int, value: Value,
        mask: Value | None, count: int,
    ) -> None:  # fmt: skip
        """Combine a vector with what a reduction has in memory."""
        b = self.b
        pointer = scope.pointers[_out(s)]
        if not stride:
            value = across(b, node.gate, value)
            before = load(b, node.kind, pointer, 0, 0, None, 1)
            store(b, fold(b, node.gate, before, value), pointer, 0, 0, None, 1)
            return
        before = load(b, node.kind, pointer, stride, self.width, mask, count)
        after = fold(b, node.gate, before, value)
        store(b, after, pointer, stride, self.width, mask, count)

    def _finish_point(self, scope: Scope) -> None:
        """Store the members of a domain of one element."""
        for (_, s), value in zip(self.outputs, self._found(scope), strict=True):
            store(self.b, value, scope.pointers[_out(s)], 1, 0, None, 1)
        for node, s in self.sums:
            store(self.b, self._operand(scope, node), scope.pointers[_out(s)], 1, 0, None, 1)


def _out(s: Stream) -> Stream:
    """Return the key of a stream that is written: the same memory may also be read."""
    return Stream(-1 - s.node, s.offset, s.strides)


def abs_node(s: Stream) -> int:
    """Return the node of a stream, read or written."""
    return s.node if s.node >= 0 else -1 - s.node


def bytes_of(node: Node) -> int:
    """Return how much memory a node takes."""
    return node.size * size_of(MEMORY.get(node.kind, node.kind))
