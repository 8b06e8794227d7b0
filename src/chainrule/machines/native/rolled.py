"""Find the loops that a recording has unrolled.

A Python loop of a thousand turns is recorded as a thousand copies of its body, and its backward
pass as a thousand more, the last turn first. Rows that do what the rows one period before them do,
with operands that move on by the same step each time, are turns of a loop again.

Where to look: the distance from each row to the latest row with the same surroundings, for
surroundings of several lengths, most often is a period. Each such period is then tried on all rows
at once; the one that explains most rows takes them, and the next one gets what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .flat import Flat, Integers

LONGEST = 1500
"""Rows of the longest body: LLVM's time grows faster than a block."""
FEWEST_TURNS = 4
FEWEST_ROWS = 32
_A_LOOP = 16
"""How many rows a loop must have for the call alone to be worth it."""
_NEAR = 16
_WINDOWS = (2, 8, 32, 128, 512)
_A_WINDOW = 3
"""How many distances are tried for each length of surroundings."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Rows that are turns of a loop.

    Parameters
    ----------
    start : int
        The first cell.
    period : int
        How many cells one turn has.
    count : int
        How many turns there are.
    """

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        """The cell behind the last one."""
        return self.start + self.period * self.count


def find(flat: Flat) -> list[Turns]:
    """Return the loops in forward order; no two share a row."""
    free = flat.codes > 0
    near = np.where(flat.sources >= 0, flat.sources, 0)  # constants may differ freely
    found: list[Turns] = []
    # Loops whose operands all move in step, and loops that look some of theirs up.
    gains = {(p, strictly): len(flat) for p in _periods(flat) for strictly in (True, False)}
    while gains:
        best = max(gains, key=lambda kind: (gains[kind], kind[1], -kind[0]))
        if gains[best] <= 0:
            break
        turns = _turns(flat.codes, near, free, *best)
        period, strictly = best
        rows = sum(t.period * t.count for t in turns)
        gain = (rows if strictly else rows * 7 // 8) - period - _A_LOOP * len(turns)
        if gain < gains[best]:
            gains[best] = gain  # it was a guess, or others took rows: another may be better now
            continue
        del gains[best]
        for t in turns:
            free[t.start : t.stop] = False
        found += turns
    return sorted(found, key=lambda t: t.start)


def _periods(flat: Flat) -> list[int]:
    """Return distances at which surroundings often come again."""
    cells = np.arange(len(flat))
    random = np.random.default_rng(0)
    odd = random.integers(0, 2**63, 8 + len(_WINDOWS) * 2, dtype=np.uint64) * 2 + 1
    mixed = flat.codes.astype(np.uint64) * odd[0]
    for k, sources in enumerate(flat.sources):
        back = cells - sources
        mixed += np.where((sources >= 0) & (back <= _NEAR), back, 0).astype(np.uint64) * odd[1 + k]
    mixed ^= mixed >> np.uint64(29)
    mixed *= odd[5]
    periods: dict[int, None] = {}
    length = 1
    for k, window in enumerate(_WINDOWS):
        while length < window:
            longer = mixed * odd[8 + k]
            longer[length:] += mixed[:-length]
            longer ^= longer >> np.uint64(31)
            mixed, length = longer, 2 * length
            if length >= len(flat):
                return list(periods)
        order = np.argsort(mixed, kind="stable")
        again = mixed[order[1:]] == mixed[order[:-1]]
        distances = np.diff(order)[again & (flat.codes[order[1:]] > 0)]
        counts = np.bincount(distances[distances <= LONGEST])
        for distance in np.argsort(-counts, kind="stable")[:_A_WINDOW].tolist():
            if counts[distance] >= FEWEST_TURNS:
                periods[distance] = None
    return list(periods)


def _turns(
    codes: Integers, near: Integers, free: NDArray[np.bool_], period: int, strictly: bool
) -> list[Turns]:
    """Return the loops of one period among the free rows."""
    p = period
    if len(codes) < FEWEST_TURNS * p:
        return []
    alike = (codes[p:] == codes[:-p]) & free[p:] & free[:-p]
    good = alike[p:] & alike[:-p]
    for sources in near:
        step = sources[p:] - sources[:-p]
        if not strictly:
            step = step == p  # operands in registers stay in registers
        good &= step[p:] == step[:-p]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False]))))
    starts, stops = edges[::2], edges[1::2] + 2 * p  # the two turns before have no step to compare
    counts = (stops - starts) // p
    keep = (counts >= FEWEST_TURNS) & (counts * p >= FEWEST_ROWS)
    result: list[Turns] = []
    for start, count in zip(starts[keep].tolist(), counts[keep].tolist(), strict=True):
        if result and start < result[-1].stop:  # two runs may share the turns before the second
            late = -(-(result[-1].stop - start) // p)
            start, count = start + late * p, count - late
            if count < FEWEST_TURNS or count * p < FEWEST_ROWS:
                continue
        result.append(Turns(start, p, count))
    return result
