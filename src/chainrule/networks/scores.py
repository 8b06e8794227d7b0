"""Scores: what a network is worth on examples that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from . import forward
from .asking import Asking
from .inputs import checked_inputs
from .metrics import metrics_of
from .objective import example_weights
from .targets import check_lengths, checked_targets, truth_of

if TYPE_CHECKING:
    from .network import Network


class Scores:
    """Examples, what is wanted for them, and how the answers are judged.

    Parameters
    ----------
    net : Network
        What is asked; its parameters are handed over each time.
    x, y : array
        Examples and targets.
    sample_weight : array, shape (n,), optional
        How much each example counts.
    metrics : sequence of str or callable, optional
        By default "accuracy" for classes and "r2" for numbers.
    name : str
        How errors call them.
    """

    def __init__(
        self, net: Network, x: Any, y: Any, sample_weight: Any = None, *, metrics: Any = None,
        name: str = "",
    ) -> None:  # fmt: skip
        names = (f"{name}[0]", f"{name}[1]") if name else ("x", "y")
        self._reads = net.reads
        self._x = checked_inputs(x, net.layers[0], net.reads, names[0])
        try:
            shape = forward.shape_through(net.layers, self._x.shape[1:])
        except ShapeError as reason:
            said = str(reason).removeprefix(here())
            raise ShapeError(f"{here()}{name}{': ' if name else ''}{said}") from None
        self._cost = net.cost.for_targets(y, shape)
        self._y = checked_targets(self._cost, y, shape, net.dtype, name=names[1])
        check_lengths(self._x, self._y, *names)
        self._weights = example_weights(
            self._y, sample_weight, None, np.float64, self._cost.classifies
        )
        if metrics is None:
            metrics = ("accuracy",) if self._cost.classifies else ("r2",)
            if self._cost.is_own and not self._cost.classifies and self._y.shape[1:] != shape:
                metrics = ()  # three quantiles of one number, say: no error can be taken of those
        self._metrics = metrics_of(metrics)
        self._asking = Asking(forward.without_link(net.layers, self._cost.link))
        self._truth = truth_of(self._cost, self._y)

    def of(self, parameters: Any, carried: Any) -> dict[str, float]:
        """Return the mean cost and the metrics by name."""
        outputs = self._asking(parameters, carried, self._x, self._reads)
        with np.errstate(all="ignore"):
            each = np.asarray(self._cost.each(outputs, self._y), np.float64)
        found = {"cost": float(np.average(each, weights=self._weights) if each.ndim else each)}
        decided = self._cost.decide(outputs)
        for metric in self._metrics:
            read = outputs if metric.reads == "outputs" else decided
            found[metric.name] = float(metric(self._truth, read, self._weights))
        return found

    def held_out(self, carries: bool, carried: Any) -> Callable[..., dict[str, float]]:
        """Return the validation that `fit` takes: the same numbers, named `val_...`."""

        def named(parameters: Any, carry: Any) -> dict[str, float]:
            return {f"val_{key}": number for key, number in self.of(parameters, carry).items()}

        return named if carries else lambda parameters: named(parameters, carried)
