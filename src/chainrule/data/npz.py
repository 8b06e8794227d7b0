"""Tables from NPZ files: the arrays of the examples and of their labels.

`np.load` would unpack whatever an archive declares. Here the declared shape is first held against
the member's size, and that against its packed bytes.
"""

from __future__ import annotations

import math
import os
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataFileError
from .idx import MOST_RATIO
from .table import Table, refuse, shown, too_large


def read_npz(
    path: str | os.PathLike[str], *, x: str = "x", y: str | None = "y", most_bytes: int = 1 << 34
) -> Table:
    """Read a table from the arrays of an NPZ file, as `np.savez(path, x=x, y=y)` writes it.

    Parameters
    ----------
    path : str or path
        The file.
    x, y : str
        The names of the arrays; y may be None, for no labels.
    most_bytes : int
        The largest array to read.

    Returns
    -------
    Table
        Its `x` and `y` as they were saved; labels that are text become numbers of `classes`.

    Raises
    ------
    DataFileError
        If the file is damaged, lacks an array, or holds Python objects, which are never loaded.
    OSError
        If the file is not there or cannot be read.
    """
    title = os.fspath(path)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                examples = _member(archive, x, title, most_bytes)
                labels = None if y is None else _member(archive, y, title, most_bytes)
        except DataFileError:
            raise
        # What zipfile and NumPy raise on damaged files is not for them to foresee either: errors
        # of struct, zlib, tokenize, NotImplementedError, MemoryError, ...
        except Exception as reason:
            refuse(title, f"it is not a whole NPZ file ({reason or type(reason).__name__})", reason)
    if examples.ndim == 0 or not len(examples):
        refuse(title, f"{x} has the shape {examples.shape}, but its rows are the examples")
    if labels is not None and (labels.ndim == 0 or len(labels) != len(examples)):
        refuse(
            title,
            f"{x} and {y} have the shapes {examples.shape} and {labels.shape}: as many "
            "rows are needed in both",
        )
    classes = None
    if labels is not None and labels.dtype.kind == "U" and labels.ndim == 1:
        texts, numbers = np.unique(labels, return_inverse=True)
        labels, classes = numbers.reshape(-1).astype(np.int64), tuple(map(str, texts))
    columns = tuple(f"{x} {k + 1}" for k in range(examples.shape[1])) if examples.ndim == 2 else ()
    return Table(examples, labels, columns, y, classes)


def read_npz_parts(
    path: str | os.PathLike[str], *, most_bytes: int = 1 << 34
) -> tuple[Table, Table | None]:
    """Read what to learn from and what to be judged by from an NPZ file, by the customary names.

    Parameters
    ----------
    path : str or path
        A file with the arrays x_train, y_train, x_test and y_test, as Keras names them, or x and y;
        or X for x, data and target, images and labels.
    most_bytes : int
        The largest array to read.

    Returns
    -------
    (Table, Table or None)
        The second is None where there is one part. Labels that are text have the same numbers in
        both.

    Raises
    ------
    DataFileError
        As from `read_npz`; or if there are no arrays of such names, or the second part has labels
        that the first lacks.
    OSError
        If the file is not there or cannot be read.
    """
    title = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            there = {entry.removesuffix(".npy") for entry in archive.namelist()}
    except OSError:
        raise
    except Exception as reason:  # as in `read_npz`
        refuse(title, f"it is not a whole NPZ file ({reason or type(reason).__name__})", reason)
    for x, y in _PARTED:
        names = [f"{x}_train", f"{y}_train", f"{x}_test", f"{y}_test"]
        if there.issuperset(names[:2]):
            train = read_npz(path, x=names[0], y=names[1], most_bytes=most_bytes)
            if not there.issuperset(names):
                return train, None
            test = read_npz(path, x=names[2], y=names[3], most_bytes=most_bytes)
            return train, _renumbered(test, train, title)
    for x, y in _WHOLE:
        if there.issuperset((x, y)):
            return read_npz(path, x=x, y=y, most_bytes=most_bytes), None
    refuse(
        title,
        "its arrays should be called x and y, or x_train, y_train, x_test and y_test, and are "
        f"called {', '.join(map(shown, sorted(there)[:9])) or 'nothing'}",
    )


_PARTED = (("x", "y"), ("X", "y"), ("images", "labels"))
_WHOLE = (*_PARTED, ("data", "target"), ("data", "labels"))


def _renumbered(test: Table, train: Table, title: str) -> Table:
    """Give the words of a test set the numbers that they have in the training set."""
    if test.y is None or test.classes is None or test.classes == train.classes:
        return test
    number = {name: k for k, name in enumerate(train.classes or ())}
    unknown = [name for name in test.classes if name not in number]
    if unknown:
        refuse(title, f"{test.label} has {shown(unknown[0])}, which {train.label} never has")
    numbers = np.array([number[name] for name in test.classes], np.int64)
    return replace(test, y=numbers[test.y], classes=train.classes)


def _member(archive: zipfile.ZipFile, name: str, title: str, most_bytes: int) -> NDArray[Any]:
    there = [entry.removesuffix(".npy") for entry in archive.namelist()]
    if name not in there:
        refuse(
            title,
            f"it has no array {name!r}, but {', '.join(map(shown, there[:9])) or 'none at all'}",
        )
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refuse(title, "NumPy packs with deflate or not at all; this is packed in another way")
    if entry.file_size > most_bytes:
        too_large(title, most_bytes)
    if entry.file_size > MOST_RATIO * entry.compress_size + 1024:
        refuse(title, f"{name} declares more bytes than its packed ones can hold")
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            refuse(title, f"{name} is in version {version} of the format, which is for objects")
        shape, fortran, dtype = read(stream)
        if dtype.hasobject or dtype.kind not in "fiubU" or dtype.itemsize == 0:
            refuse(title, f"{name} holds {dtype}, not numbers")
        wanted = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or wanted != entry.file_size - stream.tell():
            refuse(title, f"{name} declares the shape {shape}, which does not fit its bytes")
        values = np.empty(math.prod(shape), dtype)
        view, done = values.view(np.uint8).data, 0
        while done < len(view):
            count = stream.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                refuse(title, f"{name} ends after {done:,} of {len(view):,} bytes")
            done += count
        stream.read(1)  # at the end, zipfile checks the checksum
    values = values.reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)
