"""The data as the loop over mini-batches reads it: rows, a stride apart, of some element type.

Rows that lie whole in memory are read where they are, from a file or from the caller's array, and
brought to the step's dtype on the way. What is not so is copied once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.converted import Converted

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class DataRows:
    """An array of which rows are taken.

    Attributes
    ----------
    array : ndarray
        Its rows are contiguous; they may lie apart.
    dtype : dtype
        What the step sees.
    divisor : float or None
        What the elements are divided by, once they are of that dtype.
    """

    array: Array
    dtype: np.dtype[Any]
    divisor: float | None

    def __len__(self) -> int:
        return len(self.array)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        shape: tuple[int, ...] = self.array.shape
        return shape[1:]

    @property
    def elements(self) -> int:
        """How many elements a row has."""
        return math.prod(self.row_shape)

    @property
    def is_copied(self) -> bool:
        """Whether rows go to the step byte by byte."""
        return self.array.dtype == self.dtype and self.divisor is None

    @property
    def key(self) -> tuple[Any, ...]:
        """All that the code of the loop depends on."""
        array = self.array
        return (array.dtype.str, array.strides[0], self.row_shape, self.dtype.str, self.divisor)

    def take(self, rows: Array) -> Array:
        """Return some rows as the step sees them."""
        return Converted(self.array, self.dtype, self.divisor)[rows]

    def whole(self) -> DataRows:
        """Return all rows as the step sees them, in one piece."""
        if self.is_copied:
            return DataRows(np.ascontiguousarray(self.array), self.dtype, None)
        return DataRows(np.ascontiguousarray(self.take(np.arange(len(self)))), self.dtype, None)


def data_rows(given: Array | Converted) -> DataRows:
    """Return the rows of what `fit` was given.

    The machine's own byte order is another way to write the same numbers: the step sees that.
    """
    if isinstance(given, Converted):
        array, dtype, divisor = given.array, given.dtype, given.divisor
    else:
        array, dtype, divisor = given, given.dtype.newbyteorder("="), None
    is_whole = array.ndim == 1 or array[0].flags.c_contiguous
    if not (is_whole and array.flags.aligned):
        array = np.require(array, None, ["C", "A"])
    return DataRows(array, dtype, divisor)
