"""Convolution over images, as deep learning has it: one gate, whose gradients are itself.

The field's convolution is the cross-correlation of signal processing: the kernel is not flipped.
Along the image the gradient is a convolution of the upstream gradient with the flipped kernel,
along the weights one of the image with the upstream gradient: the same gate, with axes swapped, so
that derivatives of any order come for nothing. Source: Dumoulin and Visin, "A guide to convolution
arithmetic for deep learning" (2016), sections 2 and 4.

Strides are not the gate's: a strided convolution is one over an image whose pixels are dealt out to
more channels (`networks/convolution.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gate import REAL, Gate, example
from .rules import call, shape_of

Padding = tuple[tuple[int, int], tuple[int, int]]

_NONE: Padding = ((0, 0), (0, 0))


def _conv2d(x: Any, weights: Any, *, padding: Any = ((0, 0), (0, 0))) -> Any:
    """Return out[n, o, y, x'] = the sum over c, i, j of x[n, c, y + i, x' + j] weights[o, c, i, j].

    `padding` is how many rows of zeros are put above and below x, and columns left and right.
    """
    wide = np.pad(x, ((0, 0), (0, 0), *padding))
    c, height, width = wide.shape[1:]
    inner, i, j = weights.shape[1:]
    if inner != c or i > height or j > width:
        raise ValueError(
            f"conv2d of images {x.shape} with weights {weights.shape} and padding {padding}: "
            "images are (batch, channels, height, width), weights (channels out, channels in, "
            "height, width); the channels must agree, and the kernel must fit the padded image"
        )
    windows = np.lib.stride_tricks.sliding_window_view(wide, (i, j), axis=(2, 3))
    out = np.tensordot(windows, weights, axes=((1, 4, 5), (1, 2, 3)))
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))


def _swapped(x: Any) -> Any:
    """Return x with its first two axes, examples and channels, in each other's place."""
    return np.transpose(x, (1, 0, 2, 3))


def _conv2d_vjp_x(g: Any, out: Any, x: Any, weights: Any, *, padding: Padding = _NONE) -> Any:
    # A pixel meets every element of the kernel, the last first. What padding has put around the
    # image need not be met; where it is wider than the kernel reaches, part of g is left out.
    widths: list[tuple[int, int]] = []
    kept: list[slice] = [slice(None), slice(None)]
    for size, (before, after) in zip(shape_of(weights)[2:], padding, strict=True):
        reach = (size - 1 - before, size - 1 - after)
        widths.append((max(reach[0], 0), max(reach[1], 0)))
        kept.append(slice(max(-reach[0], 0), min(reach[1], 0) or None))
    if any(part != slice(0, None) for part in kept[2:]):
        g = g[tuple(kept)]
    flipped = np.flip(_swapped(weights), (2, 3))
    return conv2d(g, flipped, padding=tuple(widths))


def _conv2d_vjp_weights(g: Any, out: Any, x: Any, weights: Any, *, padding: Padding = _NONE) -> Any:
    # An element of the kernel meets, in every example, every pixel of g once: examples and pixels
    # take the place of the kernel's channels and elements.
    return _swapped(conv2d(_swapped(x), _swapped(g), padding=padding))


CONVOLUTION: tuple[Gate, ...] = (
    Gate(
        name="conv2d",
        forward=_conv2d,
        symbol="⋆",
        code=call("conv2d", "{0}", "{1}", padding=_NONE),
        latex=r"#(0) \star #(1)",
        words="convolves the images {0} with the kernels {1}",
        why="each pixel is a sum of products: the slope along one factor is the other, and a "
        "factor is used at many places, from which its gradients add up",
        vjp=(_conv2d_vjp_x, _conv2d_vjp_weights),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((2, 3, 4, 5), (2, 3, 3, 2)),
            example((1, 1, 3, 3), (1, 1, 1, 1)),
            example((1, 2, 2, 3), (3, 2, 2, 3)),
            example((2, 1, 3, 4), (2, 1, 3, 3), padding=((1, 1), (1, 1))),
            example((1, 2, 2, 2), (1, 2, 2, 1), padding=((2, 0), (0, 1))),
            example((1, 1, 2, 2), (1, 1, 2, 2), padding=((3, 2), (1, 2))),
            example((0, 1, 2, 2), (2, 1, 2, 2)),
        ),
    ),
)

(conv2d,) = CONVOLUTION
