"""Parameters that cannot be meant are refused by name when the estimator is fitted."""

import re

import numpy as np
import pytest

pytest.importorskip("sklearn")

import chainrule as cr
from chainrule.sklearn import BackpropClassifier, BackpropRegressor

X, Y = np.eye(4), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("setting", "error", "says"),
    [
        ({"alpha": -1.0}, ValueError, "alpha must be 0 or more and finite, not -1.0"),
        ({"alpha": "small"}, TypeError, "alpha must be a number, not 'small'"),
        ({"learning_rate_init": 0.0}, ValueError, "learning_rate_init must be above 0"),
        ({"beta_1": 1.0}, ValueError, "beta_1 must be 0 or more and below 1, not 1.0"),
        ({"validation_fraction": 1.5}, ValueError, "validation_fraction must be above 0 and below"),
        ({"shuffle": "no"}, TypeError, "shuffle must be True or False, not 'no'"),
        ({"early_stopping": 5}, TypeError, "early_stopping must be True or False, not 5"),
        ({"max_iter": 0}, ValueError, "max_iter must be 1 or more, not 0"),
        ({"max_iter": 2.5}, TypeError, "max_iter must be a whole number, 1 or more, not 2.5"),
        ({"n_iter_no_change": True}, TypeError, "n_iter_no_change must be a whole number"),
        (
            {"batch_size": "all"},
            TypeError,
            "batch_size must be a whole number, 1 or more or 'auto'",
        ),
        ({"hidden_layer_sizes": (8, 0)}, ValueError, "hidden_layer_sizes must be 1 or more each"),
        ({"hidden_layer_sizes": "8"}, TypeError, "hidden_layer_sizes must be whole numbers"),
        ({"activation": "rellu"}, ValueError, "Did you mean 'relu'?"),
        ({"solver": "adm"}, ValueError, "Did you mean 'adam'?"),
        ({"solver": cr.Adam}, TypeError, "an optimizer such as cr.AdamW(1e-3)"),
        ({"learning_rate": "cosine"}, ValueError, "one of constant, invscaling, adaptive"),
        ({"learning_rate": "adaptive"}, ValueError, "is for solver='sgd'"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of auto, float32, float64"),
        ({"cost": "log_los"}, ValueError, "there is no cost 'log_los'"),
    ],
)
@pytest.mark.parametrize("kind", [BackpropClassifier, BackpropRegressor])
def test_a_parameter_that_cannot_be_meant(kind, setting, error, says):
    with pytest.raises(error, match=re.escape(says)):
        kind(**setting).fit(X, Y)


def test_both_have_the_parameters_of_their_peers_but_for_those_named():
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    ours, theirs = BackpropClassifier().get_params(), MLPClassifier().get_params()
    assert theirs.keys() - ours.keys() == {"max_fun"}  # of L-BFGS, which has max_iter
    assert ours.keys() - theirs.keys() == {"layers", "cost", "class_weight", "dtype"}
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())
    ours, theirs = BackpropRegressor().get_params(), MLPRegressor().get_params()
    assert theirs.keys() - ours.keys() <= {"max_fun", "loss"}
    assert ours.keys() - theirs.keys() == {"layers", "cost", "dtype"}
