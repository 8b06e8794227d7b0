"""Logs of a training, one entry an epoch: JSON Lines, CSV, and TensorBoard's files.

An entry is in the file, whole, before the next epoch begins; a process that is killed leaves whole
lines. The epochs are counted over all calls of `fit`: a training that goes on with an earlier one's
state goes on with its log, and what the file has of later epochs (the checkpoint was older than the
log) is cut off first, in one step.

To add a kind: a class with the methods of `Journal`, and its ending in `_KINDS`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..data.whole_file import whole_file
from ..errors import DataFileError
from ..readings.numbers import plain
from ..tracing.sites import for_users, here
from .event_file import event, opening
from .result import FitResult

Path = str | os.PathLike[str]
Entry = Mapping[str, float]  # with its "epoch"


class Log:
    """Write down each epoch of a training in a file: a callback for `fit`.

    A file that ends in .jsonl gets a line of JSON an epoch, `{"epoch": 1, "cost": 0.5, ...}`. JSON
    has no nan and no infinity: they are the texts "nan", "inf" and "-inf", which `float` and
    `pandas.read_json(path, lines=True)` read as numbers.

    A file that ends in .csv gets a header, `epoch,cost,...,seconds`, and a line an epoch.

    A path that has no ending, ends in / or is a folder, is one for TensorBoard, with a curve for
    each number: `tensorboard --logdir FOLDER` shows it. To write it, nothing needs to be installed.

    A training that goes on with the state of an earlier one goes on with its log. One from the
    start begins it anew. A file that is there and is no log is left alone.

    Parameters
    ----------
    path : str or path
        The file or the folder.

    Raises
    ------
    ValueError
        If the path has another ending.
    DataFileError
        If the file is there and is no such log.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from chainrule import fit
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.jsonl"
    >>> def cost(w, x):
    ...     return (w - x.mean()) ** 2
    >>> result = fit(cost, 0.0, np.ones(4), epochs=2, callback=Log(path))
    >>> [line.split(", ")[:2] for line in path.read_text().splitlines()]
    [['{"epoch": 1', '"cost": 1.0'], ['{"epoch": 2', '"cost": 0.6400000000000001']]
    """

    @for_users
    def __init__(self, path: Path) -> None:
        # Made absolute: a program may change its folder on the way.
        self.path = os.path.abspath(path)
        given = os.fspath(path)
        is_folder = os.path.isdir(path) or given.endswith(("/", os.sep))
        ending = "" if is_folder else os.path.splitext(self.path)[1].lower()
        if ending not in _KINDS:
            raise ValueError(
                f"{here()}a log is a file that ends in .jsonl or .csv, or a folder for "
                f"TensorBoard, not {given!r}; write {given + '/'!r} if it is to be a folder"
            )
        self._journal = _KINDS[ending](self.path)
        self._last: int | None = None  # the last epoch written down; None: it is not known

    def __call__(self, epoch: int, result: FitResult) -> None:
        """Write down what is not there yet."""
        history = result.history
        if self._last is None or epoch <= self._last:
            self._last = self._journal.begin(epoch)
        # All that the history knows: epochs may be told several at a time.
        first = max(self._last + 1, epoch - history.entries + 1)
        self._journal.add(
            [
                {"epoch": k, **{n: history[n][k - epoch - 1] for n in history if n != "epoch"}}
                for k in range(first, epoch + 1)
            ]
        )
        self._last = epoch

    def __repr__(self) -> str:
        return f"Log({self.path!r})"


class Journal(Protocol):
    """What a log is kept in."""

    def begin(self, epoch: int) -> int:
        """Cut off that epoch and those after it; return the last one that is left, or 0."""

    def add(self, entries: Sequence[Entry]) -> None:
        """Write entries, to last even if the process is killed."""


class _Lines:
    """A file with a line an epoch."""

    def __init__(self, path: str) -> None:
        self._path = path
        # What cannot be written, or must not, is to be found before the training, not after.
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._read()
        append(path, b"")

    def begin(self, epoch: int) -> int:
        lines, is_whole = self._read()
        kept = [line for k, line in lines if k < epoch]
        if len(kept) < len(lines) or not is_whole:
            self._write(kept)
        return max((k for k, _ in lines if k < epoch), default=0)

    def add(self, entries: Sequence[Entry]) -> None:
        append(self._path, "".join(map(self._line, entries)).encode())

    def _line(self, entry: Entry) -> str:
        raise NotImplementedError

    def _epoch(self, line: str) -> int:
        """Return the epoch of a line; a ValueError, TypeError or LookupError if it has none."""
        raise NotImplementedError

    def _read(self) -> tuple[list[tuple[int, str]], bool]:
        """Return the whole lines with their epochs, and whether all were whole."""
        lines, is_whole = self._text()
        found = []
        for line in lines:
            try:
                found.append((self._epoch(line), line))
            except (ValueError, TypeError, LookupError, RecursionError):
                raise self._no_log(line) from None
        return found, is_whole

    def _text(self) -> tuple[list[str], bool]:
        try:
            with open(self._path, encoding="utf-8", newline="\n") as file:
                lines = list(file)
        except FileNotFoundError:
            return [], True
        except UnicodeDecodeError:
            raise self._no_log("no text") from None
        # A disk that was full leaves half a line.
        is_whole = not lines or lines[-1].endswith("\n")
        return lines if is_whole else lines[:-1], is_whole

    def _write(self, lines: Sequence[str]) -> None:
        with whole_file(self._path) as file:
            file.write("".join(lines).encode())

    def _no_log(self, met: str) -> DataFileError:
        return DataFileError(
            f"{here()}{self._path} is there, but is no log of a training: where an epoch ought to "
            f"stand, it has {plain(met, 60)!r}. Give another name; nothing was written to it."
        )


class _JsonLines(_Lines):
    def _line(self, entry: Entry) -> str:
        valid = {name: v if math.isfinite(v) else str(v) for name, v in entry.items()}
        return json.dumps(valid, allow_nan=False) + "\n"

    def _epoch(self, line: str) -> int:
        epoch = json.loads(line)["epoch"]
        if type(epoch) is not int:
            raise TypeError("epoch")
        return epoch


class _Csv(_Lines):
    """Where numbers come under new names, the file is written anew with a wider header."""

    _names: Sequence[str] = ()

    def begin(self, epoch: int) -> int:
        last = super().begin(epoch)
        if not last:  # another training, with names of its own
            self._names = ()
        return last

    def add(self, entries: Sequence[Entry]) -> None:
        entries = [{plain(name): v for name, v in entry.items()} for entry in entries]
        missing = [name for name in entries[-1] if name not in self._names] if entries else []
        if missing:
            lines, _ = self._read() if self._names else ([], True)
            more = "," * len(missing)
            self._names = [*self._names, *missing]
            self._write([line.rstrip("\r\n") + more + "\n" for _, line in lines])
        super().add(entries)

    def _line(self, entry: Entry) -> str:
        return _row([entry.get(name, "") for name in self._names])

    def _epoch(self, line: str) -> int:
        return int(line.split(",")[0])

    def _text(self) -> tuple[list[str], bool]:
        lines, is_whole = super()._text()
        if lines:
            self._names = next(csv.reader(lines[:1]))
            if self._names[:1] != ["epoch"]:
                raise self._no_log(lines[0])
        return lines[1:], is_whole

    def _write(self, lines: Sequence[str]) -> None:
        super()._write([_row(self._names), *lines])


def _row(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


class _TensorBoard:
    """A folder of TensorBoard's files, one for each training that wrote to it."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        self._folder, self._path = path, ""
        if not os.access(path, os.W_OK):
            raise PermissionError(f"{here()}{path} cannot be written to")

    def begin(self, epoch: int) -> int:
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time_ns():020d}.{os.getpid()}"
        self._path = os.path.join(self._folder, name)
        append(self._path, opening(epoch))
        return epoch - 1

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            numbers = {name: number for name, number in entry.items() if name != "epoch"}
            append(self._path, event(int(entry["epoch"]), numbers))


def append(path: str, data: bytes) -> None:
    """Add bytes to the end of a file, made if need be.

    By one call of the system, or a kill could leave half a line. The file is opened anew each time:
    so nothing is left open, in a fork neither.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o666)
    try:
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


_KINDS: dict[str, Callable[[str], Journal]] = {
    ".jsonl": _JsonLines,
    ".csv": _Csv,
    "": _TensorBoard,
}
