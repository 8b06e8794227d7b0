"""What goes to the screen: data to stdout, everything else to stderr, colours only where welcome.

Colours and bars are left out when NO_COLOR is set, when TERM is dumb, and when there is no
terminal; FORCE_COLOR keeps the colours (not the bars) without one. Plain output is the same text.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDEST = 80


def has_colour(stream: IO[str]) -> bool:
    """Return whether to write colours to a stream."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def has_bars(stream: IO[str]) -> bool:
    """Return whether to draw progress bars, which overwrite themselves, on a stream."""
    return has_colour(stream) and stream.isatty()


def console(*, stderr: bool = False) -> Console:
    """Return a rich console for stdout or stderr that keeps to the rules above."""
    from rich.console import Console  # 40 ms: not for --help

    stream = sys.stderr if stderr else sys.stdout
    colour = has_colour(stream)
    return Console(
        file=stream,
        force_terminal=colour,
        # Without a colour system rich writes no escape codes at all, bold neither.
        color_system="auto" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def say(text: str | Text = "") -> None:
    """Write lines to stdout as they are: neither wrapped nor cut."""
    if isinstance(text, str) or not has_colour(sys.stdout):
        print(text)  # not click.echo, which writes UTF-8 where the screen wants ASCII
    else:
        console().print(text, soft_wrap=True)


def styled(text: str, style: str) -> None:
    """Write a line to stdout in a style of rich's, where colours are welcome."""
    if not has_colour(sys.stdout):
        say(text)
        return
    from rich.text import Text

    say(Text(text, style))


def width() -> int:
    """Return how many columns to fill: those of the terminal, 80 at most."""
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


def is_ascii() -> bool:
    """Return whether stdout can show no more than ASCII."""
    try:
        "─×⠿█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return False


def say_code(source: str) -> None:
    """Write Python source to stdout, coloured where colours are welcome."""
    source = source.rstrip("\n")
    if not has_colour(sys.stdout):
        print(source)
        return
    from rich.syntax import Syntax

    # The terminal's own sixteen colours: readable on dark and light.
    text = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(source)
    text.rstrip()
    say(text)


def say_json(data: Any) -> None:
    """Write JSON to stdout. Strict JSON has no nan: it is the string "nan", inf is "inf"."""
    print(json.dumps(plain_data(data), indent=2, allow_nan=False))


def plain_data(value: Any) -> Any:
    """Return a value in JSON's own types: arrays as nested lists."""
    if hasattr(value, "tolist"):  # arrays and NumPy's numbers
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
