"""What is written on a wire: its value and its gradient, as the lecture writes them.

A number has two decimals where they tell the truth. An array has its shape and dtype, its range or
the norm of its gradient, and a strip that shows where it is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..numbers import brief, is_number, norm, number, plain, shape, statistic

CELLS = 12  # of a strip
_MOST_ELEMENTS = 60  # of an array that is told in full


@dataclass(frozen=True, slots=True)
class Label:
    """What is on a wire.

    Attributes
    ----------
    lines : tuple of str
        From top to bottom; empty where there is nothing.
    strip : tuple of float
        From -1 to 1, nan for what is no number; empty for a single number.
    full : str
        Every digit: six for a number, all elements of a small array.
    """

    lines: tuple[str, ...] = ()
    strip: tuple[float, ...] = ()
    full: str = ""


def value_label(value: Any) -> Label:
    """Return how a value is written."""
    if value is None:
        return Label()
    if is_number(value):
        return Label((number(value),), (), exactly(value))
    array = np.asarray(value)
    said = f"{shape(array)} {array.dtype.name}"
    return Label((said, statistic(array)), strip(array), f"{said}: {exactly(array)}")


def gradient_label(gradient: Any) -> Label:
    """Return how a gradient is written; nothing where there is none."""
    if gradient is None:
        return Label()
    if is_number(gradient):
        return Label((number(gradient),), (), exactly(gradient))
    array = np.asarray(gradient)
    said = f"norm {norm(array)}"
    return Label((said,), strip(array), f"{said}: {exactly(array)}")


def exactly(value: Any) -> str:
    """Return a number to six digits, or the elements of an array, the first of many."""
    if is_number(value):
        return brief(value)
    array = np.asarray(value)
    if array.size <= _MOST_ELEMENTS:
        text = np.array2string(array, precision=6, separator=", ", threshold=_MOST_ELEMENTS)
        return plain(text, 1000)
    first = ", ".join(brief(v, 4) for v in array.ravel()[:8])
    return f"{statistic(array)}; {first}, ... ({array.size} elements)"


def strip(array: Any, cells: int = CELLS) -> tuple[float, ...]:
    """Return the means of an array's elements in so many pieces, over the largest of them.

    Examples
    --------
    >>> strip(np.array([1.0, -2.0]))
    (0.5, -1.0)
    """
    flat = np.asarray(array).ravel()
    if not flat.size or flat.dtype.kind not in "biuf":
        return ()
    with np.errstate(all="ignore"):
        flat = flat.astype(np.float64)
        edges = np.linspace(0, flat.size, min(cells, flat.size) + 1).astype(int)
        means = np.add.reduceat(flat / np.diff(edges).max(), edges[:-1])
        means = means / np.diff(edges) * np.diff(edges).max()
        largest = np.max(np.abs(means[np.isfinite(means)]), initial=0.0)
        if largest:
            means = means / largest
        means = np.clip(np.round(means, 3) + 0.0, -1.0, 1.0)
    return tuple(means.tolist())
