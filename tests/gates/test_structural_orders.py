"""Rules are made of gates: gradients of gradients, by differences of the order below."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import chainrule as cr
from chainrule.gates import TABLES, Gate
from chainrule.gates.gate import Example
from tests.gates.vjps import STEP, drawn


def _cases() -> list[Any]:
    cases = []
    for table in ("reduction", "shape", "indexing", "linear_algebra"):
        for gate in TABLES[table]:
            for number, case in enumerate(gate.examples if gate.has_gradient else ()):
                # Only once: the determinant of a singular matrix, and the norm at zero (a kink).
                if gate.name in ("det", "norm") and case is gate.examples[-1]:
                    continue
                if all(0 not in shape for shape in case.shapes):
                    cases.append(pytest.param(gate, case, id=f"{gate.name}-{number}"))
    return cases


def along(function: Callable[..., Any], direction: np.ndarray) -> Callable[..., Any]:
    """Return the derivative of a scalar function along a direction, as a function."""
    return lambda x: np.sum(cr.grad(function)(x) * direction)


def difference(function: Callable[..., Any], x: np.ndarray, direction: np.ndarray) -> Any:
    return (function(x + STEP * direction) - function(x - STEP * direction)) / (2 * STEP)


@pytest.mark.parametrize(("gate", "case"), _cases())
def test_second_and_third_derivative(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    rng = np.random.default_rng(5)
    weights = rng.normal(size=np.shape(gate(*inputs, **case.settings)))
    for place, x in enumerate(inputs):
        if np.asarray(x).dtype.kind != "f":
            continue

        def cost(x: Any, place: int = place) -> Any:
            out = gate(*inputs[:place], x, *inputs[place + 1 :], **case.settings)
            return np.sum(weights * np.sin(out))  # sin: no derivative of any order is lost

        x = np.array(x)
        first, second = rng.normal(size=x.shape), rng.normal(size=x.shape)
        slope = along(cost, first)
        curve = along(slope, second)
        assert_allclose(curve(x), difference(slope, x, second), rtol=1e-4, atol=1e-5)
        third = along(curve, first)(x)
        assert_allclose(third, difference(curve, x, first), rtol=1e-4, atol=1e-4)
