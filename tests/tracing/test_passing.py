"""A recording that lets go of its values is the recording that keeps them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule.machines.native.layout import fingerprint
from chainrule.tracing import passing
from chainrule.tracing.passing import PassingTape, ghost
from chainrule.tracing.record import record
from tests.corpus.programs import PROGRAMS

IDS = [f"{k}-{p.name}" for k, p in enumerate(PROGRAMS)]


def step_of(function):
    """Return a training step of a program: value, gradient, and something made of both."""

    def step(*args, **keywords):
        floats = tuple(k for k, a in enumerate(args) if isinstance(a, (float, np.ndarray)) or
                       getattr(a, "dtype", np.dtype(bool)).kind == "f")  # fmt: skip
        if not floats:
            return function(*args, **keywords)
        value, slopes = cr.value_and_grad(function, argnums=floats)(*args, **keywords)
        return value, slopes, [args[k] - 0.1 * g * g for k, g in zip(floats, slopes, strict=True)]

    return step


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_it_is_the_same_recording(program, monkeypatch):
    monkeypatch.setattr(passing, "LARGE", 1)  # everything passes, as soon as it can
    for function in (program.function, step_of(program.function)):
        try:
            kept = record(function, program.args, program.keywords)
        except (cr.ChainruleError, TypeError):
            continue
        passed = record(function, program.args, program.keywords, tape=PassingTape())
        assert list(fingerprint(passed)) == list(fingerprint(kept))


def test_values_are_kept_until_the_gradient_is_known(monkeypatch):
    monkeypatch.setattr(passing, "LARGE", 1)
    x = np.arange(1.0, 7.0)

    def step(x):
        y = x * 2.0
        view = y[1:3]
        view += 10.0  # moves y
        before = np.sum(y) > 60.0
        value, g = cr.value_and_grad(lambda q: np.sum(np.sin(q) * y))(x)
        known = y._value.copy()
        after = x - g * 0.5
        return value, after, before, known

    tape = PassingTape()
    circuit = record(step, (x,), {}, tape=tape)
    kept = record(step, (x,), {})
    found, wanted = ([c.columns.values[row] for row in c.outputs] for c in (circuit, kept))
    assert found[0] == wanted[0] and circuit.guards == kept.guards
    np.testing.assert_array_equal(found[3], wanted[3])  # asked for when the gradient was known
    assert not any(found[1].strides) and found[1].shape == (6,)  # made after it: a ghost


def test_a_step_is_traced_in_little_memory():
    weights = np.ones((300, 1000))

    def step(w, first, second, x):
        value, g = cr.value_and_grad(lambda w: np.sum(np.tanh(x @ w)))(w)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        return value, w - 0.1 * first / (np.sqrt(second) + 1e-8), first, second

    peaks = []
    for tape in (None, PassingTape()):
        tracemalloc.start()
        circuit = record(step, (weights, weights, weights, np.ones((2, 300))), {}, tape=tape)
        peaks.append(tracemalloc.get_traced_memory()[1] / weights.nbytes)
        if tape is not None:
            tape.let_go()
            assert tracemalloc.get_traced_memory()[0] < weights.nbytes / 4
        del circuit
        tracemalloc.stop()
    assert peaks[0] > 15 and peaks[1] < 4  # of the weights' size


def test_a_ghost():
    value = np.arange(6.0, dtype=np.float32).reshape(2, 3)[:, ::-1]
    found = ghost(value)
    assert found.shape == value.shape and found.dtype == value.dtype
    assert not any(found.strides) and found.base.nbytes == 4 and (found == 2.0).all()
    empty = np.zeros((3, 0))
    assert ghost(empty) is empty
