"""Peak memory of training: 784-512-512-10, Adam, batches of 128 out of 60,000 × 784 float32.

    python benchmarks/memory.py [contender ...]

Each contender trains for two epochs in a process of its own, after it has trained a tiny network,
so that its libraries are in memory (LLVM's code alone is 30 MB). Peak is the largest resident size
from then on, less what was resident before: with code that is compiled and buffers of the
libraries, without the libraries. Beside it stands what no training can do without: data,
parameters, what Adam keeps, and the activations of one batch.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

EXAMPLES, SIZES, BATCH, EPOCHS, RATE = 60_000, (784, 512, 512, 10), 128, 2, 1e-3
TINY_EXAMPLES, TINY_SIZES = 300, (7, 6, 5, 10)
AIM = 1.25
MB = 1e6

Train = Callable[[np.ndarray, np.ndarray, tuple[int, ...]], None]


def data(examples: int, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return examples and labels, with no array made on the way."""
    generator = np.random.default_rng(0)
    x = np.empty((examples, sizes[0]), np.float32)
    generator.random(out=x, dtype=np.float32)
    return x, generator.integers(0, sizes[-1], examples)


def start(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Return weights and biases."""
    generator = np.random.default_rng(1)
    found = []
    for m, n in pairwise(sizes):
        found += [generator.normal(0, (2 / m) ** 0.5, (m, n)).astype(np.float32)]
        found += [np.zeros(n, np.float32)]
    return found


def needed() -> dict[str, float]:
    """Return the bytes that every training needs."""
    count = sum(m * n + n for m, n in pairwise(SIZES))
    return {
        "data": EXAMPLES * (4 * SIZES[0] + 8),
        "parameters": 4 * count,
        "optimizer": 8 * count,  # Adam's two moments
        "activations": 4 * BATCH * sum(SIZES[1:]),
    }


# Each imports what it needs and gives what trains.


def chainrule() -> Train:
    import chainrule as cr

    def cost(parameters, x, labels):
        for W, b in zip(parameters[0:4:2], parameters[1:4:2], strict=True):
            x = np.maximum(x @ W + b, 0.0)
        scores = cr.log_softmax(x @ parameters[4] + parameters[5])
        return -np.mean(np.sum(scores * cr.one_hot(labels, 10), axis=1))

    def train(x, labels, sizes):
        cr.fit(
            cost, start(sizes), (x, labels), epochs=EPOCHS, batch_size=BATCH, seed=0,
            optimizer=cr.Adam(RATE),
        )  # fmt: skip

    return train


def chainrule_network() -> Train:
    import chainrule as cr

    def train(x, labels, sizes):
        layers = [cr.Dense(m, n, "relu") for m, n in pairwise(sizes[:-1])]
        network = cr.Network(*layers, cr.Dense(*sizes[-2:]), cost="softmax_cross_entropy")
        network.fit(x, labels, epochs=EPOCHS, batch_size=BATCH, optimizer=cr.Adam(RATE), seed=0)

    return train


def pytorch() -> Train:
    import torch
    from torch import nn

    def train(x, labels, sizes):
        x, labels = torch.from_numpy(x), torch.from_numpy(labels)
        layers = [layer for m, n in pairwise(sizes) for layer in (nn.Linear(m, n), nn.ReLU())]
        network = nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        cost = nn.CrossEntropyLoss()
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(x)).split(BATCH):
                optimizer.zero_grad()
                cost(network(x[batch]), labels[batch]).backward()
                optimizer.step()

    return train


def jax_scan() -> Train:
    import jax
    import jax.numpy as jnp

    jax.devices()

    def cost(parameters, x, labels):
        for W, b in zip(parameters[0:4:2], parameters[1:4:2], strict=True):
            x = jnp.maximum(x @ W + b, 0.0)
        scores = jax.nn.log_softmax(x @ parameters[4] + parameters[5])
        return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))

    def epoch(moving, order, x, labels):
        def step(moving, batch):
            parameters, first, second, count = moving
            gradients = jax.grad(cost)(parameters, x[batch], labels[batch])
            count += 1
            first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
            second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
            rate = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            parameters = [
                p - rate * m / (jnp.sqrt(v) + 1e-8)
                for p, m, v in zip(parameters, first, second, strict=True)
            ]
            return (parameters, first, second, count), None

        return jax.lax.scan(step, moving, order)[0]

    compiled = jax.jit(epoch, donate_argnums=0)

    def train(x, labels, sizes):
        parameters = jax.device_put(start(sizes))
        zeros = [jnp.zeros_like(p) for p in parameters]
        moving = (parameters, zeros, [jnp.zeros_like(p) for p in parameters], jnp.float32(0))
        generator = np.random.default_rng(0)
        x, labels = jax.device_put(x), jax.device_put(labels)
        for _ in range(EPOCHS):
            order = generator.permutation(len(x))[: len(x) // BATCH * BATCH]
            moving = compiled(moving, order.reshape(-1, BATCH), x, labels)
        jax.block_until_ready(moving)

    return train


def sklearn() -> Train:
    import warnings

    from sklearn.neural_network import MLPClassifier

    def train(x, labels, sizes):
        network = MLPClassifier(sizes[1:-1], batch_size=BATCH, max_iter=EPOCHS, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two epochs are not enough, it says
            network.fit(x, labels)

    return train


CONTENDERS = {
    "chainrule fit": chainrule,
    "chainrule Network": chainrule_network,
    "PyTorch": pytorch,
    "JAX scan": jax_scan,
    "scikit-learn": sklearn,
}


def resident(peak: bool) -> float:
    """Return the bytes in memory now, or the most there were."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    word = "VmHWM:" if peak else "VmRSS:"
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(word))


def measure(name: str) -> None:
    """Train in this process and print what it took."""
    train = CONTENDERS[name]()
    train(*data(TINY_EXAMPLES, TINY_SIZES), TINY_SIZES)
    gc.collect()
    before = resident(peak=False)
    began = time.perf_counter()
    train(*data(EXAMPLES, SIZES), SIZES)
    seconds = time.perf_counter() - began
    print(json.dumps({"peak": resident(peak=True) - before, "before": before, "seconds": seconds}))


def main(names: list[str]) -> None:
    parts = needed()
    floor = sum(parts.values())
    print(", ".join(f"{name} {size / MB:.1f} MB" for name, size in parts.items()), end="")
    print(f": {floor / MB:.1f} MB; the aim is at most {AIM} times as much")
    for name in names:
        environment = os.environ | {"CHAINRULE_CACHE": "off"}  # what a first run takes
        command = [sys.executable, __file__, "--measure", name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:20} {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout)
        print(
            f"{name:20} {found['peak'] / MB:8.1f} MB, {found['peak'] / floor:5.2f} times; "
            f"{found['before'] / MB:6.1f} MB before; {found['seconds']:6.1f} s"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(sys.argv[1:] or list(CONTENDERS))
