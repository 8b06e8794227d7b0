"""The chain rule, written once.

Walk the rows backward. Multiply the upstream gradient by the local gradient (or hand it to the
gate's vjp), add where a wire forks, sum over broadcast axes, cast to the wire's dtype. With plain
values this computes; with traced values it draws the backward pass as gates.

Source: reverse accumulation, Griewank and Walther, "Evaluating Derivatives", 2nd ed., ch. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, INPUT, Columns
from ..errors import MissingRuleError
from ..gates import GATES, Gate
from ..gates.rules import shape_of
from .floats import as_numpy, sweep_floats

_SLOPE_IF_REACHED = GATES["slope_if_reached"]
_NUMBERS = (float, int)


def is_float(value: Any) -> bool:
    """Return whether a value can have a gradient: floats do, integers and booleans do not."""
    kind = getattr(value, "dtype", None)
    return kind.kind == "f" if kind is not None else type(value) is float


def fit(gradient: Any, value: Any) -> Any:
    """Return the gradient in the shape and dtype of the value it belongs to.

    Sums over the axes along which the value was broadcast.

    Examples
    --------
    >>> fit(np.ones((4, 3)), np.zeros((3,)))
    array([4., 4., 4.])
    >>> fit(np.ones((4, 3)), 2.0)
    12.0
    """
    shape = shape_of(value)
    if shape_of(gradient) != shape:
        gradient = _unbroadcast(gradient, shape_of(gradient), shape)
    is_python = type(getattr(value, "_value", value)) in _NUMBERS
    if is_python:
        plain = type(getattr(gradient, "_value", gradient)) is float
        return gradient if plain else GATES["item"](gradient)
    dtype = value.dtype
    own = getattr(gradient, "_value", gradient)
    # The value's own: a traced float says float64 itself, and None == float64 is true in NumPy.
    if hasattr(own, "dtype") and own.dtype == dtype:
        return gradient
    if own is gradient:
        return np.asarray(gradient, dtype)[()]
    return GATES["astype"](gradient, dtype=dtype.name)


def _unbroadcast(gradient: Any, have: tuple[int, ...], want: tuple[int, ...]) -> Any:
    extra = len(have) - len(want)
    if extra > 0:
        lead = None if not want else 0 if extra == 1 else tuple(range(extra))
        gradient = np.sum(gradient, axis=lead)
        have = have[extra:] if want else ()
    stretched = tuple(
        k for k, (n, m) in enumerate(zip(have, want, strict=False)) if m == 1 and n != 1
    )
    if stretched:
        axis = stretched[0] if len(stretched) == 1 else stretched
        gradient = np.sum(gradient, axis=axis, keepdims=True)
    if shape_of(gradient) != want:
        # A slope that is a plain number against a larger output: the same for every element.
        gradient = np.broadcast_to(gradient, want)
    return gradient


def _is_finite(value: Any) -> bool:
    plain = getattr(value, "_value", value)
    return bool(np.isfinite(plain).all())


def scale(upstream: Any, slope: Any) -> Any:
    """Return slope times upstream; the exact slopes 1, -1 and the seed 1.0 cost nothing."""
    if type(slope) is int:
        if slope == 1:
            return upstream
        if slope == -1:
            return -upstream
        if slope == 0:
            return None
    if type(upstream) is float and upstream == 1.0 and not shape_of(slope):
        return slope * 1.0 if type(slope) is int else slope
    return slope * upstream


def backward(
    columns: Columns,
    seeds: Sequence[tuple[int, Any]],
    *,
    active: bytearray | None = None,
    lift: Callable[[int], Any] | None = None,
    on_row: Callable[[int], None] | None = None,
    on_sum: Callable[[int, Any, Any], Any] | None = None,
    keep: bool = True,
) -> list[Any]:
    """Run the backward pass and return the gradient of each row, None where there is none.

    Parameters
    ----------
    columns : Columns
        The recorded gates and their values.
    seeds : sequence of (int, gradient)
        Rows where the pass starts, each with its upstream gradient in the row's shape.
    active : bytearray, optional
        1 for the rows on the way to what is wanted; all but constants by default.
    lift : callable, optional
        `lift(row)` gives the value the rules see; the recorded value by default. A drawing pass
        gives traced values for wires and plain ones for constants.
    on_row : callable, optional
        Called with each row before its rules are asked (drawing notes whom its gates answer).
    on_sum : callable, optional
        Called with (row, contribution, sum so far) for each contribution, in order; gives the sum
        to go on with.
    keep : bool
        Whether gradients of gates stay in the result after they were handed on.

    Returns
    -------
    list
        One entry a row up to the last seed.

    Raises
    ------
    MissingRuleError
        If the gradient reaches a gate that has none, by a float input.
    """
    gradients: list[Any] = [None] * (max(row for row, _ in seeds) + 1)
    sweep(
        columns, seeds, gradients, active=active, lift=lift, on_row=on_row, on_sum=on_sum, keep=keep
    )
    return gradients


def sweep(
    columns: Columns,
    seeds: Sequence[tuple[int, Any]],
    gradients: list[Any],
    *,
    active: bytearray | None = None,
    lift: Callable[[int], Any] | None = None,
    on_row: Callable[[int], None] | None = None,
    on_sum: Callable[[int, Any, Any], Any] | None = None,
    keep: bool = True,
) -> tuple[int, list[int], list[int]]:
    """Run the backward pass into a list that is there already.

    Parameters
    ----------
    columns, seeds, active, lift, on_row, on_sum, keep
        As in `backward`.
    gradients : list
        Gets the gradients; None at every row up to the last seed. Define by run keeps one for all
        its passes: a new one of the length of the tape would cost more than a small pass.

    Returns
    -------
    lowest : int
        No gate's row below this one was reached.
    reached : list of int
        The input rows that were reached.
    stopped : list of int
        The rows to which a gate handed nothing on: a slope of 0, or an integer.
    """
    gates, left, right = columns.gates, columns.left, columns.right
    values, more, settings_at = columns.values, columns.more, columns.settings
    value_of: Callable[[int], Any] = values.__getitem__ if lift is None else lift
    computes = lift is None and on_row is None and on_sum is None and keep
    last = max(row for row, _ in seeds)
    reached: list[int] = []
    stopped: list[int] = []
    # Marks of rows whose upstream gradient may hold exact zeros of branches that were not taken.
    masked: bytearray | None = None
    for row, seed in seeds:
        if gates[row] is INPUT and gradients[row] is None:
            reached.append(row)
        gradients[row] = seed if gradients[row] is None else gradients[row] + seed
        if on_sum is not None:
            gradients[row] = on_sum(row, seed, gradients[row])
    lowest = min(row for row, _ in seeds)
    row = last + 1
    while row > lowest:
        row -= 1
        upstream = gradients[row]
        if upstream is None:
            continue
        first = left[row]
        if first < 0:
            continue
        if computes and masked is None and type(upstream) is float:
            left_at, lowest = sweep_floats(
                columns, gradients, row, lowest, active, reached, stopped
            )
            if left_at < row:
                row = left_at + 1
                continue
        gate = gates[row]
        second = right[row]
        inputs: tuple[int, ...]
        if second < 0:
            inputs = (first,)
        elif more and row in more:
            inputs = more[row]
        else:
            inputs = (first, second)
        if gate.selects or (masked is not None and masked[row]):
            if masked is None:
                masked = bytearray(last + 1)
            for source in inputs:
                masked[source] = 1
        if on_row is not None:
            on_row(row)
        settings = settings_at.get(row) if settings_at else None
        out = value_of(row)
        arguments = [value_of(k) for k in inputs]
        local = gate.local
        for index, source in enumerate(inputs):
            maker = gates[source]
            if maker is CONSTANT or (active is not None and not active[source]):
                continue
            value = values[source]
            plain = type(value) is float
            if not plain and not is_float(value):
                stopped.append(source)
                continue
            if local is not None:
                rule = local[index]
                try:
                    slope = rule(out, *arguments, **(settings or {}))
                    if type(slope) is complex:  # (-1.0) ** 1.5: NumPy says nan
                        raise ArithmeticError
                except ArithmeticError:
                    slope = as_numpy(rule, out, *arguments, **(settings or {}))
                above = upstream
                if type(slope) is not int:
                    # Nothing times infinity: a branch not taken hands on nothing, whatever the
                    # slope behind it. A drawing serves other points too, where it may be infinite.
                    if (
                        masked is not None
                        and masked[row]
                        and ((lift is not None and gate.steep) or not _is_finite(slope))
                    ):
                        slope = _SLOPE_IF_REACHED(slope, upstream)
                    if gate.selects and not _is_finite(upstream):
                        above = _SLOPE_IF_REACHED(upstream, slope)
                part = scale(above, slope)
                if part is None:
                    stopped.append(source)
                    continue
            else:
                _, rule = _rule(gate, index, columns, row)
                part = rule(upstream, out, *arguments, **(settings or {}))
                if part is None:
                    stopped.append(source)
                    continue
            if not plain or type(part) is not float:
                part = fit(part, arguments[index])
            known = gradients[source]
            total = part if known is None else known + part
            gradients[source] = total if on_sum is None else on_sum(source, part, total)
            if known is None:
                if maker is INPUT:
                    reached.append(source)
                elif source < lowest:
                    lowest = source
        if not keep:
            gradients[row] = None
    return lowest, reached, stopped


def _rule(gate: Gate, index: int, columns: Columns, row: int) -> tuple[bool, Any]:
    try:
        return gate.rule(index)
    except MissingRuleError as error:
        site = columns.site_of(row) if hasattr(columns, "site_of") else None
        where = f"{site}: " if site is not None and site.line else ""
        raise MissingRuleError(f"{where}{error}") from None
