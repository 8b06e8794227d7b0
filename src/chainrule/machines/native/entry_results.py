"""Make a call's results: fresh arrays before the program runs, containers and numbers after it.

Whatever is made is noted in `made` until its container has it, so that one loop can let go of all
of it when something fails.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import python_api as api
from .builder import Value
from .signature import (
    OutArray,
    OutBool,
    OutConstant,
    OutFloat,
    OutInt,
    OutScalar,
    Signature,
    is_named,
    nodes,
    parts,
)
from .table import NULL, TableBuilder, number

Into = Callable[[Value], None]
"""Puts an object where it belongs, which owns it from then on."""


class Results:
    """Writes the making of a signature's results.

    Parameters
    ----------
    b : TableBuilder
        Where to.
    signature : Signature
        What is wanted.
    failed : str
        The block to go to where Python has no memory.
    made : Value
        Stack memory for `room(signature)` pointers, null at first.
    """

    def __init__(self, b: TableBuilder, signature: Signature, failed: str, made: Value) -> None:
        self.b = b
        self.signature = signature
        self.failed = failed
        self.made = made
        self._given: dict[int, Value] = {}  # arrays that a container has by now
        self._used = _named_start(signature)
        self._slots: dict[int, tuple[Value, int]] = {}
        self._makers: dict[type, Any] = {}  # bound methods: one object each, for the table

    # ------------------------------------------------------------------ before the program

    def arrays(self, pointers: Value) -> None:
        """Make all arrays, and put their data's addresses at their numbers."""
        b = self.b
        leaves = [leaf for leaf in self.signature.outputs if isinstance(leaf, OutArray)]
        made = b.address(self.made, 1, "ptr")

        def one(index: Value, descr: Value, rank: Value, sizes: Value) -> None:
            place = b.address(made, index, "ptr")
            array = b.part("new_array", descr, rank, sizes, place, write=_new_array)
            self._check(array)
            b.store(b.field(array, api.ARRAY_DATA), b.address(pointers, index, "ptr"))

        b.arrays("outputs", [(leaf.index, leaf.dtype, leaf.shape) for leaf in leaves], one)

    def _place(self) -> Value:
        self._used += 1
        return self.b.address(self.made, self._used - 1, "ptr")

    def number(self, leaf: Any, slots: Value, place: int) -> None:
        """Say where the program writes a number: in which 8 bytes of which memory."""
        self._slots[leaf.index] = slots, place

    def floats(self) -> list[tuple[Value, int]]:
        """Return where the program writes Python floats."""
        leaves = self.signature.outputs
        return [self._slots[leaf.index] for leaf in leaves if isinstance(leaf, OutFloat)]

    # ------------------------------------------------------------------ after it

    def result(self) -> Value:
        """Make the result."""
        root = self.b.address(self.made, 0, "ptr")
        self._make(self.signature.result, lambda thing: self.b.store(thing, root))
        return self.b.load("ptr", root)

    def _check(self, thing: Value) -> None:
        self.b.require(self.b.compare("ne", thing, NULL), self.failed)

    def _make(self, template: Any, into: Into) -> None:
        if isinstance(template, OutArray):
            into(self._taken(template.index))
        elif isinstance(template, OutConstant):
            constant = self.b.object(template.value)
            self.b.invoke("Py_IncRef", "void", constant)
            into(constant)
        elif type(template) is dict:
            self._dict(template, into)
        elif parts(template) is not None:
            self._sequence(template, into)
        else:
            thing = self._number(template)
            self._check(thing)
            into(thing)

    def _taken(self, index: int) -> Value:
        """Return an array that its container owns: of one that another has, one more reference."""
        b = self.b
        if index in self._given:
            b.invoke("Py_IncRef", "void", self._given[index])
        else:
            place = b.address(self.made, 1 + index, "ptr")
            self._given[index] = b.load("ptr", place)
            b.store(NULL, place)
        return self._given[index]

    def _number(self, leaf: Any) -> Value:
        b = self.b
        slot = b.address(*self._slots[leaf.index], "i64")
        if isinstance(leaf, OutFloat):
            return b.invoke("PyFloat_FromDouble", "ptr", b.load("double", slot))
        if isinstance(leaf, OutInt):
            return b.invoke("PyLong_FromLongLong", "ptr", b.load("i64", slot))
        if isinstance(leaf, OutBool):
            truth = b.convert("zext", b.load("i8", slot), "i64")
            return b.invoke("PyBool_FromLong", "ptr", truth)
        assert isinstance(leaf, OutScalar), leaf
        return b.invoke("PyArray_Scalar", "ptr", slot, b.object(leaf.dtype), NULL)

    # ------------------------------------------------------------------ containers

    def _sequence(self, template: Any, into: Into) -> None:
        b = self.b
        items = parts(template) or []
        made = "PyList_New" if isinstance(template, list) else "PyTuple_New"
        container = b.invoke(made, "ptr", number(len(items)))
        self._check(container)
        named = is_named(template)
        place = self._place() if named else None
        if place is None:
            into(container)
        else:
            b.store(container, place)
        if items:
            first = (
                b.field(container, api.LIST_ITEMS)
                if isinstance(template, list)
                else b.address(container, api.TUPLE_ITEMS, "i8")
            )
            self._fill(items, first)
        if place is not None:
            make = b.object(self._makers.setdefault(type(template), type(template)._make))
            answer = b.invoke("PyObject_Vectorcall", "ptr", make, place, number(1), NULL)
            b.store(NULL, place)
            b.invoke("Py_DecRef", "void", container)
            self._check(answer)
            into(answer)

    def _fill(self, items: Sequence[Any], first: Value) -> None:
        b = self.b
        places = [self._slots.get(getattr(item, "index", -1)) for item in items]
        start = places[0]
        if (
            len(items) > 8
            and start is not None
            and all(isinstance(item, OutFloat) for item in items)
            and places == [(start[0], start[1] + k) for k in range(len(items))]
        ):
            self._floats(b.address(*start, "i64"), first, len(items))
            return
        for k, item in enumerate(items):
            place = b.address(first, k, "ptr")
            self._make(item, functools.partial(b.store, pointer=place))

    def _floats(self, slots: Value, first: Value, count: int) -> None:
        """Write a loop that makes many floats."""
        b = self.b

        def one(k: Value | int) -> None:
            value = b.load("double", b.address(slots, k, "double"))
            thing = b.invoke("PyFloat_FromDouble", "ptr", value)
            self._check(thing)
            b.store(thing, b.address(first, k, "ptr"))

        b.each(count, one)

    def _dict(self, template: dict[Any, Any], into: Into) -> None:
        b = self.b
        container = b.invoke("PyDict_New", "ptr")
        self._check(container)
        into(container)

        def put(key: Any, thing: Value) -> None:
            status = b.invoke("PyDict_SetItem", "i32", container, b.object(key), thing)
            b.invoke("Py_DecRef", "void", thing)  # the dict has its own reference
            b.require(b.compare("eq", status, number(0, "i32")), self.failed)

        for key, item in template.items():
            self._make(item, functools.partial(put, key))


def _new_array(b: TableBuilder) -> None:
    """Write a function: make an array, note it in a place, return it; null without memory."""
    descr, rank, sizes, place = b.arguments.values()
    b.invoke("Py_IncRef", "void", descr)  # the next call steals one
    kind, none = b.object(np.ndarray), number(0, "i32")
    array = b.invoke(
        "PyArray_NewFromDescr", "ptr", kind, descr, rank, sizes, NULL, NULL, none, NULL
    )
    b.store(array, place)
    b.ret(array)


def _named_start(signature: Signature) -> int:
    """Return where in `made` named tuples are noted: after the result and the arrays."""
    return 2 + max((a.index for a in signature.outputs if isinstance(a, OutArray)), default=-1)


def room(signature: Signature) -> int:
    """Return how many pointers `made` has."""
    return _named_start(signature) + sum(is_named(node) for node in nodes(signature.result))
