# mypy: allow-untyped-defs, allow-untyped-calls
"""The functions of the tour, as a user would write them: plain Python and NumPy, no annotations.

The tracer counts this file among the user's, so the variables below name the wires. The circuits
are those of the classic lectures on backpropagation; their numbers can be checked by hand. The
tour prints these functions as they stand here.
"""

import math
from itertools import pairwise

import numpy as np


def neuron(w, x):
    """Fire, softly: the sigmoid of a weighted sum."""
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1.0 / (1.0 + math.exp(-dot))
    return f


def staged(x, y):
    """Compute an expression in stages that are easy to go back through."""
    sigy = 1.0 / (1.0 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def mix(x, y, z, w):
    """Send a gradient through gates that scale, hand on, and choose."""
    product = x * y
    largest = np.maximum(z, w)
    total = product + largest
    f = 2 * total
    return f


def layer(x, w, b):
    """Return the mean square of what a layer of a network gives."""
    h = np.tanh(x @ w + b)
    return np.mean(h**2)


def sigmoid(z):
    """Squash numbers into 0 to 1."""
    return 1.0 / (1.0 + np.exp(-z))


def output(parameters, images):
    """Return ten numbers for each image, one a digit; the largest is what the network reads."""
    w1, b1, w2, b2 = parameters
    hidden = sigmoid(images @ w1 + b1)
    return sigmoid(hidden @ w2 + b2)


def cost(parameters, images, targets):
    """Return half the squared distance from the targets, the mean over the images."""
    error = output(parameters, images) - targets
    return 0.5 * np.sum(error**2) / len(images)


def initial(sizes, rng):
    """Draw weights that keep sums near 1 in layers of any width; biases start at 0."""
    parameters = []
    for n_in, n_out in pairwise(sizes):
        parameters += [rng.normal(0, 1 / np.sqrt(n_in), (n_in, n_out)), np.zeros(n_out)]
    return parameters


def descend(step, parameters, images, targets, learning_rate):
    """Go one step downhill: each parameter against its gradient."""
    value, gradients = step(parameters, images, targets)
    moved = [p - learning_rate * g for p, g in zip(parameters, gradients, strict=True)]
    return value, moved
