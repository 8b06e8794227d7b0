"""Powers and roots: x ** y, the cube root, the length of an arrow.

x ** y in float64 is e^(y log x) with log x to twice as many digits as a number has, for y log x is
up to 745 and its error is the power's: log((1 + s) / (1 - s)) is 2 s + 2 s³ / 3 and a rest that is
small against them. In float32 it is the same in float64, without the second half.
"""

from __future__ import annotations

from .coefficients import CBRT, LOG_TAIL
from .exponential import LN2_PARTS, bounded, exp_long
from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    choose,
    fast_two_sum,
    fma,
    polynomial,
    scaled,
    two_product,
    two_sum,
    vector,
    whole,
)
from .logarithm import log_sum, split

THIRD_OF_TWO = (0.6666666666666666, 3.700743415417188e-17)
"""2 / 3, as a number and what is missing in it."""


LN2_REST = float.fromhex("0x1.cc01f97b57a08p-87")
"""log 2, less its two parts."""


def _long_log(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return the logarithm of a positive number, and its error."""
    k, m = split(x)
    down, up = m - 1.0, m + 1.0
    up_low = (1.0 - up) + m
    inverse = 1.0 / up
    s = down * inverse
    product, rest = two_product(s, up)
    s_low = inverse * ((down - product) - rest - s * up_low)
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    # z (2/3 + z tail), where the tail needs no second half.
    tail = z * polynomial(z, LOG_TAIL)
    third, third_low = fast_two_sum(s.of(THIRD_OF_TWO[0]), tail)
    third_low = third_low + THIRD_OF_TWO[1]
    bend, bend_low = two_product(z, third)
    bend_low = bend_low + fma(z, third_low, z_low * third)
    # s (2 + bend)
    total, total_low = fast_two_sum(s.of(2.0), bend)
    total_low = total_low + bend_low
    near, near_low = two_product(s, total)
    near_low = near_low + fma(s, total_low, s_low * total)
    # k log 2 has its first part without error.
    high, low = LN2_PARTS
    first, first_low = two_sum(k * high, near)
    turns, turns_low = two_product(k, k.of(low))
    second, second_low = two_sum(first, turns)
    return fast_two_sum(second, first_low + second_low + turns_low + near_low + k * LN2_REST)


def power_of(x: Lanes, y: Lanes) -> Lanes:
    """Return x to the power y, with the values of C's pow where there is no number."""
    kind, x, y = x.kind, x.to("double"), y.to("double")
    size = abs(x)
    # The logarithm is of an ordinary number: 0 and infinity are put in afterwards.
    inside = choose((size > 0.0) & (size < INFINITY), size, 2.0)
    if kind == "double":
        high, low = _long_log(inside)
        t, below = two_product(y, high)
        below = fma(y, low, below)
        # Where y itself is huge, the errors are no numbers; and they do not matter.
        below = choose(abs(t) < 800.0, below, 0.0)
    else:
        k, m = split(inside)
        t, below = y * log_sum(k, m - 1.0), y.of(0.0)
    near, n = exp_long(bounded(t), below)
    made = scaled(1.0 + near, n)
    made = choose(size.equals(1.0), 1.0, made)
    zero, up = size.equals(0.0), y > 0.0
    made = choose(zero, choose(up, y.of(0.0), y.of(INFINITY)), made)
    made = choose(size.equals(INFINITY), choose(up, y.of(INFINITY), y.of(0.0)), made)
    # A negative x has a power to a whole y only, with a sign if that is odd.
    amount = abs(y)
    moved = amount + 2.0**52
    is_whole = (moved - 2.0**52).equals(amount) | (amount >= 2.0**52)
    last = choose(amount < 2.0**52, moved, amount).bits() & 1
    odd = last.equals(1) & is_whole & (amount < 2.0**53)
    negative = x.bits() < 0
    made = choose(negative & odd, -made, made)
    broken = (x < 0.0) & (size < INFINITY) & (amount < INFINITY)
    made = choose(broken & (is_whole ^ True), NAN, made)
    made = choose(x.is_nan_with(y), NAN, made)
    return choose(y.equals(0.0) | x.equals(1.0), 1.0, made).to(kind)


def cbrt_of(x: Lanes) -> Lanes:
    """Return the cube root, by Newton's iteration for its inverse, which needs no division."""
    kind, x = x.kind, x.to("double")
    size = abs(x)
    k, m = split(size)
    third, n = whole(k, 1.0 / 3.0)
    rest = k - 3.0 * third  # -1, 0 or 1
    root = polynomial(m, CBRT)
    back = choose(rest < 0.0, 2.0 ** (1 / 3), choose(rest > 0.0, m.of(2.0 ** (-1 / 3)), m.of(1.0)))
    m = m * choose(rest < 0.0, 0.5, choose(rest > 0.0, m.of(2.0), m.of(1.0)))
    root = root * back
    for _ in range(2):
        root = root * fma(m * root, root * root * (-1.0 / 3.0), 4.0 / 3.0)
    made = m * root * root
    square, square_low = two_product(made, made)
    cube, cube_low = two_product(square, made)
    missing = (m - cube) - cube_low - square_low * made
    made = fma(missing, root * root * (1.0 / 3.0), made)
    made = choose((size > 0.0) & (size < INFINITY), scaled(made, n), size)
    return made.with_sign_of(x).to(kind)


def hypot_of(x: Lanes, y: Lanes) -> Lanes:
    """Return the length of the arrow (x, y)."""
    kind, x, y = x.kind, abs(x.to("double")), abs(y.to("double"))
    if kind == "float":  # no square of a float overflows a double
        made = fma(x, x, y * y).sqrt()
    else:
        largest = choose(x > y, x, y)
        near, far = largest < 2.0**-500, largest > 2.0**500
        scale = choose(near, x.of(2.0**600), choose(far, x.of(2.0**-600), x.of(1.0)))
        back = choose(near, x.of(2.0**-600), choose(far, x.of(2.0**600), x.of(1.0)))
        a, b = x * scale, y * scale
        made = fma(a, a, b * b).sqrt() * back
    # Infinite even if the other is NaN.
    endless = x.equals(INFINITY) | y.equals(INFINITY)
    return choose(endless, INFINITY, made).to(kind)


power = vector(power_of)
cbrt = vector(cbrt_of)
hypot = vector(hypot_of)
