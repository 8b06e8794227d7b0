"""Circuits of plain floats as one straight line of code, every wire in a register.

`i64 @scalars(ptr inputs, ptr outputs)` reads an array of doubles, writes another, and returns 0; or
1 as soon as a guard finds that plain Python would branch otherwise. Truth values are `i1` where a
comparison makes them and 0.0 or 1.0 where they are stored. Good for a few thousand rows, since
LLVM's time grows faster than the text; `large` has the rest.

A gate is lowered by its entry in `elementwise.EMITTERS`. One without an entry may still be lowered
here by its record alone: a gate whose `scalar_code` is `{0}` gives its input (a sum of one number).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT, INPUT, Columns
from ...gates.gate import Gate
from .builder import Builder, Value, constant
from .elementwise import EMITTERS
from .nodes import NotLowered
from .target import Target

Guards = Sequence[tuple[int, bool | int]]

LOGICAL = frozenset(
    [f"logical_{word}" for word in ("and", "or", "xor", "not")]
    + [f"bitwise_{word}" for word in ("and", "or", "xor")]
    + ["invert"]
)
_MOST_EXACT = 2**53
"""Up to here every integer is a double."""


def scalar_function(
    columns: Columns,
    inputs: Sequence[int],
    outputs: Sequence[int],
    guards: Guards,
    target: Target,
    name: str = "scalars",
) -> Builder:
    """Write `i64 @scalars(ptr inputs, ptr outputs)` for a circuit of plain floats.

    Parameters
    ----------
    columns : Columns
        The rows; only those that an output or a guard needs are written.
    inputs, outputs : sequence of int
        The rows that are read from the first array and written to the second, in order.
    guards : sequence of (int, bool or int)
        Rows on which Python branched, and what it saw.
    target : Target
        What the code is for.
    name : str
        The function's name.

    Raises
    ------
    NotLowered
        If a wire is no plain number, or a gate has no emitter.
    """
    b = Builder(name, [("ptr noalias", "inputs"), ("ptr noalias", "outputs")], target, "i64")
    watched: dict[int, list[bool | int]] = {}
    for row, seen in guards:
        watched.setdefault(row, []).append(seen)
    needed = columns.needed_for([*outputs, *watched])
    values: dict[int, Value] = {}
    for k, row in enumerate(inputs):
        if needed[row]:
            values[row] = b.load("double", b.address(b.arguments["inputs"], k, "double"))

    def value_of(row: int) -> Value:
        if row not in values:  # constants: the simplifier adds them behind their readers
            values[row] = number_of(columns, row)
        return values[row]

    for row, gate in enumerate(columns.gates):
        if not needed[row]:
            continue
        if gate is not INPUT and gate is not CONSTANT:
            arguments = [value_of(k) for k in columns.inputs(row)]
            values[row] = emit_gate(b, gate, arguments, columns.settings_of(row))
        if row in watched:
            # At once: behind a branch not taken nothing is worth its time.
            for seen in watched[row]:
                leave_unless(b, value_of(row), seen)
    for k, row in enumerate(outputs):
        b.store(as_double(b, value_of(row)), b.address(b.arguments["outputs"], k, "double"))
    b.ret(Value("i64", "0"))
    return b


def number_of(columns: Columns, row: int) -> Value:
    """Return the literal of a constant row."""
    number = columns.values[row]
    if columns.gates[row] is not CONSTANT:
        raise NotLowered(f"row {row} is used before it is made")
    if isinstance(number, (bool, np.bool_)):
        return constant("i1", bool(number))
    return constant("double", plain_number(number))


def plain_number(number: Any) -> float:
    """Return a constant as a double, which it must be without loss."""
    if not isinstance(number, (float, int)):
        raise NotLowered(f"a constant of type {type(number).__name__}")
    if isinstance(number, int) and abs(number) > _MOST_EXACT:
        raise NotLowered("an integer that no double can hold")
    return float(number)


def as_double(b: Builder, value: Value) -> Value:
    """Return a number; of a truth value 0.0 or 1.0."""
    return b.convert("uitofp", value, "double") if value.element == "i1" else value


def as_truth(b: Builder, value: Value) -> Value:
    """Return Python's truth of a number: nan is true."""
    return value if value.element == "i1" else b.compare("une", value, constant(value.type, 0.0))


def emit_gate(b: Builder, gate: Gate, values: Sequence[Value], settings: dict[str, Any]) -> Value:
    """Append a gate of plain numbers and return its value: a double or an `i1`, or lanes of them.

    Raises
    ------
    NotLowered
        If there is no emitter for the gate.
    """
    if gate.scalar_code == "{0}":
        return values[0]
    emitter = EMITTERS.get(gate.name)
    if emitter is None:
        raise NotLowered(f"no emitter for {gate.name}")
    if gate.name in LOGICAL:
        values = [as_truth(b, value) for value in values]
    elif gate.name == "where":
        values = [as_truth(b, values[0]), *(as_double(b, value) for value in values[1:])]
    else:
        values = [as_double(b, value) for value in values]
    result: Value = emitter(b, *values, **settings)
    return result


def leave_unless(b: Builder, value: Value, seen: bool | int) -> None:
    """Append a guard: return 1 where Python would see something else."""
    if isinstance(seen, bool):
        holds = as_truth(b, value)
        if not seen:
            holds = b.xor(holds, constant(holds.type, True))
    else:  # int() cuts towards zero; that of nan is an error in Python, and false here
        whole = b.intrinsic("trunc", as_double(b, value))
        holds = b.compare("oeq", whole, constant(whole.type, seen))
    if holds.lanes:
        holds = b.call(f"llvm.vector.reduce.and.v{holds.lanes}i1", "i1", holds)
    on, off = b.label(), b.label()
    b.branch(holds, on, off)
    b.start(off)
    b.ret(Value("i64", "1"))
    b.start(on)
