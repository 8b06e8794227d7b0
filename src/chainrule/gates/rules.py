"""What several structural gates share: the shapes in their rules, and the writing of their code.

A rule branches in Python on shapes, which are known while drawing, so that it draws no gate that
would do nothing. To add a helper here, have two tables that need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .gate import example

Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None


def shape_of(x: Any) -> Shape:
    """Return the shape of an array, a traced value or a Python number.

    Not np.shape, which is itself a call on a traced value.
    """
    return tuple(getattr(x, "shape", ()))


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """Return the axes that a setting `axis` names: counted from 0, in rising order."""
    if axis is None:
        return tuple(range(ndim))
    named = axis if isinstance(axis, tuple) else (axis,)
    # NumPy lets a number be reduced along axis 0 or -1: it has none, so none is left.
    return tuple(sorted(k % ndim for k in named)) if ndim else ()


def count_of(x: Any, axis: Axis) -> int:
    """Return how many elements of x go into one element of a reduction along axis."""
    shape = shape_of(x)
    return math.prod(shape[k] for k in axes_of(len(shape), axis))


def leads(x: Any, axis: Axis) -> bool:
    """Return whether the axes reduced are the first ones, which broadcasting adds by itself."""
    axes = axes_of(len(shape_of(x)), axis)
    return axes == tuple(range(len(axes)))


def lined_up(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Return a reduction's g such that it broadcasts against x.

    The reduced axes come back with length 1, unless they lead.
    """
    if keepdims or leads(x, axis):
        return g
    axes = axes_of(len(shape_of(x)), axis)
    return np.expand_dims(g, axes if len(axes) > 1 else axes[0])


def spread(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Return a reduction's g copied back over the axes that were reduced: x's shape."""
    shape = shape_of(x)
    if not axes_of(len(shape), axis):
        return g
    if count_of(x, axis) == 1:
        return g if keepdims else np.reshape(g, shape)
    return np.broadcast_to(lined_up(g, x, axis, keepdims), shape)


def sum_to(g: Any, shape: Shape) -> Any:
    """Return g summed over the axes along which an array of this shape was broadcast."""
    given = shape_of(g)
    if not shape:
        return np.sum(g) if given else g
    extra = len(given) - len(shape)
    if extra < 0:  # x[...] = value drops leading axes of length 1 of the value
        return np.reshape(sum_to(g, shape[-extra:]), shape)
    if extra:
        g = np.sum(g, axis=tuple(range(extra)) if extra > 1 else 0)
    stretched = tuple(k for k, n in enumerate(shape) if n != given[extra + k])
    if stretched:
        g = np.sum(g, axis=stretched if len(stretched) > 1 else stretched[0], keepdims=True)
    return g


def swap_last(x: Any) -> Any:
    """Return x with its last two axes swapped."""
    ndim = len(shape_of(x))
    return x.T if ndim == 2 else np.transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def permuted(x: Any, order: Sequence[int]) -> Any:
    """Return x with its axes in this order, x itself if that is the order they have."""
    return x if list(order) == sorted(order) else np.transpose(x, tuple(order))


def inverse_of(order: Sequence[int]) -> tuple[int, ...]:
    """Return the order of axes that undoes this one."""
    return tuple(sorted(range(len(order)), key=lambda k: order[k]))


def reshaped(x: Any, shape: Shape) -> Any:
    """Return x in this shape, x itself if it has it."""
    return x if shape_of(x) == shape else np.reshape(x, shape)


def nothing(g: Any, out: Any, *inputs: Any, **settings: Any) -> None:
    """Give no gradient: the rule of an integer index, and of the input of a step."""


# ---------------------------------------------------------------------- code


def text_of(setting: Any) -> str:
    """Return a setting as Python source, safe inside a template with braces."""
    if isinstance(setting, float) and not math.isfinite(setting):
        return "np.nan" if setting != setting else "np.inf" if setting > 0 else "-np.inf"
    if isinstance(setting, (np.generic, np.ndarray)):
        setting = setting.tolist()
    if isinstance(setting, tuple):
        parts = [text_of(part) for part in setting]
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    return repr(setting).replace("{", "{{").replace("}", "}}")


def call(function: str, *inputs: str, **defaults: Any) -> Callable[..., str]:
    """Return a gate's `code`: a call of a function that names the settings not at their default.

    Among the inputs may stand the names of settings that are written without their name.

    Examples
    --------
    >>> call("{0}.sum", axis=None, keepdims=False)(axis=0, keepdims=False)
    '{0}.sum(axis=0)'
    >>> call("np.repeat", "{0}", "repeats", axis=None)(repeats=2, axis=1)
    'np.repeat({0}, 2, axis=1)'
    """

    def code(**settings: Any) -> str:
        placed = [text_of(settings.pop(name)) if name in settings else name for name in inputs]
        keywords = [
            f"{name}={text_of(value)}"
            for name, value in settings.items()
            if name not in defaults or not _same(value, defaults[name])
        ]
        return f"{function}({', '.join([*placed, *keywords])})"

    return code


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


REDUCES: dict[str, Any] = {"axis": None, "keepdims": False}
"""The settings that every reduction has, at their defaults."""

ALONG_AXES = (
    example((2, 3)),
    example(()),
    example((5,), axis=0),
    example((2, 3), axis=0),
    example((2, 3), axis=-1, keepdims=True),
    example((2, 3, 4), axis=(0, 2)),
    example((2, 3, 4), axis=(-1, 1), keepdims=True),
    example((2, 1, 3), axis=1),
    example((2, 3), axis=()),
    example((1,)),
)
"""Arguments on which every reduction is tried."""


def over_axes(operator: str, inside: str = "#(0)") -> Callable[..., str]:
    r"""Return a reduction's `latex`: the operator, with the axes below it where some are named.

    Examples
    --------
    >>> print(over_axes(r"\sum")(axis=0))
    \sum_{\mathrm{axis}\,0} #(0)
    """

    def latex(*, axis: Any = None, **settings: Any) -> str:
        if axis is None:
            return f"{operator}{'' if inside.startswith(chr(92)) else ' '}{inside}"
        return rf"{operator}_{{\mathrm{{axis}}\,{str(axis).strip('(,)')}}} {inside}"

    return latex
