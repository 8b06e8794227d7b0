"""How far a training is: a bar in a terminal, a line that changes in a notebook, else plain lines.

Nothing is shown of a training that is over in about a second, nor twice at a time. There is no
thread: the loop says where it is, and what shows it looks at the clock.

A new kind is a class with the methods of `Silent`, chosen in `shown`.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ..readings.numbers import plain

SOON, WORTH = 1 / 3, 1.0  # seconds after which a bar may come, and those then left for it to stay
EVERY, SHARE = 0.2, 0.005  # seconds between two drawings; the part of the time that they may take
MANY = 100  # epochs, from which on plain lines are thinned out
PAUSE = 0.1  # seconds between two of those
PATIENCE = 0.5  # seconds after which a line says that Ctrl-C was heard
ENDING = "ends after this epoch; Ctrl-C: now"

_WIDEST, _NARROWEST = 40, 6  # columns of the bar itself
_LONGEST = 1e4 * 3600.0  # seconds: beyond, nobody wants to know
# Whoever draws a bar has it: two on one terminal would garble each other.
_screen = threading.Lock()


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
        """Say how many epochs of this call are done, with parts, and the cost of late."""

    def epoch(self, number: int, numbers: Mapping[str, float]) -> None:
        """Say that an epoch is done, counted from 1 over all calls, and what was written down."""

    def ending(self) -> None:
        """Say that Ctrl-C was pressed. Called in a handler of signals: it must not print."""


class Lines(Silent):
    """A line for each epoch; of many short ones, about ten a second and the last.

    Parameters
    ----------
    epochs : int
        How many there will be.
    done : int
        How many were done before.
    """

    def __init__(self, epochs: int, done: int = 0) -> None:
        self._all, self._are_many = epochs + done, epochs > MANY
        self._due = -math.inf
        self._ended = math.inf  # when Ctrl-C was pressed, until that was said
        self._kept: tuple[int, Mapping[str, float]] | None = None

    def __exit__(self, *error: Any) -> None:
        self._write()

    def at(self, epochs: float, cost: float) -> None:
        """Say that the training is ending, to those who wait for it."""
        if time.perf_counter() - self._ended > PATIENCE:
            self._ended = math.inf
            print(ENDING, file=sys.stderr, flush=True)

    def ending(self) -> None:
        """Note the time."""
        self._ended = min(self._ended, time.perf_counter())

    def epoch(self, number: int, numbers: Mapping[str, float]) -> None:
        """Write the line, or keep it in case it is the last."""
        self._kept = number, numbers
        if not self._are_many or time.perf_counter() >= self._due:
            self._write()

    def _write(self) -> None:
        if self._kept is not None:
            (number, numbers), self._kept = self._kept, None
            seconds = numbers.get("seconds")
            each = "" if seconds is None else f", {duration(seconds)}"
            line = f"epoch {number}/{self._all}: {', '.join(told(numbers))}{each}"
            print(line, file=sys.stderr, flush=True)
            self._due = time.perf_counter() + PAUSE


class Drawn(Silent):
    """One line that is drawn over and over, in the end a summary. What draws it is a subclass.

    Parameters
    ----------
    epochs : int
        How many there will be.
    done : int
        How many were done before.
    """

    def __init__(self, epochs: int, done: int = 0) -> None:
        self._epochs, self._before = epochs, done
        self._at, self._cost = 0.0, math.nan
        self._numbers: Mapping[str, float] = {}
        self._began = self._due = 0.0
        self._is_shown = self._is_ending = False
        self._widths: dict[str, list[int]] = {}

    def __enter__(self) -> Drawn:
        self._began = time.perf_counter()
        self._due = self._began + SOON
        return self

    def __exit__(self, kind: Any, error: Any, place: Any) -> None:
        if self._is_shown:
            try:
                self._close(self._summary() if kind is None else "")
            finally:
                self._is_shown = False
                _screen.release()

    def at(self, epochs: float, cost: float) -> None:
        """Move the bar."""
        self._at, self._cost = epochs, cost
        if time.perf_counter() >= self._due:
            self._look()

    def epoch(self, number: int, numbers: Mapping[str, float]) -> None:
        """Show the numbers from now on."""
        self._numbers = numbers
        if time.perf_counter() >= self._due:
            self._look()

    def ending(self) -> None:
        """Say so at the next turn."""
        self._is_ending, self._due = True, 0.0

    def _look(self) -> None:
        """Draw, if it is worth while."""
        began = time.perf_counter()
        self._due = began + EVERY
        if not self._is_shown:
            if self._left() < WORTH or not _screen.acquire(blocking=False):
                return
            try:
                self._open()
            except BaseException:  # a second Ctrl-C: there is nothing to close
                _screen.release()
                raise
            self._is_shown = True
            began = time.perf_counter()
        self._draw()
        now = time.perf_counter()
        self._due = now + max(EVERY, (now - began) / SHARE)

    def _each(self) -> float:
        """Return the seconds of an epoch, validation and callbacks included."""
        return (time.perf_counter() - self._began) / self._at if self._at else math.inf

    def _left(self) -> float:
        return self._each() * (self._epochs - self._at) if self._at < self._epochs else 0.0

    def _parts(self, width: int, is_ascii: bool = False) -> tuple[str, str, str, str]:
        """Return the line that fits: what stands before the bar, both parts of it, what follows."""
        every = self._before + self._epochs
        running = self._before + min(int(self._at) + 1, self._epochs)
        count = f"{running:{len(str(every))}}/{every} "
        others = {name: v for name, v in self._numbers.items() if name != "cost"}
        after = self._steady(told({"cost": self._cost, **others}), "numbers")
        times = [f"{clock(self._left())} left", f"{duration(self._each())}/epoch"]
        times = [ENDING] if self._is_ending else self._steady(times, "times")
        before = f"epoch {count}"
        room = width - _NARROWEST
        if len("  ".join([before, *after, *times])) > room:
            del times[1:]
        if len("  ".join([before, *after, *times])) > room:
            before = count
        while len(after) > 1 and len("  ".join([before, *after, *times])) > room:
            del after[-1]
        text = "  ".join(["", *after, *times])
        long = max(min(width - len(before) - len(text), _WIDEST), 0)
        filled = int(self._at / self._epochs * long)
        done, rest = ("#", "-") if is_ascii else ("━", "─")
        return before, done * filled, rest * (long - filled), text

    def _steady(self, texts: list[str], what: str) -> list[str]:
        """Return texts as wide as they ever were: the bar must not jump with each digit."""
        widths = self._widths.setdefault(what, [0] * len(texts))
        widths += [0] * (len(texts) - len(widths))
        widths[:] = [max(pair) for pair in zip(widths, map(len, texts), strict=False)]
        return [text.ljust(wide) for text, wide in zip(texts, widths, strict=False)]

    def _summary(self) -> str:
        done = int(self._at)
        of = "" if done == self._epochs else f" of {self._epochs}"
        noun = "epoch" if (done, of) == (1, "") else "epochs"
        took = duration(time.perf_counter() - self._began)
        return f"{done}{of} {noun} in {took}: {', '.join(told(self._numbers))}".rstrip(": ")

    def _open(self) -> None:
        """Begin to show the line."""

    def _draw(self) -> None:
        """Show it as it is now."""
        raise NotImplementedError

    def _close(self, summary: str) -> None:
        """Show it no more, but a summary, where there is one."""
        raise NotImplementedError


class Bar(Drawn):
    """The line in a terminal, on stderr; what the program prints meanwhile stands above it."""

    def _open(self) -> None:
        # Imported here: 40 ms, and only those pay who see it.
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            get_renderable=self._line,
            # What goes to stdout is caught so that it does not run into the bar. But a stdout
            # that is sent to a file must go there.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._live.start()

    def _line(self) -> Any:
        from rich.text import Text

        is_ascii = not self._console.encoding.startswith("utf")
        # One column less: terminals of old go to the next line when the last one is written.
        parts = self._parts(self._console.width - 1, is_ascii)
        styles = "", "bar.complete", "bar.back", ""
        return Text.assemble(*zip(parts, styles, strict=True), no_wrap=True, overflow="crop")

    def _draw(self) -> None:
        self._live.refresh()

    def _close(self, summary: str) -> None:
        self._live.stop()
        if summary:
            print(summary, file=sys.stderr, flush=True)


class NotebookLine(Drawn):
    """The line as an output of a notebook's cell; of its display system nothing else is needed."""

    def _open(self) -> None:
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

        self._handle: Any = display({"text/plain": ""}, raw=True, display_id=True)

    def _show(self, text: str) -> None:
        self._handle.update({"text/plain": text}, raw=True)

    def _draw(self) -> None:
        self._show("".join(self._parts(100)))

    def _close(self, summary: str) -> None:
        self._show(summary or "".join(self._parts(100)))


def shown(progress: bool | None, epochs: int, done: int = 0) -> Silent:
    """Return what tells the progress.

    Parameters
    ----------
    progress : bool or None
        Whether to tell it; None: in a terminal and in a notebook.
    epochs : int
        How many there will be.
    done : int
        How many were done before, by a training that is gone on with.
    """
    stream = sys.stderr
    if progress is False or not epochs or stream is None:
        return Silent()
    if _in_notebook():
        return NotebookLine(epochs, done)
    plainly = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if stream.isatty() and not plainly:
        return Bar(epochs, done)
    return Lines(epochs, done) if progress else Silent()


def _in_notebook() -> bool:
    """Return whether this is the kernel of a notebook; IPython in a terminal is none."""
    python = sys.modules.get("IPython")  # not imported: then it is not running
    shell = python.get_ipython() if python is not None else None
    return getattr(shell, "kernel", None) is not None


def told(numbers: Mapping[str, float]) -> list[str]:
    """Return the numbers of an epoch with their names, all but the seconds.

    Examples
    --------
    >>> told({"cost": 0.123456, "val_accuracy": 0.97, "seconds": 0.1})
    ['cost 0.1235', 'val_accuracy 0.97']
    """
    return [f"{plain(k, 40)} {v:.4g}" for k, v in numbers.items() if k != "seconds"]


def duration(seconds: float) -> str:
    """Return how long something took.

    Examples
    --------
    >>> [duration(seconds) for seconds in (0.00123, 0.0951, 2.5, 119.0, 4000.0)]
    ['1.23 ms', '95.1 ms', '2.5 s', '1:59 min', '1:06:40 h']
    """
    if seconds < 0.9995:  # above, three digits of milliseconds would be 1e+03
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 99.95:
        return f"{seconds:.3g} s"
    return f"{clock(seconds)} {'min' if seconds < 3599.5 else 'h'}"


def clock(seconds: float) -> str:
    """Return a time as a clock shows it.

    Examples
    --------
    >>> [clock(seconds) for seconds in (4.2, 75.0, 90061.0, math.inf)]
    ['0:04', '1:15', '25:01:01', '?']
    """
    if not seconds < _LONGEST:  # nan too
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
