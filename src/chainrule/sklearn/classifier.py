"""`BackpropClassifier`: classes from examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_consistent_length, column_or_1d, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..networks.costs import Cost, cost_of
from .estimator import Array, Backprop, has_parts


def score(targets: Array, predicted: Array, sample_weight: Any = None) -> float:
    """Return the share of examples whose answers are all right, as scikit-learn has it."""
    right = targets == predicted
    return float(np.average(right if right.ndim == 1 else right.all(axis=1), weights=sample_weight))


def _has_probabilities(estimator: Any) -> bool:
    cost = estimator.cost
    if cost is not None and cost_of(cost).probabilities is None:
        raise AttributeError(
            f"predict_proba is not there with cost={cost!r}, whose outputs are no probabilities: "
            "take the default, or decision_function."
        )
    return True


class BackpropClassifier(ClassifierMixin, Backprop):  # type: ignore[misc]
    """A neural network that learns classes, trained by compiled backpropagation.

    Parameters, attributes and defaults are those of `sklearn.neural_network.MLPClassifier`, and so
    are the rules by which a training ends; beside them stand `layers`, `cost`, `class_weight` and
    `dtype`.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Neurons of each hidden layer.
    activation : str or callable
        Of the hidden layers: "relu", "logistic", "tanh", "identity", or any other of `cr.Dense`.
    solver : {"adam", "sgd", "lbfgs"} or Optimizer
        What moves the weights. An optimizer such as `cr.AdamW(1e-3)` brings its own learning rate.
    alpha : float
        What large weights cost: alpha/2 · Σw², shared by the examples of a batch.
    batch_size : int or "auto"
        Examples of a step; "auto" is 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}
        How the learning rate of "sgd" changes: not at all, with the root (`power_t`) of the number
        of examples seen, or divided by 5 wherever training would end.
    learning_rate_init : float
        The learning rate to begin with, of "adam" and "sgd".
    power_t : float
        The exponent of "invscaling".
    max_iter : int
        Epochs at most.
    shuffle : bool
        Whether each epoch has the examples in a new order.
    random_state : int, RandomState instance or None
        Of the first weights, of what is held out, and of the shuffles.
    tol, n_iter_no_change : float, int
        Training ends when the loss did not fall by `tol` for more than so many epochs on end.
    verbose : bool
        Whether to show on stderr how far it is.
    warm_start : bool
        Whether `fit` goes on with the weights that are there.
    momentum, nesterovs_momentum : float, bool
        Of "sgd".
    early_stopping : bool
        Whether to hold out examples, to end by their score, and to keep the best weights.
    validation_fraction : float
        How many examples are held out.
    beta_1, beta_2, epsilon : float
        Of "adam".
    layers : sequence of Layer, or callable
        Instead of `hidden_layer_sizes` and `activation`: layers of your own, or a function
        `(features, outputs)` that gives them. Rows become images by `cr.Reshape`.
    cost : str or callable, optional
        What is made small. None: the log loss. "hinge", "quadratic", "cross_entropy", or a function
        `(outputs, labels)` in plain NumPy that gives a number for each example; labels count from 0
        in the order of `classes_`.
    class_weight : dict, "balanced" or None
        How much each class counts.
    dtype : {"auto", "float32", "float64"}
        Of the weights and all that is computed with them. "auto": float32, whose rounding is far
        below the noise of mini-batches; float64 where each step sees all examples and `X` is not
        float32 itself, so that nothing but the data decides.

    Attributes
    ----------
    classes_ : ndarray
        The classes.
    network_ : Network
        The network: save it, look at its circuit, train it further.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer.
    loss_curve_ : list of float
        The loss of each epoch; `loss_` the last, `best_loss_` the smallest.
    validation_scores_ : list of float or None
        With early stopping, the accuracy on the held-out examples; `best_validation_score_`.
    history_ : History
        What was noted of each epoch: the cost without what weights cost, seconds, ...
    n_iter_, t_ : int
        Epochs, and examples seen.
    n_features_in_, feature_names_in_ : int, ndarray
        The number of features, and their names if there were some.
    n_outputs_, n_layers_ : int
        Of the network.

    Notes
    -----
    The first fit of a shape compiles it, in half a second or so, and keeps the code on disk: other
    seeds, penalties, learning rates and processes take it from there. Each call of `partial_fit`
    takes some 6 ms beside its work, so its parts should be of a thousand examples or more. Sparse
    matrices are refused. Unlike in `MLPClassifier`, the velocity of "sgd" holds gradients, not
    steps, so that a learning rate that changes acts at once.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.sklearn import BackpropClassifier
    >>> x, y = cr.data.moons(200, seed=0)
    >>> model = BackpropClassifier(30, learning_rate_init=0.05, random_state=0)
    >>> model.fit(x, y).score(x, y) > 0.95
    True
    """

    classes_: Array
    _is_multilabel: bool
    _score = staticmethod(score)

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        layers: Any = None,
        cost: Any = None,
        class_weight: Any = None,
        dtype: str = "auto",
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes, activation=activation, solver=solver,
            alpha=alpha, batch_size=batch_size, learning_rate=learning_rate,
            learning_rate_init=learning_rate_init, power_t=power_t, max_iter=max_iter,
            shuffle=shuffle, random_state=random_state, tol=tol, verbose=verbose,
            warm_start=warm_start, momentum=momentum, nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping, validation_fraction=validation_fraction,
            beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, n_iter_no_change=n_iter_no_change,
            layers=layers, cost=cost, dtype=dtype,
        )  # fmt: skip
        self.class_weight = class_weight

    @available_if(has_parts)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch on a part of the examples, from where the last one ended.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        classes : array-like, shape (n_classes,)
            All classes there are; needed in the first call. Not for indicator matrices.
        sample_weight : array-like, shape (n,), optional
            How much each example counts; >= 0.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            As `fit`; and if the classes are missing, or others than before.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' cannot know the classes of later parts: give a dict, such "
                "as compute_class_weight('balanced', classes=classes, y=y) of all examples."
            )
        fitted = hasattr(self, "network_")
        if classes is not None:
            given = np.unique(np.asarray(classes))
            if fitted and not np.array_equal(given, self.classes_):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                    f"{self.classes_!r}"
                )
            if len(given) < 2:
                raise ValueError(
                    f"classes={classes!r} is one class only: there is nothing to tell apart. Give "
                    "all classes that later parts will have, at least two."
                )
            classes = given
        elif not fitted and not type_of_target(y).startswith("multilabel"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit_part(X, y, sample_weight, classes)

    # ------------------------------------------------------------------ asking

    def predict(self, X: Any) -> Array:
        """Return the class of each example; where an example has several, an indicator matrix.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.
        """
        X = self._asked(X)
        found = self.network_.predict(X)
        if self._is_multilabel:
            return found.reshape(len(found), -1)
        chosen: Array = self.classes_[found]
        return chosen

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n, classes), in the order of `classes_`.

        Of several labels, each label's own: shape (n, labels).

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.
        """
        X = self._asked(X)
        found = self.network_.predict_proba(X)
        # Of a single label, the network gives the probability of "no" before it.
        return found[:, -self.n_outputs_ :] if self._is_multilabel else found

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probabilities; see `predict_proba`."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    def decision_function(self, X: Any) -> Array:
        """Return what the decision is taken from: the largest wins.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.

        Returns
        -------
        ndarray
            The network's outputs, shape (n, classes); of two classes one number each, positive for
            the second class.
        """
        X = self._asked(X)
        found: Array = self.network_.outputs(X)
        if self._is_multilabel or len(self.classes_) > 2:
            return found
        # A single output is a logit, or what is to be 0 or 1.
        link, last = self.network_.cost.link, getattr(self.network_.layers[-1], "activation", None)
        is_logit = self.network_.cost.name == "hinge" or (link is not None and last != link)
        middle = 0.0 if is_logit else 0.5
        single: Array = found[:, 1] - found[:, 0] if found.shape[1] > 1 else found[:, 0] - middle
        return single

    def input_gradient(self, X: Any, y: Any = None) -> Array:
        """Return along which change of each input the loss of an example grows.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.
        y : array-like, shape (n,), optional
            Their classes; None for those that are predicted.

        Returns
        -------
        ndarray, shape (n, features)
            The gradient of each example's own cost.
        """
        X = self._asked(X)
        if y is not None:
            y = np.asarray(y) if self._is_multilabel else self._labels(column_or_1d(y))
            check_consistent_length(X, y)
        return self.network_.input_gradient(X, y)

    # ------------------------------------------------------------------ reading targets

    def _targets(
        self, X: Array, y: Any, weights: Any, first: bool, classes: Any
    ) -> tuple[Array, Any]:
        check_classification_targets(y)
        y = y.toarray() if hasattr(y, "toarray") else y
        given = y
        is_multilabel = type_of_target(y) == "multilabel-indicator"
        if not is_multilabel:
            given = y = column_or_1d(y, warn=True)
        if first:
            self._is_multilabel = is_multilabel
            if is_multilabel:
                self.classes_ = np.arange(y.shape[1])
            else:
                self.classes_ = np.unique(y) if classes is None else classes
        elif is_multilabel != self._is_multilabel or (
            is_multilabel and y.shape[1] != len(self.classes_)
        ):
            raise ValueError("y has another number of labels than in the last call.")
        y = y.astype(np.int64) if is_multilabel else self._labels(y)
        if self.class_weight is not None:
            each = compute_sample_weight(self.class_weight, given)
            weights = each if weights is None else weights * each
        return y, weights

    def _labels(self, y: Array) -> Array:
        """Return classes as their places in `classes_`."""
        if not np.all(np.isin(y, self.classes_)):
            strange = np.setdiff1d(y, self.classes_)[:5].tolist()
            raise ValueError(
                f"y has classes that the network does not know: {strange}; it knows "
                f"{self.classes_[:20].tolist()}."
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _check_several(self, labels: Array, weights: Any) -> None:
        if self._is_multilabel:
            return
        counted = labels if weights is None else labels[weights > 0]
        if counted.size and np.all(counted == counted[0]):
            what = "" if weights is None else " of positive weight"
            raise ValueError(
                f"y{what} holds one class only, {self.classes_.tolist()[counted[0]]!r}: there is "
                "nothing to tell apart. Give examples of at least two classes."
            )

    def _cost(self, outputs: int | None) -> Cost:
        count, cost = len(self.classes_), self.cost
        if cost is None:
            one = count == 2 and outputs in (None, 1)
            cost = "binary_cross_entropy" if one or self._is_multilabel else "softmax_cross_entropy"
        found = cost_of(cost)
        if found.targets not in ("classes", "binary", "any"):
            raise ValueError(
                f"the cost {found.name} is of numbers, not of classes: take BackpropRegressor, or "
                "leave cost out."
            )
        if self._is_multilabel and found.targets != "binary":
            raise ValueError(
                f"the cost {found.name} takes one class for each example, but y has several "
                "labels: leave cost out, or take 'binary_cross_entropy'."
            )
        if found.targets == "binary" and count > 2 and not self._is_multilabel:
            raise ValueError(
                f"the cost {found.name} is of two classes, and there are {count}: leave cost out, "
                "or take 'cross_entropy', which asks of each class whether it is the one."
            )
        return found

    def _outputs(self, cost: Cost) -> int:
        self.n_outputs_ = (
            1 if cost.targets == "binary" and not self._is_multilabel else len(self.classes_)
        )
        return self.n_outputs_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
