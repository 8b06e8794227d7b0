"""Search along a line for a point that meets the strong Wolfe conditions.

J. Nocedal and S. Wright, "Numerical optimization" (2nd edition, 2006), algorithms 3.5 and 3.6: the
step grows until an interval holds a good point, which then shrinks around it. Costs that are nan or
infinite count as too high, so that the search comes back from where the cost is not defined, to the
first point that is low enough.

Close to a minimum the cost changes by less than it is rounded to, in float32 soon. There the slope,
which is still exact, decides alone (W. Hager and H. Zhang, "A new conjugate gradient method with
guaranteed descent and an efficient line search", 2005, section 2: approximate Wolfe conditions).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DECREASE = 1e-4  # c1: the share of the decrease promised by the first slope that is enough
CURVATURE = 0.9  # c2: the share of the first slope that may be left; both as in Nocedal and Wright


@dataclass(frozen=True, slots=True)
class Point:
    """A point on the line.

    Attributes
    ----------
    step : float
        How far from the start, in lengths of the direction.
    cost, slope : float
        There; the slope is along the line.
    there : Any
        What else was worked out there, for the caller.
    """

    step: float
    cost: float
    slope: float
    there: Any = None

    @property
    def is_finite(self) -> bool:
        """Whether cost and slope are numbers to go by."""
        return math.isfinite(self.cost) and math.isfinite(self.slope)


class LineSearch:
    """A search for a point whose cost is lower and whose slope is flatter than at the start.

    Parameters
    ----------
    evaluate : callable
        `evaluate(step) -> Point`.
    start : Point
        Where the step is 0; its slope is negative.
    noise : float
        How much costs may differ by rounding alone.
    most : int
        How often the cost may be evaluated.

    Examples
    --------
    >>> parabola = lambda step: Point(step, (step - 3.0) ** 2, 2.0 * (step - 3.0))
    >>> LineSearch(parabola, parabola(0.0), noise=0.0, most=25).run(first=100.0).step
    3.0
    """

    def __init__(
        self, evaluate: Callable[[float], Point], start: Point, *, noise: float, most: int
    ) -> None:
        self._evaluate, self._start, self._noise = evaluate, start, noise
        self._left = most

    def run(self, first: float) -> Point | None:
        """Return the point found from this first step; None if nothing is better than the start.

        When the evaluations are used up, that is the best point so far, if its cost is lower.
        """
        before, step = self._start, first
        while self._left:
            point = self._at(step)
            if self._is_good(point):
                return point
            if self._is_too_high(point, before):
                return self._between(before, point)
            if point.slope >= 0.0:
                return self._between(point, before)
            # The cost is still falling: twice to ten times as far.
            step = _lowest(before, point, 2.0 * point.step, 10.0 * point.step)
            before = point
        return self._better(before)

    def _between(self, low: Point, high: Point) -> Point | None:
        """Return a good point between two: the slope at `low` falls towards `high`."""
        while self._left:
            point = self._at(_inside(low, high))
            if self._is_good(point):
                return point
            if point.step in (low.step, high.step):  # nothing lies between in floating point
                break
            if self._is_too_high(point, low):
                high = point
                continue
            if not high.is_finite:
                # Low enough, and behind it lies where the cost ends: to look for a flat place
                # would be to creep up to the edge, from where the next steps lead nowhere.
                return point
            if point.slope * (high.step - low.step) >= 0.0:
                high = low
            low = point
        return self._better(low)

    def _at(self, step: float) -> Point:
        self._left -= 1
        return self._evaluate(step)

    def _is_good(self, point: Point) -> bool:
        """Whether the strong Wolfe conditions hold, eq. 3.7, up to noise in the cost."""
        flat = abs(point.slope) <= -CURVATURE * self._start.slope
        return point.is_finite and flat and point.cost <= self._enough(point)

    def _is_too_high(self, point: Point, low: Point) -> bool:
        if not point.is_finite:
            return True
        return point.cost > self._enough(point) or point.cost > low.cost + self._noise

    def _enough(self, point: Point) -> float:
        """Return the highest cost that is low enough: sufficient decrease, eq. 3.7a, and noise."""
        return self._start.cost + DECREASE * point.step * self._start.slope + self._noise

    def _better(self, point: Point) -> Point | None:
        return point if point.cost < self._start.cost else None


def _inside(a: Point, b: Point) -> float:
    """Return a step between two points, near the lowest cost, a tenth of the way off both ends."""
    if not (a.is_finite and b.is_finite):
        return a.step + 0.1 * (b.step - a.step)  # back from what is not finite, by powers of ten
    low, high = min(a.step, b.step), max(a.step, b.step)
    tenth = 0.1 * (high - low)
    return _lowest(a, b, low + tenth, high - tenth)


def _lowest(a: Point, b: Point, least: float, most: float) -> float:
    """Return where the cubic through two points and their slopes is lowest, within limits.

    Nocedal and Wright, eq. 3.59; the middle of the limits if there is no such place.
    """
    one = a.slope + b.slope - 3.0 * (a.cost - b.cost) / (a.step - b.step)
    square = one * one - a.slope * b.slope
    if not 0.0 <= square < math.inf:
        return 0.5 * (least + most)
    root = math.copysign(math.sqrt(square), b.step - a.step)
    below = b.slope - a.slope + 2.0 * root
    if below == 0.0:
        return 0.5 * (least + most)
    step = b.step - (b.step - a.step) * (b.slope + root - one) / below
    return min(max(step, least), most) if math.isfinite(step) else 0.5 * (least + most)
