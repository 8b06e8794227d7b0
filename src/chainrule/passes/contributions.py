"""What each gate hands to each of its inputs, at a point: the chain rule, gate by gate.

`backward` adds contributions up; a reading that tells them one by one asks here. Nothing is worked
out twice: the backward pass itself runs, and what it adds is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..circuit.columns import Columns
from .backward import backward, is_float


class Contribution(NamedTuple):
    """What a gate hands to one of its inputs.

    Parameters
    ----------
    row : int
        The input.
    slope : int, float, ndarray or None
        The local gradient; None where the gate is structural and has none to show.
    part : float, ndarray or None
        The contribution, in the input's shape; None where nothing goes.
    """

    row: int
    slope: Any
    part: Any


class Contributions:
    """All contributions of a backward pass.

    Parameters
    ----------
    columns : Columns
        The recorded gates and their values.
    seeds : sequence of (int, gradient)
        Rows where the pass starts, each with its upstream gradient.
    active : bytearray, optional
        1 for the rows that take a gradient; all floats but constants by default.

    Examples
    --------
    >>> from chainrule.gates import GATES
    >>> columns = Columns()
    >>> for value in (3.0, -4.0):
    ...     _ = columns.append(GATES["sin"], (), {}, value)
    >>> row = columns.append(GATES["multiply"], (0, 1), {}, -12.0)
    >>> found = Contributions(columns, [(row, 2.0)])
    >>> [tuple(c) for c in found.of(row)]
    [(0, -4.0, -8.0), (1, 3.0, 6.0)]
    >>> found.to(0)
    [(2, -8.0)]
    """

    def __init__(
        self,
        columns: Columns,
        seeds: Sequence[tuple[int, Any]],
        active: bytearray | None = None,
    ) -> None:
        self.columns = columns
        self._of: dict[int, list[tuple[int, Any]]] = {}
        self._to: dict[int, list[tuple[int, Any]]] = {}
        by = -1  # the gate whose turn it is; none while the seeds are laid

        def on_row(row: int) -> None:
            nonlocal by
            by = row

        def on_sum(source: int, part: Any, total: Any) -> Any:
            if by >= 0:
                self._of.setdefault(by, []).append((source, part))
                self._to.setdefault(source, []).append((by, part))
            return total

        if seeds:
            with np.errstate(all="ignore"):
                backward(columns, seeds, active=active, on_row=on_row, on_sum=on_sum)

    def of(self, row: int) -> list[Contribution]:
        """Return what a gate hands to each of its inputs, in their order."""
        columns = self.columns
        events = self.parts(row)
        found = []
        following = 0
        for index, source in enumerate(columns.inputs(row)):
            # The events are in the order of the inputs, those that get nothing left out.
            part = None
            if following < len(events) and events[following][0] == source:
                part = events[following][1]
                following += 1
            found.append(Contribution(source, self._slope(row, index), part))
        return found

    def parts(self, row: int) -> list[tuple[int, Any]]:
        """Return (input, contribution) for all that a gate hands on, in order; no slopes."""
        return self._of.get(row, [])

    def to(self, row: int) -> list[tuple[int, Any]]:
        """Return (gate, contribution) for all that a wire gets, in the order of arrival."""
        return self._to.get(row, [])

    def _slope(self, row: int, index: int) -> Any:
        columns = self.columns
        gate = columns.gates[row]
        inputs = columns.inputs(row)
        if gate.local is None or not is_float(columns.values[inputs[index]]):
            return None
        # NumPy's floats, because Python's raise where a slope is infinite.
        values = [
            np.float64(v) if type(v) is float else v
            for v in (columns.values[k] for k in (row, *inputs))
        ]
        with np.errstate(all="ignore"):
            slope = gate.local[index](*values, **columns.settings_of(row))
        return float(slope) if type(slope) is np.float64 else slope
