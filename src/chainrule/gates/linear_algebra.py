"""Linear algebra: diagonals and triangles, inverses, solutions and determinants of matrices.

Matrices stand in the last two axes, any batch before them. To add a gate, add an entry to
`LINEAR_ALGEBRA`. Rules follow Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008), section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contraction import CONTRACTION
from .einsum import EINSUM
from .gate import REAL, Gate, example
from .rules import Shape, call, nothing, shape_of, sum_to, swap_last

# ---------------------------------------------------------------------- diagonals


def _diagonal(a: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.diagonal(a, offset=offset, axis1=axis1, axis2=axis2)


def _place_diagonal(g: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1, shape: Any) -> Any:
    """Return zeros with g on the diagonal that np.diagonal reads."""
    g = np.asarray(g)
    out = np.zeros(shape, g.dtype)
    steps = np.arange(g.shape[-1])
    matrices = np.moveaxis(out, (axis1, axis2), (-2, -1))
    matrices[..., steps + max(-offset, 0), steps + max(offset, 0)] = g
    return out


def _placed(g: Any, length: int, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    """Return g, a diagonal of this length, in zeros of this shape."""
    side = length + abs(offset)
    if shape == (side, side) and (axis1 % 2, axis2 % 2) == (0, 1):
        return np.diag(g, k=offset)
    return place_diagonal(g, offset=offset, axis1=axis1, axis2=axis2, shape=shape)


def _diagonal_vjp(
    g: Any, out: Any, a: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Any:
    return _placed(g, shape_of(g)[-1], shape_of(a), offset, axis1, axis2)


def _place_diagonal_vjp(
    g: Any, out: Any, x: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1, shape: Any
) -> Any:
    return np.diagonal(g, offset=offset, axis1=axis1, axis2=axis2)


def _diag(v: Any, *, k: int = 0) -> Any:
    return np.diag(v, k=k)


def _diag_vjp(g: Any, out: Any, v: Any, *, k: int = 0) -> Any:
    if len(shape_of(v)) == 1:
        return np.diag(g, k=k)
    return _placed(g, shape_of(g)[0], shape_of(v), k, 0, 1)


def _trace(a: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.trace(a, offset=offset, axis1=axis1, axis2=axis2)


def _trace_vjp(g: Any, out: Any, a: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    shape = shape_of(a)
    length = max(min(shape[axis1] + min(offset, 0), shape[axis2] - max(offset, 0)), 0)
    lined = np.expand_dims(g, -1) if len(shape) > 2 else g
    ones = np.broadcast_to(lined, (*shape_of(g), length))
    return _placed(ones, length, shape, offset, axis1, axis2)


def _masked(m: Any, mask: Any) -> Any:
    return np.where(mask, m, np.zeros((), m.dtype)) if len(shape_of(m)) > 1 else NotImplemented


def _tril(m: Any, *, k: int = 0) -> Any:
    return np.tril(m, k=k)


def _tril_vjp(g: Any, out: Any, m: Any, *, k: int = 0) -> Any:
    return sum_to(np.tril(g, k=k), shape_of(m))  # NumPy makes a vector the rows of a matrix


def _triu(m: Any, *, k: int = 0) -> Any:
    return np.triu(m, k=k)


def _triu_vjp(g: Any, out: Any, m: Any, *, k: int = 0) -> Any:
    return sum_to(np.triu(g, k=k), shape_of(m))


# ---------------------------------------------------------------------- inverse and solution


def _inv(a: Any) -> Any:
    return np.linalg.inv(a)


def _inv_vjp(g: Any, out: Any, a: Any) -> Any:
    turned = swap_last(out)
    return -(turned @ g @ turned)


def _solve(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def _solve_back(g: Any, a: Any, b: Any) -> Any:
    """Return the gradient of b before its batch axes are summed; a column if b is a vector."""
    if len(shape_of(b)) == 1 and len(shape_of(a)) > 2:
        g = np.expand_dims(g, -1)  # NumPy takes one vector against many matrices, not the reverse
    return np.linalg.solve(swap_last(a), g)


def _solve_vjp_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    back = _solve_back(g, a, b)
    if len(shape_of(b)) > 1:
        return sum_to(-(back @ swap_last(out)), shape_of(a))
    return -np.outer(back, out) if len(shape_of(a)) == 2 else -back * np.expand_dims(out, -2)


def _solve_vjp_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    back = _solve_back(g, a, b)
    if len(shape_of(b)) == 1 and len(shape_of(a)) > 2:
        back = np.squeeze(back, axis=-1)
    return sum_to(back, shape_of(b))


# ---------------------------------------------------------------------- determinants


def _det(a: Any) -> Any:
    return np.linalg.det(a)


def _det_vjp(g: Any, out: Any, a: Any) -> Any:
    # Not det(a) * inv(a).T: a singular matrix has no inverse, but its determinant has a slope.
    return _on_matrices(g) * cofactor(a)


def _on_matrices(g: Any) -> Any:
    return np.expand_dims(g, (-2, -1)) if shape_of(g) else g


def _cofactor(a: Any) -> Any:
    """Return the matrix of cofactors: det(a) * inv(a).T where there is an inverse."""
    u, s, v = np.linalg.svd(a)
    own = np.eye(s.shape[-1], dtype=bool)
    others = np.where(own, 1.0, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(v)
    return sign[..., None, None] * (u * others[..., None, :]) @ v


def _cofactor_vjp(g: Any, out: Any, a: Any) -> Any:
    # From out = det(a) * inv(a).T: second derivatives, unlike first, need an inverse.
    turned = swap_last(np.linalg.inv(a))
    along = np.sum(g * out, axis=(-2, -1), keepdims=True)
    return along * turned - turned @ swap_last(g) @ out


def _logabsdet(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def _logabsdet_vjp(g: Any, out: Any, a: Any) -> Any:
    return _on_matrices(g) * swap_last(np.linalg.inv(a))


def _signdet(a: Any) -> Any:
    return np.linalg.slogdet(a)[0]


# ---------------------------------------------------------------------- the table

_REGULAR = np.array([[2.0, 0.5, -1.0], [-0.5, 1.5, 0.3], [0.2, -0.7, 3.0]])
_PAIR = np.array([[2.0, 0.5], [-1.0, 3.0]])
_BATCH = np.stack([_PAIR, _PAIR.T - 4.0 * np.eye(2)])
_SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])

_SQUARE = (
    example((3, 3), values=(_REGULAR,)),
    example((2, 2, 2), values=(_BATCH,)),
    example((1, 1), values=(np.array([[-2.0]]),)),
)
_TRIANGLES = (
    example((3, 3)),
    example((2, 4), k=1),
    example((4, 2), k=-1),
    example((2, 3, 2)),
    example((3,)),
)
_DIAGONALS = (
    example((3, 3)),
    example((2, 4)),
    example((3, 3), offset=1),
    example((4, 2), offset=-1),
    example((3, 2, 3), offset=1, axis1=0, axis2=2),
    example((3, 2, 3), axis1=-1, axis2=1),
    example((2, 2), offset=5),
)

place_diagonal = Gate(
    name="place_diagonal",
    forward=_place_diagonal,
    symbol="⋱",
    code=call("place_diagonal", "{0}", offset=0, axis1=0, axis2=1),
    words="puts {0} on a diagonal of zeros",
    why="the elements went to the diagonal, and read their gradient there",
    vjp=(_place_diagonal_vjp,),
    pattern="moves",
    examples=(
        example((3,), shape=(3, 3)),
        example((2,), offset=-1, shape=(4, 2)),
        example((2, 2), offset=1, axis1=0, axis2=2, shape=(3, 2, 3)),
        example((3, 2), axis1=-1, axis2=1, shape=(3, 2, 3)),
    ),
)

cofactor = Gate(
    name="cofactor",
    forward=_cofactor,
    symbol="cof",
    code="cofactor({0})",
    words="takes the cofactors of {0}: the slopes of its determinant",
    why="a cofactor is itself a determinant, of the matrix without one row and column",
    vjp=(_cofactor_vjp,),
    analytic=False,  # complex singular vectors come with a phase, which det(u) det(v) does not undo
    examples=_SQUARE,
)

LINEAR_ALGEBRA: tuple[Gate, ...] = (
    *CONTRACTION,
    EINSUM,
    Gate(
        name="trace",
        forward=_trace,
        numpy=np.trace,
        symbol="tr",
        code=call("np.trace", "{0}", offset=0, axis1=0, axis2=1),
        latex=r"\operatorname{tr}\left(#0\right)",
        words="sums the diagonal of {0}",
        expand=lambda a, *, offset=0, axis1=0, axis2=1: np.sum(
            np.diagonal(a, offset=offset, axis1=axis1, axis2=axis2), axis=-1
        ),
        why="each element of the diagonal gets the whole gradient, the others do not count",
        vjp=(_trace_vjp,),
        pattern="spreads",
        selects=True,
        examples=_DIAGONALS,
    ),
    Gate(
        name="diagonal",
        forward=_diagonal,
        numpy=np.diagonal,
        symbol="⋱",
        code=call("np.diagonal", "{0}", offset=0, axis1=0, axis2=1),
        words="reads the diagonal of {0}",
        why="an element of the diagonal gets its gradient, the others get 0",
        vjp=(_diagonal_vjp,),
        pattern="moves",
        selects=True,
        is_view=True,
        examples=_DIAGONALS,
    ),
    Gate(
        name="diag",
        forward=_diag,
        numpy=np.diag,
        symbol="⋱",
        code=call("np.diag", "{0}", k=0),
        words="reads or makes the diagonal: {0}",
        why="an element of the diagonal gets its gradient, the others get 0",
        vjp=(_diag_vjp,),
        pattern="moves",
        selects=True,
        is_view=True,
        examples=(
            example((3,)),
            example((2,), k=1),
            example((2,), k=-2),
            example((3, 3)),
            example((2, 4), k=1),
            example((4, 2), k=-1),
            example((2, 3), k=-5),
        ),
    ),
    Gate(
        name="tril",
        forward=_tril,
        numpy=np.tril,
        symbol="◺",
        code=call("np.tril", "{0}", k=0),
        words="keeps the lower triangle of {0}",
        expand=lambda m, *, k=0: _masked(m, np.tril(np.ones(shape_of(m)[-2:], bool), k=k)),
        why="what was kept gets its gradient, what was cut gets 0",
        vjp=(_tril_vjp,),
        pattern="moves",
        selects=True,
        examples=_TRIANGLES,
    ),
    Gate(
        name="triu",
        forward=_triu,
        numpy=np.triu,
        symbol="◹",
        code=call("np.triu", "{0}", k=0),
        words="keeps the upper triangle of {0}",
        expand=lambda m, *, k=0: _masked(m, np.triu(np.ones(shape_of(m)[-2:], bool), k=k)),
        why="what was kept gets its gradient, what was cut gets 0",
        vjp=(_triu_vjp,),
        pattern="moves",
        selects=True,
        examples=_TRIANGLES,
    ),
    Gate(
        name="inv",
        forward=_inv,
        numpy=np.linalg.inv,
        symbol="A⁻¹",
        code="np.linalg.inv({0})",
        latex="#(0)^{-1}",
        words="inverts the matrix {0}",
        why="as 1 / x has slope -1 / x², the inverse moves by -inv(A) dA inv(A)",
        vjp=(_inv_vjp,),
        pattern="products",
        examples=_SQUARE,
    ),
    Gate(
        name="solve",
        forward=_solve,
        numpy=np.linalg.solve,
        symbol="A⁻¹b",
        code="np.linalg.solve({0}, {1})",
        latex=r"#(0)^{-1}\,#(1)",
        words="solves {0} x = {1}",
        why="the gradient of the right side solves the transposed system",
        vjp=(_solve_vjp_a, _solve_vjp_b),
        pattern="products",
        domain=(REAL, REAL),
        examples=(
            example((3, 3), (3,), values=(_REGULAR, None)),
            example((3, 3), (3, 2), values=(_REGULAR, None)),
            example((2, 2, 2), (2, 2, 3), values=(_BATCH, None)),
            example((2, 2, 2), (2, 1), values=(_BATCH, None)),
            example((2, 2, 2), (2,), values=(_BATCH, None)),
            example((2, 2), (3, 2, 1), values=(_PAIR, None)),
        ),
    ),
    Gate(
        name="det",
        forward=_det,
        numpy=np.linalg.det,
        symbol="det",
        code="np.linalg.det({0})",
        latex=r"\det\left(#0\right)",
        words="takes the determinant of {0}",
        why="the determinant is linear in each entry: the slope is the entry's cofactor",
        vjp=(_det_vjp,),
        pattern="products",
        examples=(*_SQUARE, example((2, 2), values=(_SINGULAR,))),
    ),
    Gate(
        name="logabsdet",
        forward=_logabsdet,
        symbol="log|det|",
        code="np.linalg.slogdet({0})[1]",
        latex=r"\ln\left|\det\left(#0\right)\right|",
        words="takes the logarithm of the absolute determinant of {0}",
        why="the slope of the log determinant is the transposed inverse",
        vjp=(_logabsdet_vjp,),
        pattern="products",
        analytic=False,
        examples=_SQUARE,
    ),
    Gate(
        name="signdet",
        forward=_signdet,
        symbol="±det",
        code="np.linalg.slogdet({0})[0]",
        latex=r"\operatorname{sign}\left(\det\left(#0\right)\right)",
        words="takes the sign of the determinant of {0}",
        why="the sign is flat wherever the matrix has an inverse",
        vjp=(nothing,),
        pattern="stops",
        analytic=False,
        examples=_SQUARE,
    ),
    place_diagonal,
    cofactor,
)
