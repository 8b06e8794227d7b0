"""A training step as machine code, with the loop over mini-batches around it.

The step's circuit takes parameters, optimizer state and a batch, and gives the cost, the new
parameters and the new state, which are written over the old ones. `@epoch` gathers the rows of each
batch in the order it is given, runs the step, and notes the cost. Whoever calls it decides how many
batches one call does: progress and Ctrl-C come through in between.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...circuit.tree import flatten
from ...tracing.record import record
from . import cache, linking
from .hosts import Hosts
from .layout import Layout, fingerprint
from .memory import room
from .nodes import NotLowered
from .target import compile_object, host
from .threads import no_threads, pool, thread_count

_MOST_PATHS = 16  # branches for which the step is compiled; more are run by Python


@dataclass(slots=True)
class _Step:
    """The step compiled for one number of rows and one path through its branches."""

    layout: Layout
    call: Any
    frame: Any
    kept: list[Any]
    shared: Any
    hosts: Hosts


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
        If the step cannot be compiled: something is of a dtype without machine type. Another
        machine can run it.
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
        self._leaves = [_own(leaf) for leaf in leaves]
        self._types = [type(leaf) for leaf in leaves]
        self._steps: dict[int, list[_Step]] = {}
        for size in (self._batch, self._rows % self._batch):
            if size:
                self._steps[size] = [self._compiled(np.arange(size))]

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return -(-self._rows // self._batch)

    @property
    def report(self) -> list[str]:
        """What was fused, for people."""
        return self._steps[self._batch][0].layout.report

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and of the state as they are now."""
        found = [
            leaf.item() if kind is float else leaf[()].copy() if kind is np.ndarray else leaf[()]
            for leaf, kind in zip(self._leaves, self._types, strict=True)
        ]
        built: tuple[Any, Any] = self._tree.build(found)
        return built

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state, of the same shapes and dtypes."""
        for leaf, new in zip(self._leaves, flatten((parameters, state))[0], strict=True):
            leaf[...] = new

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
            self._advance(size, order[first * size :], full - first, costs)
            done = full
        if last > done:
            self._advance(n % size, order[done * size :], 1, costs[done - first :])
        return costs

    def _advance(
        self, size: int, order: np.ndarray[Any, Any], count: int, costs: np.ndarray[Any, Any]
    ) -> None:
        """Do batches of a size, each on a path whose branches are the ones that Python takes."""
        paths = self._steps.setdefault(size, [])
        done = 0
        while done < count:
            rows = order[done * size :]
            for step in paths:
                more = self._run(step, rows, count - done, costs[done:])
                if more:
                    done += more
                    break
            else:
                if len(paths) < _MOST_PATHS:
                    paths.append(self._compiled(rows[:size]))
                else:
                    costs[done] = self._by_python(rows[:size])
                    done += 1

    def _run(
        self, step: _Step, rows: np.ndarray[Any, Any], count: int, costs: np.ndarray[Any, Any]
    ) -> int:
        """Do batches until a branch is another one; return how many."""
        shared, at = step.shared, step.layout.workspace_slot
        shared[0], shared[1], shared[2], shared[3] = rows.ctypes.data, costs.ctypes.data, count, 0
        step.frame[at + 3] = 0
        if step.call(ctypes.addressof(step.frame)):
            raise no_threads(step.layout.threads)
        if step.frame[at + 3] == 2:
            raise step.hosts.error()
        return int(shared[3])

    def _by_python(self, rows: np.ndarray[Any, Any]) -> float:
        """Do one batch by tracing it anew, where there are too many paths to compile."""
        parameters, state = self.values()
        batch = [array[rows] for array in self._data]
        cost, parameters, state = self._step(parameters, state, *batch)
        self.put(parameters, state)
        return float(cost)

    # ------------------------------------------------------------------ compiling

    def _compiled(self, chosen: np.ndarray[Any, Any]) -> _Step:
        """Return the step compiled for a batch of these rows, on the path that it takes there."""
        rows = len(chosen)
        parameters, state = self.values()
        batch = [array[chosen] for array in self._data]
        circuit = record(self._step, (parameters, state, *batch), {})
        n = len(self._leaves)
        shapes = [np.shape(circuit.columns.values[row]) for row in circuit.outputs[1:]]
        if shapes != [leaf.shape for leaf in self._leaves]:
            raise NotLowered("the step does not give back what it was given")
        over = {k + 1: k for k in range(n)}
        direct = rows == self._rows
        rowed = [(array.dtype.str, array.shape[1:]) for array in self._data]
        key = cache.key(fingerprint(circuit, "epoch", self._threads, rows, direct, rowed))
        found = cache.load(key)
        hosts = Hosts(())
        if found is not None:
            layout = Layout.from_json(found["meta"], circuit)
            code = found["object"]
        else:
            # The emitters take 20 ms to import: only where something is compiled.
            from .epoch_loop import lowered_epoch

            made, text = lowered_epoch(circuit, over, n, rows, self._data, direct, self._threads)
            layout, hosts = made.layout, Hosts(made.hosts)
            code = compile_object(text, host())
            if not made.hosts:
                cache.store(key, {"object": code, "meta": layout.to_json(circuit)})
        (address,) = linking.load(code, ("epoch",))
        return self._framed(layout, address, rows, direct, hosts)

    def _framed(self, layout: Layout, address: int, rows: int, direct: bool, hosts: Hosts) -> _Step:
        n = len(self._leaves)
        at = layout.workspace_slot
        frame = (ctypes.c_void_p * (at + 7 + len(self._data)))()
        work = room((layout.workspace,), np.uint8)
        kept: list[Any] = [work, *layout.constants]
        for k, leaf in enumerate(self._leaves):
            frame[k] = leaf.ctypes.data
        for k, array in enumerate(self._data):
            if direct:
                buffer = array
            else:
                buffer = room((rows, *array.shape[1:]), array.dtype)
                kept.append(buffer)
            frame[n + k] = buffer.ctypes.data
            frame[at + 7 + k] = array.ctypes.data
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
        return _Step(layout, call, frame, kept, shared, hosts)


def _own(leaf: Any) -> np.ndarray[Any, Any]:
    """Return a copy that the program may write over."""
    value = np.asarray(leaf)
    copy = room(value.shape, value.dtype)
    copy[...] = value
    return copy
