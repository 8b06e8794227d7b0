"""The table reading: a line for each wire, what `print(circuit)` and `chainrule show` print.

Plain text, at most 100 columns wide. `rows` gives the same as data, for `--json`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from . import expressions, rules
from .notation import DZ, Notation
from .numbers import exact, is_number, norm, plain, shape, shortened, statistic

WIDTH = 100
_NARROWEST = (6, 8, 12, 12, 4)  # columns are not shortened beyond this
_MOST_NAMES = 8  # inputs of one gate that are named one by one


def table(
    circuit: Circuit, gradients: Sequence[Any], *, most: int = 200, notation: Notation = DZ
) -> str:
    """Return a circuit as a table: wire, gate, value, gradient, line.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    most : int
        How many wires are shown at most; those in the middle are left out.
    notation : Notation
        What stands over the gradients.

    Returns
    -------
    str
        Plain text, at most 100 columns wide.
    """
    shown, skipped = _shown(circuit, most)
    files = {circuit.site_of(row).file for row in shown if circuit.site_of(row).line}
    values = _aligned([_cell(circuit.columns.values[row], is_gradient=False) for row in shown])
    slopes = _aligned([_cell(gradients[row], is_gradient=True) for row in shown])
    cells = [
        (
            circuit.names[row],
            _expression(circuit, row),
            value,
            gradient,
            _place(circuit, row, with_file=len(files) > 1),
        )
        for row, value, gradient in zip(shown, values, slopes, strict=True)
    ]
    used = 5 if any(cell[4] for cell in cells) else 4  # a formula has no lines
    output = circuit.names[circuit.outputs[0]] if circuit.outputs else "f"
    headings = ("wire", "gate", "value", notation.heading_for(output), "line")
    widths = _widths([headings, *cells], used)
    lines = [
        _title(circuit),
        "",
        _line(headings, widths),
        _line(["-" * w for w in widths], widths),
    ]
    lines += [_line(cell, widths) for cell in cells]
    if skipped:
        more = f"... and {skipped} more wire{'s' * (skipped != 1)}"
        lines.insert(4 + (len(cells) + 1) // 2, more)
    return "\n".join(lines)


def rows(
    circuit: Circuit, gradients: Sequence[Any], *, most: int | None = None
) -> list[dict[str, Any]]:
    """Return the wires as data that `json.dumps` takes.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    most : int, optional
        How many wires at most, from both ends; all by default.

    Returns
    -------
    list of dict
        With the keys name, gate, expression, inputs, value, gradient, line, file. NaN and
        infinities are the strings "nan", "inf" and "-inf". An array is a dict with its shape,
        dtype, min, max and norm.
    """
    shown, _ = _shown(circuit, len(circuit) if most is None else most)
    found = []
    for row in shown:
        site = circuit.site_of(row)
        found.append(
            {
                "name": circuit.names[row],
                "gate": circuit.columns.gates[row].name,
                "expression": _expression(circuit, row),
                "inputs": [_called(circuit, k) for k in circuit.columns.inputs(row)],
                "value": _as_data(circuit.columns.values[row]),
                "gradient": _as_data(gradients[row]),
                "line": site.line or None,
                "file": plain(site.file) or None,
            }
        )
    return found


def _shown(circuit: Circuit, most: int) -> tuple[list[int], int]:
    """Return the rows to show, from both ends, and how many are left out."""
    gates = circuit.columns.gates
    wires = [row for row in range(len(circuit)) if gates[row] is not CONSTANT]
    skipped = max(len(wires) - most, 0)
    if not skipped:
        return wires, 0
    front = (most + 1) // 2
    return wires[:front] + wires[front + skipped :], skipped


def _title(circuit: Circuit) -> str:
    values = [circuit.columns.values[row] for row in circuit.outputs]
    named = [
        f"{shortened(circuit.names[row], 20)} = "
        + (exact(value) if is_number(value) else f"{value.dtype}{shape(value)}")
        if circuit.columns.gates[row] is not CONSTANT
        else exact(value)
        if is_number(value)
        else f"{value.dtype}{shape(value)}"
        for row, value in zip(circuit.outputs, values, strict=True)
    ]
    return shortened(f"{plain(repr(circuit))}: {', '.join(named)}", WIDTH)


# ---------------------------------------------------------------------- cells


def _called(circuit: Circuit, row: int) -> str:
    value = circuit.columns.values[row]
    if circuit.columns.gates[row] is not CONSTANT:
        return circuit.names[row]
    return exact(value) if is_number(value) else f"{value.dtype}{shape(value)}"


def _expression(circuit: Circuit, row: int) -> str:
    """Return a gate over the names of its inputs: q as x + y."""
    columns = circuit.columns
    gate, inputs = columns.gates[row], columns.inputs(row)
    if gate is INPUT:
        return "input"
    trees: list[ast.expr | None] = []
    for k in inputs:
        named = columns.gates[k] is not CONSTANT or not is_number(columns.values[k])
        trees.append(
            expressions.name(circuit.names[k]) if named else rules.literal(columns.values[k])
        )
    scalar = all(type(columns.values[k]) in (float, int, bool) for k in (row, *inputs))
    tree = None
    if len(inputs) <= _MOST_NAMES:
        tree = rules.written_out(gate, columns.settings_of(row), trees, scalar=scalar)
    if tree is not None:
        return plain(rules.spoken(tree))
    names = [_called(circuit, k) for k in inputs[:_MOST_NAMES]]
    rest = ", ..." if len(inputs) > _MOST_NAMES else ""
    return f"{gate.name}({', '.join(names)}{rest})"


def _cell(value: Any, *, is_gradient: bool) -> str:
    if value is None:
        return "none"
    if is_number(value):
        return exact(value)
    said = f"norm {norm(value)}" if is_gradient else statistic(value)
    return f"{np.asarray(value).dtype}{shape(value)} {said}"


def _aligned(cells: list[str]) -> list[str]:
    """Put the decimal points of the numbers under each other."""
    heads = {cell: _head(cell) for cell in cells}
    left = max((head for head in heads.values() if head is not None), default=0)
    return [
        cell if heads[cell] is None else " " * (left - int(heads[cell] or 0)) + cell
        for cell in cells
    ]


def _head(cell: str) -> int | None:
    """Return how many characters stand before the decimal point; None for no number."""
    try:
        float(cell)
    except ValueError:
        return None
    for position, character in enumerate(cell):
        if character in ".e":
            return position
    return len(cell)


def _place(circuit: Circuit, row: int, *, with_file: bool) -> str:
    site = circuit.site_of(row)
    if not site.line:
        return ""
    return plain(str(site), 24) if with_file else str(site.line)


# ---------------------------------------------------------------------- layout


def _widths(lines: Sequence[Sequence[str]], used: int) -> list[int]:
    """Return the width of each column, the widest cut down until a line fits."""
    widths = [max(len(line[k]) for line in lines) for k in range(used)]
    while sum(widths) + 2 * (used - 1) > WIDTH:
        room = [width - _NARROWEST[k] for k, width in enumerate(widths)]
        widest = max(range(used), key=lambda k: room[k])
        if room[widest] <= 0:
            break
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = [
        shortened(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=False)
    ]
    return "  ".join(parts).rstrip()


def _as_data(value: Any) -> Any:
    if value is None:
        return None
    if not is_number(value):
        array = np.asarray(value)
        said = {"shape": list(array.shape), "dtype": array.dtype.name}
        if array.size:
            low, high = np.min(array), np.max(array)
            with np.errstate(all="ignore"):
                length = float(np.linalg.norm(np.asarray(array, float).ravel()))
            said |= {"min": _as_data(low), "max": _as_data(high), "norm": _as_data(length)}
        return said
    plain_value = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(plain_value, float) and not math.isfinite(plain_value):
        return str(plain_value)
    return plain_value
