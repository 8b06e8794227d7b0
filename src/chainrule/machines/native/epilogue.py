"""Emit a matrix product with what follows it: bias, activation, its gradient, the update.

The product's sums are in registers when they are finished; the members of its kernel are computed
from them there and then, so that the product itself is often never written to memory. `Writer` is
what every such kernel shares, whatever makes the sums; `convolution_tiles` has another.
"""

from __future__ import annotations

import math

from .builder import Builder, Value, constant, vector_of
from .graph import Graph
from .loops import Emitted, Loops
from .nodes import Access, Node
from .product import Product, emit_product, pieces, scratch_bytes
from .schedule import cost
from .target import Target
from .transpose import emit_transpose
from .transpose import pieces as transpose_pieces
from .values import (
    MEMORY,
    Expressions,
    Stream,
    across,
    aligned,
    convert,
    fold,
    identity,
    is_immediate,
    load,
    number_of,
    store,
)

_NEAR = 32 * 1024  # elements: what is larger is not in the nearest caches when it is wanted


def product_of(node: Node, threads: int, far: bool) -> Product:
    """Return the shape of a product node for the product emitter; batches are looped outside."""
    x, y = node.operands
    return Product(
        rows=node.shape[-2],
        columns=node.shape[-1],
        inner=x.shape[-1],
        kind=node.kind,
        a_row=x.strides[-2],
        a_inner=x.strides[-1],
        b_inner=y.strides[-2],
        b_column=y.strides[-1],
        threads=threads,
        far=far,
    )


def emit_epilogue(
    graph: Graph, stored: set[int], node: Node, loops: Loops, target: Target, name: str,
    threads: int = 1,
) -> Emitted:  # fmt: skip
    """Return the function of a product kernel."""
    return _Products(graph, stored, node, loops, target, name, threads).emitted()


def emit_turned(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function that turns a matrix in memory."""
    (access,) = node.operands
    columns, rows = access.shape  # of the matrix as it lies
    arguments = [("ptr", "p0"), ("ptr", "p1"), ("i64", "first"), ("i64", "last")]
    b = Builder(name, arguments, target)
    source, to, first, last = b.arguments.values()
    kind = MEMORY.get(node.kind, node.kind)
    emit_transpose(b, kind, rows, columns, source, access.strides[1], to, rows, first, last)
    b.ret()
    keys = [(access.node, access.offset), (node.number, 0)]
    count = transpose_pieces(kind, rows, columns, target)
    cost_of_all = 2.0 * node.size / target.lanes(kind)
    return Emitted(b, keys, count, False, cost_of_all, 0, ["transpose"])


class Writer:
    """Writes a kernel whose elements come from registers; `_sums` says how they are made.

    Parameters
    ----------
    graph : Graph
        The nodes.
    stored : set of int
        Nodes that are read from memory.
    node : Node
        What makes the elements. Its operands are read as they are, its last axis by vectors.
    loops : Loops
        The members.
    target : Target
        The processor.
    name : str
        The function's.
    """

    inner = 1
    """How many products are summed for one element."""

    def __init__(
        self, graph: Graph, stored: set[int], node: Node, loops: Loops, target: Target, name: str,
    ) -> None:  # fmt: skip
        self.graph, self.node, self.loops, self.target = graph, node, loops, target
        roots = [a for a, _ in loops.stores] + [n.operands[0] for n, _ in loops.reductions]
        given = {a.node for a, _ in loops.stores if graph.nodes[a.node].form == "each"}
        given.add(node.number)
        self.expressions = Expressions(graph, stored, loops.domain, roots, given)
        self.width = target.lanes(node.kind)
        self.streams = self.expressions.streams
        x, y = node.operands
        keys: dict[tuple[str, int, int], None] = {
            ("in", x.node, x.offset): None,
            ("in", y.node, y.offset): None,
        }
        for s in self.streams.values():
            keys[("in", s.node, s.offset)] = None
        for _, s in [*loops.stores, *loops.reductions]:
            keys[("out", s.node, s.offset)] = None
        self.keys = list(keys)
        arguments = [("ptr", f"p{k}") for k in range(len(keys))]
        self.scratch = self._scratch_bytes()
        if self.scratch:
            arguments.append(("ptr", "scratch"))
        self.b = Builder(name, [*arguments, ("i64", "first"), ("i64", "last")], target)
        self.named = {key: Value("ptr", f"%p{k}") for k, key in enumerate(keys)}
        rank = len(loops.domain)
        self.rank = rank
        self.levels = self.expressions.levels(self.streams, rank)

    def emitted(self) -> Emitted:
        """Return the function."""
        b = self.b
        for node, s in self.loops.reductions:
            self._clear(node, s)
        # A sum over everything is kept in a vector on the stack, which LLVM keeps in a register.
        self.totals: dict[int, Value] = {}
        for node, s in self.loops.reductions:
            if not any(s.strides):
                kind = vector_of(MEMORY.get(node.kind, node.kind), self.width)
                place = b.scratch(kind, 1)
                b.store(constant(kind, identity(node.kind, node.gate)), place)
                self.totals[node.number] = place
        self.fixed: dict[object, Value] = {}
        self._invariant()
        self._sums(Value("i64", "%first"), Value("i64", "%last"))
        for node, s in self.loops.reductions:
            if node.number in self.totals:
                place = self.totals[node.number]
                value = load(b, node.kind, place, 1, self.width, None, self.width)
                out = self.named[("out", s.node, s.offset)]
                store(b, across(b, node.gate, value), out, 0, 0, None, 1)
        b.ret()
        count = self._pieces()
        arguments = [(node, offset) for _, node, offset in self.keys]
        work = math.prod(self.loops.domain)
        body = self.inner + sum(cost(n) for n in self.expressions.inlined) + 2
        total = work * body / self.width
        partial = bool(self.loops.reductions) and count > 1
        gates = [self.node.gate, *(n.gate for n in self.expressions.inlined)]
        gates += [n.gate for n, _ in self.loops.reductions]
        operations = work * (2 * self.inner + len(gates) - 1)
        return Emitted(b, arguments, count, partial, total, self.scratch, gates, operations)

    def _scratch_bytes(self) -> int:
        """Return the bytes of workspace that each thread needs."""
        return 0

    def _pieces(self) -> int:
        """Return into how many pieces of work for threads the kernel is cut."""
        raise NotImplementedError

    def _sums(self, first: Value, last: Value) -> None:
        """Emit the pieces [first, last): make sums, and hand them to `_finish`."""
        raise NotImplementedError

    def _clear(self, node: Node, s: Stream) -> None:
        b, kind = self.b, MEMORY.get(node.kind, node.kind)
        out = self.named[("out", s.node, s.offset)]
        width = self.width
        full = node.size - node.size % width
        start = identity(node.kind, node.gate)
        wide = constant(vector_of(kind, width), start)
        b.loop(0, full, width, lambda k: b.store(wide, b.address(out, k, kind)))
        for k in range(full, node.size):
            b.store(constant(kind, start), b.address(out, k, kind))

    def _invariant(self) -> None:
        """Compute what is the same everywhere before the loops."""
        for access, s in self.streams.items():
            if not any(s.strides):
                kind = self.graph.nodes[access.node].kind
                pointer = self.named[("in", s.node, s.offset)]
                self.fixed[access] = load(self.b, kind, pointer, 0, 0, None, 1)
        for node in self.expressions.inlined:
            if self.levels[node.number] == 0:
                self.fixed[node.number] = self._computed(self.fixed, node)

    def _moved(self, pointer: Value, s: Stream, indexes: list[Value], kind: str) -> Value:
        """Return a pointer moved along the first axes."""
        b = self.b
        for index, stride in zip(indexes, s.strides, strict=False):
            if stride:
                step = index if stride == 1 else b.mul(index, Value("i64", str(stride)))
                pointer = b.address(pointer, step, MEMORY.get(kind, kind))
        return pointer

    def _finish(self, indexes: list[Value], value: Value, mask: Value | None) -> None:
        """Compute the members from one vector of sums, and store them."""
        b = self.b
        count = self.width if mask is None else self.node.shape[-1] % self.width
        known = dict(self.fixed)
        known[self.node.number] = value
        for access, s in self.streams.items():
            if not any(s.strides):
                continue
            kind = self.graph.nodes[access.node].kind
            pointer = self._moved(self.named[("in", s.node, s.offset)], s, indexes, kind)
            lanes = self.width if s.strides[-1] else 0
            known[access] = load(b, kind, pointer, s.strides[-1], lanes, mask, count)
        for node in self.expressions.inlined:
            if self.levels[node.number]:
                known[node.number] = self._computed(known, node)
        found = [
            convert(b, self._value(known, a), self.graph.nodes[a.node].kind)
            for a, _ in self.loops.stores
        ]
        for (access, s), result in zip(self.loops.stores, found, strict=True):
            kind = self.graph.nodes[access.node].kind
            pointer = self._moved(self.named[("out", s.node, s.offset)], s, indexes, kind)
            store(b, result, pointer, s.strides[-1] or 1, self.width, mask, count)
        for node, s in self.loops.reductions:
            part = b.splat(convert(b, self._value(known, node.operands[0]), node.kind), self.width)
            if mask is not None:
                start = constant(part.type, identity(node.kind, node.gate))
                part = b.select(mask, part, start)
            self._add_into(node, s, indexes, part, mask, count)

    def _add_into(
        self, node: Node, s: Stream, indexes: list[Value], part: Value, mask: Value | None,
        count: int,
    ) -> None:  # fmt: skip
        b = self.b
        if node.number in self.totals:
            place = self.totals[node.number]
            before = load(b, node.kind, place, 1, self.width, None, self.width)
            store(b, fold(b, node.gate, before, part), place, 1, self.width, None, self.width)
            return
        pointer = self._moved(self.named[("out", s.node, s.offset)], s, indexes, node.kind)
        if not s.strides[-1]:
            part = across(b, node.gate, part)
            before = load(b, node.kind, pointer, 0, 0, None, 1)
            store(b, fold(b, node.gate, before, part), pointer, 0, 0, None, 1)
            return
        before = load(b, node.kind, pointer, s.strides[-1], self.width, mask, count)
        after = fold(b, node.gate, before, part)
        store(b, after, pointer, s.strides[-1], self.width, mask, count)

    def _computed(self, known: dict[object, Value], node: Node) -> Value:
        kind = "" if node.gate == "copy" else node.operand_kind
        operands = [self._value(known, a, kind) for a in node.operands]
        return self.expressions.compute(self.b, node, operands)

    def _value(self, known: dict[object, Value], access: Access, wanted: str = "") -> Value:
        node = self.graph.nodes[access.node]
        if access in self.streams:
            return known[access]
        if is_immediate(node):
            return constant(
                node.kind if not wanted or node.kind == "i1" else wanted, number_of(node)
            )
        return known[node.number]


class _Products(Writer):
    """The sums are those of matrix products, one for each place of the batch."""

    def __init__(
        self, graph: Graph, stored: set[int], node: Node, loops: Loops, target: Target, name: str,
        threads: int,
    ) -> None:  # fmt: skip
        self.threads = threads
        self.operands = [aligned(x, x.shape) for x in node.operands]
        super().__init__(graph, stored, node, loops, target, name)

    def _scratch_bytes(self) -> int:
        self.far = [(("in", s.node, s.offset), s) for s in self.streams.values() if self._is_far(s)]
        self.product = product_of(self.node, self.threads, far=bool(self.far))
        self.inner = self.product.inner
        return scratch_bytes(self.product, self.target)

    def _pieces(self) -> int:
        return pieces(self.product, self.target)

    def _sums(self, first: Value, last: Value) -> None:
        self.first, self.last = first, last
        self._batches(0, [])

    def _batches(self, axis: int, indexes: list[Value]) -> None:
        """Loop over the batch, then the product."""
        b = self.b
        if axis < self.rank - 2:
            b.loop(
                0,
                self.loops.domain[axis],
                1,
                lambda index: self._batches(axis + 1, [*indexes, index]),
            )
            return
        x, y = (
            self._moved(self.named[("in", s.node, s.offset)], s, indexes, self.node.kind)
            for s in self.operands
        )
        scratch = Value("ptr", "%scratch") if self.scratch else None

        def finish(i: Value, j: Value, value: Value, mask: Value | None) -> None:
            self._finish([*indexes, i, j], value, mask)

        first, last = self.first, self.last
        far = self.far

        def fetch(i: Value, j: Value) -> None:
            for key, s in far:
                pointer = self._moved(self.named[key], s, [*indexes, i, j], self._kind_of(s))
                b.prefetch(pointer, 1)

        emit_product(b, self.product, x, y, scratch, first, last, finish, fetch if far else None)

    def _kind_of(self, s: Stream) -> str:
        return self.graph.nodes[s.node].kind

    def _is_far(self, s: Stream) -> bool:
        """Whether a stream has an element for each of the product's, and too many to be near."""
        size = self.graph.nodes[s.node].size
        return bool(s.strides[-1] == 1 and s.strides[-2]) and size > _NEAR
