"""Backpropagation written by hand for a small network, checked, and one step of learning.

Two inputs, three hidden neurons, one output; sigmoid everywhere; half the squared error, summed
over the mini-batch. `backprop` is what a careful person writes; `cr.check_gradients` holds it
against the cost alone, and `cr.grad` gives the same with no work.

python examples/network_by_hand.py
"""

from __future__ import annotations

import numpy as np

import chainrule as cr


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def cost(parameters, x, y):
    W1, b1, W2, b2 = parameters
    hidden = sigmoid(x @ W1.T + b1)
    output = sigmoid(hidden @ W2.T + b2)
    return 0.5 * np.sum((output - y) ** 2)


def backprop(parameters, x, y):
    W1, b1, W2, b2 = parameters
    # forward pass: keep what the backward pass needs
    hidden = sigmoid(x @ W1.T + b1)
    output = sigmoid(hidden @ W2.T + b2)
    # backward pass: z is the weighted input of a layer
    dz2 = (output - y) * output * (1.0 - output)
    dW2 = dz2.T @ hidden
    db2 = dz2.sum(axis=0)
    dhidden = dz2 @ W2
    dz1 = dhidden * hidden * (1.0 - hidden)
    dW1 = dz1.T @ x
    db1 = dz1.sum(axis=0)
    return [dW1, db1, dW2, db2]


def example():
    parameters = [
        np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]]),
        np.array([0.01, 0.02, 0.03]),
        np.array([[0.7, -0.8, 0.9]]),
        np.array([0.04]),
    ]
    x = np.array([[1.0, 2.0], [-1.0, 0.5]])
    y = np.array([[1.0], [0.0]])
    return parameters, x, y


def main():
    parameters, x, y = example()
    print("cost", cost(parameters, x, y))
    report = cr.check_gradients(cost, parameters, x, y, argnums=0, gradient=backprop)
    print(report)

    by_hand = backprop(parameters, x, y)
    by_chainrule = cr.grad(cost)(parameters, x, y)
    print("same as cr.grad:", all(map(np.allclose, by_hand, by_chainrule)))

    learning_rate = 3.0
    parameters = [p - learning_rate / len(x) * g for p, g in zip(parameters, by_hand, strict=True)]
    print("cost after one step", cost(parameters, x, y))


if __name__ == "__main__":
    main()
