"""Batch normalisation: each feature with the mean and variance that its batch has taken out."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from ..training.batches import whole
from .layer import Arrays, Layer, Shape


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Gives every feature mean 0 and variance 1 over a batch, then a scale and a shift of its own.

    In training, by the batch's mean and variance, with which running ones are kept up::

        running ← momentum · running + (1 - momentum) · batch

    and when it is asked, by the running ones. Its parameters are `"scale"` and `"shift"`, and what
    it carries `"mean"` and `"variance"`, all of shape (features,).

    Parameters
    ----------
    features : int
        How many: the second axis of the batch. Of images, shape (batch, channels, height, width),
        the channels, each normalised over all its pixels.
    momentum : float
        How much of the running mean and variance is kept, from 0 to 1. PyTorch's is 1 minus this.
    epsilon : float
        Added to the variance, which can be 0; in squared units of the input.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Warns
    -----
    RuntimeWarning
        If it is trained on a single number a feature, which has no variance, such as the one row
        left for the last batch of an epoch. The running ones are taken then.

    Notes
    -----
    S. Ioffe and C. Szegedy, "Batch normalization" (2015), algorithms 1 and 2. As there and in
    PyTorch, what normalises is the biased variance (divided by n), and what is kept for later the
    unbiased one (divided by n - 1).
    """

    features: int
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "features", whole(self.features, "BatchNorm: features", 1))
        keep(self, "momentum", checked_number(self.momentum, "BatchNorm: momentum", 1.0))
        keep(self, "epsilon", checked_number(self.epsilon, "BatchNorm: epsilon", math.inf))

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return scales of 1 and shifts of 0."""
        return {"scale": np.ones(self.features, dtype), "shift": np.zeros(self.features, dtype)}

    def carried(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return running means of 0 and variances of 1."""
        return {"mean": np.zeros(self.features, dtype), "variance": np.ones(self.features, dtype)}

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape that came in.

        Raises
        ------
        ShapeError
            If its first axis is not that of the features.
        """
        if inputs[:1] != (self.features,):
            remedy = f"Write BatchNorm({inputs[0]})." if inputs else "Give it rows of numbers."
            raise ShapeError(
                f"{here()}BatchNorm({self.features}) takes examples whose first axis is "
                f"{self.features} long, and met shape {inputs}. {remedy}"
            )
        return inputs

    def __call__(self, p: Any, x: Any) -> Any:
        """Return a batch normalised by its own mean and variance."""
        mean, variance = self._statistics(x)
        return self._normalised(p, x, mean, variance)

    def train(self, p: Any, x: Any, carried: Any) -> tuple[Any, Any]:
        """Return a batch normalised by its own mean and variance, and the running ones."""
        count = x.size // self.features
        if count < 2:
            warnings.warn(
                f"{here()}BatchNorm({self.features}) met a batch with one number a feature, which "
                "has no variance: it takes the running ones. Give batches of 2 or more; the last "
                "of an epoch has what is left over.",
                RuntimeWarning,
                stacklevel=2,
            )
            return self.predict(p, x, carried), carried
        mean, variance = self._statistics(x)
        kept, new = self.momentum, 1.0 - self.momentum
        unbiased = new * (count / (count - 1))
        running = {
            "mean": kept * carried["mean"] + new * mean,
            "variance": kept * carried["variance"] + unbiased * variance,
        }
        return self._normalised(p, x, mean, variance), running

    def predict(self, p: Any, x: Any, carried: Any) -> Any:
        """Return a batch normalised by the running mean and variance."""
        return self._normalised(p, x, carried["mean"], carried["variance"])

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        axes = (0, *range(2, x.ndim))
        mean = np.mean(x, axis=axes)
        # Of differences, not E[x²] - E[x]², which has no digits left where the mean is large.
        off = x - self._lined_up(mean, x)
        return mean, np.mean(off * off, axis=axes)

    def _normalised(self, p: Any, x: Any, mean: Any, variance: Any) -> Any:
        factor = p["scale"] / np.sqrt(variance + self.epsilon)
        return (x - self._lined_up(mean, x)) * self._lined_up(factor, x) + self._lined_up(
            p["shift"], x
        )

    def _lined_up(self, numbers: Any, x: Any) -> Any:
        """Return a number for each feature so that it meets the features of the batch."""
        return np.reshape(numbers, (self.features, *[1] * (x.ndim - 2)))


def checked_number(value: Any, name: str, most: float) -> float:
    """Return a setting as a Python float, which does not widen float32.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is below 0 or above `most`.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{here()}{name} must be a number, not {value!r}") from None
    if not 0.0 <= number <= most or number == math.inf:
        span = "0 or more, and finite" if most == math.inf else f"from 0 to {most:g}"
        raise ValueError(f"{here()}{name} must be {span}, not {number!r}")
    return number
