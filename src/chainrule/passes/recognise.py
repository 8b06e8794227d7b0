"""Recognise the sigmoid where it was written out of smaller gates.

1 / (1 + exp(-x)) is four gates; as one gate it has the slope (1 - s) s, reads as one line, and
does not overflow. Only wires that the user did not name and did not use elsewhere are taken in.
"""

from __future__ import annotations

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, Columns
from ..gates import GATES

_SIGMOID = GATES["sigmoid"]


def recognise_sigmoids(circuit: Circuit, columns: Columns) -> None:
    """Replace the last gate of each written-out sigmoid in a copy of the circuit's columns."""
    uses = [0] * len(columns)
    for row in range(len(columns)):
        for k in columns.inputs(row):
            uses[k] += 1
    for row in (*circuit.outputs, *(row for row, _ in circuit.guards)):
        uses[row] += 1

    def inner(row: int, gate: str) -> bool:
        """Whether the row is this gate, used once, and not a name of the user's."""
        return (
            columns.gates[row].name == gate and uses[row] == 1 and circuit.hint_of(row) is None
        )

    def is_one(row: int) -> bool:
        value = columns.values[row]
        return columns.gates[row] is CONSTANT and type(value) in (int, float) and value == 1

    for row, gate in enumerate(columns.gates):
        if gate.name == "divide" and is_one(columns.left[row]):
            below = columns.right[row]
        elif gate.name == "reciprocal":
            below = columns.left[row]
        else:
            continue
        if not inner(below, "add"):
            continue
        first, second = columns.left[below], columns.right[below]
        power = second if is_one(first) else first if is_one(second) else -1
        if power < 0 or not inner(power, "exp"):
            continue
        minus = columns.left[power]
        if not inner(minus, "negative"):
            continue
        source = columns.left[minus]
        columns.gates[row] = _SIGMOID
        columns.left[row], columns.right[row] = source, -1
