"""Functions drawn at random: right gradients pass, and a slip in one gate is named."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.debugging.check import check_circuit
from chainrule.face import trace
from chainrule.gates import GATES

SMOOTH = ("sin", "cos", "tanh", "exp", "square", "arctan", "sigmoid", "softplus", "expm1")
KINKED = ("absolute", "relu", "leaky_relu", "elu")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "hypot", "logaddexp")
SHAPES: Any = st.sampled_from([(), (3,), (2, 3), (2, 1)])


@st.composite
def programs(draw: Any) -> tuple[list[tuple[str, int, int]], list[np.ndarray]]:
    """Draw gates with the places of their inputs, counted from the end, and starting values."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SMOOTH + KINKED + BINARY), st.integers(1, 3), st.integers(1, 3)
            ),
            min_size=1,
            max_size=8,
        )
    )
    numbers = st.one_of(
        st.floats(-3, 3, allow_subnormal=False, width=32),
        st.sampled_from([0.0, 1.0, -1.0, 1e-8, 2.5]),
    )
    values = []
    for shape in draw(st.lists(SHAPES, min_size=2, max_size=3)):
        count = int(np.prod(shape))
        drawn = draw(st.lists(numbers, min_size=count, max_size=count))
        values.append(np.reshape(np.array(drawn, float), shape))
    return steps, values


def run(steps: list[tuple[str, int, int]], values: Any) -> Any:
    stack = list(values)
    for name, first, second in steps:
        gate = GATES[name]
        a, b = stack[-min(first, len(stack))], stack[-min(second, len(stack))]
        if name == "exp":
            a = np.tanh(a)  # towers of exp overflow at once
        stack.append(gate(a, b) if name in BINARY else gate(a))
    return np.sum(stack[-1])


@settings(max_examples=100, deadline=None)
@given(programs())
def test_right_gradients_raise_no_alarm(program: Any) -> None:
    steps, values = program
    with np.errstate(all="ignore"):
        circuit = trace(lambda *xs: run(steps, xs), *values)
        # 0 * inf is NaN in a gradient even where the value forgets the inf, as tanh does.
        assume(all(np.all(np.isfinite(value)) for value in circuit.columns.values))
        report = check_circuit(circuit)
    assert not report.failures, str(report)


@settings(max_examples=50, deadline=None)
@given(programs(), st.randoms(use_true_random=False))
def test_a_planted_slip_is_named(program: Any, random: Any) -> None:
    steps, values = program
    values = [np.where(np.abs(x) < 0.1, x + 0.37, x) for x in values]
    with np.errstate(all="ignore"):
        circuit = trace(lambda *xs: run(steps, xs), *values)
        assume(np.isfinite(circuit.value) and abs(circuit.value) < 1e6)
        columns = circuit.columns
        rows = [
            row
            for row in circuit.gate_rows()
            if circuit.needed[row] and columns.gates[row].name in SMOOTH
        ]
        assume(rows)
        row = random.choice(rows)
        right = columns.gates[row]
        slope = right.local[0](columns.values[row], columns.values[columns.left[row]])
        assume(np.all(np.isfinite(slope)) and np.any(np.abs(slope) > 1e-3))
        columns.gates[row] = dataclasses.replace(
            right, local=(lambda out, x: right.local[0](out, x) * 1.001,)
        )
        report = check_circuit(circuit)
    assert not report.ok
    assert report.failures[0].wire == circuit.names[row]
