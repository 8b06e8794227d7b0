"""Data and the order in which it is used: arrays with one row an example, shuffled by the epoch."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.converted import Converted
from ..errors import DtypeError, ShapeError
from ..tracing.sites import here
from .frames import as_array

Array = np.ndarray[Any, Any]


def checked_data(data: Any, what: str = "data") -> tuple[Array | Converted, ...]:
    """Return data as a tuple of arrays of the same number of rows.

    Parameters
    ----------
    data : array or tuple of arrays
        What the caller gave.
    what : str
        How errors call it.

    Raises
    ------
    ShapeError
        If there are no rows, or not the same number in all.
    DtypeError
        For dtypes that no gate takes.
    """
    if isinstance(data, dict):
        raise TypeError(
            f"{here()}{what} is a dict, whose order cost(parameters, *batch) cannot know: give a "
            f"tuple, such as ({', '.join(f'{what}[{key!r}]' for key in list(data)[:2])})."
        )
    parts = data if isinstance(data, (tuple, list)) else (data,)
    arrays = tuple(_checked(part, f"{what}[{k}]") for k, part in enumerate(parts))
    if not arrays:
        raise ShapeError(f"{here()}{what} holds no arrays: give an array, or a tuple of arrays.")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ShapeError(
            f"{here()}the arrays of {what} must have the same number of rows, one an example; "
            f"their shapes are {shapes}. Is one of them transposed?"
        )
    if not lengths[0]:
        raise ShapeError(f"{here()}{what} has no rows: there is nothing to learn from.")
    return arrays


def _checked(part: Any, name: str) -> Array | Converted:
    if isinstance(part, Converted):
        return part
    if isinstance(part, (np.ma.MaskedArray, np.matrix)):
        raise DtypeError(
            f"{here()}{name} is a {type(part).__name__}, whose operations mean something else "
            "than an array's. Give np.asarray of it, with the mask as an array of its own."
        )
    array = as_array(part, name)
    if array.dtype.kind not in "fiub" or array.dtype == np.longdouble:
        raise DtypeError(
            f"{here()}{name} is of dtype {array.dtype}, which no gate takes. Give floats, integers "
            "or booleans: words and classes as numbers from 0 on."
        )
    if array.ndim == 0:
        raise ShapeError(
            f"{here()}{name} is the single number {array}, but its rows are the examples: give an "
            "array, and several of them as a tuple."
        )
    return array


def checked_batch_size(batch_size: Any, rows: int) -> int:
    """Return the number of rows of a batch; None is all of them.

    Raises
    ------
    ValueError
        If it is below 1 or above the number of rows.
    """
    if batch_size is None:
        return rows
    size = whole(batch_size, "batch_size", 1)
    if size > rows:
        raise ValueError(
            f"{here()}batch_size is {size}, but the data has {rows} rows. Leave batch_size out, or "
            "None, for the full batch."
        )
    return size


def whole(number: Any, name: str, least: int) -> int:
    """Return a whole number that is not too small."""
    try:
        found = operator.index(number)
    except TypeError:
        kind = type(number).__name__
        raise TypeError(f"{here()}{name} must be an integer, not {number!r} ({kind})") from None
    if found < least:
        raise ValueError(f"{here()}{name} must be at least {least}, not {found}")
    return found


class Orders:
    """The order of the rows, epoch by epoch.

    Parameters
    ----------
    rows : int
        How many there are.
    generator : numpy.random.Generator or None
        What shuffles; None leaves the rows as they are.
    replace : bool
        Whether each row is drawn from all of them, so that an epoch may have one twice and
        another not at all.
    """

    def __init__(
        self, rows: int, generator: np.random.Generator | None, replace: bool = False
    ) -> None:
        self._generator = generator
        self._replace = replace
        self._plain = np.arange(rows, dtype=np.int64)

    def draw(self, epochs: int = 1) -> Array:
        """Return the rows of the next epochs, one epoch after the other."""
        generator = self._generator
        if generator is None:
            return self._plain if epochs == 1 else np.tile(self._plain, epochs)
        if self._replace:
            return generator.integers(0, self._plain.size, epochs * self._plain.size)
        orders: Sequence[Array] = [generator.permutation(self._plain) for _ in range(epochs)]
        return orders[0] if epochs == 1 else np.concatenate(orders)

    @property
    def position(self) -> dict[str, Any] | None:
        """Where the generator stands: plain numbers and text, to go on from."""
        return None if self._generator is None else dict(self._generator.bit_generator.state)

    @position.setter
    def position(self, state: dict[str, Any] | None) -> None:
        if self._generator is not None and state is not None:
            self._generator.bit_generator.state = state


def generator_of(seed: Any) -> np.random.Generator:
    """Return the generator of a seed; one that is a generator already is taken as it stands.

    Raises
    ------
    TypeError, ValueError
        For what is no seed.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as reason:
        raise type(reason)(
            f"{here()}seed must be a whole number, 0 or more, a numpy.random.Generator or None, "
            f"not {seed!r}"
        ) from None


def generator_at(position: dict[str, Any]) -> np.random.Generator:
    """Return a generator that stands where another stood."""
    kind = getattr(np.random, position["bit_generator"])
    generator = np.random.Generator(kind())
    generator.bit_generator.state = position
    return generator
