"""The picture of a circuit on the screen, and in files.

Values are green and gradients red, as in every picture. A screen that cannot show box drawing
characters gets plain ASCII.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .screen import has_colour, say

if TYPE_CHECKING:
    from rich.text import Text

_WIDTH = 100  # where there is no terminal
_COLOURS = {
    "value": "green",
    "gradient": "red",
    "wire": "dim",
    "name": "bold",
    "symbol": "cyan",
}


def say_picture(picture: Any) -> None:
    """Write a picture to stdout, fitted to the width of the terminal."""
    page = picture.page(shutil.get_terminal_size((_WIDTH, 24)).columns)
    plain = _writable(page.plain)
    say(_coloured(plain, page.spans) if has_colour(sys.stdout) else plain)


def save_picture(picture: Any, file: str, ending: str) -> None:
    """Write a picture to a file, or to stdout if it is called -."""
    content: str | bytes = getattr(picture, ending)
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    if file == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    click.echo(f"wrote {file}", err=True)


def _writable(text: str) -> str:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        from ..readings.picture.text import as_ascii

        return as_ascii(text)
    return text


def _coloured(plain: str, spans: list[tuple[int, int, int, str]]) -> Text:
    from rich.text import Text  # 30 ms: not for --help

    text = Text(plain)
    starts = [0]
    for line in plain.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for row, start, end, style in spans:
        if style in _COLOURS:
            text.stylize(_COLOURS[style], starts[row] + start, starts[row] + end)
    return text
