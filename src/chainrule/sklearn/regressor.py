"""`BackpropRegressor`: numbers from examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if

from ..differentiate.transforms import grad
from ..networks.costs import Cost, cost_of
from ..networks.decisions import as_numbers
from ..networks.number_metrics import r2
from .estimator import Array, Backprop, has_parts


def score(targets: Array, predicted: Array, sample_weight: Any = None) -> float:
    """Return the share of the variance that is foreseen, as scikit-learn has it."""
    return r2(targets, predicted, sample_weight=sample_weight)


class BackpropRegressor(RegressorMixin, Backprop):  # type: ignore[misc]
    """A neural network that learns numbers, trained by compiled backpropagation.

    Parameters, attributes and defaults are those of `sklearn.neural_network.MLPRegressor`, and so
    are the rules by which a training ends; beside them stand `layers`, `cost` and `dtype`.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init
        As in `BackpropClassifier`, and so are all others.
    cost : str or callable, optional
        What is made small. None: half the squared error. "huber", "absolute", "poisson" for counts,
        or a function `(outputs, targets)` in plain NumPy that gives a number for each example; both
        have a column for each number that is wanted.

    Attributes
    ----------
    network_ : Network
        The network: save it, look at its circuit, train it further.
    validation_scores_ : list of float or None
        With early stopping, R² on the held-out examples; `best_validation_score_`.
    coefs_, intercepts_, loss_curve_, history_, n_iter_, t_, n_features_in_, n_outputs_
        As in `BackpropClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.sklearn import BackpropRegressor
    >>> x = np.linspace(-1.0, 1.0, 100)[:, np.newaxis]
    >>> model = BackpropRegressor(
    ...     20, "tanh", learning_rate_init=0.02, max_iter=1000, random_state=0
    ... )
    >>> model.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.95
    True
    """

    _score = staticmethod(score)
    _reads_numbers = True

    @available_if(has_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on a part of the examples, from where the last one ended.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As in `fit`.

        Returns
        -------
        self
            The estimator.
        """
        return self._fit_part(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the number that is foreseen for each example, or the numbers.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.

        Returns
        -------
        ndarray, shape (n,) or (n, outputs)
            In the shape of the targets of `fit`.
        """
        X = self._asked(X)
        return self.network_.predict(X)

    def input_gradient(self, X: Any, y: Any = None) -> Array:
        """Return along which change of each input the prediction, or the cost, grows.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.
        y : array-like, shape (n,) or (n, outputs), optional
            What is wanted for them: then the gradient is that of each example's own cost. None:
            that of what is predicted, of several numbers of their sum.

        Returns
        -------
        ndarray, shape (n, features)
            The gradient of each example.
        """
        X = self._asked(X)
        net = self.network_
        if y is not None:
            y = np.asarray(y, net.dtype)
            check_consistent_length(X, y)
            return net.input_gradient(X, y)
        found: Array = grad(lambda x: np.sum(net.cost.decide(net.outputs(x))))(X)
        return found

    def _targets(
        self, X: Array, y: Any, weights: Any, first: bool, classes: Any
    ) -> tuple[Array, Any]:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        outputs = 1 if y.ndim == 1 else y.shape[1]
        if not first and outputs != self.n_outputs_:
            raise ValueError(
                f"y has {outputs} numbers for each example, and {self.n_outputs_} in the last call."
            )
        self.n_outputs_ = outputs
        return y.astype(X.dtype, copy=False), weights

    def _cost(self, outputs: int | None) -> Cost:
        found = cost_of("quadratic" if self.cost is None else self.cost)
        if found.classifies:
            raise ValueError(
                f"the cost {found.name} is of classes, not of numbers: take BackpropClassifier, or "
                "leave cost out."
            )
        # Rows of zeros and a single one are numbers here, whatever they look like.
        settled = replace(found, targets="numbers", decide=as_numbers)
        return settled if found.targets == "any" else found

    def _outputs(self, cost: Cost) -> int:
        return self.n_outputs_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
