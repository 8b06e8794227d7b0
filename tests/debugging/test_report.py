"""The report: its truth value, its sentences, and what it raises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from chainrule.debugging.report import Finding, GradientReport, Kink, makes, number
from chainrule.errors import GradientError
from chainrule.face import trace

WRONG = Finding("demo.py:3: it is wrong", wire="q", gate="multiply", given=1.0, numeric=2.0)


def test_truth_and_verdict() -> None:
    good = GradientReport(elements=3, inputs=1, gates=2, method="the complex step", evaluations=6)
    assert good
    assert good.raise_if_wrong() is good
    assert str(good).splitlines()[0] == "gradient check: passed: 1 input, 3 elements, 2 gates"
    bad = dataclasses.replace(good, failures=(WRONG,))
    assert not bad
    assert repr(bad) == "GradientReport(FAILED: 1 input, 3 elements, 2 gates; 1 wrong)"
    with pytest.raises(GradientError, match=r"wrong: demo\.py:3: it is wrong"):
        bad.raise_if_wrong()
    assert GradientReport(), "nothing to check is not wrong"
    nothing = GradientReport(not_checked=(WRONG,), inputs=1)
    assert not nothing
    assert "NOTHING COULD BE CHECKED" in str(nothing)


def test_long_lists_are_cut_and_repeats_said_once() -> None:
    kinks = tuple(Kink(f"kink {k % 20}", "m", "relu", 0.0) for k in range(100))
    text = str(GradientReport(kinks=kinks, elements=1))
    assert text.count("kink 3") == 1
    assert "kink: ... and 12 more" in text


def test_how_a_gate_is_said() -> None:
    def f(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        q = x * 2.0
        return np.concatenate([q, y], axis=0)

    circuit = trace(f, np.ones(2), np.ones(2))
    line = f.__code__.co_firstlineno + 1
    assert makes(circuit, circuit.row("q")) == f"test_report.py:{line}: multiply makes q = x * 2"
    assert makes(circuit, circuit.outputs[0]).endswith(
        "concatenate makes f = np.concatenate([q, y])"
    )
    formula = trace("a * b", a=1.0, b=2.0)
    assert makes(formula, formula.outputs[0]) == "multiply makes f = a * b"


def test_numbers_have_ten_digits() -> None:
    assert [number(x) for x in (3, -3.9999999999999, 1e-30, -0.0)] == [
        "3.0",
        "-4.0",
        "1e-30",
        "0.0",
    ]
