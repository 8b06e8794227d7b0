"""Examples from CSV and NPZ files: to learn from, and to ask a trained network about."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

from ..errors import DataFileError, did_you_mean
from .datasets import NAMES, Examples, Layout, listed, numbered
from .failure import Failed, Refused, said

if TYPE_CHECKING:
    from ..data.table import Table

T = TypeVar("T")

_FEW = 20  # classes: a column of more different whole numbers is taken for numbers
_DELIMITERS = ",;\t|"
# What messages of `cr.data` advise, and what that is on the command line.
_ADVICE = (
    ("say header=True", "say --header"),
    ("give the delimiter", "say --separator CHARACTER"),
    ("that most_bytes allows", "that a table may have"),
)


def to_learn_from(source: str, layout: Layout, kind: str | None, cost: str | None) -> Examples:
    """Return the examples of a file, and what is to be predicted of them.

    Parameters
    ----------
    source : str
        The file; - is stdin, as CSV.
    layout : Layout
        How it is laid out.
    kind : {"classes", "numbers", None}
        What to take the target for. None: for what the cost takes, else for what it looks like.
    cost : str or None
        The name of the cost.

    Raises
    ------
    Failed, Refused, DataFileError
        If it cannot be learned from.
    """
    table, test = _tables(source, layout)
    examples = _examples(source, table)
    held_out = None if test is None else replace(_examples(source, test), label=examples.label)
    assert table.y is not None
    if _predicts_classes(table, kind, cost, source):
        classes = _as_classes(table, source)
        assert classes.y is not None and classes.classes is not None
        if len(classes.classes) == 1:
            _refuse_constant(source, table, repr(classes.classes[0]), "tell apart")
        examples = replace(examples, y=classes.y, classes=classes.classes)
        if held_out is not None:
            y = numbered(held_out, classes.classes)
            held_out = replace(held_out, y=y, classes=classes.classes)
    elif table.y.ndim == 1 and (table.y == table.y[0]).all():
        _refuse_constant(source, table, f"{table.y[0]:g}", "learn")
    return replace(examples, test=held_out)


def to_ask_about(
    source: str, layout: Layout, columns: tuple[str, ...], label: str, width: int | None
) -> Examples:
    """Return the examples of a file that a trained network is asked about.

    A table's columns are found by their names, where the file has names; its target may be missing.
    Labels are left as the file has them, and its words are in `classes`.

    Parameters
    ----------
    source : str
        The file; - is stdin, as CSV.
    layout : Layout
        How it is laid out.
    columns : tuple of str
        The columns that the network learned from; none if that is not known.
    label : str
        The name of what it predicts.
    width : int or None
        How many columns the network takes.

    Raises
    ------
    Failed, Refused, DataFileError
        If there is no such file, or a column is missing.
    """
    if _is_npz(source):
        return _examples(source, _asked_npz(source, layout, label))
    table = _asked_csv(source, layout, columns, label, width)
    if columns and table.columns != columns:
        table = _reordered(table, columns, source)
    return _examples(source, table)


def _tables(source: str, layout: Layout) -> tuple[Table, Table | None]:
    """Return what to learn from, and what to test on if the file has that."""
    from .. import data

    if not _is_npz(source):
        label: str | int = -1
        if layout.target is not None:
            label = _position(layout.target)
        table = _opened(
            source,
            lambda file: data.read_csv(
                file, label=label, header=layout.header, delimiter=layout.separator
            ),
        )
        if label in table.columns:
            raise Failed(
                f"{source}: two columns are called {label!r}. Say which one is to be predicted by "
                "its number from 0, such as --target 2."
            )
        return table, None
    if layout.target is not None:
        return _sound(_opened(source, lambda file: data.read_npz(file, y=layout.target)), source), (
            None
        )
    train, test = _opened(source, data.read_npz_parts)
    return _sound(train, source), None if test is None else _sound(test, source)


def _sound(table: Table, source: str) -> Table:
    """Return the table of an NPZ file with what `read_csv` sees to: no gaps, and whole labels.

    Raises
    ------
    Failed
        If an example or a label is no finite number.
    """
    import numpy as np

    for what, array in (("examples", table.x), (repr(table.label), table.y)):
        if array is None or array.dtype.kind != "f" or not array.size:
            continue
        if not (np.isfinite(array.min()) and np.isfinite(array.max())):  # nan comes through both
            row = int(np.argmin(np.isfinite(array.reshape(len(array), -1)).all(axis=1)))
            raise Failed(
                f"{source}: row {row} of its {what}, counted from 0, holds a number that is nan or "
                "infinite: fill what is missing, or leave such rows out."
            )
    y = table.y
    if y is None or y.ndim != 1 or y.dtype.kind != "f":
        return table
    is_whole = (y == np.rint(y)).all() and (np.abs(y) < 1 << 53).all()
    return replace(table, y=y.astype(np.int64)) if is_whole else table


def _position(target: str) -> str | int:
    try:
        return int(target)
    except ValueError:
        return target


def _asked_npz(source: str, layout: Layout, label: str) -> Table:
    import zipfile

    from .. import data

    there: list[str] = []
    with (
        contextlib.suppress(OSError, zipfile.BadZipFile),  # read_npz says it better
        zipfile.ZipFile(source) as archive,
    ):
        there = [name.removesuffix(".npy") for name in archive.namelist()]
    if layout.target is not None or ("x" in there and label in there):
        target = layout.target or label
        return _sound(_opened(source, lambda file: data.read_npz(file, y=target)), source)
    if "x" in there and "y" not in there:
        return _sound(_opened(source, lambda file: data.read_npz(file, y=None)), source)
    train, test = _opened(source, data.read_npz_parts)
    return _sound(test or train, source)


def _asked_csv(
    source: str, layout: Layout, columns: tuple[str, ...], label: str, width: int | None
) -> Table:
    from .. import data

    def read(file: Any) -> Table:
        first = _first_row(file, layout.separator)
        if not columns and width is not None and len(first) not in (0, width, width + 1):
            raise Failed(
                f"{source} has {len(first)} columns; the network takes {width}, and what is to be "
                "predicted may be one more."
            )
        wanted: str | int | None = None
        if layout.target is not None:
            wanted = _position(layout.target)
        elif label in first:
            wanted = label
        elif not (columns and set(columns) <= set(first)) and len(first) - 1 == width:
            # No names to go by: the target is where it was, or the last, as it is for `train`.
            wanted = int(label.split()[1]) - 1 if _are_made_up((label,)) else -1
        return data.read_csv(file, label=wanted, header=layout.header, delimiter=layout.separator)

    return _opened(source, read)


def _first_row(file: Any, separator: str | None) -> list[str]:
    """Return the cells of a CSV file's first line; of stdin it is looked at and left there."""
    import csv

    from ..data.table import first_row

    if isinstance(file, str):
        return first_row(file, delimiter=separator)
    try:
        line = str(file.readline())
        found = separator or max(_DELIMITERS, key=lambda sign: line.count(sign))
        return [cell.strip() for cell in next(csv.reader([line], delimiter=found), [])]
    except (UnicodeDecodeError, csv.Error, TypeError):  # read_csv says it better
        return []
    finally:
        file.seek(0)


def _opened(source: str, read: Callable[[Any], T]) -> T:
    """Read a file, or stdin, with words for what the system says."""
    if source != "-" and not os.path.exists(source):
        near = did_you_mean(source, NAMES)
        sets = f" The data sets are {', '.join(NAMES)}." if "." not in source else ""
        raise Refused(f"there is no file {source!r}.{near}{sets}")
    try:
        return read(_stdin() if source == "-" else source)
    except DataFileError as error:
        message = said(error)
        for advice, option in _ADVICE:
            message = message.replace(advice, option)
        raise Failed(message) from error
    except OSError as error:
        raise Failed(f"{source}: {error.strerror or error}.") from error


def _stdin() -> TextIO:
    """Return stdin as the text that a file would be: UTF-8, whatever the locale."""
    return io.TextIOWrapper(io.BytesIO(sys.stdin.buffer.read()), encoding="utf-8-sig", newline="")


def _is_npz(source: str) -> bool:
    return source.lower().endswith(".npz")


def _reordered(table: Table, columns: tuple[str, ...], source: str) -> Table:
    """Return a table with the columns that are wanted, in their order."""
    if _are_made_up(table.columns) and len(table.columns) == len(columns):
        return replace(table, columns=columns)
    twice = [name for name in columns if table.columns.count(name) > 1]
    if twice:
        raise Failed(
            f"{source} has two columns that are called {twice[0]!r}: give them names of their own, "
            f"or the columns that the network learned from, in their order: {listed(columns)}."
        )
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise Failed(
            f"{source} has no column {missing[0]!r}, which the network learned from."
            f"{did_you_mean(missing[0], table.columns)} It has {listed(table.columns)}; wanted "
            f"are {listed(columns)}."
        )
    order = [table.columns.index(name) for name in columns]
    return replace(table, x=table.x[:, order], columns=columns)


def _are_made_up(names: tuple[str, ...]) -> bool:
    """Return whether columns have only the names that `read_csv` gives to those without."""
    return all(re.fullmatch(r"column [1-9]\d{0,8}", name) for name in names)


def _examples(source: str, table: Table) -> Examples:
    shape, label = table.x.shape[1:], table.label
    image = None
    if len(shape) in (2, 3):
        image = (1, *shape) if len(shape) == 2 else shape
    return Examples(
        "stdin" if source == "-" else os.path.basename(source),
        table.x,
        table.y,
        table.classes,
        "rows" if image is None else "images",
        () if _is_npz(source) else table.columns,  # there they have no names but ours
        None if label is None else label.removesuffix("_train").removesuffix("_test"),
        image,
    )


# ---------------------------------------------------------------------- classes or numbers


def _predicts_classes(table: Table, kind: str | None, cost: str | None, source: str) -> bool:
    import numpy as np

    from ..networks.costs import COSTS

    assert table.y is not None
    taken = COSTS[cost].targets if cost else "any"
    if kind is None and taken != "any":
        kind = "numbers" if taken in ("numbers", "counts") else "classes"
    if kind == "numbers" and table.classes is not None:
        raise Failed(
            f"{source}: {table.label!r} holds words, such as {table.classes[0]!r}, which are no "
            "numbers to predict. To predict classes: a cost such as softmax_cross_entropy; for "
            "another column: --target COLUMN."
        )
    if kind is not None:
        return kind == "classes"
    if table.classes is not None:
        _refuse_mixed(table, source)
        return True
    if table.y.dtype.kind not in "iub" or table.y.ndim > 1:
        return False
    distinct = len(np.unique(table.y))
    return distinct <= 2 or (distinct <= _FEW and 3 * distinct <= len(table))


def _as_classes(table: Table, source: str) -> Table:
    assert table.y is not None
    if table.y.ndim != 1:
        raise Failed(
            f"{source}: {table.label!r} has shape {table.y.shape}: for classes give one label a "
            "row, such as y.argmax(axis=1)."
        )
    try:
        return table.as_classes()
    except ValueError:
        raise Failed(
            f"{source}: {table.label!r} holds numbers such as {table.y[0]:.6g}, which are no "
            "classes. To predict numbers: --as numbers, or a cost such as quadratic."
        ) from None


def _refuse_constant(source: str, table: Table, value: str, do: str) -> NoReturn:
    where = f"in all {len(table):,} rows" if len(table) > 1 else "in its only row"
    raise Failed(
        f"{source}: {table.label!r} is {value} {where}: there is nothing to {do}. For another "
        "column: --target COLUMN."
    )


def _refuse_mixed(table: Table, source: str) -> None:
    """Refuse numbers with a few words among them: a missing value is no class."""
    words = [name for name in table.classes or () if not _is_number(name)]
    numbers = len(table.classes or ()) - len(words)
    if numbers > len(words):
        raise Failed(
            f"{source}: {table.label!r} holds {words[0]!r} among numbers. Leave such rows out, or "
            "say --as classes if each of its values is the name of a class."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
