"""Draw the backward pass of a circuit as gates behind the forward ones.

The chain rule of `backward` is called with traced values, so it records what it would compute. The
drawing also keeps which forward gate each new row answers to, and the order in which the
contributions to each wire's gradient arrive: what a reading needs to write `=` first and `+=` at
forks.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT
from ..tracing.tape import Tape, recording
from ..tracing.traced import Traced
from .backward import backward, is_float
from .recognise import recognise_sigmoids
from .simplify import simplify


@dataclass(frozen=True, slots=True)
class Sum:
    """One contribution to a wire's gradient.

    Parameters
    ----------
    wire : int
        The forward row whose gradient it is.
    part, total : int
        The rows of the contribution and of the sum so far.
    answers : int
        The forward row whose gate handed it on; the output itself for the seed.
    """

    wire: int
    part: int
    total: int
    answers: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A circuit with its backward pass.

    Parameters
    ----------
    columns : Tape
        Forward rows, numbered as in the circuit, then backward rows.
    start : int
        The first backward row.
    sums : tuple of Sum
        The contributions in order.
    same : list of int
        For each row the row that gives the same value and is to be used in its place.
    """

    columns: Tape
    start: int
    sums: tuple[Sum, ...]
    same: list[int]


def copied(circuit: Circuit, *, recognise: bool = True) -> Tape:
    """Return a tape that goes on where the circuit's rows end, its sigmoids recognised."""
    source = circuit.columns
    if recognise:
        read = [*circuit.outputs, *(row for row, _ in circuit.guards)]
        source = recognise_sigmoids(source, read, circuit.hint_of)
    tape = Tape(Traced, with_sites=False)
    tape.gates = list(source.gates)
    tape.left = array("i", source.left)
    tape.right = array("i", source.right)
    tape.more = dict(source.more)
    tape.settings = dict(source.settings)
    tape.values = list(source.values)
    return tape


def draw(circuit: Circuit, output: int, *, recognise: bool = True) -> Drawing:
    """Draw the backward pass from one scalar output to all float inputs.

    With `recognise`, a written-out sigmoid is differentiated as the one gate that it is, and the
    wires inside it get no gradients.
    """
    tape = copied(circuit, recognise=recognise)
    start = len(tape)
    tape.borrows = True
    inputs = [row for row in circuit.inputs if is_float(tape.values[row])]
    active = tape.reached_from(inputs, output + 1)
    sums: list[Sum] = []
    keep: set[int] = set()
    answering = output

    def lift(row: int) -> Any:
        return tape.values[row] if tape.gates[row] is CONSTANT else tape.made(tape, row)

    def on_row(row: int) -> None:
        nonlocal answering
        answering = row

    def number(value: Any) -> int:
        return value._current() if isinstance(value, Traced) else tape.constant(value)

    def on_sum(row: int, part: Any, total: Any) -> Any:
        if not isinstance(total, Traced) and row != output and circuit.hint_of(row):
            # A plain number on a wire with a name: a constant of its own, so that it is called
            # dq where it is used and is not mixed up with an equal number in a rule.
            part = total = tape._source(CONSTANT, total)
            keep.add(total._row)
        sums.append(Sum(row, number(part), number(total), answering))
        return total

    if active[output]:
        with np.errstate(all="ignore"), recording(tape):
            backward(tape, [(output, 1.0)], active=active, lift=lift, on_row=on_row, on_sum=on_sum)
    keep.update(s.total for s in sums if s.total != s.part)
    same = simplify(tape, start, keep=keep)
    return Drawing(tape, start, tuple(sums), same)
