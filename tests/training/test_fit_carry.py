"""What `fit` carries from step to step, sampling with replacement, early stopping, its hooks."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.early_stopping import EarlyStopping, is_larger_better
from chainrule.training.steps import MACHINES

X = np.arange(12.0).reshape(6, 2)
START = {"w": np.array([0.25, -0.5])}


def running(p, carry, x):
    """Return a cost, and the running mean of what was seen."""
    mean = 0.9 * carry["mean"] + 0.1 * np.mean(x, axis=0)
    return np.mean((x @ p["w"] - 1.0) ** 2), {"mean": mean, "steps": carry["steps"] + 1.0}


def begun():
    return {"mean": np.zeros(2), "steps": 0.0}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_carry_is_that_of_a_loop_by_hand(machine):
    result = cr.fit(
        running, START, X, epochs=3, batch_size=4, carry=begun(), seed=5, machine=machine,
        optimizer=cr.SGD(1e-3),
    )  # fmt: skip
    rng, mean = np.random.default_rng(5), np.zeros(2)
    for _ in range(3):
        order = rng.permutation(6)
        for rows in (order[:4], order[4:]):
            mean = 0.9 * mean + 0.1 * X[rows].mean(axis=0)
    np.testing.assert_allclose(result.carry["mean"], mean, rtol=1e-14)
    assert result.carry["steps"] == 6.0 and type(result.carry["steps"]) is float


@pytest.mark.parametrize("machine", ["native", "python"])
def test_a_training_with_a_carry_goes_on_to_the_bit(machine, tmp_path):
    settings = {"batch_size": 4, "optimizer": cr.Adam(0.01), "machine": machine}
    whole = cr.fit(running, START, X, epochs=5, carry=begun(), seed=1, **settings)
    half = cr.fit(running, START, X, epochs=2, carry=begun(), seed=1, **settings)
    cr.save_fit(tmp_path / "half.safetensors", half)
    half = cr.load_fit(tmp_path / "half.safetensors")
    rest = cr.fit(
        running, half.parameters, X, epochs=3, carry=begun(), state=half.state, **settings
    )
    assert rest.parameters["w"].tobytes() == whole.parameters["w"].tobytes()
    assert rest.carry["mean"].tobytes() == whole.carry["mean"].tobytes()


def test_validation_sees_the_carry():
    seen = []

    def look(p, carry):
        seen.append(carry["steps"])
        return {"val_steps": carry["steps"]}

    result = cr.fit(running, START, X, epochs=2, carry=begun(), validation=look)
    assert seen == [1.0, 2.0] == result.history["val_steps"]
    held_out = cr.fit(running, START, X, epochs=1, carry=begun(), validation=X[:2])
    expected = np.mean((X[:2] @ held_out.parameters["w"] - 1.0) ** 2)
    assert held_out.history["val_cost"] == [pytest.approx(expected, rel=1e-12)]


def test_a_cost_that_forgets_its_carry():
    with pytest.raises(TypeError, match=r"cost must return|must return \(cost, carry\)"):
        cr.fit(lambda p, c, x: np.mean(x @ p["w"]), START, X, carry=begun())
    with pytest.raises(TypeError, match="the parameters, the carry and one argument"):
        cr.fit(lambda p, x: np.mean(x @ p["w"]), START, X, carry=begun())


def test_a_carry_that_changes_its_shape():
    def widening(p, carry, x):
        return np.mean(x @ p["w"]), np.concatenate([carry, carry])

    with pytest.raises(ValueError, match="the cost changed the shape of carry"):
        cr.fit(widening, START, X, carry=np.zeros(2))


def test_a_parameter_that_only_the_carry_uses_has_no_gradient():
    def cost(p, carry, x):
        return np.mean(x @ p["w"]), carry + p["b"]

    with pytest.warns(RuntimeWarning, match="does not depend on parameters"):
        cr.fit(cost, {**START, "b": 1.0}, X, carry=0.0)


@pytest.mark.parametrize("machine", MACHINES)
def test_sampling_with_replacement(machine):
    seen = []
    rows = np.arange(7.0)

    def cost(p, x):
        return np.mean(p * x)

    result = cr.fit(
        cost, 0.0, rows, epochs=2, batch_size=3, seed=4, replace=True, machine=machine,
        optimizer=cr.SGD(1.0), callback=lambda epoch, r: seen.append(r.parameters),
    )  # fmt: skip
    rng, p = np.random.default_rng(4), 0.0
    for epoch in range(2):
        drawn = rng.integers(0, 7, 7)
        for first in (0, 3, 6):
            p -= np.mean(rows[drawn[first : first + 3]])
        assert seen[epoch] == pytest.approx(p, rel=1e-14)
    assert result.epochs == 2


def test_replacement_needs_batches():
    with pytest.raises(ValueError, match="needs a batch_size below the 6 rows"):
        cr.fit(lambda p, x: np.mean(x @ p["w"]), START, X, replace=True)


# ---------------------------------------------------------------------- early stopping


def scores(values):
    """Return a validation that reads its numbers from a list."""
    rest = iter(values)
    return lambda p: {"val_accuracy": next(rest)}


def cost(p, x):
    return np.mean((x @ p["w"] - 1.0) ** 2)


def test_it_ends_after_its_patience_and_keeps_the_best():
    kept = {}
    result = cr.fit(
        cost, START, X, epochs=50, optimizer=cr.SGD(1e-3),
        validation=scores([0.1, 0.5, 0.4, 0.5, 0.3, 0.9]),
        early_stopping=EarlyStopping(3, watch="val_accuracy"),
        callback=lambda epoch, r: kept.update({epoch: r.parameters["w"].copy()}),
    )  # fmt: skip
    assert result.epochs == 5  # epoch 4 only equals the best
    assert result.best.epoch == 2 and result.best.value == 0.5
    np.testing.assert_array_equal(result.best.parameters["w"], kept[2])
    np.testing.assert_array_equal(result.parameters["w"], kept[5])


def test_it_goes_on_where_it_stood(tmp_path):
    values = [0.1, 0.5, 0.4, 0.45, 0.3, 0.9]
    stop = EarlyStopping(3, watch="val_accuracy")
    half = cr.fit(cost, START, X, epochs=3, validation=scores(values), early_stopping=stop)
    cr.save_fit(tmp_path / "half.safetensors", half)
    half = cr.load_fit(tmp_path / "half.safetensors")
    assert half.best.epoch == 2
    rest = cr.fit(
        cost, half.parameters, X, epochs=9, state=half.state, validation=scores(values[3:]),
        early_stopping=stop,
    )  # fmt: skip
    assert rest.epochs == 5 and rest.best.value == 0.5


def test_what_it_watches_by_default():
    watch = EarlyStopping()
    assert watch.name({"cost": 1.0, "seconds": 0.1}) == "cost"
    assert watch.name({"cost": 1.0, "val_cost": 2.0}) == "val_cost"
    nan = float("nan")
    assert not watch.is_better(nan, 1.0) and watch.is_better(0.5, 1.0)
    assert watch.is_better(7.0, nan) and not watch.is_better(nan, nan)
    assert is_larger_better("val_f1_macro") and not is_larger_better("val_cost")


def test_a_diverged_validation_is_no_best():
    result = cr.fit(
        cost, START, X, epochs=9, validation=lambda p: {"val_cost": float("nan")},
        early_stopping=2, optimizer=cr.SGD(1e-4),
    )  # fmt: skip
    assert result.best.epoch == 1 and result.epochs == 3


def test_early_stopping_errors():
    with pytest.raises(ValueError, match=r"watches 'val_acc', but an epoch has cost, val_accuracy"):
        cr.fit(
            cost, START, X, validation=scores([1.0]), early_stopping=EarlyStopping(watch="val_acc")
        )
    with pytest.raises(ValueError, match="patience must be at least 1"):
        EarlyStopping(0)
    with pytest.raises(TypeError, match="patience must be a number of epochs"):
        EarlyStopping(2.5)
    with pytest.raises(ValueError, match="least must be 0 or more"):
        EarlyStopping(least=-1.0)
    with pytest.raises(TypeError, match="early_stopping must be True"):
        cr.fit(cost, START, X, early_stopping="yes")


# ---------------------------------------------------------------------- hooks


class Halving:
    """Gradient descent whose rate is halved after each epoch."""

    def init(self, parameters):
        return {"rate": 0.01}

    def update(self, parameters, gradients, state):
        return {"w": parameters["w"] - state["rate"] * gradients["w"]}, state

    def after_epoch(self, state, numbers):
        assert {"cost", "seconds"} <= numbers.keys()
        return {"rate": 0.5 * state["rate"]}


@pytest.mark.parametrize("machine", MACHINES)
def test_an_optimizer_is_asked_after_each_epoch(machine):
    result = cr.fit(cost, START, X, epochs=3, optimizer=Halving(), machine=machine)
    w, rate = START["w"].copy(), 0.01
    for _ in range(3):
        w -= rate * 2 * X.T @ (X @ w - 1.0) / 6
        rate /= 2
    np.testing.assert_allclose(result.parameters["w"], w, rtol=1e-12)
    assert result.state.optimizer == {"rate": 0.01 / 8}


def test_all_callbacks_are_called_and_any_may_end_it():
    seen = []

    def ends(epoch, result):
        seen.append(f"ends {epoch}")
        return epoch == 2

    result = cr.fit(
        cost, START, X, epochs=9, callback=[ends, lambda epoch, r: seen.append(f"looks {epoch}")]
    )
    assert result.epochs == 2 and seen == ["ends 1", "looks 1", "ends 2", "looks 2"]
    with pytest.raises(TypeError, match="a callback must be callable"):
        cr.fit(cost, START, X, callback=[3])


def test_what_a_callback_raises_has_the_training_so_far():
    def full(epoch, result):
        if epoch == 3:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full") as caught:
        cr.fit(cost, START, X, epochs=9, optimizer=cr.SGD(1e-3), callback=full)
    three = cr.fit(cost, START, X, epochs=3, optimizer=cr.SGD(1e-3))
    np.testing.assert_array_equal(caught.value.result.parameters["w"], three.parameters["w"])
    assert caught.value.result.history.entries == 3


def test_who_goes_on_after_an_early_stop_has_nothing_to_do():
    stop = EarlyStopping(2, watch="val_accuracy")
    ended = cr.fit(
        cost, START, X, epochs=9, validation=scores([0.5, 0.4, 0.4, 0.9]), early_stopping=stop
    )
    assert ended.epochs == 3
    again = cr.fit(
        cost, ended.parameters, X, epochs=9, state=ended.state, validation=scores([]),
        early_stopping=stop,
    )  # fmt: skip
    assert again.epochs == 3 and not again.history.entries
