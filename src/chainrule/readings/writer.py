"""Write a circuit's forward and backward pass as lines of Python.

Which wires get a line: those the user named, and those used more than once; everything else is
written inside the line that uses it. The backward lines answer the forward lines in reverse order;
a gradient is set with `=` at its first contribution and grows with `+=` at forks. Values computed
on the way forward are used again; lines that nothing needs are not written.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT, NO_SETTINGS
from ..circuit.naming import RESERVED
from ..gates import GATES
from ..passes.backward import is_float
from ..passes.draw import Drawing, Sum, copied, draw
from ..passes.simplify import simplify
from . import expressions
from .notation import DZ, Notation

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


class Writer:
    """The lines of one circuit, and what a module around them needs.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    output : int, optional
        The scalar output from which the backward pass starts; without it only the forward pass is
        written, for all outputs.
    notation : Notation
        How the variables of gradients are called.

    Attributes
    ----------
    lines : list of Line
        In the order of execution.
    copies : dict of str to source
        The functions whose source the module must carry.
    constants : dict of str to ndarray
        The arrays too large to stand inside a line, by the names under which the lines use them.
    """

    def __init__(
        self, circuit: Circuit, output: int | None = None, notation: Notation = DZ
    ) -> None:
        self.circuit = circuit
        self.notation = notation
        self.output = output
        self.lines: list[Line] = []
        self.copies: dict[str, str] = {}
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        if output is None:
            tape = copied(circuit)
            named = [r for r in circuit.gate_rows() if circuit.hint_of(r)]
            drawing = Drawing(tape, len(tape), (), simplify(tape, 0, keep=set(named)))
        else:
            drawing = draw(circuit, output)
        self.columns = drawing.columns
        self.start = drawing.start
        self.same = drawing.same
        self.sums = self._live_sums(drawing)
        self._names = self._variable_names()
        self._uses = self._count_uses()
        self._bound: dict[int, str] = {row: self._names[row] for row in circuit.inputs}
        self._sum_rows = {s.total for s in drawing.sums if s.total != s.part}
        self._events: dict[int, list[Sum]] = {}
        for s in self.sums:
            self._events.setdefault(s.wire, []).append(s)
        self._lined = self._choose_lines()
        self._forward_texts: dict[int, str] = {}
        self._statements: set[int] = set()
        self._owner: dict[int, int] = {}
        self._taken = set(self._names.values()) | RESERVED
        self._write_forward()
        self.gradients: dict[int, ast.expr] = {}
        if output is not None:
            self._write_backward()
            self.gradients = {
                row: self._gradient_of(row)
                for row in circuit.inputs
                if is_float(circuit.columns.values[row])
            }
        self.outputs = [self.expression(row) for row in circuit.outputs]

    # ------------------------------------------------------------------ what is needed

    def _live_sums(self, drawing: Drawing) -> list[Sum]:
        """Return the contributions that lead on to an input, in order."""
        live = {row for row in self.circuit.inputs if is_float(self.circuit.columns.values[row])}
        kept = []
        for s in reversed(drawing.sums):
            if s.wire in live:
                live.add(s.answers)
                same = drawing.same
                kept.append(Sum(s.wire, same[s.part], same[s.total], s.answers))
        kept.reverse()
        merged: list[Sum] = []
        self._times: Counter[tuple[int, int]] = Counter()
        for s in kept:
            before = merged[-1] if merged else None
            if before and (before.wire, before.part, before.answers) == (s.wire, s.part, s.answers):
                merged[-1] = Sum(s.wire, s.part, s.total, s.answers)  # x * x: twice the same
                times = self._times.pop((s.wire, before.total), 1)
                self._times[s.wire, s.total] = times + 1
            else:
                merged.append(s)
        return merged

    def _variable_names(self) -> dict[int, str]:
        """Return the circuit's names, changed where they are those of functions in the module."""
        names = {}
        for row, name in enumerate(self.circuit.names):
            gate = GATES.get(name)
            copied = gate is not None and (gate.code == "" or f"{name}(" in gate.scalar_code)
            names[row] = name + "_" if copied else name
        return names

    def _count_uses(self) -> Counter[int]:
        """Count how often each row is read by what will be written."""
        columns = self.columns
        roots = [*self.circuit.outputs, *(row for row, _ in self.circuit.guards)]
        roots = [self.same[row] for row in roots] + [s.part for s in self.sums]
        uses = Counter(roots)
        inner = {s.total for s in self.sums if s.total != s.part}
        marks = set(roots)
        for row in range(len(columns) - 1, -1, -1):
            if row in marks and row not in inner:
                for k in columns.inputs(row):
                    uses[k] += 1
                    marks.add(k)
        self._needed = marks
        return uses

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
            if self._has_line(part):
                found.add(part)
            pending.extend(self.same[k] for k in self.columns.inputs(part))
        return sorted(found)

    def _has_line(self, row: int) -> bool:
        """Whether a row is too much to be written inside the line that uses it."""
        return row in self._lined

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

    # ------------------------------------------------------------------ forward

    def _write_forward(self) -> None:
        circuit, columns = self.circuit, self.columns
        guards: dict[int, list[bool | int]] = {}
        for row, seen in circuit.guards:
            if seen not in guards.setdefault(row, []):
                guards[row].append(seen)
        consumers = self._forward_consumers()
        for row in range(self.start):
            gate = columns.gates[row]
            if gate is INPUT or gate is CONSTANT or row not in self._needed:
                continue
            self._now = (row, "forward")
            named = circuit.hint_of(row) is not None or row == self.output
            if row in guards and not named and self._uses[row] == len(guards[row]):
                self._guard(row, guards.pop(row))
                continue
            if named or row in self._lined:
                self._assign(row, self._names[row], self._whole(row))
                self._statements.add(row)
                self._owner[row] = row
            if row in guards:
                self._guard(row, guards.pop(row))
        for row in range(self.start - 1, -1, -1):
            if row not in self._owner and consumers.get(row) is not None:
                self._owner[row] = self._owner.get(consumers[row], consumers[row])

    def _whole(self, row: int) -> ast.expr:
        """Return a row's gate written out, after the lines that its parts need."""
        for k in self.columns.inputs(row):
            for part in self._unwritten_parts(self.same[k]):
                self._assign(part, self._name_for(part), self._written_out(part))
        return self._written_out(row)

    def _forward_consumers(self) -> dict[int, int]:
        """Return for each row the forward row that reads it, of those that are needed."""
        found: dict[int, int] = {}
        for row in range(self.start):
            if row in self._needed:
                for k in self.columns.inputs(row):
                    found[k] = row
        return found

    def _guard(self, row: int, outcomes: list[bool | int]) -> None:
        tree = self.expression(row)
        (seen, *_) = outcomes
        test = expressions.text_of(tree)
        if isinstance(seen, bool):
            condition = f"not ({test})" if seen else test
            said = test if seen else f"not ({test})"
        else:
            condition, said = f"{test} != {seen!r}", f"{test} == {seen!r}"
        message = f"this is the branch for {said}; trace the function again for these inputs"
        self.lines.append(Line(f"if {condition}:", row, "guard"))
        self.lines.append(Line(f"    raise ValueError({message!r})", row, "guard"))

    # ------------------------------------------------------------------ backward

    def _write_backward(self) -> None:
        columns = self.columns
        owner = None
        last_of = {wire: events[-1] for wire, events in self._events.items()}
        for s in self.sums:
            if s.wire == self.output and s.answers == self.output and s.part == s.total:
                constant = columns.gates[s.part] is CONSTANT
                if constant and len(self._events[s.wire]) == 1:
                    continue  # the seed, 1.0
            group = self._owner.get(s.answers, s.answers)
            if group != owner:
                owner = group
                self.lines.append(Line(self._forward_text(group), group, "title"))
            self._now = (group, "backward")
            above = last_of.get(s.answers)
            bound = self._gradient_name.get(s.answers)
            if above is None or bound is None:
                self._add(s, self._events[s.wire])
                continue
            # Within the lines that answer num, the upstream gradient is called dnum, even where
            # it is only another name for something that has one.
            before = self._bound.get(above.total)
            self._bound[above.total] = bound
            self._add(s, self._events[s.wire])
            if before is not None:
                self._bound[above.total] = before

    @property
    def _gradient_name(self) -> dict[int, str]:
        if not hasattr(self, "_gradient_names"):
            self._gradient_names: dict[int, str] = {}
        return self._gradient_names

    def _name_gradient(self, wire: int) -> str:
        names = self._gradient_name
        if wire not in names:
            base = self._names[wire]
            named = self.notation.identifier(base, self._names[self.output or 0])
            for name in (named, f"d_{base}", f"grad_{base}"):
                if name not in self._taken:
                    break
            else:
                name = self._fresh(f"{named}_")
            self._taken.add(name)
            names[wire] = name
        return names[wire]

    def _add(self, s: Sum, events: list[Sum]) -> None:
        first, last, alone = s is events[0], s is events[-1], len(events) == 1
        is_input = self.columns.gates[s.wire] is INPUT
        shown = is_input or s.wire in self._statements
        if alone and not shown:
            return  # written inside the line that uses it
        number = (
            self.columns.gates[s.part] is CONSTANT and np.ndim(self.columns.values[s.part]) == 0
        )
        if alone and number and not is_input and self.circuit.hint_of(s.wire) is None:
            return  # a plain number, for a wire without a name: written where it is used
        name = self._name_gradient(s.wire)
        part = s.part
        shared = self._uses[part] > 1 and not alone
        if shared:
            self.expression(part)  # gets a variable of its own before it is added to anything
        tree = self._part(part, keep=alone)
        times = self._times.get((s.wire, s.total), 1)
        if times > 1:
            tree = expressions.filled(f"{times} * {{0}}", [tree])
        text = expressions.text_of(tree)
        group, kind = self._now
        if first:
            if not alone and self._may_share_memory(part, tree):
                text = expressions.text_of(expressions.filled("{0}.copy()", [tree]))
            self.lines.append(Line(f"{name} = {text}", group, kind))
            if alone and times == 1:
                self._bound.setdefault(part, name)
        elif isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            self.lines.append(Line(f"{name} -= {expressions.text_of(tree.operand)}", group, kind))
        else:
            self.lines.append(Line(f"{name} += {text}", group, kind))
        if last:
            self._bound.setdefault(s.total, name)

    def _part(self, row: int, *, keep: bool) -> ast.expr:
        """Return the expression of a contribution; its line is the gradient's own if `keep`."""
        if row in self._bound or self.columns.gates[row] is CONSTANT or not keep:
            return self.expression(row)
        return self._whole(row)

    def _may_share_memory(self, part: int, tree: ast.expr) -> bool:
        """Whether `+=` on a variable set to this could write into another array."""
        value = self.columns.values[part]
        if not isinstance(value, np.ndarray):
            return False
        return isinstance(tree, ast.Name) or self.columns.gates[part].is_view

    def _forward_text(self, row: int) -> str:
        return self._forward_texts.get(row, self._names[row])

    def _gradient_of(self, row: int) -> ast.expr:
        name = self._gradient_name.get(row)
        value = self.circuit.columns.values[row]
        if name is not None:
            # NumPy makes numbers of arrays without axes; the gradient is what its input was.
            is_array = isinstance(value, np.ndarray) and value.ndim == 0
            return expressions.filled("np.asarray({0})" if is_array else "{0}", [ast.Name(name)])
        slope = 1.0 if row == self.output else 0.0  # the function may return its own input
        if type(value) is float:
            return expressions.literal(slope)
        return expressions.literal(np.full(np.shape(value), slope, value.dtype)[()])

    # ------------------------------------------------------------------ for what is around

    def variable(self, row: int) -> str:
        """Return the variable of an input row."""
        return self._names[row]

    def __repr__(self) -> str:
        return f"Writer({len(self.lines)} lines)"
