"""What a compiled call takes and gives: templates of its arguments and of its result.

A template is the container itself, tuples, lists, dicts and named tuples at any depth, with leaves
in place of values: `(Float(), [(Array("f8", (2, 3)), Array("f8", (3,)))])`. Leaves that the machine
code reads are numbered from left to right over all arguments (a dict's in the template's order);
results say by number which output they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Float:
    """A Python float, exactly: no subclass."""


@dataclass(frozen=True, slots=True)
class Array:
    """An ndarray, exactly: of this dtype and shape, C-contiguous, aligned, native byte order."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", own_dtype(self.dtype))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A NumPy scalar of this dtype."""

    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", own_dtype(self.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """The very object, or an equal one where both are int or both are str: no input."""

    value: Any


@dataclass(frozen=True, slots=True)
class OutFloat:
    """A Python float, from a slot with a double."""

    index: int


@dataclass(frozen=True, slots=True)
class OutInt:
    """A Python int, from a slot with an i64."""

    index: int


@dataclass(frozen=True, slots=True)
class OutBool:
    """A Python bool, from a slot with a byte."""

    index: int


@dataclass(frozen=True, slots=True)
class OutScalar:
    """A NumPy scalar."""

    index: int
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", own_dtype(self.dtype))


@dataclass(frozen=True, slots=True)
class OutArray:
    """A fresh array; the same index twice is the same array twice."""

    index: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", own_dtype(self.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class OutConstant:
    """The very object, at every call."""

    value: Any


READ = (Float, Array, Scalar)
GIVEN = (OutFloat, OutInt, OutBool, OutScalar, OutArray)


def own_dtype(kind: Any) -> np.dtype[Any]:
    """Return NumPy's own object for a dtype of numbers: unpickled arrays bring copies of it.

    Raises
    ------
    TypeError
        If the dtype is not one of plain numbers in the processor's byte order.
    """
    dtype = np.dtype(kind)
    if dtype.kind not in "biuf" or not dtype.isnative:
        raise TypeError(f"a signature has plain numbers in native byte order, got {dtype}")
    own: np.dtype[Any] = np.dtype(dtype.char)
    return own


def parts(template: Any) -> list[Any] | None:
    """Return what a container holds, in order; None for a leaf."""
    if type(template) is dict:
        return list(template.values())
    if type(template) is list or isinstance(template, tuple):
        return list(template)
    return None


def is_named(template: Any) -> bool:
    """Whether a template is a named tuple."""
    return isinstance(template, tuple) and type(template) is not tuple


def nodes(template: Any) -> Iterator[Any]:
    """Iterate over a template: each container, and after it what it holds."""
    stack = [template]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(parts(node) or ()))


@dataclass(frozen=True, slots=True)
class Signature:
    """What a compiled call takes and gives.

    Parameters
    ----------
    arguments : tuple
        One template for each positional argument; leaves are Float, Array, Scalar or Static.
    result : object
        A template whose leaves are OutFloat, OutInt, OutBool, OutScalar, OutArray or OutConstant.
        Each index from 0 to the last is there, always as the same kind.

    Raises
    ------
    TypeError
        If a leaf is none of these, or a container is not a tuple, list, dict or named tuple.
    ValueError
        If an index is missing, or used as two kinds.
    """

    arguments: tuple[Any, ...]
    result: Any

    def __post_init__(self) -> None:
        for leaves, known in (
            (self.arguments, (*READ, Static)),
            (self.result, (*GIVEN, OutConstant)),
        ):
            for node in nodes(leaves):
                if is_named(node) and not hasattr(type(node), "_make"):
                    raise TypeError(f"no template for a {type(node).__name__}: not a named tuple")
                if parts(node) is None and not isinstance(node, known):
                    raise TypeError(f"no leaf of a template: {node!r}")
        kinds: dict[int, Any] = {}
        for node in nodes(self.result):
            if isinstance(node, GIVEN) and kinds.setdefault(node.index, node) != node:
                raise ValueError(f"output {node.index} is {kinds[node.index]} and {node}")
        if sorted(kinds) != list(range(len(kinds))):
            raise ValueError(f"outputs are numbered from 0 without a gap, got {sorted(kinds)}")

    @property
    def inputs(self) -> list[Any]:
        """The leaves that machine code reads, by number."""
        return [node for node in nodes(self.arguments) if isinstance(node, READ)]

    @property
    def outputs(self) -> list[Any]:
        """The leaves that machine code gives, by number."""
        given = {node.index: node for node in nodes(self.result) if isinstance(node, GIVEN)}
        return [given[index] for index in range(len(given))]

    @property
    def is_scalar(self) -> bool:
        """Whether all that is read and given are Python floats."""
        return all(isinstance(leaf, Float) for leaf in self.inputs) and all(
            isinstance(leaf, OutFloat) for leaf in self.outputs
        )
