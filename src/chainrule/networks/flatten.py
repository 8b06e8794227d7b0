"""Layers that give each example another shape and change no number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from ..training.batches import whole
from .layer import Layer, Shape


@dataclass(frozen=True)
class Flatten(Layer):
    """Puts all numbers of an example in one row: between images and `Dense`.

    Examples
    --------
    >>> Flatten().outputs((16, 5, 5))
    (400,)
    """

    def outputs(self, inputs: Shape) -> Shape:
        """Return the number of an example's numbers."""
        return (math.prod(inputs),)

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the batch with a row for each example."""
        return np.reshape(x, (len(x), math.prod(x.shape[1:])))


@dataclass(frozen=True)
class Reshape(Layer):
    """Gives each example another shape: between rows of pixels and images.

    Parameters
    ----------
    shape : tuple of int
        Of one example; -1 stands for whatever is left, once.

    Raises
    ------
    ValueError
        If a size is 0 or below -1, or -1 comes twice.

    Examples
    --------
    >>> Reshape((1, 28, 28)).outputs((784,)), Reshape((2, -1)).outputs((6,))
    ((1, 28, 28), (2, 3))
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        shape = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
        sizes = tuple(whole(size, "Reshape: a size", -1) for size in shape)
        if 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(
                f"{here()}Reshape: sizes are 1 or more, one of them may be -1, not {sizes}"
            )
        object.__setattr__(self, "shape", sizes)

    def outputs(self, inputs: Shape) -> Shape:
        """Return the new shape of an example.

        Raises
        ------
        ShapeError
            If it has another number of numbers.
        """
        count, given = math.prod(inputs), math.prod(size for size in self.shape if size > 0)
        if count % given if -1 in self.shape else count != given:
            raise ShapeError(
                f"{here()}Reshape({self.shape}) met examples of shape {inputs}, {count} numbers, "
                f"which do not fill {given}. Give it a shape of {count}."
            )
        return tuple(count // given if size < 0 else size for size in self.shape)

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the batch with each example in the new shape."""
        return np.reshape(x, (len(x), *self.outputs(x.shape[1:])))
