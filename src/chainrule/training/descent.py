"""What optimizers have in common: checked settings, a learning rate, and the count of steps.

A subclass of `Descent` writes the two lines of its paper in `_step`, and what it remembers from one
step to the next in `_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from .schedules import Schedule, after_epoch, begin, rate_at
from .settings import FRACTION, check_numbers

State = dict[str, Any]
AfterEpoch = Callable[[State, Mapping[str, float]], State]

_RANGES = dict.fromkeys(("momentum", "decay", "beta_1", "beta_2"), FRACTION)


class Descent:
    """An optimizer with a learning rate; a frozen dataclass of its settings."""

    learning_rate: float | Schedule

    def __post_init__(self) -> None:
        rate = ("learning_rate",) if callable(self.learning_rate) else ()
        check_numbers(self, _RANGES, but=("nesterov", *rate))  # nesterov is a yes or no

    def init(self, parameters: Any) -> State:
        """Return the state to start with."""
        begun = begin(self.learning_rate)
        kept = {"schedule": begun} if begun else {}
        return {"step": 0.0, **kept, **self._memory(parameters)}

    def update(self, parameters: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """Return the parameters after one step, and the state."""
        rate = rate_at(self.learning_rate, state["step"], state.get("schedule", {}))
        if hasattr(rate, "item"):
            rate = rate.item()  # a Python float, which leaves float32 parameters as they are
        moved, memory = self._step(parameters, gradients, state, rate)
        return moved, {**state, "step": state["step"] + 1.0, **memory}

    @property
    def after_epoch(self) -> AfterEpoch | None:
        """What `fit` calls between epochs, for a schedule that looks at their numbers; or None.

        None tells `fit` that epochs may follow each other without a look at them.
        """
        return self._after_epoch if begin(self.learning_rate) else None

    def _after_epoch(self, state: State, numbers: Mapping[str, float]) -> State:
        return {**state, "schedule": after_epoch(self.learning_rate, state["schedule"], numbers)}

    def _memory(self, parameters: Any) -> State:
        """Return what it remembers, as it is before the first step."""
        raise NotImplementedError

    def _step(self, parameters: Any, gradients: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return the parameters after one step, and what it remembers then."""
        raise NotImplementedError


def each(function: Callable[..., Any], tree: Any, *more: Any) -> Any:
    """Return the containers of `tree` with `function` of its leaves and those of `more`.

    A leaf that is a Python float stays one, though NumPy's functions would give their own kind.

    Examples
    --------
    >>> each(lambda p, g: p - 0.5 * g, {"w": 1.0, "b": 2.0}, {"w": 4.0, "b": 0.0})
    {'w': -1.0, 'b': 2.0}
    """
    leaves, containers = flatten(tree)
    rows = zip(leaves, *(flatten(one)[0] for one in more), strict=True)
    return containers.build(_alike(function(*row), row[0]) for row in rows)


def zeros_like(tree: Any) -> Any:
    """Return the containers of `tree` with zeros in them."""
    return each(lambda p: 0.0 * p if type(p) is float else np.zeros_like(p), tree)


def mean_square(keep: float, mean: Any, gradients: Any) -> Any:
    """Return the running mean of squares, of which a fraction is kept, with these ones in it."""
    return each(lambda s, g: keep * s + (1.0 - keep) * (g * g), mean, gradients)


def _alike(new: Any, old: Any) -> Any:
    return new.item() if type(old) is float and isinstance(new, np.generic) else new
