"""The tour's network, 64-30-10, on twenty digits, with everything it needs as defaults.

Look at it with `chainrule show examples/digits_network.py:network`: one box a line of the source,
with shapes, and with the norm of the gradient on each wire.
"""

from __future__ import annotations

import numpy as np

from chainrule.data.digits import load_digits
from chainrule.tour.examples import initial

rng = np.random.default_rng(0)
training, _ = load_digits().split(seed=0)
batch = training[:20]
start = initial((64, 30, 10), rng)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def network(weights=start, images=batch.images, targets=batch.targets):
    w1, b1, w2, b2 = weights
    hidden = sigmoid(images @ w1 + b1)
    output = sigmoid(hidden @ w2 + b2)
    error = output - targets
    return 0.5 * np.sum(error**2) / len(images)


if __name__ == "__main__":
    import chainrule as cr

    print(cr.trace(network, *network.__defaults__).ledger())
