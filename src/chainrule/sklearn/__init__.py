"""Estimators for scikit-learn, which has to be installed: `pip install chainrule[sklearn]`.

`BackpropClassifier` and `BackpropRegressor` are `cr.Network` in scikit-learn's clothes: parameters
and attributes bear the names of `MLPClassifier`'s and `MLPRegressor`'s wherever those have one.
"""

from ..errors import MissingExtraError

try:
    import sklearn as _installed
except ImportError as _reason:
    raise MissingExtraError(
        "chainrule.sklearn needs scikit-learn, which is not installed. Install it: "
        "pip install 'chainrule[sklearn]'; without it, cr.Network does the same work."
    ) from _reason
if tuple(map(int, _installed.__version__.split(".")[:2])) < (1, 6):
    raise MissingExtraError(
        f"chainrule.sklearn needs scikit-learn 1.6 or later, not {_installed.__version__}. Update "
        "it: pip install --upgrade scikit-learn"
    )

from .classifier import BackpropClassifier
from .regressor import BackpropRegressor

__all__ = ["BackpropClassifier", "BackpropRegressor"]
