"""What the tests of structural gates share: a vjp against central differences of its gate."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from chainrule.gates import Gate
from chainrule.gates.gate import Example

STEP = 1e-6


def drawn(example: Example, seed: int = 0) -> list[Any]:
    """Return the inputs of an example: given values as they are, others normal."""
    rng = np.random.default_rng(seed)
    given = example.values or (None,) * len(example.shapes)
    return [
        rng.normal(size=shape) if value is None else value
        for shape, value in zip(example.shapes, given, strict=True)
    ]


def call_vjp(gate: Gate, index: int, g: Any, inputs: list[Any], **settings: Any) -> Any:
    out = gate.forward(*inputs, **settings)
    return gate.rule(index)[1](g, out, *inputs, **settings)


def numeric_vjp(gate: Gate, index: int, g: Any, inputs: list[Any], **settings: Any) -> Any:
    """Return g · (out(x + h) - out(x - h)) / 2h for every element of one input."""
    base = np.array(inputs[index], dtype=float)
    gradient = np.zeros(base.shape)
    for place in np.ndindex(base.shape):
        sides = []
        for sign in (1, -1):
            moved = base.copy()
            moved[place] += sign * STEP
            changed = [*inputs[:index], moved, *inputs[index + 1 :]]
            sides.append(np.asarray(gate.forward(*changed, **settings), dtype=float))
        gradient[place] = np.sum(g * (sides[0] - sides[1])) / (2 * STEP)
    return gradient


def check_vjp(gate: Gate, inputs: list[Any], seed: int = 1, **settings: Any) -> None:
    """Assert that every float input of a gate gets the gradient that differences give it."""
    kept = [np.array(x) for x in inputs]
    out = gate.forward(*inputs, **settings)
    g = np.random.default_rng(seed).normal(size=np.shape(out))
    for index, x in enumerate(inputs):
        if np.asarray(x).dtype.kind != "f":
            continue
        found = call_vjp(gate, index, g, inputs, **settings)
        if found is None:  # a step: nothing flows
            found = np.zeros(np.shape(x))
        assert np.shape(found) == np.shape(x)
        expected = numeric_vjp(gate, index, g, inputs, **settings)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    for x, before in zip(inputs, kept, strict=True):
        np.testing.assert_array_equal(x, before)


def with_wrong_vjp(gate: Gate, factor: float = 1.01) -> Gate:
    """Return the gate with a gradient that is one percent off."""

    def wrong(index: int) -> Any:
        rule = gate.rule(index)[1]

        def scaled(*args: Any, **settings: Any) -> Any:
            found = rule(*args, **settings)
            return None if found is None else found * factor

        return scaled

    number = len(gate.vjp) if isinstance(gate.vjp, tuple) else None
    if number is None:
        vjp: Any = lambda index, *args, **settings: wrong(index)(*args, **settings)  # noqa: E731
    else:
        vjp = tuple(wrong(index) for index in range(number))
    return dataclasses.replace(gate, vjp=vjp)
