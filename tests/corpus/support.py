"""What the corpus tests share: leaves, slopes from outside, and agreement within a tolerance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .program import Program


def leaves(value: Any) -> list[Any]:
    """Return what is in nested containers, in order."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the same containers with `function` of each leaf."""
    if isinstance(value, dict):
        return type(value)((k, mapped(function, v)) for k, v in value.items())
    if hasattr(value, "_fields"):
        return type(value)(*(mapped(function, v) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(function, v) for v in value)
    return function(value)


def is_float(leaf: Any) -> bool:
    """Return whether a leaf has a gradient."""
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind == "f"
    return isinstance(leaf, (float, np.floating))


def is_traced(leaf: Any) -> bool:
    """Return whether a leaf is an input of the circuit."""
    return isinstance(leaf, (float, np.floating, np.ndarray))


def in_float64(value: Any) -> Any:
    """Return the same point in double precision."""
    return mapped(
        lambda leaf: (
            np.asarray(leaf, np.float64)[()]
            if isinstance(leaf, (np.ndarray, np.floating)) and is_float(leaf)
            else leaf
        ),
        value,
    )


def is_single(value: Any) -> bool:
    """Return whether anything in here is in single precision."""
    return any(getattr(leaf, "dtype", None) == np.float32 for leaf in leaves(value))


def tolerance(program: Program) -> float:
    """Return the relative error to which two orders of the same sums may differ."""
    single = is_single(program.args) or is_single(program.keywords)
    return 2e-5 if single else 1e-12


def second_point(program: Program) -> tuple[Any, ...]:
    """Return other arguments: the program's own, or the first ones moved a little."""
    if program.other is not None:
        return program.other
    generator = np.random.default_rng(5)

    def shifted(leaf: Any) -> Any:
        if not is_float(leaf):
            return leaf
        moved = leaf * (1 + 0.01 * generator.uniform(-1, 1, np.shape(leaf)))
        if type(leaf) is float:
            return float(moved)
        moved = np.asarray(moved, leaf.dtype)
        return moved if isinstance(leaf, np.ndarray) else moved[()]

    return mapped(shifted, program.args)


def plainly(program: Program, args: Sequence[Any]) -> Any:
    """Run the function itself, on copies."""
    with np.errstate(all="ignore"):
        return program.function(*copy.deepcopy(tuple(args)), **copy.deepcopy(program.keywords))


def arguments(circuit: Any, args: Sequence[Any], keywords: dict[str, Any]) -> list[Any]:
    """Return the arguments that were traced, in the circuit's order."""
    given = [*args, *(v for k, v in keywords.items())]
    return [value for value in given if any(map(is_traced, leaves(value)))]


def along(program: Program, directions: Any) -> float:
    """Return the slope along a direction by central differences of sixth order.

    Parameters
    ----------
    directions
        (args, keywords) with a float64 array, or None, for each leaf.
    """
    point = in_float64((program.args, program.keywords))

    def at(step: float) -> Any:
        steps = iter(leaves(directions))
        moved, keywords = mapped(
            lambda leaf: leaf if (d := next(steps)) is None else leaf + step * d, point
        )
        with np.errstate(all="ignore"):
            return program.function(*copy.deepcopy(moved), **copy.deepcopy(keywords))

    h = 2e-4
    pairs = [at(k * h) - at(-k * h) for k in (1, 2, 3)]
    return float((45 * pairs[0] - 9 * pairs[1] + pairs[2]) / (60 * h))


def assert_same(one: Any, two: Any, rtol: float, what: str = "") -> None:
    """Hold two results together: containers, kinds, shapes, dtypes, NaN and numbers."""
    assert type(one) is type(two), f"{what}: {type(one)} and {type(two)}"
    if isinstance(one, dict):
        assert list(one) == list(two), what
        for key in one:
            assert_same(one[key], two[key], rtol, f"{what}[{key!r}]")
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(two), what
        for k, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_same(a, b, rtol, f"{what}[{k}]")
    elif isinstance(one, str):
        assert one == two, what
    elif one is not None:
        assert np.shape(one) == np.shape(two), what
        assert getattr(one, "dtype", None) == getattr(two, "dtype", None), what
        assert_near(one, two, rtol, what)


def assert_near(one: Any, two: Any, rtol: float, what: str = "") -> None:
    """Hold numbers together, relative to the largest of the array; NaN and inf in their places."""
    finite = np.abs(two)[np.isfinite(two)] if np.ndim(two) else np.abs([two])[np.isfinite([two])]
    scale = max(finite.max(initial=0.0), 1e-300)
    np.testing.assert_allclose(one, two, rtol=rtol, atol=rtol * scale, err_msg=what)
