"""Angles from their sines, cosines and tangents: all are the angle of a point.

The angle t of (under, over) in the first eighth turn is a polynomial in its tangent; up to three
eighths it is pi / 4 and the angle of (under + over, over - under), and beyond that pi / 2 less the
angle of (over, under). The quotient comes with its error, for these constants make it count. In
float32 all is done in float64, without the errors.
"""

from __future__ import annotations

import math

from .coefficients import ARCTAN
from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    at_most,
    choose,
    fast_two_sum,
    polynomial,
    two_product,
    two_sum,
    vector,
)

TAN_EIGHTH = math.sqrt(2.0) - 1.0
PI_REST = float.fromhex("0x1.1a62633145c07p-53")  # pi, less the number math.pi


class Exact:
    """A number as a sum of two, or of one where one is precise enough."""

    def __init__(self, high: Lanes, low: Lanes | None = None) -> None:
        self.high = high
        self.low = low

    def rounded(self) -> Lanes:
        """Return the sum."""
        return self.high if self.low is None else self.high + self.low


def _angle(over: Exact, under: Exact, precise: bool) -> Exact:
    """Return the angle of the point (under, over), neither of them negative, not both 0."""
    y, x = over.high, under.high
    small, large = y <= TAN_EIGHTH * x, y > (1.0 + math.sqrt(2.0)) * x
    if not precise:
        t = choose(small, y, choose(large, -x, y - x)) / choose(small, x, choose(large, y, y + x))
        missing = None
    else:
        y_low = y.of(0.0) if over.low is None else over.low
        x_low = x.of(0.0) if under.low is None else under.low
        less, less_low = two_sum(y, -x)
        more, more_low = two_sum(y, x)
        top = choose(small, y, choose(large, -x, less))
        top_low = choose(small, y_low, choose(large, -x_low, less_low + y_low - x_low))
        bottom = choose(small, x, choose(large, y, more))
        bottom_low = choose(small, x_low, choose(large, y_low, more_low + y_low + x_low))
        inverse = 1.0 / bottom
        t = top * inverse
        product, rest = two_product(t, bottom)
        missing = inverse * ((top - product) - rest + (top_low - t * bottom_low))
    z = t * t
    bend = t * z * polynomial(z, ARCTAN)
    start = choose(small, 0.0, choose(large, t.of(math.pi / 2), t.of(math.pi / 4)))
    if missing is None:
        return Exact(start + (t + bend))
    high, low = fast_two_sum(start, t)
    rest = choose(small, 0.0, choose(large, t.of(PI_REST / 2), t.of(PI_REST / 4)))
    return Exact(high, low + (rest + missing + bend))


def _turned_back(angle: Exact) -> Exact:
    """Return pi less an angle."""
    high = angle.high
    if angle.low is None:
        return Exact(math.pi - high)
    most, error = fast_two_sum(high.of(math.pi), -high)
    return Exact(most, error + (PI_REST - angle.low))


def _other_leg(x: Lanes, precise: bool) -> Exact:
    """Return the root of 1 - x²."""
    if not precise:
        return Exact(((1.0 - x) * (1.0 + x)).sqrt())
    product, rest = two_product(x, x)
    square, error = fast_two_sum(x.of(1.0), -product)
    root = square.sqrt()
    again, below = two_product(root, root)
    step = ((square - again) - below + (error - rest)) / (root + root)
    return Exact(root, choose(root.equals(0.0), 0.0, step))


def arctan_of(x: Lanes) -> Lanes:
    """Return the angle whose tangent is x."""
    wide = x.to("double")
    size = at_most(abs(wide), 2.0**70)  # from 2^54 on it is pi / 2
    made = _angle(Exact(size), Exact(size.of(1.0)), x.kind == "double")
    return made.rounded().with_sign_of(wide).to(x.kind)


def arcsin_of(x: Lanes) -> Lanes:
    """Return the angle whose sine is x."""
    wide, precise = x.to("double"), x.kind == "double"
    size = abs(wide)
    made = _angle(Exact(size), _other_leg(size, precise), precise)
    return made.rounded().with_sign_of(wide).to(x.kind)


def arccos_of(x: Lanes) -> Lanes:
    """Return the angle whose cosine is x."""
    wide, precise = x.to("double"), x.kind == "double"
    size = abs(wide)
    made = _angle(_other_leg(size, precise), Exact(size), precise)
    back = _turned_back(made)
    return choose(wide < 0.0, back.rounded(), made.rounded()).to(x.kind)


def arctan2_of(y: Lanes, x: Lanes) -> Lanes:
    """Return the angle of the point (x, y), between -pi and pi."""
    kind, y, x = x.kind, y.to("double"), x.to("double")
    precise = kind == "double"
    over, under = abs(y), abs(x)
    largest = choose(over > under, over, under)
    # Infinite is 1 against all that is finite. A point is moved to where its inverse is a number
    # and the errors of products with it do not underflow.
    endless = largest.equals(INFINITY)
    over = choose(endless, choose(over.equals(INFINITY), over.of(1.0), over.of(0.0)), over)
    under = choose(endless, choose(under.equals(INFINITY), under.of(1.0), under.of(0.0)), under)
    if precise:
        near, far = largest < 2.0**400, largest > 2.0**900
        scale = choose(near, x.of(2.0**500), choose(far, x.of(2.0**-200), x.of(1.0)))
        over, under = over * scale, under * scale
    under = choose(largest.equals(0.0), 1.0, under)
    made = _angle(Exact(over), Exact(under), precise)
    left = x.bits() < 0  # -0.0 too
    angle = choose(left, _turned_back(made).rounded(), made.rounded())
    angle = choose(x.is_nan_with(y), NAN, angle)
    return angle.with_sign_of(y).to(kind)


arctan = vector(arctan_of)
arcsin = vector(arcsin_of)
arccos = vector(arccos_of)
arctan2 = vector(arctan2_of)
