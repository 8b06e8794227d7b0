"""The dense layer: every neuron hears every number."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from ..training.batches import whole
from .activations import activation_of, checked_activation
from .initialisers import initial, initialiser_of
from .layer import Array, Arrays, Layer, Shape


@dataclass(frozen=True)
class Dense(Layer):
    """Weighted sums of all inputs, and an activation of each: a(x W + b).

    Its parameters are `"weights"`, shape (n_in, n_out), and `"biases"`, shape (n_out,).

    Parameters
    ----------
    n_in, n_out : int
        How many numbers come in, and how many neurons there are.
    activation : str, dict or callable, optional
        What is done to the sums: `ACTIVATIONS` has the names. None leaves them.
    weights : str, dict or callable
        How the weights begin: `INITIALISERS` has the names.
    biases : str, dict, callable or None
        How the biases begin; None for no biases.

    Raises
    ------
    ValueError
        If a size is below 1, or a name is not known.

    Notes
    -----
    Examples with several axes, such as the places of a sequence, keep all but the last.

    Examples
    --------
    >>> layer = Dense(2, 1, "relu")
    >>> p = {"weights": np.array([[1.0], [-1.0]]), "biases": np.array([0.5])}
    >>> layer(p, np.array([[3.0, 1.0], [1.0, 3.0]]))
    array([[2.5],
           [0. ]])
    """

    n_in: int
    n_out: int
    activation: Any = None
    _: KW_ONLY
    weights: Any = "glorot_uniform"
    biases: Any = "zeros"

    def __post_init__(self) -> None:
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "n_in", whole(self.n_in, "Dense: n_in", 1))
        keep(self, "n_out", whole(self.n_out, "Dense: n_out", 1))
        keep(self, "activation", checked_activation(self.activation))
        keep(self, "weights", initialiser_of(self.weights))
        if self.biases is not None:
            keep(self, "biases", initialiser_of(self.biases))

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return weights and biases to start with, drawn in this order."""
        fans = (self.n_in, self.n_out)
        found: dict[str, Array] = {"weights": initial(self.weights, generator, fans, dtype)}
        if self.biases is not None:
            found["biases"] = initial(self.biases, generator, (self.n_out,), dtype, fans)
        return found

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape of an example with its last axis n_out long.

        Raises
        ------
        ShapeError
            If an example's last axis is not n_in long.
        """
        if inputs[-1:] != (self.n_in,):
            remedy = f"Write Dense({inputs[-1] if inputs else 1}, {self.n_out})"
            if len(inputs) > 1:
                count = math.prod(inputs)
                fits = count == self.n_in
                remedy = "Put Flatten() before it" + ("" if fits else f", and write Dense({count},")
                remedy += "" if fits else f" {self.n_out})"
            raise ShapeError(
                f"{here()}Dense({self.n_in}, {self.n_out}) takes {self.n_in} numbers, and met "
                f"examples of shape {inputs}. {remedy}."
            )
        return (*inputs[:-1], self.n_out)

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the activations of a batch."""
        sums = x @ p["weights"]
        if self.biases is not None:
            sums = sums + p["biases"]
        return activation_of(self.activation)(sums)
