"""Random programs: machine code, the interpreter and plain NumPy agree, NaN for NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import GuardError
from chainrule.machines.interpret import interpret
from chainrule.machines.native.machine import Native
from chainrule.tracing.record import record
from tests.corpus.test_random_programs import (
    BINARY,
    EDGED_BINARY,
    EDGED_UNARY,
    REDUCING,
    SHAPES,
    SHAPING,
    SMOOTH_UNARY,
    applied,
    bounded,
    inputs_of,
    on_numbers,
    programs,
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def assert_near(one: Any, two: Any, rtol: float, what: str) -> None:
    """Compare relative to the largest, and to 1: what cancels keeps the rounding of its parts."""
    scale = np.max(np.abs(two[np.isfinite(two)]), initial=1.0) if np.ndim(two) else 1.0
    np.testing.assert_allclose(one, two, rtol=rtol, atol=rtol * min(scale, 1e30), err_msg=what)


def agree(program: Any, points: list[list[Any]], rtol: float) -> None:
    """Hold value and gradients together at the first point and at others."""
    with np.errstate(all="ignore"):
        circuit = record(cr.value_and_grad(program), (points[0],), {})
        native, reference = Native(circuit, threads=1), interpret(circuit)
        for leaves in points:
            try:
                value, gradients = reference(*leaves)
            except GuardError:
                with pytest.raises(GuardError):
                    native(*leaves)
                continue
            found, slopes = native(*leaves)
            assert_near(found, value, rtol, native.report())
            for one, two in zip(slopes, gradients, strict=True):
                assert np.shape(one) == np.shape(two)
                assert_near(one, two, rtol, native.report())


@bounded
@given(
    programs(SMOOTH_UNARY, BINARY, REDUCING, SHAPING, EDGED_UNARY, EDGED_BINARY),
    SHAPES,
    st.integers(0, 9),
    st.sampled_from([np.float64, np.float32]),
)
def test_on_arrays(steps, shapes, seed, dtype):
    inputs = inputs_of(shapes, seed, dtype)
    moved = [np.asarray(x * 1.25 + 0.05, x.dtype) for x in inputs]
    agree(
        lambda values: applied(steps, values),
        [inputs, moved],
        1e-9 if dtype is np.float64 else 2e-3,
    )


@bounded
@given(
    programs(SMOOTH_UNARY, BINARY, EDGED_UNARY, EDGED_BINARY),
    st.lists(
        st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.5, -0.25, 1e-3, 30.0]), min_size=1, max_size=3
    ),
)
def test_on_python_floats(steps, values):
    agree(on_numbers(steps), [values, [v * 0.75 + 0.125 for v in values]], 1e-9)
