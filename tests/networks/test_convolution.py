"""Convolutions with strides and padding, and their layer: PyTorch's numbers, errors' words."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.convolution import Conv2D, conv2d
from tests.networks.agreement import assert_float32, assert_gradients, weighted


def begun(layer, dtype=np.float64, seed=0):
    return layer.parameters(np.random.default_rng(seed), np.dtype(dtype))


def drawn(*shape, dtype=np.float64, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1), (1, 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3), (5, 4)])
@pytest.mark.parametrize("padding", [0, 2, (1, 0)])
def test_numbers_and_gradients_are_pytorchs(stride, kernel, padding):
    torch = pytest.importorskip("torch")
    x, weights = drawn(2, 3, 9, 8), drawn(4, 3, *kernel, seed=2)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, weights))
    y = torch.nn.functional.conv2d(tx, tw, stride=stride, padding=padding)
    torch.sin(y).sum().backward()

    def cost(x, weights):
        return np.sum(np.sin(conv2d(x, weights, stride=stride, padding=padding)))

    found = conv2d(x, weights, stride=stride, padding=padding)
    np.testing.assert_allclose(found, y.detach().numpy(), rtol=1e-12, atol=1e-13)
    for slope, expected in zip(cr.grad(cost, (0, 1))(x, weights), (tx, tw), strict=True):
        np.testing.assert_allclose(slope, expected.grad.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 5)])
def test_same_is_pytorchs(kernel):
    torch = pytest.importorskip("torch")
    layer = Conv2D(2, 3, kernel, padding="same", biases=None)
    p, x = begun(layer), drawn(2, 2, 6, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch regrets the copy it makes
        expected = torch.nn.functional.conv2d(
            torch.tensor(x), torch.tensor(p["weights"]), padding="same"
        )
    np.testing.assert_allclose(layer(p, x), expected.numpy(), rtol=1e-12, atol=1e-13)
    assert layer.outputs((2, 6, 7)) == (3, 6, 7)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(2, 3, 3, "tanh", biases="normal"),
        Conv2D(2, 1, (2, 3), stride=2, padding=1),
        Conv2D(2, 2, 2, biases=None, stride=(1, 2), padding=(0, 1)),
        Conv2D(2, 2, 1, "sigmoid", stride=2),
        Conv2D(2, 2, (2, 3), padding="same"),
    ],
)
def test_gradients_and_float32(layer):
    x = drawn(2, 2, 5, 6)
    shape = (2, *layer.outputs(x.shape[1:]))
    p = begun(layer)
    assert layer(p, x).shape == shape
    assert_gradients(weighted(layer, shape), p, x)
    single = begun(layer, np.float32)
    assert {array.dtype for array in single.values()} == {np.dtype(np.float32)}
    assert_float32(lambda p, x: np.sum(layer(p, x)), single, x.astype(np.float32))


def test_parameters():
    p = begun(Conv2D(2, 3, (4, 5)))
    assert {name: a.shape for name, a in p.items()} == {"weights": (3, 2, 4, 5), "biases": (3,)}
    assert np.all(p["biases"] == 0.0)
    # Glorot and Bengio's limit, by what a neuron hears and how many hear it
    assert np.abs(p["weights"]).max() <= np.sqrt(6.0 / ((2 + 3) * 20))
    assert set(begun(Conv2D(2, 3, 2, biases=None))) == {"weights"}
    p = begun(Conv2D(2, 3, 2, weights="ones", biases="lecun_uniform"))
    assert np.all(p["weights"] == 1.0)
    assert np.abs(p["biases"]).max() <= np.sqrt(3 / 8)


def test_settings():
    layer = Conv2D(1, 6, [5, np.int64(3)], "relu", stride=[2, 1], padding=np.int64(2))
    assert layer == Conv2D(1, 6, (5, 3), "relu", stride=(2, 1), padding=2)
    assert repr(layer) == "Conv2D(1, 6, (5, 3), 'relu', stride=(2, 1), padding=2)"
    assert (layer.kernels, layer.strides, layer.pads) == ((5, 3), (2, 1), ((2, 2), (2, 2)))
    assert Conv2D(1, 6, 4, padding="same").pads == ((1, 2), (1, 2))
    json.dumps([layer.kernel, layer.stride, layer.padding])  # as a network saves them


def test_shapes():
    assert Conv2D(1, 6, 5, padding=2).outputs((1, 28, 28)) == (6, 28, 28)
    assert Conv2D(6, 16, 5).outputs((6, 14, 14)) == (16, 10, 10)
    assert Conv2D(3, 8, 3, stride=2, padding=1).outputs((3, 32, 31)) == (8, 16, 16)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((3, 8, 8), "met examples of shape (3, 8, 8). Write Conv2D(3, 6, ...)."),
        ((28, 28), "takes images of 1 channels, shape (1, height, width), and met examples of "
         "shape (28, 28). Put Reshape((1, 28, 28)) before it."),
        ((28, 28, 1), "Put the channels first: np.transpose(x, (0, 3, 1, 2))."),
        ((784,), "Put Reshape((1, height, width)) before it."),
        ((1, 4, 9), "a kernel of 5 x 5 does not fit an image of 4 x 9"),
    ],
)  # fmt: skip
def test_examples_that_are_no_such_images(inputs, words):
    with pytest.raises(ShapeError, match=re.escape(words)):
        Conv2D(1, 6, 5).outputs(inputs)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"n_in": 0}, ValueError, "Conv2D: n_in must be at least 1, not 0"),
        ({"kernel": 0}, ValueError, "Conv2D: kernel must be at least 1, not 0"),
        ({"kernel": 2.5}, TypeError, "Conv2D: kernel must be an integer, not 2.5 (float)"),
        ({"kernel": (1, 2, 3)}, ValueError, "kernel must be one integer or a pair (rows, columns)"),
        ({"stride": 0}, ValueError, "Conv2D: stride must be at least 1, not 0"),
        ({"padding": -1}, ValueError, "Conv2D: padding must be at least 0, not -1"),
        ({"padding": "valid"}, ValueError, "or \"same\", not 'valid'"),
        ({"padding": "same", "stride": 2}, ValueError, "write the padding as a number"),
        ({"activation": "rely"}, ValueError, "Did you mean 'relu'"),
        ({"weights": "he"}, ValueError, "there is no initialiser 'he'"),
    ],
)
def test_settings_that_are_none(settings, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        Conv2D(**({"n_in": 1, "n_out": 2, "kernel": 3} | settings))


@pytest.mark.parametrize(
    ("images", "kernels", "words"),
    [
        ((1, 3, 3), (1, 1, 2, 2), "not shapes (1, 3, 3) and (1, 1, 2, 2)"),
        ((1, 3, 4, 4), (2, 1, 2, 2), "the images have 3 channels (axis 1), the weights take 1"),
        ((1, 1, 2, 4), (2, 1, 3, 2), "a kernel of 3 x 2 does not fit an image of 2 x 4"),
    ],
)
def test_arrays_that_do_not_fit(images, kernels, words):
    with pytest.raises(ShapeError, match=re.escape(words)):
        conv2d(np.zeros(images), np.zeros(kernels))


def test_no_examples():
    assert conv2d(np.zeros((0, 1, 5, 5)), np.zeros((2, 1, 3, 3)), stride=2).shape == (0, 2, 2, 2)


def test_a_network_learns_what_only_a_kernel_sees():
    # Which of two patterns is somewhere in a noisy image? Where it is tells nothing.
    generator = np.random.default_rng(0)
    patterns = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    labels = generator.integers(0, 2, 300)
    images = generator.normal(0.0, 0.3, (300, 1, 6, 6)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = generator.integers(0, 5, 2)
        image[0, row : row + 2, column : column + 2] += 2.0 * patterns[label]
    layer = Conv2D(1, 2, 2, "relu", biases="zeros")
    p = begun(layer, np.float32)

    def scores(p, x):
        return np.max(layer(p, x), axis=(2, 3))

    def cost(p, x, y):
        return -np.mean(np.sum(cr.log_softmax(scores(p, x)) * y, axis=1))

    data = images, np.eye(2, dtype=np.float32)[labels]
    result = cr.fit(
        cost, p, data, epochs=30, batch_size=30, optimizer=cr.Adam(0.05), seed=0, progress=False
    )
    found = np.argmax(scores(result.parameters, images), axis=1)
    assert np.mean(found == labels) > 0.97
