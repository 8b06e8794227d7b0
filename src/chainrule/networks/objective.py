"""What training makes small: the mean cost of the examples, and what large weights cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..errors import ShapeError
from ..tracing.sites import here
from .comparing import weights_of
from .costs import Cost
from .forward import Layers, train
from .targets import as_labels

Array = np.ndarray[Any, Any]


def objective(layers: Layers, cost: Cost, l1: float, l2: float, carries: bool) -> Any:
    """Return the function that `fit` makes small.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    cost : Cost
        Of its outputs.
    l1, l2 : float
        What weights cost: l1 · Σ|w| + l2/2 · Σw². Biases, scales and shifts, the arrays of one
        axis, cost nothing.
    carries : bool
        Whether layers carry something from step to step.

    Returns
    -------
    callable
        `cost(parameters, x, y[, weights])`, or with something to carry
        `cost(parameters, carried, x, y[, weights]) -> (cost, carried)`.
    """

    def total(parameters: Any, carried: Any, x: Any, y: Any, *weights: Any) -> tuple[Any, Any]:
        outputs, onward = train(layers, parameters, carried, x)
        return mean_cost(cost, outputs, y, *weights) + penalty(parameters, l1, l2), onward

    def plain(parameters: Any, x: Any, y: Any, *weights: Any) -> Any:
        return total(parameters, [{} for _ in layers], x, y, *weights)[0]

    plain.__name__ = total.__name__ = "cost"  # so that messages of fit say what they are about
    return total if carries else plain


def mean_cost(cost: Cost, outputs: Any, y: Any, *weights: Any) -> Any:
    """Return the mean cost of a batch, each example times its weight if there are weights."""
    each = cost.each(outputs, y)
    if not weights:
        return np.mean(each)
    if np.ndim(each) == 0:
        raise ShapeError(
            f"{here()}the cost {cost.name} gives one number for the whole batch, which cannot be "
            "weighted: let it return the cost of each example, shape (batch,)."
        )
    return np.mean(each * weights[0])


def penalty(parameters: Any, l1: float, l2: float) -> Any:
    """Return what the weights cost by their size: 0.0 unless asked for."""
    total: Any = 0.0
    for w in flatten(parameters)[0]:
        if np.ndim(w) < 2:
            continue
        if l2:
            total = total + 0.5 * l2 * np.sum(w * w)
        if l1:
            total = total + l1 * np.sum(abs(w))
    return total


# ---------------------------------------------------------------------- weights of examples


def example_weights(
    targets: Array, sample_weight: Any, class_weight: Any, dtype: Any, classifies: bool
) -> Array | None:
    """Return a weight for each example, of mean 1; None where all count alike.

    Parameters
    ----------
    targets : ndarray
        As the cost takes them.
    sample_weight : array-like, shape (n,), or None
        How much each example counts; >= 0.
    class_weight : dict, "balanced" or None
        How much each class counts, 1 where it is not named. "balanced": all classes alike,
        n / (classes · examples of the class), as in scikit-learn.
    dtype : dtype
        Of the weights.
    classifies : bool
        Whether there are classes.

    Raises
    ------
    ShapeError, ValueError, TypeError
        For weights that are not one finite number >= 0 each, or that are all 0.
    """
    if sample_weight is None and class_weight is None:
        return None
    n = len(targets)
    checked = weights_of(sample_weight, n)
    weights = np.ones(n) if checked is None else checked
    if class_weight is not None:
        weights = weights * _of_classes(targets, class_weight, classifies)
    largest = float(np.max(weights))
    if not largest > 0.0:
        raise ValueError(f"{here()}all weights are 0: no example would count")
    weights = weights / largest  # first, so that no sum overflows
    made: Array = (weights / np.mean(weights)).astype(dtype)
    return made


def _of_classes(targets: Array, class_weight: Any, classifies: bool) -> Array:
    if not classifies:
        raise ValueError(f"{here()}class_weight is for costs of classes: give sample_weight")
    labels = as_labels(targets)
    if labels.ndim != 1:
        raise ShapeError(f"{here()}class_weight needs one label for each example")
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(class_weight, str) and class_weight == "balanced":
        found: Array = (len(labels) / (len(classes) * counts))[places]
        return found
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"{here()}class_weight must be a dict of label to weight, or 'balanced', not "
            f"{class_weight!r}"
        )
    strange = [label for label in class_weight if label not in classes]
    if strange:
        raise ValueError(
            f"{here()}class_weight names {strange[0]!r}, but the labels are "
            f"{', '.join(map(str, classes[:20]))}."
        )
    try:
        each = np.array([float(class_weight.get(int(label), 1.0)) for label in classes])
    except (TypeError, ValueError):
        raise TypeError(f"{here()}class_weight must hold numbers, not {class_weight!r}") from None
    if not np.all(np.isfinite(each)) or np.any(each < 0):
        raise ValueError(f"{here()}class_weight must be finite and 0 or more, not {class_weight!r}")
    chosen: Array = each[places]
    return chosen


Objective = Callable[..., Any]
