"""Write rows of a circuit as Python expressions, and decide which of them get lines of their own.

A wire gets a line if the user named it, if it is read more than once, or if the expression around
it would nest deeply; everything else is written inside the line that uses it. Nothing here recurses
deeper than the nesting of one expression.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT, NO_SETTINGS, Columns
from ..circuit.naming import RESERVED
from ..gates import GATES
from . import expressions

LONGEST = 72  # characters of an expression before a part of it gets a line of its own
DEEPEST = 8  # gates nested in one expression; also what keeps the writing from recursing deeply
_PYTHON = (float, int, bool)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the listing.

    Parameters
    ----------
    text : str
        The statement.
    row : int
        The forward row it computes, or whose gate it answers.
    kind : {"forward", "guard", "title", "backward"}
        "title" is the comment over the backward lines that answer one forward line.
    """

    text: str
    row: int
    kind: str


class Inliner:
    """The expressions of one circuit and the lines that they need before them.

    Parameters
    ----------
    circuit : Circuit
        Whose names are used.
    columns : Columns
        Its rows, and those drawn behind them from `start` on.
    start : int
        The first row that is not the user's.
    same : list of int
        For each row the row that is to be written in its place.
    roots : list of int
        The rows that are read beside the gates: outputs, guards, contributions to gradients.
    sums : set of int
        The rows that are sums of contributions, which are written as `+=`.

    Attributes
    ----------
    lines : list of Line
        In the order of execution.
    copies : dict of str to source
        The functions whose source a module around the lines must carry.
    constants : dict of str to ndarray
        The arrays too large to stand inside a line, by the names under which the lines use them.
    """

    def __init__(
        self,
        circuit: Circuit,
        columns: Columns,
        start: int,
        same: list[int],
        roots: list[int],
        sums: set[int],
    ) -> None:
        self.circuit = circuit
        self.columns = columns
        self.start = start
        self.same = same
        self.lines: list[Line] = []
        self.copies: dict[str, str] = {}
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self._names = self._variable_names()
        self._uses, self._needed = self._count_uses(roots, sums)
        self._bound: dict[int, str] = {row: self._names[row] for row in circuit.inputs}
        self._lined = self._choose_lines()
        self._taken = set(self._names.values()) | RESERVED
        self._now = (0, "forward")  # the forward row and kind of the line being written
        self._forward_texts: dict[int, str] = {}

    def _variable_names(self) -> dict[int, str]:
        """Return the circuit's names, changed where they are those of functions in the module."""
        names = {}
        for row, name in enumerate(self.circuit.names):
            gate = GATES.get(name)
            copied = gate is not None and (gate.code == "" or f"{name}(" in gate.scalar_code)
            names[row] = name + "_" if copied else name
        return names

    def _count_uses(self, roots: list[int], sums: set[int]) -> tuple[Counter[int], set[int]]:
        """Return how often each row is read by what will be written, and the rows that are."""
        uses = Counter(roots)
        marks = set(roots)
        for row in range(len(self.columns) - 1, -1, -1):
            if row in marks and row not in sums:
                for k in self.columns.inputs(row):
                    uses[k] += 1
                    marks.add(k)
        return uses, marks

    # ------------------------------------------------------------------ expressions

    def _is_scalar(self, row: int) -> bool:
        columns = self.columns
        rows = (row, *columns.inputs(row))
        return all(type(columns.values[k]) in _PYTHON for k in rows)

    def expression(self, row: int) -> ast.expr:
        """Return the expression for a row: its variable, a number, or its gate written out."""
        row = self.same[row]
        for part in self._unwritten_parts(row):
            self._assign(part, self._name_for(part), self._written_out(part))
        return self._tree(row)

    def _unwritten_parts(self, row: int) -> list[int]:
        """Return the rows that need lines of their own before this one, in order."""
        found = set()
        seen = set()
        pending = [row]
        while pending:
            part = pending.pop()
            if part in seen or part in self._bound:
                continue
            gate = self.columns.gates[part]
            if gate is CONSTANT or gate is INPUT:
                continue
            seen.add(part)
            if part in self._lined:
                found.add(part)
            pending.extend(self.same[k] for k in self.columns.inputs(part))
        return sorted(found)

    def _choose_lines(self) -> set[int]:
        """Return the rows that get a line of their own, so that no expression nests deeply."""
        columns, circuit = self.columns, self.circuit
        lined: set[int] = set()
        depths: dict[int, int] = {}
        for row in range(len(columns)):
            if row not in self._needed or columns.gates[row] in (INPUT, CONSTANT):
                continue
            depth = 1 + max((depths.get(k, 0) for k in columns.inputs(row)), default=0)
            named = row < self.start and circuit.hint_of(row) is not None
            shared = self._uses[row] > 1 and not self._is_minus(row, lined)
            if named or shared or depth > DEEPEST:
                lined.add(row)
                depth = 0
            depths[row] = depth
        return lined

    def _is_minus(self, row: int, lined: set[int]) -> bool:
        """Whether a row is a mere minus before a variable, not worth a line."""
        if self.columns.gates[row].name != "negative":
            return False
        source = self.same[self.columns.left[row]]
        return source in lined or self.columns.gates[source] in (INPUT, CONSTANT)

    def _name_for(self, row: int) -> str:
        if row < self.start:
            self._taken.add(self._names[row])
            return self._names[row]
        return self._fresh("t")

    def _tree(self, row: int) -> ast.expr:
        row = self.same[row]
        bound = self._bound.get(row)
        if bound is not None:
            return expressions.name(bound)
        if self.columns.gates[row] is CONSTANT:
            return self._constant(row)
        tree = self._written_out(row)
        if len(expressions.text_of(tree)) > LONGEST:
            name = self._name_for(row)
            self._assign(row, name, tree)
            return expressions.name(name)
        return tree

    def _constant(self, row: int) -> ast.expr:
        value = self.columns.values[row]
        if np.size(value) <= expressions.LARGEST_INLINE or (
            expressions.even_number(value) is not None
        ):
            return expressions.literal(value)
        name = self._fresh("constant_")
        self.constants[name] = value
        self._bound[row] = name
        return expressions.name(name)

    def _written_out(self, row: int) -> ast.expr:
        columns = self.columns
        gate = columns.gates[row]
        settings = columns.settings.get(row, NO_SETTINGS)
        scalar = self._is_scalar(row)
        template = gate.expression(settings, scalar=scalar)
        source = gate.copied_source(settings, scalar=scalar)
        if source is not None:
            called = f"{gate.name}_of_number" if scalar and gate.scalar is not None else gate.name
            other = expressions.source_of(source, gate.name)
            if self.copies.get(gate.name, other) == other:
                called = gate.name  # both kinds in one module are rare; then they get two names
            else:
                template = template.replace(gate.name, called, 1)
            self.copies[called] = expressions.source_of(source, called)
        return expressions.filled(template, [self._tree(k) for k in columns.inputs(row)])

    def _fresh(self, stem: str) -> str:
        number = 1
        while f"{stem}{number}" in self._taken:
            number += 1
        self._taken.add(f"{stem}{number}")
        return f"{stem}{number}"

    def _assign(self, row: int, name: str, tree: ast.expr) -> None:
        answers, kind = self._now
        text = f"{name} = {expressions.text_of(tree)}"
        self.lines.append(Line(text, answers, kind))
        self._forward_texts.setdefault(row, text)
        self._bound[row] = name

    def _whole(self, row: int) -> ast.expr:
        """Return a row's gate written out, after the lines that its parts need."""
        for k in self.columns.inputs(row):
            for part in self._unwritten_parts(self.same[k]):
                self._assign(part, self._name_for(part), self._written_out(part))
        return self._written_out(row)
