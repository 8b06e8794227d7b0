"""W2: the formula of W1 over arrays: the value array and both gradient arrays, fresh each call."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload

SIZES = {"1e3": 1_000, "1e5": 100_000, "1e7": 10_000_000}


def draw(generator: np.random.Generator, quick: bool, *, size: int, dtype: type) -> Inputs:
    size = min(size, 100_000) if quick else size
    # |x + y| stays away from 0, where f is steep and float32 has few digits left to compare.
    x, y = generator.uniform(0.5, 3.0, size), generator.uniform(-0.25, 2.0, size)
    return {"x": x.astype(dtype), "y": y.astype(dtype)}


def arguments(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    return inputs["x"], inputs["y"]


def formula(x, y):
    sigx, sigy = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-y))
    return (x + sigy) / (sigx + (x + y) ** 2)


def ours(inputs: Inputs) -> Run:
    import chainrule as cr

    def value_and_gradients(x, y):
        value, pullback = cr.vjp(formula, x, y)
        return value, *pullback(np.ones_like(value))

    return Run(cr.compile(value_and_gradients), arguments(inputs))


def numpy(inputs: Inputs) -> Run:
    def value_and_gradients(x, y):
        sigx, sigy = np.negative(x), np.negative(y)
        for sigmoid in (sigx, sigy):
            np.exp(sigmoid, out=sigmoid)
            sigmoid += 1
            np.reciprocal(sigmoid, out=sigmoid)
        both = x + y
        inverse = both * both
        inverse += sigx
        np.reciprocal(inverse, out=inverse)
        value = x + sigy
        value *= inverse
        down = value * inverse  # minus the gradient of the denominator
        both *= 2
        both *= down
        np.multiply(sigx, down, out=down)
        np.subtract(1, sigx, out=sigx)
        down *= sigx
        dx = np.subtract(inverse, both)
        dx -= down
        dy = np.subtract(1, sigy)
        dy *= sigy
        dy *= inverse
        dy -= both
        return value, dx, dy

    return Run(value_and_gradients, arguments(inputs))


SOURCE = """
#include <cmath>

extern "C" void value_and_gradients(const REAL* __restrict x, const REAL* __restrict y,
    REAL* __restrict f, REAL* __restrict dx, REAL* __restrict dy, long size)
{
    for (long k = 0; k < size; ++k) {
        REAL sigx = 1 / (1 + std::exp(-x[k])), sigy = 1 / (1 + std::exp(-y[k]));
        REAL both = x[k] + y[k];
        REAL inverse = 1 / (sigx + both * both);
        REAL value = (x[k] + sigy) * inverse;
        REAL down = -value * inverse, shared = 2 * both * down;
        f[k] = value;
        dx[k] = shared + inverse + (1 - sigx) * sigx * down;
        dy[k] = shared + (1 - sigy) * sigy * inverse;
    }
}
"""


def cpp(inputs: Inputs) -> Run:
    from .native import build

    x, y = arguments(inputs)
    library = build(SOURCE.replace("REAL", "float" if x.dtype == np.float32 else "double"))
    function = library.value_and_gradients
    function.argtypes, function.restype = [ctypes.c_void_p] * 5 + [ctypes.c_long], None

    def value_and_gradients(x, y):
        f, dx, dy = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        # A quarter of what array.ctypes.data costs.
        arrays = map(ctypes.c_char.from_buffer, (x, y, f, dx, dy))
        function(*map(ctypes.addressof, arrays), x.size)
        return f, dx, dy

    return Run(value_and_gradients, (x, y))


def jax(inputs: Inputs) -> Run:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def f(x, y):
        sigx, sigy = 1 / (1 + jnp.exp(-x)), 1 / (1 + jnp.exp(-y))
        return (x + sigy) / (sigx + (x + y) ** 2)

    @jax.jit
    def value_and_gradients(x, y):
        value, pullback = jax.vjp(f, x, y)
        return value, *pullback(jnp.ones_like(value))

    def call(x, y):
        return jax.block_until_ready(value_and_gradients(x, y))

    return Run(call, tuple(map(jnp.asarray, arguments(inputs))))


def pytorch(inputs: Inputs) -> Run:
    import torch

    def f(x, y):
        sigx, sigy = 1 / (1 + torch.exp(-x)), 1 / (1 + torch.exp(-y))
        return (x + sigy) / (sigx + (x + y) ** 2)

    @torch.compile(fullgraph=True)
    def value_and_gradients(x, y):
        value, pullback = torch.func.vjp(f, x, y)
        return value, *pullback(torch.ones_like(value))

    def call(x, y):
        with torch.no_grad():
            return value_and_gradients(x, y)

    return Run(call, tuple(map(torch.from_numpy, arguments(inputs))))


def copies(inputs: Inputs) -> Run:
    return Run(lambda x, y: (x.copy(), x.copy(), y.copy()), arguments(inputs))


def case(size: str, dtype: type) -> Case:
    name = np.dtype(dtype).name
    aims = (Aim(1.0, "C++ -O3 by hand"),)
    if size == "1e7":
        aims += (Aim(1.5, "three bare copies"),)
    return Case(
        f"W2 {size} {name}",
        partial(draw, size=SIZES[size], dtype=dtype),
        (
            Contender("chainrule", ours, ("chainrule",), "ours"),
            Contender("C++ -O3 by hand", cpp),
            Contender("JAX jit", jax, ("jax",)),
            Contender("PyTorch compiled", pytorch, ("torch",)),
            Contender("NumPy by hand", numpy),
            Contender("three bare copies", copies, (), "limit", not_compared="copies"),
        ),
        reference="NumPy by hand",
        tolerance=1e-13 if name == "float64" else 1e-5,
        aims=aims,
    )


WORKLOAD = Workload(
    "W2",
    "the same over arrays, elementwise: the value array and both gradient arrays, fresh",
    tuple(case(size, dtype) for size in SIZES for dtype in (np.float64, np.float32)),
)
