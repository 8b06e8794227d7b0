"""The contributions behind the gradients that a circuit shows at its point.

A sigmoid written out of smaller gates is differentiated as one gate, which keeps digits and does
not overflow. A reading that goes through a pass gate by gate may prefer the small gates; it gets
them as long as they lead to the same gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import Columns
from .backward import backward, is_float
from .contributions import Contributions
from .recognise import recognise_sigmoids

_SAME = 1e-9  # relative difference of gradients up to which the small gates are shown


def seed_of(value: Any) -> Any:
    """Return the gradient of an output by itself."""
    return 1.0 if type(value) is float else np.ones((), value.dtype)[()]


def active_rows(circuit: Circuit, output: int) -> bytearray:
    """Mark the rows that take a gradient: those that a float input can move."""
    floats = [row for row in circuit.inputs if is_float(circuit.columns.values[row])]
    return circuit.columns.reached_from(floats, output + 1)


def recognised(circuit: Circuit) -> Columns:
    """Return the columns with each written-out sigmoid as one gate."""
    read = [*circuit.outputs, *(row for row, _ in circuit.guards)]
    return recognise_sigmoids(circuit.columns, read, circuit.hint_of)


def contributions_at(circuit: Circuit, output: int) -> Contributions:
    """Return what each gate hands to its inputs, in as small gates as tell the truth.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    output : int
        The row of its one number; a row that no input moves has no contributions.
    """
    columns = circuit.columns
    active = active_rows(circuit, output)
    if not active[output]:
        return Contributions(columns, [])
    seeds = [(output, seed_of(columns.values[output]))]
    whole = recognised(circuit)
    if whole is not columns:
        with np.errstate(all="ignore"):
            small, large = (backward(c, seeds, active=active) for c in (columns, whole))
        if not all(_agree(small[row], large[row]) for row in circuit.inputs if row < len(small)):
            columns = whole
    return Contributions(columns, seeds, active)


def _agree(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=_SAME, atol=0.0, equal_nan=True))
