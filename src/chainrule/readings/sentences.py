"""What one gate does, in a sentence: forward from its numbers, backward by its pattern.

A gate is never known by name. Its record says what it does (`words`), how it treats the gradient
that arrives (`pattern`), why it chose (`because`) and why the slope is what it is (`why`). To teach
this reading a new pattern, add a method to `Speaker` and name it in `_PATTERNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT
from ..gates import Gate
from ..passes.backward import is_float
from ..passes.contributions import Contribution, Contributions
from . import rules
from .notation import DZ, Notation
from .numbers import (
    brief,
    clauses,
    is_number,
    is_zero,
    listed,
    norm,
    number,
    shape,
    shortened,
    statistic,
    value_text,
)
from .routing import routes

_MOST_NAMES = 6  # inputs of one gate that are named one by one
_STILL = {"b": "is a truth value", "f": "does not move with any input"}
_QUIET = ("moves", "spreads", "stops")  # patterns of which a constant input is not worth a word


class Speaker:
    """Says sentences about the gates of one circuit.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : list
        The gradient of each row, None where there is none.
    handed : Contributions
        What each gate hands to its inputs.
    active : bytearray
        1 for the rows that an input can move.
    notation : Notation
        How the gradients of arrays are called.
    """

    def __init__(
        self,
        circuit: Circuit,
        gradients: Sequence[Any],
        handed: Contributions,
        active: bytearray,
        notation: Notation = DZ,
    ) -> None:
        self.circuit = circuit
        self.notation = notation
        self.columns = circuit.columns
        self.gradients = gradients
        self.handed = handed
        self.active = active
        self._explained: set[str] = set()

    # ------------------------------------------------------------------ names

    def name(self, row: int) -> str:
        """Return what a wire is called; a constant is called by its number."""
        if self.columns.gates[row] is not CONSTANT:
            return shortened(self.circuit.names[row], 40)
        value = self.columns.values[row]
        return brief(value) if is_number(value) else f"the constant of shape {shape(value)}"

    def names(self, rows: Sequence[int]) -> str:
        """Return the names of some wires, each once, as a sentence lists them."""
        unique = list(dict.fromkeys(rows))
        shown = [self.name(row) for row in unique[:_MOST_NAMES]]
        if len(unique) > _MOST_NAMES:
            shown.append(f"{len(unique) - _MOST_NAMES} more")
        return listed(shown)

    def takes(self, row: int) -> bool:
        """Return whether a wire takes a gradient at all."""
        return bool(self.active[row]) and is_float(self.columns.values[row])

    # ------------------------------------------------------------------ forward

    def forward(self, row: int) -> str:
        """Say what a gate did on the way forward."""
        columns = self.columns
        gate, inputs = columns.gates[row], columns.inputs(row)
        values = [columns.values[k] for k in inputs]
        out = columns.values[row]
        reshapes = any(np.shape(value) != np.shape(out) for value in values)
        said = [
            f"{self.name(k)} {shape(v)}"
            if reshapes and np.shape(v) and columns.gates[k] is not CONSTANT
            else self.name(k)
            for k, v in zip(inputs, values, strict=True)
        ]
        verb = _filled(gate.words, said)
        sum_ = self._arithmetic(row) if gate.local is not None else None
        if sum_ is not None:
            joint = "is" if isinstance(out, (bool, np.bool_)) else "="
            return f"{self.name(row)} {verb}: {sum_} {joint} {value_text(out)}."
        return f"{self.name(row)} {verb}: {value_text(out)}."

    def _arithmetic(self, row: int) -> str | None:
        """Return the gate's code over its numbers, such as -2.00 + 5.00; None for arrays."""
        columns = self.columns
        inputs = columns.inputs(row)
        if not all(is_number(columns.values[k]) for k in (*inputs, row)):
            return None
        texts = [
            brief(columns.values[k]) if columns.gates[k] is CONSTANT else number(columns.values[k])
            for k in inputs
        ]
        settings = columns.settings_of(row)
        trees = [rules.signed(text) for text in texts]
        tree = rules.written_out(columns.gates[row], settings, trees, scalar=True)
        return None if tree is None else shortened(rules.spoken(tree), rules.LONGEST)

    # ------------------------------------------------------------------ backward

    def backward(self, row: int) -> str:
        """Say what a gate does with the gradient that arrives."""
        upstream = self.gradients[row]
        if upstream is None:
            return self._unreached(row)
        gate = self.columns.gates[row]
        found = self.handed.of(row)
        taking = [c for c in found if self.takes(c.row)]
        if taking and is_zero(upstream) and all(is_zero(c.part) for c in taking):
            zeros = self.gets([c.row for c in taking], "0")
            return f"At {self.name(row)}, the gradient that arrives is 0, so {zeros}."
        say = _PATTERNS[gate.pattern if taking else "stops"]
        sentence = f"At {self._place(row)}, {say(self, row, taking)}"
        return f"{sentence}{self._left_out(row, found, sentence)}."

    def _unreached(self, row: int) -> str:
        circuit, gate = self.circuit, self.columns.gates[row]
        name = self.name(row)
        if not circuit.needed[row]:
            return f"{name} does not lead to the output, so no gradient reaches it."
        if gate.pattern == "stops":
            why = self.why_once(gate, ", because ")
            return f"No gradient passes {name}: {gate.name} is flat{why}."
        if not self.active[row] or not is_float(self.columns.values[row]):
            return f"{name} does not move with any input, so it has no gradient."
        return f"No gradient reaches {name}: all that it leads to is flat."

    def _place(self, row: int) -> str:
        """Return the gate's wire, with its gradient's norm where that is an array."""
        upstream = self.gradients[row]
        name = self.name(row)
        if is_number(upstream):
            return name
        return f"{name}, with {self.gradient(row)} of norm {norm(upstream)}"

    def upstream(self, row: int) -> str:
        """Return the gradient that arrives at a gate: a number, or an array's name."""
        upstream = self.gradients[row]
        return number(upstream) if is_number(upstream) else self.gradient(row)

    def gradient(self, row: int) -> str:
        """Return what the gradient on a wire is called."""
        return self.notation.text(self.name(row), self._output)

    @property
    def _output(self) -> str:
        return self.name(self.circuit.outputs[0])

    def _written(self, row: int, index: int) -> str | None:
        upstream, called = self.gradients[row], self.notation
        return rules.formula(self.columns, row, index, self.name, upstream, called, self._output)

    def amount(self, row: int, contribution: Contribution) -> str:
        """Return " = -8.00" or ", norm 0.31", and the sum over copies where there were any."""
        part = contribution.part
        note = ""
        if np.shape(part) != np.shape(self.columns.values[row]):
            local = self.columns.gates[row].local is not None
            note = ", summed over its copies" if local else ""
            note += f", shape {shape(part)}" if np.shape(part) else ""
        if is_number(part):
            return f"{note} = {number(part)}"
        return f"{note}, norm {norm(part)}"

    def gets(self, rows: Sequence[int], what: str) -> str:
        """Return "x and y get nothing" for these wires."""
        verb = "gets" if len(set(rows)) == 1 else "get"
        return f"{self.names(rows)} {verb} {what}"

    def why_once(self, gate: Gate, joint: str) -> str:
        """Return the reason for a gate's slope, the first time that the gate is met."""
        if gate.name in self._explained:
            return ""
        self._explained.add(gate.name)
        return f"{joint}{gate.why}"

    def _left_out(self, row: int, found: Sequence[Contribution], sentence: str) -> str:
        """Say which inputs take no gradient, unless the sentence or the pattern says it."""
        if self.columns.gates[row].pattern in _QUIET:
            return ""
        others = list(dict.fromkeys(c.row for c in found if not self.takes(c.row)))
        constants = [k for k in others if self.columns.gates[k] is CONSTANT]
        rest = [k for k in others if self.columns.gates[k] is not CONSTANT]
        said = ""
        if constants and "a constant" not in sentence:
            are = "are constants and get" if len(constants) > 1 else "is a constant and gets"
            said += f"; {self.names(constants)} {are} nothing"
        for k in rest:
            kind = np.asarray(self.columns.values[k]).dtype.kind
            said += f"; {self.name(k)} {_STILL.get(kind, 'holds whole numbers')} and gets nothing"
        return said

    def twice(self, row: int, taking: Sequence[Contribution]) -> str:
        """Say what a wire gets in all that feeds both inputs of a gate."""
        if len(taking) < 2 or len({c.row for c in taking}) > 1:
            return ""
        parts = [c.part for c in taking if c.part is not None]
        if not parts:
            return ""
        with np.errstate(all="ignore"):
            total = sum(parts[1:], parts[0])
        amount = number(total) if is_number(total) else f"norm {norm(total)}"
        return f"; both inputs are {self.name(taking[0].row)}, which gets {amount} in all"

    # ------------------------------------------------------------------ patterns

    def _distributes(self, row: int, taking: Sequence[Contribution]) -> str:
        upstream, out = self.upstream(row), self.columns.values[row]
        gate = self.columns.gates[row]
        same = [c for c in taking if c.slope == 1 and np.shape(c.part) == np.shape(out)]
        phrases = []
        if same:
            both = "both " if len({c.row for c in same}) == 2 else ""
            twice = " twice" if len(same) == 2 and not both else ""
            phrases.append(f"{upstream} to {both}{self.names([c.row for c in same])}{twice}")
        summed = []
        for c in taking:
            if c in same:
                continue
            if np.shape(c.part) == np.shape(out):
                turned = number(-self.gradients[row]) if is_number(out) else f"-{upstream}"
                phrases.append(f"{turned} to {self.name(c.row)}")
            else:
                sign = "-" if c.slope == -1 else ""
                summed.append(f"{sign}{upstream} to {self.name(c.row)}{self.amount(row, c)}")
        return f"{gate.name} hands {listed(phrases + summed)}{self.twice(row, taking)}"

    def _swaps(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, inputs = self.columns.gates[row], self.columns.inputs(row)
        if len(inputs) != 2 or gate.local is None:
            return self._products(row, taking)
        upstream = self.upstream(row)
        first, second = inputs
        if first == second:
            (x, *_) = taking
            total = Contribution(x.row, None, x.part + taking[1].part)
            name = self.name(first)
            return (
                f"{gate.name} swaps, and both inputs are {name}: "
                f"{name} gets 2 times {name} times {upstream}{self.amount(row, total)}"
            )
        phrases = [
            f"{self.name(c.row)} gets {self.name(second if c.row == first else first)} times "
            f"{upstream}{self.amount(row, c)}"
            for c in taking
        ]
        return f"{gate.name} swaps: {clauses(phrases)}"

    def _scales(self, row: int, taking: Sequence[Contribution]) -> str:
        gate = self.columns.gates[row]
        if gate.local is None:
            return self._products(row, taking)
        phrases = [self._scaled(row, index, c, len(taking) > 1) for index, c in self._places(row)]
        text = f"{gate.name} {clauses(phrases)}{self.twice(row, taking)}"
        return text + self.at_kink(row)

    def _places(self, row: int) -> list[tuple[int, Contribution]]:
        return [(i, c) for i, c in enumerate(self.handed.of(row)) if self.takes(c.row)]

    def _scaled(self, row: int, index: int, c: Contribution, several: bool) -> str:
        name, upstream = self.name(c.row), self.gradients[row]
        along = f" along {name}" if several else ""
        if c.part is None or is_zero(c.slope):
            return f"is flat here{along}, with slope 0, so {name} gets 0"
        written = self._written(row, index)
        formula = f" {written}" if written and _says_more(written) else ""
        if is_number(c.slope):
            slope = f"{formula} =" if formula else ""
            text = f"has slope{slope} {number(c.slope)}{along} here, so {name} gets "
            if is_number(upstream) and upstream == 1 and is_number(c.part):
                return text + number(c.part)
            text += f"{number(c.slope)} times {self.upstream(row)}{self.amount(row, c)}"
            return text
        slope = f"{formula}," if formula else ","
        return (
            f"has slope{slope} {statistic(c.slope)}{along} here, so {name} gets that times "
            f"{self.upstream(row)}{self.amount(row, c)}"
        )

    def at_kink(self, row: int) -> str:
        """Say whether the inputs stand exactly where the slope jumps."""
        gate = self.columns.gates[row]
        if gate.kink is None:
            return ""
        arguments = [self.columns.values[k] for k in self.columns.inputs(row)]
        with np.errstate(all="ignore"):
            kinks = np.asarray(gate.kink(*arguments, **self.columns.settings_of(row))) == 0
        count, size = int(np.count_nonzero(kinks)), np.size(self.columns.values[row])
        if not count:
            return ""
        if size == 1:
            return f" (exactly at the kink: {gate.why})"
        return f" ({count} of {size} exactly at the kink: {gate.why})"

    def _spreads(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self.gradients[row]
        (c,) = taking
        name, part = self.name(c.row), np.asarray(c.part)
        if not is_number(upstream) or part.size == 0:
            return f"{gate.name} spreads {self.upstream(row)} over {name}{self.amount(row, c)}"
        flat = part.ravel()
        if bool(np.all(flat == flat[0])):
            if part.size == 1:
                return f"{gate.name} hands {self.upstream(row)} to {name}"
            if flat[0] == upstream:
                return (
                    f"{gate.name} spreads {number(upstream)} to all {part.size} elements of {name}"
                )
            return (
                f"{gate.name} spreads {number(upstream)} over the {part.size} elements of {name}, "
                f"{number(flat[0])} to each"
            )
        why = self.why_once(gate, ": ")
        return (
            f"{gate.name} spreads {number(upstream)} over the {part.size} elements of {name}, "
            f"{statistic(part)}{why}"
        )

    def _moves(self, row: int, taking: Sequence[Contribution]) -> str:
        gate = self.columns.gates[row]
        names = self.names([c.row for c in taking])
        why = self.why_once(gate, ": ")
        return f"{gate.name} moves {self.upstream(row)} back to {names}{why}"

    def _products(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self.gradients[row]
        phrases = []
        for index, c in self._places(row):
            name = self.name(c.row)
            if c.part is None:
                phrases.append(f"{name} gets 0")
                continue
            written = self._written(row, index)
            formula = f" = {written}" if written else ""
            at = f", shape {shape(c.part)}, norm {norm(c.part)}"
            amount = f" = {number(c.part)}" if is_number(c.part) else at
            phrases.append(f"{self.gradient(c.row)}{formula}{amount}")
        given = f"with {self.gradient(row)} = {number(upstream)}, " if is_number(upstream) else ""
        why = self.why_once(gate, " (")
        return f"{given}{gate.name} multiplies back: {clauses(phrases)}{why + ')' if why else ''}"

    def _stops(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self.upstream(row)
        rows = [c.row for c in taking] or list(self.columns.inputs(row))
        gets = self.gets(rows, "nothing")
        return f"{gate.name} stops {upstream}{self.why_once(gate, ', because ')}; {gets}"


_PATTERNS: dict[str, Callable[[Speaker, int, Sequence[Contribution]], str]] = {
    "distributes": Speaker._distributes,
    "routes": routes,
    "swaps": Speaker._swaps,
    "scales": Speaker._scales,
    "moves": Speaker._moves,
    "spreads": Speaker._spreads,
    "products": Speaker._products,
    "stops": Speaker._stops,
}


def _says_more(formula: str) -> bool:
    """Return whether a formula is more than a number or a single name."""
    return not formula.lstrip("-").replace(".", "").isdecimal()


def _filled(words: str, inputs: Sequence[str]) -> str:
    shown = list(inputs[:_MOST_NAMES])
    if len(inputs) > _MOST_NAMES:
        shown.append(f"{len(inputs) - _MOST_NAMES} more")
    return words.replace("{*}", listed(shown)).format(*inputs)
