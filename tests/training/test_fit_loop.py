"""Going on, stopping, looking on: what happens around the steps of `fit`."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.tree import flatten
from chainrule.errors import NonFiniteCostError
from chainrule.training import loop as loop_module
from chainrule.training.batches import Orders
from chainrule.training.loop import Loop
from chainrule.training.progress import Silent
from chainrule.training.result import FitState
from chainrule.training.steps import Likeness

RNG = np.random.default_rng(11)
X = RNG.normal(size=(23, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 3.0]).astype(np.float32)
START = {"w": np.zeros(3, np.float32), "b": 0.0}


def cost(p, x, y):
    return np.mean((x @ p["w"] + p["b"] - y) ** 2)


def train(epochs=4, **options):
    """Train on mini-batches of which the last is short."""
    given: dict[str, Any] = {
        "parameters": START, "batch_size": 5, "optimizer": cr.Adam(0.05), "seed": 3,
        "machine": "staged", **options,
    }  # fmt: skip
    cost_ = given.pop("cost", cost)
    return cr.fit(cost_, given.pop("parameters"), (X, Y), epochs=epochs, **given)


def same(one, other):
    """Whether two results are the same to the bit, apart from time."""
    pairs = [(r.parameters, r.state.optimizer, r.state.shuffles) for r in (one, other)]
    (left, tree), (right, its_tree) = map(flatten, pairs)
    return tree.paths == its_tree.paths and all(
        type(a) is type(b) and np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("machine", ["python", "staged", "native"])
@pytest.mark.parametrize("seed", [3, None])
def test_going_on_is_as_if_it_had_not_stopped(machine, seed):
    generator = np.random.default_rng(seed)
    whole = train(4, machine=machine, seed=pickle.loads(pickle.dumps(generator)))
    half = train(1, machine=machine, seed=generator)
    state = pickle.loads(pickle.dumps(half.state))  # from a file, say
    rest = train(3, machine=machine, parameters=half.parameters, state=state, seed=99)
    assert same(rest, whole) and rest.epochs == 4 and whole.state.epochs == 4
    assert half.history["cost"] + rest.history["cost"] == whole.history["cost"]
    assert not same(half, whole)


def test_a_state_that_does_not_fit():
    half = train(1)
    with pytest.raises(cr.ChainruleError, match="another optimizer or of other parameters"):
        train(parameters=half.parameters, state=half.state, optimizer=cr.SGD(0.1))
    with pytest.raises(
        TypeError, match=r"state must be the \.state of an earlier result, not dict"
    ):
        train(state=half.state.optimizer)
    within = FitState(half.state.optimizer, epochs=1, rows=10)
    with pytest.raises(cr.ChainruleError, match="stopped within an epoch, after 10 rows"):
        train(state=within, batch_size=4)
    assert "after 1 epoch and 10 rows" in repr(within)


def test_no_epochs_give_copies():
    result = train(0)
    assert result.epochs == 0 and len(result.history) == 0
    assert result.parameters["w"] is not START["w"] and result.parameters["b"] == 0.0
    assert repr(result) == "FitResult(0 epochs, 2 parameters)"


@pytest.mark.parametrize("machine", ["staged", "native"])
def test_short_epochs_at_once_are_the_same(machine, monkeypatch):
    """Whether epochs are joined in a turn, run one by one, or batch by batch."""
    options = {"batch_size": None, "machine": machine, "epochs": 40}
    calls: list[int] = []
    inner = Loop._several

    def counted(self, epochs):
        calls.append(epochs)
        return inner(self, epochs)

    monkeypatch.setattr(Loop, "_several", counted)
    for size in (None, 23, 1):
        calls.clear()
        joined = train(**{**options, "batch_size": size})
        assert calls and sum(calls) < 40
        one_by_one = train(**{**options, "batch_size": size}, callback=lambda epoch, result: None)
        assert same(joined, one_by_one)
        assert joined.history["cost"] == one_by_one.history["cost"]
        with monkeypatch.context() as patch:
            patch.setattr(loop_module, "TURN", 1e-12)
            assert same(joined, train(**{**options, "batch_size": size}))


# ---------------------------------------------------------------------- stopping


def test_the_callback_sees_each_epoch_and_may_stop():
    seen: list[tuple[int, float, float]] = []

    def look(epoch, result):
        seen.append((epoch, result.history["cost"][-1], float(result.parameters["w"][0])))
        assert result.epochs == epoch and len(result.history["cost"]) == epoch
        result.parameters["w"][:] = np.nan  # a copy: no harm done
        return epoch == 3

    result = train(10, callback=look)
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3] and result.epochs == 3
    assert same(result, train(3)) and not result.interrupted
    assert [entry for _, entry, _ in seen] == result.history["cost"]
    assert len({w for _, _, w in seen}) == 3


def pressing(at, times=1):
    """Return a cost during whose call number `at` Ctrl-C is pressed."""
    calls = 0

    def pressed(p, x, y):
        nonlocal calls
        calls += 1
        if calls == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return cost(p, x, y)

    return pressed


@pytest.fixture
def batch_by_batch(monkeypatch):
    monkeypatch.setattr(loop_module, "TURN", 1e-12)


# On the machine "python" each step calls the cost; the first call is the check before them.


@pytest.mark.parametrize("step", range(1, 6))
def test_ctrl_c_ends_it_after_the_epoch(batch_by_batch, step):
    handler = signal.getsignal(signal.SIGINT)
    part = train(4, machine="python", cost=pressing(1 + 5 + step))
    assert part.interrupted and part.epochs == 2 and part.state.rows == 0
    assert same(part, train(2, machine="python"))
    assert part.history.notes == ["Interrupted after 2 of 4 epochs."]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_ends_it_between_steps_and_it_can_go_on(batch_by_batch):
    handler = signal.getsignal(signal.SIGINT)
    part = train(4, machine="python", cost=pressing(1 + 5 + 3, times=2))
    assert part.interrupted and part.epochs == 1 and part.state.rows == 15
    assert repr(part).endswith("2 parameters, interrupted)")
    assert len(part.history["cost"]) == 1
    assert signal.getsignal(signal.SIGINT) is handler
    rest = train(4 - part.epochs, machine="python", parameters=part.parameters, state=part.state)
    whole = train(4, machine="python")
    assert same(rest, whole) and rest.epochs == 4 and not rest.interrupted
    assert part.history["cost"] + rest.history["cost"] == whole.history["cost"]


@pytest.mark.parametrize(("step", "times"), [(1, 1), (5, 1), (5, 2)])
def test_ctrl_c_that_cuts_nothing_is_no_interruption(batch_by_batch, step, times):
    assert not train(1, machine="python", cost=pressing(1 + step, times)).interrupted


def test_ctrl_c_in_the_callback():
    def stop(epoch, result):
        if epoch == 2:
            raise KeyboardInterrupt

    result = train(4, callback=stop)
    assert result.interrupted and same(result, train(2))


def test_a_third_ctrl_c_raises_at_once(batch_by_batch):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        train(4, machine="python", cost=pressing(8, times=3))
    assert raised.value.result.epochs == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_somebody_else_is_left_alone():
    def mine(number, frame):
        raise RuntimeError("mine")

    before = signal.signal(signal.SIGINT, mine)
    try:
        with pytest.raises(RuntimeError, match="mine"):
            train(1, machine="python", cost=pressing(3))
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


class Scripted:
    """Steps that give costs by a script."""

    def __init__(self, costs):
        self.costs = costs
        self.done = 0

    def run(self, order, first, batches):
        part = self.costs[self.done : self.done + batches]
        self.done += batches
        return np.array(part)

    def values(self):
        return [np.array([float(self.done)])], [[float(self.done)]]


def scripted(costs, rows=4, size=2):
    state = FitState({"step": 0.0})
    steps = Scripted(costs)
    start = np.zeros(1)
    like = Likeness(start, state.optimizer)
    return Loop(steps, like, Orders(rows, None), state, rows, size, start)


def test_costs_are_means_over_examples():
    result = scripted([1.0, 2.0, 9.0, 3.0, 4.0, 9.0], rows=5).run(2, Silent())
    assert result.history["cost"] == [(2 + 4 + 9) / 5, (6 + 8 + 9) / 5]
    joined = scripted([1.0, 3.0] * 50).run(50, Silent())
    assert joined.history["cost"] == [2.0] * 50


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_not_finite_ends_it(bad, batch_by_batch):
    with pytest.raises(
        FloatingPointError, match=rf"cost became {bad} in epoch 2, at step 2 of 2.*after 1 epoch\."
    ) as caught:
        scripted([1.0, 2.0, 3.0, bad, 5.0, 6.0]).run(3, Silent())
    error = caught.value
    assert isinstance(error, NonFiniteCostError)
    assert error.result.epochs == 1 and error.result.history["cost"] == [1.5]
    np.testing.assert_array_equal(error.result.parameters, [2.0])


@pytest.mark.parametrize("machine", ["staged", "native"])
@pytest.mark.parametrize(("batch_size", "rate"), [(None, 1.5), (1, 0.3)])
def test_too_large_a_learning_rate_leaves_the_last_good_epoch(machine, batch_size, rate):
    """Also where epochs are joined."""
    options = {"optimizer": cr.SGD(rate), "machine": machine, "batch_size": batch_size}
    with pytest.raises(NonFiniteCostError, match="Take a smaller learning rate") as caught:
        train(4000, **options)
    result = caught.value.result
    assert np.isfinite(result.parameters["w"]).all() and np.isfinite(result.history["cost"]).all()
    assert 4 < result.epochs == len(result.history["cost"])
    assert f"in epoch {result.epochs + 1}, at step" in str(caught.value)
    assert same(result, train(result.epochs, callback=lambda *_: None, **options))


def test_a_parameter_that_is_not_finite_leaves_the_last_good_epoch():
    """In the last of several joined epochs, of which each cost is finite."""

    def steep(w, x):
        return np.sum(w / 4) * np.mean(x)

    with pytest.raises(NonFiniteCostError, match="is no longer finite in epoch 18") as caught:
        cr.fit(steep, np.ones(2), np.ones(2), optimizer=cr.SGD(4e307), epochs=18, machine="staged")
    assert caught.value.result.epochs == 17
    np.testing.assert_allclose(caught.value.result.parameters, -17e307)


def test_parameters_that_are_not_finite_while_the_cost_is():
    def steep(p, x):
        return np.sum(p["w"]) * np.mean(x) + 20 * np.sum(p["v"])

    with pytest.raises(
        NonFiniteCostError, match=r"parameters\['v'\] is no longer finite in epoch 1"
    ):
        cr.fit(
            steep, {"v": np.ones(2), "w": np.ones(2)}, np.ones(2), optimizer=cr.SGD(1e308),
            epochs=3, machine="staged", callback=lambda *_: None,
        )  # fmt: skip


# ---------------------------------------------------------------------- looking on


def test_validation_on_held_out_data():
    result = train(2, validation=(X[:4], Y[:4]))
    assert list(result.history) == ["cost", "val_cost", "seconds"]
    assert result.history["val_cost"][-1] == pytest.approx(
        float(cost(result.parameters, X[:4], Y[:4]))
    )
    assert same(result, train(2))


def test_validation_by_a_function():
    result = train(3, validation=lambda p: {"val_size": np.sum(p["w"] ** 2)})
    assert result.history["val_size"][-1] == np.sum(result.parameters["w"] ** 2)
    for wrong in (lambda p: 3.0, lambda p: {"cost": 1.0}):
        with pytest.raises(TypeError, match="a dict of numbers under names of their own"):
            train(1, validation=wrong)


def test_nothing_is_said_where_there_is_no_terminal(capsys):
    train(2)
    train(2, progress=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    train(2, progress=True, machine="python")
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_in_a_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("SOON", "WORTH"):  # seconds: three epochs are over before
        monkeypatch.setattr(f"chainrule.training.progress.{name}", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    train(3)
    assert "epoch 3/3" in sys.stderr.getvalue() and "cost" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setattr(sys, "stderr", Terminal())
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            train(1)
        assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
