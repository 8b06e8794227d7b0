"""Circuits for the tests of the picture: the lecture's, a network's, and generated ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from chainrule.face import TracedCircuit, trace
from chainrule.tour.examples import cost, initial, neuron, staged

A = trace("(x + y) * z", x=-2, y=5, z=-4)
B = trace(neuron, [2.0, -3.0, -3.0], [-1.0, -2.0])
C = trace(staged, 3.0, -4.0)
D = trace("2 * (x * y + max(z, w))", x=3, y=-4, z=2, w=-1)
REFERENCE = {"A": A, "B": B, "C": C, "D": D}


def network() -> TracedCircuit:
    """Return the tour's 64-30-10 network at its start, on 20 random images."""
    rng = np.random.default_rng(0)
    images, targets = rng.random((20, 64)), np.eye(10)[np.arange(20) % 10]
    return trace(cost, initial((64, 30, 10), rng), images, targets)


def two_layers(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    h = np.tanh(x @ w1 + b1)
    out = h @ w2 + b2
    return np.mean((out - 1.0) ** 2)


def small_network() -> TracedCircuit:
    rng = np.random.default_rng(1)
    shapes = ((5, 4), (4, 3), (3,), (3, 2), (2,))
    return trace(two_layers, *(rng.normal(size=shape).round(3) for shape in shapes))


def loop(x: Any, y: Any) -> Any:
    for _ in range(15):
        x = x * 0.9 + y * 0.1
        y = math.sin(x)
    return x + y


def built(inputs: int, steps: list[tuple[int, int, int]]) -> TracedCircuit:
    """Return a circuit of gates that each say what they read, counted back from the last."""

    def generated(*start: Any) -> Any:
        values = list(start)
        for kind, first, second in steps:
            a, b = values[-1 - first % len(values)], values[-1 - second % len(values)]
            values.append(
                (
                    lambda a, b: a + b,
                    lambda a, b: a - b,
                    lambda a, b: a * b,
                    lambda a, b: np.tanh(a),
                    lambda a, b: 0.5 * a,
                    lambda a, b: np.maximum(a, b),
                    lambda a, b: np.where(a > b, a, b),
                )[kind](a, b)
            )
        return sum(values[inputs:], 0.0 * values[0])

    return trace(generated, *(0.5 + 0.25 * k for k in range(inputs)))


steps = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=40
)
generated = st.builds(built, st.integers(1, 5), steps)
