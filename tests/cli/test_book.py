"""`chainrule train ... --book`: the book's experiment, told as the book does."""

import json
import re
import signal
import subprocess

import pytest

from chainrule.data import load_digits
from chainrule.nielsen import network
from tests.cli.small_files import write_files
from tests.cli.support import COMMAND, environment, invoke


def test_it_is_the_books_network(capsys):
    done = invoke("train", "digits", "--book", "--epochs", 4, "--dtype", "float64", "--seed", 3)
    assert done.exit_code == 0 and done.stderr == ""
    train, test = load_digits().split(0)
    training, held_out = (
        [(x.reshape(64, 1), int(y)) for x, y in zip(part.images, part.labels, strict=True)]
        for part in (train, test)
    )
    net = network.Network([64, 30, 10], seed=3)
    net.SGD(training, 4, 10, 3.0, test_data=held_out)
    lines = capsys.readouterr().out.splitlines()
    assert done.stdout.splitlines()[: len(lines)] == lines
    best = int(max(net.history["correct"]))
    assert f"best: {best} / 359 read right, {best / 359:.2%}, after epoch" in done.stdout
    assert re.search(r"4 epochs in [\d.]+ m?s, with reading and compiling", done.stdout)


def test_dead_outputs_are_named():
    args = ("train", "digits", "--book", "--epochs", 1, "--seed", 1)
    said = invoke(*args).stdout
    assert "Note: output 8 is dead" in said
    assert invoke(*args, "-q").stdout.count("Note: output 8 is dead") == 1
    assert "Epoch" not in invoke(*args, "-q").stdout
    told = json.loads(invoke(*args, "--json").stdout)
    assert any(note.startswith("output 8 is dead") for note in told["dead_outputs"])


def test_json_has_the_numbers_and_stderr_the_lines():
    done = invoke(
        "train", "digits", "--book", "--json", "--epochs", 2, "--hidden", "12,11", "--eta", 2.5,
        "--batch-size", 20,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert "Epoch 1: " in done.stderr
    assert (told["sizes"], told["eta"], told["mini_batch_size"]) == ([64, 12, 11, 10], 2.5, 20)
    assert told["best_correct"] == max(told["history"]["correct"])
    assert not told["interrupted"]


def test_a_cost_that_is_no_number():
    done = invoke("train", "digits", "--book", "--epochs", 1, "--eta", 1e39)
    assert done.exit_code == 1
    assert "in epoch 1" in done.stderr and "Take a smaller --learning-rate." in done.stderr


def test_mnist_from_a_folder(tmp_path):
    write_files(tmp_path)
    done = invoke("train", "mnist", "--book", "--epochs", 1, "--data", tmp_path / "data")
    assert done.exit_code == 0 and re.match(r"Epoch 0: \d+ / 10\n", done.stdout)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are POSIX's")
def test_ctrl_c_ends_it_with_what_was_learned():
    process = subprocess.Popen(
        [*COMMAND, "train", "digits", "--book", "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(PYTHONUNBUFFERED="1"),
    )
    assert process.stdout.readline().startswith("Epoch 0: ")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped by Ctrl-C after" in stdout and "best: " in stdout
    assert "Traceback" not in stderr
