"""Shape: the same elements in another arrangement, so gradients are arranged back.

Where an element was copied (broadcast_to, tile, repeat), its gradients add up. To add a gate, add
an entry to `SHAPE`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import MissingGateError
from .gate import Gate, example
from .indexing import PLACEHOLDER, scatter
from .rules import (
    Shape,
    call,
    inverse_of,
    reshaped,
    shape_of,
    sum_to,
    text_of,
)

# ---------------------------------------------------------------------- one array, rearranged


def _reshape(a: Any, *, shape: Any, order: Any = "C") -> Any:
    return np.reshape(a, shape, order=order)


def _reshape_vjp(g: Any, out: Any, a: Any, *, shape: Any, order: Any = "C") -> Any:
    if order == "C":
        return reshaped(g, shape_of(a))
    return np.reshape(g, shape_of(a), order=order)


def _reshape_code(shape: Any, order: str = "C") -> str:
    sizes = shape if isinstance(shape, tuple) else (shape,)
    keyword = "" if order == "C" else f", order={order!r}"
    if math.prod(n for n in sizes if n != -1) == 1 and sizes != (-1,):
        return f"np.reshape({{0}}, {text_of(shape)}{keyword})"  # {0} may be one number
    return f"{{0}}.reshape({', '.join(map(str, sizes))}{keyword})"


def _transpose(a: Any, *, axes: Any = None) -> Any:
    return np.transpose(a, axes)


def _transpose_vjp(g: Any, out: Any, a: Any, *, axes: Any = None) -> Any:
    if axes is None:
        return np.transpose(g)
    return np.transpose(g, inverse_of([k % len(axes) for k in axes]))


def _transpose_code(axes: Any = None) -> str:
    if axes is None:
        return "{0}.T"
    n = len(axes)
    order = tuple(k % n for k in axes)
    if order == tuple(range(n))[::-1]:
        return "{0}.T"
    if order == (*range(n - 2), n - 1, n - 2):
        return "np.swapaxes({0}, -1, -2)"
    return f"{{0}}.transpose({', '.join(map(str, axes))})"


def _broadcast_to(array: Any, *, shape: Any) -> Any:
    return np.broadcast_to(array, shape)


def _broadcast_to_vjp(g: Any, out: Any, array: Any, *, shape: Any) -> Any:
    return sum_to(g, shape_of(array))


def _squeeze(a: Any, *, axis: Any = None) -> Any:
    return np.squeeze(a, axis=axis)


def _squeeze_vjp(g: Any, out: Any, a: Any, *, axis: Any = None) -> Any:
    return reshaped(g, shape_of(a))


def _expand_dims(a: Any, *, axis: Any) -> Any:
    return np.expand_dims(a, axis)


def _expand_dims_vjp(g: Any, out: Any, a: Any, *, axis: Any) -> Any:
    return reshaped(g, shape_of(a))


def _flip(m: Any, *, axis: Any = None) -> Any:
    return np.flip(m, axis=axis)


def _flip_vjp(g: Any, out: Any, m: Any, *, axis: Any = None) -> Any:
    return np.flip(g, axis=axis)


def _flip_code(axis: Any = None) -> str:
    if axis == 0:
        return "{0}[::-1]"
    return "{0}[..., ::-1]" if axis == -1 else call("np.flip", "{0}", axis=None)(axis=axis)


def _roll(a: Any, *, shift: Any, axis: Any = None) -> Any:
    return np.roll(a, shift, axis=axis)


def _roll_vjp(g: Any, out: Any, a: Any, *, shift: Any, axis: Any = None) -> Any:
    back = tuple(-k for k in shift) if isinstance(shift, tuple) else -shift
    return np.roll(g, back, axis=axis)


def _copy(a: Any) -> Any:
    return a.copy() if isinstance(a, np.ndarray) else a  # a number cannot be written to


def _astype(x: Any, *, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()]


def _item(a: Any) -> Any:
    return np.asarray(a).item()


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
    part = g[(*(slice(None),) * before, slice(start, start + sizes[index]))]
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
        np.pad(np.arange(n), width, mode=mode)
        for n, width in zip(shape, widths, strict=True)
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
    code=call("np.pad", "{0}", mode="constant", constant_values=0),
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

SHAPE: tuple[Gate, ...] = (
    Gate(
        name="reshape",
        forward=_reshape,
        numpy=np.reshape,
        symbol="⇄",
        code=_reshape_code,
        words="reshapes {0}",
        why="the elements stay, so the gradient only takes the old shape back",
        vjp=(_reshape_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((2, 3), shape=(3, 2)),
            example((2, 3), shape=(-1,)),
            example((2, 3), shape=6),
            example((2, 3), shape=(3, 2), order="F"),
            example((), shape=(1, 1)),
            example((1,), shape=()),
            example((0, 3), shape=(3, 0)),
        ),
    ),
    Gate(
        name="transpose",
        forward=_transpose,
        numpy=np.transpose,
        symbol="ᵀ",
        code=_transpose_code,
        words="transposes {0}",
        why="the elements stay, so the gradient only turns its axes back",
        vjp=(_transpose_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((2, 3)),
            example((3,)),
            example(()),
            example((2, 3, 4)),
            example((2, 3, 4), axes=(1, 2, 0)),
            example((2, 3, 4), axes=(-1, 0, -2)),
            example((2, 3, 4), axes=(0, 2, 1)),
        ),
    ),
    Gate(
        name="broadcast_to",
        forward=_broadcast_to,
        numpy=np.broadcast_to,
        symbol="⇉",
        code=call("np.broadcast_to", "{0}"),
        words="copies {0} to a larger shape",
        why="each copy has its own gradient, and the element gets their sum",
        vjp=(_broadcast_to_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((), shape=(2, 3)),
            example((3,), shape=(2, 3)),
            example((2, 1), shape=(2, 3)),
            example((1, 3, 1), shape=(4, 2, 3, 2)),
            example((2, 3), shape=(2, 3)),
            example((1,), shape=(0,)),
        ),
    ),
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
    Gate(
        name="squeeze",
        forward=_squeeze,
        numpy=np.squeeze,
        symbol="⇄",
        code=call("np.squeeze", "{0}", axis=None),
        words="drops the axes of length 1 of {0}",
        why="the elements stay, so the gradient only takes the old shape back",
        vjp=(_squeeze_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((1, 3, 1)),
            example((1, 3, 1), axis=0),
            example((1, 3, 1), axis=(0, -1)),
            example((2, 3)),
            example((1,)),
        ),
    ),
    Gate(
        name="expand_dims",
        forward=_expand_dims,
        numpy=np.expand_dims,
        symbol="⇄",
        code=call("np.expand_dims", "{0}"),
        words="gives {0} an axis of length 1",
        why="the elements stay, so the gradient only takes the old shape back",
        vjp=(_expand_dims_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((3,), axis=1),
            example((2, 3), axis=-1),
            example((2, 3), axis=(0, 2)),
            example((), axis=0),
        ),
    ),
    Gate(
        name="flip",
        forward=_flip,
        numpy=np.flip,
        symbol="⇋",
        code=_flip_code,
        words="reverses {0}",
        why="reversing twice leaves all in place",
        vjp=(_flip_vjp,),
        pattern="moves",
        is_view=True,
        examples=(
            example((3,)),
            example((2, 3)),
            example((2, 3), axis=0),
            example((2, 3), axis=-1),
            example((2, 3, 2), axis=(0, 2)),
        ),
    ),
    pad,
    Gate(
        name="repeat",
        forward=_repeat,
        numpy=np.repeat,
        symbol="⇉",
        code=call("np.repeat", "{0}", axis=None),
        words="repeats the elements of {0}",
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
        code=call("np.tile", "{0}"),
        words="lays copies of {0} side by side",
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
    Gate(
        name="roll",
        forward=_roll,
        numpy=np.roll,
        symbol="↻",
        code=call("np.roll", "{0}", axis=None),
        words="rolls {0} around",
        why="the elements stay, so their gradients roll back",
        vjp=(_roll_vjp,),
        pattern="moves",
        examples=(
            example((4,), shift=1),
            example((2, 3), shift=2),
            example((2, 3), shift=-1, axis=1),
            example((2, 3), shift=(1, 2), axis=(0, -1)),
        ),
    ),
    Gate(
        name="copy",
        forward=_copy,
        numpy=np.copy,
        symbol="=",
        code="np.copy({0})",
        scalar_code="{0}",
        words="copies {0}",
        why="a copy moves as its original does",
        local=(lambda out, a: 1,),
        pattern="moves",
    ),
    Gate(
        name="astype",
        forward=_astype,
        numpy=getattr(np, "astype", None),  # since NumPy 2.1
        symbol="dtype",
        code=lambda dtype: f"{{0}}.astype(np.{np.dtype(dtype).name})",
        words="changes the dtype of {0}",
        why="the number stays, so its gradient stays; the chain rule gives it the dtype back",
        vjp=(lambda g, out, x, *, dtype: g,),
        pattern="moves",
        examples=(example((2, 3), dtype="float64"), example((), dtype="float64")),
    ),
    Gate(
        name="item",
        forward=_item,
        symbol="·",
        code="{0}.item()",
        scalar_code="{0}",
        words="takes the one number in {0}",
        why="the number stays, so the gradient only takes the old shape back",
        vjp=(lambda g, out, a: reshaped(g, shape_of(a)),),
        pattern="moves",
        examples=(example(()), example((1,)), example((1, 1))),
    ),
)
