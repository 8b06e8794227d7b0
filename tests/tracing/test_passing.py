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
        tape = PassingTape(room=0)
        passed = record(function, program.args, program.keywords, tape=tape)
        assert list(fingerprint(passed)) == list(fingerprint(kept))
        for row in range(len(kept.columns)):
            ours, theirs = passed.columns.values[row], kept.columns.values[row]
            assert type(ours) is type(theirs) and np.shape(ours) == np.shape(theirs)
            if row in kept.outputs and row in {row for row, _ in kept.guards}:
                np.testing.assert_array_equal(ours, theirs)


def test_values_are_there_as_long_as_they_can_be_asked_for(monkeypatch):
    monkeypatch.setattr(passing, "LARGE", 1)
    x = np.arange(6.0)

    def asking(x):
        y = x * 2.0
        view = y[1:3]
        seen = [np.asarray(v._value).copy() for v in (x, y, view)]
        for _ in range(3):
            view += 10.0  # moves y
            z = y + 0.0
            seen += [np.asarray(y._value).copy(), np.asarray(z._value).copy()]
        branch = 1.0 if z.sum() > 20.0 else 0.5
        pull = cr.vjp(lambda q: np.sin(q) * q, x)[1]
        w = np.cos(x) * 3.0  # many rows later
        w = w * w + w
        for found, expected in zip(seen, wanted, strict=True):
            np.testing.assert_array_equal(found, expected)
        return np.sum(z * pull(w)[0]) * branch

    expected = x * 2.0
    wanted = [x, expected.copy(), expected[1:3].copy()]
    for _ in range(3):
        expected[1:3] += 10.0
        wanted += [expected.copy(), expected.copy()]
    kept = record(asking, (x,), {})
    passed = record(asking, (x,), {}, tape=PassingTape(room=0))
    assert list(fingerprint(passed)) == list(fingerprint(kept)) and passed.guards == kept.guards
    output = passed.columns.values[passed.outputs[0]]
    np.testing.assert_array_equal(output, kept.columns.values[kept.outputs[0]])


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
            tape.end()
            del circuit
            assert tracemalloc.get_traced_memory()[0] < weights.nbytes / 4
        tracemalloc.stop()
    assert peaks[0] > 15 and peaks[1] < 9  # of the weights' size


def test_a_ghost():
    value = np.arange(6.0, dtype=np.float32).reshape(2, 3)[:, ::-1]
    found = ghost(value)
    assert found.shape == value.shape and found.dtype == value.dtype
    assert not any(found.strides) and found.base.nbytes == 4 and (found == 2.0).all()
