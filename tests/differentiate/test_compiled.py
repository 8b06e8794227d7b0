"""A compiled function gives what the function gives, however it is called."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import chainrule as cr

MACHINES = ("interpret", "staged", "native")


def weighed(x, y=2.0, z=5.0, *, w=0.0):
    return x + 10 * y + 100 * z + 1000 * w


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_by_position_and_by_name(machine):
    compiled = cr.compile(weighed, machine=machine)
    for _ in range(2):  # the second time from what was recorded
        assert compiled(1.0, 3.0) == weighed(1.0, 3.0) == 531.0
        assert compiled(1.0, z=3.0) == weighed(1.0, z=3.0) == 321.0
        assert compiled(1.0, y=3.0) == weighed(1.0, y=3.0) == 531.0
        assert compiled(z=4.0, x=2.0) == weighed(z=4.0, x=2.0) == 422.0
        assert compiled(1.0, w=3.0) == weighed(1.0, w=3.0) == 3521.0
        assert compiled(1.0) == weighed(1.0) == 521.0


@pytest.mark.parametrize("machine", MACHINES)
def test_containers_are_told_apart(machine):
    def kind(parts):
        return parts[0] * (2.0 if isinstance(parts, list) else 3.0), parts

    compiled = cr.compile(kind, machine=machine)
    for _ in range(2):
        assert compiled([1.0, 2.0]) == (2.0, [1.0, 2.0])
        assert compiled((1.0, 2.0)) == (3.0, (1.0, 2.0))
        assert compiled({0: 1.0, 1: 2.0}) == (3.0, {0: 1.0, 1: 2.0})


@pytest.mark.parametrize("machine", MACHINES)
def test_constants_shapes_and_dtypes_are_told_apart(machine):
    compiled = cr.compile(lambda x, n: np.sum(x) * n + x.size, machine=machine)
    for _ in range(2):
        assert compiled(np.ones(2), 3) == 8.0
        assert compiled(np.ones(3), 3) == 12.0
        assert compiled(np.ones(3), True) == 6.0
        assert compiled(np.ones(3, np.float32), 2).dtype == np.float32


@pytest.mark.parametrize("machine", MACHINES)
def test_too_many_branches_are_run_by_python(machine):
    def steps(x):
        count = 0
        while x > 1.0:
            x = x / 2.0
            count += 1
        return x * count

    compiled = cr.compile(steps, machine=machine, most_paths=3)
    for power in range(3):
        assert compiled(1.5 * 2.0**power) == steps(1.5 * 2.0**power)
    with pytest.warns(RuntimeWarning, match="steps took more than 3 branches"):
        assert compiled(100.0) == steps(100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(1.25) == steps(1.25) and compiled.paths == 3


def test_infinities_are_those_of_the_function():
    def masked(x):
        return np.where(x < 100.0, x * np.exp(x), 1.0)

    slope = cr.compile(cr.value_and_grad(masked))
    assert slope(1.0) == cr.value_and_grad(masked)(1.0)
    with np.errstate(all="ignore"):
        assert slope(1000.0) == (1.0, 0.0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'staged'"):
        cr.compile(weighed, machine="stage")
    with pytest.raises(TypeError, match="a function was expected, not float"):
        cr.compile(3.0)
    with pytest.raises(ValueError, match="call the function first"):
        cr.compile(weighed).code()


RATE = 2.0


def test_what_is_captured_is_looked_at():
    rate = 3.0

    def scaled(x):
        return rate * x * RATE

    compiled = cr.compile(cr.value_and_grad(scaled))
    assert compiled(1.0) == compiled(1.0) == (6.0, 6.0)
    rate = 5.0
    assert compiled(1.0) == compiled(1.0) == (10.0, 10.0)  # a closure's cell, found at C speed
    assert compiled(np.float64(1.0)) == (10.0, 10.0)
    plain = cr.compile(scaled)
    assert plain(1.0) == plain(x=1.0) == 10.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "RATE", 1.0)
        assert plain(x=1.0) == 5.0  # a global, found where Python decides
        assert plain(1.0) == 5.0


def test_what_changes_at_every_call_is_run_by_python():
    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return x * count

    compiled = cr.compile(counted, most_paths=3)

    def call_again_and_again():
        nonlocal count
        for k in range(1, 8):
            count = 10 * k
            assert compiled(1.0) == 10 * k + 1

    with pytest.warns(RuntimeWarning, match="reads a variable of an enclosing function"):
        call_again_and_again()
