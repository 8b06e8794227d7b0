"""Contractions: products of matrices and arrays, summed over the axes they share.

The gradient of a contraction is again one: the upstream gradient contracted with the other input.
Each rule branches on the number of axes, so that what is drawn is what a person would write:
`g @ y.T` and `x.T @ g` for matrices. `LINEAR_ALGEBRA` takes these gates in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import REAL, Gate, example
from .rules import call, inverse_of, permuted, shape_of, sum_to, swap_last

# ---------------------------------------------------------------------- matmul


def _matmul_vjp_x(g: Any, out: Any, x: Any, y: Any) -> Any:
    m, n = len(shape_of(x)), len(shape_of(y))
    if n == 1:
        if m == 1:
            return g * y
        return np.outer(g, y) if m == 2 else np.expand_dims(g, -1) * y
    if m == 1:
        # Every axis of g was shared with y: (..., k, n) against (..., n).
        shared = (*range(n - 2), n - 1)
        return y @ g if n == 2 else np.tensordot(y, g, axes=(shared, tuple(range(n - 1))))
    return sum_to(g @ swap_last(y), shape_of(x))


def _matmul_vjp_y(g: Any, out: Any, x: Any, y: Any) -> Any:
    m, n = len(shape_of(x)), len(shape_of(y))
    if m == 1:
        if n == 1:
            return g * x
        return np.outer(x, g) if n == 2 else np.expand_dims(x, -1) * np.expand_dims(g, -2)
    if n == 1:
        return x.T @ g if m == 2 else np.tensordot(g, x, axes=m - 1)
    if m > 2 and n == 2:
        # One matrix for the whole batch: one long product instead of a sum over many.
        rows = math.prod(shape_of(x)[:-1])
        x = np.reshape(x, (rows, shape_of(x)[-1]))
        return x.T @ np.reshape(g, (rows, shape_of(y)[-1]))
    return sum_to(swap_last(x) @ g, shape_of(y))


# ---------------------------------------------------------------------- tensordot


def _tensordot(a: Any, b: Any, *, axes: Any = 2) -> Any:
    return np.tensordot(a, b, axes=axes)


def _paired(axes: Any, m: int, n: int) -> tuple[list[int], list[int]]:
    """Return the axes of a and b that are summed together, counted from 0."""
    if isinstance(axes, int):
        return list(range(m - axes, m)), list(range(axes))
    of_a, of_b = ((k,) if isinstance(k, int) else k for k in axes)
    return [k % m for k in of_a], [k % n for k in of_b]


def _free(ndim: int, summed: list[int]) -> list[int]:
    return [k for k in range(ndim) if k not in summed]


def _tensordot_vjp_a(g: Any, out: Any, a: Any, b: Any, *, axes: Any = 2) -> Any:
    of_a, of_b = _paired(axes, len(shape_of(a)), len(shape_of(b)))
    free_a, free_b = _free(len(shape_of(a)), of_a), _free(len(shape_of(b)), of_b)
    of_g = tuple(range(len(free_a), len(free_a) + len(free_b)))
    grown = np.tensordot(g, b, axes=(of_g, tuple(free_b))) if shape_of(g) else g * b
    # Its axes: the free ones of a, then the summed ones in b's order; put them in a's.
    owners = free_a + [of_a[of_b.index(k)] for k in sorted(of_b)]
    return permuted(grown, inverse_of(owners))


def _tensordot_vjp_b(g: Any, out: Any, a: Any, b: Any, *, axes: Any = 2) -> Any:
    of_a, of_b = _paired(axes, len(shape_of(a)), len(shape_of(b)))
    free_a, free_b = _free(len(shape_of(a)), of_a), _free(len(shape_of(b)), of_b)
    of_g = tuple(range(len(free_a)))
    grown = np.tensordot(a, g, axes=(tuple(free_a), of_g)) if shape_of(g) else g * a
    owners = [of_b[of_a.index(k)] for k in sorted(of_a)] + free_b
    return permuted(grown, inverse_of(owners))


# ---------------------------------------------------------------------- dot, inner, outer, kron


def _dot(a: Any, b: Any) -> Any:
    return np.dot(a, b)


def _dot_vjp_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return sum_to(g * b, shape_of(a))
    if m <= 2 and n <= 2:
        return _matmul_vjp_x(g, out, a, b)
    return _tensordot_vjp_a(g, out, a, b, axes=(-1, max(n - 2, 0)))


def _dot_vjp_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return sum_to(g * a, shape_of(b))
    if m <= 2 and n <= 2:
        return _matmul_vjp_y(g, out, a, b)
    return _tensordot_vjp_b(g, out, a, b, axes=(-1, max(n - 2, 0)))


def _inner(a: Any, b: Any) -> Any:
    return np.inner(a, b)


def _inner_vjp_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return sum_to(g * b, shape_of(a))
    if m <= 2 and n <= 2:  # inner(a, b) is a @ b.T
        return np.outer(g, b) if (m, n) == (2, 1) else g * b if n == 1 else g @ b
    return _tensordot_vjp_a(g, out, a, b, axes=(-1, -1))


def _inner_vjp_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return sum_to(g * a, shape_of(b))
    if m <= 2 and n <= 2:
        if m == 1:
            return g * a if n == 1 else np.outer(g, a)
        return g @ a if n == 1 else g.T @ a
    return _tensordot_vjp_b(g, out, a, b, axes=(-1, -1))


def _outer(a: Any, b: Any) -> Any:
    return np.outer(a, b)


def _in_line(x: Any) -> Any:
    return x if len(shape_of(x)) == 1 else np.reshape(x, (math.prod(shape_of(x)),))


def _outer_vjp_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    line = g @ _in_line(b)
    return line if len(shape_of(a)) == 1 else np.reshape(line, shape_of(a))


def _outer_vjp_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    line = _in_line(a) @ g
    return line if len(shape_of(b)) == 1 else np.reshape(line, shape_of(b))


def _kron(a: Any, b: Any) -> Any:
    return np.kron(a, b)


def _blocks(g: Any, a: Any, b: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Return g with the axes of a and b in turn, and both shapes at that number of axes."""
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    outer = (1,) * (ndim - len(shape_of(a))) + shape_of(a)
    inside = (1,) * (ndim - len(shape_of(b))) + shape_of(b)
    return np.reshape(g, sum(zip(outer, inside, strict=True), ())), outer, inside


def _kron_vjp_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    blocks, outer, inside = _blocks(g, a, b)
    axes = tuple(range(1, 2 * len(outer), 2)), tuple(range(len(inside)))
    return np.reshape(np.tensordot(blocks, np.reshape(b, inside), axes=axes), shape_of(a))


def _kron_vjp_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    blocks, outer, _ = _blocks(g, a, b)
    axes = tuple(range(0, 2 * len(outer), 2)), tuple(range(len(outer)))
    return np.reshape(np.tensordot(blocks, np.reshape(a, outer), axes=axes), shape_of(b))


# ---------------------------------------------------------------------- as products of matrices


def _tensordot_of_matmul(a: Any, b: Any, *, axes: Any = 2) -> Any:
    shape_a, shape_b = shape_of(a), shape_of(b)
    of_a, of_b = _paired(axes, len(shape_a), len(shape_b))
    free_a, free_b = _free(len(shape_a), of_a), _free(len(shape_b), of_b)
    inner = math.prod(shape_a[k] for k in of_a)
    rows = math.prod(shape_a[k] for k in free_a)
    columns = math.prod(shape_b[k] for k in free_b)
    left = np.reshape(permuted(a, free_a + of_a), (rows, inner))
    right = np.reshape(permuted(b, of_b + free_b), (inner, columns))
    return np.reshape(
        left @ right, tuple([shape_a[k] for k in free_a] + [shape_b[k] for k in free_b])
    )


def _dot_of_matmul(a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return a * b
    return a @ b if n <= 2 else _tensordot_of_matmul(a, b, axes=(-1, n - 2))


def _inner_of_matmul(a: Any, b: Any) -> Any:
    m, n = len(shape_of(a)), len(shape_of(b))
    if m == 0 or n == 0:
        return a * b
    return a @ b.T if n <= 2 else _tensordot_of_matmul(a, b, axes=(-1, -1))


def _outer_of_gates(a: Any, b: Any) -> Any:
    return np.reshape(a, (math.prod(shape_of(a)), 1)) * np.reshape(b, (1, math.prod(shape_of(b))))


# ---------------------------------------------------------------------- the table

_WHY = "an entry is a sum of products: the slope along each factor is the other factor"

_MATRICES = (
    example((2, 3), (3, 4)),
    example((2, 3), (3,)),
    example((3,), (3, 2)),
    example((3,), (3,)),
    example((1, 3), (3, 1)),
    example((2, 0), (0, 3)),
)

CONTRACTION: tuple[Gate, ...] = (
    Gate(
        name="matmul",
        forward=np.matmul,
        symbol="@",
        code="{0} @ {1}",
        words="multiplies the matrices {0} and {1}",
        why=_WHY,
        vjp=(_matmul_vjp_x, _matmul_vjp_y),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            *_MATRICES,
            example((2, 2, 3), (3, 4)),
            example((2, 3), (5, 3, 4)),
            example((2, 2, 3), (2, 3, 4)),
            example((2, 1, 2, 3), (3, 3, 2)),
            example((1, 2, 3), (4, 3, 2)),
            example((2, 2, 3), (3,)),
            example((3,), (2, 3, 4)),
            example((3,), (2, 2, 3, 1)),
            example((0, 2, 3), (3, 4)),
        ),
    ),
    Gate(
        name="dot",
        forward=_dot,
        numpy=np.dot,
        symbol="·",
        code="np.dot({0}, {1})",
        latex=r"#(0)\,#(1)",
        words="takes the dot product of {0} and {1}",
        expand=_dot_of_matmul,
        why=_WHY,
        vjp=(_dot_vjp_a, _dot_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            *_MATRICES,
            example((), ()),
            example((), (2, 3)),
            example((2, 3), ()),
            example((2, 2, 3), (3,)),
            example((3,), (2, 3, 4)),
            example((2, 3), (4, 3, 2)),
            example((2, 1, 3), (3, 2)),
        ),
    ),
    Gate(
        name="inner",
        forward=_inner,
        numpy=np.inner,
        symbol="⟨,⟩",
        code="np.inner({0}, {1})",
        latex=r"\left\langle #0, #1 \right\rangle",
        words="takes the inner product of {0} and {1}",
        expand=_inner_of_matmul,
        why=_WHY,
        vjp=(_inner_vjp_a, _inner_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((3,), (3,)),
            example((2, 3), (3,)),
            example((3,), (2, 3)),
            example((2, 3), (4, 3)),
            example((2, 2, 3), (4, 3)),
            example((), (2, 3)),
            example((3,), ()),
            example((), ()),
        ),
    ),
    Gate(
        name="outer",
        forward=_outer,
        numpy=np.outer,
        symbol="⊗",
        code="np.outer({0}, {1})",
        latex=r"#(0) \otimes #(1)",
        words="multiplies every element of {0} by every element of {1}",
        expand=_outer_of_gates,
        why="the slope along an element is the other input, in the element's row or column",
        vjp=(_outer_vjp_a, _outer_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((2,), (3,)),
            example((2, 2), (3,)),
            example((), (3,)),
            example((2,), (0,)),
            example((2,), (1, 3)),
        ),
    ),
    Gate(
        name="tensordot",
        forward=_tensordot,
        numpy=np.tensordot,
        symbol="@",
        code=call("np.tensordot", "{0}", "{1}", axes=2),
        words="multiplies {0} and {1} and sums over the axes they share",
        expand=_tensordot_of_matmul,
        why=_WHY,
        vjp=(_tensordot_vjp_a, _tensordot_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((2, 3), (3, 4), axes=1),
            example((2, 3), (2, 3)),
            example((2, 3), (4,), axes=0),
            example((2, 3, 4), (4, 5, 2), axes=((0, 2), (2, 0))),
            example((2, 3, 4), (4, 3, 2), axes=((2, 0), (0, 2))),
            example((2, 3, 4), (4, 3, 2), axes=((0, 1, 2), (2, 1, 0))),
            example((2, 3), (3, 5), axes=(-1, 0)),
            example((3,), (2, 3), axes=((0,), (-1,))),
        ),
    ),
    Gate(
        name="kron",
        forward=_kron,
        numpy=np.kron,
        symbol="⊗",
        code="np.kron({0}, {1})",
        latex=r"#(0) \otimes #(1)",
        words="lays out a block of {1} for every element of {0}",
        why="each entry is one element of each input: the slope along one is the other",
        vjp=(_kron_vjp_a, _kron_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((2, 3), (3, 2)),
            example((2,), (3,)),
            example((2,), (2, 3)),
            example((2, 2, 1), (3,)),
        ),
    ),
)
