"""Numeric slopes: the right one, with an error that holds it, or none at all.

Expected slopes are derivatives worked out by hand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.debugging.differences import (
    EPSILON,
    Slope,
    agrees,
    central_slope,
    complex_slope,
    fine_slope,
    lies_between,
    one_sided_slope,
    scale_of,
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(
    ("function", "slope", "rtol"),
    [
        (lambda t: np.exp(1 + t), math.e, 1e-12),
        (lambda t: np.exp(50 * (1 + t)), 50 * math.exp(50), 1e-8),
        (lambda t: np.sin(1e4 * (1 + t)), 1e4 * math.cos(1e4), 1e-6),
        (lambda t: 3 * t + 2, 3.0, 1e-14),
        (lambda t: np.sqrt(1e-20 + t * t) + t, 1.0, 1e-6),
        (lambda t: np.where(t > -1e-5, t * t + t, np.nan), 1.0, 1e-8),
    ],
)
def test_central(function: Any, slope: float, rtol: float) -> None:
    noise = 4 * EPSILON * abs(float(function(0.0)))
    found = central_slope(function, noise, target=1e-10)
    assert found.value == pytest.approx(slope, rel=rtol)
    assert abs(found.value - slope) <= 3 * found.error + 1e-15 * abs(slope)


def test_every_element_has_its_own_step() -> None:
    x = np.array([1e-3, 1.0, 30.0])
    found = central_slope(lambda t: np.exp(x * (1 + t)), EPSILON * np.exp(x), target=1e-9)
    np.testing.assert_allclose(found.value, x * np.exp(x), rtol=1e-9)


def test_a_tiny_scale_takes_longer_steps() -> None:
    short = central_slope(lambda t: np.sin(1e-12 * t) + 1, 1e-16, target=1e-9)
    long = central_slope(lambda t: np.sin(1e-12 * t) + 1, 1e-16, target=1e-9, coarser=20)
    assert long.error < 1e-3 * short.error
    assert long.value == pytest.approx(1e-12, rel=1e-6)


def test_a_long_step_does_not_settle_on_the_far_slope() -> None:
    # log(1 + exp(x)) is a line far away; at 0 its slope is a half.
    found = central_slope(lambda t: np.logaddexp(0, 1e-3 * t), 1e-10, target=1e-12, coarser=20)
    assert found.value == pytest.approx(0.5e-3, abs=3 * float(found.error))


@pytest.mark.parametrize(
    "function",
    [np.cbrt, lambda t: np.sqrt(np.abs(t)) * np.sign(t), lambda t: np.sign(t), lambda t: None],
)
def test_where_there_is_no_slope_the_error_says_so(function: Any) -> None:
    found = central_slope(function, 1e-16, target=1e-9)
    assert not 3 * found.error <= 0.05 * abs(found.value)


def test_what_turns_within_the_step_is_not_trusted() -> None:
    found = fine_slope(lambda t: np.sin(3e6 * t), 1e-16)
    assert abs(found.value - 3e6) <= 3 * found.error


def test_one_sided() -> None:
    left, right = (
        one_sided_slope(lambda t: np.abs(t) + t * t + 2 * t, 0.0, 1e-16, side, target=1e-9)
        for side in (-1, 1)
    )
    assert (left.value, right.value) == (pytest.approx(1.0), pytest.approx(3.0))
    assert lies_between(2.0, left, right, 1e-6)
    assert not lies_between(0.9, left, right, 1e-6)


def test_complex_step() -> None:
    x = np.array([1e-9, 1.0, 100.0])
    found = complex_slope(lambda t: np.exp(x + t), np.exp(x))
    np.testing.assert_allclose(found.value, np.exp(x), rtol=1e-15)
    # Not the same function on complex numbers: the real part moves, or the step decides.
    assert np.isnan(complex_slope(lambda t: np.sqrt(0 + t), 0.0).value)
    assert np.isnan(complex_slope(lambda t: np.log(-1.0 + t), np.nan).value)
    assert np.isnan(complex_slope(lambda t: np.abs(t) / 1e-22 + t, 0.0).value)


def test_scale_and_agreement() -> None:
    assert scale_of(np.array([3.0, -0.3, 0.0])).tolist() == [2.0, 0.25, 1.0]
    assert scale_of(0.0, 8.0) == 8.0
    assert agrees(1.0, Slope(1.0 + 1e-7, 0.0), 1e-6)
    assert not agrees(1.01, Slope(1.0, 1e-3), 1e-6)
    assert agrees(1.002, Slope(1.0, 1e-3), 1e-6)
