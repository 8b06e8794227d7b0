"""Draw a gate: compute it, append its row, hand out the traced value that stands for the result.

Everything that a traced value can do ends here, but for operators on plain floats, which write the
same out in one frame (`operators.binary`).
"""

from __future__ import annotations

import sys
from _thread import get_ident  # threading's, without the time of its lookup in every gate
from typing import Any, NoReturn

import numpy as np

from ..circuit.columns import NO_SETTINGS
from ..errors import MixedTraceError, ShapeError
from ..gates.gate import Gate
from . import indexing
from .sites import here
from .tape import Tape

_SHAPE_ERRORS: dict[type, type[Exception]] = {ValueError: ShapeError}


def is_wire(value: Any) -> bool:
    """Return whether a value is traced."""
    return hasattr(type(value), "__gate__")


def draw(tape: Tape, gate: Gate, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Compute a gate and record it on the tape of its traced inputs.

    Raises
    ------
    MixedTraceError
        If two inputs belong to different recordings, or the recording to another thread.
    """
    if tape.owner != get_ident():
        elsewhere(inputs)
    # Views first: to draw one again may renumber the rows, so none is asked for before.
    for value in inputs:
        if is_wire(value):
            if value._tape is not tape:
                mixed(tape, value)
            if value._lens is not None:
                indexing.refresh(value)
    rows = []
    for value in inputs:
        if is_wire(value):
            rows.append(value._row)
        else:
            if type(value) in (list, tuple):
                value = np.asarray(value)
            rows.append(tape.constant(value))
    arguments = [tape.values[row] for row in rows]
    try:
        result = gate.compute(arguments, settings)
    except (ValueError, TypeError, IndexError) as error:
        raise _explained(error, gate, inputs) from None
    wire = tape.emit(gate, tuple(rows), settings, result, sys._getframe(1))
    if type(result) is np.ndarray and (result.base is not None or result is arguments[0]):
        indexing.look(wire, gate, inputs, settings)
    return wire


def draw_one(wire: Any, gate: Gate) -> Any:
    """Do what `draw` does for a gate with one input, faster where that is a float."""
    tape = wire._tape
    left = wire._row
    x = tape.values[left]
    if type(x) is not float or gate.scalar is None:
        return draw(tape, gate, (wire,), NO_SETTINGS)
    if tape.owner != get_ident():
        elsewhere((wire,))
    try:
        value = gate.scalar(x)
    except (ArithmeticError, ValueError):
        value = gate.compute((x,), NO_SETTINGS)
    return tape.emit(gate, (left,), NO_SETTINGS, value, sys._getframe(1))


def _explained(error: Exception, gate: Gate, inputs: tuple[Any, ...]) -> Exception:
    """Return NumPy's error with the user's line and the shapes that met."""
    if str(error).startswith(here(2)) and here(2):
        return error
    shapes = " and ".join(str(np.shape(v._value if is_wire(v) else v)) for v in inputs)
    text = f"{here(2)}{gate.name} of {shapes}: {error}"
    hint = ""
    if gate.name == "matmul" and len(inputs) == 2:
        a, b = (np.shape(v._value if is_wire(v) else v) for v in inputs)
        if len(a) == len(b) == 2:
            text = f"{here(2)}matmul of {a} and {b}: inner sizes {a[1]} and {b[0]} differ."
            if a[0] == b[0]:
                hint = " Did you mean x.T @ y?"
            elif a[1] == b[1]:
                hint = " Did you mean x @ y.T?"
    kind: type[Exception] = _SHAPE_ERRORS.get(type(error), type(error))
    return kind(text + hint)


def mixed(tape: Tape, value: Any) -> NoReturn:
    """Raise the error for a value of another recording."""
    raise MixedTraceError(
        f"{here(2)}{value._described()} belongs to another recording than the values it met. "
        "A Variable or a traced value cannot be used inside another trace or another thread: "
        "pass it as an argument, or use its .value as a constant."
    )


def elsewhere(inputs: tuple[Any, ...]) -> NoReturn:
    """Raise the error for a value of another thread."""
    value = next(value for value in inputs if is_wire(value))
    raise MixedTraceError(
        f"{here(2)}{value._described()} was made in another thread, and two threads cannot record "
        "on one tape. Make a Variable of its .value in this thread."
    )
