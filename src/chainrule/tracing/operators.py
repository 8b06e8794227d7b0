"""The operator methods of traced values, made from gates."""

from __future__ import annotations

import sys
from _thread import get_ident  # threading's, without the time of its lookup in every gate
from collections.abc import Callable
from typing import Any

import numpy as np

from ..circuit.columns import NO_SETTINGS
from ..errors import InPlaceError
from ..gates import GATES, Gate
from . import indexing
from .draw import draw, draw_one, elsewhere, is_wire, mixed
from .sites import here

Method = Callable[..., Any]
_OPERANDS = (float, int, np.ndarray, np.generic, list, tuple)
_new = object.__new__


def arithmetic(name: str, on_floats: Method | None = None) -> tuple[Method, Method, Method]:
    """Make the methods for `x + y`, for y on the left, and for `x += y`.

    Parameters
    ----------
    name : str
        The gate.
    on_floats : callable, optional
        The same on two Python floats, where that can only raise an ArithmeticError.
    """
    gate = GATES[name]
    plain = binary(gate, on_floats)
    return plain, binary(gate, on_floats, swapped=True), in_place(plain)


def comparison(name: str, on_floats: Method) -> Method:
    """Make the method for `x < y` and its kind."""
    return binary(GATES[name], on_floats)


def binary(gate: Gate, on_floats: Any, *, swapped: bool = False) -> Method:
    """Make the operator method of a gate with two inputs."""

    def method(self: Any, other: Any) -> Any:
        tape = self._tape
        values = tape.values
        left = self._row
        x = values[left]
        # Floats first, all in this frame: this is the path that define-by-run lives on. A float is
        # never a view, so there is no lens to look through.
        if type(x) is float and on_floats is not None:
            kind = type(other)
            if kind is tape.kind:
                if other._tape is not tape:
                    mixed(tape, other)
                right = other._row
                y = values[right]
            elif kind is float:
                y = other
                right = tape.floats.get(y)
                if right is None:
                    right = tape.constant(y)
            else:
                y = None
            if type(y) is float:
                if tape.owner != get_ident():
                    elsewhere((self,))
                if swapped:
                    x, y, left, right = y, x, right, left
                try:
                    value = on_floats(x, y)
                except ArithmeticError:
                    value = gate.compute((x, y), NO_SETTINGS)
                # Tape.emit, written out.
                row = len(values)
                try:
                    values.append(value)
                    tape.gates.append(gate)
                    tape.left.append(left)
                    tape.right.append(right)
                except BaseException:  # Ctrl-C between two columns would shift all later rows
                    tape.cut(row)
                    raise
                if tape.sites is not None:
                    site = tape.site
                    tape.row_sites.append(
                        tape.sites.number(sys._getframe(1)) if site is None else site
                    )
                wire: Any = _new(tape.kind)
                wire._tape = tape
                wire._row = row
                wire._lens = None
                if row >= tape.limit:
                    tape.tidy()
                return wire
        if not (isinstance(other, _OPERANDS) or is_wire(other)):
            return NotImplemented
        return draw(tape, gate, (other, self) if swapped else (self, other), NO_SETTINGS)

    method.__name__ = method.__qualname__ = gate.name
    return method


def unary(name: str) -> Method:
    """Make the operator method of a gate with one input."""
    gate = GATES[name]

    def method(self: Any) -> Any:
        return draw_one(self, gate)

    method.__name__ = method.__qualname__ = gate.name
    return method


def in_place(plain: Any) -> Any:
    """Make `x += y`: arrays are written to, numbers are replaced, as in NumPy."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(self._tape.values[self._row], np.ndarray):
            return plain(self, other)
        indexing.refuse_write(self)
        result = plain(self, other)
        if result is NotImplemented:
            return result
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise InPlaceError(
                f"{here()}a result of dtype {result.dtype} cannot be written in place into an "
                f"array of dtype {self.dtype}. Write x = x + y, or make x a float array first."
            )
        return indexing.write(self, result)

    return method


def delegated(function: Any) -> Any:
    """Make the method that calls NumPy's function of that name."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = f"Return `np.{function.__name__}` of this value."
    return method
