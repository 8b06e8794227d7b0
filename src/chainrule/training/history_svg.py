"""The curves of a history as an SVG document, one panel below the other."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from ..readings.numbers import plain
from .curve import axis, is_cost, panels

_WIDE, _TALL = 520.0, 150.0  # pixels of one panel, with its labels
_LEFT, _TOP, _RIGHT, _BOTTOM = 64.0, 26.0, 12.0, 22.0
_LINE, _LETTERS = 17.0, 82  # of a note: pixels down, letters across
# On white, whatever the page has: a notebook may be dark, and an image does not know.
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334}.title{font-weight:600}"
    ".ground{fill:#fff}.axis{stroke:#99a;fill:none}"
    ".curve{stroke:#1a5fb4;stroke-width:1.6;fill:none}.second{stroke:#c64600}"
    ".title .of-curve{fill:#1a5fb4}.title .of-second{fill:#c64600}"
)


def history_svg(lists: Mapping[str, Sequence[float]], title: str, notes: Sequence[str] = ()) -> str:
    """Return curves as an SVG document.

    Parameters
    ----------
    lists : mapping of str to sequence of float
        The numbers by name.
    title : str
        What the picture shows, for those who do not see it.
    notes : sequence of str
        What stands below.
    """
    parts, down = [], 0.0
    for names in panels(list(lists)):
        parts += [f'<g transform="translate(0 {down:g})">', *_panel(names, lists), "</g>"]
        down += _TALL
    for note in notes:
        for line in textwrap.wrap(f"Note: {plain(note, 1000)}", _LETTERS):
            down += _LINE
            parts.append(f'<text x="12" y="{down:g}">{html.escape(line)}</text>')
    tall = down + _LINE / 2 if notes else max(down, _TALL)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE:g}" height="{tall:g}" '
        f'viewBox="0 0 {_WIDE:g} {tall:g}" role="img">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="ground" width="{_WIDE:g}" height="{tall:g}"/>\n{body}\n</svg>\n'
    )


def _panel(names: Sequence[str], lists: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the parts of one panel: titles, axes with their ends, the lines."""
    low, high = axis([v for name in names for v in lists[name]], is_cost(names[0])) or (0.0, 1.0)
    across, down = _WIDE - _LEFT - _RIGHT, _TALL - _TOP - _BOTTOM
    floor, count = _TOP + down, max(len(lists[name]) for name in names)
    words = [html.escape(plain(name, 40)) for name in names]
    title = words[0]
    if len(words) > 1:
        title = (
            f'<tspan class="of-curve">{words[0]}</tspan>'
            f'<tspan class="of-second" dx="14">{words[1]}</tspan>'
        )
    yield f'<text class="title" x="{_LEFT:g}" y="16">{title}</text>'
    yield f'<path class="axis" d="M{_LEFT:g} {_TOP:g}V{floor:g}H{_LEFT + across:g}"/>'
    for value, y in ((high, _TOP + 4.0), (low, floor + 4.0)):
        yield f'<text x="{_LEFT - 6:g}" y="{y:g}" text-anchor="end">{value:.4g}</text>'
    if count > 1:
        yield f'<text x="{_LEFT:g}" y="{floor + 16:g}">1</text>'
    yield f'<text x="{_LEFT + across:g}" y="{floor + 16:g}" text-anchor="end">{count}</text>'
    for kind, name in zip(("curve", "curve second"), names, strict=False):
        drawn = _drawn(lists[name], low, high, across, down)
        if drawn:
            yield f'<path class="{kind}" d="{drawn}"/>'


def _drawn(values: Sequence[float], low: float, high: float, across: float, down: float) -> str:
    """Return the path of a curve, with a gap where a number is not finite.

    A curve must not run through what was never there.
    """
    pieces, pen = [], "M"
    for k, value in enumerate(values):
        if not math.isfinite(value):
            pen = "M"
            continue
        x = _LEFT + across * (k / max(len(values) - 1, 1))
        share = (min(max(value, low), high) - low) / (high - low)
        y = _TOP + down * (1 - share)
        alone = pen == "M" and not any(map(math.isfinite, values[k + 1 : k + 2]))
        # One number between two gaps would have no length, and not be seen.
        pieces.append(f"{pen}{x:.1f} {y:.1f}" + ("h2" if alone else ""))
        pen = "L"
    return "".join(pieces)
