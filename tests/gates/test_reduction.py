"""Sums, products, extremes and norms: values, gradients, and the points where they are odd."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import MissingGateError, MissingRuleError
from chainrule.gates import GATES, TABLES, Gate
from chainrule.gates.gate import Example
from tests.gates.vjps import call_vjp, check_vjp, drawn, with_wrong_vjp

REDUCTION = TABLES["reduction"]
WITH_GRADIENT = [gate for gate in REDUCTION if gate.has_gradient]
CASES = [(gate, case) for gate in REDUCTION for case in gate.examples]
FULL = [
    (gate, case)
    for gate in WITH_GRADIENT
    if gate.pattern != "stops"
    for case in gate.examples
    if all(0 not in shape for shape in case.shapes)
]
ALONG_AXES = ("sum", "mean", "prod", "max", "min", "var", "std", "logsumexp")
PLAIN = ("any", "all", "argmax", "argmin", "count_nonzero", "argsort", "cumsum", "cumprod")


def gradient(name: str, x: object, g: object = 1.0, **settings: object) -> np.ndarray:
    """Return the gradient of one array through one gate."""
    return call_vjp(GATES[name], 0, g, [np.asarray(x)], **settings)


def labelled(case: object) -> str:
    return case.name if isinstance(case, Gate) else ""


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom <= 0")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_value_is_numpys(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    value = gate.forward(*inputs, **case.settings)
    if gate.numpy is not None:
        assert_array_equal(value, gate.numpy(*inputs, **case.settings), strict=True)


@pytest.mark.parametrize(
    ("gate", "case"),
    [(g, c) for g, c in CASES if g.has_gradient],
    ids=labelled,
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom <= 0")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_gradient_of_examples(gate: Gate, case: Example) -> None:
    check_vjp(gate, drawn(case), **case.settings)


@pytest.mark.parametrize(("gate", "case"), FULL, ids=labelled)
def test_a_wrong_gradient_is_caught(gate: Gate, case: Example) -> None:
    if case.values and not case.values[0].any():
        pytest.skip("the gradient is 0, and so is any multiple of it")
    inputs = drawn(case)
    if not np.any(
        call_vjp(
            gate,
            0,
            np.ones(np.shape(gate.forward(*inputs, **case.settings))),
            inputs,
            **case.settings,
        )
    ):
        pytest.skip("the variance of one element is flat")
    with pytest.raises(AssertionError):
        check_vjp(with_wrong_vjp(gate), inputs, **case.settings)


@st.composite
def arrays_and_axes(draw: st.DrawFn) -> tuple[np.ndarray, object, bool]:
    shape = draw(st.lists(st.integers(1, 3), max_size=4))
    ndim = len(shape)
    axis = draw(
        st.none()
        | (st.integers(-ndim, ndim - 1) if ndim else st.none())
        | st.lists(st.integers(0, ndim - 1) if ndim else st.nothing(), unique=True).map(tuple)
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return rng.normal(size=shape), axis, draw(st.booleans())


@pytest.mark.parametrize("name", [n for n in ALONG_AXES if n != "std"])
@given(case=arrays_and_axes())
def test_gradient_along_any_axes(name: str, case: tuple[np.ndarray, object, bool]) -> None:
    x, axis, keepdims = case
    check_vjp(GATES[name], [x], axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("name", ALONG_AXES)
def test_float32_stays(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    for axis in (None, 1, (0, 1)):
        out = GATES[name].forward(x, axis=axis)
        assert out.dtype == np.float32
        g = np.ones_like(out)
        assert call_vjp(GATES[name], 0, g, [x], axis=axis).dtype == np.float32


@pytest.mark.parametrize("name", ALONG_AXES)
def test_non_contiguous_and_read_only(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))[::2, ::-2].T
    x.flags.writeable = False
    check_vjp(GATES[name], [x], axis=0)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "logsumexp"])
def test_python_floats(name: str) -> None:
    value = GATES[name](-2.5)
    assert type(value) is float
    assert value == -2.5
    assert call_vjp(GATES[name], 0, 3.0, [-2.5]) == 3.0


# ---------------------------------------------------------------------- by hand


def test_prod_at_zeros() -> None:
    # By hand: the slope along a factor is the product of the others.
    assert_array_equal(gradient("prod", [2.0, 0.0, 3.0]), [0.0, 6.0, 0.0])
    assert_array_equal(gradient("prod", [0.0, 5.0, 0.0]), [0.0, 0.0, 0.0])
    assert_array_equal(
        gradient("prod", [[2.0, 0.0], [3.0, 5.0]], np.ones(2), axis=0), [[3.0, 5.0], [2.0, 0.0]]
    )


def test_second_derivative_of_prod_at_zeros() -> None:
    # By hand: d2(xyz)/dxdy = z, so at (0, 5, 0) only d2/dxdz = y = 5 is not 0. The gradient of
    # prod is g times product_of_others; row i of its Jacobian is the vjp of the i-th unit vector.
    x = np.array([0.0, 5.0, 0.0])
    hessian = [gradient("product_of_others", x, g) for g in np.eye(3)]
    assert_array_equal(hessian, [[0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [5.0, 0.0, 0.0]])


def test_cumprod_at_zeros() -> None:
    # By hand: out = (2, 0, 0); d out / d x1 = (0, 2, 6), d out / d x0 = (1, 0, 0).
    assert_array_equal(gradient("cumprod", [2.0, 0.0, 3.0], np.ones(3)), [1.0, 8.0, 0.0])


def test_ties_share() -> None:
    assert_array_equal(gradient("max", [1.0, 3.0, 3.0]), [0.0, 0.5, 0.5])
    assert_array_equal(gradient("min", [1.0, 1.0, 1.0, 1.0]), [0.25] * 4)
    x = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert_array_equal(gradient("max", x, np.array([2.0, 3.0]), axis=1), [[1.0, 1.0], [0.0, 3.0]])
    tied = np.array([[np.inf, np.inf], [-np.inf, 1.0]])
    assert_array_equal(gradient("max", tied, np.ones(2), axis=1), [[0.5, 0.5], [0.0, 1.0]])


def test_nan_is_not_hidden() -> None:
    x = np.array([[1.0, np.nan], [0.0, 2.0]])
    for name in ("max", "min"):
        found = gradient(name, x, np.ones(2), axis=1)
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()
    for name in ("prod", "var", "std", "logsumexp"):
        assert np.isnan(gradient(name, x)).any()
    assert np.isnan(gradient("norm", x)).any()


def test_kinks_have_gradient_zero() -> None:
    # 0 is a subgradient of the length at the origin, and of the deviation where all are equal.
    assert_array_equal(gradient("norm", np.zeros(3)), np.zeros(3))
    assert_array_equal(gradient("norm", np.zeros((2, 2)), np.ones(2), axis=1), np.zeros((2, 2)))
    assert_array_equal(gradient("std", np.full(4, 0.5)), np.zeros(4))
    assert_array_equal(gradient("norm", [-1.0, 0.0, 2.0], ord=1), [-1.0, 0.0, 1.0])


def test_norms_by_hand() -> None:
    # The 3-4-5 triangle; column sums 4 and 6, row sums 3 and 7.
    assert_allclose(gradient("norm", [3.0, -4.0]), [0.6, -0.8], rtol=1e-15)
    x = np.array([[1.0, -2.0], [3.0, 4.0]])
    assert_array_equal(gradient("norm", x, ord=1), [[0.0, -1.0], [0.0, 1.0]])
    assert_array_equal(gradient("norm", x, ord=np.inf), [[0.0, 0.0], [1.0, 1.0]])
    assert_array_equal(gradient("norm", [-5.0, 5.0, 1.0], ord=np.inf), [-0.5, 0.5, 0.0])


def test_variance_by_hand() -> None:
    # Distances from the mean 2 are -1, 0, 1: 2/n of them, 2/(n-1) of them.
    assert_allclose(gradient("var", [1.0, 2.0, 3.0]), [-2 / 3, 0.0, 2 / 3])
    assert_allclose(gradient("var", [1.0, 2.0, 3.0], ddof=1), [-1.0, 0.0, 1.0])
    assert_allclose(gradient("std", [1.0, 2.0, 3.0], ddof=1), [-0.5, 0.0, 0.5])


@pytest.mark.filterwarnings("ignore:Degrees of freedom <= 0", "ignore:invalid value")
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_no_degree_of_freedom_left() -> None:
    assert np.isnan(gradient("var", [1.0], ddof=1)).all()
    assert not np.isfinite(gradient("var", [1.0, 2.0], ddof=2)).any()


def test_cumsum_by_hand() -> None:
    # x0 is in all three partial sums, x2 in the last.
    assert_array_equal(gradient("cumsum", [1.0, 1.0, 1.0], np.array([1.0, 2.0, 4.0])), [7, 6, 4])


def test_logsumexp_does_not_overflow() -> None:
    # By hand: two equal terms share, and log(2 e^1000) = 1000 + log 2.
    x = np.array([1000.0, 1000.0])
    assert GATES["logsumexp"](x) == 1000.0 + math.log(2.0)
    # exp(x - out) inherits the rounding of out: half a unit in the last place of 1000.
    assert_allclose(gradient("logsumexp", x), [0.5, 0.5], rtol=1e-13)
    assert GATES["logsumexp"](-x) == -1000.0 + math.log(2.0)
    # 1 / (1 + e^-1) is REFERENCE B's sigmoid of 1.
    assert_allclose(gradient("logsumexp", [1.0, 0.0])[0], 0.731058578630004879251, rtol=1e-15)


def test_logsumexp_at_infinities() -> None:
    lse = GATES["logsumexp"]
    assert lse(np.array([-np.inf, 2.0])) == 2.0
    assert lse(np.array([-np.inf, -np.inf])) == -np.inf
    assert lse(np.array([np.inf, 800.0])) == np.inf
    assert lse(np.zeros(0)) == -np.inf
    assert np.isnan(lse(np.array([np.nan, np.inf])))
    assert_array_equal(gradient("logsumexp", [-np.inf, 2.0]), [0.0, 1.0])


def test_other_norms_are_refused() -> None:
    with pytest.raises(MissingGateError, match=r"ord=3 .*np.sum\(np.abs\(x\) \*\* p\)"):
        GATES["norm"](np.ones(3), ord=3)
    with pytest.raises(MissingGateError, match="ord=2 over 2 axes"):
        GATES["norm"](np.ones((2, 2)), ord=2)
    with pytest.raises(MissingGateError, match="ord='nuc'"):
        GATES["norm"](np.ones((2, 2)), ord="nuc")


@pytest.mark.parametrize("name", ["any", "all", "argmax", "argmin", "count_nonzero", "argsort"])
def test_integers_and_truths_have_no_gradient(name: str) -> None:
    with pytest.raises(MissingRuleError, match=GATES[name].why):
        GATES[name].rule(0)


def test_max_of_nothing_is_numpys_error() -> None:
    with pytest.raises(ValueError, match="zero-size array"):
        GATES["max"](np.zeros(0))


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("sum", {"axis": None, "keepdims": False}, "{0}.sum()"),
        ("sum", {"axis": 0, "keepdims": True}, "{0}.sum(axis=0, keepdims=True)"),
        ("max", {"axis": (0, -1)}, "{0}.max(axis=(0, -1))"),
        ("std", {"axis": None, "ddof": 1, "keepdims": False}, "np.std({0}, ddof=1)"),
        ("norm", {"ord": math.inf, "axis": 1}, "np.linalg.norm({0}, ord=np.inf, axis=1)"),
        ("argsort", {"axis": None, "kind": None}, "np.argsort({0}, axis=None)"),
    ],
)
def test_code(name: str, settings: dict[str, object], code: str) -> None:
    assert GATES[name].expression(settings) == code


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom <= 0")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_code_computes_the_gate(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    names = [f"x{k}" for k in range(len(inputs))]
    scope = {
        "np": np,
        gate.name: gate.forward,
        **dict(zip(names, map(np.asarray, inputs), strict=False)),
    }
    found = eval(gate.expression(case.settings).format(*names), scope)
    assert_array_equal(found, gate.forward(*inputs, **case.settings))


def test_kink_is_zero_at_ties() -> None:
    assert_array_equal(GATES["max"].kink(np.array([1.0, 3.0, 3.0])), [-2.0, 0.0, 0.0])
    assert_array_equal(GATES["min"].kink(np.array([1.0, 3.0, 4.0])), [2.0, -2.0, -3.0])
    assert GATES["norm"].kink(np.zeros(2)).item() == 0.0
