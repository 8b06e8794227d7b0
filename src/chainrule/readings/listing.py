"""The listing: a circuit staged by hand at one point, forward lines numbered, then backward lines.

Because it is for one point, it may write the textbook's shorter forms where they are as exact
there: the sigmoid's slope as (1 - s) * s, as long as 1 - s keeps its digits.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from . import expressions
from .notation import DZ, Notation
from .writer import Writer

_ENOUGH = 1e-12  # relative error of 1 - s against s(-x) up to which the short form is written


class _Textbook(Writer):
    """Writes the sigmoid out, and its slope the short way, where that is exact enough."""

    def _written_out(self, row: int) -> ast.expr:
        columns = self.columns
        if columns.gates[row].name == "sigmoid" and self._is_scalar(row):
            (source,) = columns.inputs(row)
            if columns.gates[source].name == "negative":
                plain = self._sigmoid_of(columns.left[source])
                value = columns.values[row]
                if plain is not None:
                    short = 1.0 - columns.values[plain]
                    if abs(short - value) <= _ENOUGH * abs(value):
                        return expressions.filled("1.0 - {0}", [self._tree(plain)])
            elif columns.values[source] > -700.0:  # else exp would overflow
                inner = [self._tree(source)]
                return expressions.filled("1.0 / (1.0 + math.exp(-{0}))", inner)
        return super()._written_out(row)

    def _sigmoid_of(self, source: int) -> int | None:
        """Return the forward row that holds the sigmoid of a row."""
        columns = self.columns
        for row in range(self.start):
            if columns.gates[row].name == "sigmoid" and columns.left[row] == source:
                return row
        return None


def listing(circuit: Circuit, notation: Notation = DZ) -> str:
    """Return the hand-staged listing at the circuit's point; a script that runs as it is.

    Parameters
    ----------
    circuit : Circuit
        A circuit with one scalar output.
    notation : Notation
        How the variables of gradients are called.
    """
    (output,) = circuit.outputs
    writer = _Textbook(circuit, output, notation)
    values = circuit.columns.values
    lines = [f"{writer.variable(row)} = {_given(values[row])}" for row in circuit.inputs]
    lines += [f"{name} = {_given(value)}" for name, value in writer.constants.items()]
    lines += ["", "# forward pass"]
    numbers: dict[int, int] = {}
    forward: list[tuple[str, str]] = []
    for line in writer.lines:
        if line.kind == "forward":
            numbers[line.row] = len(numbers) + 1
            forward.append((line.text, f"# ({numbers[line.row]}) {_shown(values[line.row])}"))
        elif line.kind == "guard":
            forward.append((line.text, ""))
    lines += _aligned(forward)
    lines += ["", "# backward pass"]
    for line in writer.lines:
        if line.kind == "title":
            number = f"  ({numbers[line.row]})" if line.row in numbers else ""
            lines.append(f"# backprop {line.text}{number}")
        elif line.kind == "backward":
            lines.append(line.text)
    everything = "\n".join(lines + list(writer.copies.values()))
    head = [
        text
        for used, text in (("math.", "import math"), ("np.", "import numpy as np"))
        if used in everything
    ]
    blocks = ["\n".join(head)] if head else []
    copies = "\n\n\n".join(writer.copies.values())
    if copies:
        blocks.append("\n" + copies + "\n")
    blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _given(value: Any) -> str:
    return expressions.text_of(expressions.literal(value))


def _shown(value: Any) -> str:
    if np.ndim(value):
        return f"{value.dtype}, shape {value.shape}"
    return f"{value:.6g}"


def _aligned(lines: list[tuple[str, str]]) -> list[str]:
    """Return statements with their comments in one column."""
    width = max((len(text) for text, note in lines if note), default=0)
    return [f"{text:<{width}}  {note}".rstrip() for text, note in lines]
