# mypy: allow-untyped-calls
"""Gradient descent, three ways: the same step on all examples, on mini-batches, on one at a time.

A `Way` says how many examples a step sees, how large the step is and how often all of them are
seen. `train` takes the steps and writes down the cost on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.digits import Digits
from ..differentiate.compiled import compile
from ..differentiate.transforms import value_and_grad
from .examples import cost, descend, initial, output

SIZES = (64, 30, 10)
POINTS = 200  # of a cost curve, at most about this many


@dataclass(frozen=True)
class Way:
    """One way to descend.

    Parameters
    ----------
    name : str
        What it is called.
    batch_size : int
        Examples a step; 0 for all.
    learning_rate : float
        Step against the gradient, parameter units per gradient unit; > 0.
    epochs : int
        How often every example is seen.
    """

    name: str
    batch_size: int
    learning_rate: float
    epochs: int


# The rates were tried by factors of two: twice as large is faster, but no longer safe on all seeds.
WAYS = (
    Way("vanilla gradient descent, all examples a step", 0, 3.0, 1500),
    Way("mini-batches of 256", 256, 3.0, 500),
    Way("stochastic, one example a step", 1, 0.5, 12),
)
QUICK = (
    Way(WAYS[0].name, 0, 3.0, 40),
    Way(WAYS[1].name, 256, 3.0, 20),
    Way(WAYS[2].name, 1, 0.5, 1),
)


@dataclass
class Run:
    """What one way of training came to.

    Attributes
    ----------
    costs : list of float
        The mean cost over stretches of the same number of steps.
    steps, seconds : int, float
        How many steps were taken, and how long they took.
    accuracy : float
        The part of the held-out digits that the network reads right.
    is_complete : bool
        Whether all epochs were run; False after Ctrl-C.
    """

    way: Way
    parameters: list[Any]
    costs: list[float] = field(default_factory=list)
    steps: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    accuracy: float = 0.0
    is_complete: bool = False


def train(
    way: Way,
    training: Digits,
    held_out: Digits,
    seed: int = 0,
    progress: Callable[[int, int, float], None] = lambda done, of, cost: None,
) -> Run:
    """Train a fresh network and return how it went, also when Ctrl-C ends it early.

    Parameters
    ----------
    way : Way
        How to descend.
    training, held_out : Digits
        What to learn from, and what to test on; the second is never trained on.
    seed : int
        Of the first weights and of the order of the examples.
    progress : callable
        Called now and then as `progress(steps done, steps in all, cost)`.
    """
    step = compile(value_and_grad(cost), machine="staged")
    rng = np.random.default_rng(seed)
    run = Run(way, initial(SIZES, rng))
    images, targets = training.images, training.targets
    size = way.batch_size or len(training)
    in_all = way.epochs * -(-len(training) // size)
    stretch = max(1, in_all // POINTS)
    recent: list[float] = []
    started = time.perf_counter()
    try:
        for _ in range(way.epochs):
            for rows in batches(len(training), size, rng):
                value, run.parameters = descend(
                    step, run.parameters, images[rows], targets[rows], way.learning_rate
                )
                run.steps += 1
                run.epochs += len(rows) / len(training)
                recent.append(float(value))
                if len(recent) == stretch:
                    run.costs.append(sum(recent) / stretch)
                    recent.clear()
                    progress(run.steps, in_all, run.costs[-1])
        run.is_complete = True
    except KeyboardInterrupt:
        pass  # the last whole step stands; the caller sees that the run is not complete
    run.seconds = time.perf_counter() - started
    run.accuracy = float(np.mean(read(run.parameters, held_out) == held_out.labels))
    return run


def batches(n: int, size: int, rng: np.random.Generator) -> Sequence[Any]:
    """Return the rows of each mini-batch of one epoch, in a new order; the last may be smaller."""
    order = rng.permutation(n)
    return [order[start : start + size] for start in range(0, n, size)]


def read(parameters: list[Any], digits: Digits) -> Any:
    """Return the digit that the network reads in each image."""
    return np.argmax(output(parameters, digits.images), axis=1)
