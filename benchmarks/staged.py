"""The staged machine against the same backward pass written by hand.

One point of f = (x + s(y)) / (s(x) + (x + y)**2), value and both gradients, Python floats in and
out. Results are compared before anything is timed; rounds are interleaved; medians are shown.
"""

from __future__ import annotations

import math
import platform
import statistics
import timeit
from collections.abc import Callable

import numpy as np

import chainrule as cr

ROUNDS, CALLS = 15, 20_000


def staged_example(x: float, y: float) -> float:
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def by_hand(x: float, y: float) -> tuple[float, float, float]:
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    dnum = invden
    dinvden = num
    dden = (-1.0 / (den**2)) * dinvden
    dsigx = dden
    dxpysqr = dden
    dxpy = (2 * xpy) * dxpysqr
    dx = dxpy
    dy = dxpy
    dx += ((1 - sigx) * sigx) * dsigx
    dx += dnum
    dsigy = dnum
    dy += ((1 - sigy) * sigy) * dsigy
    return f, dx, dy


def main() -> None:
    circuit = cr.trace(staged_example, 3.0, -4.0)
    machine = circuit.machine("staged")
    compiled = cr.compile(cr.value_and_grad(staged_example, (0, 1)), machine="staged")
    value, gradients = machine(3.0, -4.0)
    f, dx, dy = by_hand(3.0, -4.0)
    for ours, theirs in ((value, f), (gradients["x"], dx), (gradients["y"], dy)):
        assert math.isclose(ours, theirs, rel_tol=1e-14), (ours, theirs)
    again, (cdx, cdy) = compiled(3.0, -4.0)
    assert math.isclose(again, f) and math.isclose(cdx, dx) and math.isclose(cdy, dy)
    contenders: dict[str, Callable[[float, float], object]] = {
        "by hand": by_hand,
        'c.machine("staged")': machine,
        "cr.compile(value_and_grad)": compiled,
        "cr.value_and_grad, traced anew": cr.value_and_grad(staged_example, (0, 1)),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            calls = CALLS // (50 if "anew" in name else 1)
            seconds = timeit.timeit(lambda call=call: call(3.0, -4.0), number=calls)
            times[name].append(seconds / calls)
    hand = statistics.median(times["by hand"])
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, chainrule {cr.__version__}")
    print("value and both gradients of the staged example at one point")
    print(f"{'':32} {'µs':>8} {'× by hand':>10}")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:32} {median * 1e6:8.2f} {median / hand:10.2f}")
    print('aim: c.machine("staged") at most 1.5 × by hand')


if __name__ == "__main__":
    main()
