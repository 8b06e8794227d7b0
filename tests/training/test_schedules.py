"""Schedules against PyTorch's, against their formulas, and compiled."""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.tracing.record import record
from chainrule.training.schedules import (
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Plateau,
    StepDecay,
    WarmUp,
)

EVERY = [
    StepDecay(0.5, every=3, factor=0.5),
    ExponentialDecay(0.5, every=4, factor=0.3),
    CosineDecay(0.5, steps=9, end=0.1),
    OneCycle(0.5, steps=12),
    OneCycle(0.5, steps=12, rise=0.6, start=0.1, end=0.01),
    OneCycle(0.5, steps=10, rise=0.0),
    WarmUp(4, 0.5),
    WarmUp(4, CosineDecay(0.5, steps=8), start=0.05),
]


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of other packages as it is imported
        return pytest.importorskip("torch")


def theirs(torch: Any, rate: float, make: Any, steps: int) -> list[float]:
    """Return the learning rates of PyTorch's scheduler, step by step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("ours", "make", "steps"),
    [
        (StepDecay(0.5, 3, 0.7), lambda s, o: s.StepLR(o, 3, 0.7), 14),
        (ExponentialDecay(0.5, 1, 0.9), lambda s, o: s.ExponentialLR(o, 0.9), 14),
        (CosineDecay(0.5, 9), lambda s, o: s.CosineAnnealingLR(o, 9), 10),
        (CosineDecay(0.5, 9, 0.1), lambda s, o: s.CosineAnnealingLR(o, 9, 0.1), 10),
        (OneCycle(0.5, 40), lambda s, o: s.OneCycleLR(o, 0.5, 40, cycle_momentum=False), 40),
        (
            OneCycle(0.5, 17, rise=0.45, start=0.1, end=0.002),
            lambda s, o: s.OneCycleLR(
                o, 0.5, 17, pct_start=0.45, div_factor=5, final_div_factor=50, cycle_momentum=False
            ),
            17,
        ),
        (WarmUp(5, 0.5, start=0.1), lambda s, o: s.LinearLR(o, 0.2, total_iters=5), 9),
        (
            WarmUp(5, StepDecay(0.5, 3, 0.7), start=0.1),
            lambda s, o: s.SequentialLR(
                o, [s.LinearLR(o, 0.2, total_iters=5), s.StepLR(o, 3, 0.7)], [5]
            ),
            15,
        ),
    ],
    ids=lambda value: repr(value) if hasattr(value, "__dataclass_fields__") else "",
)
def test_the_same_rates_as_pytorch(torch, ours, make, steps):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR warns of its own calls
        expected = theirs(torch, 0.5, make, steps)
    got = [float(ours(float(step))) for step in range(steps)]
    # CosineAnnealingLR multiplies its way along, and rounds at each step.
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_rates_worked_out_by_hand():
    half = math.sqrt(0.5)
    assert [float(StepDecay(8.0, 2, 0.5)(k)) for k in range(7)] == [8, 8, 4, 4, 2, 2, 1]
    assert float(ExponentialDecay(8.0, 2, 0.5)(1.0)) == pytest.approx(8.0 * half)
    assert float(CosineDecay(3.0, 4, end=1.0)(1.0)) == pytest.approx(2.0 + half)
    assert [float(WarmUp(4, 2.0)(k)) for k in range(6)] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    # No step to rise in: the peak, or one step after it where PyTorch counts from -1.
    assert float(OneCycle(1.0, 10, rise=0.1)(0.0)) == 1.0
    assert float(OneCycle(1.0, 3, rise=0.0, end=0.0)(0.0)) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (CosineDecay(0.5, 7, end=0.1), 0.1),
        (OneCycle(0.7, 10, end=0.01), 0.01),
        (WarmUp(7, 0.7, start=0.3), 0.7),
        (WarmUp(3, CosineDecay(0.7, 7, end=0.3)), 0.3),
    ],
    ids=repr,
)
def test_what_ends_stays_at_its_end_exactly(schedule, last):
    ends = getattr(schedule, "steps", 0.0) + 20.0
    assert [float(schedule(step)) for step in (ends, ends + 1.0, 1e9)] == [last] * 3


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_rates_can_be_drawn_as_a_curve(schedule):
    every = np.arange(20.0)
    np.testing.assert_allclose(schedule(every), [schedule(float(k)) for k in every], rtol=1e-14)


@pytest.mark.parametrize("schedule", [*EVERY, Plateau(0.5), WarmUp(3, Plateau(0.5))], ids=repr)
def test_compiled_rates_are_the_same(schedule):
    optimizer = cr.SGD(schedule)
    data = np.ones((5, 1), np.float32)

    def cost(p: Any, x: Any) -> Any:  # its slope is 1, so each step is as long as its rate
        return np.mean(p["W"] * x) + p["b"]

    start = {"W": np.zeros(1, np.float32), "b": 0.0}
    ran = {
        machine: cr.fit(
            cost, start, data, epochs=3, batch_size=1, optimizer=optimizer, machine=machine
        )
        for machine in ("native", "staged", "python")
    }
    rates = [float(schedule(float(step))) for step in range(15)]
    for result in ran.values():
        assert result.parameters["W"].dtype == np.float32 and type(result.parameters["b"]) is float
        assert result.parameters["b"] == pytest.approx(-sum(rates), rel=1e-12)
        np.testing.assert_allclose(result.parameters["W"], -sum(rates), rtol=1e-5)
    # One path for all steps: nothing is decided by a branch.
    state = optimizer.init(start)
    assert record(optimizer.update, (start, start, state), {}).guards == ()


# ---------------------------------------------------------------------- plateau


@pytest.mark.parametrize("larger", [False, True])
@pytest.mark.parametrize(
    ("settings", "their_settings"),
    [
        ({}, {}),
        ({"factor": 0.5, "patience": 0}, {"factor": 0.5, "patience": 0}),
        ({"patience": 2, "cooldown": 3}, {"patience": 2, "cooldown": 3}),
        ({"patience": 1, "minimum": 0.02}, {"patience": 1, "min_lr": 0.02}),
        ({"patience": 1, "threshold": 0.2}, {"patience": 1, "threshold": 0.2}),
    ],
)
def test_plateaus_are_pytorch_s(torch, settings, their_settings, larger):
    rng = np.random.default_rng(4)
    numbers = np.exp(-0.1 * np.arange(80)) + 0.1 * rng.random(80)
    numbers[20] = math.nan
    if larger:
        numbers = 2.0 - numbers
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if larger else "min", **{"factor": 0.1, "patience": 10, **their_settings}
    )
    ours = Plateau(0.5, **settings, watch="val_accuracy" if larger else "val_cost")
    state = ours.begin()
    seen = []
    for number in numbers:
        scheduler.step(float(number))
        state = ours.after_epoch(state, {"cost": 1.0, ours.watch: float(number)})
        rate = ours.at(0.0, state)
        if rate > 1e-8:  # PyTorch lets smaller ones be
            assert rate == optimizer.param_groups[0]["lr"]
        seen.append(rate)
    assert len(set(seen)) > 1


def test_a_plateau_watches_the_held_out_cost_if_there_is_one():
    schedule = Plateau(1.0, factor=0.5, patience=0)
    state = schedule.after_epoch(schedule.begin(), {"cost": 2.0, "val_cost": 1.0})
    state = schedule.after_epoch(state, {"cost": 1.0, "val_cost": 1.0})
    assert state["rate"] == 0.5
    state = schedule.after_epoch(schedule.begin(), {"cost": 2.0})
    state = schedule.after_epoch(state, {"cost": 1.0})
    assert state["rate"] == 1.0


def test_a_plateau_of_negative_numbers_asks_for_a_fraction_of_their_size():
    schedule = Plateau(1.0, factor=0.5, patience=0, threshold=0.1)
    state = schedule.after_epoch(schedule.begin(), {"cost": -10.0})
    better = schedule.after_epoch(state, {"cost": -11.5})
    assert better["rate"] == 1.0 and better["best"] == -11.5
    assert schedule.after_epoch(state, {"cost": -10.5})["rate"] == 0.5


@pytest.mark.parametrize("larger", [True, False])
def test_what_is_better_can_be_said(larger):
    schedule = Plateau(1.0, 0.5, patience=0, watch="margin", larger_is_better=larger)
    state = schedule.after_epoch(schedule.begin(), {"margin": 1.0})
    assert state["best"] == 1.0
    assert schedule.after_epoch(state, {"margin": 2.0})["rate"] == (1.0 if larger else 0.5)


def a_training(epochs: int, optimizer: Any, **settings: Any) -> Any:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 3)).astype(np.float32)
    y = (x @ np.float32([1.0, -2.0, 0.5]) + rng.normal(size=12)).astype(np.float32)

    def cost(p: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ p - y) ** 2)

    given = {"parameters": np.zeros(3, np.float32), "seed": 6, **settings}
    parameters = given.pop("parameters")
    return cr.fit(
        cost, parameters, (x, y), epochs=epochs, batch_size=5, optimizer=optimizer, **given
    )


PLATEAUS = [
    cr.SGD(Plateau(0.4, factor=0.5, patience=1)),
    cr.Adam(WarmUp(7, Plateau(0.4, factor=0.5, patience=0, threshold=0.01))),
]


@pytest.mark.parametrize("optimizer", PLATEAUS, ids=repr)
def test_the_rate_drops_in_training(optimizer):
    compiled, plain = (
        a_training(30, optimizer, machine=machine) for machine in ("native", "python")
    )
    np.testing.assert_allclose(compiled.history["cost"], plain.history["cost"], rtol=1e-4)
    np.testing.assert_allclose(compiled.parameters, plain.parameters, rtol=1e-4)
    state = compiled.state.optimizer["schedule"]
    assert state["rate"] < 0.4 and state["rate"] == plain.state.optimizer["schedule"]["rate"]
    # What the schedule makes of the history by itself.
    schedule = optimizer.learning_rate
    by_hand = schedule.begin()
    for cost in compiled.history["cost"]:
        by_hand = schedule.after_epoch(by_hand, {"cost": cost})
    assert state == by_hand


@pytest.mark.parametrize("optimizer", PLATEAUS, ids=repr)
@pytest.mark.parametrize("stop", [1, 4, 9])
def test_resuming_is_bitwise(optimizer, stop, tmp_path):
    whole = a_training(12, optimizer)
    cr.save_fit(tmp_path / "x.safetensors", a_training(stop, optimizer))
    half = cr.load_fit(tmp_path / "x.safetensors")
    rest = a_training(12 - stop, optimizer, parameters=half.parameters, state=half.state)
    assert rest.parameters.tobytes() == whole.parameters.tobytes()
    assert rest.state.optimizer["schedule"] == whole.state.optimizer["schedule"]


def test_only_what_looks_at_epochs_asks_to_be_told():
    assert cr.SGD(WarmUp(3, CosineDecay(0.1, 9))).after_epoch is None
    assert cr.SGD(WarmUp(3, CosineDecay(0.1, 9))).init(1.0) == {"step": 0.0}
    optimizer = cr.SGD(WarmUp(3, Plateau(0.1)), momentum=0.5)
    assert list(optimizer.init(1.0)) == ["step", "schedule", "velocity"]
    assert optimizer.after_epoch is not None


def test_settings_out_of_range_say_what_they_may_be():
    with pytest.raises(ValueError, match=r"StepDecay: every must be above 0, and finite, not 0\.0"):
        StepDecay(0.1, every=0)
    with pytest.raises(TypeError, match="CosineDecay: rate must be a number, not 'fast'"):
        CosineDecay("fast", 100)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"OneCycle: rise must be from 0 to below 1, not 1\.0"):
        OneCycle(0.1, 100, rise=1.0)
    with pytest.raises(ValueError, match=r"OneCycle: steps must be more than 1, not 1\.0"):
        OneCycle(0.1, 1)
    with pytest.raises(TypeError, match="OneCycle: peak must be a number, not None"):
        OneCycle(None, 10)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="WarmUp: then must be a number"):
        WarmUp(10, "fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Plateau: factor must be from 0 to below 1, not 1\.0"):
        Plateau(0.1, factor=1.0)
    with pytest.raises(TypeError, match=r"patience must be an integer, not 2\.5"):
        Plateau(0.1, patience=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cooldown must be at least 0, not -1"):
        Plateau(0.1, cooldown=-1)


def test_a_name_that_no_epoch_has():
    schedule = Plateau(0.1, watch="val_acuracy")
    with pytest.raises(ValueError, match=r"an epoch has cost, val_accuracy\..*val_accuracy"):
        schedule.after_epoch(schedule.begin(), {"cost": 1.0, "val_accuracy": 0.5})
