"""A training step as machine code, with the loop over mini-batches around it.

The step's circuit takes parameters, optimizer state and a batch, and gives the cost, the new
parameters and the new state, which are written over the old ones. `@epoch` gathers the rows of each
batch in the order it is given, runs the step, and notes the cost. Whoever calls it decides how many
batches one call does: progress and Ctrl-C come through in between.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...circuit.tree import flatten
from ...tracing.record import record
from . import cache, linking
from .builder import Builder, Value, module
from .layout import DTYPES, Layout, fingerprint
from .lowering import lowered
from .machine import no_threads
from .nodes import NotLowered
from .target import compile_object, host
from .threads import emit_barrier, emit_run, pool, thread_count
from .values import MEMORY, convert

_LINE = 64  # bytes of a cache line
_LONG_ROW = 256  # bytes: rows from here on are fetched a batch ahead


@dataclass(slots=True)
class _Step:
    """The step compiled for one number of rows."""

    layout: Layout
    call: Any
    frame: Any
    kept: list[Any]
    shared: Any


class Epoch:
    """A compiled step and its loop.

    Parameters
    ----------
    step : callable
        `step(parameters, state, *batch) -> (cost, parameters, state)`.
    parameters, state : containers of arrays and floats
        What training begins with; copied.
    data : sequence of ndarray
        Arrays with one row an example.
    batch_size : int
        Rows of a batch; the last batch of an epoch may be shorter.
    threads : int, optional
        How many threads may be used; by default as many as there are processors.

    Raises
    ------
    NotLowered
        If the step cannot be compiled: it branches on values, or is of a dtype without machine
        type. Another machine can run it.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        parameters: Any,
        state: Any,
        data: Sequence[np.ndarray[Any, Any]],
        batch_size: int,
        *,
        threads: int | None = None,
    ) -> None:
        self._step = step
        self._threads = thread_count(threads)
        self._data = [np.ascontiguousarray(array) for array in data]
        self._rows = len(self._data[0])
        self._batch = min(batch_size, self._rows)
        leaves, self._tree = flatten((parameters, state))
        self._leaves = [np.array(leaf, order="C") for leaf in leaves]
        self._types = [type(leaf) for leaf in leaves]
        self._steps: dict[int, _Step] = {}
        self._compiled(self._batch)
        rest = self._rows % self._batch
        if rest:
            self._compiled(rest)

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return -(-self._rows // self._batch)

    @property
    def report(self) -> list[str]:
        """What was fused, for people."""
        return self._steps[self._batch].layout.report

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and of the state as they are now."""
        found = [
            leaf.item() if kind is float else leaf[()].copy() if kind is np.ndarray else leaf[()]
            for leaf, kind in zip(self._leaves, self._types, strict=True)
        ]
        built: tuple[Any, Any] = self._tree.build(found)
        return built

    def run(
        self, order: np.ndarray[Any, Any], first: int, batches: int
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Do some batches of an epoch and return their costs.

        Parameters
        ----------
        order : ndarray of int64, shape (rows,) or (epochs * rows,)
            The rows in the order in which they are used; of several epochs where batches divide
            the rows.
        first, batches : int
            Where to begin, counted in batches, and how many to do.
        """
        n, size = self._rows, self._batch
        assert order.dtype == np.int64 and order.flags.c_contiguous and order.ndim == 1
        assert order.size == n or (order.size % n == 0 and n % size == 0)
        if size < n:
            assert order.min() >= 0 and order.max() < n
        last = min(first + batches, -(-order.size // size))
        costs = np.empty(max(last - first, 0))
        full = min(last, order.size // size)
        done = first
        if full > first:
            self._run(self._steps[size], order, first * size, full - first, costs)
            done = full
        if last > done:
            self._run(self._steps[n % size], order, done * size, 1, costs[done - first :])
        return costs

    def _run(
        self, step: _Step, order: np.ndarray[Any, Any], start: int, count: int,
        costs: np.ndarray[Any, Any],
    ) -> None:  # fmt: skip
        rows = order[start:]
        step.shared[0], step.shared[1], step.shared[2] = rows.ctypes.data, costs.ctypes.data, count
        if step.call(ctypes.addressof(step.frame)):
            raise no_threads(step.layout.threads)

    # ------------------------------------------------------------------ compiling

    def _compiled(self, rows: int) -> None:
        parameters, state = self.values()
        batch = [array[:rows] for array in self._data]
        circuit = record(self._step, (parameters, state, *batch), {})
        n = len(self._leaves)
        if circuit.guards:
            raise NotLowered("the step branches on values")
        shapes = [np.shape(circuit.columns.values[row]) for row in circuit.outputs[1:]]
        if shapes != [leaf.shape for leaf in self._leaves]:
            raise NotLowered("the step does not give back what it was given")
        over = {k + 1: k for k in range(n)}
        direct = rows == self._rows
        rowed = [(array.dtype.str, array.shape[1:]) for array in self._data]
        key = cache.key(fingerprint(circuit, "epoch", self._threads, rows, direct, rowed))
        found = cache.load(key)
        if found is not None:
            layout = Layout.from_json(found["meta"], circuit)
            code = found["object"]
        else:
            made = lowered(circuit, host(), self._threads, over)
            if made.hosts:
                raise NotLowered(f"{made.hosts[0].node.gate} has no machine code")
            layout = made.layout
            loop = _loop(layout, n, rows, self._data, direct)
            code = compile_object(module([*made.builders[:-1], *loop]), host())
            cache.store(key, {"object": code, "meta": layout.to_json(circuit)})
        (address,) = linking.load(code, ("epoch",))
        self._steps[rows] = self._framed(layout, address, rows, direct)

    def _framed(self, layout: Layout, address: int, rows: int, direct: bool) -> _Step:
        n = len(self._leaves)
        at = layout.workspace_slot
        frame = (ctypes.c_void_p * (at + 5 + len(self._data)))()
        room = np.empty(layout.workspace + 64, np.uint8)
        kept: list[Any] = [room, *layout.constants]
        for k, leaf in enumerate(self._leaves):
            frame[k] = leaf.ctypes.data
        for k, array in enumerate(self._data):
            if direct:
                buffer = array
            else:
                buffer = np.empty((rows, *array.shape[1:]), array.dtype)
                kept.append(buffer)
            frame[n + k] = buffer.ctypes.data
            frame[at + 5 + k] = array.ctypes.data
        cost = np.empty(1)
        kept.append(cost)
        outputs = len(layout.inputs)
        frame[outputs] = cost.ctypes.data
        for k, leaf in enumerate(self._leaves):
            place = leaf
            if k + 1 not in layout.over:
                place = np.empty_like(leaf)
                kept.append(place)
            frame[outputs + 1 + k] = place.ctypes.data
        for k, array in enumerate(layout.constants):
            frame[outputs + len(layout.outputs) + k] = array.ctypes.data
        frame[at] = room.ctypes.data + -room.ctypes.data % 64
        if layout.threads > 1:
            frame[at + 2] = pool(layout.threads)
        shared = (ctypes.c_int64 * 3)()
        frame[at + 4] = ctypes.addressof(shared)
        call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)
        return _Step(layout, call, frame, kept, shared)


def _loop(
    layout: Layout, leaves: int, rows: int, data: Sequence[np.ndarray[Any, Any]], direct: bool
) -> list[Builder]:
    """Return `@run(frame, thread)`, the loop, and `@epoch(frame)`, which starts it.

    The frame's slot behind the status holds a pointer to three numbers: the address of the rows'
    order, of the costs, and how many batches to do. Behind it are the data's addresses.
    """
    target = host()
    b = Builder("run", [("ptr", "frame"), ("i64", "thread")], target)
    frame, thread = b.arguments["frame"], b.arguments["thread"]
    at, threads = layout.workspace_slot, layout.threads

    def slot(k: int) -> Value:
        return b.load("ptr", b.address(frame, k, "ptr"))

    shared = slot(at + 4)
    order = b.load("ptr", b.address(shared, 0, "i64"))
    costs = b.load("ptr", b.address(shared, 1, "i64"))
    count = b.load("i64", b.address(shared, 2, "i64"))
    sources = [slot(at + 5 + k) for k in range(len(data))]
    buffers = [slot(leaves + k) for k in range(len(data))]
    found = slot(len(layout.inputs))
    kind = layout.outputs[0][0]
    barrier = slot(at + 2) if threads > 1 else None

    def wait() -> None:
        if barrier is not None:
            emit_barrier(b, barrier)

    def batch(index: Value) -> None:
        if not direct:
            first = b.mul(index, Value("i64", str(rows)))
            begin, end = _share(b, thread, rows, threads)
            more = b.compare("slt", b.add(index, Value("i64", "1")), count)
            ahead = b.select(more, Value("i64", str(rows)), Value("i64", "0"))

            def row(k: Value) -> None:
                at_row = b.address(order, b.add(first, k), "i64")
                source = b.load("i64", at_row)
                following = b.load("i64", b.address(at_row, ahead, "i64"))
                for array, origin, buffer in zip(data, sources, buffers, strict=True):
                    _copy_row(b, array, origin, source, following, buffer, k)

            b.loop(begin, end, 1, row)
            wait()
        b.call("body", "void", frame, thread)

        def note() -> None:
            cost = b.load(MEMORY.get(kind, kind), found)
            b.store(convert(b, cost, "double"), b.address(costs, index, "double"))
            for k in range(leaves):
                if k + 1 not in layout.over:
                    element, shape = layout.inputs[k]
                    size = DTYPES[element].itemsize * math.prod(shape)
                    _copy(b, slot(len(layout.inputs) + 1 + k), slot(k), size)

        if threads > 1:
            b.when(b.compare("eq", thread, Value("i64", "0")), note)
            if direct or len(layout.over) < leaves:
                wait()  # else they meet when the next batch is gathered
        else:
            note()

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
    b: Builder, array: np.ndarray[Any, Any], origin: Value, source: Value, following: Value,
    buffer: Value, k: Value,
) -> None:  # fmt: skip
    """Copy one example into the batch, and fetch the one that comes next in its place."""
    size = array.itemsize * math.prod(array.shape[1:])
    width = Value("i64", str(size))
    start = b.address(origin, b.mul(source, width), "i8")
    _copy(b, start, b.address(buffer, b.mul(k, width), "i8"), size)
    if size < _LONG_ROW:
        return
    following_at = b.address(origin, b.mul(following, width), "i8")
    b.declared.setdefault("llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")

    def fetch(line: Value) -> None:
        place = b.address(following_at, line, "i8")
        b.emit(f"call void @llvm.prefetch.p0(ptr {place.name}, i32 0, i32 2, i32 1)")

    b.loop(0, size, _LINE, fetch)
