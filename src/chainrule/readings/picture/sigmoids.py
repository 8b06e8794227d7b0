"""A circuit as it is to be drawn: each sigmoid as it was written, as one gate, or taken apart.

Taken apart, a sigmoid is the lecture's four gates, with the values and gradients of their wires;
the picture alone has those wires, so they have no row in the circuit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT, Columns
from ...gates import GATES
from ...passes.recognise import recognise_sigmoids
from ...tracing.sites import here

_SIGMOID = GATES["sigmoid"]
_MODES = (None, "gate", "parts")


@dataclass(frozen=True)
class Shown:
    """The rows to draw, with their gradients and names.

    Attributes
    ----------
    origin : sequence of int
        The row of the circuit that each is; -1 for one that only the picture has.
    """

    circuit: Any
    columns: Columns
    gradients: Sequence[Any]
    outputs: tuple[int, ...]
    origin: Sequence[int]

    def name(self, row: int) -> str:
        """Return the name of a wire; one of the picture's own is called after what comes of it."""
        later = row
        while self.origin[later] < 0:
            later += 1
        name = str(self.circuit.names[self.origin[later]])
        return name if later == row else f"{name}'{later - row}"

    def hint(self, row: int) -> str | None:
        """Return the unique form of the name that the user gave a wire, if any."""
        if self.origin[row] < 0 or not self.circuit.hint_of(self.origin[row]):
            return None
        return self.name(row)

    def line(self, row: int) -> int:
        """Return the line of the user's file that made a row."""
        return int(self.site(row).line)

    def site(self, row: int) -> Any:
        """Return where a row was made; for a part, where its sigmoid was."""
        while self.origin[row] < 0:
            row += 1
        return self.circuit.site_of(self.origin[row])


def shown(circuit: Any, gradients: Sequence[Any], sigmoid: str | None) -> Shown:
    """Return the rows to draw.

    Raises
    ------
    ValueError
        If `sigmoid` is none of None, "gate", "parts".
    """
    if sigmoid not in _MODES:
        raise ValueError(f"{here()}sigmoid must be None, 'gate' or 'parts', not {sigmoid!r}")
    columns, outputs = circuit.columns, tuple(circuit.outputs)
    if sigmoid == "gate":
        columns = recognise_sigmoids(columns, outputs, circuit.hint_of)
    if sigmoid == "parts" and _SIGMOID in set(columns.gates):
        return _taken_apart(circuit, gradients)
    return Shown(circuit, columns, gradients, outputs, range(len(columns)))


def _taken_apart(circuit: Any, gradients: Sequence[Any]) -> Shown:
    old, new = circuit.columns, Columns()
    moved: list[int] = []
    origin: list[int] = []
    found: list[Any] = []

    def add(name: str, inputs: tuple[int, ...], gradient: Any, row: int = -1) -> int:
        gate = GATES[name]
        value = gate.compute(tuple(new.values[k] for k in inputs), {})
        origin.append(row)
        found.append(gradient)
        return new.append(gate, inputs, {}, old.values[row] if row >= 0 else value)

    one = -1
    for row, gate in enumerate(old.gates):
        inputs = tuple(moved[k] for k in old.inputs(row))
        if gate is not _SIGMOID:
            moved.append(new.append(gate, inputs, old.settings_of(row), old.values[row]))
            origin.append(row)
            found.append(gradients[row])
            continue
        if one < 0:
            one = new.append(CONSTANT, (), {}, 1.0)
            origin.append(-1)
            found.append(None)
        g, s = gradients[row], old.values[row]
        with np.errstate(all="ignore"):
            # 1/x has the slope -s²; + passes it on; e^x multiplies by (1 - s) / s: (1 - s) s of g.
            at_sum = None if g is None else -g * s * s
            at_minus = None if g is None else -g * s * (1 - s)
            minus = add("negative", inputs, at_minus)
            power = add("exp", (minus,), at_sum)
            total = add("add", (one, power), at_sum)
        moved.append(add("reciprocal", (total,), g, row))
    return Shown(circuit, new, found, tuple(moved[k] for k in circuit.outputs), origin)
