"""Put rows without a pattern in an order in which equal gates stand together.

A circuit is a partial order: any order that makes operands before their gates will do. Taking all
gates of one kind that can be taken, then all of another kind, gives runs of one gate: each is a
loop of one row whose operands are looked up, with nothing to decide between rows. (A machine that
decides what to do at every row mispredicts most of its jumps, which costs five times the row.)

Rows of a costly gate that do not wait for each other are computed in the lanes of vectors. For
cheap gates that is no gain: gathering their operands is all the work there is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .elementwise import COST
from .flat import NONE, Flat, Integers
from .places import Calls, Places, Tables
from .turns import ALL, LOOKUP, NUMBERS, Kernel, Read, Slot

COSTLY = 10
"""From here on a gate is worth a gather, in additions."""


class Runs(NamedTuple):
    """Rows in an order of runs.

    Parameters
    ----------
    cells : ndarray of int64
        The rows in their new order.
    starts : ndarray of int64
        Where in `cells` each run begins, and the end.
    lanes : list of int
        How many rows of each run are computed side by side; 0 for one after the other.
    """

    cells: Integers
    starts: Integers
    lanes: list[int]


def reorder(flat: Flat, start: int, stop: int, lanes: int) -> Runs:
    """Return the rows from start to stop in an order of long runs."""
    codes = flat.codes[start:stop].tolist()
    sources = flat.sources[:, start:stop]
    own = sources >= start
    waiting = own.sum(axis=0).tolist()  # a row that reads a cell twice waits for it twice
    # For each row the rows that read it: one list behind the other.
    readers = np.broadcast_to(np.arange(stop - start), sources.shape)[own]
    read = sources[own] - start
    by_read = readers[np.argsort(read, kind="stable")].tolist()
    ends = np.cumsum(np.bincount(read, minlength=stop - start)).tolist()
    ready: list[list[int]] = [[] for _ in range(max(codes) + 1)]
    for row, count in enumerate(waiting):
        if not count:
            ready[codes[row]].append(row)
    order: list[int] = []
    starts = [0]
    wide: list[int] = []
    costly = [o is not None and COST.get(o.gate.name, 1) >= COSTLY for o in flat.operations]
    while len(order) < len(codes):
        run = max(ready, key=len)
        code = codes[run[0]]
        if costly[code] and len(run) >= 2 * lanes:
            ready[code] = []
            wide.append(lanes)
        else:  # rows that become ready for the run that is being made join it at its end
            wide.append(0)
        for row in run:
            for reader in by_read[ends[row - 1] if row else 0 : ends[row]]:
                left = waiting[reader] - 1
                waiting[reader] = left
                if not left:
                    ready[codes[reader]].append(reader)
        order += run
        starts.append(len(order))
        if not wide[-1]:
            run.clear()
    return Runs(start + np.array(order, np.int64), np.array(starts, np.int64), wide)


def calls_of(flat: Flat, runs: Runs, places: Places, tables: Tables) -> Calls:
    """Return the calls of the runs: kernels of one slot, and where their arguments are."""
    cells = runs.cells
    sources = flat.sources[:, cells]
    where = np.where(sources >= 0, places.of[np.maximum(sources, 0)], 0)
    assert (where >= 0).all(), "a cell without a place is read"
    at = [tables.add(column.astype(np.int32)) for column in where]
    is_number = sources < NONE
    at_numbers = [
        tables.add(flat.numbers[np.where(mask, -2 - column, 0)]) if mask.any() else 0
        for column, mask in zip(sources, is_number, strict=True)
    ]
    first = runs.starts[:-1]
    counts = np.diff(runs.starts)
    lanes = np.array(runs.lanes, np.int64)
    kinds = 2 * flat.codes[cells[first]] + (lanes > 0)
    made = Calls([], np.empty(len(first), np.int64), np.empty(len(first), np.int64))
    for kind in np.unique(kinds).tolist():
        chosen = np.flatnonzero(kinds == kind)
        start = first[chosen]
        reads, arguments = [], [counts[chosen]]
        for operand, source in enumerate(sources[:, start[0]].tolist()):
            if source >= 0:
                reads.append(Read(LOOKUP))
                arguments.append(at[operand] + 4 * start)
            elif source < NONE:
                reads.append(Read(NUMBERS))
                arguments.append(at_numbers[operand] + 8 * start)
        arguments.append(places.of[cells[start]])
        rows = np.stack(arguments, axis=1)
        made.offsets[chosen] = tables.add(rows) + rows.itemsize * rows.shape[1] * np.arange(
            len(rows)
        )
        made.numbers[chosen] = len(made.kernels)
        slot = Slot(kind // 2, tuple(reads), ALL)
        made.kernels.append(Kernel((slot,), int(lanes[chosen[0]])))
    return made
