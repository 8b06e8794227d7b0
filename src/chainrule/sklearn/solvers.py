"""Solvers: the optimizers that an estimator's parameters mean.

Learning rate and penalty are numbers of the optimizer's state, not of its code. So a search over
`alpha` and `learning_rate_init` compiles one program, not one for each pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..training.descent import each
from ..training.lbfgs import LBFGS
from ..training.optimizers import SGD, Adam

SOLVERS = ("adam", "sgd", "lbfgs")

State = dict[str, Any]
AfterEpoch = Callable[[State, Mapping[str, float]], State]


@dataclass(frozen=True)
class Steered:
    """An optimizer with a penalty for large weights, both steered by numbers of its state.

    The gradient of l2/2 · Σw², of arrays of two axes and more, is added to that of the cost.
    `"penalty"` of the state is the sum of these penalties over all steps so far: the cost of the
    circuit is without them.

    Parameters
    ----------
    optimizer : Optimizer
        What moves the parameters.
    rate : float or None
        The learning rate to start with; None leaves the optimizer its own.
    l2 : float
        The strength of the penalty.
    steer : callable or None
        Gives the state to go on with after an epoch, as an optimizer's `after_epoch`.
    """

    optimizer: Any
    rate: float | None
    l2: float
    steer: AfterEpoch | None = None

    def init(self, parameters: Any) -> State:
        """Return the state to start with."""
        rate = {} if self.rate is None else {"rate": float(self.rate)}
        inner = self._steered(rate).init(parameters)
        return {"l2": float(self.l2), "penalty": 0.0, **rate, "inner": inner}

    def update(self, parameters: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state."""
        l2 = state["l2"]
        squares = 0.0
        for w in flatten(parameters)[0]:
            if np.ndim(w) > 1:
                squares = squares + np.sum(w * w)
        penalised = each(lambda p, g: g + l2 * p if np.ndim(p) > 1 else g, parameters, gradients)
        moved, inner = self._steered(state).update(parameters, penalised, state["inner"])
        penalty = state["penalty"] + 0.5 * l2 * squares
        return moved, {**state, "penalty": penalty, "inner": inner}

    @property
    def after_epoch(self) -> AfterEpoch | None:
        """What `fit` calls between epochs, if there is something to steer."""
        if self.steer is not None:
            return self.steer
        own = getattr(self.optimizer, "after_epoch", None)
        if own is None:
            return None
        return lambda state, numbers: {**state, "inner": own(state["inner"], numbers)}

    def _steered(self, state: Mapping[str, Any]) -> Any:
        if "rate" not in state:
            return self.optimizer
        rate = state["rate"]  # while a step is traced, a wire of its own
        return replace(self.optimizer, learning_rate=lambda step: rate)


def solver_of(estimator: Any) -> Any:
    """Return the optimizer that an estimator's parameters mean, without rate and penalty."""
    solver = estimator.solver
    if solver == "adam":
        return Adam(beta_1=estimator.beta_1, beta_2=estimator.beta_2, epsilon=estimator.epsilon)
    if solver == "sgd":
        momentum = estimator.momentum
        return SGD(momentum=momentum, nesterov=bool(estimator.nesterovs_momentum and momentum))
    if solver == "lbfgs":
        return LBFGS(tolerance=estimator.tol)
    return solver
