"""What a gate that chooses does with the gradient: to whom it goes, because of what, and ties.

The max gate hands everything to the larger input; `where`, `clip` and relu choose too, for numbers
or element by element. What they have in common is told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..circuit.columns import CONSTANT
from ..gates import Gate
from ..passes.contributions import Contribution
from .numbers import apart, brief, clauses, is_number, is_zero, listed, number, statistic

if TYPE_CHECKING:
    from .sentences import Speaker


def routes(speaker: Speaker, row: int, taking: Sequence[Contribution]) -> str:
    """Say to whom a gate that chooses hands the gradient, and why."""
    gate, out = speaker.columns.gates[row], speaker.columns.values[row]
    if gate.local is None and len(speaker.columns.inputs(row)) == 1:
        return _elements(speaker, row, taking[0])
    if not is_number(out):
        return _each(speaker, row, taking)
    label, upstream = _label(gate), speaker.upstream(row)
    rows = [c.row for c in taking]
    strange = [k for k in speaker.columns.inputs(row) if np.isnan(speaker.columns.values[k])]
    if strange and any(np.isnan(c.part) for c in taking if c.part is not None):
        gets = [f"{speaker.name(c.row)} gets {number(c.part or 0.0)}" for c in taking]
        return (
            f"the {label} gate cannot choose, because {speaker.name(strange[0])} is nan: "
            f"{listed(gets)}"
        )
    chosen = [c for c in taking if not is_zero(c.part)]
    shares = {brief(c.slope) for c in chosen if c.slope is not None} - {"1"}
    if shares:
        return _tie(speaker, row, chosen, shares)
    reason = _reason(speaker, row)
    left = [k for k in rows if k not in {c.row for c in chosen}]
    zeros = f"; {speaker.gets(left, '0')}" if left else ""
    if chosen:
        names = speaker.names([c.row for c in chosen])
        return f"the {label} gate routes {upstream} to {names}{reason}{zeros}"
    constants = [k for k in speaker.columns.inputs(row) if speaker.columns.gates[k] is CONSTANT]
    if len(constants) == 1 and len(speaker.columns.inputs(row)) > 1:
        to = f"{speaker.name(constants[0])}, a constant"
        return f"the {label} gate routes {upstream} to {to}{reason}{zeros}"
    return f"the {label} gate stops {upstream}{reason}{zeros}{speaker.at_kink(row)}"


def _reason(speaker: Speaker, row: int) -> str:
    """Return ", because 2 > -1" for a gate that chose."""
    gate, columns = speaker.columns.gates[row], speaker.columns
    if gate.because is None:
        return ""
    values = [columns.values[k] for k in columns.inputs(row)]
    template = gate.because(columns.values[row], *values, **columns.settings_of(row))
    floats = [v for v in values if not isinstance(v, (bool, np.bool_))]
    texts = iter(apart(floats))
    filled = [brief(v) if isinstance(v, (bool, np.bool_)) else next(texts) for v in values]
    return f", because {template.format(*filled)}"


def _tie(speaker: Speaker, row: int, chosen: Sequence[Contribution], shares: set[str]) -> str:
    gate, upstream = speaker.columns.gates[row], speaker.upstream(row)
    inputs = dict.fromkeys(speaker.columns.inputs(row))
    named = [speaker.name(k) for k in inputs if speaker.columns.gates[k] is not CONSTANT]
    at = " = ".join([*named, brief(speaker.columns.values[row])]) if len(named) < 3 else "a tie"
    share = "half of" if shares == {"0.5"} else f"{listed(sorted(shares))} times"
    names = {c.row for c in chosen}
    if len(names) == 1 and len(chosen) > 1:
        head = f"both inputs are {speaker.name(chosen[0].row)}: each hands on {share} {upstream}"
        return f"the {_label(gate)} gate meets a tie, for {head}{speaker.twice(row, chosen)}"
    who = "each" if len(names) > 1 else speaker.name(chosen[0].row)
    return (
        f"the {_label(gate)} gate meets a tie, {at}: {who} gets {share} {upstream}, "
        f"which is {number(chosen[0].part)}"
    )


def _each(speaker: Speaker, row: int, taking: Sequence[Contribution]) -> str:
    size = np.size(speaker.columns.values[row])
    phrases = []
    for c in taking:
        decides = c.slope if c.slope is not None else c.part
        count = 0 if decides is None else int(np.count_nonzero(decides))
        of = size if c.slope is not None else np.size(decides)
        amount = "" if c.part is None else speaker.amount(row, c)
        phrases.append(f"{count} of {of} to {speaker.name(c.row)}{amount}")
    label, upstream = _label(speaker.columns.gates[row]), speaker.upstream(row)
    return (
        f"the {label} gate routes {upstream} element by element: {clauses(phrases)}"
        f"{speaker.at_kink(row)}"
    )


def _elements(speaker: Speaker, row: int, c: Contribution) -> str:
    gate, upstream, name = speaker.columns.gates[row], speaker.upstream(row), speaker.name(c.row)
    if c.part is None or is_number(c.part):
        return f"the {_label(gate)} gate routes {upstream} to {name}"
    count, size = int(np.count_nonzero(c.part)), np.size(c.part)
    if count > 1 and is_number(speaker.gradients[row]):
        each = np.asarray(c.part)[np.nonzero(c.part)]
        return (
            f"the {_label(gate)} gate meets a tie: {count} of the {size} elements of {name} "
            f"share {upstream}, {statistic(each).removeprefix('all ')} each"
        )
    rest = f"; the other {size - count} get 0" if count < size else ""
    return (
        f"the {_label(gate)} gate routes {upstream} to {count} of the {size} elements of "
        f"{name}{rest}{speaker.why_once(gate, ': ')}"
    )


def _label(gate: Gate) -> str:
    """Return what a gate that chooses is called: max for maximum, where for ?."""
    symbol = gate.symbol
    return symbol if symbol.isascii() and symbol.isalpha() and len(symbol) > 1 else gate.name
