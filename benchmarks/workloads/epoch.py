"""W4: one epoch of Nielsen's 784-30-10: sigmoids, half the squared error, batches of 10, eta 3.

50,000 digits in one shuffled order that all contenders keep, float32, weights of shape
(n_in, n_out). Every contender gathers its batches from the unshuffled digits, but for the limit.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from .case import Aim, Case, Contender, Inputs, Run, Workload
from .digits import SHUFFLE, digits, shuffled

EXAMPLES, SIZES, BATCH, ETA = 50_000, (784, 30, 10), 10, 3.0


def draw(generator: np.random.Generator, quick: bool, *, examples: int = EXAMPLES) -> Inputs:
    count = min(examples, 2_000) if quick else examples
    x, y = digits(count, generator)
    inputs = {"x": x, "y": y, "order": shuffled(count)}
    for k, (m, n) in enumerate(pairwise(SIZES), start=1):
        # Divided as in the book's third chapter: N(0, 1) saturates, and little is left to compare.
        inputs[f"W{k}"] = generator.normal(0, m**-0.5, (m, n)).astype(np.float32)
        inputs[f"b{k}"] = generator.normal(0, 1, n).astype(np.float32)
    return inputs


def split(inputs: Inputs) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    parameters = [inputs[name] for name in ("W1", "b1", "W2", "b2")]
    return parameters, inputs["x"], inputs["y"], inputs["order"]


def copies(parameters: list[np.ndarray]) -> list[np.ndarray]:
    return [p.copy() for p in parameters]


# ------------------------------------------------------------------ chainrule


def ours(inputs: Inputs, *, threads: int = 1, epochs: int = 5) -> Run:
    """Return several epochs by one call: `fit` traces the cost and finds its code once a call."""
    import chainrule as cr

    parameters, x, y, _ = split(inputs)

    def cost(parameters, x, y):
        W1, b1, W2, b2 = parameters
        a = cr.sigmoid(cr.sigmoid(x @ W1 + b1) @ W2 + b2)
        return 0.5 * np.sum((a - y) ** 2) / len(x)

    def train(epochs=epochs):
        return cr.fit(
            cost,
            parameters,
            (x, y),
            epochs=epochs,
            batch_size=BATCH,
            optimizer=cr.SGD(ETA),
            seed=SHUFFLE,
            threads=threads,
        ).parameters

    return Run(train, times=epochs, once=lambda: train(1))


# ------------------------------------------------------------------ NumPy and Numba


def numpy(inputs: Inputs) -> Run:
    given, x, y, order = split(inputs)

    def epoch():
        W1, b1, W2, b2 = parameters = copies(given)
        a1, a2 = np.empty((BATCH, 30), np.float32), np.empty((BATCH, 10), np.float32)
        d1, slope1, slope2 = np.empty_like(a1), np.empty_like(a1), np.empty_like(a2)
        dW1, dW2 = np.empty_like(W1), np.empty_like(W2)
        rate = np.float32(ETA / BATCH)

        def sigmoid(h, b):
            h += b
            np.negative(h, out=h)
            np.exp(h, out=h)
            h += 1
            np.reciprocal(h, out=h)

        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            xb = x[batch]
            np.matmul(xb, W1, out=a1)
            sigmoid(a1, b1)
            np.matmul(a1, W2, out=a2)
            sigmoid(a2, b2)
            np.subtract(1, a2, out=slope2)
            slope2 *= a2
            a2 -= y[batch]
            a2 *= slope2
            a2 *= rate
            np.matmul(a2, W2.T, out=d1)
            np.subtract(1, a1, out=slope1)
            slope1 *= a1
            d1 *= slope1
            W2 -= np.matmul(a1.T, a2, out=dW2)
            b2 -= a2.sum(0)
            W1 -= np.matmul(xb.T, d1, out=dW1)
            b1 -= d1.sum(0)
        return parameters

    return Run(epoch)


def numba(inputs: Inputs) -> Run:
    from numba import njit

    given, x, y, order = split(inputs)
    rate, one = np.float32(ETA / BATCH), np.float32(1)

    @njit
    def sigmoid(h, b):
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                h[n, j] = one / (one + np.exp(-(h[n, j] + b[j])))

    @njit
    def back(d, a, b):
        for n in range(d.shape[0]):
            for j in range(d.shape[1]):
                d[n, j] *= a[n, j] * (one - a[n, j])
                b[j] -= d[n, j]

    @njit
    def update(W, dW):
        for k in range(W.shape[0]):
            for j in range(W.shape[1]):
                W[k, j] -= dW[k, j]

    @njit
    def train(W1, b1, W2, b2, x, y, order):
        W1, b1, W2, b2 = W1.copy(), b1.copy(), W2.copy(), b2.copy()
        xb = np.empty((BATCH, W1.shape[0]), np.float32)
        a1 = np.empty((BATCH, W1.shape[1]), np.float32)
        a2 = np.empty((BATCH, W2.shape[1]), np.float32)
        d1, d2, dW1, dW2 = (
            np.empty_like(a1),
            np.empty_like(a2),
            np.empty_like(W1),
            np.empty_like(W2),
        )
        for start in range(0, order.size, BATCH):
            for n in range(BATCH):
                xb[n] = x[order[start + n]]
            np.dot(xb, W1, a1)
            sigmoid(a1, b1)
            np.dot(a1, W2, a2)
            sigmoid(a2, b2)
            for n in range(BATCH):
                for j in range(a2.shape[1]):
                    d2[n, j] = rate * (a2[n, j] - y[order[start + n], j])
            back(d2, a2, b2)
            np.dot(d2, W2.T, d1)
            back(d1, a1, b1)
            np.dot(a1.T, d2, dW2)
            update(W2, dW2)
            np.dot(xb.T, d1, dW1)
            update(W1, dW1)
        return W1, b1, W2, b2

    return Run(train, (*given, x, y, order))


def products(inputs: Inputs) -> Run:
    """Return the limit: the five products of each batch, and nothing else."""
    (W1, _, W2, _), x, _, order = split(inputs)
    a1, a2 = np.zeros((BATCH, 30), np.float32), np.zeros((BATCH, 10), np.float32)
    d1, dW1, dW2 = np.empty_like(a1), np.empty_like(W1), np.empty_like(W2)

    def epoch():
        for start in range(0, len(order), BATCH):
            xb = x[start : start + BATCH]
            np.matmul(xb, W1, out=a1)
            np.matmul(a1, W2, out=a2)
            np.matmul(a2, W2.T, out=d1)
            np.matmul(a1.T, a2, out=dW2)
            np.matmul(xb.T, d1, out=dW1)

    return Run(epoch)


# ------------------------------------------------------------------ peers


def jax(inputs: Inputs) -> Run:
    import jax
    import jax.numpy as jnp

    parameters, x, y, order = split(inputs)

    def cost(parameters, x, y):
        W1, b1, W2, b2 = parameters
        a = jax.nn.sigmoid(jax.nn.sigmoid(x @ W1 + b1) @ W2 + b2)
        return 0.5 * jnp.sum((a - y) ** 2) / BATCH

    @jax.jit
    def epoch(parameters, x, y, order):
        def step(parameters, batch):
            gradients = jax.grad(cost)(parameters, x[batch], y[batch])
            return [p - ETA * g for p, g in zip(parameters, gradients, strict=True)], None

        return jax.lax.scan(step, parameters, order.reshape(-1, BATCH))[0]

    arguments = jax.device_put((parameters, x, y, order.astype(np.int32)))
    return Run(lambda *given: jax.block_until_ready(epoch(*given)), arguments)


def pytorch(inputs: Inputs) -> Run:
    import torch

    given, x, y, order = split(inputs)
    x, y, order = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(order)

    def epoch():
        parameters = W1, b1, W2, b2 = [torch.from_numpy(p).clone().requires_grad_() for p in given]
        for batch in order.split(BATCH):
            a = torch.sigmoid(torch.addmm(b1, x[batch], W1))
            a = torch.sigmoid(torch.addmm(b2, a, W2))
            cost = 0.5 / BATCH * torch.sum((a - y[batch]) ** 2)
            gradients = torch.autograd.grad(cost, parameters)
            with torch.no_grad():
                torch._foreach_add_(parameters, gradients, alpha=-ETA)
        return [p.detach() for p in parameters]

    return Run(epoch)


def autograd(inputs: Inputs) -> Run:
    from autograd import grad
    from autograd import numpy as anp

    given, x, y, order = split(inputs)

    def cost(parameters, x, y):
        W1, b1, W2, b2 = parameters
        a1 = 1 / (1 + anp.exp(-(anp.dot(x, W1) + b1)))
        a2 = 1 / (1 + anp.exp(-(anp.dot(a1, W2) + b2)))
        return 0.5 * anp.sum((a2 - y) ** 2) / BATCH

    gradients = grad(cost)

    def epoch():
        parameters = copies(given)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            for p, g in zip(parameters, gradients(parameters, x[batch], y[batch]), strict=True):
                p -= np.float32(ETA) * g
        return parameters

    return Run(epoch)


def sklearn(inputs: Inputs) -> Run:
    from sklearn.neural_network import MLPRegressor

    _, x, y, order = split(inputs)
    x, y = x[order], y[order]

    def epoch():
        network = MLPRegressor(
            hidden_layer_sizes=(30,),
            activation="logistic",
            solver="sgd",
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=0.01,  # 3 is too much for an output without a sigmoid
            momentum=0.0,
            shuffle=False,
            random_state=0,
        )
        return network.partial_fit(x, y).coefs_

    return Run(epoch)


def example_by_example(inputs: Inputs) -> Run:
    """Return the book's way: columns, lists of arrays, a loop over the examples of a batch."""
    given, x, y, order = split(inputs)
    columns = [(a.reshape(-1, 1), b.reshape(-1, 1)) for a, b in zip(x, y, strict=True)]

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def backprop(weights, biases, a, target):
        activations = [a]
        for w, b in zip(weights, biases, strict=True):
            activations.append(sigmoid(np.dot(w, activations[-1]) + b))
        delta = activations[-1] - target
        dw, db = [], []
        for k in reversed(range(len(weights))):
            a = activations[k + 1]
            delta = delta * (a * (1 - a))
            db.insert(0, delta)
            dw.insert(0, np.dot(delta, activations[k].T))
            delta = np.dot(weights[k].T, delta)
        return dw, db

    def epoch():
        weights = [given[0].T.copy(), given[2].T.copy()]
        biases = [given[1].reshape(-1, 1).copy(), given[3].reshape(-1, 1).copy()]
        for start in range(0, len(order), BATCH):
            sums = [np.zeros_like(p) for p in (*weights, *biases)]
            for k in order[start : start + BATCH]:
                dw, db = backprop(weights, biases, *columns[k])
                sums = [s + g for s, g in zip(sums, (*dw, *db), strict=True)]
            for p, s in zip((*weights, *biases), sums, strict=True):
                p -= np.float32(ETA / BATCH) * s
        (w1, w2), (b1, b2) = weights, biases
        return w1.T, b1.ravel(), w2.T, b2.ravel()

    return Run(epoch)


OURS = Contender("chainrule", ours, ("chainrule",), "ours")
OURS_CALLED = Contender(
    "chainrule, fit called each epoch", partial(ours, epochs=1), ("chainrule",), "ours"
)
JAX = Contender("JAX scan", jax, ("jax",))
NUMPY = Contender("NumPy by hand", numpy)
NUMBA = Contender("Numba and BLAS", numba, ("numba", "scipy"))
LIMIT = Contender("NumPy's bare products", products, (), "limit", not_compared="products only")
# Rounding grows over 5,000 steps in float32: two right answers differ by about a thousandth.
TOLERANCE = 1e-2

WORKLOAD = Workload(
    "W4",
    "one epoch of Nielsen's 784-30-10, 50,000 digits in batches of 10, float32",
    (
        Case(
            "W4",
            draw,
            (
                OURS,
                OURS_CALLED,
                JAX,
                NUMBA,
                NUMPY,
                Contender(
                    "scikit-learn",
                    sklearn,
                    ("sklearn",),
                    not_compared="MLPRegressor: no sigmoid at its output",
                ),
                Contender("PyTorch eager", pytorch, ("torch",)),
                Contender("autograd", autograd, ("autograd",)),
                Contender("example by example", example_by_example),
                LIMIT,
            ),
            reference="NumPy by hand",
            tolerance=TOLERANCE,
            aims=(Aim(0.55, "JAX scan"),),
        ),
        Case(
            "W4 two threads",
            draw,
            (
                Contender("chainrule", partial(ours, threads=2), ("chainrule",), "ours"),
                JAX,
                NUMPY,
                LIMIT,
            ),
            reference="NumPy by hand",
            tolerance=TOLERANCE,
            aims=(Aim(0.4, "JAX scan"),),
            threads=2,
        ),
    ),
)
