"""Give the cells that must lie in memory a place, and write the calls of the loops.

The results of one row of a body, turn by turn, are neighbours: a loop that reads them walks, up or
down, and its vectors are loaded whole. A cell that nothing but its own loop reads stays in a
register and has no place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bodies import MEMORY, Body
from .flat import Flat, Integers
from .turns import ALL, BEFORE, FIXED, LAST, LOOKUP, NOWHERE, NUMBERS, WALK, Kernel, Read, Slot


class Tables:
    """Read-only memory in the making: doubles, 32-bit places, and whatever else, 8-byte aligned."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.generic]] = []
        self.size = 0

    def add(self, array: NDArray[np.generic]) -> int:
        """Append an array and return its offset in bytes."""
        offset = self.size
        self.parts.append(array)
        self.size += -(-array.nbytes // 8) * 8
        return offset

    def joined(self) -> NDArray[np.int64]:
        """Return the whole memory."""
        memory = np.zeros(self.size, np.uint8)
        at = 0
        for array in self.parts:
            memory[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            at += -(-array.nbytes // 8) * 8
        return memory.view(np.int64)


class Calls(NamedTuple):
    """Calls of kernels, in the order in which they are to be made.

    Parameters
    ----------
    kernels : list of Kernel
        The kernels.
    numbers : ndarray of int64
        For each call the position of its kernel in this list.
    offsets : ndarray of int64
        For each call where its arguments are in the tables.
    literals : list of int, optional
        The arguments, where there is one call.
    """

    kernels: list[Kernel]
    numbers: Integers
    offsets: Integers
    literals: list[int] | None = None


@dataclass(slots=True)
class Places:
    """Where cells lie: inputs first; -1 for those that stay in registers.

    Parameters
    ----------
    need : ndarray of bool
        The cells that must lie in memory.
    of : ndarray of int64
        The place of each cell, counted in doubles.
    count : int
        How many places there are.
    """

    need: NDArray[np.bool_]
    of: Integers
    count: int
    keeps: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def begun(cls, flat: Flat, need: NDArray[np.bool_]) -> Places:
        """Return places for the inputs alone."""
        of = np.full(len(flat), -1)
        of[: flat.inputs] = np.arange(flat.inputs)
        return cls(need, of, flat.inputs)

    def give(self, cells: Integers) -> None:
        """Give cells places one behind the other."""
        self.of[cells] = np.arange(self.count, self.count + len(cells))
        self.count += len(cells)

    def give_body(self, body: Body) -> None:
        """Give the results of a body places, where anybody else reads them."""
        firsts = {s.what: int(s.cells[0]) for row in body.sources for s in row if s.how == BEFORE}
        keeps = []
        for slot in range(len(body.slots)):
            cells = body.cells(slot)
            read = self.need[cells]
            if not read.any():
                keeps.append(NOWHERE)
            elif body.turns.count == 1:
                keeps.append(ALL)
                if self.of[cells[0]] < 0:
                    self.give(cells)
            elif not (body.lanes or read[:-1].any()):
                keeps.append(LAST)
                self.give(cells[-1:])
            else:
                keeps.append(ALL)
                first = firsts.get(slot)
                if first is not None and self.of[first] < 0:
                    # Whoever walks over the turns before then finds the first one in its place.
                    self.give(np.array([first]))
                self.give(cells)
        self.keeps[id(body)] = keeps


def call_of(flat: Flat, body: Body, places: Places, tables: Tables) -> Calls:
    """Return the call of a body: what it does, and where."""
    turns = body.turns
    arguments = [turns.count]
    slots = []
    for slot, row in enumerate(body.sources):
        reads = []
        for source in row:
            read = Read(source.how, source.what)
            if source.how == BEFORE:
                arguments.append(int(places.of[source.cells[0]]))
            elif source.how == NUMBERS:
                arguments.append(tables.add(source.cells))
            elif source.how == MEMORY:
                read, argument = _in_memory(body, source.cells, places, tables)
                arguments.append(argument)
            reads.append(read)
        keeps = places.keeps[id(body)][slot]
        if keeps != NOWHERE:
            cells = body.cells(slot)
            arguments.append(int(places.of[cells[-1 if keeps == LAST else 0]]))
        code = int(flat.codes[turns.start + body.slots[slot]])
        slots.append(Slot(code, tuple(reads), keeps))
    kernel = Kernel(tuple(slots), body.lanes, turns.count == 1)
    at = tables.add(np.array(arguments, np.int64))
    return Calls([kernel], np.array([0]), np.array([at]), arguments)


def _in_memory(body: Body, cells: Integers, places: Places, tables: Tables) -> tuple[Read, int]:
    where = places.of[cells]
    assert (where >= 0).all(), "a cell without a place is read"
    first = int(where[0])
    if len(where) == 1:
        return Read(FIXED), first
    steps = np.diff(where)
    step = int(steps[0])
    if (steps != step).any():
        return Read(LOOKUP), tables.add(where.astype(np.int32))
    t = body.turns
    inside = t.start <= cells[0] < t.stop and (cells[0] - t.start) % t.period in body.slots
    if step == 0 and not inside:
        return Read(FIXED), first
    return Read(WALK, step), first
