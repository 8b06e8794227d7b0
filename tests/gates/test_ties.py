"""Slopes at ties, kinks, NaN and infinities, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.gates import GATES


def slopes(name: str, *inputs: Any, **settings: Any) -> list[float]:
    """Return the slopes of an elementwise gate at one point."""
    gate = GATES[name]
    assert gate.local is not None
    values = [np.float64(x) for x in inputs]
    with np.errstate(all="ignore"):
        out = gate(*values, **settings)
        return [float(rule(out, *values, **settings)) for rule in gate.local]


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("maximum", (2.0, 2.0), [0.5, 0.5]),
        ("maximum", (math.inf, math.inf), [0.5, 0.5]),
        ("minimum", (2.0, 2.0), [0.5, 0.5]),
        ("absolute", (0.0,), [0.0]),
        ("relu", (0.0,), [0.0]),
        ("relu", (-math.inf,), [0.0]),
        ("leaky_relu", (0.0,), [0.01]),
        ("clip", (0.0, 0.0, 1.0), [0.5, 0.5, 0.0]),
        ("clip", (1.0, 0.0, 1.0), [0.5, 0.0, 0.5]),
        ("clip", (0.5, 0.0, 1.0), [1.0, 0.0, 0.0]),
        ("clip", (0.0, 2.0, 1.0), [0.0, 0.0, 1.0]),
        ("clip", (3.0, 2.0, 1.0), [0.0, 0.0, 1.0]),
        ("clip", (0.0, 0.0, 0.0), [0.25, 0.25, 0.5]),
        ("clip", (0.5, 0.0, math.inf), [1.0, 0.0, 0.0]),
        ("hypot", (0.0, 0.0), [0.0, 0.0]),
        ("sinc", (0.0,), [0.0]),
        ("heaviside", (0.0, 0.3), [0.0, 1.0]),
        ("mod", (5.0, -3.0), [1.0, 2.0]),
        ("fmod", (-5.0, 3.0), [1.0, 1.0]),
        ("logaddexp", (math.inf, math.inf), [0.5, 0.5]),
        ("logaddexp", (-math.inf, -math.inf), [0.5, 0.5]),
        ("logaddexp", (-math.inf, 0.0), [0.0, 1.0]),
        ("logaddexp", (math.inf, -math.inf), [1.0, 0.0]),
        ("logaddexp2", (math.inf, math.inf), [0.5, 0.5]),
        ("slope_if_reached", (math.inf, 0.0), [0.0, 0.0]),
        ("slope_if_reached", (math.nan, 0.0), [0.0, 0.0]),
        ("slope_if_reached", (2.0, 0.0), [1.0, 0.0]),
        ("slope_if_reached", (math.inf, 1.0), [1.0, 0.0]),
        ("sigmoid", (-1000.0,), [0.0]),
        ("sigmoid", (math.inf,), [0.0]),
        ("softplus", (math.inf,), [1.0]),
        ("softplus", (-math.inf,), [0.0]),
        ("log_sigmoid", (-math.inf,), [1.0]),
        ("tanh", (math.inf,), [0.0]),
        ("gelu", (1e200,), [1.0]),
        ("arctan2", (1e200, 1e200), [5e-201, -5e-201]),
        ("arctan2", (1e-200, 1e-200), [5e199, -5e199]),
    ],
)
def test_slopes_at_ties_and_ends(
    name: str, inputs: tuple[float, ...], expected: list[float]
) -> None:
    assert slopes(name, *inputs) == pytest.approx(expected, rel=1e-15)


def test_gelu_by_tanh_does_not_overflow_into_nan() -> None:
    assert slopes("gelu", 1e200, approximate=True) == [1.0]
    assert slopes("gelu", -1e200, approximate=True) == [0.0]


@pytest.mark.parametrize("x", [-1000.0, 1000.0, -math.inf, math.inf])
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log_sigmoid", "tanh"])
def test_saturated_gates_and_their_slopes_do_not_warn(name: str, x: float) -> None:
    # Warnings are errors here.
    gate = GATES[name]
    out = gate(np.array([x]))
    assert gate.local is not None
    assert np.isfinite(gate.local[0](out, np.array([x]))).all()


def test_where_chooses_and_never_multiplies() -> None:
    # As upstream of sqrt(where(x > 0, x, 0)) at x = -1, worked by hand: inf * 0 would be NaN.
    gate = GATES["where"]
    condition, x, y = np.array([True, False]), np.array([4.0, -1.0]), np.array(0.0)
    g = np.array([0.25, math.inf])
    assert gate.rule(1)[1](g, None, condition, x, y).tolist() == [0.25, 0.0]
    assert gate.rule(2)[1](g, None, condition, x, y) == math.inf
    assert type(gate.rule(1)[1](2.0, None, True, 1.0, 3.0)) is float


@pytest.mark.parametrize("labels", [[3], [-1], [0.5], [math.nan]])
def test_one_hot_refuses_what_is_no_label(labels: list[float]) -> None:
    with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
        GATES["one_hot"](np.array(labels), classes=3)


def test_one_hot_by_hand() -> None:
    rows = GATES["one_hot"](np.array([1, 0]), classes=3)
    assert rows.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert GATES["one_hot"](np.zeros((0,), int), classes=3).shape == (0, 3)


def test_softmax_of_large_logits() -> None:
    x = np.array([1000.0, 1000.0, -math.inf])
    assert GATES["softmax"](x).tolist() == [0.5, 0.5, 0.0]
    assert GATES["log_softmax"](x).tolist() == [-math.log(2.0), -math.log(2.0), -math.inf]
