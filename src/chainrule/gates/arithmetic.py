"""Arithmetic: the gates of the lecture's circuits.

Add distributes the gradient, multiply swaps its inputs, maximum routes. To add a gate, add an
entry to `ARITHMETIC`; `Gate` says what each field means.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .gate import POSITIVE, REAL, Gate


def _share(x: Any, y: Any) -> Any:
    # Two steps, because inf - inf is NaN where a tie of two infinities is still a tie.
    return np.where(x == y, 0.5, np.heaviside(x - y, 0.5))


def _scalar_share(x: float, y: float) -> float:
    return 1.0 if x > y else 0.5 if x == y else 0.0 if x < y else math.nan


def _scalar_maximum(x: float, y: float) -> float:
    # Not max(x, y), which keeps or drops a NaN depending on the order of its arguments.
    return x if x >= y or x != x else y


def _scalar_minimum(x: float, y: float) -> float:
    return x if x <= y or x != x else y


def _scalar_sign(x: float) -> float:
    return 1.0 if x > 0 else -1.0 if x < 0 else x * 0.0


share = Gate(
    name="share",
    forward=_share,
    scalar=_scalar_share,
    symbol="≷",
    words="gives the share of the gradient that {0} gets against {1}: all if larger, half at a tie",
    why="it is a step: flat on both sides of the tie",
    local=(lambda out, x, y: 0, lambda out, x, y: 0),
    pattern="stops",
    domain=(REAL, REAL),
    kink=lambda x, y: x - y,
    analytic=False,
)


def _power_slope_of_base(out: Any, x: Any, y: Any) -> Any:
    if isinstance(y, (int, float)):  # an exponent known while drawing: write what a person would
        if y == 0:
            return 0
        return y * x ** (y - 1) if y != 2 else 2 * x
    # 0 * x ** -1 would be NaN at x = 0, where the slope of the constant x ** 0 is 0.
    return np.where(y == 0, 0.0, y * x ** np.where(y == 0, 1.0, y - 1))


def _power_slope_of_exponent(out: Any, x: Any, y: Any) -> Any:
    # out * log(x) tends to 0 with x for y > 0, but evaluates to 0 * -inf.
    return out * np.log(np.where((x == 0) & (y >= 0), 1.0, x))


ARITHMETIC: tuple[Gate, ...] = (
    Gate(
        name="add",
        forward=np.add,
        scalar=operator.add,
        symbol="+",
        code="{0} + {1}",
        words="adds {0} and {1}",
        why="a sum moves as much as each of its inputs does",
        local=(lambda out, x, y: 1, lambda out, x, y: 1),
        pattern="distributes",
        domain=(REAL, REAL),
    ),
    Gate(
        name="subtract",
        forward=np.subtract,
        scalar=operator.sub,
        symbol="−",
        code="{0} - {1}",
        words="subtracts {1} from {0}",
        why="a difference moves with its first input and against its second",
        local=(lambda out, x, y: 1, lambda out, x, y: -1),
        pattern="distributes",
        domain=(REAL, REAL),
    ),
    Gate(
        name="multiply",
        forward=np.multiply,
        scalar=operator.mul,
        symbol="×",
        code="{0} * {1}",
        words="multiplies {0} by {1}",
        why="in a product, the slope along one input is the other input",
        local=(lambda out, x, y: y, lambda out, x, y: x),
        pattern="swaps",
        domain=(REAL, REAL),
    ),
    Gate(
        name="divide",
        forward=np.divide,
        scalar=operator.truediv,
        symbol="÷",
        code="{0} / {1}",
        words="divides {0} by {1}",
        why="x / y grows with x at 1 / y, and shrinks with y at (x / y) / y",
        # out / y, not x / y**2: it reuses the quotient and does not overflow before it must.
        local=(lambda out, x, y: 1.0 / y, lambda out, x, y: -out / y),
        slope=("1 / {1}", "-{0} / {1} ** 2"),
        domain=(REAL, POSITIVE),
        steep=True,
    ),
    Gate(
        name="negative",
        forward=np.negative,
        scalar=operator.neg,
        symbol="−",
        code="-{0}",
        words="negates {0}",
        why="the negative moves against its input",
        local=(lambda out, x: -1,),
    ),
    Gate(
        name="power",
        forward=np.power,
        scalar=operator.pow,
        symbol="^",
        code="{0} ** {1}",
        words="raises {0} to the power {1}",
        why="x ** y has slope y x ** (y - 1) along x and x ** y log x along y",
        local=(_power_slope_of_base, _power_slope_of_exponent),
        domain=(POSITIVE, REAL),
        steep=True,
    ),
    Gate(
        name="square",
        forward=np.square,
        scalar=lambda x: x * x,
        symbol="²",
        code="{0} ** 2",
        words="squares {0}",
        why="the square of x grows by 2 x for each unit of x",
        local=(lambda out, x: 2 * x,),
    ),
    Gate(
        name="sqrt",
        forward=np.sqrt,
        scalar=math.sqrt,
        symbol="√",
        code="np.sqrt({0})",
        scalar_code="math.sqrt({0})",
        latex=r"\sqrt{#0}",
        words="takes the square root of {0}",
        why="the root grows by 1 / (2 root), ever steeper towards 0",
        local=(lambda out, x: 0.5 / out,),
        slope=("1 / (2 * {out})",),
        domain=(POSITIVE,),
        steep=True,
    ),
    Gate(
        name="cbrt",
        forward=np.cbrt,
        scalar=math.cbrt,
        symbol="∛",
        code="np.cbrt({0})",
        scalar_code="math.cbrt({0})",
        latex=r"\sqrt[3]{#0}",
        words="takes the cube root of {0}",
        why="the cube root grows by 1 / (3 root squared)",
        local=(lambda out, x: 1.0 / (3.0 * out**2),),
        domain=(POSITIVE,),
        steep=True,
        analytic=False,  # np.cbrt takes no complex numbers
    ),
    Gate(
        name="reciprocal",
        forward=np.reciprocal,
        scalar=lambda x: 1.0 / x,
        symbol="1/x",
        code="1.0 / {0}",
        words="takes one over {0}",
        why="1 / x falls at the square of itself",
        local=(lambda out, x: -out * out,),
        slope=("-1 / {0} ** 2",),
        domain=(POSITIVE,),
        steep=True,
    ),
    Gate(
        name="absolute",
        forward=np.absolute,
        scalar=abs,
        symbol="|x|",
        code="np.abs({0})",
        scalar_code="abs({0})",
        latex=r"\left|#0\right|",
        words="takes the absolute value of {0}",
        why="|x| follows x on the positive side, -x on the negative, and takes 0 at the kink",
        local=(lambda out, x: np.sign(x),),
        kink=lambda x: x,
        analytic=False,
    ),
    Gate(
        name="sign",
        forward=np.sign,
        scalar=_scalar_sign,
        symbol="±",
        code="np.sign({0})",
        scalar_code="sign({0})",
        latex=r"\operatorname{sign}\left(#0\right)",
        words="takes the sign of {0}",
        why="the sign is flat wherever it has a slope",
        local=(lambda out, x: 0,),
        pattern="stops",
        kink=lambda x: x,
        analytic=False,
    ),
    Gate(
        name="maximum",
        forward=np.maximum,
        scalar=_scalar_maximum,
        symbol="max",
        code="np.maximum({0}, {1})",
        scalar_code="maximum({0}, {1})",
        latex=r"\max\left(#0, #1\right)",
        words="takes the larger of {0} and {1}",
        why="the larger input decides alone; at a tie each gets half",
        local=(lambda out, x, y: share(x, y), lambda out, x, y: share(y, x)),
        pattern="routes",
        because=lambda out, x, y: "{0} > {1}" if x > y else "{1} > {0}",
        domain=(REAL, REAL),
        kink=lambda x, y: x - y,
        selects=True,
        analytic=False,
    ),
    Gate(
        name="minimum",
        forward=np.minimum,
        scalar=_scalar_minimum,
        symbol="min",
        code="np.minimum({0}, {1})",
        scalar_code="minimum({0}, {1})",
        latex=r"\min\left(#0, #1\right)",
        words="takes the smaller of {0} and {1}",
        why="the smaller input decides alone; at a tie each gets half",
        local=(lambda out, x, y: share(y, x), lambda out, x, y: share(x, y)),
        pattern="routes",
        because=lambda out, x, y: "{0} < {1}" if x < y else "{1} < {0}",
        domain=(REAL, REAL),
        kink=lambda x, y: x - y,
        selects=True,
        analytic=False,
    ),
    share,
    Gate(
        name="positive",
        forward=np.positive,
        scalar=operator.pos,
        symbol="+",
        code="+{0}",
        latex="#0",
        words="passes {0} on",
        why="the same wire under a second name moves as much as the first",
        local=(lambda out, x: 1,),
        pattern="distributes",
    ),
)
