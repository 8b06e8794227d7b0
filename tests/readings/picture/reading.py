"""Read a picture back: which numbers stand at which wire."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|inf|nan)")


def numbers_in_svg(svg: str) -> dict[int, dict[str, str]]:
    """Return the texts of the numbers by row: {3: {"value": "4.00", "gradient": "0.20"}}."""
    found: dict[int, dict[str, str]] = {}
    for node in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if node.get("class") in ("value", "gradient"):
            wire = found.setdefault(int(node.get("data-row", "-1")), {})
            assert node.get("class") not in wire
            wire[node.get("class", "")] = node.text or ""
    return found


def numbers_in_text(lines: list[str]) -> list[tuple[str, str]]:
    """Return (value, gradient) of each wire: numbers two rows apart that begin in one column."""
    found = []
    at = [{m.start(): m.group() for m in NUMBER.finditer(line)} for line in lines]
    for k, line in enumerate(lines[1:-1], 1):
        for column, value in at[k - 1].items():
            if column in at[k + 1] and line[column : column + 1] == "─":
                found.append((value, at[k + 1][column]))
    return found
