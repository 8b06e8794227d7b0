"""The circuit in JavaScript gives the engine's numbers, forward and backward.

It is run by node where that is installed; tests/browser runs it in a real browser.
"""

from __future__ import annotations

import ast
import json
import math
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates import GATES
from chainrule.gates.comparison import BOOLEAN
from chainrule.gates.gate import Gate, inputs_of
from chainrule.readings import numbers
from chainrule.readings.javascript import NotWritableError, program, translated

NODE = shutil.which("node") or shutil.which("nodejs")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def part(name):
    return resources.files("chainrule.readings").joinpath("html", name).read_text("utf-8")


def javascript(text):
    """Run JavaScript and return what its last expression `answer` is, by way of JSON."""
    # JSON has no NaN and no infinity: they travel as text.
    tail = """
    const odd = (key, x) => typeof x === "number" && !Number.isFinite(x) ? String(x) : x;
    console.log(JSON.stringify(answer, odd));"""
    done = subprocess.run(
        [NODE, "-"], input=text + tail, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def as_float(value):
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)


def lecture_a(x, y, z):
    q = x + y
    return q * z


def lecture_b(w0, x0, w1, x1, w2):
    dot = w0 * x0 + w1 * x1 + w2
    return 1.0 / (1.0 + math.exp(-dot))


def lecture_c(x, y):
    sigy = 1.0 / (1.0 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def lecture_d(x, y, z, w):
    return 2.0 * (x * y + np.maximum(z, w))


def mixed(x, y):
    a = math.tanh(x * y) + math.log1p(y * y) + abs(x) ** 1.5
    b = np.where(x > y, np.sqrt(x * x + 1.0), np.hypot(x, y))
    return a * b + math.erf(x) - math.atan2(y, 2.0) + (x % 3.0) * (y // 0.7)


def looped(x, y):
    for _ in range(5):
        x = math.sin(x) + y * x / 4
    return x * x


CASES = [
    (lecture_a, (-2.0, 5.0, -4.0)),
    (lecture_b, (2.0, -1.0, -3.0, -2.0, -3.0)),
    (lecture_c, (3.0, -4.0)),
    (lecture_d, (3.0, -4.0, 2.0, -1.0)),
    (mixed, (0.7, -1.3)),
    (looped, (0.3, 1.1)),
]


@needs_node
@pytest.mark.parametrize(("function", "point"), CASES)
def test_the_page_agrees_with_the_engine_at_random_points(function, point):
    circuit = cr.trace(function, *point)
    found = program(circuit)
    points = np.random.default_rng(5).normal(0.0, 2.0, (40, len(point))).tolist()
    text = f"{part('arithmetic.js')}{found.source}\nconst answer = {points}.map(run);"
    for values, r in zip(points, javascript(text), strict=True):
        there = circuit.at(*values)
        assert as_float(r[circuit.outputs[0]]) == pytest.approx(there.value, rel=1e-12)
        for row, name in enumerate(circuit.names):
            expected = there.gradient_of(row)
            if row in found.gradients and expected is not None:
                got = as_float(r[found.gradients[row]])
                assert got == pytest.approx(expected, rel=1e-9, abs=1e-13), name


@needs_node
@pytest.mark.parametrize(("function", "point"), CASES)
def test_each_contribution_is_slope_times_upstream_and_sums_to_the_gradient(function, point):
    circuit = cr.trace(function, *point)
    found = program(circuit)
    text = f"{part('arithmetic.js')}{found.source}\nconst answer = run({list(point)});"
    r = javascript(text)
    sums = {}
    for (row, index), (slope, part_at, _) in found.handed.items():
        upstream = as_float(r[found.gradients[row]])
        if slope is not None:
            factor = as_float(r[slope]) if type(slope) is int else slope
            assert as_float(r[part_at]) == pytest.approx(factor * upstream, rel=1e-12)
        source = circuit.columns.inputs(row)[index]
        sums[source] = sums.get(source, 0.0) + as_float(r[part_at])
    for row in circuit.inputs:
        assert sums[row] == pytest.approx(circuit.gradient_of(row), rel=1e-12)


# bessel_ratio is drawn by the slope of sinc only, and needs its setting; copy is for arrays.
ELSEWHERE = ("bessel_ratio", "copy")


# Whose rules have gates that are NumPy through and through, and are refused in words.
REFUSED = {"sinc": "bessel_ratio"}


def scalar_gates():
    for name, gate in GATES.items():
        variadic = any(argument.startswith("*") for argument in inputs_of(gate))
        floats = gate.domain[0] != BOOLEAN
        if gate.local is not None and not variadic and floats and name not in ELSEWHERE:
            yield pytest.param(gate, id=name)


@needs_node
@pytest.mark.parametrize("gate", list(scalar_gates()))
def test_every_elementwise_gate_is_translated_and_agrees(gate: Gate):
    generator = np.random.default_rng(11)
    cases = []
    for _ in range(12):
        point = [
            float(generator.uniform(max(low, -4.0) + 1e-3, min(high, 4.0) - 1e-3))
            for low, high in gate.domain
        ]
        cases.append(point)
    circuit = cr.trace(lambda *x: gate(*x) * 1.5, *cases[0])
    if gate.name in REFUSED:
        with pytest.raises(NotWritableError, match=f"{REFUSED[gate.name]} is not written"):
            program(circuit)
        return
    found = program(circuit)
    text = f"{part('arithmetic.js')}{found.source}\nconst answer = {cases}.map(run);"
    for point, r in zip(cases, javascript(text), strict=True):
        there = circuit.at(*point)
        assert as_float(r[circuit.outputs[0]]) == pytest.approx(there.value, rel=1e-11, abs=1e-300)
        for row in circuit.inputs:
            if row in found.gradients:
                got = as_float(r[found.gradients[row]])
                assert got == pytest.approx(there.gradient_of(row), rel=1e-9, abs=1e-13)


@needs_node
def test_a_written_out_sigmoid_does_not_overflow():
    circuit = cr.trace(lecture_b, 2.0, -1.0, -3.0, -2.0, -3.0)
    found = program(circuit)
    point = [500.0, -2.0, 1.0, 0.0, 0.0]  # dot = -1000, where exp(-dot) is inf
    text = f"{part('arithmetic.js')}{found.source}\nconst answer = run({point});"
    r = javascript(text)
    there = circuit.at(*point)
    for row in circuit.inputs:
        assert as_float(r[found.gradients[row]]) == there.gradient_of(row) == 0.0


@needs_node
def test_arithmetic_is_pythons_at_the_odd_points():
    odd = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, -2.5, 7.25, -7.25, math.inf, -math.inf]
    texts = {
        "M.mod": lambda x, y: x % y,
        "M.floordiv": lambda x, y: x // y,
        "M.pow": lambda x, y: x**y,
        "M.max": max,
        "M.min": min,
        "M.copysign": math.copysign,
    }
    wanted, calls = [], []
    for call, function in texts.items():
        for x in odd:
            for y in odd:
                try:
                    expected = function(x, y)
                except (ArithmeticError, ValueError):
                    continue
                if not isinstance(expected, complex) and math.isfinite(expected):
                    wanted.append((call, x, y, expected))
                    # JSON has no -0: its sign is asked by dividing.
                    calls.append(f"[{call}({_js(x)}, {_js(y)})].map((v) => [v, 1 / v])[0]")
    found = javascript(f"{part('arithmetic.js')}\nconst answer = [{', '.join(calls)}];")
    for (call, x, y, expected), (got, inverse) in zip(wanted, found, strict=True):
        assert as_float(got) == pytest.approx(expected), (call, x, y)
        if expected == 0 and call in ("M.mod", "M.pow"):
            assert math.copysign(1, as_float(inverse)) == math.copysign(1, expected), (call, x, y)


def _js(x):
    return str(x).replace("inf", "Infinity")


@needs_node
def test_erf_has_its_digits():
    xs = [*np.linspace(-6, 6, 97), 1e-9, 12.0, 26.0, -30.0]
    calls = ", ".join(f"[M.erf({x}), M.erfc({x})]" for x in xs)
    found = javascript(f"{part('arithmetic.js')}\nconst answer = [{calls}];")
    for x, (erf, erfc) in zip(xs, found, strict=True):
        assert erf == pytest.approx(math.erf(x), rel=1e-13)
        assert erfc == pytest.approx(math.erfc(x), rel=1e-11)


@needs_node
def test_numbers_are_written_as_everywhere():
    generator = np.random.default_rng(3)
    values = [
        float(v) for v in generator.normal(0, 1, 500) * 10.0 ** generator.uniform(-8, 12, 500)
    ]
    values += [0.0, -0.0, 0.125, 0.375, -0.625, 2.675, 1e9, 1e16, 0.005, 99.995, -12.0, 1e-300]
    texts = ", ".join(map(repr, values)) + ", NaN, Infinity, -Infinity, true"
    found = javascript(f"{part('numbers.js')}\nconst answer = [{texts}].map(number);")
    expected = [numbers.number(v) for v in [*values, math.nan, math.inf, -math.inf, True]]
    assert found == expected


def test_what_has_no_counterpart_is_refused_in_words():
    with pytest.raises(NotWritableError, match=r"np\.linalg\.det\(x\) has no counterpart"):
        translated(ast.parse("np.linalg.det(x)", mode="eval").body)
    with pytest.raises(NotWritableError, match="x is an array, and a page works with plain floats"):
        program(cr.trace(lambda x: np.sum(x * x), np.ones(3)))
    with pytest.raises(NotWritableError, match="several outputs"):
        program(cr.trace(lambda x: (x, x * x), 1.0))


def test_translation_keeps_pythons_meaning():
    def said(text):
        return translated(ast.parse(text, mode="eval").body)

    assert said("-x ** 2") == "(-M.pow(x, 2))"
    assert said("0 < x <= 1") == "(0 < x && x <= 1)"
    assert said("y if x > 0 else 1152921504606846976") == "((x > 0) ? y : 1.152921504606847e+18)"
    assert said("not x") == "(!M.truth(x))"
