"""Wires bear the names and lines of the user's source, wherever the source is."""

from __future__ import annotations

import linecache
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def names(circuit: Any) -> list[str]:
    """Return the names of the gates' wires, in forward order."""
    return [wire.name for wire in circuit.wires.values() if wire.gate != "input"]


def lines(circuit: Any) -> list[int]:
    """Return their lines, from the function's first one on."""
    return [wire.line for wire in circuit.wires.values() if wire.gate != "input"]


def defined(source: str, file: str, name: str = "f") -> Any:
    """Execute source as a REPL or a notebook does, and return a function of it."""
    space: dict[str, Any] = {"math": math, "np": np}
    exec(compile(source, file, "exec"), space)
    return space[name]


# ---------------------------------------------------------------------- where the source is

STAGED = """\
def f(x, y):
    num = x + y
    den = (
        x * y
        - 3.0
    )
    return num / den
"""


@pytest.mark.parametrize(
    "file", ["<stdin>", "<python-input-3>", "<ipython-input-7-0123456789ab>", "<string>"]
)
def test_code_without_a_file(file):
    c = cr.trace(defined(STAGED, file), 2.0, 5.0)
    assert names(c) == ["num", "t1", "den", "f"]
    assert lines(c) == [2, 4, 4, 7]
    assert {w.file for w in c.wires.values() if w.gate != "input"} == {file}
    assert c["num"].source == ""
    assert "dnum" in c.code("listing")


def test_a_notebook_cell_with_its_lines_in_linecache():
    file = "/tmp/ipykernel_1/2345.py"  # how IPython names cells; there is no such file
    linecache.cache[file] = (len(STAGED), None, STAGED.splitlines(keepends=True), file)
    try:
        c = cr.trace(defined(STAGED, file), 2.0, 5.0)
        assert c["num"].source == "num = x + y"
        assert c["num"].line == 2
    finally:
        del linecache.cache[file]


def test_code_in_a_file(tmp_path):
    path = tmp_path / "user.py"
    path.write_text(STAGED)
    c = cr.trace(defined(STAGED, str(path)), 2.0, 5.0)
    assert c["den"].file == str(path)
    assert c["num"].source == "num = x + y"
    assert c["f"].source == "return num / den"


def test_errors_name_the_line(tmp_path):
    source = "def f(x):\n    y = x * 2\n    return float(y)\n"
    with pytest.raises(cr.errors.LostTraceError, match=r"^<stdin>:3: the traced value 'y'"):
        cr.trace(defined(source, "<stdin>"), 1.0)


# ---------------------------------------------------------------------- how names are given


def test_lambdas_get_short_names():
    c = cr.trace(lambda x, y: (x + y) * x - math.exp(y), 2.0, 5.0)
    assert names(c)[:3] == ["t1", "t2", "t3"]
    assert len(set(c.wires)) == len(c.wires)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("q = x + y; return q * x", ["q", "f"]),
        ("q = r = x + y; return q * r", ["q", "f"]),
        ("a, b = x + y, x * y; return a - b", [None, None, "f"]),
        ("return (q := x + y) * q", ["q", "f"]),
        ("if (q := x * y) > 3: q = q + 1.0\n    return q * x", ["q_1", None, "q", "f"]),
        ("t = x; t += y; t *= x; return t", ["t_1", "t"]),
        ("q = np.exp(x); r = math.sin(y); return q * r", ["q", "r", "f"]),
        ("q = abs(x); r = -y; s = max(q, r); return s * q", ["q", "r", None, "f"]),
        ("q: float = x * y\n    return q + x", ["q", "f"]),
        ("return x * y", ["f"]),
    ],
)
def test_assignments(body, expected):
    c = cr.trace(defined(f"def f(x, y):\n    {body}\n", "<stdin>"), 2.0, 5.0)
    found = names(c)
    assert len(found) == len(expected)
    for name, wanted in zip(found, expected, strict=True):
        assert name == wanted or wanted is None


def test_attributes_name_wires():
    class Cell:
        def run(self, x, w):
            self.h = x * w
            self.out = self.h + x
            return self.out * 2.0

    c = cr.trace(Cell().run, 2.0, 3.0)
    assert names(c) == ["h", "out", "run"]


def test_results_of_helpers_bear_the_callers_names():
    def square(t):
        return t * t

    def twice_squared(t):
        return square(t)

    def f(x):
        a = square(x)
        b = twice_squared(a)
        return a + b

    c = cr.trace(f, 2.0)
    assert names(c) == ["a", "b", "f"]


def test_loops_number_all_but_the_last():
    def f(x):
        y = x
        for _ in range(3):
            y = y * x
        return y

    def g(x):
        y = x
        for _ in range(3):
            y = y * x
        return y + 1.0

    assert names(cr.trace(f, 2.0)) == ["y_1", "y_2", "y"]
    assert names(cr.trace(g, 2.0)) == ["y_1", "y_2", "y", "g"]


def test_closures_and_globals_name_wires():
    source = """\
def f(x):
    global kept
    kept = x * 2.0
    inner = None
    def helper():
        nonlocal inner
        inner = kept + x
        return inner * x
    out = helper()
    return out - x
"""
    assert names(cr.trace(defined(source, "<stdin>"), 3.0)) == ["kept", "inner", "out", "f"]


# ---------------------------------------------------------------------- names in the way


def test_names_like_inputs_keywords_and_gradients():
    def f(x, dx, d, math, np):
        dd = d * dx
        lambda_ = dd + x
        x = lambda_ * math
        dx = x + np
        f = dx * d
        return f

    point = (1.0, 2.0, 3.0, 4.0, 5.0)
    c = cr.trace(f, *point)
    assert len(set(c.wires)) == len(c.wires)
    assert list(c.wires)[:3] == ["x", "dx", "d"]
    value, gradients = c.machine("staged")(*point)
    assert value == c.value and gradients == c.gradients
    assert gradients == {"x": 12.0, "dx": 36.0, "d": 57.0, "math": 21.0, "np": 3.0}
    space: dict[str, Any] = {}
    exec(c.code("listing"), space)


def test_names_of_gates_and_builtins():
    def f(sigmoid, sum, abs):
        exp = sigmoid * sum
        max = np.maximum(exp, abs)
        sign = np.sign(max) * abs
        return 1.0 / (1.0 + math.exp(-sign)) + max

    point = (1.0, 2.0, 3.0)
    c = cr.trace(f, *point)
    assert c.machine("staged")(*point) == c.machine("interpret")(*point)


@pytest.mark.parametrize(
    "title", ["f\nimport os", "<lambda>", "class", "", "é", "__init__", "x", "math"]
)
def test_odd_function_names(title):
    def f(x):
        return x * x

    f.__name__ = title
    c = cr.trace(f, 3.0)
    code = c.code()
    assert "import os" not in code
    assert c.machine("staged")(3.0) == (9.0, {"x": 6.0})
    assert all(name.isidentifier() for name in c.wires)
    assert "\n" not in repr(c)


def test_names_that_are_not_ascii_are_no_variables_in_code():
    source = "def f(α):\n    β = α * α\n    return β + α\n"
    c = cr.trace(defined(source, "<stdin>"), 3.0)
    assert c.code().replace("{'α':", "").isascii()  # the key of its gradient alone
    assert c.machine("staged")(3.0) == (12.0, {"α": 7.0})


def test_names_in_containers():
    def f(params, layers):
        return params["W1"] * params["two words"] * layers[0]["b"] + layers[1][0]

    c = cr.trace(f, {"W1": 2.0, "two words": 3.0}, [{"b": 4.0}, (5.0,)])
    assert list(c.wires)[:4] == ["W1", "params_two_words", "layers_0_b", "layers_1_0"]


def test_math_is_reached_wherever_it_is_imported(tmp_path, monkeypatch):
    """In helpers of other modules too, which the traced function calls by name or by module."""
    (tmp_path / "their_helpers.py").write_text(
        "from math import exp as e\n\n\ndef helper(x):\n    return e(x) * x\n\n\n"
        "class Model:\n    def run(self, x):\n        return e(x)\n"
    )
    (tmp_path / "their_program.py").write_text(
        "import their_helpers as h\nfrom their_helpers import helper, Model\n\n\n"
        "def by_name(x):\n    return helper(x)\n\n\ndef by_module(x):\n    return h.helper(x)\n\n\n"
        "def by_class(x):\n    return x * Model().run(x)\n\n\n"
        "def inside(x):\n    return sum(helper(x) for _ in range(1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import their_helpers  # type: ignore[import-not-found]
    import their_program  # type: ignore[import-not-found]

    for name in ("by_name", "by_module", "by_class", "inside"):
        gradient = cr.grad(getattr(their_program, name))(1.0)
        assert gradient == pytest.approx(2 * math.e, rel=1e-15)
    assert their_helpers.e is math.exp  # put back
