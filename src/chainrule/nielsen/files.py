"""Networks as the book's JSON: sizes, weights, biases and the name of the cost.

What comes from outside is only numbers and one word, held against each other before any of it is
used: whatever is in a file, it gives a network or one kind of error.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..data.whole_file import whole_file
from ..errors import DataFileError, did_you_mean
from ..tracing.sites import here
from .costs import COSTS
from .pairs import Array

MOST_BYTES = 1 << 28  # ten million weights; the book's networks have 2 MB


def write_network(
    filename: Any, sizes: list[int], weights: list[Array], biases: list[Array], cost: str
) -> None:
    """Write a network as JSON, whole or not at all.

    Raises
    ------
    ValueError
        If a number is nan or infinite, for which JSON has no word.
    """
    content = {
        "sizes": sizes,
        "weights": [w.tolist() for w in weights],
        "biases": [b.tolist() for b in biases],
        "cost": cost,
    }
    try:
        text = json.dumps(content, allow_nan=False)
    except ValueError:
        raise ValueError(
            f"{here()}a weight or bias is nan or infinite: this network is not worth keeping"
        ) from None
    with whole_file(filename) as file:
        file.write(text.encode("ascii"))


def read_network(
    filename: Any, own_cost: bool = False
) -> tuple[list[int], list[Array], list[Array], Any]:
    """Return sizes, weights, biases and cost of a file.

    Parameters
    ----------
    filename : str or path
        The file.
    own_cost : bool
        Whether the caller has a cost: then the file may name one that is not known.

    Raises
    ------
    DataFileError
        If it does not hold a network.
    OSError
        If it cannot be read.
    """
    path = Path(filename)

    def refused(why: str) -> DataFileError:
        return DataFileError(f"{here()}{path.name} is no network of the book's: {why}")

    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise refused(f"it is larger than {MOST_BYTES >> 20} MB")
    try:
        content = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as reason:  # bad JSON, bad UTF-8, numbers too long
        raise refused(f"it is not JSON as it should be ({reason})") from None
    if not isinstance(content, dict):
        raise refused("it should hold an object with sizes, weights, biases and cost")
    for key in ("sizes", "weights", "biases", "cost"):
        if key not in content:
            raise refused(f"{key!r} is missing")
    sizes = content["sizes"]
    if (
        not isinstance(sizes, list)
        or len(sizes) < 2
        or any(type(size) is not int or size < 1 for size in sizes)
    ):
        raise refused("sizes should be a list of two or more whole numbers, 1 or more")
    cost = content["cost"]
    if not isinstance(cost, str) or (cost not in COSTS and not own_cost):
        word = cost[:60] if isinstance(cost, str) else type(cost).__name__
        raise refused(
            f"its cost is {word!r}, and known are {', '.join(COSTS)}.{did_you_mean(word, COSTS)} "
            "A cost of your own is given to load: load(filename, cost=...)"
        )
    columns = [(n, 1) for n in sizes[1:]]
    matrices = [(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    try:
        biases = _arrays(content["biases"], columns, "biases")
        weights = _arrays(content["weights"], matrices, "weights")
    except ValueError as reason:
        raise refused(str(reason)) from None
    return sizes, weights, biases, COSTS.get(cost)


def _arrays(found: Any, shapes: list[tuple[int, int]], name: str) -> list[Array]:
    if not isinstance(found, list) or len(found) != len(shapes):
        raise ValueError(f"{name} should be a list of {len(shapes)}, one for each layer")
    return [
        _array(rows, shape, f"{name}[{k}]")
        for k, (rows, shape) in enumerate(zip(found, shapes, strict=True))
    ]


def _array(rows: Any, shape: tuple[int, int], name: str) -> Array:
    """Return lists as an array, if they are lists of numbers of this shape and nothing else."""
    n, m = shape
    if not isinstance(rows, list) or len(rows) != n:
        raise ValueError(f"{name} should have {n} rows")
    for row in rows:
        if not isinstance(row, list) or len(row) != m:
            raise ValueError(f"the rows of {name} should have {m} numbers each")
        if not {type(number) for number in row} <= {int, float}:
            raise ValueError(f"{name} should hold numbers only")
    try:
        array = np.array(rows, np.float64)
    except OverflowError:
        raise ValueError(f"{name} holds a number that is too large") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is too large")
    return array


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no number")
