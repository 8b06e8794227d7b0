"""Where parameters begin: the papers' variances, orthogonal matrices, seeds, what errors say."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from chainrule.errors import ShapeError
from chainrule.networks.initialisers import INITIALISERS, fans_of, initial, initialiser_of

SHAPES = [(300, 200), (40, 30, 5, 5)]


def drawn(how, shape, dtype=np.float64, seed=0, fans=None):
    return initial(how, np.random.default_rng(seed), shape, dtype, fans)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("family", "variance"),
    [
        # Glorot & Bengio (2010), eq. 12; He et al. (2015), eq. 10; LeCun et al. (1998), eq. 16.
        ("glorot", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("he", lambda fan_in, fan_out: 2 / fan_in),
        ("lecun", lambda fan_in, fan_out: 1 / fan_in),
    ],
)
def test_variances_are_the_papers(family, variance, shape):
    fans = (300, 200) if len(shape) == 2 else (750, 1000)  # by hand: 30 · 25 and 40 · 25
    assert fans_of(shape) == fans
    expected = variance(*fans)
    for kind in ("uniform", "normal"):
        w = drawn(f"{family}_{kind}", shape)
        # 60,000 and 30,000 numbers: the variance is known to 1 percent, the mean to 5 σ.
        assert np.var(w) == pytest.approx(expected, rel=0.04)
        assert abs(np.mean(w)) < 5 * math.sqrt(expected / w.size)
        if kind == "uniform":
            limit = math.sqrt(3 * expected)
            assert 0.999 * limit < np.max(np.abs(w)) <= limit
        else:
            assert np.max(np.abs(w)) > 3 * math.sqrt(expected)  # not truncated


def test_relu_that_leaks():
    # He et al. (2015), eq. 15 solved for the variance: 2 / ((1 + a²) n).
    w = drawn({"name": "he_normal", "negative_slope": 1.0}, (300, 200))
    assert np.var(w) == pytest.approx(1 / 300, rel=0.04)


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (4, 2, 3, 3), (40, 2, 3, 3)])
def test_orthogonal_matrices(shape):
    w = drawn({"name": "orthogonal", "gain": 2.0}, shape)
    assert w.shape == shape
    flat = w.reshape(shape[0], -1)
    flat = flat if flat.shape[0] <= flat.shape[1] else flat.T
    np.testing.assert_allclose(flat @ flat.T, 4.0 * np.eye(len(flat)), atol=1e-12)


def test_orthogonal_matrices_prefer_no_direction():
    # Haar's measure: both signs of every entry are as likely, also on the diagonal.
    generator = np.random.default_rng(0)
    drawn = [initial("orthogonal", generator, (3, 3), np.float64) for _ in range(400)]
    assert np.max(abs(np.mean(drawn, axis=0))) < 5 * math.sqrt(1 / 3 / 400)


def test_plain_ones():
    assert np.all(drawn("zeros", (2, 3)) == 0.0)
    assert np.all(drawn("ones", (2, 3)) == 1.0)
    assert np.all(drawn({"name": "constant", "value": 0.1}, (2,)) == 0.1)
    w = drawn({"name": "normal", "deviation": 0.5, "mean": 3.0}, (200, 200))
    assert (np.mean(w), np.std(w)) == pytest.approx((3.0, 0.5), rel=0.02)
    w = drawn({"name": "uniform", "low": 1.0, "high": 3.0}, (200, 200))
    assert (np.min(w), np.max(w)) == pytest.approx((1.0, 3.0), rel=1e-3)


def test_biases_have_the_fans_of_their_layer():
    b = drawn("lecun_uniform", (10_000,), fans=(75, 10_000))
    assert np.max(np.abs(b)) == pytest.approx(math.sqrt(3 / 75), rel=1e-3)


@pytest.mark.parametrize("how", INITIALISERS)
def test_seeds_and_dtypes(how):
    single, double = (drawn(how, (5, 4), dtype) for dtype in (np.float32, np.float64))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    np.testing.assert_array_equal(double, drawn(how, (5, 4)))


def test_a_function_of_ones_own():
    w = drawn(lambda generator, shape: np.full(shape, 2), (2, 3), np.float32)
    assert w.dtype == np.float32 and np.all(w == 2.0)
    with pytest.raises(ShapeError, match=re.escape("gave shape (3,) where (2, 3) was asked")):
        drawn(lambda generator, shape: np.ones(3), (2, 3))


@pytest.mark.parametrize("how", ["he_normal", {"name": "normal", "deviation": 0.01}])
def test_what_is_kept_is_json(how):
    assert initialiser_of(json.loads(json.dumps(initialiser_of(how)))) == how
    assert initialiser_of({"name": "he_normal"}) == "he_normal"
    assert initialiser_of(INITIALISERS["ones"]) == "ones"
    assert type(initialiser_of({"name": "normal", "mean": np.float32(1)})["mean"]) is float


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("xavier", ValueError, "there is no initialiser 'xavier'. There are glorot_uniform"),
        ("He_normal", ValueError, "Did you mean 'he_normal'?"),
        ({"name": "normal", "std": 1.0}, ValueError, "no setting 'std'. It has deviation, mean."),
        ({"name": "zeros", "value": 1.0}, ValueError, "no setting 'value'. It has none."),
        ({"name": "normal", "deviation": "1"}, TypeError, "deviation must be a number, not '1'"),
        ({"name": "normal", "deviation": -1}, ValueError, "deviation must be 0 or more"),
        (0.0, TypeError, "an initialiser must be one of glorot_uniform"),
        (None, TypeError, "or a function of a generator and a shape, not None"),
    ],
)
def test_what_is_no_initialiser(how, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        initialiser_of(how)
    assert str(caught.value).startswith("test_initialisers.py:")
