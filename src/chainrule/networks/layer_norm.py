"""Layer normalisation: each example with its own mean and variance taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from ..training.batches import whole
from .batch_norm import checked_number
from .layer import Arrays, Layer, Shape


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Gives the features of every example mean 0 and variance 1, then scales and shifts each.

    Training and prediction are alike, and no example depends on the others of its batch. Its
    parameters are `"scale"` and `"shift"`, shape (features,).

    Parameters
    ----------
    features : int
        How many: the last axis of the batch.
    epsilon : float
        Added to the variance, which can be 0; in squared units of the input.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Notes
    -----
    J. Ba, J. Kiros and G. Hinton, "Layer normalization" (2016), eqs. 3 and 4, with epsilon under
    the root as in PyTorch.

    Examples
    --------
    >>> layer = LayerNorm(2, epsilon=0.0)
    >>> layer({"scale": np.ones(2), "shift": np.zeros(2)}, np.array([[3.0, 7.0]]))
    array([[-1.,  1.]])
    """

    features: int
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "features", whole(self.features, "LayerNorm: features", 1))
        keep(self, "epsilon", checked_number(self.epsilon, "LayerNorm: epsilon", math.inf))

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return scales of 1 and shifts of 0."""
        return {"scale": np.ones(self.features, dtype), "shift": np.zeros(self.features, dtype)}

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape that came in.

        Raises
        ------
        ShapeError
            If its last axis is not that of the features.
        """
        if inputs[-1:] != (self.features,):
            remedy = f"Write LayerNorm({inputs[-1]})." if inputs else "Give it rows of numbers."
            raise ShapeError(
                f"{here()}LayerNorm({self.features}) takes examples whose last axis is "
                f"{self.features} long, and met shape {inputs}. {remedy}"
            )
        return inputs

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the batch with each example normalised."""
        off = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.mean(off * off, axis=-1, keepdims=True)
        return off / np.sqrt(variance + self.epsilon) * p["scale"] + p["shift"]
