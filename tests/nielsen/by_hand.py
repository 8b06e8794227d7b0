"""The book's algorithms in plain loops over examples and layers: what the engine is held against.

Gradients are the four equations of backpropagation (M. Nielsen, "Neural Networks and Deep
Learning", 2015, BP1 to BP4), written out for one example at a time; the updates are its eqs. 20, 21
and 93.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def squash(z):
    return 1.0 / (1.0 + np.exp(-z))


def draw(sizes, rng, scaled):
    """Return biases and weights as the networks draw them from a generator."""
    biases = [rng.standard_normal((n, 1)) for n in sizes[1:]]
    weights = []
    for n_in, n_out in pairwise(sizes):
        weights.append(rng.standard_normal((n_out, n_in)) / (np.sqrt(n_in) if scaled else 1.0))
    return biases, weights


def forward(biases, weights, x):
    """Return the activations of all layers."""
    activations = [x]
    for b, w in zip(biases, weights, strict=True):
        activations.append(squash(w @ activations[-1] + b))
    return activations


def gradient(biases, weights, x, y, cost):
    """Return the gradient for one example; `cost` is "quadratic" or "cross-entropy"."""
    activations = forward(biases, weights, x)
    a = activations[-1]
    error = (a - y) * a * (1.0 - a) if cost == "quadratic" else a - y  # BP1
    nabla_b, nabla_w = [], []
    for layer in range(len(weights) - 1, -1, -1):
        nabla_b.insert(0, error)  # BP3
        nabla_w.insert(0, error @ activations[layer].T)  # BP4
        a = activations[layer]
        error = (weights[layer].T @ error) * a * (1.0 - a)  # BP2
    return nabla_b, nabla_w


def descend(biases, weights, batch, eta, cost, lmbda=0.0, n=1):
    """Return biases and weights after one step."""
    sums = None
    for x, y in batch:
        found = gradient(biases, weights, x, y, cost)
        sums = found if sums is None else [
            [s + g for s, g in zip(ss, gs, strict=True)]
            for ss, gs in zip(sums, found, strict=True)
        ]  # fmt: skip
    rate = eta / len(batch)
    return (
        [b - rate * g for b, g in zip(biases, sums[0], strict=True)],
        [(1.0 - eta * lmbda / n) * w - rate * g for w, g in zip(weights, sums[1], strict=True)],
    )


def epochs(biases, weights, data, rng, count, size, eta, cost, lmbda=0.0):
    """Yield biases and weights after each epoch."""
    for _ in range(count):
        order = rng.permutation(len(data))
        for start in range(0, len(data), size):
            batch = [data[k] for k in order[start : start + size]]
            biases, weights = descend(biases, weights, batch, eta, cost, lmbda, len(data))
        yield biases, weights


def mean_cost(biases, weights, data, cost, lmbda):
    """Return the mean cost with regularisation (the book's eqs. 6, 57, 87)."""
    total = 0.0
    for x, y in data:
        a = forward(biases, weights, x)[-1]
        if cost == "quadratic":
            total += 0.5 * np.sum((a - y) ** 2)
        else:
            total -= np.sum(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))
    squares = sum(np.sum(w**2) for w in weights)
    return total / len(data) + lmbda / (2.0 * len(data)) * squares


def count_right(biases, weights, data):
    """Return for how many examples, with labels, the largest output is the right one."""
    return sum(int(forward(biases, weights, x)[-1].argmax() == y) for x, y in data)


def columns(rng, count, n_in, n_out):
    """Return made-up examples, (x, y) with one-hot columns."""
    made = []
    for _ in range(count):
        y = np.zeros((n_out, 1))
        y[rng.integers(n_out)] = 1.0
        made.append((rng.normal(size=(n_in, 1)), y))
    return made


def labelled(examples):
    """Return the examples with integer labels."""
    return [(x, int(y.argmax())) for x, y in examples]
