"""What `train`, `evaluate` and `predict` take for examples, and data sets by name.

Files are in `source_files.py`.

To add a data set: its name in `NAMES`, and a line in `named`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .failure import Failed

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NAMES = ("digits", "mnist", "fashion_mnist")
_SPLIT = 0  # the seed that parts the digits: `evaluate` must find those that `train` held out


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples as they come, before anything is done to them.

    Parameters
    ----------
    title : str
        What they are called: the name of the set, or of the file.
    x : ndarray, shape (n, ...)
        The examples.
    y : ndarray or None, shape (n,) or (n, k)
        Numbers of classes, numbers to predict, or nothing.
    classes : tuple of str or None
        What the classes are called; None where numbers are to be predicted.
    noun : str
        What an example is: an image, or a row.
    columns : tuple of str
        The names of the columns of a table.
    label : str or None
        The name of what is to be predicted.
    image : tuple of int or None
        Channels, height and width, where the examples are images.
    test : Examples or None
        Those that are held out by custom.
    """

    title: str
    x: Array
    y: Array | None
    classes: tuple[str, ...] | None = None
    noun: str = "rows"
    columns: tuple[str, ...] = ()
    label: str | None = None
    image: tuple[int, int, int] | None = None
    test: Examples | None = None

    def __len__(self) -> int:
        return len(self.x)

    def some(self, rows: Any) -> Examples:
        """Return some of the examples, without a test set."""
        y = None if self.y is None else self.y[rows]
        return replace(self, x=self.x[rows], y=y, test=None)


@dataclass(frozen=True)
class Layout:
    """How a file is laid out, as far as the user says.

    Parameters
    ----------
    target : str or None
        The column to predict, by name or by position; in NPZ files the array.
    header : bool or None
        Whether the first line of a CSV file has the names of its columns. None: as it looks.
    separator : str or None
        What stands between the cells. None: as it looks.
    """

    target: str | None = None
    header: bool | None = None
    separator: str | None = None


def is_named(source: str) -> bool:
    """Return whether a source is a data set rather than a file."""
    return source.replace("-", "_") in NAMES


def named(source: str, folder: str | None) -> Examples:
    """Return a data set, its test set in `test`.

    Raises
    ------
    DataFileError
        If its files are missing and cannot be downloaded.
    """
    from .. import data

    if source == "digits":
        train, test = data.load_digits().split(_SPLIT)
        parts: list[tuple[Any, Any]] = [(part.images, part.labels) for part in (train, test)]
        names, image = tuple("0123456789"), (1, 8, 8)
    else:
        both = (data.mnist if source == "mnist" else data.fashion_mnist)(folder)
        parts = [(part.images, part.labels) for part in (both.train, both.test)]
        names, image = both.train.names, (1, 28, 28)
    learned, held_out = (
        Examples(source, x, y, names, "images", label="label", image=image) for x, y in parts
    )
    return replace(learned, test=held_out)


def numbered(examples: Examples, classes: tuple[str, ...]) -> Array:
    """Return labels as numbers of classes.

    Raises
    ------
    Failed
        If one is none of them.
    """
    import numpy as np

    assert examples.y is not None
    if examples.classes == classes:
        return examples.y
    names, places = examples.classes, examples.y
    if names is None:
        values, places = np.unique(examples.y, return_inverse=True)
        names = tuple(map(str, values.tolist()))
    order = {name: k for k, name in enumerate(classes)}
    for name in names:
        if name not in order:
            raise Failed(
                f"{examples.title}: {examples.label!r} holds {name!r}, which is none of the "
                f"classes {listed(classes)}."
            )
    return np.array([order[name] for name in names], np.int64)[places.reshape(-1)]


def counted(n: int, words: str) -> str:
    """Return how many examples there are, such as "1,438 images" or "1 row held out"."""
    if n == 1:
        words = words.replace("rows", "row").replace("images", "image")
    return f"{n:,} {words}"


def listed(names: tuple[str, ...], most: int = 12) -> str:
    """Return names for a message, not too many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
