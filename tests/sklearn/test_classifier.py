"""`BackpropClassifier`: what it predicts, what it notes, what it refuses."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import chainrule as cr
from chainrule.sklearn import BackpropClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def blobs():
    return make_classification(
        150, 5, n_informative=4, n_redundant=0, n_classes=3, n_clusters_per_class=1,
        class_sep=1.5, random_state=0,
    )  # fmt: skip


def small(**settings):
    given = {"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "max_iter": 60, "random_state": 0}
    return BackpropClassifier(**given | settings)


def test_held_out_digits_are_read_at_least_as_well_as_by_mlp_classifier():
    x, y = load_digits(return_X_y=True)
    x, held_x, y, held_y = train_test_split(x, y, test_size=0.25, random_state=0)
    ours, theirs = [], []
    for seed in range(3):
        settings = {"max_iter": 40, "random_state": seed}
        ours.append(BackpropClassifier(**settings).fit(x, y).score(held_x, held_y))
        theirs.append(MLPClassifier(**settings).fit(x, y).score(held_x, held_y))
    assert np.mean(ours) >= np.mean(theirs) - 0.007  # three answers of 450
    assert min(ours) > 0.95


def test_the_first_epochs_are_those_of_mlp_classifier_from_the_same_weights():
    # Full batches: no shuffle to differ in. Adam of MLP has its epsilon within the correction.
    x, y = make_classification(120, 6, random_state=1)
    theirs = MLPClassifier((4,), activation="tanh", alpha=0.5, max_iter=1, random_state=0).fit(x, y)
    ours = small(hidden_layer_sizes=(4,), activation="tanh", alpha=0.5, max_iter=1).fit(x, y)
    for p, w, b in zip(ours.network_.parameters, theirs.coefs_, theirs.intercepts_, strict=True):
        p["weights"][...], p["biases"][...] = w, b
    settings = {"warm_start": True, "max_iter": 30, "learning_rate_init": 0.001}
    ours.set_params(**settings).fit(x, y)
    theirs.set_params(**settings).fit(x, y)
    assert np.allclose(ours.loss_curve_[1:], theirs.loss_curve_[1:], rtol=1e-5)
    assert np.allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-4)
    assert ours.t_ == 30 * 120


@pytest.mark.parametrize("labels", [["no", "yes"], [-1.0, 1.0], [False, True]])
def test_two_classes_take_one_output_and_have_two_probabilities(labels):
    x, y = make_classification(120, 6, random_state=0)
    named = np.array(labels)[y]
    model = small().fit(x, named)
    assert model.n_outputs_ == 1 and model.classes_.tolist() == labels
    shares = model.predict_proba(x)
    assert shares.shape == (120, 2) and np.allclose(shares.sum(axis=1), 1.0)
    assert set(model.predict(x)) <= set(labels)
    assert np.array_equal(model.predict(x) == labels[1], model.decision_function(x) > 0)
    assert np.array_equal(model.predict(x) == labels[1], shares[:, 1] > 0.5)
    assert np.allclose(model.predict_log_proba(x), np.log(shares))


def test_the_loss_is_the_log_loss_and_the_penalty(blobs):
    x, y = blobs
    model = small(alpha=2.0, max_iter=20).fit(x, y)
    before = log_loss(y, model.predict_proba(x))
    penalty = 0.5 * 2.0 * sum(np.sum(w**2) for w in model.coefs_) / len(x)
    model.set_params(warm_start=True, max_iter=1).fit(x, y)  # a step: the loss is the one before it
    assert model.loss_ == pytest.approx(before + penalty, rel=1e-5)
    assert len(model.loss_curve_) == 21 and model.n_iter_ == 1
    assert model.history_["cost"][-1] == pytest.approx(before, rel=1e-5)


def test_attributes_are_those_of_mlp_classifier(blobs):
    x, y = blobs
    settings = {"hidden_layer_sizes": (7, 5), "max_iter": 5, "random_state": 0}
    ours, theirs = BackpropClassifier(**settings).fit(x, y), MLPClassifier(**settings).fit(x, y)
    for name in ("coefs_", "intercepts_"):
        assert [w.shape for w in getattr(ours, name)] == [w.shape for w in getattr(theirs, name)]
    for name in (
        "n_iter_",
        "t_",
        "n_layers_",
        "n_outputs_",
        "n_features_in_",
        "validation_scores_",
    ):
        assert getattr(ours, name) == getattr(theirs, name)
    assert len(ours.loss_curve_) == 5 and ours.best_loss_ == min(ours.loss_curve_)
    assert ours.loss_curve_[0] == pytest.approx(theirs.loss_curve_[0], rel=0.5)
    bound = (6 / (5 + 7)) ** 0.5
    assert 0.8 * bound < np.max(abs(ours.coefs_[0])) < 1.05 * bound


def test_several_labels_at_once():
    x, y = make_multilabel_classification(150, 6, n_classes=4, random_state=0)
    model = small(max_iter=150).fit(x, y)
    assert model.n_outputs_ == 4 and model.predict(x).shape == y.shape
    assert np.mean(model.predict(x) == y) > 0.75
    assert model.predict_proba(x).shape == model.decision_function(x).shape == (150, 4)
    assert np.array_equal(model.predict_proba(x) > 0.5, model.predict(x) == 1)
    with pytest.raises(ValueError, match="one class for each example, but y has several"):
        small(cost="hinge").fit(x, y)


def test_early_stopping_keeps_the_weights_of_the_best_score(blobs):
    x, y = blobs
    model = small(early_stopping=True, validation_fraction=0.2, n_iter_no_change=5, max_iter=200)
    model.fit(x, y)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None
    _, held_x, _, held_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    assert model.score(held_x, held_y) == pytest.approx(model.best_validation_score_)
    with pytest.raises(ValueError, match="cannot stop early"):
        model.partial_fit(x, y)


def test_training_ends_where_the_loss_no_longer_falls_by_tol(blobs):
    x, y = blobs
    model = small(max_iter=500, tol=0.01, n_iter_no_change=4).fit(x, y)
    losses = model.loss_curve_
    assert len(losses) == model.n_iter_ < 500
    # The rule of MLPClassifier, written as there: more than 4 epochs in a row.
    best, waited, ends = np.inf, 0, []
    for loss in losses:
        waited = waited + 1 if loss > best - 0.01 else 0
        best = min(best, loss)
        ends.append(waited > 4)
    assert ends == [False] * (len(losses) - 1) + [True]


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_too_few_epochs_are_warned_of(blobs):
    with pytest.warns(ConvergenceWarning, match="3 epochs were not enough"):
        small(max_iter=3).fit(*blobs)


def test_parts_are_learned_from_one_by_one(blobs):
    x, y = blobs
    model = small()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(x, y)
    with pytest.raises(ValueError, match=r"classes=\[1\] is one class only: .*at least two"):
        model.partial_fit(x, y, classes=[1])
    order = np.argsort(y)  # each part holds one class only
    for _ in range(30):
        for part in np.split(order, 3):
            model.partial_fit(x[part], y[part], classes=[0, 1, 2])
    assert model.score(x, y) > 0.8
    assert model.n_iter_ == len(model.loss_curve_) == 90 and model.t_ == 90 * 50
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes that the network does not know: \[7\]"):
        model.partial_fit(x, np.full(150, 7))


def test_parts_go_on_after_fit_with_the_moments_and_with_settings_of_now(blobs):
    x, y = blobs
    whole = small(max_iter=6, n_iter_no_change=50).fit(x, y)
    parts = small(max_iter=4, n_iter_no_change=50).fit(x, y)
    for _ in range(2):
        parts = pickle.loads(pickle.dumps(parts)).partial_fit(x, y)
    assert parts.loss_curve_ == whole.loss_curve_
    assert np.array_equal(parts.predict_proba(x), whole.predict_proba(x))
    loss = parts.partial_fit(x, y).loss_
    again = pickle.loads(pickle.dumps(whole)).set_params(alpha=5.0).partial_fit(x, y).loss_
    assert again > loss + 0.01


def test_weights_of_classes_and_examples_are_multiplied(blobs):
    x, y = blobs
    each = np.linspace(0.5, 2.0, len(x))
    weighed = small(class_weight={0: 3.0, 1: 1.0, 2: 0.5}, max_iter=10).fit(x, y, each)
    by_hand = small(max_iter=10).fit(x, y, each * np.array([3.0, 1.0, 0.5])[y])
    assert np.array_equal(weighed.predict_proba(x), by_hand.predict_proba(x))
    with pytest.raises(ValueError, match="cannot know the classes of later parts"):
        small(class_weight="balanced").partial_fit(x, y, classes=[0, 1, 2])


def test_a_float32_array_stays_so_and_small_data_are_computed_in_float64(blobs):
    x, y = blobs
    assert small(max_iter=2).fit(x, y).coefs_[0].dtype == np.float64
    assert small(max_iter=2).fit(x.astype(np.float32), y).coefs_[0].dtype == np.float32
    assert small(max_iter=2, batch_size=50).fit(x, y).coefs_[0].dtype == np.float32
    model = small(max_iter=2, batch_size=50, dtype="float64").fit(x, y)
    assert model.predict_proba(x).dtype == np.float64


def test_input_gradient_is_that_of_the_cost_of_the_predicted_class(blobs):
    x, y = blobs
    model = small(activation="tanh").fit(x, y)
    found = model.input_gradient(x[:3])

    def cost(rows, labels):
        return -np.log(model.predict_proba(rows)[np.arange(len(rows)), labels])

    for labels, gradient in (
        (model.predict(x[:3]), found),
        (y[:3], model.input_gradient(x[:3], y[:3])),
    ):
        for k in range(5):
            step = np.zeros(5)
            step[k] = 1e-6
            slope = (cost(x[:3] + step, labels) - cost(x[:3] - step, labels)) / 2e-6
            assert np.allclose(gradient[:, k], slope, rtol=1e-4, atol=1e-8)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.input_gradient(x[:3], y[:1])  # which would be spread over all three


def test_own_layers_cost_and_optimizer(blobs):
    x, y = blobs

    def squares(outputs, labels):
        return np.sum((outputs - cr.one_hot(labels, 3)) ** 2, axis=1)

    layers = [cr.Dense(5, 6, "tanh"), cr.Dropout(0.1), cr.Dense(6, 3)]
    model = small(layers=layers, cost=squares, solver=cr.AdamW(0.02), max_iter=80).fit(x, y)
    assert model.score(x, y) > 0.8
    assert not hasattr(small(cost="hinge"), "predict_proba")
    with pytest.raises(ValueError, match=r"outputs of shape \(2,\), but what is wanted has shape"):
        small(layers=lambda n, outputs: [cr.Dense(n, 2)]).fit(x, y)
    two = small(layers=lambda n, outputs: [cr.Dense(n, 2)]).fit(x, y > 0)
    assert two.n_outputs_ == 2 and two.decision_function(x).shape == (150,)
    assert np.array_equal(two.predict(x), two.decision_function(x) > 0)


@pytest.mark.parametrize("cost", ["hinge", "quadratic", "cross_entropy", "binary_cross_entropy"])
def test_two_classes_under_each_cost(cost):
    x, y = make_classification(120, 6, class_sep=2.0, random_state=0)
    model = small(cost=cost, max_iter=100).fit(x, y)
    assert model.score(x, y) > 0.85
    assert np.array_equal(model.predict(x), (model.decision_function(x) > 0).astype(int))


def test_what_cannot_be_learned_is_refused(blobs):
    x, y = blobs
    with pytest.raises(ValueError, match="one class only, 'a': there is nothing to tell apart"):
        small().fit(x, ["a"] * len(x))
    with pytest.raises(ValueError, match="of positive weight holds one class only, 1"):
        small().fit(x, y, (y == 1).astype(float))
    with pytest.raises(ValueError, match="is of numbers, not of classes: take BackpropRegressor"):
        small(cost="huber").fit(x, y)
    with pytest.raises(ValueError, match=r"is of two classes, and there are 3.*'cross_entropy'"):
        small(cost="binary_cross_entropy").fit(x, y)
    with pytest.raises(NotFittedError):
        _ = small().coefs_
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as raised:
        _ = small(solver="lbfgs").partial_fit
    assert "needs all examples at once" in str(raised.value.__cause__)
