"""Recognise a call's arguments: code that walks the containers and checks every leaf.

Nothing is converted. Whatever is not exactly what the signature says goes to `mismatch`, and plain
Python decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import python_api as api
from .builder import Value
from .signature import READ, Array, Float, Static, nodes, parts
from .table import NULL, TableBuilder, number

Index = Value | int
Take = Callable[[Index, Value], None]
"""Told of each input: its number, and where its data is."""

_EQUAL = number(2, "i32")  # Py_EQ


class Matching:
    """Writes the checks of a signature's arguments.

    Parameters
    ----------
    b : TableBuilder
        Where to.
    mismatch : str
        The block to go to where arguments are others.
    failed : str
        The block to go to where looking has raised.
    take : callable
        Called with each input's number and its data's address once it is recognised; with an
        array itself, which `arrays` recognises at the end.
    held : Value, optional
        Where to note the objects inside containers; each is then counted as ours. Needed where
        Python code may run before the inputs are read for the last time: it could drop them.
    """

    def __init__(
        self, b: TableBuilder, mismatch: str, failed: str, take: Take, held: Value | None
    ) -> None:
        self.b = b
        self.mismatch = mismatch
        self.failed = failed
        self.take = take
        self.held = held
        self._held = 0
        self._inputs = 0
        self._arrays: list[tuple[int, Any, tuple[int, ...]]] = []

    def match(self, template: Any, thing: Value) -> None:
        """Write the checks of one object."""
        if isinstance(template, READ):
            self._leaf(template, thing, self._inputs)
            self._inputs += 1
        elif isinstance(template, Static):
            self._static(template.value, thing)
        elif type(template) is dict:
            self._dict(template, thing)
        else:
            self._sequence(template, thing)

    def arrays(self, pointers: Value) -> None:
        """Write the checks of all arrays that were met, in whose places their data comes."""
        b = self.b

        def one(index: Value, descr: Value, rank: Value, sizes: Value) -> None:
            place = b.address(pointers, index, "ptr")
            thing = b.load("ptr", place)
            data = b.part("data_of", thing, descr, rank, sizes, write=_data_of)
            self._all([b.compare("ne", data, NULL)])
            b.store(data, place)

        b.arrays("inputs", self._arrays, one)

    # ------------------------------------------------------------------ leaves

    def _is_exactly(self, thing: Value, kind: type) -> None:
        b = self.b
        self._all([b.compare("eq", b.field(thing, api.TYPE), b.object(kind))])

    def _all(self, conditions: Sequence[Value]) -> None:
        together = conditions[0]
        for condition in conditions[1:]:
            together = self.b.and_(together, condition)
        self.b.require(together, self.mismatch)

    def _leaf(self, leaf: Any, thing: Value, index: Index) -> None:
        if isinstance(leaf, Array):
            assert isinstance(index, int), "loops are over floats"
            self._arrays.append((index, leaf.dtype, leaf.shape))
            return self.take(index, thing)  # `arrays` is going to put the data there
        self._is_exactly(thing, float if isinstance(leaf, Float) else leaf.dtype.type)
        self.take(index, self.b.address(thing, api.FLOAT_VALUE, "i8"))

    def _static(self, value: Any, thing: Value) -> None:
        b = self.b
        same = b.compare("eq", thing, b.object(value))
        if type(value) not in (int, str):
            return self._all([same])

        # Equal numbers and words need not be one object. Comparing two of the exact type runs
        # no code of others.
        def equal() -> None:
            self._is_exactly(thing, type(value))
            answer = b.invoke("PyObject_RichCompareBool", "i32", thing, b.object(value), _EQUAL)
            self._all([b.compare("eq", answer, number(1, "i32"))])

        b.when(b.xor(same, Value("i1", "true")), equal)

    # ------------------------------------------------------------------ containers

    def _hold(self, thing: Value, more: Index = 0) -> None:
        if self.held is None:
            return
        b = self.b
        b.invoke("Py_IncRef", "void", thing)
        b.store(thing, b.address(b.address(self.held, self._held, "ptr"), more, "ptr"))

    def _held_one(self, thing: Value) -> Value:
        self._hold(thing)
        self._held += 1
        return thing

    def _size_is(self, thing: Value, count: int) -> None:
        self._all([self.b.compare("eq", self.b.field(thing, api.SIZE, "i64"), number(count))])

    def _sequence(self, template: Any, thing: Value) -> None:
        b = self.b
        items = parts(template) or []
        self._is_exactly(thing, type(template))
        self._size_is(thing, len(items))
        if not items:
            return
        first = (
            b.field(thing, api.LIST_ITEMS)
            if isinstance(template, list)
            else b.address(thing, api.TUPLE_ITEMS, "i8")
        )
        if len(items) > 8 and all(isinstance(item, Float) for item in items):
            self._floats(items, first)
            return
        things: Iterable[Value] = (b.field(first, 8 * k) for k in range(len(items)))
        if self.held is not None:
            # All are held before the first is looked into: that may run code that alters the list.
            things = [self._held_one(thing) for thing in things]
        for item, inside in zip(items, things, strict=True):
            self.match(item, inside)

    def _floats(self, items: Sequence[Float], first: Value) -> None:
        """Write a loop over many floats."""
        b, start = self.b, self._inputs

        def one(k: Index) -> None:
            thing = b.load("ptr", b.address(first, k, "ptr"))
            self._hold(thing, k)
            index = start + k if isinstance(k, int) else b.add(k, number(start))
            self._leaf(items[0], thing, index)

        b.each(len(items), one)
        self._inputs += len(items)
        self._held += len(items)

    def _dict(self, template: dict[Any, Any], thing: Value) -> None:
        b = self.b
        self._is_exactly(thing, dict)
        self._size_is(thing, len(template))
        things = []
        for key in template:
            inside = b.invoke("PyDict_GetItemWithError", "ptr", thing, b.object(key))
            b.require(b.compare("ne", inside, NULL), self.failed)
            things.append(self._held_one(inside))
        for item, inside in zip(template.values(), things, strict=True):
            self.match(item, inside)


def _data_of(b: TableBuilder) -> None:
    """Write a function: the data of an array of a dtype and a shape, null for anything else."""
    thing, descr, rank, sizes = b.arguments.values()
    no = "no"
    b.require(b.compare("eq", b.field(thing, api.TYPE), b.object(np.ndarray)), no)
    flags = b.field(thing, api.ARRAY_FLAGS, "i32")
    wanted = number(api.C_CONTIGUOUS_AND_ALIGNED, "i32")
    b.require(b.compare("eq", b.and_(flags, wanted), wanted), no)
    own_rank = b.convert("zext", b.field(thing, api.ARRAY_NDIM, "i32"), "i64")
    b.require(b.compare("eq", own_rank, rank), no)
    own_sizes = b.field(thing, api.ARRAY_SHAPE)

    def same_size(k: Value) -> None:
        pair = [b.load("i64", b.address(where, k, "ptr")) for where in (own_sizes, sizes)]
        b.require(b.compare("eq", *pair), no)

    b.loop(0, rank, 1, same_size)
    # The dtype is most often NumPy's own object; an unpickled array has a copy.
    own_descr = b.field(thing, api.ARRAY_DESCR)

    def alike() -> None:
        mask = number(api.DESCR_MASK)
        kinds = [b.and_(b.field(d, api.DESCR_KIND, "i64"), mask) for d in (own_descr, descr)]
        b.require(b.compare("eq", *kinds), no)

    b.when(b.compare("ne", own_descr, descr), alike)
    b.ret(b.field(thing, api.ARRAY_DATA))
    b.start(no)
    b.ret(NULL)


def inside(arguments: Sequence[Any]) -> int:
    """Return how many objects are inside containers: how many `Matching` holds at most."""
    return sum(1 for node in nodes(tuple(arguments))) - 1 - len(arguments)


def has_dict(arguments: Sequence[Any]) -> bool:
    """Whether a key of a dict is looked up, which may run code of the key's type."""
    return any(type(node) is dict for node in nodes(tuple(arguments)))
