"""`chainrule train` stopped in the middle, as a real process: what it leaves, how it goes on."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

import chainrule as cr
from tests.cli.support import COMMAND, environment, run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")

EPOCHS = "80"
ARGS = (
    "train",
    "digits",
    "--epochs",
    EPOCHS,
    "--hidden",
    "64",
    "--dropout",
    "0.2",
    "--threads",
    "1",
)
ARGS += ("--schedule", "cosine", "-q")


def started(folder, *args):
    """Start a training and return its process once the first epoch is in its file."""
    process = subprocess.Popen(
        [*COMMAND, *ARGS, "--save", "run.safetensors", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=folder,
        env=environment(),
    )
    until = time.monotonic() + 60
    while not (folder / "run.safetensors").exists():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.005)
    return process


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the network of a training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(*ARGS, "--save", "run.safetensors", folder=folder)
    assert done.returncode == 0, done.stderr
    return cr.Network.load(folder / "run.safetensors")


def alike(one, two):
    pairs = zip([*one.parameters, *one.carried], [*two.parameters, *two.carried], strict=True)
    return all(a[name].tobytes() == b[name].tobytes() for a, b in pairs for name in a)


def test_killed_it_goes_on_to_the_bit(tmp_path, whole):
    process = started(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = cr.Network.load(tmp_path / "run.safetensors").history.entries
    assert 1 <= done < int(EPOCHS)
    resumed = run("train", "digits", "--save", "run.safetensors", "--resume", "-q", folder=tmp_path)
    assert resumed.returncode == 0 and resumed.stdout.startswith(f"{EPOCHS} epochs")
    net = cr.Network.load(tmp_path / "run.safetensors")
    assert alike(net, whole)
    assert net.history["cost"] == whole.history["cost"]
    assert [name for name in os.listdir(tmp_path) if name.startswith("run")] == ["run.safetensors"]


def test_after_ctrl_c_it_goes_on_to_the_bit(tmp_path, whole):
    process = started(tmp_path, "--json", "--log", "run.jsonl")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    told = json.loads(stdout)
    assert told["interrupted"] and 1 <= told["epochs"] < int(EPOCHS)
    assert cr.Network.load(tmp_path / "run.safetensors").history.entries == told["epochs"]
    again = ("--save", "run.safetensors", "--resume", "--log", "run.jsonl", "-q")
    resumed = run("train", "digits", *again, folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert alike(cr.Network.load(tmp_path / "run.safetensors"), whole)
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, int(EPOCHS) + 1))


def test_ctrl_c_tells_how_far_it_came(tmp_path):
    process = started(tmp_path)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.match(rf"interrupted after \d+ of {EPOCHS} epochs in ", stdout)
    assert "test images" in stdout and "saved in run.safetensors" in stdout


def test_in_a_terminal_there_are_colours_and_a_curve(tmp_path):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "train", "digits", "--epochs", "3"],
        stdout=follower,
        stderr=follower,
        cwd=tmp_path,
        env=environment(TERM="xterm-256color", COLUMNS="80"),
    )
    os.close(follower)
    written = b""
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # Linux's way to say that nobody writes any more
            break
        if not part:
            break
        written += part
    os.close(leader)
    assert process.wait(timeout=60) == 0
    text = written.decode()
    assert "\x1b[36m" in text and "│" in text and "test images" in text
    assert max(len(re.sub(r"\x1b\[[\d;?]*\w", "", line)) for line in text.split("\r\n")[3:]) <= 80
