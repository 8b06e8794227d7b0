"""The picture for a terminal: box drawing characters, values above the wires, gradients below.

The columns and their order are those of every picture; heights are counted in rows. Between two
columns every gate has a bar of its own that gathers its wires: `╮ │ ├ ╯`. A crossing is `┼`, a wire
that meets a bar and goes on is `●`. What does not fit the width goes on below, in a band of its
own, where the wires from above come in again at the left under their names.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..numbers import shortened
from .bands import bands
from .graph import Box, Graph
from .heights import heights
from .labels import gradient_label, value_label
from .layout import Plan, plan
from .tracks import Bar, Gap

_AIRY = 24  # boxes: up to here there is a blank row between two boxes
_LONGEST = 14  # characters of a name
_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
_SHAPES = {
    _LEFT: "─", _RIGHT: "─", _UP: "│", _DOWN: "│", _LEFT | _RIGHT: "─", _UP | _DOWN: "│",
    _LEFT | _DOWN: "╮", _LEFT | _UP: "╯", _RIGHT | _DOWN: "╭", _RIGHT | _UP: "╰",
    _UP | _DOWN | _LEFT: "┤", _UP | _DOWN | _RIGHT: "├", _LEFT | _RIGHT | _DOWN: "┬",
    _LEFT | _RIGHT | _UP: "┴",
}  # fmt: skip
_ASCII = str.maketrans("─│╮╯╭╰┤├┬┴┼●▸•·×÷−", "-|++++++++#o>*.*/-")


@dataclass(slots=True)
class Page:
    """Lines of text and the styles in them.

    Attributes
    ----------
    lines : list of str
        From top to bottom, no blanks at their ends.
    spans : list of (int, int, int, str)
        Line, start, end and style: "value", "gradient", "wire", "name", "note", "symbol".
    """

    lines: list[str] = field(default_factory=list)
    spans: list[tuple[int, int, int, str]] = field(default_factory=list)

    @property
    def plain(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def text(graph: Graph, width: int) -> Page:
    """Return a graph as text.

    Parameters
    ----------
    graph : Graph
        What to draw.
    width : int
        How many columns there are; at least 30 are used.
    """
    page = Page()
    width = max(width, 30)
    for band in bands(graph, lambda part: _drawn(part, plan(part)), _widest, width):
        part = _cut(band, width)
        if page.lines:
            page.lines.append("")
        page.spans += [(row + len(page.lines), a, b, style) for row, a, b, style in part.spans]
        page.lines += part.lines
    return page


def as_ascii(lines: str) -> str:
    """Return text for a screen that knows ASCII only."""
    return lines.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def _widest(page: Page) -> int:
    return max((cells(line) for line in page.lines), default=0)


def _cut(page: Page, width: int) -> Page:
    if _widest(page) <= width:
        return page
    lines = [line if len(line) <= width else line[: width - 1] + "…" for line in page.lines]
    spans = [(row, a, min(b, width - 1), s) for row, a, b, s in page.spans if a < width - 1]
    return Page(lines, spans)


def cells(line: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) + wide - sum(unicodedata.combining(c) > 0 for c in line)


# ------------------------------------------------------------------ one band


@dataclass(slots=True)
class _Cell:
    """A box in characters: what stands on the wire's row, and above and below it."""

    symbol: str
    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    ends: bool

    @property
    def stub(self) -> int:
        """Where the labels begin."""
        return cells(self.symbol) + 1

    @property
    def width(self) -> int:
        labels = max((cells(line) for line in (*self.above, *self.below)), default=0)
        wire = len(self.name) + 4 if self.name else 2
        return cells(self.symbol) if self.ends else self.stub + max(labels + 1, wire)


def _cell(box: Box, made: Plan, number: int) -> _Cell:
    name = shortened(box.name, _LONGEST)
    if box.kind == "output":
        return _Cell(f"▸ {name}", "", (), (), ends=True)
    value, gradient = value_label(box.value), gradient_label(box.gradient)
    if box.kind in ("input", "constant"):
        return _Cell(f"{name} ", "", value.lines, gradient.lines, ends=False)
    if box.kind == "tap":
        return _Cell("•", name, value.lines, gradient.lines, ends=False)
    words = [box.symbol, box.note if box.kind == "gate" else ""]
    feeding = made.before[number]
    if number in made.swapped:
        words.append("lower first")
    if len(set(feeding)) < len(feeding):
        words.append("twice")
    inside = " ".join(word for word in words if word)
    symbol = f"({inside})" if box.kind == "gate" else f"[{inside}]"
    return _Cell(symbol, name, value.lines, gradient.lines, ends=False)


class _Grid:
    """Characters and the wires between them."""

    def __init__(self) -> None:
        self.wires: dict[tuple[int, int], int] = {}
        self.joined: set[tuple[int, int]] = set()
        self.texts: list[tuple[int, int, str, str]] = []

    def across(self, row: int, start: int, end: int) -> None:
        """Draw a wire from the middle of one column to the middle of another."""
        for column in range(start, end + 1):
            bits = (column > start) * _LEFT | (column < end) * _RIGHT
            self._add(row, column, bits)

    def down(self, column: int, start: int, end: int) -> None:
        """Draw a bar from one row to another."""
        for row in range(start, end + 1):
            self._add(row, column, (row > start) * _UP | (row < end) * _DOWN)

    def _add(self, row: int, column: int, bits: int) -> None:
        self.wires[row, column] = self.wires.get((row, column), 0) | bits

    def page(self) -> Page:
        """Return the lines."""
        places = [*self.wires, *((row, column) for row, column, _, _ in self.texts)]
        if not places:
            return Page()
        top, bottom = min(row for row, _ in places), max(row for row, _ in places)
        rows: list[dict[int, tuple[str, str]]] = [{} for _ in range(bottom - top + 1)]
        for (row, column), bits in self.wires.items():
            whole = bits == _LEFT | _RIGHT | _UP | _DOWN
            crossing = "●" if (row, column) in self.joined else "┼"
            rows[row - top][column] = (crossing if whole else _SHAPES.get(bits, "─"), "wire")
        for row, column, words, style in self.texts:
            at = column
            for character in words:
                rows[row - top][at] = (character, style)
                # A wide character takes the next column too.
                for extra in range(1, cells(character)):
                    rows[row - top][at + extra] = ("", style)
                at += max(cells(character), 1)
        page = Page()
        for line in rows:
            page.spans += _spans(line, len(page.lines))
            filled = [line.get(k, (" ", ""))[0] for k in range(max(line, default=-1) + 1)]
            page.lines.append("".join(filled).rstrip())
        return page


def _spans(line: dict[int, tuple[str, str]], row: int) -> list[tuple[int, int, int, str]]:
    found: list[tuple[int, int, int, str]] = []
    position = 0
    for column in range(max(line, default=-1) + 1):
        character, style = line.get(column, (" ", ""))
        if style and character:
            if found and found[-1][2] == position and found[-1][3] == style:
                found[-1] = (row, found[-1][1], position + len(character), style)
            else:
                found.append((row, position, position + len(character), style))
        position += len(character)
    return found


def _drawn(graph: Graph, made: Plan) -> Page:
    count = len(graph.boxes)
    shown = [_cell(box, made, k) for k, box in enumerate(graph.boxes)]
    blank = 1 if count <= _AIRY else 0

    def apart(upper: int, lower: int) -> float:
        down = len(shown[upper].below) if upper < count else 0
        up = len(shown[lower].above) if lower < count else 0
        return down + up + 1 + (blank if upper < count and lower < count else 0)

    exact = heights(made.columns, made.before, made.after, lambda point: point >= count, apart)
    # Rounded down: two that are a whole number apart stay so.
    y = {point: math.floor(height + 0.5) for point, height in exact.items()}
    grid = _Grid()
    right = 0
    for number, column in enumerate(made.columns):
        if number:
            gap = Gap(made.columns[number - 1], column, made.before, y, apart)
            _draw_gap(grid, gap, right, y)
            right += gap.tracks + 2 if gap.tracks else 2
        right = _draw_column(grid, column, shown, made, y, right)
    return grid.page()


def _draw_gap(grid: _Grid, gap: Gap, left: int, y: dict[int, int]) -> None:
    end = left + (gap.tracks + 1 if gap.tracks else 1)
    for bar in gap.bars:
        at = left + 1 + bar.track
        grid.down(at, bar.top, bar.bottom)
        grid.across(bar.row, at, end + 1)
        _join(grid, bar, at)
    for point, far in gap.reaches.items():
        grid.across(y[point], left - 1, left + 1 + far)
    for point in gap.straight:
        grid.across(y[point], left - 1, end + 1)


def _join(grid: _Grid, bar: Bar, at: int) -> None:
    for row in {*bar.sources, bar.row}:
        grid.joined.add((row, at))


def _draw_column(
    grid: _Grid,
    column: Sequence[int],
    shown: Sequence[_Cell],
    made: Plan,
    y: dict[int, int],
    left: int,
) -> int:
    count = len(shown)
    boxes = [k for k in column if k < count]
    names = max((cells(shown[k].symbol) for k in boxes if shown[k].symbol.endswith(" ")), default=0)
    starts = {
        k: left + (names - cells(shown[k].symbol) if shown[k].symbol.endswith(" ") else 0)
        for k in boxes
    }
    right = max((starts[k] + shown[k].width for k in boxes), default=left + 1)
    for point in column:
        if point >= count:
            grid.across(y[point], left - 1, right)
            continue
        cell, start, row = shown[point], starts[point], y[point]
        style = "symbol" if cell.symbol.startswith(("(", "[", "•")) else "name"
        grid.texts.append((row, start, cell.symbol, style))
        if cell.ends:
            continue
        if made.after[point]:
            grid.across(row, start + cell.stub - 2, right)
        if cell.name:
            grid.texts.append((row, start + cell.stub + 1, f" {cell.name} ", "name"))
        for k, line in enumerate(reversed(cell.above)):
            grid.texts.append((row - 1 - k, start + cell.stub, line, "value"))
        for k, line in enumerate(cell.below):
            grid.texts.append((row + 1 + k, start + cell.stub, line, "gradient"))
    return right
