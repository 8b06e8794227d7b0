"""Optimizers: how parameters move along their gradients, in plain NumPy.

An optimizer is a record of settings with two methods::

    init(parameters) -> state
    update(parameters, gradients, state) -> (parameters, state)

`parameters` and `gradients` are the same containers of float arrays and floats; `state` is any
container of arrays and floats. `update` changes nothing in place: it is traced into one circuit
with the cost and its gradient, and the machine that runs the circuit does the overwriting. A third
method is optional: `after_epoch(state, numbers) -> state` is called between epochs, outside of the
circuit, with what the history notes of the epoch.

More optimizers are in `adaptive.py`, wrappers in `clipping.py`, L-BFGS in `lbfgs.py`; what most of
them share is in `descent.py`. To write one: any object with these methods will do. Numbers are
Python floats, counts of steps too (`0.0`, not `0`): a float32 parameter times a Python float stays
float32, times a NumPy number it would not, and an int would be a constant of the circuit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..tracing.sites import here
from .descent import Descent, State, each, mean_square, zeros_like
from .schedules import Schedule


class Optimizer(Protocol):
    """What `fit` asks of an optimizer."""

    def init(self, parameters: Any) -> Any:
        """Return the state to start with."""

    def update(self, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        """Return the new parameters and the new state."""


@dataclass(frozen=True)
class SGD(Descent):
    """Gradient descent: each parameter a step against its gradient.

    Without momentum, p ← p - learning_rate · g. With it, steps gather speed where gradients agree::

        v ← momentum · v + g        p ← p - learning_rate · v

    and with Nesterov's the step looks ahead along the new velocity::

        p ← p - learning_rate · (g + momentum · v)

    Parameters
    ----------
    learning_rate : float or callable
        Step against the gradient, parameter units per gradient unit; > 0. A callable gives it
        for each step from the number of steps done before, a float that starts at 0.0.
    momentum : float
        How much of the last velocity is kept, from 0 to below 1.
    nesterov : bool
        Whether to look ahead.

    Notes
    -----
    B. Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), eq. 9;
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning"
    (2013), eqs. 1 to 4. There the learning rate is part of the velocity; here it multiplies it, as
    in PyTorch and Optax. The same as long as the learning rate does not change.

    Examples
    --------
    >>> optimizer = SGD(0.1, momentum=0.5)
    >>> state = optimizer.init(1.0)
    >>> p, state = optimizer.update(1.0, 2.0, state)
    >>> p, state
    (0.8, {'step': 1.0, 'velocity': 2.0})
    """

    learning_rate: float | Schedule = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError(
                f"{here()}nesterov looks ahead along the velocity: give a momentum, such as 0.9"
            )

    def _memory(self, parameters: Any) -> State:
        return {"velocity": zeros_like(parameters)} if self.momentum else {}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        if not self.momentum:
            return each(lambda p, g: p - rate * g, parameters, gradients), {}
        mu = self.momentum
        velocity = each(lambda v, g: mu * v + g, state["velocity"], gradients)
        if self.nesterov:
            moved = each(lambda p, g, v: p - rate * (g + mu * v), parameters, gradients, velocity)
        else:
            moved = each(lambda p, v: p - rate * v, parameters, velocity)
        return moved, {"velocity": velocity}


@dataclass(frozen=True)
class RMSprop(Descent):
    """Steps of about the same length whatever the size of the gradients.

    Each gradient is divided by the root of the mean of its recent squares::

        s ← decay · s + (1 - decay) · g²        p ← p - learning_rate · g / (√s + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        About the length of a step, in parameter units; > 0. A callable as in `SGD`.
    decay : float
        How much of the mean of squares is kept, from 0 to below 1.
    epsilon : float
        Added to the root, which can be 0; in gradient units.

    Notes
    -----
    T. Tieleman and G. Hinton, "Neural networks for machine learning", lecture 6.5 (2012).
    `epsilon` is outside the root, as in PyTorch and as in Adam's paper.
    """

    learning_rate: float | Schedule = 0.001
    decay: float = 0.9
    epsilon: float = 1e-8

    def _memory(self, parameters: Any) -> State:
        return {"square": zeros_like(parameters)}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        epsilon = self.epsilon
        square = mean_square(self.decay, state["square"], gradients)

        def moved(p: Any, g: Any, s: Any) -> Any:
            return p - rate * g / (np.sqrt(s) + epsilon)

        return each(moved, parameters, gradients, square), {"square": square}


@dataclass(frozen=True)
class Adam(Descent):
    """RMSprop with momentum, both corrected for having started at 0.

    With t the number of this step, from 1::

        m ← beta_1 · m + (1 - beta_1) · g        m̂ = m / (1 - beta_1ᵗ)
        v ← beta_2 · v + (1 - beta_2) · g²       v̂ = v / (1 - beta_2ᵗ)
        p ← p - learning_rate · m̂ / (√v̂ + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        About the length of a step, in parameter units; > 0. A callable as in `SGD`.
    beta_1, beta_2 : float
        How much is kept of the mean of gradients and of the mean of their squares, from 0 to
        below 1. The names are scikit-learn's and Keras's.
    epsilon : float
        Added to the root, which can be 0; in gradient units.

    Notes
    -----
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.

    Examples
    --------
    The first step is as long as the learning rate, whatever the gradient:

    >>> optimizer = Adam(0.1)
    >>> p, state = optimizer.update(1.0, 250.0, optimizer.init(1.0))
    >>> round(p, 9)
    0.9
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def _memory(self, parameters: Any) -> State:
        return {"m": zeros_like(parameters), "v": zeros_like(parameters)}

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        return self._decayed(parameters, gradients, state, rate, 0.0)

    def _decayed(
        self, parameters: Any, gradients: Any, state: State, rate: Any, weight_decay: float
    ) -> tuple[Any, State]:
        step = state["step"] + 1.0
        keep, epsilon = self.beta_1, self.epsilon
        m = each(lambda m, g: keep * m + (1.0 - keep) * g, state["m"], gradients)
        v = mean_square(self.beta_2, state["v"], gradients)
        # The corrections are numbers of the step: worked out once, not for each element.
        length = rate / (1.0 - self.beta_1**step)
        widen = 1.0 / math.sqrt(1.0 - self.beta_2**step)
        kept = 1.0 - rate * weight_decay

        def moved(p: Any, m: Any, v: Any) -> Any:
            start = kept * p if weight_decay else p
            return start - length * m / (widen * np.sqrt(v) + epsilon)

        return each(moved, parameters, m, v), {"m": m, "v": v}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, with every parameter drawn towards 0 by a fraction of itself.

    The decay is a step of its own, not part of the gradient, so that it is not divided by the
    root::

        p ← p - learning_rate · (m̂ / (√v̂ + epsilon) + weight_decay · p)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        As in `Adam`.
    weight_decay : float
        The fraction, per unit of learning rate; >= 0. It acts on all parameters, biases too.

    Notes
    -----
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2019), algorithm 2, with
    the learning rate as the schedule multiplier of both terms, as in PyTorch and Optax.
    """

    weight_decay: float = 0.01

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        return self._decayed(parameters, gradients, state, rate, self.weight_decay)
