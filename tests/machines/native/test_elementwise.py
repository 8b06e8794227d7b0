"""Every emitter against its gate's own forward function: values, ties, NaN, infinities, zeros."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chainrule.gates import GATES, TABLES, settings_of
from chainrule.machines.native.builder import Value, constant
from chainrule.machines.native.elementwise import COST, EMITTERS, number_of
from chainrule.machines.native.target import AVX2, AVX512, NEON, SSE, assembly

from .lanes import run, text_of

ROOMS = ("arithmetic", "exponential", "trigonometric", "comparison", "steps", "activation")
TRUTHS = {"logical_and", "logical_or", "logical_xor", "logical_not"}
BITS = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}
EXACT = {
    "add", "subtract", "multiply", "divide", "negative", "square", "sqrt", "reciprocal",
    "absolute", "sign", "maximum", "minimum", "share", "positive", "greater", "greater_equal",
    "less", "less_equal", "equal", "not_equal", "isnan", "isinf", "isfinite", "signbit",
    "heaviside", "slope_if_reached", "floor", "ceil", "rint", "trunc", "round", "floor_divide",
    "mod", "fmod", "clip", "relu", "leaky_relu", "deg2rad", "rad2deg",
}  # fmt: skip
WHOLE = [
    "add", "subtract", "multiply", "negative", "absolute", "square", "sign", "maximum", "minimum",
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "floor",
]  # fmt: skip
COMPOSED = {  # made of simpler gates, or left to NumPy
    "bessel_ratio", "softmax", "log_softmax", "one_hot",
}  # fmt: skip
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 7.3, -1e-3, 1e30, np.inf, -np.inf,
           np.nan, 1e-40]  # fmt: skip


def points(count: int, dtype: str) -> list[np.ndarray]:
    """Return all pairs (or triples) of special numbers, then random ones."""
    rng = np.random.default_rng(7)
    grid = np.array(list(itertools.product(SPECIAL, repeat=count))).T
    drawn = rng.normal(size=(count, 200)) * 10.0 ** rng.integers(-3, 4, size=(count, 200))
    return list(np.concatenate([grid, drawn], axis=1).astype(dtype))


def test_every_emitter_is_for_a_gate() -> None:
    elementwise = {gate.name for room in ROOMS for gate in TABLES[room]}
    assert set(EMITTERS) <= elementwise
    assert elementwise - set(EMITTERS) <= COMPOSED
    assert set(COST) <= set(EMITTERS)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_arithmetic_has_numpys_bits(name: str, dtype: str) -> None:
    gate = GATES[name]
    count = len(gate.domain)
    arguments = points(count, dtype)
    with np.errstate(all="ignore"):
        expected = gate.forward(*arguments)
    got = run(EMITTERS[name], *arguments)
    # A tie of two zeros may give either in NumPy too: it depends on the machine.
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype
    if name not in ("maximum", "minimum", "clip", "relu"):
        here = ~np.isnan(expected) if expected.dtype != bool else slice(None)
        np.testing.assert_array_equal(np.signbit(got[here]), np.signbit(expected[here]))


@pytest.mark.parametrize("lanes", [0, 1, 2, 3, 5, 16])
@pytest.mark.parametrize("name", ["add", "maximum", "share", "mod", "where", "arctan2"])
def test_any_number_of_lanes(name: str, lanes: int) -> None:
    x, y = points(2, "f8")
    arguments = (x > 0, x, y) if name == "where" else (x, y)
    with np.errstate(all="ignore"):
        expected = GATES[name].forward(*arguments)
    got = run(EMITTERS[name], *arguments, lanes=lanes)
    np.testing.assert_allclose(got, expected, rtol=4e-16)


@pytest.mark.parametrize("name", sorted(TRUTHS | BITS))
def test_truth_values(name: str) -> None:
    count = len(GATES[name].domain)
    grid = list(np.array(list(itertools.product([False, True], repeat=count))).T)
    np.testing.assert_array_equal(run(EMITTERS[name], *grid, lanes=4), GATES[name].forward(*grid))


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_truth_of_numbers(name: str) -> None:
    arguments = points(len(GATES[name].domain), "f8")
    np.testing.assert_array_equal(run(EMITTERS[name], *arguments), GATES[name].forward(*arguments))


@pytest.mark.parametrize("dtype", ["i8", "i4"])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str, dtype: str) -> None:
    count = len(GATES[name].domain)
    grid = np.array(list(itertools.product([-7, -1, 0, 1, 2, 1000], repeat=count)), dtype).T
    np.testing.assert_array_equal(run(EMITTERS[name], *grid), GATES[name].forward(*grid))


@pytest.mark.parametrize("name", ["greater", "less_equal", "equal", "maximum", "minimum"])
def test_true_is_more_than_false(name: str) -> None:
    grid = list(np.array(list(itertools.product([False, True], repeat=2))).T)
    np.testing.assert_array_equal(run(EMITTERS[name], *grid, lanes=4), GATES[name].forward(*grid))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_where(dtype: str) -> None:
    x, y = points(2, dtype)
    np.testing.assert_array_equal(
        run(EMITTERS["where"], x > y, x, y, lanes=8), np.where(x > y, x, y)
    )


@pytest.mark.parametrize("decimals", [0, 1, 3, -1, -2])
def test_round_to_decimals(decimals: int) -> None:
    x = np.linspace(-250, 250, 777)
    np.testing.assert_array_equal(run(EMITTERS["round"], x, decimals=decimals), x.round(decimals))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.5, -3, 10])
def test_constant_exponents(exponent: float, dtype: str) -> None:
    (x,) = points(1, dtype)
    with np.errstate(all="ignore"):
        extreme = np.array([1e-155, 3e-160, 1e160, -1e160, 1e-310, 1e-30, 1e-40, 1e22])
        x = np.concatenate([x, extreme.astype(dtype)])
        expected = np.power(x.astype("f8"), np.float64(exponent)).astype(dtype)
    got = run(lambda b, v: EMITTERS["power"](b, v, constant(v.type, exponent)), x)
    np.testing.assert_array_max_ulp(got, expected, 2)
    here = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[here]), np.signbit(expected[here]))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.5, -3])
def test_constant_exponents_of_floats_are_pythons(exponent: float) -> None:
    x = np.array([np.inf, -np.inf, -0.0, 0.0, 2.0, np.nan])
    got = run(lambda b, v: EMITTERS["power"](b, v, constant(v.type, exponent)), x, lanes=0)
    expected = [GATES["power"].compute((float(v), exponent), {}) for v in x]
    np.testing.assert_array_max_ulp(got, np.array(expected), 2)


def test_literals_are_read_back() -> None:
    for kind in ("double", "float", "<4 x double>", "<8 x float>"):
        assert number_of(constant(kind, -2.5)) == -2.5
    assert number_of(Value("double", "%v1")) is None
    assert number_of(constant("i64", 3)) is None


@pytest.mark.parametrize("target", [SSE, AVX2, AVX512, NEON], ids=lambda t: t.cpu)
@pytest.mark.parametrize("name", sorted(EMITTERS))
def test_emits_for_every_target(name: str, target: object) -> None:
    count = len(GATES[name].domain)
    kind = "i1" if name in TRUTHS | BITS else "float"
    kinds = ("i1", "float", "float") if name == "where" else (kind,) * count
    settings = {k: v for k, v in settings_of(GATES[name]).items() if isinstance(v, (int, float))}
    text, _ = text_of(EMITTERS[name], kinds, target.lanes("float"), target, **settings)
    assert "sweep" in assembly(text, target)
