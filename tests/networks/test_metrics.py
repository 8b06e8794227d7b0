"""Metrics against scikit-learn, with and without weights, and the cases that are odd."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from chainrule.errors import ShapeError
from chainrule.networks.class_metrics import (
    accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
    roc_auc,
    top_k_accuracy,
)
from chainrule.networks.metrics import METRICS, metric_of

generator = np.random.default_rng(0)
LABELS, SAID = generator.integers(0, 4, (2, 60))
YES, SAID_YES = generator.integers(0, 2, (2, 60))
SCORES = generator.normal(size=(60, 6)).round(1)  # with ties
NUMBERS, FORESEEN = generator.normal(size=(2, 60, 3))
WEIGHTS = generator.uniform(0.1, 2.0, 60)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_scikit_learns(name, weights):
    sk = pytest.importorskip("sklearn.metrics")
    peers = {
        "accuracy": (sk.accuracy_score, {}, LABELS, SAID),
        "balanced_accuracy": (sk.balanced_accuracy_score, {}, LABELS, SAID),
        "top_3_accuracy": (
            sk.top_k_accuracy_score,
            {"k": 3, "labels": range(6)},
            LABELS,
            SCORES,
        ),
        "top_5_accuracy": (
            sk.top_k_accuracy_score,
            {"k": 5, "labels": range(6)},
            LABELS,
            SCORES,
        ),
        "precision": (sk.precision_score, {}, YES, SAID_YES),
        "recall": (sk.recall_score, {}, YES, SAID_YES),
        "f1": (sk.f1_score, {}, YES, SAID_YES),
        "precision_macro": (sk.precision_score, {"average": "macro"}, LABELS, SAID),
        "recall_macro": (sk.recall_score, {"average": "macro"}, LABELS, SAID),
        "f1_macro": (sk.f1_score, {"average": "macro"}, LABELS, SAID),
        "roc_auc": (sk.roc_auc_score, {}, YES, SCORES[:, 0]),
        "r2": (sk.r2_score, {}, NUMBERS, FORESEEN),
        "mean_squared_error": (sk.mean_squared_error, {}, NUMBERS, FORESEEN),
        "root_mean_squared_error": (sk.root_mean_squared_error, {}, NUMBERS, FORESEEN),
        "mean_absolute_error": (sk.mean_absolute_error, {}, NUMBERS, FORESEEN),
    }
    peer, settings, targets, predicted = peers[name]
    expected = peer(targets, predicted, sample_weight=weights, **settings)
    assert METRICS[name](targets, predicted, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("classes", [None, [3, 0, 1]])
def test_confusion_is_scikit_learns(classes, weights):
    sk = pytest.importorskip("sklearn.metrics")
    found = confusion_matrix(LABELS, SAID, classes=classes, sample_weight=weights)
    expected = sk.confusion_matrix(LABELS, SAID, labels=classes, sample_weight=weights)
    np.testing.assert_allclose(found, expected)
    assert found.dtype == (np.int64 if weights is None else np.float64)


def test_confusion_of_words():
    found = confusion_matrix(["a", "b", "b"], ["b", "b", "a"])
    assert found.tolist() == [[0, 1], [1, 1]]


def test_columns_are_rows_of_one():
    assert accuracy(np.array([[1], [0]]), np.array([1, 1])) == 0.5
    assert METRICS["r2"](np.array([[1.0], [2.0]]), np.array([1.0, 2.0])) == 1.0


def test_each_of_several_answers_counts():
    assert accuracy([[1, 0], [1, 1]], [[1, 1], [1, 1]]) == 0.75
    # By hand: (3 · 1/2 + 1 · 1) / 4.
    assert accuracy([[1, 0], [1, 1]], [[1, 1], [1, 1]], sample_weight=[3.0, 1.0]) == 0.625
    found = confusion_matrix([[1, 0], [1, 1]], [[1, 1], [1, 1]], sample_weight=[3.0, 1.0])
    assert found.tolist() == [[0.0, 3.0], [0.0, 5.0]]


def test_integers_do_not_wrap():
    far = np.array([0, 255], np.uint8), np.array([255, 0], np.uint8)
    assert METRICS["mean_squared_error"](*far) == 255.0**2
    assert METRICS["mean_absolute_error"](*far) == 255.0


def test_where_there_is_nothing_to_divide_by():
    none, all_of_them = np.zeros(3, int), np.ones(3, int)
    assert precision(all_of_them, none) == recall(none, all_of_them) == f1(none, none) == 0.0
    assert math.isnan(roc_auc(all_of_them, [0.1, 0.2, 0.3]))
    assert METRICS["r2"]([2.0, 2.0], [2.0, 2.0]) == 1.0
    assert METRICS["r2"]([2.0, 2.0], [2.0, 3.0]) == 0.0
    assert math.isnan(METRICS["r2"]([2.0], [2.0]))


def test_order_of_two_columns():
    scores = np.random.default_rng(1).normal(size=(60, 2))
    assert roc_auc(YES, scores) == roc_auc(YES, (scores[:, 1] - scores[:, 0])[:, None])


def test_a_function_of_ones_own():
    def worst(targets, predicted):
        return np.max(abs(targets - predicted))

    metric = metric_of(worst)
    assert (metric.name, metric.reads) == ("worst", "decisions")
    assert metric(np.array([1.0, 2.0]), np.array([1.5, 2.0])) == 0.5
    with pytest.raises(TypeError, match="the metric worst takes no sample_weight"):
        metric(NUMBERS, FORESEEN, WEIGHTS)
    assert metric_of(metric) is metric
    sk = pytest.importorskip("sklearn.metrics")
    weighted = metric_of(sk.accuracy_score)(LABELS, SAID, WEIGHTS)
    assert weighted == pytest.approx(METRICS["accuracy"](LABELS, SAID, WEIGHTS))
    with pytest.raises(TypeError, match="the metric confusion_matrix must give one number, not"):
        metric_of(confusion_matrix)(LABELS, SAID)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: metric_of("acuracy"), ValueError, "Did you mean 'accuracy'? There are accuracy"),
        (lambda: metric_of(3), TypeError, "a metric must be one of accuracy, balanced_accuracy"),
        (
            lambda: accuracy(LABELS, SAID[:9]),
            ShapeError,
            "same shape, at least one of each, not (6",
        ),
        (lambda: accuracy([], []), ShapeError, "not (0,) and (0,)"),
        (lambda: accuracy(LABELS, SCORES[:, 0]), ValueError, "accuracy is of classes, but there"),
        (lambda: accuracy(LABELS, SAID, sample_weight=[1.0]), ShapeError, "for each of the 60 exa"),
        (
            lambda: confusion_matrix(YES[:2], YES[:2], sample_weight=[1.0, np.inf]),
            ValueError,
            "sample_weight[1] is inf, but weights are 0 or more, and finite",
        ),
        (
            lambda: f1(LABELS, SAID),
            ValueError,
            "f1 is of two classes, 0 and 1, not of [0, 1, 2, 3]",
        ),
        (lambda: f1(YES, SAID, average="micro"), ValueError, "must be 'binary' or 'macro'"),
        (lambda: roc_auc(LABELS, SAID), ValueError, "For several: 'precision_macro'"),
        (
            lambda: top_k_accuracy(LABELS, SAID),
            ShapeError,
            "a score for each class, shapes (n,) an",
        ),
        (lambda: top_k_accuracy(LABELS, SCORES, k=0), ValueError, "k must be at least 1, not 0"),
    ],
)
def test_what_is_refused(call, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        call()
    assert str(caught.value).startswith("test_metrics.py:")
