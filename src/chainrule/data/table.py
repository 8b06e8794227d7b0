"""Tables from CSV files: numbers, and one column of labels.

A table that cannot be trained on is refused with the line and the column at fault, not repaired:
what to do about a missing number is for its owner to say.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import math
import os
import stat
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO, NoReturn, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DataFileError, did_you_mean

_DELIMITERS = ",;\t|"
_GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile, struct.error)


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Examples and what is to be learned of them.

    Parameters
    ----------
    x : ndarray, shape (n, columns); of images and the like from NPZ, any shape (n, ...)
        One example a row; float64 from CSV.
    y : ndarray or None, shape (n,)
        The labels: float64 numbers; int64, if all are whole; or the numbers of `classes`.
    columns : tuple of str
        The names of x's columns.
    label : str or None
        The name of y's column.
    classes : tuple of str or None
        What the numbers in y stand for, if the labels are classes with names.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None
    columns: tuple[str, ...] = ()
    label: str | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.x.shape[1:]))
        what = f", {len(self.classes)} classes" if self.classes is not None else ""
        return f"Table({len(self):,} rows of {shape}, label {self.label!r}{what})"

    def as_classes(self) -> Table:
        """Return the table with labels that are classes, numbered from 0 on in sorted order.

        Raises
        ------
        ValueError
            If it has no labels, or they are fractions.
        """
        if self.classes is not None:
            return self
        if self.y is None or self.y.dtype.kind not in "iub":
            what = "no labels" if self.y is None else f"labels of {self.y.dtype}"
            raise ValueError(f"classes are integers or words; this table has {what}")
        values, y = np.unique(self.y, return_inverse=True)
        return replace(self, y=y.reshape(-1).astype(np.int64), classes=tuple(map(str, values)))


def read_csv(
    source: str | os.PathLike[str] | TextIO,
    *,
    label: str | int | None = -1,
    header: bool | None = None,
    delimiter: str | None = None,
    most_bytes: int = 1 << 31,
) -> Table:
    r"""Read a table of numbers with a column of labels from a CSV file.

    Parameters
    ----------
    source : str, path or open text file
        The file, in UTF-8, compressed by gzip or not: that is seen from its first bytes.
    label : str, int or None
        The column of the labels, by name or position; -1 is the last. None: there is none.
    header : bool, optional
        Whether the first line has the columns' names. By default it has if none of its cells is
        a number, the label's aside, or if its label is none and that of the second line is one.
    delimiter : str, optional
        What separates the cells; by default that of comma, semicolon, tab and | which makes most
        cells of the first line.
    most_bytes : int
        The largest file to read, unpacked.

    Returns
    -------
    Table

    Raises
    ------
    DataFileError
        If a cell is no finite number, a line has too few or too many, there are no rows, or the
        file is not UTF-8 or not whole. It names line and column.
    OSError
        If the file is not there or cannot be read.

    Examples
    --------
    >>> import io
    >>> table = read_csv(io.StringIO("width,length,kind\n1,2,cat\n3,4.5,dog\n"))
    >>> table.x.tolist(), table.y.tolist(), table.classes
    ([[1.0, 2.0], [3.0, 4.5]], [0, 1], ('cat', 'dog'))
    """
    if isinstance(source, str | os.PathLike):
        title = os.fspath(source)
    else:
        title = str(getattr(source, "name", "the input"))
    line = 1
    try:
        with _text(source, title, most_bytes) as file:
            first = file.readline()
            if delimiter is None:
                delimiter = max(_DELIMITERS, key=lambda each: _cells(first, each))
            reader = csv.reader(chain([first], file), delimiter=delimiter, strict=True)
            rows = ((line := reader.line_num, row) for row in reader if row)
            return _read(rows, title, label, header)
    except UnicodeDecodeError as reason:
        refuse(title, f"it is not UTF-8 text ({reason})", reason)
    except csv.Error as reason:
        refuse(title, f"{reason}, after line {line}", reason)
    except _GZIP_ERRORS as reason:
        refuse(title, f"its gzip data is cut short or altered ({reason})", reason)


def first_row(
    source: str | os.PathLike[str], *, delimiter: str | None = None, most_bytes: int = 1 << 20
) -> list[str]:
    """Return the cells of the first line of a CSV file, as `read_csv` would part them.

    Parameters
    ----------
    source : str or path
        The file, compressed or not.
    delimiter : str, optional
        As for `read_csv`.
    most_bytes : int
        How long the line may be.

    Raises
    ------
    DataFileError
        If there is no such line in UTF-8.
    OSError
        If the file is not there or cannot be read.
    """
    title = os.fspath(source)
    try:
        with _text(source, title, 1 << 62) as file:
            line = file.readline(most_bytes)
        delimiter = delimiter or max(_DELIMITERS, key=lambda each: _cells(line, each))
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except (UnicodeDecodeError, csv.Error, *_GZIP_ERRORS) as reason:
        refuse(title, f"its first line cannot be read ({reason})", reason)


def _cells(line: str, delimiter: str) -> int:
    """Return how many cells a line has, those within quotes counted as one."""
    try:
        return max(map(len, csv.reader([line], delimiter=delimiter)), default=0)
    except csv.Error:  # the line will be refused when it is read
        return 0


@contextlib.contextmanager
def _text(source: str | os.PathLike[str] | TextIO, title: str, most_bytes: int) -> Iterator[TextIO]:
    """Open a source as text of which no more can be read than is allowed."""
    if not isinstance(source, str | os.PathLike):
        text = source.read(most_bytes + 1)
        if len(text) > most_bytes:
            too_large(title, most_bytes)
        yield io.StringIO(text.removeprefix("\ufeff"), newline="")
        return
    with open(source, "rb") as file:
        about = os.fstat(file.fileno())
        if stat.S_ISREG(about.st_mode) and about.st_size > most_bytes:
            too_large(title, most_bytes)
        packed = file.peek(2)[:2] == b"\x1f\x8b"  # leaves a pipe where it is
        bytes_ = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        allowed = io.BufferedReader(_Limited(bytes_, title, most_bytes), 1 << 18)
        with io.TextIOWrapper(allowed, encoding="utf-8-sig", newline="") as unpacked:
            yield unpacked


class _Limited(io.RawIOBase):
    """Bytes that end with an error where there are more than allowed, however small they came."""

    def __init__(self, file: BinaryIO, title: str, most_bytes: int) -> None:
        self._file, self._title, self._most = file, title, most_bytes
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            too_large(self._title, self._most)
        buffer[: len(data)] = data
        return len(data)


def _read(
    rows: Iterator[tuple[int, list[str]]], title: str, label: str | int | None, header: bool | None
) -> Table:
    line, first = next(rows, (0, []))
    if not first:
        refuse(title, "it is empty")
    first = [cell.strip() for cell in first]
    width = len(first)
    place = None if isinstance(label, str) else _place(label, width, title)
    second = next(rows, None)
    if header is None:
        header = isinstance(label, str) or _is_header(first, second, place)
    names = first if header else [f"column {k + 1}" for k in range(width)]
    if isinstance(label, str):
        if label not in names:
            refuse(title, f"it has no column {label!r}.{did_you_mean(label, names)}", end="")
        place = names.index(label)
    if width == 1 and place is not None:
        refuse(
            title,
            "it has one column, which cannot be example and label at once. If its cells are "
            "separated by something else than , ; | or tabs, give the delimiter",
        )
    numbers, labels, lines = array("d"), [], array("q")
    ahead = [] if header else [(line, first)]
    ahead += [] if second is None else [second]
    for line, row in chain(ahead, rows):
        if len(row) != width:
            refuse(title, f"line {line} has {len(row)} cells, the first line {width}")
        if place is not None:
            labels.append(row.pop(place).strip())
        try:
            numbers.extend(map(float, row))
        except ValueError:
            _blame(title, line, row, names, place)
        lines.append(line)
    if not lines:
        refuse(title, "it has a header and no rows")
    x = np.frombuffer(numbers, np.float64).reshape(len(lines), -1)
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        k = int(np.argmin(finite))
        _blame(title, lines[k], [str(value) for value in x[k]], names, place)
    columns = tuple(name for k, name in enumerate(names) if k != place)
    if place is None:
        return Table(x, None, columns)
    y, classes = _labels(labels, lambda k: f"{title}, line {lines[k]}: the label")
    return Table(x, y, columns, names[place], classes)


def _is_header(
    first: Sequence[str], second: tuple[int, Sequence[str]] | None, place: int | None
) -> bool:
    # Not "if any is no number": a line with one "?" would be lost without a word.
    cells = [cell for k, cell in enumerate(first) if k != place]
    if not any(map(_is_number, cells)) and any(cells):
        return True
    if place is None or second is None or len(second[1]) <= place:
        return False
    return not _is_number(first[place]) and _is_number(second[1][place])


def _place(label: int | None, width: int, title: str) -> int | None:
    if label is None:
        return None
    if not -width <= label < width:
        refuse(title, f"it has {width} columns, so that none has the position {label}")
    return label % width


def _labels(
    texts: list[str], named: Callable[[int], str]
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Return labels as numbers, and the names of the classes if they are words."""
    if "" in texts:
        raise DataFileError(f"{named(texts.index(''))} is missing.")
    distinct = sorted(set(texts))
    try:
        whole = {text: int(text) for text in distinct}
        if all(abs(value) < 1 << 63 for value in whole.values()):
            return np.array([whole[text] for text in texts], np.int64), None
    except ValueError:
        pass
    values = {text: _number(text) for text in distinct}
    if all(value is not None for value in values.values()):
        y = np.array([values[text] for text in texts], np.float64)
        is_whole = (y == np.rint(y)).all() and (np.abs(y) < 1 << 53).all()  # as savetxt writes
        return (y.astype(np.int64) if is_whole else y), None
    if all(map(_is_number, distinct)):  # numbers, and what stands where one is missing
        k = next(k for k, text in enumerate(texts) if values[text] is None)
        raise DataFileError(
            f"{named(k)} {shown(texts[k])} is not a finite number. Leave such rows out, or fill "
            "what is missing."
        )
    order = {text: k for k, text in enumerate(distinct)}
    return np.array([order[text] for text in texts], np.int64), tuple(distinct)


def _is_number(text: str) -> bool:
    """Return whether a cell holds a number, were it nan or inf."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float | None:
    """Return the finite number that a cell holds, or None."""
    value = float(text) if _is_number(text) else math.nan
    return value if math.isfinite(value) else None


def _blame(
    title: str, line: int, row: Sequence[str], names: Sequence[str], place: int | None
) -> NoReturn:
    """Raise for the first cell of a row that is no finite number."""
    columns = [name for k, name in enumerate(names) if k != place]
    for cell, name in zip(row, columns, strict=True):
        if _number(cell) is None:
            what = f"{shown(cell)} is not a finite number" if cell.strip() else "a cell is empty"
            raise DataFileError(
                f"{title}, line {line}, {shown(name)}: {what}. All columns but the label's hold "
                "numbers: fill what is missing, and give words numbers or columns of their own."
                + (" If this line has the columns' names, say header=True." if line == 1 else "")
            )
    raise AssertionError("a row without fault")


def shown(text: str) -> str:
    """Return a cell for a message."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def too_large(title: str, most_bytes: int) -> NoReturn:
    """Refuse a file for its size."""
    raise DataFileError(
        f"{title} is larger than the {most_bytes:,} bytes that most_bytes allows. For data larger "
        "than memory save .npy files and give np.load(..., mmap_mode='r') to fit."
    )


def refuse(title: str, why: str, cause: BaseException | None = None, *, end: str = ".") -> NoReturn:
    """Refuse a file, saying why."""
    raise DataFileError(f"{title} cannot be read as a table: {why}{end}") from cause
