"""What emitted code must know of the running interpreter: addresses and layouts, checked first.

Emitted code calls CPython's and NumPy's C functions by address and reads floats, tuples, lists
and arrays where their headers say the fields are. The headers' layouts are written below; before
the first use each is compared with live objects. Where one differs, or the interpreter is of a
kind that was never tried (free-threaded, debug, another implementation), `supported` is False and
every call goes through plain Python.

To support a new Python: run the tests of this folder with it, then add its version to `KNOWN`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
import sysconfig
from collections.abc import Callable
from types import CellType
from typing import Any

import numpy as np

KNOWN = ((3, 11), (3, 12), (3, 13))  # each was tried

# Offsets in bytes. CPython: Include/object.h, cpython/floatobject.h, cpython/listobject.h,
# cpython/dictobject.h.
TYPE = 8
SIZE = 16  # ob_size of tuples and lists, ma_used of dicts
FLOAT_VALUE = 16  # also of NumPy's scalars (arrayscalars.h): no padding up to 8 bytes
LIST_ITEMS = 24  # a pointer to the items
CELL_CONTENTS = 16  # cpython/cellobject.h
TUPLE_ITEMS = tuple.__basicsize__  # the items themselves, at the end
# NumPy: PyArrayObject_fields and PyArray_Descr of ndarraytypes.h, alike in 1.x and 2.x.
ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_DESCR, ARRAY_FLAGS = 16, 24, 32, 56, 64
DESCR_KIND = 24  # kind, letter, byte order, flags: one byte each; then the type's number: 4 bytes
DESCR_MASK = 0xFFFFFFFF00FFFFFF  # of these 8 bytes, all but the flags
C_CONTIGUOUS_AND_ALIGNED = 0x0001 | 0x0100

# Places in NumPy's table of functions (numpy/__multiarray_api.h): never reused for another.
NUMPY_FUNCTIONS = {"PyArray_Scalar": 60, "PyArray_NewFromDescr": 94}
_NUMPY_VERSION, _NUMPY_TYPE = 0, 2
_NUMPY_2 = 0x02000000

VECTORCALL_OFFSET_FLAG = 1 << 63  # PY_VECTORCALL_ARGUMENTS_OFFSET


def address(name: str) -> int:
    """Return where a C function of CPython or NumPy is."""
    if name in NUMPY_FUNCTIONS:
        return int(_numpy_table()[NUMPY_FUNCTIONS[name]])
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@functools.cache
def fingerprint() -> str:
    """Return what emitted code takes for granted: part of the key of any code kept on disk."""
    return f"python {sys.version_info[:2]} tuple {TUPLE_ITEMS} pointer {ctypes.sizeof(_POINTER)}"


@functools.cache
def supported() -> bool:
    """Return whether emitted code may touch this interpreter's objects."""
    if (
        sys.implementation.name != "cpython"
        or sys.version_info[:2] not in KNOWN
        or sys.byteorder != "little"
        or ctypes.sizeof(_POINTER) != 8
        or hasattr(sys, "gettotalrefcount")  # Py_DEBUG: objects are counted
        or hasattr(sys, "getobjects")  # Py_TRACE_REFS: objects begin with two more pointers
        or sysconfig.get_config_var("Py_GIL_DISABLED")
    ):
        return False
    return _objects_are_laid_out() and _arrays_are_laid_out() and _numpy_answers()


_POINTER = ctypes.c_void_p


def read(kind: Any, at: int) -> Any:
    """Return the number of a ctypes type at an address."""
    return kind.from_address(at).value


def _objects_are_laid_out() -> bool:
    if list.__basicsize__ != LIST_ITEMS + 16:  # before we follow what may be no pointer
        return False
    number, first, second = 0.1 + len(sys.argv), object(), object()
    pair, row, table = (first, second), [first, second], {"a": first, "b": second}
    if read(ctypes.c_double, id(number) + FLOAT_VALUE) != number:
        return False
    for thing in (number, pair, row, table):
        if read(_POINTER, id(thing) + TYPE) != id(type(thing)):
            return False
    for thing in (pair, row, table):
        if read(ctypes.c_ssize_t, id(thing) + SIZE) != 2:
            return False
    cell = CellType(number)
    if CellType.__basicsize__ != CELL_CONTENTS + 8 or read(
        _POINTER, id(cell) + CELL_CONTENTS
    ) != id(number):
        return False
    for items in (id(pair) + TUPLE_ITEMS, read(_POINTER, id(row) + LIST_ITEMS)):
        if [read(_POINTER, items), read(_POINTER, items + 8)] != [id(first), id(second)]:
            return False
    return all(
        np.dtype(kind).type(3).tobytes()
        == ctypes.string_at(id(scalar := np.dtype(kind).type(3)) + FLOAT_VALUE, scalar.nbytes)
        for kind in ("f8", "f4", "i8", "i4", "?")
    )


def _arrays_are_laid_out() -> bool:
    base = np.zeros((3, 5), np.float32)
    odd = np.zeros(41, np.uint8)[1:].view(np.float64)
    for array in (base, base.T, base[:, 1:3], np.zeros(()), odd, np.zeros(2, ">i4")):
        at = id(array)
        sizes = read(_POINTER, at + ARRAY_SHAPE)
        descr = read(_POINTER, at + ARRAY_DESCR)
        if (
            read(_POINTER, at + ARRAY_DATA) != array.__array_interface__["data"][0]
            or read(ctypes.c_int, at + ARRAY_NDIM) != array.ndim
            or [read(ctypes.c_ssize_t, sizes + 8 * k) for k in range(array.ndim)]
            != list(array.shape)
            or descr != id(array.dtype)
            or read(ctypes.c_int, at + ARRAY_FLAGS) != array.flags.num
        ):
            return False
        dtype = array.dtype
        start = f"{dtype.kind}{dtype.char}{dtype.byteorder}".encode()
        if (
            ctypes.string_at(descr + DESCR_KIND, 3) != start
            or read(ctypes.c_int, descr + DESCR_KIND + 4) != dtype.num
        ):
            return False
    return True


@functools.cache
def _numpy_table() -> Any:
    """Return NumPy's table of C functions."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    kind = ctypes.PYFUNCTYPE(_POINTER, ctypes.py_object, ctypes.c_char_p)
    pointer_of = kind(("PyCapsule_GetPointer", ctypes.pythonapi))
    return ctypes.cast(pointer_of(module._ARRAY_API, None), ctypes.POINTER(ctypes.c_size_t))


def _numpy_answers() -> bool:
    """Whether NumPy's functions are where we call them, and make what we expect."""
    try:
        table = _numpy_table()
    except (ImportError, AttributeError, ValueError):  # moved, in some future NumPy
        return False
    version = ctypes.CFUNCTYPE(ctypes.c_uint)(table[_NUMPY_VERSION])()
    if version != _NUMPY_2 or table[_NUMPY_TYPE] != id(np.ndarray):
        return False
    dtype = np.dtype(np.float32)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))  # the next call steals one
    make: Callable[..., Any] = ctypes.PYFUNCTYPE(
        ctypes.py_object, _POINTER, _POINTER, ctypes.c_int, *[_POINTER] * 3, ctypes.c_int, _POINTER
    )(address("PyArray_NewFromDescr"))
    sizes = (ctypes.c_ssize_t * 2)(2, 3)
    made = make(id(np.ndarray), id(dtype), 2, ctypes.addressof(sizes), None, None, 0, None)
    if type(made) is not np.ndarray or (made.shape, made.dtype) != ((2, 3), dtype):
        return False
    take: Callable[..., Any] = ctypes.PYFUNCTYPE(
        ctypes.py_object, _POINTER, _POINTER, ctypes.py_object
    )(address("PyArray_Scalar"))
    one = ctypes.c_float(0.5)
    scalar = take(ctypes.addressof(one), id(dtype), None)
    return bool(type(scalar) is np.float32 and scalar == 0.5)
