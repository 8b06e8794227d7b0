"""Clipped gradients and limited weights: by hand, against PyTorch, and compiled."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.clipping import Clipped, MaxNorm
from chainrule.training.lbfgs import LBFGS
from chainrule.training.schedules import Plateau


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of other packages as it is imported
        return pytest.importorskip("torch")


class Given:
    """Takes the gradients for the new parameters, so that tests see them."""

    def init(self, parameters: Any) -> Any:
        return {}

    def update(self, parameters: Any, gradients: Any, state: Any) -> Any:
        return gradients, state


def clipped(gradients: Any, **limit: float) -> Any:
    return Clipped(Given(), **limit).update(gradients, gradients, {})[0]


# ---------------------------------------------------------------------- gradients


def test_all_gradients_are_one_vector():
    # norm of (3, 4, 12) is 13
    got = clipped({"a": 3.0, "b": (np.array([4.0]), 12.0)}, norm=6.5)
    assert got == {"a": 1.5, "b": (np.array([2.0]), 6.0)}
    assert type(got["a"]) is float


def test_short_gradients_keep_their_bits():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(3, 4)).astype(np.float32)
    given /= np.linalg.norm(given)
    for limit in (1.1, 2.0, 1e30):
        assert clipped(given, norm=limit).tobytes() == given.tobytes()
    assert clipped(given, value=1.0).tobytes() == given.tobytes()


@pytest.mark.parametrize("limit", [{"norm": 0.5}, {"value": 0.5}])
def test_no_gradient_stays_none(limit):
    assert clipped([0.0, np.zeros(3, np.float32)], **limit)[0] == 0.0
    np.testing.assert_array_equal(clipped([np.zeros(3, np.float32)], **limit)[0], np.zeros(3))


def test_large_float32_gradients_do_not_overflow():
    got = clipped(np.float32([3e30, -4e30]), norm=1.0)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("limit", [{"norm": 0.5}, {"value": 0.5}])
def test_nan_is_not_hidden(limit):
    assert np.isnan(clipped(np.array([np.nan, 1.0]), **limit)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("limit", [0.3, 3.0, 30.0])
def test_the_same_numbers_as_pytorch(torch, dtype, limit):
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=shape).astype(dtype) for shape in ((4, 3), (3,), (2, 3, 4))]
    for ours, theirs in (
        (clipped(gradients, norm=limit), torch.nn.utils.clip_grad_norm_),
        (clipped(gradients, value=limit), torch.nn.utils.clip_grad_value_),
    ):
        parameters = [torch.nn.Parameter(torch.zeros(g.shape)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data = parameter.data.to(torch.tensor(gradient).dtype)
            parameter.grad = torch.tensor(gradient)
        theirs(parameters, limit)
        for got, parameter in zip(ours, parameters, strict=True):
            assert got.dtype == dtype
            # PyTorch divides by the norm and a millionth more.
            np.testing.assert_allclose(got, parameter.grad.numpy(), rtol=5e-6)


# ---------------------------------------------------------------------- weights


def limited(weights: Any, limit: float, **settings: Any) -> Any:
    return MaxNorm(Given(), limit, **settings).update(weights, weights, {})[0]


def test_columns_of_a_matrix_lead_into_a_unit():
    weights = np.array([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]], np.float32)
    got = limited(weights, 2.5)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[1.5, 0.3, 0.0], [2.0, 0.4, 0.0]], rtol=1e-6)
    assert got[:, 1:].tobytes() == weights[:, 1:].tobytes()
    np.testing.assert_array_equal(limited(weights.T, 2.5, axis=1), got.T)


def test_kernels_of_a_convolution_lead_into_a_channel(torch):
    weights = np.random.default_rng(2).normal(size=(5, 3, 2, 2))
    theirs = torch.renorm(torch.tensor(weights), 2, 0, 3.0).numpy()
    # PyTorch divides by the norm and 1e-7 more.
    np.testing.assert_allclose(limited(weights, 3.0), theirs, rtol=1e-6)
    np.testing.assert_array_equal(limited(weights, 3.0, axis=1), limited(weights, 3.0))
    norms = np.sqrt(np.sum(limited(weights, 3.0) ** 2, axis=(1, 2, 3)))
    assert norms.max() <= 3.0 * (1 + 1e-15)


def test_biases_and_numbers_are_left():
    given = {"b": np.full(3, 100.0), "scale": 100.0}
    got = limited(given, 1.0)
    assert got["scale"] == 100.0 and got["b"] is given["b"]


# ---------------------------------------------------------------------- in training

AROUND = [
    Clipped(cr.SGD(0.1, momentum=0.9), norm=0.2),
    Clipped(cr.SGD(0.1), value=0.05),
    MaxNorm(cr.Adam(0.1), 0.5),
    MaxNorm(Clipped(cr.Adam(Plateau(0.1, 0.5, patience=0)), norm=0.2), 0.5),
]


@pytest.mark.parametrize("optimizer", AROUND, ids=repr)
def test_machine_code_gives_the_same(optimizer):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 3)).astype(np.float32)
    y = x @ np.float32([[1.0], [-2.0], [0.5]])
    start = {"W": np.zeros((3, 1), np.float32), "b": np.zeros(1, np.float32), "scale": 1.5}

    def cost(p: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ p["W"] * p["scale"] + p["b"] - y) ** 2)

    ran = [
        cr.fit(cost, start, (x, y), epochs=6, batch_size=8, optimizer=optimizer, seed=1, machine=m)
        for m in ("native", "staged", "python")
    ]
    for other in ran[:2]:
        np.testing.assert_allclose(other.history["cost"], ran[2].history["cost"], rtol=1e-5)
        for name in start:
            compiled, plain = other.parameters[name], ran[2].parameters[name]
            assert type(compiled) is type(plain)
            np.testing.assert_allclose(compiled, plain, rtol=2e-5, atol=2e-6)
    assert ran[0].parameters["W"].dtype == np.float32
    if isinstance(optimizer, MaxNorm):
        assert np.linalg.norm(ran[0].parameters["W"]) == pytest.approx(0.5)


def test_what_the_optimizer_inside_keeps_and_hears_is_its_own():
    for inner in (cr.SGD(0.1), cr.Adam(Plateau(0.1))):
        for optimizer in (Clipped(inner, norm=1.0), MaxNorm(inner), MaxNorm(Clipped(inner, 1.0))):
            assert optimizer.after_epoch == inner.after_epoch
            assert optimizer.init(1.0) == inner.init(1.0)
    assert Clipped(Given(), norm=1.0).after_epoch is None


def test_settings_that_make_no_sense_say_so():
    with pytest.raises(TypeError, match="Clipped: give one limit, as in"):
        Clipped(cr.SGD(0.1))
    with pytest.raises(TypeError, match="For both, put one around the other"):
        Clipped(cr.SGD(0.1), norm=1.0, value=1.0)
    with pytest.raises(ValueError, match=r"Clipped: norm must be above 0, and finite, not 0\.0"):
        Clipped(cr.SGD(0.1), norm=0)
    with pytest.raises(ValueError, match=r"Clipped: value must be above 0, and finite, not -1\.0"):
        Clipped(cr.SGD(0.1), value=-1.0)
    with pytest.raises(TypeError, match="MaxNorm goes around an optimizer, as in MaxNorm"):
        MaxNorm(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Clipped goes around an optimizer"):
        Clipped(cr.SGD, norm=1.0)  # type: ignore[type-abstract, arg-type]
    with pytest.raises(
        ValueError, match=r"axis must be 0, .* or 1, for \(outputs, inputs\), not 2"
    ):
        MaxNorm(cr.SGD(0.1), 3.0, axis=2)
    for around in (Clipped, MaxNorm):
        with pytest.raises(TypeError, match=f"{around.__name__} cannot go around LBFGS"):
            around(LBFGS(), 1.0)
