"""A training step as machine code, over values of its own.

The step's circuit takes parameters, optimizer state and a batch, and gives the cost, the new
parameters and the new state, which are written over the old ones. Where the batches come from is
for others: `epoch.py` gathers them from arrays, `fed.py` is given them one by one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...circuit.tree import flatten
from ...tracing.passing import PassingTape
from ...tracing.record import record
from ...tracing.tape import Tape
from ...tracing.traced import Traced
from . import cache, linking
from .data_rows import DataRows
from .hosts import Hosts
from .layout import Layout, fingerprint
from .memory import room
from .nodes import NotLowered
from .target import compile_object, host
from .threads import no_threads, pool, thread_count

MOST_PATHS = 16  # branches for which the step is compiled; more are run by Python

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Path:
    """The step compiled for batches of one shape and one path through its branches."""

    layout: Layout
    call: Any
    frame: Any
    kept: list[Any]
    shared: Any
    hosts: Hosts
    batch_slot: int

    def run(self, order: int, costs: int, count: int) -> int:
        """Do batches until a branch is another one; return how many.

        Parameters
        ----------
        order, costs : int
            Addresses: of the numbers of the rows, and of where the costs go.
        count : int
            How many batches to do.
        """
        shared, at = self.shared, self.layout.workspace_slot
        shared[0], shared[1], shared[2], shared[3] = order, costs, count, 0
        self.frame[at + 3] = 0
        if self.call(ctypes.addressof(self.frame)):
            raise no_threads(self.layout.threads)
        if self.frame[at + 3] == 2:
            raise self.hosts.error()
        return int(shared[3])


class TrainingStep:
    """A compiled step and the values that it moves.

    Parameters
    ----------
    step : callable
        `step(parameters, state, *batch) -> (cost, parameters, state)`.
    parameters, state : containers of arrays and floats
        What training begins with; copied.
    threads : int, optional
        How many threads may be used; by default as many as there are processors.
    """

    def __init__(
        self, step: Callable[..., Any], parameters: Any, state: Any, threads: int | None
    ) -> None:
        self._step = step
        self._threads = thread_count(threads)
        leaves, self._tree = flatten((parameters, state))
        self._leaves = [_own(leaf) for leaf in leaves]
        self._types = [type(leaf) for leaf in leaves]

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and of the state as they are now."""
        return self._built(copied=True)

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state, of the same shapes and dtypes."""
        for leaf, new in zip(self._leaves, flatten((parameters, state))[0], strict=True):
            leaf[...] = new

    def _built(self, copied: bool) -> tuple[Any, Any]:
        found = [
            leaf.item()
            if kind is float
            else leaf[()]
            if kind is not np.ndarray
            else leaf.copy()
            if copied
            else leaf
            for leaf, kind in zip(self._leaves, self._types, strict=True)
        ]
        built: tuple[Any, Any] = self._tree.build(found)
        return built

    def _by_python(self, batch: Sequence[Array]) -> float:
        """Do one batch by tracing it anew, where there are too many paths to compile."""
        parameters, state = self.values()
        cost, parameters, state = self._step(parameters, state, *batch)
        self.put(parameters, state)
        return float(cost)

    # ------------------------------------------------------------------ compiling

    def _compiled(
        self, batch: Sequence[Array], rows: Sequence[DataRows] | None, *, exact: bool
    ) -> Path:
        """Return the step compiled for batches like this one, on the path that it takes there.

        Parameters
        ----------
        batch : sequence of ndarray
            What is traced; it is not kept.
        rows : sequence of DataRows or None
            What batches are gathered from; None: a batch is read where its addresses, in the
            frame from `batch_slot` on, say.
        exact : bool
            Whether to find the path by all values, those of the update too, which takes a multiple
            of the parameters' memory: where it was not the right one without.
        """
        tape = Tape(Traced) if exact else PassingTape()
        circuit = record(self._step, (*self._built(copied=exact), *batch), {}, tape=tape)
        if isinstance(tape, PassingTape):
            tape.let_go()
        n = len(self._leaves)
        shapes = [np.shape(circuit.columns.values[row]) for row in circuit.outputs[1:]]
        if shapes != [leaf.shape for leaf in self._leaves]:
            raise NotLowered("the step does not give back what it was given")
        over = {k + 1: k for k in range(n)}
        count = len(batch[0])
        rowed = None if rows is None else [part.key for part in rows]
        key = cache.key(fingerprint(circuit, "epoch", self._threads, count, rowed))
        found = cache.load(key)
        hosts = Hosts(())
        if found is not None:
            layout = Layout.from_json(found["meta"], circuit)
            code = found["object"]
        else:
            # The emitters take 20 ms to import: only where something is compiled.
            from .epoch_loop import lowered_epoch

            made, text = lowered_epoch(circuit, over, n, count, rows, self._threads)
            layout, hosts = made.layout, Hosts(made.hosts)
            code = compile_object(text, host())
            if not made.hosts:
                cache.store(key, {"object": code, "meta": layout.to_json(circuit)})
        (address,) = linking.load(code, ("epoch",))
        return self._framed(layout, address, batch, rows, hosts)

    def _framed(
        self, layout: Layout, address: int, batch: Sequence[Array],
        rows: Sequence[DataRows] | None, hosts: Hosts,
    ) -> Path:  # fmt: skip
        n = len(self._leaves)
        at = layout.workspace_slot
        frame = (ctypes.c_void_p * (at + 7 + len(rows or ())))()
        work = room((layout.workspace,), np.uint8)
        kept: list[Any] = [work, *layout.constants]
        for k, leaf in enumerate(self._leaves):
            frame[k] = leaf.ctypes.data
        for k, part in enumerate(rows or ()):
            buffer = room(batch[k].shape, batch[k].dtype)
            kept += [buffer, part.array]
            frame[n + k] = buffer.ctypes.data
            frame[at + 7 + k] = part.array.ctypes.data
        cost = np.empty(1)
        kept.append(cost)
        outputs = len(layout.inputs)
        frame[outputs] = cost.ctypes.data
        for k, leaf in enumerate(self._leaves):
            place = leaf
            if k + 1 not in layout.over:
                place = room(leaf.shape, leaf.dtype)
                kept.append(place)
            frame[outputs + 1 + k] = place.ctypes.data
        for k, array in enumerate(layout.constants):
            frame[outputs + len(layout.outputs) + k] = array.ctypes.data
        frame[at] = work.ctypes.data
        if layout.threads > 1:
            frame[at + 2] = pool(layout.threads)
        frame[at + 1] = hosts.address
        never = ctypes.c_int64(0)  # a long step looks here: Ctrl-C comes between two calls
        kept.append(never)
        shared = (ctypes.c_int64 * 4)()
        frame[at + 4] = ctypes.addressof(never)
        frame[at + 6] = ctypes.addressof(shared)
        call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)
        return Path(layout, call, frame, kept, shared, hosts, n)


def _own(leaf: Any) -> Array:
    """Return a copy that the program may write over."""
    value = np.asarray(leaf)
    copy = room(value.shape, value.dtype)
    copy[...] = value
    return copy
