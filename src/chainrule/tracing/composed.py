"""NumPy's functions that are several gates, or answers about a traced value.

One short function a spelling, in NumPy's own parameters. To add one: write it with NumPy functions
that have gates, and name it in `COMPOSED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..gates import GATES
from .missing import is_traced, missing


def _concatenated(axis: int) -> Callable[..., Any]:
    def joined(tup: Any) -> Any:
        parts = [np.atleast_1d(p) if axis == 1 else np.atleast_2d(p) for p in tup]
        along = 0 if axis == 1 and np.ndim(parts[0]) == 1 else axis
        return np.concatenate(parts, axis=along)

    return joined


def _column_stack(tup: Any) -> Any:
    return np.concatenate([np.reshape(p, (-1, 1)) if np.ndim(p) < 2 else p for p in tup], axis=1)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    length = np.shape(ary)[axis]
    if isinstance(indices_or_sections, (int, np.integer)) and length % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return _array_split(ary, indices_or_sections, axis)


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    length = np.shape(ary)[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        each, extra = divmod(length, int(indices_or_sections))
        sizes = [each + 1] * extra + [each] * (int(indices_or_sections) - extra)
        ends = np.cumsum(sizes)[:-1].tolist()
    else:
        ends = [int(k) for k in indices_or_sections]
    lead = (slice(None),) * (axis % np.ndim(ary))
    return [
        ary[(*lead, slice(start, end))]
        for start, end in zip([0, *ends], [*ends, length], strict=True)
    ]


def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    order = list(range(np.ndim(a)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(a, order)


def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    source = [source] if isinstance(source, int) else list(source)
    destination = [destination] if isinstance(destination, int) else list(destination)
    n = np.ndim(a)
    source, destination = [k % n for k in source], [k % n for k in destination]
    order = [k for k in range(n) if k not in source]
    for to, at in sorted(zip(destination, source, strict=True)):
        order.insert(to, at)
    return np.transpose(a, order)


def _atleast(n: int) -> Callable[..., Any]:
    def at_least(*arys: Any) -> Any:
        raised = [
            np.reshape(a, (*(1,) * (n - np.ndim(a)), *np.shape(a))) if np.ndim(a) < n else a
            for a in arys
        ]
        return raised[0] if len(raised) == 1 else tuple(raised)

    return at_least


def _average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return np.mean(a, axis=axis)
    if np.ndim(weights) == 1 and np.ndim(a) > 1 and axis is not None:
        shape = [1] * np.ndim(a)
        shape[axis] = -1
        weights = np.reshape(weights, shape)
    return np.sum(a * weights, axis=axis) / np.sum(weights + 0.0 * a, axis=axis)


def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    lead = (slice(None),) * (axis % np.ndim(a))
    for _ in range(n):
        a = a[(*lead, slice(1, None))] - a[(*lead, slice(None, -1))]
    return a


def _ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    if low is None and high is None:
        return a
    if low is None:
        return np.minimum(a, high)
    if high is None:
        return np.maximum(a, low)
    return GATES["clip"](a, low, high)


def _vdot(a: Any, b: Any) -> Any:
    return np.dot(np.ravel(a), np.ravel(b))


def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    (a0, a1, a2), (b0, b1, b2) = (tuple(v[..., k] for k in range(3)) for v in (a, b))
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axis)


def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis=axis)


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return np.ravel(a)[indices]
    taken = a[(*(slice(None),) * (axis % np.ndim(a)), indices)]
    return taken._again()  # NumPy copies, also where an index would give a view


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        return np.nonzero(condition)
    return GATES["where"](condition, x, y)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    chosen = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        chosen = np.where(condition, choice, chosen)
    return chosen


def _like(value: float) -> Callable[..., Any]:
    def full(a: Any, dtype: Any = None) -> Any:
        return np.full(np.shape(a), value, dtype or getattr(a, "dtype", None))

    return full


def _full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    full = np.broadcast_to(fill_value, np.shape(a))
    if is_traced(fill_value):
        return full
    return full.astype(dtype or a.dtype)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    steps = np.arange(num) / max(num - 1 if endpoint else num, 1)
    return start + (stop - start) * steps


def _polyval(p: Any, x: Any) -> Any:
    value: Any = 0.0
    for k in range(np.shape(p)[0]):
        value = value * x + p[k]
    return value


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0) -> Any:
    step = dx if x is None else np.diff(x)
    return np.sum(step * (y[..., 1:] + y[..., :-1]), axis=-1) / 2.0


def _einsum(*operands: Any, optimize: Any = False) -> Any:
    if not isinstance(operands[0], str):
        missing("np.einsum with lists of axes", 'Write the subscripts as text: "ij,jk->ik".')
    return GATES["einsum"](*operands[1:], subscripts=operands[0])


class SlogdetResult(NamedTuple):
    """What np.linalg.slogdet gives: the sign of the determinant, and the log of its size."""

    sign: Any
    logabsdet: Any


def _slogdet(a: Any) -> SlogdetResult:
    return SlogdetResult(GATES["signdet"](a), GATES["logabsdet"](a))


def _ravel(a: Any) -> Any:
    flat: Any = a if np.ndim(a) == 1 else np.reshape(a, (-1,))
    # Where elements have gaps between them np.reshape may give a view, but np.ravel copies.
    value = a._value
    return flat if np.ndim(value) == 0 or value.flags.c_contiguous else flat._again()


def _nonzero(a: Any) -> Any:
    # Positions, not values: plain integers, decided as an `if` is. The guard holds them to it.
    seen = np.asarray(a._value) != 0
    bool(np.all((a != 0) == seen))
    return tuple(np.nonzero(seen))


def _seen(function: Any) -> Callable[..., Any]:
    """Answer a question about a traced value from the value itself."""

    def answer(*args: Any, **options: Any) -> Any:
        return function(*(getattr(a, "_value", a) for a in args), **options)

    return answer


def _near(function: Any) -> Callable[..., Any]:
    def compared(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Any:
        close = abs(a - b) <= atol + rtol * abs(b)
        return close if function is np.isclose else bool(np.all(close))

    return compared


COMPOSED: dict[Any, Callable[..., Any]] = {
    np.vstack: _concatenated(0),
    np.hstack: _concatenated(1),
    np.column_stack: _column_stack,
    np.split: _split,
    np.array_split: _array_split,
    np.vsplit: lambda ary, indices_or_sections: _split(ary, indices_or_sections, 0),
    np.hsplit: lambda ary, indices_or_sections: _split(
        ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1
    ),
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.atleast_1d: _atleast(1),
    np.atleast_2d: _atleast(2),
    np.average: _average,
    np.diff: _diff,
    np.ptp: _ptp,
    np.clip: _clip,
    np.vdot: _vdot,
    np.cross: _cross,
    np.append: _append,
    np.take: _take,
    np.where: _where,
    np.select: _select,
    np.zeros_like: _like(0.0),
    np.ones_like: _like(1.0),
    np.empty_like: _like(0.0),
    np.full_like: _full_like,
    np.linspace: _linspace,
    np.polyval: _polyval,
    np.trapezoid: _trapezoid,
    np.einsum: _einsum,
    np.linalg.slogdet: _slogdet,
    np.ravel: _ravel,
    np.nonzero: _nonzero,
    np.fliplr: lambda m: np.flip(m, 1),
    np.flipud: lambda m: np.flip(m, 0),
    np.real: lambda val: val,
    np.fix: lambda x: np.trunc(x),  # deprecated since NumPy 2.5, where trunc is its other name
    np.isclose: _near(np.isclose),
    np.allclose: _near(np.allclose),
    np.array_equal: lambda a1, a2: np.shape(a1) == np.shape(a2) and bool(np.all(a1 == a2)),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.iscomplexobj: _seen(np.iscomplexobj),
    np.isrealobj: _seen(np.isrealobj),
    np.result_type: _seen(np.result_type),
    np.can_cast: _seen(np.can_cast),
    np.may_share_memory: _seen(np.may_share_memory),
    np.shares_memory: _seen(np.shares_memory),
    np.array_repr: _seen(np.array_repr),
    np.array_str: _seen(np.array_str),
    np.array2string: _seen(np.array2string),
}
