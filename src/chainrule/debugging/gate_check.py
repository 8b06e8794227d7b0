"""One gate by itself: its rule against differences of its own forward function.

This finds the gate, where a wrong gradient at the end only says that there is one. An elementwise
gate moves all elements at once, for each has a slope of its own. A structural gate moves along
random directions under a random upstream gradient, and is bisected where a direction disagrees.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, Columns
from ..gates.gate import Gate
from ..passes.backward import is_float
from .differences import (
    EPSILON,
    UNDERFLOW,
    Slope,
    agrees,
    central_slope,
    complex_slope,
    lies_between,
    one_sided_slope,
    scale_of,
)
from .evaluation import forward_complex

RTOL_COMPLEX = 1e-9
RTOL_DIFFERENCES = 1e-6
_DIRECTIONS = 2
_NUDGES = 4


@dataclass(slots=True)
class Disagreement:
    """A wrong element of a gate's gradient; `problem` says it where there are no two numbers."""

    input: int
    index: tuple[int, ...] | None = None
    given: float | None = None
    numeric: float | None = None
    problem: str = ""
    method: str = "difference quotient"


@dataclass(slots=True)
class GateOutcome:
    """What came of checking a gate."""

    wrong: Disagreement | None = None
    compared: int = 0
    worst: float = 0.0
    not_sharp: list[int] = field(default_factory=list)


class GateCheck:
    """The rules of one gate at the values on its wires.

    Parameters
    ----------
    columns : Columns
        The rows, in float64.
    row : int
        The gate.
    active : bytearray
        Marks of the rows whose gradient is wanted.
    generator : numpy.random.Generator
        Of upstream gradients and directions.
    """

    def __init__(
        self, columns: Columns, row: int, active: Any, generator: np.random.Generator
    ) -> None:
        self.gate: Gate = columns.gates[row]
        self.sources = columns.inputs(row)
        self.settings = columns.settings_of(row)
        self.inputs = [columns.values[k] for k in self.sources]
        self.out = columns.values[row]
        self.generator = generator
        self.wanted = [
            index
            for index, k in enumerate(self.sources)
            if columns.gates[k] is not CONSTANT and active[k] and is_float(self.inputs[index])
        ]
        self.outcome = GateOutcome()

    def run(self) -> GateOutcome:
        """Compare every rule that the backward pass would use."""
        if not self.gate.has_gradient or not is_float(self.out) or not np.size(self.out):
            return self.outcome
        check = self._elementwise if self.gate.local is not None else self._structural
        for index in self.wanted:
            if not np.size(self.inputs[index]):
                continue
            check(index)
            if self.outcome.wrong is not None:
                break
        return self.outcome

    def _fail(self, which: int, /, **found: Any) -> None:
        self.outcome.wrong = Disagreement(which, **found)

    def _agreed(self, given: Any, slope: Slope, rtol: float) -> None:
        self.outcome.compared += 1
        size = np.maximum(np.abs(given), np.abs(slope.value)) + slope.error / rtol
        error = np.abs(given - slope.value) / np.where(size > 0, size, 1.0)
        self.outcome.worst = max(self.outcome.worst, float(np.max(error, initial=0.0)))

    # ------------------------------------------------------------------ elementwise

    def _elementwise(self, index: int) -> None:
        gate, inputs, settings = self.gate, self.inputs, self.settings
        out = np.asarray(self.out, float)
        assert gate.local is not None
        try:
            try:
                local = gate.local[index](self.out, *inputs, **settings)
            except ArithmeticError:  # of Python floats: NumPy's say inf or NaN
                arrays = [np.float64(v) if type(v) is float else v for v in (self.out, *inputs)]
                local = gate.local[index](*arrays, **settings)
            given = np.broadcast_to(np.asarray(local, float), out.shape)
        except Exception as error:  # a wrong rule may raise anything
            self._fail(index, problem=f"raises {type(error).__name__}: {error}")
            return
        x = np.asarray(inputs[index], float)
        scale = scale_of(x)
        span = np.broadcast_to(scale, out.shape)

        def moved(t: Any) -> list[Any]:
            return [x + t * scale if k == index else v for k, v in enumerate(inputs)]

        good = np.isfinite(out)
        for value in inputs:
            good = good & np.isfinite(value)
        slope = Slope(np.full(out.shape, np.nan), np.full(out.shape, np.inf))
        if gate.analytic:
            with contextlib.suppress(TypeError):  # no complex loop for this ufunc
                slope = complex_slope(lambda t: forward_complex(gate, moved(t), settings), out)
        by_complex = np.isfinite(slope.value)
        here = self._side(inputs)
        noise = EPSILON * (2.0 * np.abs(out) + np.abs(np.where(np.isfinite(given), given * x, 0.0)))

        def within(t: float) -> Any:
            arguments = moved(t)
            values = np.array(gate.forward(*arguments, **settings), float)
            if here is not None:
                other = self._side(arguments) != here
                while other.ndim > out.ndim:
                    other = other.any(axis=0)
                values = np.where(np.broadcast_to(other, out.shape), np.nan, values)
            return values

        if not np.all(by_complex | ~good):
            coarser = np.clip(-np.log2(span) / 2.0, 0, 64)
            other = central_slope(within, noise, target=1e-8, coarser=coarser)
            slope = Slope(
                np.where(by_complex, slope.value, other.value),
                np.where(by_complex, slope.error, other.error),
            )
        slope = Slope(slope.value / span, slope.error / span)
        rtol = np.where(by_complex, RTOL_COMPLEX, RTOL_DIFFERENCES)
        # The complex step of one gate is as exact as the gate: (1 - s) s at 40 is 0, and is wrong.
        floor = np.where(by_complex, UNDERFLOW, 16.0 * EPSILON * np.abs(out) / span)
        known = good & np.isfinite(slope.value)
        size = np.maximum(np.abs(np.where(np.isfinite(given), given, 0.0)), np.abs(slope.value))
        sharp = known & (3.0 * slope.error <= 0.05 * size + floor)
        right = known & agrees(given, slope, rtol, floor)
        wrong = (known & np.isfinite(given) & ~right) | (sharp & ~np.isfinite(given))
        at_kink = good & ~known & np.isfinite(given) & (here is not None)
        if np.any(at_kink):
            wrong |= at_kink & self._not_between(moved, given * span, out, noise)
        blunt = good & ~at_kink & ~sharp & ~(right & (given == 0)) & ~wrong
        if np.any(blunt):
            self.outcome.not_sharp.append(index)
        if np.any(wrong):
            spot = tuple(int(k) for k in np.argwhere(wrong)[0])
            self._fail(
                index,
                index=_within(spot, np.shape(x)),
                given=float(given[spot]),
                numeric=float(np.broadcast_to(slope.value, out.shape)[spot]),
                method="complex step" if by_complex[spot] else "difference quotient",
            )
        elif np.any(right):
            self._agreed(given[right], Slope(slope.value[right], slope.error[right]), 1e-6)
        elif np.any(at_kink):
            self.outcome.compared += 1

    def _side(self, inputs: list[Any]) -> Any:
        if self.gate.kink is None:
            return None
        return np.sign(np.asarray(self.gate.kink(*inputs, **self.settings), float))

    def _not_between(
        self, moved: Callable[[Any], list[Any]], given: Any, out: Any, noise: Any
    ) -> Any:
        """Return where a slope at a kink lies outside those of the two sides."""

        def values(t: float) -> Any:
            return self.gate.forward(*moved(t), **self.settings)

        left, right = (one_sided_slope(values, out, noise, side, target=1e-8) for side in (-1, 1))
        size = np.maximum(np.abs(left.value), np.abs(right.value))
        # Where the value itself jumps, no slope can be had: sign at 0.
        had = np.maximum(left.error, right.error) <= 1e-4 * size + noise
        return had & ~lies_between(given, left, right, RTOL_DIFFERENCES)

    # ------------------------------------------------------------------ structural

    def _structural(self, index: int) -> None:
        """Check at the values on the wires; where a kink or an infinity is there, beside it."""
        inputs, out = self.inputs, self.out
        for attempt in range(_NUDGES):
            if attempt:
                inputs = [self._nudged(v) if is_float(v) else v for v in inputs]
                out = self.gate.forward(*inputs, **self.settings)
            finite = all(np.all(np.isfinite(v)) for v in (out, *inputs))
            if finite and self._structural_at(index, inputs, out):
                return
        self.outcome.not_sharp.append(index)

    def _nudged(self, value: Any) -> Any:
        """Return other values nearby: a rule must be right there too."""
        x = np.asarray(value, float)
        x = np.where(np.isfinite(x), x, self.generator.standard_normal(x.shape))
        size = np.maximum(np.abs(x), 1e-3 * np.max(np.abs(x), initial=0.0))
        size = np.where(size > 0, size, 1.0)
        return x + 1e-2 * size * self.generator.uniform(0.2, 1.0, x.shape)

    def _structural_at(self, index: int, inputs: list[Any], out: Any) -> bool:
        """Compare along random directions; return False where no number could be had."""
        gate, settings = self.gate, self.settings
        x = np.asarray(inputs[index], float)
        g = np.asarray(self.generator.standard_normal(np.shape(out)))[()]
        upstream: Any = float(g) if type(out) is float else g
        try:
            _, rule = gate.rule(index)
            part = rule(upstream, out, *inputs, **settings)
        except Exception as error:  # a wrong rule may raise anything
            self._fail(index, problem=f"raises {type(error).__name__}: {error}")
            return True
        if part is None:
            part = np.zeros(x.shape)
        if np.shape(part) != x.shape:
            self._fail(index, problem=f"has shape {np.shape(part)}, not {x.shape}")
            return True
        part = np.asarray(part, float)
        if not np.all(np.isfinite(part)):
            return False
        noise = 4.0 * EPSILON * (np.linalg.norm(g * out) + np.linalg.norm(part * x))
        here = self._side(inputs)
        used = ""

        def slope_along(step: Any) -> Slope:
            nonlocal used

            def moved(t: Any) -> list[Any]:
                return [x + t * step if k == index else v for k, v in enumerate(inputs)]

            def number(t: float) -> Any:
                arguments = moved(t)
                if here is not None and not np.array_equal(self._side(arguments), here):
                    return None
                return np.sum(g * gate.forward(*arguments, **settings))

            if gate.analytic:
                try:
                    found = complex_slope(
                        lambda t: np.sum(g * forward_complex(gate, moved(t), settings)),
                        np.sum(g * out),
                    )
                except TypeError:
                    found = Slope(np.nan, np.inf)
                if np.isfinite(found.value):
                    used = "complex step"
                    return found
            used = "difference quotient"
            return central_slope(number, noise, target=1e-8)

        def compare(step: Any) -> tuple[bool, float, Slope]:
            slope = slope_along(step)
            given = float(np.sum(part * step))
            rtol = RTOL_COMPLEX if used == "complex step" else RTOL_DIFFERENCES
            right = bool(agrees(given, slope, rtol, 4.0 * noise))
            return right or not np.isfinite(slope.value), given, slope

        typical = float(np.max(np.abs(x), initial=0.0)) or 1.0
        scale = scale_of(x, typical)
        for _ in range(_DIRECTIONS):
            signs = self.generator.choice([-1.0, 1.0], x.shape)
            step = scale * signs * self.generator.uniform(0.5, 1.0, x.shape)
            right, given, slope = compare(step)
            if not np.isfinite(slope.value):
                return False
            if not right:

                def is_wrong(keep: Any, step: Any = step) -> bool:
                    return not compare(_only(step, keep))[0]

                spot = first_wrong(x.size, is_wrong)
                if spot is None:
                    self._fail(index, given=given, numeric=float(slope.value), method=used)
                    return True
                unit = _only(scale, np.array([spot]))
                _, given, slope = compare(unit)
                size = float(scale.flat[spot]) if x.ndim else float(scale)
                place = tuple(int(k) for k in np.unravel_index(spot, x.shape)) if x.ndim else None
                self._fail(
                    index,
                    index=place,
                    given=given / size,
                    numeric=float(slope.value) / size,
                    method=used,
                )
                return True
            self._agreed(given, slope, 1e-6)
        return True


def _within(spot: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the input's element that was broadcast to this element of the output."""
    if not shape:
        return None
    own = spot[len(spot) - len(shape) :]
    return tuple(k if n > 1 else 0 for k, n in zip(own, shape, strict=True))


def _only(step: Any, keep: Any) -> Any:
    """Return a direction restricted to these elements, counted flat."""
    found = np.zeros(np.shape(step))
    found.flat[keep] = np.asarray(step).flat[keep]
    return found


def first_wrong(size: int, wrong: Callable[[Any], bool]) -> int | None:
    """Return an element that is wrong by itself, by halving; None where there is none.

    Parameters
    ----------
    size : int
        The number of elements; all of them together are wrong.
    wrong : callable
        Whether the elements of an index array are wrong together.
    """
    keep = np.arange(size)
    while keep.size > 1:
        first, rest = np.split(keep, [keep.size // 2])
        keep = first if wrong(first) else rest
    if wrong(keep):
        return int(keep[0])
    few = range(min(size, 256))
    return next((k for k in few if wrong(np.array([k]))), None)
