"""Arrays made larger: joined, padded, repeated.

Each part of the gradient goes back to where the part came from; where an element was copied, its
gradients add up. `SHAPE` takes these gates in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import MissingGateError
from .gate import Gate, example
from .indexing import PLACEHOLDER, scatter
from .rules import Shape, call, reshaped, shape_of

# ---------------------------------------------------------------------- arrays put together


def _concatenate(*arrays: Any, axis: Any = 0) -> Any:
    return np.concatenate(arrays, axis=axis)


def _concatenate_vjp(index: int, g: Any, out: Any, *arrays: Any, axis: Any = 0) -> Any:
    shapes = [shape_of(array) for array in arrays]
    if axis is None:  # NumPy flattens all of them
        sizes, before = [math.prod(shape) for shape in shapes], 0
    else:
        before = axis % len(shapes[0])
        sizes = [shape[before] for shape in shapes]
    start = sum(sizes[:index])
    end = start + sizes[index] if index < len(arrays) - 1 else None
    part = g[(*(slice(None),) * before, slice(start or None, end))]
    return reshaped(part, shapes[index])


def _stack(*arrays: Any, axis: Any = 0) -> Any:
    return np.stack(arrays, axis=axis)


def _stack_vjp(index: int, g: Any, out: Any, *arrays: Any, axis: Any = 0) -> Any:
    return g[(*(slice(None),) * (axis % (len(shape_of(arrays[index])) + 1)), index)]


def _joined_code(function: str) -> Any:
    def code(axis: Any = 0) -> str:
        return f"{function}([{{*}}]{'' if axis == 0 else f', axis={axis}'})"

    return code


# ---------------------------------------------------------------------- padding

_ROUNDABOUT = ("edge", "reflect", "symmetric", "wrap")


def _pad(array: Any, *, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    if mode == "constant":
        return np.pad(array, pad_width, constant_values=constant_values)
    if mode in _ROUNDABOUT:
        return np.pad(array, pad_width, mode=mode)
    raise MissingGateError(
        f"np.pad with mode={mode!r} has no gate; mode can be 'constant', "
        f"{', '.join(map(repr, _ROUNDABOUT))}. Write the border with np.concatenate."
    )


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        widths = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            widths[axis] = width if isinstance(width, tuple) else (width, width)
        return widths
    return [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (ndim, 2))]


def _pad_vjp(
    g: Any,
    out: Any,
    array: Any,
    *,
    pad_width: Any,
    mode: Any = "constant",
    constant_values: Any = 0,
) -> Any:
    shape = shape_of(array)
    widths = _widths(pad_width, len(shape))
    if mode == "constant":
        middle = [
            slice(before or None, before + n if after else None)
            for n, (before, after) in zip(shape, widths, strict=True)
        ]
        return g[tuple(middle)]
    # Every other border repeats elements: pad their numbers the same way, and add up.
    sources = [
        np.pad(np.arange(n), width, mode=mode) for n, width in zip(shape, widths, strict=True)
    ]
    return scatter(g, *np.ix_(*sources), template=(PLACEHOLDER,) * len(shape), shape=shape)


# ---------------------------------------------------------------------- copies


def _repeat(a: Any, *, repeats: Any, axis: Any = None) -> Any:
    return np.repeat(a, repeats, axis=axis)


def _repeat_vjp(g: Any, out: Any, a: Any, *, repeats: Any, axis: Any = None) -> Any:
    shape = shape_of(a)
    flat_shape: Shape = (math.prod(shape),) if axis is None else shape
    along = 0 if axis is None else axis % len(shape)
    if np.ndim(repeats) and np.size(repeats) == 1:
        (repeats,) = repeats
    if np.ndim(repeats) == 0:
        each = (*flat_shape[: along + 1], int(repeats), *flat_shape[along + 1 :])
        return reshaped(np.sum(np.reshape(g, each), axis=along + 1), shape)
    sources = np.repeat(np.arange(flat_shape[along]), repeats)
    template = (*(slice(None),) * along, PLACEHOLDER)
    return reshaped(scatter(g, sources, template=template, shape=flat_shape), shape)


def _tile(A: Any, *, reps: Any) -> Any:  # noqa: N803  # NumPy's name
    return np.tile(A, reps)


def _repeat_of_gates(a: Any, *, repeats: Any, axis: Any = None) -> Any:
    if np.ndim(repeats):
        return NotImplemented
    if axis is None:
        a, axis = np.reshape(a, (math.prod(shape_of(a)),)), 0
    shape = shape_of(a)
    axis %= len(shape)
    before, after = shape[: axis + 1], shape[axis + 1 :]
    grown = np.broadcast_to(np.expand_dims(a, axis + 1), (*before, int(repeats), *after))
    return np.reshape(grown, (*shape[:axis], shape[axis] * int(repeats), *after))


def _tile_of_gates(A: Any, *, reps: Any) -> Any:  # noqa: N803
    times = reps if isinstance(reps, tuple) else (reps,)
    shape = shape_of(A)
    ndim = max(len(shape), len(times))
    times = (1,) * (ndim - len(times)) + tuple(times)
    shape = (1,) * (ndim - len(shape)) + shape
    split = sum(((1, n) for n in shape), ())
    grown = sum(zip(times, shape, strict=True), ())
    whole = tuple(r * n for r, n in zip(times, shape, strict=True))
    return np.reshape(np.broadcast_to(np.reshape(A, split), grown), whole)


def _tile_vjp(g: Any, out: Any, A: Any, *, reps: Any) -> Any:  # noqa: N803
    shape = shape_of(A)
    times = reps if isinstance(reps, tuple) else (reps,)
    ndim = max(len(shape), len(times))
    times = (1,) * (ndim - len(times)) + times
    sizes = (1,) * (ndim - len(shape)) + shape
    split: list[int] = []
    copies: list[int] = []
    for n, r in zip(sizes, times, strict=True):
        if r != 1:
            copies.append(len(split))
            split.append(r)
        split.append(n)
    if not copies:
        return reshaped(g, shape)
    g = np.reshape(g, tuple(split))
    return reshaped(np.sum(g, axis=tuple(copies) if len(copies) > 1 else copies[0]), shape)


# ---------------------------------------------------------------------- the table

pad = Gate(
    name="pad",
    forward=_pad,
    numpy=np.pad,
    symbol="pad",
    code=call("np.pad", "{0}", "pad_width", mode="constant", constant_values=0),
    words="puts a border around {0}",
    why="the border is new, so only the gradient of the middle goes back; copied elements add up",
    vjp=(_pad_vjp,),
    pattern="moves",
    examples=(
        example((3,), pad_width=1),
        example((2, 3), pad_width=((1, 0), (0, 2))),
        example((2, 3), pad_width=(1, 2), constant_values=5.0),
        example((2, 3), pad_width={1: (1, 2)}),
        example((3,), pad_width=(2, 5), mode="edge"),
        example((2, 3), pad_width=((1, 1), (2, 0)), mode="reflect"),
        example((2, 3), pad_width=3, mode="symmetric"),
        example((2, 3), pad_width=(1, 4), mode="wrap"),
        example((0, 2), pad_width=1),
        example((), pad_width=1),
    ),
)

JOINING: tuple[Gate, ...] = (
    Gate(
        name="concatenate",
        forward=_concatenate,
        numpy=np.concatenate,
        symbol="⧺",
        code=_joined_code("np.concatenate"),
        words="joins {*}",
        why="each part of the gradient goes back to the array that the part came from",
        vjp=_concatenate_vjp,
        pattern="moves",
        examples=(
            example((2,), (3,)),
            example((2, 3), (1, 3), (2, 3)),
            example((2, 3), (2, 1), axis=1),
            example((2, 3), (2, 1), axis=-1),
            example((2, 3), (), (2,), axis=None),
            example((2,)),
            example((2,), (0,)),
        ),
    ),
    Gate(
        name="stack",
        forward=_stack,
        numpy=np.stack,
        symbol="≡",
        code=_joined_code("np.stack"),
        words="stacks {*}",
        why="each layer of the gradient goes back to the array that the layer was",
        vjp=_stack_vjp,
        pattern="moves",
        examples=(
            example((3,), (3,)),
            example((), (), ()),
            example((2, 3), (2, 3), axis=1),
            example((2, 3), (2, 3), axis=-1),
            example((2,)),
        ),
    ),
    pad,
    Gate(
        name="repeat",
        forward=_repeat,
        numpy=np.repeat,
        symbol="⇉",
        code=call("np.repeat", "{0}", "repeats", axis=None),
        words="repeats the elements of {0}",
        expand=_repeat_of_gates,
        why="each copy has its own gradient, and the element gets their sum",
        vjp=(_repeat_vjp,),
        pattern="moves",
        examples=(
            example((3,), repeats=2),
            example((2, 3), repeats=2),
            example((2, 3), repeats=3, axis=1),
            example((2, 3), repeats=(2, 0, 1), axis=-1),
            example((2, 2), repeats=(1, 2, 0, 3)),
            example((2, 3), repeats=(2,), axis=0),
            example((3,), repeats=0),
            example((), repeats=3),
        ),
    ),
    Gate(
        name="tile",
        forward=_tile,
        numpy=np.tile,
        symbol="⇉",
        code=call("np.tile", "{0}", "reps"),
        words="lays copies of {0} side by side",
        expand=_tile_of_gates,
        why="each copy has its own gradient, and the element gets their sum",
        vjp=(_tile_vjp,),
        pattern="moves",
        examples=(
            example((3,), reps=2),
            example((2, 3), reps=2),
            example((2, 3), reps=(2, 1)),
            example((2, 3), reps=(2, 3)),
            example((3,), reps=(2, 2)),
            example((2, 3), reps=1),
            example((), reps=3),
            example((3,), reps=0),
        ),
    ),
)
