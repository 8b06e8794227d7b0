r"""The LaTeX reading: the formula, the forward pass, the local gradients and the chain rule.

The equations stand in `align*` of the package amsmath and need nothing else; a document is a plain
article around them. A wire has the name that the user gave it; a formula too long for a line is
broken at those names, then wherever it must be. How a gate is written stands in `tex`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT, Columns
from ..errors import ChainruleError
from ..passes.at_point import active_rows, contributions_at
from ..passes.backward import is_float
from . import numbers
from .notation import DZ, Notation
from .tex import PRODUCT, SUM, Tex, escaped, name_tex, number_tex, of_gate, of_rule, product

PARTS = {
    "formula": "Formula",
    "forward": "Forward pass",
    "local": "Local gradients",
    "chain": "Chain rule",
}
"""The parts that can be asked for, with their titles in a document."""

_WIDEST = 56  # characters of an expression before a part of it gets a line of its own
Piece = Callable[[], list[str]]
"""Writes the lines of one wire."""

_MOST_ADDENDS = 6  # contributions that are written out in one sum
_HEAD = r"""\documentclass{article}
\usepackage{amsmath}
\allowdisplaybreaks
\begin{document}
"""


def latex(
    circuit: Circuit,
    gradients: Sequence[Any],
    *,
    parts: Sequence[str] = tuple(PARTS),
    notation: Notation = DZ,
    document: bool = False,
    most: int = 60,
) -> str:
    r"""Return a circuit in LaTeX.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none. All None if the output is not one
        number: then only the first two parts are written.
    parts : sequence of {"formula", "forward", "local", "chain"}
        What to write, in this order.
    notation : Notation
        How gradients are called.
    document : bool
        Whether to put an article around it, with a title over each part.
    most : int
        How many lines a part has at most; \vdots stands for those in the middle.

    Returns
    -------
    str
        One `align*` a part.
    """
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"parts are {', '.join(map(repr, PARTS))}, not {part!r}")
    writer = _Writer(circuit, gradients, notation)
    blocks = []
    for part in parts:
        lines = _cut(getattr(writer, part)(), max(most, 2))
        if not lines:
            continue
        equations = "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
        blocks.append(f"\\section*{{{PARTS[part]}}}\n{equations}" if document else equations)
    text = "\n\n".join(blocks) + "\n"
    if not document:
        return text
    title = f"\\begin{{center}}\\Large ${name_tex(circuit.title)}$\\end{{center}}\n\n"
    return f"{_HEAD}{title}{text}\\end{{document}}\n"


def _cut(pieces: Sequence[Piece], most: int) -> list[str]:
    """Write the first and the last pieces; those in the middle are not even written."""
    first: list[str] = []
    last: list[str] = []
    front, back = 0, len(pieces)
    while front < back and len(first) < (most + 1) // 2:
        first += pieces[front]()
        front += 1
    while front < back and len(last) < most // 2:
        back -= 1
        last[:0] = pieces[back]()
    dots = [rf"& \vdots \quad \text{{({back - front} more)}}"] if front < back else []
    return first + dots + last


class _Writer:
    """The lines of each part."""

    def __init__(self, circuit: Circuit, gradients: Sequence[Any], notation: Notation) -> None:
        self.circuit, self.gradients, self.notation = circuit, gradients, notation
        self.given = circuit.columns
        self.output = circuit.outputs[0] if len(circuit.outputs) == 1 else None
        self.has_gradient = (
            self.output is not None
            and circuit.output_tree.is_leaf
            and gradients[self.output] is not None
        )
        self.columns: Columns = self.given
        if self.has_gradient:
            assert self.output is not None
            self.handed = contributions_at(circuit, self.output)
            self.columns = self.handed.columns
            self.active = active_rows(circuit, self.output)
        self.needed = self.columns.needed_for(list(circuit.outputs))

    # ------------------------------------------------------------------ names

    def wire(self, row: int) -> Tex:
        """Return a wire by its name; a constant by its number."""
        value = self.given.values[row]
        if self.given.gates[row] is CONSTANT and numbers.is_number(value):
            return number_tex(value, digits=6)
        return Tex(name_tex(self.circuit.names[row]), is_array=np.ndim(value) > 0)

    def gradient(self, row: int) -> Tex:
        """Return what the gradient on a wire is called."""
        output = name_tex(self.circuit.names[self.output or 0])
        text = self.notation.latex(name_tex(self.circuit.names[row]), output)
        level = PRODUCT if self.notation.name == "nabla" else 4
        return Tex(text, level, np.ndim(self.given.values[row]) > 0)

    def _gate(self, row: int, inputs: Sequence[Tex], columns: Columns) -> Tex:
        is_array = np.ndim(columns.values[row]) > 0
        return of_gate(columns.gates[row], columns.settings_of(row), inputs, is_array=is_array)

    def _gate_rows(self, columns: Columns, needed: bytearray) -> list[int]:
        gates = columns.gates
        return [
            row
            for row in range(len(columns))
            if needed[row] and gates[row] is not INPUT and gates[row] is not CONSTANT
        ]

    # ------------------------------------------------------------------ formula

    def formula(self) -> list[Piece]:
        """Write the whole formula: in one line if it fits, else broken at the user's names."""
        needed = self.given.needed_for(list(self.circuit.outputs))
        rows = self._gate_rows(self.given, needed)
        # Each gate takes a character at the least, so many gates cannot fit in a line.
        if len(rows) <= _WIDEST and rows and rows[-1] == self.output:
            written, lined = self._inlined(rows, named=False)
            if not lined:
                return [partial(self._equation, self.output, written[self.output])]
        written, lined = self._inlined(rows, named=True)
        lined.update(self.circuit.outputs)
        return [partial(self._equation, row, written[row]) for row in rows if row in lined]

    def _equation(self, row: int, tex: Tex) -> list[str]:
        return [f"{self.wire(row).text} &= {tex.text}"]

    def _inlined(self, rows: Sequence[int], *, named: bool) -> tuple[dict[int, Tex], set[int]]:
        """Return each gate written out, and those that need a line of their own."""
        columns, circuit = self.given, self.circuit
        uses = [0] * len(columns)
        for row in rows:
            for k in columns.inputs(row):
                uses[k] += 1
        written: dict[int, Tex] = {}
        lined: set[int] = set()
        for row in rows:
            sources = columns.inputs(row)
            inputs = [
                written[k] if k in written and k not in lined else self.wire(k) for k in sources
            ]
            tex = self._gate(row, inputs, columns)
            while tex.width > _WIDEST:
                # The widest of its parts gets a line; a part of a part had its turn before.
                open_ = [k for k in sources if k in written and k not in lined]
                if not open_:
                    break
                lined.add(max(open_, key=lambda k: written[k].width))
                inputs = [
                    written[k] if k in written and k not in lined else self.wire(k) for k in sources
                ]
                tex = self._gate(row, inputs, columns)
            written[row] = tex
            if named and (circuit.hint_of(row) is not None or uses[row] > 1):
                lined.add(row)
        return written, lined

    # ------------------------------------------------------------------ forward

    def forward(self) -> list[Piece]:
        """Write each gate with its value, after the inputs."""
        given = [row for row in self.circuit.inputs if self.needed[row]]
        rows = given + self._gate_rows(self.columns, self.needed)
        return [partial(self._forward_line, row) for row in rows]

    def _forward_line(self, row: int) -> list[str]:
        if self.columns.gates[row] is INPUT:
            return [self._with_value(self.wire(row).text, row)]
        inputs = [self.wire(k) for k in self.columns.inputs(row)]
        tex = self._gate(row, inputs, self.columns)
        return [self._with_value(f"{self.wire(row).text} &= {tex.text}", row)]

    def _with_value(self, text: str, row: int) -> str:
        value = self.given.values[row]
        sign = " =" if "&=" in text else " &="
        if numbers.is_number(value):
            return f"{text}{sign} {number_tex(value).text}"
        sizes = r" \times ".join(map(str, np.shape(value)))
        if "&=" in text:
            return rf"{text} \quad \in \mathbf{{R}}^{{{sizes}}}"
        return rf"{text} &\in \mathbf{{R}}^{{{sizes}}}"

    # ------------------------------------------------------------------ local gradients

    def local(self) -> list[Piece]:
        """Write the slope of each gate along each of its inputs."""
        if not self.has_gradient:
            return []
        gates = self.columns.gates
        return [
            partial(self._slope_lines, row)
            for row in self._gate_rows(self.columns, self.needed)
            if gates[row].local is not None and self._reached(row)
        ]

    def _slope_lines(self, row: int) -> list[str]:
        slopes: dict[int, list[tuple[Tex | None, Any]]] = {}
        for index, c in enumerate(self.handed.of(row)):
            if self._takes(c.row) and c.slope is not None:
                slopes.setdefault(c.row, []).append((self._rule(row, index), c.slope))
        return [self._slope_line(row, source, found) for source, found in slopes.items()]

    def _slope_line(self, row: int, source: int, found: Sequence[tuple[Tex | None, Any]]) -> str:
        out, along = self.wire(row).text, self.wire(source).text
        head = rf"\frac{{\partial {out}}}{{\partial {along}}} &="
        slopes = [slope for _, slope in found]
        texts = [tex for tex, _ in found if tex is not None]
        written = " + ".join(tex.at_least(SUM) for tex in texts) if len(texts) == len(found) else ""
        if not all(map(numbers.is_number, slopes)):
            return f"{head} {written or self._range(slopes[0])}"
        with np.errstate(all="ignore"):
            value = number_tex(sum(slopes[1:], slopes[0]))
        if len(texts) == 1 and (slopes[0] is texts[0] or _is_number(texts[0])):
            return f"{head} {texts[0].text}"
        return f"{head} {written} = {value.text}" if written else f"{head} {value.text}"

    def _range(self, slope: Any) -> str:
        return rf"\text{{{escaped(numbers.statistic(slope)).replace(chr(92) + ' ', ' ')}}}"

    def _rule(self, row: int, index: int) -> Tex | None:
        """Return a gate's rule as an expression; None where it is too long or cannot be drawn."""
        upstream = self.gradient(row)
        given = self.gradients[row]
        try:
            tex = of_rule(self.columns, row, index, self.wire, upstream, given)
        except (ArithmeticError, ChainruleError):
            return None
        return tex if tex is not None and tex.width <= 2 * _WIDEST else None

    # ------------------------------------------------------------------ chain rule

    def chain(self) -> list[Piece]:
        """Write each gradient from those above it, with the numbers."""
        if not self.has_gradient or self.output is None:
            return []
        wires = [
            row
            for row in range(self.output, -1, -1)
            if self._takes(row) and (self._reached(row) or self.columns.gates[row] is INPUT)
        ]
        return [partial(self._gradient_lines, row) for row in wires]

    def _takes(self, row: int) -> bool:
        return (
            self.columns.gates[row] is not CONSTANT
            and row < len(self.active)
            and bool(self.active[row])
            and is_float(self.given.values[row])
        )

    def _reached(self, row: int) -> bool:
        return bool(self.handed.to(row)) or (row == self.output and bool(self.active[row]))

    def _gradient_lines(self, row: int) -> list[str]:
        if row == self.output or not self.handed.to(row):
            return [f"{self.gradient(row).text} &= {int(row == self.output)}"]
        terms, addends, factors = [], [], None
        consumers = dict.fromkeys(gate for gate, _ in self.handed.to(row))
        count = 0
        for gate in consumers:
            for index, c in enumerate(self.handed.of(gate)):
                if c.row != row or c.part is None:
                    continue
                count += 1
                if count > _MOST_ADDENDS:
                    continue
                terms.append(self._term(gate, index, row, c.slope))
                addends.append(c.part)
                factors = (self.gradients[gate], c.slope)
        if count > _MOST_ADDENDS:
            terms.append(Tex(r"\cdots"))
        head = self.gradient(row).text
        *lines, last = self._sum(head, terms)
        text = self._numbers(row, addends, factors, more=count > _MOST_ADDENDS)
        if not lines and Tex(last).width + Tex(text).width <= _WIDEST:
            return [f"{last} {text}"]
        return [*lines, last, f"&{text}"]

    def _sum(self, head: str, terms: Sequence[Tex]) -> Iterator[str]:
        """Write a sum, broken before a term that would make the line too long."""
        line, width = f"{head} &=", Tex(head).width
        for number, tex in enumerate(terms):
            text, sign = tex.at_least(SUM), " +" if number else ""
            if number and text.startswith("-"):
                text, sign = text[1:], " -"
            if number and width + tex.width > _WIDEST:
                yield line
                line, width = r"&\quad{}", 0
            line, width = f"{line}{sign} {text}", width + tex.width + 3
        yield line

    def _term(self, gate: int, index: int, row: int, slope: Any) -> Tex:
        """Return what one gate hands back: upstream times slope, or its own rule."""
        upstream = self.gradient(gate)
        rule = self._rule(gate, index)
        if self.columns.gates[gate].local is None:
            if rule is not None:
                return rule
            name = escaped(self.columns.gates[gate].name)
            return Tex(rf"\operatorname{{vjp}}_{{\mathrm{{{name}}}}}\left({upstream.text}\right)")
        if type(slope) is int and slope in (1, -1):
            tex = upstream if slope == 1 else Tex(f"-{upstream.at_least(PRODUCT)}", SUM)
        else:
            if rule is None:
                above, below = self.wire(gate).text, self.wire(row).text
                rule = Tex(rf"\frac{{\partial {above}}}{{\partial {below}}}")
            tex = product([upstream, rule])
        if np.shape(self.given.values[gate]) != np.shape(self.given.values[row]):
            tex = Tex(rf"\operatorname{{sum}}\left({tex.text}\right)")  # over the copies
        return tex

    def _numbers(self, row: int, addends: Sequence[Any], factors: Any, *, more: bool) -> str:
        total = self.gradients[row]
        if not numbers.is_number(total):
            length = number_tex(numbers.length(total)).text
            called = self.gradient(row).text
            return rf"\qquad \left\lVert {called} \right\rVert = {length}"
        value = number_tex(total)
        if len(addends) == 1 and factors is not None:
            above, slope = factors
            plain = all(map(numbers.is_number, (above, slope if slope is not None else [])))
            if plain and type(slope) is not int:
                second = number_tex(slope)
                text = rf"{number_tex(above).text} \cdot {_signed(second)}"
                return f"= {text} = {value.text}"
            return f"= {value.text}"
        text = number_tex(addends[0]).text
        for part in addends[1:]:
            said = number_tex(part).text
            text += f" - {said[1:]}" if said.startswith("-") else f" + {said}"
        rest = r" + \cdots" if more else ""
        return f"= {text}{rest} = {value.text}"


def _signed(tex: Tex) -> str:
    return tex.at_least(PRODUCT)


def _is_number(tex: Tex) -> bool:
    return tex.text.lstrip("-").replace(".", "").isdigit()
