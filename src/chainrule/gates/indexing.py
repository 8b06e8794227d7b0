"""Indexing: elements move, so their gradients move back to where they came from.

An index is split in two: `template`, a tuple of slices, integers, None and Ellipsis known while
drawing, and the index arrays, which are inputs of the gate; `PLACEHOLDER` stands in the template
where the next array goes. The gradient of reading x[i] is `scatter`, which adds into zeros (an
element read twice gets two gradients), and the gradient of scatter is reading again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gate import REAL, Gate, example
from .rules import call, nothing, shape_of, sum_to

PLACEHOLDER = "array"
"""Stands in a template for the next index array; text, since no NumPy index can be that."""


def filled(template: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """Return the NumPy index: the template with its placeholders replaced by the arrays."""
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(part, str) else part for part in template)


def text_of_index(template: tuple[Any, ...], first_array: int, *, alone: bool = False) -> str:
    """Return the source of an index: `1:, {1}`; `first_array` numbers the first placeholder.

    With `alone` it stands outside brackets: `np.s_[1:, {1}]`, or `{1}`.
    """
    parts = []
    for part in template:
        if isinstance(part, str):
            parts.append(f"{{{first_array}}}")
            first_array += 1
        elif isinstance(part, slice):
            start, stop, step = (
                "" if v is None else str(v) for v in (part.start, part.stop, part.step)
            )
            parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        else:
            parts.append("..." if part is Ellipsis else str(part))
    text = ", ".join(parts) or "()"
    if not alone or (len(parts) == 1 and not isinstance(template[0], slice)):
        return text
    return f"np.s_[{text}]" if parts else text


# ---------------------------------------------------------------------- reading and scattering


def _index(x: Any, *index_arrays: Any, template: tuple[Any, ...]) -> Any:
    return x[filled(template, index_arrays)]


def _index_vjp(
    index: int, g: Any, out: Any, x: Any, *index_arrays: Any, template: tuple[Any, ...]
) -> Any:
    if index > 0:
        return None
    return scatter(g, *index_arrays, template=template, shape=shape_of(x))


# Emitted modules carry the source of the next two; there the template is the index itself, with
# its arrays in it.


def _scatter(g: Any, *index_arrays: Any, template: Any, shape: Any) -> Any:
    """Add g into zeros at the places that the index reads."""
    rest, parts = iter(index_arrays), template if isinstance(template, tuple) else (template,)
    index = tuple(next(rest) if isinstance(part, str) else part for part in parts)
    out = np.zeros(shape, np.asarray(g).dtype)
    if not any(np.ndim(part) and np.asarray(part).dtype.kind in "iu" for part in index):
        out[index] = g  # slices and masks read no element twice
        return out
    # np.add.at on numbered places: with rows as indices it is up to six times slower.
    places = np.arange(out.size).reshape(shape)[index]
    np.add.at(out.reshape(-1), places.ravel(), np.ravel(g))
    return out


def _set_index(x: Any, value: Any, *index_arrays: Any, template: Any) -> Any:
    """Return a copy of x with value written where the index reads."""
    rest, parts = iter(index_arrays), template if isinstance(template, tuple) else (template,)
    index = tuple(next(rest) if isinstance(part, str) else part for part in parts)
    out = x + 0j if np.iscomplexobj(value) else np.array(x)
    out[index] = value
    return out


def _scatter_vjp(index: int, g: Any, out: Any, *inputs: Any, template: Any, shape: Any) -> Any:
    if index > 0:
        return None
    return gate_index(g, *inputs[1:], template=template)


def _set_index_vjp(index: int, g: Any, out: Any, *inputs: Any, template: Any) -> Any:
    value, arrays = inputs[1], inputs[2:]
    if index > 1:
        return None
    if index == 0:  # what was overwritten no longer counts
        return set_index(g, 0.0, *arrays, template=template)
    taken = gate_index(g, *arrays, template=template)
    if any(array.dtype != bool for array in arrays):
        # Of several values written to one place only the last is there to be read.
        last = last_written(*arrays, template=template, shape=shape_of(out))
        if not isinstance(last, np.ndarray) or not last.all():
            taken = taken * last
    return sum_to(taken, shape_of(value))


def _last_written(*index_arrays: Any, template: Any, shape: Any) -> Any:
    """Return for each write through an index whether it is the last to its place."""
    rest, parts = iter(index_arrays), template if isinstance(template, tuple) else (template,)
    index = tuple(next(rest) if isinstance(part, str) else part for part in parts)
    writer = np.zeros(shape, dtype=int)
    turns = np.arange(writer[index].size).reshape(np.shape(writer[index]))
    writer[index] = turns
    return writer[index] == turns


# ---------------------------------------------------------------------- along an axis


def _take_along_axis(arr: Any, indices: Any, *, axis: Any = -1) -> Any:
    return np.take_along_axis(arr, indices, axis=axis)


def _add_along_axis(g: Any, indices: Any, *, axis: Any, shape: Any) -> Any:
    """Add g into zeros at the places that np.take_along_axis reads."""
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    places = np.take_along_axis(places, indices, axis=axis)
    out = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(out.reshape(-1), places.ravel(), np.ravel(g))
    return out


def _take_along_axis_vjp(g: Any, out: Any, arr: Any, indices: Any, *, axis: Any = -1) -> Any:
    return add_along_axis(g, indices, axis=axis, shape=shape_of(arr))


def _sort(a: Any, *, axis: Any = -1, kind: Any = None) -> Any:
    return np.sort(a, axis=axis, kind=kind)


def _sort_vjp(g: Any, out: Any, a: Any, *, axis: Any = -1, kind: Any = None) -> Any:
    # Stable, so that ties fall the same way on every machine; any way is a subgradient.
    order = np.argsort(a, axis=axis, kind="stable")
    return add_along_axis(g, order, axis=axis, shape=shape_of(a))


def _gaps(a: Any, *, axis: Any = -1, kind: Any = None) -> Any:
    """Return the gaps between neighbours in order: 0 where the order is about to change."""
    return np.diff(np.sort(a, axis=axis), axis=-1 if axis is None else axis)


# ---------------------------------------------------------------------- the table

_ROWS = np.array([2, 0, 2])
_COLUMNS = np.array([1, 1, 1])
_GRID = np.array([[0], [2]])
_MASK = np.array([True, False, True])
_MASK_2D = np.array([[True, False], [False, True], [True, True]])
_NOBODY = np.zeros(0, dtype=int)
_ALL = slice(None)
_ARRAY = PLACEHOLDER

# (shape of x, index arrays, template, shape of what is read)
_CASES: tuple[tuple[Any, tuple[Any, ...], tuple[Any, ...], Any], ...] = (
    ((3,), (), (1,), ()),
    ((3,), (), (slice(1, None),), (2,)),
    ((3, 2), (), (slice(None, None, -1),), (3, 2)),
    ((3, 2), (), (slice(1, None), None, 0), (2, 1)),
    ((3, 2), (), (Ellipsis, -1), (3,)),
    ((3, 2), (), (), (3, 2)),
    ((3,), (), (slice(5, None),), (0,)),
    ((), (), (None,), (1,)),
    ((3, 2), (_ROWS,), (_ARRAY,), (3, 2)),
    ((3, 2), (_ROWS, _COLUMNS), (_ARRAY, _ARRAY), (3,)),
    ((3, 2, 2), (_ROWS, _COLUMNS), (_ARRAY, _ALL, _ARRAY), (3, 2)),
    ((3, 4), (_GRID, _COLUMNS), (_ARRAY, _ARRAY), (2, 3)),
    ((3, 2), (_ROWS,), (Ellipsis, None, _ARRAY, slice(1)), (1, 3, 1)),
    ((3, 2), (_NOBODY,), (_ARRAY,), (0, 2)),
    ((3, 2), (_MASK,), (_ARRAY,), (2, 2)),
    ((3, 2), (_MASK_2D,), (_ARRAY,), (4,)),
    ((3, 2), (_MASK, np.array([0, 1])), (_ARRAY, _ARRAY), (2,)),
)


def _shapes(arrays: tuple[Any, ...]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]


gate_index = Gate(
    name="index",
    forward=_index,
    symbol="[ ]",
    code=lambda template: f"{{0}}[{text_of_index(template, 1)}]",
    words="reads elements of {0}",
    why="an element that was read gets the gradient of each place it went to; the others get 0",
    vjp=_index_vjp,
    pattern="moves",
    selects=True,
    is_view=True,
    examples=tuple(
        example(shape, *_shapes(arrays), template=template, values=(None, *arrays))
        for shape, arrays, template, _ in _CASES
    ),
)

scatter = Gate(
    name="scatter",
    forward=_scatter,
    symbol="+[ ]",
    code=lambda template, shape: (
        f"scatter({{0}}, template={text_of_index(template, 1, alone=True)}, shape={shape})"
    ),
    words="adds {0} into zeros, each element at its index",
    why="each element went to one place, and reads its gradient there",
    vjp=_scatter_vjp,
    pattern="moves",
    selects=False,
    examples=tuple(
        example(read, *_shapes(arrays), template=template, shape=shape, values=(None, *arrays))
        for shape, arrays, template, read in _CASES
    ),
)

set_index = Gate(
    name="set_index",
    forward=_set_index,
    symbol="[ ]=",
    code=lambda template: (
        f"set_index({{0}}, {{1}}, template={text_of_index(template, 2, alone=True)})"
    ),
    words="writes {1} into a copy of {0}",
    why="where it was written the value counts, elsewhere the array that was there before",
    vjp=_set_index_vjp,
    pattern="moves",
    domain=(REAL, REAL),
    selects=True,
    examples=(
        *(
            example(shape, read, *_shapes(arrays), template=template, values=(None, None, *arrays))
            for shape, arrays, template, read in _CASES
            if shape
        ),
        example((3, 2), (), template=(slice(1, None),)),
        example((3, 2), (2,), template=(_ALL,)),
        example((3, 2), (1, 1, 2), template=(slice(2),)),
        example((3, 2), (1,), (3,), template=(_ARRAY,), values=(None, None, _ROWS)),
    ),
)

last_written = Gate(
    name="last_written",
    forward=_last_written,
    symbol="last",
    code=lambda template, shape: (
        f"last_written(template={text_of_index(template, 0, alone=True)}, shape={shape})"
    ),
    words="asks which of the writes to {*} are the last to their place",
    why="an order is made of integers: it has no slope",
    pattern="stops",
    analytic=False,
    examples=(example((3,), template=(_ARRAY,), shape=(3, 2), values=(_ROWS,)),),
)

take_along_axis = Gate(
    name="take_along_axis",
    forward=_take_along_axis,
    numpy=np.take_along_axis,
    symbol="[ ]",
    code=call("np.take_along_axis", "{0}", "{1}"),
    words="reads {0} along an axis at {1}",
    why="an element that was read gets the gradient of each place it went to; the others get 0",
    vjp=(_take_along_axis_vjp, nothing),
    pattern="moves",
    domain=(REAL, REAL),
    selects=True,
    examples=(
        example((2, 3), (2, 2), axis=1, values=(None, np.array([[0, 0], [2, 1]]))),
        example((3, 2), (1, 2), axis=0, values=(None, np.array([[2, 1]]))),
        example((2, 3), (2, 1), axis=-1, values=(None, np.array([[2], [-1]]))),
        example((2, 3), (1, 2), axis=1, values=(None, np.array([[0, 2]]))),
        example((2, 3), (4,), axis=None, values=(None, np.array([5, 0, 0, 1]))),
    ),
)

add_along_axis = Gate(
    name="add_along_axis",
    forward=_add_along_axis,
    symbol="+[ ]",
    code=call("add_along_axis", "{0}", "{1}"),
    words="adds {0} into zeros along an axis at {1}",
    why="each element went to one place, and reads its gradient there",
    vjp=(
        lambda g, out, x, indices, *, axis, shape: np.take_along_axis(g, indices, axis=axis),
        nothing,
    ),
    pattern="moves",
    domain=(REAL, REAL),
    examples=(
        example((2, 2), (2, 2), axis=1, shape=(2, 3), values=(None, np.array([[0, 0], [2, 1]]))),
        example((4,), (4,), axis=None, shape=(2, 3), values=(None, np.array([5, 0, 0, 1]))),
    ),
)

sort = Gate(
    name="sort",
    forward=_sort,
    numpy=np.sort,
    symbol="sort",
    code=call("np.sort", "{0}", axis=-1, kind=None),
    words="sorts {0}",
    why="sorting only moves elements, so each gradient moves back to where its element was",
    vjp=(_sort_vjp,),
    pattern="moves",
    kink=_gaps,
    analytic=False,
    examples=(
        example((5,)),
        example((2, 3)),
        example((2, 3), axis=0),
        example((2, 3), axis=None),
        example((0,)),
        example((1,)),
    ),
)

INDEXING: tuple[Gate, ...] = (
    gate_index,
    scatter,
    set_index,
    last_written,
    take_along_axis,
    add_along_axis,
    sort,
)
