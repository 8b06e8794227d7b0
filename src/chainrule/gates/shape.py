"""Shape: the same elements in another arrangement, so gradients are arranged back.

Where an element was copied (broadcast_to), its gradients add up. To add a gate, add an entry to
`SHAPE`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import Gate, example
from .joining import JOINING
from .rules import call, inverse_of, reshaped, shape_of, sum_to, text_of

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


def _roll_of_gates(a: Any, *, shift: Any, axis: Any = None) -> Any:
    shape = shape_of(a)
    if axis is None:
        line = np.reshape(a, (math.prod(shape),))
        return np.reshape(_roll_of_gates(line, shift=shift, axis=0), shape)
    if isinstance(axis, tuple) or isinstance(shift, tuple):
        return NotImplemented
    by = shift % shape[axis] if shape[axis] else 0
    if not by:
        return np.copy(a)
    before = (slice(None),) * (axis % len(shape))
    return np.concatenate([a[(*before, slice(-by, None))], a[(*before, slice(None, -by))]], axis)


def _roll_vjp(g: Any, out: Any, a: Any, *, shift: Any, axis: Any = None) -> Any:
    back = tuple(-k for k in shift) if isinstance(shift, tuple) else -shift
    return np.roll(g, back, axis=axis)


def _copy(a: Any) -> Any:
    return a.copy() if isinstance(a, np.ndarray) else a  # a number cannot be written to


def _astype(x: Any, *, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()]


# ---------------------------------------------------------------------- the table

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
        code=call("np.broadcast_to", "{0}", "shape"),
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
        code=call("np.expand_dims", "{0}", "axis"),
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
    *JOINING,
    Gate(
        name="roll",
        forward=_roll,
        numpy=np.roll,
        symbol="↻",
        code=call("np.roll", "{0}", "shift", axis=None),
        words="rolls {0} around",
        expand=_roll_of_gates,
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
        latex="#0",
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
        latex="#0",
        words="changes the dtype of {0}",
        why="the number stays, so its gradient stays; the chain rule gives it the dtype back",
        vjp=(lambda g, out, x, *, dtype: g,),
        pattern="moves",
        examples=(example((2, 3), dtype="float64"), example((), dtype="float64")),
    ),
    Gate(
        name="item",
        forward=lambda a: np.asarray(a).item(),
        scalar=float,
        symbol="·",
        code="{0}.item()",
        scalar_code="{0}",
        latex="#0",
        words="takes the one number in {0}",
        why="the number stays, so the gradient only takes the old shape back",
        vjp=(lambda g, out, a: reshaped(g, shape_of(a)),),
        pattern="moves",
        examples=(example(()), example((1,)), example((1, 1))),
    ),
)
