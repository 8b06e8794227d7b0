"""Data sets, and data from files.

Names are loaded when they are first used: most programs need one of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converted import Converted, convert
    from .digits import Digits, load_digits
    from .generated import circles, moons, spirals, xor
    from .idx import read_idx
    from .images import ImageSet, LabelledImages, fashion_mnist, mnist
    from .npz import read_npz, read_npz_parts
    from .prefetched import Prefetched, prefetch
    from .table import Table, read_csv

_HOMES = {
    **dict.fromkeys(("Converted", "convert"), "converted"),
    **dict.fromkeys(("Digits", "load_digits"), "digits"),
    **dict.fromkeys(("circles", "moons", "spirals", "xor"), "generated"),
    **dict.fromkeys(("ImageSet", "LabelledImages", "fashion_mnist", "mnist"), "images"),
    **dict.fromkeys(("Table", "read_csv"), "table"),
    "read_idx": "idx",
    **dict.fromkeys(("read_npz", "read_npz_parts"), "npz"),
    **dict.fromkeys(("Prefetched", "prefetch"), "prefetched"),
}

__all__ = [
    "Converted",
    "Digits",
    "ImageSet",
    "LabelledImages",
    "Prefetched",
    "Table",
    "circles",
    "convert",
    "fashion_mnist",
    "load_digits",
    "mnist",
    "moons",
    "prefetch",
    "read_csv",
    "read_idx",
    "read_npz",
    "read_npz_parts",
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
