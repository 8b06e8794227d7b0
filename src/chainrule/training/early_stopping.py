"""Early stopping: end a training that no longer gets better, and keep the best of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import did_you_mean
from ..tracing.sites import here

_LARGER_IS_BETTER = {
    "accuracy", "auc", "correct", "f1", "precision", "r2", "recall", "score",
}  # fmt: skip


@dataclass(frozen=True)
class Best:
    """The best epoch of a training so far.

    Attributes
    ----------
    epoch : int
        Which one, counted from 1.
    value : float
        The number that was watched.
    parameters, carry : Any
        What they were after it.
    """

    epoch: int
    value: float
    parameters: Any
    carry: Any = None


@dataclass(frozen=True)
class EarlyStopping:
    """When to end a training that no longer gets better.

    Parameters
    ----------
    patience : int
        How many epochs without a new best are waited for; at least 1.
    watch : str, optional
        The number of the history to look at. None: `"val_cost"` with validation, else `"cost"`.
    least : float
        By how much a new best has to differ from the old one, in its units; >= 0.
    larger_is_better : bool, optional
        None: where the name says so: accuracy, auc, score, r2, precision, recall, f1.

    Notes
    -----
    L. Prechelt, "Early stopping - but when?" (1998), the criterion UP by epochs without a best.

    Examples
    --------
    >>> EarlyStopping(patience=5, watch="val_accuracy").is_better(0.93, 0.91)
    True
    """

    patience: int = 10
    watch: str | None = None
    least: float = 0.0
    larger_is_better: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.patience, int) or isinstance(self.patience, bool):
            raise TypeError(f"{here()}patience must be a number of epochs, not {self.patience!r}")
        if self.patience < 1:
            raise ValueError(f"{here()}patience must be at least 1 epoch, not {self.patience}")
        if not 0.0 <= self.least < math.inf:
            raise ValueError(f"{here()}least must be 0 or more, and finite, not {self.least!r}")

    def watched(self, numbers: Mapping[str, float]) -> float:
        """Return the number to look at.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        name = self.name(numbers)
        if name not in numbers:
            raise ValueError(
                f"{here()}early stopping watches {name!r}, but an epoch has "
                f"{', '.join(numbers)}.{did_you_mean(name, list(numbers))}"
            )
        return numbers[name]

    def name(self, numbers: Mapping[str, float]) -> str:
        """Return the name of the number to look at."""
        return self.watch or ("val_cost" if "val_cost" in numbers else "cost")

    def is_better(self, new: float, old: float) -> bool:
        """Return whether a number is better than the best so far; nan is the worst."""
        if math.isnan(old) or math.isnan(new):
            return not math.isnan(new)
        larger = self.larger_is_better
        if larger is None:
            larger = is_larger_better(self.watch or "cost")
        return new > old + self.least if larger else new < old - self.least


def is_larger_better(name: str) -> bool:
    """Return whether a number of this name is the better the larger it is.

    Examples
    --------
    >>> [is_larger_better(name) for name in ("val_balanced_accuracy", "roc_auc", "val_cost")]
    [True, True, False]
    """
    return not _LARGER_IS_BETTER.isdisjoint(name.lower().split("_"))


def early_stopping_of(given: Any) -> EarlyStopping | None:
    """Return what a person means: None, True, a number of epochs, or the record.

    Raises
    ------
    TypeError
        For anything else.
    """
    if given is None or given is False:
        return None
    if isinstance(given, EarlyStopping):
        return given
    if given is True:
        return EarlyStopping()
    if isinstance(given, int):
        return EarlyStopping(given)
    raise TypeError(
        f"{here()}early_stopping must be True, a number of epochs to wait, or "
        f"cr.EarlyStopping(...), not {given!r}"
    )
