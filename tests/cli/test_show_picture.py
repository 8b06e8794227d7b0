"""The pictures of `chainrule show`: in the terminal by default, in files on request."""

import re
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.picture import say_picture
from chainrule.face import trace
from tests.cli.support import invoke, write_files

A = ("(x + y) * z", "x=-2", "y=5", "z=-4")


@pytest.fixture(autouse=True)
def user_files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_picture_comes_first():
    picture, table, words = invoke("show", *A).stdout.split("\n\n", 2)
    assert picture.startswith("   -2.00\nx ──") and "├─(×)──────────▸ f" in picture
    assert table.startswith("Circuit(") and "Forward pass" in words


def test_it_fits_the_width(monkeypatch):
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        done = invoke("show", "demo.py:neuron", "w=[2,-3,-3]", "x=[-1,-2]")
        picture = done.stdout.split("Circuit(")[0]
        assert max(map(len, picture.splitlines())) <= width and "▸ f" in picture


def test_its_colours(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    picture = invoke("show", *A).stdout.split("Circuit(")[0]
    assert "\x1b[32m-2.00" in picture and "\x1b[31m-4.00" in picture


def test_a_screen_of_ascii(capsys, monkeypatch):
    class Ascii:
        encoding = "ascii"

        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

        def isatty(self):
            return False

    screen = Ascii()
    monkeypatch.setattr("sys.stdout", screen)
    say_picture(trace("x * y", x=1, y=2).picture())
    assert screen.text.isascii() and "(*)" in screen.text


def test_files(tmp_path):
    done = invoke("show", *A, "--svg", "a.svg", "--html", "a.html", "--theme", "dark")
    assert done.exit_code == 0 and done.stdout == ""
    assert done.stderr == "wrote a.svg\nwrote a.html\n"
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text("utf-8"))
    assert root.get("class") == "chainrule dark"
    assert "<svg" in (tmp_path / "a.html").read_text("utf-8")


def test_png(tmp_path):
    pytest.importorskip("resvg_py")
    assert invoke("show", *A, "--png", "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_svg_on_stdout():
    done = invoke("show", *A, "--svg", "-")
    assert ElementTree.fromstring(done.stdout).get("role") == "img" and done.stderr == ""


def test_a_file_that_cannot_be_written():
    done = invoke("show", *A, "--svg", "no/such/a.svg")
    assert done.exit_code == 1 and "no/such/a.svg: No such file" in done.stderr


def test_sigmoids_and_groups():
    command = ("show", "demo.py:neuron", "w=[2,-3,-3]", "x=[-1,-2]")
    assert "(σ)" in invoke(*command, "--sigmoid", "gate").stdout
    assert "(eˣ)" in invoke(*command, "--group", "none").stdout
    assert "[dot = w[0] * x[0] + w[1...]" in invoke(*command, "--group", "line").stdout
    done = invoke(*command, "--group", "colour")
    assert done.exit_code == 2 and "'none', 'line', 'name', 'function', 'layer'" in done.stderr


def test_a_function_that_returns_arrays_has_a_picture():
    done = invoke("show", "W @ x", "W=[[1,2],[3,4]]", "x=[1,2]")
    assert done.exit_code == 0 and "(2,) float64" in done.stdout


def test_a_network_by_its_defaults():
    """The tour's 64-30-10 network: layers, shapes, and the norm of the gradient on each wire."""
    file = Path(__file__).parents[2] / "examples" / "digits_network.py"
    done = invoke("show", f"{file}:network")
    for said in (
        "(20, 64) float64",
        "(64, 30) float64",
        "(30, 10) float64",
        "hidden ──",
        "output ──",
    ):
        assert said in done.stdout
    circuit = trace(*_network(file))
    for name in ("weights_0", "weights_2", "hidden", "error"):
        norm = float(np.linalg.norm(circuit[name].gradient))
        assert re.search(rf"norm {norm:.2f}", done.stdout), name


def _network(file):
    module = runpy.run_path(str(file))
    return module["network"], *module["network"].__defaults__
