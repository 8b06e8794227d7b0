"""Asking a network about many examples: block by block, in machine code where it pays."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..differentiate.compiled import compile
from .forward import Layers, predict

BLOCK = 512  # examples: large beside the call, small beside the caches
CHEAP = 20_000_000  # multiplications: some milliseconds of NumPy's; to compile takes 200

Array = np.ndarray[Any, Any]


class Asking:
    """The forward pass of layers, for any number of examples.

    A block or less, and whatever takes next to no time, is run by NumPy as it is written: nothing
    has to be compiled for it. Of more, each block has the same shape, so that one program serves
    them all; the last is filled up with zeros, since in a forward pass no example sees another.

    Parameters
    ----------
    layers : sequence of Layer
        What the examples go through.
    threads : int, optional
        How many threads the program may use.
    """

    def __init__(self, layers: Layers, threads: int | None = None) -> None:
        self._layers, self._threads = layers, threads

    @cached_property
    def _compiled(self) -> Any:
        def outputs(parameters: Any, carried: Any, x: Any) -> Any:
            return predict(self._layers, parameters, carried, x)

        return compile(outputs, threads=self._threads)

    def __call__(self, parameters: Any, carried: Any, x: Any, dtype: Any) -> Array:
        """Return the outputs for the examples.

        Parameters
        ----------
        parameters, carried : list of dict
            Of the layers.
        x : ndarray or Converted, shape (n, ...)
            The examples.
        dtype : dtype
            What blocks of them are brought to.
        """
        n = len(x)
        if n <= BLOCK or _is_cheap(parameters, n):
            with np.errstate(all="ignore"):
                return np.asarray(predict(self._layers, parameters, carried, _as(x[:], dtype)))
        made: Array | None = None
        for first in range(0, n, BLOCK):
            block = _as(x[first : first + BLOCK], dtype)
            rows = len(block)
            if rows < BLOCK:
                block = np.concatenate([block, np.zeros((BLOCK - rows, *x.shape[1:]), block.dtype)])
            outputs = self._compiled(parameters, carried, np.ascontiguousarray(block))
            if made is None:
                made = np.empty((n, *outputs.shape[1:]), outputs.dtype)
            made[first : first + rows] = outputs[:rows]
        assert made is not None
        return made


def _is_cheap(parameters: Any, rows: int) -> bool:
    """Return whether the layers hardly take time: matrices only, each number used once a row."""
    leaves, _ = flatten(parameters)
    return rows * sum(p.size for p in leaves) <= CHEAP and all(p.ndim <= 2 for p in leaves)


def _as(x: Any, dtype: Any) -> Array:
    return np.asarray(x).astype(dtype, copy=False)
