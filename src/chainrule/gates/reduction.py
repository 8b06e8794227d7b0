"""Reductions: many elements go into one, so one gradient goes back to many.

A sum copies its gradient back to every element; a mean copies its share; a maximum routes it to
the winner. To add a reduction, add an entry to `REDUCTION`: its rule ends in `spread`, which copies
a reduced gradient back over the reduced axes, or multiplies by `lined_up`, which broadcasts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import MissingGateError
from .gate import Gate, example
from .products import PRODUCTS, product_of_others
from .rules import (
    axes_of,
    call,
    count_of,
    inverse_of,
    lined_up,
    nothing,
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


def _cumsum(a: Any, *, axis: Any = None) -> Any:
    return np.cumsum(a, axis=axis)


def _cumsum_vjp(g: Any, out: Any, a: Any, *, axis: Any = None) -> Any:
    if axis is None:  # NumPy flattens first, and g is flat
        return reshaped(np.flip(np.cumsum(np.flip(g))), shape_of(a))
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


# ---------------------------------------------------------------------- extremes


def _max(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims)


def _min(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.min(a, axis=axis, keepdims=keepdims)


def _share_of_max(a: Any, *, axis: Any = None) -> Any:
    a = np.asarray(a)
    chosen = a == np.max(a, axis=axis, keepdims=True)
    # A NaN maximum equals nothing: 0 / 0 hands the NaN on.
    with np.errstate(invalid="ignore"):
        return (chosen / np.sum(chosen, axis=axis, keepdims=True)).astype(a.dtype)


def _share_of_min(a: Any, *, axis: Any = None) -> Any:
    a = np.asarray(a)
    chosen = a == np.min(a, axis=axis, keepdims=True)
    # A NaN minimum equals nothing: 0 / 0 hands the NaN on.
    with np.errstate(invalid="ignore"):
        return (chosen / np.sum(chosen, axis=axis, keepdims=True)).astype(a.dtype)


def _max_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    if count_of(a, axis) <= 1:
        return spread(g, a, axis, keepdims)
    return lined_up(g, a, axis, keepdims) * share_of_max(a, axis=axis)


def _min_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    if count_of(a, axis) <= 1:
        return spread(g, a, axis, keepdims)
    return lined_up(g, a, axis, keepdims) * share_of_min(a, axis=axis)


def _lead(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Return how far each element is above the largest of the others along axis."""
    if count_of(a, axis) <= 1:
        return np.ones(np.shape(a))
    axes = axes_of(np.ndim(a), axis)
    last = tuple(range(-len(axes), 0))
    line = np.moveaxis(a, axes, last)
    shape = line.shape
    line = line.reshape((*shape[: len(shape) - len(axes)], count_of(a, axis)))
    top = np.sort(line, axis=-1)[..., -2:]
    rival = np.where(line == top[..., 1:], top[..., :1], top[..., 1:])
    return np.moveaxis((line - rival).reshape(shape), last, axes)


# ---------------------------------------------------------------------- spread of values


def _var(a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)


def _std(a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)


def _over_freedom(number: float, a: Any, axis: Any, ddof: float) -> float:
    # No degree of freedom left: NumPy divides by 0, so the slope is infinite or NaN too.
    freedom = count_of(a, axis) - ddof
    return number / freedom if freedom > 0 else math.inf


def _var_vjp(
    g: Any, out: Any, a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    scale = _over_freedom(2, a, axis, ddof)
    return lined_up(scale * g, a, axis, keepdims) * (a - np.mean(a, axis=axis, keepdims=True))


def _std_vjp(
    g: Any, out: Any, a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    # The mean of the distances has slope 0; where all are equal (a kink) the subgradient is 0.
    scale = _over_freedom(1, a, axis, ddof) * g / np.where(out == 0, 1.0, out)
    return lined_up(scale, a, axis, keepdims) * (a - np.mean(a, axis=axis, keepdims=True))


# ---------------------------------------------------------------------- norms


def _norm(x: Any, *, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    axes = axes_of(np.ndim(x), axis)
    if _norm_kind(len(axes), ord) == "":
        kind = "matrix" if len(axes) == 2 else "vector"
        known = "None, 1, np.inf or 'fro'" if len(axes) == 2 else "None, 1, 2 or np.inf"
        raise MissingGateError(
            f"np.linalg.norm with ord={ord!r} over {len(axes)} axes ({kind}) has no gate; "
            f"ord can be {known}. A p-norm is np.sum(np.abs(x) ** p) ** (1 / p)."
        )
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def _norm_kind(number_of_axes: int, ord: Any) -> str:
    if ord is None:
        return "root"
    if number_of_axes == 1:
        return {1: "sum", 2: "root", math.inf: "max"}.get(ord, "")
    if number_of_axes == 2:
        return {1: "columns", math.inf: "rows", "fro": "root"}.get(ord, "")
    return ""


def _norm_vjp(
    g: Any, out: Any, x: Any, *, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    given = axis if isinstance(axis, tuple) else tuple(range(len(shape_of(x))))
    kind = _norm_kind(1 if isinstance(axis, int) else len(given), ord)
    if kind == "root":
        # At 0 the norm has a kink; 0 is one of its subgradients.
        return lined_up(g / np.where(out == 0, 1.0, out), x, axis, keepdims) * x
    g = lined_up(g, x, axis, keepdims)
    if kind == "sum":
        return g * np.sign(x)
    if kind == "max":
        return g * (share_of_max(np.abs(x), axis=axis) * np.sign(x))
    # A matrix has its largest sum of a column (ord 1) or row (ord inf); `given` is (rows, columns).
    along, across = given if kind == "columns" else given[::-1]
    sums = np.sum(np.abs(x), axis=along, keepdims=True)
    return g * (share_of_max(sums, axis=across) * np.sign(x))


def _norm_kink(x: Any, *, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    given = axis if isinstance(axis, tuple) else tuple(range(np.ndim(x)))
    kind = _norm_kind(1 if isinstance(axis, int) else len(given), ord)
    if kind == "sum":
        return x
    if kind == "max":
        return _lead(np.abs(x), axis=axis)
    if kind in ("columns", "rows"):
        along, across = given if kind == "columns" else given[::-1]
        lead = _lead(np.sum(np.abs(x), axis=along, keepdims=True), axis=across)
        return np.stack([np.broadcast_to(lead, np.shape(x)), x])
    return np.linalg.norm(x, axis=axis, keepdims=True)


# ---------------------------------------------------------------------- logsumexp


def _logsumexp(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    # The largest goes out first, so that no exp overflows; an infinite one stays: inf - inf.
    largest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
    # log(0) = -inf: every element was -inf. exp overflows only beside an element of inf.
    with np.errstate(divide="ignore", over="ignore"):
        log = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return log if keepdims or np.ndim(a) == 0 else np.squeeze(log, axis=axis)[()]


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


def _argmax(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmax(a, axis=axis, keepdims=keepdims)


def _argmin(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmin(a, axis=axis, keepdims=keepdims)


def _count_nonzero(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.count_nonzero(a, axis=axis, keepdims=keepdims)


def _argsort(a: Any, *, axis: Any = -1, kind: Any = None) -> Any:
    return np.argsort(a, axis=axis, kind=kind)


share_of_max = Gate(
    name="share_of_max",
    forward=_share_of_max,
    symbol="≷",
    code=call("share_of_max", "{0}", axis=None),
    words="gives the share of the gradient that each element of {0} gets: all to the largest",
    why="it is a step: flat wherever no two elements tie",
    vjp=(nothing,),
    pattern="stops",
    kink=_lead,
    analytic=False,
    examples=(example((2, 3), axis=1), example((4,), axis=None)),
)

share_of_min = Gate(
    name="share_of_min",
    forward=_share_of_min,
    symbol="≶",
    code=call("share_of_min", "{0}", axis=None),
    words="gives the share of the gradient that each element of {0} gets: all to the smallest",
    why="it is a step: flat wherever no two elements tie",
    vjp=(nothing,),
    pattern="stops",
    kink=lambda a, **settings: _lead(-a, **settings),
    analytic=False,
    examples=(example((2, 3), axis=1), example((4,), axis=None)),
)

_ALONG_AXES = (
    example((2, 3)),
    example(()),
    example((5,), axis=0),
    example((2, 3), axis=0),
    example((2, 3), axis=-1, keepdims=True),
    example((2, 3, 4), axis=(0, 2)),
    example((2, 3, 4), axis=(-1, 1), keepdims=True),
    example((2, 1, 3), axis=1),
    example((2, 3), axis=()),
    example((1,)),
)
_EMPTY = (example((0, 3), axis=1), example((0,)), example((2, 0), axis=1))
_REDUCES = {"axis": None, "keepdims": False}

REDUCTION: tuple[Gate, ...] = (
    Gate(
        name="sum",
        forward=_sum,
        numpy=np.sum,
        symbol="Σ",
        code=call("{0}.sum", **_REDUCES),
        scalar_code="{0}",
        words="sums {0}",
        why="a sum moves as much as each of its elements does, so each gets the whole gradient",
        vjp=(_sum_vjp,),
        pattern="spreads",
        examples=_ALONG_AXES + _EMPTY,
    ),
    Gate(
        name="mean",
        forward=_mean,
        numpy=np.mean,
        symbol="mean",
        code=call("{0}.mean", **_REDUCES),
        scalar_code="{0}",
        words="averages {0}",
        why="a mean of n elements moves by 1 / n of what one element does",
        vjp=(_mean_vjp,),
        pattern="spreads",
        examples=(*_ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="prod",
        forward=_prod,
        numpy=np.prod,
        symbol="Π",
        code=call("{0}.prod", **_REDUCES),
        scalar_code="{0}",
        words="multiplies the elements of {0}",
        why="the slope along one factor is the product of the others",
        vjp=(_prod_vjp,),
        pattern="swaps",
        examples=(
            *_ALONG_AXES,
            *_EMPTY,
            example((3,), values=(np.array([2.0, 0.0, 3.0]),)),
            example((3,), values=(np.array([0.0, 5.0, 0.0]),)),
        ),
    ),
    Gate(
        name="max",
        forward=_max,
        numpy=np.max,
        symbol="max",
        code=call("{0}.max", **_REDUCES),
        scalar_code="{0}",
        words="takes the largest element of {0}",
        why="the largest element decides alone; tied ones share equally",
        vjp=(_max_vjp,),
        pattern="routes",
        kink=_lead,
        selects=True,
        analytic=False,
        examples=(*_ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="min",
        forward=_min,
        numpy=np.min,
        symbol="min",
        code=call("{0}.min", **_REDUCES),
        scalar_code="{0}",
        words="takes the smallest element of {0}",
        why="the smallest element decides alone; tied ones share equally",
        vjp=(_min_vjp,),
        pattern="routes",
        kink=lambda a, **settings: _lead(-a, **settings),
        selects=True,
        analytic=False,
        examples=(*_ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="var",
        forward=_var,
        numpy=np.var,
        symbol="var",
        code=call("np.var", "{0}", **_REDUCES, ddof=0),
        words="takes the variance of {0}",
        why="an element pulls by 2 / n of its distance from the mean",
        vjp=(_var_vjp,),
        analytic=False,  # NumPy takes the squared absolute value of complex distances
        examples=(
            *_ALONG_AXES,
            example((2, 3), axis=1, ddof=1),
            example((4,), ddof=0.5),
            example((0, 3), axis=1),
        ),
    ),
    Gate(
        name="std",
        forward=_std,
        numpy=np.std,
        symbol="std",
        code=call("np.std", "{0}", **_REDUCES, ddof=0),
        words="takes the standard deviation of {0}",
        why="an element pulls by its distance from the mean over n standard deviations",
        vjp=(_std_vjp,),
        kink=lambda a, axis=None, **settings: np.std(a, axis=axis, keepdims=True),
        analytic=False,
        examples=(
            example((2, 3)),
            example((5,), axis=0),
            example((2, 3), axis=0),
            example((2, 3, 4), axis=(0, 2), keepdims=True),
            example((2, 3), axis=1, ddof=1),
            example((0, 3), axis=1),
        ),
    ),
    Gate(
        name="norm",
        forward=_norm,
        numpy=np.linalg.norm,
        symbol="‖x‖",
        code=call("np.linalg.norm", "{0}", ord=None, **_REDUCES),
        words="takes the norm of {0}",
        why="the length of a vector grows fastest along the vector itself, at rate 1",
        vjp=(_norm_vjp,),
        kink=_norm_kink,
        selects=True,
        analytic=False,
        examples=(
            example((3,)),
            example((2, 3)),
            example((2, 3, 2)),
            example((2, 3), axis=1),
            example((2, 3), axis=-1, keepdims=True),
            example((4,), ord=1),
            example((4,), ord=2),
            example((4,), ord=math.inf),
            example((2, 3), ord=1),
            example((2, 3), ord=math.inf),
            example((2, 3), ord="fro"),
            example((2, 3, 4), ord=1, axis=(2, 0)),
            example((2, 3, 4), ord=math.inf, axis=(0, -1), keepdims=True),
            example((2, 3, 4), ord="fro", axis=(1, 2)),
            example((3,), values=(np.zeros(3),)),
        ),
    ),
    Gate(
        name="logsumexp",
        forward=_logsumexp,
        symbol="log Σ exp",
        code=call("logsumexp", "{0}", **_REDUCES),
        words="takes the logarithm of the summed exponentials of {0}",
        why="each element moves the sum by its share of it: its softmax",
        vjp=(_logsumexp_vjp,),
        pattern="spreads",
        examples=_ALONG_AXES + _EMPTY,
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
        code=call("np.any", "{0}", **_REDUCES),
        words="asks whether any element of {0} is not zero",
        why="a truth value has no slope",
        pattern="stops",
        analytic=False,
        examples=_ALONG_AXES,
    ),
    Gate(
        name="all",
        forward=_all,
        numpy=np.all,
        symbol="all",
        code=call("np.all", "{0}", **_REDUCES),
        words="asks whether all elements of {0} differ from zero",
        why="a truth value has no slope",
        pattern="stops",
        analytic=False,
        examples=_ALONG_AXES,
    ),
    Gate(
        name="argmax",
        forward=_argmax,
        numpy=np.argmax,
        symbol="argmax",
        code=call("{0}.argmax", **_REDUCES),
        scalar_code="0",
        words="finds where {0} is largest",
        why="a position is an integer: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((2, 3)), example((2, 3), axis=1), example((2, 3), axis=0, keepdims=True)),
    ),
    Gate(
        name="argmin",
        forward=_argmin,
        numpy=np.argmin,
        symbol="argmin",
        code=call("{0}.argmin", **_REDUCES),
        scalar_code="0",
        words="finds where {0} is smallest",
        why="a position is an integer: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((2, 3)), example((2, 3), axis=1), example((2, 3), axis=0, keepdims=True)),
    ),
    Gate(
        name="count_nonzero",
        forward=_count_nonzero,
        numpy=np.count_nonzero,
        symbol="#",
        code=call("np.count_nonzero", "{0}", **_REDUCES),
        words="counts the elements of {0} that are not zero",
        why="a count is an integer: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((2, 3)), example((2, 3), axis=1, keepdims=True)),
    ),
    Gate(
        name="argsort",
        forward=_argsort,
        numpy=np.argsort,
        symbol="argsort",
        code=call("np.argsort", "{0}", axis=-1, kind=None),
        words="finds the order of {0}",
        why="an order is made of integers: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((4,)), example((2, 3), axis=0), example((2, 3), axis=None)),
    ),
    share_of_max,
    share_of_min,
    *PRODUCTS,
)
