"""Evaluate a formula on traced values and keep what it did as a circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.tree import is_name
from .formula import parse
from .formula_tree import weak
from .record import record
from .tape import Tape


def record_formula(text: str, values: Mapping[str, Any]) -> Circuit:
    """Trace a formula at a point.

    Parameters
    ----------
    text : str
        The formula; `tracing.formula` says what it may hold.
    values : mapping of str to float or array
        A value for each input; integers and lists become floats and float arrays.

    Raises
    ------
    FormulaError
        If the formula is refused, or its names and the values do not match.
    """
    formula = parse(text)
    points = {name: _as_floats(values[name]) for name in formula.inputs(values)}

    def call(tape: Tape, positional: list[Any], wires: dict[str, Any]) -> Any:
        def named(name: str, value: Any) -> None:
            if hasattr(value, "__gate__") and is_name(name):
                tape.names[value._row] = name

        tape.site = 0  # a formula has no lines
        return formula.evaluate(wires, named)

    return record(_evaluate, (), points, title="f", call=call)


def _evaluate(**wires: Any) -> Any:
    """Lend its signature to a formula; `call` does the work."""
    raise NotImplementedError


def _as_floats(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = np.asarray(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.astype(float) if value.dtype.kind in "iub" else value
    return weak(value)
