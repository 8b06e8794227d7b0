"""What must be known to call a program, apart from its code: kept in the cache beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...circuit.circuit import Circuit
from ...circuit.columns import CONSTANT

STOPPABLE = 2e8
"""Vector operations, a tenth of a second: from here on Ctrl-C must come through a call."""
DTYPES: dict[str, np.dtype[Any]] = {
    "double": np.dtype("f8"),
    "float": np.dtype("f4"),
    "i64": np.dtype("i8"),
    "i32": np.dtype("i4"),
    "i1": np.dtype("?"),
}


@dataclass(slots=True)
class Layout:
    """The frame of a program.

    Attributes
    ----------
    inputs, outputs : list of (str, shape)
        LLVM's type of an element, and the shape, in the order of the frame.
    constants : list of ndarray
        The arrays behind the constants' slots.
    workspace : int
        Bytes.
    threads : int
        How many threads run the program at once.
    cost : float
        Estimated time of a call, in vector operations: about a cycle each.
    over : dict of int to int
        Positions of outputs that are safely written over an input, by position.
    report : list of str
        What was fused, for people.
    buffers : int
        How many arrays share the workspace.
    operations : int
        Floating-point operations of a call, a gate counted as one.
    stops : bool
        Whether a call may end early: at a guard, or where a gate that NumPy computes raises.
    """

    inputs: list[tuple[str, tuple[int, ...]]]
    outputs: list[tuple[str, tuple[int, ...]]]
    constants: list[np.ndarray[Any, Any]]
    workspace: int
    threads: int = 1
    cost: float = 0.0
    over: dict[int, int] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)
    buffers: int = 0
    operations: int = 0
    stops: bool = False

    @property
    def workspace_slot(self) -> int:
        """The frame's slot of the workspace; host function, pool and status come after it."""
        return len(self.inputs) + len(self.outputs) + len(self.constants)

    def described(self) -> str:
        """Return the passes, the workspace and the work of a call, for people."""
        lines = ["one pass over each of these, with what is computed on the way:", *self.report]
        lines.append(
            f"{self.buffers} buffers in {self.workspace:,} bytes of workspace; "
            f"{self.operations:,} floating-point operations, "
            f"{self.threads} thread{'s' * (self.threads > 1)}"
        )
        return "\n".join(lines)

    def to_json(self, circuit: Circuit) -> dict[str, Any]:
        """Return plain data; constants that the circuit has are named by their row."""
        rows = {
            id(value): row
            for row, value in enumerate(circuit.columns.values)
            if circuit.columns.gates[row] is CONSTANT and isinstance(value, np.ndarray)
        }
        data = asdict(self)
        data["over"] = list(self.over.items())
        data["constants"] = [
            ["row", rows[id(a)]]
            if id(a) in rows
            else ["data", a.dtype.str, a.shape, base64.b64encode(a.tobytes()).decode()]
            for a in self.constants
        ]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any], circuit: Circuit) -> Layout:
        """Return the layout that `to_json` wrote, for a circuit with the same fingerprint."""
        constants = []
        for kind, *rest in data["constants"]:
            if kind == "row":
                constants.append(np.require(circuit.columns.values[rest[0]], None, ["C", "A"]))
                continue
            dtype, shape, text = rest
            raw = np.frombuffer(base64.b64decode(text), dtype)
            constants.append(np.require(raw.reshape(shape), None, ["C", "A"]))
        return cls(
            inputs=[(kind, tuple(shape)) for kind, shape in data["inputs"]],
            outputs=[(kind, tuple(shape)) for kind, shape in data["outputs"]],
            constants=constants,
            workspace=data["workspace"],
            threads=data["threads"],
            cost=data["cost"],
            over={int(o): int(i) for o, i in data["over"]},
            report=data["report"],
            stops=data["stops"],
            buffers=data["buffers"],
            operations=data["operations"],
        )


def fingerprint(circuit: Circuit, *more: object) -> Iterator[bytes]:
    """Iterate over everything that the code of a circuit depends on."""
    columns = circuit.columns
    yield repr(more).encode()
    yield columns.left.tobytes()
    yield columns.right.tobytes()
    yield " ".join(gate.name for gate in columns.gates).encode()
    yield repr(sorted(columns.more.items())).encode()
    for row, settings in columns.settings.items():
        yield f"{row} {_settings(settings)}".encode()
    numbers = []
    for row, value in enumerate(columns.values):
        kind = type(value)
        is_constant = columns.gates[row] is CONSTANT
        if kind is float and not is_constant:
            continue
        if isinstance(value, (np.ndarray, np.generic)):
            yield f"{row} {kind.__name__} {value.dtype} {value.shape}".encode()
            if is_constant:
                yield hashlib.sha256(np.ascontiguousarray(value).data).digest()
        else:
            numbers.append(f"{row} {kind.__name__} {value!r}" if is_constant else str(row))
    yield "\n".join(numbers).encode()
    if any(gate.name == "exp" for gate in columns.gates):
        # A sigmoid is recognised only where its parts have no names of the user's.
        yield bytes(bool(circuit.hint_of(row)) for row in range(len(columns)))
    yield repr((circuit.inputs, circuit.outputs, circuit.guards)).encode()


def _settings(settings: dict[str, Any]) -> str:
    if any(isinstance(value, np.ndarray) for value in settings.values()):
        settings = {
            key: value.tobytes() if isinstance(value, np.ndarray) else value
            for key, value in settings.items()
        }
    return repr(sorted(settings.items())) if settings else ""


def is_scalar(circuit: Circuit) -> bool:
    """Whether every wire is a plain Python number."""
    values, needed = circuit.columns.values, circuit.needed
    plain = (float, int, bool)
    return all(type(values[row]) is float for row in circuit.inputs) and all(
        type(value) in plain for value, mark in zip(values, needed, strict=True) if mark
    )
