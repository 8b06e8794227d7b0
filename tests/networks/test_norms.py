"""Normalisation over batches and over examples: PyTorch's numbers, running ones too."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.batch_norm import BatchNorm
from chainrule.networks.layer_norm import LayerNorm
from tests.networks.agreement import assert_float32, assert_gradients, weighted

SHAPES = [(7, 3), (4, 3, 5), (2, 3, 4, 5)]


def begun(layer, dtype=np.float64):
    generator = np.random.default_rng(0)
    p = layer.parameters(generator, np.dtype(dtype))
    p = {name: generator.normal(1.0, 0.5, array.shape).astype(dtype) for name, array in p.items()}
    return p, layer.carried(generator, np.dtype(dtype))


def peer(torch, shape, p, **settings):
    kinds = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
    layer = kinds[len(shape)](shape[1], **settings).double()
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor(p["scale"]), torch.tensor(p["shift"])
    return layer


@pytest.mark.parametrize("shape", SHAPES)
def test_batches_are_normalised_as_pytorch_does(shape):
    torch = pytest.importorskip("torch")
    layer = BatchNorm(3, momentum=0.75, epsilon=1e-3)
    p, carried = begun(layer)
    theirs = peer(torch, shape, p, momentum=0.25, eps=1e-3)
    generator = np.random.default_rng(1)
    for _ in range(3):
        x = generator.normal(2.0, 3.0, shape)
        weights = generator.normal(size=shape)
        tx = torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        expected = theirs(tx)
        (expected * torch.tensor(weights)).sum().backward()

        def total(p, x, carried=carried, weights=weights):
            y, onward = layer.train(p, x, carried)
            return np.sum(y * weights), (y, onward)

        slopes, (y, carried) = cr.grad(total, argnums=(0, 1), has_aux=True)(p, x)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10)
        np.testing.assert_allclose(slopes[0]["scale"], theirs.weight.grad.numpy(), rtol=1e-10)
        np.testing.assert_allclose(slopes[0]["shift"], theirs.bias.grad.numpy(), rtol=1e-10)
        np.testing.assert_allclose(slopes[1], tx.grad.numpy(), rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(carried["mean"], theirs.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(carried["variance"], theirs.running_var.numpy(), rtol=1e-12)
    theirs.eval()
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(layer.predict(p, x, carried), expected, rtol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_and_float32(shape):
    x = np.random.default_rng(1).normal(2.0, 3.0, shape)
    for layer in (BatchNorm(3), LayerNorm(shape[-1])):
        p, carried = begun(layer)
        assert_gradients(weighted(lambda p, x: layer.train(p, x, carried)[0], shape), p, x)  # noqa: B023
        p, carried = begun(layer, np.float32)
        single = x.astype(np.float32)
        y, onward = layer.train(p, single, carried)
        assert {y.dtype, *(array.dtype for array in onward.values())} == {np.dtype(np.float32)}
        assert layer.predict(p, single, onward).dtype == np.float32
        assert_float32(lambda p, x: np.sum(layer(p, x) ** 2), p, single)  # noqa: B023


def test_running_numbers_are_compiled_with_the_step():
    layer = BatchNorm(3)
    p, carried = begun(layer, np.float32)
    x = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)

    def step(p, x, carried):
        y, onward = layer.train(p, x, carried)
        return np.sum(y * y * y), onward

    for machine in ("native", "interpret"):
        run = cr.compile(cr.value_and_grad(step, has_aux=True), machine=machine)
        (_, onward), _ = run(p, x, carried)
        np.testing.assert_allclose(onward["mean"], 0.1 * x.mean(axis=0), rtol=1e-5)
        unbiased = 0.9 + 0.1 * x.var(axis=0, ddof=1)
        np.testing.assert_allclose(onward["variance"], unbiased, rtol=1e-5)


def test_large_means_leave_the_variance_its_digits():
    layer = BatchNorm(1, epsilon=0.0)
    x = np.array([[10000.0], [10002.0]], np.float32)  # by hand: 10001 ± 1
    p = {"scale": np.ones(1, np.float32), "shift": np.zeros(1, np.float32)}
    assert layer(p, x).tolist() == [[-1.0], [1.0]]


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)])
def test_examples_are_normalised_as_pytorch_does(shape):
    torch = pytest.importorskip("torch")
    layer = LayerNorm(4, epsilon=1e-3)
    p, carried = begun(layer)
    x = np.random.default_rng(1).normal(2.0, 3.0, shape)
    tensors = {name: torch.tensor(one, requires_grad=True) for name, one in {**p, "x": x}.items()}
    scale, shift, tx = (tensors[name] for name in ("scale", "shift", "x"))
    expected = torch.nn.functional.layer_norm(tx, (4,), scale, shift, 1e-3)
    (expected**3).sum().backward()
    y, onward = layer.train(p, x, carried)
    assert onward == {}
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10)
    slopes, slope = cr.grad(lambda p, x: np.sum(layer(p, x) ** 3), argnums=(0, 1))(p, x)
    for name, found in {**slopes, "x": slope}.items():
        np.testing.assert_allclose(found, tensors[name].grad.numpy(), rtol=1e-9, atol=1e-12)


def test_one_number_a_feature_has_no_variance():
    layer = BatchNorm(2)
    p, carried = begun(layer)
    x = np.array([[1.0, 2.0]])
    with pytest.warns(RuntimeWarning, match="met a batch with one number a feature, which has no"):
        y, onward = layer.train(p, x, carried)
    assert onward is carried
    np.testing.assert_array_equal(y, layer.predict(p, x, carried))


@pytest.mark.parametrize(
    ("layer", "inputs", "said"),
    [
        (
            BatchNorm(3),
            (4, 5, 5),
            "whose first axis is 3 long, and met shape (4, 5, 5). Write Batc",
        ),
        (BatchNorm(3), (), "Give it rows of numbers."),
        (
            LayerNorm(3),
            (2, 4),
            "whose last axis is 3 long, and met shape (2, 4). Write LayerNorm(4)",
        ),
        (LayerNorm(3), (), "Give it rows of numbers."),
    ],
)
def test_examples_that_do_not_fit(layer, inputs, said):
    with pytest.raises(ShapeError, match=re.escape(said)) as caught:
        layer.outputs(inputs)
    assert str(caught.value).startswith("test_norms.py:")
    assert layer.outputs((3,)) == (3,)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: BatchNorm(0), ValueError, "BatchNorm: features must be at least 1, not 0"),
        (lambda: BatchNorm(3, 1.5), ValueError, "momentum must be from 0 to 1, not 1.5"),
        (lambda: BatchNorm(3, epsilon=-1), ValueError, "epsilon must be 0 or more, and finite"),
        (lambda: LayerNorm(3, "small"), TypeError, "epsilon must be a number, not 'small'"),
        (lambda: LayerNorm(3, float("nan")), ValueError, "LayerNorm: epsilon must be 0 or more"),
        (lambda: LayerNorm((3, 4)), TypeError, "LayerNorm: features must be an integer"),
    ],
)
def test_settings_that_cannot_be_meant(make, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        make()
    assert type(BatchNorm(3, np.float32(0.5)).momentum) is float
