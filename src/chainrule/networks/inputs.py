"""Examples on their way into a network: arrays, tables, files, and batches as they come.

Arrays are checked and left as they lie: rows are brought to the network's dtype when they are
read, so that images of bytes stay bytes in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..data.converted import Converted, convert
from ..errors import DtypeError, ShapeError
from ..tracing.sites import here
from ..training.frames import as_array
from ..training.stream import opener
from .embedding import Embedding
from .layer import Layer

Array = np.ndarray[Any, Any]
Prepare = Callable[[Any], tuple[Any, ...]]

BLOCK = 4096  # rows that are looked at in one go


def checked_inputs(x: Any, first: Layer, reads: np.dtype[Any], name: str) -> Array | Converted:
    """Return examples as an array of numbers, as it lies.

    Parameters
    ----------
    x : array, table of pandas or polars, or what `cr.data.convert` gave
        One example a row.
    first : Layer
        The first layer.
    reads : dtype
        What it reads: integers, or floats.
    name : str
        How errors call it.

    Raises
    ------
    DtypeError, ShapeError
        If the first layer cannot read it.
    IndexError
        If it is an `Embedding` that has no vector for one of the numbers.
    """
    if x is None:
        raise DtypeError(f"{here()}{name} is missing: give examples, one a row.")
    if isinstance(x, (np.ma.MaskedArray, np.matrix)):
        raise DtypeError(
            f"{here()}{name} is a {type(x).__name__}: give a plain array, with numbers in the "
            "place of what is masked."
        )
    array = x if isinstance(x, Converted) else as_array(x, name)
    integers = reads.kind == "i"
    if array.dtype.kind not in "fiub":
        what = "words or objects" if array.dtype.kind in "OUS" else str(array.dtype)
        raise DtypeError(
            f"{here()}{name} holds {what}: give numbers, such as a float array of shape "
            "(examples, features)."
        )
    if len(array.shape) < (1 if integers else 2):
        raise ShapeError(
            f"{here()}{name} has shape {array.shape}, but the first axis is that of the "
            f"examples: for one example, {name}[np.newaxis]; for one feature, "
            f"{name}[:, np.newaxis]."
        )
    if not len(array):
        raise ShapeError(f"{here()}{name} has no rows: there are no examples.")
    if integers and array.dtype.kind not in "iu":
        raise DtypeError(
            f"{here()}{name} is of dtype {array.dtype}, but the first layer takes "
            f"integers: {name}.astype(int)."
        )
    if isinstance(first, Embedding):
        _check_numbers(first, array, name)
    return array


def _check_numbers(layer: Embedding, x: Array | Converted, name: str) -> None:
    """Check that there is a vector for each number; in the middle of an epoch no row is known."""
    for begin in range(0, len(x), BLOCK):
        block = np.asarray(x[begin : begin + BLOCK])
        bad = (block < -layer.count) | (block >= layer.count)
        if bad.any():
            place = tuple(int(k) for k in np.argwhere(bad)[0])
            where, number = ", ".join(map(str, (place[0] + begin, *place[1:]))), int(block[place])
            remedy = "Number the things from 0 on."
            if number > 0:
                remedy = f"Write Embedding({int(block.max()) + 1}, {layer.features})."
            raise IndexError(
                f"{here()}{name}[{where}] is {number}, but {layer!r} has vectors for 0 to "
                f"{layer.count - 1}. {remedy}"
            )


def read_as(x: Array | Converted, dtype: np.dtype[Any]) -> Array | Converted:
    """Return examples whose rows are of a dtype, at the latest when they are read."""
    if x.dtype == dtype:
        return x
    return convert(np.asarray(x), dtype)


def first_unfit(x: Array | Converted) -> tuple[tuple[int, ...], float] | None:
    """Return where the first nan or infinity is, and which; None where there is none."""
    if x.dtype.kind != "f":
        return None
    for first in range(0, len(x), BLOCK):
        block = np.asarray(x[first : first + BLOCK])
        bad = ~np.isfinite(block)
        if bad.any():
            place = tuple(int(k) for k in np.argwhere(bad)[0])
            return (place[0] + first, *place[1:]), float(block[place])
    return None


class Prepared:
    """Batches of the user's, each made what the network takes, before anybody sees it.

    Parameters
    ----------
    data : iterable or callable
        What gives the batches of an epoch, as `cr.fit` takes it.
    """

    def __init__(self, data: Any) -> None:
        self._length = getattr(data, "__len__", None)
        if isinstance(data, Iterator):  # to be gone through once: what was looked at is put back
            self.first = next(data, None)
            rest = data if self.first is None else itertools.chain([self.first], data)
            self._open: Callable[[int], Iterator[Any]] = lambda epoch: rest
        else:
            self._open = opener(data)
            opened = self._open(0)
            self.first = next(opened, None)
            close = getattr(opened, "close", None)
            if close is not None:
                close()
        if self.first is None:
            raise ShapeError(f"{here()}x gives no batches: there is nothing to learn from.")
        self._once = isinstance(data, Iterator)
        self.prepare: Prepare = tuple

    def stream(self) -> Any:
        """Return what `cr.fit` takes; what can be gone through once stays so."""
        return self(0) if self._once else self

    def __call__(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of an epoch."""
        return map(self.prepare, self._open(epoch))

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("how many batches there are is not known")
        return int(self._length())


def checked_pair(data: Any, name: str) -> tuple[Any, ...]:
    """Return examples, what is wanted for them, and perhaps how much they count.

    Raises
    ------
    TypeError
        If there are not two or three of them.
    """
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(
            f"{here()}{name} must be (x, y) or (x, y, sample_weight), not a {type(data).__name__}"
            + (f" of {len(data)}" if isinstance(data, (tuple, list)) else "")
        )
    return tuple(data)
