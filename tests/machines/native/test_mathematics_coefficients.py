"""The committed polynomials are as good as their docstrings say, and as good as can be."""

from __future__ import annotations

import math
import re
from pathlib import Path

import mpmath as mp
import pytest

from chainrule.machines.native.mathematics import (
    angle,
    coefficients,
    exponential,
    logarithm,
    power,
    trigonometric,
)

from .fitting import FITS, fitted, largest_error

SOURCE = Path(coefficients.__file__).read_text(encoding="utf-8")
CLAIM = re.compile(r'^([A-Z_]+) = \([^"]*"""[^"]*?2\^(-\d+\.\d)', re.MULTILINE)
CLAIMS = {name: float(bound) for name, bound in CLAIM.findall(SOURCE)}


def test_every_polynomial_has_a_claim_and_a_fit() -> None:
    tables = {n for n in vars(coefficients) if n.isupper()}
    assert tables == set(CLAIMS) == set(FITS)


@pytest.mark.parametrize("name", sorted(FITS))
def test_error_is_what_is_claimed(name: str) -> None:
    error = largest_error(FITS[name], getattr(coefficients, name))
    assert error <= CLAIMS[name] <= error + 0.2


@pytest.mark.parametrize("name", sorted(FITS))
def test_coefficients_are_the_best_rounded(name: str) -> None:
    fit, committed = FITS[name], getattr(coefficients, name)
    best = fitted(fit, len(committed) - 1, rounds=4)
    half_ulp = 2.0**-24 if "SINGLE" in name else 2.0**-53
    rounding = max(
        float(fit.weight(x)) * sum(half_ulp * abs(c * float(x) ** k) for k, c in enumerate(best))
        for x in (fit.low, fit.high)
    )
    assert 2.0 ** CLAIMS[name] <= 1.2 * (2.0 ** largest_error(fit, best) + rounding)


def test_constants_in_parts() -> None:
    with mp.workprec(300):
        parts = [
            ((*exponential.LN2_PARTS, power.LN2_REST), mp.log(2), -139),
            (exponential.LN2_PARTS_SINGLE, mp.log(2), -44),
            (trigonometric.HALF_PI_PARTS, mp.pi / 2, -156),
            ((trigonometric.HALF_PI_PARTS[0], trigonometric.HALF_PI_REST), mp.pi / 2, -86),
            (logarithm.LOG2_E_PARTS, 1 / mp.log(2), -85),
            (logarithm.LOG10_E_PARTS, 1 / mp.log(10), -88),
            (logarithm.LOG10_2_PARTS, mp.log10(2), -94),
            ((math.pi, angle.PI_REST), mp.pi, -105),
            (power.THIRD_OF_TWO, mp.mpf(2) / 3, -107),
        ]
        for numbers, whole, bound in parts:
            missing = abs(sum(map(mp.mpf, numbers)) - whole)
            assert missing < mp.mpf(2) ** bound, (numbers, mp.log(missing, 2))
