"""Kinks and branches: where a difference quotient has no right answer, and what is said of it.

At a kink any number between the slopes of the two sides is a subgradient, so a gradient there is
right if it lies between them. Which gates have kinks, and on which side of them they are, the
tables say; what plain Python decided, the circuit's guards say.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..circuit.circuit import Circuit
from .evaluation import Evaluation
from .report import Kink, at, makes, place, where


def kinks_at_the_point(evaluation: Evaluation) -> list[int]:
    """Return the rows that are exactly at a kink, or that float32 cannot tell from one."""
    return [
        row
        for row, side in evaluation.sides.items()
        if row in evaluation.rounded or np.any(side == 0)
    ]


def describe_kink(evaluation: Evaluation, row: int) -> Kink:
    """Return the record of a gate whose kink is too near to step around."""
    circuit, columns = evaluation.circuit, evaluation.columns
    gate = columns.gates[row]
    assert gate.kink is not None
    arguments = [columns.values[k] for k in columns.inputs(row)]
    with np.errstate(all="ignore"):
        distances = np.abs(np.asarray(gate.kink(*arguments, **columns.settings_of(row)), float))
    nearest = float(np.min(distances, initial=np.inf))
    spots = np.argwhere(distances == nearest)
    shape = np.shape(columns.values[row])
    index = tuple(int(k) for k in spots[0]) if len(spots) and distances.shape == shape else ()
    distance = "at its kink" if nearest == 0 else f"{nearest:.2g} from its kink"
    count = len(spots)
    spread = f"{at(index)}" + (f" and {count - 1} more" if count > 1 else "")
    return Kink(
        message=f"{makes(circuit, row)}: {distance}{spread}",
        distance=nearest,
        index=index or None,
        count=count,
        **place(circuit, row),
    )


def describe_branch(circuit: Circuit, row: int) -> Kink:
    """Return the record of a Python branch that a small step would turn."""
    seen = next(seen for guarded, seen in circuit.guards if guarded == row)
    inputs = circuit.columns.inputs(row)
    sides = [circuit.columns.values[k] for k in inputs]
    # A comparison of two numbers is as far from turning as they are apart.
    distance = abs(float(sides[0]) - float(sides[1])) if len(sides) == 2 else 0.0
    return Kink(
        message=f"{where(circuit, row)}the function branches on {makes(circuit, row, placed=False)}"
        f", which was {seen} and would turn within the smallest step",
        distance=distance,
        **place(circuit, row),
    )


def listed(evaluation: Evaluation, rows: Iterable[int], branches: Iterable[int]) -> list[Kink]:
    """Return the records of kinks and branches, in forward order, each row once."""
    guarded = {row for row, _ in evaluation.guards}
    turning = {*branches, *(row for row in rows if row in guarded)}
    found = {row: describe_kink(evaluation, row) for row in rows if row not in turning}
    found.update({row: describe_branch(evaluation.circuit, row) for row in turning})
    return [found[row] for row in sorted(found)]
