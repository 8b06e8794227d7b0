"""More optimizers that set the length of the step for each parameter: Adagrad, Adadelta, Lion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .descent import Descent, State, each, mean_square, zeros_like
from .schedules import Schedule


@dataclass(frozen=True)
class Adagrad(Descent):
    """Shorter steps for parameters that have moved much, for rare features longer ones.

    Each gradient is divided by the root of the sum of all its squares so far::

        s ← s + g²        p ← p - learning_rate · g / (√s + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        The length of the first step, in parameter units; > 0. A callable as in `SGD`.
    epsilon : float
        Added to the root, which can be 0; in gradient units.
    begin : float
        What the sum of squares begins with; above 0, first steps are shorter.

    Notes
    -----
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization" (2011), figure 1 with a diagonal matrix. The defaults are PyTorch's.

    Examples
    --------
    >>> optimizer = Adagrad(0.5)
    >>> p, state = optimizer.update(1.0, 3.0, optimizer.init(1.0))
    >>> p, state = optimizer.update(p, 4.0, state)  # the root of 9 + 16 is 5
    >>> round(p, 9), state["square"]
    (0.1, 25.0)
    """

    learning_rate: float | Schedule = 0.01
    epsilon: float = 1e-10
    begin: float = 0.0

    def _memory(self, parameters: Any) -> State:
        return {"square": each(lambda zero: zero + self.begin, zeros_like(parameters))}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        epsilon = self.epsilon
        square = each(lambda s, g: s + g * g, state["square"], gradients)

        def moved(p: Any, g: Any, s: Any) -> Any:
            return p - rate * g / (np.sqrt(s) + epsilon)

        return each(moved, parameters, gradients, square), {"square": square}


@dataclass(frozen=True)
class Adadelta(Descent):
    """Steps in the units of the parameters, with no learning rate to choose.

    Each gradient is divided by the root of the mean of its recent squares, and multiplied by that
    of the steps before::

        s ← decay · s + (1 - decay) · g²
        Δ = √(d + epsilon) / √(s + epsilon) · g
        d ← decay · d + (1 - decay) · Δ²        p ← p - learning_rate · Δ

    Parameters
    ----------
    learning_rate : float or callable
        Multiplies the step; 1 in the paper. A callable as in `SGD`.
    decay : float
        How much of both means is kept, from 0 to below 1.
    epsilon : float
        Inside both roots: the first steps are about √epsilon long.

    Notes
    -----
    M. Zeiler, "Adadelta: an adaptive learning rate method" (2012), algorithm 1. The defaults are
    PyTorch's.
    """

    learning_rate: float | Schedule = 1.0
    decay: float = 0.9
    epsilon: float = 1e-6

    def _memory(self, parameters: Any) -> State:
        return {"square": zeros_like(parameters), "moved": zeros_like(parameters)}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        epsilon = self.epsilon
        square = mean_square(self.decay, state["square"], gradients)

        def step(d: Any, s: Any, g: Any) -> Any:
            return np.sqrt(d + epsilon) / np.sqrt(s + epsilon) * g

        steps = each(step, state["moved"], square, gradients)
        moved = mean_square(self.decay, state["moved"], steps)
        after = each(lambda p, step: p - rate * step, parameters, steps)
        return after, {"square": square, "moved": moved}


@dataclass(frozen=True)
class Lion(Descent):
    """Steps of one length for every parameter: only the sign of the mean gradient counts.

    The step looks at the mean with more of this gradient in it than the mean that is kept::

        p ← p - learning_rate · (sign(beta_1 · m + (1 - beta_1) · g) + weight_decay · p)
        m ← beta_2 · m + (1 - beta_2) · g

    Parameters
    ----------
    learning_rate : float or callable
        The length of a step, in parameter units; > 0. The paper takes 3 to 10 times less than for
        `AdamW`. A callable as in `SGD`.
    beta_1, beta_2 : float
        How much of the mean of gradients is kept, for the step and for the next one, from 0 to
        below 1.
    weight_decay : float
        The fraction of itself by which each parameter is drawn towards 0, per unit of learning
        rate; >= 0. The paper takes 3 to 10 times more than for `AdamW`.

    Notes
    -----
    X. Chen et al., "Symbolic discovery of optimization algorithms" (2023), algorithm 2, with its
    betas and Optax's `weight_decay`. Where the mean is exactly 0, its sign is 0.

    Examples
    --------
    >>> optimizer = Lion(0.1, weight_decay=0.0)
    >>> p, state = optimizer.update(1.0, -250.0, optimizer.init(1.0))
    >>> p, round(state["m"], 9)
    (1.1, -2.5)
    """

    learning_rate: float | Schedule = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 1e-3

    def _memory(self, parameters: Any) -> State:
        return {"m": zeros_like(parameters)}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        now, later = self.beta_1, self.beta_2
        kept = 1.0 - rate * self.weight_decay

        def moved(p: Any, m: Any, g: Any) -> Any:
            start = kept * p if self.weight_decay else p
            return start - rate * np.sign(now * m + (1.0 - now) * g)

        m = each(lambda m, g: later * m + (1.0 - later) * g, state["m"], gradients)
        return each(moved, parameters, state["m"], gradients), {"m": m}
