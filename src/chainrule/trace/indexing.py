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
from .sites import here


class Lens:
    """How a view looks at its base.

    Parameters
    ----------
    base : Traced
        What the view shares its elements with.
    gate : Gate
        The gate that made the view; one with `is_view`.
    settings : dict
        Its settings.
    seen : int
        The base's row when the view was last drawn.
    """

    __slots__ = ("base", "gate", "seen", "settings")

    def __init__(self, base: Any, gate: Gate, settings: dict[str, Any], seen: int) -> None:
        self.base = base
        self.gate = gate
        self.settings = settings
        self.seen = seen

    def refresh(self, view: Any) -> None:
        """Draw the view again if its base has been written to since."""
        row = self.base._current()
        if row != self.seen:
            view._row = self.gate(self.base, **self.settings)._row
            self.seen = row

    def put(self, value: Any) -> None:
        """Write the view's new value into the base."""
        base, settings = self.base, self.settings
        if self.gate.name == "index":
            new = GATES["set_index"](base, value, template=settings["template"])
        elif self.gate.name == "reshape" or self.gate.name in ("squeeze", "expand_dims"):
            new = np.reshape(value, base.shape)
        elif self.gate.name == "transpose":
            axes = settings["axes"]
            new = np.transpose(value, None if axes is None else np.argsort(axes).tolist())
        else:
            raise InPlaceError(
                f"{here(2)}a write into the view that np.{self.gate.name} made: NumPy would change "
                "the original through it. Write to the original itself, or to a .copy()."
            )
        write(base, new)
        self.seen = base._row


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
    return GATES["index"](traced, *arrays, template=template)


def put(traced: Any, key: Any, value: Any) -> None:
    """Draw `x[key] = value` and move x to the result."""
    template, arrays = split_key(key)
    if np.ndim(traced) == 0 and not template == (Ellipsis,):
        raise InPlaceError(f"{here(2)}item assignment to a number: it has no items")
    write(traced, GATES["set_index"](traced, value, *arrays, template=template))


def write(traced: Any, result: Any) -> Any:
    """Move a traced array to a new value, as `x[...] = result` would, and return it."""
    old, new = traced._value, result._value
    if np.shape(new) != np.shape(old):
        raise InPlaceError(
            f"{here(2)}a write in place of shape {np.shape(new)} into an array of shape "
            f"{np.shape(old)}: NumPy cannot grow an array in place. Write x = x + y."
        )
    if np.asarray(new).dtype != np.asarray(old).dtype:
        result = GATES["astype"](result, dtype=np.asarray(old).dtype.name)
    if traced._lens is not None:
        traced._lens.put(result)
    traced._row = result._row
    return traced
