"""Circuits of plain floats as one straight line of code, every wire in a register.

`i64 @scalars(ptr inputs, ptr outputs)` reads an array of doubles, writes another, and returns 0; or
1 as soon as a guard finds that plain Python would branch otherwise. Truth values are `i1` where a
comparison makes them and 0.0 or 1.0 where they are stored. Good for a few thousand rows, since
LLVM's time grows faster than the text; `large` has the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress

from ...circuit.columns import CONSTANT, INPUT, Columns
from .builder import Builder, Value, constant
from .nodes import NotLowered
from .number_gates import GateWriter, as_double, leave_unless, plain_number
from .target import Target

Guards = Sequence[tuple[int, bool | int]]


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

    write = GateWriter(b, Counter(compress(columns.gates, needed)))
    for row, gate in enumerate(columns.gates):
        if not needed[row]:
            continue
        if gate is not INPUT and gate is not CONSTANT:
            arguments = [value_of(k) for k in columns.inputs(row)]
            values[row] = write(gate, arguments, columns.settings_of(row))
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
    if isinstance(number, bool):
        return constant("i1", number)
    return constant("double", plain_number(number))
