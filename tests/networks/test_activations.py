"""Activations by name: PyTorch's values and slopes, how they are named, what errors say."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.activation import Activation
from chainrule.networks.activations import ACTIVATIONS, activation_of, checked_activation
from tests.networks.agreement import assert_float32, assert_gradients, weighted

X = np.random.default_rng(0).normal(size=(3, 5)) * 3


def peers(torch):
    F = torch.nn.functional
    return {
        "identity": lambda x: x + 0,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": F.leaky_relu,
        "elu": F.elu,
        "selu": F.selu,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "silu": F.silu,
        "mish": F.mish,
        "softplus": F.softplus,
        "softsign": F.softsign,
        "log_sigmoid": F.logsigmoid,
        "softmax": lambda x: F.softmax(x, dim=-1),
        "log_softmax": lambda x: F.log_softmax(x, dim=-1),
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_slopes_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    y = peers(torch)[checked_activation(name)](x)
    weights = np.random.default_rng(1).normal(size=X.shape)
    (y * torch.tensor(weights)).sum().backward()
    function = activation_of(name)
    # 1e-8: PyTorch's softplus is the identity above 20.
    np.testing.assert_allclose(function(X), y.detach().numpy(), rtol=1e-8, atol=1e-12)
    slope = cr.grad(lambda x: np.sum(weights * function(x)))(X)
    np.testing.assert_allclose(slope, x.grad.numpy(), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", sorted({checked_activation(name) for name in ACTIVATIONS}))
def test_gradients_and_float32(name):
    layer = Activation(name)
    assert_gradients(weighted(lambda x: layer({}, x), X.shape), X)
    for size in (1.0, 1e4):
        assert_float32(lambda x: np.sum(layer({}, x)), X.astype(np.float32) * np.float32(size))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("linear", "identity"),
        ("logistic", "sigmoid"),
        ("swish", "silu"),
        (cr.relu, "relu"),
        (np.tanh, "tanh"),
        ({"name": "relu"}, "relu"),
        ({"name": "leaky_relu", "negative_slope": 0.2},) * 2,
        (abs, abs),
    ],
)
def test_how_they_are_kept(given, kept):
    assert checked_activation(given) == kept
    assert Activation(given).activation == kept


def test_settings():
    assert activation_of({"name": "leaky_relu", "negative_slope": 0.2})(-1.0) == -0.2
    assert activation_of({"name": "softmax", "axis": 0})(X).sum(axis=0) == pytest.approx(1.0)


def test_a_function_of_ones_own():
    layer = Activation(lambda x: np.sin(x) ** 2)
    assert layer.outputs((5,)) == (5,)
    assert_gradients(weighted(lambda x: layer({}, x), X.shape), X)


@pytest.mark.parametrize("given", [np.sum, lambda x: x[:, :2]])
def test_a_function_of_ones_own_keeps_the_shape(given):
    layer = Activation(given)
    with pytest.raises(ShapeError, match=r"gave shape \(.*\) for \(.*\): it must keep the shape"):
        layer({}, X)


def test_settings_of_numpys_do_not_widen():
    layer = Activation({"name": "elu", "alpha": np.float64(0.5)})
    assert layer({}, np.array([-1.0], np.float32)).dtype == np.float32
    assert type(layer.activation["alpha"]) is float


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("ReLU", ValueError, "there is no activation 'ReLU'. Did you mean 'relu'?"),
        ("sigmod", ValueError, "Did you mean 'sigmoid'?"),
        ({"name": "elu", "alfa": 1.0}, ValueError, "no setting 'alfa'. Did you mean 'alpha'? It"),
        ({"name": "relu", "slope": 1.0}, ValueError, "has no setting 'slope'. It has none."),
        ({"name": "elu", "alpha": "big"}, TypeError, "elu: alpha must be a number, not 'big'"),
        (3, TypeError, "an activation must be one of identity, linear, sigmoid"),
        (Activation, TypeError, "or a function, not"),
        (Activation("relu"), TypeError, "or a function, not Activation('relu')"),
    ],
)
def test_what_is_no_activation(given, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        activation_of(given)
    assert str(caught.value).startswith("test_activations.py:")
