"""What `Network` is made from, checked: layers or sizes, strengths of penalties, a dtype."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DtypeError
from ..tracing.sites import here
from .dense import Dense
from .layer import Layer


def checked_layers(given: Sequence[Any]) -> tuple[Layer, ...]:
    """Return the layers that a person means: layers, a list of them, or a list of sizes.

    Raises
    ------
    TypeError, ValueError
        If they are neither.
    """
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        if all(isinstance(one, Layer) for one in given[0]) and given[0]:
            return tuple(given[0])
        return _sigmoid_layers(given[0])
    if not given:
        raise ValueError(
            f"{here()}a network needs layers, cr.Network(cr.Dense(2, 8, 'tanh'), cr.Dense(8, 1)), "
            "or sizes, cr.Network([2, 8, 1])."
        )
    for one in given:
        if isinstance(one, int):
            raise TypeError(
                f"{here()}sizes are given as one list: cr.Network([{', '.join(map(str, given))}])"
            )
        if not isinstance(one, Layer):
            what = f"{one.__name__} itself: call it" if isinstance(one, type) else repr(one)
            raise TypeError(f"{here()}a layer such as cr.Dense(2, 8) was expected, not {what}")
    return tuple(given)


def _sigmoid_layers(sizes: Sequence[Any]) -> tuple[Layer, ...]:
    """Return Nielsen's layers."""
    if len(sizes) < 2 or not all(isinstance(one, (int, np.integer)) for one in sizes):
        raise TypeError(
            f"{here()}sizes are two integers or more, the inputs first, such as [784, 30, 10], not "
            f"{list(sizes)!r}"
        )
    return tuple(
        Dense(int(m), int(n), "sigmoid", weights="normal", biases="normal")
        for m, n in itertools.pairwise(sizes)
    )


def checked_strength(number: Any, name: str) -> float:
    """Return a number that is 0 or more, and finite."""
    try:
        found = float(number)
    except (TypeError, ValueError):
        raise TypeError(f"{here()}{name} must be a number, not {number!r}") from None
    if not 0.0 <= found < math.inf:
        raise ValueError(f"{here()}{name} must be 0 or more, and finite, not {number!r}")
    return found


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64; anything else is an error."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found not in (np.float32, np.float64):
        raise DtypeError(f"{here()}dtype must be 'float32' or 'float64', not {dtype!r}")
    return found
