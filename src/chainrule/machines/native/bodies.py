"""Turn rolled rows into bodies of loops: where operands come from, what may run side by side.

Rows of a turn that do not depend on the turn before, directly or through others, need not wait for
it: they go to a loop of their own, whose turns run in the lanes of vectors. What is left, the
recurrence itself, is a loop of scalars. The loops hand values on through memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .flat import NONE, Flat, Integers
from .rolled import Turns
from .turns import BEFORE, NUMBER, NUMBERS, REGISTER

MEMORY = -1
MOST_LOOPS = 12
"""Into how many loops a body is split; with more of them, memory is all that they do."""


class Source(NamedTuple):
    """Where an operand comes from.

    Parameters
    ----------
    how : int
        REGISTER or BEFORE (`what` is the slot), NUMBER or NUMBERS, or MEMORY.
    what : int
        The slot, or the bits of the literal.
    cells : ndarray of int64
        MEMORY: the cell for each turn; BEFORE: the one before the first turn, alone; NUMBERS: the
        bits of each turn's literal.
    """

    how: int
    what: int
    cells: Integers


@dataclass(frozen=True, slots=True)
class Body:
    """A loop, or with one turn a straight line.

    Parameters
    ----------
    turns : Turns
        The rows that it is cut from.
    slots : list of int
        Which rows of a turn it has.
    sources : list of list of Source
        The operands of each of these; slots are counted among these too.
    lanes : int
        How many turns run side by side; 0 for one after the other.
    """

    turns: Turns
    slots: list[int]
    sources: list[list[Source]]
    lanes: int

    def cells(self, slot: int) -> Integers:
        """Return the cells that one of its slots makes, turn by turn."""
        t = self.turns
        return t.start + self.slots[slot] + t.period * np.arange(t.count)


_NO_CELLS: Integers = np.empty(0, np.int64)


def bodies_of(flat: Flat, turns: Turns, lanes: int) -> list[Body]:
    """Return the loops that do the work of some turns, in the order in which they must run."""
    sources = _sources(flat, turns)
    wide = lanes if turns.count >= 2 * lanes else 0
    groups = _groups(turns, sources) if wide else []
    if not groups or len(groups) > MOST_LOOPS:
        return [Body(turns, list(range(turns.period)), sources, 0)]
    return [
        Body(turns, slots, _within(turns, slots, sources), 0 if serial else wide)
        for slots, serial in groups
    ]


def _sources(flat: Flat, turns: Turns) -> list[list[Source]]:
    p, count = turns.period, turns.count
    all_of = flat.sources[:, turns.start : turns.stop].reshape(-1, count, p)
    back = all_of - (turns.start + p * np.arange(count))[:, None]
    moves = (back == back[:, :1]).all(axis=1)
    result = []
    for slot in range(p):
        sources = []
        for column, steps, moving in zip(all_of, back, moves, strict=True):
            first, step = int(column[0, slot]), int(steps[0, slot])
            if first == NONE:
                break
            if first < 0:
                bits = flat.numbers[-2 - column[:, slot]].view(np.int64)
                if (bits == bits[0]).all():
                    # As unsigned: it is written in hexadecimal.
                    sources.append(Source(NUMBER, int(bits[0]) % 2**64, _NO_CELLS))
                else:
                    sources.append(Source(NUMBERS, 0, bits))
            elif moving[slot] and step >= 0:
                sources.append(Source(REGISTER, step, _NO_CELLS))
            elif moving[slot] and step >= -p and count > 1:
                sources.append(Source(BEFORE, step + p, column[:1, slot]))
            else:
                sources.append(Source(MEMORY, 0, column[:, slot]))
        result.append(sources)
    return result


def _reached(turns: Turns, source: Source) -> list[tuple[int, bool]]:
    """Return the slots that an operand waits for, and whether those of another turn."""
    if source.how == REGISTER:
        return [(source.what, False)]
    if source.how == BEFORE:
        return [(source.what, True)]
    if source.how != MEMORY:
        return []
    inside = source.cells[(source.cells >= turns.start) & (source.cells < turns.stop)]
    return [(slot, True) for slot in np.unique((inside - turns.start) % turns.period).tolist()]


def _groups(turns: Turns, sources: list[list[Source]]) -> list[tuple[list[int], bool]]:
    """Return the rows of each loop, and whether its turns must run one after the other.

    Loops alternate: side by side, in turn, side by side ... Each row goes to the first one in
    which all that it waits for is ready.
    """
    waits = [[w for source in row for w in _reached(turns, source)] for row in sources]
    before = [0] * len(waits)  # the slots that a slot waits for, directly or not, as bits
    while True:
        known = list(before)
        for slot, needs in enumerate(waits):
            for other, _ in needs:
                before[slot] |= before[other] | 1 << other
        if known == before:
            break
    serial = [bool(bits >> slot & 1) for slot, bits in enumerate(before)]
    level = [int(is_serial) for is_serial in serial]
    while True:
        old = list(level)
        for slot, needs in enumerate(waits):
            for other, other_turn in needs:
                # Side by side, what another turn made must be made by an earlier loop.
                later = int(serial[slot] != serial[other])
                if other_turn and not (serial[slot] or serial[other]):
                    later = 2
                level[slot] = max(level[slot], level[other] + later)
        if old == level:
            break
    return [
        ([slot for slot, at in enumerate(level) if at == number], bool(number % 2))
        for number in sorted(set(level))
    ]


def _within(turns: Turns, slots: list[int], sources: list[list[Source]]) -> list[list[Source]]:
    """Return the sources of some slots: what other loops make lies in memory."""
    place = {slot: k for k, slot in enumerate(slots)}
    each = turns.start + turns.period * np.arange(turns.count)
    result = []
    for slot in slots:
        row = []
        for source in sources[slot]:
            if source.how in (REGISTER, BEFORE):
                if source.what in place:
                    source = source._replace(what=place[source.what])
                elif source.how == REGISTER:
                    source = Source(MEMORY, 0, each + source.what)
                else:
                    cells = np.concatenate((source.cells, each[:-1] + source.what))
                    source = Source(MEMORY, 0, cells)
            row.append(source)
        result.append(row)
    return result


def needed_by(bodies: list[Body], need: NDArray[np.bool_]) -> None:
    """Mark the cells that must lie in memory because some body reads them there."""
    for body in bodies:
        for row in body.sources:
            for source in row:
                if source.how in (MEMORY, BEFORE):
                    need[source.cells] = True
