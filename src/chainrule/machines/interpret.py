"""The reference machine: one gate after the other, each by its own forward function.

Slow and obvious. Every other machine, and every emitted listing, is tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..errors import GuardError


def run(circuit: Circuit, inputs: Sequence[Any], *, check_guards: bool = True) -> list[Any]:
    """Return the value of every row of a circuit for other inputs.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    inputs : sequence
        One value for each input, in order.
    check_guards : bool
        Whether to raise when plain Python would branch otherwise at these inputs.

    Raises
    ------
    GuardError
        If a branch of the recorded function would be another one.
    """
    columns = circuit.columns
    values: list[Any] = [None] * len(columns)
    guarded = {row for row, _ in circuit.guards} if check_guards else set()
    for row, value in zip(circuit.inputs, inputs, strict=True):
        values[row] = value
    for row, gate in enumerate(columns.gates):
        if gate is CONSTANT:
            values[row] = columns.values[row]
        elif gate is not INPUT:
            arguments = [values[k] for k in columns.inputs(row)]
            values[row] = gate.compute(arguments, columns.settings_of(row))
        if row in guarded:
            # At once: behind a branch not taken, shapes may be such that no gate can go on.
            _check(circuit, row, values[row])
    return values


def _check(circuit: Circuit, row: int, value: Any) -> None:
    """Raise `GuardError` where the recorded branch is not the one that this value takes."""
    for guarded, seen in circuit.guards:
        if guarded == row and type(seen)(value) != seen:
            raise GuardError(
                f"{circuit.site_of(row)}: the function branches on {circuit.names[row]}, which was "
                f"{seen} when it was traced and is {value} for these inputs: trace it again there."
            )


def interpret(circuit: Circuit) -> Callable[..., Any]:
    """Return a function of the circuit's traced leaves that gives its outputs."""

    def machine(*inputs: Any) -> Any:
        values = run(circuit, inputs)
        return circuit.output_tree.build(values[row] for row in circuit.outputs)

    return machine
