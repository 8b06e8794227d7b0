"""Emitted convolutions against PyTorch's, kernel by kernel, and a LeNet's epochs side by side.

Kernels run on one thread, in a loop of machine code over arrays that lie as they do in a program
(examples innermost); PyTorch's are called from Python on its own arrays. Sizes of networks: what a
LeNet has, and two layers of larger ones. Results are compared before anything is timed; rounds are
interleaved; the smallest time of each is shown, since other work on the machine only adds.

The LeNet (conv 6 of 5x5, padding 2, relu, max pool 2, conv 16 of 5x5, relu, max pool 2, dense 120,
84, 10; softmax cross-entropy, Adam, float32) begins with the same weights and sees the same
batches of random images on both sides; the costs of the first epoch must agree.

    python benchmarks/convolution.py [threads of the LeNet, 1 by default]
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.gates import GATES
from chainrule.machines.native.builder import Builder, Value, module
from chainrule.machines.native.convolution_sums import emit_sums
from chainrule.machines.native.convolution_tiles import emit_convolution
from chainrule.machines.native.graph import Graph
from chainrule.machines.native.loops import Emitted, Loops
from chainrule.machines.native.memory import room
from chainrule.machines.native.orders import outward, permuted
from chainrule.machines.native.target import compile_object, host, load
from chainrule.machines.native.values import aligned
from chainrule.networks.convolution import conv2d
from chainrule.tracing.tape import Tape
from chainrule.tracing.traced import Traced

try:
    import torch
except ImportError:
    torch = None

LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROUNDS, SECONDS = 7, 0.03  # of each contender, and how long a round takes at least
IMAGES, BATCHES, EPOCHS = 60_000, 60, 5


class Shape(NamedTuple):
    """A layer: `inside` channels of `size` by `size` to `outside`, kernels of `kernel`."""

    examples: int
    inside: int
    outside: int
    size: int
    kernel: int
    padding: int = 0


SHAPES = (
    Shape(64, 1, 6, 28, 5, 2),
    Shape(64, 6, 16, 14, 5),
    Shape(128, 6, 16, 14, 5),
    Shape(32, 32, 64, 28, 3, 1),
    Shape(32, 128, 128, 7, 3, 1),
    Shape(32, 64, 64, 14, 1),
)
WAYS = ("forward", "gradient of images", "gradient of weights")


class Kernel(NamedTuple):
    """A kernel and the arrays that it is called with, the result last."""

    call: Callable[[int], None]
    arrays: list[np.ndarray]
    seconds: float


def kernel_of(shape: Shape, way: str) -> Kernel:
    """Return a kernel as a program would have it, and the seconds that it took to compile."""
    n, c, o, size, k, pad = shape
    out = size + 2 * pad - k + 1
    graph = Graph(Tape(Traced, with_sites=False), [], [])

    def laid(channels: int, height: int) -> Any:
        node = graph.node("input", "input", "float", (channels, height, height, n))
        return outward(graph.whole(node), 0)

    kernels = graph.whole(graph.node("input", "input", "float", (o, c, k, k)))
    around = ((pad, pad), (pad, pad))
    if way == "gradient of weights":
        # Left and right the image is padded in memory, as the form has it.
        wide = graph.node("input", "input", "float", (c, size, size + 2 * pad, n))
        x, g = (permuted(a, (1, 0, 2, 3)) for a in (outward(graph.whole(wide), 0), laid(o, out)))
        node = graph.node(
            "own", "conv2d", "float", (o, c, k, k), operands=[x, g],
            settings={"step": n, "padding": ((pad, pad), (0, 0))},
        )  # fmt: skip
        return _callable(graph, emit_sums(graph, node, host(), "kernel"))
    if way == "forward":
        x, w, result = laid(c, size), kernels, (o, out, out, n)
    else:
        around = ((k - 1 - pad,) * 2,) * 2
        x, w, result = laid(o, out), permuted(kernels, (1, 0, 2, 3)), (c, size, size, n)
    node = graph.node(
        "convolution", "conv2d", "float", result, operands=[x, w],
        settings={"beside": True, "padding": around},
    )  # fmt: skip
    whole = graph.whole(node)
    loops = Loops(result, [(whole, aligned(whole, result))], [])
    return _callable(graph, emit_convolution(graph, set(), node, loops, host(), "kernel"))


def _callable(graph: Graph, emitted: Emitted) -> Kernel:
    arrays = [room(graph.nodes[number].shape, np.float32) for number, _ in emitted.arguments]
    generator = np.random.default_rng(0)
    for array in arrays:
        array[...] = generator.standard_normal(array.shape)
    pointers = [("ptr", f"p{number}") for number in range(len(arrays))]
    many = Builder("many", [("i64", "times"), *pointers, ("ptr", "scratch")], host())
    times, *given, scratch = many.arguments.values()
    given += [scratch] * (emitted.scratch > 0)
    bounds = [Value("i64", "0"), Value("i64", str(emitted.pieces))]
    many.loop(0, times, 1, lambda _: many.call("kernel", "void", *given, *bounds) and None)
    many.ret()
    start = time.perf_counter()
    code = compile_object(module([emitted.builder, many]), host())
    seconds = time.perf_counter() - start
    (address,) = load(code, ("many",))
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (len(arrays) + 1))(
        address
    )
    work = room((emitted.scratch + 64,), np.uint8)
    memory = [*arrays, work]
    return Kernel(lambda times: function(times, *(a.ctypes.data for a in memory)), arrays, seconds)


def pytorchs(shape: Shape, way: str, arrays: list[np.ndarray]) -> tuple[Any, np.ndarray]:
    """Return PyTorch's function on the same numbers, and its result as ours lies in memory."""
    n, c, o, size, k, pad = shape

    def images(array: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array.transpose(3, 0, 1, 2)))

    if way == "forward":
        x, w = images(arrays[0]), torch.from_numpy(arrays[1])
        call = lambda: torch.nn.functional.conv2d(x, w, padding=pad)  # noqa: E731
        return call, call().numpy().transpose(1, 2, 3, 0)
    if way == "gradient of images":
        g, w = images(arrays[0]), torch.from_numpy(arrays[1]).flip(2, 3).contiguous()
        x, mask = torch.empty(n, c, size, size), (True, False, False)
    else:
        x, g = images(arrays[0]), images(arrays[1])
        if pad:
            x = x[:, :, :, pad:-pad].contiguous()
        w, mask = torch.empty(o, c, k, k), (False, True, False)

    def backward() -> Any:
        return torch.ops.aten.convolution_backward(
            g, x, w, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], 1, mask
        )

    found = backward()
    if way == "gradient of images":
        return backward, found[0].numpy().transpose(1, 2, 3, 0)
    return backward, found[1].numpy()


def least(calls: dict[str, Callable[[int], None]]) -> dict[str, float]:
    """Return the shortest seconds of one call for each contender."""
    counts: dict[str, int] = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call(1)
        counts[name] = max(1, round(SECONDS / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call(counts[name])
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: min(measured) for name, measured in times.items()}


def kernels() -> None:
    """Print the table of kernels."""
    print("kernels on one thread; GFLOP/s count the products with zeros around an image")
    head = f"{'examples, channels, size, kernel':38}{'':20}"
    peer = f"{'PyTorch':>10} {'ratio':>6}" if torch else ""
    print(head, f"{'emitted':>10} {'GFLOP/s':>8}", peer, f"{'compile':>9}")
    for shape in SHAPES:
        n, c, o, size, k, pad = shape
        out = size + 2 * pad - k + 1
        for way in WAYS:
            ours = kernel_of(shape, way)
            calls: dict[str, Callable[[int], None]] = {"emitted": ours.call}
            if torch:
                if way == "gradient of weights" and pad:  # zeros are what lies there
                    ours.arrays[0][:, :, :pad] = ours.arrays[0][:, :, -pad:] = 0.0
                call, expected = pytorchs(shape, way, ours.arrays)
                ours.call(1)
                scale = np.abs(expected).max()
                assert np.abs(ours.arrays[-1] - expected).max() < 1e-4 * scale, (shape, way)
                calls["PyTorch"] = lambda times, call=call: [call() for _ in range(times)] and None
            times = least(calls)
            title = f"{n}, {c} to {o}, {size} x {size}, {k} x {k}" + (f" pad {pad}" if pad else "")
            rate = 2e-9 * n * o * c * k * k * out * out / times["emitted"]
            line = [f"{title:38}{way:20}", f"{times['emitted'] * 1e6:7.1f} µs {rate:8.1f}"]
            if torch:
                ratio = times["emitted"] / times["PyTorch"]
                line.append(f"{times['PyTorch'] * 1e6:7.1f} µs {ratio:6.2f}")
            print(*line, f"{ours.seconds * 1e3:6.0f} ms", flush=True)


# ---------------------------------------------------------------------- the network


def pooled(x: Any) -> Any:
    """Return the largest of each two by two pixels."""
    return GATES["max_pool2d"](x, size=(2, 2), stride=(2, 2))


def lenet(p: list[Any], x: Any) -> Any:
    """Return the scores of a LeNet."""
    x = pooled(cr.relu(conv2d(x, p[0], padding=2) + p[1].reshape(1, 6, 1, 1)))
    x = pooled(cr.relu(conv2d(x, p[2]) + p[3].reshape(1, 16, 1, 1)))
    x = x.reshape(x.shape[0], 400)
    x = cr.relu(cr.relu(x @ p[4] + p[5]) @ p[6] + p[7])
    return x @ p[8] + p[9]


def lenet_cost(p: list[Any], x: Any, y: Any) -> Any:
    """Return the mean softmax cross-entropy."""
    return -np.mean(np.sum(cr.log_softmax(lenet(p, x)) * y, axis=1))


def begun() -> list[np.ndarray]:
    """Return weights and biases to start with."""
    generator = np.random.default_rng(0)
    found = []
    for shape in ((6, 1, 5, 5), (16, 6, 5, 5), (400, 120), (120, 84), (84, 10)):
        fan = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        weights = generator.standard_normal(shape) * np.sqrt(2.0 / fan)
        found += [weights.astype(np.float32)]
        found += [np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32)]
    return found


def pytorch_epochs(x: np.ndarray, labels: np.ndarray, size: int) -> Callable[[], float]:
    """Return a function that trains PyTorch's LeNet for an epoch and returns the mean cost."""
    p = [torch.tensor(one) for one in begun()]
    for k in (4, 6, 8):  # as torch.nn.Linear has its weights
        p[k] = p[k].T.contiguous()
    p = [one.requires_grad_() for one in p]
    f = torch.nn.functional
    images, classes = torch.from_numpy(x), torch.from_numpy(labels)
    adam = torch.optim.Adam(p, lr=1e-3)

    def epoch() -> float:
        costs = []
        for k in range(0, len(x), size):
            adam.zero_grad()
            a = f.max_pool2d(f.relu(f.conv2d(images[k : k + size], p[0], p[1], padding=2)), 2)
            a = f.max_pool2d(f.relu(f.conv2d(a, p[2], p[3])), 2).flatten(1)
            a = f.relu(f.linear(f.relu(f.linear(a, p[4], p[5])), p[6], p[7]))
            cost = f.cross_entropy(f.linear(a, p[8], p[9]), classes[k : k + size])
            cost.backward()
            adam.step()
            costs.append(cost.item())
        return float(np.mean(costs))

    return epoch


def networks(threads: int) -> None:
    """Print the times of the LeNet's epochs."""
    print(f"\nLeNet: seconds of an epoch of {IMAGES:,} images, {threads} thread(s), Adam, float32")
    for size in (64, 128):
        generator = np.random.default_rng(1)
        x = generator.random((BATCHES * size, 1, 28, 28), np.float32)
        labels = generator.integers(0, 10, len(x))
        data = x, np.eye(10, dtype=np.float32)[labels]
        settings: dict[str, Any] = {
            "epochs": EPOCHS, "batch_size": size, "optimizer": cr.Adam(1e-3), "shuffle": False,
            "threads": threads, "progress": False, "machine": "native",
        }  # fmt: skip
        start = time.perf_counter()
        result = cr.fit(lenet_cost, begun(), data, **settings | {"epochs": 1})
        first = time.perf_counter() - start
        costs, ours, theirs = result.history["cost"], [], []
        epoch = pytorch_epochs(x, labels, size) if torch else None
        for round_number in range(EPOCHS):
            result = cr.fit(lenet_cost, begun(), data, **settings)
            ours.append(min(result.history["seconds"]))
            if epoch is not None:
                start = time.perf_counter()
                cost = epoch()
                theirs.append(time.perf_counter() - start)
                # Later epochs differ: rounding decides which relu is on, and that which is next.
                assert round_number or abs(cost - costs[0]) < 1e-3 * cost, (cost, costs)
        scale = IMAGES / len(x)
        line = f"batches of {size:3}: emitted {min(ours) * scale:6.2f}"
        if torch:
            line += f"  PyTorch {min(theirs) * scale:6.2f}  ratio {min(ours) / min(theirs):5.2f}"
        print(f"{line}  first call {first:5.2f} (compiled or from the cache)", flush=True)
        assert np.isfinite(costs).all()


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    print(versions + (f", PyTorch {torch.__version__}" if torch else "") + f", {host().cpu}")
    if torch:
        torch.set_num_threads(1)
    kernels()
    if torch:
        torch.set_num_threads(threads)
    networks(threads)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "1"
    if any(os.environ.get(name) != wanted for name in LIBRARIES):
        # The libraries read it when they are loaded, which has happened: begin again.
        given = dict.fromkeys(LIBRARIES, wanted)
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | given)
    main()
