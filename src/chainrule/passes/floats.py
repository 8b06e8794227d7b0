"""The chain rule on gates of plain floats: what `backward` does there, several times faster.

Define by run and traced scalar programs are long runs of gates on Python floats. There the
questions that `backward` asks at each row (shapes, dtypes, masks, callbacks) have one answer, and
asking them costs more than the work. The two inputs are written out one after the other, because
a loop over them costs a quarter of the pass. Tests hold this to `backward`, row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, INPUT, Columns
from ..gates.gate import Gate, Rule


def _one(*_: Any) -> int:
    """Stand for every rule that says 1 whatever its inputs are."""
    return 1


def as_numpy(rule: Rule, *values: Any, **settings: Any) -> Any:
    """Return a slope where Python's floats raise and NumPy's give inf or nan: 0.5 / 0.0."""
    with np.errstate(all="ignore"):
        slope = rule(*(np.float64(v) if type(v) is float else v for v in values), **settings)
    return slope if type(slope) is int else float(slope)


_RULES: dict[Gate, tuple[Rule, ...]] = {}


def _rules_of(gate: Gate) -> tuple[Rule, ...]:
    """Return the local gradients of a gate with one or two inputs; none if it is not for here.

    A gate that selects is left to `backward`, which watches the zeros that come out of it.
    """
    if gate.local is None or gate.selects or len(gate.local) > 2:
        return ()
    rules = []
    for rule in gate.local:
        try:
            slope = rule(*(object(),) * (1 + len(gate.local)))  # whatever needs no input is known
        except Exception:
            slope = None
        rules.append(_one if type(slope) is int and slope == 1 else rule)
    return tuple(rules)


def sweep_floats(
    columns: Columns,
    gradients: list[Any],
    row: int,
    lowest: int,
    active: bytearray | None,
    reached: list[int],
    stopped: list[int],
) -> tuple[int, int]:
    """Go down from a row for as long as gates and gradients are those of floats.

    Parameters
    ----------
    columns, gradients, active
        As in `backward.sweep`.
    row : int
        Where to start; its gradient is a float.
    lowest : int
        The lowest gate row reached so far.
    reached : list of int
        Gets the input rows that are reached.
    stopped : list of int
        Gets the rows to which a gate handed nothing on.

    Returns
    -------
    row : int
        The first row that was not handled.
    lowest : int
        The lowest gate row reached now.
    """
    gates, left, right = columns.gates, columns.left, columns.right
    values, settings = columns.values, columns.settings
    row += 1
    while row > lowest:
        row -= 1
        upstream = gradients[row]
        if upstream is None:
            continue
        first = left[row]
        if first < 0:
            continue
        if type(upstream) is not float:
            return row, lowest
        gate = gates[row]
        rules = _RULES.get(gate)
        if rules is None:
            rules = _RULES[gate] = _rules_of(gate)
        if not rules or row in settings:
            return row, lowest
        x = values[first]
        maker = gates[first]
        if type(x) is not float and maker is not CONSTANT:
            return row, lowest
        second = right[row]
        if second >= 0:
            y = values[second]
            if type(y) is not float and gates[second] is not CONSTANT:
                return row, lowest

        if maker is not CONSTANT and (active is None or active[first]):
            rule = rules[0]
            part: float | None
            if rule is _one:
                part = upstream
            else:
                try:
                    slope = rule(values[row], x) if second < 0 else rule(values[row], x, y)
                    if type(slope) is complex:  # (-1.0) ** 1.5: NumPy says nan
                        raise ArithmeticError
                except ArithmeticError:
                    slope = as_numpy(rule, values[row], *((x,) if second < 0 else (x, y)))
                part = upstream * slope if type(slope) is float else _scaled(upstream, slope)
            if part is not None:
                known = gradients[first]
                if known is not None:
                    gradients[first] = known + part
                else:
                    gradients[first] = part
                    if maker is INPUT:
                        reached.append(first)
                    elif first < lowest:
                        lowest = first
            else:
                stopped.append(first)
        if second < 0:
            continue

        maker = gates[second]
        if maker is not CONSTANT and (active is None or active[second]):
            rule = rules[1]
            if rule is _one:
                part = upstream
            else:
                try:
                    slope = rule(values[row], x, y)
                    if type(slope) is complex:  # (-1.0) ** 1.5: NumPy says nan
                        raise ArithmeticError
                except ArithmeticError:
                    slope = as_numpy(rule, values[row], x, y)
                part = upstream * slope if type(slope) is float else _scaled(upstream, slope)
            if part is not None:
                known = gradients[second]
                if known is not None:
                    gradients[second] = known + part
                else:
                    gradients[second] = part
                    if maker is INPUT:
                        reached.append(second)
                    elif second < lowest:
                        lowest = second
            else:
                stopped.append(second)
    return row - 1, lowest


def _scaled(upstream: float, slope: Any) -> float | None:
    """Return slope times upstream for a slope that is no float: 1, -1, 0, or a NumPy number."""
    if type(slope) is int and slope == 0:
        return None  # not upstream * 0: nothing flows, not even a NaN
    return float(upstream * slope)
