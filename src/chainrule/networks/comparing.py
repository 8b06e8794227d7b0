"""Targets and predictions side by side: of the same shape, and each example with its weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from .decisions import as_numbers

Array = np.ndarray[Any, Any]


def alike(targets: Any, predicted: Any, name: str) -> tuple[Array, Array]:
    """Return two arrays of the same shape, floats as float64; single columns as one axis."""
    pair = as_numbers(np.asarray(targets)), as_numbers(np.asarray(predicted))
    if pair[0].shape != pair[1].shape or not pair[0].size:
        raise ShapeError(
            f"{here()}{name} compares targets and predictions of the same shape, at least one of "
            f"each, not {pair[0].shape} and {pair[1].shape}."
        )
    first, second = (one.astype(np.float64) if one.dtype.kind in "fiub" else one for one in pair)
    return first, second


def alike_labels(targets: Any, predicted: Any, name: str) -> tuple[Array, Array]:
    """Return two arrays of labels of the same shape, of their own kind.

    Raises
    ------
    ValueError
        If they are fractions.
    """
    pair = as_numbers(np.asarray(targets)), as_numbers(np.asarray(predicted))
    alike(*pair, name)
    for one in pair:
        if one.dtype.kind == "f" and np.any(one != np.floor(one)):
            example = one[one != np.floor(one)][0]
            raise ValueError(
                f"{here()}{name} is of classes, but there are numbers, such as {example}. For "
                "numbers: 'r2' or 'mean_squared_error'; for classes, a cost of classes, such as "
                "'softmax_cross_entropy' or 'binary_cross_entropy'."
            )
    return pair


def weights_of(sample_weight: Any, n: int) -> Array | None:
    """Return a weight for each of n examples, or None if all count alike.

    Raises
    ------
    TypeError
        If they are no numbers.
    ShapeError
        If there is not one for each example.
    ValueError
        If one is below 0, nan or infinite.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{here()}sample_weight must be numbers, not {sample_weight!r}") from None
    if weights.shape != (n,):
        raise ShapeError(
            f"{here()}sample_weight must have one number for each of the {n} examples, shape "
            f"({n},), not {weights.shape}."
        )
    bad = ~((weights >= 0) & (weights < np.inf))
    if np.any(bad):
        k = int(np.argmax(bad))
        raise ValueError(
            f"{here()}sample_weight[{k}] is {weights[k]}, but weights are 0 or more, and finite."
        )
    return weights


def average_of(each: Array, sample_weight: Any) -> float:
    """Return the mean over all; of weighted examples, the weighted mean of each one's mean."""
    weights = weights_of(sample_weight, len(each))
    return float(np.average(each.reshape(len(each), -1).mean(axis=1), weights=weights))
