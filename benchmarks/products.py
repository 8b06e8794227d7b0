"""Emitted matrix products against NumPy's and PyTorch's, on one thread.

Results are compared before anything is timed; rounds are interleaved; medians are shown. The
emitted product is called in a loop of machine code, as a compiled program calls it; NumPy and
PyTorch are called from Python, into an array made before, as their users call them. The time to
compile is that of a module with this product alone.

    python benchmarks/products.py [rows of the table, from 1]
"""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chainrule.machines.native.builder import Builder, Value, module
from chainrule.machines.native.product import Product, emit_product, pieces, scratch_bytes
from chainrule.machines.native.target import compile_object, host, load

try:
    import torch
except ImportError:
    torch = None

LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROUNDS, SECONDS = 9, 0.03  # of each contender, and how long a round takes at least


class Shape(NamedTuple):
    """A product; `turned` where the first factor is a transpose, as in a weight's gradient."""

    rows: int
    columns: int
    inner: int
    kind: str = "float"
    turned: bool = False


SHAPES = (
    Shape(10, 30, 784),
    Shape(784, 30, 10, turned=True),
    Shape(10, 10, 30),
    Shape(32, 64, 64),
    Shape(128, 512, 784),
    Shape(1024, 1024, 1024),
    Shape(100, 16, 16, "double"),
    Shape(100, 1, 16, "double"),
    Shape(128, 512, 512),
    Shape(784, 512, 128, turned=True),
    Shape(512, 10, 128, turned=True),
    Shape(1, 512, 784),
    Shape(2048, 2048, 2048),
)


def emitted(product: Product) -> tuple[Callable[..., None], float]:
    """Return a function that multiplies so many times, and the seconds it took to compile."""
    target = host()
    names = ["a", "b", "c", "scratch"]
    arguments = [("ptr noalias", name) for name in names]
    b = Builder("product", arguments, target, attributes="nounwind noinline")
    a, bb, c, scratch = b.arguments.values()

    def finish(i: Value, j: Value, value: Value, mask: Value | None) -> None:
        at = b.add(b.mul(i, Value("i64", str(product.columns))), j)
        b.store(value, b.address(c, at, product.kind), mask)

    first, last = (Value("i64", str(n)) for n in (0, pieces(product, target)))
    emit_product(b, product, a, bb, scratch, first, last, finish)
    b.ret()
    many = Builder("many", [("i64", "times"), *arguments], target)
    times, *pointers = many.arguments.values()

    def call(_: Value) -> None:
        many.call("product", "void", *pointers)

    many.loop(0, times, 1, call)
    many.ret()
    start = time.perf_counter()
    code = compile_object(module([b, many]), target)
    seconds = time.perf_counter() - start
    (address,) = load(code, ("many",))
    kinds = [ctypes.c_int64, *[ctypes.c_void_p] * 4]
    return ctypes.CFUNCTYPE(None, *kinds)(address), seconds


def aligned(count: int, dtype: type) -> np.ndarray:
    """Return an array that begins with a cache line, as those of a compiled program do."""
    raw = np.zeros(count * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count * np.dtype(dtype).itemsize].view(dtype)


def contenders(shape: Shape) -> tuple[dict[str, Callable[[int], None]], float]:
    """Return the functions to time, each of how many times, and the seconds to compile ours."""
    rows, columns, inner, kind, turned = shape
    dtype = np.float32 if kind == "float" else np.float64
    rng = np.random.default_rng(0)
    a, b, c = (aligned(n, dtype) for n in (rows * inner, inner * columns, rows * columns))
    a[:], b[:] = rng.standard_normal(a.size), rng.standard_normal(b.size)
    A = a.reshape(inner, rows).T if turned else a.reshape(rows, inner)
    B, C, out = (
        b.reshape(inner, columns),
        c.reshape(rows, columns),
        np.empty((rows, columns), dtype),
    )
    strides = (1, rows) if turned else (inner, 1)
    product = Product(rows, columns, inner, kind, *strides, columns)
    ours, seconds = emitted(product)
    scratch = aligned(scratch_bytes(product, host()), np.uint8)
    operands = (a, b, c, scratch)

    def emitted_times(times: int) -> None:
        ours(times, *(x.ctypes.data for x in operands))

    def numpy_times(times: int) -> None:
        for _ in range(times):
            np.matmul(A, B, out=out)

    found: dict[str, Callable[[int], None]] = {"emitted": emitted_times, "NumPy": numpy_times}
    if torch is not None:
        torch.set_num_threads(1)
        ta, tb, tc = torch.from_numpy(A), torch.from_numpy(B), torch.empty((rows, columns))
        tc = tc.to(ta.dtype)

        def torch_times(times: int) -> None:
            for _ in range(times):
                torch.mm(ta, tb, out=tc)

        found["PyTorch"] = torch_times
    for call in found.values():
        call(1)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    bound = (inner + 2) * np.finfo(dtype).eps * (np.abs(A) @ np.abs(B))
    results = [C, out] if torch is None else [C, out, tc.numpy()]
    for result in results:
        assert (np.abs(result - exact) <= bound).all(), shape
    return found, seconds


def measure(calls: dict[str, Callable[[int], None]]) -> dict[str, float]:
    """Return the median seconds of one product for each contender."""
    counts: dict[str, int] = {}
    for name, call in calls.items():
        count, taken = 1, 0.0
        while taken < SECONDS / 4:
            start = time.perf_counter()
            call(count)
            taken = time.perf_counter() - start
            count *= 1 if taken >= SECONDS / 4 else 2
        counts[name] = max(1, round(count * SECONDS / taken))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call(counts[name])
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: statistics.median(measured) for name, measured in times.items()}


def main() -> None:
    chosen = [SHAPES[int(n) - 1] for n in sys.argv[1:]] or SHAPES
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    print(versions + (f", PyTorch {torch.__version__}" if torch else "") + f", {host().cpu}")
    print("C = A @ B, µs on one thread; A.T: the first factor is a transpose")
    peers = ["NumPy", "PyTorch"] if torch else ["NumPy"]
    head = [f"{'rows × columns × inner':32}", f"{'emitted':>10}", f"{'GFLOP/s':>8}"]
    head += [f"{peer:>10} {'ratio':>6}" for peer in peers]
    print(*head, f"{'compile':>8}")
    for shape in chosen:
        calls, seconds = contenders(shape)
        times = measure(calls)
        ours = times["emitted"]
        title = f"{shape.rows} × {shape.columns} × {shape.inner}"
        title += (" f64" if shape.kind == "double" else "") + (" A.T" if shape.turned else "")
        rate = 2e-9 * shape.rows * shape.columns * shape.inner / ours
        line = [f"{title:32}", f"{ours * 1e6:10.2f}", f"{rate:8.1f}"]
        line += [f"{times[peer] * 1e6:10.2f} {ours / times[peer]:6.2f}" for peer in peers]
        print(*line, f"{seconds * 1e3:5.1f} ms", flush=True)


if __name__ == "__main__":
    if any(os.environ.get(name) != "1" for name in LIBRARIES):
        # The libraries read it when they are loaded, which has happened: begin again.
        one = dict.fromkeys(LIBRARIES, "1")
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | one)
    main()
