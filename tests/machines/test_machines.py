"""The machines at other points than the traced one, and at those they must refuse."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GuardError, ShapeError

MACHINES = ("interpret", "staged")


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
