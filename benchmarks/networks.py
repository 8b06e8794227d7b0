"""Networks on MNIST beside PyTorch and JAX: accuracy over seeds, and the time of an epoch.

    python benchmarks/networks.py wide lenet --data FOLDER

All contenders begin from the same weights and see the same batches in the same order; an epoch is
timed without compilation, without the look at the test digits, and, in PyTorch and JAX, with the
data in arrays of their own. Each runs in a process of its own, in turns. The book's network runs
alone: it is held to the book's accuracy, and to seconds from start to end of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8
TASKS = {  # epochs and batch size as the accuracy is asked for
    "wide": {"epochs": 20, "batch": 128, "aim": 0.982},
    "lenet": {"epochs": 10, "batch": 64, "aim": 0.990},
}
BOOK_SEEDS, BOOK_EPOCHS = 10, 30


def peak(step: int, steps: int) -> float:
    """Return the learning rate of a step: up a tenth of the way, then down along a cosine."""
    import chainrule as cr

    return float(cr.OneCycle(RATES, steps)(float(step)))


RATES = 2e-3  # the peak of the cycle with which accuracy is measured; times are at a fixed rate


# ---------------------------------------------------------------------- what is trained


def layers(task: str) -> tuple[Any, ...]:
    import chainrule as cr

    if task == "wide":
        return (
            cr.Dense(784, 512, "relu", weights="he_normal"),
            cr.Dense(512, 512, "relu", weights="he_normal"),
            cr.Dense(512, 10),
        )
    return (
        cr.Reshape((1, 28, 28)),
        cr.Conv2D(1, 6, 5, "relu", padding=2, weights="he_normal"),
        cr.MaxPool2D(2),
        cr.Conv2D(6, 16, 5, "relu", weights="he_normal"),
        cr.MaxPool2D(2),
        cr.Flatten(),
        cr.Dense(400, 120, "relu", weights="he_normal"),
        cr.Dense(120, 84, "relu", weights="he_normal"),
        cr.Dense(84, 10),
    )


def network(task: str, seed: int) -> Any:
    import chainrule as cr

    return cr.Network(*layers(task), cost="softmax_cross_entropy", seed=seed)


def weights(task: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    parameters = network(task, seed).parameters
    return [(p["weights"], p["biases"]) for p in parameters if p]


def orders(seed: int, rows: int, epochs: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.permutation(rows) for _ in range(epochs)]


# ---------------------------------------------------------------------- the contenders


def chainrule(task: str, data: dict[str, np.ndarray], seed: int, epochs: int, rates: Any) -> Any:
    import chainrule as cr

    net = network(task, seed)
    rate = RATE if rates is None else cr.OneCycle(RATES, rates)
    history = net.fit(
        data["x"], data["y"], epochs=epochs, batch_size=TASKS[task]["batch"], seed=seed,
        optimizer=cr.Adam(rate, *BETAS, EPSILON), validation_data=(data["tx"], data["ty"]),
    )  # fmt: skip
    return history["seconds"], history["val_accuracy"]


def torch(task: str, data: dict[str, np.ndarray], seed: int, epochs: int, rates: Any) -> Any:
    import torch
    from torch import nn

    x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
    tx, ty = torch.from_numpy(data["tx"]), torch.from_numpy(data["ty"])
    if task == "wide":
        net = nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )
    else:
        x, tx = x.reshape(-1, 1, 28, 28), tx.reshape(-1, 1, 28, 28)
        net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
            nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
    with torch.no_grad():
        own = [layer for layer in net if hasattr(layer, "weight")]
        for layer, (w, b) in zip(own, weights(task, seed), strict=True):
            layer.weight.copy_(torch.from_numpy(w.T.copy() if w.ndim == 2 else w))
            layer.bias.copy_(torch.from_numpy(b))
    optimizer = torch.optim.Adam(net.parameters(), RATE, BETAS, EPSILON)
    size, step = TASKS[task]["batch"], 0
    seconds, accuracies = [], []
    for order in orders(seed, len(x), epochs):
        rows = torch.from_numpy(order)
        began = time.perf_counter()
        for first in range(0, len(rows), size):
            if rates is not None:
                optimizer.param_groups[0]["lr"] = peak(step, rates)
            step += 1
            batch = rows[first : first + size]
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
        with torch.no_grad():
            accuracies.append(float((net(tx).argmax(1) == ty).float().mean()))
    return seconds, accuracies


def jax(task: str, data: dict[str, np.ndarray], seed: int, epochs: int, rates: Any) -> Any:
    import jax
    import jax.numpy as jnp
    from jax import lax

    x, y = jnp.asarray(data["x"]), jnp.asarray(data["y"])
    tx, ty = jnp.asarray(data["tx"]), data["ty"]
    parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights(task, seed)]

    def logits(parameters, x):
        if task == "lenet":
            x = x.reshape(-1, 1, 28, 28)
            for (w, b), pad in zip(parameters[:2], ("SAME", "VALID"), strict=True):
                x = lax.conv_general_dilated(x, w, (1, 1), pad) + b[:, None, None]
                x = lax.reduce_window(
                    jax.nn.relu(x), -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
                )
            x, parameters = x.reshape(len(x), -1), parameters[2:]
        for w, b in parameters[:-1]:
            x = jax.nn.relu(x @ w + b)
        return x @ parameters[-1][0] + parameters[-1][1]

    def cost(parameters, x, y):
        rows = jax.nn.log_softmax(logits(parameters, x))
        return -jnp.mean(jnp.take_along_axis(rows, y[:, None], axis=1))

    def step(state, rows):
        parameters, m, v, t = state
        value, gradients = jax.value_and_grad(cost)(parameters, x[rows], y[rows])
        t = t + 1.0
        m = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, m, gradients)
        v = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, v, gradients)
        length, widen = RATE / (1 - BETAS[0] ** t), 1 / jnp.sqrt(1 - BETAS[1] ** t)
        parameters = jax.tree.map(
            lambda p, m, v: p - length * m / (widen * jnp.sqrt(v) + EPSILON), parameters, m, v
        )
        return (parameters, m, v, t), value

    @jax.jit
    def epoch(state, rows):
        return lax.scan(step, state, rows)

    size = TASKS[task]["batch"]
    whole = len(x) // size * size  # a scan has steps of one shape: the rest of 32 or 96 is left
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, jnp.float32(0.0))
    drawn = [order[:whole].reshape(-1, size) for order in orders(seed, len(x), epochs)]
    jax.block_until_ready(epoch(state, jnp.asarray(drawn[0])))  # compiled
    answer = jax.jit(lambda p: jnp.argmax(logits(p, tx), axis=1))
    seconds, accuracies = [], []
    for rows in drawn:
        began = time.perf_counter()
        state, _ = jax.block_until_ready(epoch(state, jnp.asarray(rows)))
        seconds.append(time.perf_counter() - began)
        accuracies.append(float(np.mean(np.asarray(answer(state[0])) == ty)))
    return seconds, accuracies


CONTENDERS = {"chainrule": chainrule, "torch": torch, "jax": jax}


# ---------------------------------------------------------------------- the book's network


def book(data: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    """Train the book's 784-30-10 on 50,000 digits; return the accuracy of each epoch."""
    import contextlib
    import io

    from chainrule.nielsen.network import Network

    x, y = data["x"][:50_000, :, None], data["y"][:50_000]
    tests = list(zip(data["tx"][:, :, None], data["ty"], strict=True))
    targets = np.eye(10, dtype=np.float32)[y][:, :, None]
    net = Network([784, 30, 10], seed=seed, dtype="float32")
    with contextlib.redirect_stdout(io.StringIO()):
        net.SGD(list(zip(x, targets, strict=True)), BOOK_EPOCHS, 10, 3.0, test_data=tests)
    return {"accuracies": [k / 1e4 for k in net.history["correct"]], "notes": net.notes}


# ---------------------------------------------------------------------- running and reporting


def loaded(folder: str | None) -> dict[str, np.ndarray]:
    import chainrule as cr

    found = cr.data.mnist(folder)
    return {
        "x": found.train.images, "y": found.train.labels,
        "tx": found.test.images, "ty": found.test.labels,
    }  # fmt: skip


def worker(arguments: Any) -> None:
    began = time.perf_counter()
    data = loaded(arguments.data)
    if arguments.worker == "book":
        found = book(data, arguments.seed)
        found["seconds"] = time.perf_counter() - began
    else:
        task, name = arguments.worker.split(":")
        size, epochs = TASKS[task]["batch"], arguments.epochs
        rates = -(-len(data["x"]) // size) * epochs if arguments.cycle else None
        seconds, accuracies = CONTENDERS[name](task, data, arguments.seed, epochs, rates)
        found = {"seconds": seconds, "accuracies": accuracies}
    print(json.dumps(found))


def run(what: str, arguments: Any, seed: int, epochs: int = 0, cycle: bool = False) -> Any:
    """Run a contender in a process of its own; return what it found and how long it took."""
    command = [sys.executable, __file__, "--worker", what, "--seed", str(seed)]
    command += ["--epochs", str(epochs), *(["--cycle"] if cycle else [])]
    if arguments.data:
        command += ["--data", arguments.data]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout) | {"process": time.perf_counter() - began}


def report_task(task: str, arguments: Any) -> dict[str, Any]:
    settings = TASKS[task]
    epochs = arguments.epochs or settings["epochs"]
    accuracies = []
    for seed in range(arguments.seeds):
        found = run(f"{task}:chainrule", arguments, seed, epochs, cycle=True)
        accuracies.append(found["accuracies"][-1])
        print(f"{task} seed {seed}: {accuracies[-1]:.4f} after {epochs} epochs, "
              f"{statistics.median(found['seconds']):.3f} s an epoch")  # fmt: skip
    if accuracies:
        print(f"{task}: median {statistics.median(accuracies):.4f}, aim {settings['aim']}")
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for k in range(arguments.rounds):
        for name in CONTENDERS:
            found = run(f"{task}:{name}", arguments, k, 3)
            if "error" in found:
                print(f"{name}: skipped ({found['error']})")
                continue
            seconds[name] += found["seconds"][1:]  # the first warms caches and threads
    medians = {name: statistics.median(times) for name, times in seconds.items() if times}
    for name, median in medians.items():
        spread = f"{min(seconds[name]):.3f} to {max(seconds[name]):.3f}"
        ratio = medians["chainrule"] / median
        print(f"{task} {name}: {median:.3f} s an epoch ({spread}); chainrule at {ratio:.2f} of it")
    return {"accuracies": accuracies, "seconds": medians}


def report_book(arguments: Any) -> dict[str, Any]:
    bests, seconds = [], []
    for seed in range(BOOK_SEEDS):
        found = run("book", arguments, seed)
        bests.append(max(found["accuracies"]))
        seconds.append(found["process"])
        print(f"book seed {seed}: best {bests[-1]:.4f}, process {seconds[-1]:.2f} s "
              f"{' '.join(found['notes'])}")  # fmt: skip
    print(f"book: median of best {statistics.median(bests):.4f}, of seconds "
          f"{statistics.median(seconds):.2f}")  # fmt: skip
    return {"accuracies": bests, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", help="book, wide, lenet; all by default")
    parser.add_argument("--data", help="folder with MNIST's files")
    parser.add_argument("--seeds", type=int, default=5, help="trainings for the accuracy")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--epochs", type=int, default=0, help="instead of the task's own")
    parser.add_argument("--json", help="file for the figures")
    for hidden in ("--worker", "--seed"):
        parser.add_argument(hidden, type=int if hidden == "--seed" else str, help=argparse.SUPPRESS)
    parser.add_argument("--cycle", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
        return
    try:
        loaded(arguments.data)
    except OSError as reason:  # offline, and nowhere on this machine
        print(f"networks: skipped, since MNIST is not there ({reason})")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("CHAINRULE_CACHE", folder)
        found = {}
        for task in arguments.tasks or ["book", *TASKS]:
            found[task] = report_book(arguments) if task == "book" else report_task(task, arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
