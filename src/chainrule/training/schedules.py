"""Schedules: learning rates that change as training goes on.

The `learning_rate` of an optimizer may be any function of the number of steps done, a float that
starts at 0.0. A step is one mini-batch: training has `epochs * ceil(rows / batch_size)` of them,
which is what to give as `steps` for a schedule that ends with the training.

To write one: a function in plain Python and NumPy. While the step is traced, the number of steps is
a traced float: choose with `np.where` and `np.minimum` rather than `if`, for each way that an
`if` takes is compiled on its own. A schedule that also looks at the numbers of an epoch is a
`StatefulSchedule`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import did_you_mean
from ..tracing.sites import here
from .batches import whole
from .early_stopping import is_larger_better
from .settings import FRACTION, POSITIVE, check_numbers

Schedule = Callable[[Any], Any]
ScheduleState = dict[str, float]


@dataclass(frozen=True)
class StepDecay:
    """A learning rate that drops by a factor every so many steps.

    Parameters
    ----------
    rate : float
        The learning rate of the first steps.
    every : float
        How many steps until it drops, and drops again; > 0.
    factor : float
        What it is multiplied by.

    Notes
    -----
    rate · factor^⌊step / every⌋, as PyTorch's StepLR.

    Examples
    --------
    >>> schedule = StepDecay(0.1, every=1000, factor=0.5)
    >>> [float(schedule(step)) for step in (0.0, 999.0, 1000.0, 2000.0)]
    [0.1, 0.1, 0.05, 0.025]
    """

    rate: float
    every: float
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, {"every": POSITIVE, "factor": POSITIVE})

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after so many steps."""
        return self.rate * self.factor ** np.floor(step / self.every)


@dataclass(frozen=True)
class ExponentialDecay:
    """A learning rate that shrinks at each step, by a factor in so many of them.

    Parameters
    ----------
    rate : float
        The learning rate of the first step.
    every : float
        In how many steps it shrinks by the factor; > 0.
    factor : float
        What it is multiplied by meanwhile.

    Notes
    -----
    rate · factor^(step / every): PyTorch's ExponentialLR where `every` is one epoch.

    Examples
    --------
    >>> schedule = ExponentialDecay(0.1, every=1000, factor=0.25)
    >>> [float(schedule(step)) for step in (0.0, 500.0, 1000.0)]
    [0.1, 0.05, 0.025]
    """

    rate: float
    every: float
    factor: float

    def __post_init__(self) -> None:
        check_numbers(self, {"every": POSITIVE, "factor": POSITIVE})

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after so many steps."""
        return self.rate * self.factor ** (step / self.every)


@dataclass(frozen=True)
class CosineDecay:
    """A learning rate that falls along half a wave of the cosine, and stays down.

    Parameters
    ----------
    rate : float
        The learning rate of the first step.
    steps : float
        How many steps it falls for; > 0.
    end : float
        The learning rate from then on.

    Notes
    -----
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017),
    eq. 5, without restarts; PyTorch's CosineAnnealingLR.

    Examples
    --------
    >>> schedule = CosineDecay(0.1, steps=1000, end=0.02)
    >>> [round(float(schedule(step)), 9) for step in (0.0, 500.0, 1000.0, 2000.0)]
    [0.1, 0.06, 0.02, 0.02]
    """

    rate: float
    steps: float
    end: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self, {"steps": POSITIVE})

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after so many steps."""
        return _along_cosine(self.rate, self.end, np.minimum(step / self.steps, 1.0))


@dataclass(frozen=True)
class OneCycle:
    """A learning rate that rises to a peak and then falls to almost nothing.

    Parameters
    ----------
    peak : float
        The largest learning rate.
    steps : float
        How many steps there are in all; more than 1. The rate stays at `end` after them.
    rise : float
        Which share of the steps it rises for, from 0 to below 1.
    start : float, optional
        The learning rate of the first step; a 25th of the peak by default.
    end : float, optional
        The learning rate of the last step; a 10,000th of `start` by default.

    Notes
    -----
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates" (2018), with the two half waves of a cosine and the defaults of PyTorch's
    OneCycleLR. The momentum does not cycle.

    Examples
    --------
    >>> schedule = OneCycle(0.1, steps=100)
    >>> [round(float(schedule(step)), 9) for step in (0.0, 29.0, 64.0, 99.0)]
    [0.004, 0.1, 0.0500002, 4e-07]
    """

    peak: float
    steps: float
    rise: float = 0.3
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        open_ones = [name for name in ("start", "end") if getattr(self, name) is None]
        check_numbers(self, {"steps": POSITIVE, "rise": FRACTION}, but=open_ones)
        if self.start is None:
            object.__setattr__(self, "start", self.peak / 25.0)
        if self.end is None:
            object.__setattr__(self, "end", (self.start or 0.0) / 10_000.0)
        if self.steps <= 1.0:
            raise ValueError(f"{here()}OneCycle: steps must be more than 1, not {self.steps!r}")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after so many steps."""
        top = self.rise * self.steps - 1.0  # the step of the peak, as PyTorch counts
        fallen = np.clip((step - top) / (self.steps - 1.0 - top), 0.0, 1.0)
        down = _along_cosine(self.peak, self.end, fallen)
        if top <= 0.0:  # no step to rise in
            return down
        up = _along_cosine(self.start, self.peak, np.clip(step / top, 0.0, 1.0))
        return np.where(step < top, up, down)


class StatefulSchedule:
    """A schedule that keeps numbers of its own, and may change them after each epoch.

    The optimizer keeps them in its state under `"schedule"`, so that they are part of checkpoints.
    Called with a number of steps, it gives the learning rate as if no epoch had ended.
    """

    def begin(self) -> ScheduleState:
        """Return the numbers to start with, finite floats."""
        raise NotImplementedError

    def at(self, step: Any, state: ScheduleState) -> Any:
        """Return the learning rate after so many steps."""
        raise NotImplementedError

    def after_epoch(self, state: ScheduleState, numbers: Mapping[str, float]) -> ScheduleState:
        """Return the state to go on with, given what the history notes of the epoch."""
        raise NotImplementedError

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after so many steps, with the numbers it starts with."""
        return self.at(step, self.begin())


@dataclass(frozen=True)
class WarmUp(StatefulSchedule):
    """A learning rate that rises on a straight line at first, then another schedule.

    Parameters
    ----------
    steps : float
        How many steps it rises for; > 0.
    then : float or callable
        What it rises to: a learning rate, or a schedule, which counts its steps from there.
    start : float
        The learning rate of the first step. At 0, the default, that step moves nothing but gives
        the averages of momentum and Adam their first gradient.

    Notes
    -----
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017), section
    2.2; PyTorch's LinearLR, followed by another in SequentialLR.

    Examples
    --------
    >>> schedule = WarmUp(10, CosineDecay(0.1, steps=90))
    >>> [round(float(schedule(step)), 9) for step in (0.0, 5.0, 10.0, 55.0, 100.0)]
    [0.0, 0.05, 0.1, 0.05, 0.0]
    """

    steps: float
    then: float | Schedule
    start: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self, {"steps": POSITIVE}, but=("then",) if callable(self.then) else ())

    def begin(self) -> ScheduleState:
        """Return the numbers that the schedule after it starts with."""
        return begin(self.then)

    def at(self, step: Any, state: ScheduleState) -> Any:
        """Return the learning rate after so many steps."""
        risen = np.minimum(step / self.steps, 1.0)
        goal = rate_at(self.then, np.maximum(step - self.steps, 0.0), state)
        # Not start + (goal - start) · risen, which can miss the goal in the last bit.
        return (1.0 - risen) * self.start + risen * goal

    def after_epoch(self, state: ScheduleState, numbers: Mapping[str, float]) -> ScheduleState:
        """Hand the numbers of the epoch to the schedule after it, during the rise too."""
        return after_epoch(self.then, state, numbers)


@dataclass(frozen=True)
class Plateau(StatefulSchedule):
    """A learning rate that drops when the cost no longer does.

    Parameters
    ----------
    rate : float
        The learning rate to start with.
    factor : float
        What it is multiplied by, from 0 to below 1.
    patience : int
        After how many epochs in a row that were no better it has had enough: the next such epoch
        lowers the rate.
    minimum : float
        The smallest learning rate.
    watch : str, optional
        The number of the history to look at. None: `"val_cost"` with validation, else `"cost"`.
    threshold : float
        By which fraction of the best so far an epoch must be better to count.
    cooldown : int
        For how many epochs after a drop none is counted.
    larger_is_better : bool, optional
        None: where the name says so: accuracy, score, r2, precision, recall, f1.

    Notes
    -----
    PyTorch's ReduceLROnPlateau in its relative mode, and Keras's of the same name. Here the
    threshold is a fraction of the size of the best, so that it is one for negative numbers too.

    Examples
    --------
    >>> schedule = Plateau(0.1, factor=0.5, patience=1)
    >>> state = schedule.begin()
    >>> for cost in (2.0, 1.0, 1.0, 1.0):
    ...     state = schedule.after_epoch(state, {"cost": cost})
    >>> schedule.at(400.0, state)
    0.05
    """

    rate: float
    factor: float = 0.1
    patience: int = 10
    minimum: float = 0.0
    watch: str | None = None
    threshold: float = 1e-4
    cooldown: int = 0
    larger_is_better: bool | None = None

    def __post_init__(self) -> None:
        counts = ("patience", "cooldown")
        for name in counts:
            whole(getattr(self, name), name, 0)
        check_numbers(self, {"factor": FRACTION}, but=(*counts, "watch", "larger_is_better"))

    def begin(self) -> ScheduleState:
        """Return the rate to start with, and that there is no best yet."""
        # Not infinity: machines take a result that is not finite for a reason to look again.
        worst = sys.float_info.max
        best = -worst if self._is_larger_better() else worst
        return {"rate": self.rate, "best": best, "waited": 0.0, "cooling": 0.0}

    def at(self, step: Any, state: ScheduleState) -> Any:
        """Return the learning rate, whatever the step."""
        return state["rate"]

    def after_epoch(self, state: ScheduleState, numbers: Mapping[str, float]) -> ScheduleState:
        """Return the state to go on with, perhaps with a lower rate.

        Raises
        ------
        ValueError
            If there is no number of the name that is watched.
        """
        name = self.watch or ("val_cost" if "val_cost" in numbers else "cost")
        if name not in numbers:
            raise ValueError(
                f"{here()}Plateau watches {name!r}, but an epoch has {', '.join(numbers)}."
                f"{did_you_mean(name, list(numbers))}"
            )
        rate, best, waited, cooling = (state[k] for k in ("rate", "best", "waited", "cooling"))
        number = float(numbers[name])
        least = self.threshold * abs(best)
        better = number > best + least if self._is_larger_better() else number < best - least
        best, waited = (number, 0.0) if better else (best, waited + 1.0)  # nan is never better
        if cooling > 0.0:
            cooling, waited = cooling - 1.0, 0.0
        if waited > self.patience:
            rate, waited = max(rate * self.factor, self.minimum), 0.0
            cooling = float(self.cooldown)
        return {"rate": rate, "best": best, "waited": waited, "cooling": cooling}

    def _is_larger_better(self) -> bool:
        if self.larger_is_better is None:
            return is_larger_better(self.watch or "cost")
        return self.larger_is_better


def begin(schedule: Any) -> ScheduleState:
    """Return what a schedule, or a plain learning rate, keeps; mostly nothing."""
    return schedule.begin() if hasattr(schedule, "begin") else {}


def rate_at(schedule: Any, step: Any, state: ScheduleState) -> Any:
    """Return the learning rate after so many steps, of a schedule or a plain learning rate."""
    if hasattr(schedule, "begin"):
        return schedule.at(step, state)
    return schedule(step) if callable(schedule) else schedule


def after_epoch(schedule: Any, state: ScheduleState, numbers: Mapping[str, float]) -> ScheduleState:
    """Return the state of a schedule to go on with after an epoch."""
    following: ScheduleState = state
    if hasattr(schedule, "begin"):
        following = schedule.after_epoch(state, numbers)
    return following


def _along_cosine(start: Any, end: Any, way: Any) -> Any:
    """Return what lies between start and end, at a share of the way from 0 to 1."""
    return end + (start - end) * (1.0 + np.cos(np.pi * way)) / 2.0
