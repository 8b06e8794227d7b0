"""A recording that lets go of its values, for those who want the circuit and no numbers.

While a training step is traced, every gate's result is worked out: some twenty arrays of the size
of the parameters. The circuit needs their shapes and dtypes. So a ghost takes the place of a large
value: an array of the same shape and dtype that has one element in memory. As long as gradients are
worked out, all values are kept; then, while the optimizer's update is traced, none are.

So what plain Python decides in the update may be decided otherwise than it would be: it is noted as
a guard, and whoever runs the circuit finds that it does not hold.
"""

from __future__ import annotations

import weakref
from types import FrameType
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT
from ..gates import Gate
from .tape import Tape
from .traced import Traced

LARGE = 1 << 14  # bytes of a value that is worth a ghost


class PassingTape(Tape):
    """A tape whose large values pass when the gradients are known.

    Nobody may write to the inputs meanwhile: they are not copied.
    """

    copies_inputs = False
    __slots__ = ("_passes", "_readers")

    def __init__(self) -> None:
        super().__init__(Traced)
        self._readers: list[weakref.ref[Any]] = []
        self._passes = False

    def read_by(self, reader: Any) -> None:
        """Keep all values as long as this object lives, which works out gradients."""
        if not self._passes:
            self._readers.append(weakref.ref(reader))

    def emit(
        self,
        gate: Gate,
        inputs: tuple[int, ...],
        settings: dict[str, Any],
        value: Any,
        frame: FrameType | None = None,
    ) -> Any:
        """Add a gate's row, or a ghost's, and return the traced value that stands for it."""
        if self._passes:
            value = _passed(value)
        elif self._readers and all(reader() is None for reader in self._readers):
            self.let_go()
            value = _passed(value)
        return super().emit(gate, inputs, settings, value, frame)

    def let_go(self) -> None:
        """Let go of all large values but constants, from now on too."""
        self._passes = True
        for row, gate in enumerate(self.gates):
            if gate is not CONSTANT:
                self.values[row] = _passed(self.values[row])


def _passed(value: Any) -> Any:
    return ghost(value) if type(value) is np.ndarray and value.nbytes >= LARGE else value


def ghost(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array that looks like another, its first element everywhere."""
    if not value.size:
        return value
    return np.broadcast_to(value[(0,) * value.ndim].copy(), value.shape)
