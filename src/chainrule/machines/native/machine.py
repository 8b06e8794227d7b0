"""The native machine: a circuit in, a callable of machine code out.

Code comes from the cache, else from LLVM. It is called in two ways: by `Native.run`, which checks
every argument here in Python (machine code has no bounds), and by the C-level entry that `entry`
emits beside it, which checks as much and hands everything else to Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import CellType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...circuit.circuit import Circuit
from ...errors import GuardError
from ...tracing.sites import here
from . import cache, linking, target
from .callable import fill_table
from .entry import Entry, EntryText, emit_entry
from .hosts import Hosts
from .interruption import run_interruptible
from .layout import DTYPES, STOPPABLE, Layout, fingerprint, is_scalar
from .memory import room
from .nodes import NotLowered
from .templates import described, signature_of
from .threads import no_threads, pool, thread_count

if TYPE_CHECKING:
    from .lowering import Lowered

_LONG = 2e4  # vector operations, some microseconds: Python's lock is released meanwhile
_MOST_LEAVES = 1000  # an entry looks at each by code of its own


class Native:
    """A circuit as machine code.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    threads : int, optional
        How many threads may be used; by default as many as there are processors.
    donated : sequence of int
        Positions among the traced leaves of arrays that the caller gives away: outputs of the same
        shape and dtype are written over them.
    cells : sequence of (CellType, object)
        Closure cells that the entry looks at, and what they must still hold.

    Attributes
    ----------
    layout : Layout
        The frame of the program.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        threads: int | None = None,
        donated: Sequence[int] = (),
        cells: Sequence[tuple[CellType, Any]] = (),
    ) -> None:
        threads = thread_count(threads)
        self._wanted = _written_over(circuit, donated)
        self._cells = cells
        self._scalar = is_scalar(circuit)
        self._signature = signature_of(circuit)
        said = described(self._signature)
        key = cache.key(
            fingerprint(circuit, "program", threads, said, sorted(self._wanted.items()), len(cells))
        )
        found = cache.load(key)
        self._hosts = Hosts(())
        text = None
        if found is not None:
            self.layout = Layout.from_json(found["meta"], circuit)
            self._scalar = found["meta"]["scalar"]
            code = found["object"]
            # Only what its table holds is wanted, which is the same for every processor.
            text = self._entry_text(target.SSE)
            if found["meta"].get("wiring") != _wiring(text):
                found, self._scalar = None, is_scalar(circuit)
        if found is None:
            made = self._lower(circuit, threads)
            self.layout, self._hosts = made.layout, Hosts(made.hosts)
            text = self._entry_text(target.host())
            code = target.compile_object(made.module(text.builders if text else ()), target.host())
            if not made.hosts:
                meta = made.layout.to_json(circuit) | {"scalar": self._scalar}
                meta["wiring"] = _wiring(text)
                cache.store(key, {"object": code, "meta": meta})
        large = self._scalar and bool(self.layout.constants)
        names = ["scalars" if self._scalar else "program", *(text.names if text else ())]
        names += ["large_tables_at"] * large
        self.address, *rest = linking.load(code, tuple(names))
        if large:
            fill_table(rest.pop(), [self.layout.constants[0].ctypes.data])
        pointers = [ctypes.c_void_p] * (2 if self._scalar else 1)
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, *pointers)(self.address)
        self.entry = None if text is None else Entry(text, rest, self._fixed(), self._keep())
        self._kinds = [_kind(circuit.columns.values[row]) for row in circuit.outputs]
        self._tree = circuit.output_tree
        self._free: list[np.ndarray[Any, Any]] = []

    def _lower(self, circuit: Circuit, threads: int) -> Lowered:
        # The emitters take 20 ms to import: only where something is compiled.
        from .lowering import lowered, lowered_scalars

        if self._scalar:
            try:
                return lowered_scalars(circuit, target.host())
            except NotLowered:  # a gate that NumPy must compute: programs of arrays have those
                self._scalar = False
        return lowered(circuit, target.host(), threads, self._wanted)

    def __call__(self, *leaves: Any) -> Any:
        """Run on the traced leaves; return the outputs in their containers.

        Raises
        ------
        GuardError
            If plain Python would branch otherwise at these inputs.
        """
        return self._tree.build(self.run(leaves))

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """Run on the traced leaves; return the outputs."""
        if self._scalar:
            return self._run_scalars(leaves)
        layout = self.layout
        arrays = []
        for (kind, shape), leaf in zip(layout.inputs, leaves, strict=True):
            array = np.require(leaf, DTYPES[kind], ["C", "A"])
            assert array.shape == shape, (array.shape, shape)
            arrays.append(array)
        over = {o: _given_away(leaves[i], arrays) for o, i in layout.over.items()}
        outputs = [
            over[k] if k in over else np.empty(shape, DTYPES[kind])
            for k, (kind, shape) in enumerate(layout.outputs)
        ]
        at = layout.workspace_slot
        frame = (ctypes.c_void_p * (at + 6))()
        for k, array in enumerate([*arrays, *outputs, *layout.constants]):
            frame[k] = array.ctypes.data
        work = self._workspace()
        try:
            frame[at] = work.ctypes.data
            frame[at + 1] = self._hosts.address
            if layout.threads > 1:
                frame[at + 2] = pool(layout.threads)
            self._call_checked(frame, at)
        finally:
            self._free.append(work)
        return [
            a if kind is None else a[()] if kind is np.generic else a.item()
            for kind, a in zip(self._kinds, outputs, strict=True)
        ]

    # ------------------------------------------------------------------ the entry

    def _entry_text(self, processor: target.Target) -> EntryText | None:
        """Return the functions that Python calls; None where only `run` is to call the code."""
        layout = self.layout
        if layout.over or self._signature is None or layout.cost > STOPPABLE or self._hosts:
            return None
        if self._scalar and not self._signature.is_scalar:
            return None
        if len(layout.inputs) + len(layout.outputs) > _MOST_LEAVES:
            return None
        return emit_entry(
            self._signature,
            processor,
            program="scalars" if self._scalar else "program",
            workspace_bytes=0 if self._scalar else layout.workspace,
            constants=0 if self._scalar else len(layout.constants),
            extras=0 if self._scalar else 3,
            long=layout.cost > _LONG,
            # An infinity may hide a branch not taken: Python decides. Of arrays nobody looks at
            # every element.
            check_finite=self._scalar,
            cells=self._cells,
        )

    def _fixed(self) -> list[int]:
        """Return the addresses that a frame has at every call: constants, host, pool, status."""
        if self._scalar:
            return []
        layout = self.layout
        return [
            *(array.ctypes.data for array in layout.constants),
            self._hosts.address,
            pool(layout.threads) if layout.threads > 1 else 0,
            0,
        ]

    def _keep(self) -> Any:
        return self.layout.constants, self._hosts

    def llvm(self, circuit: Circuit) -> str:
        """Return the module of the circuit in LLVM's language."""
        return self._lower(circuit, self.layout.threads).module()

    def assembly(self, circuit: Circuit) -> str:
        """Return the module of the circuit in this processor's assembly language."""
        return target.assembly(self.llvm(circuit), target.host())

    def report(self) -> str:
        """Return what was fused, the buffers, and the work."""
        return self.layout.described()

    def _call_checked(self, frame: Any, at: int) -> None:
        if self.layout.cost <= STOPPABLE:
            self._check(self._call(ctypes.addressof(frame)))
            return

        def call(stop: int) -> None:  # on another thread, whose error is its own
            frame[at + 4] = stop
            self._check(self._call(ctypes.addressof(frame)))

        run_interruptible(call)

    def _run_scalars(self, leaves: Sequence[Any]) -> list[Any]:
        inputs = np.array(leaves, np.float64)
        outputs = np.empty(len(self._kinds))
        self._check(self._call(inputs.ctypes.data, outputs.ctypes.data))
        return [kind(x) for kind, x in zip(self._kinds, outputs.tolist(), strict=True)]

    def _check(self, status: int) -> None:
        if status == 1:
            raise GuardError("plain Python would branch otherwise for these inputs")
        if status == 2:
            raise self._hosts.error()
        if status == 3:
            raise no_threads(self.layout.threads)

    def _workspace(self) -> np.ndarray[Any, Any]:
        """Return memory that nobody else is using now."""
        try:
            return self._free.pop()
        except IndexError:
            return room((self.layout.workspace,), np.uint8)


def _wiring(text: EntryText | None) -> str:
    return "" if text is None else text.wiring


def _written_over(circuit: Circuit, donated: Sequence[int]) -> dict[int, int]:
    """Return which outputs can be written over which donated inputs."""
    if circuit.guards:
        return {}  # a guard may fail when half of them are overwritten
    values = circuit.columns.values
    found: dict[int, int] = {}
    for k in donated:
        given = values[circuit.inputs[k]]
        for o, row in enumerate(circuit.outputs):
            value = values[row]
            if (
                o not in found
                and isinstance(value, np.ndarray)
                and isinstance(given, np.ndarray)
                and value.shape == given.shape
                and value.dtype == given.dtype
            ):
                found[o] = k
                break
    return found


def _given_away(leaf: Any, arrays: Sequence[Any]) -> Any:
    """Return an array that an output may be written over.

    Raises
    ------
    ValueError
        If that would not reach it, or would reach another argument.
    """
    if not any(leaf is array for array in arrays) or not leaf.flags.writeable:
        raise ValueError(
            f"{here()}a donated array must be a writeable, contiguous, aligned ndarray; this one "
            "is not. Pass np.ascontiguousarray(x), or do not donate it."
        )
    if sum(np.may_share_memory(leaf, array) for array in arrays) > 1:
        raise ValueError(
            f"{here()}a donated array shares memory with another argument, which would be "
            "overwritten while it is read. Pass a copy of one of them."
        )
    return leaf


def _kind(value: Any) -> Any:
    """Return what makes a result what NumPy or Python would give."""
    if isinstance(value, np.ndarray):
        return None
    return np.generic if isinstance(value, np.generic) else type(value)


__all__ = ["Native", "NotLowered"]
