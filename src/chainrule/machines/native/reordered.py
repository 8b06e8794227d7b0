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
from .places import Places, Tables
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


def calls_of(
    flat: Flat, runs: Runs, places: Places, tables: Tables
) -> list[tuple[Kernel, list[int]]]:
    """Return the calls of the runs: kernels of one slot, and their arguments."""
    cells = runs.cells
    sources = flat.sources[:, cells]
    where = np.where(sources >= 0, places.of[np.maximum(sources, 0)], 0)
    assert (where >= 0).all(), "a cell without a place is read"
    at = [tables.add(column.astype(np.int32)) for column in where]
    constants = np.where(sources < NONE, -2 - sources, 0)
    at_numbers = [
        tables.add(flat.numbers[column]) if (row < NONE).any() else 0
        for column, row in zip(constants, sources, strict=True)
    ]
    kernels: dict[tuple[int, int], Kernel] = {}
    result = []
    starts = runs.starts.tolist()
    firsts = runs.starts[:-1]
    codes = flat.codes[cells[firsts]].tolist()
    places_of_results = places.of[cells[firsts]].tolist()
    for k, code in enumerate(codes):
        start, count = starts[k], starts[k + 1] - starts[k]
        column = sources[:, start].tolist()
        arguments, reads = [count], []
        for operand, source in enumerate(column):
            if source >= 0:
                reads.append(Read(LOOKUP))
                arguments.append(at[operand] + 4 * start)
            elif source < NONE:
                reads.append(Read(NUMBERS))
                arguments.append(at_numbers[operand] + 8 * start)
        arguments.append(places_of_results[k])
        kind = code, runs.lanes[k]
        if kind not in kernels:
            kernels[kind] = Kernel((Slot(code, tuple(reads), ALL),), runs.lanes[k])
        result.append((kernels[kind], arguments))
    return result
