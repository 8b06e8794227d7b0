"""How far a training is, on stderr: a bar in a terminal, lines elsewhere, nothing unless asked.

A new kind is a class with the methods of `Silent`, chosen in `shown`.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any


class Silent:
    """Says nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        pass

    def at(self, epochs: float, cost: float) -> None:
        """Say that so many epochs are done, and what the latest cost is."""

    def epoch(self, number: int, cost: float, seconds: float) -> None:
        """Say that an epoch is done."""


class Lines(Silent):
    """A line for each epoch."""

    def epoch(self, number: int, cost: float, seconds: float) -> None:
        """Write the line."""
        print(f"epoch {number}: cost {cost:.6g}, {seconds:.3g} s", file=sys.stderr, flush=True)


class Bar(Silent):
    """A bar that overwrites itself and is gone at the end.

    Parameters
    ----------
    epochs : int
        How many there will be.
    """

    def __init__(self, epochs: int) -> None:
        # Imported here: 40 ms, and only those pay who see it.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("cost {task.fields[cost]:.4g}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._epochs = epochs
        self._task: Any = self._bar.add_task("", total=epochs, epoch=0, cost=float("nan"))

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def at(self, epochs: float, cost: float) -> None:
        """Move the bar."""
        running = min(int(epochs) + 1, self._epochs)
        self._bar.update(self._task, completed=epochs, epoch=running, cost=cost)


def shown(progress: bool | None, epochs: int) -> Silent:
    """Return what tells the progress.

    Parameters
    ----------
    progress : bool or None
        Whether to tell it; None: in a terminal.
    epochs : int
        How many there will be.
    """
    if progress is False or not epochs:
        return Silent()
    stream = sys.stderr
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if stream is not None and stream.isatty() and not plain:
        return Bar(epochs)
    return Lines() if progress else Silent()
