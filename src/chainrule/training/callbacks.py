"""Ready-made callbacks for `fit`; `Log`, in `logs.py`, is another.

A callback is anything that is called as `callback(epoch, result)` after each epoch and ends the
training by returning True. `fit` takes one or a list of them, and calls each, in order, after every
epoch: put `Log` before `Checkpoint`, so that no epoch of a checkpoint is missing in the log.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from ..tracing.sites import here
from .batches import whole
from .checkpoint import save_fit
from .progress import duration
from .result import FitResult


class Checkpoint:
    """Save the training in a file after each epoch, or each so many, whole or not at all.

    `load_fit` reads it, and `fit` goes on from there to the bit.

    Parameters
    ----------
    path : str or path
        The file; by custom it ends in `.safetensors`. Its folder is made if need be.
    every : int
        After how many epochs each; counted over all calls of `fit`. Those after the last of them
        are not in the file: save the result of `fit` with `save_fit`.
    notes : mapping, optional
        What else to keep, as for `save_fit`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from chainrule import fit, load_fit
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "mean.safetensors"
    >>> def cost(w, x):
    ...     return np.mean((w - x) ** 2)
    >>> result = fit(cost, 0.0, np.ones(4), epochs=3, callback=Checkpoint(path))
    >>> load_fit(path).epochs
    3
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = os.path.abspath(path)  # a program may change its folder on the way
        self.every = whole(every, "every", 1)
        self.notes = dict(notes or {})
        os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def __call__(self, epoch: int, result: FitResult) -> None:
        """Save the training, if it is time to."""
        if epoch % self.every == 0:
            save_fit(self.path, result, self.notes)

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r}, every={self.every})"


class StopAfter:
    """End a training after the epoch in which its time is up, and say so in the history's notes.

    Parameters
    ----------
    seconds : float
        From now on, when this is made: what `fit` needs to compile is in it; > 0.

    Raises
    ------
    ValueError
        If it is no such number.
    """

    def __init__(self, seconds: float) -> None:
        if not 0.0 < seconds < math.inf:
            raise ValueError(f"{here()}seconds must be more than 0, and finite, not {seconds!r}")
        self.seconds = float(seconds)
        self._began = time.perf_counter()

    def __call__(self, epoch: int, result: FitResult) -> bool:
        """Return whether the time is up."""
        is_up = time.perf_counter() - self._began >= self.seconds
        if is_up:
            result.history.notes.append(
                f"stopped after epoch {epoch}: {duration(self.seconds)} were over"
            )
        return is_up

    def __repr__(self) -> str:
        return f"StopAfter({self.seconds:g})"
