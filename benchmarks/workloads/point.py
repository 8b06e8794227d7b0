"""W1: value and both gradients of one formula at one point, Python floats in and out.

f = (x + s(y)) / (s(x) + (x + y)²) with the sigmoid s, as in `benchmarks/staged.py`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.staged import by_hand, staged_example

from .case import Aim, Case, Contender, Inputs, Run, Workload

POINT = (3.0, -4.0)


def draw(generator: np.random.Generator, quick: bool) -> Inputs:
    """Return nothing: the point is fixed, every contender is given Python's own floats."""
    return {}


def ours(inputs: Inputs) -> Run:
    import chainrule as cr

    return Run(cr.compile(cr.value_and_grad(staged_example, (0, 1))), POINT)


def python(inputs: Inputs) -> Run:
    return Run(by_hand, POINT)


def numba(inputs: Inputs) -> Run:
    from numba import njit

    return Run(njit(by_hand), POINT)


def casadi(inputs: Inputs) -> Run:
    import casadi as cs

    x, y = cs.SX.sym("x"), cs.SX.sym("y")
    sigx, sigy = 1 / (1 + cs.exp(-x)), 1 / (1 + cs.exp(-y))
    f = (x + sigy) / (sigx + (x + y) ** 2)
    function = cs.Function("f", [x, y], [f, cs.jacobian(f, x), cs.jacobian(f, y)])
    # Buffers of our own spare the conversions of an ordinary call, which cost several times more.
    buffer, evaluate = function.buffer()
    given, found = np.zeros((2, 1)), np.zeros((3, 1))
    for k in range(2):
        buffer.set_arg(k, memoryview(given[k]))
    for k in range(3):
        buffer.set_res(k, memoryview(found[k]))
    into, out_of = memoryview(given.ravel()), memoryview(found.ravel())

    def call(x: float, y: float) -> tuple[float, float, float]:
        into[0] = x
        into[1] = y
        evaluate()
        return out_of[0], out_of[1], out_of[2]

    call.keep = buffer, given, found  # type: ignore[attr-defined]
    return Run(call, POINT)


def jax(inputs: Inputs) -> Run:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    def value_and_gradients(x, y):
        def f(x, y):
            sigx, sigy = 1.0 / (1 + jnp.exp(-x)), 1.0 / (1 + jnp.exp(-y))
            return (x + sigy) / (sigx + (x + y) ** 2)

        return jax.value_and_grad(f, (0, 1))(x, y)

    def call(x: float, y: float) -> tuple[float, float, float]:
        value, (dx, dy) = value_and_gradients(x, y)
        return float(value), float(dx), float(dy)

    return Run(call, POINT)


def objects(inputs: Inputs) -> Run:
    from benchmarks.define_by_run import Value

    from .objects import square

    one = Value(1.0)

    def call(x: float, y: float) -> tuple[float, float, float]:
        u, v = Value(x), Value(y)
        sigx, sigy = one / ((-u).exp() + one), one / ((-v).exp() + one)
        f = (u + sigy) / (sigx + square(u + v))
        f.backward()
        return f.data, u.grad, v.grad

    return Run(call, POINT)


def pytorch(inputs: Inputs) -> Run:
    import torch

    def call(x: float, y: float) -> tuple[float, float, float]:
        u = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        v = torch.tensor(y, dtype=torch.float64, requires_grad=True)
        sigx, sigy = 1.0 / (1 + torch.exp(-u)), 1.0 / (1 + torch.exp(-v))
        f = (u + sigy) / (sigx + (u + v) ** 2)
        f.backward()
        return f.item(), u.grad.item(), v.grad.item()

    return Run(call, POINT)


def autograd(inputs: Inputs) -> Run:
    from autograd import numpy as anp
    from autograd import value_and_grad

    def f(point):
        x, y = point
        sigx, sigy = 1.0 / (1 + anp.exp(-x)), 1.0 / (1 + anp.exp(-y))
        return (x + sigy) / (sigx + (x + y) ** 2)

    both = value_and_grad(f)

    def call(x: float, y: float) -> tuple[float, float, float]:
        value, (dx, dy) = both((x, y))
        return float(value), float(dx), float(dy)

    return Run(call, POINT)


def limit(inputs: Inputs) -> Run:
    return Run(divmod, POINT)  # two floats in, fresh floats in a fresh tuple out


WORKLOAD = Workload(
    "W1",
    "value and both gradients of the staged example at one point, Python floats in and out",
    (
        Case(
            "W1",
            draw,
            (
                Contender("chainrule", ours, ("chainrule",), "ours"),
                Contender("Numba by hand", numba, ("numba",)),
                Contender("Python by hand", python),
                Contender("CasADi", casadi, ("casadi",)),
                Contender("JAX jit", jax, ("jax",)),
                Contender("objects as micrograd's", objects),
                Contender("PyTorch eager", pytorch, ("torch",)),
                Contender("autograd", autograd, ("autograd",)),
                Contender("divmod(x, y)", limit, (), "limit", not_compared="a built-in call"),
            ),
            reference="Python by hand",
            tolerance=1e-14,
            aims=(Aim(0.8, "Numba by hand"),),
        ),
    ),
)
