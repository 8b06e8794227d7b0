"""Numbers in the files that TensorBoard shows; no package is needed to write them.

A file is records one after the other (TensorFlow, `core/lib/io/record_writer.h`): eight bytes of
length, their checksum, the data, its checksum. The data is an `Event` in the encoding of protocol
buffers (`core/util/event.proto`, `core/framework/summary.proto`), of which we write four kinds of
field. The packages that write these files do so from a thread, behind a queue: what was flushed is
not yet there, and a process that is killed loses it.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected (RFC 3720, 12.1)
_MASK = 0xA282EAD8  # record_writer.h: checksums of checksums are to be avoided

# Field numbers, shifted, with the kind of what follows: 0 a varint, 1 eight bytes, 2 a length and
# as many bytes, 5 four bytes.
_WALL_TIME, _STEP, _VERSION = 1 << 3 | 1, 2 << 3, 3 << 3 | 2
_SUMMARY, _SESSION = 5 << 3 | 2, 7 << 3 | 2
_VALUE, _TAG, _SIMPLE_VALUE, _STATUS = 1 << 3 | 2, 1 << 3 | 2, 2 << 3 | 5, 1 << 3
_START = 1


def opening(step: int) -> bytes:
    """Return how a file begins: from this step on, what other files have does not count."""
    version = _record(_bytes(_VERSION, b"brain.Event:2"))
    return version + _record(_varint(_STEP, step) + _bytes(_SESSION, _varint(_STATUS, _START)))


def event(step: int, numbers: Mapping[str, float]) -> bytes:
    """Return a record of numbers by name at a step.

    A number beyond the range of float32 becomes infinite: the format has no others.
    """
    values = b"".join(
        _bytes(_VALUE, _bytes(_TAG, name.encode(errors="replace")) + _float(_SIMPLE_VALUE, number))
        for name, number in numbers.items()
    )
    return _record(_varint(_STEP, step) + _bytes(_SUMMARY, values))


def crc32c(data: bytes) -> int:
    """Return the Castagnoli checksum of bytes.

    Examples
    --------
    >>> hex(crc32c(bytes(32)))  # RFC 3720, B.4
    '0x8a9136aa'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def _record(fields: bytes) -> bytes:
    data = struct.pack("<Bd", _WALL_TIME, time.time()) + fields
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


def _varint(field: int, number: int) -> bytes:
    return bytes([field]) + _digits(number)


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field]) + _digits(len(content)) + content


def _float(field: int, number: float) -> bytes:
    try:
        return struct.pack("<Bf", field, number)
    except OverflowError:
        return struct.pack("<Bf", field, float("inf") if number > 0 else float("-inf"))


def _digits(number: int) -> bytes:
    """Return a number in digits of seven bits, the lowest first; the eighth says that more come."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])
