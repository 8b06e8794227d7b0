"""The words reading: a circuit told in sentences, forward and backward, from its actual numbers.

Forward, each gate says what it made. Backward, each gate says what it does with the gradient that
arrives; where a wire forks, the sum is told. What a gate says stands in `sentences`; here is the
order of the account, and what is left out of a long one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..circuit.circuit import Circuit
from ..passes.backward import is_float
from ..passes.contributions import Contributions
from .notation import DZ, Notation
from .numbers import is_number, listed, norm, number, shape, value_text
from .sentences import Speaker

_MOST_INPUTS = 12  # inputs named in one sentence
_MOST_ADDENDS = 6  # contributions written out in one sum


def words(
    circuit: Circuit, gradients: Sequence[Any], *, most: int = 200, notation: Notation = DZ
) -> str:
    """Tell a circuit in sentences.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none. All None if the output is not one
        number: then only the forward pass is told.
    most : int
        How many sentences about gates there are at most; those in the middle are left out.
    notation : Notation
        How gradients are called.

    Returns
    -------
    str
        A sentence a line, under the headings "Forward pass" and "Backward pass".
    """
    account = _Account(circuit, gradients, notation)
    lines = ["Forward pass", *account.forward(most // 2), "", "Backward pass"]
    return "\n".join([*lines, *account.backward(most - most // 2)])


class _Account:
    """The order in which a circuit is told."""

    def __init__(self, circuit: Circuit, gradients: Sequence[Any], notation: Notation) -> None:
        self.circuit = circuit
        self.gradients = gradients
        columns = circuit.columns
        floats = [row for row in circuit.inputs if is_float(columns.values[row])]
        active = columns.reached_from(floats)
        seeds = []
        if len(circuit.outputs) == 1:
            (output,) = circuit.outputs
            if gradients[output] is not None and active[output]:
                seeds = [(output, gradients[output])]
        self.handed = Contributions(columns, seeds, active)
        self.speaker = Speaker(circuit, gradients, self.handed, active, notation)
        self.rows = list(circuit.gate_rows())

    # ------------------------------------------------------------------ forward

    def forward(self, most: int) -> Iterator[str]:
        """Tell the forward pass."""
        given = [
            f"{self.speaker.name(row)} = {value_text(self.circuit.columns.values[row])}"
            if is_number(self.circuit.columns.values[row])
            else f"{self.speaker.name(row)} of {value_text(self.circuit.columns.values[row])}"
            for row in self.circuit.inputs[:_MOST_INPUTS]
        ]
        yield f"  Given {self._with_rest(given)}."
        yield from _folded(self.rows, most, lambda row: 1, lambda row: [self.speaker.forward(row)])

    def _with_rest(self, parts: list[str]) -> str:
        rest = len(self.circuit.inputs) - len(parts)
        return listed([*parts, f"{rest} more"] if rest > 0 else parts)

    # ------------------------------------------------------------------ backward

    def backward(self, most: int) -> Iterator[str]:
        """Tell the backward pass, or why there is none."""
        missing = self._why_none()
        if missing:
            yield f"  {missing}"
            return
        (output,) = self.circuit.outputs
        name = self.speaker.name(output)
        yield (
            f"  The output {name} moves exactly as much as itself: its gradient is "
            f"{number(self.gradients[output])}."
        )
        yield from _folded(self.rows[::-1], most, self._count, self._told)
        yield from self._inputs()

    def _why_none(self) -> str:
        circuit, values = self.circuit, self.circuit.columns.values
        if len(circuit.outputs) != 1 or not circuit.output_tree.is_leaf:
            return (
                f"There are no gradients: {circuit.title} gives {len(circuit.outputs)} outputs in "
                "a container, and a gradient is that of one number."
            )
        (output,) = circuit.outputs
        name = self.speaker.name(output)
        if not is_number(values[output]):
            return (
                f"There are no gradients: {name} has shape {shape(values[output])}, and a gradient "
                "is that of one number. Reduce it, with np.sum or np.mean."
            )
        if not is_float(values[output]):
            return f"There are no gradients: {name} is no float, and only floats move a little."
        if not self.speaker.active[output]:
            return f"{name} does not depend on any input, so every gradient is 0."
        return ""

    def _forks(self, row: int) -> list[tuple[int, Any]]:
        """Return (gate, contribution) for a wire that several gates feed back to."""
        arrived: dict[int, Any] = {}
        for gate, part in self.handed.to(row):
            arrived[gate] = arrived[gate] + part if gate in arrived else part
        return list(arrived.items()) if len(arrived) > 1 else []

    def _count(self, row: int) -> int:
        return 2 if len({gate for gate, _ in self.handed.to(row)}) > 1 else 1

    def _told(self, row: int) -> list[str]:
        fork = self._fork(row)
        return ([fork] if fork else []) + [self.speaker.backward(row)]

    def _fork(self, row: int) -> str:
        arrived = self._forks(row)
        if not arrived:
            return ""
        name, total = self.speaker.name(row), self.gradients[row]
        by = self.speaker.names([gate for gate, _ in arrived])
        head = f"{name} is used {len(arrived)} times, by {by}:"
        if not is_number(total):
            called = self.speaker.gradient(row)
            return f"{head} {called} is the sum of what they hand back, norm {norm(total)}."
        addends = [number(part) for _, part in arrived[:_MOST_ADDENDS]]
        written = addends[0] + "".join(
            f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in addends[1:]
        )
        rest = " + ..." if len(arrived) > _MOST_ADDENDS else ""
        return f"{head} {written}{rest} = {number(total)}."

    def _inputs(self) -> Iterator[str]:
        """Tell what arrived at the inputs."""
        columns, name = self.circuit.columns, self.speaker.name
        found = []
        for row in self.circuit.inputs[:_MOST_INPUTS]:
            gradient = self.gradients[row]
            if not is_float(columns.values[row]):
                yield f"  {name(row)} is not a float, so it has no gradient."
                continue
            fork = self._fork(row)
            if fork:
                yield f"  {fork}"
            if not self.circuit.needed[row]:
                yield f"  {name(row)} is not used, so its gradient is 0."
            elif not self.handed.to(row):
                yield f"  No gradient reaches {name(row)}, so it is 0."
            found.append(
                f"{self.speaker.gradient(row)} = {number(gradient)}"
                if is_number(gradient)
                else f"{self.speaker.gradient(row)} of shape {shape(gradient)}, "
                f"norm {norm(gradient)}"
            )
        joint = "; " if any("," in text for text in found) else ""
        shown = joint.join(found) if joint else self._with_rest(found)
        yield f"  So {shown}."


def _folded(
    rows: Sequence[int],
    most: int,
    count: Callable[[int], int],
    told: Callable[[int], Sequence[str]],
) -> Iterator[str]:
    """Yield the sentences of the first and the last rows, at most so many in all."""
    first, last, left = 0, len(rows), most
    while first < last:
        at_front = first <= len(rows) - last
        needed = count(rows[first] if at_front else rows[last - 1])
        if needed > left:
            break
        left -= needed
        if at_front:
            first += 1
        else:
            last -= 1
    for row in rows[:first]:
        for sentence in told(row):
            yield f"  {sentence}"
    if first < last:
        skipped = last - first
        yield f"  ... and {skipped} more gate{'s' * (skipped != 1)}"
    for row in rows[last:]:
        for sentence in told(row):
            yield f"  {sentence}"
