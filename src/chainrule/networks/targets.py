"""Targets: what is wanted of a network, checked and brought into the form that its cost takes.

Labels become int64, one axis fewer than the outputs; all else floats in the shape of the outputs.
What cannot be meant is refused with words, before training starts: a label outside the classes
would otherwise be a row of zeros, a column against a row a matrix of differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..tracing.sites import here
from .costs import Cost
from .decisions import as_numbers

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_NUMBERING = (
    "number the classes by classes, y = np.unique(y, return_inverse=True), and read predictions as "
    "classes[...]; chainrule.sklearn.BackpropClassifier takes them as they are"
)


def checked_targets(
    cost: Cost, y: Any, outputs: Shape, dtype: Any = np.float32, *, name: str = "y"
) -> Array:
    """Return targets as `cost.each` takes them.

    Parameters
    ----------
    cost : Cost
        Settled by `cost.for_targets`, if it takes any.
    y : array-like, shape (n, ...)
        Labels from 0 on, rows of probabilities, or numbers: what the cost's `targets` says.
    outputs : tuple of int
        The shape of one example's outputs.
    dtype : dtype
        Of targets that are not labels: that of the network.
    name : str
        How errors call them.

    Returns
    -------
    ndarray
        Labels as int64, shape (n, *outputs[:-1]); or floats, shape (n, *outputs).

    Raises
    ------
    ShapeError
        If there are no rows, or the shape does not fit the outputs.
    DtypeError
        For words, floats where labels are wanted, objects, complex numbers.
    ValueError
        For labels that are no class, counts below 0, probabilities that are none, NaN.

    Examples
    --------
    >>> from chainrule.networks.costs import COSTS
    >>> checked_targets(COSTS["softmax_cross_entropy"], [2, 0], (3,))
    array([2, 0])
    >>> checked_targets(COSTS["binary_cross_entropy"], [True, False], (1,))
    array([[1.],
           [0.]], dtype=float32)
    """
    array = _plain(y, name)
    if cost.targets == "any":
        cost = cost.for_targets(array, outputs)
    check_outputs(cost, outputs)
    if cost.targets == "classes" and outputs[-1] > 1:
        return _classes(cost, array, outputs, dtype, name)
    if cost.classifies:
        return _yes_or_no(array, outputs, dtype, name)
    if cost.is_own and not _fits(array, outputs):
        # Whoever wrote the cost knows what it takes: one number for three quantiles, say.
        return (array[:, np.newaxis] if array.ndim == 1 else array).astype(dtype, copy=False)
    shaped = _shaped(array, outputs, name)
    if cost.targets == "counts" and np.any(array < 0):
        where, value = _first(array, array < 0, name)
        raise ValueError(
            f"{here()}{where} is {value}, but the cost {cost.name} takes counts, 0 or more. For "
            "numbers of either sign: cost='quadratic' or 'huber'."
        )
    return shaped.astype(dtype, copy=False)


def check_outputs(cost: Cost, outputs: Shape) -> None:
    """Check that a cost can be taken of outputs of this shape.

    Raises
    ------
    ShapeError
        If it cannot.
    """
    if cost.link == "softmax" and outputs[-1:] == (1,):
        raise ShapeError(
            f"{here()}the cost {cost.name} shares 1 among the outputs, and the last layer has one "
            "only, whose share is always 1. Give it an output for each class, or take "
            "cost='binary_cross_entropy'."
        )
    if cost.classifies and not outputs:
        raise ShapeError(f"{here()}the cost {cost.name} needs an axis of classes in the outputs")


def check_lengths(x: Any, targets: Any, x_name: str = "x", y_name: str = "y") -> None:
    """Check that there is one target for each example.

    Raises
    ------
    ShapeError
        If there are more or fewer.
    """
    if len(x) != len(targets):
        raise ShapeError(
            f"{here()}{x_name} has {len(x)} rows and {y_name} has {len(targets)}: they must have "
            "one row for each example. Is one of them transposed?"
        )


def check_several_classes(cost: Cost, targets: Array, *, name: str = "y") -> None:
    """Check that there is something to tell apart in what is learned from.

    A single example is let through: to learn one by heart is a test of the network.

    Raises
    ------
    ValueError
        If all labels are the same.
    """
    if not cost.classifies or len(targets) < 2:
        return
    if np.any((targets > 0) & (targets < 1)):
        return  # shares: there is more in them than their largest
    labels = as_labels(targets)
    first = labels.flat[0]
    if targets.ndim > 1 and targets.shape[-1] > 1 and cost.targets == "binary":
        return  # questions of their own: some may well have one answer
    if np.all(labels == first):
        raise ValueError(
            f"{here()}{name} holds one class only, {first}, in all {len(targets)} rows: there is "
            "nothing to tell apart. Give examples of at least two classes."
        )


def as_labels(targets: Array) -> Array:
    """Return targets as labels: rows by their largest, yes or no as 1 or 0.

    Examples
    --------
    >>> as_labels(np.array([[0.0, 1.0], [1.0, 0.0]])), as_labels(np.array([[1.0], [0.0]]))
    (array([1, 0]), array([1, 0]))
    """
    if targets.dtype.kind in "iub":
        return targets.astype(np.int64, copy=False)
    if targets.shape[-1] == 1:
        return (targets[..., 0] >= 0.5).astype(np.int64)
    found: Array = np.argmax(targets, axis=-1)
    return found


def truth_of(cost: Cost, targets: Array) -> Array:
    """Return targets in the form of `cost.decide`'s answers, to compare the two.

    Parameters
    ----------
    cost : Cost
        Settled.
    targets : ndarray
        As `checked_targets` gives them.

    Examples
    --------
    >>> from chainrule.networks.costs import COSTS
    >>> truth_of(COSTS["binary_cross_entropy"], np.array([[1.0, 0.0]]))
    array([[1, 0]])
    >>> truth_of(COSTS["poisson"], np.array([[3.0]]))
    array([3.])
    """
    if not cost.classifies:
        numbers: Array = as_numbers(targets)
        return numbers
    if cost.targets == "binary" and targets.shape[-1] > 1:
        return (targets >= 0.5).astype(np.int64)
    return as_labels(targets)


def _plain(y: Any, name: str) -> Array:
    """Return targets as an array of finite numbers or truth values, with rows."""
    if y is None:
        raise DtypeError(
            f"{here()}{name} is missing: give what is wanted for each example, such as fit(x, y)."
        )
    if isinstance(y, (np.ma.MaskedArray, np.matrix)) or hasattr(y, "tocsr"):
        raise DtypeError(
            f"{here()}{name} is a {type(y).__name__}: give a plain array, without the rows that "
            "are masked."
        )
    try:
        array = np.asarray(y)
    except ValueError:
        raise ShapeError(
            f"{here()}the rows of {name} differ in length: give an array with as many targets in "
            "each."
        ) from None
    kind = array.dtype.kind
    if kind in "US" or (kind == "O" and array.size and isinstance(array.flat[0], (str, bytes))):
        word = repr(str(array.flat[0])[:40]) if array.size else "none"
        remedy = _as_numbers(array, name) or _NUMBERING
        raise DtypeError(f"{here()}{name} holds words, such as {word}: {remedy}.")
    if kind not in "fiub":
        what = f"objects ({type(array.flat[0]).__name__})" if kind == "O" and array.size else kind
        what = what if kind == "O" else str(array.dtype)
        remedy = _as_numbers(array, name) if kind == "O" else ""
        raise DtypeError(
            f"{here()}{name} is of dtype {what}: give integers, floats or booleans"
            f"{', ' if remedy else ''}{remedy}."
        )
    if array.ndim == 0:
        raise ShapeError(
            f"{here()}{name} is the single number {array}: give an array, a row for each example."
        )
    if not array.size:
        raise ShapeError(f"{here()}{name} has no rows: there is nothing to learn from.")
    if kind == "f" and not np.all(np.isfinite(array)):
        where, value = _first(array, ~np.isfinite(array), name)
        raise ValueError(
            f"{here()}{where} is {value}. Leave such rows out: keep = np.isfinite({name})"
            f"{'.all(axis=1)' if array.ndim > 1 else ''}; x[keep], {name}[keep]."
        )
    return array


def _as_numbers(array: Array, name: str) -> str:
    """Return what makes numbers of words or objects, or nothing if they are none."""
    for kind in (int, float):
        try:
            if np.all(array.astype(kind) == array.astype(float)):
                return f"{name}.astype({kind.__name__})"
        except (TypeError, ValueError, OverflowError):
            continue
    return ""


def _classes(cost: Cost, array: Array, outputs: Shape, dtype: Any, name: str) -> Array:
    """Return labels, or rows of probabilities, for several outputs."""
    count, places = outputs[-1], outputs[:-1]
    if array.shape[1:] == outputs:
        return _probabilities(cost, array, dtype, name)
    if array.shape[1:] == (*places, 1):
        array = array[..., 0]  # a column of labels
    if array.shape[1:] != places:
        raise ShapeError(
            f"{here()}{name} has shape {array.shape}, but the network has {count} outputs: give "
            f"labels, shape {_spelt(places)}, or rows with a share for each class, shape "
            f"{_spelt(outputs)}."
        )
    if array.dtype.kind == "f":
        broken = array != np.floor(array)
        if np.any(broken):
            where, value = _first(array, broken, name)
            raise DtypeError(
                f"{here()}{where} is {value}, which is no label. If these are numbers to predict, "
                f"take a cost of numbers, such as 'quadratic', and one output; if classes: "
                f"{_NUMBERING}."
            )
        raise DtypeError(
            f"{here()}{name} holds floats, such as {array.flat[0]}, where labels are wanted, which "
            f"are integers: {name}.astype(int)."
        )
    labels = array.astype(np.int64)
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= count:
        where, value = _first(labels, (labels < 0) | (labels >= count), name)
        remedy = f"give the last layer {highest + 1} outputs"
        if lowest < 0:
            remedy = _NUMBERING
        elif lowest == 1 and highest == count:
            remedy = f"if they begin at 1: {name} - 1"
        raise ValueError(
            f"{here()}{where} is {value}, but the network has {count} outputs: labels go from 0 to "
            f"{count - 1}. Mend: {remedy}."
        )
    return labels


def _probabilities(cost: Cost, array: Array, dtype: Any, name: str) -> Array:
    rows = array.astype(dtype)
    one_hot = bool(np.all((rows == 0) | (rows == 1)) and np.all(rows.sum(axis=-1) == 1))
    if one_hot:
        return rows
    if cost.link is None:
        raise ValueError(
            f"{here()}the rows of {name} are shares, which the cost {cost.name} does not take: "
            f"give labels, {name}.argmax(axis=-1), or rows with a single 1."
        )
    bad = (rows < 0) | (abs(rows.sum(axis=-1, keepdims=True) - 1) > 1e-3)
    if np.any(bad):
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(
            f"{here()}{name}[{row}] is {array[row].tolist()}, which are no probabilities: 0 or "
            "more, that add up to 1. For several labels at once: cost='binary_cross_entropy'."
        )
    return rows


def _yes_or_no(array: Array, outputs: Shape, dtype: Any, name: str) -> Array:
    rows = _shaped(array, outputs, name)
    bad = (rows < 0) | (rows > 1)
    if np.any(bad):
        where, value = _first(array, bad, name)
        found = np.unique(array)
        remedy = "give labels 0 and 1"
        if len(found) == 2:
            remedy = f"with two classes, {found[0]} and {found[1]}: ({name} == {found[1]})"
            remedy += ".astype(int)"
        elif array.dtype.kind in "iu" and outputs == (1,) and found[0] >= 0:
            remedy = f"for several classes: {found[-1] + 1} outputs and 'softmax_cross_entropy'"
        raise ValueError(
            f"{here()}{where} is {value}, but what is wanted here is 0 or 1, or a probability. "
            f"Mend: {remedy}."
        )
    return rows.astype(dtype, copy=False)


def _fits(array: Array, outputs: Shape) -> bool:
    return array.shape[1:] == outputs or (*array.shape[1:], 1) == outputs


def _shaped(array: Array, outputs: Shape, name: str) -> Array:
    """Return numbers in the shape of the outputs; one axis may stand for a single column."""
    if array.shape[1:] == outputs:
        return array
    if outputs[-1:] == (1,) and array.shape[1:] == outputs[:-1]:
        return array[..., np.newaxis]
    if outputs[-1:] == (1,) and array.shape[1:] == (*outputs[:-1], 1, 1):
        return array[..., 0]
    also = f" or {_spelt(outputs[:-1])}" if outputs[-1:] == (1,) else ""
    remedy = ""
    if array.ndim == 1:
        remedy = f" Give the last layer one output, or {name} {outputs[-1] if outputs else 1} "
        remedy += "columns; labels are for cost='softmax_cross_entropy'."
    elif array.ndim == 2 and len(outputs) == 1:
        count = array.shape[1]
        remedy = f" Give the last layer {'one output' if count == 1 else f'{count} outputs'}."
        if count == 1 and array.dtype.kind in "iu":
            remedy += f" If these are labels: {name}[:, 0]."
        elif len(array) == 1 and outputs == (1,):
            remedy += f" If these are {count} examples: {name}[0]."
    raise ShapeError(
        f"{here()}{name} has shape {array.shape}, but the network's outputs are of shape "
        f"{_spelt(outputs)}{also}.{remedy}"
    )


def _first(array: Array, bad: Array, name: str) -> tuple[str, Any]:
    """Return the name and the value of the first bad element."""
    place = tuple(int(k) for k in np.argwhere(np.reshape(bad, array.shape))[0])
    return f"{name}[{', '.join(map(str, place))}]", array[place]


def _spelt(shape: Shape) -> str:
    return f"({', '.join(['n', *map(str, shape)])}{',' if not shape else ''})"
