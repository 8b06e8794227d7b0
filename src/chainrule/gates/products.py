"""Products along an axis, with gradients that are right where factors are zero.

The slope of a product along one factor is the product of the others. Dividing by the factor would
give 0 / 0 at a zero, so nothing here divides: the product of the others is that of the factors
before times that of the factors after, and what follows from it, to any order of derivative, is a
first-order linear recurrence. The gradient of that is again one, run in the other direction.
`REDUCTION` takes these gates in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import REAL, Gate, example
from .joining import pad
from .rules import call, reshaped, shape_of


def _moved(x: Any, axis: int, by: int, fill: float = 0.0) -> Any:
    """Return x moved one place along axis (by is 1 or -1), the free place filled."""
    shape = shape_of(x)
    if shape[axis] == 0:
        return x
    kept = slice(None, -1) if by > 0 else slice(1, None)
    widths = [(0, 0)] * len(shape)
    widths[axis] = (1, 0) if by > 0 else (0, 1)
    rest = x[(*(slice(None),) * (axis % len(shape)), kept)]
    return pad(rest, pad_width=tuple(widths), constant_values=fill)


def _linear_recurrence(a: Any, b: Any, *, axis: int = -1, reverse: bool = False) -> Any:
    """Return s with s[i] = a[i] * s[i - 1] + b[i], from zero; the other way round if reverse."""
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    if reverse:
        a, b = a[::-1], b[::-1]
    s = b.astype(np.result_type(a, b))
    for i in range(1, len(s)):
        s[i] += a[i] * s[i - 1]
    return np.moveaxis(s[::-1] if reverse else s, 0, axis)


def _recurrence_back(g: Any, a: Any, axis: int, reverse: bool) -> Any:
    # b[i] moves s[i] and, through a[i + 1], all that comes after it.
    step = -1 if reverse else 1
    return linear_recurrence(_moved(a, axis, -step), g, axis=axis, reverse=not reverse)


def _recurrence_vjp_a(
    g: Any, out: Any, a: Any, b: Any, *, axis: int = -1, reverse: bool = False
) -> Any:
    return _recurrence_back(g, a, axis, reverse) * _moved(out, axis, -1 if reverse else 1)


def _recurrence_vjp_b(
    g: Any, out: Any, a: Any, b: Any, *, axis: int = -1, reverse: bool = False
) -> Any:
    return _recurrence_back(g, a, axis, reverse)


def _cumprod(a: Any, *, axis: Any = None) -> Any:
    return np.cumprod(a, axis=axis)


def _cumprod_vjp(g: Any, out: Any, a: Any, *, axis: Any = None) -> Any:
    # a[i] moves out[j], j >= i, by the product of a[:i] times that of a[i + 1 : j + 1].
    if axis is None:  # NumPy flattens first
        line, along = reshaped(a, (math.prod(shape_of(a)),)), 0
    else:
        line, along = a, axis
    before = _moved(out, along, 1, fill=1.0)
    after = linear_recurrence(_moved(line, along, -1), g, axis=along, reverse=True)
    return reshaped(before * after, shape_of(a))


def _product_of_others(a: Any, *, axis: int = -1) -> Any:
    a = np.moveaxis(np.asarray(a), axis, 0)
    before, after = np.ones_like(a), np.ones_like(a)
    np.cumprod(a[:-1], axis=0, out=before[1:])
    np.cumprod(a[:0:-1], axis=0, out=after[-2::-1])
    return np.moveaxis(before * after, 0, axis)


def _product_of_others_vjp(g: Any, out: Any, a: Any, *, axis: int = -1) -> Any:
    # a[k] moves out[i], i < k, by the factors before k without i, times all after k; and mirrored.
    before = _moved(np.cumprod(a, axis=axis), axis, 1, fill=1.0)
    after = _moved(np.flip(np.cumprod(np.flip(a, axis), axis=axis), axis), axis, -1, fill=1.0)
    earlier = linear_recurrence(a, g * before, axis=axis)
    later = linear_recurrence(a, g * after, axis=axis, reverse=True)
    return _moved(earlier, axis, 1) * after + before * _moved(later, axis, -1)


linear_recurrence = Gate(
    name="linear_recurrence",
    forward=_linear_recurrence,
    symbol="↝",
    code=call("linear_recurrence", "{0}", "{1}", axis=-1, reverse=False),
    words="runs s[i] = a[i] s[i - 1] + b[i] with a = {0} and b = {1}",
    why="a change of one step moves all later ones, so the gradient is a recurrence run backward",
    vjp=(_recurrence_vjp_a, _recurrence_vjp_b),
    pattern="products",
    domain=(REAL, REAL),
    examples=(
        example((4,), (4,)),
        example((4,), (4,), reverse=True),
        example((2, 3), (2, 3), axis=0),
        example((2, 3), (2, 3), axis=-1, reverse=True),
        example((1,), (1,)),
    ),
)

cumprod = Gate(
    name="cumprod",
    forward=_cumprod,
    numpy=np.cumprod,
    symbol="Π→",
    code=call("np.cumprod", "{0}", axis=None),
    words="multiplies {0} cumulatively",
    why="a factor moves every partial product from its own place on by the other factors in it",
    vjp=(_cumprod_vjp,),
    pattern="products",
    examples=(
        example((4,)),
        example((2, 3)),
        example(()),
        example((2, 3), axis=0),
        example((2, 3), axis=-1),
        example((4,), values=(np.array([2.0, 0.0, 3.0, 0.0]),)),
        example((0,)),
    ),
)

product_of_others = Gate(
    name="product_of_others",
    forward=_product_of_others,
    symbol="Π≠",
    code=call("product_of_others", "{0}", axis=-1),
    words="gives for each element of {0} the product of the others",
    why="the product of the others moves with each of those others, and not with its own element",
    vjp=(_product_of_others_vjp,),
    pattern="swaps",
    examples=(
        example((4,)),
        example((2, 3), axis=0),
        example((1,)),
        example((4,), values=(np.array([2.0, 0.0, 3.0, 0.0]),)),
    ),
)

PRODUCTS: tuple[Gate, ...] = (cumprod, product_of_others, linear_recurrence)
