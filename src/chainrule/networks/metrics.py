"""Metrics: what people ask of a trained network, one number over many examples.

Unlike a cost, a metric has no gradient: it compares what was wanted with what was predicted, in
plain NumPy. Names, definitions and odd cases are scikit-learn's, so that numbers can be compared.

To add one: a function `(targets, predicted, *, sample_weight=None)` in `class_metrics.py` or
`number_metrics.py`, and its record in `METRICS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import did_you_mean
from ..tracing.sites import here
from . import class_metrics, number_metrics


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    Parameters
    ----------
    name : str
        What the history calls it.
    function : callable
        `function(targets, predicted)`, or `function(targets, predicted, sample_weight=weights)`.
    reads : {"decisions", "outputs"}
        Whether `predicted` are classes and numbers as `Cost.decide` gives them, or the network's
        outputs, whose order counts.
    kind : {"classes", "numbers", "any"}
        What it is of.
    """

    name: str
    function: Callable[..., Any]
    reads: str = "decisions"
    kind: str = "any"

    def __call__(self, targets: Any, predicted: Any, weights: Any = None) -> float:
        """Return the metric as a Python float.

        Raises
        ------
        TypeError
            If there are weights, and the function takes no `sample_weight`; or if it does not give
            a number.
        """
        if weights is None:
            found = self.function(targets, predicted)
        elif self._takes_weights():
            found = self.function(targets, predicted, sample_weight=weights)
        else:
            raise TypeError(
                f"{here()}the examples have weights, but the metric {self.name} takes no "
                "sample_weight: give it such an argument."
            )
        try:
            return float(found)
        except (TypeError, ValueError):
            raise TypeError(
                f"{here()}the metric {self.name} must give one number, not {found!r}"
            ) from None

    def _takes_weights(self) -> bool:
        try:
            named = inspect.signature(self.function).parameters
        except ValueError:  # a builtin without a signature
            return False
        return "sample_weight" in named


def metric_of(metric: Any) -> Metric:
    """Return the metric of a name or a function.

    Parameters
    ----------
    metric : str, callable or Metric
        A name in `METRICS`, or a function `(targets, predicted)` that gives a number: many of
        `sklearn.metrics` will do.

    Raises
    ------
    ValueError
        For a name that is not known.
    TypeError
        For anything else.

    Examples
    --------
    >>> metric_of("accuracy")([0, 1, 1, 0], [0, 1, 0, 0])
    0.75
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric in METRICS:
            return METRICS[metric]
        raise ValueError(
            f"{here()}there is no metric {metric!r}.{did_you_mean(metric, METRICS)} There are "
            f"{', '.join(METRICS)}; or give a function of targets and predictions."
        )
    if callable(metric) and not isinstance(metric, type):
        return Metric(getattr(metric, "__name__", type(metric).__name__), metric)
    raise TypeError(
        f"{here()}a metric must be one of {', '.join(METRICS)}, or a function of targets and "
        f"predictions, not {metric!r}"
    )


def metrics_of(metrics: Any) -> list[Metric]:
    """Return the metrics that a person lists, or the only one.

    Raises
    ------
    ValueError
        For a name that is not known, or if two have the same name, or one that of the cost.
    TypeError
        For anything else.
    """
    if isinstance(metrics, (str, Metric)) or not isinstance(metrics, Iterable):
        metrics = (metrics,)
    found = [metric_of(one) for one in metrics]
    names = ["cost", *(one.name for one in found)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{here()}two numbers would be called {name!r}. Name each metric once; a function "
                "of your own is called by its __name__."
            )
    return found


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", class_metrics.accuracy, kind="classes"),
        Metric("balanced_accuracy", class_metrics.balanced_accuracy, kind="classes"),
        Metric("top_3_accuracy", partial(class_metrics.top_k_accuracy, k=3), "outputs", "classes"),
        Metric("top_5_accuracy", partial(class_metrics.top_k_accuracy, k=5), "outputs", "classes"),
        Metric("precision", class_metrics.precision, kind="classes"),
        Metric("recall", class_metrics.recall, kind="classes"),
        Metric("f1", class_metrics.f1, kind="classes"),
        Metric(
            "precision_macro", partial(class_metrics.precision, average="macro"), kind="classes"
        ),
        Metric("recall_macro", partial(class_metrics.recall, average="macro"), kind="classes"),
        Metric("f1_macro", partial(class_metrics.f1, average="macro"), kind="classes"),
        Metric("roc_auc", class_metrics.roc_auc, "outputs", "classes"),
        Metric("r2", number_metrics.r2, kind="numbers"),
        Metric("mean_squared_error", number_metrics.mean_squared_error, kind="numbers"),
        Metric("root_mean_squared_error", number_metrics.root_mean_squared_error, kind="numbers"),
        Metric("mean_absolute_error", number_metrics.mean_absolute_error, kind="numbers"),
    )
}
"""The metrics that have a name."""
