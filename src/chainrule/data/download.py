"""Fetch a file of known size and checksum; one that was cut off goes on where it stopped.

What has come so far lies in a `.part` file beside the place of the file, which gets its name when
its size and checksum are right, and never before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from typing import Any

from ..errors import DataFileError
from .whole_file import sync_folder

_TRIES = 20  # of each address, each from where the last one stopped
_PAUSE = 1.0  # seconds between two
_SILENCE = 20.0  # seconds without a byte: the connection counts as lost
_BLOCK = 1 << 16

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Known:
    """What is known of a file before it is fetched.

    Parameters
    ----------
    name : str
        Its name, the last part of its address.
    size : int
        Its bytes.
    md5 : str
        Its checksum as its authors publish it, in hexadecimal. It finds damage; that nobody means
        harm is what https is for.
    """

    name: str
    size: int
    md5: str


class _Lost(Exception):  # noqa: N818 (never leaves this file)
    """An address did not give the file; another one may."""


def fetch(known: Known, folders: Sequence[str], path: str) -> None:
    """Download a file, unless it is there.

    Parameters
    ----------
    known : Known
        Which file.
    folders : sequence of str
        Addresses of folders that have it, each ending in "/", in the order to try them.
    path : str
        Where to put it. Its folder is made if need be.

    Raises
    ------
    DataFileError
        If no address gives it, with what each of them said. What has come is kept for the next
        time.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    part, said = f"{path}.part", []
    with _locked(part) as file:
        if os.path.exists(path):  # another process was quicker
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(part), os.fstat(file.fileno())):
                    os.unlink(part)
            return
        with _progress(known) as tell:
            for folder in folders:
                try:
                    _fetch_from(folder + known.name, known, file, tell)
                    break
                except _Lost as reason:
                    said.append(f"{folder + known.name}: {reason}")
            else:
                raise DataFileError(
                    f"{known.name} could not be downloaded.\n" + "\n".join(f"  {s}" for s in said)
                )
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "win32":  # no renaming of open files there
            file.close()
        os.replace(part, path)
    sync_folder(os.path.dirname(path) or ".")


def _fetch_from(url: str, known: Known, file: BufferedRandom, tell: Tell) -> None:
    """Complete the file from one address and check it."""
    begun_elsewhere = file.seek(0, os.SEEK_END) > 0
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        done = file.seek(0, os.SEEK_END)
        if done > known.size:
            done = _emptied(file)
        reason = "the connection ended"
        try:
            if done < known.size:
                _receive(url, known, file, done, tell)
        except OSError as error:  # no name, no route, refused, reset, silent; URLError is one
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        now = file.seek(0, os.SEEK_END)
        if now == known.size:
            found = _md5(file)
            if found == known.md5:
                return
            _emptied(file)
            if not begun_elsewhere:
                raise _Lost(
                    f"its md5 is {found}, not {known.md5}: it was altered there or on the way"
                )
            begun_elsewhere = False  # what was there before may have spoilt it
        elif now < done and begun_elsewhere:
            begun_elsewhere = False  # the same
        elif now <= done:  # not a byte came: to try again would only make the user wait
            break
    raise _Lost(f"{reason} ({now:,} of {known.size:,} bytes came)")


def _md5(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _receive(url: str, known: Known, file: BufferedRandom, done: int, tell: Tell) -> None:
    """Add to the file what the address has from byte `done` on."""
    # Imported here: 60 ms, and only a download pays.
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "chainrule"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        with urllib.request.urlopen(request, timeout=_SILENCE) as answer:
            if answer.status == 206 and not _starts_at(answer, done):
                raise _Lost("it sent another part than was asked for")
            if answer.status != 206:  # it knows no ranges: this is the file from its start
                done = _emptied(file)
            file.seek(done)
            while done < known.size:
                block = answer.read(min(_BLOCK, known.size - done))
                if not block:
                    return
                file.write(block)
                done += len(block)
                tell(done)
            if answer.read(1):
                _emptied(file)
                raise _Lost(f"it sends more than the {known.size:,} bytes that the file has")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and done:  # the server's file ends before this part does
                _emptied(file)
                raise ConnectionError(
                    f"the server's file has no more than {done:,} bytes"
                ) from None
            raise _Lost(f"the server says {error.code} {error.reason}") from None
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


def _starts_at(answer: Any, done: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {done}-")


def _emptied(file: BufferedRandom) -> int:
    file.seek(0)
    file.truncate()
    return 0


@contextlib.contextmanager
def _locked(part: str) -> Iterator[BufferedRandom]:
    """Open the part file so that no other process adds to it at the same time."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(part, flags, 0o666), "r+b") as file:
        try:
            import fcntl
        except ImportError:  # Windows: two at once would be found by the checksum
            pass
        else:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextlib.contextmanager
def _progress(known: Known) -> Iterator[Tell]:
    """Give what tells how far it is: a line on stderr that overwrites itself, in a terminal."""
    stream = sys.stderr
    plainly = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if stream is None or not stream.isatty() or plainly:
        yield lambda done: None
        return
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > 0.1:
            told = time.monotonic()
            share = f"{done / known.size:4.0%} of {known.size / 1e6:.1f} MB"
            print(f"\r{known.name} {share}", end="", file=stream, flush=True)

    try:
        yield tell
    finally:
        print("\r" + " " * (len(known.name) + 24) + "\r", end="", file=stream, flush=True)
