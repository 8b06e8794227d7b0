"""Slopes by difference quotients, each with an estimate of its own error.

A function of one number t is differentiated at t = 0; where it gives an array, every element gets
its own slope, its own best step and its own error. Three steps make a window, each a quarter of
the one before; Richardson's extrapolation joins them, and windows move to finer steps while the
truncation dominates, to coarser ones while the noise does.

Sources: W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real
functions", SIAM Review 40 (1998); C. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)",
Advances in Engineering Software 4 (1982).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)
UNDERFLOW = 1e-290  # slopes below it may have had a factor that was rounded to 0 on the way
RATIO = 4.0
LARGEST = 13 / 16  # not a power of two, whose multiples a periodic function may hit
START = 3  # the first window: steps of 1/79, 1/315 and 1/1260 of the scale
FINEST = 15  # its last window ends at 1e-10 of the scale
TINY = (2.0**-70, 2.0**-60)  # imaginary steps: their squares vanish beside 1

Function = Callable[[float], Any]


@dataclass(frozen=True, slots=True)
class Slope:
    """A numeric slope and how far it can be trusted.

    Parameters
    ----------
    value : ndarray of float64
        The slope; NaN where none could be had.
    error : ndarray of float64
        The estimated error; inf where none could be had.
    """

    value: Any
    error: Any


def complex_slope(function: Callable[[complex], Any], base: Any) -> Slope:
    """Return the slope by the complex step: no difference is taken, so no digits are lost.

    Parameters
    ----------
    function : callable
        Of an imaginary number; gives complex values.
    base : ndarray of float64
        The function at 0. Where the real part differs from it, the function is not the same one
        on complex numbers, and there is no slope.
    """
    near, wide = (np.asarray(function(step * 1j)) for step in TINY)
    value, other = near.imag / TINY[0], wide.imag / TINY[1]
    moved = np.abs(near.real - base)
    same = moved <= 1e-9 * np.abs(base) + 1e-6 * np.abs(near.imag) + 1e3 * TINY[0] ** 2
    error = np.abs(value - other)
    same &= np.isfinite(value) & (error <= 1e-6 * np.abs(value) + 1e3 * TINY[1])
    return Slope(np.where(same, value, np.nan), np.where(same, error, np.inf))


def central_slope(
    function: Function,
    noise: Any,
    *,
    target: float,
    enough: Any = 0.0,
    coarser: Any = 0,
    start: int = START,
) -> Slope:
    """Return the slope by central differences.

    Parameters
    ----------
    function : callable
        Of t; gives an array, NaN in it where t is out of bounds, or None if t is altogether.
    noise : float or ndarray
        The rounding error of the function's values.
    target : float
        The relative error at which to stop.
    enough : float or ndarray
        The absolute error at which to stop.
    coarser : int or ndarray of int
        How many powers of 4 the step may exceed 1.
    start : int
        The first window.
    """

    def quotient(step: float) -> Any:
        above, below = function(step), function(-step)
        if above is None or below is None:
            return np.nan
        return (np.asarray(above, float) - below) / (2.0 * step)

    return _search(quotient, RATIO**2, RATIO**4, noise, target, enough, coarser, start)


def fine_slope(function: Function, noise: Any) -> Slope:
    """Return the slope by short steps alone: less exact, and not deceived by what turns fast."""
    return central_slope(function, noise, target=np.inf, start=9)


def one_sided_slope(
    function: Function, base: Any, noise: Any, side: int, *, target: float, enough: Any = 0.0
) -> Slope:
    """Return the slope to the right (side 1) or to the left (side -1)."""

    def quotient(step: float) -> Any:
        there = function(side * step)
        return np.nan if there is None else (np.asarray(there, float) - base) / (side * step)

    return _search(quotient, RATIO, RATIO**2, noise, target, enough, 0, START)


def _search(
    quotient: Function,
    first: float,
    second: float,
    noise: Any,
    target: float,
    enough: Any,
    coarser: Any,
    start: int,
) -> Slope:
    best, best_error = _window(quotient, start, first, second, noise)
    level, jump, finer = start, 3, start
    stalled = 0
    for _ in range(16 if target < np.inf else 0):
        open_ = best_error > np.maximum(target * np.abs(best), enough)
        open_ |= ~np.isfinite(best)
        if not np.any(open_) or stalled > 3:
            break
        finest_step = LARGEST * RATIO ** -(finer + 2)
        truncated = open_ & ~(best_error <= 8.0 * np.asarray(noise) / finest_step)
        up_next = level - jump >= -np.max(coarser)
        if finer < FINEST and (np.any(truncated) or not up_next):
            finer += 3
            window = finer
        elif up_next:
            level -= jump
            jump *= 2
            window = level
        else:
            break
        value, error = _window(quotient, window, first, second, noise)
        better = open_ & (error < best_error)
        if window < start:
            # A long step may settle on another slope, that of the far end of a softplus: it may
            # only sharpen what shorter steps have said.
            better &= (window >= -np.asarray(coarser)) & np.isfinite(best)
            better &= np.abs(value - best) <= 2.0 * best_error
        else:
            # Where a finer window contradicts a coarser one, the function turns within the longer
            # steps (sin(1e8 x)), however well their quotients seem to settle.
            better |= np.abs(value - best) > 3.0 * (error + best_error)
        known = np.any(np.isfinite(best_error))
        stalled = 0 if np.any(better) or not known else stalled + 1
        best = np.where(better, value, best)
        best_error = np.where(better, error, best_error)
    return Slope(best, best_error)


def _window(
    quotient: Function, level: int, first: float, second: float, noise: Any
) -> tuple[Any, Any]:
    steps = [LARGEST * RATIO ** -(level + k) for k in range(3)]
    coarse, middle, fine = (quotient(step) for step in steps)
    floor = 2.0 * np.asarray(noise) / steps[2]
    left = (first * middle - coarse) / (first - 1.0)
    right = (first * fine - middle) / (first - 1.0)
    both = (second * right - left) / (second - 1.0)
    # Each candidate's error is that of the one before it, which is larger; the last one's a
    # sixteenth of that, for long steps do not gain all that theory says. And extrapolation makes
    # anything look settled: where the quotients themselves do not converge (the cube root at 0,
    # or noise), their own spread is the error.
    spread = np.abs(fine - middle)
    converges = spread <= 0.4 * np.abs(middle - coarse) + floor
    value, error = np.asarray(fine), spread + floor
    error = np.where(np.isfinite(error), error, np.inf)
    for candidate, its in ((right, np.abs(right - fine)), (both, np.abs(right - left) / 16.0)):
        its = np.where(converges, its, spread) + floor
        better = its < error  # False for NaN
        value, error = np.where(better, candidate, value), np.where(better, its, error)
    return value, error


def scale_of(x: Any, empty: float = 1.0) -> Any:
    """Return the size of each element as a power of two; `empty` for a zero."""
    x = np.abs(np.asarray(x, float))
    found = np.isfinite(x) & (x > 1e-300)
    _, exponent = np.frexp(np.where(found, x, empty))
    return np.ldexp(1.0, exponent - 1)


def agrees(given: Any, slope: Slope, rtol: Any, floor: Any = 0.0) -> Any:
    """Return whether the given slopes are the numeric ones within what can be told."""
    largest = np.maximum(np.abs(given), np.abs(slope.value))
    return np.abs(given - slope.value) <= rtol * largest + 3.0 * slope.error + floor


def lies_between(given: Any, left: Slope, right: Slope, rtol: float) -> Any:
    """Return whether the given slopes lie between those of the two sides."""
    low, high = np.minimum(left.value, right.value), np.maximum(left.value, right.value)
    slack = rtol * np.maximum(np.abs(low), np.abs(high)) + 3.0 * np.maximum(left.error, right.error)
    return (given >= low - slack) & (given <= high + slack)
