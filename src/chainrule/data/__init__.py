"""Data sets, and data from files.

Names are loaded when they are first used: most programs need one of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .digits import Digits, load_digits
    from .generated import circles, moons, spirals, xor
    from .idx import read_idx
    from .images import ImageSet, LabelledImages, fashion_mnist, mnist
    from .npz import read_npz
    from .table import Table, read_csv

_HOMES = {
    **dict.fromkeys(("Digits", "load_digits"), "digits"),
    **dict.fromkeys(("circles", "moons", "spirals", "xor"), "generated"),
    **dict.fromkeys(("ImageSet", "LabelledImages", "fashion_mnist", "mnist"), "images"),
    **dict.fromkeys(("Table", "read_csv"), "table"),
    "read_idx": "idx",
    "read_npz": "npz",
}

__all__ = [
    "Digits",
    "ImageSet",
    "LabelledImages",
    "Table",
    "circles",
    "fashion_mnist",
    "load_digits",
    "mnist",
    "moons",
    "read_csv",
    "read_idx",
    "read_npz",
    "spirals",
    "xor",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from ..errors import did_you_mean

        raise AttributeError(
            f"module 'chainrule.data' has no attribute {name!r}.{did_you_mean(name, __all__)}"
        )
    value = getattr(importlib.import_module("." + _HOMES[name], __name__), name)
    globals()[name] = value  # the next look-up is an ordinary one
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
