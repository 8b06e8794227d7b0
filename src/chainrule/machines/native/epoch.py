"""A training step with the loop over mini-batches around it, all of it machine code.

`@epoch` gathers the rows of each batch in the order it is given, brings them to the step's dtype,
runs the step, and notes the cost. Whoever calls it decides how many batches one call does: progress
and Ctrl-C come through in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...data.converted import Converted
from .data_rows import Array, data_rows
from .training_step import MOST_PATHS, Path, TrainingStep


class Epoch(TrainingStep):
    """A compiled step and its loop over data.

    Parameters
    ----------
    step : callable
        `step(parameters, state, *batch) -> (cost, parameters, state)`.
    parameters, state : containers of arrays and floats
        What training begins with; copied.
    data : sequence of ndarray or Converted
        Arrays with one row an example, read where they are if their rows are contiguous.
    batch_size : int
        Rows of a batch; the last batch of an epoch may be shorter.
    threads : int, optional
        How many threads may be used; by default as many as there are processors.

    Raises
    ------
    NotLowered
        If the step cannot be compiled: something is of a dtype without machine type. Another
        machine can run it.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        parameters: Any,
        state: Any,
        data: Sequence[Array | Converted],
        batch_size: int,
        *,
        threads: int | None = None,
    ) -> None:
        super().__init__(step, parameters, state, threads)
        self._data = [data_rows(given) for given in data]
        self._rows = len(self._data[0])
        self._batch = min(batch_size, self._rows)
        self._direct = self._batch == self._rows  # the batch is all of the data, as it lies
        if self._direct:
            self._data = [part.whole() for part in self._data]
        self._paths: dict[int, list[Path]] = {}
        for size in (self._batch, self._rows % self._batch):
            if size:
                self._paths[size] = [self._new_path(np.arange(size))]

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        return -(-self._rows // self._batch)

    @property
    def report(self) -> list[str]:
        """What was fused, for people."""
        return self._paths[self._batch][0].layout.report

    def run(
        self, order: np.ndarray[Any, Any], first: int, batches: int
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Do some batches of an epoch and return their costs.

        Parameters
        ----------
        order : ndarray of int64, shape (rows,) or (epochs * rows,)
            The rows in the order in which they are used; of several epochs where batches divide
            the rows.
        first, batches : int
            Where to begin, counted in batches, and how many to do.
        """
        n, size = self._rows, self._batch
        assert order.dtype == np.int64 and order.flags.c_contiguous and order.ndim == 1
        assert order.size == n or (order.size % n == 0 and n % size == 0)
        if size < n:
            assert order.min() >= 0 and order.max() < n
        last = min(first + batches, -(-order.size // size))
        costs = np.empty(max(last - first, 0))
        full = min(last, order.size // size)
        done = first
        if full > first:
            self._advance(size, order[first * size :], full - first, costs)
            done = full
        if last > done:
            self._advance(n % size, order[done * size :], 1, costs[done - first :])
        return costs

    def _advance(
        self, size: int, order: np.ndarray[Any, Any], count: int, costs: np.ndarray[Any, Any]
    ) -> None:
        """Do batches of a size, each on a path whose branches are the ones that Python takes."""
        paths = self._paths[size]
        done, missed = 0, False
        while done < count:
            rows, rest = order[done * size :], costs[done:]
            for path in paths:
                more = path.run(rows.ctypes.data, rest.ctypes.data, count - done)
                if more:
                    done, missed = done + more, False
                    break
            else:
                if len(paths) < MOST_PATHS:
                    paths.append(self._new_path(rows[:size], exact=missed))
                    missed = True
                else:
                    costs[done] = self._by_python(self._taken(rows[:size]))
                    done += 1

    def _taken(self, rows: np.ndarray[Any, Any]) -> list[Array]:
        if self._direct:
            return [part.array for part in self._data]
        return [part.take(rows) for part in self._data]

    def _new_path(self, chosen: np.ndarray[Any, Any], exact: bool = False) -> Path:
        """Return the step compiled for a batch of these rows, on the path that it takes there."""
        rows = None if self._direct else self._data
        path = self._compiled(self._taken(chosen), rows, exact=exact)
        if self._direct:
            for k, part in enumerate(self._data):
                path.frame[path.batch_slot + k] = part.array.ctypes.data
        return path
