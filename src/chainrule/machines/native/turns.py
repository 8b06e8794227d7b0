"""Emit the loop that runs the turns of a rolled recording.

A kernel is `i64 @k(ptr cells, ptr tables, ptr arguments)`: 0, or 1 where a guard failed. `cells`
are the doubles that loops hand to one another; `tables` hold constants and places that follow no
rule. Where each operand comes from is part of the kernel (`Read`); the places themselves are
arguments, so that equal loops share one kernel, or literals where there is one loop of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .builder import Builder, Value, constant, vector_of
from .flat import Operation
from .number_gates import GateWriter, as_double, leave_unless
from .target import Target

REGISTER, BEFORE, NUMBER, NUMBERS, FIXED, WALK, LOOKUP = range(7)
"""How an operand is read: made in this turn; in the turn before (argument: where the one before
the first turn lies); a literal; a table of literals (argument: its offset); one cell for all turns
(its number); a cell that moves by a step each turn (the first); a table of cells (its offset)."""
NOWHERE, LAST, ALL = range(3)
"""Where results are kept: in registers only, of the last turn only, of all turns."""


class Read(NamedTuple):
    """How an operand is read; `what` is the slot, the literal's bits or the step."""

    how: int
    what: int = 0


class Slot(NamedTuple):
    """One row of the body: its code, its operands, where its results are kept."""

    code: int
    reads: tuple[Read, ...]
    keeps: int


class Kernel(NamedTuple):
    """The body of a loop; `lanes` turns at a time, or one with 0; `once` where there is no loop."""

    slots: tuple[Slot, ...]
    lanes: int = 0
    once: bool = False


def emit(
    kernel: Kernel,
    name: str,
    operations: Sequence[Operation | None],
    target: Target,
    literals: Sequence[int] | None,
) -> Builder:
    """Write a kernel.

    Parameters
    ----------
    kernel : Kernel
        What a turn does.
    name : str
        The function's name.
    operations : sequence of Operation
        What the codes mean.
    target : Target
        What the code is for.
    literals : sequence of int, optional
        The arguments where the kernel is called once: the number of turns, then for each slot
        those of its reads and the place of its results.
    """
    heads = [("ptr", "cells"), ("ptr readonly", "tables"), ("ptr readonly", "arguments")]
    b = Builder(name, heads, target, "i64")
    return _Emission(kernel, b, operations, literals).run()


class _Emission:
    """The writing of one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        b: Builder,
        operations: Sequence[Operation | None],
        literals: Sequence[int] | None,
    ) -> None:
        self.kernel, self.b, self.operations = kernel, b, operations
        made = (operations[slot.code] for slot in kernel.slots)
        self.write = GateWriter(b, Counter(o.gate for o in made if o is not None))
        self.arguments = self._arguments(literals)
        self.turn = Value("i64", "0")  # of the first lane
        self.back = self.turn  # minus it

    # ------------------------------------------------------------------ the frame

    def _arguments(self, literals: Sequence[int] | None) -> Iterator[Value]:
        if literals is not None:
            yield from (Value("i64", str(number)) for number in literals)
            return
        k = 0
        while True:
            yield self.b.load("i64", self.b.address(self.b.arguments["arguments"], k, "i64"))
            k += 1

    def run(self) -> Builder:
        b, kernel = self.b, self.kernel
        count = next(self.arguments)
        before = self._prepare()
        if kernel.once:
            self._body([])
        else:
            step = max(kernel.lanes, 1)
            last = b.loop(Value("i64", "0"), count, step, self._a_turn(count), before)
            for slot, place in enumerate(self.kept):
                if place is not None and kernel.slots[slot].keeps == LAST:
                    b.store(last[self.carried[slot]], place)
        b.ret(Value("i64", "0"))
        return b

    # ------------------------------------------------------------------ before the loop

    def _prepare(self) -> list[Value]:
        """Read what does not change, find where everything begins; return the turns before."""
        b = self.b
        cells, tables = b.arguments["cells"], b.arguments["tables"]
        slots = self.kernel.slots
        carried = sorted({r.what for s in slots for r in s.reads if r.how == BEFORE})
        carried += [k for k, s in enumerate(slots) if s.keeps == LAST and k not in carried]
        self.carried = {slot: k for k, slot in enumerate(carried)}
        firsts = [constant("double", 0.0)] * len(carried)
        self.ready: list[list[Value]] = []
        self.kept: list[Value | None] = []
        for slot in slots:
            ready = []
            for read in slot.reads:
                if read.how in (REGISTER, NUMBER):
                    ready.append(Value("", ""))
                elif read.how in (NUMBERS, LOOKUP):
                    ready.append(b.address(tables, next(self.arguments), "i8"))
                elif read.how == FIXED and self.kernel.once:
                    ready.append(next(self.arguments))  # loaded where it is used
                else:
                    place = b.address(cells, next(self.arguments), "double")
                    if read.how == BEFORE:
                        firsts[self.carried[read.what]] = b.load("double", place)
                    elif read.how == FIXED:
                        place = b.splat(b.load("double", place), self.kernel.lanes)
                    ready.append(place)
            self.ready.append(ready)
            keeps = slot.keeps != NOWHERE
            self.kept.append(b.address(cells, next(self.arguments), "double") if keeps else None)
        return firsts

    # ------------------------------------------------------------------ a turn

    def _a_turn(self, count: Value) -> Callable[..., list[Value]]:
        b, wide = self.b, self.kernel.lanes

        def turn(index: Value, *before: Value) -> list[Value]:
            if wide:
                # The last lanes may be turns that are done already: done again, they are the same.
                latest = b.sub(count, Value("i64", str(wide)))
                index = b.select(b.compare("slt", index, latest), index, latest)
            self.turn, self.back = index, b.sub(Value("i64", "0"), index)
            return self._body(before)

        return turn

    def _body(self, before: Sequence[Value]) -> list[Value]:
        b = self.b
        made: list[Value] = []
        seen_at: dict[str, Value] = {}  # straight code reads a cell once
        for slot, ready, place in zip(self.kernel.slots, self.ready, self.kept, strict=True):
            operation = self.operations[slot.code]
            assert operation is not None
            operands = [
                self._read(read, at, made, before, seen_at)
                for read, at in zip(slot.reads, ready, strict=True)
            ]
            value = self.write(operation.gate, operands, operation.settings)
            value = b.splat(value, self.kernel.lanes)  # of literals alone
            for seen in operation.seen:
                leave_unless(b, value, seen)
            if place is not None and (slot.keeps == ALL or self.kernel.once):
                b.store(as_double(b, value), b.address(place, self.turn, "double"))
            made.append(value)
        return [as_double(b, made[slot]) for slot in self.carried]

    def _read(
        self,
        read: Read,
        at: Value,
        made: Sequence[Value],
        before: Sequence[Value],
        seen_at: dict[str, Value],
    ) -> Value:
        b, wide = self.b, self.kernel.lanes
        kind = vector_of("double", wide)
        if read.how == REGISTER:
            return made[read.what]
        if read.how == BEFORE:
            return before[self.carried[read.what]]
        if read.how == NUMBER:
            return Value("double", f"0x{read.what:016X}")
        if read.how == NUMBERS:
            return b.load(kind, b.address(at, self.turn, "double"))
        if read.how == FIXED:
            if not self.kernel.once:
                return at
            if at.name not in seen_at:
                place = b.address(b.arguments["cells"], at, "double")
                seen_at[at.name] = b.load("double", place)
            return seen_at[at.name]
        if read.how == LOOKUP:
            return self._look_up(at)
        return self._walk(read.what, at)

    def _look_up(self, at: Value) -> Value:
        b, wide = self.b, self.kernel.lanes
        cells = b.arguments["cells"]
        place = b.load(vector_of("i32", wide), b.address(at, self.turn, "i32"))
        if not wide:
            return b.load("double", b.address(cells, b.convert("zext", place, "i64"), "double"))
        where = b.let(
            f"<{wide} x ptr>", f"getelementptr double, ptr {cells.name}, {place.type} {place.name}"
        )
        return self._gather(where)

    def _walk(self, step: int, at: Value) -> Value:
        b, wide = self.b, self.kernel.lanes
        kind = vector_of("double", wide)
        if step == 0:
            return b.splat(b.load("double", at), wide)
        if step == 1:
            return b.load(kind, b.address(at, self.turn, "double"))
        if step == -1 and not wide:
            return b.load("double", b.address(at, self.back, "double"))
        if step == -1:
            lowest = b.sub(self.back, Value("i64", str(wide - 1)))
            value = b.load(kind, b.address(at, lowest, "double"))
            order = ", ".join(f"i32 {wide - 1 - k}" for k in range(wide))
            return b.let(
                kind, f"shufflevector {kind} {value.name}, {kind} poison, <{wide} x i32> <{order}>"
            )
        first = b.address(at, b.mul(self.turn, Value("i64", str(step))), "double")
        if not wide:
            return b.load("double", first)
        steps = ", ".join(f"i64 {step * k}" for k in range(wide))
        return self._gather(
            b.let(
                f"<{wide} x ptr>",
                f"getelementptr double, ptr {first.name}, <{wide} x i64> <{steps}>",
            )
        )

    def _gather(self, where: Value) -> Value:
        wide = self.kernel.lanes
        kind, name = f"<{wide} x double>", f"llvm.masked.gather.v{wide}f64.v{wide}p0"
        self.b.declared.setdefault(
            name, f"declare {kind} @{name}(<{wide} x ptr>, <{wide} x i1>, {kind})"
        )
        return self.b.let(
            kind,
            f"call {kind} @{name}(<{wide} x ptr> align 8 {where.name}, "
            f"<{wide} x i1> splat (i1 true), {kind} poison)",
        )
