"""The gate conv2d against loops by hand, and PyTorch's numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates.convolution import conv2d

NONE = ((0, 0), (0, 0))


def by_hand(x: Any, weights: Any, padding: Any) -> np.ndarray:
    """The sum as it is written in the literature, element by element."""
    (top, bottom), (left, right) = padding
    n, c, height, width = x.shape
    o, _, rows, columns = weights.shape
    shape = (n, o, height + top + bottom - rows + 1, width + left + right - columns + 1)
    out = np.zeros(shape)
    for at in np.ndindex(shape):
        for k, i, j in itertools.product(range(c), range(rows), range(columns)):
            y, z = at[2] + i - top, at[3] + j - left
            if 0 <= y < height and 0 <= z < width:
                out[at] += x[at[0], k, y, z] * weights[at[1], k, i, j]
    return out


CASES = [
    ((2, 3, 5, 4), (2, 3, 3, 2), NONE),
    ((1, 1, 3, 3), (2, 1, 3, 3), NONE),
    ((2, 2, 3, 4), (3, 2, 1, 1), ((0, 0), (0, 0))),
    ((1, 2, 4, 3), (2, 2, 3, 3), ((1, 1), (1, 1))),
    ((2, 1, 2, 3), (1, 1, 2, 2), ((3, 0), (0, 2))),
]


@pytest.mark.parametrize(("images", "kernels", "padding"), CASES)
def test_values_are_the_sums_written_out(images, kernels, padding):
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=images), rng.normal(size=kernels)
    out = conv2d(x, weights, padding=padding)
    np.testing.assert_allclose(out, by_hand(x, weights, padding), rtol=1e-13, atol=1e-14)
    assert out.flags.c_contiguous


def test_a_kernel_is_not_flipped():
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1.0  # a single pixel shows the kernel, from its end to its start
    weights = np.arange(9.0).reshape(1, 1, 3, 3)
    out = conv2d(x, weights, padding=((1, 1), (1, 1)))
    assert np.array_equal(out[0, 0], weights[0, 0, ::-1, ::-1])


@pytest.mark.parametrize(("images", "kernels", "padding"), CASES)
@pytest.mark.parametrize("machine", ["interpret", "native"])
def test_gradients_are_pytorchs(images, kernels, padding, machine):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=images), rng.normal(size=kernels)

    def cost(x: Any, weights: Any) -> Any:
        return np.sum(np.tanh(conv2d(x, weights, padding=padding)))

    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, weights))
    (top, bottom), (left, right) = padding
    wide = torch.nn.functional.pad(tx, (left, right, top, bottom))
    torch.tanh(torch.nn.functional.conv2d(wide, tw)).sum().backward()
    gradient = cr.compile(cr.grad(cost, argnums=(0, 1)), machine=machine)
    for found, expected in zip(gradient(x, weights), (tx, tw), strict=True):
        np.testing.assert_allclose(found, expected.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_second_derivatives_on_the_native_machine():
    rng = np.random.default_rng(2)
    x, weights, v = (rng.normal(size=s) for s in ((9, 2, 4, 4), (3, 2, 3, 3), (9, 2, 4, 4)))

    def cost(x: Any) -> Any:
        return np.sum(conv2d(x, weights, padding=((1, 1), (1, 1))) ** 3)

    def along(x: Any) -> Any:
        return np.sum(cr.grad(cost)(x) * v)

    expected = cr.grad(along)(x)
    np.testing.assert_allclose(cr.compile(cr.grad(along))(x), expected, rtol=1e-11, atol=1e-11)
    step = 1e-6
    slope = (cr.grad(cost)(x + step * v) - cr.grad(cost)(x - step * v)) / (2 * step)
    np.testing.assert_allclose(expected, slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernels", [(2, 2, 2, 2), (2, 1, 4, 2)])
def test_shapes_that_do_not_fit(kernels):
    with pytest.raises(ValueError, match="the kernel must fit the padded image"):
        conv2d(np.zeros((1, 1, 3, 3)), np.zeros(kernels))


def test_code_of_a_convolution_needs_nothing_but_numpy():
    x, weights = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))

    def f(x: Any, weights: Any) -> Any:
        return np.sum(conv2d(x, weights, padding=((1, 0), (0, 0))) ** 2)

    space: dict[str, Any] = {}
    circuit = cr.trace(f, x, weights)
    exec(circuit.code(), space)
    value, gradients = space["forward_backward"](x, weights)
    assert value == circuit.value
    np.testing.assert_allclose(gradients["x"], circuit.gradients["x"])
    np.testing.assert_allclose(gradients["weights"], circuit.gradients["weights"])
