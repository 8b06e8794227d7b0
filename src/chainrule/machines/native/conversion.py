"""Bring a row of the data to the step's dtype while it is copied, as NumPy's astype does."""

from __future__ import annotations

import numpy as np

from .builder import Builder, Value, constant, vector_of
from .data_rows import DataRows
from .nodes import FLOATS

_TARGETS = {"f4": "float", "f8": "double", "i4": "i32", "i8": "i64"}


def emit_converted(b: Builder, rows: DataRows, start: Value, to: Value) -> None:
    """Convert one row.

    Parameters
    ----------
    b : Builder
        What writes the code.
    rows : DataRows
        From which dtype to which.
    start, to : Value
        Where the row is, and where it is to be.
    """
    kind = _TARGETS[rows.dtype.str[1:]]
    count, lanes = rows.elements, b.target.lanes(kind)
    vectors = count - count % lanes

    def convert(at: Value, wide: int) -> None:
        value = _read(b, rows.array.dtype, b.address(start, at, _memory(rows.array.dtype)), wide)
        value = _cast(b, value, rows.array.dtype, kind)
        if rows.divisor is not None:
            value = b.fdiv(value, constant(value.type, rows.divisor))
        b.store(value, b.address(to, at, kind))

    b.loop(0, vectors, lanes, lambda at: convert(at, lanes))
    b.loop(vectors, count, 1, lambda at: convert(at, 0))


def _memory(dtype: np.dtype[np.generic]) -> str:
    return f"i{8 * dtype.itemsize}"


def _read(b: Builder, dtype: np.dtype[np.generic], at: Value, lanes: int) -> Value:
    """Return elements as they lie there, in the machine's byte order: integers, or floats."""
    value = b.load(vector_of(_memory(dtype), lanes), at)
    if not dtype.isnative:
        value = b.intrinsic("bswap", value)
    if dtype.kind != "f":
        return value
    if dtype.itemsize == 2:
        return _from_half(b, value)
    return b.convert("bitcast", value, {4: "float", 8: "double"}[dtype.itemsize])


def _from_half(b: Builder, value: Value) -> Value:
    """Return half-precision floats as floats; LLVM would call a library for them on some targets.

    The exponent's bias is 15 there and 127 here: put where it belongs, the number is too small by
    2**112, subnormal ones included. Infinities and NaNs keep the highest exponent.
    """
    bits = b.convert("zext", value, "i32")
    sign = b.shl(b.and_(bits, b.constant(bits, 0x8000)), b.constant(bits, 16))
    size = b.shl(b.and_(bits, b.constant(bits, 0x7FFF)), b.constant(bits, 13))
    found = b.convert("bitcast", size, "float")
    found = b.bits(b.fmul(found, b.constant(found, 2.0**112)))
    endless = b.compare("sge", size, b.constant(size, 0x7C00 << 13))
    found = b.select(endless, b.or_(found, b.constant(found, 0x7F800000)), found)
    return b.convert("bitcast", b.or_(found, sign), "float")


def _cast(b: Builder, value: Value, dtype: np.dtype[np.generic], kind: str) -> Value:
    """Bring elements to a machine type."""
    own = value.element
    if own == kind:
        return value
    if own in FLOATS.values():
        return b.convert("fpext" if kind == "double" else "fptrunc", value, kind)
    is_signed = dtype.kind == "i"
    if kind in FLOATS.values():
        return b.convert("sitofp" if is_signed else "uitofp", value, kind)
    if int(own[1:]) > int(kind[1:]):
        return b.convert("trunc", value, kind)
    return b.convert("sext" if is_signed else "zext", value, kind)
