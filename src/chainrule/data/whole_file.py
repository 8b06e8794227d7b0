"""Write a file whole or not at all: whoever opens it sees the old bytes or all of the new.

The new bytes go into a file beside it, which takes its name when they are on the disk. So a
program that is killed, a full disk or a power cut leaves what was there before.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

_FRESH = 3600.0  # seconds for which another's unfinished file is let be: it may still be written


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` when the block ends without an error.

    Parameters
    ----------
    path : str or path
        What is to be written. A link is followed: the file that it leads to is replaced.

    Raises
    ------
    OSError
        If it cannot be written, with its name; what was there before is still there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "notes") as file:
    ...     _ = file.write(b"all of it")
    >>> [found.name for found in folder.iterdir()]
    ['notes']
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    part = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(part, flags, 0o666), "wb") as file:  # less what the umask takes
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a crash could leave the name without the bytes
        os.replace(part, target)
    except BaseException as error:  # Ctrl-C too
        with contextlib.suppress(OSError):
            os.unlink(part)
        # A full disk names no file, the rest one that nobody asked for.
        if isinstance(error, OSError) and error.errno and error.filename in (None, part):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    sync_folder(folder)
    _sweep(folder, name)


def sync_folder(folder: str) -> None:
    """Have the names in a folder on the disk, not only the bytes of its files."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse; the file is as safe as they make it
        pass
    finally:
        os.close(descriptor)


def _sweep(folder: str, name: str) -> None:
    """Delete what writers of this file left when they were killed."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for item in found:
            random = item.name.removeprefix(f".{name}.").removesuffix(".part")
            if len(random) != 16 or item.name != f".{name}.{random}.part":
                continue
            with contextlib.suppress(OSError):
                if time.time() - item.stat(follow_symlinks=False).st_mtime > _FRESH:
                    os.unlink(item.path)
