"""Callbacks save what can be gone on with, and end a training in time."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

import chainrule as cr
from chainrule.training import callbacks
from chainrule.training.callbacks import Checkpoint, StopAfter
from chainrule.training.checkpoint import load_metadata
from chainrule.training.logs import Log

DATA = np.linspace(0.0, 1.0, 12)


def cost(w, x):
    return np.mean((w - x) ** 2)


def train(epochs, callback=None, state=None, w=3.0):
    return cr.fit(
        cost, w, DATA, epochs=epochs, batch_size=4, seed=0, state=state, callback=callback,
        optimizer=cr.Adam(0.1), machine="python",
    )  # fmt: skip


def test_a_checkpoint_can_be_gone_on_with_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save, seen = Checkpoint("new/run.safetensors", notes={"name": "a"}), []
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = tmp_path / "new" / "run.safetensors"
    train(3, [save, lambda epoch, result: seen.append(cr.load_fit(path).epochs)])
    assert seen == [1, 2, 3] and os.listdir(tmp_path / "elsewhere") == []
    assert load_metadata(path)["notes"] == {"name": "a"}
    half = cr.load_fit(path)
    rest = train(4, state=half.state, w=half.parameters)
    assert rest.parameters == train(7).parameters


def test_every_other_epoch_counted_over_all_calls(tmp_path):
    path = tmp_path / "run.safetensors"
    result = train(3, Checkpoint(path, every=2))
    assert cr.load_fit(path).epochs == 2
    train(1, Checkpoint(path, every=2), state=result.state, w=result.parameters)
    assert cr.load_fit(path).epochs == 4
    with pytest.raises(ValueError, match="every must be at least 1, not 0"):
        Checkpoint(path, every=0)
    assert repr(Checkpoint(path)) == f"Checkpoint({str(path)!r}, every=1)"


def test_log_and_checkpoint_of_a_training_that_was_killed(tmp_path):
    # Killed between the log of epoch 3 and its checkpoint: the log is an epoch ahead.
    path, log = tmp_path / "run.safetensors", tmp_path / "run.csv"

    def killed(epoch, result):
        if epoch == 3:
            raise SystemExit

    with pytest.raises(SystemExit):
        train(9, [Log(log), killed, Checkpoint(path)])
    assert len(log.read_text().splitlines()) == 4 and cr.load_fit(path).epochs == 2
    half = cr.load_fit(path)
    train(3, [Log(log), Checkpoint(path)], state=half.state, w=half.parameters)
    lines = log.read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in lines] == [1, 2, 3, 4, 5]
    whole = train(5).history["cost"]
    assert [float(line.split(",")[1]) for line in lines] == whole


def test_stop_after(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: now[0])
    stop = StopAfter(60)

    def wait(epoch, result):
        now[0] += 25.0

    result = train(9, [wait, stop])
    assert result.epochs == 3  # at 75 seconds
    assert result.history.notes == ["stopped after epoch 3: 60 s were over"]
    assert repr(stop) == "StopAfter(60)"


@pytest.mark.parametrize("seconds", [0, -1.0, math.inf, math.nan])
def test_no_time(seconds):
    with pytest.raises(ValueError, match=r"test_callbacks.py:\d+: seconds must be more than 0"):
        StopAfter(seconds)
