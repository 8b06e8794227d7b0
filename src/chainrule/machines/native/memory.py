"""A static plan of the workspace: buffers that are never alive together share their bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Span(NamedTuple):
    """A buffer: its bytes, and the first and last step at which it is in use."""

    size: int
    first: int
    last: int


def room(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Return a new array that begins at a cache line.

    NumPy's own begin wherever the allocator says, most large ones 16 bytes behind a page: then
    every vector of 64 bytes lies in two lines.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    made: np.ndarray[Any, Any] = raw[start : start + size].view(dtype).reshape(shape)
    return made


def offsets(spans: Sequence[Span]) -> tuple[list[int], int]:
    """Return the offset of each buffer, and the bytes of all.

    Largest first, each at the lowest place that is free for as long as it lives.

    Examples
    --------
    >>> offsets([Span(100, 0, 1), Span(100, 1, 2), Span(100, 2, 3)])
    ([0, 128, 0], 256)
    """
    places = [0] * len(spans)
    placed: list[int] = []
    total = 0
    for k in sorted(range(len(spans)), key=lambda k: -spans[k].size):
        mine = spans[k]
        size = -(-mine.size // ALIGNMENT) * ALIGNMENT
        at = 0
        rivals = sorted(
            (places[j], places[j] + spans[j].size)
            for j in placed
            if spans[j].first <= mine.last and mine.first <= spans[j].last
        )
        for start, end in rivals:
            if at + size <= start:
                break
            at = max(at, -(-end // ALIGNMENT) * ALIGNMENT)
        places[k] = at
        placed.append(k)
        total = max(total, at + size)
    return places, total
