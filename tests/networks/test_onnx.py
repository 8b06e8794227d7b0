"""ONNX files give the same numbers under onnxruntime."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, MissingExtraError
from chainrule.networks.activations import ACTIVATIONS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
EVERY = sorted(set(ACTIVATIONS) - {"swish", "logistic", "linear"})  # those are other names


def evaluated(net, x, path, **settings):
    """Return what onnxruntime makes of the exported network."""
    net.export_onnx(path, **settings)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {"inputs": x})
    return outputs


def check(net, x, path, **settings):
    expected = net.outputs(x)
    found = evaluated(net, np.asarray(x, net.reads), path, **settings)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("activation", EVERY)
def test_every_activation(activation, tmp_path):
    net = cr.Network(cr.Dense(3, 4, activation), cr.Dense(4, 2), seed=1)
    check(net, 3.0 * RNG.normal(size=(5, 3)), tmp_path / "net.onnx")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_networks(dtype, tmp_path):
    net = cr.Network(
        cr.Dense(3, 6, biases=None), cr.BatchNorm(6), cr.Activation("relu"), cr.Dropout(0.5),
        cr.LayerNorm(6), cr.Dense(6, 2, "softmax"), cost="softmax_cross_entropy", seed=1,
        dtype=dtype,
    )  # fmt: skip
    x = RNG.normal(size=(40, 3))
    net.fit(x, (x[:, 0] > 0).astype(int), epochs=3, batch_size=8)
    check(net, x, tmp_path / "net.onnx")
    check(net, x[:1], tmp_path / "net.onnx")  # any number of examples


@pytest.mark.parametrize("stride", [1, (2, 1)])
@pytest.mark.parametrize("padding", [0, 2, (1, 0)])
@pytest.mark.parametrize("pool", ["max", "average"])
def test_images(stride, padding, pool, tmp_path):
    kind = cr.MaxPool2D if pool == "max" else cr.AveragePool2D
    net = cr.Network(
        cr.Reshape((2, 9, 8)), cr.Conv2D(2, 3, (3, 2), "relu", stride=stride, padding=padding),
        kind(2, stride=1), cr.BatchNorm(3), cr.Flatten(), seed=1,
    )  # fmt: skip
    check(net, RNG.normal(size=(4, 144)), tmp_path / "net.onnx", shape=(144,))


def test_same_padding_of_an_even_kernel(tmp_path):
    net = cr.Network(cr.Conv2D(1, 2, (4, 3), padding="same"), seed=1)
    check(net, RNG.normal(size=(2, 1, 5, 5)), tmp_path / "net.onnx", shape=(1, 5, 5))


def test_sequences(tmp_path):
    net = cr.Network(cr.Embedding(7, 4), cr.LayerNorm(4), cr.Dense(4, 3, "gelu"), seed=1)
    check(net, RNG.integers(0, 7, (5, 6)), tmp_path / "net.onnx", shape=(6,))


def test_settings_of_activations(tmp_path):
    slope = {"name": "leaky_relu", "negative_slope": 0.3}
    net = cr.Network(cr.Dense(3, 4, slope), cr.Dense(4, 2, {"name": "elu", "alpha": 0.5}), seed=1)
    check(net, RNG.normal(size=(5, 3)), tmp_path / "net.onnx")


ONLY_FLOAT32 = (
    "elu", "gelu", "leaky_relu", "log_sigmoid", "mish", "selu", "softplus", "softsign",
)  # fmt: skip


@pytest.mark.parametrize("activation", EVERY)
def test_float64_is_exported_if_onnxruntime_takes_it(activation, tmp_path):
    net = cr.Network(cr.Dense(3, 4, activation), seed=1, dtype="float64")
    if activation not in ONLY_FLOAT32:
        check(net, 3.0 * RNG.normal(size=(5, 3)), tmp_path / "net.onnx")
        return
    with pytest.raises(DtypeError, match=r"onnxruntime computes \w+ in float32 only"):
        net.export_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    narrow = cr.Network(*net.layers)  # what the error says to do
    narrow.parameters = [
        {name: array.astype("float32") for name, array in p.items()} for p in net.parameters
    ]
    check(narrow, 3.0 * RNG.normal(size=(5, 3)), tmp_path / "net.onnx")


@pytest.mark.parametrize("layer", [cr.Conv2D(1, 2, 3), cr.AveragePool2D(2), cr.MaxPool2D(2)])
def test_images_of_float64(layer, tmp_path):
    net = cr.Network(layer, cr.Flatten(), seed=1, dtype="float64")
    if isinstance(layer, cr.MaxPool2D):
        check(net, RNG.normal(size=(2, 1, 4, 4)), tmp_path / "net.onnx", shape=(1, 4, 4))
        return
    with pytest.raises(DtypeError, match=r"in float32 only.*dtype='float32'"):
        net.export_onnx(tmp_path / "net.onnx", shape=(1, 4, 4))


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    with pytest.raises(TypeError, match="no word for the activation <lambda>"):
        cr.Network(cr.Dense(2, 1, lambda x: 2.0 * x)).export_onnx(path)
    with pytest.raises(TypeError, match="a layer of your own"):
        cr.Network(type("Mine", (cr.Layer,), {})()).export_onnx(path, shape=(2,))
    with pytest.raises(ValueError, match="say the shape of one example"):
        cr.Network(cr.Flatten()).export_onnx(path)
    with pytest.raises(ValueError, match=r"layers\[0\]: Dense\(2, 1\) takes 2 numbers"):
        cr.Network(cr.Dense(2, 1)).export_onnx(path, shape=(3,))
    find = builtins.__import__

    def without(name, *rest):
        if name == "onnx":
            raise ImportError(name)
        return find(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="pip install 'chainrule"):
        cr.Network(cr.Dense(2, 1)).export_onnx(path)
    assert not path.exists()
