"""The machines at other points than the traced one, and at those they must refuse."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GuardError, ShapeError

MACHINES = ("interpret", "staged", "native")


class Pair(NamedTuple):
    x: float
    y: float


@pytest.mark.parametrize("machine", MACHINES)
def test_gradients_belong_to_the_new_point(machine):
    c = cr.trace(lambda x: x * x, 3.0)
    assert c.gradients == {"x": 6.0}  # looked at before the machine runs elsewhere
    assert c.machine(machine)(5.0) == (25.0, {"x": 10.0})
    assert c.gradients == {"x": 6.0}


@pytest.mark.parametrize("machine", MACHINES)
def test_other_shapes_are_refused(machine):
    # x.size was 3 when this was traced: for five elements the mean would be wrong in silence.
    c = cr.trace(lambda x: np.sum(x) / x.size, np.ones(3))
    with pytest.raises(ShapeError, match=r"x has shape \(5,\), but .* \(3,\)"):
        c.machine(machine)(np.ones(5))
    with pytest.raises(ShapeError, match=r"x has shape \(\)"):
        c.machine(machine)(2.0)


def test_the_reference_refuses_other_containers():
    c = cr.trace(lambda p: p["a"] * p["b"][0], {"a": 2.0, "b": [3.0]})
    with pytest.raises(ShapeError, match="p must have the containers"):
        c.machine("interpret")({"a": 2.0, "b": 3.0})
    with pytest.raises(TypeError, match="1 argument"):
        c.machine("interpret")({"a": 2.0, "b": [3.0]}, 1.0)


def test_the_reference_takes_numbers_of_any_kind():
    c = cr.trace(lambda x, y: x * y, 3.0, -4.0)
    for x in (5, np.float32(5.0), np.float64(5.0)):
        value, gradients = c.machine("interpret")(x, -4)
        assert type(value) is float and value == -20.0
        assert gradients == {"x": -4.0, "y": 5.0} and type(gradients["y"]) is float


@pytest.mark.parametrize("machine", MACHINES)
def test_containers_come_back_as_they_went_in(machine):
    def f(p, q):
        return p.x * p.y + q["inner"].x * q["inner"].y

    point = (Pair(2.0, 3.0), OrderedDict(inner=Pair(4.0, 5.0)))
    value, gradients = cr.trace(f, *point).machine(machine)(*point)
    assert value == 26.0
    assert gradients == {"p": Pair(3.0, 2.0), "q": OrderedDict(inner=Pair(5.0, 4.0))}
    assert type(gradients["p"]) is Pair and type(gradients["q"]) is OrderedDict
    assert type(gradients["q"]["inner"]) is Pair


@pytest.mark.parametrize("machine", MACHINES)
def test_an_output_that_is_an_input(machine):
    assert cr.trace(lambda x, y: x, 2.0, 3.0).machine(machine)(5.0, 7.0) == (
        5.0,
        {"x": 1.0, "y": 0.0},
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_may_bear_the_names_of_modules(machine):
    def f(math, np, forward_backward):
        return math * np["a"] / np["np"] + forward_backward

    point = (2.0, {"a": 3.0, "np": 4.0}, 1.0)
    value, gradients = cr.trace(f, *point).machine(machine)(*point)
    assert value == 2.5
    assert gradients == {"math": 0.75, "np": {"a": 0.5, "np": -0.375}, "forward_backward": 1.0}

    def g(x, p):
        return np.sum(x["x"] * math.exp(p["p"]) * x["y"])

    point = ({"x": np.ones(2), "y": 2.0}, {"p": 0.5})
    value, gradients = cr.trace(g, *point).machine(machine)(*point)
    np.testing.assert_allclose(gradients["x"]["x"], 2.0 * math.exp(0.5))


@pytest.mark.parametrize("machine", MACHINES)
def test_another_branch_is_refused(machine):
    c = cr.trace(lambda x: x * x if x > 0 else -x, 3.0)
    assert c.machine(machine)(4.0)[0] == 16.0
    with pytest.raises(GuardError, match="branches on"):
        c.machine(machine)(-4.0)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_math_refuses_is_what_numpy_gives(machine):
    run = cr.trace(lambda x: 1.0 / (1.0 + math.exp(-x)), 1.0).machine(machine)
    value, gradients = run(-1000.0)
    assert value == 0.0 and gradients == {"x": 0.0}
    run = cr.trace(math.log, 1.0).machine(machine)
    value, gradients = run(0.0)
    assert value == -math.inf and gradients == {"x": math.inf}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_gradient_handed_on_is_not_counted_twice(machine):
    def newton(x, a):
        for _ in range(2):
            x = x - (x * x - a) / (2 * x)  # x_1 * x_1 is one contribution of twice the same
        return x

    c = cr.trace(newton, 1.5, 2.0)
    _, gradients = c.machine(machine)(1.5, 2.0)
    h = 1e-5
    for name, slope in (
        ("x", (newton(1.5 + h, 2.0) - newton(1.5 - h, 2.0)) / (2 * h)),
        ("a", (newton(1.5, 2.0 + h) - newton(1.5, 2.0 - h)) / (2 * h)),
    ):
        assert gradients[name] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_gradient_has_the_kind_of_its_input(machine):
    for x in (np.array(2.0), np.array(2.0, np.float32), np.float64(2.0), np.float32(2.0), 2.0):
        for f in (lambda x: x * x * x, lambda x: x, lambda x: x + 3.0, lambda x: 3.0):
            _, gradients = cr.trace(f, x).machine(machine)(x)
            assert type(gradients["x"]) is type(x)
            assert getattr(gradients["x"], "dtype", None) == getattr(x, "dtype", None)


CHOOSING = {
    "a mask": lambda x: np.mean(x[x > 0]),
    "nonzero": lambda x: np.sum(x[np.nonzero(x > 0)] ** 2),
    "where": lambda x: np.sum(x[np.where(x > 0)[0]] ** 2),
    "len": lambda x: np.sum(x) / len(x[x > 0]),
    "size": lambda x: np.sum(x) / x[x > 0].size,
    "argmax": lambda x: x[np.argmax(x)] ** 2 * float(np.argmax(x)),
    "sort": lambda x: np.sum(np.sort(x) * np.arange(4.0)) + x[np.argsort(x)][0],
    "any": lambda x: np.sum(x) if np.any(x < -2.5) else np.sum(x * x),
    "in": lambda x: np.sum(x) if 3.0 in x else np.sum(x * x),
    "sorted": lambda x: sum(k * v for k, v in enumerate(sorted(x, key=lambda v: -v))),
    "allclose": lambda x: np.sum(x) if np.allclose(x, 1.0) else np.sum(x * x),
    "select": lambda x: np.sum(np.select([x > 2.0, x > -1.5], [x, x * x], 0.5)),
}


@pytest.mark.parametrize("how", CHOOSING)
def test_what_was_chosen_by_value_is_guarded(how):
    """Elsewhere a machine gives what tracing there gives, or refuses; never another choice's."""
    f = CHOOSING[how]
    first = np.array([1.0, -2.0, 3.0, 0.5])
    c = cr.trace(f, first)
    compiled = {machine: cr.compile(cr.value_and_grad(f), machine=machine) for machine in MACHINES}
    for x in (first, np.array([-1.0, 2.0, -3.0, 0.7]), np.array([-1.0, 2.0, 3.5, -0.5])):
        there = cr.trace(f, x)
        for machine in MACHINES:
            try:
                value, gradients = c.machine(machine)(x)
            except GuardError:
                pass
            else:
                np.testing.assert_allclose(value, there.value)
                np.testing.assert_allclose(gradients["x"], there.gradients["x"])
            value, gradient = compiled[machine](x)
            np.testing.assert_allclose(value, there.value)
            np.testing.assert_allclose(gradient, there.gradients["x"])


@pytest.mark.parametrize("machine", MACHINES)
def test_powers_stay_real(machine):
    """Python gives a complex number for (-1.0) ** 2.5; NumPy and we say nan."""
    for f in (lambda x: x**2.5, lambda x: abs(x**2.5), lambda x: 1.0 + (x + 0.0) ** 0.5):
        value, gradients = cr.trace(f, 1.0).machine(machine)(-1.0)
        assert type(value) is float and math.isnan(value)
        assert math.isnan(gradients["x"])
        assert math.isnan(cr.grad(f)(-1.0))
    assert cr.trace(lambda x: x**2.5 * x**3, 2.0).machine(machine)(4.0)[0] == 2048.0


def test_dicts_of_other_kinds():
    for p in (defaultdict(float, a=2.0, b=3.0), Counter(a=2.0, b=3.0), OrderedDict(a=2.0, b=3.0)):
        gradient = cr.grad(lambda p: p["a"] * p["a"] * p["b"])(p)
        assert type(gradient) is type(p) and gradient == {"a": 12.0, "b": 4.0}
        assert p == {"a": 2.0, "b": 3.0}
    assert cr.grad(lambda p: p["a"] + p["new"])(defaultdict(float, a=2.0)) == {"a": 1.0}


@pytest.mark.parametrize("machine", MACHINES)
def test_large_constants(machine):
    data = np.arange(30_000.0)
    c = cr.trace(lambda w: np.sum(np.sqrt(w * data)), 2.0)
    value, gradients = c.machine(machine)(4.0)
    assert value == pytest.approx(2.0 * np.sum(np.sqrt(data)), rel=1e-13)
    # The slope at the 0 among the data is inf times 0, as NumPy has it.
    assert math.isnan(gradients["w"])
    with pytest.raises(ValueError, match="30000 elements"):
        c.code()


def test_other_dtypes_are_not_cast_in_silence():
    c = cr.trace(lambda x: np.sum(np.exp(x)), np.array([0.1, 0.2], np.float32))
    x = np.array([0.1, 0.2])
    for machine in MACHINES:
        value, gradients = c.machine(machine)(x)
        assert value == np.sum(np.exp(x)) and gradients["x"].dtype == np.float64
