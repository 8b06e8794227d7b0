"""IDX files, the format of MNIST: a magic number, the dimensions, the bytes.

Nothing in a file is believed before it is held against something else: the dimensions against the
size of the file, and what gzip unpacks against the dimensions, so that a small file cannot ask for
much memory. A file is read whole or not at all.

The format is described at the end of Y. LeCun, C. Cortes and C. Burges, "The MNIST database of
handwritten digits": two zero bytes, a code for the dtype, the number of dimensions, each dimension
in four bytes, then the elements, the last index running fastest; all big-endian.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import struct
import zlib
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np

from ..errors import DataFileError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 32  # as many as every NumPy has
# What deflate makes of zeros: 258 bytes from 2 bits (RFC 1951, 3.2.5), and the ends of blocks.
MOST_RATIO = 1032

Array = np.ndarray[Any, Any]


def read_idx(
    path: str | os.PathLike[str],
    *,
    shape: tuple[int | None, ...] | None = None,
    most_bytes: int = 1 << 32,
) -> Array:
    """Read an IDX file, compressed by gzip or not.

    Parameters
    ----------
    path : str or path
        The file. Whether it is compressed is seen from its first bytes, not from its name.
    shape : tuple of int or None, optional
        The shape that is expected, None for a dimension that may be any.
    most_bytes : int
        The largest array to make; a file that declares a larger one is refused.

    Returns
    -------
    ndarray
        In the machine's own byte order.

    Raises
    ------
    DataFileError
        If the file is not IDX, is cut short or altered, or is of another shape.
    OSError
        If the file is not there or cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            _refuse(path, "it is not a plain file")
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _read(file, path, about.st_size, False, shape, most_bytes)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                stream = cast(BinaryIO, unpacked)
                return _read(stream, path, about.st_size, True, shape, most_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile, struct.error) as reason:
            _refuse(path, f"its gzip data is cut short or altered ({reason})", reason)


def _read(file: BinaryIO, path: str, size: int, packed: bool, shape: Any, most_bytes: int) -> Array:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _DTYPES:
        _refuse(
            path,
            f"an IDX file starts with 00 00, a code for the dtype (one of "
            f"{' '.join(f'{code:02X}' for code in _DTYPES)}) and the number of dimensions; "
            f"this one with {start.hex(' ').upper() or 'nothing'}",
        )
    dtype, ndim = np.dtype(_DTYPES[start[2]]), start[3]
    if not 1 <= ndim <= _MOST_DIMENSIONS:
        _refuse(path, f"it declares {ndim} dimensions; 1 to {_MOST_DIMENSIONS} can be")
    head = file.read(4 * ndim)
    if len(head) < 4 * ndim:
        _refuse(path, "it ends within its header")
    found = struct.unpack(f">{ndim}I", head)
    if shape is not None and not _is_like(found, shape):
        expected = " × ".join("any" if n is None else str(n) for n in shape)
        _refuse(path, f"it holds {_times(found)} elements; expected were {expected}")
    declared = math.prod(max(n, 1) for n in found) * dtype.itemsize  # NumPy counts so as well
    if declared > most_bytes:
        _refuse(
            path,
            f"it declares {_times(found)} elements of {dtype.itemsize} bytes, more than the "
            f"{most_bytes:,} bytes that most_bytes allows",
        )
    wanted = math.prod(found) * dtype.itemsize
    there = size - 4 - len(head)
    if not packed and there != wanted:
        _refuse(path, f"it declares {_times(found)} elements, {wanted:,} bytes, and has {there:,}")
    if packed and wanted > MOST_RATIO * size:
        _refuse(path, f"it declares {wanted:,} bytes, which {size:,} of gzip cannot hold")
    array = np.empty(found, dtype)
    _fill(file, array, path)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(file: BinaryIO, array: Array, path: str) -> None:
    """Read an array's bytes, and see that the file ends with them."""
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        # GzipFile unpacks no more than asked for, whatever the file would give.
        count = file.readinto(view[done : done + (1 << 20)])  # type: ignore[attr-defined]
        if not count:
            _refuse(path, f"it declares {len(view):,} bytes of elements and ends after {done:,}")
        done += count
    if file.read(1):  # for gzip, this is also what checks the checksum
        _refuse(path, f"it declares {len(view):,} bytes of elements and has more")


def _is_like(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(found) == len(shape) and all(
        wanted is None or n == wanted for n, wanted in zip(found, shape, strict=True)
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _refuse(path: str, why: str, cause: BaseException | None = None) -> NoReturn:
    raise DataFileError(f"{path} cannot be read as an IDX file: {why}.") from cause
