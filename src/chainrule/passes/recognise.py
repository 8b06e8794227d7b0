"""Recognise the sigmoid where it was written out of smaller gates.

1 / (1 + exp(-x)) is four gates; as one gate it has the slope (1 - s) s, reads as one line, and
does not overflow. Only wires that the user did not name and did not use elsewhere are taken in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy

from ..circuit.columns import CONSTANT, Columns
from ..gates import GATES

_SIGMOID = GATES["sigmoid"]
_EXP = GATES["exp"]


def recognise_sigmoids(
    columns: Columns, read: Iterable[int], named: Callable[[int], str | None]
) -> Columns:
    """Return the columns with the last gate of each written-out sigmoid made a sigmoid.

    Parameters
    ----------
    columns : Columns
        Left as they are; the same object comes back where there is nothing to recognise.
    read : iterable of int
        Rows that somebody reads beside the gates: outputs and guards.
    named : callable
        The user's name for a row, or None.
    """
    if _EXP not in set(columns.gates):
        return columns
    uses = [0] * len(columns)
    for row in range(len(columns)):
        for k in columns.inputs(row):
            uses[k] += 1
    for row in read:
        uses[row] += 1

    def inner(row: int, gate: str) -> bool:
        """Whether the row is this gate, used once, and not a name of the user's."""
        return columns.gates[row].name == gate and uses[row] == 1 and named(row) is None

    def is_one(row: int) -> bool:
        value = columns.values[row]
        return columns.gates[row] is CONSTANT and type(value) in (int, float) and value == 1

    found: list[tuple[int, int]] = []
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
        if inner(minus, "negative"):
            found.append((row, columns.left[minus]))
    if not found:
        return columns
    changed = copy(columns)
    changed.gates, changed.left = list(columns.gates), columns.left[:]
    changed.right = columns.right[:]
    for row, source in found:
        changed.gates[row] = _SIGMOID
        changed.left[row], changed.right[row] = source, -1
    return changed
