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
from .numbers import (
    apart,
    brief,
    is_number,
    listed,
    norm,
    number,
    shape,
    shortened,
    statistic,
    value_text,
)

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
    """

    def __init__(
        self,
        circuit: Circuit,
        gradients: Sequence[Any],
        handed: Contributions,
        active: bytearray,
    ) -> None:
        self.circuit = circuit
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
        if taking and _is_zero(upstream) and all(_is_zero(c.part) for c in taking):
            zeros = self._gets([c.row for c in taking], "0")
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
            why = self._because_once(gate, ", because ")
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
        return f"{name}, with d{name} of norm {norm(upstream)}"

    def _upstream(self, row: int) -> str:
        upstream = self.gradients[row]
        return number(upstream) if is_number(upstream) else f"d{self.name(row)}"

    def _amount(self, row: int, contribution: Contribution) -> str:
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

    def _gets(self, rows: Sequence[int], what: str) -> str:
        verb = "gets" if len(set(rows)) == 1 else "get"
        return f"{self.names(rows)} {verb} {what}"

    def _because_once(self, gate: Gate, joint: str) -> str:
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

    def _twice(self, row: int, taking: Sequence[Contribution]) -> str:
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
        upstream, out = self._upstream(row), self.columns.values[row]
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
                summed.append(f"{sign}{upstream} to {self.name(c.row)}{self._amount(row, c)}")
        return f"{gate.name} hands {listed(phrases + summed)}{self._twice(row, taking)}"

    def _swaps(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, inputs = self.columns.gates[row], self.columns.inputs(row)
        if len(inputs) != 2 or gate.local is None:
            return self._products(row, taking)
        upstream = self._upstream(row)
        first, second = inputs
        if first == second:
            (x, *_) = taking
            total = Contribution(x.row, None, x.part + taking[1].part)
            name = self.name(first)
            return (
                f"{gate.name} swaps, and both inputs are {name}: "
                f"{name} gets 2 times {name} times {upstream}{self._amount(row, total)}"
            )
        phrases = [
            f"{self.name(c.row)} gets {self.name(second if c.row == first else first)} times "
            f"{upstream}{self._amount(row, c)}"
            for c in taking
        ]
        return f"{gate.name} swaps: {_joined(phrases)}"

    def _scales(self, row: int, taking: Sequence[Contribution]) -> str:
        gate = self.columns.gates[row]
        if gate.local is None:
            return self._products(row, taking)
        phrases = [self._scaled(row, index, c, len(taking) > 1) for index, c in self._places(row)]
        text = f"{gate.name} {_joined(phrases)}{self._twice(row, taking)}"
        return text + self._at_kink(row)

    def _places(self, row: int) -> list[tuple[int, Contribution]]:
        return [(i, c) for i, c in enumerate(self.handed.of(row)) if self.takes(c.row)]

    def _scaled(self, row: int, index: int, c: Contribution, several: bool) -> str:
        name, upstream = self.name(c.row), self.gradients[row]
        along = f" along {name}" if several else ""
        if c.part is None or _is_zero(c.slope):
            return f"is flat here{along}, with slope 0, so {name} gets 0"
        written = rules.formula(self.columns, row, index, self.name, upstream)
        formula = f" {written}" if written and _says_more(written) else ""
        if is_number(c.slope):
            slope = f"{formula} =" if formula else ""
            text = f"has slope{slope} {number(c.slope)}{along} here, so {name} gets "
            if is_number(upstream) and upstream == 1 and is_number(c.part):
                return text + number(c.part)
            text += f"{number(c.slope)} times {self._upstream(row)}{self._amount(row, c)}"
            return text
        slope = f"{formula}," if formula else ","
        return (
            f"has slope{slope} {statistic(c.slope)}{along} here, so {name} gets that times "
            f"{self._upstream(row)}{self._amount(row, c)}"
        )

    def _at_kink(self, row: int) -> str:
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

    def _routes(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, out = self.columns.gates[row], self.columns.values[row]
        if gate.local is None and len(self.columns.inputs(row)) == 1:
            return self._routes_elements(row, taking[0])
        if not is_number(out):
            return self._routes_each(row, taking)
        label, upstream = _label(gate), self._upstream(row)
        rows = [c.row for c in taking]
        strange = [k for k in self.columns.inputs(row) if np.isnan(self.columns.values[k])]
        if strange and any(np.isnan(c.part) for c in taking if c.part is not None):
            gets = [f"{self.name(c.row)} gets {number(c.part or 0.0)}" for c in taking]
            return (
                f"the {label} gate cannot choose, because {self.name(strange[0])} is nan: "
                f"{listed(gets)}"
            )
        chosen = [c for c in taking if not _is_zero(c.part)]
        shares = {brief(c.slope) for c in chosen if c.slope is not None} - {"1"}
        if shares:
            return self._tie(row, chosen, shares)
        reason = self._reason(row)
        left = [k for k in rows if k not in {c.row for c in chosen}]
        zeros = f"; {self._gets(left, '0')}" if left else ""
        if chosen:
            names = self.names([c.row for c in chosen])
            return f"the {label} gate routes {upstream} to {names}{reason}{zeros}"
        constants = [k for k in self.columns.inputs(row) if self.columns.gates[k] is CONSTANT]
        if len(constants) == 1 and len(self.columns.inputs(row)) > 1:
            to = f"{self.name(constants[0])}, a constant"
            return f"the {label} gate routes {upstream} to {to}{reason}{zeros}"
        return f"the {label} gate stops {upstream}{reason}{zeros}{self._at_kink(row)}"

    def _reason(self, row: int) -> str:
        """Return ", because 2 > -1" for a gate that chose."""
        gate, columns = self.columns.gates[row], self.columns
        if gate.because is None:
            return ""
        values = [columns.values[k] for k in columns.inputs(row)]
        template = gate.because(columns.values[row], *values, **columns.settings_of(row))
        floats = [v for v in values if not isinstance(v, (bool, np.bool_))]
        texts = iter(apart(floats))
        filled = [brief(v) if isinstance(v, (bool, np.bool_)) else next(texts) for v in values]
        return f", because {template.format(*filled)}"

    def _tie(self, row: int, chosen: Sequence[Contribution], shares: set[str]) -> str:
        gate, upstream = self.columns.gates[row], self._upstream(row)
        inputs = dict.fromkeys(self.columns.inputs(row))
        named = [self.name(k) for k in inputs if self.columns.gates[k] is not CONSTANT]
        at = " = ".join([*named, brief(self.columns.values[row])]) if len(named) < 3 else "a tie"
        share = "half of" if shares == {"0.5"} else f"{listed(sorted(shares))} times"
        names = {c.row for c in chosen}
        if len(names) == 1 and len(chosen) > 1:
            head = f"both inputs are {self.name(chosen[0].row)}: each hands on {share} {upstream}"
            return f"the {_label(gate)} gate meets a tie, for {head}{self._twice(row, chosen)}"
        who = "each" if len(names) > 1 else self.name(chosen[0].row)
        return (
            f"the {_label(gate)} gate meets a tie, {at}: {who} gets {share} {upstream}, "
            f"which is {number(chosen[0].part)}"
        )

    def _routes_each(self, row: int, taking: Sequence[Contribution]) -> str:
        size = np.size(self.columns.values[row])
        phrases = []
        for c in taking:
            decides = c.slope if c.slope is not None else c.part
            count = 0 if decides is None else int(np.count_nonzero(decides))
            of = size if c.slope is not None else np.size(decides)
            amount = "" if c.part is None else self._amount(row, c)
            phrases.append(f"{count} of {of} to {self.name(c.row)}{amount}")
        label, upstream = _label(self.columns.gates[row]), self._upstream(row)
        return (
            f"the {label} gate routes {upstream} element by element: {_joined(phrases)}"
            f"{self._at_kink(row)}"
        )

    def _routes_elements(self, row: int, c: Contribution) -> str:
        gate, upstream, name = self.columns.gates[row], self._upstream(row), self.name(c.row)
        if c.part is None or is_number(c.part):
            return f"the {_label(gate)} gate routes {upstream} to {name}"
        count, size = int(np.count_nonzero(c.part)), np.size(c.part)
        if count > 1 and is_number(self.gradients[row]):
            each = np.asarray(c.part)[np.nonzero(c.part)]
            return (
                f"the {_label(gate)} gate meets a tie: {count} of the {size} elements of {name} "
                f"share {upstream}, {statistic(each).removeprefix('all ')} each"
            )
        rest = f"; the other {size - count} get 0" if count < size else ""
        return (
            f"the {_label(gate)} gate routes {upstream} to {count} of the {size} elements of "
            f"{name}{self._because_once(gate, ', because ')}{rest}"
        )

    def _spreads(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self.gradients[row]
        (c,) = taking
        name, part = self.name(c.row), np.asarray(c.part)
        if not is_number(upstream) or part.size == 0:
            return f"{gate.name} spreads {self._upstream(row)} over {name}{self._amount(row, c)}"
        flat = part.ravel()
        if bool(np.all(flat == flat[0])):
            if part.size == 1:
                return f"{gate.name} hands {self._upstream(row)} to {name}"
            if flat[0] == upstream:
                return (
                    f"{gate.name} spreads {number(upstream)} to all {part.size} elements of {name}"
                )
            return (
                f"{gate.name} spreads {number(upstream)} over the {part.size} elements of {name}, "
                f"{number(flat[0])} to each"
            )
        why = self._because_once(gate, ": ")
        return (
            f"{gate.name} spreads {number(upstream)} over the {part.size} elements of {name}, "
            f"{statistic(part)}{why}"
        )

    def _moves(self, row: int, taking: Sequence[Contribution]) -> str:
        gate = self.columns.gates[row]
        names = self.names([c.row for c in taking])
        why = self._because_once(gate, ": ")
        return f"{gate.name} moves {self._upstream(row)} back to {names}{why}"

    def _products(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self.gradients[row]
        phrases = []
        for index, c in self._places(row):
            name = self.name(c.row)
            if c.part is None:
                phrases.append(f"{name} gets 0")
                continue
            written = rules.formula(self.columns, row, index, self.name, upstream)
            formula = f" = {written}" if written else ""
            at = f", shape {shape(c.part)}, norm {norm(c.part)}"
            amount = f" = {number(c.part)}" if is_number(c.part) else at
            phrases.append(f"d{name}{formula}{amount}")
        given = f"with d{self.name(row)} = {number(upstream)}, " if is_number(upstream) else ""
        why = self._because_once(gate, " (")
        return f"{given}{gate.name} multiplies back: {_joined(phrases)}{why + ')' if why else ''}"

    def _stops(self, row: int, taking: Sequence[Contribution]) -> str:
        gate, upstream = self.columns.gates[row], self._upstream(row)
        rows = [c.row for c in taking] or list(self.columns.inputs(row))
        gets = self._gets(rows, "nothing")
        return f"{gate.name} stops {upstream}{self._because_once(gate, ', because ')}; {gets}"


_PATTERNS: dict[str, Callable[[Speaker, int, Sequence[Contribution]], str]] = {
    "distributes": Speaker._distributes,
    "routes": Speaker._routes,
    "swaps": Speaker._swaps,
    "scales": Speaker._scales,
    "moves": Speaker._moves,
    "spreads": Speaker._spreads,
    "products": Speaker._products,
    "stops": Speaker._stops,
}


def _is_zero(value: Any) -> bool:
    return value is None or not np.any(value)


def _says_more(formula: str) -> bool:
    """Return whether a formula is more than a number or a single name."""
    return not formula.lstrip("-").replace(".", "").isdecimal()


def _label(gate: Gate) -> str:
    """Return what a gate that chooses is called: max for maximum, where for ?."""
    symbol = gate.symbol
    return symbol if symbol.isascii() and symbol.isalpha() and len(symbol) > 1 else gate.name


def _joined(phrases: Sequence[str]) -> str:
    """Return phrases in a row, told apart by more than a comma."""
    if len(phrases) < 2:
        return "".join(phrases)
    joint = "; " if any("," in phrase for phrase in phrases) else ", "
    return f"{joint.join(phrases[:-1])}{joint}and {phrases[-1]}"


def _filled(words: str, inputs: Sequence[str]) -> str:
    shown = list(inputs[:_MOST_NAMES])
    if len(inputs) > _MOST_NAMES:
        shown.append(f"{len(inputs) - _MOST_NAMES} more")
    return words.replace("{*}", listed(shown)).format(*inputs)
