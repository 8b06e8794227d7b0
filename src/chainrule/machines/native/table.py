"""Code that calls the process it is loaded into: a builder with a table of addresses.

Where functions and objects are differs from run to run, and compiled code is kept on disk. So the
code has a table, and reads from it whatever it needs; `Sources` say with what the loader fills it.
Slots are dealt out in the order of first use: emitting again gives the same table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import python_api
from .builder import Builder, Value
from .target import Target

NULL = Value("ptr", "null")


def number(value: int, kind: str = "i64") -> Value:
    """Return an integer literal."""
    return Value(kind, str(value))


class Source(NamedTuple):
    """What a slot of the table holds.

    Attributes
    ----------
    kind : {"function", "object", "data"}
        A C function's address, a Python object's address, or one of the addresses that the loader
        is given.
    value : str, object or int
        The function's name, the object, or which of the given addresses.
    """

    kind: str
    value: Any

    def address(self, data: list[int]) -> int:
        """Return what to write into the slot."""
        if self.kind == "function":
            return python_api.address(self.value)
        return id(self.value) if self.kind == "object" else data[self.value]


class TableBuilder(Builder):
    """A builder whose function reads addresses from a table, its own or another builder's.

    Parameters
    ----------
    name, arguments, target, returns
        As of `Builder`.
    owner : TableBuilder, optional
        Whose table to use; by default its own, called `@<name>_table`.
    """

    def __init__(
        self,
        name: str,
        arguments: list[tuple[str, str]],
        target: Target,
        returns: str,
        owner: TableBuilder | None = None,
    ) -> None:
        super().__init__(name, arguments, target, returns)
        self.table: str = owner.table if owner else f"@{name}_table"
        self.sources: list[Source] = owner.sources if owner else []
        self._slots: dict[tuple[Any, ...], int] = owner._slots if owner else {}
        self._asked: list[int] = owner._asked if owner else []
        self.parts: dict[str, TableBuilder] = {}

    def part(self, name: str, *values: Value, write: Callable[[TableBuilder], None]) -> Value:
        """Call a function of our own that returns a pointer; write it when first called.

        What is done to each of a hundred arrays would take LLVM long if it were written out.
        """
        full = f"{self.name}_{name}"
        if name not in self.parts:
            arguments = [(v.type, f"a{k}") for k, v in enumerate(values)]
            self.parts[name] = TableBuilder(full, arguments, self.target, "ptr", self)
            write(self.parts[name])
        inside = ", ".join(f"{v.type} {v.name}" for v in values)
        return self.let("ptr", f"call ptr @{full}({inside})")

    def numbers(self, name: str, rows: Sequence[Sequence[int]]) -> Value:
        """Return where rows of numbers stand, as i64, one after the other."""
        flat = [k for row in rows for k in row]
        inside = ", ".join(f"i64 {k}" for k in flat)
        name = f"@{self.name}_{name}"
        self.globals[name] = f"{name} = internal constant [{len(flat)} x i64] [{inside}]"
        return Value("ptr", name)

    def slot(self, kind: str, value: Any) -> int:
        """Return the slot of the table for a source."""
        key: tuple[Any, ...] = (kind, value)
        if kind == "object":  # equal texts are one, wherever they came from: keys out of a file
            key = (kind, str, value) if type(value) is str else (kind, object, id(value))
        if key not in self._slots:
            self._slots[key] = len(self.sources)
            self.sources.append(Source(kind, value))
        self._asked.append(self._slots[key])
        return self._slots[key]

    @property
    def wiring(self) -> str:
        """What the table is like: a digest of its sources, and of which is read where.

        Which objects are one and the same can differ from run to run, and with it the table. Code
        from the disk fits a table of the same wiring only.
        """
        known = [
            (s.kind, type(s.value).__name__ if s.kind == "object" else s.value)
            for s in self.sources
        ]
        return hashlib.sha256(repr((known, self._asked)).encode()).hexdigest()

    def known(self, kind: str, value: Any) -> Value:
        """Read an address from the table."""
        return self.at_slot(self.slot(kind, value))

    def at_slot(self, slot: Value | int) -> Value:
        """Read a slot of the table."""
        return self.load("ptr", self.address(Value("ptr", self.table), slot, "ptr"))

    def object(self, value: Any) -> Value:
        """Return a Python object that was there when the code was emitted."""
        return self.known("object", value)

    def invoke(self, name: str, returns: str, *values: Value) -> Value:
        """Call a C function of CPython or NumPy."""
        code = self.known("function", name)
        inside = ", ".join(f"{v.type} {v.name}" for v in values)
        if returns == "void":
            self.emit(f"call void {code.name}({inside})")
            return Value("void", "")
        return self.let(returns, f"call {returns} {code.name}({inside})")

    def field(self, thing: Value, offset: int, kind: str = "ptr") -> Value:
        """Read a field of a C structure, by its offset in bytes."""
        return self.load(kind, self.address(thing, offset, "i8"))

    def arrays(
        self,
        name: str,
        leaves: Sequence[tuple[int, np.dtype[Any], tuple[int, ...]]],
        body: Callable[[Value, Value, Value, Value], None],
    ) -> None:
        """Do something for each of some arrays: a number, dtype and shape each.

        The body is told the number, and where dtype, rank and shape are. It is a loop over rows
        of numbers: LLVM would take long over the code of hundreds of arrays.
        """
        if not leaves:
            return
        rows, sizes = [], [0]
        for given, dtype, shape in leaves:
            rows.append((given, self.slot("object", dtype), len(shape), len(sizes)))
            sizes += shape
        table = self.numbers(f"{name}_rows", rows)
        all_sizes = self.numbers(f"{name}_sizes", [sizes])

        def one(k: Value) -> None:
            row = self.address(table, self.mul(k, number(4)), "i64")
            given, slot, rank, start = (self.field(row, 8 * at, "i64") for at in range(4))
            body(given, self.at_slot(slot), rank, self.address(all_sizes, start, "i64"))

        self.loop(0, len(leaves), 1, one)

    def require(self, condition: Value, otherwise: str) -> None:
        """Go on where a condition holds, to another block elsewhere."""
        on = self.label()
        self.branch(condition, on, otherwise)
        self.start(on)

    def array_of(self, kind: str, count: int) -> Value:
        """Return stack memory that LLVM can dissolve into registers: not so with `scratch`."""
        return self.let("ptr", f"alloca [{max(count, 1)} x {kind}], align 16")

    def each(self, count: int, body: Callable[[Value | int], None]) -> None:
        """Do something for 0 ... count - 1: written out where they are few."""
        if count <= 8:
            for k in range(count):
                body(k)
            return

        def inside(index: Value) -> None:
            body(index)

        self.loop(0, count, 1, inside)
