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
    for row, value in zip(circuit.inputs, inputs, strict=True):
        values[row] = value
    for row, gate in enumerate(columns.gates):
        if gate is CONSTANT:
            values[row] = columns.values[row]
        elif gate is not INPUT:
            arguments = [values[k] for k in columns.inputs(row)]
            values[row] = gate.compute(arguments, columns.settings_of(row))
    if check_guards:
        check(circuit, values)
    return values


def check(circuit: Circuit, values: list[Any]) -> None:
    """Raise `GuardError` where the recorded branch is not the one these values take."""
    for row, seen in circuit.guards:
        if values[row] is not None and type(seen)(values[row]) != seen:
            name = circuit.names[row]
            raise GuardError(
                f"{circuit.site_of(row)}: the function branches on {name}, which was {seen} when "
                f"it was traced and is {values[row]} for these inputs: trace it again there."
            )


def interpret(circuit: Circuit) -> Callable[..., Any]:
    """Return a function of the circuit's traced leaves that gives its outputs."""

    def machine(*inputs: Any) -> Any:
        values = run(circuit, inputs)
        return circuit.output_tree.build(values[row] for row in circuit.outputs)

    return machine
