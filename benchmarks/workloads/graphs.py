"""W7: scalar graphs of 100,000 gates, value and gradients at a point, floats in and out.

`chain` repeats a body of eleven gates with other constants, so that JAX can scan it; `mixed` draws
each step and its inputs at random among the latest wires. Both are plain Python on numbers. The
output is a sum over all steps: no gate is dead, and neither values nor gradients die out, which
would make denormal numbers, whose arithmetic is another benchmark.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload

GATES, BODY, NEAR = 100_000, 11, 1000
POINT = (0.7, -0.4)


def draw_chain(generator: np.random.Generator, quick: bool) -> Inputs:
    count = (GATES // 10 if quick else GATES) // BODY
    return {"constants": generator.uniform(0.5, 0.9, (count, 2))}


def draw_mixed(generator: np.random.Generator, quick: bool) -> Inputs:
    """Return what each step does, and to which two wires before it."""
    gates = GATES // 10 if quick else GATES
    costs = np.array([3, 2, 3, 3, 4])  # gates of each kind of step below
    kinds = generator.integers(0, len(costs), gates)
    kinds = kinds[: np.searchsorted(np.cumsum(costs[kinds]), gates)]
    wires = len(POINT) + np.arange(len(kinds))
    back = generator.integers(1, np.minimum(wires, NEAR) + 1, (2, len(kinds)))
    return {"kinds": kinds, "first": wires - back[0], "second": wires - back[1]}


def function(inputs: Inputs, sin: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the graph as a function of two numbers, whatever stands for numbers."""
    if "constants" in inputs:
        constants = inputs["constants"].tolist()

        def chain(x, y):
            total = v = x
            w = y
            for c0, c1 in constants:
                u = v * c0 + w
                w = sin(u + x) * y / (w * w + 1.5)
                v = u * c1 + w
                total = total + v
            return total

        return chain
    steps = list(
        zip(*(inputs[name].tolist() for name in ("kinds", "first", "second")), strict=True)
    )

    def mixed(x, y):
        wires, total = [x, y], x
        for kind, first, second in steps:
            a, b = wires[first], wires[second]
            if kind == 0:
                wire = (a + b) * 0.5
            elif kind == 1:
                wire = a * b
            elif kind == 2:
                wire = (a - b) * 0.4
            elif kind == 3:
                wire = sin(a + 0.5)
            else:
                wire = a / (b * b + 1.5)
            wires.append(wire)
            total = total + wire
        return total

    return mixed


def ours(inputs: Inputs) -> Run:
    import chainrule as cr

    return Run(cr.compile(cr.value_and_grad(function(inputs, np.sin), (0, 1))), POINT)


def casadi(inputs: Inputs) -> Run:
    import casadi as cs

    x, y = cs.SX.sym("x"), cs.SX.sym("y")
    f = function(inputs, cs.sin)(x, y)
    both = cs.Function("f", [x, y], [f, cs.gradient(f, cs.vertcat(x, y))])
    buffer, evaluate = both.buffer()
    given, value, gradients = np.array(POINT), np.zeros(1), np.zeros(2)
    for k in range(2):
        buffer.set_arg(k, memoryview(given[k : k + 1]))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(gradients))

    def call(x: float, y: float) -> tuple[float, tuple[float, float]]:
        given[0], given[1] = x, y
        evaluate()
        return float(value[0]), (float(gradients[0]), float(gradients[1]))

    call.keep = buffer, both  # type: ignore[attr-defined]
    return Run(call, POINT)


def jax(inputs: Inputs) -> Run:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    constants = tuple(map(jnp.asarray, inputs["constants"].T.copy()))

    @jax.jit
    def both(x, y, constants):
        def f(x, y):
            def body(state, c):
                total, v, w = state
                c0, c1 = c
                u = v * c0 + w
                w = jnp.sin(u + x) * y / (w * w + 1.5)
                v = u * c1 + w
                return (total + v, v, w), None

            # The fastest of those tried: unrolled by four, it takes seven times as long.
            return jax.lax.scan(body, (x, x, y), constants)[0][0]

        return jax.value_and_grad(f, (0, 1))(x, y)

    def call(x: float, y: float) -> tuple[float, tuple[float, float]]:
        value, (dx, dy) = both(x, y, constants)
        return float(value), (float(dx), float(dy))

    return Run(call, POINT)


class Wire:
    """A number that writes what is done to it on the tape below."""

    def __init__(self, tape: list[tuple[int, int, int, float]], number: int) -> None:
        self.tape, self.number = tape, number

    def then(self, code: str, second: int = 0, constant: float = 0.0) -> Wire:
        """Write a gate of this wire, and perhaps of a second one, on the tape."""
        self.tape.append((CODES.index(code), self.number, second, constant))
        return Wire(self.tape, len(self.tape) - 1)

    def __add__(self, other: Any) -> Wire:
        if isinstance(other, Wire):
            return self.then("add", other.number)
        return self.then("shift", constant=other)

    def __sub__(self, other: Wire) -> Wire:
        return self.then("subtract", other.number)

    def __mul__(self, other: Any) -> Wire:
        if isinstance(other, Wire):
            return self.then("multiply", other.number)
        return self.then("scale", constant=other)

    __rmul__ = __mul__

    def __truediv__(self, other: Wire) -> Wire:
        return self.then("divide", other.number)


CODES = ("input", "add", "subtract", "multiply", "divide", "shift", "scale", "sin")
SOURCE = """
#include <cmath>
#include <cstring>

struct Gate { int code, first, second; double constant; };

extern "C" void run(const Gate* gates, long count, double* value, double* gradient)
{
    for (long k = 2; k < count; ++k) {
        const Gate& g = gates[k];
        const double a = value[g.first], b = value[g.second];
        double& out = value[k];
        switch (g.code) {
            case 1: out = a + b; break;
            case 2: out = a - b; break;
            case 3: out = a * b; break;
            case 4: out = a / b; break;
            case 5: out = a + g.constant; break;
            case 6: out = a * g.constant; break;
            case 7: out = std::sin(a); break;
        }
    }
    std::memset(gradient, 0, count * sizeof(double));
    gradient[count - 1] = 1.0;
    for (long k = count - 1; k >= 2; --k) {
        const Gate& g = gates[k];
        const double d = gradient[k];
        double &da = gradient[g.first], &db = gradient[g.second];
        switch (g.code) {
            case 1: da += d; db += d; break;
            case 2: da += d; db -= d; break;
            case 3: da += d * value[g.second]; db += d * value[g.first]; break;
            case 4: { double q = d / value[g.second]; da += q; db -= q * value[k]; break; }
            case 5: da += d; break;
            case 6: da += d * g.constant; break;
            case 7: da += d * std::cos(value[g.first]); break;
        }
    }
}
"""


def tape(inputs: Inputs) -> Run:
    """Return the limit: a tape in C++, recorded beforehand; the switch is all it decides."""
    from .native import build

    rows: list[tuple[int, int, int, float]] = [(0, 0, 0, 0.0), (0, 0, 0, 0.0)]
    last = function(inputs, lambda wire: wire.then("sin"))(Wire(rows, 0), Wire(rows, 1))
    fields = [("code", "i4"), ("first", "i4"), ("second", "i4"), ("constant", "f8")]
    gates = np.array(rows[: last.number + 1], np.dtype(fields, align=True))
    value, gradient = np.zeros(len(gates)), np.zeros(len(gates))
    run = build(SOURCE).run
    run.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    run.restype = None
    given = (gates.ctypes.data, len(gates), value.ctypes.data, gradient.ctypes.data)

    def call(x: float, y: float) -> tuple[float, tuple[float, float]]:
        value[0], value[1] = x, y
        run(*given)
        return float(value[-1]), (float(gradient[0]), float(gradient[1]))

    call.keep = gates  # type: ignore[attr-defined]
    return Run(call, POINT)


OURS = Contender("chainrule", ours, ("chainrule",), "ours")
CASADI = Contender("CasADi", casadi, ("casadi",))
TAPE = Contender("tape in C++", tape, (), "limit")
AIMS = (Aim(1.0), Aim(10.0, of=""))


def reference(inputs: Inputs) -> Run:
    """Return the objects' way, whose results are the reference: no compiler has touched them."""
    from benchmarks.define_by_run import Value

    def sin(value: Value) -> Value:
        result = Value(math.sin(value.data), (value,))

        def hand_on() -> None:
            value.grad += math.cos(value.data) * result.grad

        result.hand_on = hand_on
        return result

    graph = function(inputs, sin)

    def call(x: float, y: float) -> tuple[float, tuple[float, float]]:
        u, v = Value(x), Value(y)
        f = graph(u, v)
        f.backward()
        return f.data, (u.grad, v.grad)

    return Run(call, POINT)


OBJECTS = Contender("objects as micrograd's", reference)

WORKLOAD = Workload(
    "W7",
    "scalar graphs of 100,000 gates, value and both gradients",
    (
        Case(
            "W7 chain",
            draw_chain,
            (OURS, CASADI, Contender("JAX scan", jax, ("jax",)), OBJECTS, TAPE),
            reference=OBJECTS.name,
            tolerance=1e-9,
            aims=AIMS,
        ),
        Case(
            "W7 mixed",
            draw_mixed,
            (OURS, CASADI, OBJECTS, TAPE),
            reference=OBJECTS.name,
            tolerance=1e-9,
            aims=AIMS,
        ),
    ),
)
