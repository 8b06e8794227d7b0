"""Digits for a terminal, in shades or in plain ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_SHADES = " ░▒▓█"
_ASCII_SHADES = " .+#@"


def digits(images: Sequence[Any], ascii_only: bool = False, gap: int = 3) -> list[str]:
    """Draw images of 8 × 8 pixels between 0 and 1 side by side, two characters a pixel."""
    shades = _ASCII_SHADES if ascii_only else _SHADES
    lines = []
    for row in range(8):
        parts = []
        for image in images:
            levels = np.asarray(image).reshape(8, 8)[row] * (len(shades) - 1)
            parts.append("".join(shades[round(float(level))] * 2 for level in levels))
        lines.append((" " * gap).join(parts).rstrip())
    return lines
