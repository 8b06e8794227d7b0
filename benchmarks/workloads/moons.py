"""W3: two moons, a 2-16-16-1 relu network, full batch, hinge and L2 loss, as in micrograd's demo.

A step of gradient descent inside a compiled loop, and value and gradients as one call.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload

EXAMPLES, SIZES, STEPS = 100, (2, 16, 16, 1), 1000
DECAY, RATE = 1e-4, 0.05
NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


def draw(generator: np.random.Generator, quick: bool) -> Inputs:
    """Return two half circles, labels of ±1, and weights as micrograd draws them."""
    angle = generator.uniform(0, np.pi, EXAMPLES)
    second = np.arange(EXAMPLES) % 2
    x = np.stack([np.cos(angle) * (1 - 2 * second) + second, np.sin(angle)], axis=1)
    x[:, 1] = np.where(second, 0.5 - x[:, 1], x[:, 1])
    inputs = {"x": x + generator.normal(0, 0.1, x.shape), "y": 2.0 * second[:, None] - 1}
    for k, (m, n) in enumerate(pairwise(SIZES), start=1):
        # A third of micrograd's range: its own makes the first steps leap, and rounding grows.
        inputs[f"W{k}"], inputs[f"b{k}"] = generator.uniform(-1, 1, (m, n)) / 3, np.zeros(n)
    return inputs


def split(inputs: Inputs) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    return [inputs[name] for name in NAMES], inputs["x"], inputs["y"]


# ------------------------------------------------------------------ chainrule


def cost(parameters, x, y):
    W1, b1, W2, b2, W3, b3 = parameters
    h = np.maximum(x @ W1 + b1, 0.0)
    h = np.maximum(h @ W2 + b2, 0.0)
    hinge = np.maximum(1.0 - y * (h @ W3 + b3), 0.0)
    return np.mean(hinge) + DECAY * sum(np.sum(p * p) for p in parameters)


def ours_loop(inputs: Inputs) -> Run:
    import chainrule as cr

    parameters, x, y = split(inputs)

    def train(times=20):  # fit traces the cost and finds its code once a call
        return cr.fit(
            cost,
            parameters,
            (x, y),
            epochs=STEPS * times,
            batch_size=len(x),
            optimizer=cr.SGD(RATE),
            shuffle=False,
            threads=1,
        ).parameters

    return Run(train, times=20, once=lambda: train(1))


def ours_call(inputs: Inputs) -> Run:
    import chainrule as cr

    return Run(cr.compile(cr.value_and_grad(cost)), split(inputs))


# ------------------------------------------------------------------ NumPy and Numba by hand


def by_hand(parameters, x, y):
    W1, b1, W2, b2, W3, b3 = parameters
    h1 = x @ W1
    h1 += b1
    np.maximum(h1, 0.0, out=h1)
    h2 = h1 @ W2
    h2 += b2
    np.maximum(h2, 0.0, out=h2)
    hinge = 1.0 - y * (h2 @ W3 + b3)
    value = np.maximum(hinge, 0.0).mean()
    value += DECAY * sum(np.vdot(p, p) for p in parameters)
    ds = np.where(hinge > 0.0, y, 0.0)
    ds *= -1.0 / len(x)
    d2 = ds * W3[:, 0]
    d2 *= h2 > 0.0
    d1 = d2 @ W2.T
    d1 *= h1 > 0.0
    gradients = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ ds, ds.sum(0)]
    for gradient, parameter in zip(gradients, parameters, strict=True):
        gradient += 2 * DECAY * parameter
    return value, gradients


def loop_of(step, parameters, x, y):
    """Return gradient descent in Python, with a `step` that returns value and gradients."""

    def train():
        trained = [p.copy() for p in parameters]
        for _ in range(STEPS):
            for p, g in zip(trained, step(trained, x, y)[1], strict=True):
                p -= RATE * g
        return trained

    return train


def numpy_loop(inputs: Inputs) -> Run:
    return Run(loop_of(by_hand, *split(inputs)))


def numpy_call(inputs: Inputs) -> Run:
    return Run(by_hand, split(inputs))


def numba_step():
    """Return value and gradients with BLAS for the products, everything else in loops.

    Loops for the products too, over arrays of fixed width, take twice to four times as long:
    Numba cannot promise LLVM that the arrays do not overlap.
    """
    from numba import njit

    @njit
    def decay(parameter, gradient):
        squares = 0.0
        flat, into = parameter.ravel(), gradient.ravel()
        for k in range(flat.size):
            squares += flat[k] * flat[k]
            into[k] += 2 * DECAY * flat[k]
        return squares

    @njit
    def layer(x, W, b, h):
        np.dot(x, W, h)
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                h[n, j] = max(h[n, j] + b[j], 0.0)

    @njit
    def step(W1, b1, W2, b2, W3, b3, x, y):
        examples, hidden = x.shape[0], W2.shape[0]
        dW1, dW2, dW3 = np.empty_like(W1), np.empty_like(W2), np.empty_like(W3)
        db1, db2, db3 = np.zeros_like(b1), np.zeros_like(b2), np.zeros_like(b3)
        h1, h2 = np.empty((examples, hidden)), np.empty((examples, hidden))
        d1, d2, ds = np.empty_like(h1), np.empty_like(h2), np.empty_like(y)
        layer(x, W1, b1, h1)
        layer(h1, W2, b2, h2)
        np.dot(h2, W3, ds)
        value = 0.0
        for n in range(examples):
            hinge = 1.0 - y[n, 0] * (ds[n, 0] + b3[0])
            value += max(hinge, 0.0)
            ds[n, 0] = -y[n, 0] / examples if hinge > 0.0 else 0.0
            db3[0] += ds[n, 0]
            for k in range(hidden):
                d2[n, k] = ds[n, 0] * W3[k, 0] if h2[n, k] > 0.0 else 0.0
                db2[k] += d2[n, k]
        np.dot(h2.T, ds, dW3)
        np.dot(h1.T, d2, dW2)
        np.dot(d2, W2.T, d1)
        for n in range(examples):
            for k in range(hidden):
                d1[n, k] = d1[n, k] if h1[n, k] > 0.0 else 0.0
                db1[k] += d1[n, k]
        np.dot(x.T, d1, dW1)
        squares = decay(W1, dW1) + decay(b1, db1) + decay(W2, dW2)
        squares += decay(b2, db2) + decay(W3, dW3) + decay(b3, db3)
        return value / examples + DECAY * squares, (dW1, db1, dW2, db2, dW3, db3)

    return step


def numba_call(inputs: Inputs) -> Run:
    parameters, x, y = split(inputs)
    return Run(numba_step(), (*parameters, x, y))


def numba_loop(inputs: Inputs) -> Run:
    from numba import njit

    step = numba_step()

    @njit
    def train(W1, b1, W2, b2, W3, b3, x, y):
        W1, W2, W3, b1, b2, b3 = W1.copy(), W2.copy(), W3.copy(), b1.copy(), b2.copy(), b3.copy()
        for _ in range(STEPS):
            _, (dW1, db1, dW2, db2, dW3, db3) = step(W1, b1, W2, b2, W3, b3, x, y)
            W1 -= RATE * dW1
            b1 -= RATE * db1
            W2 -= RATE * dW2
            b2 -= RATE * db2
            W3 -= RATE * dW3
            b3 -= RATE * db3
        return W1, b1, W2, b2, W3, b3

    parameters, x, y = split(inputs)
    return Run(train, (*parameters, x, y))


# ------------------------------------------------------------------ JAX, PyTorch, objects


def jax_gradients():
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def cost(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        h = jax.nn.relu(x @ W1 + b1)
        h = jax.nn.relu(h @ W2 + b2)
        hinge = jax.nn.relu(1.0 - y * (h @ W3 + b3))
        return jnp.mean(hinge) + DECAY * sum(jnp.sum(p * p) for p in parameters)

    return jax.value_and_grad(cost)


def jax_call(inputs: Inputs) -> Run:
    import jax

    both = jax.jit(jax_gradients())
    arguments = jax.device_put(split(inputs))
    return Run(lambda *given: jax.block_until_ready(both(*given)), arguments)


def jax_loop(inputs: Inputs) -> Run:
    import jax

    both = jax_gradients()

    @jax.jit
    def train(parameters, x, y):
        def step(_, parameters):
            _, gradients = both(parameters, x, y)
            return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

        return jax.lax.fori_loop(0, STEPS, step, parameters)

    arguments = jax.device_put(split(inputs))
    return Run(lambda *given: jax.block_until_ready(train(*given)), arguments)


def torch_step():
    import torch

    def cost(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        h = torch.relu(torch.addmm(b1, x, W1))
        h = torch.relu(torch.addmm(b2, h, W2))
        hinge = torch.relu(1.0 - y * torch.addmm(b3, h, W3))
        return hinge.mean() + DECAY * sum((p * p).sum() for p in parameters)

    @torch.compile(fullgraph=True)
    def step(parameters, x, y):
        gradients, value = torch.func.grad_and_value(cost)(parameters, x, y)
        return value, gradients

    return step


def torch_arguments(inputs: Inputs):
    import torch

    parameters, x, y = split(inputs)
    return [torch.from_numpy(p) for p in parameters], torch.from_numpy(x), torch.from_numpy(y)


def torch_call(inputs: Inputs) -> Run:
    return Run(torch_step(), torch_arguments(inputs))


def torch_loop(inputs: Inputs) -> Run:
    import torch

    parameters, x, y = torch_arguments(inputs)
    step = torch_step()

    def train():
        trained = [p.clone() for p in parameters]
        for _ in range(STEPS):
            torch._foreach_add_(trained, step(trained, x, y)[1], alpha=-RATE)
        return trained

    return Run(train)


def objects_call(inputs: Inputs) -> Run:
    from benchmarks.define_by_run import Value

    from .objects import relu, square, total

    parameters, x, y = split(inputs)
    floats = [p.tolist() for p in parameters]

    def layer(h, weights, biases):
        return [
            total([h[k] * weights[k][j] for k in range(len(h))]) + biases[j]
            for j in range(len(biases))
        ]

    def call():
        W1, b1, W2, b2, W3, b3 = leaves = [
            [[Value(w) for w in row] for row in p] if isinstance(p[0], list) else [*map(Value, p)]
            for p in floats
        ]
        hinges = []
        for point, (label,) in zip(x.tolist(), y.tolist(), strict=True):
            h = [relu(v) for v in layer([*map(Value, point)], W1, b1)]
            h = [relu(v) for v in layer(h, W2, b2)]
            (score,) = layer(h, W3, b3)
            hinges.append(relu(score * -label + 1.0))
        flat = [[v for row in p for v in row] if isinstance(p[0], list) else p for p in leaves]
        squares = total([square(v) for p in flat for v in p])
        value = total(hinges) * (1.0 / len(hinges)) + squares * DECAY
        value.backward()
        return value.data, flat

    def gradients(result):
        value, flat = result
        shapes = [p.shape for p in parameters]
        found = [np.reshape([v.grad for v in p], s) for p, s in zip(flat, shapes, strict=True)]
        return value, found

    return Run(call, (), gradients)


WORKLOAD = Workload(
    "W3",
    "two moons, 2-16-16-1, full batch of 100, hinge and L2 loss, float64: time of one step",
    (
        Case(
            "W3 loop",
            draw,
            (
                Contender("chainrule", ours_loop, ("chainrule",), "ours"),
                Contender("JAX loop", jax_loop, ("jax",)),
                Contender("Numba and BLAS", numba_loop, ("numba", "scipy")),
                Contender("NumPy by hand", numpy_loop),
                Contender("PyTorch compiled", torch_loop, ("torch",)),
            ),
            reference="NumPy by hand",
            tolerance=1e-8,
            aims=(Aim(0.6, "JAX loop"),),
            per=STEPS,
        ),
        Case(
            "W3 call",
            draw,
            (
                Contender("chainrule", ours_call, ("chainrule",), "ours"),
                Contender("Numba and BLAS", numba_call, ("numba", "scipy")),
                Contender("JAX jit", jax_call, ("jax",)),
                Contender("NumPy by hand", numpy_call),
                Contender("PyTorch compiled", torch_call, ("torch",)),
                Contender("objects as micrograd's", objects_call),
            ),
            reference="NumPy by hand",
            tolerance=1e-12,
            aims=(Aim(0.9, "Numba and BLAS"),),
        ),
    ),
)
