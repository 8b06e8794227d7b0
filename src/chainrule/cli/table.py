"""Colours for tables of wires: values green, gradients red, as in the pictures of the lectures.

The table itself is a reading and plain text; here each cell takes the colour of its column.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = {"value": "green", "gradient": "red", "line": "dim", "gate": "cyan"}

_CELL = re.compile(r"\S+(?: \S+)*")  # cells are two blanks apart or more


def coloured(table: str) -> Text:
    """Return a table as text with colours; without its colours it is the same text.

    Parameters
    ----------
    table : str
        Columns that are two blanks apart or more, below a line that holds their headings.
    """
    from rich.text import Text  # 30 ms: not for --help

    text = Text(table.rstrip("\n"))
    columns: list[tuple[int, int, str]] = []
    start = 0
    for line in text.plain.split("\n"):
        cells = [(m.start(), m.end(), m.group()) for m in _CELL.finditer(line)]
        if not columns and {"value", "gradient"} <= {cell for _, _, cell in cells}:
            columns = cells
            for left, right, heading in cells:
                text.stylize(f"bold {COLOURS.get(heading, '')}", start + left, start + right)
        elif columns:
            for left, right, cell in cells:
                if not cell.strip("-"):
                    continue  # the rule below the headings
                # Columns are flush left or right: a cell shares most of its span with its heading.
                heading = max(columns, key=lambda c: min(right, c[1]) - max(left, c[0]))[2]
                if heading in COLOURS:
                    text.stylize(COLOURS[heading], start + left, start + right)
        start += len(line) + 1
    return text
