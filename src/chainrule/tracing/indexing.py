"""Indexing and writes in place, with NumPy's meaning of views.

A write never changes a recorded row: it makes a new one, and the traced value moves to it. A view
is a lens on its base: after the base was written to, the view is drawn again from it; a write to
the view is put back into the base. So aliases see each other's writes as they do in NumPy, and the
gradient is that of what really happened.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import DtypeError, InPlaceError
from ..gates import GATES, Gate
from ..gates.indexing import PLACEHOLDER
from ..gates.rules import inverse_of
from .sites import here


class Lens:
    """How a view looks at its base.

    Parameters
    ----------
    base : Traced
        What the view shares its elements with.
    root : Traced
        The array at the end of a chain of views; every write ends there.
    gate : Gate
        The gate that made the view.
    settings : dict
        Its settings.
    """

    __slots__ = ("base", "gate", "root", "seen", "settings")

    def __init__(self, base: Any, root: Any, gate: Gate, settings: dict[str, Any]) -> None:
        self.base = base
        self.root = root
        self.gate = gate
        self.settings = settings
        self.seen: int = root._row  # the root's row when the view was last drawn

    def rebuilt(self, value: Any) -> Any:
        """Return the base's new value when the view's is this one."""
        base, settings, name = self.base, self.settings, self.gate.name
        if name == "index":
            return GATES["set_index"](base, value, template=settings["template"])
        if name in ("reshape", "squeeze", "expand_dims"):
            return np.reshape(value, base.shape)
        if name == "transpose":
            axes = settings["axes"]
            order = None if axes is None else inverse_of([k % base.ndim for k in axes])
            return np.transpose(value, order)
        if name == "flip":
            return np.flip(value, settings["axis"])
        raise InPlaceError(
            f"{here(2)}a write into the view that np.{name} made: NumPy "
            + ("refuses it. " if name in _READ_ONLY else "would change the original through it. ")
            + "Write to the original itself, or to a .copy()."
        )


_READ_ONLY = ("broadcast_to", "diagonal", "diag")


def look(view: Any, gate: Gate, inputs: tuple[Any, ...], settings: dict[str, Any]) -> None:
    """Make a new array a view of the gate's input, if NumPy made it share the memory."""
    tape = view._tape
    if len(inputs) != 1 or tape.borrows or tape.site is not None:
        return  # a rule is drawing the backward pass: nobody writes there
    (base,) = inputs
    if np.may_share_memory(tape.values[view._row], tape.values[base._row]):
        root = base if base._lens is None else base._lens.root
        view._lens = Lens(base, root, gate, settings)


def refresh(view: Any) -> None:
    """Draw a view again if what it looks at has been written to since."""
    root = view._lens.root
    if view._lens.seen == root._row:
        return
    # A loop, not a recursion: views of views of views may go deep.
    stale = [view]
    while True:
        base = stale[-1]._lens.base
        if base is root or base._lens.seen == root._row:
            break
        stale.append(base)
    for each in reversed(stale):
        lens = each._lens
        each._row = lens.gate(lens.base, **lens.settings)._row
        lens.seen = root._row


def split_key(key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return (template, index arrays): the static part of an index, and its arrays in order."""
    template: list[Any] = []
    arrays: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, slice):
            template.append(slice(*(_whole(v) for v in (item.start, item.stop, item.step))))
        elif item is None or item is Ellipsis:
            template.append(item)
        elif np.ndim(item) == 0 and np.asarray(getattr(item, "_value", item)).dtype != bool:
            template.append(_whole(item))
        else:
            array = item if hasattr(item, "__gate__") else np.asarray(item)
            if array.dtype.kind not in "iub" and array.size:
                raise DtypeError(
                    f"{here(2)}an index of dtype {array.dtype}: index with integers, booleans or "
                    "slices."
                )
            template.append(PLACEHOLDER)
            arrays.append(array if array.size or array.dtype.kind in "iub" else array.astype(int))
    return tuple(template), arrays


def _whole(value: Any) -> Any:
    return None if value is None else operator.index(value)


def get(traced: Any, key: Any) -> Any:
    """Draw `x[key]`."""
    template, arrays = split_key(key)
    for array in arrays:
        # Define by run keeps no guards, and no sites.
        if hasattr(array, "__gate__") and array.dtype.kind == "b" and array._tape.sites is not None:
            # How many are chosen is a shape, and shapes are part of what is recorded.
            operator.index(np.count_nonzero(array))
    return GATES["index"](traced, *arrays, template=template)


def put(traced: Any, key: Any, value: Any) -> None:
    """Draw `x[key] = value` and move x to the result."""
    template, arrays = split_key(key)
    if not isinstance(traced._tape.values[traced._row], np.ndarray):
        raise InPlaceError(f"{here(2)}item assignment to a number: it has no items")
    if not arrays and _is_own_view(traced, template, value):
        return  # the end of `x[1:] += y`, where the view has been written through already
    refuse_write(traced)
    if hasattr(value, "__gate__") and value.dtype.kind == "f" and traced.dtype.kind != "f":
        raise InPlaceError(
            f"{here(2)}a float written into an array of dtype {traced.dtype} would be rounded, and "
            "its gradient lost. Make the array a float array first, with x.astype(float)."
        )
    write(traced, GATES["set_index"](traced, value, *arrays, template=template))


def _is_own_view(traced: Any, template: tuple[Any, ...], value: Any) -> bool:
    lens = getattr(value, "_lens", None)
    return (
        lens is not None
        and lens.base is traced
        and lens.gate.name == "index"
        and lens.settings["template"] == template
    )


def refuse_write(traced: Any) -> None:
    """Raise if an array, or the array that it is a view of, must not be written to."""
    (traced if traced._lens is None else traced._lens.root)._refuse_write()


def write(traced: Any, result: Any) -> Any:
    """Move a traced array to a new value, as `x[...] = result` would, and return it."""
    old, new = traced._value, result._value
    if np.shape(new) != np.shape(old):
        raise InPlaceError(
            f"{here(2)}a write in place of shape {np.shape(new)} into an array of shape "
            f"{np.shape(old)}: NumPy cannot grow an array in place. Write x = x + y."
        )
    if not isinstance(new, np.ndarray):  # x += 1 on an array without axes gives a NumPy scalar
        result = GATES["set_index"](traced, result, template=(Ellipsis,))
    elif new.dtype != old.dtype:
        result = GATES["astype"](result, dtype=old.dtype.name)
    # Up to the root: only its handle moves, and the views on the way are drawn again when asked.
    target = traced
    while target._lens is not None:
        lens = target._lens
        result = lens.rebuilt(result)
        target = lens.base
    target._row = result._current()
    return traced
