"""Sine, cosine and tangent.

x = n pi/2 + r with |r| <= pi / 4: Cody & Waite 1980. pi / 2 is in four parts, three of them so
short that n times them is exact, and r is in two numbers: a double can lie so near to a multiple of
pi / 2 that most of its digits cancel. In float32 the reduction alone is done in float64. Beyond
2^20, where n would be too long, there is a branch to `large_angle`.
"""

from __future__ import annotations

import math

from .coefficients import COS, COS_SINGLE, SIN, SIN_SINGLE
from .lanes import (
    Lanes,
    choose,
    fast_two_sum,
    fma,
    polynomial,
    through_double,
    two_product,
    two_sum,
    vector,
    whole,
)
from .large_angle import large

LARGEST = 2.0**20
TWO_OVER_PI = 2.0 / math.pi
HALF_PI_PARTS = tuple(
    float.fromhex(digits)
    for digits in (
        "0x1.921fb54400000p+0",
        "0x1.0b4611a600000p-34",
        "0x1.3198a2e000000p-69",
        "0x1.b839a252049c1p-104",
    )
)
HALF_PI_REST = float.fromhex("0x1.0b4611a626331p-34")  # all behind the first part


def _reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return n, r and the error of r, for a double x."""
    first, second, third, last = HALF_PI_PARTS
    turns, n = whole(x, TWO_OVER_PI)
    r = fma(turns, -first, x)
    r, error = two_sum(r, turns * -second)
    r, below = two_sum(r, turns * -third)
    r, error = fast_two_sum(r, fma(turns, -last, error + below))
    return n, r, error


def _reduced_single(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return n and r for a float x."""
    wide = x.to("double")
    turns, n = whole(wide, TWO_OVER_PI)
    r = fma(turns, -HALF_PI_REST, fma(turns, -HALF_PI_PARTS[0], wide))
    return Lanes(x.b, x.b.convert("trunc", n.value, "i32")), r.to("float")


def _sin_cos(r: Lanes, error: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Return sin r as r and the rest, and cos r as 1 - r²/2, rounded, and the rest."""
    z = r * r
    half = 0.5 * z
    most = 1.0 - half
    s = fma(r * z, polynomial(z, SIN), error * most)
    c = ((1.0 - most) - half) + fma(z * z, polynomial(z, COS), -(r * error))
    return r, s, most, c


def _both(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return n, sin r and cos r."""
    if x.kind == "double":
        n, r, error = _reduced(x)
        r, s, most, c = _sin_cos(r, error)
        return n, r + s, most + c
    n, r = _reduced_single(x)
    z = r * r
    sine = fma(r * z, polynomial(z, SIN_SINGLE), r)
    return n, sine, 1.0 + fma(z, -0.5, z * z * polynomial(z, COS_SINGLE))


def _is_odd(n: Lanes) -> Lanes:
    return (n & 1).equals(1)


def _turned(made: Lanes, n: Lanes) -> Lanes:
    """Return a value with its sign changed in the third and fourth quarter."""
    return (made.bits() ^ ((n & 2) << (n.bit_count - 2))).from_bits()


def _sin_near(n: Lanes, sine: Lanes, cosine: Lanes, x: Lanes) -> Lanes:
    made = _turned(choose(_is_odd(n), cosine, sine), n)
    return choose(x.equals(0.0), x, made)  # -0.0


def _cos_near(n: Lanes, sine: Lanes, cosine: Lanes, x: Lanes) -> Lanes:
    return _turned(choose(_is_odd(n), sine, cosine), n + 1)


def _sin_of_large(n: Lanes, r: Lanes, error: Lanes, x: Lanes) -> Lanes:
    r, s, most, c = _sin_cos(r, error)
    return _sin_near(n, r + s, most + c, x)


def _cos_of_large(n: Lanes, r: Lanes, error: Lanes, x: Lanes) -> Lanes:
    r, s, most, c = _sin_cos(r, error)
    return _cos_near(n, r + s, most + c, x)


def sin_of(x: Lanes) -> Lanes:
    """Return the sine."""
    return large("sin_of_large", _sin_of_large, abs(x) > LARGEST, _sin_near(*_both(x), x), x)


def cos_of(x: Lanes) -> Lanes:
    """Return the cosine."""
    return large("cos_of_large", _cos_of_large, abs(x) > LARGEST, _cos_near(*_both(x), x), x)


def _tan_near(n: Lanes, r: Lanes, error: Lanes, x: Lanes) -> Lanes:
    """Return the tangent: sine over cosine, both with their errors."""
    r, s, most, c = _sin_cos(r, error)
    sine, sine_error = fast_two_sum(r, s)
    cosine, cosine_error = fast_two_sum(most, c)
    odd = _is_odd(n)  # there it is -cos r / sin r
    over, over_error = choose(odd, -cosine, sine), choose(odd, -cosine_error, sine_error)
    under, under_error = choose(odd, sine, cosine), choose(odd, sine_error, cosine_error)
    inverse = 1.0 / under
    made = over * inverse
    product, rest = two_product(made, under)
    missing = ((over - product) - rest) + (over_error - made * under_error)
    return choose(x.equals(0.0), x, fma(missing, inverse, made))  # -0.0


@through_double
def tan_of(x: Lanes) -> Lanes:
    """Return the tangent."""
    return large("tan_of_large", _tan_near, abs(x) > LARGEST, _tan_near(*_reduced(x), x), x)


def sinc_of(x: Lanes) -> Lanes:
    """Return sin(pi x) / (pi x), with pi x rounded as NumPy rounds it."""
    turned = math.pi * x
    return choose(x.equals(0.0), 1.0, sin_of(turned) / turned)


sin = vector(sin_of)
cos = vector(cos_of)
tan = vector(tan_of)
sinc = vector(sinc_of)
