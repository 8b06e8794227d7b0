"""Straight code of plain floats gives what the reference machine gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.circuit.columns import CONSTANT, INPUT, Columns
from chainrule.errors import GuardError
from chainrule.gates import GATES
from chainrule.machines.native.builder import module
from chainrule.machines.native.nodes import NotLowered
from chainrule.machines.native.number_gates import MOST_LITERALS, plain_number
from chainrule.machines.native.scalars import scalar_function
from chainrule.machines.native.target import AVX2, AVX512, NEON, SSE, assembly, host
from tests.corpus.scalars import SCALARS

from .number_circuits import (
    MACHINES,
    assert_agree,
    expected,
    inputs_of,
    large,
    random_function,
    read,
    recorded,
    straight,
    straight_rows,
)

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.7, math.inf, -math.inf, math.nan, 5e-324, 1e300, 800.0]
both = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


@both
@pytest.mark.parametrize("program", SCALARS, ids=lambda p: p.name)
def test_corpus(program, machine):
    gradients = cr.value_and_grad(program.function, argnums=tuple(range(len(program.args))))
    try:
        circuit = recorded(gradients, *program.args, **program.keywords)
    except TypeError:  # an argument that is no float has no gradient
        circuit = recorded(program.function, *program.args, **program.keywords)

    point = inputs_of(circuit)
    moved = [x * 1.01 + 0.001 for x in point]
    assert_agree(machine(circuit), circuit, point, moved, [-x for x in point])


@both
def test_edges(machine):
    def function(x, y):
        return (
            x / y, x * y - y, math.exp(x), math.tanh(y), math.sqrt(x), np.log(x), x**2.0,
            np.maximum(x, y), np.minimum(x, y), np.where(x > y, x, y), abs(x), np.sign(y),
            1.0 / (1.0 + math.exp(-x)), x % y, x // y, np.hypot(x, y),
        )  # fmt: skip

    circuit = recorded(function, 1.5, 0.7)
    run = machine(circuit)
    for x in EDGES:
        for y in EDGES:
            assert_agree(run, circuit, [x, y], rtol=1e-13)


@both
@pytest.mark.parametrize(
    ("function", "point", "others"),
    [
        (lambda x: x * x if x > 0 else -x, [1.0], [[2.0], [-1.0], [0.0], [math.nan]]),
        (lambda x: x if not x else 2 * x, [1.0], [[2.0], [-0.0], [math.nan]]),
        (lambda x, y: max(x, y) * 2 + abs(x), [1.0, 0.5], [[1.0, 2.0], [1.0, 1.0], [-1.0, -2.0]]),
        (lambda x: 1.0 if x == 2.0 else x, [2.0], [[2.0], [2.5]]),
    ],
)
def test_guards(function, point, others, machine):
    circuit = recorded(function, *point)
    assert circuit.guards
    assert_agree(machine(circuit), circuit, point, *others)


@both
def test_guards_of_a_while_loop(machine):
    def newton(x):
        guess = x
        while abs(guess * guess - x) > 1e-14 * x:
            guess = 0.5 * (guess + x / guess)
        return guess

    circuit = recorded(cr.value_and_grad(newton), 2.0)
    assert len(circuit.guards) > 4
    assert_agree(machine(circuit), circuit, [2.0], [2.1], [2.000001], [1e9], [0.3])


def one_gate(name: str, *numbers: float | None, guards=()) -> tuple[Columns, list[int]]:
    """Return columns of one gate; None is an input."""
    columns = Columns()
    for number in numbers:
        columns.append(INPUT if number is None else CONSTANT, (), {}, number)
    columns.append(GATES[name], tuple(range(len(numbers))), {}, None)
    return columns, [k for k, number in enumerate(numbers) if number is None]


def test_guard_that_saw_an_integer():
    columns, inputs = one_gate("add", None, 1.0)
    machine = straight_rows(columns, inputs, [2], [(2, 3)])
    # int() cuts towards zero
    assert machine([2.0]) == [3.0] and machine([2.9]) == [3.9]
    for x in (3.0, 1.99, math.nan, math.inf):
        with pytest.raises(GuardError):
            machine([x])


@both
def test_outputs_that_are_inputs_constants_and_truths(machine):
    circuit = recorded(lambda x, y: (y, x, 3.0, x, x > y, x + y, -0.0, (x > y) + (y > 1)), 1.0, 2.0)
    assert_agree(machine(circuit), circuit, [1.0, 2.0], [5.0, 0.5], [math.nan, math.inf])
    assert math.copysign(1.0, machine(circuit)([1.0, 2.0])[6]) == -1.0


@both
def test_reductions_of_one_number(machine):
    def function(x):
        return np.sum(x) + np.mean(x) * np.prod(x) + np.max(x) + np.min(x) + x.item()

    circuit = recorded(function, 1.5)
    assert machine(circuit)([2.5]) == [2.5 + 2.5 * 2.5 + 2.5 + 2.5 + 2.5]


@both
def test_a_circuit_without_gates_or_inputs(machine):
    assert machine(recorded(lambda x: 2.0, 1.0))([7.0]) == [2.0]
    assert machine(recorded(lambda: (1.0, 2.0)))([]) == [1.0, 2.0]


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.integers(1, 12),
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.sampled_from(EDGES), min_size=3, max_size=3),
)
def test_random_programs(seed, gates, span, point, edge):
    circuit = recorded(cr.value_and_grad(random_function(seed, gates, span)), point)
    one, other = straight(circuit), large(circuit)
    assert_agree(one, circuit, point, [x + 0.01 for x in point], rtol=1e-8)
    assert_agree(other, circuit, point, [x + 0.01 for x in point], rtol=1e-8)
    try:
        want = expected(circuit, edge)
    except GuardError:
        with pytest.raises(GuardError):
            one(edge)
        with pytest.raises(GuardError):
            other(edge)
    else:
        assert list(map(math.isnan, one(edge))) == list(map(math.isnan, want))
        np.testing.assert_array_equal(one(edge), other(edge))  # the same code in another order


@both
def test_gates_that_come_often_become_functions(machine):
    def function(x, y):
        values = [x, y]
        for k in range(60):  # no two turns alike: nothing to roll up
            a, b = values[-1], values[-(k * k % 7) % len(values) - 1]
            values.append(
                np.tanh(a - 0.1 * k) + (b % (1.5 + 0.01 * k)) + np.clip(a, -1.0, 0.01 * k)
            )
        return sum(values)

    circuit = recorded(cr.value_and_grad(function, (0, 1)), 0.3, -0.4)
    builder = scalar_function(*read(circuit), host())
    functions = [name for name in builder.globals if name.startswith(("tanh_", "mod_", "clip_"))]
    assert len([name for name in functions if name.startswith("tanh_")]) == 1
    assert len(functions) <= 3 * (MOST_LITERALS + 1)
    assert len(builder.lines) < 3000
    assert_agree(machine(circuit), circuit, [0.3, -0.4], [3.0, math.inf], [math.nan, 1.0])


def test_a_gate_that_comes_rarely_is_written_in_place():
    circuit = recorded(lambda x: np.tanh(x) + np.tanh(x + 1.0), 1.0)
    builder = scalar_function(*read(circuit), host())
    assert not any(name.startswith("tanh_") for name in builder.globals)


def test_rows_that_nobody_needs_are_not_written():
    circuit = recorded(lambda x: (math.exp(x), x + 1.0)[1], 1.0)
    columns = circuit.columns
    text = scalar_function(columns, circuit.inputs, circuit.outputs, (), host()).text()
    assert len(text.splitlines()) < 9 and "fadd" in text


def test_what_cannot_be_lowered_says_so():
    columns, inputs = one_gate("inv", None)
    with pytest.raises(NotLowered, match="no emitter for inv"):
        scalar_function(columns, inputs, [1], (), host())
    columns, inputs = one_gate("add", None, np.ones(2))
    with pytest.raises(NotLowered, match="constant of type ndarray"):
        scalar_function(columns, inputs, [2], (), host())
    with pytest.raises(NotLowered, match="no double can hold"):
        plain_number(2**60 + 1)
    assert plain_number(2**53) == 2.0**53 and plain_number(-3) == -3.0


@pytest.mark.parametrize("target", [SSE, AVX2, AVX512, NEON], ids=["sse", "avx2", "avx512", "neon"])
def test_emission_for_other_processors(target):
    circuit = recorded(cr.value_and_grad(lambda x, y: math.exp(x) * y if x < y else x), 1.0, 2.0)
    columns, outputs = circuit.columns, circuit.outputs
    function = scalar_function(columns, circuit.inputs, outputs, circuit.guards, target)
    assert "scalars:" in assembly(module([function]), target)
