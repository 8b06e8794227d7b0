"""The loop over epochs: runs the steps in short turns, so that people can look on and stop it.

A turn is about a tenth of a second: part of a long epoch, or many short epochs at once. After each,
progress is told, the costs are looked at, and a second Ctrl-C ends the training; the first one ends
it after the epoch. How a training is cut into turns does not change its numbers: costs are added up
in the order of the batches, whatever the turns.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..errors import NonFiniteCostError
from ..tracing.sites import here
from .batches import Array, Orders
from .early_stopping import Best, EarlyStopping
from .history import History
from .progress import Silent
from .result import FitResult, FitState
from .steps import Likeness, Steps, copied, place

TURN = 0.1  # seconds: short for who waits, long beside the few microseconds around a turn
MOST_ROWS = 1 << 20  # in the order of epochs that are run at once: 8 MB

Callback = Callable[[int, FitResult], Any]
AfterEpoch = Callable[[Any, dict[str, float]], Any]
Validation = Callable[[Any, Any], dict[str, float]]


class Loop:
    """A training under way.

    Parameters
    ----------
    steps : Steps
        What runs.
    like : Likeness
        How its values become parameters, optimizer state and carry.
    orders : Orders
        What shuffles.
    state : FitState
        Where the training stands.
    rows, batch_size : int
        Of the data, and of a batch.
    given : Any
        The parameters as the caller gave them.
    validate : callable or None
        Gives numbers for the history from parameters and carry, after each epoch.
    after_epoch : callable or None
        Gives the optimizer's state to go on with from the state and the numbers of an epoch.
    early_stopping : EarlyStopping or None
        When to end.
    callback : callable or None
        Called after each epoch; True ends the training.
    """

    def __init__(
        self, steps: Steps, like: Likeness, orders: Orders, state: FitState, rows: int,
        batch_size: int, given: Any, *, validate: Validation | None = None,
        after_epoch: AfterEpoch | None = None, early_stopping: EarlyStopping | None = None,
        callback: Callback | None = None,
    ) -> None:  # fmt: skip
        self._steps, self._like, self._orders = steps, like, orders
        self._rows, self._size = rows, batch_size
        self._batches = -(-rows // batch_size)
        self._given = given
        self._validate, self._callback = validate, callback
        self._after_epoch, self._early_stopping = after_epoch, early_stopping
        self._best = state.best
        self._epochs, self._first, self._total = state.epochs, state.rows // batch_size, state.total
        self._batch_seconds = TURN  # so that the first turn is one batch
        self._at_most = 1
        self._history = History()
        # Epochs can be joined where nobody wants to see each, and every batch is a full one.
        watchers = (validate, after_epoch, early_stopping, callback)
        self._joins = not any(watchers) and rows % batch_size == 0
        self._latest = self._result()

    def run(self, epochs: int, progress: Silent) -> FitResult:
        """Do so many epochs more and return what came of it; after Ctrl-C, only the one begun.

        Raises
        ------
        NonFiniteCostError
            If a cost or a parameter becomes nan or infinite. This error, and any that a callback
            raises, has a `.result`: the training after the last good epoch.
        """
        try:
            return self._run(epochs, progress)
        except BaseException as error:  # of a callback, of the validation, a third Ctrl-C
            if not hasattr(error, "result"):
                error.result = self._latest  # type: ignore[attr-defined]
            raise

    def _run(self, epochs: int, progress: Silent) -> FitResult:
        start, end = self._epochs, self._epochs + epochs
        good = self._latest
        watch, best = self._early_stopping, self._best
        if watch is not None and best is not None and start - best.epoch >= watch.patience:
            end = start  # it had ended already
        with _CtrlC(progress.ending) as ctrl_c, progress:
            while self._epochs < end and not ctrl_c.pressed:
                began = time.perf_counter()
                at_once = self._at_once(end - self._epochs)
                means = self._several(at_once) if at_once > 1 else None
                if means is None:
                    means = self._one(
                        good, ctrl_c, lambda done, cost: progress.at(done - start, cost)
                    )
                seconds = (time.perf_counter() - began) / max(len(means), 1)
                good = self._latest = self._checked(self._result(), good)
                if not means:  # a second Ctrl-C within the epoch
                    break
                seen = self._validate(good.parameters, good.carry) if self._validate else {}
                numbers = {"cost": means[-1], **seen, "seconds": seconds}
                lists = {name: [number] for name, number in numbers.items()}
                self._history.extend(**lists | {"cost": means, "seconds": [seconds] * len(means)})
                progress.at(self._epochs - start, means[-1])
                for k, mean in enumerate(means, self._epochs - len(means) + 1):
                    progress.epoch(k, numbers | {"cost": mean})
                good, is_over = self._judged(good, numbers)
                self._latest = good
                try:
                    if self._callback and self._callback(self._epochs, good) is True:
                        break
                except KeyboardInterrupt:
                    ctrl_c.pressed = True
                if is_over:
                    break
        interrupted = ctrl_c.pressed and self._epochs < end
        if interrupted:
            self._history.notes.append(f"Interrupted after {self._epochs} of {end} epochs.")
        return self._result(interrupted=interrupted)

    def _judged(self, good: FitResult, numbers: dict[str, float]) -> tuple[FitResult, bool]:
        """Return the training after looking at an epoch's numbers, and whether it is to end."""
        is_over, state, watch = False, good.state, self._early_stopping
        if watch is not None:
            value, best = watch.watched(numbers), self._best
            if best is None or watch.is_better(value, best.value):
                best = self._best = Best(self._epochs, value, good.parameters, good.carry)
            is_over = self._epochs - best.epoch >= watch.patience
            state = replace(state, best=best)
            if is_over:
                self._history.notes.append(
                    f"Stopped early after epoch {self._epochs}: {watch.name(numbers)} was best in "
                    f"epoch {best.epoch}, {best.value:.4g}."
                )
        if self._after_epoch is not None:
            following = self._after_epoch(copied(state.optimizer), numbers)
            parameters, moving = self._steps.values()
            self._steps.put(parameters, self._like.with_optimizer(moving, following))
            state = replace(state, optimizer=following)
        return replace(good, state=state), is_over

    def _at_once(self, left: int) -> int:
        """Return how many epochs to do in the next turn; 1 may also be more than a turn."""
        if not self._joins or self._first:
            return 1
        in_time = int(TURN / (self._batch_seconds * self._batches))
        # Twice as many each time: if a cost then becomes nan, no more than half is done again.
        self._at_most *= 2
        return max(1, min(left, in_time, self._at_most // 2, MOST_ROWS // self._rows))

    def _one(
        self, good: FitResult, ctrl_c: _CtrlC, tell: Callable[[float, float], None]
    ) -> list[float]:
        """Do an epoch, or the rest of it; return its mean cost, or nothing when it is cut short."""
        position = self._orders.position
        order = self._orders.draw()
        while self._first < self._batches and not ctrl_c.at_once:
            count = max(1, int(TURN / self._batch_seconds))
            count = min(count, self._batches - self._first)
            costs = self._timed(order, self._first, count)
            self._check_costs(costs, good)
            weighted = costs * float(self._size)
            self._first += count
            if self._first == self._batches:
                last = self._rows - (self._batches - 1) * self._size
                weighted[-1] = costs[-1] * float(last)
            self._total = _running_sums(np.append(self._total, weighted))
            rows = min(self._first * self._size, self._rows)
            tell(self._epochs + self._first / self._batches, self._total / rows)
        if self._first < self._batches:
            self._orders.position = position  # whoever goes on shuffles this epoch again
            return []
        mean = self._total / self._rows
        self._epochs, self._first, self._total = self._epochs + 1, 0, 0.0
        return [mean]

    def _several(self, epochs: int) -> list[float] | None:
        """Do whole epochs at once and return the mean cost of each.

        None if something is no longer finite: then all is as it was before, to be done again epoch
        by epoch, so that the last good one is found.
        """
        values, position = self._steps.values(), self._orders.position
        costs = self._timed(self._orders.draw(epochs), 0, epochs * self._batches)
        leaves = flatten(self._steps.values()[0])[0]
        if not all(np.isfinite(numbers).all() for numbers in (costs, *leaves)):
            self._steps.put(*values)
            self._orders.position, self._joins = position, False
            return None
        self._epochs += epochs
        sums = _running_sums(costs.reshape(epochs, self._batches) * float(self._size))
        means: list[float] = (sums / self._rows).tolist()
        return means

    def _timed(self, order: Array, first: int, count: int) -> Array:
        """Run some batches, note how long one takes, and return their costs."""
        began = time.perf_counter()
        costs = self._steps.run(order, first, count)
        self._batch_seconds = max((time.perf_counter() - began) / count, 1e-9)
        return costs

    def _check_costs(self, costs: Array, good: FitResult) -> None:
        """Raise if one of the costs of the batches from `self._first` on is not finite."""
        is_finite = np.isfinite(costs)
        if not is_finite.all():
            k = int(np.argmin(is_finite))
            raise self._stopped(
                f"the cost became {costs[k]} in epoch {self._epochs + 1}, at step "
                f"{self._first + k + 1} of {self._batches}",
                good,
            )

    def _checked(self, result: FitResult, good: FitResult) -> FitResult:
        """Return a result whose parameters are all finite."""
        leaves, tree = flatten(result.parameters)
        for leaf, path in zip(leaves, tree.paths, strict=True):
            if not np.isfinite(leaf).all():
                raise self._stopped(
                    f"{place('parameters', path)} is no longer finite in epoch {self._epochs}", good
                )
        return result

    def _stopped(self, what: str, good: FitResult) -> NonFiniteCostError:
        done = good.epochs
        error = NonFiniteCostError(
            f"{here()}{what}. Take a smaller learning rate, or keep log, exp and division away "
            "from 0 and from large numbers (np.logaddexp, cr.log_softmax). The .result of this "
            f"error is the training after {done} epoch{'' if done == 1 else 's'}."
        )
        error.result = good
        return error

    def _result(self, interrupted: bool = False) -> FitResult:
        """Return the training as it stands, in arrays that nobody else has."""
        parameters, optimizer, carry = self._like.whole(*self._steps.values())
        leaves, tree = flatten(parameters)
        given, _ = flatten(self._given)
        parameters = tree.build(
            np.asarray(leaf) if isinstance(was, np.ndarray) else leaf
            for leaf, was in zip(leaves, given, strict=True)
        )
        standing = FitState(
            optimizer=optimizer,
            epochs=self._epochs,
            rows=self._first * self._size,
            total=self._total,
            shuffles=self._orders.position,
            carry=carry,
            best=self._best,
        )
        return FitResult(parameters, self._history, standing, self._epochs, interrupted)


def _running_sums(costs: Array) -> Any:
    """Return the sum along the last axis, added up one by one, not in pairs as np.sum does.

    So a sum that is interrupted and gone on with has the same bits.
    """
    return np.add.accumulate(costs, axis=-1)[..., -1][()]


class _CtrlC:
    """Notes Ctrl-C instead of raising, while open: first, second; the third one raises.

    Only where Python's own handler is in place, and in the main thread: elsewhere somebody else
    decides what Ctrl-C means.

    Parameters
    ----------
    tell : callable
        Called each time; in a handler of signals, so it must not print.

    Attributes
    ----------
    pressed, at_once : bool
        Whether to end after this epoch, and whether to end even within it.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.pressed = self.at_once = False
        self._tell = tell
        self._is_ours = False

    def __enter__(self) -> _CtrlC:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._press)
            self._is_ours = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, number: int, frame: Any) -> None:
        if self.at_once:
            raise KeyboardInterrupt
        self.at_once, self.pressed = self.pressed, True
        self._tell()
