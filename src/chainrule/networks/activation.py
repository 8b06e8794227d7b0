"""A layer that only applies a function to each number, or to each example's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .activations import activation_of, checked_activation
from .layer import Layer


@dataclass(frozen=True)
class Activation(Layer):
    """Applies a function: where a layer has no activation of its own.

    Parameters
    ----------
    activation : str, dict or callable
        A name, such as "relu"; a name with settings, `{"name": "leaky_relu", "negative_slope":
        0.2}`; or a function in plain NumPy that keeps the shape.

    Raises
    ------
    ValueError
        For a name or a setting that is not known.

    Examples
    --------
    >>> import numpy as np
    >>> Activation("relu")({}, np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """

    activation: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", checked_activation(self.activation))

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the function of the batch."""
        return activation_of(self.activation)(x)
