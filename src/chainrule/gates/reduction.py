"""Reductions: many elements go into one, so one gradient goes back to many.

A sum copies its gradient back to every element; a mean copies its share; a maximum routes it to
the winner. To add a reduction, add an entry to `REDUCTION`: its rule ends in `spread`, which copies
a reduced gradient back over the reduced axes, or multiplies by `lined_up`, which broadcasts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .extremes import EXTREMES
from .gate import Gate, example
from .norms import NORMS
from .products import PRODUCTS, product_of_others
from .rules import (
    ALONG_AXES,
    REDUCES,
    axes_of,
    call,
    count_of,
    inverse_of,
    lined_up,
    over_axes,
    permuted,
    reshaped,
    shape_of,
    spread,
)

# ---------------------------------------------------------------------- sums


def _sum(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(a, axis=axis, keepdims=keepdims)


def _sum_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return spread(g, a, axis, keepdims)


def _mean(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.mean(a, axis=axis, keepdims=keepdims)


def _mean_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    # Divided before it is spread: fewer divisions. No elements: nothing to hand it to, but no 1/0.
    count = count_of(a, axis)
    return spread(g / count if count > 1 else g, a, axis, keepdims)


def _mean_of_gates(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(a, axis=axis, keepdims=keepdims) / count_of(a, axis)


def _cumsum(a: Any, *, axis: Any = None) -> Any:
    return np.cumsum(a, axis=axis)


def _cumsum_vjp(g: Any, out: Any, a: Any, *, axis: Any = None) -> Any:
    if axis is None:  # NumPy flattens first, and g is flat
        return reshaped(np.flip(np.cumsum(np.flip(g, axis=0)), axis=0), shape_of(a))
    return np.flip(np.cumsum(np.flip(g, axis=axis), axis=axis), axis=axis)


# ---------------------------------------------------------------------- products


def _prod(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.prod(a, axis=axis, keepdims=keepdims)


def _prod_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    # Not g * out / a, which is 0 / 0 at a zero, where the others may well have a product.
    shape = shape_of(a)
    axes = axes_of(len(shape), axis)
    count = count_of(a, axis)
    if count <= 1:
        return spread(g, a, axis, keepdims)
    if len(axes) == 1:
        return lined_up(g, a, axis, keepdims) * product_of_others(a, axis=axes[0])
    free = tuple(k for k in range(len(shape)) if k not in axes)
    order = (*free, *axes)  # the factors last, then in one line
    factors = permuted(a, order)
    line = np.reshape(factors, (*(shape[k] for k in free), count))
    others = np.reshape(product_of_others(line), tuple(shape[k] for k in order))
    return lined_up(g, a, axis, keepdims) * permuted(others, inverse_of(order))


# ---------------------------------------------------------------------- logsumexp


def _logsumexp(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    # The largest goes out first, so that no exp overflows; an infinite one stays: inf - inf.
    largest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
    # log(0) = -inf: every element was -inf. exp overflows only beside an element of inf.
    with np.errstate(divide="ignore", over="ignore"):
        log = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return log if keepdims or np.ndim(a) == 0 else np.squeeze(log, axis=axis)[()]


def _logsumexp_of_gates(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    if count_of(a, axis) == 0:
        return NotImplemented
    largest = np.max(a, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
    log = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return log if keepdims else np.squeeze(log, axis=axis)


def _logsumexp_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    # The shares of an infinite sum (every a is -inf, or some is inf) are undefined: NaN, as
    # inf - inf is. Elements of -inf beside finite ones get their 0.
    out = lined_up(out, a, axis, keepdims)
    return lined_up(g, a, axis, keepdims) * np.exp(a - out)


# ---------------------------------------------------------------------- no gradient


def _any(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.any(a, axis=axis, keepdims=keepdims)


def _all(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.all(a, axis=axis, keepdims=keepdims)


def _count_nonzero(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.count_nonzero(a, axis=axis, keepdims=keepdims)


_EMPTY = (example((0, 3), axis=1), example((0,)), example((2, 0), axis=1))

REDUCTION: tuple[Gate, ...] = (
    Gate(
        name="sum",
        forward=_sum,
        numpy=np.sum,
        symbol="Σ",
        code=call("{0}.sum", **REDUCES),
        scalar_code="{0}",
        latex=over_axes(r"\sum"),
        words="sums {0}",
        why="a sum moves as much as each of its elements does, so each gets the whole gradient",
        vjp=(_sum_vjp,),
        pattern="spreads",
        examples=ALONG_AXES + _EMPTY,
    ),
    Gate(
        name="mean",
        forward=_mean,
        numpy=np.mean,
        symbol="mean",
        code=call("{0}.mean", **REDUCES),
        scalar_code="{0}",
        latex=over_axes(r"\operatorname{mean}", r"\left(#0\right)"),
        words="averages {0}",
        expand=_mean_of_gates,
        why="a mean of n elements moves by 1 / n of what one element does",
        vjp=(_mean_vjp,),
        pattern="spreads",
        examples=(*ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="prod",
        forward=_prod,
        numpy=np.prod,
        symbol="Π",
        code=call("{0}.prod", **REDUCES),
        scalar_code="{0}",
        latex=over_axes(r"\prod"),
        words="multiplies the elements of {0}",
        why="the slope along one factor is the product of the others",
        vjp=(_prod_vjp,),
        pattern="swaps",
        examples=(
            *ALONG_AXES,
            *_EMPTY,
            example((3,), values=(np.array([2.0, 0.0, 3.0]),)),
            example((3,), values=(np.array([0.0, 5.0, 0.0]),)),
        ),
    ),
    Gate(
        name="logsumexp",
        forward=_logsumexp,
        symbol="log Σ exp",
        code=call("logsumexp", "{0}", **REDUCES),
        latex=over_axes(r"\ln \sum", "e^{#0}"),
        words="takes the logarithm of the summed exponentials of {0}",
        expand=_logsumexp_of_gates,
        why="each element moves the sum by its share of it: its softmax",
        vjp=(_logsumexp_vjp,),
        pattern="spreads",
        examples=ALONG_AXES + _EMPTY,
        analytic=False,  # the largest of complex numbers is not what keeps exp from overflowing
    ),
    Gate(
        name="cumsum",
        forward=_cumsum,
        numpy=np.cumsum,
        symbol="Σ→",
        code=call("np.cumsum", "{0}", axis=None),
        words="sums {0} cumulatively",
        why="an element moves every partial sum from its own place on",
        vjp=(_cumsum_vjp,),
        pattern="spreads",
        examples=(
            example((4,)),
            example((2, 3)),
            example(()),
            example((2, 3), axis=0),
            example((2, 3), axis=-1),
            example((0,)),
        ),
    ),
    Gate(
        name="any",
        forward=_any,
        numpy=np.any,
        symbol="any",
        code=call("np.any", "{0}", **REDUCES),
        words="asks whether any element of {0} is not zero",
        why="a truth value has no slope",
        pattern="stops",
        analytic=False,
        examples=ALONG_AXES,
    ),
    Gate(
        name="all",
        forward=_all,
        numpy=np.all,
        symbol="all",
        code=call("np.all", "{0}", **REDUCES),
        words="asks whether all elements of {0} differ from zero",
        why="a truth value has no slope",
        pattern="stops",
        analytic=False,
        examples=ALONG_AXES,
    ),
    Gate(
        name="count_nonzero",
        forward=_count_nonzero,
        numpy=np.count_nonzero,
        symbol="#",
        code=call("np.count_nonzero", "{0}", **REDUCES),
        words="counts the elements of {0} that are not zero",
        expand=lambda a, *, axis=None, keepdims=False: np.sum(a != 0, axis=axis, keepdims=keepdims),
        why="a count is an integer: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((2, 3)), example((2, 3), axis=1, keepdims=True)),
    ),
    *EXTREMES,
    *NORMS,
    *PRODUCTS,
)
