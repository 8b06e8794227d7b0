"""The training step over batches that come one by one: the machines, and the loop over epochs.

The twin of `steps.py` and `loop.py` for data that is a `Stream`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..differentiate.compiled import compile
from ..errors import NonFiniteCostError, ShapeError
from ..tracing.sites import here
from .batches import Array, Orders
from .loop import TURN, Loop
from .result import FitResult, FitState
from .steps import Likeness, Step, copied, on_machine
from .stream import Stream

MOST_SIZES = 16  # of batches, before it is said that a step is compiled for each


class FedSteps(Protocol):
    """A step with its values, to which batches are given."""

    def feed(self, batch: Sequence[Array]) -> float:
        """Do one batch and return its cost."""

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and the state as they are now."""

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state."""


class PlainFed:
    """The reference: a Python function of a batch.

    Parameters
    ----------
    step : callable
        As `step_of` makes it.
    parameters, state : list
        The moving leaves to start with; copied.
    machine : {"staged", "interpret", "python"}
        What runs the step; "python" traces it anew at each call.
    """

    def __init__(self, step: Step, parameters: Any, state: Any, machine: str) -> None:
        self._step = step if machine == "python" else compile(step, machine=machine)
        self._now: list[Any] = [copied(parameters), copied(state)]

    def feed(self, batch: Sequence[Array]) -> float:
        """Do one batch and return its cost."""
        with np.errstate(all="ignore"):  # the loop says what is no longer finite, and where
            cost, *self._now = self._step(*self._now, *batch)
        return float(cost)

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and the state as they are now."""
        parameters, state = self._now
        return copied(parameters), copied(state)

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state."""
        self._now = [copied(parameters), copied(state)]


def fed_on(
    machine: str, step: Step, parameters: Any, state: Any, batch: Sequence[Array],
    threads: int | None,
) -> FedSteps:  # fmt: skip
    """Return the steps on a machine, for batches like this one."""

    def native() -> FedSteps:
        from ..machines.native.fed import Fed  # LLVM: 70 ms, for those who use it

        return Fed(step, parameters, state, batch, threads=threads)

    return on_machine(machine, native, lambda name: PlainFed(step, parameters, state, name))


class StreamLoop(Loop):
    """A training on a stream under way.

    Where an epoch was interrupted is told by the rows that were done; whoever goes on leaves out
    as many, so the stream must give the same batches again for the same epoch.

    Parameters
    ----------
    stream : Stream
        The batches.
    steps : FedSteps
        What runs.
    like, state, given, **watchers
        As for `Loop`.
    """

    def __init__(
        self, stream: Stream, steps: FedSteps, like: Likeness, state: FitState, given: Any,
        **watchers: Any,
    ) -> None:  # fmt: skip
        # Rows instead of batches are counted: to the loop, a batch of a stream is one row or more.
        super().__init__(steps, like, Orders(1, None), state, 1, 1, given, **watchers)  # type: ignore[arg-type]
        self._joins = False
        self._stream, self._feed = stream, steps.feed
        self._sizes: set[int] = set()

    def _one(
        self, good: FitResult, ctrl_c: Any, tell: Callable[[float, float], None]
    ) -> list[float]:
        """Do an epoch, or the rest of it; return its mean cost, or nothing when it is cut short."""
        stream, skipped, told = self._stream, 0, time.perf_counter()
        batches = stream.batches(self._epochs)
        try:
            for count, batch in enumerate(batches, 1):
                rows = len(batch[0])
                if skipped < self._first:
                    skipped += rows
                    continue
                if skipped > self._first:
                    break
                cost = self._feed(batch)
                if not math.isfinite(cost):
                    raise self._not_finite(cost, count, good)
                self._total += cost * rows
                self._first = skipped = self._first + rows
                self._sizes.add(rows)
                now = time.perf_counter()
                if now - told > TURN:
                    tell(self._epochs + stream.part(count), self._total / self._first)
                    told = now
                if ctrl_c.at_once:
                    return []
        finally:
            batches.close()
        if skipped != self._first:
            raise ShapeError(
                f"{here()}this state stopped within epoch {self._epochs + 1}, after {self._first} "
                "rows, where no batch of this data ends: go on with the same data."
            )
        self._warn_of_sizes()
        mean = self._total / self._first
        self._epochs, self._first, self._total = self._epochs + 1, 0, 0.0
        return [mean]

    def _not_finite(self, cost: float, count: int, good: FitResult) -> NonFiniteCostError:
        return self._stopped(
            f"the cost became {cost} in epoch {self._epochs + 1}, at step {count}", good
        )

    def _warn_of_sizes(self) -> None:
        if len(self._sizes) > MOST_SIZES:
            warnings.warn(
                f"{here()}the batches of an epoch are of {len(self._sizes)} sizes, and a step is "
                "compiled for each: let them be of one or a few, the last one shorter.",
                RuntimeWarning,
                stacklevel=2,
            )
            self._sizes.clear()
