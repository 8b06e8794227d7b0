"""A log has each epoch once, in whole lines, also after kills, resumptions and full disks."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataFileError
from chainrule.training.logs import Log
from chainrule.training.result import FitResult, FitState

DATA = np.linspace(0.0, 1.0, 12)


def cost(w, x):
    return np.mean((w - x) ** 2)


def train(epochs, *callbacks, state=None, w=3.0, **options):
    return cr.fit(
        cost, w, DATA, epochs=epochs, batch_size=4, seed=0, state=state, callback=list(callbacks),
        machine="python", **options,
    )  # fmt: skip


def told(epoch, /, **numbers):
    """Return what a callback is given: epoch, and a result with these lists."""
    return epoch, FitResult(0.0, cr.History(numbers), FitState({}, epochs=epoch), epoch)


def objects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


# ---------------------------------------------------------------------- what is written


def test_json_lines(tmp_path):
    path = tmp_path / "new folder" / "run.jsonl"  # which is made
    result = train(3, Log(path), validation=lambda w: {"val_accuracy": 0.5})
    found = objects(path)
    assert [list(entry) for entry in found] == [["epoch", "cost", "val_accuracy", "seconds"]] * 3
    assert [entry["epoch"] for entry in found] == [1, 2, 3]
    assert [entry["cost"] for entry in found] == result.history["cost"]  # to the bit


def test_csv(tmp_path):
    path = tmp_path / "run.csv"
    result = train(3, Log(path))
    assert path.read_text().splitlines()[0] == "epoch,cost,seconds"
    assert [int(row["epoch"]) for row in rows(path)] == [1, 2, 3]
    assert [float(row["cost"]) for row in rows(path)] == result.history["cost"]


def test_it_is_there_while_the_training_runs(tmp_path):
    path, seen = tmp_path / "run.jsonl", []
    train(3, Log(path), lambda epoch, result: seen.append(len(objects(path))))
    assert seen == [1, 2, 3]


def test_what_is_not_finite(tmp_path):
    entry = told(3, cost=[1.0, 2.0, math.nan], up=[0.0, math.inf, -math.inf])
    for name in ("run.jsonl", "run.csv"):
        Log(tmp_path / name)(*entry)

    def no_constant(text):
        pytest.fail(f"{text} is no JSON")

    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    found = [json.loads(line, parse_constant=no_constant) for line in lines]
    assert [entry["up"] for entry in found] == [0.0, "inf", "-inf"]
    assert found[2]["cost"] == "nan" and math.isnan(float(found[2]["cost"]))
    assert [row["up"] for row in rows(tmp_path / "run.csv")] == ["0.0", "inf", "-inf"]


def test_pandas_reads_them(tmp_path):
    pandas = pytest.importorskip("pandas")
    for name in ("run.jsonl", "run.csv"):
        Log(tmp_path / name)(*told(2, cost=[1.5, math.nan], up=[math.inf, 2.0]))
    frame = pandas.read_json(tmp_path / "run.jsonl", lines=True)
    assert frame["cost"].dtype == frame["up"].dtype == float
    assert frame["cost"].tolist()[0] == 1.5 and frame["up"].tolist() == [math.inf, 2.0]
    assert pandas.read_csv(tmp_path / "run.csv")["up"].tolist() == [math.inf, 2.0]


def test_names_that_would_break_a_line(tmp_path):
    for name in ("run.jsonl", "run.csv"):
        log = Log(tmp_path / name)
        for epoch in (1, 2):
            log(*told(epoch, **{'a,"b"\n\u2028': [1.0] * epoch, "epoch": [7.0] * epoch}))
        assert Log(tmp_path / name)._journal.begin(9) == 2  # type: ignore[attr-defined]
    assert [entry["epoch"] for entry in objects(tmp_path / "run.jsonl")] == [1, 2]
    assert [row["epoch"] for row in rows(tmp_path / "run.csv")] == ["1", "2"]
    assert list(rows(tmp_path / "run.csv")[0]) == ["epoch", 'a,"b"']


def test_a_program_that_changes_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = Log("run.jsonl")
    log(*told(1, cost=[1.0]))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    log(*told(2, cost=[1.0, 0.5]))
    assert len(objects(tmp_path / "run.jsonl")) == 2
    assert repr(log) == f"Log({str(tmp_path / 'run.jsonl')!r})"


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_a_training_that_goes_on_goes_on_with_its_log(tmp_path, name):
    whole, parts = tmp_path / f"whole-{name}", tmp_path / name
    train(6, Log(whole))
    half = train(2, Log(parts))
    # It went on to epoch 4, but the checkpoint is of epoch 2.
    train(2, Log(parts), state=half.state, w=half.parameters)
    train(4, Log(parts), state=half.state, w=half.parameters)

    def costs(path):
        found = objects(path) if name == "run.jsonl" else rows(path)
        return [(int(entry["epoch"]), float(entry["cost"])) for entry in found]

    assert costs(parts) == costs(whole) and len(costs(whole)) == 6


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_a_training_from_the_start_begins_it_anew(tmp_path, name):
    log = Log(tmp_path / name)
    log(*told(2, cost=[1.0, 2.0], old=[1.0, 2.0]))
    log(*told(1, cost=[3.0]))  # with the same log
    assert "old" not in (tmp_path / name).read_text()
    Log(tmp_path / name)(*told(1, cost=[4.0]))  # and with another
    text = (tmp_path / name).read_text()
    assert text in ('{"epoch": 1, "cost": 4.0}\n', "epoch,cost\n1,4.0\n")


def test_epochs_told_several_at_a_time(tmp_path):
    log = Log(tmp_path / "run.jsonl")
    log(*told(5, cost=[1.0, 2.0]))  # 4 and 5, of a training that goes on
    log(*told(8, cost=[1.0, 2.0, 3.0, 4.0, 5.0]))
    assert [(entry["epoch"], entry["cost"]) for entry in objects(tmp_path / "run.jsonl")] == [
        (4, 1.0), (5, 2.0), (6, 3.0), (7, 4.0), (8, 5.0),
    ]  # fmt: skip


def test_new_names_widen_the_header(tmp_path):
    path = tmp_path / "run.csv"
    Log(path)(*told(2, cost=[1.0, 2.0]))
    Log(path)(*told(3, cost=[3.0], val_cost=[4.0]))
    assert path.read_text() == "epoch,cost,val_cost\n1,1.0,\n2,2.0,\n3,3.0,4.0\n"
    Log(path)(*told(4, cost=[5.0]))
    assert path.read_text().endswith("4,5.0,\n")


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_half_a_line_is_cut_off(tmp_path, name):
    path = tmp_path / name
    Log(path)(*told(3, cost=[1.0, 2.0, 3.0]))
    whole = path.read_bytes()
    for cut in (1, 3):  # only the line's end is gone; more of it
        path.write_bytes(whole[:-cut])
        Log(path)(*told(4, cost=[1.0, 2.0, 3.0, 4.0]))
        assert path.read_bytes()[: len(whole)] == whole  # the history still knew the third
        assert len(path.read_bytes().splitlines()) == len(whole.splitlines()) + 1


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x,y\n1,2\n"), ("b.csv", "epoch,cost\nfirst,1.0\n"), ("c.csv", "\n"),
        ("d.jsonl", '{"text": "a data set"}\n'), ("e.jsonl", "[1, 2]\n"), ("f.jsonl", "7\n"),
        ("g.jsonl", '{"epoch": "1"}\n'), ("h.jsonl", "[" * 100_000 + "\n"), ("i.csv", b"\xff\n"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_log_is_left_alone(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(DataFileError, match=r"test_logs.py:\d+: .* is there, but is no log"):
        Log(path)
    assert path.read_bytes() == before


def test_errors_come_before_the_training(tmp_path):
    with pytest.raises(ValueError, match=r"test_logs.py:\d+: a log is a file that ends in .jsonl"):
        Log(tmp_path / "run.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Log(tmp_path / "file" / "run.csv")
    with pytest.raises(OSError, match="file"):
        Log(tmp_path / "file" / "board")


# ---------------------------------------------------------------------- kills


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_a_killed_process_leaves_whole_lines(tmp_path, name):
    path = tmp_path / name
    program = textwrap.dedent(f"""
        from chainrule.training.history import History
        from chainrule.training.logs import Log
        from chainrule.training.result import FitResult, FitState
        history, log = History(), Log({str(path)!r})
        for epoch in range(1, 10**9):
            history.record(cost=1 / epoch, seconds=1e-3)
            log(epoch, FitResult(0.0, history, FitState({{}}), epoch))
            if epoch == 200:
                print("far enough", flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and b"far" in process.stdout.readline()
        process.kill()
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[-1].endswith(b"\n")
    epochs = [
        entry["epoch"] for entry in (objects(path) if name == "run.jsonl" else rows(path))
    ]  # fmt: skip
    assert [int(epoch) for epoch in epochs] == list(range(1, len(epochs) + 1)) and len(epochs) > 199


def test_cutting_off_leaves_the_old_file_or_the_new(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    Log(path)(*told(4, cost=[1.0, 2.0, 3.0, 4.0]))
    before, log = path.read_bytes(), Log(path)

    def fails(*paths):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="full"):
            log(*told(3, cost=[1.0, 2.0, 3.0]))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run.jsonl"]
    log(*told(3, cost=[1.0, 2.0, 3.0]))
    assert len(objects(path)) == 3


# ---------------------------------------------------------------------- TensorBoard


def events(folder):
    """Return what TensorBoard's files say: files with their versions, starts and numbers.

    The records are taken apart by hand, their content is read by the protocol buffers of
    tensorboardX.
    """
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            found.append(proto.Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return found


def numbers(folder):
    return [(e.step, v.tag, v.simple_value) for e in events(folder) for v in e.summary.value]


def test_tensorboard(tmp_path):
    board, seen = tmp_path / "board", []
    result = train(2, Log(board), lambda epoch, result: seen.append(len(numbers(board))))
    assert seen == [2, 4]  # a cost and a time an epoch, there before the next begins
    costs = [(step, value) for step, tag, value in numbers(board) if tag == "cost"]
    expected = np.asarray(result.history["cost"], np.float32).tolist()
    assert costs == [(1, expected[0]), (2, expected[1])]
    train(2, Log(board), state=result.state, w=result.parameters)
    assert [step for step, tag, _ in numbers(board) if tag == "cost"] == [1, 2, 3, 4]
    found = events(board)
    assert [e.file_version for e in found if e.file_version] == ["brain.Event:2"] * 2
    starts = [e for e in found if e.HasField("session_log")]
    assert [(e.step, e.session_log.status) for e in starts] == [(1, 1), (3, 1)]
    assert all(abs(e.wall_time - time.time()) < 3600 for e in found)


def test_tensorboard_reads_it_and_its_checksums(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = tmp_path / "board"
    Log(board)(*told(300, cost=[float(k) for k in range(300)]))
    Log(board)(*told(3, cost=[-1.0]))  # it went on from the second
    Log(board)(*told(4, cost=[math.inf, -1e300]))
    events = reader.EventAccumulator(str(board)).Reload().Scalars("cost")
    assert [(e.step, e.value) for e in events] == [(3, -1.0), (4, -math.inf)]


def test_a_folder_that_is_there_is_for_tensorboard(tmp_path):
    (tmp_path / "v1.2").mkdir()
    Log(tmp_path / "v1.2")(*told(1, cost=[1.0]))
    assert numbers(tmp_path / "v1.2")[-1] == (1, "cost", 1.0)
    Log(f"{tmp_path / 'rate0.1'}/")(*told(1, cost=[1.0]))
    assert numbers(tmp_path / "rate0.1") == [(1, "cost", 1.0)]


def test_with_other_callbacks(tmp_path):
    result = train(9, Log(tmp_path / "run.jsonl"), lambda epoch, result: epoch == 4)
    assert result.epochs == 4 == len(objects(tmp_path / "run.jsonl"))
    assert replace(result).history.entries == 4
