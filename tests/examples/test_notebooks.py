"""The notebooks run from top to bottom without Jupyter, and what they show is a picture."""

from __future__ import annotations

import ast
import json
import linecache
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import chainrule as cr

FOLDER = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_ID = re.compile(r"^[a-zA-Z0-9-_]{1,64}$")


def cells_of(file):
    return json.loads(file.read_text("utf-8"))["cells"]


def run(file):
    """Run the code cells in order; return what each would display, None where nothing."""
    namespace = {"__name__": "__main__"}
    shown = []
    for number, cell in enumerate(cells_of(file)):
        if cell["cell_type"] != "code":
            continue
        text = "".join(cell["source"])
        name = f"<{file.stem}, cell {number}>"
        # As IPython does, so that lines and names of what is traced can be told.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        tree = ast.parse(text, name)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), namespace)
        value = None
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        shown.append(value)
    return shown


def test_there_are_three():
    names = {file.stem for file in NOTEBOOKS}
    assert names == {"lecture", "network", "your_own_function"}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_shows_pictures(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shown = run(file)
    pictures = [value for value in shown if hasattr(value, "picture") or hasattr(value, "svg")]
    assert len(pictures) >= 2
    for value in pictures:
        bundle = value._repr_mimebundle_()
        ElementTree.fromstring(bundle["image/svg+xml"])
        assert bundle["text/plain"]
        assert value._repr_mimebundle_() == bundle  # the same ids each time
    for value in shown:
        if isinstance(value, Path):
            assert value.exists()
    assert "\x1b[" not in capsys.readouterr().out


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_valid_and_has_no_outputs(file):
    text = file.read_text("utf-8")
    book = json.loads(text)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids) and all(map(CELL_ID.match, ids))
    for cell in book["cells"]:
        required = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            required |= {"execution_count", "outputs"}
            assert cell["outputs"] == [] and cell["execution_count"] is None
        assert set(cell) == required
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert text.endswith("}\n")


def test_a_circuit_shows_itself():
    c = cr.trace("(x + y) * z", x=-2, y=5, z=-4)
    bundle = c._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/svg+xml", "text/latex", "text/plain"]
    image = ElementTree.fromstring(bundle["image/svg+xml"])
    texts = [element.text for element in image.iter() if element.tag.endswith("text")]
    assert {"-2.00", "5.00", "-4.00", "3.00", "-12.00", "1.00"} <= set(texts)
    assert bundle["text/html"].startswith('<img alt="Forward pass Given x = -2.00')
    assert "<script" not in bundle["text/html"] + bundle["image/svg+xml"]
    assert r"\begin{align*}" in bundle["text/latex"]
    assert bundle["text/plain"] == str(c)


def test_only_what_is_wanted_is_written():
    c = cr.trace("x * y", x=2, y=3)
    assert list(c._repr_mimebundle_(include={"text/plain"})) == ["text/plain"]
    assert "text/html" not in c._repr_mimebundle_(exclude={"text/html"})


def test_a_circuit_without_gradients_shows_itself_too():
    bundle = cr.trace(lambda x: (x, x * 2.0), 2.0)._repr_mimebundle_()
    assert ElementTree.fromstring(bundle["image/svg+xml"]) is not None


def test_a_report_shows_itself_escaped():
    report = cr.trace("x * y", x=2, y=3).check()
    bundle = report._repr_mimebundle_()
    assert bundle["text/plain"] == str(report)
    assert "&#10003; gradient check: passed" in bundle["text/html"]

    def wrong(p, x):
        return {"<b>": 0.0}

    report = cr.check_gradients(
        lambda p, x: p["<b>"] * x, {"<b>": 2.0}, 3.0, argnums=0, gradient=wrong
    )
    shown = report._repr_mimebundle_()["text/html"]
    assert "&#10007; gradient check: FAILED" in shown and "<b>" not in shown
