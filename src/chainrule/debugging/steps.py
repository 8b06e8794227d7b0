"""The backward pass as a debugger shows it: one gate a step, forward and back.

A step is one gate handing its gradient on. The walk starts where the output's gradient is 1 and
nothing else is known; each step adds to the wires that feed its gate, so that at a fork the partial
sum is seen before and after. Stepping back takes exactly the same numbers off again: what a wire
held is kept, not subtracted.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..errors import UnknownWireError, did_you_mean
from ..passes.at_point import active_rows, contributions_at, seed_of
from ..readings import expressions, rules
from ..readings.notation import DZ, Notation
from ..readings.numbers import is_number, norm, number, shape, shortened
from .step import MOST_ADDED, Added, Step


class Steps:
    """The backward pass of a circuit, gate by gate, with a place in it.

    Iterating goes on from the place and moves it; indexing (`steps[0]`, `steps[-1]`) looks at a
    step and moves nothing.

    Parameters
    ----------
    circuit : Circuit
        A circuit with one float output.
    notation : Notation
        How gradients are called.

    Attributes
    ----------
    position : int
        How many steps are done.
    breaks : set of str
        The wires at which `run` stops.

    Examples
    --------
    >>> from chainrule import trace
    >>> steps = trace("(x + y) * z", x=-2, y=5, z=-4).steps()
    >>> len(steps), steps.gradients
    (2, {'f': 1.0})
    >>> next(steps)
    1/2 f = t1 * z: df = 1.00 gives dt1 = -4.00; dz = 3.00
    >>> steps.gradients
    {'z': 3.0, 't1': -4.0, 'f': 1.0}
    >>> _ = steps.back()
    >>> steps.gradients
    {'f': 1.0}
    """

    def __init__(self, circuit: Circuit, notation: Notation = DZ) -> None:
        (output,) = circuit.outputs
        self._circuit = circuit
        self._notation = notation
        self._output = output
        self._handed = contributions_at(circuit, output)
        columns = self._columns = self._handed.columns
        moves = active_rows(circuit, output)[output]
        gates = columns.gates
        # A gate has its turn when something reached its wire; rows go down, as the pass did.
        self._rows = [
            row
            for row in range(output, -1, -1)
            if gates[row] is not INPUT
            and gates[row] is not CONSTANT
            and ((row == output and moves) or self._handed.to(row))
        ]
        self.position = 0
        self.breaks: set[str] = set()
        self._sums: dict[int, Any] = {output: seed_of(columns.values[output])}
        self._arrived: Counter[int] = Counter()
        # What the wires of each step held before it. The steps themselves are not kept: objects
        # by the hundred thousand cost the garbage collector more than the walk.
        self._before: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Steps({self.position} of {len(self)} done)"

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self.position >= len(self._rows):
            raise StopIteration
        parts = self._handed.parts(self._rows[self.position])
        before = []
        with np.errstate(all="ignore"):
            for source, part in parts:
                known = self._sums.get(source)
                before.append(known)
                self._sums[source] = _added(known, part)
                self._arrived[source] += 1
        self._before.append(tuple(before))
        self.position += 1
        return self._last()

    def _last(self) -> Step:
        """Tell the last step that was done."""
        row = self._rows[self.position - 1]
        names = self._circuit.names
        parts = self._handed.parts(row)
        later: Counter[int] = Counter(source for source, _ in parts)
        added = []
        with np.errstate(all="ignore"):
            for place, (source, part) in enumerate(parts):
                later[source] -= 1
                known = self._before[-1][place]
                added.append(
                    Added(
                        wire=names[source],
                        part=part,
                        before=known,
                        after=_added(known, part),
                        arrival=self._arrived[source] - later[source],
                        arrivals=len(self._handed.to(source)),
                        _slope=partial(self._slope, row, place),
                    )
                )
        gate = self._columns.gates[row].name
        count, upstream = len(self._rows), self._sums[row]
        return Step(self.position, count, names[row], gate, upstream, tuple(added), self, row)

    def back(self) -> Step | None:
        """Undo the last step and return it; None at the start.

        Every wire holds again exactly what it held before.
        """
        if not self.position:
            return None
        step = self._last()
        parts = self._handed.parts(self._rows[self.position - 1])
        for (source, _), known in zip(reversed(parts), reversed(self._before.pop()), strict=True):
            self._arrived[source] -= 1
            if known is None:
                del self._sums[source]
            else:
                self._sums[source] = known
        self.position -= 1
        return step

    @property
    def current(self) -> Step | None:
        """The last step that was done; None at the start."""
        return self._last() if self.position else None

    @property
    def gradients(self) -> dict[str, Any]:
        """What is on each wire so far, in forward order: partial sums until the end."""
        names = self._circuit.names
        return {names[row]: self._sums[row] for row in sorted(self._sums)}

    def told(self, most: int = 24) -> list[str]:
        """Say what is on each wire so far, a line each, the last wires first."""
        found = []
        for row in sorted(self._sums, reverse=True)[:most]:
            missing = len(self._handed.to(row)) - self._arrived[row]
            note = f"  ({missing} more to come)" if missing else ""
            found.append(f"{self.gradient_text(self._circuit.names[row], self._sums[row])}{note}")
        if len(self._sums) > most:
            found.append(f"... and {len(self._sums) - most} more wires")
        return found

    def __getitem__(self, index: int) -> Step:
        """Look at a step without moving."""
        count = len(self)
        wanted = index + count if index < 0 else index
        if not 0 <= wanted < count:
            raise IndexError(f"there are {count} steps, no step {index}")
        place = self.position
        self.go(wanted + 1)
        step = self._last()
        self.go(place)
        return step

    def go(self, position: int) -> None:
        """Walk forward or back until so many steps are done."""
        while self.position < min(position, len(self)):
            next(self)
        while self.position > max(position, 0):
            self.back()

    # ------------------------------------------------------------------ breaks

    def break_on(self, *names: str) -> None:
        """Let `run` stop at steps that add to one of these wires, or whose gate made it.

        Raises
        ------
        UnknownWireError
            If there is no wire of that name.
        """
        for name in names:
            self._known(name)
        self.breaks.update(names)

    def run(self) -> Step | None:
        """Go on to the next step that touches a wire in `breaks`; None if it ran to the end."""
        return self._run(self.breaks)

    def run_to(self, name: str) -> Step | None:
        """Go on to the next step that touches a wire; None if it ran to the end.

        A step touches the wire whose gate has its turn, and the wires it adds to: at a fork, each
        contribution is a stop.

        Raises
        ------
        UnknownWireError
            If there is no wire of that name.
        """
        self._known(name)
        return self._run({name})

    def _run(self, names: set[str]) -> Step | None:
        for step in self:
            if step.wire in names or any(a.wire in names for a in step.added):
                return step
        return None

    def _known(self, name: str) -> None:
        names = self._circuit.names
        if name not in names:
            raise UnknownWireError(f"no wire is called {name!r}.{did_you_mean(name, names)}")

    # ------------------------------------------------------------------ words

    def _slope(self, row: int, place: int) -> Any:
        handed = [c for c in self._handed.of(row) if c.part is not None]
        return handed[place].slope

    def called(self, wire: str) -> str:
        """Return what the gradient of a wire is called."""
        output = self._circuit.names[self._output]
        return self._notation.text(shortened(wire, 40), shortened(output, 40))

    def _expression(self, row: int) -> str:
        columns, names = self._columns, self._circuit.names
        inputs = columns.inputs(row)
        gate = columns.gates[row]
        trees: list[ast.expr | None] = []
        for k in inputs:
            constant = columns.gates[k] is CONSTANT and is_number(columns.values[k])
            trees.append(
                rules.literal(columns.values[k]) if constant else expressions.name(names[k])
            )
        scalar = all(is_number(columns.values[k]) for k in (row, *inputs))
        tree = None
        if len(inputs) <= MOST_ADDED:
            tree = rules.written_out(gate, columns.settings_of(row), trees, scalar=scalar)
        if tree is not None:
            return shortened(rules.spoken(tree), rules.LONGEST)
        return f"{gate.name} of {len(inputs)} inputs"

    def gradient_text(self, wire: str, gradient: Any) -> str:
        """Say what is on a wire: dq = -4.00."""
        if is_number(gradient):
            return f"{self.called(wire)} = {number(gradient)}"
        return f"{self.called(wire)} of {shape(gradient)}, norm {norm(gradient)}"


def _added(known: Any, part: Any) -> Any:
    # The backward pass's own operation, so that the sums are its sums to the bit.
    return part if known is None else known + part
