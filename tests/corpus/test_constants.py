"""Constants of every kind, in every place: folding them must not change a number or a type."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

CONSTANTS = [
    True, False, 1, 0, -1, 2, 0.0, -0.0, -1.0, 1.0, float("inf"),
    np.float64(1), np.float32(1), np.int64(1), np.True_, np.ones(3), np.ones(3, bool),
    np.ones(3, int), -np.ones(3), np.full(3, 0.5), np.full(3, np.nan), np.ones(()),
]  # fmt: skip
PROGRAMS = {
    "right": lambda x, k: np.sum(x * k),
    "both": lambda x, k: np.sum(k * x * k),
    "after": lambda x, k: np.sum(np.sum(x) * k),
    "minus": lambda x, k: np.sum(-(x * k)),
    "over": lambda x, k: np.sum(x * k / (k + 2.0)),
    "twice": lambda x, k: np.sum(2.0 * (3.0 * (x * k))),
}
POINTS = [np.arange(3.0), np.arange(3, dtype=np.float32), 2.0, np.float32(2), np.array(2.0)]


@pytest.mark.parametrize("constant", CONSTANTS, ids=repr)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_constant(name, constant):
    def program(x):
        return PROGRAMS[name](x, constant)

    for x in POINTS:
        with np.errstate(all="ignore"):
            plain = program(x)
            value, slope = cr.value_and_grad(program)(x)
            compiled = cr.compile(cr.value_and_grad(program))
            compiled(x)
            results = [compiled(x), cr.trace(program, x).machine("staged")(x)]
        np.testing.assert_allclose(value, plain, rtol=1e-6)
        assert np.shape(slope) == np.shape(x) and type(slope) is type(x)
        for other, gradient in results:
            gradient = gradient["x"] if isinstance(gradient, dict) else gradient
            np.testing.assert_allclose(other, value, rtol=1e-6)
            np.testing.assert_allclose(gradient, slope, rtol=1e-6)
