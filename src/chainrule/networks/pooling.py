"""Pooling layers: images made smaller, one number for each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ShapeError
from ..gates import GATES
from ..tracing.sites import here
from ..training.batches import whole
from .layer import Layer, Shape


@dataclass(frozen=True)
class _Pool2D(Layer):
    """What both kinds share: windows on the last two axes, and the shapes."""

    size: Any
    stride: Any = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "size", _pair(self.size, f"{name}: size"))
        stride = self.size if self.stride is None else _pair(self.stride, f"{name}: stride")
        keep(self, "stride", stride)

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape of an example with as many rows and columns as there are windows.

        Raises
        ------
        ShapeError
            If an example is no image, or smaller than a window.
        """
        name = f"{type(self).__name__}({self.size})"
        if len(inputs) != 3:
            raise ShapeError(
                f"{here()}{name} takes examples of shape (channels, height, width), and met "
                f"{inputs}. Put Reshape((channels, height, width)) before it."
            )
        if any(n < k for n, k in zip(inputs[1:], self.size, strict=True)):
            raise ShapeError(
                f"{here()}{name} met images of {inputs[1]} by {inputs[2]}, which are smaller than "
                "its windows. Take smaller windows, or fewer layers that shrink the images."
            )
        sizes = zip(inputs[1:], self.size, self.stride, strict=True)
        windows = ((n - k) // s + 1 for n, k, s in sizes)
        return (inputs[0], *windows)


@dataclass(frozen=True)
class MaxPool2D(_Pool2D):
    """Takes the largest number of each window of an image.

    Windows lie within the image: rows and columns left over at its end belong to none. Numbers
    that tie for the largest share the gradient equally, where PyTorch gives it to the first.

    Parameters
    ----------
    size : int or (int, int)
        Rows and columns of a window; one int for both.
    stride : int or (int, int), optional
        How far apart windows stand; None for side by side.

    Raises
    ------
    TypeError, ValueError
        If a size or stride is not one or two whole numbers from 1 on.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[1.0, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 5.0]])
    >>> MaxPool2D(2)({}, image.reshape(1, 1, 2, 4))
    array([[[[3., 5.]]]])
    >>> MaxPool2D(3, stride=2).outputs((16, 13, 13))
    (16, 6, 6)
    """

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the largest numbers of a batch of images."""
        return GATES["max_pool2d"](x, size=self.size, stride=self.stride)


@dataclass(frozen=True)
class AveragePool2D(_Pool2D):
    """Takes the mean of each window of an image.

    Windows lie within the image: rows and columns left over at its end belong to none.

    Parameters
    ----------
    size : int or (int, int)
        Rows and columns of a window; one int for both.
    stride : int or (int, int), optional
        How far apart windows stand; None for side by side.

    Raises
    ------
    TypeError, ValueError
        If a size or stride is not one or two whole numbers from 1 on.

    Examples
    --------
    >>> import numpy as np
    >>> AveragePool2D((2, 1))({}, np.array([[[[1.0, 2.0], [3.0, 8.0]]]]))
    array([[[[2., 5.]]]])
    """

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the means of a batch of images."""
        return GATES["mean_pool2d"](x, size=self.size, stride=self.stride)


def _pair(value: Any, name: str) -> tuple[int, int]:
    """Return a setting as rows and columns."""
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(sizes) != 2:
        raise ValueError(f"{here()}{name} must be one whole number or two, not {value!r}")
    return whole(sizes[0], name, 1), whole(sizes[1], name, 1)
