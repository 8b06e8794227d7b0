"""Every option of every command: a test that gives it, a page that tells of it."""

import ast
import os
import re
from pathlib import Path

import pytest

from chainrule.cli import bench
from chainrule.cli.main import COMMANDS
from chainrule.cli.main import chainrule as group
from tests.cli.support import invoke, write_files

OPTIONS = [
    (command, (*parameter.opts, *parameter.secondary_opts))
    for command in COMMANDS
    for parameter in group.get_command(None, command).params
    if parameter.param_type_name == "option"
]
READERS = ("show", "step", "ledger", "latex", "code", "check")  # of formulas and functions


@pytest.fixture(autouse=True)
def user_files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)


def named(option):
    return f"{option[0]} {option[1][0]}"


@pytest.fixture(scope="module")
def words_of_tests():
    """Return the texts in each test of the command line."""
    found = []
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        texts = {n.value for n in tree if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        found.append({text.partition("=")[0] for text in texts})
    return found


@pytest.mark.parametrize("option", OPTIONS, ids=named)
def test_some_test_gives_it(option, words_of_tests):
    command, names = option
    wanted = set(names[:1]) | {n for n in names if n.startswith("--no-")}
    short = {n for n in names if not n.startswith("--")}
    for words in words_of_tests:
        if command in words and (wanted <= words or words & short):
            return
    pytest.fail(f"no test gives {', '.join(sorted(wanted))} to chainrule {command}")


@pytest.mark.parametrize("option", OPTIONS, ids=named)
def test_some_page_tells_of_it(option, pytestconfig):
    command, names = option
    known = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in names))
    for path in [*pytestconfig.rootpath.glob("docs/**/*.md"), pytestconfig.rootpath / "README.md"]:
        text = path.read_text("utf-8")
        if f"chainrule {command}" in text and known.search(text):
            return
    pytest.fail(f"no page tells of {' or '.join(names)} of chainrule {command}")


# ------------------------------------------------------------------ those that commands share


@pytest.mark.parametrize("command", READERS)
def test_verbose_shows_the_traceback(command):
    args = (command, "demo.py:broken", "x=1")
    assert "Traceback (most recent call last)" in invoke(*args, "-v").stderr
    assert "Traceback" not in invoke(*args).stderr


@pytest.mark.parametrize("command", READERS)
def test_quiet_is_only_the_result(command):
    args = (command, "(x + y) * z", "x=-2", "y=5", "z=-4")
    quiet, aloud = invoke(*args, "-q"), invoke(*args)
    assert quiet.exit_code == aloud.exit_code == 0
    assert len(quiet.output) <= len(aloud.output)
    assert command in ("code", "latex") or len(quiet.output) < len(aloud.output)


def test_quiet_and_verbose_of_the_tour(monkeypatch):
    args = ("tour", "--quick", "--json")
    assert invoke(*args, "-q").stderr == "" and "training" in invoke(*args).stderr

    def broken():
        raise ValueError("broken")

    monkeypatch.setattr("chainrule.cli.tour._traced", broken)
    assert "Traceback" in invoke(*args, "-v").stderr
    assert "Traceback" not in invoke(*args).stderr


def test_data_and_verbose_of_bench(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", "elsewhere")  # and put back what --data makes of it
    program, folders = bench._benchmarks(), []

    def run(names, **options):
        folders.append(os.environ["CHAINRULE_DATA"])
        raise ValueError("broken")

    monkeypatch.setattr(program, "run", run)
    assert "Traceback" in invoke("bench", "W1", "--data", tmp_path, "-v").stderr
    assert "Traceback" not in invoke("bench", "W1").stderr
    assert folders[0] == str(tmp_path)


def test_the_largest_contributions_alone():
    args = ("ledger", "x * x + x * y + x", "x=3", "y=2", "--wire", "x")
    assert "via" in invoke(*args).stdout
    # By hand: y = 2 and 2 x = 6 through the products, 1 beside them.
    said = invoke(*args, "--largest", 1).stdout
    assert "the other 2 paths, together" in said and "dx = 9" in said
