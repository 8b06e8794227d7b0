"""The gradient of the whole circuit against the numeric one, element by element or by directions.

A gradient that nothing numeric can contradict is never called wrong: at a kink it must lie between
the slopes of the two sides, beside an infinite slope or below the rounding error it is listed as
not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..passes.contributions import Contributions
from .differences import (
    EPSILON,
    Slope,
    agrees,
    central_slope,
    complex_slope,
    fine_slope,
    lies_between,
    one_sided_slope,
    scale_of,
)
from .evaluation import Direction, Evaluation, is_narrow, plain_call
from .gate_check import RTOL_COMPLEX, RTOL_DIFFERENCES, first_wrong
from .handwritten import slip
from .report import Finding, at, makes, number, place

_DIRECTIONS = 3
_WORK = 400_000  # gates to be run for one way of checking before a coarser one is taken
RTOL_FLOAT32 = 1e-3
UNDERFLOW = 1e-290  # 1 / (1 + exp(700)): a factor on the way was already rounded to 0

OK, WRONG, BLUNT, INFINITE = "ok", "wrong", "blunt", "infinite"


@dataclass(slots=True)
class Outcome:
    """What came of one comparison along a direction."""

    verdict: str
    given: float
    numeric: float
    method: str
    error: float = 0.0
    sides: tuple[float, float] | None = None

    def says(self, size: float = 1.0) -> str:
        """Return what the numeric slope is, for a step of another size."""
        if self.sides is None:
            return f"the {self.method} says {number(self.numeric / size)}"
        left, right = (number(side / size) for side in self.sides)
        return f"but the slopes of the two sides of the kink are {left} and {right}"

    def doubt(self, size: float = 1.0) -> str:
        """Return why the numeric slope is of no use."""
        if not np.isfinite(self.numeric):
            return "no numeric slope could be had"
        about = f"{self.numeric / size:.3g} ± {3.0 * self.error / size:.1g}"
        return f"the numeric one, {about}, is too uncertain: lost in rounding, or a jump"


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
        self.crossed: set[int] = set()
        self.branched: set[int] = set()
        self.methods: list[str] = []
        self.worst = 0.0
        self.elements = self.directions = 0
        self._call = plain_call(self.circuit, function, evaluation.seeds) if function else None
        self._rows = evaluation.rows
        self._engine = {row: _filled(engine[row], evaluation.base[row]) for row in self._rows}
        self._given = dict(self._engine)
        self._noise = _rounding(evaluation, engine)
        self._other: dict[int, Any] | None = None
        self._gradients = engine
        influence = [self._engine[row] * scale_of(evaluation.base[row]) for row in self._rows]
        finite = [float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x))) for x in influence]
        # What a gradient of zero must be told from.
        self._influence = max([abs(evaluation.value), *finite])
        if given is not None:
            self._take_given(given)

    @property
    def method(self) -> str:
        """How the numeric gradients were had."""
        return " and ".join(dict.fromkeys(self.methods)) or "difference quotients"

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
                self._given[row] = np.asarray(leaf, float)

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
        outcome = self._compare(self._unit(row, flat), (row, flat))
        self.elements += outcome.verdict in (OK, WRONG)
        if outcome.verdict in (BLUNT, INFINITE):
            self._unchecked(row, flat, outcome)
        return outcome

    def _odd_elements(self, group: Sequence[int]) -> None:
        """Look by itself at the first element whose gradient is not finite."""
        for row in group:
            odd = np.flatnonzero(~np.isfinite(self._given[row]))
            if len(odd):
                outcome = self._element(row, int(odd[0]))
                if outcome.verdict == WRONG:
                    self._fail(row, int(odd[0]), outcome)

    def _along_directions(self, group: Sequence[int], count: int) -> None:
        for _ in range(count):
            direction = {row: self._random(row) for row in group}
            outcome = self._compare(direction)
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
            return self._compare(part(keep)).verdict == WRONG

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
        self._fail(row, flat, self._compare(self._unit(row, flat)))

    def _suspects(self, rows: Sequence[int]) -> None:
        """Look at the elements where a gradient by hand is not the engine's, one by one."""
        known = {finding.input for finding in self.failures}
        for row in rows:
            if self.circuit.names[row] in known:
                continue
            rtol = self.rtol or (RTOL_FLOAT32 if self._is_narrow(row) else RTOL_DIFFERENCES)
            largest = np.maximum(np.abs(self._given[row]), np.abs(self._engine[row]))
            apart = ~(np.abs(self._given[row] - self._engine[row]) <= rtol * largest)
            for flat in np.flatnonzero(apart)[:4]:
                outcome = self._element(row, int(flat))
                if outcome.verdict == WRONG:
                    self._fail(row, int(flat), outcome)
                    break

    def _narrow(self) -> None:
        """Lay the float32 gradient beside the float64 one, which has been checked."""
        own = self.evaluation.gradients(narrow=True)
        for row in self._rows:
            if not self._is_narrow(row):
                continue
            narrow = np.asarray(_filled(own[row], self.evaluation.base[row]), float)
            wide = np.asarray(self._engine[row])
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
        return np.where(np.isfinite(self._given[row]), step, 0.0)

    def _is_narrow(self, row: int) -> bool:
        return is_narrow(self.circuit.columns.values[row])

    # ------------------------------------------------------------------ one comparison

    def _compare(self, direction: Direction, one: tuple[int, int] | None = None) -> Outcome:
        evaluation = self.evaluation
        given = self._along(self._given, direction)
        crossed: set[int] = set()
        branched: set[int] = set()

        def value(t: float) -> float | None:
            values = evaluation.at(direction, t)
            over, turned = evaluation.crossed(values), evaluation.branched(values)
            if over or turned:
                crossed.update(over)
                branched.update(turned)
                return None
            return evaluation.total(values)

        slope = Slope(np.float64(np.nan), np.float64(np.inf))
        method = "complex step"
        if evaluation.is_analytic:
            try:
                slope = complex_slope(
                    lambda t: evaluation.at_complex(direction, t), evaluation.value
                )
            except TypeError:  # no complex loop for some ufunc
                evaluation.is_analytic = False
        floor = 4.0 * self._noise
        if not np.isfinite(slope.value):
            method = "difference quotient"
            size = max(float(np.max(np.abs(s), initial=0.0)) for s in direction.values())
            coarser = int(np.clip(-np.log2(size) / 2.0, 0, 64)) if size > 0 else 0
            slope = central_slope(
                value,
                self._noise,
                target=1e-8,
                enough=1e-9 * abs(evaluation.value) if given == 0 else 0.0,
                coarser=coarser,
            )
        self.methods.append("the complex step" if method[0] == "c" else "difference quotients")
        rtol = RTOL_COMPLEX if method == "complex step" else RTOL_DIFFERENCES
        if self.by_hand and any(self._is_narrow(row) for row in direction):
            rtol = RTOL_FLOAT32
        rtol = rtol if self.rtol is None else self.rtol
        numeric, error = float(slope.value), float(slope.error)
        size = max(abs(given), abs(numeric)) if np.isfinite(given) else abs(numeric)
        if not np.isfinite(numeric):
            if crossed or branched:
                return self._at_kink(direction, given, crossed, branched, rtol)
            return Outcome(BLUNT if np.isfinite(given) else INFINITE, given, numeric, method, error)
        sharp = self._is_sharp(error, size, given)
        if not np.isfinite(given):
            return Outcome(WRONG if sharp else INFINITE, given, numeric, method, error)
        if abs(given - numeric) <= rtol * size:
            if sharp:
                self.worst = max(self.worst, abs(given - numeric) / size if size else 0.0)
            return Outcome(OK if sharp else BLUNT, given, numeric, method, error)
        if agrees(given, slope, rtol, floor):
            return Outcome(OK if sharp else BLUNT, given, numeric, method, error)
        apart = abs(given - numeric)
        doubtful = apart < UNDERFLOW or self._is_ill_conditioned(direction, apart)
        if method != "complex step" and not doubtful:
            fine = fine_slope(value, self._noise)
            doubtful = bool(abs(fine.value - numeric) > 0.1 * apart + 3.0 * fine.error)
        if doubtful:
            return Outcome(BLUNT, given, numeric, method, error)
        return Outcome(WRONG, given, numeric, method, error)

    def _is_sharp(self, error: float, size: float, given: float) -> bool:
        """Return whether a numeric slope is certain enough to tell a right one from a wrong one."""
        if given == 0:
            return 3.0 * error <= 1e-3 * self._influence
        return 3.0 * error <= 0.05 * size + 4.0 * self._noise

    def _along(self, gradients: dict[int, Any], direction: Direction) -> float:
        total = 0.0
        for row, step in direction.items():
            step = np.asarray(step)
            moves = step != 0  # 0 * inf is NaN
            total += float(np.sum(np.asarray(gradients[row])[moves] * step[moves]))
        return total

    def _at_kink(
        self,
        direction: Direction,
        given: float,
        crossed: set[int],
        branched: set[int],
        rtol: float,
    ) -> Outcome:
        """Compare with the slopes of the two sides."""
        evaluation = self.evaluation
        self.crossed |= crossed
        self.branched |= branched
        if branched and self._call is None:
            return Outcome(BLUNT, given, np.nan, "difference quotient")

        def value(t: float) -> float:
            values = evaluation.at(direction, t)
            if evaluation.branched(values) and self._call is not None:
                return self._call(values)
            return evaluation.total(values)

        left, right = (
            one_sided_slope(value, evaluation.value, self._noise, side, target=1e-7)
            for side in (-1, 1)
        )
        middle = 0.5 * (float(left.value) + float(right.value))
        size = max(abs(float(left.value)), abs(float(right.value)))
        error = float(max(left.error, right.error))
        if not self._is_sharp(error, size, given):
            # Most often the value itself jumps: there is no slope to compare with.
            return Outcome(BLUNT, given, middle, "difference quotient", error)
        if lies_between(given, left, right, max(rtol, RTOL_DIFFERENCES)):
            return Outcome(OK, given, middle, "difference quotient")
        engine = self._along(self._engine, direction)
        if abs(given - engine) <= rtol * max(abs(given), abs(engine)):
            # Several kinks meet, as in relu(x) - relu(-x): each gate's choice is a subgradient of
            # its own, and the sum need not be one. The gates are checked one by one.
            return Outcome(OK, given, middle, "difference quotient")
        sides = (float(left.value), float(right.value))
        return Outcome(WRONG, given, middle, "difference quotient", sides=sides)

    def _is_ill_conditioned(self, direction: Direction, apart: float) -> bool:
        """Return whether the gradient moves as much when its inputs change in the last digits."""
        if self._other is None:
            evaluation = self.evaluation
            wiggle = {}
            for row in self._rows:
                base = np.asarray(evaluation.base[row], float)
                wiggle[row] = base * self.generator.choice([-1.0, 1.0], base.shape)
            values = evaluation.at(wiggle, 4.0 * EPSILON)
            try:
                found = evaluation.gradients(values)
            except Exception:  # a wrong rule may raise anything
                found = self._gradients
            self._other = {row: _filled(found[row], evaluation.base[row]) for row in self._rows}
        moved = self._along(self._other, direction) - self._along(self._engine, direction)
        return bool(abs(moved) > 0.1 * apart)

    # ------------------------------------------------------------------ what is said

    def _fail(self, row: int, flat: int, outcome: Outcome) -> None:
        name, base = self.circuit.names[row], np.asarray(self.evaluation.base[row], float)
        index = _index(flat, base.shape)
        size = float(scale_of(base, self._typical(row)).flat[flat])
        given = float(np.asarray(self._given[row]).flat[flat])
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
        given = float(np.asarray(self._given[row]).flat[flat])
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


def _filled(gradient: Any, value: Any) -> Any:
    """Return a gradient as an array of float64; zeros where there is none."""
    return np.zeros(np.shape(value)) if gradient is None else np.asarray(gradient, float)


def _rounding(evaluation: Evaluation, gradients: list[Any]) -> float:
    """Return the rounding error to expect in the circuit's value.

    Every gate rounds what it gives by half a unit in the last place, and its gradient says how
    much of that arrives at the end; the errors add up like a random walk.
    """
    total = evaluation.value**2
    for row in (*evaluation.rows, *evaluation.main):
        gradient, value = gradients[row], evaluation.base[row]
        if gradient is None:
            continue
        if type(value) is float and type(gradient) is float:
            part = value * gradient
            part *= part
        else:
            product = np.asarray(value, float) * gradient
            part = float(np.sum(np.square(product), where=np.isfinite(product)))
        if np.isfinite(part):
            total += part
    return 4.0 * EPSILON * float(np.sqrt(total))
