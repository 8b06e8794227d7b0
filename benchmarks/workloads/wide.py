"""W5: 784-512-512-10, relu, softmax cross-entropy, batches of 128, Adam, 200 steps, two threads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload
from .digits import SHUFFLE, digits, shuffled

SIZES, BATCH, STEPS = (784, 512, 512, 10), 128, 200
RATE = 3e-5
"""A small one: at 1e-3 rounding grows a millionfold in 200 steps, and no two peers agree."""
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


def draw(generator: np.random.Generator, quick: bool) -> Inputs:
    steps = 20 if quick else STEPS
    x, y = digits(steps * BATCH, generator)
    inputs = {"x": x, "y": y, "order": shuffled(len(x))}
    for k, (m, n) in enumerate(pairwise(SIZES), start=1):
        inputs[f"W{k}"] = generator.normal(0, (2 / m) ** 0.5, (m, n)).astype(np.float32)
        inputs[f"b{k}"] = np.zeros(n, np.float32)
    return inputs


def split(inputs: Inputs) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    return [inputs[name] for name in NAMES], inputs["x"], inputs["y"], inputs["order"]


def ours(inputs: Inputs) -> Run:
    import chainrule as cr

    parameters, x, y, _ = split(inputs)

    def cost(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        h = np.maximum(x @ W1 + b1, 0)
        h = np.maximum(h @ W2 + b2, 0)
        return -np.sum(y * cr.log_softmax(h @ W3 + b3, axis=1)) / len(x)

    def train():
        return cr.fit(
            cost,
            parameters,
            (x, y),
            epochs=1,
            batch_size=BATCH,
            optimizer=cr.Adam(RATE),
            seed=SHUFFLE,
            threads=2,
        ).parameters

    return Run(train)


def numpy(inputs: Inputs) -> Run:
    given, x, y, order = split(inputs)

    def gradients(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        h1 = x @ W1
        h1 += b1
        np.maximum(h1, 0, out=h1)
        h2 = h1 @ W2
        h2 += b2
        np.maximum(h2, 0, out=h2)
        d3 = h2 @ W3
        d3 += b3
        d3 -= d3.max(1, keepdims=True)
        np.exp(d3, out=d3)
        d3 /= d3.sum(1, keepdims=True)
        d3 -= y
        d3 /= len(x)
        d2 = d3 @ W3.T
        d2 *= h2 > 0
        d1 = d2 @ W2.T
        d1 *= h1 > 0
        return x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)

    def train():
        parameters = [p.copy() for p in given]
        means, squares, rooms = ([np.zeros_like(p) for p in given] for _ in range(3))
        for step in range(1, len(order) // BATCH + 1):
            batch = order[(step - 1) * BATCH : step * BATCH]
            root = (1 - BETA2**step) ** 0.5
            found = gradients(parameters, x[batch], y[batch])
            for p, g, m, v, room in zip(parameters, found, means, squares, rooms, strict=True):
                m *= BETA1
                m += np.multiply(g, 1 - BETA1, out=room)
                g *= g
                g *= 1 - BETA2
                v *= BETA2
                v += g
                np.sqrt(v, out=room)
                room += EPSILON * root
                np.divide(m, room, out=room)
                room *= RATE * root / (1 - BETA1**step)
                p -= room
        return parameters

    return Run(train)


def products(inputs: Inputs) -> Run:
    """Return the limit: the eight products of each step, and nothing else."""
    (W1, _, W2, _, W3, _), x, _, order = split(inputs)
    h1, h2 = (np.zeros((BATCH, n), np.float32) for n in SIZES[1:3])
    d1, d2, d3 = np.zeros_like(h1), np.zeros_like(h2), np.zeros((BATCH, 10), np.float32)
    dW1, dW2, dW3 = np.empty_like(W1), np.empty_like(W2), np.empty_like(W3)

    def train():
        for start in range(0, len(order), BATCH):
            xb = x[start : start + BATCH]
            np.matmul(xb, W1, out=h1)
            np.matmul(h1, W2, out=h2)
            np.matmul(h2, W3, out=d3)
            np.matmul(d3, W3.T, out=d2)
            np.matmul(d2, W2.T, out=d1)
            np.matmul(h2.T, d3, out=dW3)
            np.matmul(h1.T, d2, out=dW2)
            np.matmul(xb.T, d1, out=dW1)

    return Run(train)


def jax(inputs: Inputs) -> Run:
    import jax
    import jax.numpy as jnp

    parameters, x, y, order = split(inputs)

    def cost(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        h = jax.nn.relu(x @ W1 + b1)
        h = jax.nn.relu(h @ W2 + b2)
        return -jnp.sum(y * jax.nn.log_softmax(h @ W3 + b3)) / BATCH

    @jax.jit
    def train(parameters, x, y, order):
        def step(state, batch):
            parameters, means, squares, count = state
            gradients = jax.grad(cost)(parameters, x[batch], y[batch])
            count += 1
            means = [BETA1 * m + (1 - BETA1) * g for m, g in zip(means, gradients, strict=True)]
            squares = [
                BETA2 * v + (1 - BETA2) * g * g for v, g in zip(squares, gradients, strict=True)
            ]
            less1, less2 = 1 - BETA1**count, 1 - BETA2**count
            parameters = [
                p - RATE * (m / less1) / (jnp.sqrt(v / less2) + EPSILON)
                for p, m, v in zip(parameters, means, squares, strict=True)
            ]
            return (parameters, means, squares, count), None

        zeros = [jnp.zeros_like(p) for p in parameters]
        state = (parameters, zeros, zeros, jnp.float32(0))
        return jax.lax.scan(step, state, order.reshape(-1, BATCH))[0][0]

    arguments = jax.device_put((parameters, x, y, order.astype(np.int32)))
    return Run(lambda *given: jax.block_until_ready(train(*given)), arguments)


def pytorch(inputs: Inputs, *, compiled: bool) -> Run:
    import torch

    given, x, y, order = split(inputs)
    x, y, order = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(order)
    labels = y.argmax(1)

    def cost(parameters, x, labels):
        W1, b1, W2, b2, W3, b3 = parameters
        h = torch.relu(torch.addmm(b1, x, W1))
        h = torch.relu(torch.addmm(b2, h, W2))
        return torch.nn.functional.cross_entropy(torch.addmm(b3, h, W3), labels)

    run = torch.compile(cost, fullgraph=True) if compiled else cost

    def train():
        parameters = [torch.from_numpy(p).clone().requires_grad_() for p in given]
        optimizer = torch.optim.Adam(parameters, RATE, (BETA1, BETA2), EPSILON, fused=True)
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            run(parameters, x[batch], labels[batch]).backward()
            optimizer.step()
        return [p.detach() for p in parameters]

    return Run(train)


def pytorch_eager(inputs: Inputs) -> Run:
    return pytorch(inputs, compiled=False)


def pytorch_compiled(inputs: Inputs) -> Run:
    return pytorch(inputs, compiled=True)


WORKLOAD = Workload(
    "W5",
    "784-512-512-10, relu, softmax cross-entropy, batches of 128, 200 steps of Adam, float32",
    (
        Case(
            "W5 two threads",
            draw,
            (
                Contender("chainrule", ours, ("chainrule",), "ours"),
                Contender("JAX scan", jax, ("jax",)),
                Contender("PyTorch compiled", pytorch_compiled, ("torch",)),
                Contender("PyTorch eager", pytorch_eager, ("torch",)),
                Contender("NumPy by hand", numpy),
                Contender(
                    "NumPy's bare products", products, (), "limit", not_compared="products only"
                ),
            ),
            reference="NumPy by hand",
            # Adam divides by the root of small squares, which in float32 keep few digits.
            tolerance=5e-2,
            aims=(Aim(0.8, "JAX scan"), Aim(1.1, "NumPy's bare products")),
            threads=2,
        ),
    ),
)
