"""Gradients of the corpus against autograd and JAX, where they are installed.

A program's own code is run with their NumPy in the place of `np`; programs with writes in place or
`math` stay out, because these libraries have no such thing.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr

from .program import Program
from .programs import PROGRAMS
from .support import assert_near, is_float, leaves

SHARED = [p for p in PROGRAMS if p.peers]
IDS = [p.name for p in SHARED]


def transplanted(program: Program, peer: Any) -> Any:
    """Return the program's function with another NumPy in it."""
    function = program.function
    space = {**function.__globals__, "np": peer}
    return types.FunctionType(
        function.__code__, space, function.__name__, function.__defaults__, function.__closure__
    )


def differentiable(program: Program) -> list[int]:
    """Return the positions of the arguments that hold floats only."""
    return [k for k, a in enumerate(program.args) if all(map(is_float, leaves(a)))]


@pytest.fixture(scope="module")
def jax() -> Iterator[Any]:
    module = pytest.importorskip("jax", reason="JAX is not installed: see the extra 'peers'")
    before = module.config.jax_enable_x64
    module.config.update("jax_enable_x64", True)
    yield module
    module.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("program", SHARED, ids=IDS)
def test_autograd_agrees(program: Program):
    numpy = pytest.importorskip("autograd.numpy", reason="autograd: see the extra 'test'")
    from autograd import grad

    gradients = list(cr.trace(program.function, *program.args).gradients.values())
    function = transplanted(program, numpy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for position in differentiable(program):
            try:
                theirs = grad(function, position)(*program.args)
            except NotImplementedError as error:
                pytest.skip(f"autograd: {error}")
            compare(gradients[position], theirs, program)


@pytest.mark.parametrize("program", SHARED, ids=IDS)
def test_jax_agrees(program: Program, jax: Any):
    positions = tuple(differentiable(program))
    gradients = list(cr.trace(program.function, *program.args).gradients.values())
    function = transplanted(program, jax.numpy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = jax.tree_util.tree_map(jax.numpy.asarray, program.args)
        theirs = jax.grad(function, positions)(*args)
    for position, found in zip(positions, theirs, strict=True):
        compare(gradients[position], found, program)


def compare(ours: Any, theirs: Any, program: Program) -> None:
    for one, two in zip(leaves(ours), leaves(theirs), strict=True):
        assert_near(np.asarray(one), np.asarray(two), 1e-9, program.name)
