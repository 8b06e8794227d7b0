"""How the norm of the gradient grows or shrinks from one named wire to the next, going back.

In a deep network the gradient is handed back through many layers; each multiplies its norm by a
gain. A gain far from 1, or many a little below or above it, is why a gradient vanishes or explodes,
and the layer is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import INPUT
from ..passes.backward import is_float
from .notation import Notation
from .numbers import brief, length, shape, shortened

EXPLODES = 10.0  # a gain from here on is named
VANISHES = 0.1
_FAR = 1e3  # so is a product of gains beyond this, or below its inverse
_MOST_NEXT = 16  # wires that one wire feeds, up to which there is a gain
_MOST_LINES = 60


@dataclass(frozen=True)
class Layer:
    """A named wire on the way back.

    Attributes
    ----------
    wire : str
        Its name.
    shape : tuple of int
        Its shape.
    norm : float
        The Euclidean norm of its gradient.
    gain : float or None
        Its norm over that of the wires it feeds; None at the output.
    feeds : tuple of str
        Those wires: the nearest named ones on the way to the output.
    is_input : bool
        Whether it is an input, such as a parameter: no layer of its own.
    is_even : bool
        Whether the gain is one between numbers or between arrays. From an array to one number, as
        at a mean, it says how many elements there are, and nothing of a layer.
    """

    wire: str
    shape: tuple[int, ...]
    norm: float
    gain: float | None
    feeds: tuple[str, ...]
    is_input: bool
    is_even: bool

    @property
    def is_judged(self) -> bool:
        """Whether the gain is that of a layer."""
        return self.gain is not None and self.is_even and not self.is_input

    @property
    def explodes(self) -> bool:
        """Whether this layer multiplies the gradient by ten or more."""
        return self.is_judged and self.gain is not None and self.gain >= EXPLODES

    @property
    def vanishes(self) -> bool:
        """Whether this layer leaves a tenth of the gradient or less."""
        return self.is_judged and self.gain is not None and self.gain <= VANISHES

    def record(self) -> dict[str, Any]:
        """Return the layer as data, for `--json`."""
        return {
            "wire": self.wire,
            "shape": list(self.shape),
            "norm": self.norm,
            "gain": self.gain,
            "feeds": list(self.feeds),
            "explodes": self.explodes,
            "vanishes": self.vanishes,
        }


def layers_of(
    circuit: Circuit, gradients: Sequence[Any], starts: Sequence[int], output: int
) -> tuple[Layer, ...]:
    """Return the named wires between some wires and the output, the output first."""
    columns = circuit.columns
    begin = [row for row in starts if is_float(columns.values[row])]
    onward = columns.reached_from(begin, output + 1)
    needed = columns.needed_for([output])
    is_start = set(begin)
    nearest: dict[int, frozenset[int] | None] = {}  # of each row; None where there are too many
    found = []
    after: dict[int, frozenset[int] | None] = {output: frozenset()}
    for row in range(output, -1, -1):
        if not (onward[row] and needed[row]) or gradients[row] is None:
            continue
        following = after.pop(row, frozenset())
        named = row == output or row in is_start or circuit.hint_of(row) is not None
        if named:
            found.append(_layer(circuit, gradients, row, following))
            nearest[row] = frozenset((row,))
        else:
            nearest[row] = following
        mine = nearest.pop(row)
        for k in columns.inputs(row):
            before = after.get(k, frozenset())
            both = None if mine is None or before is None else before | mine
            after[k] = None if both is None or len(both) > _MOST_NEXT else both
    return tuple(found)


def _layer(
    circuit: Circuit, gradients: Sequence[Any], row: int, following: frozenset[int] | None
) -> Layer:
    values = circuit.columns.values
    own = length(gradients[row])
    ahead = sorted(following or ())
    with np.errstate(all="ignore"):
        above = length([length(gradients[k]) for k in ahead]) if ahead else 0.0
        gain = float(np.float64(own) / above) if ahead else None
    many = np.size(values[row]) > 1
    return Layer(
        wire=circuit.names[row],
        shape=np.shape(values[row]),
        norm=own,
        gain=gain,
        feeds=tuple(circuit.names[k] for k in ahead),
        is_input=circuit.columns.gates[row] is INPUT,
        is_even=bool(ahead) and all((np.size(values[k]) > 1) == many for k in ahead),
    )


def layers_text(layers: Sequence[Layer]) -> list[str]:
    """Return layers as the lines of a table."""
    rows = [("wire", "shape", "norm of gradient", "gain", "feeds")]
    shown = list(layers)
    half = _MOST_LINES // 2
    if len(shown) > _MOST_LINES:
        shown = shown[:half] + shown[-half:]
    for layer in shown:
        gain = "" if layer.gain is None else brief(layer.gain, 3)
        mark = "  explodes" if layer.explodes else "  vanishes" if layer.vanishes else ""
        feeds = shortened(", ".join(layer.feeds), 30)
        name, size = shortened(layer.wire, 30), shape(np.empty(layer.shape))
        rows.append((name, size, brief(layer.norm, 4), gain, feeds + mark))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if len(layers) > len(shown):
        lines.insert(2 + half, f"... and {len(layers) - len(shown)} more wires")
    return lines


def remarks(layers: Sequence[Layer], notation: Notation, output: str) -> list[str]:
    """Name what explodes, vanishes or is not finite."""
    found = []
    strange = next((layer for layer in layers if not math.isfinite(layer.norm)), None)
    if strange is not None:
        called = notation.text(strange.wire, output)
        found.append(f"{called} is the first on the way back that is not finite.")
    judged = [layer for layer in layers if layer.is_judged]
    for word, group in (
        ("explodes", [layer for layer in judged if layer.explodes]),
        ("vanishes", [layer for layer in judged if layer.vanishes]),
    ):
        for layer in sorted(group, key=lambda one: abs(_log(one.gain)), reverse=True)[:3]:
            found.append(
                f"The gradient {word} from {', '.join(layer.feeds)} to {layer.wire}: "
                f"gain {brief(layer.gain, 3)}."
            )
    if len(judged) > 1:
        first, last = _ends(layers, judged)
        with np.errstate(all="ignore"):
            total = float(np.float64(last.norm) / first.norm)
        if math.isfinite(total) and (total >= _FAR or total <= 1 / _FAR):
            each = f", {brief(total ** (1 / len(judged)), 3)} a layer" if total > 0 else ""
            found.append(
                f"From {first.wire} back to {last.wire}, {len(judged)} layers, the norm is "
                f"multiplied by {brief(total, 3)}{each}."
            )
    return found


def _ends(layers: Sequence[Layer], judged: Sequence[Layer]) -> tuple[Layer, Layer]:
    """Return the wire where the judged layers begin, nearest to the output, and the last."""
    by_name = {layer.wire: layer for layer in layers}
    return by_name[judged[0].feeds[0]], judged[-1]


def _log(gain: float | None) -> float:
    return math.log(gain) if gain else -math.inf
