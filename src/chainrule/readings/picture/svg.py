"""The picture as SVG: one file, no script, no font and no address from elsewhere.

Same circuit, same bytes. Every gate, wire and number carries `data-row` with the circuit's row (-1
for what only the picture has), so that a page can light it up. All text of the user's is escaped,
and <title> and <desc> tell the same numbers to who cannot see the picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from html import escape

from ..numbers import plain
from .graph import Box
from .layout import Segment
from .scene import CELL, MARGIN, RADIUS, Scene, boxes_of, half_of
from .themes import Theme, blended

_FONT = "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_NAMED = {"value": "value", "about": "value", "gradient": "gradient", "slope": "gradient"}
_BETWEEN = 34.0  # two bands
_MOST_TOLD = 400  # boxes that the text alternative lists


def svg(scenes: Sequence[Scene], theme: Theme, *, ids: bool = False) -> str:
    """Return scenes below each other as an SVG document.

    Parameters
    ----------
    scenes : sequence of Scene
        What to draw: one, or its bands.
    theme : Theme
        The colours.
    ids : bool
        Whether gates, numbers and wires have ids after their rows: gate-3, value-3, gradient-3,
        and edge-3-5 for what leads from row 3 to row 5. For a page with one picture.
    """
    parts: list[str] = []
    taken: set[str] | None = set() if ids else None
    wide, tall = 0.0, MARGIN
    for found in scenes:
        parts.append(f'<g transform="translate({_n(MARGIN)} {_n(tall)})">')
        parts += _body(found, theme, taken)
        parts.append("</g>")
        wide = max(wide, found.layout.width + 2 * MARGIN)
        tall += found.layout.height + _BETWEEN
    tall += MARGIN - _BETWEEN
    body = "\n".join(parts)
    words = "\n".join(told(scenes))
    key = "cr-" + hashlib.sha256((theme.name + words + body).encode()).hexdigest()[:10]
    title = _xml(f"The circuit of {plain(scenes[0].graph.title)}")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" class="chainrule {theme.name}" \
width="{_n(wide)}" height="{_n(tall)}" viewBox="0 0 {_n(wide)} {_n(tall)}" \
role="img" aria-labelledby="{key}-t {key}-d" id="{key}">
<title id="{key}-t">{title}</title>
<desc id="{key}-d">{_xml(words)}</desc>
<style>{_style(key, theme)}</style>
<rect class="ground" width="100%" height="100%"/>
{body}
</svg>
"""


def told(scenes: Sequence[Scene]) -> list[str]:
    """Return a line for each wire, once: what it is, its value and its gradient."""
    lines: list[str] = []
    seen: set[int] = set()
    for found in scenes:
        for number, box in enumerate(found.graph.boxes):
            if box.kind == "output" or (box.row >= 0 and box.row in seen):
                continue
            seen.add(box.row)
            lines.append(_told(found, number, box))
    more = len(lines) - _MOST_TOLD
    return [*lines[:_MOST_TOLD], f"... and {more} more"] if more > 0 else lines


def _told(found: Scene, number: int, box: Box) -> str:
    value, gradient = found.labels[number]
    words = [f"{box.name or box.symbol}: {box.said}"]
    if value.lines:
        words.append(f"value {', '.join(value.lines)}")
    if gradient.lines:
        words.append(f"{found.graph.gradient_of(box)} {', '.join(gradient.lines)}")
    return plain("; ".join(words), 400)


def _style(key: str, theme: Theme) -> str:
    slant = "font-style:italic;" if theme.slanted else ""
    rules = {
        "text": f"font-family:{_FONT};fill:{theme.ink}",
        ".ground": f"fill:{theme.ground}",
        ".wire path": f"fill:none;stroke:{theme.line};stroke-width:1.5;stroke-linecap:round",
        ".wire .halo": f"stroke:{theme.ground};stroke-width:6;stroke-linecap:butt",
        ".wire circle, .wire .arrow": f"fill:{theme.line};stroke:none",
        ".body": f"fill:{theme.fill};stroke:{theme.line};stroke-width:1.5",
        ".group .body": f"fill:{theme.group}",
        ".tap .body": f"fill:{theme.line}",
        "text.value, text.about": f"fill:{theme.value}",
        "text.gradient, text.slope": f"{slant}fill:{theme.gradient}",
        "text.name": "font-style:italic;font-weight:600",
        "text.note": f"fill:{theme.muted}",
    }
    return "".join(
        ",".join(f"#{key} {part.strip()}" for part in select.split(",")) + "{" + body + "}"
        for select, body in rules.items()
    )


def _body(found: Scene, theme: Theme, taken: set[str] | None) -> Iterator[str]:
    """Yield a scene; `taken` holds the ids there are, and is None where there are none."""
    yield from _wires(found)
    if taken is not None:
        yield from _edges(found, taken)
    symbols = dict(boxes_of(found))
    texts: dict[int, list[str]] = {}

    def named(kind: str, row: int) -> str:
        name = f"{kind}-{row}"
        if taken is None or row < 0 or name in taken:
            return ""
        taken.add(name)
        return f' id="{name}"'

    for text in found.texts:
        anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
        number = found.graph.boxes[text.box].row
        row = f' data-row="{number}"'
        if text.style in _NAMED:
            row += named(_NAMED[text.style], number)
        texts.setdefault(text.box, []).append(
            f'<text class="{text.style}"{row} x="{_n(text.x)}" y="{_n(text.y)}" '
            f'font-size="{_n(text.size)}"{anchor}>{_xml(text.text)}</text>'
        )
    for strip in found.strips:
        cells = "".join(
            f'<rect x="{_n(strip.x + k * CELL)}" y="{_n(strip.y)}" width="{_n(CELL)}" '
            f'height="{_n(CELL)}" fill="{blended(theme, cell)}"/>'
            for k, cell in enumerate(strip.cells)
        )
        texts.setdefault(strip.box, []).append(f'<g class="strip {strip.style}">{cells}</g>')
    for number, box in enumerate(found.graph.boxes):
        name = named("gate", box.row) if box.kind != "output" else ""
        yield f'<g class="box {box.kind}" data-row="{box.row}"{name}{_line(box)}>'
        yield f"<title>{_xml(_tip(found, number, box))}</title>"
        if number in symbols:
            left, top, right, bottom = symbols[number]
            round_by = RADIUS if box.kind == "gate" else 7.0 if box.symbol else half_of(box)
            yield (
                f'<rect class="body" x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" '
                f'height="{_n(bottom - top)}" rx="{_n(round_by)}"/>'
            )
        yield from texts.get(number, ())
        yield "</g>"


def _edges(found: Scene, taken: set[str]) -> Iterator[str]:
    """Yield each way from one row to another as a path of its own, on top of its wire."""
    placed, boxes = found.layout, found.graph.boxes
    seen: dict[str, int] = {}
    by_end: dict[tuple[int, tuple[float, float]], Segment] = {}
    for segment in placed.segments:
        if segment.target < 0:
            end = (round(segment.end[0] + segment.run, 2), segment.end[1])
            by_end[segment.wire, end] = segment
    for segment in placed.segments:
        if segment.target < 0 or boxes[segment.target].kind == "output":
            continue
        source, target = boxes[segment.wire].row, boxes[segment.target].row
        if source < 0 or target < 0:
            continue
        way = [segment]
        while (way[-1].wire, way[-1].start) in by_end:
            way.append(by_end[way[-1].wire, way[-1].start])
        name = f"edge-{source}-{target}"
        seen[name] = seen.get(name, 0) + 1
        name += f"-{seen[name]}" if seen[name] > 1 else ""
        taken.add(name)
        x, y = placed.x[segment.wire] + half_of(boxes[segment.wire]), placed.y[segment.wire]
        path = f"M{_n(x)} {_n(y)}" + "".join(f"L{_piece(part)[1:]}" for part in reversed(way))
        yield f'<g class="wire edge" id="{name}"><path d="{path}"/></g>'


def _piece(segment: Segment) -> str:
    """Return the path of a segment."""
    (ax, ay), (bx, by) = segment.start, segment.end
    bend = (bx - ax) / 2
    path = f"M{_n(ax)} {_n(ay)}"
    if abs(ay - by) > 0.01:
        path += f"C{_n(ax + bend)} {_n(ay)} {_n(bx - bend)} {_n(by)} {_n(bx)} {_n(by)}"
    return f"{path}H{_n(bx + segment.run)}"


def _line(box: Box) -> str:
    return f' data-line="{box.line}"' if box.line else ""


def _tip(found: Scene, number: int, box: Box) -> str:
    value, gradient = found.labels[number]
    words = [f"{box.name or box.symbol}: {box.said}" if box.name or box.symbol else box.said]
    words += [f"value {value.full}"] if value.full else []
    words += [f"{found.graph.gradient_of(box)} {gradient.full}"] if gradient.full else []
    words += [f"line {box.line}"] if box.line else []
    return "\n".join(plain(word, 1200) for word in words)


def _wires(found: Scene) -> Iterator[str]:
    """Yield each wire as one group: what it covers, itself, and the dots where it forks."""
    placed, boxes = found.layout, found.graph.boxes
    parts: list[list[str]] = [[] for _ in boxes]
    dots: list[list[str]] = [[] for _ in boxes]
    leaving: dict[tuple[int, tuple[float, float]], int] = {}
    for segment in placed.segments:
        bx, by = segment.end
        leaving[segment.wire, segment.start] = leaving.get((segment.wire, segment.start), 0) + 1
        parts[segment.wire].append(_piece(segment))
        if segment.target >= 0 and boxes[segment.target].kind == "output":
            x = bx + segment.run
            arrow = f"M{_n(x + 5)} {_n(by)}l-8 -4v8z"
            dots[segment.wire].append(f'<path class="arrow" d="{arrow}"/>')
    for (wire, (x, y)), count in leaving.items():
        if count > 1:
            dots[wire].append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.6"/>')
    for number, box in enumerate(boxes):
        if not parts[number] and not box.has_wire:
            continue
        x, y, half = placed.x[number], placed.y[number], half_of(box)
        stub = f"M{_n(x + half)} {_n(y)}H{_n(placed.ends[number])}" if parts[number] else ""
        stub = stub if parts[number] or box.kind != "input" else f"M{_n(x)} {_n(y)}h40"
        path = stub + "".join(parts[number])
        if path:
            yield (
                f'<g class="wire" data-row="{box.row}"><path class="halo" d="{path}"/>'
                f'<path d="{path}"/>{"".join(dots[number])}</g>'
            )


def _n(value: float) -> str:
    """Return a coordinate without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"


def _xml(text: str) -> str:
    # What XML 1.0 forbids even as a reference must not get in.
    kept = "".join(c for c in text if c in "\n\t" or ord(c) >= 32)
    return escape(kept, quote=True)
