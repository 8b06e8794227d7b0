"""What a training wrote down: named lists of numbers, one entry an epoch or a step, and notes.

A history is a dict, so that whatever takes a dict of lists takes it: `pandas.DataFrame(history)`,
`json.dumps(history)`. It shows itself: in a notebook as curves, in a terminal as text, and by
`plot` with matplotlib.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import did_you_mean
from ..readings.notebook import bundle, image
from ..readings.numbers import plain, shortened
from ..tracing.sites import for_users, here
from .curve import curve, is_cost, panels, under_curve
from .early_stopping import is_larger_better
from .history_svg import history_svg
from .progress import duration

_NOTE = 60  # characters of a note in one line with the rest


class BestEntry(NamedTuple):
    """The best number of a history and where it stands.

    Attributes
    ----------
    entry : int
        Which entry has it, counted from 1: the epoch, in a training from the start.
    value : float
        The number.
    """

    entry: int
    value: float


class History(dict[str, list[float]]):
    """Named lists of numbers, all of the same length, and notes.

    Parameters
    ----------
    lists : mapping of str to sequence of float, optional
        What was written down before; another history with its notes.
    notes : iterable of str, optional
        What is to be said beside the numbers.

    Attributes
    ----------
    notes : list of str
        Sentences for people, such as "output 3 is dead"; add to it what ought to be known.

    Examples
    --------
    >>> history = History()
    >>> history.record(cost=0.5, val_accuracy=0.62)
    >>> history.record(cost=0.25, val_accuracy=0.81)
    >>> history["cost"]
    [0.5, 0.25]
    >>> history
    History(2 entries: cost 0.5 to 0.25, val_accuracy 0.62 to 0.81)
    >>> history.best("val_accuracy")
    BestEntry(entry=2, value=0.81)
    """

    notes: list[str]

    def __init__(
        self, lists: Mapping[str, Iterable[float]] | None = None, notes: Iterable[str] = ()
    ) -> None:
        given = {} if lists is None else dict(lists)
        super().__init__({str(k): [float(v) for v in values] for k, values in given.items()})
        self.notes = [*getattr(lists, "notes", ()), *notes]
        lengths = {name: len(values) for name, values in self.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the lists of a history are of one length, not {lengths}")

    def record(self, **numbers: float) -> None:
        """Add one entry; every entry has the names of the first.

        Raises
        ------
        ValueError
            If a name is missing or new.
        """
        self.extend(**{name: (number,) for name, number in numbers.items()})

    def extend(self, **lists: Iterable[float]) -> None:
        """Add several entries, the lists of their numbers by name.

        Raises
        ------
        ValueError
            If a name is missing or new, or the lists differ in length.
        """
        if self and lists.keys() != self.keys():
            raise ValueError(
                f"every entry of this history has {', '.join(self)}; "
                f"this one has {', '.join(lists) or 'nothing'}"
            )
        for name, numbers in History(lists).items():
            self.setdefault(name, []).extend(numbers)

    def copy(self) -> History:
        """Return a history of its own lists and notes with the same content."""
        return History(self)

    __copy__ = copy

    def __missing__(self, name: str) -> list[float]:
        raise KeyError(
            f"this history has {', '.join(self) or 'no entries'}, no {name!r}."
            + did_you_mean(str(name), self)
        )

    @property
    def entries(self) -> int:
        """How many entries were recorded."""
        return max(map(len, self.values()), default=0)

    @for_users
    def best(self, name: str, larger_is_better: bool | None = None) -> BestEntry:
        """Return the best number under a name, and in which entry it stands; the first of equals.

        Parameters
        ----------
        name : str
            Which numbers.
        larger_is_better : bool, optional
            None: as the name says, larger for an accuracy or a score, else smaller.

        Returns
        -------
        BestEntry
            `.entry`, counted from 1, and `.value`.

        Raises
        ------
        KeyError
            If there are no such numbers.
        ValueError
            If no number is finite.
        """
        numbers = self[name]
        if larger_is_better is None:
            larger_is_better = is_larger_better(name)
        known = [(value, k) for k, value in enumerate(numbers) if math.isfinite(value)]
        if not known:
            raise ValueError(f"{here()}no number of {plain(name)!r} is finite")
        value, k = min(known, key=lambda pair: -pair[0] if larger_is_better else pair[0])
        return BestEntry(k + 1, value)

    # ------------------------------------------------------------------ how it shows itself

    def __repr__(self) -> str:
        spans = [
            f"{plain(name)} {values[0]:.4g} to {values[-1]:.4g}"
            for name, values in self.items()
            if values and name != "seconds"
        ]
        time = f" in {duration(math.fsum(self['seconds']))}" if self.get("seconds") else ""
        notes = [shortened(plain(note), _NOTE) for note in self.notes]
        told = f"; note{'s' if len(notes) > 1 else ''}: {'; '.join(notes)}" if notes else ""
        return f"History({self._count()}{time}{': ' if spans else ''}{', '.join(spans)}{told})"

    def _count(self) -> str:
        return f"{self.entries} entr{'y' if self.entries == 1 else 'ies'}"

    def text(self, width: int = 72, ascii_only: bool = False) -> str:
        """Return the curves in characters, and the notes.

        A number and that of the validation share a picture; the latter's curve is dashed.

        Parameters
        ----------
        width : int
            The most characters of a line.
        ascii_only : bool
            Whether to do without braille dots.
        """
        parts = []
        solid, dashed = ("** ", ".. ") if ascii_only else ("⠤⠤⠤ ", "⠤ ⠤ ")
        for names in panels(list(self)):
            first, second = self[names[0]], self[names[1]] if len(names) > 1 else []
            lines = curve(
                first, width, 6, ascii_only, dashed=second, from_zero=is_cost(names[0])
            )  # fmt: skip
            words = [f"{plain(name, 24)} {self[name][-1]:.4g}" for name in names if self[name]]
            if len(words) > 1:
                words = [mark + word for mark, word in zip((solid, dashed), words, strict=True)]
            if lines:
                lines.append(under_curve("   ".join(words), self._count(), width))
                parts.append("\n".join(lines))
        for note in self.notes:
            parts.append("\n".join(textwrap.wrap(f"Note: {plain(note, 1000)}", max(width, 20))))
        return "\n\n".join(parts)

    def svg(self) -> str:
        """Return the curves as an SVG document, one below the other, and the notes."""
        return history_svg(self, repr(self), self.notes)

    @for_users
    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw the curves with matplotlib: the cost and that of the validation, metrics beside.

        Nothing is shown on a screen: in a notebook the figure appears by itself, in a script
        call `matplotlib.pyplot.show()`, or save it by `history.plot().figure.savefig("file.png")`.

        Parameters
        ----------
        *names : str
            What to draw; all but the seconds, if left out.
        ax : matplotlib.axes.Axes, optional
            Where to draw: all names on these axes, by default the cost and the validation's.

        Returns
        -------
        matplotlib.axes.Axes
            The first axes. Its `.figure` has them all.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        KeyError
            If there are no numbers of a name.
        ValueError
            If nothing was recorded.
        """
        from .plot import plot  # matplotlib takes a second

        return plot(self, names, self.notes, ax)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        kinds = {
            "text/html": lambda: image(self.svg(), repr(self)),
            "image/svg+xml": self.svg,
            "text/plain": lambda: repr(self) + "\n\n" + self.text(),
        }
        return bundle(kinds, include, exclude)
