"""Batches that another thread makes ahead of time, while the step before them runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_POLL = 0.1  # seconds after which a thread looks whether anybody still wants its batches


class Prefetched:
    """The batches of each epoch, made in a thread of their own. Made by `prefetch`.

    Calling it with the number of an epoch gives an iterator over them.
    """

    def __init__(self, batches: Callable[[int], Iterable[Any]], ahead: int) -> None:
        self._batches, self._ahead = batches, ahead

    def __call__(self, epoch: int) -> Iterator[Any]:
        """Return the batches of an epoch, counted from 0; its thread ends with the iterator."""
        made: queue.Queue[tuple[bool, Any]] = queue.Queue(self._ahead)
        ended = threading.Event()
        thread = threading.Thread(
            target=_make, args=(self._batches, epoch, made, ended), daemon=True
        )
        thread.start()
        try:
            while True:
                is_batch, given = made.get()
                if is_batch:
                    yield given
                elif given is None:
                    return
                else:
                    raise given
        finally:
            ended.set()  # whoever stops early leaves no thread behind
            thread.join()


def prefetch(batches: Callable[[int], Iterable[Any]], ahead: int = 2) -> Prefetched:
    """Have batches made in another thread, some ahead of the one in use.

    It pays where making one takes long and lets other threads run meanwhile, as reading files,
    unpacking and NumPy's work on large arrays do. Each batch must be made of arrays of its own: one
    that is written over while the step reads it would be nonsense.

    Parameters
    ----------
    batches : callable
        Gives the batches of an epoch by its number, from 0 on.
    ahead : int
        How many are made before they are wanted; so many are in memory at once, and two more.

    Returns
    -------
    Prefetched
        To give `fit` as its data.

    Raises
    ------
    TypeError
        If it is not callable.
    ValueError
        If none is to be made ahead.

    Examples
    --------
    >>> def batches(epoch):
    ...     for k in range(3):
    ...         yield epoch, k
    >>> list(prefetch(batches)(7))
    [(7, 0), (7, 1), (7, 2)]
    """
    if not callable(batches):
        raise TypeError(
            "prefetch wants a function that gives the batches of an epoch by its number, not "
            f"{type(batches).__name__}: write lambda epoch: batches"
        )
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, not {ahead!r}")
    return Prefetched(batches, ahead)


def _make(
    batches: Callable[[int], Iterable[Any]],
    epoch: int,
    made: queue.Queue[tuple[bool, Any]],
    ended: threading.Event,
) -> None:
    try:
        for batch in batches(epoch):
            if not _put(made, (True, batch), ended):
                return
        _put(made, (False, None), ended)
    except BaseException as error:  # for whoever waits for the batch
        _put(made, (False, error), ended)


def _put(
    made: queue.Queue[tuple[bool, Any]], item: tuple[bool, Any], ended: threading.Event
) -> bool:
    """Hand something on; return whether anybody still wants it."""
    while not ended.is_set():
        try:
            made.put(item, timeout=_POLL)
        except queue.Full:
            continue
        return True
    return False
