"""What classifier and regressor share: parameters, the network that they mean, its training.

All that is particular to one of them is in `classifier.py` and `regressor.py`: how targets are
read, which cost is meant, and what is predicted. Checks of examples are scikit-learn's own.
"""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..networks import forward
from ..networks.activations import checked_activation
from ..networks.costs import Cost
from ..networks.dense import Dense
from ..networks.layer import Layer
from ..networks.network import Network
from ..training.history import History
from ..training.lbfgs import LBFGS
from .convergence import Convergence
from .settings import check_settings, sizes_of
from .solvers import Steered, solver_of

Array = np.ndarray[Any, Any]
Score = Callable[..., float]

AUTO = 200  # examples of a batch


class Backprop(BaseEstimator):  # type: ignore[misc]
    """A network as an estimator: see `BackpropClassifier` and `BackpropRegressor`."""

    network_: Network
    loss_curve_: list[float]
    n_outputs_: int

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
        dtype: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.layers = layers
        self.cost = cost
        self.dtype = dtype

    # ------------------------------------------------------------------ what the two differ in

    _reads_numbers = False  # as targets
    _score: Score

    def _targets(
        self, X: Array, y: Any, weights: Any, first: bool, classes: Any
    ) -> tuple[Array, Any]:
        """Return targets as the network takes them, and the weights of the examples."""
        raise NotImplementedError

    def _check_several(self, y: Array, weights: Any) -> None:
        """Raise ValueError if there is nothing to tell apart in all that is learned from."""

    def _cost(self, outputs: int | None) -> Cost:
        """Return the cost that is meant; the outputs are those of layers of the user's."""
        raise NotImplementedError

    def _outputs(self, cost: Cost) -> int:
        """Return how many outputs the network needs."""
        raise NotImplementedError

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the network on examples.

        Parameters
        ----------
        X : array-like, shape (n, features)
            The examples.
        y : array-like, shape (n,) or (n, outputs)
            What is wanted for them.
        sample_weight : array-like, shape (n,), optional
            How much each example counts; >= 0.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, the examples, targets or weights cannot be meant.
        NonFiniteCostError
            If the loss becomes nan or infinite.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs were not enough.
        """
        check_settings(self)
        goes_on = self.warm_start and hasattr(self, "network_")
        X, y, weights = self._read(X, y, sample_weight, first=not goes_on)
        self._check_several(y, weights)
        held_out = None
        if self.early_stopping:
            X, y, weights, held_out = self._held_out(X, y, weights)
        if not goes_on:
            self.network_ = self._network(X.shape[1], X.dtype)
        self._convergence = Convergence(self, getattr(self, "loss_curve_", []) if goes_on else [])
        self._train(X, y, weights, self.max_iter, held_out)
        best = self._convergence.best
        if best is not None:
            self.network_.parameters = best[0]
            if best[1] is not None:
                self.network_.carried = best[1]
            self._convergence.best = None
        return self

    def _fit_part(self, X: Any, y: Any, weights: Any, classes: Any = None) -> Any:
        """Train for one epoch on a part of the examples, from where the last one ended."""
        check_settings(self)
        if self.early_stopping:
            raise ValueError(
                "partial_fit sees a part of the examples at a time and cannot stop early: set "
                "early_stopping=False, or call fit."
            )
        first = not hasattr(self, "network_")
        X, y, weights = self._read(X, y, weights, first=first, classes=classes)
        if first:
            self.network_ = self._network(X.shape[1], X.dtype)
            self._convergence = Convergence(self, [])
        self._train(X, y, weights, 1, None, resume=True)
        return self

    def _read(
        self, X: Any, y: Any, weights: Any, *, first: bool, classes: Any = None
    ) -> tuple[Array, Array, Any]:
        """Return examples, targets and weights as the network takes them."""
        X, y = validate_data(
            self, X, y, reset=first, dtype=self._dtype(X, first), order="C", multi_output=True,
            y_numeric=self._reads_numbers,
        )  # fmt: skip
        if weights is not None:
            weights = np.asarray(weights, np.float64)
            if weights.shape != (len(X),):
                raise ValueError(
                    "sample_weight must have one number for each example, shape "
                    f"({len(X)},), not {weights.shape}."
                )
            if not np.any(weights):
                raise ValueError("Sample weights must contain at least one non-zero number.")
        y, weights = self._targets(X, y, weights, first, classes)
        return X, y, weights

    def _dtype(self, X: Any, first: bool) -> np.dtype[Any]:
        """Return the dtype to compute with."""
        if not first:
            return self.network_.dtype
        if self.dtype != "auto":
            return np.dtype(self.dtype)
        if getattr(X, "dtype", None) == np.float32:
            return np.dtype(np.float32)
        shape = getattr(X, "shape", None)
        rows = shape[0] if shape else len(X) if hasattr(X, "__len__") else 0
        return np.dtype(np.float64 if self._batch(rows) >= rows else np.float32)

    def _batch(self, rows: int) -> int:
        """Return how many examples a step has."""
        if isinstance(solver_of(self), LBFGS):
            return rows
        return min(rows, AUTO if isinstance(self.batch_size, str) else int(self.batch_size))

    def _held_out(self, X: Array, y: Array, weights: Any) -> tuple[Array, Array, Any, Any]:
        """Return the examples to learn from, and those held out: a share of each class."""
        arrays = [X, y] if weights is None else [X, y, weights]
        parts = train_test_split(
            *arrays,
            test_size=self.validation_fraction,
            stratify=y if y.ndim == 1 and not self._reads_numbers else None,
            random_state=self.random_state,
        )
        kept, held_out = parts[::2], tuple(parts[1::2])
        if len(held_out[0]) < 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(X)} examples is one of "
                "them: give a larger fraction, or more examples."
            )
        return kept[0], kept[1], kept[2] if len(kept) > 2 else None, held_out

    def _network(self, features: int, dtype: np.dtype[Any]) -> Network:
        """Return the network that the parameters mean, before any training."""
        cost = self._cost(None)
        outputs = self._outputs(cost)
        layers = self.layers
        if layers is None:
            layers = dense_layers(
                features, sizes_of(self.hidden_layer_sizes), outputs, self.activation
            )
        else:
            if callable(layers) and not isinstance(layers, Layer):
                layers = layers(features, outputs)
            layers = [layers] if isinstance(layers, Layer) else list(layers)
            shape = forward.shape_through(layers, (features,))
            cost = self._cost(shape[-1])
            if shape != (self._outputs(cost),):
                raise ValueError(
                    f"the layers give outputs of shape {shape}, but what is wanted has shape "
                    f"({self._outputs(cost)},)"
                )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return Network(*layers, cost=cost, seed=seed, dtype=dtype)

    def _train(
        self, X: Array, y: Array, weights: Any, epochs: int, held_out: Any, resume: bool = False
    ) -> None:
        net, watch, n = self.network_, self._convergence, len(X)
        size = self._batch(n)
        watch.begin(n, -(-n // size))
        # The penalty of a batch is shared by its examples, each by its weight.
        total = size * (1.0 if weights is None else float(np.mean(weights)))
        l2 = float(self.alpha) / total if total > 0.0 else 0.0
        optimizer = solver_of(self)
        net.l2 = 0.0
        if isinstance(optimizer, LBFGS):
            net.l2 = l2  # all of the cost has to be in the circuit, where a search compares it
        else:
            rate = float(self.learning_rate_init) if isinstance(self.solver, str) else None
            optimizer = Steered(optimizer, rate, l2, watch.after_epoch)
        done = 0
        if resume and net.state is not None:
            done = net.state.epochs
            net.state = replace(net.state, optimizer={**net.state.optimizer, "l2": l2})
        before = len(watch.losses)
        net.fit(
            X, y, epochs=done + epochs, batch_size=size, optimizer=optimizer,
            sample_weight=weights, validation_data=held_out, metrics=[self._score],
            callback=watch, resume=resume, progress=bool(self.verbose), shuffle=self.shuffle,
            threads=_threads(),
        )  # fmt: skip
        count = len(watch.losses) - before
        self.n_iter_ = done + count
        self.t_ = watch.seen
        self.loss_curve_ = watch.losses
        self.loss_ = watch.losses[-1] if watch.losses else math.nan
        self.best_loss_ = None if self.early_stopping else watch.best_loss
        self.validation_scores_ = watch.scores if self.early_stopping else None
        self.best_validation_score_ = watch.best_score if self.early_stopping else None
        if resume or watch.is_over:
            return
        if count < epochs:
            warnings.warn("Training interrupted by user.", UserWarning, stacklevel=3)
        else:
            warnings.warn(
                f"{self.max_iter} epochs were not enough for the training to converge: give a "
                "larger max_iter or learning_rate_init, or scale the features "
                "(make_pipeline(StandardScaler(), ...)).",
                ConvergenceWarning,
                stacklevel=3,
            )

    # ------------------------------------------------------------------ what has been learned

    def _asked(self, X: Any) -> Array:
        """Return examples to ask the network about."""
        check_is_fitted(self)
        found: Array = validate_data(self, X, reset=False, dtype=self.network_.dtype, order="C")
        return found

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer that has some."""
        check_is_fitted(self)
        return [p["weights"] for p in self.network_.parameters if "weights" in p]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer that has some."""
        check_is_fitted(self)
        return [p["biases"] for p in self.network_.parameters if "biases" in p]

    @property
    def n_layers_(self) -> int:
        """How many layers there are, the inputs counted as one."""
        check_is_fitted(self)
        return 1 + len(self.network_.layers)

    @property
    def history_(self) -> History:
        """The history of the network: what `fit` noted of each epoch of the last training."""
        check_is_fitted(self)
        return self.network_.history


def dense_layers(features: int, sizes: list[int], outputs: int, activation: Any) -> list[Layer]:
    """Return dense layers that begin as those of `MLPClassifier` do.

    Weights and biases are drawn from ±√(f / (fan in + fan out)), with f = 2 for the logistic
    function and 6 for all others: X. Glorot and Y. Bengio, "Understanding the difficulty of
    training deep feedforward neural networks" (2010), eq. 16.
    """
    activation = checked_activation(activation)
    factor = 2.0 if activation == "sigmoid" else 6.0
    every = [features, *sizes, outputs]
    layers: list[Layer] = []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(every)):
        bound = math.sqrt(factor / (n_in + n_out))
        begin = {"name": "uniform", "low": -bound, "high": bound}
        last = k == len(sizes)
        layers.append(Dense(n_in, n_out, None if last else activation, weights=begin, biases=begin))
    return layers


def has_parts(estimator: Any) -> bool:
    """Return whether `partial_fit` is there; for `available_if`."""
    if isinstance(solver_of(estimator), LBFGS):
        raise AttributeError(
            "partial_fit is not there with solver='lbfgs', which needs all examples at once: take "
            "'adam' or 'sgd'."
        )
    return True


def _threads() -> int | None:
    """Return how many threads to use: as many as joblib leaves to one of its workers."""
    word = os.environ.get("OMP_NUM_THREADS", "")
    if "CHAINRULE_NUM_THREADS" in os.environ or not word.isdigit() or word == "0":
        return None
    return int(word)
