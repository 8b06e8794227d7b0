"""A curve for a terminal, in braille dots or in plain ASCII, no wider than it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_DOTS = (
    (0x01, 0x08),
    (0x02, 0x10),
    (0x04, 0x20),
    (0x40, 0x80),
)  # rows and columns of a braille cell
_BRAILLE = 0x2800
_MARGIN = 8  # columns for the numbers at the left


def curve(
    values: Sequence[float], width: int = 72, height: int = 6, ascii_only: bool = False
) -> list[str]:
    """Draw values from left to right, their height on a linear scale from 0.

    Parameters
    ----------
    values : sequence of float
        What to draw; the values of one column are averaged, those that are not finite left out.
    width, height : int
        Of the drawing in characters, with its axes.
    ascii_only : bool
        Whether to use * instead of braille dots.

    Returns
    -------
    list of str
        The lines, from top to bottom; none where there is nothing to draw.
    """
    known = [v for v in values if math.isfinite(v)]
    columns = width - _MARGIN - 2
    if not known or columns < 4 or height < 2:
        return []
    across, down = (1, 1) if ascii_only else (2, 4)
    top = _round_up(max(known))
    rows = (height - 1) * down
    points = _resampled(values, columns * across)
    cells = np.zeros((height - 1, columns), int)
    last: int | None = None
    for k, value in enumerate(points):
        if not math.isfinite(value):
            last = None
            continue
        level = min(max(rows - 1 - int(value / top * rows), 0), rows - 1)
        # A line, not a cloud: what lies between this point and the one before is drawn too.
        if last is None or level == last:
            between = range(level, level + 1)
        else:
            between = range(last + 1, level + 1) if level > last else range(level, last)
        for row in between:
            bit = 1 if ascii_only else _DOTS[row % 4][k % 2]
            cells[row // down, k // across] |= bit
        last = level
    lines = []
    for row, line in enumerate(cells):
        label = {0: f"{top:.4g}"}.get(row, "")
        if ascii_only:
            drawn = "".join("*" if cell else " " for cell in line)
        else:
            drawn = "".join(chr(_BRAILLE + cell) if cell else " " for cell in line)
        wall = "|" if ascii_only else "┤" if label else "│"
        lines.append(f"{label:>{_MARGIN - 1}} {wall}{drawn}".rstrip())
    axis = "+" + "-" * columns if ascii_only else "└" + "─" * columns
    return [*lines, f"{'0':>{_MARGIN - 1}} {axis}"]


def under_curve(left: str, right: str, width: int = 72) -> str:
    """Return the line of text that stands below a curve: where it starts and where it ends."""
    columns = width - _MARGIN - 2
    return " " * (_MARGIN + 1) + left + right.rjust(max(columns - len(left), len(right) + 1))


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
