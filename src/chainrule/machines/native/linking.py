"""Load an object file into this process without LLVM.

LLVM's import and its loader take longer than all else that a warm start does, and an object is
little more than sections to copy and addresses to fill in. This does so for the objects that our
own compiler writes on Linux, x86-64 (System V ABI, gABI 4.1 chapter 4, and AMD64 supplement 1.0
section 4.4). What it does not know, another system or another relocation, is left to LLVM's
loader: a new relocation goes into `_KNOWN` and `_relocate`.

Code, constants and data have pages of their own, and none is ever writable and executable at
once. What is loaded stays as long as the process: threads may run in it to the very end.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import target

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = np.dtype([
    ("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8"),
    ("size", "<u8"), ("link", "<u4"), ("info", "<u4"), ("align", "<u8"), ("each", "<u8"),
])  # fmt: skip
_SYMBOL = np.dtype([
    ("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"),
    ("size", "<u8"),
])  # fmt: skip
_RELOCATION = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _REL, _UNWIND = 1, 2, 4, 8, 9, 0x70000001
_WRITE, _ALLOC, _EXECUTE, _THREAD_LOCAL = 1, 2, 4, 0x400
_ABSOLUTE, _RESERVED = 0xFFF1, 0xFF00  # numbers in the place of a symbol's section
_DATA_OR_CODE = (0, 1, 2, 3)  # kinds of symbols: untyped, data, function, section
_ABS64, _PC32, _PLT32, _PC64 = 1, 2, 4, 24
_THROUGH_TABLE = (9, 41, 42)  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX
_KNOWN = {_ABS64, _PC32, _PLT32, _PC64, *_THROUGH_TABLE}
_JUMP = b"\xff\x25\x02\x00\x00\x00\x0f\x0b"  # jmp *2(%rip); ud2; then the address to jump to
_LARGEST = 1 << 30  # bytes: 32 bits must reach from anywhere to anywhere
_PAGE = mmap.PAGESIZE


class UnsupportedError(Exception):
    """Something in an object that is left to LLVM's loader."""


def load(code: bytes, names: Sequence[str], symbols: Mapping[str, int] | None = None) -> list[int]:
    """Load an object file into this process and return the addresses of some functions.

    Parameters
    ----------
    code : bytes
        From `target.compile_object`, for this processor.
    names : sequence of str
        The functions.
    symbols : mapping of str to int, optional
        Addresses of functions that the code calls and the process does not know by name.

    Raises
    ------
    ValueError
        If the object is damaged, lacks a function, or calls one that is nowhere to be found.
    """
    try:
        return link(code, names, symbols or {})
    except UnsupportedError:
        return target.load(code, tuple(names), dict(symbols or {}))


def link(code: bytes, names: Sequence[str], symbols: Mapping[str, int]) -> list[int]:
    """Do as `load` does; raise UnsupportedError for what LLVM must load."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        raise UnsupportedError("objects of another system")
    try:
        return _Object(code, symbols).load(names)
    except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"a damaged object file: {error}") from error


class _Object:
    """An object file on its way into memory."""

    def __init__(self, code: bytes, symbols: Mapping[str, int]) -> None:
        self._code, self._given = code, symbols
        kind, machine, _, _, _, start, _, _, _, _, each, count, _ = _HEADER.unpack_from(code)[1:]
        if code[:6] != b"\x7fELF\x02\x01" or (kind, machine, each) != (1, 62, _SECTION.itemsize):
            raise UnsupportedError("not a relocatable object for x86-64")
        self._sections = np.frombuffer(code, _SECTION, count, start)
        tables = [s for s in self._sections if s["type"] == _SYMTAB]
        if len(tables) != 1:
            raise UnsupportedError("symbol tables: not one")
        self._symbols = np.frombuffer(self._bytes(tables[0]), _SYMBOL)
        self._strings = self._bytes(self._sections[tables[0]["link"]])
        self._relocations = [
            (int(s["info"]), np.frombuffer(self._bytes(s), _RELOCATION))
            for s in self._sections
            if s["type"] == _RELA and self._is_loaded(self._sections[s["info"]])
        ]
        kinds = {kind for _, some in self._relocations for kind in some["type"].tolist()}
        if not kinds <= _KNOWN or any(s["type"] == _REL for s in self._sections):
            raise UnsupportedError(f"relocations of types {kinds - _KNOWN or 'without addends'}")

    def load(self, names: Sequence[str]) -> list[int]:
        """Put everything in its place; return the functions' addresses."""
        self._lay_out()
        self._base = pages(self._size)
        try:
            room: Any = (ctypes.c_ubyte * self._size).from_address(self._base)
            self._memory = np.frombuffer(room, np.uint8)
            for number, place in self._places.items():
                section = self._sections[number]
                if section["type"] != _NOBITS:
                    data = np.frombuffer(self._bytes(section), np.uint8)
                    self._memory[place : place + len(data)] = data
            for number, relocations in self._relocations:
                self._relocate(number, relocations)
            found = self._functions(names)
            start, end = self._pages["code"]
            _protect(self._base + start, end - start, mmap.PROT_READ | mmap.PROT_EXEC)
            start, end = self._pages["constants"]
            _protect(self._base + start, end - start, mmap.PROT_READ)
        except BaseException:
            _libc().munmap(self._base, self._size)
            raise
        return found

    # ------------------------------------------------------------------ where things go

    def _lay_out(self) -> None:
        """Give each section, and each jump and table entry for symbols far away, its place."""
        kinds: dict[str, list[int]] = {"code": [], "constants": [], "data": []}
        for number, section in enumerate(self._sections):
            if self._is_loaded(section):
                flags = int(section["flags"])
                kind = "code" if flags & _EXECUTE else "data" if flags & _WRITE else "constants"
                kinds[kind].append(number)
        self._places: dict[int, int] = {}
        self._pages: dict[str, tuple[int, int]] = {}
        far = [n for n in self._referred(_PLT32) if self._symbols["section"][n] == 0]
        extra = {"code": far, "constants": self._referred(*_THROUGH_TABLE)}
        self._slots: dict[str, dict[int, int]] = {}
        end = 0
        for kind, numbers in kinds.items():
            start = end
            for number in numbers:
                section = self._sections[number]
                align = max(int(section["align"]), 1)
                if align & (align - 1) or align > _PAGE:
                    raise ValueError("a damaged object file: alignment")
                self._places[number] = end = -(-end // align) * align
                end += int(section["size"])
            end = -(-end // 16) * 16
            self._slots[kind] = {s: end + 16 * k for k, s in enumerate(extra.get(kind, ()))}
            end += 16 * len(self._slots[kind])
            end = -(-end // _PAGE) * _PAGE
            if end > _LARGEST:
                raise UnsupportedError("an object of this size")
            self._pages[kind] = start, end
        self._size = max(end, _PAGE)

    def _is_loaded(self, section: Any) -> bool:
        flags, kind = int(section["flags"]), section["type"]
        # Tables for unwinding are left out: nothing is thrown through our code.
        if not flags & _ALLOC or kind == _UNWIND or not section["size"]:
            return False
        if kind not in (_PROGBITS, _NOBITS) or flags & _THREAD_LOCAL:
            raise UnsupportedError(f"a section of type {kind:#x}, flags {flags:#x}")
        if flags & _EXECUTE and (flags & _WRITE or kind == _NOBITS):
            raise UnsupportedError("code that is written")
        return True

    def _bytes(self, section: Any) -> memoryview:
        start, size = int(section["offset"]), int(section["size"])
        if start + size > len(self._code):
            raise ValueError("a damaged object file: a section beyond its end")
        return memoryview(self._code)[start : start + size]

    # ------------------------------------------------------------------ symbols

    def _referred(self, *types: int) -> list[int]:
        """Return the symbols that relocations of these types name; without types, of all."""
        # Not np.unique: it imports numpy.ma, which takes longer than everything here.
        found = {
            number
            for _, relocations in self._relocations
            for kind, number in zip(
                relocations["type"].tolist(), relocations["symbol"].tolist(), strict=True
            )
            if kind in types or not types
        }
        if max(found, default=0) >= len(self._symbols):
            raise ValueError("a damaged object file: symbol number")
        return sorted(found)

    @functools.cached_property
    def _addresses(self) -> np.ndarray[Any, Any]:
        """The address of every symbol that a relocation names; 0 for the others."""
        found = np.zeros(len(self._symbols), np.int64)
        for number in self._referred():
            found[number] = self._address(self._symbols[number])
        return found

    def _address(self, symbol: Any) -> int:
        section, value = int(symbol["section"]), int(symbol["value"])
        if symbol["info"] & 15 not in _DATA_OR_CODE:
            raise UnsupportedError(f"a symbol of kind {symbol['info'] & 15}")
        if section == 0:
            return self._far(self._name(symbol))
        if section == _ABSOLUTE and value < 2**63:
            return value
        if section >= _RESERVED:
            raise UnsupportedError("a symbol in no section")
        if section not in self._places and self._sections[section]["size"] == value == 0:
            return self._base  # the start of an empty section; nothing is read there
        if section not in self._places or value > self._sections[section]["size"]:
            raise ValueError("a damaged object file: a symbol outside its section")
        return self._base + self._places[section] + value

    def _name(self, symbol: Any) -> str:
        data, start = bytes(self._strings), int(symbol["name"])
        return data[start : data.index(b"\0", start)].decode()

    def _far(self, name: str) -> int:
        address = self._given.get(name) or _in_process(name)
        if not address:
            raise ValueError(f"the object calls {name}, which this process does not have")
        return address

    def _functions(self, names: Sequence[str]) -> list[int]:
        wanted: dict[str, int] = dict.fromkeys(names, 0)
        for symbol in self._symbols[self._symbols["info"] == 0x12]:  # global, function
            name = self._name(symbol)
            if name in wanted and symbol["section"]:
                wanted[name] = self._address(symbol)
        for name, address in wanted.items():
            if not address:
                raise ValueError(f"no function {name} in the object")
        return [wanted[name] for name in names]

    # ------------------------------------------------------------------ relocations

    def _relocate(self, number: int, relocations: np.ndarray[Any, Any]) -> None:
        """Fill in a section's addresses, all of one type at once: there may be thousands."""
        size = int(self._sections[number]["size"])
        for kind in sorted({*relocations["type"].tolist()}):
            some = relocations[relocations["type"] == kind]
            width = 8 if kind in (_ABS64, _PC64) else 4
            if int(some["offset"].max()) > size - width:
                raise ValueError("a damaged object file: a relocation outside its section")
            places = some["offset"].astype(np.int64) + self._places[number]
            to = self._addresses[some["symbol"]]
            if kind == _PLT32:
                jumps = self._through("code")[some["symbol"]]
                to = np.where(jumps, jumps, to)
            elif kind in _THROUGH_TABLE:
                to = self._through("constants")[some["symbol"]]
            values = to + some["addend"]
            if kind != _ABS64:
                values -= places + self._base
            if width == 4 and (values != values.astype(np.int32)).any():
                raise UnsupportedError("32 bits for a far address")
            spread = places[:, None] + np.arange(width)
            self._memory[spread] = values.view(np.uint8).reshape(-1, 8)[:, :width]

    def _through(self, kind: str) -> np.ndarray[Any, Any]:
        """Fill in the jumps, or the table; return each symbol's, 0 where it has none."""
        found = np.zeros(len(self._symbols), np.int64)
        for number, place in self._slots[kind].items():
            entry = self._addresses[number].tobytes()
            entry = _JUMP + entry if kind == "code" else entry
            self._memory[place : place + len(entry)] = np.frombuffer(entry, np.uint8)
            found[number] = self._base + place
        return found


# ---------------------------------------------------------------------- the process


@functools.cache
def _libc() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_long]
    library.munmap.argtypes = [ctypes.c_void_p, size]
    library.mprotect.argtypes = [ctypes.c_void_p, size, number]
    return library


def pages(size: int) -> int:
    """Return the address of new pages, zeroed, that stay as long as the process."""
    # Python's mmap would unmap them when the interpreter ends, under the feet of its threads.
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # a forked child has data of its own
    address: int = _libc().mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, private, -1, 0)
    if address == ctypes.c_void_p(-1).value:
        raise MemoryError(f"no {size} bytes for machine code")
    return address


def _protect(address: int, size: int, access: int) -> None:
    if size and _libc().mprotect(address, size, access):
        raise UnsupportedError("the system does not let us make code")  # LLVM has other ways


@functools.cache
def _in_process(name: str) -> int:
    """Return the address of a function of the C library or of Python; 0 if there is none."""
    for library in (None, "libm.so.6", "libgcc_s.so.1"):
        try:
            found = getattr(ctypes.CDLL(library), name)
        except (OSError, AttributeError):
            continue
        return ctypes.cast(found, ctypes.c_void_p).value or 0
    return 0
