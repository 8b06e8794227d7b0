"""The gradient of the whole circuit against the numeric one, element by element or by directions.

Small inputs go element by element. Large ones go along random directions, in which every element
has its part; a direction that disagrees is halved until the element is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..passes.contributions import Contributions
from .comparison import BLUNT, INFINITE, OK, RTOL_FLOAT32, WRONG, Comparison, Outcome, filled
from .differences import scale_of
from .evaluation import Direction, Evaluation
from .gate_check import RTOL_DIFFERENCES, first_wrong
from .handwritten import slip
from .report import Finding, at, makes, number, place

_DIRECTIONS = 3
_WORK = 400_000  # gates to be run for one way of checking before a coarser one is taken


class EndToEnd:
    """Compare gradients by the inputs with numeric ones.

    Parameters
    ----------
    evaluation : Evaluation
        The circuit as a function of numbers.
    engine : list
        The engine's gradient of each row, in float64.
    given : dict or None
        Gradients written by hand, by input row, to be checked instead.
    generator : numpy.random.Generator
        Of directions.
    rtol : float or None
        The relative error to allow.
    max_elements : int
        Inputs up to this size are checked element by element.
    function : callable or None
        The user's function, called again where Python would branch otherwise.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        engine: list[Any],
        given: dict[int, Any] | None,
        generator: np.random.Generator,
        rtol: float | None,
        max_elements: int,
        function: Callable[..., Any] | None,
    ) -> None:
        self.evaluation = evaluation
        self.circuit = evaluation.circuit
        self.generator = generator
        self.rtol = rtol
        self.max_elements = max_elements
        self.by_hand = given is not None
        self.failures: list[Finding] = []
        self.not_checked: list[Finding] = []
        self.elements = self.directions = 0
        self._rows = evaluation.rows
        self._gradients = engine
        self._compare = Comparison(evaluation, engine, generator, rtol, function)
        self._compare.by_hand = self.by_hand
        if given is not None:
            self._take_given(given)

    @property
    def method(self) -> str:
        """How the numeric gradients were had."""
        return " and ".join(dict.fromkeys(self._compare.methods)) or "difference quotients"

    @property
    def worst(self) -> float:
        """The largest relative error that was let pass."""
        return self._compare.worst

    @property
    def crossed(self) -> set[int]:
        """The gates whose kinks could not be stepped around."""
        return self._compare.crossed

    @property
    def branched(self) -> set[int]:
        """The branches that could not be stepped around."""
        return self._compare.branched

    def _take_given(self, given: dict[int, Any]) -> None:
        for row in self._rows:
            leaf = given.get(row)
            name = self.circuit.names[row]
            shape = np.shape(self.evaluation.base[row])
            if leaf is None or np.shape(leaf) != shape:
                have = "missing" if leaf is None else f"of shape {np.shape(leaf)}, not {shape}"
                self.failures.append(
                    Finding(f"the gradient by {name} is {have}", wire=name, input=name)
                )
            else:
                self._compare.given[row] = np.asarray(leaf, float)

    # ------------------------------------------------------------------ the plan

    def run(self) -> EndToEnd:
        """Compare everything and return self."""
        rows = [row for row in self._rows if np.size(self.evaluation.base[row])]
        refused = {finding.input for finding in self.failures}
        rows = [row for row in rows if self.circuit.names[row] not in refused]
        gates = max(len(self.evaluation.path), 1)
        runs = 2 if self.evaluation.is_analytic else 8
        affordable = _WORK // (gates * runs)
        small = [r for r in rows if np.size(self.evaluation.base[r]) <= self.max_elements]
        if sum(np.size(self.evaluation.base[row]) for row in small) > affordable:
            small = []
        large = [row for row in rows if row not in set(small)]
        for row in small:
            self._elements_of(row)
        groups = [[row] for row in large]
        if len(large) * _DIRECTIONS > max(affordable, _DIRECTIONS):
            groups = [large]
        for group in groups:
            self._odd_elements(group)
            self._along_directions(group, _DIRECTIONS if gates <= 100_000 else 1)
        if self.by_hand:
            self._suspects([row for group in groups for row in group])
        elif self.evaluation.columns is not self.circuit.columns:
            self._narrow()
        return self

    def _elements_of(self, row: int) -> None:
        """Compare each element of an input by itself; report the first that is wrong."""
        found = 0
        for flat in range(int(np.size(self.evaluation.base[row]))):
            outcome = self._element(row, flat)
            if outcome.verdict == WRONG:
                found += 1
                if found == 1:
                    self._fail(row, flat, outcome)

    def _element(self, row: int, flat: int) -> Outcome:
        outcome = self._compare.along(self._unit(row, flat))
        self.elements += outcome.verdict in (OK, WRONG)
        if outcome.verdict in (BLUNT, INFINITE):
            self._unchecked(row, flat, outcome)
        return outcome

    def _odd_elements(self, group: Sequence[int]) -> None:
        """Look by itself at the first element whose gradient is not finite."""
        for row in group:
            odd = np.flatnonzero(~np.isfinite(self._compare.given[row]))
            if len(odd):
                outcome = self._element(row, int(odd[0]))
                if outcome.verdict == WRONG:
                    self._fail(row, int(odd[0]), outcome)

    def _along_directions(self, group: Sequence[int], count: int) -> None:
        for _ in range(count):
            direction = {row: self._random(row) for row in group}
            outcome = self._compare.along(direction)
            self.directions += outcome.verdict in (OK, WRONG)
            if outcome.verdict == WRONG:
                before = len(self.failures)
                if self.by_hand:
                    self._suspects(group)
                if len(self.failures) == before:
                    self._bisect(direction, outcome)
                return
            if outcome.verdict in (BLUNT, INFINITE):
                names = ", ".join(self.circuit.names[row] for row in group[:4])
                self.not_checked.append(
                    Finding(
                        f"along a random direction of {names} the gradient gives "
                        f"{number(outcome.given)}; {outcome.doubt()}",
                        input=names,
                    )
                )

    def _bisect(self, direction: Direction, outcome: Outcome) -> None:
        """Report the first wrong element along a direction that was wrong."""
        rows = list(direction)
        sizes = [int(np.size(direction[row])) for row in rows]
        ends = np.cumsum([0, *sizes])

        def part(keep: Any) -> dict[int, Any]:
            found = {}
            for row, start, end in zip(rows, ends, ends[1:], strict=False):
                own = keep[(keep >= start) & (keep < end)] - start
                if len(own):
                    step = np.zeros(np.shape(direction[row]))
                    step.flat[own] = np.asarray(direction[row]).flat[own]
                    found[row] = step
            return found

        def is_wrong(keep: Any) -> bool:
            return self._compare.along(part(keep)).verdict == WRONG

        spot = first_wrong(int(ends[-1]), is_wrong)
        if spot is None:
            names = ", ".join(self.circuit.names[row] for row in rows[:4])
            self.failures.append(
                Finding(
                    f"along a random direction of {names} the gradient gives "
                    f"{number(outcome.given)}, {outcome.says()}",
                    input=names,
                    given=outcome.given,
                    numeric=outcome.numeric,
                )
            )
            return
        which = int(np.searchsorted(ends, spot, side="right")) - 1
        row, flat = rows[which], int(spot - ends[which])
        self._fail(row, flat, self._compare.along(self._unit(row, flat)))

    def _suspects(self, rows: Sequence[int]) -> None:
        """Look at the elements where a gradient by hand is not the engine's, one by one."""
        known = {finding.input for finding in self.failures}
        for row in rows:
            if self.circuit.names[row] in known:
                continue
            rtol = self.rtol or (RTOL_FLOAT32 if self._compare.is_narrow(row) else RTOL_DIFFERENCES)
            largest = np.maximum(
                np.abs(self._compare.given[row]), np.abs(self._compare.engine[row])
            )
            apart = ~(
                np.abs(self._compare.given[row] - self._compare.engine[row]) <= rtol * largest
            )
            for flat in np.flatnonzero(apart)[:4]:
                outcome = self._element(row, int(flat))
                if outcome.verdict == WRONG:
                    self._fail(row, int(flat), outcome)
                    break

    def _narrow(self) -> None:
        """Lay the float32 gradient beside the float64 one, which has been checked."""
        own = self.evaluation.gradients(narrow=True)
        for row in self._rows:
            if not self._compare.is_narrow(row):
                continue
            narrow = np.asarray(filled(own[row], self.evaluation.base[row]), float)
            wide = np.asarray(self._compare.engine[row])
            size = float(np.max(np.abs(wide), initial=0.0))
            apart = np.abs(narrow - wide)
            if np.all(apart <= (self.rtol or RTOL_FLOAT32) * size) or not np.isfinite(size):
                continue
            if self.crossed or self.evaluation.rounded:
                continue  # the two took different sides of a kink
            flat = int(np.argmax(apart))
            name = self.circuit.names[row]
            index = _index(flat, wide.shape)
            self.not_checked.append(
                Finding(
                    f"the gradient by {name}{at(index)} is {number(narrow.flat[flat])} in "
                    f"{self.circuit.columns.values[row].dtype} but {number(wide.flat[flat])} in "
                    "float64: lost in rounding",
                    input=name,
                    index=index,
                    given=float(narrow.flat[flat]),
                    numeric=float(wide.flat[flat]),
                )
            )

    # ------------------------------------------------------------------ directions

    def _unit(self, row: int, flat: int) -> dict[int, Any]:
        base = np.asarray(self.evaluation.base[row], float)
        step = np.zeros(base.shape)
        step.flat[flat] = scale_of(base, self._typical(row)).flat[flat]
        return {row: step}

    def _typical(self, row: int) -> float:
        base = np.abs(np.asarray(self.evaluation.base[row], float))
        return float(np.max(base, initial=0.0, where=np.isfinite(base))) or 1.0

    def _random(self, row: int) -> Any:
        base = np.asarray(self.evaluation.base[row], float)
        signs = self.generator.choice([-1.0, 1.0], base.shape)
        step = scale_of(base, self._typical(row)) * signs
        step = step * self.generator.uniform(0.5, 1.0, base.shape)
        # An infinite gradient times a step is no number to compare: those elements go alone.
        return np.where(np.isfinite(self._compare.given[row]), step, 0.0)

    # ------------------------------------------------------------------ what is said

    def _fail(self, row: int, flat: int, outcome: Outcome) -> None:
        name, base = self.circuit.names[row], np.asarray(self.evaluation.base[row], float)
        index = _index(flat, base.shape)
        size = float(scale_of(base, self._typical(row)).flat[flat])
        given = float(np.asarray(self._compare.given[row]).flat[flat])
        numeric = outcome.numeric / size
        hint = slip(self.evaluation, row, flat, given) if self.by_hand else ""
        self.failures.append(
            Finding(
                f"the gradient by {name}{at(index)} is {number(given)}, {outcome.says(size)}"
                + (f": {hint}" if hint else ""),
                wire=name,
                input=name,
                index=index,
                given=given,
                numeric=numeric,
            )
        )

    def _unchecked(self, row: int, flat: int, outcome: Outcome) -> None:
        name, base = self.circuit.names[row], np.asarray(self.evaluation.base[row], float)
        index = _index(flat, base.shape)
        given = float(np.asarray(self._compare.given[row]).flat[flat])
        start = f"the gradient by {name}{at(index)} is {number(given)}"
        fields: dict[str, Any] = {}
        if outcome.verdict == INFINITE:
            kind = "slope that is not a number" if np.isnan(given) else "infinite slope"
            culprit = self._first_not_finite()
            said = f"{start}, which cannot be checked here: {kind}"
            if culprit is not None:
                said = f"{makes(self.circuit, culprit)}: {kind} here; {said}"
                fields = place(self.circuit, culprit)
        elif self.branched:
            said = f"{start}, which cannot be checked here: the function jumps at a branch"
        else:
            size = float(scale_of(base, self._typical(row)).flat[flat])
            said = f"{start}; {outcome.doubt(size)}"
        fields.update(input=name, index=index, given=given)
        self.not_checked.append(Finding(said, **fields))

    def _first_not_finite(self) -> int | None:
        """Return the gate, from the end, where a gradient stops being finite."""
        evaluation, gradients = self.evaluation, self._gradients
        seeds = [(r, w) for r, w in evaluation.seeds if evaluation.active[r]]
        found = Contributions(evaluation.columns, seeds, evaluation.active)
        for row in reversed(evaluation.main):
            if gradients[row] is None or not np.all(np.isfinite(gradients[row])):
                continue
            parts = [part for _, _, part in found.of(row) if part is not None]
            if not all(np.all(np.isfinite(part)) for part in parts):
                return row
        return None


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return tuple(int(k) for k in np.unravel_index(flat, shape)) if shape else None
