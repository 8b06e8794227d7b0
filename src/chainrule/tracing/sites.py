"""Where a gate was made: the file, the line, and the name that the user gave its result.

The name is read from the bytecode: the instruction after the one that made the gate stores its
result (`num = x + sigy` ends in STORE_FAST num). So it works without the source: in files, in a
REPL, in notebooks. A gate whose result is returned at once is named where the caller stores it.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import linecache
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..errors import ChainruleError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "tour", "examples.py")  # plays the user's part
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_is_ours: dict[str, bool] = {contextlib.__file__: True, functools.__file__: True}

NAMED = "named"
RETURNED = "returned"
NAMELESS = "nameless"


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the user's program.

    Parameters
    ----------
    file : str
        The file name as Python knows it.
    line : int
        The line, from 1.
    name : str or None
        The variable that took the result, if one did.
    by_call : bool
        Whether a call made it rather than an operator: `max(x, y)` compares, but its result is
        not the comparison.
    """

    file: str
    line: int
    name: str | None
    by_call: bool = False

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def source(self) -> str:
        """The text of the line, without indentation; empty where there is none to be had."""
        return linecache.getline(self.file, self.line).strip()


NOWHERE = Site("", 0, None)


def is_ours(frame: FrameType) -> bool:
    """Return whether a frame is chainrule's or NumPy's own."""
    file = frame.f_code.co_filename
    if file == "<string>":  # the __init__ that dataclass writes, or what a person gives to exec
        return str(frame.f_globals.get("__name__")).startswith("chainrule.")
    ours = _is_ours.get(file)
    if ours is None:
        path = os.path.abspath(file)
        ours = _is_ours[file] = path != _EXAMPLES and path.startswith((_PACKAGE, _NUMPY))
    return ours


def user_frame(depth: int = 1) -> FrameType | None:
    """Return the nearest frame on the stack that is the user's."""
    frame: FrameType | None = sys._getframe(depth + 1)
    while frame is not None and is_ours(frame):
        frame = frame.f_back
    return frame


def _stored_name(instructions: list[dis.Instruction], index: int) -> tuple[str, str | None]:
    """Return what becomes of the result of an instruction, and the name that takes it."""
    for instruction in instructions[index : index + 6]:
        name = instruction.opname
        if name.startswith(("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")):
            # 3.13 joins two instructions: STORE_FAST_LOAD_FAST has two names, ours is the first.
            value = instruction.argval
            return NAMED, value[0] if isinstance(value, tuple) else value
        if name == "STORE_ATTR":
            return NAMED, instruction.argval
        if name in ("RETURN_VALUE", "RETURN_GENERATOR"):
            return RETURNED, None
        if name in ("COPY", "CACHE", "NOP", "PRECALL", "EXTENDED_ARG", "RESUME"):
            continue
        if name in ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF"):
            # `self.h = x * y` loads self between the result and the STORE_ATTR.
            following = instructions[index + 1 : index + 2]
            is_first = instruction is instructions[index]
            if is_first and following and following[0].opname == "STORE_ATTR":
                return NAMED, following[0].argval
            return NAMELESS, None
        return NAMELESS, None
    return NAMELESS, None


_Fate = tuple[str, str | None, int, bool]
_tables: dict[int, tuple[CodeType, dict[int, _Fate]]] = {}
_MOST_TABLES = 4096  # code objects kept alive by the cache; past that it starts anew


def _fate(code: CodeType, offset: int) -> _Fate:
    """Return (fate, name, line, by call) of what the instruction at this offset gives."""
    held = _tables.get(id(code))
    if held is None or held[0] is not code:
        if len(_tables) >= _MOST_TABLES:
            _tables.clear()
        instructions = list(dis.get_instructions(code))
        table: dict[int, _Fate] = {}
        line = code.co_firstlineno
        for position, instruction in enumerate(instructions):
            start = instruction.positions.lineno if instruction.positions else None
            line = start or line
            fate, name = _stored_name(instructions, position + 1)
            # A caller's frame stands on a cache slot behind its CALL (Python 3.11): fill them all.
            following = instructions[position + 1 : position + 2]
            end = following[0].offset if following else len(code.co_code)
            for place in range(instruction.offset, end, 2):
                table[place] = (fate, name, line, instruction.opname.startswith("CALL"))
        held = _tables[id(code)] = (code, table)
    return held[1].get(offset, (NAMELESS, None, code.co_firstlineno, False))


class Sites:
    """The sites of one recording, numbered; asking for the same place again is one lookup."""

    __slots__ = ("_codes", "_index", "table")

    def __init__(self) -> None:
        self.table: list[Site] = [NOWHERE]
        self._codes: list[CodeType] = []  # alive as long as their ids are keys
        self._index: dict[Any, int] = {}

    def number(self, frame: FrameType | None) -> int:
        """Return the number of the place where this frame stands."""
        while frame is not None and is_ours(frame):
            frame = frame.f_back
        if frame is None:
            return 0
        key: Any = (id(frame.f_code), frame.f_lasti)
        found = self._index.get(key)
        if found is not None:
            return found
        code = frame.f_code
        fate, name, line, by_call = _fate(code, frame.f_lasti)
        if fate == RETURNED:
            # Named by whoever called: the key must tell the callers apart.
            caller = frame.f_back
            chain: list[Any] = [code, frame.f_lasti]
            # Up to the traced function itself, whose caller is ours: its result has its own name.
            while caller is not None and fate == RETURNED and not is_ours(caller):
                chain += [caller.f_code, caller.f_lasti]
                self._codes.append(caller.f_code)
                fate, name, *_ = _fate(caller.f_code, caller.f_lasti)
                caller = caller.f_back
            key = tuple(id(part) if isinstance(part, CodeType) else part for part in chain)
            found = self._index.get(key)
            if found is not None:
                return found
        number = len(self.table)
        self._codes.append(code)
        self.table.append(Site(code.co_filename, line, name, by_call))
        self._index[key] = number
        return number


def for_users(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Leave only the user's own frames in the traceback of an error of ours.

    The one frame of the decorated function stays: Python adds it after us.
    """

    @functools.wraps(function)
    def called(*args: _P.args, **options: _P.kwargs) -> _T:
        try:
            return function(*args, **options)
        except ChainruleError as error:
            kept = []
            place = error.__traceback__
            while place is not None:
                if not is_ours(place.tb_frame):
                    kept.append(place)
                place = place.tb_next
            below: TracebackType | None = None
            for frame in reversed(kept):
                below = TracebackType(below, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
            raise error.with_traceback(below) from error.__cause__

    return called


def here(depth: int = 1) -> str:
    """Return "file.py:12: " for the user's line that is running, or "" where there is none."""
    frame = user_frame(depth + 1)
    if frame is None:
        return ""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}: "
