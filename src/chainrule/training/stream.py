"""Data that comes in batches: too large for memory, made on the way, or read from somewhere.

`fit` takes such data in place of arrays: a function that gives the batches of an epoch, or an
object that can be gone through once an epoch. Here it is recognised, and each batch is held against
the first; `stream_steps.py` trains on it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..tracing.sites import here
from .batches import Array, checked_data

Batch = list[Array]

_ARRAY_LIKE = ("__array__", "__array_interface__", "__dlpack__", "__arrow_c_stream__")
_NO_STREAMS = (list, tuple, range, str, bytes, bytearray, memoryview, Mapping, Set)


def is_stream(data: Any) -> bool:
    """Return whether data is gone through batch by batch.

    What could be an array is one: lists, frames, tensors, buffers.
    """
    if isinstance(data, _NO_STREAMS) or any(hasattr(type(data), word) for word in _ARRAY_LIKE):
        return False
    if not isinstance(data, Iterable):
        return callable(data)
    try:
        memoryview(data)  # type: ignore[arg-type]  # whether it is one is the question
    except TypeError:
        return True
    return False


class Stream:
    """Batches, epoch after epoch.

    Parameters
    ----------
    data : iterable or callable
        Each `iter(data)` gives the batches of an epoch; or each `data(epoch)` does, with the number
        of the epoch from 0 on, or `data()`. A batch is a tuple of arrays, or one array.
    epochs : int
        How many are wanted.
    done : int
        How many were done before.
    what : str
        How errors call it.

    Attributes
    ----------
    first : list of ndarray
        The first batch. It is had at once, so that it can be looked at, and is not lost.

    Raises
    ------
    ShapeError, DtypeError
        If there is no batch, or the first one is not a batch.
    TypeError
        If the data can be gone through once and is wanted more often.
    """

    def __init__(self, data: Any, epochs: int, done: int = 0, *, what: str = "data") -> None:
        self._open = opener(data)
        self._what = what
        if isinstance(data, Iterator) and epochs > 1:
            raise TypeError(
                f"{here()}{what} is a {type(data).__name__}, which can be gone through once, but "
                f"it is wanted more often: give the function that makes it, not what it makes "
                "(batches instead of batches()), or any object that starts anew at each iter()."
            )
        self._ahead: tuple[int, Iterator[Any], Batch] | None = None
        self._length = _length(data)
        opened = self._open(done)
        given = next(opened, None)
        if given is None:
            raise ShapeError(f"{here()}{what} gives no batches: there is nothing to learn from.")
        self.first = _contiguous(checked_data(given, "the first batch"))
        self._like = [(array.dtype, array.shape[1:]) for array in self.first]
        self._ahead = done, opened, self.first

    def batches(self, epoch: int) -> Generator[Batch]:
        """Yield the batches of an epoch, counted from 0, each one like the first."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == epoch:
            _, opened, first = ahead
            done = 1
            yield first
        else:
            opened, done = self._open(epoch), 0
        try:
            for given in opened:
                done += 1
                yield self._checked(given, f"batch {done} of epoch {epoch + 1}")
        finally:
            close = getattr(opened, "close", None)
            if close is not None:
                close()  # a generator that has files open, say
        if not done:
            raise ShapeError(
                f"{here()}{self._what} gave no batches for epoch {epoch + 1}: each epoch must go "
                "through it anew. Give a function that opens it again."
            )
        self._length = done

    def part(self, batches: int) -> float:
        """Return how much of an epoch so many batches are; 0 where it cannot be known."""
        return min(batches / self._length, 1.0) if self._length else 0.0

    def _checked(self, given: Any, name: str) -> Batch:
        parts = given if isinstance(given, (tuple, list)) else (given,)
        batch = []
        for part, (dtype, shape) in zip(parts, self._like, strict=False):
            # The short way, for what nearly every batch is like: it is gone at every step.
            if not (
                type(part) is np.ndarray
                and part.dtype == dtype
                and part.shape[1:] == shape
                and part.flags.c_contiguous
                and part.flags.aligned
                and len(part)
            ):
                return self._brought(given, name)
            batch.append(part)
        if len(parts) != len(self._like) or len({len(array) for array in batch}) > 1:
            return self._brought(given, name)
        return batch

    def _brought(self, given: Any, name: str) -> Batch:
        """Bring a batch into the form of the first, if it can be, and say what is wrong if not."""
        batch = _contiguous(checked_data(given, name))
        if len(batch) != len(self._like):
            raise ShapeError(
                f"{here()}{name} has {_arrays(len(batch))}, the first one had "
                f"{_arrays(len(self._like))}."
            )
        for k, (array, (dtype, shape)) in enumerate(zip(batch, self._like, strict=True)):
            if array.shape[1:] != shape:
                raise ShapeError(
                    f"{here()}the rows of {name}[{k}] are of shape {array.shape[1:]}, those of the "
                    f"first batch were of {shape}: only the number of rows may change."
                )
            if array.dtype != dtype:
                raise DtypeError(
                    f"{here()}{name}[{k}] is of dtype {array.dtype}, in the first batch it was "
                    f"{dtype}: bring every batch to the same, with .astype({dtype.name!r})."
                )
        return batch


def mean_cost(cost: Callable[..., float], stream: Stream) -> float:
    """Return the mean of `cost(*batch)` over an epoch's batches, each as much as it has rows."""
    total, rows = 0.0, 0
    for batch in stream.batches(0):
        total += cost(*batch) * len(batch[0])
        rows += len(batch[0])
    return total / rows


def opener(data: Any) -> Callable[[int], Iterator[Any]]:
    """Return what gives the batches of an epoch by its number."""
    if isinstance(data, Iterable):
        return lambda epoch: iter(data)
    try:
        inspect.signature(data).bind(0)
        wants_number = True
    except ValueError:  # a builtin without a signature
        wants_number = True
    except TypeError:
        wants_number = False

    def opened(epoch: int) -> Iterator[Any]:
        found = data(epoch) if wants_number else data()
        if not isinstance(found, Iterable) or isinstance(found, (np.ndarray, str, Mapping)):
            raise TypeError(
                f"{here()}{getattr(data, '__name__', 'data')} must give the batches of an epoch: "
                f"an iterator over tuples of arrays, not a {type(found).__name__}. Write yield "
                "instead of return, or return a list of batches."
            )
        return iter(found)

    return opened


def _length(data: Any) -> int:
    """Return how many batches an object says it has; 0 if it does not."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return 0


def _contiguous(arrays: Sequence[Any]) -> Batch:
    return [
        np.require(np.asarray(array), array.dtype.newbyteorder("="), ["C", "A"]) for array in arrays
    ]


def _arrays(count: int) -> str:
    return f"{count} array{'' if count == 1 else 's'}"
