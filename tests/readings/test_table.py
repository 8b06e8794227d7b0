"""The table shows what the engine computed, fits its width, and lets no odd text through."""

from __future__ import annotations

import json
import linecache
import math
from typing import Any

import numpy as np
import pytest

from chainrule.circuit.columns import CONSTANT
from chainrule.face import trace
from chainrule.gates import GATES, Gate
from chainrule.readings.numbers import number, plain, shortened
from chainrule.readings.table import WIDTH, rows, table
from tests.gates.support import cases

from .test_words import EXPECTED, A, B, C, D, staged


def gradients_of(circuit: Any) -> list[Any]:
    return circuit._gradients_or_none()


def parsed(text: str) -> dict[str, list[str]]:
    """Return the cells of each line of a table by the wire's name."""
    _, _, headings, rule, *lines = text.splitlines()
    starts = [k for k, c in enumerate(rule) if c == "-" and (k == 0 or rule[k - 1] == " ")]
    ends = [*starts[1:], WIDTH]
    assert headings.split()[:4] == ["wire", "gate", "value", "gradient"]
    cells = [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in lines]
    return {name: rest for name, *rest in cells}


@pytest.mark.parametrize(("circuit", "gradients"), EXPECTED)
def test_the_reference_can_be_read_back(circuit: Any, gradients: dict[str, float]) -> None:
    lines = parsed(str(circuit))
    assert list(lines) == list(circuit.wires)
    for name, (_, value, gradient, *_) in lines.items():
        assert float(value) == pytest.approx(circuit[name].value, rel=1e-5)
        assert float(gradient) == pytest.approx(circuit[name].gradient, rel=1e-5)
    for name, expected in gradients.items():
        assert float(lines[name][2]) == pytest.approx(expected, rel=1e-5)


def test_wires_of_the_reference() -> None:
    # REFERENCE B and C, mpmath at 50 digits.
    lines = parsed(str(B))
    assert float(lines["dot"][2]) == pytest.approx(0.196611933241481852537, rel=1e-5)
    assert float(lines["f"][1]) == pytest.approx(0.731058578630004879251, rel=1e-5)
    lines = parsed(str(C))
    expected = {"sigx": -0.791593447272593499235, "invden": 3.01798620996209155803}
    for name, gradient in expected.items():
        assert float(lines[name][2]) == pytest.approx(gradient, rel=1e-5)


def test_the_lines_of_a_small_circuit() -> None:
    assert str(D).splitlines() == [
        "Circuit(4 gates, 4 inputs, 1 output, float64): f = -20",
        "",
        "wire  gate           value  gradient",
        "----  -------------  -----  --------",
        "x     input            3    -8",
        "y     input           -4     6",
        "z     input            2     2",
        "w     input           -1     0",
        "t1    x * y          -12     2",
        "t2    maximum(z, w)    2     2",
        "t3    t1 + t2        -10     2",
        "f     2 * t3         -20     1",
    ]


def test_lines_are_those_of_the_source() -> None:
    first = staged.__code__.co_firstlineno
    lines = parsed(str(C))
    assert lines["num"][0] == "x + sigy" and lines["num"][3] == str(first + 2)
    assert lines["f"][0] == "num * invden" and lines["f"][3] == str(first + 8)


def test_arrays_are_shown_by_shape_dtype_and_a_statistic() -> None:
    def f(X: Any, b: Any) -> Any:
        h = X @ b
        return np.sum(h * h)

    circuit = trace(f, np.ones((3, 2), np.float32), np.full(2, 2.0, np.float32))
    lines = parsed(str(circuit))
    assert lines["X"][1] == "float32(3, 2) all 1.00"
    assert lines["h"][:3] == ["X @ b", "float32(3,) all 4.00", "float32(3,) norm 13.86"]


def test_wires_without_a_gradient_say_none() -> None:
    lines = parsed(str(trace(lambda x: np.where(x > 1.0, x, 0.5), 2.0)))
    assert lines["t1"][:3] == ["x > 1", "True", "none"]
    circuit = trace(lambda x: x * 2.0, np.ones(3))
    assert parsed(str(circuit))["x"][2] == "none"


def test_several_outputs_and_odd_numbers() -> None:
    text = str(trace(lambda x: (x, x * math.inf, 3), math.nan))
    assert text.splitlines()[0].endswith("x = nan, t1 = nan, 3")
    assert "none" in text


@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_every_gate_fits_the_table(gate: Gate) -> None:
    for settings, inputs in cases(gate):

        def around(scale: float, *values: Any, settings: dict[str, Any] = settings) -> Any:
            made = gate(*values, **settings)
            return scale * np.sum(np.where(made != 0, made, 2.0) if made.size else made)

        circuit = trace(around, 1.0, *inputs)
        text = str(circuit)
        assert gate.name in [row["gate"] for row in rows(circuit, gradients_of(circuit))]
        assert all(len(line) <= WIDTH for line in text.splitlines()), text
        assert text.replace("\n", "").isprintable()


# ---------------------------------------------------------------------- data


def test_rows_are_json() -> None:
    found = rows(A, gradients_of(A))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found[-1] == {
        "name": "f",
        "gate": "multiply",
        "expression": "t1 * z",
        "inputs": ["t1", "z"],
        "value": -12.0,
        "gradient": 1.0,
        "line": None,
        "file": None,
    }


def test_rows_hold_nan_infinity_and_arrays() -> None:
    circuit = trace(lambda x, v: np.sum(v) * x, math.inf, np.array([1.0, -math.inf, 2.0]))
    found = {row["name"]: row for row in rows(circuit, gradients_of(circuit))}
    json.dumps(list(found.values()), allow_nan=False)
    assert found["x"]["value"] == "inf" and found["x"]["gradient"] == "-inf"
    assert found["v"]["value"] == {
        "shape": [3],
        "dtype": "float64",
        "min": "-inf",
        "max": 2.0,
        "norm": "inf",
    }
    assert len(rows(circuit, gradients_of(circuit), most=2)) == 2


# ---------------------------------------------------------------------- hostile and long


HOSTILE = "evil\x1b[31m\u202e\u2066\n\r\t\x00\x7f\u2028name.py"


def test_text_of_the_users_is_made_harmless() -> None:
    assert plain(HOSTILE) == "evil[31m name.py"
    assert plain("a" * 1000, 20) == "a" * 17 + "..."
    assert plain("näive λ") == "näive λ"
    assert [shortened("abcdef", n) for n in range(5)] == ["", ".", "..", "...", "a..."]


def test_hostile_file_names_and_argument_names() -> None:
    file = HOSTILE.replace("\x00", "")  # which a file cannot be called
    source = "def f(x, **named):\n    y = x * 2.0\n    return g(y) + sum(named.values())\n"
    other = "def g(y):\n    return y * y\n"
    space: dict[str, Any] = {}
    exec(compile(other, "elsewhere.py", "exec"), space)
    exec(compile(source, file, "exec"), space)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    try:
        circuit = trace(space["f"], 3.0, **{"a\n\x1b[2J\u202eb": 1.0})
        texts = [str(circuit), circuit.words()]
        texts += [
            json.dumps(row, ensure_ascii=False) for row in rows(circuit, gradients_of(circuit))
        ]
    finally:
        del linecache.cache[file]
    for text in texts:
        assert text.replace("\n", "").isprintable()
    assert "evil" in texts[0]
    assert all(len(line) <= WIDTH for line in texts[0].splitlines())


def test_long_names_are_shortened() -> None:
    name = "a" * 100
    circuit = trace(f"{name} * {name[:90]}", **{name: 2.0, name[:90]: 3.0})
    assert all(len(line) <= WIDTH for line in str(circuit).splitlines())
    assert "aaa..." in str(circuit)


def test_a_long_circuit_is_cut_in_the_middle() -> None:
    def long(x: float) -> float:
        y = x
        for _ in range(100_000):
            y = y + x
        return y

    circuit = trace(long, 1e-3)
    lines = str(circuit).splitlines()
    assert "... and 99801 more wires" in lines and len(lines) == 4 + 200 + 1
    few = table(circuit, gradients_of(circuit), most=5).splitlines()
    assert len(few) == 4 + 5 + 1 and few[4 + 3] == "... and 99996 more wires"
    assert sum(gate is not CONSTANT for gate in circuit.columns.gates) == 100_001


def test_numbers_are_short_and_true() -> None:
    assert number(12345.678) == "12345.68" and number(1e12) == "1e+12"
    assert number(2**100) == "an integer of 101 bits" and number(10**5000).startswith("an integer")
    assert number(np.float32(0.1)) == "0.10" and number(True) == "True"
