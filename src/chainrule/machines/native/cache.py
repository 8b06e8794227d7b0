"""Keep compiled objects on disk, so that the next process starts warm.

A file here is machine code that we will run, so nothing is believed about it: it must be a plain
file of ours that nobody else can write, of the right length, and its checksum covers every byte
and the key it was stored under. What fails is deleted and compiled again. Where no safe folder is
to be had there is no cache; nothing else changes.

The key covers whatever could make a stored object wrong: what the caller names (the circuit), the
text of our own sources, the versions of Python, NumPy and LLVM, and the processor. All of it is
found without importing LLVM, which takes longer than loading the object. Something else that the
code comes to depend on goes into `_identity`.

Objects are kept in ``CHAINRULE_CACHE``, else the user's folder for caches; ``CHAINRULE_CACHE=off``
(or empty) keeps none.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import itertools
import json
import os
import stat
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_FORMAT = struct.Struct("<8sQQ32s")  # magic with version; bytes of meta and object; sha256 of all
_MAGIC = b"chainr\x00\x01"
_NAME_LENGTHS = (64 + 7, 1 + 64 + 1 + 16 + 5)  # "<key>.object", ".<key>.<random>.part"
_LIMIT = 256 << 20  # bytes of all entries; an epoch of a network takes 50 to 500 thousand
_LOOK_EVERY = 32  # stores between two looks at the size of the folder
_FRESH = 3600.0  # seconds for which a use need not be noted, or a half-written file is let be

_PACKAGE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
_ROOMS = ("machines", "passes", "gates", "circuit", "training")  # what decides the code of a key
_stores = itertools.count()


def key(parts: Iterable[bytes | str]) -> str:
    """Return the name of an entry: a hash of the parts and of all that the object depends on.

    Parameters
    ----------
    parts : iterable of bytes or str
        What the object is compiled from: the circuit's text, shapes, dtypes, threads. Their
        borders count: ("ab", "c") is not ("a", "bc").
    """
    digest = hashlib.sha256(_identity() or b"")
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def load(key: str) -> dict[str, Any] | None:
    """Return an entry, `{"object": bytes, "meta": ...}`; None where there is none to trust.

    An entry that is damaged, or that somebody else could have written, is deleted.
    """
    folder = _folder()
    if folder is None:
        return None
    path = os.path.join(folder, f"{key}.object")
    try:
        data = _read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):  # a link, another's, larger than we write
        data = b""
    entry = _decoded(key, data)
    if entry is None:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return entry


def store(key: str, entry: dict[str, Any]) -> bool:
    """Keep an entry, `{"object": bytes, "meta": what JSON can hold}`; tell whether it was kept.

    It appears whole or not at all, and several processes may store the same one. A disk that is
    full or read-only is no error: the next process compiles again.
    """
    folder = _folder(make=True)
    data = _encoded(key, entry)
    if folder is None or len(data) > _LIMIT // 4:
        return False
    part = os.path.join(folder, f".{key}.{os.urandom(8).hex()}.part")
    try:
        _write(part, data)
        os.replace(part, os.path.join(folder, f"{key}.object"))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        return False
    if next(_stores) % _LOOK_EVERY == 0:
        _shrink(folder)
    return True


# ---------------------------------------------------------------------- an entry


def _encoded(key: str, entry: dict[str, Any]) -> bytes:
    meta, code = json.dumps(entry["meta"]).encode(), bytes(entry["object"])
    lengths = len(meta), len(code)
    return _FORMAT.pack(_MAGIC, *lengths, _checksum(key, lengths, meta, code)) + meta + code


def _decoded(key: str, data: bytes) -> dict[str, Any] | None:
    if len(data) < _FORMAT.size:
        return None
    magic, n_meta, n_object, checksum = _FORMAT.unpack_from(data)
    start = _FORMAT.size + n_meta
    if magic != _MAGIC or len(data) != start + n_object:
        return None
    meta, code = data[_FORMAT.size : start], data[start:]
    if _checksum(key, (n_meta, n_object), meta, code) != checksum:
        return None
    return {"object": code, "meta": json.loads(meta)}


def _checksum(key: str, lengths: tuple[int, int], meta: bytes, code: bytes) -> bytes:
    # The key is in it, so an entry that was renamed is not believed either.
    digest = hashlib.sha256(f"{key} {lengths}".encode() + meta)
    digest.update(code)
    return digest.digest()


def _read(path: str) -> bytes:
    """Return a file's bytes; raise unless it is a plain file that only we could have written."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    # Not to wait for a writer, should it be a pipe.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) and _is_ours(found) and found.st_size <= _LIMIT):
            raise ValueError("not an entry")
        if time.time() - found.st_mtime > _FRESH:  # entries used longest ago go first
            with contextlib.suppress(OSError):
                os.utime(path)
        return file.read()


def _write(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())  # or a crash could leave the name without the bytes


# ---------------------------------------------------------------------- the folder


def _folder(*, make: bool = False) -> str | None:
    """Return the folder of the entries; None where the cache is off or the folder not ours."""
    wanted = _wanted_folder()
    if wanted is None or _identity() is None:
        return None
    try:
        if make:
            os.makedirs(os.path.dirname(wanted), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(wanted, 0o700)
        # A link counts as its owner's: in a shared folder somebody else may have put it there.
        safe = _is_ours(os.stat(wanted)) and _is_owned(os.lstat(wanted))
    except OSError:
        return None
    return wanted if safe else None


def _wanted_folder() -> str | None:
    named = os.environ.get("CHAINRULE_CACHE")
    if named is not None:
        off = named.strip().lower() in ("", "off")
        return None if off else os.path.abspath(os.path.expanduser(named))
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA", "")
        return os.path.join(home, "chainrule") if home else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative one is ignored
        base = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    path = os.path.expanduser(base)
    return os.path.join(path, "chainrule") if os.path.isabs(path) else None


def _is_owned(found: os.stat_result) -> bool:
    return sys.platform == "win32" or found.st_uid == os.geteuid()


def _is_ours(found: os.stat_result) -> bool:
    # On Windows the user's folder is closed to others by its access list; modes mean nothing.
    return sys.platform == "win32" or (_is_owned(found) and not found.st_mode & 0o022)


def _shrink(folder: str) -> None:
    """Delete the entries used longest ago until three quarters of the limit are left."""
    now = time.time()
    entries = []
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for item in found:
            if not (item.name.endswith((".object", ".part")) and len(item.name) in _NAME_LENGTHS):
                continue  # a folder that the user named may hold other things
            with contextlib.suppress(OSError):  # another process may have deleted it
                about = item.stat(follow_symlinks=False)
                if item.name.endswith(".object"):
                    entries.append((about.st_mtime, about.st_size, item.path))
                elif now - about.st_mtime > _FRESH:  # its writer was killed
                    os.unlink(item.path)
    total = sum(size for _, size, _ in entries)
    if total <= _LIMIT:
        return
    for _, size, path in sorted(entries):
        if total <= _LIMIT * 3 // 4:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size


# ---------------------------------------------------------------------- what an object depends on


@functools.cache
def _identity() -> bytes | None:
    """Return what makes objects of one set-up differ from another's; None: do without a cache."""
    version = sys.modules[__name__.partition(".")[0]].__version__
    sources = _sources()
    if sources is None:
        return None
    python = (sys.implementation.cache_tag, sys.hexversion, getattr(sys, "abiflags", ""))
    parts = (_MAGIC, version, sources, python, sys.maxsize, np.__version__, _llvm(), _cpu())
    return repr(parts).encode()


def _sources() -> str | None:
    """Return a hash of the files that decide what code is emitted.

    Their bytes, not their times: installers set those as they like. None where a file is newer
    than this process, for then the code that runs is not the code on the disk, and what it
    compiles would be kept under the name of its successor.
    """
    digest = hashlib.sha256()
    try:
        for path in _files():
            with open(path, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_mtime > _BEGAN:
                    return None
                data = file.read()
            digest.update(f"{os.path.relpath(path, _PACKAGE)} {len(data)} ".encode() + data)
    except OSError:
        return None
    return digest.hexdigest()


def _files() -> Iterator[str]:
    for room in _ROOMS:
        for folder, inside, names in os.walk(os.path.join(_PACKAGE, room)):
            inside[:] = sorted(name for name in inside if name != "__pycache__")
            for name in sorted(names):
                yield os.path.join(folder, name)


def _began() -> float:
    """Return when this process began, in seconds since 1970; where unknown, the time now."""
    now = time.time()
    try:  # Linux: ticks since the machine started, the 22nd field (man 5 proc_pid_stat)
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        up = time.clock_gettime(time.CLOCK_BOOTTIME)
        return min(now, now - up + ticks / os.sysconf("SC_CLK_TCK"))
    except (AttributeError, OSError, ValueError, IndexError):
        return now


_BEGAN = _began()


def _llvm() -> list[object]:
    """Return the version of llvmlite, and the size and date of its library, which holds LLVM."""
    spec = importlib.util.find_spec("llvmlite")
    found: list[object] = []
    for place in (spec and spec.submodule_search_locations) or ():
        for name in ("libllvmlite.so", "libllvmlite.dylib", "llvmlite.dll"):
            with contextlib.suppress(OSError):
                about = os.stat(os.path.join(place, "binding", name))
                found += [name, about.st_size, about.st_mtime_ns]
        with (
            contextlib.suppress(OSError),
            open(os.path.join(place, "_version.py"), "rb") as file,
        ):
            found.append(file.read())
    return found


def _cpu() -> list[object]:
    """Return what tells one processor from another: its name, model and features."""
    private = getattr(getattr(np, "_core", None), "_multiarray_umath", None)
    features: dict[str, bool] = getattr(private, "__cpu_features__", {})  # asked of the CPU
    found: list[object] = [sys.platform, sys.byteorder, sorted(k for k, v in features.items() if v)]
    if sys.platform == "win32":
        return [*found, *(os.environ.get(f"PROCESSOR_{n}") for n in ("ARCHITECTURE", "IDENTIFIER"))]
    system = os.uname()
    found += [system.sysname, system.machine]
    try:
        # The first processor is enough, and the file of a large machine takes long to make.
        descriptor = os.open("/proc/cpuinfo", os.O_RDONLY)
        with open(descriptor, "rb", buffering=0) as file:
            first = file.read(16384).partition(b"\n\n")[0]
    except OSError:
        return [*found, system.version]  # on macOS it names the family of the chip
    # Not all of it: clock and bogomips change from one reading to the next.
    names = (
        b"vendor",
        b"cpu family",
        b"model",
        b"stepping",
        b"flags",
        b"Features",
        b"CPU ",
        b"isa",
    )
    return [*found, *(line for line in first.split(b"\n") if line.startswith(names))]
