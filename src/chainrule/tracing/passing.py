"""A recording that lets go of its values, for those who want the circuit and no numbers.

While a training step is traced, every gate's result is worked out: some twenty arrays of the size
of the parameters. The circuit needs their shapes and dtypes. So where nobody can ask for a large
value any more, a ghost takes its place: an array of the same shape and dtype that has one element
in memory.

Who can ask: whoever holds a traced value, and a backward pass that is still to come, for all rows.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT
from .tape import Tape
from .traced import Traced

LARGE = 1 << 14  # bytes of a value that is worth a ghost
FEWEST_BYTES = 4 << 20  # that come in before it is looked who holds what


class _Held(Traced):
    """A traced value of which can be told whether somebody holds it."""

    __slots__ = ("__weakref__",)


class PassingTape(Tape):
    """A tape whose large values pass. Nobody may write to what is traced meanwhile.

    Parameters
    ----------
    room : float
        Bytes of arrays that come in before it is looked who holds what.
    """

    copies_inputs = False
    __slots__ = ("_handles", "_readers", "_room")

    def __init__(self, room: float = FEWEST_BYTES) -> None:
        super().__init__(_Held)
        self.made = lambda tape, row: self.handle(row)
        self.room = self._room = room
        self._handles: list[weakref.ref[Traced]] = []
        self._readers: list[weakref.ref[Any]] = []

    def handle(self, row: int) -> Any:
        """Return a traced value that stands for a row, and note it."""
        wire = super().handle(row)
        self._handles.append(weakref.ref(wire))
        return wire

    def read_by(self, reader: Any) -> None:
        """Keep all values as long as this object lives."""
        self._readers.append(weakref.ref(reader))

    def tidy(self) -> None:
        """Let go of what nobody can ask for."""
        self.room = self._room
        self._readers = [ref for ref in self._readers if ref() is not None]
        if self._readers:
            return
        self._handles = [ref for ref in self._handles if ref() is not None]
        self._pass({wire._row for ref in self._handles if (wire := ref()) is not None})

    def end(self) -> None:
        """Let go of everything: the recording is over."""
        self._pass(set())

    def _pass(self, held: set[int]) -> None:
        values, gates = self.values, self.gates
        for row, value in enumerate(values):
            if (
                type(value) is np.ndarray
                and value.nbytes >= LARGE
                and any(value.strides)
                and row not in held
                and gates[row] is not CONSTANT
            ):
                values[row] = ghost(value)


def ghost(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array that looks like another, its first element everywhere."""
    return np.broadcast_to(value[(0,) * value.ndim].copy(), value.shape)
