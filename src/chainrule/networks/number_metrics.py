"""Metrics of numbers: how far predictions are from what was wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .comparing import alike, average_of, weights_of


def mean_squared_error(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return the mean squared difference, over examples and outputs."""
    targets, predicted = alike(targets, predicted, "mean_squared_error")
    return average_of((targets - predicted) ** 2, sample_weight)


def root_mean_squared_error(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return the root of the mean squared difference; of several outputs, the mean of roots."""
    targets, predicted = alike(targets, predicted, "root_mean_squared_error")
    weights = weights_of(sample_weight, len(targets))
    squares = np.average((targets - predicted) ** 2, axis=0, weights=weights)
    return float(np.mean(np.sqrt(squares)))


def mean_absolute_error(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return the mean size of the difference, over examples and outputs."""
    targets, predicted = alike(targets, predicted, "mean_absolute_error")
    return average_of(abs(targets - predicted), sample_weight)


def r2(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return which share of the targets' variance is foreseen: 1 for all, 0 for their mean alone.

    Of several outputs, the mean. Where targets do not vary it is 1 if they are met exactly and 0 if
    not; of a single example it is nan.

    Examples
    --------
    >>> round(r2([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]), 4)
    0.9486
    """
    targets, predicted = alike(targets, predicted, "r2")
    if len(targets) < 2:
        return float("nan")
    weights = weights_of(sample_weight, len(targets))
    off = np.average((targets - predicted) ** 2, axis=0, weights=weights)
    mean = np.average(targets, axis=0, weights=weights)
    spread = np.average((targets - mean) ** 2, axis=0, weights=weights)
    varies = spread > 0
    lost = np.where(varies, off / np.where(varies, spread, 1.0), off > 0)
    return float(np.mean(1.0 - lost))
