"""Recorded gates as rows of flat columns: a wire is a row number, set once.

No Python object per gate that points at other gates: nothing for the cyclic garbage collector to
walk, nothing to recurse over, a few dozen bytes a gate. Inputs come before their gate, so the row
order is a forward order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from ..gates.gate import Gate

INPUT = Gate(
    name="input",
    forward=lambda: None,
    why="an input is where the gradient arrives",
    words="is an input",
    pattern="stops",
    domain=(),
)
CONSTANT = Gate(
    name="constant",
    forward=lambda: None,
    why="a constant does not move",
    words="is a constant",
    pattern="stops",
    domain=(),
)
NO_SETTINGS: dict[str, Any] = {}


class Columns:
    """The rows of a recording.

    Attributes
    ----------
    gates : list of Gate
        The gate of each row; `INPUT` and `CONSTANT` for rows that no gate made.
    left, right : array of int32
        The rows of the first and second input; -1 where there is none.
    more : dict of int to tuple of int
        All input rows of the few gates with more than two.
    settings : dict of int to dict
        The keyword settings of the rows that have any.
    values : list
        What each row gave: a Python float, a NumPy scalar or array.
    """

    __slots__ = ("gates", "left", "more", "right", "settings", "values")

    def __init__(self) -> None:
        self.gates: list[Gate] = []
        self.left = array("i")
        self.right = array("i")
        self.more: dict[int, tuple[int, ...]] = {}
        self.settings: dict[int, dict[str, Any]] = {}
        self.values: list[Any] = []

    def __len__(self) -> int:
        return len(self.gates)

    def append(
        self, gate: Gate, inputs: tuple[int, ...], settings: dict[str, Any], value: Any
    ) -> int:
        """Add a row and return its number."""
        row = len(self.gates)
        count = len(inputs)
        self.gates.append(gate)
        self.left.append(inputs[0] if count else -1)
        self.right.append(inputs[1] if count > 1 else -1)
        self.values.append(value)
        if count > 2:
            self.more[row] = inputs
        if settings:
            self.settings[row] = settings
        return row

    def inputs(self, row: int) -> tuple[int, ...]:
        """Return the rows that feed this one."""
        left = self.left[row]
        if left < 0:
            return ()
        right = self.right[row]
        if right < 0:
            return (left,)
        if self.more and row in self.more:
            return self.more[row]
        return left, right

    def settings_of(self, row: int) -> dict[str, Any]:
        """Return the keyword settings of a row."""
        return self.settings.get(row, NO_SETTINGS)

    def reached_from(self, rows: list[int] | tuple[int, ...], end: int | None = None) -> bytearray:
        """Mark the rows that depend on any of these, themselves included.

        Parameters
        ----------
        rows : sequence of int
            Where to start.
        end : int, optional
            Rows from here on are not looked at.
        """
        end = len(self.gates) if end is None else end
        marks = bytearray(end)
        start = end
        for row in rows:
            if row < end:
                marks[row] = 1
                start = min(start, row)
        left, right, more = self.left, self.right, self.more
        for row in range(start, end):
            first = left[row]
            if first < 0 or marks[row]:
                continue
            second = right[row]
            if marks[first] or (second >= 0 and marks[second]):
                marks[row] = 1
            elif more and row in more:
                marks[row] = any(marks[k] for k in more[row])
        return marks

    def needed_for(self, rows: list[int] | tuple[int, ...]) -> bytearray:
        """Mark the rows on which any of these depends, themselves included."""
        marks = bytearray(len(self.gates))
        for row in rows:
            marks[row] = 1
        for row in range(max(rows, default=-1), -1, -1):
            if marks[row]:
                for k in self.inputs(row):
                    marks[k] = 1
        return marks

    def gate_rows(self) -> Iterator[int]:
        """Iterate over the rows that a gate made."""
        for row, gate in enumerate(self.gates):
            if gate is not INPUT and gate is not CONSTANT:
                yield row
