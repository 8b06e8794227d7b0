"""`chainrule step`, `ledger` and `latex`: plain output, JSON, and keys in a real terminal."""

import json
import os
import select
import sys
import time

import pytest

from tests.cli.support import COMMAND, environment, invoke, write_files

FORMULA = ("q = x * x + y; q * x", "x=3", "y=-4")


def test_all_steps_without_a_terminal():
    done = invoke("step", *FORMULA)
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == "step 1 of 3   f = q * x"
    assert "dx = 5.00 + 9.00 = 14.00   (fork: 2 of 3)" in done.output


def test_quiet_is_a_line_a_step():
    done = invoke("step", *FORMULA, "-q", "--notation", "nabla")
    assert done.output.splitlines() == [
        "1/3 f = q * x: ∇f = 1.00 gives ∇q = 3.00; ∇x = 5.00",
        "2/3 q = t1 + y: ∇q = 3.00 gives ∇t1 = 3.00; ∇y = 3.00",
        "3/3 t1 = x * x: ∇t1 = 3.00 gives ∇x = 5.00 + 9.00 = 14.00; ∇x = 14.00 + 9.00 = 23.00",
    ]


def test_json():
    steps = json.loads(invoke("step", *FORMULA, "--json").output)
    assert [s["wire"] for s in steps] == ["f", "q", "t1"]
    assert [a["after"] for a in steps[2]["added"]] == [14.0, 23.0]
    assert steps[0]["added"][0]["before"] is None


def test_breaks_select_steps():
    done = invoke("step", *FORMULA, "-q", "--break", "q")
    assert [line[:3] for line in done.output.splitlines()] == ["1/3", "2/3"]
    done = invoke("step", *FORMULA, "--break", "p")
    assert done.exit_code == 1 and "no wire is called 'p'" in done.output


def test_a_function_in_a_file(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = invoke("step", "demo.py:neuron", "w=[2,-3,-3]", "x=[-1,-2]", "-q")
    assert done.exit_code == 0 and "ddot = 0.20" in done.output  # REFERENCE B


@pytest.mark.parametrize("command", ["step", "ledger", "latex"])
def test_refusals(command):
    assert invoke(command, "x *", "x=1").exit_code == 2
    assert invoke(command, "x * y", "x=1").exit_code == 2
    assert invoke(command, "x * z", "x=1", "z=1", "q=2").exit_code == 2


# ---------------------------------------------------------------------- keys


class Terminal:
    """A real terminal with the command in it."""

    def __init__(self, *arguments):
        pty = pytest.importorskip("pty")
        self.child, self.screen = pty.fork()
        if self.child == 0:  # pragma: no cover
            values = environment(TERM="xterm", NO_COLOR="1")
            os.execvpe(sys.executable, [*COMMAND, *arguments], values)
        self.text = ""

    def until(self, expected):
        """Read until the text has been seen since the last call; return what came."""
        start, seen = time.monotonic(), ""
        while expected not in seen:
            assert time.monotonic() - start < 20, f"no {expected!r} in {seen!r}"
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    seen += os.read(self.screen, 4096).decode()
                except OSError:  # the child has ended
                    assert expected == "", f"ended without {expected!r}: {seen!r}"
                    break
        return seen.replace("\r\n", "\n")

    def keys(self, keys, expected):
        """Type, and read until the text comes."""
        os.write(self.screen, keys.encode())
        return self.until(expected)

    def end(self):
        """Return the exit code."""
        _, status = os.waitpid(self.child, 0)
        os.close(self.screen)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_keys_walk_forward_and_back():
    terminal = Terminal("step", *FORMULA)
    assert "3 steps" in terminal.until("df = 1.00\n".replace("\n", "\r\n"))
    assert "dx = 5.00  (fork: 1 of 3)" in terminal.keys("n", "(fork: 1 of 3)")
    terminal.keys(" ", "dy = 3.00")
    assert "(2 more to come)" in terminal.keys("w", "to come")
    terminal.keys("n", "= 23.00")
    terminal.keys("n", "every gradient is complete")
    terminal.keys("p", "step 2 of 3")
    terminal.keys("p", "step 1 of 3")
    terminal.keys("p", "df = 1.00")
    terminal.keys("p", "at the start")
    terminal.keys("b", "break on wire")
    terminal.keys("nope\n", "no wire is called 'nope'")
    terminal.keys("b", "break on wire")
    terminal.keys("t1\n", "step 2 of 3")
    terminal.keys("c", "step 3 of 3")
    terminal.keys("?", "q quit")
    os.write(terminal.screen, b"q")
    assert terminal.end() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_arrows_breaks_and_control_c():
    terminal = Terminal("step", *FORMULA, "--break", "y")
    terminal.until("dy = 3.00")
    terminal.keys("\x1b[C", "step 3 of 3")
    terminal.keys("\x1b[D", "step 2 of 3")
    os.write(terminal.screen, b"\x03")
    assert terminal.end() == 130


# ---------------------------------------------------------------------- ledger and latex


def test_ledger():
    done = invoke("ledger", *FORMULA, "--wire", "x")
    assert done.output.splitlines() == [
        "dx = 23",
        "  18  via q",
        "   5  straight to the output",
        "  --",
        "  23  the sum of 2 paths",
    ]
    every = json.loads(invoke("ledger", *FORMULA, "--json").output)
    assert [book["wire"] for book in every] == ["x", "y"]
    layers = invoke("ledger", *FORMULA, "--layers").output
    assert layers.splitlines()[0].split() == [
        "wire",
        "shape",
        "norm",
        "of",
        "gradient",
        "gain",
        "feeds",
    ]
    assert "Did you mean" in invoke("ledger", "abc * 2", "abc=1", "--wire", "abd").output


def test_latex():
    done = invoke("latex", *FORMULA, "--part", "formula")
    assert done.output.splitlines() == [
        r"\begin{align*}",
        r"f &= \left(x \cdot x + y\right) \cdot x",
        r"\end{align*}",
    ]
    assert r"\documentclass{article}" in invoke("latex", *FORMULA, "--document").output
    assert (
        r"\nabla_{q} f"
        in json.loads(invoke("latex", *FORMULA, "--json", "--notation", "nabla").output)["latex"]
    )
