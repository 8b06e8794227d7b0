"""The rows of a circuit of plain floats as NumPy arrays, for passes over a million of them.

Every number that is not a constant has a cell: the inputs first, then the needed rows in forward
order. What a row does (its gate, its settings, its guards, which of its operands are constants) is
one small integer, its code; where its operands lie are three more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...circuit.columns import CONSTANT, INPUT, Columns
from ...gates.gate import Gate
from .nodes import NotLowered
from .number_gates import plain_number
from .scalars import Guards

Integers = NDArray[np.int64]
OPERANDS = 3
"""No gate of plain numbers has more inputs than `where` and `clip`."""
NONE = -1
"""The source of an operand that a gate does not have; constant k is -2 - k."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What rows of one code do.

    Parameters
    ----------
    gate : Gate
        The gate.
    settings : dict
        Its keyword settings.
    seen : tuple
        What Python saw where it branched on the result; empty where it did not.
    """

    gate: Gate
    settings: dict[str, Any]
    seen: tuple[bool | int, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """The needed rows of a circuit, inputs first.

    Parameters
    ----------
    codes : ndarray of int64, shape (cells,)
        What makes each cell; 0 for inputs.
    sources : ndarray of int64, shape (3, cells)
        The cell of each operand; -1 where there is none, -2 - k for constant k.
    numbers : ndarray of float64
        The constants.
    operations : list of Operation or None
        What each code does; rows of one code have constants at the same operands.
    inputs : int
        How many cells are inputs.
    outputs : ndarray of int64
        The source of each output: a cell or a constant.
    checks : list of (int, tuple)
        Sources of guarded rows that no gate made, and what Python saw.
    """

    codes: Integers
    sources: Integers
    numbers: NDArray[np.float64]
    operations: list[Operation | None]
    inputs: int
    outputs: Integers
    checks: list[tuple[int, tuple[bool | int, ...]]]

    def __len__(self) -> int:
        return len(self.codes)


def flatten(
    columns: Columns, inputs: Sequence[int], outputs: Sequence[int], guards: Guards
) -> Flat:
    """Return the rows on which outputs and guards depend.

    Raises
    ------
    NotLowered
        If a constant is no plain number, or a gate has more than three inputs.
    """
    watched: dict[int, tuple[bool | int, ...]] = {}
    for row, seen in guards:
        known = watched.get(row, ())
        if not any(type(seen) is type(other) and seen == other for other in known):
            watched[row] = (*known, seen)
    needed = columns.needed_for([*outputs, *watched])
    rows = np.flatnonzero(np.frombuffer(needed, np.uint8))
    gates = columns.gates
    kinds: dict[Gate, int] = {INPUT: 0, CONSTANT: 1}
    all_kinds = np.fromiter(
        (kinds.setdefault(gate, len(kinds)) for gate in gates), np.int64, len(gates)
    )
    made = all_kinds[rows] > 1
    constants = rows[all_kinds[rows] == 1]
    rows = rows[made]
    source_of = np.full(len(gates) + 1, NONE)  # the last one for operands that are not there
    source_of[constants] = -2 - np.arange(len(constants))
    source_of[np.asarray(inputs, np.int64)] = np.arange(len(inputs))
    source_of[rows] = len(inputs) + np.arange(len(rows))
    numbers = np.array([plain_number(columns.values[k]) for k in constants.tolist()], np.float64)

    sources = np.full((OPERANDS, len(inputs) + len(rows)), NONE)
    # Copies: an array whose memory is looked at cannot grow.
    sources[0, len(inputs) :] = source_of[np.array(columns.left)[rows]]
    sources[1, len(inputs) :] = source_of[np.array(columns.right)[rows]]
    for row, several in columns.more.items():
        if needed[row]:
            if len(several) > OPERANDS:
                raise NotLowered(f"{gates[row].name} of {len(several)} numbers")
            sources[2, source_of[row]] = source_of[several[2]]

    codes, operations = _codes(columns, watched, rows, all_kinds, source_of, sources, list(kinds))
    checks = [
        (int(source_of[row]), seen)
        for row, seen in watched.items()
        if gates[row] is INPUT or gates[row] is CONSTANT
    ]
    return Flat(
        codes,
        sources,
        numbers,
        operations,
        len(inputs),
        source_of[np.asarray(outputs, np.int64)],
        checks,
    )


def _codes(
    columns: Columns,
    watched: dict[int, tuple[bool | int, ...]],
    rows: Integers,
    all_kinds: Integers,
    source_of: Integers,
    sources: Integers,
    gates: list[Gate],
) -> tuple[Integers, list[Operation | None]]:
    """Return a code for each cell: equal codes do the same, with constants at the same places."""
    operations: list[Operation | None] = [None, None]
    operations += [Operation(gate, {}, ()) for gate in gates[2:]]
    first = sources.shape[1] - len(rows)
    plain = np.zeros(sources.shape[1], np.int64)
    plain[first:] = all_kinds[rows]
    special: dict[Any, int] = {}
    for row in sorted({*columns.settings, *watched}):
        cell = source_of[row]
        if cell < first or columns.gates[row] is INPUT:
            continue
        settings, seen = columns.settings_of(row), watched.get(row, ())
        # 1 == True, and repr tells them apart
        key = (columns.gates[row], repr(sorted(settings.items())), repr(seen))
        if key not in special:
            special[key] = len(operations)
            operations.append(Operation(columns.gates[row], settings, seen))
        plain[cell] = special[key]
    for k in range(OPERANDS):
        plain = plain * 3 + np.where(sources[k] >= 0, 2, np.where(sources[k] == NONE, 0, 1))
    plain[:first] = 0
    found, codes = np.unique(plain, return_inverse=True)
    if len(found) and found[0] == 0:
        return codes, [None, *(operations[k // 3**OPERANDS] for k in found[1:].tolist())]
    return codes + 1, [None, *(operations[k // 3**OPERANDS] for k in found.tolist())]
