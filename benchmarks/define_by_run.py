"""Define by run at scale: time and memory a gate, beside PyTorch eager and a graph of objects.

Two programs of plain numbers, of 100,000 gates each: `chain` (y = y + x, over and over) and `mixed`
(forks through + - * /, exp and tanh). Every peer builds the same program and goes backward; values
and gradients are compared before anything is timed, rounds are interleaved, medians are shown. The
garbage collector is on, as in anybody's program; the graph of objects is shown without it too.
At the end chainrule alone runs a million gates: define by run, `trace` and `grad`.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr

GATES, ROUNDS, MANY = 100_000, 7, 1_000_000
START = 0.9


class Value:
    """A number of a graph of objects, in the way micrograd made popular.

    Each result holds its inputs, its gradient and a closure that hands the gradient on. Only the
    topological sort is a loop here where micrograd recurses, since Python's stack is too short.
    """

    def __init__(self, data: float, inputs: tuple[Value, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.inputs = inputs
        self.hand_on: Callable[[], None] = lambda: None

    def __add__(self, other: Any) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        result = Value(self.data + other.data, (self, other))

        def hand_on() -> None:
            self.grad += result.grad
            other.grad += result.grad

        result.hand_on = hand_on
        return result

    def __mul__(self, other: Any) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        result = Value(self.data * other.data, (self, other))

        def hand_on() -> None:
            self.grad += other.data * result.grad
            other.grad += self.data * result.grad

        result.hand_on = hand_on
        return result

    def __truediv__(self, other: Value) -> Value:
        result = Value(self.data / other.data, (self, other))

        def hand_on() -> None:
            self.grad += result.grad / other.data
            other.grad -= result.data / other.data * result.grad

        result.hand_on = hand_on
        return result

    def __sub__(self, other: Value) -> Value:
        result = Value(self.data - other.data, (self, other))

        def hand_on() -> None:
            self.grad += result.grad
            other.grad -= result.grad

        result.hand_on = hand_on
        return result

    def __neg__(self) -> Value:
        result = Value(-self.data, (self,))

        def hand_on() -> None:
            self.grad -= result.grad

        result.hand_on = hand_on
        return result

    def exp(self) -> Value:  # noqa: D102  # a peer's, named as the peers name it
        result = Value(math.exp(self.data), (self,))

        def hand_on() -> None:
            self.grad += result.data * result.grad

        result.hand_on = hand_on
        return result

    def tanh(self) -> Value:  # noqa: D102
        result = Value(math.tanh(self.data), (self,))

        def hand_on() -> None:
            self.grad += (1.0 - result.data * result.data) * result.grad

        result.hand_on = hand_on
        return result

    def backward(self) -> None:  # noqa: D102
        order: list[Value] = []
        seen: set[Value] = set()
        pending: list[tuple[Value, bool]] = [(self, False)]
        while pending:
            value, is_done = pending.pop()
            if is_done:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                pending.append((value, True))
                pending.extend((source, False) for source in value.inputs)
        self.grad = 1.0
        for value in reversed(order):
            value.hand_on()


@dataclass(frozen=True)
class Peer:
    """An engine: how it makes a leaf, and its functions."""

    name: str
    leaf: Callable[[float], Any]
    exp: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    collects: bool = True


def peers() -> list[Peer]:
    """Return the engines that are installed."""
    found = [
        Peer("chainrule", cr.Variable, np.exp, np.tanh),
        Peer("objects", Value, Value.exp, Value.tanh),
        Peer("objects, no GC", Value, Value.exp, Value.tanh, collects=False),
    ]
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: skipped", file=sys.stderr)
        return found
    torch.set_num_threads(1)

    def leaf(value: float) -> Any:
        return torch.tensor(value, dtype=torch.float64, requires_grad=True)

    return [*found, Peer(f"PyTorch {torch.__version__}", leaf, torch.exp, torch.tanh)]


def chain(peer: Peer, x: Any, gates: int) -> Any:
    y = x
    for _ in range(gates):
        y = y + x
    return y


def mixed(peer: Peer, x: Any, gates: int) -> Any:
    exp, tanh = peer.exp, peer.tanh
    y = x
    for _ in range(gates // 9):
        u = y * x
        v = exp(-(u * u))
        y = tanh(u + v) / (x + 1.5) - v
    return y


PROGRAMS = {"chain": chain, "mixed": mixed}


@contextmanager
def collector(on: bool) -> Iterator[None]:
    gc.collect()
    if not on:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(peer: Peer, program: Callable[..., Any], gates: int) -> tuple[float, float, float, float]:
    """Return seconds to build, seconds to go backward, value, gradient."""
    with collector(peer.collects):
        x = peer.leaf(START)
        start = time.perf_counter()
        y = program(peer, x, gates)
        built = time.perf_counter()
        y.backward()
        done = time.perf_counter()
    value = y.data if isinstance(y, Value) else y.value if isinstance(y, cr.Variable) else y.item()
    return built - start, done - built, value, float(x.grad)


def compare(engines: list[Peer], program: Callable[..., Any]) -> None:
    """Stop if the engines do not agree."""
    _, _, value, gradient = run(engines[0], program, 900)
    for peer in engines[1:]:
        _, _, other, slope = run(peer, program, 900)
        if not (math.isclose(value, other) and math.isclose(gradient, slope, rel_tol=1e-9)):
            sys.exit(f"{peer.name} gives {other}, {slope}; chainrule {value}, {gradient}")


def peak_bytes(name: str, program: str) -> float:
    """Return the bytes a gate at the peak, measured in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--peak", name, program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(found.stdout)


def resident() -> int:
    """Return the bytes of memory at the peak since the last call."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # start the peak anew
    return int(line.split()[1]) * 1024


def print_peak(name: str, program: str) -> None:
    peer = next(peer for peer in peers() if peer.name == name)
    run(peer, PROGRAMS[program], 900)  # whatever is loaded or set up on first use
    gc.collect()
    resident()
    before = resident()
    run(peer, PROGRAMS[program], GATES)
    print((resident() - before) / GATES)


def table(engines: list[Peer], name: str) -> None:
    program = PROGRAMS[name]
    times: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in engines}
    for peer in engines:
        run(peer, program, GATES)
    for _ in range(ROUNDS):
        for peer in engines:
            times[peer.name].append(run(peer, program, GATES)[:2])
    print(f"\n{name}: {GATES:,} gates, medians of {ROUNDS} rounds, microseconds a gate")
    print(f"{'':18}{'build':>8}{'backward':>10}{'total':>8}{'ratio':>8}{'bytes':>8}")
    first = 0.0
    for peer in engines:
        build, back = (
            1e6 / GATES * statistics.median(t) for t in zip(*times[peer.name], strict=True)
        )
        total = 1e6 / GATES * statistics.median(sum(pair) for pair in times[peer.name])
        first = first or total
        size = f"{peak_bytes(peer.name, name):8.0f}" if sys.platform == "linux" else f"{'':8}"
        print(f"{peer.name:18}{build:8.2f}{back:10.2f}{total:8.2f}{total / first:8.2f}{size}")


def million() -> None:
    """Run chainrule's three ways at a million gates."""

    def function(x: float) -> float:
        y = x
        for _ in range(MANY):
            y = y + x
        return y

    print(f"\nchain: {MANY:,} gates, seconds (the gradient must be {MANY + 1:,})")
    ours = peers()[0]
    build, back, _, gradient = run(ours, chain, MANY)
    print(f"{'Variable':18}{build + back:8.2f}{gradient:14,.0f}")
    start = time.perf_counter()
    slope = cr.grad(function)(START)
    print(f"{'grad':18}{time.perf_counter() - start:8.2f}{slope:14,.0f}")
    start = time.perf_counter()
    circuit = cr.trace(function, START)
    print(
        f"{'trace':18}{time.perf_counter() - start:8.2f}{circuit.gradients['x']:14,.0f}"
        "   (the time is without the gradient)"
    )


def main() -> None:
    engines = peers()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    print("ratio: time against chainrule's; bytes: resident memory a gate at the peak")
    for name, program in PROGRAMS.items():
        compare(engines, program)
        table(engines, name)
    million()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(*sys.argv[2:])
    else:
        main()
