"""Tensors in a file, in the safetensors format, with checksums.

The format (https://github.com/huggingface/safetensors, "Format"): eight bytes with the length of
the header, little-endian; the header, JSON with the dtype, shape and place of each tensor and a
`__metadata__` of texts; the tensors' bytes, little-endian, without gaps. Whatever reads safetensors
reads these files.

What is ours is in the metadata: a SHA-256 of each tensor, and one of the header itself, taken with
zeros in its own place, which is always the same: the first bytes of the header. So no byte of a
file can change unseen, and `read` gives all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn

import numpy as np

from ..data.whole_file import whole_file
from ..errors import DataFileError, DtypeError

Array = np.ndarray[Any, Any]

_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}

_MOST_HEADER = 100_000_000  # bytes, as the safetensors package has it
_MOST_DIMENSIONS = 32

_START = b'{"__metadata__":{"chainrule":"'
_ZEROS = b"0" * 64


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write tensors and texts to a file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    tensors : mapping of str to ndarray
        Floats of 16 to 64 bits, integers, booleans.
    metadata : mapping of str to str
        Texts to keep with them.

    Raises
    ------
    DtypeError
        If the format has no name for a tensor's dtype.
    OSError
        If it cannot be written; what was there before is still there.
    """
    arrays = {name: _as_stored(name, tensor) for name, tensor in tensors.items()}
    # The widest first, so that each starts at a multiple of its own width.
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    texts = {"chainrule": _ZEROS.decode(), **metadata}
    if len(texts) == len(metadata) or "__metadata__" in arrays:
        raise ValueError("'chainrule' in the metadata and the tensor '__metadata__' are taken")
    texts["sha256"] = json.dumps({name: _digest(arrays[name]) for name in names})
    header: dict[str, Any] = {"__metadata__": texts}
    end = 0
    for name in names:
        array, begin = arrays[name], end
        end += array.nbytes
        dtype = _NAMES[array.dtype]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MOST_HEADER:
        raise ValueError(
            f"the header would have {len(text):,} bytes, more than the {_MOST_HEADER:,} of the "
            "format: join many small tensors into few"
        )
    checksum = hashlib.sha256(text).hexdigest().encode()
    with whole_file(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(_START + checksum + text[len(_START) + len(checksum) :])
        for name in names:
            file.write(_bytes(arrays[name]))


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors and texts of a file that `write` wrote.

    Raises
    ------
    DataFileError
        If any byte of it is another than was written, or something else wrote it.
    OSError
        If it is not there or cannot be read.
    """
    with open(path, "rb") as file:
        header, texts = _header(file, os.fspath(path))
        sums = json.loads(texts.pop("sha256"))
        tensors = {}
        for name, dtype, shape in header:
            array = np.empty(shape, dtype)
            view, done = _bytes(array), 0
            while done < len(view):
                count = file.readinto(view[done:])
                if not count:
                    _refuse(path, "it became shorter while it was read")
                done += count
            if _digest(array) != sums[name]:
                _refuse(path, f"{name!r} is damaged: the checksum is not that of its bytes")
            if dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:  # NumPy relies on it
                _refuse(path, f"{name!r} has bytes that are neither true nor false")
            tensors[name] = array.astype(dtype.newbyteorder("="), copy=False)
    return tensors, texts


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the texts alone, without reading the tensors.

    Raises
    ------
    DataFileError
        If the header is another than was written, or something else wrote it.
    """
    with open(path, "rb") as file:
        texts = _header(file, os.fspath(path))[1]
    del texts["sha256"]
    return texts


# ---------------------------------------------------------------------- the header


def _header(
    file: BinaryIO, path: str
) -> tuple[list[tuple[str, np.dtype[Any], list[int]]], dict[str, str]]:
    """Return name, dtype and shape of each tensor as they come, and the texts; leave at the data.

    The checksum shows damage. But whoever means harm can make one, so every number is held
    against the size of the file all the same.
    """
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        _refuse(path, "it is not a plain file")
    size = about.st_size
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, _MOST_HEADER):
        _refuse(path, "it is cut short, or is no safetensors file")
    text = file.read(length)
    place = slice(len(_START), len(_START) + len(_ZEROS))
    if not text.startswith(_START) or len(text) < place.stop:
        if text.startswith(b"{"):
            _refuse(path, "it is a safetensors file, but none that chainrule wrote")
        _refuse(path, "it is no safetensors file")
    checked = text[: place.start] + _ZEROS + text[place.stop :]
    if hashlib.sha256(checked).hexdigest().encode() != text[place]:
        _refuse(path, "its header is damaged: the checksum is not that of its bytes")
    try:
        found = json.loads(text.decode(), object_pairs_hook=_without_doubles)
        texts = found.pop("__metadata__")
        tensors, end = [], 0
        for name, entry in found.items():
            _check(entry.keys() == {"dtype", "shape", "data_offsets"}, "keys")
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), entry["shape"]
            _check(len(shape) <= _MOST_DIMENSIONS and all(map(_is_size, shape)), "shapes")
            begin, end = end, end + math.prod(shape) * dtype.itemsize
            # One after the other, in the order of the header, as `write` lays them.
            _check(entry["data_offsets"] == [begin, end] and end <= size, "offsets")
            _check(math.prod(max(n, 1) for n in shape) < 1 << 60, "shapes")
            tensors.append((name, dtype, shape))
        _check(8 + length + end == size, "size")
        _check(all(type(value) is str for value in texts.values()), "metadata")
        sums = json.loads(texts["sha256"])
        _check(sums.keys() == found.keys(), "checksums")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
        _refuse(path, f"its header does not fit it ({reason})", reason)
    del texts["chainrule"]
    return tensors, texts


def _is_size(n: Any) -> bool:
    return type(n) is int and n >= 0


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    _check(len(made) == len(pairs), "a key that is there twice")
    return made


# ---------------------------------------------------------------------- the bytes


def _as_stored(name: str, tensor: Array) -> Array:
    array = np.asarray(tensor)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise DtypeError(
            f"the tensor {name!r} is of dtype {array.dtype}, for which the safetensors format has "
            f"no name; it has {', '.join(np.dtype(code).name for code in _DTYPES.values())}"
        )
    return np.asarray(array, dtype, order="C")


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _digest(array: Array) -> str:
    return hashlib.sha256(_bytes(array)).hexdigest()


def _refuse(path: Any, why: str, cause: BaseException | None = None) -> NoReturn:
    raise DataFileError(f"{os.fspath(path)} cannot be read as a checkpoint: {why}.") from cause
