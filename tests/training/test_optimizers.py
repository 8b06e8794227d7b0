"""Optimizers against their papers: by hand, by the papers' own lines, and against PyTorch."""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.adaptive import Adadelta, Adagrad, Lion

EVERY = [
    cr.SGD(0.1),
    cr.SGD(0.1, momentum=0.9),
    cr.SGD(0.1, momentum=0.9, nesterov=True),
    cr.RMSprop(0.01, decay=0.8, epsilon=1e-6),
    cr.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-6),
    cr.AdamW(0.01, weight_decay=0.3),
    Adagrad(0.1),
    Adagrad(0.1, epsilon=1e-3, begin=0.5),
    Adadelta(),
    Adadelta(0.5, decay=0.8, epsilon=1e-3),
    Lion(0.01, beta_1=0.8, beta_2=0.95, weight_decay=0.3),
]


def steps(optimizer: Any, parameters: Any, gradients: Any) -> list[Any]:
    """Return the parameters after each step."""
    state, seen = optimizer.init(parameters), []
    for gradient in gradients:
        parameters, state = optimizer.update(parameters, gradient, state)
        seen.append(parameters)
    return seen


# Worked out by hand from the equations in the docstrings, from p = 1.
@pytest.mark.parametrize(
    ("optimizer", "gradients", "expected"),
    [
        (cr.SGD(0.1), [0.5, -0.25], [0.95, 0.975]),
        # v = 0.5, then 0.45 - 0.25 = 0.2
        (cr.SGD(0.1, momentum=0.9), [0.5, -0.25], [0.95, 0.93]),
        # 0.5 + 0.9 · 0.5 = 0.95, then -0.25 + 0.9 · 0.2 = -0.07
        (cr.SGD(0.1, momentum=0.9, nesterov=True), [0.5, -0.25], [0.905, 0.912]),
        # s = 0.25 · 0.25 = 0.0625, and the same again: its root is 0.25
        (cr.RMSprop(0.1, decay=0.75, epsilon=0.0), [0.5, -0.25], [0.8, 0.9]),
        # outside the root: 0.1 · 0.5 / (0.25 + 0.25)
        (cr.RMSprop(0.1, decay=0.75, epsilon=0.25), [0.5], [0.9]),
        # m̂ = 0.5, v̂ = 0.25; then m = -0.375, m̂ = -0.5, v = 19/64, v̂ = 19/28
        (cr.Adam(0.1, 0.5, 0.75, 0.0), [0.5, -1.0], [0.9, 0.9 + 0.05 * math.sqrt(28 / 19)]),
        # 0.1 · 0.5 / (0.5 + 0.5): added to the corrected root
        (cr.Adam(0.1, 0.5, 0.75, 0.5), [0.5], [0.95]),
        # the step of Adam, 0.1, and 0.1 · 0.5 of the parameter itself
        (cr.AdamW(0.1, 0.5, 0.75, 0.0, weight_decay=0.5), [0.5], [0.85]),
        # s = 9, then 25: 0.5 · 3 / 3, then 0.5 · 4 / 5
        (Adagrad(0.5, epsilon=0.0), [3.0, 4.0], [0.5, 0.1]),
        # s = 7 + 9, and 1 outside the root: 0.5 · 3 / 5
        (Adagrad(0.5, epsilon=1.0, begin=7.0), [3.0], [0.7]),
        # s = 0.25 · 12² = 36, Δ = √64 / √(36 + 64) · 12 = 9.6, d = 0.25 · 9.6² = 23.04;
        # then s = 0.75 · 36 + 0.25 · 20² = 127
        (
            Adadelta(0.1, decay=0.75, epsilon=64.0),
            [12.0, 20.0],
            [0.04, 0.04 - 2.0 * math.sqrt(87.04 / 191.0)],
        ),
        # m = 0.25 · 4 = 1; then 0.5 · 1 - 0.5 · 1 = 0, which has no sign; then m = 0.5
        (Lion(0.1, 0.5, 0.75, weight_decay=0.0), [4.0, -1.0, -1.0], [0.9, 0.9, 1.0]),
        # 0.1 · (1 + 0.5 · 1)
        (Lion(0.1, weight_decay=0.5), [0.25], [0.85]),
    ],
)
def test_numbers_worked_out_by_hand(optimizer, gradients, expected):
    for start, like in ((1.0, float), (np.ones((2, 3)), np.ndarray)):
        seen = steps(optimizer, start, [g * start for g in gradients])
        assert all(isinstance(p, like) for p in seen)
        for p, value in zip(seen, expected, strict=True):
            np.testing.assert_allclose(p, value, rtol=1e-14)


def test_adam_is_algorithm_1_of_its_paper():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(4, 3))
    gradients = rng.normal(size=(30, 4, 3))
    alpha, beta1, beta2, epsilon = 0.01, 0.9, 0.999, 1e-8
    got = steps(cr.Adam(alpha), theta, gradients)[-1]
    m, v = np.zeros((4, 3)), np.zeros((4, 3))
    for t, g in enumerate(gradients, 1):  # line by line, as the paper has them
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + epsilon)
    np.testing.assert_allclose(got, theta, rtol=1e-13)


def test_lion_is_algorithm_2_of_its_paper():
    rng = np.random.default_rng(2)
    theta = rng.normal(size=(4, 3))
    gradients = rng.normal(size=(30, 4, 3))
    eta, beta1, beta2, lambda_ = 1e-3, 0.9, 0.99, 0.1
    got = steps(Lion(eta, weight_decay=lambda_), theta, gradients)[-1]
    m = np.zeros((4, 3))
    for g in gradients:  # line by line, as the paper has them
        c = beta1 * m + (1 - beta1) * g
        theta = theta - eta * (np.sign(c) + lambda_ * theta)
        m = beta2 * m + (1 - beta2) * g
    np.testing.assert_allclose(got, theta, rtol=1e-13)


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of other packages as it is imported
        return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", [o for o in EVERY if not isinstance(o, Lion)], ids=repr)
def test_the_same_numbers_as_pytorch(torch, optimizer, dtype):
    rng = np.random.default_rng(1)
    start = rng.normal(size=(5, 4)).astype(dtype)
    gradients = rng.normal(size=(20, 5, 4)).astype(dtype)
    parameter = torch.nn.Parameter(torch.tensor(start))
    adam = {"betas": (getattr(optimizer, "beta_1", 0), getattr(optimizer, "beta_2", 0))}
    rate, epsilon = optimizer.learning_rate, {"eps": getattr(optimizer, "epsilon", 0)}
    theirs = {
        "SGD": lambda: torch.optim.SGD(
            [parameter], rate, momentum=optimizer.momentum, nesterov=optimizer.nesterov
        ),
        "RMSprop": lambda: torch.optim.RMSprop([parameter], rate, alpha=optimizer.decay, **epsilon),
        "Adam": lambda: torch.optim.Adam([parameter], rate, **adam, **epsilon),
        "AdamW": lambda: torch.optim.AdamW(
            [parameter], rate, **adam, **epsilon, weight_decay=optimizer.weight_decay
        ),
        "Adagrad": lambda: torch.optim.Adagrad(
            [parameter], rate, **epsilon, initial_accumulator_value=optimizer.begin
        ),
        "Adadelta": lambda: torch.optim.Adadelta([parameter], rate, rho=optimizer.decay, **epsilon),
    }[type(optimizer).__name__]()
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        theirs.step()
    ours = steps(optimizer, start, gradients)[-1]
    assert ours.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(ours, parameter.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", EVERY, ids=repr)
def test_containers_and_dtypes_are_kept(optimizer):
    parameters = {
        "layers": [(np.ones((2, 2), np.float32), np.zeros(2)), (1.5,)],
        "scale": np.float32(2.0),
    }
    gradients = {
        "layers": [(np.ones((2, 2), np.float32), np.ones(2)), (0.5,)],
        "scale": np.float32(1.0),
    }
    state = optimizer.init(parameters)
    before = repr((parameters, state))
    for _ in range(3):
        moved, following = optimizer.update(parameters, gradients, state)
    assert repr((parameters, state)) == before  # nothing is written in place
    (weights, biases), (scalar,) = moved["layers"]
    assert weights.dtype == np.float32 and biases.dtype == np.float64 and type(scalar) is float
    assert type(moved["scale"]) is np.float32
    assert following["step"] == 1.0
    kinds = {name: repr(value) for name, value in optimizer.init(moved).items()}
    assert kinds.keys() == following.keys()


def test_the_learning_rate_may_follow_the_steps():
    asked: list[float] = []

    def schedule(step: float) -> Any:
        asked.append(step)
        return np.float64(0.5) / (1.0 + step)  # NumPy's number: must not widen float32

    seen = steps(cr.SGD(schedule), np.float32([1.0]), np.float32([[1.0], [1.0], [1.0]]))
    assert asked == [0.0, 1.0, 2.0]
    assert seen[-1].dtype == np.float32
    np.testing.assert_allclose(np.ravel(seen), [0.5, 0.25, 0.25 - 0.5 / 3], rtol=1e-6)


@pytest.mark.parametrize("optimizer", EVERY, ids=repr)
def test_numpy_numbers_as_settings_do_not_widen(optimizer):
    kind = type(optimizer)
    settings = {k: np.float64(v) for k, v in vars(optimizer).items() if k != "nesterov"}
    moved = steps(kind(**settings), np.float32([1.0]), [np.float32([0.5])])[0]
    assert moved.dtype == np.float32


def test_settings_out_of_range_say_what_they_may_be():
    with pytest.raises(ValueError, match=r"Adam: beta_1 must be from 0 to below 1, not 1\.0"):
        cr.Adam(0.1, beta_1=1.0)
    with pytest.raises(ValueError, match="SGD: learning_rate must be 0 or more, and finite"):
        cr.SGD(-0.1)
    with pytest.raises(ValueError, match="Lion: weight_decay must be 0 or more"):
        Lion(weight_decay=-1.0)
    with pytest.raises(ValueError, match="Adadelta: decay must be from 0 to below 1"):
        Adadelta(decay=1.0)
    with pytest.raises(ValueError, match="RMSprop: epsilon must be 0 or more"):
        cr.RMSprop(epsilon=math.nan)
    with pytest.raises(TypeError, match="SGD: momentum must be a number, not 'much'"):
        cr.SGD(0.1, momentum="much")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"give a momentum, such as 0\.9"):
        cr.SGD(0.1, nesterov=True)


def test_optimizers_are_values():
    assert cr.Adam(1e-3) == cr.Adam() and cr.Adam() != cr.AdamW()
    assert repr(cr.SGD(3)) == "SGD(learning_rate=3.0, momentum=0.0, nesterov=False)"
    with pytest.raises(AttributeError):
        cr.Adam().learning_rate = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("optimizer", EVERY[6:], ids=repr)
def test_machine_code_gives_the_same(optimizer):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 3)).astype(np.float32)
    y = x @ np.float32([[1.0], [-2.0], [0.5]])
    start = {"W": np.zeros((3, 1), np.float32), "scale": 1.5}

    def cost(p: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ p["W"] * p["scale"] - y) ** 2)

    ran = [
        cr.fit(cost, start, (x, y), epochs=4, batch_size=8, optimizer=optimizer, seed=1, machine=m)
        for m in ("native", "python")
    ]
    for name in start:
        compiled, plain = (r.parameters[name] for r in ran)
        assert type(compiled) is type(plain)
        np.testing.assert_allclose(compiled, plain, rtol=2e-5, atol=2e-6)
    assert ran[0].parameters["W"].dtype == np.float32
    assert ran[0].state.optimizer.keys() == optimizer.init(start).keys()


def test_epochs_may_be_joined_where_nobody_looks_at_them():
    assert all(optimizer.after_epoch is None for optimizer in EVERY)
