"""How wide a text is, in any font that a reader may have.

The widths are those of DejaVu Sans in thousandths of its size, the widest of the fonts that the
pictures ask for (Helvetica and Arial are narrower), so that a text never leaves its room.
"""

from __future__ import annotations

import unicodedata

_WIDTHS = {
    **dict.fromkeys("0123456789", 636), **dict.fromkeys("iljI|", 300), **dict.fromkeys("ft", 395),
    **dict.fromkeys("abcdeghknopqsuvxyz", 634), **dict.fromkeys("r-", 411), "m": 974, "w": 818,
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 787), "M": 863, "W": 989, "J": 295, "@": 1000,
    **dict.fromkeys("., ", 318), **dict.fromkeys("()[]", 390), **dict.fromkeys("+−×÷=<>≥≤~^", 838),
    **dict.fromkeys(":;", 337), "'": 275, '"': 460, "_": 500, "/": 337, "*": 500, "·": 318,
    "%": 950, "&": 780, "#": 838, "σ": 634, "Σ": 674,
}  # fmt: skip
_BOLD = 1.13  # how much wider DejaVu Sans Bold is


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a text is at most, at a font size.

    Examples
    --------
    >>> width("-4.00", 10.0)
    26.37
    """
    total = 0
    for character in text:
        known = _WIDTHS.get(character)
        if known is None:
            wide = unicodedata.east_asian_width(character) in "WF"
            known = 0 if unicodedata.combining(character) else 1050 if wide else 850
        total += known
    return round(total * size / 1000 * (_BOLD if bold else 1.0), 2)
