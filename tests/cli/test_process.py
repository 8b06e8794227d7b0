"""The command line as a real process: streams, pipes, signals, and how long it takes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.support import COMMAND, environment, run, write_files

A = ("(x + y) * z", "x=-2", "y=5", "z=-4")


def test_show():
    done = run("show", *A)
    assert done.returncode == 0 and done.stderr == ""
    assert "f = -12" in done.stdout and "\x1b" not in done.stdout


def test_exit_codes(tmp_path):
    write_files(tmp_path)
    assert run("show", "x.y", "x=1").returncode == 2
    assert run("show", "--nonsense").returncode == 2
    assert run("nonsense").returncode == 2
    done = run("show", "demo.py:broken", "x=1", folder=tmp_path)
    assert done.returncode == 1
    assert "demo.py:25: NameError" in done.stderr and "Traceback" not in done.stderr


def test_the_names_of_the_program():
    assert "python -m chainrule show" in run("show", "x", "--help").stdout
    assert "python -m chainrule show x x=1" in run("show", "x").stderr


def test_stdin():
    done = run("show", "-", *A[1:], "--json", stdin="(x + y) * z")
    assert json.loads(done.stdout)["value"] == -12


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_colour(changes):
    assert "\x1b" not in run("show", *A, FORCE_COLOR="1", **{"NO_COLOR": "1"} | changes).stdout
    assert "\x1b" not in run("show", *A, **changes).stdout


def test_an_ascii_screen_is_no_error():
    done = run("show", "x * π", "x=1", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [("show", *A), ("code", *A), ("--help",)])
def test_a_closed_pipe_is_no_traceback(args):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [*COMMAND, *args], stdout=closed, stderr=subprocess.PIPE, env=environment(), timeout=60
        )
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
@pytest.mark.parametrize("args", [("show", *A), ("train", "digits", "--epochs", "1", "-q")])
def test_a_full_disk_behind_stdout_is_named(args):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60
        )
    assert done.stderr == b"Error: No space left on device.\n"
    assert done.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="streams are closed so in POSIX's shells")
@pytest.mark.parametrize(
    ("stream", "code", "said"),
    [("0<&-", 1, "Error: the input cannot be read as a table: it is empty.\n"), ("1>&-", 0, ""),
     ("2>&-", 0, "")],
)  # fmt: skip
def test_a_closed_stream_is_an_empty_one(stream, code, said):
    source = "-" if "0" in stream else "digits"
    command = shlex.join([*COMMAND, "train", source, "--epochs", "1", "-q"])
    done = subprocess.run(
        f"{command} {stream}", shell=True, capture_output=True, text=True, env=environment(),
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, said)
    assert ("test images" in done.stdout) == (stream == "2>&-")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c_keeps_what_the_tour_has_learned():
    process = subprocess.Popen(
        [*COMMAND, "tour", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    )
    assert "training: vanilla" in process.stderr.readline()
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    (run,) = json.loads(stdout)["training"]
    assert not run["is_complete"] and 0 <= run["held_out_accuracy"] <= 1


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_ctrl_c_elsewhere(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import sys, time\nprint('here', file=sys.stderr, flush=True)\ntime.sleep(30)\n"
    )
    process = subprocess.Popen(
        [*COMMAND, "show", "slow.py:f", "x=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment(),
    )
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in stderr and "Traceback" not in stderr and stdout == ""


def test_help_imports_no_rich():
    program = (
        "import sys\n"
        "from chainrule.cli.main import main\n"
        "main(['--help'])\n"
        "sys.exit('rich' in sys.modules or 'chainrule.cli.show' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr
