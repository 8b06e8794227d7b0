"""Steps, ledger and LaTeX of every program of the corpus tell the engine's own gradients."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import chainrule as cr
from tests.corpus.programs import PROGRAMS
from tests.readings.test_latex import balanced, compiled, page

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
each = pytest.mark.parametrize(
    "program", PROGRAMS, ids=[f"{k}-{p.name}" for k, p in enumerate(PROGRAMS)]
)


@functools.cache
def circuit_of(program):
    return cr.trace(program.function, *program.args, **program.keywords)


def wires_with_gradient(circuit):
    return {name: w.gradient for name, w in circuit.wires.items() if w.gradient is not None}


@each
def test_steps_end_at_the_gradients_and_start_again(program):
    circuit = circuit_of(program)
    steps = circuit.steps()
    start = steps.gradients
    lines = [str(step) + repr(step) for step in steps]
    assert all(lines) and len(lines) == len(steps)
    found = steps.gradients
    for row in circuit.inputs:
        name = circuit.names[row]
        if name in found:
            np.testing.assert_allclose(found[name], circuit[name].gradient, rtol=1e-9)
    steps.go(0)
    assert steps.gradients == start


@each
def test_every_ledger_adds_up(program):
    circuit = circuit_of(program)
    for name, gradient in list(wires_with_gradient(circuit).items())[:12]:
        ledger = circuit.ledger(name, largest=3)
        assert str(ledger) and repr(ledger)
        if np.ndim(ledger.gradient) == 0:
            terms = [*(e.part for e in ledger), ledger.remainder, ledger.rounding]
            assert ledger.gradient == gradient
            if math.isfinite(gradient):
                assert math.fsum(terms) == gradient, name
            if not ledger.others and not ledger.notes:
                scale = max(abs(e.part) for e in ledger)
                assert abs(ledger.rounding) <= 1e-6 * scale or not math.isfinite(gradient), name
        else:
            total = ledger.remainder + ledger.rounding
            for entry in ledger:
                total = total + entry.part
            np.testing.assert_allclose(total, gradient, rtol=1e-5, atol=1e-12)
    assert str(circuit.ledger())


@each
def test_latex_is_balanced(program):
    balanced(circuit_of(program).latex(document=True))


def test_the_latex_of_the_whole_corpus_compiles(tmp_path):
    compiled(tmp_path, [page("\n".join(circuit_of(p).latex(most=30) for p in PROGRAMS))])
