"""Write a circuit's forward and backward pass as lines of Python.

The backward lines answer the forward lines in reverse order; a gradient is set with `=` at its
first contribution and grows with `+=` at forks. Values computed on the way forward are used again;
lines that nothing needs are not written.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..passes.backward import is_float
from ..passes.draw import Drawing, Sum, copied, draw
from ..passes.simplify import simplify
from . import expressions
from .inlining import Inliner, Line
from .notation import DZ, Notation


class Writer(Inliner):
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
    outputs : list of expression
        The outputs of the circuit.
    gradients : dict of int to expression
        The gradient of each float input, by its row.
    """

    def __init__(
        self, circuit: Circuit, output: int | None = None, notation: Notation = DZ
    ) -> None:
        if output is None:
            tape = copied(circuit)
            named = {row for row in circuit.gate_rows() if circuit.hint_of(row)}
            drawing = Drawing(tape, len(tape), (), simplify(tape, 0, keep=named))
        else:
            drawing = draw(circuit, output)
        same = drawing.same
        self._sums, self._times = _merged(_live(circuit, drawing))
        read = [*circuit.outputs, *(row for row, _ in circuit.guards)]
        super().__init__(
            circuit,
            drawing.columns,
            drawing.start,
            same,
            roots=[same[row] for row in read] + [s.part for s in self._sums],
            sums={s.total for s in self._sums if s.total != s.part},
        )
        self.output = output
        self.notation = notation
        self._events: dict[int, list[Sum]] = {}
        for s in self._sums:
            self._events.setdefault(s.wire, []).append(s)
        self._statements: set[int] = set()
        self._owner: dict[int, int] = {}
        self._gradient_names: dict[int, str] = {}
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
        quoted = f'"{message}"' if '"' not in message and "\\" not in message else repr(message)
        self.lines.append(Line(f"    raise ValueError({quoted})", row, "guard"))

    # ------------------------------------------------------------------ backward

    def _write_backward(self) -> None:
        columns = self.columns
        owner = None
        last_of = {wire: events[-1] for wire, events in self._events.items()}
        for s in self._sums:
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
            bound = self._gradient_names.get(s.answers)
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

    def _name_gradient(self, wire: int) -> str:
        names = self._gradient_names
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
        name = self._gradient_names.get(row)
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


def _live(circuit: Circuit, drawing: Drawing) -> list[Sum]:
    """Return the contributions that lead on to an input, in order."""
    live = {row for row in circuit.inputs if is_float(circuit.columns.values[row])}
    same = drawing.same
    kept = []
    for s in reversed(drawing.sums):
        if s.wire in live:
            live.add(s.answers)
            kept.append(Sum(s.wire, same[s.part], same[s.total], s.answers))
    return kept[::-1]


def _merged(sums: Iterable[Sum]) -> tuple[list[Sum], Counter[tuple[int, int]]]:
    """Join equal contributions of one gate, as in x * x; return how often each is to count."""
    merged: list[Sum] = []
    times: Counter[tuple[int, int]] = Counter()
    for s in sums:
        before = merged[-1] if merged else None
        if before and (before.wire, before.part, before.answers) == (s.wire, s.part, s.answers):
            merged[-1] = s
            times[s.wire, s.total] = times.pop((s.wire, before.total), 1) + 1
        else:
            merged.append(s)
    return merged, times
