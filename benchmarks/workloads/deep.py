"""W8: 50 tanh layers of 64, batch of 32: value and the gradients of all weights, float32."""

from __future__ import annotations

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload

LAYERS, WIDTH, BATCH = 50, 64, 32


def draw(generator: np.random.Generator, quick: bool) -> Inputs:
    layers = 5 if quick else LAYERS
    shapes = {"W": (layers, WIDTH, WIDTH), "b": (layers, WIDTH), "x": (BATCH, WIDTH)}
    scales = {"W": WIDTH**-0.5, "b": 0.1, "x": 1.0}
    return {
        name: generator.normal(0, scales[name], shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def split(inputs: Inputs) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Return a pair of weights and biases for each layer, and the batch."""
    return list(zip(inputs["W"].copy(), inputs["b"].copy(), strict=True)), inputs["x"]


def cost(layers, x):
    for W, b in layers:
        x = np.tanh(x @ W + b)
    return np.sum(x * x) / BATCH


def ours(inputs: Inputs) -> Run:
    import chainrule as cr

    return Run(cr.compile(cr.value_and_grad(cost)), split(inputs))


def numpy(inputs: Inputs) -> Run:
    def value_and_gradients(layers, x):
        outputs = [x]
        for W, b in layers:
            h = outputs[-1] @ W
            h += b
            outputs.append(np.tanh(h, out=h))
        last = outputs[-1]
        d = last * np.float32(2 / BATCH)
        gradients = []
        slope = np.empty_like(last)
        for k in range(len(layers) - 1, -1, -1):
            np.multiply(outputs[k + 1], outputs[k + 1], out=slope)
            np.subtract(1, slope, out=slope)
            d *= slope
            gradients.append((outputs[k].T @ d, d.sum(0)))
            if k:
                d = d @ layers[k][0].T
        return np.vdot(last, last) / BATCH, gradients[::-1]

    return Run(value_and_gradients, split(inputs))


def products(inputs: Inputs) -> Run:
    """Return the limit: three products a layer, two for the first, and nothing else."""
    layers, x = split(inputs)
    room, gradient = np.empty_like(x), np.empty_like(layers[0][0])

    def multiply():
        for k, (W, _) in enumerate(layers):
            np.matmul(x, W, out=room)
            np.matmul(x.T, x, out=gradient)
            if k:
                np.matmul(x, W.T, out=room)

    return Run(multiply)


def jax(inputs: Inputs, *, scanned: bool = False) -> Run:
    import jax
    import jax.numpy as jnp

    def layer(x, parameters):
        W, b = parameters
        return jnp.tanh(x @ W + b), None

    def unrolled(layers, x):
        for parameters in layers:
            x, _ = layer(x, parameters)
        return jnp.sum(x * x) / BATCH

    def scan(stacked, x):
        x, _ = jax.lax.scan(layer, x, stacked)
        return jnp.sum(x * x) / BATCH

    both = jax.jit(jax.value_and_grad(scan if scanned else unrolled))
    layers = (inputs["W"], inputs["b"]) if scanned else split(inputs)[0]

    def results(found):
        value, gradients = found
        return value, list(zip(*gradients, strict=True)) if scanned else gradients

    arguments = jax.device_put((layers, inputs["x"]))
    return Run(lambda *given: jax.block_until_ready(both(*given)), arguments, results)


def jax_scan(inputs: Inputs) -> Run:
    return jax(inputs, scanned=True)


def pytorch(inputs: Inputs) -> Run:
    import torch

    layers, x = split(inputs)
    flat = [torch.from_numpy(p).clone().requires_grad_() for pair in layers for p in pair]

    def value_and_gradients(x, *flat):
        for W, b in zip(flat[::2], flat[1::2], strict=True):
            x = torch.tanh(torch.addmm(b, x, W))
        value = torch.sum(x * x) / BATCH
        return value.detach(), torch.autograd.grad(value, flat)

    return Run(value_and_gradients, (torch.from_numpy(x), *flat))


WORKLOAD = Workload(
    "W8",
    "50 tanh layers of 64, batch of 32, value and gradients, float32",
    (
        Case(
            "W8",
            draw,
            (
                Contender("chainrule", ours, ("chainrule",), "ours"),
                Contender("JAX jit", jax, ("jax",)),
                Contender("JAX scan", jax_scan, ("jax",)),
                Contender("NumPy by hand", numpy),
                Contender("PyTorch eager", pytorch, ("torch",)),
                Contender(
                    "NumPy's bare products", products, (), "limit", not_compared="products only"
                ),
            ),
            reference="NumPy by hand",
            tolerance=1e-4,
            aims=(Aim(0.85),),
        ),
    ),
)
