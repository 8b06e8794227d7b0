"""Distances: how far elements are from their mean (var, std) or from zero (norm).

Each pulls along the distance itself. At distance zero std and norm have a kink, where the gradient
is 0: one of the subgradients. `REDUCTION` takes these gates in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import MissingGateError
from .extremes import lead_of, share_of_max
from .gate import Gate, example
from .rules import (
    ALONG_AXES,
    REDUCES,
    axes_of,
    call,
    count_of,
    leads,
    lined_up,
    over_axes,
    shape_of,
)


def _var(a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)


def _std(a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)


def _var_of_gates(a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    from_mean = _from_mean(a, axis)
    squares = np.sum(from_mean * from_mean, axis=axis, keepdims=keepdims)
    # NumPy divides by 0 where there is no freedom left, and never by less.
    return squares / max(count_of(a, axis) - ddof, 0)


def _over_freedom(number: float, a: Any, axis: Any, ddof: float) -> float:
    # No degree of freedom left: NumPy divides by 0, so the slope is infinite or NaN too.
    freedom = count_of(a, axis) - ddof
    return number / freedom if freedom > 0 else math.inf


def _from_mean(a: Any, axis: Any) -> Any:
    return a - np.mean(a, axis=axis, keepdims=not leads(a, axis))


def _var_vjp(
    g: Any, out: Any, a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    scale = _over_freedom(2, a, axis, ddof) * g
    return lined_up(scale, a, axis, keepdims) * _from_mean(a, axis)


def _std_vjp(
    g: Any, out: Any, a: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    # The mean of the distances has slope 0; where all are equal (a kink) the subgradient is 0.
    scale = _over_freedom(1, a, axis, ddof) * g / np.where(out == 0, 1.0, out)
    return lined_up(scale, a, axis, keepdims) * _from_mean(a, axis)


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


def _norm_of_gates(x: Any, *, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if len(axes_of(len(shape_of(x)), axis)) == 1 and ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if ord is None or (ord == 2 and len(axes_of(len(shape_of(x)), axis)) == 1) or ord == "fro":
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    return NotImplemented


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
        return lead_of(np.abs(x), axis=axis)
    if kind in ("columns", "rows"):
        along, across = given if kind == "columns" else given[::-1]
        lead = lead_of(np.sum(np.abs(x), axis=along, keepdims=True), axis=across)
        return np.stack([np.broadcast_to(lead, np.shape(x)), x])
    return np.linalg.norm(x, axis=axis, keepdims=True)


# ---------------------------------------------------------------------- the table

NORMS: tuple[Gate, ...] = (
    Gate(
        name="var",
        forward=_var,
        numpy=np.var,
        symbol="var",
        code=call("np.var", "{0}", **REDUCES, ddof=0),
        latex=over_axes(r"\operatorname{var}", r"\left(#0\right)"),
        words="takes the variance of {0}",
        expand=_var_of_gates,
        why="an element pulls by 2 / n of its distance from the mean",
        vjp=(_var_vjp,),
        analytic=False,  # NumPy takes the squared absolute value of complex distances
        examples=(
            *ALONG_AXES,
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
        code=call("np.std", "{0}", **REDUCES, ddof=0),
        latex=over_axes(r"\operatorname{std}", r"\left(#0\right)"),
        words="takes the standard deviation of {0}",
        expand=lambda a, **settings: np.sqrt(_var_of_gates(a, **settings)),
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
        code=call("np.linalg.norm", "{0}", ord=None, **REDUCES),
        latex=lambda ord=None, **_: (
            r"\left\lVert #0 \right\rVert" + ("" if ord is None else rf"_{{\mathrm{{{ord}}}}}")
        ),
        words="takes the norm of {0}",
        expand=_norm_of_gates,
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
)
