"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp: all from one backward pass.

Forward mode needs no second set of rules: a pullback is linear in the upstream gradient, so its
own pullback pushes tangents forward. Source: J. Townsend, "A new trick for calculating Jacobian
vector products" (2017).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..errors import ShapeError
from ..passes.backward import is_float
from ..tracing.sites import for_users, here
from .pullback import Pullback, to_argnums

Function = Callable[..., Any]


def _callable(function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{here()}a function was expected, not {type(function).__name__}")


def value_and_grad(
    function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """Return a function that gives (value, gradient).

    Parameters
    ----------
    function : callable
        Gives one float (or (float, aux) with `has_aux`) from floats and arrays, in plain Python
        with operators, `math` or NumPy.
    argnums : int or sequence of int
        The positional arguments to differentiate by; they may be containers of arrays.
    has_aux : bool
        Whether the function gives a second thing that is to be passed through.

    Returns
    -------
    callable
        Same arguments; gives `(value, gradient)`, or `((value, aux), gradient)`. The gradient has
        the containers, shapes and dtypes of the argument; a tuple of them for several argnums.

    Raises
    ------
    NotScalarError
        If the output is not one float.
    DtypeError
        If an argument in `argnums` holds integers.

    Examples
    --------
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(4.0, -3.0)
    (-12.0, (-3.0, 4.0))
    """
    _callable(function)

    @for_users
    @functools.wraps(function)
    def gradient(*args: Any, **keywords: Any) -> Any:
        numbers = to_argnums(argnums, len(args))
        call = Pullback(function, args, keywords, numbers, has_aux=has_aux)
        gradients = call.gradients(call.scalar_seed())
        found = call.arranged(gradients, isinstance(argnums, int))
        return ((call.value, call.aux) if has_aux else call.value), found

    return gradient


def grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient.

    Parameters
    ----------
    function, argnums, has_aux
        As in `value_and_grad`.

    Returns
    -------
    callable
        Same arguments; gives the gradient, or `(gradient, aux)`.

    Examples
    --------
    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @for_users
    @functools.wraps(function)
    def gradient(*args: Any, **keywords: Any) -> Any:
        value, found = both(*args, **keywords)
        return (found, value[1]) if has_aux else found

    return gradient


@for_users
def vjp(function: Function, *args: Any, has_aux: bool = False) -> Any:
    """Run the function forward; return its output and the function that pulls gradients back.

    Parameters
    ----------
    function : callable
        Any outputs, in containers too.
    *args
        Its arguments, floats and float arrays, in containers too.
    has_aux : bool
        Whether the function gives a second thing that is to be passed through.

    Returns
    -------
    output : Any
        What the function gave.
    pullback : callable
        Takes the gradient of the output, in its containers and shapes; gives a tuple with the
        gradient of each argument. May be called many times.
    aux : Any
        With `has_aux` only.

    Examples
    --------
    >>> y, pullback = vjp(lambda x, y: x * y, 4.0, -3.0)
    >>> y, pullback(1.0)
    (-12.0, (-3.0, 4.0))
    """
    _callable(function)
    call = Pullback(function, args, {}, tuple(range(len(args))), has_aux=has_aux)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        seeds = _matching(cotangent, call.outputs, call.out_tree, "the output", "gradient")
        return call.arranged(call.gradients(seeds), single=False)  # type: ignore[no-any-return]

    return (call.value, pullback, call.aux) if has_aux else (call.value, pullback)


def _matching(given: Any, like: Sequence[Any], tree: Any, whose: str, what: str) -> list[Any]:
    """Return the leaves of a (co)tangent, checked against the values it belongs to."""
    leaves, its_tree = flatten(given)
    if its_tree.paths != tree.paths:
        raise ShapeError(
            f"{here()}the {what} must have the containers of {whose}: {len(tree.paths)} leaves at "
            f"{list(tree.paths)}, not {len(its_tree.paths)} at {list(its_tree.paths)}"
        )
    checked = []
    for leaf, value, path in zip(leaves, like, tree.paths, strict=True):
        if np.shape(leaf) != np.shape(value):
            where = "".join(f"[{key!r}]" for key in path)
            raise ShapeError(
                f"{here()}the {what}{where} has shape {np.shape(leaf)}, but {whose}{where} has "
                f"shape {np.shape(value)}"
            )
        plain = getattr(value, "_value", value)
        if hasattr(leaf, "__gate__") or not is_float(plain):
            checked.append(leaf if is_float(plain) else None)
        elif type(plain) is float:
            checked.append(float(leaf))
        else:
            checked.append(np.asarray(leaf, dtype=plain.dtype)[()])
    return checked


@for_users
def jvp(function: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the output and its change along the tangents.

    Parameters
    ----------
    function : callable
        Any outputs, in containers too.
    args, tangents : sequence
        The arguments, and a tangent for each in the same containers and shapes.

    Returns
    -------
    output, tangent : Any
        Both in the output's containers.

    Examples
    --------
    >>> jvp(lambda x, y: x * y, (4.0, -3.0), (1.0, 0.5))
    (-12.0, -1.0)
    """
    _callable(function)
    if len(args) != len(tangents):
        raise ShapeError(f"{here()}{len(args)} arguments, but {len(tangents)} tangents")
    leaves, tree = flatten(tuple(args))
    directions = _matching(tuple(tangents), leaves, tree, "the arguments", "tangent")
    output, _ = vjp(function, *args)
    out_leaves, out_tree = flatten(output)
    zeros = [_zeros(value) for value in out_leaves]

    def pulled(*cotangents: Any) -> Any:
        # Linear in the cotangents, so the point at which it is recorded does not matter.
        # The function is run again, so that its rows and the pullback share one tape.
        _, back = vjp(function, *args)
        return back(out_tree.build(cotangents))

    # The pullback's pullback: rows of the output, columns of the arguments, transposed twice.
    floats = [k for k, value in enumerate(out_leaves) if is_float(getattr(value, "_value", value))]

    def of_floats(*cotangents: Any) -> Any:
        every = list(zeros)
        for k, cotangent in zip(floats, cotangents, strict=True):
            every[k] = cotangent
        return pulled(*every)

    if not floats:
        return output, out_tree.build(zeros)
    _, push = vjp(of_floats, *(zeros[k] for k in floats))
    pushed = push(tree.build(directions))
    tangent_leaves = list(zeros)
    for k, tangent in zip(floats, pushed, strict=True):
        tangent_leaves[k] = tangent
    return output, out_tree.build(tangent_leaves)


def _zeros(value: Any) -> Any:
    plain = getattr(value, "_value", value)
    if type(plain) in (float, int, bool):
        return 0.0
    dtype = plain.dtype if is_float(plain) else np.float64
    return np.zeros(np.shape(plain), dtype)[()]


def jacobian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that gives the Jacobian: one backward pass an output element.

    Parameters
    ----------
    function : callable
        Any outputs, in containers too.
    argnums : int or sequence of int
        The positional arguments to differentiate by.

    Returns
    -------
    callable
        Same arguments. For an output of shape s and an argument of shape t, an array of shape
        s + t; in the output's containers, and in each the argument's.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: np.array([x[0] * x[1], x[1] ** 2]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [0., 6.]])
    """
    _callable(function)

    @for_users
    @functools.wraps(function)
    def jacobian_of(*args: Any, **keywords: Any) -> Any:
        numbers = to_argnums(argnums, len(args))
        call = Pullback(function, args, keywords, numbers)
        blocks = [_jacobian_rows(call, k) for k in range(len(call.outputs))]
        parts = [call.arranged(block, isinstance(argnums, int)) for block in blocks]
        return call.out_tree.build(parts)

    return jacobian_of


def _jacobian_rows(call: Pullback, which: int) -> list[Any]:
    """Return the Jacobian of one output leaf by every input leaf."""
    value = call.tape.values[call.out_rows[which]]
    shape = np.shape(value)
    count = int(np.size(value))
    rows: list[list[Any]] = []
    for k in range(count):
        seeds: list[Any] = [None] * len(call.outputs)
        if type(value) is float:
            seeds[which] = 1.0
        else:
            basis = np.zeros(count, value.dtype if is_float(value) else np.float64)
            basis[k] = 1.0
            seeds[which] = basis.reshape(shape)[()]
        if not is_float(value):
            seeds[which] = None
        rows.append(call.gradients(seeds))
    stacked = []
    for index, row in enumerate(call.rows):
        leaf = call.tape.values[row]
        parts = [gradients[index] for gradients in rows]
        if shape == ():
            stacked.append(parts[0])
        elif not parts:
            dtype = float if type(leaf) is float else leaf.dtype
            stacked.append(np.zeros((*shape, *np.shape(leaf)), dtype))
        else:
            stacked.append(np.reshape(np.stack(parts), (*shape, *np.shape(leaf))))
    return stacked


def hessian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return a function that gives the Hessian: the Jacobian of the gradient.

    Examples
    --------
    >>> hessian(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 3.0)
    ((6.0, 4.0), (4.0, 0.0))
    """
    return jacobian(grad(function, argnums), argnums)


@for_users
def hvp(function: Function, args: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the product of the Hessian with a vector, without the Hessian.

    Parameters
    ----------
    function : callable
        Gives one float.
    args, tangents : sequence
        The arguments, and the vector in the same containers and shapes. One argument that is not
        in a tuple or list, and its vector, may be given bare.

    Returns
    -------
    tuple or Any
        In the containers of `args`; bare for a bare argument.

    Examples
    --------
    >>> hvp(lambda x, y: x * x * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 4.0)
    """
    bare = not isinstance(args, (tuple, list))
    points = (args,) if bare else tuple(args)
    along = (tangents,) if bare else tuple(tangents)
    leaves, tree = flatten(points)
    directions = _matching(along, leaves, tree, "the arguments", "vector")
    numbers = tuple(range(len(points)))

    def slope(*at: Any) -> Any:
        found, _ = flatten(grad(function, numbers)(*at))
        total: Any = 0.0
        for gradient, direction in zip(found, directions, strict=True):
            total = total + np.sum(gradient * direction)
        return total

    result = grad(slope, numbers)(*points)
    return result[0] if bare else result
