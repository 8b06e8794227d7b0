"""Trigonometric and hyperbolic functions and their inverses.

Slopes are written so that they neither overflow on the way nor lose their digits: products of
(1 - x) and (1 + x) for 1 - x², hypot for roots of squares. To add a gate, add an entry to
`TRIGONOMETRIC`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import ABOVE_ONE, POSITIVE, REAL, UNIT, Gate, example

PI = 3.141592653589793
RADIAN = 0.017453292519943295
DEGREE = 57.29577951308232


def _sinc(x: Any) -> Any:
    return np.sinc(x)


def _scalar_sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


def _bessel_ratio(z: Any, *, order: int) -> Any:
    # j_n(z) / z^n of the spherical Bessel function j_n. Its recurrence from sin z / z upwards
    # loses all digits where z is small against n; there its power series is summed instead.
    near = np.abs(z) < order + 1.5
    small = np.where(near, z * z, 0.0)
    term = np.ones_like(small) / math.prod(range(1, 2 * order + 2, 2))
    series = term
    for k in range(1, 30 + order):
        term = term * small / (-2.0 * k * (2 * (order + k) + 1))
        series = series + term
    large = np.where(near, 1.0, z)
    low, high = np.cos(large), np.sin(large) / large
    for n in range(order):
        low, high = high, ((2 * n + 1) * high - low) / (large * large)
    return np.where(near, series, high)[()]  # [()] makes a number of a 0-d array


def _over_square(x: Any, radius: Any) -> Any:
    # Divided twice, because the square of the radius would overflow and underflow.
    return x / radius / radius


def _sech_squared(x: Any) -> Any:
    """Return 1 - tanh(x)**2 with all its digits, also where tanh is near 1."""
    e = np.exp(-2.0 * np.abs(x))
    return 4.0 * e / (1.0 + e) ** 2


def _scalar_sech_squared(x: float) -> float:
    """Return 1 - tanh(x)**2 with all its digits, also where tanh is near 1."""
    e = math.exp(-2.0 * abs(x))
    return 4.0 * e / (1.0 + e) ** 2


sech_squared: Gate = Gate(
    name="sech_squared",
    forward=_sech_squared,
    scalar=_scalar_sech_squared,
    symbol="sech²",
    latex=r"\operatorname{sech}^{2}\left(#0\right)",
    words="takes the slope of the hyperbolic tangent at {0}",
    why="sech² falls with tanh: its slope is -2 tanh(x) sech(x)²",
    local=(lambda out, x: -2.0 * np.tanh(x) * out,),
    analytic=False,  # it is written with the absolute value
)

bessel_ratio: Gate = Gate(
    name="bessel_ratio",
    forward=_bessel_ratio,
    symbol="jₙ/zⁿ",
    words="takes the spherical Bessel function of {0} over as high a power",
    why="the slope of j_n / z^n is -z j_(n+1) / z^(n+1): DLMF 10.51.3",
    local=(lambda out, z, *, order: -z * bessel_ratio(z, order=order + 1),),
    examples=(example((), order=1), example((), order=2), example((), order=4)),
)


TRIGONOMETRIC: tuple[Gate, ...] = (
    sech_squared,
    Gate(
        name="sin",
        forward=np.sin,
        scalar=math.sin,
        symbol="sin",
        code="np.sin({0})",
        scalar_code="math.sin({0})",
        latex=r"\sin\left(#0\right)",
        words="takes the sine of {0}",
        why="the sine's slope is the cosine",
        local=(lambda out, x: np.cos(x),),
    ),
    Gate(
        name="cos",
        forward=np.cos,
        scalar=math.cos,
        symbol="cos",
        code="np.cos({0})",
        scalar_code="math.cos({0})",
        latex=r"\cos\left(#0\right)",
        words="takes the cosine of {0}",
        why="the cosine's slope is minus the sine",
        local=(lambda out, x: -np.sin(x),),
    ),
    Gate(
        name="tan",
        forward=np.tan,
        scalar=math.tan,
        symbol="tan",
        code="np.tan({0})",
        scalar_code="math.tan({0})",
        latex=r"\tan\left(#0\right)",
        words="takes the tangent of {0}",
        why="the tangent grows by 1 plus its square",
        local=(lambda out, x: 1.0 + out**2,),
        domain=((-1.5, 1.5),),
    ),
    Gate(
        name="arcsin",
        forward=np.arcsin,
        scalar=math.asin,
        symbol="arcsin",
        code="np.arcsin({0})",
        scalar_code="math.asin({0})",
        latex=r"\arcsin\left(#0\right)",
        words="takes the angle whose sine is {0}",
        why="the slope is one over the cosine of the angle, ever steeper towards -1 and 1",
        local=(lambda out, x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
        domain=(UNIT,),
        steep=True,
    ),
    Gate(
        name="arccos",
        forward=np.arccos,
        scalar=math.acos,
        symbol="arccos",
        code="np.arccos({0})",
        scalar_code="math.acos({0})",
        latex=r"\arccos\left(#0\right)",
        words="takes the angle whose cosine is {0}",
        why="the slope is minus one over the sine of the angle, ever steeper towards -1 and 1",
        local=(lambda out, x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
        domain=(UNIT,),
        steep=True,
    ),
    Gate(
        name="arctan",
        forward=np.arctan,
        scalar=math.atan,
        symbol="arctan",
        code="np.arctan({0})",
        scalar_code="math.atan({0})",
        latex=r"\arctan\left(#0\right)",
        words="takes the angle whose tangent is {0}",
        why="the tangent grows by 1 + x², so the angle grows by one over that",
        local=(lambda out, x: 1.0 / (1.0 + x * x),),
    ),
    Gate(
        name="arctan2",
        forward=np.arctan2,
        scalar=math.atan2,
        symbol="arctan2",
        code="np.arctan2({0}, {1})",
        scalar_code="math.atan2({0}, {1})",
        words="takes the angle of the point at height {0} and distance {1}",
        why="the angle turns by one over the radius for each step across it",
        local=(
            lambda out, y, x: _over_square(x, np.hypot(y, x)),
            lambda out, y, x: _over_square(-y, np.hypot(y, x)),
        ),
        domain=(REAL, POSITIVE),
        steep=True,  # the angle of the origin has no slope
        analytic=False,  # np.arctan2 takes no complex numbers
    ),
    Gate(
        name="sinh",
        forward=np.sinh,
        scalar=math.sinh,
        symbol="sinh",
        code="np.sinh({0})",
        scalar_code="math.sinh({0})",
        latex=r"\sinh\left(#0\right)",
        words="takes the hyperbolic sine of {0}",
        why="the hyperbolic sine's slope is the hyperbolic cosine",
        local=(lambda out, x: np.cosh(x),),
        steep=True,  # the slope overflows from 711 on
    ),
    Gate(
        name="cosh",
        forward=np.cosh,
        scalar=math.cosh,
        symbol="cosh",
        code="np.cosh({0})",
        scalar_code="math.cosh({0})",
        latex=r"\cosh\left(#0\right)",
        words="takes the hyperbolic cosine of {0}",
        why="the hyperbolic cosine's slope is the hyperbolic sine",
        local=(lambda out, x: np.sinh(x),),
        steep=True,
    ),
    Gate(
        name="tanh",
        forward=np.tanh,
        scalar=math.tanh,
        symbol="tanh",
        code="np.tanh({0})",
        scalar_code="math.tanh({0})",
        latex=r"\tanh\left(#0\right)",
        words="takes the hyperbolic tangent of {0}",
        why="the slope is 1 - tanh², the square of the hyperbolic secant",
        # Not 1 - out**2, which is 0 from |x| = 20 on.
        local=(lambda out, x: sech_squared(x),),
        slope=("1 - {out} ** 2",),
    ),
    Gate(
        name="arcsinh",
        forward=np.arcsinh,
        scalar=math.asinh,
        symbol="arcsinh",
        code="np.arcsinh({0})",
        scalar_code="math.asinh({0})",
        words="takes the inverse of the hyperbolic sine at {0}",
        why="the slope is one over the hyperbolic cosine of the result, the root of 1 + x²",
        local=(lambda out, x: 1.0 / np.hypot(1.0, x),),  # x² would overflow
    ),
    Gate(
        name="arccosh",
        forward=np.arccosh,
        scalar=math.acosh,
        symbol="arccosh",
        code="np.arccosh({0})",
        scalar_code="math.acosh({0})",
        words="takes the inverse of the hyperbolic cosine at {0}",
        why="the slope is one over the root of x² - 1, ever steeper towards 1",
        # Two roots, because x² would overflow, and x² - 1 has few digits near 1.
        local=(lambda out, x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)),),
        domain=(ABOVE_ONE,),
        steep=True,
    ),
    Gate(
        name="arctanh",
        forward=np.arctanh,
        scalar=math.atanh,
        symbol="arctanh",
        code="np.arctanh({0})",
        scalar_code="math.atanh({0})",
        words="takes the inverse of the hyperbolic tangent at {0}",
        why="the slope is one over 1 - x², ever steeper towards -1 and 1",
        local=(lambda out, x: 1.0 / ((1.0 - x) * (1.0 + x)),),
        domain=(UNIT,),
        steep=True,
    ),
    Gate(
        name="hypot",
        forward=np.hypot,
        scalar=math.hypot,
        symbol="hypot",
        code="np.hypot({0}, {1})",
        scalar_code="math.hypot({0}, {1})",
        latex=r"\sqrt{#(0)^{2} + #(1)^{2}}",
        words="takes the length of the arrow ({0}, {1})",
        why="the length grows along the arrow, so each input counts by its part of the length",
        # At the origin any slopes inside the unit circle are valid; 0 is the one in the middle.
        local=(
            lambda out, x, y: x / np.where(out == 0, 1.0, out),
            lambda out, x, y: y / np.where(out == 0, 1.0, out),
        ),
        slope=("{0} / {out}", "{1} / {out}"),
        domain=(REAL, REAL),
        kink=lambda x, y: np.hypot(x, y),
        analytic=False,  # np.hypot takes no complex numbers
    ),
    Gate(
        name="deg2rad",
        forward=np.deg2rad,
        scalar=math.radians,
        symbol="°→rad",
        code="np.deg2rad({0})",
        scalar_code="math.radians({0})",
        words="turns {0} from degrees into radians",
        why="a degree is pi / 180 radians",
        local=(lambda out, x: RADIAN,),
        analytic=False,
    ),
    Gate(
        name="rad2deg",
        forward=np.rad2deg,
        scalar=math.degrees,
        symbol="rad→°",
        code="np.rad2deg({0})",
        scalar_code="math.degrees({0})",
        words="turns {0} from radians into degrees",
        why="a radian is 180 / pi degrees",
        local=(lambda out, x: DEGREE,),
        analytic=False,
    ),
    Gate(
        name="sinc",
        forward=_sinc,
        numpy=np.sinc,
        scalar=_scalar_sinc,
        symbol="sinc",
        code="np.sinc({0})",
        scalar_code="sinc({0})",
        words="takes sin(pi {0}) / (pi {0})",
        why="with z = pi x, sin z / z is the spherical Bessel function j_0, whose slope is -j_1",
        # Not (cos z - sinc x) / x, which is 0 / 0 at 0 and loses its digits around it.
        local=(lambda out, x: -PI * PI * x * bessel_ratio(PI * x, order=1),),
    ),
    bessel_ratio,
)
