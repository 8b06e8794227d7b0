"""Programs that people differentiate: regressions, networks, likelihoods, filters, integrators."""

from __future__ import annotations

import math

import numpy as np

from .arrays import normal, positive
from .program import program

# ---------------------------------------------------------------------- regressions


def linear_regression(parameters, X, y):
    W, b = parameters["W"], parameters["b"]
    prediction = X @ W + b
    error = prediction - y
    return np.mean(error**2) + 0.01 * np.sum(W**2)


def logistic_regression(w, b, X, y):
    logits = X @ w + b
    p = 1.0 / (1.0 + np.exp(-logits))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def logistic_stable(w, X, y):
    logits = X @ w
    return np.mean(np.logaddexp(0.0, logits) - y * logits)


def softmax_regression(W, b, X, targets):
    logits = X @ W + b
    logits = logits - np.max(logits, axis=1, keepdims=True)
    log_p = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return -np.sum(targets * log_p) / len(X)


def huber_regression(w, X, y, delta):
    r = X @ w - y
    inside = np.abs(r) <= delta
    return np.sum(np.where(inside, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))


# ---------------------------------------------------------------------- networks


def book_network(weights, biases, X, Y):
    """Give the book's network with the mini-batch in columns, and the quadratic cost."""
    activation = X
    for w, b in zip(weights, biases, strict=True):
        z = w @ activation + b
        activation = 1.0 / (1.0 + np.exp(-z))
    return 0.5 * np.sum((activation - Y) ** 2)


def perceptron_tanh(layers, X, y):
    h = X
    for layer in layers[:-1]:
        h = np.tanh(h @ layer["W"] + layer["b"])
    last = layers[-1]
    out = h @ last["W"] + last["b"]
    return np.mean((out[:, 0] - y) ** 2)


def perceptron_relu(W1, b1, W2, X):
    h = np.maximum(X @ W1 + b1, 0)
    return np.sum((h @ W2) ** 2)


def perceptron_gelu(W, X):
    z = X @ W
    gelu = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    return np.sum(gelu)


def convolution(image, kernel):
    rows, columns = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = sum(
        kernel[i, j] * image[i : i + rows, j : j + columns]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )
    return np.sum(np.tanh(out))


def max_pooling(image):
    pooled = image.reshape(2, 2, 2, 2).max(axis=(1, 3))
    return np.sum(pooled**2)


def attention(Q, K, V):
    scores = Q @ np.swapaxes(K, -1, -2) / math.sqrt(Q.shape[-1])
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return np.sum((weights @ V) ** 2)


def layer_norm(x, gain, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return np.sum(np.sin(normed * gain + bias))


def recurrent(W, U, b, inputs):
    h = np.zeros(W.shape[0])
    loss = 0.0
    for x in inputs:
        h = np.tanh(W @ h + U @ x + b)
        loss = loss + np.sum(h**2)
    return loss


def autoencoder(W, X):
    code = np.tanh(X @ W)
    return np.mean((code @ W.T - X) ** 2)


def embedding(table, words):
    rows = table[words]
    return np.sum(rows.mean(axis=0) ** 2) + np.sum(rows[0] * rows[-1])


# ---------------------------------------------------------------------- likelihoods


def mixture(logits, means, log_scales, data):
    log_weights = logits - np.log(np.sum(np.exp(logits)))
    z = (data[:, None] - means) / np.exp(log_scales)
    log_p = log_weights - log_scales - 0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    high = log_p.max(axis=1, keepdims=True)
    return -np.sum(np.log(np.sum(np.exp(log_p - high), axis=1)) + high[:, 0])


def gaussian_process(length, x, y):
    distance = (x[:, None] - x[None, :]) ** 2
    K = np.exp(-0.5 * distance / length**2) + 0.1 * np.eye(len(x))
    return 0.5 * y @ np.linalg.solve(K, y) + 0.5 * np.log(np.linalg.det(K))


def inverse_and_det(A):
    return np.sum(np.linalg.inv(A) ** 2) + np.linalg.det(A)


def log_determinant(A):
    return np.log(np.abs(np.linalg.det(A)))


def distances(P, Q):
    gaps = P[:, None, :] - Q[None, :, :]
    return np.sum(np.sqrt(np.sum(gaps**2, axis=-1)))


def principal_direction(v, X):
    covariance = X.T @ X / len(X)
    return v @ covariance @ v / (v @ v)


def einsum_model(A, B, C):
    return np.einsum("ij,jk,ik->", A, B, C) + np.einsum("ij,ij->i", A, A).prod()


def einsum_diagonals(A, B):
    diagonal = np.einsum("ii->i", A @ A.T)
    return (
        diagonal.prod() + np.einsum("...ij,...jk->...ik", B, A).sum() + np.einsum("ij->ji", A)[0, 1]
    )


def tensor_products(A, B):
    both = np.tensordot(A, B, axes=([1], [0]))
    return np.sum(both**2) + np.sum(np.outer(A[0], B[:, 0])) + np.inner(A[0], B[:, 0])


def batched_matmul(A, B):
    return np.sum(np.matmul(A, B) ** 2)


def vectors_and_matrices(x, A):
    return x @ A @ x + np.dot(A, x).sum() + np.dot(x, x) ** 2 + np.sum(x @ A)


# ---------------------------------------------------------------------- filters and integrators


def kalman_step(mean, cov, F, Q, z):
    predicted, spread = F @ mean, F @ cov @ F.T + Q
    H = np.array([[1.0, 0.0]])
    S = H @ spread @ H.T + 0.5
    gain = spread @ H.T / S
    innovation = z - H @ predicted
    updated = predicted + gain @ innovation
    left = (np.eye(2) - gain @ H) @ spread
    return np.sum(updated**2) + np.trace(left)


def oscillators(state, coupling):
    def slope(angles):
        return 0.3 + coupling * np.mean(np.sin(angles[:, None] - angles[None, :]), axis=0)

    h = 0.1
    for _ in range(3):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(np.cos(state))


def heat_equation(u, rate):
    for _ in range(4):
        u = u + rate * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    return np.sum(u**4)


def newton_on_arrays(x, a):
    for _ in range(4):
        x = x - (x * x - a) / (2 * x)
    return np.sum(x)


def polynomial(x, coefficients):
    powers = x[:, None] ** np.arange(len(coefficients))
    return np.sum(np.tanh(powers @ coefficients)) + np.polyval(coefficients, 0.5 * x).sum()


def unrolled_training(w, X, y, rate):
    for _ in range(3):
        gradient = X.T @ (X @ w - y) / len(y)
        w = w - rate * gradient
    return np.mean((X @ w - y) ** 2)


LABELS = np.array([0.0, 1.0, 1.0, 0.0])
SPREAD = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.3, 1.2]])
LAYERS = [
    {"W": normal(2, 3), "b": normal(3)},
    {"W": normal(3, 3), "b": normal(3)},
    {"W": normal(3, 1), "b": normal(1)},
]
W1 = np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]])

MODELS = (
    program(
        linear_regression, {"W": normal(3, 1), "b": normal(1)}, normal(5, 3), normal(5, 1),
        peers=True,
    ),
    program(logistic_regression, normal(3), 0.2, normal(4, 3), LABELS, peers=True),
    program(logistic_stable, normal(3), normal(4, 3), LABELS, peers=True),
    program(softmax_regression, normal(3, 4), normal(4), normal(4, 3), np.eye(4), peers=True),
    program(huber_regression, normal(3), normal(5, 3), normal(5), 0.8, smooth=False),
    program(
        book_network,
        [W1, np.array([[0.7, -0.8, 0.9]])],
        [np.array([[0.01], [0.02], [0.03]]), np.array([[0.04]])],
        np.array([[1.0, -1.0], [2.0, 0.5]]),
        np.array([[1.0, 0.0]]),
        peers=True,
    ),
    program(perceptron_tanh, LAYERS, normal(5, 2), normal(5), peers=True),
    program(perceptron_relu, normal(2, 3), normal(3), normal(3, 2), normal(4, 2)),
    program(perceptron_gelu, normal(2, 3), normal(4, 2), peers=True),
    program(convolution, normal(5, 5), normal(3, 3), peers=True),
    program(max_pooling, normal(4, 4), peers=True),
    program(attention, normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 3), peers=True),
    program(layer_norm, normal(3, 4), normal(4), normal(4), peers=True),
    program(recurrent, normal(3, 3), normal(3, 2), normal(3), normal(4, 2), peers=True),
    program(autoencoder, normal(4, 2), normal(5, 4), peers=True),
    program(embedding, normal(5, 3), np.array([1, 3, 1, 0]), peers=True),
    program(mixture, normal(3), normal(3), normal(3), normal(6), peers=True),
    program(gaussian_process, 0.8, np.linspace(0.0, 2.0, 4), normal(4)),
    program(inverse_and_det, SPREAD, peers=True),
    program(log_determinant, SPREAD, peers=True),
    program(distances, normal(3, 2), normal(4, 2), peers=True),
    program(principal_direction, normal(3), normal(5, 3), peers=True),
    program(einsum_model, normal(2, 3), normal(3, 4), normal(2, 4), peers=True),
    program(einsum_diagonals, normal(2, 3), normal(4, 3, 2)),
    program(tensor_products, normal(2, 3), normal(3, 2), peers=True),
    program(batched_matmul, normal(2, 1, 3, 4), normal(5, 4, 2), peers=True),
    program(vectors_and_matrices, normal(3), normal(3, 3), peers=True),
    program(
        kalman_step, normal(2), np.eye(2), np.array([[1.0, 0.1], [0.0, 1.0]]), 0.1 * np.eye(2),
        np.array([0.7]), peers=True,
    ),
    program(oscillators, normal(4), 0.7, peers=True),
    program(heat_equation, normal(6), 0.2, peers=True),
    program(newton_on_arrays, positive(3), positive(3), peers=True),
    program(polynomial, normal(3), normal(4), smooth=False),
    program(unrolled_training, normal(2), normal(4, 2), normal(4), 0.1, peers=True),
)  # fmt: skip
