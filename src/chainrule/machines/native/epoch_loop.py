"""The loop over mini-batches around a step: gather the rows, run the step, note the cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...circuit.circuit import Circuit
from .builder import Builder, Value, module
from .conversion import emit_converted
from .data_rows import DataRows
from .layout import DTYPES, Layout
from .lowering import Lowered, lowered
from .target import host
from .threads import emit_barrier, emit_run
from .values import MEMORY, convert

_LINE = 64  # bytes of a cache line
_FLUSH = 0x8040  # in MXCSR: results that are subnormal become 0, and so do inputs
_LONG_ROW = 256  # bytes: rows from here on are fetched a batch ahead


def lowered_epoch(
    circuit: Circuit,
    over: dict[int, int],
    leaves: int,
    rows: int,
    data: Sequence[DataRows] | None,
    threads: int,
) -> tuple[Lowered, str]:
    """Return a step's program, and the text of the module with its loop.

    Parameters
    ----------
    circuit : Circuit
        The step.
    over : dict of int to int
        Which output is to be written over which input.
    leaves : int
        How many inputs are parameters and state; the batch comes after them.
    rows : int
        Rows of a batch.
    data : sequence of DataRows or None
        What the rows are taken from; None: the frame has the addresses of a batch.
    threads : int
        How many threads may be used.

    Raises
    ------
    NotLowered
        If some value has no machine type.
    """
    made = lowered(circuit, host(), threads, over)
    # Gates that NumPy computes are its own affair, to the last bit.
    builders = loop(made.layout, leaves, rows, data, flushes=not made.hosts)
    return made, module([*made.builders[:-1], *builders])


def loop(
    layout: Layout, leaves: int, rows: int, data: Sequence[DataRows] | None, flushes: bool
) -> list[Builder]:
    """Return `@run(frame, thread)`, the loop, and `@epoch(frame)`, which starts it.

    Behind the slots of any program the frame has a pointer to four numbers: the address of the
    rows' order, of the costs, how many batches to do, and how many were done. Behind it are the
    data's addresses.
    """
    target = host()
    b = Builder("run", [("ptr", "frame"), ("i64", "thread")], target)
    frame, thread = b.arguments["frame"], b.arguments["thread"]
    at, threads = layout.workspace_slot, layout.threads
    flushing, as_before = _flushing(b) if flushes else (None, None)

    def slot(k: int) -> Value:
        return b.load("ptr", b.address(frame, k, "ptr"))

    shared = slot(at + 6)
    order = b.load("ptr", b.address(shared, 0, "i64"))
    costs = b.load("ptr", b.address(shared, 1, "i64"))
    count = b.load("i64", b.address(shared, 2, "i64"))
    parts = data or ()
    sources = [slot(at + 7 + k) for k in range(len(parts))]
    buffers = [slot(leaves + k) for k in range(len(parts))]
    found = slot(len(layout.inputs))
    kind = layout.outputs[0][0]
    barrier = slot(at + 2) if threads > 1 else None

    def wait() -> None:
        if barrier is not None:
            emit_barrier(b, barrier)

    def batch(index: Value) -> None:
        if parts:
            first = b.mul(index, Value("i64", str(rows)))
            begin, end = _share(b, thread, rows, threads)
            more = b.compare("slt", b.add(index, Value("i64", "1")), count)
            ahead = b.select(more, Value("i64", str(rows)), Value("i64", "0"))

            def row(k: Value) -> None:
                at_row = b.address(order, b.add(first, k), "i64")
                source = b.load("i64", at_row)
                following = b.load("i64", b.address(at_row, ahead, "i64"))
                for part, origin, buffer in zip(parts, sources, buffers, strict=True):
                    _copy_row(b, part, origin, source, following, buffer, k)

            b.loop(begin, end, 1, row)
            wait()
        _set(b, flushing)  # not before: rows are gathered to the last bit
        b.call("body", "void", frame, thread)
        _set(b, as_before)
        if layout.stops:
            b.when(succeeded(), lambda: noted(index))
        else:
            noted(index)

    def succeeded() -> Value:
        status = b.load("i64", b.address(frame, at + 3, "ptr"))
        return b.compare("eq", status, Value("i64", "0"))

    def noted(index: Value) -> None:
        def note() -> None:
            done = b.add(index, Value("i64", "1"))
            b.store(done, b.address(shared, 3, "i64"))
            cost = b.load(MEMORY.get(kind, kind), found)
            b.store(convert(b, cost, "double"), b.address(costs, index, "double"))
            for k in range(leaves):
                if k + 1 not in layout.over:
                    element, shape = layout.inputs[k]
                    size = DTYPES[element].itemsize * math.prod(shape)
                    _copy(b, slot(len(layout.inputs) + 1 + k), slot(k), size)

        if threads > 1:
            b.when(b.compare("eq", thread, Value("i64", "0")), note)
            if not parts or len(layout.over) < leaves:
                wait()  # else they meet when the next batch is gathered
        else:
            note()

    if layout.stops:  # all threads have seen the same status
        b.loop(0, count, 1, lambda index: b.when(succeeded(), lambda: batch(index)))
    else:
        b.loop(0, count, 1, batch)
    b.ret()
    e = Builder("epoch", [("ptr", "frame")], target, returns="i64")
    if threads > 1:
        pool_at = e.load("ptr", e.address(e.arguments["frame"], at + 2, "ptr"))
        e.ret(emit_run(e, pool_at, Value("ptr", "@run"), e.arguments["frame"]))
    else:
        e.call("run", "void", e.arguments["frame"], Value("i64", "0"))
        e.ret(Value("i64", "0"))
    return [b, e]


def _flushing(b: Builder) -> tuple[Value, Value] | tuple[None, None]:
    """Return the settings with which numbers below the smallest normal one are 0, and today's.

    Adam's means of gradients that have become 0 fade through these numbers, and many processors
    take some 150 cycles for each operation on one: epochs became twice as slow as the first.
    """
    if not b.target.triple.startswith(("x86_64", "AMD64")):
        return None, None
    before, during = b.scratch("i32", 1), b.scratch("i32", 1)
    b.call("llvm.x86.sse.stmxcsr", "void", before)
    b.store(b.or_(b.load("i32", before), Value("i32", str(_FLUSH))), during)
    return during, before


def _set(b: Builder, settings: Value | None) -> None:
    """Compute with these settings from here on."""
    if settings is not None:
        b.call("llvm.x86.sse.ldmxcsr", "void", settings)


def _share(b: Builder, thread: Value, rows: int, threads: int) -> tuple[Value | int, Value | int]:
    """Return the rows that a thread gathers."""
    if threads == 1:
        return 0, rows
    count, all_of = Value("i64", str(threads)), Value("i64", str(rows))
    first = b.sdiv(b.mul(thread, all_of), count)
    return first, b.sdiv(b.mul(b.add(thread, Value("i64", "1")), all_of), count)


def _copy(b: Builder, source: Value, to: Value, size: int) -> None:
    """Copy some bytes between places that do not overlap."""
    b.declared.setdefault(
        "llvm.memcpy.p0.p0.i64", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
    )
    b.emit(
        f"call void @llvm.memcpy.p0.p0.i64(ptr {to.name}, ptr {source.name}, i64 {size}, i1 false)"
    )


def _copy_row(
    b: Builder, part: DataRows, origin: Value, source: Value, following: Value, buffer: Value,
    k: Value,
) -> None:  # fmt: skip
    """Copy one example into the batch, and fetch the one that comes next in its place."""
    size = part.array.itemsize * part.elements
    apart = Value("i64", str(part.array.strides[0]))
    start = b.address(origin, b.mul(source, apart), "i8")
    width = Value("i64", str(part.dtype.itemsize * part.elements))
    place = b.address(buffer, b.mul(k, width), "i8")
    if part.is_copied:
        _copy(b, start, place, size)
    else:
        emit_converted(b, part, start, place)
    if size < _LONG_ROW:
        return
    following_at = b.address(origin, b.mul(following, apart), "i8")
    b.loop(0, size, _LINE, lambda line: b.prefetch(b.address(following_at, line, "i8"), 2))
