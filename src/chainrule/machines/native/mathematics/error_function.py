"""The error function, its complement, and the two kinds of gelu.

Near 0 erf is a polynomial. The complement of x >= 0 is e^(-x²) p(t) / (1 + 2 x), after Shepherd and
Laframboise 1981, with the square in two numbers: its error is the exponent's. In float32 all of
this is done in float64; only the gelu by tanh, which is used most, stays in float32.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..builder import Builder, Value
from .coefficients import ERF, ERFC
from .exponential import Inverse, exp_long
from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    at_least,
    at_most,
    choose,
    fast_two_sum,
    fma,
    polynomial,
    scaled,
    through_double,
    two_product,
    two_sum,
    vector,
)

NEAR = 0.7
NEAR_COMPLEMENT = 0.5  # below it, 1 - erf x loses less than a digit
FARTHEST = 27.5  # from here on the complement is 0
FARTHEST_GELU = 39.0
# Hendrycks & Gimpel 2016, arXiv:1606.08415: 2 sqrt(2 / pi), and 0.044715 of it; the gate's floats.
RATE = Fraction(1.5957691216057308)
RATE_OF_CUBE = RATE * Fraction(0.044715)


def _tail(x: Lanes, square: Lanes, square_low: Lanes, factor: Lanes | None = None) -> Lanes:
    """Return factor e^(-square) p(t) / (1 + 2 x)."""
    t = (x - 4.0) / (x + 4.0)
    p, p_low = fast_two_sum(x.of(ERFC[0]), t * polynomial(t, ERFC[1:]))
    near, n = exp_long(-square, -square_low)
    m, m_low = fast_two_sum(x.of(1.0), near)
    top, top_low = two_product(m, p)
    top_low = fma(m_low, p, fma(m, p_low, top_low))
    if factor is not None:
        low = top_low * factor
        top, top_low = two_product(top, factor)
        top_low = top_low + low
    bottom, bottom_low = two_sum(x.of(1.0), x + x)
    inverse = 1.0 / bottom
    made = top * inverse
    product, rest = two_product(made, bottom)
    missing = (top - product) - rest + (top_low - made * bottom_low)
    return scaled(fma(missing, inverse, made), n)


def _near(x: Lanes) -> Lanes:
    """Return the error function for |x| <= 0.7."""
    return fma(x, polynomial(x * x, ERF), x)


def _complement(x: Lanes) -> Lanes:
    """Return 1 - erf |x|."""
    size = at_most(abs(x), FARTHEST)
    return _tail(size, *two_product(size, size))


@through_double
def erf_of(x: Lanes) -> Lanes:
    """Return the error function."""
    return choose(abs(x) < NEAR, _near(x), (1.0 - _complement(x)).with_sign_of(x))


@through_double
def erfc_of(x: Lanes) -> Lanes:
    """Return 1 less the error function, with its digits where that is near 1."""
    made = _complement(x)
    made = choose(x < 0.0, 2.0 - made, made)
    return choose(abs(x) < NEAR_COMPLEMENT, 1.0 - _near(x), made)


@through_double
def gelu_of(x: Lanes) -> Lanes:
    """Return x times the chance that a normal number is smaller; NaN at -inf."""
    size = at_most(abs(x), FARTHEST_GELU)
    square, low = two_product(size, size)
    half = 0.5 * size
    turned = size * math.sqrt(0.5)
    lost = _tail(turned, 0.5 * square, 0.5 * low, half)
    lost = choose(turned < NEAR_COMPLEMENT, fma(-half, _near(turned), half), lost)
    made = choose(x < 0.0, -lost, x - lost)
    made = choose(abs(x) < 2.0**-60, 0.5 * x, made)  # the rest has lost a digit of a subnormal
    return choose(x.equals(-INFINITY), NAN, made)


def gelu_by_tanh_of(x: Lanes) -> Lanes:
    """Return x times the sigmoid of 2 sqrt(2 / pi) (x + 0.044715 x³)."""
    bound, least = (22.5, -800.0) if x.kind == "double" else (12.0, -115.0)
    near = at_least(at_most(x, bound), -bound)
    # The exponent with its error, for it is large where the result is small.
    square, low = two_product(near, near)
    cube, cube_low = _rest_of(x, RATE_OF_CUBE)
    bend, bend_low = two_product(square, cube)
    rate, rate_low = _rest_of(x, RATE)
    total, total_low = two_sum(rate, bend)
    total_low = total_low + (bend_low + rate_low + fma(cube, low, square * cube_low))
    exponent, missing = two_product(-abs(near), total)
    missing = missing - abs(near) * total_low
    short, n = exp_long(at_least(exponent, least), missing)
    m, m_low = fast_two_sum(x.of(1.0), short)
    negative = x < 0.0
    top, top_low = two_product(near, choose(negative, m, 1.0))
    top_low = fma(near, choose(negative, m_low, 0.0), top_low)
    made = Inverse(1.0, scaled(m, n)).times(top, top_low)
    made = choose(x > bound, x, scaled(made, choose(negative, n, 0)))
    return choose(x.equals(-INFINITY), NAN, made)


def _rest_of(x: Lanes, number: Fraction) -> tuple[Lanes, Lanes]:
    """Return a number as it is in the type of x, and what is missing in it."""
    rounded = float(np.float32(float(number))) if x.kind == "float" else float(number)
    return x.of(rounded), x.of(float(number - Fraction(rounded)))


def gelu(b: Builder, x: Value, *, approximate: bool = False) -> Value:
    """Emit the gelu, exact or by tanh."""
    return (gelu_by_tanh_of if approximate else gelu_of)(Lanes(b, x)).value


erf = vector(erf_of)
erfc = vector(erfc_of)
