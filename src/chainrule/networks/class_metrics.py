"""Metrics of classes: how often the right one is said, and which are taken for which."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from .comparing import Array, alike, alike_labels, average_of, weights_of


def accuracy(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return the share of answers that are right.

    With several answers an example, each counts; scikit-learn counts an example whose answers are
    all right.

    Parameters
    ----------
    targets, predicted : array of labels, of the same shape
        What was wanted, and what the network says.
    sample_weight : array, shape (n,), optional
        How much each example counts.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If they are no labels.
    """
    targets, predicted = alike_labels(targets, predicted, "accuracy")
    return average_of(targets == predicted, sample_weight)


def top_k_accuracy(targets: Any, scores: Any, *, k: int = 5, sample_weight: Any = None) -> float:
    """Return the share of examples whose label is among the k highest scores.

    Parameters
    ----------
    targets : array of int, shape (n,)
        The labels, from 0 on.
    scores : array, shape (n, classes)
        Outputs or probabilities. Of equal ones the later class is higher, as in scikit-learn.
    k : int
        How many; >= 1.
    sample_weight : array, shape (n,), optional
        How much each example counts.

    Examples
    --------
    >>> top_k_accuracy([0, 2], [[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]], k=2)
    0.5
    """
    targets, scores = np.asarray(targets), np.asarray(scores)
    k = operator.index(k)
    if k < 1:
        raise ValueError(f"{here()}top_k_accuracy: k must be at least 1, not {k}")
    if scores.ndim != targets.ndim + 1 or scores.shape[:-1] != targets.shape:
        raise ShapeError(
            f"{here()}top_k_accuracy takes labels and a score for each class, shapes (n,) and (n, "
            f"classes), not {targets.shape} and {scores.shape}."
        )
    best = np.argsort(scores, axis=-1, kind="stable")[..., ::-1][..., :k]
    return average_of(np.any(best == targets[..., np.newaxis], axis=-1), sample_weight)


def confusion_matrix(
    targets: Any, predicted: Any, *, classes: Any = None, sample_weight: Any = None
) -> Array:
    """Return how often each class, a row, was taken for each class, a column.

    Parameters
    ----------
    targets, predicted : array of labels, shape (n,)
        What was wanted, and what the network says.
    classes : sequence, optional
        The labels in the order of rows; by default all that occur, sorted. Examples of others are
        left out.
    sample_weight : array, shape (n,), optional
        How much each example counts.

    Returns
    -------
    ndarray of int64, or of float64 with weights, shape (classes, classes)
        The counts.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 1],
           [0, 0, 1]])
    """
    targets, predicted = alike_labels(targets, predicted, "confusion_matrix")
    weights = weights_of(sample_weight, len(targets))
    if weights is not None:  # each of an example's answers counts as it does
        weights = np.repeat(weights, targets.size // len(targets))
    targets, predicted = targets.ravel(), predicted.ravel()
    known = np.unique(np.concatenate([targets, predicted]) if classes is None else classes)
    row, column = np.searchsorted(known, targets), np.searchsorted(known, predicted)
    row, column = (np.minimum(place, len(known) - 1) for place in (row, column))
    counted = (known[row] == targets) & (known[column] == predicted)
    matrix = np.zeros((len(known),) * 2, np.int64 if weights is None else np.float64)
    np.add.at(matrix, (row[counted], column[counted]), 1 if weights is None else weights[counted])
    if classes is not None:  # as they were given: known is sorted
        order = np.searchsorted(known, np.asarray(classes))
        matrix = matrix[np.ix_(order, order)]
    return matrix


def precision(
    targets: Any, predicted: Any, *, average: str = "binary", sample_weight: Any = None
) -> float:
    """Return which share of what was called positive is; 0 where nothing was.

    Parameters
    ----------
    targets, predicted : array of labels, shape (n,)
        What was wanted, and what the network says.
    average : {"binary", "macro"}
        Of class 1 against 0; or the mean over all classes that occur, each counted alike.
    sample_weight : array, shape (n,), optional
        How much each example counts.

    Raises
    ------
    ValueError
        If there are other labels than 0 and 1, and the average is "binary".
    """
    hits, called, _ = _hits(targets, predicted, average, sample_weight, "precision")
    return float(np.mean(_share(hits, called)))


def recall(
    targets: Any, predicted: Any, *, average: str = "binary", sample_weight: Any = None
) -> float:
    """Return which share of the positive was found; 0 where there is none. As `precision`."""
    hits, _, there = _hits(targets, predicted, average, sample_weight, "recall")
    return float(np.mean(_share(hits, there)))


def f1(
    targets: Any, predicted: Any, *, average: str = "binary", sample_weight: Any = None
) -> float:
    """Return the harmonic mean of precision and recall; 0 where both are. As `precision`."""
    hits, called, there = _hits(targets, predicted, average, sample_weight, "f1")
    return float(np.mean(_share(2.0 * hits, called + there)))


def balanced_accuracy(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Return the mean share of right answers over the classes that are wanted, each alike."""
    matrix = confusion_matrix(targets, predicted, sample_weight=sample_weight)
    wanted = matrix.sum(axis=1)
    there = wanted > 0
    return float(np.mean(np.diagonal(matrix)[there] / wanted[there]))


def roc_auc(targets: Any, scores: Any, *, sample_weight: Any = None) -> float:
    """Return the chance that a positive example has a higher score than a negative one.

    Parameters
    ----------
    targets : array of 0 and 1, shape (n,)
        What was wanted.
    scores : array, shape (n,) or (n, 1)
        Outputs; or two columns, of which the difference counts.
    sample_weight : array, shape (n,), optional
        How much each example counts.

    Raises
    ------
    ValueError
        If there are other labels than 0 and 1. Where one of them is missing the chance is nan.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    scores = np.asarray(scores)
    if scores.ndim == 2 and scores.shape[1] == 2:
        scores = scores[:, 1] - scores[:, 0]
    targets, scores = alike(targets, scores, "roc_auc")
    positive = _as_binary(targets, "roc_auc")
    weights = weights_of(sample_weight, len(targets))
    weights = np.ones(len(targets)) if weights is None else weights
    # Of each distinct score, how much weight is positive, and how much negative.
    _, place = np.unique(scores, return_inverse=True)
    above = np.bincount(place, weights * positive)
    below = np.bincount(place, weights * ~positive)
    wins = np.sum(above * (np.cumsum(below) - 0.5 * below))  # a tie is half a win
    pairs = above.sum() * below.sum()
    return float(wins / pairs) if pairs else float("nan")


def _hits(
    targets: Any, predicted: Any, average: str, sample_weight: Any, name: str
) -> tuple[Array, Array, Array]:
    """Return for each class how many were called it rightly, were called it, and are it."""
    if average not in ("binary", "macro"):
        raise ValueError(f"{here()}{name}: average must be 'binary' or 'macro', not {average!r}")
    classes = None
    if average == "binary":
        for one in alike_labels(targets, predicted, name):
            _as_binary(one, name)
        classes = [0, 1]
    matrix = confusion_matrix(targets, predicted, classes=classes, sample_weight=sample_weight)
    counts = np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    first, second, third = (one[1:] if average == "binary" else one for one in counts)
    return first, second, third


def _as_binary(labels: Array, name: str) -> Array:
    if labels.dtype.kind not in "fiub" or not np.all((labels == 0) | (labels == 1)):
        raise ValueError(
            f"{here()}{name} is of two classes, 0 and 1, not of {np.unique(labels)[:5].tolist()}. "
            "For several: 'precision_macro', 'recall_macro', 'f1_macro' or 'balanced_accuracy'."
        )
    return np.asarray(labels == 1)


def _share(part: Array, whole: Array) -> Array:
    return part / np.where(whole > 0, whole, 1)
