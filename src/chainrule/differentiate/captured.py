"""What a function takes from outside: closure cells and globals.

A compiled function has read them once. A cell has an address, so machine code can look whether it
still holds the same object; a global is looked up by name, so only Python can.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

MOST = 64
"""Functions that are looked into: a function's closure may hold functions, and theirs others."""

_DATA = (float, int, bool, str, bytes, tuple, list, dict, np.ndarray, np.generic, type(None))


class Captured:
    """What a function has captured, as it was.

    Attributes
    ----------
    cells : list of (CellType, object)
        The closure's cells, also of functions inside it, and what they held.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.cells: list[tuple[CellType, Any]] = []
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        for inner in _functions(function):
            for cell in inner.__closure__ or ():
                try:
                    self.cells.append((cell, cell.cell_contents))
                except ValueError:  # not yet set: a function that calls itself
                    continue
            for name in _names(inner.__code__):
                value = inner.__globals__.get(name)
                if name in inner.__globals__ and isinstance(value, _DATA):
                    self._globals.append((inner.__globals__, name, value))

    def changed(self) -> str | None:
        """Return what is another object now; None where nothing is."""
        for cell, held in self.cells:
            try:
                if cell.cell_contents is not held:
                    return "a variable of an enclosing function"
            except ValueError:
                return "a variable of an enclosing function"
        for space, name, held in self._globals:
            if space.get(name) is not held:
                return f"the global {name!r}"
        return None


def _functions(function: Callable[..., Any]) -> list[FunctionType]:
    """Return the plain functions that a call runs, as far as closures and wrappers tell."""
    found: list[FunctionType] = []
    pending: list[Any] = [function]
    while pending and len(found) < MOST:
        one = pending.pop()
        one = getattr(one, "__func__", one)
        if not isinstance(one, FunctionType) or any(one is other for other in found):
            continue
        # Ours wrap the user's, and hold it in their closure.
        if not one.__module__.startswith("chainrule."):
            found.append(one)
        for cell in one.__closure__ or ():
            try:
                pending.append(cell.cell_contents)
            except ValueError:
                continue
    return found


def _names(code: CodeType) -> list[str]:
    """Return the names that a function may look up, also in the functions written inside it."""
    names = list(code.co_names)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            names += _names(part)
    return names
