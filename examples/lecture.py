"""The circuits of the lecture, read in every way.

python examples/lecture.py
"""

from __future__ import annotations

from math import exp

import numpy as np

import chainrule as cr


def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1.0 / (1.0 + exp(-dot))
    return f


def staged(x, y):
    sigy = 1.0 / (1.0 + exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def patterns(x, y, z, w):
    product = x * y
    largest = np.maximum(z, w)
    total = product + largest
    f = 2.0 * total
    return f


def main():
    print("A. A compound expression\n")
    print(cr.trace("q = x + y; q * z", x=-2, y=5, z=-4).words())

    print("B. A neuron, out of small gates\n")
    print(cr.trace(neuron, [2.0, -3.0, -3.0], [-1.0, -2.0]).table())

    print("\nC. Staged computation\n")
    c = cr.trace(staged, 3.0, -4.0)
    print(c.code(style="listing"))
    print(c.check())

    print("\nD. Add distributes, max routes, multiply swaps\n")
    print(cr.trace(patterns, 3.0, -4.0, 2.0, -1.0).words())


if __name__ == "__main__":
    main()
