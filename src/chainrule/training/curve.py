"""A curve for a terminal, in braille dots or in plain ASCII, no wider than it is told.

Also which numbers of a history share a picture, and how far its axis goes: the other pictures
(`history_svg.py`, `plot.py`) hold to that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..readings.numbers import shortened

_DOTS = (
    (0x01, 0x08),
    (0x02, 0x10),
    (0x04, 0x20),
    (0x40, 0x80),
)  # rows and columns of a braille cell
_BRAILLE = 0x2800
_MARGIN = 8  # columns for the numbers at the left
_COSTS = {"cost", "loss", "error", "entropy", "mse", "mae", "rmse", "nll", "perplexity"}
_LARGEST = 1e300  # what is larger is drawn there: differences must not overflow


def curve(
    values: Sequence[float],
    width: int = 72,
    height: int = 6,
    ascii_only: bool = False,
    *,
    dashed: Sequence[float] = (),
    from_zero: bool = True,
) -> list[str]:
    """Draw values from left to right, their height on a linear scale.

    Parameters
    ----------
    values : sequence of float
        What to draw; the values of one column are averaged, those that are not finite left out.
    width, height : int
        Of the drawing in characters, with its axes.
    ascii_only : bool
        Whether to use * (and . for the dashed) instead of braille dots.
    dashed : sequence of float, optional
        A second curve on the same axes.
    from_zero : bool
        Whether the axis has the zero on it even where all values are far above.

    Returns
    -------
    list of str
        The lines, from top to bottom; none where there is nothing to draw.
    """
    columns = width - _MARGIN - 2
    ends = axis([*values, *dashed], from_zero)
    if ends is None or columns < 4 or height < 2:
        return []
    low, top = ends
    across, down = (1, 1) if ascii_only else (2, 4)
    cells = np.zeros((height - 1, columns), int)
    for drawn, bits in ((dashed, 2), (values, 1)):
        for row, k in _dots(drawn, columns * across, (height - 1) * down, low, top):
            if bits == 2 and not ascii_only and k // across % 2:
                continue
            bit = bits if ascii_only else _DOTS[row % 4][k % 2]
            cells[row // down, k // across] |= bit
    lines = []
    for row, line in enumerate(cells):
        label = _label(top) if row == 0 else ""
        if ascii_only:
            text = "".join(" *.*"[cell] for cell in line)
        else:
            text = "".join(chr(_BRAILLE + cell) if cell else " " for cell in line)
        wall = "|" if ascii_only else "┤" if label else "│"
        lines.append(f"{label:>{_MARGIN - 1}} {wall}{text}".rstrip())
    floor = "+" + "-" * columns if ascii_only else "└" + "─" * columns
    return [*lines, f"{_label(low):>{_MARGIN - 1}} {floor}"]


def under_curve(left: str, right: str, width: int = 72) -> str:
    """Return the line of text that stands below a curve: where it starts and where it ends.

    What does not fit is left out, first the right one.
    """
    columns = max(width - _MARGIN - 2, 0)
    left = shortened(left, columns)
    room = columns - len(left)
    return " " * (_MARGIN + 1) + left + (right.rjust(room) if len(right) < room else "")


# ---------------------------------------------------------------------- for every picture


def panels(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return which numbers of a history share a picture: each with that of the validation.

    Examples
    --------
    >>> panels(["cost", "val_cost", "val_accuracy", "seconds"])
    [('cost', 'val_cost'), ('val_accuracy',)]
    """
    wanted = [name for name in names if name != "seconds"]
    return [
        (name, *(other for other in wanted if other == f"val_{name}"))
        for name in wanted
        if name.removeprefix("val_") == name or name.removeprefix("val_") not in wanted
    ]


def is_cost(name: str) -> bool:
    """Return whether a number is a cost: better when lower, and drawn from zero.

    Examples
    --------
    >>> [is_cost(name) for name in ("cost", "val_cost", "hinge_loss", "mse", "accuracy")]
    [True, True, True, True, False]
    """
    return not _COSTS.isdisjoint(name.lower().split("_"))


def axis(values: Sequence[float], from_zero: bool = True) -> tuple[float, float] | None:
    """Return where an axis begins and ends, in numbers that read well; None without values.

    Parameters
    ----------
    values : sequence of float
        What is drawn; what is not finite is left out.
    from_zero : bool
        Whether zero is on it even where all values are far above; else it begins below them.

    Examples
    --------
    >>> axis([0.93, 0.9712]), axis([0.93, 0.9712], from_zero=False), axis([-1.0, 3.0])
    ((0.0, 0.98), (0.93, 0.98), (-1.0, 3.0))
    """
    known = [min(max(v, -_LARGEST), _LARGEST) for v in values if math.isfinite(v)]
    if not known:
        return None
    low, high = min(known), max(known)
    # Not where all are almost the same: what is drawn would be the error of rounding.
    if not from_zero and 0.0 < high / 2 < low < high * (1 - 1e-9):
        unit = 10.0 ** math.floor(math.log10(high - low))
        return math.floor(low / unit + 1e-9) * unit, math.ceil(high / unit - 1e-9) * unit
    top = _round_up(high) if high > 0 or low >= 0 else 0.0
    return -_round_up(-low) if low < 0 else 0.0, top


def _dots(
    values: Sequence[float], across: int, down: int, low: float, top: float
) -> Iterator[tuple[int, int]]:
    """Yield row and column of each dot of a curve."""
    last: int | None = None
    for k, value in enumerate(_resampled(values, across) if values else ()):
        if not math.isfinite(value):
            last = None
            continue
        share = (min(max(value, low), top) - low) / (top - low)
        level = min(max(down - 1 - int(share * down), 0), down - 1)
        # A line, not a cloud: what lies between this point and the one before is drawn too.
        if last is None or level == last:
            between = range(level, level + 1)
        else:
            between = range(last + 1, level + 1) if level > last else range(level, last)
        yield from ((row, k) for row in between)
        last = level


def _label(end: float) -> str:
    """Return an end of the axis in the few characters that there are beside it."""
    text = f"{end:.4g}"
    if len(text) >= _MARGIN:
        text = text.replace("e+0", "e").replace("e-0", "e-")
    return text if len(text) < _MARGIN else f"{end:.0e}"


def _round_up(value: float) -> float:
    """Return the next number with one digit after the first, so that the axis reads well."""
    if value < 1e-300:  # zero, or so near it that the unit would be
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit - 1e-9) * unit


def _resampled(values: Sequence[float], n: int) -> list[float]:
    """Return n values: means where there were more, steps where there were fewer."""
    edges = [k * len(values) / n for k in range(n + 1)]
    found = []
    for left, right in pairwise(edges):
        part = values[int(left) : max(int(left) + 1, int(right))]
        known = [v for v in part if math.isfinite(v)]
        found.append(sum(known) / len(known) if known else math.nan)
    return found
