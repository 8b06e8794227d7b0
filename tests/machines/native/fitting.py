"""Fit the polynomials of the vector mathematics: Remez's exchange, in 200 bits.

Each fit says of which function the polynomial is, where, and how its error counts there: in the
error of the function of the library in which it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]
BITS = 200


class Fit(NamedTuple):
    function: Function
    low: float
    high: float
    weight: Function


def _even(form: Function, at_zero: float) -> Function:
    """Return a function of the root of its argument, with its limit at 0."""
    return lambda z: form(mp.sqrt(z)) if z > 1e-12 else mp.mpf(at_zero)


def _near(form: Function, at_zero: float) -> Function:
    """Return a function with its limit at 0."""
    return lambda r: form(r) if abs(r) > 1e-12 else mp.mpf(at_zero)


def _long_complement(t: mp.mpf) -> mp.mpf:
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


with mp.workprec(BITS):
    HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")
    LARGEST_S = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0001")
    EIGHTH = (mp.pi / 4) ** 2 * mp.mpf("1.001")
    ROOT = mp.sqrt(2)
    THIRD = mp.mpf(1) / 3

_EXP = Fit(
    _near(lambda r: (mp.expm1(r) - r) / r**2, 1 / 2),
    -HALF_LN2,
    HALF_LN2,
    lambda r: r**2 / mp.exp(r),
)
_SIN = Fit(
    _even(lambda r: (mp.sin(r) - r) / r**3, -1 / 6), 0, EIGHTH, lambda z: z / mp.sinc(mp.sqrt(z))
)
_COS = Fit(
    _even(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4, 1 / 24),
    0,
    EIGHTH,
    lambda z: z**2 / mp.cos(mp.sqrt(z)),
)

FITS = {
    "EXP": _EXP,
    "EXP_SINGLE": _EXP,
    "SINH": Fit(_even(lambda r: (mp.sinh(r) - r) / r**3, 1 / 6), 0, HALF_LN2**2, lambda z: z),
    "COSH": Fit(
        _even(lambda r: (mp.cosh(r) - 1 - r**2 / 2) / r**4, 1 / 24),
        0,
        HALF_LN2**2,
        lambda z: z**2,
    ),
    "LOG": Fit(
        _even(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3, 2 / 3), 0, LARGEST_S, lambda z: z / 2
    ),
    "LOG_SINGLE": Fit(
        _near(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, 1 / 3),
        1 / ROOT - 1,
        ROOT - 1,
        lambda f: f**3 / mp.log1p(f) if f else mp.mpf(0),
    ),
    "LOG_TAIL": Fit(
        _even(lambda s: (2 * mp.atanh(s) - 2 * s - 2 * s**3 / 3) / s**5, 2 / 5),
        0,
        LARGEST_S,
        lambda z: z**2 / 2,
    ),
    "SIN": _SIN,
    "SIN_SINGLE": _SIN,
    "COS": _COS,
    "COS_SINGLE": _COS,
    "ARCTAN": Fit(
        _even(lambda t: (mp.atan(t) - t) / t**3, -1 / 3),
        0,
        (ROOT - 1) ** 2 * mp.mpf("1.0001"),
        lambda z: z,
    ),
    "ERF": Fit(
        _even(lambda x: mp.erf(x) / x - 1, 2 / float(mp.sqrt(mp.pi)) - 1),
        0,
        mp.mpf("0.49"),
        lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)) if z else mp.mpf(1),
    ),
    "ERFC": Fit(
        _long_complement, -1, mp.mpf("23.5") / mp.mpf("31.5"), lambda t: 1 / _long_complement(t)
    ),
    "CBRT": Fit(lambda m: m ** (-THIRD), 1 / ROOT, ROOT, lambda m: m**THIRD),
}


def fitted(fit: Fit, degree: int, rounds: int = 12) -> list[mp.mpf]:
    """Return the coefficients of the polynomial with the smallest largest error."""
    with mp.workprec(BITS):
        count = degree + 2
        nodes = _chebyshev(fit, count - 1)
        away = (mp.mpf(fit.high) - fit.low) / (8 * count)
        nodes = [x if abs(fit.weight(x)) > 1e-40 else x + away for x in nodes]
        grid = _chebyshev(fit, 40 * count)
        known = [(x, fit.function(x), fit.weight(x)) for x in grid]
        for _ in range(rounds):
            equations, right = mp.matrix(count, count), mp.matrix(count, 1)
            for i, x in enumerate(nodes):
                weight = fit.weight(x)
                for j in range(degree + 1):
                    equations[i, j] = x**j * weight
                equations[i, degree + 1] = (-1) ** i
                right[i] = fit.function(x) * weight
            solved = mp.lu_solve(equations, right)
            made = [solved[j] for j in range(degree + 1)]
            errors = [(x, (_value(made, x) - y) * w) for x, y, w in known]
            peaks = _peaks(errors)
            while len(peaks) > count:
                peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
            if len(peaks) < count:
                break
            nodes = [x for x, _ in peaks]
            if max(abs(e) for _, e in errors) < abs(solved[degree + 1]) * 1.001:
                break
        return made


def largest_error(fit: Fit, coefficients: Sequence[float]) -> float:
    """Return the largest error of a polynomial as a power of 2."""
    with mp.workprec(BITS):
        made = [mp.mpf(c) for c in coefficients]
        grid = _chebyshev(fit, 400)
        return float(
            mp.log(max(abs((_value(made, x) - fit.function(x)) * fit.weight(x)) for x in grid), 2)
        )


def _chebyshev(fit: Fit, count: int) -> list[mp.mpf]:
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    return [(low + high - (high - low) * mp.cos(mp.pi * k / count)) / 2 for k in range(count + 1)]


def _value(coefficients: Sequence[mp.mpf], x: mp.mpf) -> mp.mpf:
    # Horner's rule by hand: mpmath's polyval is changing the order of its coefficients.
    value = mp.mpf(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def _peaks(errors: list[tuple[mp.mpf, mp.mpf]]) -> list[tuple[mp.mpf, mp.mpf]]:
    """Return the largest error between each two changes of sign."""
    peaks: list[tuple[mp.mpf, mp.mpf]] = []
    for x, e in errors:
        if e == 0:
            continue
        if not peaks or mp.sign(e) != mp.sign(peaks[-1][1]):
            peaks.append((x, e))
        elif abs(e) > abs(peaks[-1][1]):
            peaks[-1] = x, e
    return peaks
