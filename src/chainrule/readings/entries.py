"""What a ledger lists: contributions with their paths, and how they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .layers import Layer, layers_text
from .notation import DZ, Notation
from .numbers import exact, is_number, length, norm, shape, shortened

_MOST_ON_PATH = 8  # wires of one path that are written out


@dataclass(frozen=True, repr=False)
class Entry:
    """One contribution to a gradient.

    Attributes
    ----------
    path : tuple of str
        The wires from the wire in question to the output, both included; in a ledger of blocks the
        wire and the gate's own.
    via : tuple of str
        The wires between them that tell this path from the others: those with names of the user's.
    part : float or ndarray
        What it contributes.
    """

    path: tuple[str, ...]
    via: tuple[str, ...]
    part: Any

    @property
    def size(self) -> float:
        """The magnitude of the contribution; the norm of an array."""
        return length(self.part)

    def __repr__(self) -> str:
        return f"Entry({amount(self.part)} via {joined(self.via) or 'nothing'})"


@dataclass(frozen=True, repr=False)
class Ledger:
    """The contributions to one gradient, the largest first.

    Attributes
    ----------
    wire, output : str
        The gradient is that of `output` by `wire`; "" for a ledger of layers alone.
    gradient : float, ndarray or None
        The gradient, as everywhere else.
    kind : {"paths", "blocks", "layers"}
        What the entries are.
    entries : tuple of Entry
        The largest contributions.
    others : int or float
        How many contributions are not listed; inf from 2**256 on.
    remainder : float or ndarray
        What those bring together.
    rounding : float or ndarray
        What is left for floats: `math.fsum` of the entries' parts, remainder and rounding is the
        gradient exactly.
    layers : tuple of Layer
        The norm of the gradient at each named wire on the way, and the gain from each to the next;
        empty in a ledger of paths.
    notes : tuple of str
        What there is to say beside the numbers.
    """

    wire: str
    output: str
    gradient: Any
    kind: str
    entries: tuple[Entry, ...] = ()
    others: int | float = 0
    remainder: Any = 0.0
    rounding: Any = 0.0
    layers: tuple[Layer, ...] = ()
    notes: tuple[str, ...] = ()
    notation: Notation = field(default=DZ)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __repr__(self) -> str:
        if self.kind == "layers":
            return f"Ledger({len(self.layers)} layers)"
        other = f" and {many(self.others)} more" if self.others else ""
        return f"Ledger({self._name()} = {amount(self.gradient)}: {len(self)} {self.kind}{other})"

    def __str__(self) -> str:
        lines = [] if self.kind == "layers" else self._sum_lines()
        if self.layers:
            lines += ([""] if lines else []) + layers_text(self.layers)
        lines += self.notes
        return "\n".join(lines)

    def records(self) -> dict[str, Any]:
        """Return the ledger as data, for `--json`."""
        return {
            "wire": self.wire or None,
            "output": self.output,
            "gradient": self.gradient,
            "kind": self.kind,
            "entries": [
                {"path": list(e.path), "via": list(e.via), "part": e.part, "size": e.size}
                for e in self.entries
            ],
            "others": self.others,
            "remainder": self.remainder,
            "rounding": self.rounding,
            "layers": [layer.record() for layer in self.layers],
            "notes": list(self.notes),
        }

    def _name(self) -> str:
        return self.notation.text(shortened(self.wire, 40), shortened(self.output, 40))

    def _sum_lines(self) -> list[str]:
        if self.gradient is None:
            return []
        rows = [(amount(e.part), self._said(e)) for e in self.entries]
        if self.others:
            rest = f"the other {many(self.others)} {noun(self.kind, self.others)}"
            rows.append((amount(self.remainder), f"{rest}, together"))
        total = len(self.entries) + self.others
        of = f"the sum of {many(total)} {noun(self.kind, total)}" if rows else "nothing arrives"
        rows.append((amount(self.gradient), of))
        width = _point(text for text, _ in rows)
        cells = [" " * (width - _before_point(text)) + text for text, _ in rows]
        widest = max(map(len, cells))
        lines = [f"{self._name()} = {amount(self.gradient)}"]
        lines += [f"  {c:<{widest}}  {said}" for c, (_, said) in zip(cells, rows, strict=True)]
        if len(rows) > 1:
            lines.insert(-1, f"  {'-' * widest}")
        return lines

    def _said(self, entry: Entry) -> str:
        if self.kind == "blocks":
            return f"from {joined(entry.via)}"
        return f"via {joined(entry.via)}" if entry.via else "straight to the output"


def amount(value: Any) -> str:
    """Return how a contribution is written: a number, or the norm of an array."""
    if value is None:
        return "none"
    if is_number(value):
        return exact(value)
    return f"norm {norm(value)}, shape {shape(value)}"


def joined(names: Sequence[str]) -> str:
    """Return the wires of a path, the middle of a long one left out."""
    shown = [shortened(name, 40) for name in names]
    if len(shown) > _MOST_ON_PATH:
        half = _MOST_ON_PATH // 2
        left_out = len(shown) - 2 * half
        shown = [*shown[:half], f"... {left_out} more ...", *shown[-half:]]
    return ", ".join(shown)


def many(count: int | float) -> str:
    """Return a count, also where it is too large to be one."""
    if count == math.inf:
        return "over 1e77"
    return str(count) if count < 10**7 else f"{count:.6g}"


def noun(kind: str, count: int | float) -> str:
    """Return "path" or "block", with an s where there is not one of them."""
    one = "path" if kind == "paths" else "block"
    return one if count == 1 else one + "s"


def _point(texts: Any) -> int:
    return max(map(_before_point, texts))


def _before_point(text: str) -> int:
    """Return how many characters stand before the decimal point of a number."""
    match = re.match(r"-?\d+", text)
    return match.end() if match else 0
