"""Values, slopes and second derivatives where floats are hard, against mpmath at 1000 digits.

Tiny, huge and signed-zero inputs, saturated activations, the ends of the domains. The expected
values are computed here: the function by mpmath, its slopes by differences of mpmath's values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from chainrule.gates import GATES

from .support import Dual

DIGITS = 1000
EPSILON = 2.0**-52
SMALLEST_NORMAL = 2.0**-1022  # below it numbers lose digits, and slopes may become 0

SIZES = (0.0, 1e-300, 1e-20, 1e-8, 0.1, 0.5, 0.999999, 1.000001, 2.0, 5.5, 20.0, 40.0, 300.0, 700.0)
OVER = (-1e5, -1000.0, 1000.0, 1e5)  # where exp overflows
HUGE = (1e5, 1e10, 1e300)
LINE = tuple(sign * size for size in SIZES for sign in (1.0, -1.0))
ALL = (*LINE, *HUGE, *(-x for x in HUGE))
POSITIVE = tuple(x for x in (*LINE, *HUGE) if x > 0)
INSIDE = tuple(x for x in LINE if abs(x) < 1)
ABOVE_ONE = tuple(x for x in POSITIVE if x > 1)
NEAR = tuple(x for x in LINE if abs(x) <= 40)


def _gelu(x: Any) -> Any:
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


def _gelu_by_tanh(x: Any) -> Any:
    # The published constant 0.044715 is a decimal; the gate has its float64.
    return x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mpf(0.044715) * x**3))) / 2


def _sinc(x: Any) -> Any:
    return mp.sin(mp.pi * x) / (mp.pi * x) if x else mpf(1)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _bell(x: float) -> float:
    return 2 * x * x  # exp(-x²) turns the rounding of x² into as many units in the last place


def _none(x: float) -> float:
    return 0.0


# Each gate: its function in mpmath, the points, and by how many units in the last place the
# rounding of an intermediate result must show, whatever the order of the computation.
ONE: dict[str, tuple[Callable[..., Any], tuple[float, ...], Callable[[float], float]]] = {
    "exp": (mp.exp, (*LINE, *OVER), _none),
    "expm1": (mp.expm1, (*LINE, *OVER), _none),
    "exp2": (lambda x: mpf(2) ** x, (*LINE, *OVER), _none),
    "log": (mp.log, POSITIVE, _none),
    "log1p": (lambda x: mp.log(1 + x), (*INSIDE, *POSITIVE), _none),
    "log2": (lambda x: mp.log(x) / mp.log(2), POSITIVE, _none),
    "log10": (mp.log10, POSITIVE, _none),
    "sin": (mp.sin, ALL, _none),
    "cos": (mp.cos, ALL, _none),
    "tan": (mp.tan, ALL, _none),
    "arcsin": (mp.asin, INSIDE, _none),
    "arccos": (mp.acos, INSIDE, _none),
    "arctan": (mp.atan, ALL, _none),
    "sinh": (mp.sinh, (*LINE, *OVER), _none),
    "cosh": (mp.cosh, (*LINE, *OVER), _none),
    "tanh": (mp.tanh, (*LINE, *OVER), _none),
    "arcsinh": (mp.asinh, ALL, _none),
    "arccosh": (mp.acosh, ABOVE_ONE, _none),
    "arctanh": (mp.atanh, INSIDE, _none),
    "deg2rad": (mp.radians, ALL, _none),
    "rad2deg": (mp.degrees, LINE, _none),
    "sigmoid": (_sigmoid, (*LINE, *OVER), _none),
    "softplus": (lambda x: mp.log(1 + mp.exp(x)), (*LINE, *OVER), _none),
    "log_sigmoid": (lambda x: mp.log(_sigmoid(x)), LINE, _none),
    "silu": (lambda x: x * _sigmoid(x), (*LINE, *OVER), _none),
    "gelu": (_gelu, NEAR, _bell),
    "erf": (mp.erf, LINE, _bell),
    "erfc": (mp.erfc, NEAR, _bell),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), tuple(x for x in LINE if x), _none),
}
PAIRS = ((0.0, 0.0), (1.0, -1.0), (3.0, 1e-8), (1e-300, 1e-20), (700.0, -700.0), (-40.0, 40.0))
LONG_PAIRS = (
    (3.0, 4.0),
    (-3.0, 1e-8),
    (1e-200, 1e-200),
    (1e200, 1e200),
    (1e-300, 1.0),
    (1e300, 1.0),
)
TWO: dict[str, tuple[Callable[..., Any], tuple[tuple[float, float], ...]]] = {
    "logaddexp": (lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), PAIRS),
    "logaddexp2": (lambda x, y: mp.log(mpf(2) ** x + mpf(2) ** y, 2), PAIRS),
    "softshare": (lambda x, y: 1 / (1 + mp.exp(y - x)), PAIRS),
    "arctan2": (mp.atan2, LONG_PAIRS),
    "hypot": (mp.hypot, LONG_PAIRS),
}


def derivatives(function: Callable[[Any], Any], x: float) -> list[float]:
    """Return a function's value, slope and second derivative at a float, rounded once."""
    with mp.workdps(DIGITS):
        at = mpf(x)
        # 1e-30 of the point: the error of the differences is 1e-60 of the result.
        h = min(abs(at) or mpf(1), mpf(1)) * mpf(10) ** -30
        low, middle, high = function(at - h), function(at), function(at + h)
        exact = (middle, (high - low) / (2 * h), (high - 2 * middle + low) / (h * h))
        return [_rounded(mp.mpf(mp.re(value))) for value in exact]


def _rounded(value: Any) -> float:
    if abs(value) > mpf(2) ** 1024:
        return math.inf if value > 0 else -math.inf
    return float(value)


def check(
    actual: list[Any], expected: list[float], more: float, message: str, orders: int = 3
) -> None:
    """Compare value, slope and second derivative, each to a few units in the last place."""
    allowed = (8.0 + more) * EPSILON
    for order in range(orders):
        got, want = float(actual[order]), expected[order]
        tolerance = allowed * abs(want) if math.isfinite(want) else 0.0
        if order == 2 and math.isfinite(expected[1]):
            # A second derivative that changes sign is a difference of two terms of this size.
            tolerance = 4 * tolerance + allowed * abs(expected[1])
        good = got == want or abs(got - want) <= tolerance + SMALLEST_NORMAL
        assert good, f"{message}, derivative {order}: {got!r}, mpmath {want!r}"


def computed(name: str, inputs: tuple[float, ...], index: int, **settings: Any) -> list[Any]:
    """Return value, slope and second derivative along one input by the gate's rules."""
    gate = GATES[name]
    assert gate.local is not None
    values = [np.float64(x) for x in inputs]
    with np.errstate(all="ignore"):
        out = gate(*values, **settings)
        slope = gate.local[index](out, *values, **settings)
        duals = [Dual(x, float(k == index)) for k, x in enumerate(values)]
        moving = gate.local[index](gate(*duals, **settings), *duals, **settings)
    return [out, slope, moving.tangent if isinstance(moving, Dual) else 0.0]


@pytest.mark.parametrize("name", ONE)
def test_one_input(name: str) -> None:
    function, points, more = ONE[name]
    for x in points:
        expected = derivatives(function, x)
        check(computed(name, (x,), 0), expected, more(x), f"{name}({x!r})")
        check([GATES[name](x)], expected, more(x), f"{name}({x!r}) on Python floats", orders=1)


def test_gelu_by_tanh() -> None:
    for x in NEAR:
        expected = derivatives(_gelu_by_tanh, x)
        more = 4 * abs(x + 0.044715 * x**3)
        check(computed("gelu", (x,), 0, approximate=True), expected, more, f"gelu({x!r})")
        check([GATES["gelu"](x, approximate=True)], expected, more, f"gelu({x!r})", orders=1)


@pytest.mark.parametrize("x", NEAR)
def test_sinc(x: float) -> None:
    # At its zeros NumPy's own sinc is wrong by the rounding of pi x: no relative accuracy there.
    actual, expected = computed("sinc", (x,), 0), derivatives(_sinc, x)
    for order, (got, want) in enumerate(zip(actual, expected, strict=True)):
        assert float(got) == pytest.approx(want, rel=1e-15, abs=2e-15 * math.pi**order)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bessel_ratio(order: int) -> None:
    def function(z: Any) -> Any:
        if z == 0:
            return 1 / mp.fac2(2 * order + 1)
        return mp.sqrt(mp.pi / (2 * z)) * mp.besselj(order + mpf(1) / 2, z) / z**order

    for z in (0.0, 1e-8, 0.1, 1.0, order + 1.4, order + 1.6, 20.0):
        # No relative accuracy between the zeros of a wave: units of its envelope.
        with mp.workdps(50):
            expected = float(mp.re(function(mpf(z))))
        out = GATES["bessel_ratio"](z, order=order)
        assert abs(out - expected) <= 1e-14 * max(abs(expected), max(z, 1.0) ** -(order + 1))
        assert type(out) is float


@pytest.mark.parametrize("name", TWO)
def test_two_inputs(name: str) -> None:
    function, points = TWO[name]
    for x, y in points:
        more = abs(x - y) if name == "logaddexp2" else 0.0
        for index in (0, 1):
            along_x, along_y = (
                lambda t, y=y: function(t, mpf(y)),
                lambda t, x=x: function(mpf(x), t),
            )
            expected = derivatives(along_x, x) if index == 0 else derivatives(along_y, y)
            message = f"{name}({x!r}, {y!r}) along {index}"
            check(computed(name, (x, y), index), expected, more, message)
            check([GATES[name](x, y)], expected, more, message, orders=1)


@pytest.mark.parametrize(
    "name",
    [
        *("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "expm1"),
        *("log1p", "erf", "silu", "gelu", "deg2rad", "floor", "ceil", "rint", "trunc"),
    ],
)
def test_minus_zero_stays_minus_zero(name: str) -> None:
    assert math.copysign(1.0, GATES[name](-0.0)) == -1.0
    assert np.signbit(GATES[name](np.array([-0.0]))).all()


def test_softmax_and_log_softmax() -> None:
    x = [1000.0, 999.0, -1000.0, 3.5]
    with mp.workdps(DIGITS):
        total = sum(mp.exp(mpf(v)) for v in x)
        shares = [_rounded(mp.exp(mpf(v)) / total) for v in x]
        logs = [_rounded(mp.log(mp.exp(mpf(v)) / total)) for v in x]
    np.testing.assert_allclose(GATES["softmax"](np.array(x)), shares, 4e-16, SMALLEST_NORMAL)
    np.testing.assert_allclose(GATES["log_softmax"](np.array(x)), logs, 4e-16)


def test_the_sigmoid_neuron_at_40() -> None:
    # Where (1 - f) f in float64 gives 0.
    _, slope, second = computed("sigmoid", (40.0,), 0)
    assert slope == pytest.approx(4.2483542552915889e-18, rel=1e-15)
    assert second == pytest.approx(-4.2483542552915889e-18, rel=1e-15)


def test_a_slope_that_loses_digits_is_caught() -> None:
    expected = derivatives(mp.tanh, 20.0)
    actual = computed("tanh", (20.0,), 0)
    check(actual, expected, 0.0, "tanh(20)")
    actual[1] = 1.0 - np.tanh(20.0) ** 2
    with pytest.raises(AssertionError, match="derivative 1"):
        check(actual, expected, 0.0, "tanh(20)")
