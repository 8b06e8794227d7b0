"""A wrong rule planted in any gate of any table is found, and named.

The slips are those that people make: a sign, a factor, a term left out, the other input's rule, a
transpose, a sum forgotten. One that happens to change nothing at the example (half of nothing, the
transpose of one row) is no slip there and is passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.circuit.columns import CONSTANT, INPUT
from chainrule.debugging.check import check_circuit
from chainrule.face import TracedCircuit, trace
from chainrule.gates import GATES, Gate
from tests.gates.support import cases, is_real

WITH_GRADIENT = [gate for gate in GATES.values() if gate.has_gradient]
# Those few whose every slope is 0 wherever they have one, or that give no floats.
FLAT = {gate.name for gate in WITH_GRADIENT if gate.pattern == "stops"}


def sign(part: Any) -> Any:
    return -part


def factor(part: Any) -> Any:
    return part * 1.01


def dropped(part: Any) -> Any:
    return part * 0.0


def invented(part: Any) -> Any:
    return part + 1.0


def last_element(part: Any) -> Any:
    wrong = np.array(part, float)
    wrong.flat[-1:] *= 1.5
    return wrong


def transposed(part: Any) -> Any:
    part = np.asarray(part)
    return part.T.copy() if part.ndim > 1 and part.shape == part.T.shape else part


def missing_sum(part: Any) -> Any:
    return np.stack([part, part])


ELEMENTWISE = (sign, factor, dropped, invented)
STRUCTURAL = (sign, factor, dropped, invented, last_element, transposed, missing_sum)


def with_rule(gate: Gate, index: int, rule: Callable[..., Any]) -> Gate:
    """Return the gate with another rule for one input."""
    if gate.local is not None:
        rules = list(gate.local)
        rules[index] = rule
        return dataclasses.replace(gate, local=tuple(rules))

    def vjp(which: int, *args: Any, **settings: Any) -> Any:
        return (rule if which == index else gate.rule(which)[1])(*args, **settings)

    return dataclasses.replace(gate, vjp=vjp)


def planted(gate: Gate, index: int, count: int) -> Iterator[tuple[str, Gate]]:
    """Yield a gate for each slip in the rule of one input."""
    is_local, right = gate.rule(index)
    for slip in ELEMENTWISE if is_local else STRUCTURAL:

        def wrong(*args: Any, slip: Any = slip, **settings: Any) -> Any:
            part = right(*args, **settings)
            return part if part is None else slip(part)

        yield slip.__name__, with_rule(gate, index, wrong)
    for other in range(count):
        if other != index:
            yield f"the rule of input {other}", with_rule(gate, index, gate.rule(other)[1])


def makes_a_difference(gate: Gate, wrong: Gate, index: int, values: list[Any], out: Any,
                       settings: Any) -> bool:  # fmt: skip
    g = () if gate.local is not None else (np.random.default_rng(5).normal(size=np.shape(out)),)
    try:
        parts = [it.rule(index)[1](*g, out, *values, **settings) for it in (gate, wrong)]
        one, two = (
            np.asarray(np.zeros(np.shape(values[index])) if part is None else part, float)
            for part in parts
        )
    except Exception:
        return True
    if gate.local is None and (one.shape != two.shape):
        return True
    return not np.allclose(one, two, rtol=1e-5, atol=1e-12)


def circuits(gate: Gate) -> Iterator[tuple[TracedCircuit, int, list[Any], dict[str, Any]]]:
    for settings, inputs in cases(gate):
        if not any(is_real(x) and np.size(x) for x in inputs):
            continue
        inputs = [x[:4] for x in inputs] if gate.local is not None else inputs
        circuit = trace(lambda *xs, settings=settings: gate(*xs, **settings), *inputs)
        (row,) = circuit.outputs
        if circuit.columns.gates[row] in (INPUT, CONSTANT) or not np.size(circuit.value):
            continue
        yield circuit, row, inputs, settings


@pytest.mark.parametrize("gate", WITH_GRADIENT, ids=lambda gate: gate.name)
def test_a_wrong_rule_is_found_and_named(gate: Gate) -> None:
    tried = 0
    for circuit, row, inputs, settings in circuits(gate):
        if np.asarray(circuit.value).dtype.kind != "f":
            continue
        report = check_circuit(circuit)
        assert report.ok, f"{settings}: {report}"
        assert not report.failures
        values = [circuit.columns.values[k] for k in circuit.columns.inputs(row)]
        for index, x in enumerate(inputs):
            if not is_real(x) or not np.size(x):
                continue
            for slip, wrong in planted(gate, index, len(inputs)):
                if not makes_a_difference(gate, wrong, index, values, circuit.value, settings):
                    continue
                tried += 1
                circuit.columns.gates[row] = wrong
                report = check_circuit(circuit)
                circuit.columns.gates[row] = gate
                what = f"{slip} in input {index} of {gate.name}, {settings}"
                assert not report.ok, f"{what} passed: {report}"
                first = report.failures[0]
                assert first.gate == gate.name, f"{what}: {report}"
                assert first.wire == circuit.names[row]
                assert first.input == circuit.names[circuit.columns.inputs(row)[index]], what
    assert tried or gate.name in FLAT or gate.name == "heaviside", "nothing was planted"
