"""The LaTeX: every gate balanced and compilable, numbers those of the engine, labels escaped."""

from __future__ import annotations

import math
import re
import shutil
import subprocess

import numpy as np
import pytest

from chainrule import trace
from chainrule.gates import GATES, inputs_of
from chainrule.readings import tex
from chainrule.readings.latex import PARTS, latex
from chainrule.readings.numbers import number
from chainrule.readings.tex import Tex, name_tex, of_gate
from tests.gates.support import cases, settings_to_try
from tests.readings.test_words import A, B, C, D

HOSTILE = [
    '"><script>',
    "a\nb",
    "\u202eevil",
    r"\input{/etc/passwd}",
    "$x^_&%#~{}$",
    "é",
    "^^41",
    "",
]


def balanced(text):
    """Check braces, and that \\left and \\right, \\begin and \\end answer each other."""
    depth = 0
    for sign in re.findall(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0, text
    assert depth == 0, text
    sides = re.findall(r"\\(left|right)(?![a-z])", text)
    open_ = 0
    for side in sides:
        open_ += 1 if side == "left" else -1
        assert open_ >= 0, text
    assert open_ == 0, text
    inside = []
    for word, name in re.findall(r"\\(begin|end){(.*?)}", text):
        if word == "begin":
            inside.append(name)
        else:
            assert inside.pop() == name, text
    assert not inside, text
    assert text.isascii(), text


def compiled(folder, documents):
    """Typeset documents one by one; the log of the first that fails is the message."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("no pdflatex here: apt-get install texlive-latex-base")
    for number_, source in enumerate(documents):
        name = f"page{number_}"
        (folder / f"{name}.tex").write_text(source, encoding="ascii")
        done = subprocess.run(
            [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name],
            cwd=folder,
            capture_output=True,
            timeout=120,
        )
        log = done.stdout.decode("latin-1")
        assert done.returncode == 0, log[-3000:]


def page(body):
    return (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )


# ---------------------------------------------------------------------- every gate


def written(gate):
    """Yield a gate's LaTeX for each of its settings, over plain and over compound inputs."""
    names = inputs_of(gate)
    count = 3 if any(name.startswith("*") for name in names) else len(names)
    inputs = [Tex("x"), Tex(r"y + \frac{1}{z}", tex.SUM, True), Tex("-w", tex.SUM)][:count]
    for settings in settings_to_try(gate) or [{}]:
        given = inputs
        if not any(name.startswith("*") for name in names):
            given = (inputs * 3)[: len(names)]
        yield of_gate(gate, settings, given).text


@pytest.mark.parametrize("gate", GATES.values(), ids=list(GATES))
def test_every_gate_is_balanced(gate):
    for text in written(gate):
        balanced(text)
        assert "#" not in text.replace(r"\#", "")


@pytest.fixture(scope="module")
def circuits():
    """Return a circuit for each gate that a formula can end with a number."""
    found = {}
    for gate in GATES.values():
        if not gate.has_gradient:
            continue
        for settings, inputs in cases(gate):
            floats = [k for k, v in enumerate(inputs) if np.asarray(v).dtype.kind == "f"]

            def f(*given, gate=gate, settings=settings, inputs=inputs, floats=floats):
                full = list(inputs)
                for k, value in zip(floats, given, strict=True):
                    full[k] = value
                return np.sum(gate(*full, **settings) * 1.0)

            try:
                circuit = trace(f, *[inputs[k] for k in floats])
                circuit.gradients  # noqa: B018
            except Exception:
                continue  # gates that draw only in backward passes, complex outputs
            found[gate.name] = circuit
            break
    return found


def test_every_gate_has_a_chain_rule(circuits):
    assert len(circuits) > 80
    for name, circuit in circuits.items():
        text = circuit.latex()
        balanced(text)
        assert text.count("align*") >= 6, name


def test_every_gate_compiles(circuits, tmp_path):
    lines = [rf"&{text} \\" for gate in GATES.values() for text in written(gate)]
    table = "\\begin{align*}\n" + "\n".join(lines)[: -len(r" \\")] + "\n\\end{align*}"
    rules = "\n".join(circuit.latex() for circuit in circuits.values())
    compiled(tmp_path, [page(table), page(rules)])


# ---------------------------------------------------------------------- the lecture's circuits


def network(W1, b1, W2, x, y):
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2
    cost = np.mean((z2 - y) ** 2)
    return cost


GENERATOR = np.random.default_rng(3)
NETWORK = trace(network, *[GENERATOR.normal(size=s) for s in ((3, 4), 4, (4, 2), (5, 3), (5, 2))])


def test_the_lecture_s_circuits_compile(tmp_path):
    circuits = (A, B, C, D, NETWORK)
    pages = [c.latex(document=True) for c in circuits]
    pages += [page(A.latex(notation=n) + C.latex(notation=n)) for n in ("df/dz", "nabla")]
    for text in pages:
        balanced(text)
    compiled(tmp_path, pages)


def test_the_first_circuit_line_by_line():
    # REFERENCE A.
    assert trace("q = x + y; q * z", x=-2, y=5, z=-4).latex().split("\n\n") == [
        "\\begin{align*}\nf &= \\left(x + y\\right) \\cdot z\n\\end{align*}",
        "\\begin{align*}\nx &= -2.00 \\\\\ny &= 5.00 \\\\\nz &= -4.00 \\\\\n"
        "q &= x + y = 3.00 \\\\\nf &= q \\cdot z = -12.00\n\\end{align*}",
        "\\begin{align*}\n\\frac{\\partial q}{\\partial x} &= 1 \\\\\n"
        "\\frac{\\partial q}{\\partial y} &= 1 \\\\\n"
        "\\frac{\\partial f}{\\partial q} &= z = -4.00 \\\\\n"
        "\\frac{\\partial f}{\\partial z} &= q = 3.00\n\\end{align*}",
        "\\begin{align*}\n\\mathrm{d}f &= 1 \\\\\n"
        "\\mathrm{d}q &= \\mathrm{d}f \\cdot z = 1.00 \\cdot \\left(-4.00\\right) = -4.00 \\\\\n"
        "\\mathrm{d}z &= \\mathrm{d}f \\cdot q = 1.00 \\cdot 3.00 = 3.00 \\\\\n"
        "\\mathrm{d}y &= \\mathrm{d}q = -4.00 \\\\\n"
        "\\mathrm{d}x &= \\mathrm{d}q = -4.00\n\\end{align*}\n",
    ]


@pytest.mark.parametrize("circuit", [A, B, C, D], ids="ABCD")
def test_the_gradients_are_the_engine_s(circuit):
    chain = circuit.latex(parts=["chain"]).replace(" \\\\\n&=", " =")
    for name, gradient in circuit.gradients.items():
        head = rf"\mathrm{{d}}{name_tex(name)} &="
        (line,) = [part for part in chain.splitlines() if part.startswith(head)]
        assert line.removesuffix(r" \\").split("=")[-1].strip() == number(gradient), line


def test_signs_and_parentheses():
    texts = {
        "-x / y ** 2": r"-\frac{x}{y^{2}}",
        "x - (y - z)": r"x - \left(y - z\right)",
        "x - -y": r"x - \left(-y\right)",
        "(-x) ** 2": r"\left(-x\right)^{2}",
        "(x / y) ** 2": r"\left(\frac{x}{y}\right)^{2}",
        "log(x) ** 2": r"\left(\ln\left(x\right)\right)^{2}",
        "x ** y ** z": r"x^{y^{z}}",
        "(x ** y) ** z": r"\left(x^{y}\right)^{z}",
        "2 * x * (y + 1)": r"2\,x \cdot \left(y + 1\right)",
        "x * (y / z)": r"x \cdot \frac{y}{z}",
        "x / y / z": r"\frac{\frac{x}{y}}{z}",
        "exp(-(x ** 2))": r"e^{-x^{2}}",
        "-(x + y)": r"-\left(x + y\right)",
    }
    for formula, expected in texts.items():
        point = {name: 1.5 for name in "xyz" if name in formula.replace("exp", "")}
        text = trace(formula, **point).latex(parts="formula")
        assert text.splitlines()[1] == f"f &= {expected}", formula


def test_a_fork_adds_up():
    # REFERENCE C: dx = 1.58 - 0.04 + 0.51 = 2.06.
    assert "&= 1.58 - 0.04 + 0.51 = 2.06" in C.latex(parts=["chain"])


def test_arrays_have_shapes_and_transposes():
    text = NETWORK.latex()
    assert r"W_{1} &\in \mathbf{R}^{3 \times 4}" in text
    assert r"\mathrm{d}W_{2} &= a_{1}^{\top}\,\mathrm{d}z_{2}" in text
    assert r"\mathrm{d}z_{1} &= \mathrm{d}a_{1} \odot \left(1 - a_{1}^{2}\right)" in text
    assert r"\operatorname{sum}\left(\mathrm{d}z_{1}\right)" in text  # the bias, over the batch
    norm = number(np.linalg.norm(NETWORK["b1"].gradient))
    assert rf"\left\lVert \mathrm{{d}}b_{{1}} \right\rVert = {norm}" in text


def test_a_long_formula_is_broken_at_the_user_s_names():
    def f(x, y):
        first = np.sin(x * y + x / (1 + y**2)) * np.exp(-(x**2))
        second = np.cos(x * y - x / (1 + y**2)) * np.exp(-(y**2))
        return first * second + np.log(1 + first**2 + second**2)

    formula = trace(f, 0.3, 0.7).latex(parts="formula")
    heads = [line.split(" &=")[0] for line in formula.splitlines()[1:-1]]
    assert r"\mathit{first}" in heads and r"\mathit{second}" in heads and heads[-1] == "f"
    assert len(heads) < 6


def test_parts_are_selected_in_order():
    assert C.latex(parts=["chain", "formula"]).count(r"\begin{align*}") == 2
    assert list(PARTS) == ["formula", "forward", "local", "chain"]
    with pytest.raises(ValueError, match="'formula'"):
        C.latex(parts=["sum"])
    document = C.latex(document=True)
    assert [document.count(f"section*{{{title}}}") for title in PARTS.values()] == [1, 1, 1, 1]
    assert document.startswith(r"\documentclass{article}")


def test_without_one_number_there_is_no_gradient():
    text = trace(lambda x: np.sin(x) * 2.0, np.ones(3)).latex()
    assert text.count(r"\begin{align*}") == 2 and r"\mathrm{d}" not in text
    assert "align" in trace(lambda x: (x, x * 2.0), 1.0).latex()


def test_ties_nan_and_infinity(tmp_path):
    tied = trace("max(x, y)", x=1.0, y=1.0).latex()
    assert r"1.00 \cdot 0.50 = 0.50" in tied
    strange = trace("x * y + sqrt(z) + w", x=math.inf, y=math.nan, z=0.0, w=1e-30).latex()
    assert r"\infty" in strange and r"\mathrm{nan}" in strange and r"10^{-30}" in strange
    balanced(strange)
    compiled(tmp_path, [page(tied + strange)])


# ---------------------------------------------------------------------- labels


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_escaped(name):
    balanced(name_tex(name))
    bare = re.sub(r"\\(?:[A-Za-z]+(?:\{\})?|.)", "", name_tex(name))
    assert not set("$&#%^~\n") & set(bare)
    assert r"\input" not in name_tex(name)


def test_hostile_names_compile(tmp_path):
    def f(p):
        parts = list(p.values())
        return np.sum(parts[0] * parts[1] + parts[2])

    f.__name__ = "f}\\input{x}\n$"
    circuit = trace(f, {name: float(k) for k, name in enumerate(HOSTILE)})
    lines = "\n\n".join(f"${name_tex(name)}$" for name in HOSTILE)
    compiled(tmp_path, [circuit.latex(document=True), page(lines)])


def test_names():
    expected = {
        "x": "x",
        "W1": "W_{1}",
        "h_12": "h_{12}",
        "sigma": r"\sigma",
        "theta_2": r"\theta_{2}",
        "w_out": r"w_{\mathrm{out}}",
        "learning_rate": r"\mathit{learning\_rate}",
        "hidden_1": r"\mathit{hidden}_{1}",
    }
    assert {name: name_tex(name) for name in expected} == expected


# ---------------------------------------------------------------------- size


def test_a_hundred_thousand_gates_are_cut_and_quick():
    def chain(x):
        y = x
        for _ in range(50_000):
            y = y * 0.9999 + x
        return y

    circuit = trace(chain, 1.0)
    text = circuit.latex(most=20)
    assert text.count("\n") < 120 and text.count(r"\vdots") == 4


def test_sharing_does_not_explode():
    def f(x):
        for _ in range(60):
            x = x * x
        return x

    assert len(trace(f, 1.0).latex(parts=["formula"])) < 4000


def test_the_circuit_s_own_text_is_the_reading():
    assert A.latex(parts=["formula"]) == latex(A, [1.0] * len(A), parts=["formula"])
