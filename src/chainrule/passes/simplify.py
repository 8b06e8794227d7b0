"""Simplify drawn rows: what was computed once is used again, and multiplying by one is nothing.

Only rows from `start` on are changed: the user's own forward pass stays as it was written. Nothing
here changes a result by more than the rounding of a product of two constants.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, INPUT
from ..gates import GATES
from ..tracing.tape import Tape

_PLAIN = (int, float)


def simplify(tape: Tape, start: int, keep: Container[int] = ()) -> list[int]:
    """Return for each row the row to use in its place, and rewrite the inputs of later rows.

    Parameters
    ----------
    tape : Tape
        Changed in place.
    start : int
        The first row that may be replaced.
    keep : container of int
        Rows that are never replaced.
    """
    same: list[int] = []
    seen: dict[Any, int] = {}
    row = 0
    while row < len(tape):  # rules below may add constants at the end
        same.append(row)
        gate = tape.gates[row]
        if gate is INPUT or gate is CONSTANT:
            row += 1
            continue
        inputs = tuple(same[k] for k in tape.inputs(row))
        _rewire(tape, row, inputs)
        if row >= start and row not in keep:
            known = _identity(tape, row, keep)
            if known is not None:
                same[row] = same[known]
                row += 1
                continue
        settings = tape.settings.get(row)
        key = (id(tape.gates[row]), tape.inputs(row), repr(settings) if settings else None)
        first = seen.setdefault(key, row)
        if row >= start and row not in keep:
            same[row] = first
        row += 1
    return same


def _rewire(tape: Tape, row: int, inputs: tuple[int, ...]) -> None:
    tape.left[row] = inputs[0]
    tape.right[row] = inputs[1] if len(inputs) > 1 else -1
    if len(inputs) > 2:
        tape.more[row] = inputs


def _plain(tape: Tape, row: int) -> float | int | None:
    """Return the number that a row always is, if it is one."""
    if tape.gates[row] is not CONSTANT:
        return None
    value = tape.values[row]
    return value if type(value) in _PLAIN else None


def _even(tape: Tape, row: int, result: Any, other: Any) -> Any:
    """Return the number that a constant array holds throughout, where it can stand for it.

    It can when the other operand alone gives the result its shape and dtype.
    """
    value = tape.values[row]
    is_array = isinstance(value, (np.ndarray, np.generic)) and np.size(value)
    if tape.gates[row] is not CONSTANT or not is_array:
        return None
    # Asked in this order: NumPy takes None, the dtype of a Python float, for float64.
    if not hasattr(other, "dtype") or other.dtype != result.dtype:
        return None
    if np.shape(other) != np.shape(result):
        return None
    first = np.asarray(value).flat[0]
    if first != first or not bool(np.all(value == first)):
        return None
    number = first.item()
    return int(number) if type(number) is bool else number


def _identity(tape: Tape, row: int, keep: Container[int]) -> int | None:
    """Return an earlier row with the same value; or rewrite this row in place and return None."""
    name = tape.gates[row].name
    if name == "positive":
        return tape.left[row]
    if name == "negative":
        (source,) = tape.inputs(row)
        return tape.left[source] if tape.gates[source].name == "negative" else None
    if name not in ("multiply", "divide"):
        return None
    result = tape.values[row]
    left, right = tape.inputs(row)
    if name == "multiply" and tape.gates[left].name == "slope_if_reached":
        slope, upstream = tape.inputs(left)
        if upstream == right:
            # Times an upstream gradient of 0 anything finite is 0: a plain choice says the same.
            tape.gates[left] = GATES["where"]
            _rewire(tape, left, (upstream, slope, tape.constant(0.0)))
    for side, other in ((left, right), (right, left)):
        if (name == "divide" and side == left) or side in keep:
            continue
        if tape.gates[side].name == "broadcast_to" and np.shape(tape.values[other]) == np.shape(
            result
        ):
            inner = tape.left[side]
            _rewire(tape, row, (inner, other) if side == left else (other, inner))
            return _identity(tape, row, keep)
        even = _even(tape, side, result, tape.values[other])
        if even is not None:
            constant = tape.constant(even)
            _rewire(tape, row, (constant, other) if side == left else (other, constant))
            return _identity(tape, row, keep)
        number = _plain(tape, side)
        if number is None:
            continue
        keeps = type(tape.values[other]) is type(result)  # 1.0 * an integer is not that integer
        if number == 1 and keeps:
            return other
        if name == "divide":
            continue
        if number == -1 and keeps:
            if tape.gates[other].name == "negative":
                return tape.left[other]
            if tape.gates[other].name != "divide":
                tape.gates[row] = GATES["negative"]
                _rewire(tape, row, (other,))
                return None
        if tape.gates[other].name == "divide":
            above, below = tape.left[other], tape.right[other]
            factor = None if above in keep else _plain(tape, above)
            if factor is not None:
                tape.gates[row] = tape.gates[other]
                _rewire(tape, row, (tape.constant(number * factor), below))
                return None
        if tape.gates[other].name == "multiply":
            for inner, rest in (
                (tape.left[other], tape.right[other]),
                (tape.right[other], tape.left[other]),
            ):
                factor = None if inner in keep else _plain(tape, inner)
                if factor is not None:
                    product = tape.constant(number * factor)
                    _rewire(tape, row, (product, rest))
                    return _identity(tape, row, keep)
    return None
