"""The files that a training writes, looked at before it begins: hours later would be too late."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from ..errors import DataFileError
from ..training.logs import Log
from .datasets import is_named
from .failure import Refused, said


def check_save(path: str | None, source: str) -> None:
    """Refuse a file for the network that cannot be written, or is the one that is read.

    Raises
    ------
    Refused
        Saying why.
    """
    if path is None:
        return
    folder, name = os.path.split(path)
    folder = folder or "."
    if not name:
        raise Refused("--save needs the name of a file, such as run.safetensors.")
    if not is_named(source):
        _check_free("--save", path, source, "the file that is learned from")
    if not os.path.isdir(folder):
        raise Refused(f"--save {path}: there is no folder {folder!r}.")
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a pipe: the network would not go into it, but take its place.
        raise Refused(f"--save {path} is no regular file: name another one.")
    target = os.path.realpath(path)  # a link is followed, as when the network is written
    prefix = f".{os.path.basename(target)}."
    try:
        # Permissions do not say it all: the superuser has every one of them, in /proc too.
        tempfile.NamedTemporaryFile(
            dir=os.path.dirname(target), prefix=prefix, suffix=".part"
        ).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise Refused(f"--save {path}: {folder!r} cannot be written to: {why}.") from error


def check_logs(logs: Sequence[str], save: str | None, source: str) -> None:
    """Refuse logs that cannot be written, or that are other files of the training.

    Raises
    ------
    Refused
        Saying why.
    DataFileError
        If one is there and is no log.
    """
    for log in logs:
        if not log:
            raise Refused("--log needs the name of a file or folder, such as run.jsonl.")
        if not is_named(source):
            _check_free("--log", log, source, "the file that is learned from")
        if save is not None:
            _check_free("--log", log, save, "the file of --save")
        try:
            Log(log)
        except DataFileError:
            raise
        except ValueError as error:
            raise Refused(f"--log: {said(error)}.") from error
        except OSError as error:
            raise Refused(f"--log {log}: {error.strerror or error}.") from error


def _check_free(option: str, path: str, other: str, what: str) -> None:
    real = os.path.realpath
    both = os.path.exists(path) and os.path.exists(other)
    if os.path.samefile(path, other) if both else real(path) == real(other):
        raise Refused(f"{option} {path} is {what}: name another one.")
