"""Point sets: held against their geometry and against scikit-learn's, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import circles, moons, spirals, xor

SETS = [moons, circles, spirals, xor]


@pytest.mark.parametrize("make", SETS)
def test_a_seed_decides_the_points_and_leaves_numpys_generator_alone(make):
    before = np.random.get_state()[1].copy()
    x, y = make(50, noise=0.1, seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    again = make(50, noise=0.1, seed=np.random.default_rng(3))
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert not np.array_equal(x, make(50, noise=0.1, seed=4)[0])


@pytest.mark.parametrize("make", SETS)
@pytest.mark.parametrize("n", [2, 4, 51])
def test_shapes_dtypes_and_classes(make, n):
    x, y = make(n, seed=0)
    assert x.shape == (n, 2) and x.dtype == np.float64
    assert y.shape == (n,) and y.dtype == np.int64 and set(y) == {0, 1}
    if make is not xor:
        assert np.count_nonzero(y == 0) == n // 2


@pytest.mark.parametrize("make", [moons, circles, spirals])
def test_the_rows_are_shuffled(make):
    y = make(200, seed=0)[1]
    assert 20 < np.count_nonzero(y[:100]) < 80


@pytest.mark.parametrize("make", SETS)
def test_noise_is_what_its_name_says(make):
    clean, noisy = make(20_000, noise=0.0, seed=0)[0], make(20_000, noise=0.25, seed=0)[0]
    assert np.std(noisy - clean) == pytest.approx(0.25, rel=0.03)


def sorted_rows(x):
    return x[np.lexsort(np.round(x, 9).T)]


@pytest.mark.parametrize("n", [40, 41])
def test_moons_are_those_of_scikit_learn(n):
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = moons(n, noise=0.0, seed=0)
    expected, classes = datasets.make_moons(n, shuffle=False)
    for k in (0, 1):
        np.testing.assert_allclose(sorted_rows(x[y == k]), sorted_rows(expected[classes == k]))


@pytest.mark.parametrize("n", [40, 41])
def test_circles_are_those_of_scikit_learn(n):
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = circles(n, noise=0.0, seed=0, factor=0.3)
    expected, classes = datasets.make_circles(n, shuffle=False, factor=0.3)
    for k in (0, 1):
        ours, theirs = sorted_rows(x[y == k]), sorted_rows(expected[classes == k])
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_spirals_are_each_other_turned_and_grow_with_the_angle():
    x, y = spirals(400, noise=0.0, seed=1, turns=2)
    np.testing.assert_allclose(sorted_rows(x[y == 0]), sorted_rows(-x[y == 1]), atol=1e-12)
    radius = np.hypot(*x[y == 0].T)
    angle = np.arctan2(*x[y == 0].T[::-1])
    assert radius.min() == pytest.approx(0.1) and radius.max() == pytest.approx(1.0)
    np.testing.assert_allclose(np.cos(angle), np.cos(4 * np.pi * radius), atol=1e-9)


def test_xor_is_the_table():
    x, y = xor(9)
    np.testing.assert_array_equal(y, [0, 1, 1, 0, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(x[:4], [[0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize("make", SETS)
def test_senseless_arguments_are_refused(make):
    with pytest.raises(ValueError, match="n must be at least 2, a point of each class, not 1"):
        make(1)
    with pytest.raises(TypeError, match=r"n is a number of points, not 10\.5 \(float\)"):
        make(10.5)
    with pytest.raises(ValueError, match=r"noise is a standard deviation, 0 or more, not -0\.1"):
        make(10, noise=-0.1)


def test_senseless_shapes_are_refused():
    with pytest.raises(ValueError, match="from 0 to below 1, not 1"):
        circles(10, factor=1)
    with pytest.raises(ValueError, match="turns must be above 0, not 0"):
        spirals(10, turns=0)
