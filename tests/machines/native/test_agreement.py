"""The native machine gives what the reference machine gives: every gate, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.tree import flatten
from chainrule.gates import GATES, Gate
from chainrule.machines.interpret import interpret
from chainrule.machines.native.machine import Native
from chainrule.tracing.record import record
from tests.gates.support import cases

EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e300, 0.5, 2.0, -3.7, 710.0]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}


def results(gate: Gate, settings: dict[str, Any], inputs: list[Any], seed: int = 3) -> Any:
    """Return a function of the gate's float inputs that gives the value and the gradients."""
    floats = [k for k, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]
    generator = np.random.default_rng(seed)

    def function(*given: Any) -> Any:
        def value(*moved: Any) -> Any:
            arguments = list(inputs)
            for k, x in zip(floats, moved, strict=True):
                arguments[k] = x
            return gate(*arguments, **settings)

        if not gate.has_gradient:
            return value(*given)
        out, pullback = cr.vjp(value, *given)
        shape, dtype = np.shape(out), np.asarray(getattr(out, "_value", out)).dtype
        if dtype.kind != "f":
            return out
        return out, pullback(generator.normal(size=shape).astype(dtype)[()])

    return function, [inputs[k] for k in floats]


def assert_alike(found: Any, expected: Any, rtol: float) -> None:
    one, two = flatten(found)[0], flatten(expected)[0]
    assert len(one) == len(two)
    for x, y in zip(one, two, strict=True):
        assert np.shape(x) == np.shape(y) and np.asarray(x).dtype == np.asarray(y).dtype
        if np.ndim(y):
            assert isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
        if np.asarray(y).dtype.kind != "f":
            np.testing.assert_array_equal(x, y)
            continue
        scale = np.max(np.abs(y[np.isfinite(y)]), initial=0.0) if np.ndim(y) else 0.0
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * min(scale, 1e30))


def agree(function: Any, *points: Any, rtol: float) -> Native:
    """Compile at the first point, run at all; return the machine."""
    with np.errstate(all="ignore"):
        circuit = record(function, points[0], {})
    native, reference = Native(circuit, threads=1), interpret(circuit)
    for point in points:
        leaves = flatten(point)[0]
        with np.errstate(all="ignore"):
            expected = reference(*leaves)
        assert_alike(native(*leaves), expected, rtol)
    return native


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_every_gate_and_its_gradient(gate, dtype):
    for settings, inputs in cases(gate):
        given = [
            x.astype(dtype) if np.asarray(x).dtype == float and np.ndim(x) else x for x in inputs
        ]
        function, floats = results(gate, settings, given)
        if floats:
            agree(function, tuple(floats), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "gate", [g for g in GATES.values() if g.local is not None], ids=lambda gate: gate.name
)
def test_elementwise_gates_at_the_edges(gate, dtype):
    settings, inputs = next(cases(gate))
    if any(np.asarray(x).dtype.kind != "f" for x in inputs):
        pytest.skip("takes truth values")
    with np.errstate(over="ignore"):
        edges = np.array(EDGES).astype(dtype)
    if len(inputs) == 1:
        point = (edges,)
    else:
        first, second = np.meshgrid(edges, edges)
        point = (first.ravel(), second.ravel(), second.ravel()[::-1].copy())[: len(inputs)]
    agree(lambda *given: gate(*given, **settings), point, rtol=TOLERANCE[dtype])
