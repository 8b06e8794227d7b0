"""The convolutional layer, and convolutions with strides made of the gate that has none.

With a stride of s, every s-th row and column of the image meets the same elements of the kernel. So
the pixels of each s by s block are dealt out to s² channels, the kernel's elements likewise, and
one convolution without stride does all the work and no more. This is exact, and its gradients come
from the gates that it is made of.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..gates.convolution import conv2d as valid_conv2d
from ..gates.rules import shape_of
from ..tracing.sites import here
from ..training.batches import whole
from .activations import activation_of, checked_activation
from .initialisers import fans_of, initial, initialiser_of
from .layer import Array, Arrays, Layer, Shape

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def conv2d(x: Any, weights: Any, *, stride: Any = 1, padding: Any = 0) -> Any:
    """Convolve images with kernels, as deep learning does: the kernels are not flipped.

    Parameters
    ----------
    x : array, shape (batch, channels, height, width)
        The images.
    weights : array, shape (channels out, channels, kernel height, kernel width)
        The kernels.
    stride : int or (int, int)
        How many rows and columns the kernel moves at a time.
    padding : int, (int, int) or "same"
        Zeros above and below, left and right of the images; "same" puts as many as keep the size,
        the odd one below and right.

    Returns
    -------
    array, shape (batch, channels out, rows, columns)
        rows = (height + padding - kernel height) // stride + 1.

    Raises
    ------
    ShapeError
        If the channels do not agree, or the kernel does not fit the image.
    ValueError
        If stride or padding are none.

    Examples
    --------
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), stride=2)
    array([[[[10., 18.],
             [42., 50.]]]])
    """
    shape, kernel = shape_of(x), shape_of(weights)
    if len(shape) != 4 or len(kernel) != 4:
        raise ShapeError(
            f"{here()}conv2d takes images (batch, channels, height, width) and weights (channels "
            f"out, channels in, height, width), not shapes {shape} and {kernel}"
        )
    if shape[1] != kernel[1]:
        raise ShapeError(
            f"{here()}conv2d of images {shape} with weights {kernel}: the images have {shape[1]} "
            f"channels (axis 1), the weights take {kernel[1]} (axis 1)"
        )
    steps = _pair(stride, "conv2d: stride", 1)
    pads = _pads(padding, kernel[2:], steps, "conv2d")
    _places("conv2d", shape[2:], kernel[2:], steps, pads)
    return _strided(x, weights, steps, pads)


def _strided(x: Any, weights: Any, steps: Pair, pads: Pads) -> Any:
    kernel = shape_of(weights)[2:]
    if steps == (1, 1):
        return valid_conv2d(x, weights, padding=pads)
    if kernel == (1, 1) and pads == ((0, 0), (0, 0)):  # no pixel in between is met
        return valid_conv2d(x[:, :, :: steps[0], :: steps[1]], weights)
    size = _places("conv2d", shape_of(x)[2:], kernel, steps, pads)
    blocks = [-(-k // s) for k, s in zip(kernel, steps, strict=True)]
    around = []
    for axis, (before, _) in enumerate(pads):
        # Rows that the kernel meets, in whole blocks; what is beyond the last one goes.
        length = (size[axis] - 1 + blocks[axis]) * steps[axis]
        around.append((before, length - before - shape_of(x)[2 + axis]))
    x = _fitted(x, around)
    zeros = [(0, b * s - k) for b, s, k in zip(blocks, steps, kernel, strict=True)]
    return valid_conv2d(_dealt(x, steps), _dealt(_fitted(weights, zeros), steps))


def _fitted(x: Any, around: list[Pair]) -> Any:
    """Return x with zeros around its last two axes, or with their ends cut off."""
    kept = tuple(slice(None, min(after, 0) or None) for _, after in around)
    if any(part.stop for part in kept):
        x = x[(..., *kept)]
    widths = tuple((before, max(after, 0)) for before, after in around)
    return np.pad(x, ((0, 0), (0, 0), *widths)) if any(map(any, widths)) else x


def _dealt(x: Any, steps: Pair) -> Any:
    """Return x with the pixels of each block in channels of their own."""
    n, c, height, width = shape_of(x)
    rows, columns = height // steps[0], width // steps[1]
    blocks = np.reshape(x, (n, c, rows, steps[0], columns, steps[1]))
    channels = np.transpose(blocks, (0, 1, 3, 5, 2, 4))
    return np.reshape(channels, (n, c * steps[0] * steps[1], rows, columns))


def _pair(value: Any, name: str, least: int) -> Pair:
    """Return one number for both axes, or one for each."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"{here()}{name} must be one integer or a pair (rows, columns), not {value!r}"
            )
        return whole(value[0], name, least), whole(value[1], name, least)
    number = whole(value, name, least)
    return number, number


def _pads(padding: Any, kernel: Shape, steps: Pair, name: str) -> Pads:
    """Return how many rows of zeros are above and below, and columns left and right."""
    if isinstance(padding, str):
        if padding != "same":
            raise ValueError(
                f'{here()}{name}: padding must be an integer, a pair (rows, columns) or "same", '
                f"not {padding!r}"
            )
        if steps != (1, 1):
            raise ValueError(
                f'{here()}{name}: padding="same" keeps the size of an image, which a stride of '
                f"{steps} does not: write the padding as a number"
            )
        (a, b), (c, d) = (((k - 1) // 2, k // 2) for k in kernel)
        return (a, b), (c, d)
    rows, columns = _pair(padding, f"{name}: padding", 0)
    return (rows, rows), (columns, columns)


def _places(name: str, size: Shape, kernel: Shape, steps: Pair, pads: Pads) -> Pair:
    """Return how many rows and columns come out."""
    padded = [n + before + after for n, (before, after) in zip(size, pads, strict=True)]
    if any(n < k for n, k in zip(padded, kernel, strict=True)):
        raise ShapeError(
            f"{here()}{name}: a kernel of {kernel[0]} x {kernel[1]} does not fit an image of "
            f"{size[0]} x {size[1]} (with padding {padded[0]} x {padded[1]}). Take a smaller "
            "kernel or more padding."
        )
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(padded, kernel, steps, strict=True))
    return rows, columns


@dataclass(frozen=True)
class Conv2D(Layer):
    """Kernels that slide over images, a bias for each, and an activation of the sums.

    Its parameters are `"weights"`, shape (n_out, n_in, rows, columns), and `"biases"`, shape
    (n_out,). Images are (channels, height, width), as in PyTorch.

    Parameters
    ----------
    n_in, n_out : int
        How many channels come in, and how many kernels there are, each giving a channel.
    kernel : int or (int, int)
        Rows and columns of a kernel.
    activation : str, dict or callable, optional
        What is done to the sums: `ACTIVATIONS` has the names. None leaves them.
    stride : int or (int, int)
        How many rows and columns the kernels move at a time.
    padding : int, (int, int) or "same"
        Zeros around the images: above and below, left and right; "same" keeps their size.
    weights : str, dict or callable
        How the weights begin: `INITIALISERS` has the names.
    biases : str, dict, callable or None
        How the biases begin; None for no biases.

    Raises
    ------
    ValueError
        If a size is below 1, a name is not known, or padding is "same" and the stride is not 1.

    Notes
    -----
    The kernels are not flipped: what this field calls a convolution is a cross-correlation.

    Examples
    --------
    >>> layer = Conv2D(1, 1, 2)
    >>> p = {"weights": np.array([[[[1.0, 0.0], [0.0, -1.0]]]]), "biases": np.array([10.0])}
    >>> layer(p, np.arange(9.0).reshape(1, 1, 3, 3))
    array([[[[6., 6.],
             [6., 6.]]]])
    >>> Conv2D(1, 6, 5, "relu", padding="same").outputs((1, 28, 28))
    (6, 28, 28)
    """

    n_in: int
    n_out: int
    kernel: Any
    activation: Any = None
    _: KW_ONLY
    stride: Any = 1
    padding: Any = 0
    weights: Any = "glorot_uniform"
    biases: Any = "zeros"

    def __post_init__(self) -> None:
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "n_in", whole(self.n_in, "Conv2D: n_in", 1))
        keep(self, "n_out", whole(self.n_out, "Conv2D: n_out", 1))
        keep(self, "kernel", _as_given(self.kernel, _pair(self.kernel, "Conv2D: kernel", 1)))
        keep(self, "stride", _as_given(self.stride, _pair(self.stride, "Conv2D: stride", 1)))
        pads = _pads(self.padding, self.kernels, self.strides, "Conv2D")
        if not isinstance(self.padding, str):
            keep(self, "padding", _as_given(self.padding, (pads[0][0], pads[1][0])))
        keep(self, "activation", checked_activation(self.activation))
        keep(self, "weights", initialiser_of(self.weights))
        if self.biases is not None:
            keep(self, "biases", initialiser_of(self.biases))

    @property
    def kernels(self) -> Pair:
        """Rows and columns of a kernel."""
        return _pair(self.kernel, "Conv2D: kernel", 1)

    @property
    def strides(self) -> Pair:
        """How many rows and columns the kernels move at a time."""
        return _pair(self.stride, "Conv2D: stride", 1)

    @property
    def pads(self) -> Pads:
        """How many rows of zeros are above and below, and columns left and right."""
        return _pads(self.padding, self.kernels, self.strides, "Conv2D")

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return weights and biases to start with, drawn in this order."""
        shape = (self.n_out, self.n_in, *self.kernels)
        found: dict[str, Array] = {"weights": initial(self.weights, generator, shape, dtype)}
        if self.biases is not None:
            found["biases"] = initial(self.biases, generator, (self.n_out,), dtype, fans_of(shape))
        return found

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape of the images that go out.

        Raises
        ------
        ShapeError
            If an example is no image of n_in channels, or the kernel does not fit it.
        """
        if len(inputs) != 3 or inputs[0] != self.n_in:
            met = f"{here()}{self!r} takes images of {self.n_in} channels, shape "
            met += f"({self.n_in}, height, width), and met examples of shape {inputs}. "
            if len(inputs) == 2 and self.n_in == 1:
                remedy = f"Put Reshape((1, {inputs[0]}, {inputs[1]})) before it."
            elif len(inputs) == 3 and inputs[2] == self.n_in:
                remedy = "Put the channels first: np.transpose(x, (0, 3, 1, 2))."
            elif len(inputs) == 3:
                remedy = f"Write Conv2D({inputs[0]}, {self.n_out}, ...)."
            else:
                remedy = f"Put Reshape(({self.n_in}, height, width)) before it."
            raise ShapeError(met + remedy)
        places = _places(repr(self), inputs[1:], self.kernels, self.strides, self.pads)
        return (self.n_out, *places)

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the activations of a batch of images."""
        sums = _strided(x, p["weights"], self.strides, self.pads)
        if self.biases is not None:
            sums = sums + np.reshape(p["biases"], (1, self.n_out, 1, 1))
        return activation_of(self.activation)(sums)


def _as_given(given: Any, pair: Pair) -> int | Pair:
    """Return a setting as it was written, but of plain integers."""
    return pair if isinstance(given, (tuple, list)) else pair[0]
