"""Circuits of plain floats for the tests, and the machines that run them."""

from __future__ import annotations

import ctypes
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from chainrule.circuit.circuit import Circuit
from chainrule.errors import GuardError
from chainrule.machines.interpret import run
from chainrule.machines.native import linking
from chainrule.machines.native.builder import module
from chainrule.machines.native.large import LargeMachine, LargeProgram, large_program
from chainrule.machines.native.lowering import simplified
from chainrule.machines.native.scalars import scalar_function
from chainrule.machines.native.target import Target, compile_object, host
from chainrule.tracing.record import record

Machine = Callable[[Sequence[float]], list[float]]
CANARY = 1.25e-77


def recorded(function: Callable[..., Any], *args: Any, **keywords: Any) -> Circuit:
    """Return the circuit of a function."""
    with np.errstate(all="ignore"):
        return record(function, args, keywords)


def read(circuit: Circuit) -> tuple[Any, list[int], list[int], list[tuple[int, Any]]]:
    """Return the simplified rows, and where inputs, outputs and guards are in them."""
    columns, rows, seen = simplified(circuit)
    n, m = len(circuit.inputs), len(circuit.outputs)
    return columns, rows[:n], rows[n : n + m], list(zip(rows[n + m :], seen, strict=True))


def straight(circuit: Circuit, target: Target | None = None) -> Machine:
    """Return the machine of one line of code."""
    return straight_rows(*read(circuit), target=target)


def straight_rows(
    columns: Any, inputs: Any, outputs: Any, guards: Any, target: Target | None = None
) -> Machine:
    """Return the machine of one line of code for rows; checks that it writes its outputs only."""
    target = target or host()
    text = module([scalar_function(columns, inputs, outputs, guards, target)])
    (address,) = linking.load(compile_object(text, target), ("scalars",))
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address)
    count = len(outputs)

    def machine(inputs: Sequence[float]) -> list[float]:
        given, out = np.array([*inputs, CANARY]), np.full(count + 2, CANARY)
        if call(given.ctypes.data, out[1:].ctypes.data):
            raise GuardError("another branch")
        assert out[0] == out[-1] == given[-1] == CANARY
        return out[1:-1].tolist()

    return machine


def program(circuit: Circuit, target: Target | None = None) -> LargeProgram:
    """Return the large program of a circuit."""
    return large_program(*read(circuit), target or host())


def large(circuit: Circuit, target: Target | None = None) -> Machine:
    """Return the machine of loops and runs."""
    return LargeMachine(program(circuit, target), target or host())


MACHINES = {"straight": straight, "large": large}


def expected(circuit: Circuit, inputs: Sequence[float]) -> list[float]:
    """Return the outputs by the reference machine."""
    with np.errstate(all="ignore"):
        values = run(circuit, inputs)
    return [float(values[row]) for row in circuit.outputs]


def inputs_of(circuit: Circuit) -> list[float]:
    """Return the point at which a circuit was recorded."""
    return [circuit.columns.values[row] for row in circuit.inputs]


def assert_agree(
    machine: Machine, circuit: Circuit, *points: Sequence[float], rtol: float = 1e-10
) -> None:
    """Check a machine against the reference machine: numbers, nan, infinities and guards."""
    for point in points or [inputs_of(circuit)]:
        try:
            want = expected(circuit, point)
        except GuardError:
            with pytest.raises(GuardError):
                machine(point)
            continue
        found = machine(point)
        sizes = [abs(v) for v in want if math.isfinite(v)]
        atol = rtol * min(max(sizes, default=0.0), 1e300)
        np.testing.assert_allclose(found, want, rtol=rtol, atol=atol)


STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - 0.5 * b,
    lambda a, b: 0.5 * a * b,
    lambda a, b: math.tanh(a),
    lambda a, b: a / (2.0 + b * b),
    lambda a, b: math.sin(a + 1.0),
    lambda a, b: np.where(a > b, a, 0.25 * b),
    lambda a, b: abs(a) * 0.5,
)


def random_function(
    seed: int, gates: int, span: int, steps: Sequence[Callable[[Any, Any], Any]] = STEPS
) -> Callable[[list[float]], Any]:
    """Return a function of a list that draws random steps over its latest `span` numbers."""

    def function(x: list[float]) -> Any:
        choice = random.Random(seed)
        values = list(x)
        for _ in range(gates):
            latest = values[-span:]
            values.append(choice.choice(steps)(choice.choice(latest), choice.choice(latest)))
        return sum(values[-3:])

    return function
