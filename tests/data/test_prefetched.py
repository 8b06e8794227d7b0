"""Batches made in another thread: the same, in the same order, and no thread is left."""

from __future__ import annotations

import threading
import time

import pytest

from chainrule.data import prefetch


def counting(epoch):
    yield from ((epoch, k) for k in range(20))


@pytest.mark.parametrize("ahead", [1, 2, 50])
def test_the_same_batches_in_order(ahead):
    batches = prefetch(counting, ahead)
    for epoch in (0, 3):
        assert list(batches(epoch)) == list(counting(epoch))
    assert list(prefetch(lambda epoch: [])(0)) == []


def test_it_runs_ahead_and_no_further():
    made = []

    def noting(epoch):
        for batch in counting(epoch):
            made.append(batch)
            yield batch

    iterator = prefetch(noting, 3)(0)
    next(iterator)
    for _ in range(200):  # until the thread stands still
        if len(made) == 5:
            break
        time.sleep(0.01)
    time.sleep(0.02)
    assert len(made) == 5  # the one in use, three ahead, one in hand
    iterator.close()
    assert len(made) <= 6


def test_who_stops_early_leaves_no_thread():
    before = threading.active_count()
    closed = []

    def closing(epoch):
        try:
            yield from counting(epoch)
        finally:
            closed.append(epoch)

    iterator = prefetch(closing)(0)
    next(iterator)
    iterator.close()
    assert threading.active_count() == before
    del iterator
    assert closed == [0]


def test_an_error_comes_where_the_batch_would_have():
    def failing(epoch):
        yield 1
        raise OSError("the disk is gone")

    iterator = prefetch(failing)(0)
    assert next(iterator) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(iterator)


def test_what_cannot_be_prefetched():
    with pytest.raises(TypeError, match=r"wants a function that gives the batches .* not list"):
        prefetch([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ahead must be at least 1, not 0"):
        prefetch(counting, 0)
