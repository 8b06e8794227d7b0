"""The curves of a history with matplotlib, in its own style: the user's style sheet decides."""

from __future__ import annotations

import importlib
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MissingExtraError
from ..readings.numbers import plain
from ..tracing.sites import here
from .curve import is_cost, panels

_INCHES = 4.2, 3.4  # of one panel
_COLUMNS = 3  # panels side by side
_LETTERS, _LINE = 62, 0.17  # of a note: letters a panel, inches down


def plot(
    lists: Mapping[str, Sequence[float]],
    names: Sequence[str] = (),
    notes: Sequence[str] = (),
    ax: Any = None,
) -> Any:
    """Draw numbers by epoch and return the first axes; `History.plot` says more.

    Parameters
    ----------
    lists : mapping of str to sequence of float
        The numbers by name.
    names : sequence of str
        Which of them; none for all but the seconds.
    notes : sequence of str
        What stands below, in a figure of its own.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    ValueError
        If there is nothing to draw.
    """
    drawn = {name: lists[name] for name in names or lists}
    groups = panels(list(drawn)) or [tuple(drawn)]
    if not any(drawn.values()):
        raise ValueError(f"{here()}there is nothing to plot: the history has no entries yet")
    try:
        ticker = importlib.import_module("matplotlib.ticker")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise MissingExtraError(
            f"{here()}a plot needs matplotlib: pip install 'chainrule[plot]'. Without it, "
            "history.text() draws in the terminal and history.svg() for a browser."
        ) from None
    if ax is not None:
        groups = [tuple(drawn)] if names else groups[:1]
        every = [ax]
    else:
        across = min(len(groups), _COLUMNS)
        down = -(-len(groups) // across)
        wrapped = [
            textwrap.fill(f"Note: {_shown(note, 1000)}", _LETTERS * across) for note in notes
        ]
        below = "\n".join(wrapped)
        tall = _INCHES[1] * down + (_LINE * (below.count("\n") + 1) if notes else 0.0)
        figure = pyplot.figure(figsize=(_INCHES[0] * across, tall), layout="constrained")
        every = [figure.add_subplot(down, across, k + 1) for k in range(len(groups))]
        if notes:
            figure.supxlabel(below, x=0.01, ha="left", fontsize="small")
    for axes, group in zip(every, groups, strict=True):
        for name in group:
            _draw(axes, name, drawn[name])
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        if len(group) > 1 or ax is not None:
            axes.legend()
        if len(group) == 1 or len(panels(group)) == 1:
            axes.set_ylabel(_shown(group[0]))
        # A cost is read against zero; where it is below, it stays.
        if ax is None and is_cost(group[0]) and axes.get_ylim()[0] > 0:
            axes.set_ylim(bottom=0)
    return every[0]


def _draw(axes: Any, name: str, numbers: Sequence[float]) -> None:
    epochs = range(1, len(numbers) + 1)
    # A dot where a line would have no length: beside it, there is nothing, or nothing finite.
    known = [False, *map(math.isfinite, numbers), False]
    alone = [k for k in range(len(numbers)) if known[k : k + 3] == [False, True, False]]
    dots = {"marker": "o", "markevery": alone} if alone else {}
    axes.plot(epochs, numbers, label=_shown(name), **dots)


def _shown(text: str, most: int = 40) -> str:
    """Return text that matplotlib takes as it is: a dollar would begin a formula."""
    return plain(text, most).replace("$", r"\$")
