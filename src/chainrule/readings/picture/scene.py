"""A picture in pixels: every text, symbol, strip and wire with its place.

`svg` writes a scene, `quality` checks that nothing in it stands on anything else. The room that a
box asks of the layout and the things that are put into it are worked out here, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .graph import Box, Graph
from .labels import Label, gradient_label, value_label
from .layout import Extent, Layout, Spacing, layout, plan
from .metrics import width

RADIUS = 18.0
MARGIN = 16.0
NUMBER, SYMBOL, NAME, SMALL = 13.0, 15.0, 13.0, 10.5  # font sizes
CELL = 6.0  # of a strip
_PAD = 6.0
_CLEAR = 4.0  # between a text and a wire or a symbol
_ASCENT, _DESCENT = 0.78, 0.24  # of a font's size
_LINE = 1.22


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text.

    Attributes
    ----------
    box : int
        The box it belongs to.
    style : {"value", "gradient", "about", "slope", "symbol", "name", "note"}
        What it is; "about" and "slope" are the small print of arrays.
    anchor : {"start", "middle", "end"}
        Which part of the text stands at x.
    x, y : float
        Where; y is the baseline.
    text : str
        The words.
    size : float
        Of the font.
    """

    box: int
    style: str
    anchor: str
    x: float
    y: float
    text: str
    size: float

    def room(self) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom)."""
        wide = width(self.text, self.size, bold=self.style == "name")
        left = self.x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        top, bottom = self.y - _ASCENT * self.size, self.y + _DESCENT * self.size
        return left, top, left + wide, bottom


@dataclass(frozen=True, slots=True)
class Strip:
    """A heat strip of an array: cells from -1 to 1."""

    box: int
    style: str
    x: float
    y: float
    cells: tuple[float, ...]

    def room(self) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom)."""
        return self.x, self.y, self.x + CELL * len(self.cells), self.y + CELL


@dataclass(slots=True)
class Scene:
    """Everything in a picture.

    Attributes
    ----------
    graph, layout : Graph, Layout
        What is drawn, and where.
    extents : list of Extent
        The room of each box.
    texts, strips : list
        What is written.
    labels : list of (Label, Label)
        The value and the gradient of each box.
    """

    graph: Graph
    layout: Layout
    extents: list[Extent]
    texts: list[Text] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)
    labels: list[tuple[Label, Label]] = field(default_factory=list)


def scene(graph: Graph) -> Scene:
    """Return the picture of a graph in pixels."""
    labels = [(value_label(box.value), gradient_label(box.gradient)) for box in graph.boxes]
    made = plan(graph)
    for swapped in made.swapped:
        given = graph.boxes[swapped]
        given.note = f"{given.note} first input below".strip()
    extents = [_extent(box, *label) for box, label in zip(graph.boxes, labels, strict=True)]
    placed = layout(graph, extents, Spacing(radius=RADIUS), made)
    found = Scene(graph, placed, extents, labels=labels)
    for number, box in enumerate(graph.boxes):
        _write(found, number, box)
    return found


def half_of(box: Box) -> float:
    """Return half the width of a box's symbol."""
    if box.kind == "tap":
        return 3.0
    if not box.symbol:
        return 0.0
    return max(RADIUS, round(width(box.symbol, _symbol_size(box)) / 2 + 10, 2))


def _symbol_size(box: Box) -> float:
    if box.kind == "group":
        return 12.0
    return SYMBOL if len(box.symbol) < 4 else 13.0


def _start(box: Box) -> float:
    """Return where the label of a box's wire may begin."""
    half = half_of(box)
    if box.symbol:
        half = max(half, width(box.name, NAME, bold=True) / 2, width(box.note, SMALL) / 2)
    return half + _PAD


def _lines(label: Label, *, is_value: bool) -> list[tuple[str, str, float]]:
    """Return (text, style, size) of each line, from the wire outwards."""
    if not label.strip and len(label.lines) == 1:
        return [(label.lines[0], "value" if is_value else "gradient", NUMBER)]
    lines = reversed(label.lines) if is_value else iter(label.lines)
    return [(text, "about" if is_value else "slope", SMALL) for text in lines]


def _height(label: Label, *, is_value: bool) -> float:
    lines = _lines(label, is_value=is_value)
    tall = sum(size * _LINE for _, _, size in lines) + (CELL + 3 if label.strip else 0)
    return tall + _CLEAR if tall else 0.0


def _extent(box: Box, value: Label, gradient: Label) -> Extent:
    if box.kind == "output":
        wide = width(box.name, NAME, bold=True)
        return Extent(0.0, 10.0 + wide, 10.0, 10.0)
    widest = max(
        [
            *(width(text, size) for text, _, size in _lines(value, is_value=True)),
            *(width(text, size) for text, _, size in _lines(gradient, is_value=False)),
            CELL * max(len(value.strip), len(gradient.strip)),
            0.0,
        ]
    )
    half = half_of(box)
    up, down = _height(value, is_value=True), _height(gradient, is_value=False)
    left = half
    if box.symbol:
        left = max(left, width(box.name, NAME, bold=True) / 2, width(box.note, SMALL) / 2)
        up = max(up, RADIUS + (NAME * _LINE + 2 if box.name else 0))
        down = max(down, RADIUS + (SMALL * _LINE + 3 if box.note else 0))
    elif box.kind == "tap":
        up += NAME * _LINE if box.name else 0.0
        widest = max(widest, width(box.name, NAME, bold=True))
    else:
        left = width(box.name, NAME, bold=True) + 8
        up, down = max(up, 10.0), max(down, 10.0)
    right = _start(box) + widest + _PAD
    return Extent(round(left, 2), round(right, 2), round(up, 2), round(down, 2), half)


def _write(found: Scene, number: int, box: Box) -> None:
    """Put the texts and strips of a box into the scene."""
    x, y = found.layout.x[number], found.layout.y[number]
    size = _symbol_size(box)
    if box.kind == "output":
        _text(found, number, "name", "start", x + 10, y + 0.34 * NAME, box.name, NAME)
        return
    value, gradient = found.labels[number]
    start = x + _start(box)
    middle = (start + found.layout.x[number] + found.extents[number].right - _PAD) / 2
    top = _stack(found, number, middle, y, value, is_value=True)
    _stack(found, number, middle, y, gradient, is_value=False)
    if box.symbol:
        _text(found, number, "symbol", "middle", x, y + 0.35 * size, box.symbol, size)
        above = y - RADIUS - 2 - _DESCENT * NAME
        _text(found, number, "name", "middle", x, above, box.name, NAME)
        below = y + RADIUS + 3 + _ASCENT * SMALL
        _text(found, number, "note", "middle", x, below, box.note, SMALL)
    elif box.kind == "tap":
        _text(found, number, "name", "middle", middle, top - _DESCENT * NAME, box.name, NAME)
    else:
        _text(found, number, "name", "end", x - 6, y + 0.34 * NAME, box.name, NAME)


def _text(
    found: Scene, box: int, style: str, anchor: str, x: float, y: float, text: str, size: float
) -> None:
    if text:
        found.texts.append(Text(box, style, anchor, round(x, 2), round(y, 2), text, size))


def _stack(
    found: Scene, box: int, middle: float, y: float, label: Label, *, is_value: bool
) -> float:
    """Write a label from the wire outwards; return how far it reaches."""
    sign = -1 if is_value else 1
    at = y + sign * _CLEAR
    if label.strip:
        top = at - CELL if is_value else at
        left = middle - CELL * len(label.strip) / 2
        style = "value" if is_value else "gradient"
        found.strips.append(Strip(box, style, round(left, 2), round(top, 2), label.strip))
        at += sign * (CELL + 3)
    for text, style, size in _lines(label, is_value=is_value):
        baseline = at - _DESCENT * size if is_value else at + _ASCENT * size
        _text(found, box, style, "middle", middle, baseline, text, size)
        at += sign * size * _LINE
    return at


def boxes_of(found: Scene) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    """Iterate over the symbols that have an area: (box, (left, top, right, bottom))."""
    for number, box in enumerate(found.graph.boxes):
        half = half_of(box)
        if half:
            x, y = found.layout.x[number], found.layout.y[number]
            tall = RADIUS if box.symbol else half
            yield number, (x - half, y - tall, x + half, y + tall)
