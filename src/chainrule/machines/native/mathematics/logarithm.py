"""Logarithms to base e, 2 and 10, and that of 1 + x.

x = 2^k m with m between the roots of 1/2 and 2, and log x = k log 2 + log(1 + f) for f = m - 1. In
float64 log(1 + f) is a series in s = f / (2 + f), after the FreeBSD library's (Sun, 1993); in
float32 a polynomial in f. Either is f - f²/2 and a small rest, so that the large part has few
roundings. 1 + x of `log1p` comes with the error of its sum.
"""

from __future__ import annotations

from .coefficients import LOG, LOG_SINGLE
from .exponential import LN2_PARTS, LN2_PARTS_SINGLE
from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    at_most,
    choose,
    fast_two_sum,
    fma,
    polynomial,
    through_double,
    two_sum,
    vector,
)

ROOT_HALF = {"double": 0x3FE6A09E667F3BCD, "float": 0x3F3504F3}  # the bits of it
LOG2_E_PARTS = (float.fromhex("0x1.7154765200000p+0"), float.fromhex("0x1.705fc2eefa200p-33"))
LOG10_E_PARTS = (float.fromhex("0x1.bcb7b15200000p-2"), float.fromhex("0x1.b9438ca9aadd5p-36"))
LOG10_2_PARTS = (float.fromhex("0x1.34413509f6000p-2"), float.fromhex("0x1.9fef311f12b36p-42"))


def split(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return k, as a float, and m, with x = 2^k m, for a positive x."""
    form = x.format
    tiny = x < form.smallest
    x = choose(tiny, x * 2.0 ** (form.digits + 2), x)
    # k, moved by half of what its bits can hold, becomes the last bits of a large float: a
    # conversion of i64 to double is a slow thing on most processors.
    half = 1 << (x.bit_count - form.digits - 1)
    start = ROOT_HALF[x.kind]
    moved = x.bits() + ((half << form.digits) - start)
    large = 2.0**form.digits
    back = choose(tiny, x.of(large + half + form.digits + 2), x.of(large + half))
    k = ((moved >> form.digits) | x.of(large).bits()).from_bits() - back
    m = ((moved & ((1 << form.digits) - 1)) + start).from_bits()
    return k, m


def log1p_near(f: Lanes) -> tuple[Lanes, Lanes]:
    """Return f²/2, and the rest with log(1 + f) = f - f²/2 + rest, for 1 + f near 1."""
    half = 0.5 * f * f
    if f.kind == "float":
        square = f * f
        return half, f * square * polynomial(f, LOG_SINGLE, square)
    s = f / (2.0 + f)
    z = s * s
    return half, s * (half + z * polynomial(z, LOG))


def finished(x: Lanes, made: Lanes) -> Lanes:
    """Return a logarithm with its values at 0, at infinity, and where it has none."""
    made = choose(x < INFINITY, made, x)  # x too where it is NaN
    made = choose(x.equals(0.0), -INFINITY, made)
    return choose(x < 0.0, NAN, made)


def log_sum(k: Lanes, f: Lanes, missing: Lanes | None = None) -> Lanes:
    """Return k log 2 + log(1 + f + missing)."""
    high, low = LN2_PARTS if f.kind == "double" else LN2_PARTS_SINGLE
    half, rest = log1p_near(f)
    rest = fma(k, low, rest)
    if missing is not None:
        rest = rest + missing
    return fma(k, high, f - (half - rest))


def log_of(x: Lanes) -> Lanes:
    """Return the natural logarithm."""
    k, m = split(x)
    return finished(x, log_sum(k, m - 1.0))


def _other_base(x: Lanes, factor: tuple[float, float], power: tuple[float, float] | None) -> Lanes:
    """Return a logarithm to another base: the one to base e times a factor, in two parts."""
    k, m = split(x)
    f = m - 1.0
    half, rest = log1p_near(f)
    # The large part is cut to 21 bits, so that its product with the factor's 33 is exact.
    high = ((f - half).bits() & -(1 << 32)).from_bits()
    low = ((f - high) - half) + rest
    part = high * factor[0]
    small = (low + high) * factor[1] + low * factor[0]
    if power is None:
        total, error = fast_two_sum(k, part)
    else:
        small = fma(k, power[1], small)
        total, error = fast_two_sum(k * power[0], part)
    return finished(x, total + (error + small))


@through_double
def log2_of(x: Lanes) -> Lanes:
    """Return the logarithm to base 2."""
    return _other_base(x, LOG2_E_PARTS, None)


@through_double
def log10_of(x: Lanes) -> Lanes:
    """Return the logarithm to base 10."""
    return _other_base(x, LOG10_E_PARTS, LOG10_2_PARTS)


def log1p_sum(x: Lanes, missing: Lanes | None = None, doubled: Lanes | None = None) -> Lanes:
    """Return log(1 + x + missing) for x > -1, and log 2 more where `doubled` is 1 and not 0."""
    total, error = two_sum(x.of(1.0), x)
    if missing is not None:
        error = error + missing
    k, m = split(total)
    form = x.format
    # The error, in units of 2^k. Past the digits of 1 it does not matter.
    n = ((form.shift - at_most(k, 100.0)).bits() + form.bias) << form.digits
    error = error * n.from_bits()
    # With k = 0 the sum is x itself, but for the sign of 0 and what is missing.
    f, below = fast_two_sum(m - 1.0, error)
    return log_sum(k if doubled is None else k + doubled, f, below)


def log1p_of(x: Lanes) -> Lanes:
    """Return log(1 + x) with all its digits near 0."""
    total = x + 1.0
    made = finished(total, log1p_sum(x))
    return choose(x.equals(0.0), x, made)  # -0.0 too


log = vector(log_of)
log2 = vector(log2_of)
log10 = vector(log10_of)
log1p = vector(log1p_of)
