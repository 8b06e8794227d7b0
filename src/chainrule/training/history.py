"""What a training wrote down: named lists of numbers, one entry an epoch or a step.

A history shows itself: in a notebook as curves, in a terminal as text.
"""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..readings.notebook import bundle, image
from ..readings.numbers import plain
from .curve import curve, under_curve

_WIDE, _TALL = 520.0, 150.0  # pixels of one curve, with its labels
_LEFT, _TOP, _RIGHT, _BOTTOM = 64.0, 26.0, 12.0, 22.0
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334}.title{font-weight:600}"
    ".axis{stroke:#99a;fill:none}.curve{stroke:#1a5fb4;stroke-width:1.6;fill:none}"
)


class History(Mapping[str, list[float]]):
    """Named lists of numbers, all of the same length.

    Parameters
    ----------
    lists : mapping of str to sequence of float, optional
        What was written down before.

    Examples
    --------
    >>> history = History()
    >>> history.record(cost=0.5, val_accuracy=0.62)
    >>> history.record(cost=0.25, val_accuracy=0.81)
    >>> history["cost"]
    [0.5, 0.25]
    >>> history
    History(2 entries: cost 0.5 to 0.25, val_accuracy 0.62 to 0.81)
    """

    def __init__(self, lists: Mapping[str, Sequence[float]] | None = None) -> None:
        self._lists = {str(k): [float(v) for v in values] for k, values in (lists or {}).items()}
        lengths = {name: len(values) for name, values in self._lists.items()}
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

    def extend(self, **lists: Sequence[float]) -> None:
        """Add several entries, the lists of their numbers by name.

        Raises
        ------
        ValueError
            If a name is missing or new, or the lists differ in length.
        """
        if self._lists and lists.keys() != self._lists.keys():
            raise ValueError(
                f"every entry of this history has {', '.join(self._lists)}; "
                f"this one has {', '.join(lists) or 'nothing'}"
            )
        added = History(lists)
        for name, numbers in added.items():
            self._lists.setdefault(name, []).extend(numbers)

    def __getitem__(self, name: str) -> list[float]:
        return self._lists[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def entries(self) -> int:
        """How many entries were recorded."""
        return max(map(len, self._lists.values()), default=0)

    def __repr__(self) -> str:
        spans = [
            f"{plain(name)} {values[0]:.4g} to {values[-1]:.4g}"
            for name, values in self._lists.items()
            if values
        ]
        count = f"{self.entries} entr{'y' if self.entries == 1 else 'ies'}"
        return f"History({count}{': ' if spans else ''}{', '.join(spans)})"

    def text(self, width: int = 72) -> str:
        """Return the curves in characters, no wider than `width`."""
        lines: list[str] = []
        for name, values in self._lists.items():
            drawn = curve(values, width)
            if drawn:
                lines += [*drawn, under_curve(plain(name), f"{len(values)} entries", width), ""]
        return "\n".join(lines).rstrip()

    def svg(self) -> str:
        """Return the curves as an SVG document, one below the other."""
        parts = []
        for number, (name, values) in enumerate(self._lists.items()):
            parts.append(f'<g transform="translate(0 {number * _TALL:g})">')
            parts += _drawn(name, values)
            parts.append("</g>")
        tall = max(len(self._lists), 1) * _TALL
        body = "\n".join(parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE:g}" height="{tall:g}" '
            f'viewBox="0 0 {_WIDE:g} {tall:g}" role="img">\n'
            f"<title>{html.escape(repr(self))}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
        )

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        kinds = {
            "text/html": lambda: image(self.svg(), repr(self)),
            "image/svg+xml": self.svg,
            "text/plain": lambda: repr(self) + "\n\n" + self.text(),
        }
        return bundle(kinds, include, exclude)


def _drawn(name: str, values: Sequence[float]) -> Iterator[str]:
    """Yield the parts of one curve: title, axes with their ends, the line."""
    known = [v for v in values if math.isfinite(v)]
    low, high = min([0.0, *known]), max([0.0, *known])
    high = high if high > low else low + 1.0
    across, down = _WIDE - _LEFT - _RIGHT, _TALL - _TOP - _BOTTOM
    floor = _TOP + down

    def place(k: int, value: float) -> str:
        x = _LEFT + across * (k / max(len(values) - 1, 1))
        return f"{x:.1f} {floor - down * (value - low) / (high - low):.1f}"

    yield f'<text class="title" x="{_LEFT:g}" y="16">{html.escape(plain(name))}</text>'
    yield f'<path class="axis" d="M{_LEFT:g} {_TOP:g}V{floor:g}H{_LEFT + across:g}"/>'
    for value, y in ((high, _TOP + 4.0), (low, floor + 4.0)):
        yield f'<text x="{_LEFT - 6:g}" y="{y:g}" text-anchor="end">{value:.4g}</text>'
    yield (
        f'<text x="{_LEFT + across:g}" y="{floor + 16:g}" text-anchor="end">{len(values)}</text>'
    )
    # A gap where a number is not finite: a curve must not run through what was never there.
    pieces, pen = [], "M"
    for k, value in enumerate(values):
        if math.isfinite(value):
            pieces.append(pen + place(k, value))
            pen = "L"
        else:
            pen = "M"
    if pieces:
        yield f'<path class="curve" d="{"".join(pieces)}"/>'
