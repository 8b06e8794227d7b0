"""The dense layer and those that only reshape: PyTorch's numbers, shapes, what errors say."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.dense import Dense
from chainrule.networks.flatten import Flatten, Reshape
from tests.networks.agreement import assert_float32, assert_gradients, weighted


def begun(layer, dtype=np.float64, seed=0):
    return layer.parameters(np.random.default_rng(seed), np.dtype(dtype))


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)])
def test_numbers_and_gradients_are_pytorchs(shape):
    torch = pytest.importorskip("torch")
    layer = Dense(4, 3, "sigmoid", biases="normal")
    p, x = begun(layer), np.random.default_rng(1).normal(size=shape)
    w, b, tx = (torch.tensor(one, requires_grad=True) for one in (p["weights"], p["biases"], x))
    y = torch.sigmoid(torch.nn.functional.linear(tx, w.T, b))
    (y**2).sum().backward()
    np.testing.assert_allclose(layer(p, x), y.detach().numpy(), rtol=1e-12)
    slopes, slope = cr.grad(lambda p, x: np.sum(layer(p, x) ** 2), argnums=(0, 1))(p, x)
    np.testing.assert_allclose(slopes["weights"], w.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(slopes["biases"], b.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(slope, tx.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("layer", [Dense(4, 3), Dense(4, 3, "tanh"), Dense(4, 2, biases=None)])
def test_gradients_and_float32(layer):
    x = np.random.default_rng(1).normal(size=(5, 4))
    assert_gradients(weighted(layer, (5, layer.n_out)), begun(layer), x)
    single = begun(layer, np.float32)
    assert {array.dtype for array in single.values()} == {np.dtype(np.float32)}
    assert_float32(lambda p, x: np.sum(layer(p, x)), single, x.astype(np.float32))


def test_parameters():
    p = begun(Dense(4, 3))
    assert {name: array.shape for name, array in p.items()} == {"weights": (4, 3), "biases": (3,)}
    assert np.all(p["biases"] == 0.0) and np.all(p["weights"] != 0.0)
    assert set(begun(Dense(4, 3, biases=None))) == {"weights"}
    p = begun(Dense(4, 3, weights={"name": "constant", "value": 2.0}, biases="lecun_uniform"))
    assert np.all(p["weights"] == 2.0)
    assert np.all(np.abs(p["biases"]) <= np.sqrt(3 / 4))  # by the numbers that come in


def test_shapes():
    assert Dense(4, 3).outputs((4,)) == (3,)
    assert Dense(4, 3).outputs((7, 4)) == (7, 3)
    assert Dense(np.int64(4), 3) == Dense(4, 3)
    assert type(Dense(np.int64(4), 3).n_in) is int
    assert Flatten().outputs((2, 3, 4)) == (24,)
    assert Flatten().outputs(()) == (1,)
    assert Reshape([1, 2, -1]).outputs((4, 3)) == (1, 2, 6)


@pytest.mark.parametrize(
    ("layer", "inputs", "said"),
    [
        (Dense(4, 3), (5,), "Dense(4, 3) takes 4 numbers, and met examples of shape (5,). Write D"),
        (Dense(4, 3), (5,), "Write Dense(5, 3)."),
        (Dense(784, 3), (28, 28), "of shape (28, 28). Put Flatten() before it."),
        (Dense(9, 3), (2, 5, 5), "Put Flatten() before it, and write Dense(50, 3)."),
        (Dense(4, 3), (), "Write Dense(1, 3)."),
        (Reshape((2, 3)), (5,), "met examples of shape (5,), 5 numbers, which do not fill 6. Give"),
        (Reshape((2, -1)), (5,), "Give it a shape of 5."),
    ],
)
def test_examples_that_do_not_fit(layer, inputs, said):
    with pytest.raises(ShapeError, match=re.escape(said)) as caught:
        layer.outputs(inputs)
    assert str(caught.value).startswith("test_dense.py:")


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Dense(0, 3), ValueError, "Dense: n_in must be at least 1, not 0"),
        (lambda: Dense(4, 2.5), TypeError, "Dense: n_out must be an integer, not 2.5 (float)"),
        (lambda: Dense(4, 3, "rleu"), ValueError, "Did you mean 'relu'?"),
        (lambda: Dense(4, 3, weights="he"), ValueError, "there is no initialiser 'he'."),
        (lambda: Dense(4, 3, biases=1.0), TypeError, "an initialiser must be one of"),
        (lambda: Reshape((2, 0)), ValueError, "sizes are 1 or more, one of them may be -1"),
        (lambda: Reshape((-1, -1)), ValueError, "one of them may be -1, not (-1, -1)"),
        (lambda: Reshape((2, "3")), TypeError, "Reshape: a size must be an integer, not '3'"),
    ],
)
def test_settings_that_cannot_be_meant(make, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        make()


@pytest.mark.parametrize("layer", [Flatten(), Reshape((4, -1)), Reshape((2, 2, 3))])
def test_shapes_change_and_numbers_do_not(layer):
    x = np.random.default_rng(0).normal(size=(5, 2, 6))
    y = layer({}, x)
    assert y.shape == (5, *layer.outputs((2, 6)))
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    assert_gradients(weighted(lambda x: layer({}, x), y.shape), x)
    assert_float32(lambda x: np.sum(layer({}, x)), x.astype(np.float32))
