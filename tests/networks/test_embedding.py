"""Embedding against PyTorch, on every machine, with numbers that are not there."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError
from chainrule.networks.embedding import Embedding

MACHINES = ("interpret", "staged", "native")


def given(dtype=np.float32, seed=0):
    generator = np.random.default_rng(seed)
    layer = Embedding(11, 6)
    p = layer.parameters(generator, np.dtype(dtype))
    x = generator.integers(0, 11, size=(5, 7))
    return layer, p, x, generator.normal(size=(5, 7, 6)).astype(dtype)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_pytorch(machine, dtype):
    torch = pytest.importorskip("torch")
    layer, p, x, g = given(dtype)

    def cost(p, x):
        return np.sum(layer(p, x) * g)

    compiled = cr.compile(cr.value_and_grad(cost), machine=machine)
    table = torch.tensor(p["vectors"], requires_grad=True)
    y = torch.nn.functional.embedding(torch.tensor(x), table)
    np.testing.assert_array_equal(layer(p, x), y.detach().numpy())
    (expected,) = torch.autograd.grad(y, table, torch.tensor(g))
    for _ in range(2):
        _, slopes = compiled(p, x)
        assert slopes["vectors"].dtype == dtype
        rtol = 1e-5 if dtype is np.float32 else 1e-13
        np.testing.assert_allclose(slopes["vectors"], expected.numpy(), rtol=rtol, atol=rtol)


def test_against_central_differences():
    layer, p, x, _ = given(np.float64)
    cr.check_gradients(lambda table: np.sum(np.sin(layer({"vectors": table}, x))), p["vectors"])


def test_the_vectors_it_begins_with():
    layer = Embedding(1000, 50)
    vectors = layer.parameters(np.random.default_rng(0), np.dtype(np.float32))["vectors"]
    assert vectors.shape == (1000, 50) and vectors.dtype == np.float32
    assert abs(vectors.mean()) < 0.03 and abs(vectors.std() - 1.0) < 0.03


def test_shapes():
    layer = Embedding(3, 2)
    assert layer.outputs(()) == (2,) and layer.outputs((4, 5)) == (4, 5, 2)
    assert layer(layer.parameters(np.random.default_rng(0), float), np.array([0, 2])).shape == (
        2,
        2,
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_that_are_not_there(machine):
    layer, p, x, _ = given()
    compiled = cr.compile(layer, machine=machine)
    compiled(p, x)
    np.testing.assert_array_equal(compiled(p, x - 11), layer(p, x))  # -11 is 0
    for wrong in (11, -12):
        bad = x.copy()
        bad[2, 3] = wrong
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
            compiled(p, bad)
    np.testing.assert_array_equal(compiled(p, x), layer(p, x))


def test_a_network_says_which_number_is_not_there():
    _, _, x, _ = given()
    net = cr.Network(
        Embedding(11, 6), cr.Flatten(), cr.Dense(42, 2), cost="softmax_cross_entropy", seed=0
    )
    labels = [0, 1, 1, 0, 1]
    above, below = x.copy(), x.copy()
    above[4, 2], below[3, 1] = 17, -12
    words = r"x\[4, 2\] is 17, but Embedding\(11, 6\) has vectors for 0 to 10. Write Embedding\(18,"
    for ask in (net.predict, net.outputs, lambda x: net.fit(x, labels, batch_size=2)):
        with pytest.raises(IndexError, match=words) as caught:
            ask(above)
        assert str(caught.value).startswith("test_embedding.py:")
    with pytest.raises(IndexError, match=r"x\[3, 1\] is -12, .* Number the things from 0 on"):
        net.evaluate(below, labels)
    with pytest.raises(IndexError, match=r"validation_data\[0\]\[4, 2\] is 17"):
        net.fit(x, labels, validation_data=(above, labels))
    net.fit(x, labels)


def test_floats_are_refused():
    layer, p, x, _ = given()
    with pytest.raises(DtypeError, match="looks up whole numbers, not float64"):
        layer(p, x.astype(float))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 2)])
def test_sizes_below_one(sizes):
    with pytest.raises(ValueError, match="Embedding: "):
        Embedding(*sizes)
