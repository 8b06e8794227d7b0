"""One comparison: a gradient along a direction against the numeric slope along it.

A gradient that nothing numeric can contradict is never called wrong: at a kink it must lie between
the slopes of the two sides; beside an infinite slope, or below the rounding error, the verdict is
that nothing can be said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .differences import (
    EPSILON,
    UNDERFLOW,
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
from .gate_check import RTOL_COMPLEX, RTOL_DIFFERENCES
from .report import number

RTOL_FLOAT32 = 1e-3
_NEAR = 1e-9  # a kink within this part of the scale is a kink at the point

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


class Comparison:
    """Compare gradients along directions.

    Parameters
    ----------
    evaluation : Evaluation
        The circuit as a function of numbers.
    engine : list
        The engine's gradient of each row, in float64.
    generator : numpy.random.Generator
        Of the last digits, when a gradient is asked how well it is conditioned.
    rtol : float or None
        The relative error to allow.
    function : callable or None
        The user's function, called again where Python would branch otherwise.

    Attributes
    ----------
    given : dict of int to ndarray
        The gradient that is checked, by input row; the engine's until another is put there.
    crossed, branched : set of int
        Gates whose kinks, and branches, could not be stepped around.
    worst : float
        The largest relative error that was let pass.
    methods : list of str
        How the numeric slopes were had.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        engine: list[Any],
        generator: np.random.Generator,
        rtol: float | None,
        function: Callable[..., Any] | None,
    ) -> None:
        self.evaluation = evaluation
        self.generator = generator
        self.rtol = rtol
        self.by_hand = False
        self.crossed: set[int] = set()
        self.branched: set[int] = set()
        self.methods: list[str] = []
        self.worst = 0.0
        base = evaluation.base
        self.engine = {row: filled(engine[row], base[row]) for row in evaluation.rows}
        self.given = dict(self.engine)
        self._all = engine
        self._call = (
            plain_call(evaluation.circuit, function, evaluation.seeds) if function else None
        )
        self._noise = _rounding(evaluation, engine)
        self._wiggled: list[tuple[list[Any], dict[int, Any]]] | None = None
        influence = [self.engine[row] * scale_of(base[row]) for row in evaluation.rows]
        finite = [float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x))) for x in influence]
        # What a gradient of zero must be told from.
        self._influence = max([self._noise / (4.0 * EPSILON), *finite])

    def is_narrow(self, row: int) -> bool:
        """Return whether an input has less than 64 bits."""
        return is_narrow(self.evaluation.circuit.columns.values[row])

    def along(self, direction: Direction) -> Outcome:
        """Compare along one direction."""
        evaluation = self.evaluation
        given = self._sum(self.given, direction)
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
        if self.by_hand and any(self.is_narrow(row) for row in direction):
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
        if agrees(given, slope, rtol):
            return Outcome(OK if sharp else BLUNT, given, numeric, method, error)
        if method == "complex step":
            # It took one side of whatever tie there is: where(x > 0, x, 0.1 * x) at 0.
            for side in (-1.0, 1.0):
                value(side * _NEAR)
            if crossed or branched:
                return self._at_kink(direction, given, crossed, branched, rtol)
        apart = abs(given - numeric)
        if self._is_ill_conditioned(direction, apart, numeric):
            harmless = apart <= 1e-12 * self._influence
            return Outcome(OK if harmless else BLUNT, given, numeric, method, max(error, apart))
        doubtful = apart < UNDERFLOW
        if not doubtful and apart <= 4.0 * self._noise:
            # Below the rounding error of the value, yet steady: (1 - s) s at 40 is 0 where the
            # slope is 4e-18. Two against one decide, where there are three.
            engine = self._sum(self.engine, direction)
            doubtful = not (self.by_hand and abs(engine - numeric) <= rtol * abs(numeric))
        elif method != "complex step":
            fine = fine_slope(value, self._noise)
            doubtful = bool(abs(fine.value - numeric) > 0.1 * apart + 3.0 * fine.error)
        if doubtful:
            return Outcome(BLUNT, given, numeric, method, max(error, apart))
        return Outcome(WRONG, given, numeric, method, error)

    def _is_sharp(self, error: float, size: float, given: float) -> bool:
        """Return whether a numeric slope is certain enough to tell a right one from a wrong one."""
        if given == 0:
            return 3.0 * error <= 1e-3 * self._influence
        return 3.0 * error <= 0.05 * size + 4.0 * self._noise

    def _sum(self, gradients: dict[int, Any], direction: Direction) -> float:
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
        engine = self._sum(self.engine, direction)
        if abs(given - engine) <= rtol * max(abs(given), abs(engine)):
            # Several kinks meet, as in relu(x) - relu(-x): each gate's choice is a subgradient of
            # its own, and the sum need not be one. The gates are checked one by one.
            return Outcome(OK, given, middle, "difference quotient")
        sides = (float(left.value), float(right.value))
        return Outcome(WRONG, given, middle, "difference quotient", sides=sides)

    def _is_ill_conditioned(self, direction: Direction, apart: float, numeric: float) -> bool:
        """Return whether a slope moves as much when the inputs change in their last digits."""
        evaluation = self.evaluation
        if self._wiggled is None:
            self._wiggled = [self._wiggle() for _ in range(2)]
        for values, gradients in self._wiggled:
            moved = self._sum(gradients, direction) - self._sum(self.engine, direction)
            if abs(moved) > 0.1 * apart:
                return True
            if evaluation.is_analytic:
                run = functools.partial(evaluation.at_complex, direction, values=values)
                other = complex_slope(run, evaluation.total(values))
                if abs(float(other.value) - numeric) > 0.1 * apart:
                    return True
        return False

    def _wiggle(self) -> tuple[list[Any], dict[int, Any]]:
        """Return the rows and the engine's gradients, the inputs a few last digits away."""
        evaluation = self.evaluation
        rows = evaluation.rows
        away = {row: np.asarray(evaluation.base[row], float) for row in rows}
        away = {row: x * self.generator.choice([-1.0, 1.0], x.shape) for row, x in away.items()}
        values = evaluation.at(away, 4.0 * EPSILON)
        try:
            found = evaluation.gradients(values)
        except Exception:  # a wrong rule may raise anything
            found = self._all
        return values, {row: filled(found[row], evaluation.base[row]) for row in rows}


def filled(gradient: Any, value: Any) -> Any:
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
