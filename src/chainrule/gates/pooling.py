"""Pooling: one number for each window of an image, its largest or its mean.

Windows of `size` (rows, columns) stand `stride` apart on the last two axes, as many as lie within
the image: rows and columns left over at its end belong to none. In the gradient of the largest,
those that tie share equally, as everywhere here (`extremes.py`); where windows overlap, the
gradients of an element add up.

Spreading out over the windows is a gate of its own, and linear: the gradient of its gradient goes
back by picking from the windows what was spread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gate import REAL, Gate, example
from .rules import call, nothing, shape_of

# Emitted modules carry the source of these functions, which need nothing but np. Element (i, j) of
# all windows is a slice of the image: from (i, j) on in strides, as far as there are windows.


def _max_pool2d(x: Any, *, size: Any, stride: Any) -> Any:
    """Return the largest element of each window on the last two axes."""
    high, wide = ((n - k) // s + 1 for n, k, s in zip(x.shape[-2:], size, stride, strict=True))
    if high < 1 or wide < 1:
        raise ValueError(f"a window of {tuple(size)} does not fit into images of {x.shape[-2:]}")
    out = np.array(x[..., :: stride[0], :: stride[1]][..., :high, :wide])
    for k in range(1, size[0] * size[1]):
        i, j = k // size[1], k % size[1]
        out = np.maximum(out, x[..., i :: stride[0], j :: stride[1]][..., :high, :wide])
    return out


def _max_pool2d_spread(g: Any, x: Any, *, size: Any, stride: Any) -> Any:
    """Add g to the largest elements of the windows of x, in equal shares, into zeros."""
    high, wide = g.shape[-2:]
    parts = {
        (i, j): x[..., i :: stride[0], j :: stride[1]][..., :high, :wide]
        for i in range(size[0])
        for j in range(size[1])
    }
    top = parts[0, 0]
    for part in parts.values():
        top = np.maximum(top, part)
    count = np.zeros(g.shape, g.dtype)
    for part in parts.values():
        count = count + (part == top)
    share = g / np.maximum(count, 1.0)
    # The largest of a window with a NaN is a NaN, which equals nothing: all of it get one.
    rest = np.where(np.isnan(top), np.nan, 0.0).astype(g.dtype)
    out = np.zeros(x.shape, g.dtype)
    for (i, j), part in parts.items():
        out[..., i :: stride[0], j :: stride[1]][..., :high, :wide] += np.where(
            part == top, share, rest
        )
    return out


def _max_pool2d_pick(h: Any, x: Any, *, size: Any, stride: Any) -> Any:
    """Return for each window of x the mean of h where x is largest."""
    high, wide = ((n - k) // s + 1 for n, k, s in zip(x.shape[-2:], size, stride, strict=True))
    lines = [
        (Ellipsis, slice(i, i + (high - 1) * stride[0] + 1, stride[0]),
         slice(j, j + (wide - 1) * stride[1] + 1, stride[1]))
        for i in range(size[0])
        for j in range(size[1])
    ]  # fmt: skip
    top = x[lines[0]]
    for line in lines[1:]:
        top = np.maximum(top, x[line])
    total = count = 0.0
    for line in lines:
        chosen = (x[line] == top).astype(h.dtype)
        # Where, not a product: h may be infinite where x is not the largest.
        total = np.where(x[line] == top, h[line], 0.0 * chosen) + total
        count = chosen + count
    return np.where(np.isnan(top), top, total / np.maximum(count, 1.0))


def _mean_pool2d(x: Any, *, size: Any, stride: Any) -> Any:
    """Return the mean of each window on the last two axes."""
    high, wide = ((n - k) // s + 1 for n, k, s in zip(x.shape[-2:], size, stride, strict=True))
    if high < 1 or wide < 1:
        raise ValueError(f"a window of {tuple(size)} does not fit into images of {x.shape[-2:]}")
    total = x[..., :: stride[0], :: stride[1]][..., :high, :wide]
    for k in range(1, size[0] * size[1]):
        i, j = k // size[1], k % size[1]
        total = total + x[..., i :: stride[0], j :: stride[1]][..., :high, :wide]
    return total / float(size[0] * size[1])


def _mean_pool2d_spread(g: Any, *, shape: Any, size: Any, stride: Any) -> Any:
    """Add g to all elements of the windows of images of this shape, in equal shares, into zeros."""
    high, wide = g.shape[-2:]
    share = g / float(size[0] * size[1])
    out = np.zeros((*g.shape[:-2], *shape), share.dtype)
    for i in range(size[0]):
        for j in range(size[1]):
            out[..., i :: stride[0], j :: stride[1]][..., :high, :wide] += share
    return out


# ---------------------------------------------------------------------- the table

# image, windows, stride, what comes out: side by side; with a rest; overlapping; with gaps
_CASES: tuple[tuple[Any, Any, Any, Any], ...] = (
    ((2, 2, 4, 6), (2, 2), (2, 2), (2, 2, 2, 3)),
    ((1, 5, 7), (2, 3), (2, 3), (1, 2, 2)),
    ((2, 5, 6), (3, 2), (1, 1), (2, 3, 5)),
    ((1, 1, 5, 7), (3, 3), (2, 2), (1, 1, 2, 3)),
    ((4, 8), (1, 2), (2, 3), (2, 3)),
    ((2, 3), (1, 1), (1, 1), (2, 3)),
    ((0, 4, 4), (2, 2), (2, 2), (0, 2, 2)),
)
_WINDOWS = [{"size": size, "stride": stride} for _, size, stride, _ in _CASES]


def _runner_up(x: Any, *, size: Any, stride: Any) -> Any:
    """Return how far each element of a window, on new first axes, is above the largest other."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(-2, -1))
    windows = windows[..., :: stride[0], :: stride[1], :, :]
    if size[0] * size[1] == 1:
        return np.ones((1, *windows.shape[:-2]))
    line = windows.reshape(*windows.shape[:-2], -1)
    top = np.sort(line, axis=-1)[..., -2:]
    rival = np.where(line == top[..., 1:], top[..., :1], top[..., 1:])
    return np.moveaxis(line - rival, -1, 0)


max_pool2d: Gate = Gate(
    name="max_pool2d",
    forward=_max_pool2d,
    symbol="max pool",
    code=call("max_pool2d", "{0}"),
    words="takes the largest element of each window of {0}",
    why="the largest element of a window decides alone; tied ones share equally",
    vjp=(lambda g, out, x, *, size, stride: max_pool2d_spread(g, x, size=size, stride=stride),),
    pattern="routes",
    kink=_runner_up,
    selects=True,
    analytic=False,
    examples=tuple(
        example(image, **windows) for (image, *_), windows in zip(_CASES, _WINDOWS, strict=True)
    ),
)

max_pool2d_spread: Gate = Gate(
    name="max_pool2d_spread",
    forward=_max_pool2d_spread,
    symbol="spread",
    code=call("max_pool2d_spread", "{0}", "{1}"),
    words="adds {0} into zeros where the windows of {1} are largest",
    why="what was spread out is picked up again; who is largest does not change in small steps",
    vjp=(
        lambda h, out, g, x, *, size, stride: max_pool2d_pick(h, x, size=size, stride=stride),
        nothing,
    ),
    pattern="moves",
    domain=(REAL, REAL),
    kink=lambda g, x, **windows: _runner_up(x, **windows),
    selects=True,
    analytic=False,
    examples=tuple(
        example(pooled, image, **windows)
        for (image, _, _, pooled), windows in zip(_CASES, _WINDOWS, strict=True)
    ),
)

max_pool2d_pick: Gate = Gate(
    name="max_pool2d_pick",
    forward=_max_pool2d_pick,
    symbol="pick",
    code=call("max_pool2d_pick", "{0}", "{1}"),
    words="picks from {0} where the windows of {1} are largest",
    expand=_max_pool2d_pick,
    why="what was picked up is spread out again; who is largest does not change in small steps",
    vjp=(
        lambda g, out, h, x, *, size, stride: max_pool2d_spread(g, x, size=size, stride=stride),
        nothing,
    ),
    pattern="moves",
    domain=(REAL, REAL),
    kink=lambda h, x, **windows: _runner_up(x, **windows),
    selects=True,
    analytic=False,
    examples=tuple(
        example(image, image, **windows)
        for (image, *_), windows in zip(_CASES, _WINDOWS, strict=True)
    ),
)

mean_pool2d: Gate = Gate(
    name="mean_pool2d",
    forward=_mean_pool2d,
    symbol="mean pool",
    code=call("mean_pool2d", "{0}"),
    words="takes the mean of each window of {0}",
    why="each element of a window has the same share in its mean",
    vjp=(
        lambda g, out, x, *, size, stride: mean_pool2d_spread(
            g, shape=shape_of(x)[-2:], size=size, stride=stride
        ),
    ),
    pattern="spreads",
    examples=tuple(
        example(image, **windows) for (image, *_), windows in zip(_CASES, _WINDOWS, strict=True)
    ),
)

mean_pool2d_spread: Gate = Gate(
    name="mean_pool2d_spread",
    forward=_mean_pool2d_spread,
    symbol="spread",
    code=call("mean_pool2d_spread", "{0}"),
    words="adds {0} into zeros, in equal shares all over its windows",
    why="each share of what was spread out comes back, and they add up to the whole",
    vjp=(lambda h, out, g, *, shape, size, stride: mean_pool2d(h, size=size, stride=stride),),
    pattern="spreads",
    examples=tuple(
        example(pooled, shape=image[-2:], **windows)
        for (image, _, _, pooled), windows in zip(_CASES, _WINDOWS, strict=True)
    ),
)

POOLING: tuple[Gate, ...] = (
    max_pool2d,
    max_pool2d_spread,
    max_pool2d_pick,
    mean_pool2d,
    mean_pool2d_spread,
)
