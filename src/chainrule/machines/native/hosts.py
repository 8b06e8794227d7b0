"""Gates that NumPy computes in the middle of a program.

A program calls one function for them, with the gate's number and its frame. It comes back into
Python (ctypes takes the interpreter's lock), reads the operands where the program has put them,
and writes the result where the program will read it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .layout import DTYPES

if TYPE_CHECKING:
    from .program import HostCall

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


class Hosts:
    """The gates of one program that NumPy computes.

    Parameters
    ----------
    calls : sequence of HostCall
        By number.

    Attributes
    ----------
    address : int
        Where the function is that the program calls; keep this object as long as the program.
    """

    def __init__(self, calls: Sequence[HostCall]) -> None:
        self._calls = calls
        self._local = threading.local()
        self._function = _FUNCTION(self._run)
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0

    def __len__(self) -> int:
        return len(self._calls)

    def error(self) -> BaseException:
        """Return what a gate has raised in this thread."""
        found: BaseException = self._local.error
        return found

    def _run(self, number: int, frame: int) -> int:
        try:
            call = self._calls[number]
            gate, recorded, _ = call.node.value
            inputs = [
                _read(access.shape, place, like, frame)
                for access, place, like in zip(
                    call.node.operands, call.reads, recorded, strict=True
                )
            ]
            with np.errstate(all="ignore"):
                value = gate.compute(inputs, call.node.settings)
            array = np.ascontiguousarray(value, DTYPES[call.node.kind])
            assert array.size == call.node.size, (call.node.gate, array.shape, call.node.shape)
            ctypes.memmove(_place(call.writes, frame), array.ctypes.data, array.nbytes)
            return 0
        except Exception as error:  # handed on by who called: no exception may cross machine code
            self._local.error = error
            return 1


def _place(place: tuple[int, int], frame: int) -> int:
    """Return the address of a node in memory."""
    slot, offset = place
    return (ctypes.c_void_p.from_address(frame + 8 * slot).value or 0) + offset


def _read(shape: Any, place: tuple[int, int], like: Any, frame: int) -> Any:
    dtype = np.asarray(like).dtype
    count = int(np.prod(shape, dtype=int))
    raw = (ctypes.c_char * (count * dtype.itemsize)).from_address(_place(place, frame))
    array = np.frombuffer(memoryview(raw), dtype).reshape(shape)
    return array.item() if type(like) in (float, int, bool) else array[()]
