"""Arrays that are converted as they are read, batch by batch.

Images are bytes in a file and floats in a network, four times as large. `convert` leaves them as
they are, in memory or in a memory-mapped file, and `fit` makes floats of the rows of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import DtypeError

_TARGETS = tuple(np.dtype(code) for code in ("f4", "f8", "i4", "i8"))


@dataclass(frozen=True, eq=False, repr=False)
class Converted:
    """An array and what is to become of its rows. Made by `convert`.

    Indexing gives converted copies of rows, as plain arrays.

    Attributes
    ----------
    array : ndarray
        As it was given.
    dtype : dtype
        What its elements become.
    divisor : float or None
        What they are divided by then.
    """

    array: NDArray[Any]
    dtype: np.dtype[Any]
    divisor: float | None = None

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        taken = self.array[rows].astype(self.dtype)  # a copy, whatever its dtype
        if self.divisor is not None:
            taken /= self.dtype.type(self.divisor)
        return np.asarray(taken)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array that is converted as it is read cannot be had uncopied")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which conversion leaves as it is."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        by = "" if self.divisor is None else f" / {self.divisor:g}"
        return f"Converted({shape}, {self.array.dtype} to {self.dtype}{by})"


def convert(array: Any, dtype: DTypeLike, *, divisor: float | None = None) -> Converted:
    """Have an array's rows converted when they are read, and not before.

    Parameters
    ----------
    array : array
        Numbers or truth values, one row an example; may be memory-mapped.
    dtype : dtype
        What they become: float32, float64, int32 or int64.
    divisor : float, optional
        What the floats are divided by: 255 for bytes that are to be numbers from 0 to 1.

    Returns
    -------
    Converted
        For the data of `fit`: there it takes the place of an array. `np.asarray` converts all of
        it at once.

    Raises
    ------
    DtypeError
        If the dtype is another, or the numbers would lose their fractions or signs.
    ValueError
        If the divisor is 0 or not finite, or not for floats.

    Examples
    --------
    >>> images = convert(np.array([[0, 51], [102, 255]], np.uint8), "float32", divisor=255)
    >>> images
    Converted(2 × 2, uint8 to float32 / 255)
    >>> images[1:]
    array([[0.4, 1. ]], dtype=float32)
    """
    given = np.asarray(array)
    target = np.dtype(dtype)
    if target not in _TARGETS:
        names = ", ".join(known.name for known in _TARGETS)
        raise DtypeError(f"arrays can be converted to {names} as they are read, not to {target}")
    if given.dtype.kind not in "fiub" or not np.can_cast(given.dtype, target, "same_kind"):
        raise DtypeError(
            f"{given.dtype} cannot become {target} without a loss: give numbers, and floats for "
            "floats; what rounds or drops signs is yours to do, with .astype"
        )
    if given.ndim == 0:
        raise ValueError(f"an array with one row an example was expected, not the number {given}")
    if divisor is not None:
        divisor = float(divisor)
        by = np.asarray(divisor, target if target.kind == "f" else None)
        if target.kind != "f" or not np.isfinite(by) or not by:
            raise ValueError(
                f"a divisor is for floats, finite and not 0; this is {divisor} for {target}"
            )
    return Converted(given, target, divisor)
