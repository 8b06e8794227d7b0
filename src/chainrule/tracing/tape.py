"""A recording in progress: columns that grow, and who is recording in this thread.

State lives here and nowhere else in the tracer. A tape knows which class of traced value it hands
out, so that `trace` and define-by-run share every operator.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, INPUT, Columns
from ..errors import LostTraceError
from ..gates import GATES, Gate
from .sites import NOWHERE, Site, Sites

_POSITIVE = GATES["positive"]
_SCALARS = (float, int, bool)
_new = object.__new__


class Tape(Columns):
    """The rows of a recording, the places where they were made, and the branches it took.

    Attributes
    ----------
    sites : Sites or None
        The numbered places; None for define-by-run, which keeps none.
    row_sites : array of int32
        The number of each row's place.
    guards : list of (int, bool or int)
        The rows on whose value plain Python decided something, and what it saw.
    names : dict of int to str
        Names that a row was given outright: inputs, and the lines of a formula.
    site : int or None
        Where new rows are said to be; None means "look". While the backward pass draws it is the
        forward gate's place, negative: the line is the same, but the name there is not theirs.
    borrows : bool
        Whether constant arrays are kept as they are, because nobody else can write to them.
    kind : type
        The class of the traced values.
    made : callable
        `made(tape, row)` gives the traced value of a row.
    copies_inputs : bool
        Whether arrays that are traced are copied, because others may write to them meanwhile.
    owner : int
        The thread that may record here.
    floats : dict of float to int
        The rows of the constants that are Python floats other than 0.
    limit, room : float
        The row, and the bytes of arrays still to come, at which `tidy` is called.
    """

    copies_inputs = True
    __slots__ = (
        "_constants", "borrows", "floats", "guards", "kind", "limit", "made", "names", "owner",
        "room", "row_sites", "site", "sites",
    )  # fmt: skip

    def __init__(self, made: type, *, with_sites: bool = True) -> None:
        super().__init__()
        self.kind: type = made
        self.made: Callable[..., Any] = made
        self.owner = threading.get_ident()
        self.floats: dict[float, int] = {}
        self.limit: float = sys.maxsize
        self.room: float = float("inf")
        self.sites = Sites() if with_sites else None
        self.row_sites = array("i")
        self.guards: list[tuple[int, bool | int]] = []
        self.names: dict[int, str] = {}
        self.site: int | None = None
        self.borrows = False
        self._constants: dict[Any, int] = {}

    def emit(
        self,
        gate: Gate,
        inputs: tuple[int, ...],
        settings: dict[str, Any],
        value: Any,
        frame: FrameType | None = None,
    ) -> Any:
        """Add a gate's row and return the traced value that stands for it."""
        row = self.append(gate, inputs, settings, value)
        if self.sites is not None:
            site = self.site
            self.row_sites.append(self.sites.number(frame) if site is None else site)
        wire = self.handle(row)
        if type(value) is np.ndarray and value.base is None:
            self.room -= value.nbytes
        if row >= self.limit or self.room < 0:
            self.tidy()
        return wire

    def handle(self, row: int) -> Any:
        """Return a traced value that stands for a row."""
        # Not the constructor: that of define-by-run's Variable is for users, and makes a leaf.
        wire: Any = _new(self.kind)
        wire._tape = self
        wire._row = row
        wire._lens = None
        return wire

    def cut(self, row: int) -> None:
        """Drop what was added from this row on: a gate was interrupted half way."""
        del self.values[row:], self.gates[row:], self.left[row:], self.right[row:]
        self.more.pop(row, None)
        self.settings.pop(row, None)

    def tidy(self) -> None:
        """Drop the rows that nobody can reach; a function's recording keeps them all."""

    def read_by(self, reader: Any) -> None:
        """Note that an object may ask for any value as long as it lives."""

    def guard(self, row: int, seen: bool | int) -> None:
        """Note that plain Python decided something on a row's value."""
        self.guards.append((row, seen))

    def input(self, value: Any, name: str | None = None) -> Any:
        """Add an input and return its traced value."""
        traced = self._source(INPUT, value)
        if name is not None:
            self.names[traced._row] = name
        return traced

    def alias(self, row: int) -> Any:
        """Add a second wire with the value of a row, nameless."""
        before, self.site = self.site, 0
        try:
            return self.emit(_POSITIVE, (row,), {}, self.values[row])
        finally:
            self.site = before

    def constant(self, value: Any) -> int:
        """Return the row of a constant; equal Python numbers share one."""
        if type(value) is float and value:
            row = self.floats.get(value)
            if row is None:
                row = self.floats[value] = self._source(CONSTANT, value)._row
            return row
        if type(value) in _SCALARS:
            # -0.0 == 0.0, and 1 == 1.0 == True: the key must tell them apart.
            key = (type(value), value) if value else (type(value), str(value))
            row = self._constants.get(key)
            if row is None:
                row = self._constants[key] = self._source(CONSTANT, value)._row
            return row
        if not isinstance(value, np.ndarray):
            return int(self._source(CONSTANT, value)._row)
        if self.borrows:
            # Values that our own rules made: the same array is the same constant.
            row = self._constants.get(id(value))
            if row is None:
                row = self._constants[id(value)] = self._source(CONSTANT, value)._row
            return row
        # The user may write to the array later; the recorded gate had this value.
        self.room -= value.nbytes
        return int(self._source(CONSTANT, np.array(value))._row)

    def _source(self, gate: Gate, value: Any) -> Any:
        row = self.append(gate, (), {}, value)
        if self.sites is not None:
            self.row_sites.append(0)
        return self.handle(row)

    def site_of(self, row: int) -> Site:
        """Return where a row was made."""
        return NOWHERE if self.sites is None else self.sites.table[abs(self.row_sites[row])]

    def name_of(self, row: int) -> str | None:
        """Return the user's name for a row, if there is one."""
        if row in self.names or self.sites is None:
            return self.names.get(row)
        number = self.row_sites[row]
        if number <= 0:
            return None
        site = self.sites.table[number]
        return None if site.by_call and type(self.values[row]) is bool else site.name


class _Recordings(threading.local):
    def __init__(self) -> None:
        self.stack: list[Tape] = []


_recordings = _Recordings()


def current_tape() -> Tape | None:
    """Return the tape on which this thread is recording a function, if it is."""
    stack = _recordings.stack
    return stack[-1] if stack else None


@contextmanager
def recording(tape: Tape) -> Iterator[Tape]:
    """Record on this tape until the block ends."""
    _recordings.stack.append(tape)
    try:
        yield tape
    except ValueError as error:
        # NumPy hides our refusal to become a float behind "an array element with a sequence".
        if isinstance(error.__cause__, LostTraceError):
            raise error.__cause__.with_traceback(error.__traceback__) from None
        raise
    finally:
        _recordings.stack.pop()
