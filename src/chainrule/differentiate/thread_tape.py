"""The tape of define by run: one per thread, and it forgets what nobody can reach any more.

A Variable is a number of a row, nothing more; its value and its gradient lie here. So a loop may
record for ever: when many rows or bytes have come in since the last time, the rows that no
Variable needs are dropped, and the rest are numbered anew.
"""

from __future__ import annotations

import gc
import itertools
import time
from array import array
from typing import Any

import numpy as np

from ..circuit.columns import INPUT
from ..gates.gate import Gate
from ..passes.backward import is_float, sweep
from ..tracing.tape import Tape
from ..tracing.traced import Traced

FEWEST_ROWS = 2**17
"""Rows that come in before it is worth asking which are still needed (a tenth of a second's)."""
FEWEST_BYTES = 64 * 2**20
"""Bytes of arrays that come in before it is."""
MOST_LIVE = 0.75
"""With a larger share of the rows still needed, dropping the others is work for little."""
ROWS_A_SECOND = 15e6
"""How many rows must come in for each second that asking took: a tenth of the time it takes to
record them. In a process of many objects, asking is slow."""


class ThreadTape(Tape):
    """The rows that one thread's Variables stand for, with the gradients of the latest passes.

    Attributes
    ----------
    leaf_gradients : dict of int to float or ndarray
        For each leaf's row the gradient of the latest pass that reached it. An assignment to a
        leaf gives it a new row, so a gradient never outlives the value it belongs to.
    gradients : list
        What the latest pass left at each row.
    """

    __slots__ = ("_frozen", "_full_room", "_touched", "gradients", "leaf_gradients")

    def __init__(self, kind: type) -> None:
        super().__init__(kind, with_sites=False)
        self.leaf_gradients: dict[int, Any] = {}
        self.gradients: list[Any] = []
        # The rows where `gradients` is not None lie in this range, or in this list.
        self._touched: tuple[range, list[int]] = (range(0), [])
        self._frozen = gc.get_freeze_count()
        self.limit = FEWEST_ROWS
        self.room = self._full_room = FEWEST_BYTES

    def guard(self, row: int, seen: bool | int) -> None:
        """Note nothing: what Python decided is in the rows that came after."""

    def append(
        self, gate: Gate, inputs: tuple[int, ...], settings: dict[str, Any], value: Any
    ) -> int:
        """Add a row and return its number; all of it or, when interrupted, nothing."""
        row = len(self.values)
        try:
            return super().append(gate, inputs, settings, value)
        except BaseException:
            self.cut(row)
            raise

    def leaf(self, value: Any) -> int:
        """Add a leaf's value and return its row."""
        row: int = self._source(INPUT, value)._row
        if isinstance(value, np.ndarray):
            self.room -= value.nbytes
        return row

    # ------------------------------------------------------------------ backward

    def run_backward(self, row: int, seed: Any) -> None:
        """Put the gradients of one pass in place of those of the one before.

        A leaf that the output was computed from, but which no gradient reached (behind a step, or
        a comparison), gets zeros: moving it a little changes nothing.
        """
        gradients = self.gradients
        span, inputs = self._touched
        gradients[span.start : span.stop] = [None] * len(span)
        for k in inputs:
            gradients[k] = None
        gradients.extend([None] * (row + 1 - len(gradients)))
        try:
            lowest, reached, stopped = sweep(self, [(row, seed)], gradients)
        except BaseException:
            self.gradients, self._touched = [], (range(0), [])
            raise
        self._touched = (range(lowest, row + 1), reached)
        values, found = self.values, {}
        for k in reached:
            gradient = gradients[k]
            if isinstance(values[k], np.ndarray):
                # The leaf's own: passed on unchanged, one array may serve several leaves.
                gradient = np.array(gradient, values[k].dtype)
                self.room -= gradient.nbytes
            found[k] = gradient
        if stopped:
            for k in self._leaves_behind(stopped):
                if k not in found:
                    found[k] = _zero(values[k])
        self.leaf_gradients.update(found)

    def _leaves_behind(self, rows: list[int]) -> list[int]:
        marks = self._needed(rows)
        return [
            k
            for k in itertools.compress(range(len(marks)), marks)
            if self.gates[k] is INPUT and is_float(self.values[k])
        ]

    def gradient_of(self, row: int) -> Any:
        """Return the gradient at a row; None where the latest pass left none."""
        if self.gates[row] is INPUT:
            return self.leaf_gradients.get(row)
        gradient = self.gradients[row] if row < len(self.gradients) else None
        if isinstance(gradient, np.ndarray):
            return np.array(gradient, self.values[row].dtype)
        return gradient

    # ------------------------------------------------------------------ memory

    def tidy(self) -> None:
        """Drop the rows that no Variable needs, and number the others anew.

        Who holds a Variable is not noted anywhere: to note it would cost every gate. The garbage
        collector is asked instead, which knows every Variable as one that refers to this tape.
        """
        start = time.perf_counter()
        live = len(self)
        # gc.freeze hides objects from the collector: then nothing can be dropped.
        if gc.get_freeze_count() <= self._frozen:
            wires = [held for held in gc.get_referrers(self) if isinstance(held, Traced)]
            marks = self._needed([wire._row for wire in wires])
            live = marks.count(1)
            if live <= MOST_LIVE * len(self):
                self._keep(marks, wires)
        if self.room != self._full_room:  # else there are numbers only, and nothing to count
            self._full_room = self.room = max(FEWEST_BYTES, self._bytes_held())
        seconds = time.perf_counter() - start
        self.limit = len(self) + max(FEWEST_ROWS, live, int(ROWS_A_SECOND * seconds))

    def _needed(self, rows: list[int]) -> bytearray:
        """Mark these rows and those they were computed from."""
        left, right, more = self.left, self.right, self.more
        marks = bytearray(max(rows, default=-1) + 1)
        for row in rows:
            marks[row] = 1
        for row in range(len(marks) - 1, -1, -1):
            if marks[row]:
                first = left[row]
                if first >= 0:
                    marks[first] = 1
                    second = right[row]
                    if second >= 0:
                        marks[second] = 1
                        if row in more:
                            for k in more[row]:
                                marks[k] = 1
        return marks

    def _keep(self, marks: bytearray, wires: list[Traced]) -> None:
        """Keep the marked rows only, and tell each Variable its new number."""
        marks.extend(bytes(len(self) - len(marks)))
        kept = np.frombuffer(marks, np.uint8).astype(bool)
        number = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        new = number.tolist()
        sources = []
        for column in (self.left, self.right):
            rows = np.frombuffer(column, np.int32)[kept]
            rows = np.where(rows >= 0, number[rows], -1).astype(np.int32)
            sources.append(array("i", rows.tobytes()))
        gates, values, gradients = (
            list(itertools.compress(column, marks))
            for column in (self.gates, self.values, self.gradients)
        )
        more = {
            new[row]: tuple(new[k] for k in inputs)
            for row, inputs in self.more.items()
            if marks[row]
        }
        settings = {new[row]: held for row, held in self.settings.items() if marks[row]}
        leaf_gradients = {new[row]: g for row, g in self.leaf_gradients.items() if marks[row]}
        # A view that looked at a row now gone has seen -1, which is no row: it is drawn again.
        lenses = [(w._lens, new[w._lens.seen]) for w in wires if w._lens is not None]
        moves = [(wire, new[wire._row]) for wire in wires]

        def install() -> None:
            self.left, self.right = sources
            self.gates[:], self.values[:] = gates, values
            self.gradients, self._touched = gradients, (range(len(gradients)), [])
            self.more, self.settings, self.leaf_gradients = more, settings, leaf_gradients
            self.floats, self._constants = {}, {}  # what is needed again is added again
            for wire, row in moves:
                wire._row = row
            for lens, row in lenses:
                lens.seen = row

        try:
            install()
        except BaseException:  # Ctrl-C half way: no row would be what it was
            install()
            raise

    def _bytes_held(self) -> int:
        held = itertools.chain(self.values, self.leaf_gradients.values())
        return sum(v.nbytes for v in held if type(v) is np.ndarray and v.base is None)


def _zero(value: Any) -> Any:
    return 0.0 if type(value) is float else np.zeros(np.shape(value), value.dtype)[()]
