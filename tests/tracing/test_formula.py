"""Formulas: what they compute, what they refuse, and that nothing of theirs is ever run."""

import builtins
import contextlib
import itertools
import math
import re
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import FormulaError
from chainrule.gates import GATES, inputs_of, settings_of
from chainrule.tracing.formula import parse
from chainrule.tracing.formula_functions import ALIASES, FUNCTIONS
from chainrule.tracing.formula_text import CHARACTERS


def value_of(text, **values):
    return parse(text).evaluate(values)


# ---------------------------------------------------------------------- what they compute

POINT = {"x": -2.0, "y": 5.0, "z": -4.0}
PYTHON = {
    name: getattr(math, name)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "pi", "e", "tau", "inf")
}
ORDINARY = """
x
2
+x
--x
(x + y) * z
x - y - z
x / y / z
y ** 2
x ** 3
x ** -2
-x ** 2
2 ** 3 ** 2
2 ** -1
y ** 0.5
x // 3
x % 3
y % x
1e3 * x + 0x10 + 1_000
exp(x) * sin(y) + log(y)
sqrt(y) * tanh(z) - cos(x)
abs(x) + max(x, y, z) - min(x, y)
2 * (x * y + max(z, -1))
pi * y ** 2 + e + tau
x if x > y else y
x if x < y else y
(x if y > 0 else y) if z > 0 else z
1 if x < y < 10 else 2
1 if x < y > 10 else 2
1 if x < y and y < z else 2
1 if x < y or y < z else 2
1 if not x < y else 2
1 if x == -2 and y != 4 and z <= -4 and z >= -4 else 2
""".strip().split("\n")


@pytest.mark.parametrize("text", [*ORDINARY, "(x +  # it isn't × \n  y)  # a comment"])
def test_ordinary_formulas_agree_with_python(text):
    expected = eval(text, dict(PYTHON), dict(POINT))
    given_values = {name: POINT[name] for name in parse(text).names}
    result = value_of(text, **given_values)
    assert type(result) is float
    assert result == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "truth"),
    [("x < y", True), ("x < y < z", False), ("x < y and not y < z", True), ("x > y or 0", False)],
)
def test_comparisons_alone_are_truth_values(text, truth):
    values = {name: POINT[name] for name in parse(text).names}
    assert bool(value_of(text, **values)) is truth


def test_arrays_agree_with_numpy():
    X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    w = np.array([0.5, -1.0, 2.0])
    for text, expected in [
        ("X @ w", X @ w),
        ("matmul(X, w) + [1, -2.5]", X @ w + [1, -2.5]),
        ("sum(X, axis=0)", X.sum(axis=0)),
        ("mean(X, axis=(0, 1)) * w", X.mean() * w),
        ("X - max(X, axis=1, keepdims=True)", X - X.max(axis=1, keepdims=True)),
        ("maximum(X, 3) * where(w > 0, w, 0)", np.maximum(X, 3) * np.where(w > 0, w, 0)),
        ("X[0] + X[-1, 1:] [0] * w", X[0] + X[-1, 1:][0] * w),
        ("X[:, ::2] @ [[1], [2]] + w[1]", X[:, ::2] @ np.array([[1], [2]]) + w[1]),
        ("w if w > 0 else -w", np.abs(w)),
        ("X % 2 + X // 2 + w ** 2", X % 2 + X // 2 + w**2),
    ]:
        names = parse(text).names
        values = {name: {"X": X, "w": w}[name] for name in names}
        np.testing.assert_allclose(value_of(text, **values), expected, rtol=1e-15, err_msg=text)


def test_sigmoid_neuron():
    # The lecture's numbers, to float64.
    text = "dot = w0*x0 + w1*x1 + w2; f = sigmoid(dot)"
    f = value_of(text, w0=2, x0=-1, w1=-3, x1=-2, w2=-3)
    assert f == pytest.approx(0.7310585786300049, rel=1e-15)


def test_statements_name_their_parts():
    seen = []
    formula = parse("q = x + y\n    f = q * z; f")
    assert formula.names == ("x", "y", "z")
    result = formula.evaluate({"x": -2, "y": 5, "z": -4}, lambda *pair: seen.append(pair))
    assert result == -12.0
    assert seen == [("q", 3.0), ("f", -12.0)]
    assert value_of("x = x + 1; x * x", x=2) == 9.0


def test_names_stand_in_order_of_first_appearance():
    assert parse("b * a + (c if d > b else a)").names == ("b", "a", "c", "d")


def test_an_input_wins_over_a_constant():
    formula = parse("e * x")
    assert formula.names == ("x",)
    assert formula.evaluate({"x": 1.0}) == math.e
    assert formula.inputs({"x": 1.0, "e": 2.0}) == ("e", "x")
    assert formula.evaluate({"x": 1.0, "e": 2.0}) == 2.0
    assert value_of("e = 3 * x; e", x=1.0) == 3.0


def test_greek_letters_are_names():
    assert value_of("σ * θ_1 + π", σ=2.0, θ_1=3.0) == 6.0 + math.pi


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} & {*dir(math)} - {"prod"}))
def test_functions_called_as_in_math_give_what_math_gives(name):
    count = 2 if name in ("atan2", "hypot", "pow", "fmod", "ldexp") else 1
    point = (1.5, 0.5)[:count] if name == "acosh" else (0.5, 0.25)[:count]
    result = value_of(f"{name}{point}" if count > 1 else f"{name}({point[0]})")
    assert result == pytest.approx(getattr(math, name)(*point), rel=1e-15)


def test_aliases_lead_to_gates():
    assert {alias: FUNCTIONS[alias].name for alias in ALIASES} == ALIASES
    assert set(ALIASES.values()) <= set(GATES)


def test_python_and_numpy_agree_that_nan_is_not_hidden():
    assert value_of("1 / 0") == math.inf
    assert math.isnan(value_of("inf - inf"))
    assert math.isnan(value_of("(0 - 8) ** 0.5"))
    assert value_of("2.0 ** 10000") == math.inf


def test_small_exponents_stay_integers():
    # The reading of the circuit then says x ** 2, not x ** 2.0.
    pushed = [step.what for step in parse("x ** 2 * 3 ** -1").steps if step.kind == "push"]
    assert [(type(v), v) for v in pushed] == [(int, 2), (float, 3.0), (int, -1)]


class Drawn:
    """The least that a traced value is: it takes the gates it meets."""

    def __init__(self, name):
        self.name = name

    def __gate__(self, gate, inputs, settings):
        inside = ", ".join(v.name if isinstance(v, Drawn) else repr(v) for v in inputs)
        return Drawn(f"{gate.name}({inside}{settings or ''})")

    def __getitem__(self, key):
        return Drawn(f"{self.name}[{key}]")


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("(x + y) * 2", "multiply(add(x, y), 2.0)"),
        ("x ** 2", "power(x, 2)"),
        ("max(x, 3, y)", "maximum(maximum(x, 3.0), y)"),
        ("x if x > 0 else y", "where(greater(x, 0.0), x, y)"),
        ("0 < x < y", "logical_and(less(0.0, x), less(x, y))"),
        ("sigmoid(-x[1])", "sigmoid(negative(x[1]))"),
        ("softmax(x, axis=0)", "softmax(x{'axis': 0})"),
    ],
)
def test_traced_values_are_drawn_with_gates(text, drawn):
    values = {name: Drawn(name) for name in parse(text).names}
    assert value_of(text, **values).name == drawn


# ---------------------------------------------------------------------- agreement on any tree

numbers = st.floats(0.001, 1000).map(repr) | st.integers(0, 9).map(str)
trees = st.recursive(
    numbers | st.sampled_from("xyz"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
        st.tuples(inner, inner).map("{0[0]} - -{0[1]}".format),
        st.tuples(inner, st.integers(0, 3)).map("({0[0]}) ** {0[1]}".format),
        st.tuples(inner, inner, inner).map("max({0[0]}, {0[1]}, -({0[2]}))".format),
        st.tuples(inner, inner, inner, inner).map(
            "({0[0]} if {0[1]} < {0[2]} <= 3 else {0[3]})".format
        ),
        inner.map("sin({})".format),
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(trees, st.tuples(*[st.floats(-5, 5)] * 3))
def test_any_tree_agrees_with_python(text, point):
    """Python evaluates text that this test wrote itself; the formula must say the same."""
    values = dict(zip("xyz", point, strict=True))
    try:
        expected = eval(text, {"max": max, "sin": math.sin}, values)
    except (OverflowError, ValueError):  # where Python gives up, NumPy says inf or nan
        return
    formula = parse(text)
    result = formula.evaluate({name: values[name] for name in formula.names})
    assert result == pytest.approx(expected, rel=1e-12, abs=1e-300, nan_ok=True)


@settings(deadline=None, max_examples=300)
@given(
    st.text(max_size=60) | st.text("xy01.+-*/^()[]{}=<>,;:!@%&|~'\"\\ \n_lambdifeornt", max_size=60)
)
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(FormulaError):
        parse(text)


# ---------------------------------------------------------------------- what they refuse

HOSTILE = {
    "": "the formula is empty",
    "# nothing": "the formula is empty",
    "__import__('os').system('true')": "no text",
    "__import__(os).system(true)": "no attributes such as .system",
    "__import__(os)": "two underscores",
    "__builtins__": "two underscores",
    "().__class__.__bases__[0].__subclasses__()": "no attributes such as .__subclasses__",
    "x.__class__": "no attributes such as .__class__",
    "x.real": "no attributes such as .real",
    "np.exp(x)": r"write exp\(\.\.\.\)",
    "x.T @ y": r"write transpose\(x\)",
    "x.sum()": "no attributes such as .sum",
    "eval(1)": "no function 'eval'",
    "exec(x)": "no function 'exec'",
    "open('/etc/passwd')": "no text",
    "open(0)": "no function 'open'",
    "compile(x)": "no function 'compile'",
    "getattr(x, y)": "no function 'getattr'",
    "globals()": "no function 'globals'",
    "breakpoint()": "no function 'breakpoint'",
    "print(x)": "no function 'print'",
    "(lambda: x)()": "only functions can be called",
    "lambda x: x": "no functions of its own",
    "[x for x in y]": "no loops",
    "{x: y}": "no dictionaries",
    "{x, y}": "no sets",
    "{x for x in y}": "no loops",
    "{x: x for x in y}": "no loops",
    "sum(x for x in y)": "no loops",
    "f'{x}'": "no text",
    "f'{__import__(\"os\")}'": "no text",
    "'x' * 9": "no text",
    "b'x'": "no text",
    "x + 1j": "no complex numbers",
    "None": "None is no number",
    "True": "write 1",
    "...": "is no number",
    "(y := x) + y": "no :=",
    "exp(*x)": "write the inputs one by one",
    "exp(**x)": "no .*settings",
    "[*x]": "plain numbers",
    "[1, x]": "plain numbers",
    "[[1, 2], [3]]": "same length",
    "[[1, 2], 3]": "same length",
    "[[[1]]]": "plain numbers",
    "x[y]": "a subscript is",
    "x[1.5]": "a subscript is",
    "x[None]": "a subscript is",
    "x['a']": "no text",
    "x[exp(1)]": "a subscript is",
    "x[99999999]": "a subscript is",
    "await x": "await",
    "yield x": "'yield' is a word of Python's",
    "x = yield": "'yield' is a word of Python's",
    "(yield x)": "no yield",
    "import os": "'import' is a word of Python's",
    "from os import *": "'from' is a word of Python's",
    "def f(): pass": "'def' is a word of Python's",
    "class A: pass": "'class' is a word of Python's",
    "while x: x": "'while' is a word of Python's",
    "for x in y: x": "'for' is a word of Python's",
    "if x: y": "this is no formula",
    "with x: y": "'with' is a word of Python's",
    "try: x\nfinally: y": "'try' is a word of Python's",
    "raise x": "'raise' is a word of Python's",
    "assert x": "'assert' is a word of Python's",
    "del x": "'del' is a word of Python's",
    "global x": "'global' is a word of Python's",
    "return x": "'return' is a word of Python's",
    "@x\nclass A: pass": "this is no formula",
    "match x:\n case y: z": "this is no formula",
    "x += 1": r"write q = q \+ x",
    "x **= 1": r"write q = q \+ x",
    "x: int = 1": "only a single name",
    "x = y = z": "only a single name",
    "x, y = z": "only a single name",
    "x[0] = y": "only a single name",
    "x.y = z": "only a single name",
    "2 = x": "only a single name",
    "if = x": "'if' is a word of Python's",
    "x =": "given no value",
    "__x__ = y": "two underscores",
    "x; y": "this value is used nowhere",
    "x ^ 2": r"write \*\* for powers",
    "x & y": "write and",
    "x | y": "write or",
    "~x": "write not",
    "x << 99": r"\* 2 \*\* n",
    "x >> 1": r"/ 2 \*\* n",
    "x is y": "compares numbers",
    "x in y": "compares numbers",
    "2x": r"a product needs its sign: 2 \* x",
    "2(x + y)": "a product needs its sign",
    "(x)(y)": "no function 'x'",
    "q = x; q(2)": "'q' is a value",
    "exp(x)(y)": "a product needs its sign",
    "x y": "is a sign missing",
    "|x|": r"write abs\(x\)",
    "x!": "no factorial",
    "lambda * w": "if it is a name, write lambda_",
    "(x + y": "is never closed",
    "x + y)": "closes nothing",
    "x +": "is a sign missing",
    "x\\\ny": "the character",
    "x `y`": "the character",
    "$x": "the character",
    "x\x00y": "a control character",
    "x\x0cy": "a control character",
    "x\x1b[31m": "a control character",
    "\ud800": "the character",
    "\ufeffx": "ZERO WIDTH NO-BREAK SPACE",
    "x\u202ey": "RIGHT-TO-LEFT OVERRIDE",
    "x\u200by": "ZERO WIDTH SPACE",
    "ｅｘｐ(x)": "FULLWIDTH LATIN SMALL LETTER E",
    "𝐞𝐱𝐩(x)": "MATHEMATICAL BOLD SMALL E",
    "e\u0301 + 1": "a letter and its accent",
    "\u0435xp(x)": "CYRILLIC SMALL LETTER IE",
    "x²": r"write \*\* 2",
    "x × y": r"write \*",
    "x − y": "write -",
    "exp(x, y)": r"exp takes 1 input, exp\(x\), not 2",
    "exp()": "not 0",
    "expp(x)": "Did you mean 'exp'",
    "exp(x, out=y)": "no setting 'out'",
    "sum(x, dtype=y)": "no setting 'dtype'",
    "cumsum(x)": r"write cumsum\(x, axis=0\)",
    "sort(x, axis=None)": r"write sort\(x, axis=0\)",
    "sum(x, axis=1" + "0" * 30 + ")": "a setting is",
    "sum(x, axis=y)": "a setting is",
    "softmax(x, axis='0')": "no text",
    "softmax(x, axis=0j)": "a setting is",
    "softmax(x, axes=0)": "Did you mean 'axis'",
    "softmax(x, axis=0, axis=1)": "axis is given twice",
    "one_hot(x, classes=999999999)": "formulas do without",
    "tile(x, reps=999999999)": "formulas do without",
    "9" * 5000: "thousands of digits",
    "(" * 150 + "x" + ")" * 150: "nested too deeply",
    "-" * 3000 + "x": "nested too deeply",
    "+".join("x" * 3000): "nested too deeply",
    "**".join("x" * 1500): "nested too deeply",
    "[" * 9000: "nested too deeply",
    "(x]": "does not match",
    "q=-x+x\n" * 1400: "too long",
    "[" + "1," * 1500 + "]": "more than 1,000 numbers",
    "x" * 5000: "a name of 5,000 letters",
    "x" * 5000 + "(y)": "a name of 5,000 letters",
    "x" * (CHARACTERS + 1): "characters",
}

ACTS = ("exec", "import", "open", "code.", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
_events = []
_listening = False


def _hear(event, args):
    if _listening:
        _events.append((event, args))


sys.addaudithook(_hear)  # there is no way to remove one, so it listens only when told


@contextlib.contextmanager
def audited():
    """Collect what Python reports of itself: each import, open, compile, exec, system call."""
    global _listening
    _events.clear()
    _listening = True
    try:
        yield
    finally:
        _listening = False


@contextlib.contextmanager
def mined(names):
    """Make builtins raise when they are called; pytest's own monkeypatch needs them itself."""

    def mine(*args, **keywords):
        raise AssertionError("a formula reached a builtin")

    kept = {name: getattr(builtins, name) for name in names}
    try:
        for name in names:
            setattr(builtins, name, mine)
        yield
    finally:
        for name, function in kept.items():
            setattr(builtins, name, function)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:40]))
def test_hostile_formulas_are_refused_and_nothing_is_run(text):
    refused = None
    with mined(["eval", "exec", "open", "print", "input", "breakpoint"]), audited():
        try:
            parse(text)
        except FormulaError as error:
            refused = error
    assert refused is not None
    assert re.search(HOSTILE[text], str(refused)), str(refused)
    # ast.parse reports itself as a compilation of our "<formula>"; no code comes of it.
    assert {args[1] for event, args in _events if event == "compile"} <= {"<formula>"}
    assert [event for event, _ in _events if event.startswith(ACTS)] == []


def test_the_canary_sings():
    with audited():
        eval(compile("1 + 1", "<test>", "eval"))
        open(__file__).close()
    assert {"compile", "exec", "open"} <= {event for event, _ in _events}


def test_a_refusal_points_at_the_place():
    with pytest.raises(FormulaError) as caught:
        parse("q = σ * y\nq + abs(x.real)")
    assert str(caught.value).split("\n")[1:] == [
        "    q + abs(x.real)",
        "            ^",
    ]
    with pytest.raises(FormulaError) as caught:
        parse("x + " * 100 + "σ + ΔΔ(y) + " + "y + " * 100 + "z")
    line, caret = str(caught.value).split("\n")[1:]
    assert line[caret.index("^") :].startswith("ΔΔ(y)")
    assert len(line) < 110


def test_a_missing_value_is_named():
    with pytest.raises(
        FormulaError, match=r"no value for 'w'; give w=\.\.\.\n    x \* w\n        \^"
    ):
        value_of("x * w", x=1.0)
    with pytest.raises(FormulaError, match=r"no value for 'sigx'.*Did you mean 'sigy'"):
        value_of("sigx", sigy=1.0)
    with pytest.raises(FormulaError, match="Did you mean 'pi'"):
        value_of("Pi")
    with pytest.raises(FormulaError, match="CYRILLIC SMALL LETTER ER"):
        value_of("\u0440", p=1.0)
    with pytest.raises(FormulaError, match="a value for 'w', but the formula has x, y"):
        value_of("x * y", x=1.0, y=2.0, w=3.0)


def test_an_error_inside_a_formula_says_where():
    with pytest.raises(ValueError, match="shape") as caught:
        value_of("x + y * [1, 2]", x=1.0, y=np.ones(3))
    assert caught.value.__notes__ == ["in the formula\n    x + y * [1, 2]\n        ^"]


# ---------------------------------------------------------------------- caps


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9**9**9**9", math.inf),
        ("x = 9.0; x**x**x**x", math.inf),
        ("1e999", math.inf),
        ("-1e999", -math.inf),
        ("1" + "0" * 4000, math.inf),
        ("0x" + "f" * 9000, math.inf),
        ("2 ** 999999999999", math.inf),
        ("x = 3; " + "x = x ** x; " * 200 + "x", math.inf),
    ],
)
def test_large_powers_are_quick_and_small(text, value):
    tracemalloc.start()
    assert value_of(text) == value
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_function_makes_an_axis_longer_or_adds_one(name):
    # The cap on numbers in lists then bounds every array: no formula can fill the memory.
    gate = FUNCTIONS[name]
    names = "abc"[: len(inputs_of(gate))]
    call = f"{name}({', '.join(names)}"
    ends = [")", ", axis=None)", ", axis=0)"] if "axis" in settings_of(gate) else [")"]
    rng = np.random.default_rng(0)
    shapes_met = []
    for shapes in itertools.product([(), (1,), (4,), (1, 4), (4, 4), (4, 1)], repeat=len(names)):
        for dtypes in ((float, float, float), (bool, bool, bool), (float, int, int)):
            arrays = [rng.random(s).astype(d) for s, d in zip(shapes, dtypes, strict=False)]
            for end in ends:
                with (
                    contextlib.suppress(FormulaError, ValueError, TypeError, IndexError),
                    np.errstate(all="ignore"),
                ):
                    value = value_of(call + end, **dict(zip(names, arrays, strict=True)))
                    shapes_met.append(np.shape(value))
    assert shapes_met, "no inputs were found that the function takes"
    assert {len(shape) for shape in shapes_met} <= {0, 1, 2}
    assert {length for shape in shapes_met for length in shape} <= {1, 4}


def test_integer_inputs_become_floats():
    assert value_of("x ** x ** x ** x", x=9) == math.inf
    assert value_of("x", x=10**400) == math.inf


@pytest.mark.parametrize(
    "unit",
    ["(", "[", "{", "f(", "x[", "-", "not ", "x**", "x if y else ", "lambda:", "f'{", "x<", "x;"],
)
def test_every_formula_is_read_or_refused_quickly(unit):
    text = (unit * CHARACTERS)[: CHARACTERS - 1] + "x"
    with pytest.raises(FormulaError):
        parse(text)


def test_formulas_of_a_sensible_size_are_read():
    assert value_of(" + ".join(["x"] * 300), x=1.0) == 300.0
    assert value_of("(" * 90 + "x" + ")" * 90, x=1.0) == 1.0
    assert value_of("q = 0 * x\n" + "q = q + x\n" * 500 + "q", x=1.0) == 500.0


def test_a_formula_from_deep_in_a_program_is_still_read():
    def deep(n):
        return deep(n - 1) if n else value_of("(x + y) * z", x=1, y=2, z=3)

    assert deep(sys.getrecursionlimit() // 2) == 9.0


def test_what_is_not_text_is_refused():
    with pytest.raises(FormulaError, match="a formula is a str, not int"):
        parse(3)
    with pytest.raises(FormulaError, match="a formula is a str, not bytes"):
        parse(b"x")
