"""The colours of a picture. Values green and gradients red, as the lecture draws them.

In "safe" they are blue and vermilion (Okabe and Ito's), which the colour-blind can tell apart, and
gradients are slanted too. Contrast with the ground is at least 4.5 : 1 for every text.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...tracing.sites import here


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours, as CSS writes them.

    Attributes
    ----------
    ground, ink, muted : str
        What is behind everything; text and symbols; remarks.
    line, fill, group : str
        Wires and outlines; the inside of gates; the inside of groups.
    value, gradient : str
        The numbers.
    low, middle, high : str
        Of the strips: most negative, zero, most positive.
    slanted : bool
        Whether gradients are told apart by their slant too.
    """

    name: str
    ground: str
    ink: str
    muted: str
    line: str
    fill: str
    group: str
    value: str
    gradient: str
    low: str
    middle: str
    high: str
    slanted: bool = False


THEMES = {
    theme.name: theme
    for theme in (
        Theme(
            "light", ground="#ffffff", ink="#1c2230", muted="#5b6474", line="#4a5263",
            fill="#f4f6fa", group="#eaf0fb", value="#0a7a3c", gradient="#c22025",
            low="#b4443c", middle="#eef0f3", high="#2f6fb7",
        ),
        Theme(
            "dark", ground="#14181f", ink="#e9edf4", muted="#9aa5b8", line="#8491a8",
            fill="#222936", group="#1f2f49", value="#5fd38d", gradient="#ff8f85",
            low="#e07b6f", middle="#2c3442", high="#69a8ea",
        ),
        Theme(
            "safe", ground="#ffffff", ink="#1a1a1a", muted="#595959", line="#4d4d4d",
            fill="#f5f5f5", group="#e9eef5", value="#005a9c", gradient="#b04a00",
            low="#d55e00", middle="#f0f0f0", high="#0072b2", slanted=True,
        ),
    )
}  # fmt: skip


def theme(name: str) -> Theme:
    """Return the theme of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in THEMES:
        known = ", ".join(repr(known) for known in THEMES)
        raise ValueError(f"{here()}theme must be one of {known}, not {name!r}")
    return THEMES[name]


def blended(colours: Theme, share: float) -> str:
    """Return the colour of a cell of a strip: from -1 to 1, the middle at 0."""
    if share != share:  # nan
        return colours.muted
    end = colours.high if share > 0 else colours.low
    parts = []
    for k in (1, 3, 5):
        a, b = int(colours.middle[k : k + 2], 16), int(end[k : k + 2], 16)
        parts.append(f"{round(a + (b - a) * min(abs(share), 1.0)):02x}")
    return "#" + "".join(parts)
