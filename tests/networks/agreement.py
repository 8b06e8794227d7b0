"""What is held of layers and costs: right gradients, the same on all machines, float32 kept."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.circuit.tree import flatten


def weighted(function: Any, shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return a function whose array is weighted by random numbers and summed to one."""
    weights = np.random.default_rng(seed).normal(size=shape)

    def total(*args: Any) -> Any:
        return np.sum(function(*args) * weights.astype(np.float32).astype(float))

    return total


def assert_gradients(function: Any, *args: Any) -> None:
    """Hold the gradients against central differences, and the machines against each other."""
    cr.check_gradients(function, *args, raises=True)
    argnums = tuple(range(len(args)))
    results = [
        flatten(cr.compile(cr.value_and_grad(function, argnums=argnums), machine=machine)(*args))[0]
        for machine in ("interpret", "native")
    ]
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def assert_float32(function: Any, *args: Any) -> None:
    """Hold that value and gradients of float32 arrays are float32, natively too."""
    assert np.asarray(function(*args)).dtype == np.float32
    step = cr.value_and_grad(function, argnums=tuple(range(len(args))))
    for run in (step, cr.compile(step)):
        for leaf in flatten(run(*args))[0]:
            assert np.asarray(leaf).dtype == np.float32
            assert np.all(np.isfinite(leaf))
