"""The native machine: a circuit in, a callable of machine code out.

`prepare` draws gates out of simpler ones and simplifies; `Native` holds the loaded code and calls
it with arrays that it checks first: machine code has no bounds.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...circuit.circuit import Circuit
from ...errors import GuardError
from ...passes.expand import expand
from ...passes.simplify import simplify
from ...passes.recognise import recognise_sigmoids
from . import linking
from .graph import Graph, knows
from .program import Assembler, HostCall, Program
from .target import Target, compile_object, host

_DTYPES = {"double": np.dtype("f8"), "float": np.dtype("f4"), "i64": np.dtype("i8"),
           "i32": np.dtype("i4"), "i1": np.dtype("?")}  # fmt: skip
_HOST = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


def prepare(circuit: Circuit) -> tuple[Graph, list[Any], list[tuple[Any, bool | int]]]:
    """Return a circuit's graph, and how its outputs and guards read it."""
    guards = [row for row, _ in circuit.guards]
    read = [*circuit.inputs, *circuit.outputs, *guards]
    columns = recognise_sigmoids(circuit.columns, [*circuit.outputs, *guards], circuit.hint_of)
    tape, rows = expand(columns, read, knows)
    same = simplify(tape, 0)
    rows = [same[row] for row in rows]
    n, m = len(circuit.inputs), len(circuit.outputs)
    graph = Graph(tape, rows[:n], rows)
    outputs = [graph.access[row] for row in rows[n : n + m]]
    checks = [
        (graph.access[row], seen)
        for row, (_, seen) in zip(rows[n + m :], circuit.guards, strict=True)
    ]
    return graph, outputs, checks


def assemble(
    circuit: Circuit, target: Target, threads: int = 1, over: dict[int, int] | None = None
) -> Program:
    """Return the program of a circuit."""
    graph, outputs, guards = prepare(circuit)
    return Assembler(graph, outputs, guards, target, threads, over).program()


class Native:
    """A circuit as machine code.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    threads : int
        How many threads may be used.
    """

    def __init__(self, circuit: Circuit, *, threads: int = 1) -> None:
        self.program = assemble(circuit, host(), threads)
        code = compile_object(self.program.text(), host())
        (self.address,) = linking.load(code, ("program",))
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self.address)
        self._outputs = [circuit.columns.values[row] for row in circuit.outputs]
        self._outputs = [
            v if not isinstance(v, np.ndarray) else np.empty((), v.dtype) for v in self._outputs
        ]
        self._tree = circuit.output_tree
        self._free: list[np.ndarray[Any, Any]] = []
        self._local = threading.local()
        self._host = _HOST(self._on_host)

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
        program = self.program
        arrays = []
        for node, leaf in zip(program.inputs, leaves, strict=True):
            array = np.require(leaf, _DTYPES.get(node.kind), ["C", "A"])
            assert array.shape == node.shape, (array.shape, node.shape)
            arrays.append(array)
        outputs = [np.empty(n.shape, _DTYPES[n.kind]) for n in program.outputs]
        work = self._workspace()
        try:
            frame = (ctypes.c_void_p * (program.workspace_slot + 4))()
            for k, array in enumerate([*arrays, *outputs, *program.constants]):
                frame[k] = array.ctypes.data
            frame[program.workspace_slot] = work.ctypes.data
            frame[program.workspace_slot + 1] = ctypes.cast(self._host, ctypes.c_void_p).value
            if program.threads > 1:
                from .threads import pool

                frame[program.workspace_slot + 2] = pool(program.threads)
            self._local.arrays = arrays
            status = self._call(ctypes.addressof(frame))
        finally:
            self._free.append(work)
        if status == 1:
            raise GuardError("plain Python would branch otherwise for these inputs")
        if status == 2:
            raise self._local.error
        return [_like(v, a) for v, a in zip(self._outputs, outputs, strict=True)]

    def _workspace(self) -> np.ndarray[Any, Any]:
        """Return memory that nobody else is using now."""
        try:
            return self._free.pop()
        except IndexError:
            room = np.empty(self.program.workspace + 64, np.uint8)
            start = -room.ctypes.data % 64
            return room[start : start + self.program.workspace]

    def _on_host(self, number: int, frame: int) -> int:
        """Let NumPy compute a gate in the middle of a program."""
        try:
            call: HostCall = self.program.hosts[number]
            gate, recorded, result = call.node.value
            inputs = []
            for access, place, like in zip(call.node.operands, call.reads, recorded, strict=True):
                inputs.append(self._read(access.node, access.shape, place, like, frame))
            with np.errstate(all="ignore"):
                value = gate.compute(inputs, call.node.settings)
            self._write(call, value, frame)
            return 0
        except Exception as error:
            self._local.error = error
            return 1

    def _read(self, number: int, shape: Any, place: Any, like: Any, frame: int) -> Any:
        slot, offset = place
        start = ctypes.c_void_p.from_address(frame + 8 * slot).value or 0
        dtype = np.asarray(like).dtype
        count = int(np.prod(shape, dtype=int))
        raw = (ctypes.c_char * (count * dtype.itemsize)).from_address(start + offset)
        array = np.frombuffer(raw, dtype).reshape(shape)
        return array.item() if type(like) in (float, int, bool) else array[()]

    def _write(self, call: HostCall, value: Any, frame: int) -> None:
        slot, offset = call.writes
        start = ctypes.c_void_p.from_address(frame + 8 * slot).value or 0
        array = np.ascontiguousarray(value)
        ctypes.memmove(start + offset, array.ctypes.data, array.nbytes)


def _like(recorded: Any, array: np.ndarray[Any, Any]) -> Any:
    """Return a result as NumPy and Python would: a float where a float was recorded."""
    if isinstance(recorded, np.ndarray):
        return array
    if isinstance(recorded, np.generic):
        return array[()]
    return array.item()

