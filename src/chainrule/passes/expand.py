"""Draw gates out of simpler ones, for machines that know only the simple ones.

A gate's `expand` is plain NumPy: called with traced values it draws what it is made of. A machine
says which gates it knows; the others are drawn out again and again until it knows all of them, or
they have nothing simpler to offer. Where an `expand` branches on a traced value (are these labels
of known classes?), that is a guard like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, INPUT, Columns
from ..gates import Gate
from ..tracing.tape import Tape, recording
from ..tracing.traced import Traced

_DEPTH = 8  # a variance is made of means, a mean of sums: no gate is made of more layers than this


def expand(
    columns: Columns, read: Sequence[int], knows: Callable[[Gate], bool]
) -> tuple[Tape, list[int], list[tuple[int, bool | int]]]:
    """Return rows with the unknown gates drawn out, where what is read went, and new guards.

    Parameters
    ----------
    columns : Columns
        The recorded rows; left as they are.
    read : sequence of int
        Rows that somebody reads: inputs, outputs, guards. Rows on which none of them depends go.
    knows : callable
        Whether the machine knows a gate.
    """
    tape, rows = _drawn(columns, read, knows)
    seen: list[bool | int] = []
    for _ in range(_DEPTH):
        rows += [row for row, _ in tape.guards]
        seen += [value for _, value in tape.guards]
        if all(_is_final(gate, knows) for gate in set(tape.gates)):
            break
        tape, rows = _drawn(tape, rows, knows)
    count = len(read)
    return tape, rows[:count], list(zip(rows[count:], seen, strict=True))


def _is_final(gate: Gate, knows: Callable[[Gate], bool]) -> bool:
    return gate is INPUT or gate is CONSTANT or gate.expand is None or knows(gate)


def _drawn(
    columns: Columns, read: Sequence[int], knows: Callable[[Gate], bool]
) -> tuple[Tape, list[int]]:
    tape = Tape(Traced, with_sites=False)
    tape.borrows = True
    needed = columns.needed_for(list(read))
    new: list[int] = [-1] * len(columns)
    with np.errstate(all="ignore"), recording(tape):
        # Constants first: simplifying adds some behind the rows that read them.
        for row, gate in enumerate(columns.gates):
            if needed[row] and gate is CONSTANT:
                new[row] = tape.constant(columns.values[row])
        for row, gate in enumerate(columns.gates):
            if not needed[row] or gate is CONSTANT:
                continue
            value = columns.values[row]
            if gate is INPUT:
                new[row] = tape.append(INPUT, (), {}, value)
                continue
            inputs = tuple(new[k] for k in columns.inputs(row))
            settings = columns.settings_of(row)
            if not _is_final(gate, knows) and gate.expand is not None:
                drawn = gate.expand(*(_wire(tape, k) for k in inputs), **settings)
                if isinstance(drawn, Traced) and _alike(tape.values[drawn._current()], value):
                    new[row] = drawn._current()
                    continue
            new[row] = tape.append(gate, inputs, settings, value)
    return tape, [new[row] for row in read]


def _alike(drawn: Any, value: Any) -> bool:
    """Whether a drawn value can stand for the gate's own; the rest is the machine's to refuse."""
    return (
        np.shape(drawn) == np.shape(value)
        and np.asarray(drawn).dtype == np.asarray(value).dtype
        and (type(drawn) is float) == (type(value) is float)
    )


def _wire(tape: Tape, row: int) -> Any:
    """Return what a rule is to be called with: a number or array for a constant."""
    return tape.values[row] if tape.gates[row] is CONSTANT else tape.handle(row)
