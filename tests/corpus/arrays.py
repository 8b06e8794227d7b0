"""Programs on arrays: broadcasting, reductions, indexing, views and writes, the where traps."""

from __future__ import annotations

import math

import numpy as np

from .program import program

DRAWS = np.random.default_rng(11)


def normal(*shape):
    """Draw an array of round numbers, so that failures read well."""
    return np.round(DRAWS.normal(size=shape), 3)


def positive(*shape):
    """Draw positive round numbers."""
    return np.round(DRAWS.uniform(0.3, 2.0, shape), 3)


# ---------------------------------------------------------------------- broadcasting


def broadcast_rows(x, row):
    return np.sum((x + row) * row)


def broadcast_columns(x, column):
    return np.mean(np.exp(x * column) / (1.0 + column**2))


def broadcast_outer(row, column):
    grid = row * column - column / (2.0 + row**2)
    return (grid**2).sum()


def broadcast_scalar(x, s):
    return np.sum(s * x + s) - s**2


def broadcast_deep(x, y, z):
    return np.sum(np.tanh(x * y + z)) * 0.5


def broadcast_ones(x, y):
    return np.sum(np.maximum(x, y) * (x - y))


def number_and_arrays(x, rate, scale):
    return rate * np.sum(x) ** 2 + math.sin(rate) * scale * np.prod(x[:2])


def zero_dimensional(x, y):
    return np.sin(x) * y + x * np.sum(y)


def float32_throughout(x, W, b):
    h = np.maximum(x @ W + b, 0.1 * (x @ W + b))
    return np.mean(h**2) + 0.01 * np.sum(np.abs(W))


def float32_scalars(x, y):
    return x * y + np.exp(x) / 3


def mixed_dtypes(x, y):
    return np.sum(x * y) + np.mean(x)


# ---------------------------------------------------------------------- reductions


def reductions(x):
    a = np.sum(x, axis=0) * np.mean(x, axis=(0, 1), keepdims=True)
    b = np.prod(x, axis=1) + np.max(x, axis=1) - np.min(x, axis=-1)
    c = np.var(x) + np.std(x, axis=0).sum() + x.var(axis=1, ddof=1).sum()
    return a.sum() + b.mean() + c + np.linalg.norm(x) + np.linalg.norm(x, axis=1).sum()


def cumulative(x):
    total = np.cumsum(x, axis=0) * np.cumprod(x, axis=1)
    return np.sum(total) + np.cumsum(x).mean() + np.diff(x, axis=1).sum()


def log_sum_exp(x):
    high = np.max(x, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(x - high), axis=1)) + high[:, 0])


def log_add(x, y):
    return np.sum(np.logaddexp(x, y) + np.logaddexp.reduce([0.5, 1.0]))


def empty_sums(x, y):
    return np.sum(x) + np.prod(y) * 2.0


def sorted_values(x):
    ranked = np.sort(x)
    weights = np.arange(len(x)) / len(x)
    return np.sum(ranked * weights) + x[np.argsort(x)][0] ** 2 + x[np.argmax(x)]


def median_by_sort(x):
    ranked = np.sort(x)
    middle = len(x) // 2
    return 0.5 * (ranked[middle - 1] + ranked[middle]) ** 2


# ---------------------------------------------------------------------- shapes


def shapes(x):
    a = x.reshape(-1, 2).T
    b = np.concatenate([a, 2 * a], axis=1)[None]
    c = np.squeeze(np.swapaxes(b, 1, 2), axis=0)
    d = np.stack([c[:, 0], c[::-1, 1]], axis=-1)
    return np.sum(d * np.roll(d, 1, axis=0) * np.flip(d)) + np.expand_dims(x, 0).ravel()[3]


def tiles_and_pads(x):
    a = np.pad(np.tile(x, (2, 1)), ((1, 1), (0, 2))) * 1.5
    b = np.repeat(x, 2, axis=1)[:, : a.shape[1]]
    top, bottom = np.split(a, 2)
    return np.sum(a**2) + np.sum(b**3) + np.vdot(top, bottom) + np.hstack([x, x]).sum()


def triangles(x):
    return np.sum(np.tril(x) @ np.triu(x, 1)) + np.trace(x) ** 2 + np.diag(x).prod()


def stacked_in_lists(x, y):
    matrix = np.array([[math.cos(x), -math.sin(x)], [math.sin(x), math.cos(x)]])
    turned = matrix @ np.array([y, 1.0])
    return turned[0] * turned[1]


# ---------------------------------------------------------------------- indexing


def slices(x):
    return np.sum(x[1:, ::2] * x[:-1, 1::2]) + x[-1, -1] * x[0, 0] + x[..., 0].sum()


def repeated_indices(x):
    chosen = x[[0, 2, 0, 0, 1]]
    return np.sum(chosen**2) + x[np.array([[1, 1], [0, 2]]), np.array([[0, 0], [1, 2]])].sum()


def boolean_mask(x):
    return np.sum(x[x > 0.2] ** 2) - np.mean(x[~(x > 0.2)])


def mask_of_rows(x, y):
    keep = y[:, 0] > 0
    return np.sum(x[keep] * y[keep, 1:2])


def one_hot_rows(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def takes(x):
    return np.sum(np.take(x, [2, 0, 2], axis=1) * x[:, [1]]) + x.take([3, 3]).sum()


def writes_in_place(x, y):
    buffer = np.zeros_like(x) + x
    buffer[0] = y * 2
    buffer[1:, 0] += buffer[0, 1]
    buffer *= 1.5
    buffer[buffer > 0.5] = 0.0
    return np.sum(buffer**2)


def writes_through_views(x):
    base = x * 1.0
    view = base[1:]
    row = view[0]
    row[:] = row * row
    view[-1] += base[0]
    transposed = base.T
    transposed[0] *= 2.0
    return np.sum(base * np.arange(1.0, 4.0))


def writes_to_argument(x):
    x[0] = x[1] * x[2]
    x += 1.0
    return np.prod(x)


def augmented_numbers(x):
    total = x[0]
    for k in range(1, len(x)):
        total += x[k] * total
    return total


def loop_over_rows(x):
    total = 0.0
    for row in x:
        a, *rest = row
        total = total + a * sum(rest)
    return total


# ---------------------------------------------------------------------- traps


def where_log(x):
    return np.sum(np.where(x > 0, np.log(x), 0.0))


def where_sqrt(x):
    return np.sum(np.where(x > 0, np.sqrt(x), x * x))


def where_divide(x, y):
    return np.sum(np.where(y == 0, 0.0, x / y))


def where_nested(x):
    inner = np.where(x < -1, np.exp(-(x**3)), 1.0 / x)
    return np.sum(np.where(np.abs(x) > 0.5, inner, x)) + np.sum(np.where(x > 1e3, inner**5, x))


def where_of_overflow(x):
    return np.sum(np.where(x > 0, 1.0 / (1.0 + np.exp(-x)), np.exp(x) / (1.0 + np.exp(x))))


def maximum_guards_log(x):
    return np.sum(np.log(np.maximum(x, 0.05)))


def indexed_before_log(x):
    slopes = np.sqrt(x)
    return np.sum(slopes[x > 0]) + slopes[0]


def power_at_zero(x):
    return np.sum(x**2) + np.sum(x**1) + np.sum(x**3.0)


def clipped(x):
    return np.sum(np.clip(x, -0.5, 0.5) * x) + np.clip(x, None, 0.3).sum() + x.clip(min=0).sum()


def sign_and_round(x):
    return np.sum(np.sign(x) * x + np.floor(x) * x - np.heaviside(x, 0.5) + np.round(x, 1))


def infinite_entries(x):
    return np.sum(np.exp(-x))


TRAP = np.array([2.0, -1.5, 0.75, 0.3])
ZEROS = np.array([1.5, 0.0, 2.0, 0.0])

ARRAYS = (
    program(broadcast_rows, normal(4, 3), normal(3), peers=True),
    program(broadcast_columns, normal(4, 3), normal(4, 1), peers=True),
    program(broadcast_outer, normal(5), normal(3, 1), peers=True),
    program(broadcast_scalar, normal(7), 1.3, peers=True),
    program(broadcast_deep, normal(2, 1, 3), normal(4, 1), normal(1, 1, 1), peers=True),
    program(broadcast_ones, normal(1, 3), normal(3, 1), smooth=False),
    program(number_and_arrays, normal(3), 0.4, np.float64(1.5)),
    program(zero_dimensional, np.array(0.7), np.array(1.3), peers=True),
    program(
        float32_throughout,
        normal(4, 3).astype(np.float32),
        normal(3, 2).astype(np.float32),
        normal(2).astype(np.float32),
        smooth=False,
    ),
    program(float32_scalars, np.float32(0.5), np.float32(1.5)),
    program(mixed_dtypes, normal(3).astype(np.float32), normal(3), smooth=False),
    program(reductions, positive(3, 4)),
    program(cumulative, positive(3, 4)),
    program(log_sum_exp, normal(3, 4) * 3, peers=True),
    program(log_add, normal(3), normal(2, 1)),
    program(empty_sums, np.zeros((0, 3)), np.zeros(0), peers=True),
    program(sorted_values, normal(5)),
    program(median_by_sort, normal(6), peers=True),
    program(shapes, normal(2, 4), peers=True),
    program(tiles_and_pads, normal(2, 3)),
    program(triangles, normal(3, 3), peers=True),
    program(stacked_in_lists, 0.3, 1.7),
    program(slices, normal(3, 4), peers=True),
    program(repeated_indices, normal(3, 3)),
    program(boolean_mask, normal(6)),
    program(mask_of_rows, normal(4, 1), normal(4, 3)),
    program(one_hot_rows, normal(4, 3), np.array([0, 2, 1, 2]), peers=True),
    program(takes, normal(3, 3)),
    program(writes_in_place, normal(3, 3), normal(3)),
    program(writes_through_views, normal(3, 3)),
    program(writes_to_argument, normal(3)),
    program(augmented_numbers, normal(4)),
    program(loop_over_rows, normal(3, 3)),
    program(where_log, TRAP, peers=False),
    program(where_sqrt, TRAP),
    program(
        where_divide,
        normal(4),
        ZEROS,
        smooth=False,
        at_a_kink=True,
        other=(normal(4), ZEROS * 2),
    ),
    program(where_nested, np.array([2.0, -1.5, 0.25, -0.75])),
    program(where_of_overflow, np.array([900.0, -800.0, 0.5])),
    program(maximum_guards_log, np.array([0.1, -1.0, 0.5]), smooth=False),
    program(indexed_before_log, np.array([1.0, 0.0, 4.0]), smooth=False, at_a_kink=True),
    program(power_at_zero, np.array([0.0, 1.0, -2.0])),
    program(clipped, normal(5)),
    program(sign_and_round, np.array([0.73, -1.26, 2.31])),
    program(infinite_entries, np.array([np.inf, 0.0, 1.0]), smooth=False),
)
