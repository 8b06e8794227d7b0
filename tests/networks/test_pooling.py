"""Pooling layers against PyTorch and by hand: windows of all kinds, ties, NaN, shapes, words."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.pooling import AveragePool2D, MaxPool2D

MACHINES = ("interpret", "staged", "native")

# size, stride, image: side by side, with a rest, overlapping, with gaps, many lanes, odd pairs
WINDOWS = [
    (2, None, (2, 3, 4, 6)),
    (2, None, (3, 2, 7, 9)),
    ((2, 3), None, (1, 2, 4, 7)),
    (3, 2, (2, 2, 9, 10)),
    (3, 1, (2, 2, 6, 21)),
    (2, 3, (2, 1, 8, 9)),
    ((1, 2), (2, 2), (2, 1, 5, 70)),
    ((3, 2), (1, 4), (1, 3, 5, 19)),
    (1, 2, (2, 2, 5, 5)),
    (2, None, (2, 1, 4, 66)),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_against_pytorch(kind, dtype, machine):
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    theirs = functional.max_pool2d if kind is MaxPool2D else functional.avg_pool2d
    generator = np.random.default_rng(0)
    for size, stride, shape in WINDOWS:
        layer = kind(size, stride)
        x = generator.normal(size=shape).astype(dtype)
        image = torch.tensor(x, requires_grad=True)
        y = theirs(image, layer.size, layer.stride)
        assert (shape[0], *layer.outputs(shape[1:])) == tuple(y.shape)
        g = generator.normal(size=tuple(y.shape)).astype(dtype)
        (expected,) = torch.autograd.grad(y, image, torch.tensor(g))

        def both(x, g, layer=layer):
            return layer({}, x), cr.grad(lambda x: np.sum(layer({}, x) * g))(x)

        compiled = cr.compile(both, machine=machine)
        for _ in range(2):
            value, slope = compiled(x, g)
            rtol = 2e-6 if dtype is np.float32 else 1e-14
            np.testing.assert_allclose(value, y.detach().numpy(), rtol=rtol, atol=rtol)
            np.testing.assert_allclose(slope, expected.numpy(), rtol=rtol, atol=rtol)
            assert value.dtype == slope.dtype == dtype


@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_against_central_differences_twice(kind):
    generator = np.random.default_rng(1)
    layer, x = kind(2, 1), generator.normal(size=(2, 1, 3, 4))
    cost = lambda x: np.sum(np.sin(layer({}, x)) ** 2)  # noqa: E731
    cr.check_gradients(cost, x)
    direction = generator.normal(size=x.shape)
    cr.check_gradients(lambda x: np.sum(cr.grad(cost)(x) * direction), x)


@pytest.mark.parametrize("machine", MACHINES)
def test_ties_share_and_nan_spreads_over_its_window(machine):
    x = np.array([[1.0, 1.0, 2.0, 2.0, 0.0, np.nan], [1.0, 1.0, 2.0, 0.0, 0.0, 0.0]])

    def slope(x, g):
        return cr.grad(lambda x: np.sum(MaxPool2D(2)({}, x) * g))(x)

    compiled = cr.compile(slope, machine=machine)
    g = np.array([[[[4.0, 6.0, 1.0]]]])
    nan = np.nan
    for _ in range(2):
        np.testing.assert_array_equal(
            compiled(x.reshape(1, 1, 2, 6), g)[0, 0],
            [[1.0, 1.0, 2.0, 2.0, nan, nan], [1.0, 1.0, 2.0, 0.0, nan, nan]],
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_infinities(machine):
    x = np.array([[[[-np.inf, -np.inf, np.inf, 1.0]]]])

    def both(x, g):
        value, pullback = cr.vjp(lambda x: MaxPool2D((1, 2))({}, x), x)
        return value, pullback(g)[0]

    compiled = cr.compile(both, machine=machine)
    g = np.array([[[[2.0, np.inf]]]])
    for _ in range(2):
        value, slope = compiled(x, g)
        assert value.tolist() == [[[[-np.inf, np.inf]]]]
        assert slope.tolist() == [[[[1.0, 1.0, np.inf, 0.0]]]]  # inf goes to the largest alone


def test_shapes_and_settings():
    assert MaxPool2D(2) == MaxPool2D((2, 2), 2) and MaxPool2D(3, stride=2).stride == (2, 2)
    assert AveragePool2D([2, 3]).outputs((8, 9, 9)) == (8, 4, 3)
    assert MaxPool2D(5).outputs((1, 5, 5)) == (1, 1, 1)
    assert MaxPool2D(2).parameters(np.random.default_rng(0), np.dtype(float)) == {}


@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_what_does_not_fit(kind):
    name = kind.__name__
    with pytest.raises(ShapeError, match=rf"{name}\(\(2, 2\)\) takes examples of shape .*\(784,\)"):
        kind(2).outputs((784,))
    with pytest.raises(ShapeError, match="images of 2 by 4, which are smaller than its windows"):
        kind(3).outputs((1, 2, 4))
    with pytest.raises(ValueError, match=f"{name}: size must be at least 1, not 0"):
        kind(0)
    with pytest.raises(ValueError, match=f"{name}: stride must be one whole number or two"):
        kind(2, (1, 2, 3))
    with pytest.raises(TypeError, match=f"{name}: size must be an integer, not 1.5"):
        kind((2, 1.5))
    with pytest.raises(ValueError, match="does not fit into images of"):
        kind(3)({}, np.zeros((1, 1, 2, 4)))
