"""What is true of every gate, tested once over all the tables, and the tests themselves tested.

`SABOTAGE` holds, for each check, gates made wrong on purpose that it must catch.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.gates import GATES, TABLES, Gate, inputs_of, settings_of
from chainrule.gates.gate import example

from .checks import (
    ODD,
    check_central,
    check_code,
    check_complex_step,
    check_entry,
    check_float32,
    check_layouts,
    check_nan,
    check_numpy,
    check_python_floats,
    check_second_order,
    check_shapes,
    check_vjp,
)
from .support import settings_to_try

ALL = list(GATES.values())
ELEMENTWISE = [gate for gate in ALL if gate.local is not None]
STRUCTURAL = [gate for gate in ALL if gate.vjp is not None]


def names(gate: Gate) -> str:
    return gate.name


@pytest.mark.parametrize("gate", ALL, ids=names)
@pytest.mark.parametrize(
    "check", [check_entry, check_layouts, check_numpy, check_float32, check_code]
)
def test_every_gate(check: Callable[[Gate], None], gate: Gate) -> None:
    check(gate)


@pytest.mark.parametrize("gate", ELEMENTWISE, ids=names)
@pytest.mark.parametrize(
    "check",
    [
        check_shapes,
        check_python_floats,
        check_central,
        check_complex_step,
        check_second_order,
        check_nan,
    ],
)
def test_every_elementwise_gate(check: Callable[[Gate], None], gate: Gate) -> None:
    check(gate)


@pytest.mark.parametrize("gate", STRUCTURAL, ids=names)
def test_every_structural_gate(gate: Gate) -> None:
    check_vjp(gate)


def test_names_are_unique() -> None:
    listed = [gate.name for table in TABLES.values() for gate in table]
    assert sorted(listed) == sorted(set(listed))


def test_no_two_gates_answer_to_the_same_numpy_function() -> None:
    functions = [
        gate.numpy or gate.forward
        for gate in ALL
        if gate.numpy is not None or isinstance(gate.forward, np.ufunc)
    ]
    assert len(functions) == len(set(functions))


def test_settings_without_a_default_are_in_every_example() -> None:
    for gate in ALL:
        needed = {
            name
            for name, default in settings_of(gate).items()
            if default is inspect.Parameter.empty
        }
        for settings in settings_to_try(gate):
            assert needed <= set(settings), gate.name
        assert inputs_of(gate), gate.name


# ---------------------------------------------------------------------- the tests tested


def _module_constant(x: Any) -> Any:
    return np.maximum(x, ODD[0])


def _changes_its_input(x: Any) -> Any:
    x[...] = abs(x)
    return x


def _doubles(x: Any) -> Any:
    return np.asarray(np.sin(x), np.float64)


def changed(name: str, **fields: Any) -> Gate:
    return dataclasses.replace(GATES[name], **fields)


SIN, SOFTMAX, RELU = "sin", "softmax", "relu"
SABOTAGE: list[tuple[Callable[[Gate], None], Gate]] = [
    (check_entry, changed(SIN, local=GATES["add"].local)),
    (check_entry, changed(SIN, vjp=GATES[SOFTMAX].vjp)),
    (check_entry, changed(SIN, local=None)),
    (check_entry, changed(SIN, pattern="wanders")),
    (check_entry, changed(SIN, words="adds {0} and {1}")),
    (check_entry, changed(SOFTMAX, examples=())),
    (check_entry, changed(SOFTMAX, examples=(example((2,), axes=0),))),
    (check_layouts, changed("absolute", forward=_changes_its_input)),
    (check_layouts, changed(SIN, forward=lambda x: np.sin(x) + 0.1 * (x.strides[0] > 8))),
    (check_numpy, changed("clip", forward=lambda a, a_min, a_max: np.maximum(a, a_min))),
    (check_shapes, changed(SIN, forward=lambda x: np.atleast_1d(np.sin(x)))),
    (check_shapes, changed("add", forward=lambda x, y: np.ravel(x) + np.ravel(y))),
    (check_float32, changed(SIN, forward=_doubles)),
    (check_float32, changed(RELU, local=(lambda out, x: np.where(x > 0, 1.0, 0.0),))),
    (check_python_floats, changed(SIN, scalar=math.cos)),
    (check_python_floats, changed("maximum", scalar=max)),
    (check_python_floats, changed(SIN, scalar=np.sin)),
    (check_central, changed(SIN, local=(lambda out, x: np.sin(x),))),
    (check_central, changed("subtract", local=GATES["add"].local)),
    (check_central, changed("logaddexp", local=GATES["logaddexp"].local[::-1])),
    (check_complex_step, changed(SIN, local=(lambda out, x: np.cos(x) * (1 + 1e-11),))),
    (check_second_order, changed(SIN, local=(lambda out, x: np.cos(getattr(x, "value", x)),))),
    (check_nan, changed(RELU, local=(lambda out, x: np.where(x > 0, 1.0, 0.0),))),
    (check_nan, changed(RELU, forward=lambda x: np.where(x > 0, x, 0.0))),
    (check_vjp, changed(SOFTMAX, vjp=(lambda g, out, x, *, axis=-1: out * g,))),
    (check_vjp, changed(SOFTMAX, vjp=(lambda g, out, x, *, axis=-1: np.zeros(()),))),
    (check_code, changed(SIN, code="np.cos({0})")),
    (check_code, changed(SIN, scalar_code="np.atleast_1d(math.sin({0}))")),
    (check_code, changed(SIN, code="scipy.sin({0})")),
    (check_code, changed(RELU, code="", forward=_module_constant)),
]


@pytest.mark.parametrize(("check", "gate"), SABOTAGE)
def test_a_wrong_gate_is_caught(check: Callable[[Gate], None], gate: Gate) -> None:
    check(GATES[gate.name])
    with pytest.raises((AssertionError, NameError, ValueError)):
        check(gate)
