"""The book's data, a list of `(x, y)` with column vectors, as arrays with one row an example."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..tracing.sites import here

Array = np.ndarray[Any, Any]

_FROM_ARRAYS = "From arrays with one row an example: [(x.reshape(-1, 1), y) for x, y in zip(X, Y)]."


@dataclass(frozen=True, eq=False)
class Examples:
    """Some examples.

    Parameters
    ----------
    inputs : ndarray, shape (n, n_in)
        One a row.
    answers : ndarray of float, shape (n, n_out), or of int64, shape (n,)
        What the network is to give, or which output is to be the largest.
    outputs : int
        How many outputs the network has.
    """

    inputs: Array
    answers: Array
    outputs: int

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def targets(self) -> Array:
        """What the network is to give, shape (n, n_out); one-hot where labels were given."""
        if self.answers.ndim == 2:
            return self.answers
        targets = np.zeros((len(self), self.outputs), self.inputs.dtype)
        targets[np.arange(len(self)), self.answers] = 1.0
        return targets

    @cached_property
    def labels(self) -> Array:
        """Which output is to be the largest, shape (n,)."""
        return self.answers if self.answers.ndim == 1 else self.answers.argmax(axis=1)

    @cached_property
    def has_classes(self) -> bool:
        """Whether each example belongs to one class: labels, or one-hot targets."""
        if self.answers.ndim == 1:
            return True
        sorted_targets = np.sort(self.answers, axis=1)
        return bool((sorted_targets[:, -1] == 1).all() and (sorted_targets[:, :-1] == 0).all())

    def some(self, most: int) -> Examples:
        """Return at most so many of the examples, from all over the list."""
        step = -(-len(self) // most)
        return Examples(self.inputs[::step], self.answers[::step], self.outputs)


def read(pairs: Iterable[Any], sizes: Sequence[int], dtype: Any, what: str) -> Examples:
    """Return the examples of a list of `(x, y)`.

    Parameters
    ----------
    pairs : iterable of (x, y)
        `x` of shape (n_in, 1); `y` of shape (n_out, 1), or an integer: which output. A zip or
        generator is used up.
    sizes : sequence of int
        Of the network's layers.
    dtype : dtype
        Of the rows.
    what : str
        How errors call the list.

    Raises
    ------
    ShapeError
        If there are none, or one has another shape.
    DtypeError
        If one is not of numbers.
    ValueError
        If a label is not one of the outputs, or a number is nan or infinite.
    """
    found = _listed(pairs, what)
    columns = [x if type(x) is np.ndarray else np.asarray(x) for x, _ in found]
    inputs = _rows(columns, sizes[0], dtype, what, 0)
    answers = [y if type(y) is np.ndarray else np.asarray(y) for _, y in found]
    if any(y.ndim == 0 for y in answers):
        return Examples(inputs, _labels(answers, sizes[-1], what), sizes[-1])
    return Examples(inputs, _rows(answers, sizes[-1], dtype, what, 1), sizes[-1])


def _listed(pairs: Iterable[Any], what: str) -> list[Any]:
    if isinstance(pairs, np.ndarray) or not isinstance(pairs, Iterable):
        raise TypeError(
            f"{here()}{what} must be a list of pairs (x, y), not {type(pairs).__name__}. "
            f"{_FROM_ARRAYS}"
        )
    found = list(pairs)
    if not found:
        raise ShapeError(
            f"{here()}{what} has no examples. A zip or a generator can be read only once: make it "
            "a list."
        )
    for k, pair in enumerate(found):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            remedy = f". {_FROM_ARRAYS}" if isinstance(pair, np.ndarray) else ""
            raise ShapeError(
                f"{here()}{what}[{k}] must be a pair (x, y), not {_kind(pair)}{remedy}"
            )
    return found


def _rows(columns: list[Array], size: int, dtype: Any, what: str, part: int) -> Array:
    for k, column in enumerate(columns):
        if column.dtype.kind not in "fiub":
            raise DtypeError(
                f"{here()}{what}[{k}][{part}] must be an array of numbers, not {_kind(column)}"
            )
        if column.shape != (size, 1):
            name = ("inputs", "outputs")[part]
            raise ShapeError(
                f"{here()}{what}[{k}][{part}] must be a column of the network's {size} {name}, of "
                f"shape ({size}, 1), not {column.shape}."
                + (" Write .reshape(-1, 1)." if column.size == size else "")
            )
    # One below the other is one after the other in memory: a single copy, in the rows' dtype.
    with np.errstate(over="ignore"):
        found = np.concatenate(columns, dtype=dtype, casting="unsafe").reshape(len(columns), size)
    _check_finite(found, what, part)
    return found


def _check_finite(rows: Array, what: str, part: int) -> None:
    for first in range(0, len(rows), 4096):
        bad = ~np.isfinite(rows[first : first + 4096])
        if bad.any():
            k, place = (int(one) for one in np.argwhere(bad)[0])
            raise ValueError(
                f"{here()}{what}[{k + first}][{part}] holds {rows[k + first, place]}, from which "
                "nothing can be learned: leave this example out, or mend it."
            )


def _labels(answers: list[Array], outputs: int, what: str) -> Array:
    for k, answer in enumerate(answers):
        if answer.ndim != 0:
            raise ShapeError(
                f"{here()}{what}[{k}][1] is of shape {answer.shape}, but others are labels: give "
                "either integers or columns, not both."
            )
        if answer.dtype.kind not in "iu":
            value = answer.item()
            remedy = "Number the classes from 0 on."
            if answer.dtype.kind in "fb":
                remedy = f"Write int({value!r}); or, for what a network's only output is to give, "
                remedy += f"np.array([[{value!r}]])."
            raise DtypeError(
                f"{here()}{what}[{k}][1] is {value!r} ({answer.dtype}), but a label is an integer. "
                f"{remedy}"
            )
        if not 0 <= answer < outputs:
            raise ValueError(
                f"{here()}{what}[{k}][1] is the label {answer}, but the network's {outputs} "
                f"outputs have the labels 0 to {outputs - 1}."
            )
    return np.array(answers, np.int64)


def _kind(thing: Any) -> str:
    if isinstance(thing, np.ndarray):
        return f"an array of {thing.dtype}"
    return f"{type(thing).__name__}" + (f" of {len(thing)}" if hasattr(thing, "__len__") else "")
