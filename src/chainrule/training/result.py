"""What `fit` gives back, and what it needs to go on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..circuit.tree import flatten
from .early_stopping import Best
from .history import History


@dataclass(frozen=True, repr=False)
class FitState:
    """Where a training stands, apart from its parameters: hand it to `fit` to go on.

    Attributes
    ----------
    optimizer : Any
        The optimizer's state.
    epochs : int
        Whole epochs done.
    rows : int
        Rows done of an epoch that was interrupted; 0 between epochs.
    total : float
        The sum of the costs of those rows.
    shuffles : dict or None
        Where the generator stood before that epoch was shuffled, in plain numbers.
    carry : Any
        What the cost carries from step to step.
    best : Best or None
        The best epoch so far, with early stopping.
    """

    optimizer: Any
    epochs: int = 0
    rows: int = 0
    total: float = 0.0
    shuffles: dict[str, Any] | None = None
    carry: Any = None
    best: Best | None = None

    def __repr__(self) -> str:
        within = f" and {self.rows} rows" if self.rows else ""
        return f"FitState(after {_epochs(self.epochs)}{within})"


@dataclass(frozen=True, repr=False)
class FitResult:
    """What a training came to. Made by `fit`; never by hand.

    Attributes
    ----------
    parameters : Any
        The trained parameters: new arrays, in the containers that were given.
    history : History
        For each epoch of this call `"cost"`, the mean over its examples, whatever the validation
        gives, and `"seconds"`.
    state : FitState
        What `fit(..., state=...)` needs to go on as if it had not stopped.
    epochs : int
        Whole epochs done, those before a `state` was taken up included.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    parameters: Any
    history: History
    state: FitState
    epochs: int
    interrupted: bool = False

    @property
    def carry(self) -> Any:
        """What the cost carried from step to step, as it was at the end."""
        return self.state.carry

    @property
    def best(self) -> Best | None:
        """The best epoch, with its parameters; only with early stopping."""
        return self.state.best

    def __repr__(self) -> str:
        costs = self.history.get("cost", [])
        span = f", cost {costs[0]:.4g} to {costs[-1]:.4g}" if costs else ""
        arrays = len(flatten(self.parameters)[0])
        count = f"{arrays} parameter{'' if arrays == 1 else 's'}"
        return (
            f"FitResult({_epochs(self.epochs)}{span}, {count}"
            f"{', interrupted' if self.interrupted else ''})"
        )


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
