"""Emit the kernels that read rows of an array at places, and add rows into zeros there.

Rows are what lies behind the indexed axes: an embedding's vectors, or single elements. Reading is
cut among threads by rows; adding by columns, so that each element gets its additions in the order
of the rows, whatever the threads: the order of NumPy's `add.at`.
"""

from __future__ import annotations

from .builder import Builder, Value, constant, lanes, size_of, vector_of
from .graph import Graph
from .loops import Emitted
from .nodes import Node
from .target import Target
from .values import MEMORY

_VECTORS = 4  # of a row, which one piece of the adding owns


def emit_gather(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function of `x[places]`."""
    b, source, places, to = _begun(target, name)
    kind, count, width = _rows(graph, node, node)
    size = width * size_of(kind)

    def row(k: Value) -> None:
        start = b.address(source, _place(b, places, k, width), kind)
        end = b.address(to, b.mul(k, Value("i64", str(width))), kind)
        if width == 1:
            b.store(b.load(kind, start), end)
        else:
            _copy(b, start, end, size)

    b.loop(b.arguments["first"], b.arguments["last"], 1, row)
    b.ret()
    cost = count * (3 + 2 * width / target.lanes("float" if size_of(kind) < 8 else "double"))
    return _emitted(b, node, count, cost, "index")


def emit_scatter(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function that adds rows into zeros at their places."""
    b, source, places, to = _begun(target, name)
    kind, count, width = _rows(graph, node, graph.nodes[node.operands[0].node])
    rows = node.size // max(width, 1)
    vector = target.lanes(kind)
    block = min(width, _VECTORS * vector)
    pieces = -(-width // max(block, 1))

    def columns(start: Value, size: int) -> None:
        """Own some columns: clear them, then add to them row by row."""
        cuts = [(k, min(vector, size - k)) for k in range(0, size, vector)]

        def clear(k: Value) -> None:
            place = b.address(to, b.add(b.mul(k, Value("i64", str(width))), start), kind)
            for at, n in cuts:
                there, mask, wide = _vector(b, place, at, n, vector, kind)
                b.store(constant(wide, 0), there, mask)

        def add(k: Value) -> None:
            given = b.address(source, b.add(b.mul(k, Value("i64", str(width))), start), kind)
            place = b.address(to, b.add(_place(b, places, k, width), start), kind)
            for at, n in cuts:
                there, mask, wide = _vector(b, place, at, n, vector, kind)
                more = b.load(wide, b.address(given, at, kind), mask)
                b.store(b.fadd(b.load(wide, there, mask), more), there, mask)

        if width == 1:
            _clear(b, to, rows * size_of(kind))
        else:
            b.loop(0, rows, 1, clear)
        b.loop(0, count, 1, add)

    if not width:  # nothing is added
        _clear(b, to, node.size * size_of(kind))
    elif node.size:
        full = width // block
        first, last = b.arguments["first"], b.arguments["last"]
        stop = Value("i64", str(full))
        end = b.select(b.compare("slt", last, stop), last, stop)
        b.loop(first, end, 1, lambda k: columns(b.mul(k, Value("i64", str(block))), block))
        if width % block:
            has_tail = b.compare("sgt", last, stop)
            b.when(has_tail, lambda: columns(Value("i64", str(full * block)), width % block))
    b.ret()
    cost = (rows + 3 * count) * (1 + width / vector) + 2 * count * pieces
    emitted = _emitted(b, node, pieces, cost, "scatter")
    emitted.operations = count * width
    return emitted


def _begun(target: Target, name: str) -> tuple[Builder, Value, Value, Value]:
    arguments = [("ptr", f"p{k}") for k in range(3)]
    b = Builder(name, [*arguments, ("i64", "first"), ("i64", "last")], target)
    return b, b.arguments["p0"], b.arguments["p1"], b.arguments["p2"]


def _rows(graph: Graph, node: Node, read: Node) -> tuple[str, int, int]:
    """Return the kind of the elements, how many rows are read or added, and how long they are."""
    count = graph.nodes[node.operands[1].node].size
    return MEMORY.get(node.kind, node.kind), count, read.size // count if count else 0


def _place(b: Builder, places: Value, k: Value, width: int) -> Value:
    """Return where the row of a place begins, in elements."""
    place = b.load("i64", b.address(places, k, "i64"))
    return place if width == 1 else b.mul(place, Value("i64", str(width)))


def _vector(
    b: Builder, place: Value, at: int, n: int, vector: int, kind: str
) -> tuple[Value, Value | None, str]:
    """Return the address, mask and type of some neighbours; of one, a scalar."""
    there = b.address(place, at, kind)
    if n == 1:
        return there, None, kind
    mask = None if n == vector else lanes("i1", [k < n for k in range(vector)])
    return there, mask, vector_of(kind, vector)


def _copy(b: Builder, source: Value, to: Value, size: int) -> None:
    name = "llvm.memcpy.p0.p0.i64"
    b.declared.setdefault(name, f"declare void @{name}(ptr, ptr, i64, i1)")
    b.emit(f"call void @{name}(ptr {to.name}, ptr {source.name}, i64 {size}, i1 false)")


def _clear(b: Builder, to: Value, size: int) -> None:
    name = "llvm.memset.p0.i64"
    b.declared.setdefault(name, f"declare void @{name}(ptr, i8, i64, i1)")
    b.emit(f"call void @{name}(ptr {to.name}, i8 0, i64 {size}, i1 false)")


def _emitted(b: Builder, node: Node, pieces: int, cost: float, gate: str) -> Emitted:
    source, places = node.operands
    arguments = [(source.node, 0), (places.node, 0), (node.number, 0)]
    return Emitted(b, arguments, max(pieces, 1), False, float(cost), 0, [gate])
