"""Comparison and choice: the gates that answer yes or no, and those that choose by the answer.

A truth value is flat on both sides of where it changes, so its slope is 0 and no gradient goes on;
`where` hands the whole gradient to the branch taken. To add a gate, add an entry to `COMPARISON`.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .gate import REAL, Gate, Interval, example
from .rules import nothing, shape_of, sum_to

BOOLEAN: Interval = (False, True)
"""The domain of a truth value: an interval whose ends are the two of them."""


def _flat(out: Any, *inputs: Any) -> int:
    return 0


def _difference(x: Any, y: Any) -> Any:
    return x - y


def _where(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)


def _scalar_heaviside(x: float, y: float) -> float:
    return 1.0 if x > 0 else y if x == 0 else 0.0 if x < 0 else math.nan


def _scalar_invert(x: Any) -> Any:
    # Not ~x, which is -2 for True.
    return not x if type(x) is bool else ~x


def _slope_if_reached(slope: Any, g: Any) -> Any:
    # 0 * inf and 0 * NaN are NaN, but no gradient arrives where g is 0.
    return np.where((g == 0) & ~np.isfinite(slope), 0.0, slope)


def _scalar_slope_if_reached(slope: float, g: float) -> float:
    # 0 * inf and 0 * NaN are NaN, but no gradient arrives where g is 0.
    return 0.0 if g == 0 and not math.isfinite(slope) else slope


slope_if_reached: Gate = Gate(
    name="slope_if_reached",
    forward=_slope_if_reached,
    scalar=_scalar_slope_if_reached,
    symbol="∞→0",
    words="keeps the slope {0}, but gives 0 where it is not finite and the gradient {1} is 0",
    why="it hands the slope through, or the constant 0",
    # 1 where g is not 0, else whether the slope is finite; np.where would make float32 float64.
    local=(lambda out, slope, g: np.heaviside(np.abs(g), np.isfinite(slope)), _flat),
    pattern="routes",
    domain=(REAL, REAL),
    selects=True,
)


where: Gate = Gate(
    name="where",
    forward=_where,
    numpy=np.where,
    scalar=lambda condition, x, y: x if condition else y,
    symbol="?",
    code="np.where({0}, {1}, {2})",
    scalar_code="{1} if {0} else {2}",
    latex=r"\begin{cases} #1 & \text{if } #0 \\ #2 & \text{else} \end{cases}",
    words="takes {1} where {0} holds, and {2} elsewhere",
    why="the branch taken gets the whole gradient; the other gets 0, whatever the gradient is",
    # Chosen, not multiplied by slopes of 1 and 0: 0 * inf would be NaN in the branch not taken,
    # as in sqrt(where(x > 0, x, 0)). `where`, not np.where, so that floats stay Python floats.
    vjp=(
        nothing,
        lambda g, out, condition, x, y: sum_to(where(condition, g, 0.0), shape_of(x)),
        lambda g, out, condition, x, y: sum_to(where(condition, 0.0, g), shape_of(y)),
    ),
    pattern="routes",
    because=lambda out, condition, x, y: "the condition is {0}",
    domain=(BOOLEAN, REAL, REAL),
    selects=True,
    examples=(
        example((3,), (3,), (3,)),
        example((2, 1), (2, 3), (3,)),
        example((), (), ()),
    ),
)


def _comparison(name: str, ufunc: Any, scalar: Any, sign: str, words: str) -> Gate:
    return Gate(
        name=name,
        forward=ufunc,
        scalar=scalar,
        symbol=sign,
        code=f"{{0}} {sign} {{1}}",
        words=words,
        why="a truth value is flat on both sides of the tie",
        local=(_flat, _flat),
        pattern="stops",
        domain=(REAL, REAL),
        kink=_difference,
        analytic=False,
    )


def _bitwise(name: str, ufunc: Any, scalar: Any, sign: str, words: str) -> Gate:
    return Gate(
        name=name,
        forward=ufunc,
        scalar=scalar,
        symbol=sign,
        code=f"{{0}} {sign} {{1}}",
        words=words,
        why="truth values do not move by degrees",
        local=(_flat, _flat),
        pattern="stops",
        domain=(BOOLEAN, BOOLEAN),
        analytic=False,
    )


def _logical(name: str, ufunc: Any, scalar: Any, symbol: str, scalar_code: str, words: str) -> Gate:
    return Gate(
        name=name,
        forward=ufunc,
        scalar=scalar,
        symbol=symbol,
        code=f"np.{name}({{0}}, {{1}})",
        scalar_code=scalar_code,
        words=words,
        why="a truth value is flat wherever its inputs are not 0",
        local=(_flat, _flat),
        pattern="stops",
        domain=(REAL, REAL),
        analytic=False,
    )


def _test(name: str, scalar: Any, scalar_code: str, words: str, kink: Any = None) -> Gate:
    return Gate(
        name=name,
        forward=getattr(np, name),
        scalar=scalar,
        symbol=name,
        code=f"np.{name}({{0}})",
        scalar_code=scalar_code,
        words=words,
        why="the answer stays the same when its input moves a little",
        local=(_flat,),
        pattern="stops",
        kink=kink,
        analytic=False,
    )


COMPARISON: tuple[Gate, ...] = (
    _comparison("greater", np.greater, operator.gt, ">", "asks whether {0} is greater than {1}"),
    _comparison(
        "greater_equal", np.greater_equal, operator.ge, ">=", "asks whether {0} is at least {1}"
    ),
    _comparison("less", np.less, operator.lt, "<", "asks whether {0} is less than {1}"),
    _comparison("less_equal", np.less_equal, operator.le, "<=", "asks whether {0} is at most {1}"),
    _comparison("equal", np.equal, operator.eq, "==", "asks whether {0} equals {1}"),
    _comparison("not_equal", np.not_equal, operator.ne, "!=", "asks whether {0} differs from {1}"),
    _logical(
        "logical_and",
        np.logical_and,
        lambda x, y: bool(x) and bool(y),
        "∧",
        "bool({0}) and bool({1})",
        "asks whether {0} and {1} both hold",
    ),
    _logical(
        "logical_or",
        np.logical_or,
        lambda x, y: bool(x) or bool(y),
        "∨",
        "bool({0}) or bool({1})",
        "asks whether {0} or {1} holds",
    ),
    _logical(
        "logical_xor",
        np.logical_xor,
        lambda x, y: bool(x) != bool(y),
        "⊻",
        "bool({0}) != bool({1})",
        "asks whether just one of {0} and {1} holds",
    ),
    Gate(
        name="logical_not",
        forward=np.logical_not,
        scalar=operator.not_,
        symbol="¬",
        code="np.logical_not({0})",
        scalar_code="not {0}",
        latex=r"\lnot #(0)",
        words="asks whether {0} does not hold",
        why="a truth value is flat wherever its input is not 0",
        local=(_flat,),
        pattern="stops",
        analytic=False,
    ),
    _bitwise(
        "bitwise_and", np.bitwise_and, operator.and_, "&", "asks whether {0} and {1} both hold"
    ),
    _bitwise("bitwise_or", np.bitwise_or, operator.or_, "|", "asks whether {0} or {1} holds"),
    _bitwise(
        "bitwise_xor",
        np.bitwise_xor,
        operator.xor,
        "^",
        "asks whether just one of {0} and {1} holds",
    ),
    Gate(
        name="invert",
        forward=np.invert,
        scalar=_scalar_invert,
        symbol="~",
        code="~{0}",
        scalar_code="not {0}",
        words="asks whether {0} does not hold",
        why="truth values do not move by degrees",
        local=(_flat,),
        pattern="stops",
        domain=(BOOLEAN,),
        analytic=False,
    ),
    _test("isnan", math.isnan, "math.isnan({0})", "asks whether {0} is NaN"),
    _test("isinf", math.isinf, "math.isinf({0})", "asks whether {0} is infinite"),
    _test("isfinite", math.isfinite, "math.isfinite({0})", "asks whether {0} is finite"),
    _test(
        "signbit",
        lambda x: math.copysign(1.0, x) < 0,
        "math.copysign(1.0, {0}) < 0",
        "asks whether {0} bears a minus sign",
        kink=lambda x: x,
    ),
    where,
    Gate(
        name="heaviside",
        forward=np.heaviside,
        scalar=_scalar_heaviside,
        symbol="H",
        code="np.heaviside({0}, {1})",
        scalar_code="heaviside({0}, {1})",
        words="gives 1 where {0} is positive, 0 where it is negative, and {1} at 0",
        why="the step is flat on both sides; its second input counts only at the step",
        # 1 at x = 0 and 0 elsewhere; np.where would make float32 float64.
        local=(_flat, lambda out, x, y: np.heaviside(-np.abs(x), 1.0)),
        pattern="routes",
        because=lambda out, x, y: "{0} > 0" if x > 0 else "{0} < 0" if x < 0 else "{0} is 0",
        domain=(REAL, REAL),
        kink=lambda x, y: x,
        selects=True,
        analytic=False,
    ),
    slope_if_reached,
)
