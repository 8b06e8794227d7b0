"""Convergence: when an estimator's training ends, by scikit-learn's rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..training.lbfgs import LBFGS
from ..training.result import FitResult
from .solvers import solver_of

_DIVISOR, _LOWEST = 5.0, 1e-6  # of an adaptive learning rate, as MLPClassifier has them


class Convergence:
    """Watches a training and says when it is over.

    As in `MLPClassifier`: when the loss, or with early stopping the score on held-out rows, did not
    get better by `tol` than the best so far in more than `n_iter_no_change` epochs on end. Unlike
    in `EarlyStopping`, the best so far also moves by less than `tol`, so that a long slow descent
    ends too. An adaptive learning rate is divided by 5 instead, until it is at 1e-6.

    Parameters
    ----------
    estimator : estimator
        Whose settings these are.
    losses : sequence of float
        Of earlier trainings.

    Attributes
    ----------
    losses, scores : list of float
        Of each epoch: the mean cost with what weights cost, and the score on held-out rows.
    best_loss, best_score : float
        The best of them.
    best : tuple or None
        Parameters and carry of the best score.
    seen : int
        Rows that were learned from, epoch by epoch.
    is_over : bool
        Whether the training has converged.
    """

    def __init__(self, estimator: Any, losses: list[float]) -> None:
        self._is_exact = isinstance(solver_of(estimator), LBFGS)
        self._tol = estimator.tol
        self._patience = 0 if self._is_exact else estimator.n_iter_no_change
        self._schedule = estimator.learning_rate
        self._rate, self._power = estimator.learning_rate_init, estimator.power_t
        self._batches = self._rows = 1
        self._penalty = 0.0  # summed up to the last epoch
        self._waited, self._is_new_best = 0, False
        self.losses = list(losses)
        self.scores: list[float] = []
        self.best_loss, self.best_score = min(losses, default=math.inf), -math.inf
        self.best: tuple[Any, Any] | None = None
        self.seen = 0
        self.is_over = False

    def begin(self, rows: int, batches: int) -> None:
        """Get ready for epochs of so many rows and steps."""
        self._rows, self._batches = rows, batches
        self.is_over = False

    @property
    def after_epoch(self) -> Any:
        """What steers the learning rate between epochs; None where it is constant."""
        return None if self._schedule == "constant" else self._steered

    def __call__(self, epoch: int, result: FitResult) -> bool:
        """Look at an epoch, as a callback of `fit`; return whether the training is over."""
        if self.after_epoch is None:
            numbers = {name: values[-1] for name, values in result.history.items()}
            self._look(numbers, result.state.optimizer)
            self.is_over = self._waited > self._patience
        if self._is_new_best:
            self.best = (result.parameters, result.carry)
        return self.is_over

    def _steered(self, state: dict[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
        """Look at an epoch, and return the optimizer's state to go on with."""
        self._look(numbers, state)
        rate = state["rate"]
        if self._schedule == "invscaling":
            rate = self._rate / (self.seen + 1.0) ** self._power
        if self._waited > self._patience:
            if self._schedule == "adaptive" and rate > _LOWEST:
                rate, self._waited = rate / _DIVISOR, 0
            else:
                self.is_over = True
        return {**state, "rate": rate}

    def _look(self, numbers: Mapping[str, float], state: Mapping[str, Any]) -> None:
        """Note loss and score of an epoch, and for how long there was nothing better."""
        penalty = state.get("penalty", 0.0)
        loss = numbers["cost"] + (penalty - self._penalty) / self._batches
        self._penalty = penalty
        self.seen += self._rows
        if "val_score" in numbers:
            score = numbers["val_score"]
            self.scores.append(score)
            is_better = score >= self.best_score + self._tol  # nan never is
            self._is_new_best = score > self.best_score
            self.best_score = max(self.best_score, score)
        else:
            is_better = loss <= self.best_loss - self._tol
        if self._is_exact:  # an L-BFGS that has converged, to its own `tol`, changes nothing
            is_better = not self.losses or loss != self.losses[-1]
        self.losses.append(loss)
        self.best_loss = min(self.best_loss, loss)
        self._waited = 0 if is_better else self._waited + 1
