"""Random programs: NumPy's own evaluation, both machines and differences agree.

A drawn program is a list of steps over a growing list of wires, so that wires fork, are used again
and end unused. It is run twice: on arrays, and traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import GuardError

from .support import assert_near

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SMOOTH_UNARY: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -x,
    "square": lambda x: x * x,
    "tanh": np.tanh,
    "sin": np.sin,
    "exp": lambda x: np.exp(-0.5 * x * x),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "log1p": lambda x: np.log1p(x * x),
    "sqrt": lambda x: np.sqrt(1.0 + x * x),
    "cubed": lambda x: 0.3 * x**3,
    "constant": lambda x: 2 + x,
    "itself": lambda x: x,
}
EDGED_UNARY: dict[str, Callable[[Any], Any]] = {
    "absolute": np.abs,
    "relu": lambda x: np.maximum(x, 0.0),
    "where log": lambda x: np.where(x > 0, np.log(x), x),
    "where sqrt": lambda x: np.where(x > 0.5, np.sqrt(x - 0.5), 0.0),
    "log": np.log,
    "sqrt of anything": np.sqrt,
    "reciprocal": lambda x: 1.0 / x,
    "overflow": lambda x: np.exp(400.0 * x),
    "clip": lambda x: np.clip(x, -0.7, 0.7),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (2.0 + y * y),
    "hypot": lambda x, y: np.sqrt(1.0 + x * x + y * y),
    "logaddexp": np.logaddexp,
}
EDGED_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "quotient": lambda x, y: x / y,
    "power": lambda x, y: np.abs(x) ** y,
    "where": lambda x, y: np.where(x > y, x, y * y),
    "arctan2": np.arctan2,
}
REDUCING: dict[str, Callable[[Any], Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "sum of rows": lambda x: np.sum(x, axis=0),
    "sum of last": lambda x: np.sum(x, axis=-1, keepdims=True),
    "mean of last": lambda x: x.mean(axis=-1),
    "logsumexp": lambda x: np.log(np.sum(np.exp(0.3 * x), axis=-1)),
    "norm": lambda x: np.sqrt(0.5 + np.sum(x * x)),
    "cumsum": lambda x: np.cumsum(x, axis=0),
    "prod": lambda x: np.prod(x, axis=-1),
}
SHAPING: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: x.T,
    "ravel": lambda x: x.ravel(),
    "new axis": lambda x: x[None],
    "reverse": lambda x: x[::-1],
    "tail": lambda x: x[1:],
    "every second": lambda x: x[..., ::2],
    "roll": lambda x: np.roll(x, 1),
    "twice": lambda x: np.concatenate([x, x], axis=0),
    "gather": lambda x: x[np.arange(2 * len(x)) // 2],
    "stack": lambda x: np.stack([x, 2.0 * x], axis=-1),
    "write": lambda x: _written(x),
    "column": lambda x: x.reshape(-1, 1),
}


def _written(x: Any) -> Any:
    y = x * 1.0
    y[:1] = y[:1] * 3.0
    y += 1.0
    return y


def inputs_taken(function: Callable[..., Any]) -> int:
    """Return how many wires a step reads."""
    if function in (np.sum, np.mean):
        return 1
    return function.nin if isinstance(function, np.ufunc) else function.__code__.co_argcount


def applied(steps: list[tuple[str, Callable[..., Any], int, int]], inputs: list[Any]) -> Any:
    """Run the steps; give a sum over the wires that remain in use."""
    wires = list(inputs)
    for _, function, *at in steps:
        chosen = [wires[k % len(wires)] for k in at[: inputs_taken(function)]]
        try:
            result = function(*chosen)
        except (ValueError, IndexError, TypeError):
            if np.shape(chosen[0]) == () or len(chosen) > 1:
                continue  # shapes that do not go together, or a number that has no rows
            raise
        if np.size(result) <= 400:
            wires.append(result)
    total = wires[-1] * 1.0 if np.ndim(wires[-1]) == 0 else np.sum(wires[-1])
    return total + np.mean(wires[len(wires) // 2]) * 0.5


def programs(*tables: dict[str, Any]) -> Any:
    names = [(name, function) for table in tables for name, function in table.items()]
    number = st.integers(0, 40)
    step = st.tuples(st.sampled_from(names), number, number)
    return st.lists(step, min_size=1, max_size=9).map(
        lambda drawn: [(name, function, i, j) for (name, function), i, j in drawn]
    )


def inputs_of(shapes: list[tuple[int, ...]], seed: int, dtype: Any) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [np.asarray(np.round(generator.uniform(-1.5, 1.5, shape), 2), dtype) for shape in shapes]


SHAPES = st.lists(
    st.sampled_from(
        [(), (0,), (1,), (3,), (5,), (2, 3), (3, 1), (1, 5), (3, 0), (2, 1, 3), (7, 1)]
    ),
    min_size=1,
    max_size=3,
)


def check(steps: Any, inputs: list[Any], rtol: float) -> tuple[Any, Any]:
    """Hold value, machines and tracing together; return (function, circuit)."""

    def program(values: list[Any]) -> Any:
        return applied(steps, values)

    with np.errstate(all="ignore"):
        plain = program([x.copy() for x in inputs])
    circuit = cr.trace(program, inputs)
    circuit.well_formed()
    assert type(circuit.value) is type(plain)
    # One rounding apart: NumPy's ** on its numbers is not np.power's loop.
    assert_near(circuit.value, plain, 1e-15 if rtol < 1e-5 else rtol, "value")
    reference = circuit.gradients["values"]
    staged_value, staged = circuit.machine("staged")(inputs)
    again_value, again = circuit.machine("interpret")(inputs)
    np.testing.assert_array_equal(again_value, circuit.value)
    assert_near(staged_value, plain, rtol, circuit.code())
    for one, two, three, x in zip(
        reference, staged["values"], again["values"], inputs, strict=True
    ):
        assert one.shape == two.shape == x.shape and one.dtype == two.dtype == x.dtype
        np.testing.assert_array_equal(one, three)
        assert_near(two, one, rtol, circuit.code())
    moved = [np.asarray(x * 1.25 + 0.05, x.dtype) for x in inputs]
    try:
        _, there = circuit.machine("interpret")(moved)
        value, quick = circuit.machine("staged")(moved)
    except GuardError:
        return program, circuit
    anew = cr.trace(program, moved)
    assert_near(value, anew.value, rtol, circuit.code())
    for one, two, three in zip(
        anew.gradients["values"], there["values"], quick["values"], strict=True
    ):
        np.testing.assert_array_equal(one, two)
        assert_near(three, one, rtol, circuit.code())
    return program, circuit


def on_numbers(steps: Any) -> Callable[[list[Any]], Any]:
    """Return the program of steps on a list of numbers, where no step is left out."""

    def program(values: list[Any]) -> Any:
        wires = list(values)
        for _, function, *at in steps:
            taken = at[: inputs_taken(function)]
            wires.append(function(*(wires[k % len(wires)] for k in taken)))
        return wires[-1] + wires[len(wires) // 2] * 0.5

    return program


def slopes_agree(program: Any, circuit: Any, inputs: list[Any]) -> None:
    generator = np.random.default_rng(1)
    along = [generator.normal(size=x.shape) for x in inputs]
    h = 1e-4

    def at(step: float) -> float:
        return float(
            program([np.asarray(x + step * d) for x, d in zip(inputs, along, strict=True)])
        )

    with np.errstate(all="ignore"):
        expected = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    gradients = circuit.gradients["values"]
    ours = sum(float(np.sum(g * d)) for g, d in zip(gradients, along, strict=True))
    size = max([1.0, abs(expected), *(float(np.max(np.abs(g), initial=0)) for g in gradients)])
    if math.isfinite(expected) and size < 1e6:
        assert ours == pytest.approx(expected, abs=1e-6 * size), circuit.code()


@bounded
@given(programs(SMOOTH_UNARY, BINARY, REDUCING, SHAPING), SHAPES, st.integers(0, 9))
def test_smooth_programs_in_double_precision(steps, shapes, seed):
    inputs = inputs_of(shapes, seed, np.float64)
    program, circuit = check(steps, inputs, 1e-11)
    slopes_agree(program, circuit, inputs)


@bounded
@given(programs(SMOOTH_UNARY, BINARY, REDUCING, SHAPING), SHAPES, st.integers(0, 9))
def test_smooth_programs_in_single_precision(steps, shapes, seed):
    inputs = inputs_of(shapes, seed, np.float32)
    _, circuit = check(steps, inputs, 1e-4)
    assert np.asarray(circuit.value).dtype == np.float32


@bounded
@given(
    programs(SMOOTH_UNARY, BINARY, REDUCING, SHAPING, EDGED_UNARY, EDGED_BINARY),
    SHAPES,
    st.integers(0, 9),
)
def test_programs_with_nan_and_infinities(steps, shapes, seed):
    inputs = inputs_of(shapes, seed, np.float64)
    check(steps, inputs, 1e-9)


@bounded
@given(
    programs(SMOOTH_UNARY, BINARY, EDGED_UNARY, EDGED_BINARY),
    st.lists(
        st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.5, -0.25, 1e-3, 30.0]), min_size=1, max_size=3
    ),
)
def test_programs_on_python_floats(steps, values):
    program = on_numbers(steps)
    with np.errstate(all="ignore"):
        plain = program([np.float64(v) for v in values])
    circuit = cr.trace(program, values)
    assert_near(circuit.value, plain, 1e-12, "value")
    arrays = cr.trace(program, [np.array(v) for v in values])
    value, staged = circuit.machine("staged")(values)
    again, interpreted = circuit.machine("interpret")(values)
    assert_near(value, plain, 1e-12, circuit.code())
    assert_near(again, plain, 1e-12, "interpret")
    for one, two, three, four in zip(
        circuit.gradients["values"],
        staged["values"],
        interpreted["values"],
        arrays.gradients["values"],
        strict=True,
    ):
        assert type(one) is type(three) is float
        assert_near(two, one, 1e-9, circuit.code())
        assert_near(three, one, 0.0, "interpret")
        assert_near(one, four, 1e-9, "as arrays")
