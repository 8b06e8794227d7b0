"""Arrays that end where memory ends: reading or writing one element more is a crash."""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np


def fenced(count: int, dtype: type) -> np.ndarray:
    """Return an uninitialised array whose last element is followed by a page without access."""
    bytes_wanted = count * np.dtype(dtype).itemsize
    pages = -(-bytes_wanted // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    room = np.frombuffer(memory, np.uint8)
    if sys.platform != "win32":
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        end = room.ctypes.data + pages * mmap.PAGESIZE
        assert protect(end, mmap.PAGESIZE, 0) == 0, "mprotect failed"
    start = pages * mmap.PAGESIZE - bytes_wanted
    return room[start : start + bytes_wanted].view(dtype)
