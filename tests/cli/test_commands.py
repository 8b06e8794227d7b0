"""show, code and check, in this process: what they print, what they refuse, how they end."""

import ast
import json
import math
from pathlib import Path

import pytest

from chainrule.cli.main import COMMANDS
from chainrule.cli.main import chainrule as group
from tests.cli.support import invoke, write_files

A = ("(x + y) * z", "x=-2", "y=5", "z=-4")


@pytest.fixture(autouse=True)
def user_files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


# ------------------------------------------------------------------ every command


def test_every_module_with_a_command_is_listed():
    folder = Path(group.callback.__code__.co_filename).parent
    commands = set()
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                "click.command" in ast.unparse(d) for d in node.decorator_list
            ):
                commands.add(node.name)
                assert node.name == path.stem
    assert commands == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_says_what_it_does_and_has_examples(name, flag):
    done = invoke(name, flag)
    assert done.exit_code == 0
    assert f"Usage: chainrule {name}" in done.output
    assert COMMANDS[name].rstrip(".") in " ".join(done.output.split())
    assert "Examples:\n" in done.output
    assert f"chainrule {name} " in done.output.split("Examples:")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_documented(name):
    for option in group.get_command(None, name).params:
        if option.param_type_name == "option":
            assert option.help, option.name


def test_help_lists_every_command():
    done = invoke("--help")
    assert done.exit_code == 0
    for name, words in COMMANDS.items():
        assert f"  {name} " in done.output and words.split()[0] in done.output


def test_nothing_typed_shows_the_help():
    done = invoke()
    assert done.exit_code == 2 and "Commands:" in done.output


def test_version():
    done = invoke("--version")
    assert done.exit_code == 0 and done.output.startswith("chainrule")


def test_unknown_commands():
    done = invoke("shwo")
    assert done.exit_code == 2
    assert "there is no command 'shwo'. Did you mean 'show'?" in done.output
    done = invoke("x*y", "x=1")
    assert done.exit_code == 2 and "chainrule show 'x*y' ..." in done.output


# ------------------------------------------------------------------ show


def test_show_has_the_numbers_of_A():
    done = invoke("show", *A)
    assert done.exit_code == 0 and done.stderr == ""
    for number in ("-2", "5", "-4", "3", "-12"):
        assert number in done.stdout.split()
    assert "f = -12" in done.stdout
    assert "Backward pass" in done.stdout
    assert "\x1b" not in done.stdout


def test_show_quiet_is_the_table_alone():
    done = invoke("show", *A, "-q")
    assert done.exit_code == 0
    assert "gradient" in done.stdout and "Backward pass" not in done.stdout


def test_show_json_is_strict_and_whole():
    done = invoke("show", *A, "--json")
    data = json.loads(done.stdout, parse_constant=pytest.fail)
    assert data["value"] == -12
    assert data["gradients"] == {"x": -4, "y": -4, "z": 3}
    assert [w["gate"] for w in data["wires"]] == ["input", "input", "input", "add", "multiply"]
    assert data["wires"][3]["inputs"] == ["x", "y"] and data["wires"][3]["gradient"] == -4


def test_json_writes_what_json_has_no_number_for_as_text():
    done = invoke("show", "log(x) + y", "x=0", "y=nan", "--json")
    data = json.loads(done.stdout, parse_constant=pytest.fail)
    assert data["value"] == "nan"
    assert data["wires"][2]["value"] == "-inf" and data["gradients"]["x"] == "inf"


def test_show_of_an_array_has_no_gradients_and_is_no_failure():
    done = invoke("show", "demo.py:doubled", "x=[1,2]")
    assert done.exit_code == 0
    done = invoke("show", "demo.py:doubled", "x=[1,2]", "--json")
    data = json.loads(done.stdout)
    assert data["value"] == [2, 4] and data["gradients"] is None


def test_show_of_a_function_has_its_names_and_lines():
    done = invoke("show", "demo.py:neuron", "w=[2,-3,-3]", "x=[-1,-2]", "--json")
    data = json.loads(done.stdout)
    assert data["value"] == pytest.approx(0.731058578630004879, rel=1e-15)  # REFERENCE B
    wires = {wire["name"]: wire for wire in data["wires"]}
    assert wires["dot"]["line"] == 9 and wires["dot"]["gradient"] == pytest.approx(0.19661193324148)


def test_what_the_users_code_prints_goes_to_stderr():
    done = invoke("show", "demo.py:power", "x=3", "--json")
    json.loads(done.stdout)
    assert "importing" in done.stderr and "in power" in done.stderr


def test_colours_where_asked_for(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = invoke("show", *A).stdout
    assert "\x1b[32m" in coloured and "\x1b[31m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in invoke("show", *A).stdout


def test_colours_change_no_character(monkeypatch):
    from rich.text import Text

    for args in (("show", *A), ("code", *A), ("check", *A)):
        monkeypatch.setenv("FORCE_COLOR", "1")
        coloured = invoke(*args).stdout
        monkeypatch.delenv("FORCE_COLOR")
        plain = invoke(*args).stdout
        assert coloured != plain and Text.from_ansi(coloured).plain.strip() == plain.strip()


# ------------------------------------------------------------------ code


def test_code_is_a_module_that_runs():
    done = invoke("code", *A)
    assert done.exit_code == 0
    namespace = {}
    exec(done.stdout, namespace)
    assert namespace["forward_backward"](-2.0, 5.0, -4.0) == (-12, {"x": -4, "y": -4, "z": 3})


def test_code_as_a_listing():
    done = invoke("code", *A, "--style", "listing")
    assert done.exit_code == 0 and "# (1) 3" in done.stdout
    namespace = {}
    exec(done.stdout, namespace)
    assert (namespace["dx"], namespace["dy"], namespace["dz"]) == (-4, -4, 3)


def test_code_of_another_style_is_refused():
    assert invoke("code", *A, "--style", "poem").exit_code == 2


def test_code_json():
    data = json.loads(invoke("code", *A, "--json").stdout)
    assert data["style"] == "module" and "def forward_backward(" in data["code"]


def test_code_of_an_array_fails_with_one_clear_message():
    done = invoke("code", "demo.py:doubled", "x=[1,2]")
    assert done.exit_code == 1
    assert "an array of shape (2,)" in done.stderr
    assert "core.py" not in done.stderr  # click's line is not the user's


# ------------------------------------------------------------------ check


def test_check_passes():
    done = invoke("check", *A)
    assert done.exit_code == 0 and "passed" in done.stdout
    assert invoke("check", *A, "-q").stdout == ""


def test_check_json():
    data = json.loads(invoke("check", *A, "--json").stdout, parse_constant=pytest.fail)
    assert data["ok"] is True and data["failures"] == []


def test_check_finds_a_wrong_gate(monkeypatch):
    from dataclasses import replace

    from chainrule.gates import GATES
    from chainrule.tracing import formula_functions

    wrong = replace(GATES["sin"], local=(lambda out, x: 1.1,))
    monkeypatch.setitem(formula_functions.FUNCTIONS, "sin", wrong)
    done = invoke("check", "sin(x) * y", "x=1", "y=2", "-q")
    assert done.exit_code == 1
    assert "sin" in done.output
    assert invoke("check", "sin(x) * y", "x=1", "y=2", "--json").exit_code == 1


# ------------------------------------------------------------------ what is wrong with arguments


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["(x + y) * z", "x=-2"], 2, "needs values for y and z. Try:\n  chainrule show '(x + y)"),
        (["x + y", "x=1"], 2, "x + y needs a value for y. Try:\n  chainrule show 'x + y' x=1 y=1"),
        (["x + y", "x=1", "y=1", "zz=2"], 2, "x + y takes no 'zz'; it takes x, y."),
        (["x + y", "x=1", "x=1"], 2, "x is given twice"),
        (["x + y", "x"], 2, "'x' is not of the form name=value, such as x=-2."),
        (["x + y", "x="], 2, "x= has no value"),
        (["x + y", "x=a", "y=1"], 2, "x=a: numbers expected"),
        (["x + y", "x=[1,", "y=1"], 2, "x=[1,:"),
        (["x + y", "x=__import__('os')", "y=1"], 2, "x=__import__('os')"),
        (["x + y", "x=@no.npy", "y=1"], 2, "x=@no.npy: No such file"),
        (["x + y", "x=@demo.py", "y=1"], 2, "not a plain .npy file"),
        (["x.real", "x=1"], 2, "a formula has no attributes"),
        (["missing.py:f"], 2, "there is no file 'missing.py'"),
        (["dem.py:f"], 2, "Did you mean 'demo.py'?"),
        (["demo.py"], 2, "which function of demo.py? It has neuron, power"),
        (["demo.py:"], 2, "Write demo.py:neuron"),
        (["demo.py:neurn"], 2, "demo.py has no 'neurn'. Did you mean 'neuron'?"),
        (["demo.py:CONSTANT"], 2, "'CONSTANT' in demo.py is a float, not a function"),
        (["demo.py:Thing"], 2, "not a function"),
        (["demo.py:neuron", "w=[1]"], 2, "demo.py:neuron needs a value for x"),
        (["demo.py:power", "x=1", "n=2.5"], 2, "n=2.5: a whole number expected"),
        (["demo.py:power", "x=1", "q=2.5"], 2, "takes no 'q'; it takes x, n, scale"),
        (["demo.py:picky", "x=1", "flag=maybe", "label=a"], 2, "true or false expected"),
        (["demo.py:broken", "x=1"], 1, "demo.py:25: NameError: name 'nothing' is not defined"),
        (["demo.py:lost", "x=1"], 1, "demo.py:28: "),
        (["demo.py:neuron", "w=1", "x=2"], 1, "demo.py:9: "),
        (["syntax.py:f", "x=1"], 1, "syntax.py:2: invalid syntax"),
        (["name.py:f", "x=1"], 1, "name.py:3: NameError: name 'undefined' is not defined"),
        (["leaves.py:f", "x=1"], 1, "leaves.py ends the program while it is imported"),
    ],
)
def test_errors_are_one_clear_message(args, code, message):
    done = invoke("show", *args)
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert "core.py" not in done.stderr and "contextlib" not in done.stderr


def test_the_line_itself_is_shown():
    assert "    return y / nothing" in invoke("show", "demo.py:broken", "x=1").stderr


def test_verbose_shows_the_traceback():
    done = invoke("show", "demo.py:broken", "x=1", "-v")
    assert done.exit_code == 1 and "Traceback (most recent call last)" in done.stderr


def test_a_leading_minus_goes_after_two_dashes():
    done = invoke("show", "--json", "--", "-x * y", "x=3", "y=2")
    assert json.loads(done.stdout)["value"] == -6


def test_the_command_that_is_suggested_works():
    message = invoke("show", "(x + y) * z", "y=5").stderr
    import shlex

    words = shlex.split(message.split("Try:\n")[1].strip())
    assert words[:2] == ["chainrule", "show"]
    assert invoke(*words[1:]).exit_code == 0


# ------------------------------------------------------------------ functions and values


def value(*args):
    done = invoke("show", *args, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["value"]


def test_whole_numbers_become_floats_unless_the_parameter_is_an_int():
    assert value("demo.py:power", "x=3") == 9
    assert value("demo.py:power", "x=3", "n=3") == 27
    assert value("demo.py:power", "x=3", "scale=2") == 18
    assert value("demo.py:power", "n=3", "scale=2", "x=1/2") == 0.25


def test_texts_and_truths():
    assert value("demo.py:picky", "x=3", "flag=true", "label=a b") == 3
    assert value("demo.py:picky", "x=3", "flag=no", "label=a b") == -3


def test_any_names():
    assert value("demo.py:any_names", "p=2", "q=3") == 6


def test_imports_from_the_files_own_folder_also_late_ones(tmp_path, monkeypatch):
    import sys

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = sys.path[:]
    assert value("../demo.py:imported", "x=3") == 9
    assert sys.path == before


def test_values_from_files(tmp_path):
    import numpy as np

    np.save(tmp_path / "w.npy", np.array([2.0, -3.0, -3.0]))
    np.save(tmp_path / "x.npy", np.array([-1.0, -2.0], np.float32))
    assert value("demo.py:neuron", "w=@w.npy", "x=@x.npy") == pytest.approx(0.73105857863)


def test_files_that_need_pickle_are_refused(tmp_path):
    import numpy as np

    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    done = invoke("show", "x", "x=@evil.npy")
    assert done.exit_code == 2 and "not a plain .npy file" in done.stderr
    np.save(tmp_path / "text.npy", np.array(["a"]))
    assert "numbers expected" in invoke("show", "x * 1", "x=@text.npy").stderr


def test_numbers_in_many_forms():
    for text, expected in [
        ("1e-3", 1e-3), (".5", 0.5), ("1/4", 0.25), ("-pi/2", -math.pi / 2), ("1_000", 1000),
    ]:  # fmt: skip
        assert value("x * 1", f"x={text}") == expected
    assert value("sum(w @ x)", "w=[[1, 2], [3, 4]]", "x=[1, 1]") == 10


# ------------------------------------------------------------------ stdin


def test_formula_from_stdin():
    done = invoke("show", "-", *A[1:], "--json", input="(x + y) * z\n")
    assert json.loads(done.stdout)["value"] == -12


def test_nothing_on_stdin_is_refused():
    assert invoke("show", "-", input="").exit_code == 2


HOSTILE = [
    "__import__('os').system('touch hacked')",
    "open('hacked', 'w')",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: 1)()",
    "[x for x in (1, 2)]",
    "f'{x}'",
    "exec('1')",
    "x if (y := 1) else 2",
    "9**9**9**9**x.y",
    "(" * 500 + "x" + ")" * 500,
    "x" * 100_000,
    "import os",
    "x; y = open",
    "\x00",
]


@pytest.mark.parametrize("formula", HOSTILE)
@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_hostile_formulas_are_refused_without_running(formula, way, tmp_path):
    if way == "stdin":
        done = invoke("show", "-", "x=1", input=formula)
    else:
        done = invoke("show", "--", formula, "x=1")
    assert done.exit_code == 2, done.output
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert not (tmp_path / "hacked").exists()
