"""A training step that is given its batches one by one, and reads them where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .data_rows import Array
from .training_step import MOST_PATHS, Path, TrainingStep


class Fed(TrainingStep):
    """A compiled step for batches that come from outside.

    Parameters
    ----------
    step : callable
        `step(parameters, state, *batch) -> (cost, parameters, state)`.
    parameters, state : containers of arrays and floats
        What training begins with; copied.
    batch : sequence of ndarray
        What the batches are like; only their number of rows may be another.
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
        batch: Sequence[Array],
        *,
        threads: int | None = None,
    ) -> None:
        super().__init__(step, parameters, state, threads)
        self._like = [(array.dtype, array.shape[1:]) for array in batch]
        self._cost = np.empty(1)
        self._cost_at = self._cost.ctypes.data
        self._paths = {len(batch[0]): [self._compiled(batch, None, exact=False)]}

    def feed(self, batch: Sequence[Array]) -> float:
        """Do one batch and return its cost.

        Parameters
        ----------
        batch : sequence of ndarray
            Contiguous and aligned, of the dtypes and row shapes of the first; read, not kept.
        """
        size = len(batch[0])
        addresses = []
        # There are no bounds in machine code.
        for array, (dtype, shape) in zip(batch, self._like, strict=True):
            assert array.dtype == dtype and array.shape == (size, *shape)
            assert array.flags.carray or (array.flags.c_contiguous and array.flags.aligned)
            addresses.append(array.ctypes.data)
        paths = self._paths.get(size)
        if paths is None:
            paths = self._paths[size] = [self._compiled(batch, None, exact=False)]
        if self._done(paths, addresses):
            return float(self._cost[0])
        for exact in (False, True):
            if len(paths) < MOST_PATHS:
                paths.append(self._compiled(batch, None, exact=exact))
                if self._done(paths[-1:], addresses):
                    return float(self._cost[0])
        return self._by_python(batch)

    def _done(self, paths: Sequence[Path], addresses: Sequence[int]) -> bool:
        """Try the paths and return whether the batch was done on one of them."""
        for path in paths:
            frame, first = path.frame, path.batch_slot
            for k, address in enumerate(addresses, first):
                frame[k] = address
            if path.run(0, self._cost_at, 1):
                return True
        return False
