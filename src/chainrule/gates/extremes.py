"""Extremes: the winner of a maximum takes the whole gradient; tied winners share it equally.

The shares are a gate of their own, so that the gradient of a maximum reads as what it is: the
upstream gradient times who won. `REDUCTION` takes these gates in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gate import Gate, example
from .rules import (
    ALONG_AXES,
    REDUCES,
    axes_of,
    call,
    count_of,
    lined_up,
    nothing,
    over_axes,
    spread,
)


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


def _shares(a: Any, extreme: Any, axis: Any) -> Any:
    chosen = (a == extreme).astype(a.dtype)
    return chosen / np.sum(chosen, axis=axis, keepdims=True)


def _max_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    if count_of(a, axis) <= 1:
        return spread(g, a, axis, keepdims)
    return lined_up(g, a, axis, keepdims) * share_of_max(a, axis=axis)


def _min_vjp(g: Any, out: Any, a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    if count_of(a, axis) <= 1:
        return spread(g, a, axis, keepdims)
    return lined_up(g, a, axis, keepdims) * share_of_min(a, axis=axis)


def lead_of(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
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


def _argmax(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmax(a, axis=axis, keepdims=keepdims)


def _argmin(a: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return np.argmin(a, axis=axis, keepdims=keepdims)


def _argsort(a: Any, *, axis: Any = -1, kind: Any = None) -> Any:
    return np.argsort(a, axis=axis, kind=kind)


# ---------------------------------------------------------------------- the table

share_of_max = Gate(
    name="share_of_max",
    forward=_share_of_max,
    symbol="≷",
    code=call("share_of_max", "{0}", axis=None),
    words="gives the share of the gradient that each element of {0} gets: all to the largest",
    expand=lambda a, *, axis=None: _shares(a, np.max(a, axis=axis, keepdims=True), axis),
    why="it is a step: flat wherever no two elements tie",
    vjp=(nothing,),
    pattern="stops",
    kink=lead_of,
    analytic=False,
    examples=(example((2, 3), axis=1), example((4,), axis=None)),
)

share_of_min = Gate(
    name="share_of_min",
    forward=_share_of_min,
    symbol="≶",
    code=call("share_of_min", "{0}", axis=None),
    words="gives the share of the gradient that each element of {0} gets: all to the smallest",
    expand=lambda a, *, axis=None: _shares(a, np.min(a, axis=axis, keepdims=True), axis),
    why="it is a step: flat wherever no two elements tie",
    vjp=(nothing,),
    pattern="stops",
    kink=lambda a, **settings: lead_of(-a, **settings),
    analytic=False,
    examples=(example((2, 3), axis=1), example((4,), axis=None)),
)

EXTREMES: tuple[Gate, ...] = (
    Gate(
        name="max",
        forward=_max,
        numpy=np.max,
        symbol="max",
        code=call("{0}.max", **REDUCES),
        scalar_code="{0}",
        latex=over_axes(r"\max", r"\left(#0\right)"),
        words="takes the largest element of {0}",
        why="the largest element decides alone; tied ones share equally",
        vjp=(_max_vjp,),
        pattern="routes",
        kink=lead_of,
        selects=True,
        analytic=False,
        examples=(*ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="min",
        forward=_min,
        numpy=np.min,
        symbol="min",
        code=call("{0}.min", **REDUCES),
        scalar_code="{0}",
        latex=over_axes(r"\min", r"\left(#0\right)"),
        words="takes the smallest element of {0}",
        why="the smallest element decides alone; tied ones share equally",
        vjp=(_min_vjp,),
        pattern="routes",
        kink=lambda a, **settings: lead_of(-a, **settings),
        selects=True,
        analytic=False,
        examples=(*ALONG_AXES, example((0, 3), axis=1)),
    ),
    Gate(
        name="argmax",
        forward=_argmax,
        numpy=np.argmax,
        symbol="argmax",
        code=call("{0}.argmax", **REDUCES),
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
        code=call("{0}.argmin", **REDUCES),
        scalar_code="0",
        words="finds where {0} is smallest",
        why="a position is an integer: it has no slope",
        pattern="stops",
        analytic=False,
        examples=(example((2, 3)), example((2, 3), axis=1), example((2, 3), axis=0, keepdims=True)),
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
)
