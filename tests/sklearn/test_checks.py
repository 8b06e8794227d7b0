"""Every one of scikit-learn's own checks of an estimator holds."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.sklearn import BackpropClassifier, BackpropRegressor


# A few examples of a check, fitted for as many epochs as there are by default, may need more.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([BackpropClassifier(), BackpropRegressor()])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)
