"""Exponentials and logarithms.

The exponential is its own slope, the logarithm's slope is one over its input. To add a gate, add
an entry to `EXPONENTIAL`. A constant in a rule is a Python float, so that float32 stays float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import POSITIVE, REAL, Gate, example

LOG_2 = 0.6931471805599453
LOG2_E = 1.4426950408889634
LOG10_E = 0.4342944819032518


def _softshare(x: Any, y: Any, *, rate: float = 1.0) -> Any:
    # Two steps, because inf - inf is NaN where two equal infinities still share by halves.
    # An exp that overflows is meant: 1 / inf is the right 0.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(x == y, 0.5, 1.0 / (1.0 + np.exp(rate * (y - x))))


def _scalar_softshare(x: float, y: float, *, rate: float = 1.0) -> float:
    # As for arrays; math.exp raises where np.exp overflows, so there e^-d stands for 1 / (1 + e^d).
    if x == y:
        return 0.5
    d = rate * (y - x)
    return 1.0 / (1.0 + math.exp(d)) if d < 709.0 else math.exp(-d)


def _scalar_logaddexp(x: float, y: float) -> float:
    # The larger one is taken out, so that exp cannot overflow; inf - inf would be NaN.
    if x == y:
        return x + 0.6931471805599453
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


def _scalar_logaddexp2(x: float, y: float) -> float:
    # The larger one is taken out, so that exp2 cannot overflow; inf - inf would be NaN.
    if x == y:
        return x + 1.0
    return max(x, y) + math.log1p(math.exp2(-abs(x - y))) * 1.4426950408889634


softshare: Gate = Gate(
    name="softshare",
    forward=_softshare,
    scalar=_scalar_softshare,
    symbol="⋛",
    latex=r"\sigma\left(#0 - #(1)\right)",
    words="gives the share of e^{0} in e^{0} + e^{1}",
    why="a share moves by itself times the other share, towards the input that grows",
    local=(
        lambda out, x, y, *, rate=1.0: rate * (out * softshare(y, x, rate=rate)),
        lambda out, x, y, *, rate=1.0: -rate * (out * softshare(y, x, rate=rate)),
    ),
    domain=(REAL, REAL),
    examples=(example((), (), rate=LOG_2),),
)


EXPONENTIAL: tuple[Gate, ...] = (
    Gate(
        name="exp",
        forward=np.exp,
        scalar=math.exp,
        symbol="eˣ",
        code="np.exp({0})",
        scalar_code="math.exp({0})",
        latex="e^{#0}",
        words="raises e to the power {0}",
        why="the exponential is its own slope",
        local=(lambda out, x: out,),
        steep=True,  # the slope overflows with the value: inf from 710 on
    ),
    Gate(
        name="expm1",
        forward=np.expm1,
        scalar=math.expm1,
        symbol="eˣ−1",
        code="np.expm1({0})",
        scalar_code="math.expm1({0})",
        latex="e^{#0} - 1",
        words="raises e to the power {0} and takes 1 away",
        why="taking 1 away leaves the slope of the exponential",
        # Not out + 1, which is 0 where the slope is 1e-17.
        local=(lambda out, x: np.exp(x),),
        steep=True,
    ),
    Gate(
        name="exp2",
        forward=np.exp2,
        scalar=math.exp2,
        symbol="2ˣ",
        code="np.exp2({0})",
        scalar_code="math.exp2({0})",
        latex="2^{#0}",
        words="raises 2 to the power {0}",
        why="a power of 2 grows by log 2 times itself",
        local=(lambda out, x: LOG_2 * out,),
        steep=True,
    ),
    Gate(
        name="log",
        forward=np.log,
        scalar=math.log,
        symbol="ln",
        code="np.log({0})",
        scalar_code="math.log({0})",
        latex=r"\ln\left(#0\right)",
        words="takes the logarithm of {0}",
        why="the logarithm grows by one over its input, ever steeper towards 0",
        local=(lambda out, x: 1.0 / x,),
        domain=(POSITIVE,),
        steep=True,
    ),
    Gate(
        name="log1p",
        forward=np.log1p,
        scalar=math.log1p,
        symbol="ln(1+x)",
        code="np.log1p({0})",
        scalar_code="math.log1p({0})",
        latex=r"\ln\left(1 + #0\right)",
        words="takes the logarithm of 1 + {0}",
        why="the logarithm of 1 + x grows by 1 / (1 + x)",
        local=(lambda out, x: 1.0 / (1.0 + x),),
        domain=((-1.0, math.inf),),
        steep=True,
    ),
    Gate(
        name="log2",
        forward=np.log2,
        scalar=math.log2,
        symbol="log₂",
        code="np.log2({0})",
        scalar_code="math.log2({0})",
        latex=r"\log_{2}\left(#0\right)",
        words="takes the logarithm of {0} to base 2",
        why="the logarithm to base 2 grows by 1 / (x log 2)",
        local=(lambda out, x: LOG2_E / x,),
        domain=(POSITIVE,),
        steep=True,
    ),
    Gate(
        name="log10",
        forward=np.log10,
        scalar=math.log10,
        symbol="log₁₀",
        code="np.log10({0})",
        scalar_code="math.log10({0})",
        latex=r"\log_{10}\left(#0\right)",
        words="takes the logarithm of {0} to base 10",
        why="the logarithm to base 10 grows by 1 / (x log 10)",
        local=(lambda out, x: LOG10_E / x,),
        domain=(POSITIVE,),
        steep=True,
    ),
    Gate(
        name="logaddexp",
        forward=np.logaddexp,
        scalar=_scalar_logaddexp,
        symbol="ln(eˣ+eʸ)",
        code="np.logaddexp({0}, {1})",
        scalar_code="logaddexp({0}, {1})",
        latex=r"\ln\left(e^{#0} + e^{#1}\right)",
        words="takes the logarithm of e^{0} + e^{1}, a soft maximum",
        why="each input moves the soft maximum by its share of the sum",
        local=(lambda out, x, y: softshare(x, y), lambda out, x, y: softshare(y, x)),
        slope=("exp({0} - {out})", "exp({1} - {out})"),
        domain=(REAL, REAL),
        analytic=False,  # np.logaddexp takes no complex numbers
    ),
    Gate(
        name="logaddexp2",
        forward=np.logaddexp2,
        scalar=_scalar_logaddexp2,
        symbol="log₂(2ˣ+2ʸ)",
        code="np.logaddexp2({0}, {1})",
        scalar_code="logaddexp2({0}, {1})",
        latex=r"\log_{2}\left(2^{#0} + 2^{#1}\right)",
        words="takes the logarithm to base 2 of 2^{0} + 2^{1}, a soft maximum",
        why="each input moves the soft maximum by its share of the sum",
        # The rate goes in after the difference: log 2 times a large x would lose the digits of it.
        local=(
            lambda out, x, y: softshare(x, y, rate=LOG_2),
            lambda out, x, y: softshare(y, x, rate=LOG_2),
        ),
        slope=("2 ** ({0} - {out})", "2 ** ({1} - {out})"),
        domain=(REAL, REAL),
        analytic=False,
    ),
    softshare,
)
