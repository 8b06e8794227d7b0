"""`BackpropRegressor`: what it foresees, what it notes, what it refuses."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import make_regression
from sklearn.exceptions import DataConversionWarning
from sklearn.neural_network import MLPRegressor

import chainrule as cr
from chainrule.sklearn import BackpropRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def plane():
    x, y = make_regression(120, 4, n_targets=2, noise=1.0, random_state=0)
    return x, y / y.std(axis=0)


def small(**settings):
    given = {"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "max_iter": 80, "random_state": 0}
    return BackpropRegressor(**given | settings)


def test_the_same_is_foreseen_as_by_mlp_regressor_from_the_same_weights(plane):
    x, y = plane
    y = y[:, 0]
    settings = {"hidden_layer_sizes": (4,), "activation": "tanh", "alpha": 0.3, "max_iter": 1}
    theirs = MLPRegressor(**settings, random_state=0).fit(x, y)
    ours = small(**settings).fit(x, y)
    for p, w, b in zip(ours.network_.parameters, theirs.coefs_, theirs.intercepts_, strict=True):
        p["weights"][...], p["biases"][...] = w, b
    settings = {"warm_start": True, "max_iter": 40, "learning_rate_init": 0.001}
    ours.loss_curve_ = []
    ours.set_params(**settings).fit(x, y)
    theirs.set_params(**settings).fit(x, y)
    assert np.allclose(ours.loss_curve_, theirs.loss_curve_[1:], rtol=1e-5)
    assert np.allclose(ours.predict(x), theirs.predict(x), rtol=1e-4, atol=1e-6)


# With momentum and a rate that changes, theirs remembers old rates in its velocity; ours does not.
@pytest.mark.parametrize(
    ("learning_rate", "momentum"),
    [("constant", 0.9), ("constant", 0.0), ("invscaling", 0.0), ("adaptive", 0.0)],
)
def test_gradient_descent_has_the_schedules_of_mlp_regressor(plane, learning_rate, momentum):
    x, y = plane
    y = y[:, 0]  # of several, MLPRegressor notes the mean, and descends the sum
    settings = {
        "hidden_layer_sizes": (3,), "activation": "tanh", "solver": "sgd", "max_iter": 1,
        "learning_rate": learning_rate, "learning_rate_init": 0.1, "momentum": momentum,
        "tol": 0.01, "n_iter_no_change": 2,
    }  # fmt: skip
    theirs = MLPRegressor(**settings, random_state=0).fit(x, y)
    ours = small(**settings).fit(x, y)
    for p, w, b in zip(ours.network_.parameters, theirs.coefs_, theirs.intercepts_, strict=True):
        p["weights"][...], p["biases"][...] = w, b
    theirs.t_, theirs._no_improvement_count, theirs.best_loss_ = 0, 0, np.inf
    ours.loss_curve_ = []
    for model in (ours, theirs):
        model.set_params(warm_start=True, max_iter=60).fit(x, y)
    theirs.loss_curve_ = theirs.loss_curve_[1:]

    assert ours.n_iter_ == theirs.n_iter_
    assert np.allclose(ours.predict(x), theirs.predict(x), rtol=1e-3, atol=1e-5)


def test_several_numbers_and_one_keep_their_shape(plane):
    x, y = plane
    model = small().fit(x, y)
    assert model.predict(x).shape == y.shape and model.score(x, y) > 0.9
    assert small(max_iter=2).fit(x, y[:, 0]).predict(x).shape == (120,)
    with pytest.warns(DataConversionWarning):
        assert small(max_iter=2).fit(x, y[:, :1]).predict(x).shape == (120,)
    with pytest.raises(ValueError, match="y has 1 numbers for each example, and 2 in the last"):
        model.partial_fit(x, y[:, 0])


def test_rows_with_a_single_one_are_numbers():
    x = np.repeat(np.eye(3), 5, axis=0)
    model = small(hidden_layer_sizes=(), max_iter=300).fit(x, x)
    assert np.allclose(model.predict(x), x, atol=0.1)


def test_l_bfgs_finds_the_least_squares_and_says_that_it_has(plane):
    x, y = plane
    model = small(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, tol=1e-7, max_iter=200)
    model.fit(x, y)
    with_ones = np.column_stack([x, np.ones(len(x))])
    best, *_ = np.linalg.lstsq(with_ones, y, rcond=None)
    assert np.allclose(model.coefs_[0], best[:-1], atol=1e-5)
    assert np.allclose(model.intercepts_[0], best[-1], atol=1e-5)
    assert model.n_iter_ < 100 and model.loss_curve_[-1] == model.loss_curve_[-2]


def test_counts_and_own_costs():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1.0, 1.0, (200, 2))
    y = generator.poisson(np.exp(1.0 + x[:, 0]))
    model = small(cost="poisson", max_iter=200).fit(x, y)
    assert (
        np.all(model.predict(x) > 0) and np.corrcoef(model.predict(x), np.exp(x[:, 0]))[0, 1] > 0.9
    )

    def quantile(outputs, targets):  # of 9 in 10: Koenker & Bassett (1978)
        off = targets[:, 0] - outputs[:, 0]
        return np.maximum(0.9 * off, -0.1 * off)

    high = small(cost=quantile, max_iter=300).fit(x, y)
    assert 0.8 < np.mean(y <= high.predict(x)) < 0.98
    with pytest.raises(ValueError, match="is of classes, not of numbers: take BackpropClassifier"):
        small(cost="hinge").fit(x, y)


def test_input_gradient_is_that_of_the_prediction_or_of_the_cost(plane):
    x, y = plane
    model = small(activation="tanh").fit(x, y)
    of_prediction, of_cost = model.input_gradient(x[:4]), model.input_gradient(x[:4], y[:4])
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-6
        up, down = model.predict(x[:4] + step), model.predict(x[:4] - step)
        assert np.allclose(of_prediction[:, k], np.sum(up - down, axis=1) / 2e-6, rtol=1e-4)
        costs = [0.5 * np.sum((near - y[:4]) ** 2, axis=1) for near in (up, down)]
        assert np.allclose(of_cost[:, k], (costs[0] - costs[1]) / 2e-6, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.input_gradient(x[:4], y[:1])  # which would be spread over all four


def test_early_stopping_looks_at_r2(plane):
    x, y = plane
    model = small(early_stopping=True, validation_fraction=0.25, n_iter_no_change=3).fit(x, y)
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.5
    with pytest.raises(ValueError, match="is one of them: give a larger fraction"):
        small(early_stopping=True, validation_fraction=0.005).fit(x, y)


def test_an_optimizer_of_ones_own_brings_its_schedule(plane):
    x, y = plane
    plateau = cr.Adam(cr.Plateau(0.05, patience=1, factor=0.5))
    model = small(solver=plateau, max_iter=60, n_iter_no_change=60).fit(x, y)
    assert model.network_.state.optimizer["inner"]["schedule"]["rate"] < 0.05
    assert model.score(x, y) > 0.9
