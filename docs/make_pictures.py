"""Write docs/images/*.svg: what commands print in a terminal, drawn from their own output.

    python docs/make_pictures.py

Deterministic. A test holds the words in them current; the drawing itself is rich's and may differ
from one version of it to the next.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html import unescape
from pathlib import Path

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from chainrule import trace
from chainrule.cli.table import coloured

HERE = Path(__file__).parent / "images"
WIDTH = 88


def show() -> tuple[str, list[Text]]:
    """Return the command and the output of `chainrule show`."""
    circuit = trace("(x + y) * z", x=-2, y=5, z=-4)
    command = 'chainrule show "(x + y) * z" x=-2 y=5 z=-4'
    words = Text(circuit.words().rstrip("\n"))
    return command, [coloured(circuit.table()), Text(), words]


def listing() -> tuple[str, list[Text]]:
    """Return the command and the output of `chainrule code --style listing`."""
    formula = "num = x + sigmoid(y); den = sigmoid(x) + (x + y)**2; num / den"
    source = trace(formula, x=3, y=-4).code("listing")
    command = f'chainrule code "{formula}" x=3 y=-4 --style listing'
    text = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(source)
    text.rstrip()
    return command, [text]


PICTURES: dict[str, Callable[[], tuple[str, list[Text]]]] = {"show": show, "listing": listing}


def svg(name: str) -> str:
    """Return one picture."""
    command, output = PICTURES[name]()
    console = Console(
        record=True,
        width=max(WIDTH, len(command) + 4),
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")), Text(), sep="\n")
    console.print(*output, sep="\n", soft_wrap=True)
    drawn = console.export_svg(title="chainrule", unique_id=f"chainrule-{name}")
    # No fonts from elsewhere: a page must show the same with no network.
    drawn = re.sub(r"@font-face \{.*?\}\n?", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"font-family: [^;]+;", "font-family: ui-monospace, monospace;", drawn)
    drawn = _TEXT.sub(_without_blanks, drawn)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE).rstrip("\n") + "\n"


_TEXT = re.compile(
    r'<text class="(?P<style>[^"]*)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)"'
    r' textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>(?P<text>[^<]*)</text>'
)
_BLANK = "&#160;"


def _without_blanks(match: re.Match[str]) -> str:
    """Move a piece of text instead of beginning it with blanks, which some viewers drop."""
    text = match["text"].rstrip("\n")
    count = len(unescape(text))
    if not unescape(text).strip("\xa0"):
        return ""
    each = float(match["length"]) / count
    first = len(text)
    text = re.sub(f"^(?:{_BLANK})+", "", text)
    before = (first - len(text)) // len(_BLANK)
    text = re.sub(f"(?:{_BLANK})+$", "", text)
    x, length = float(match["x"]) + before * each, len(unescape(text)) * each
    return (
        f'<text class="{match["style"]}" x="{x:g}" y="{match["y"]}" textLength="{length:g}"'
        f"{match['rest']}>{text}</text>"
    )


def words_of(picture: str) -> list[str]:
    """Return the words in a picture, in order."""
    root = ElementTree.fromstring(picture)
    texts = (node.text or "" for node in root.iter() if node.tag.endswith("}text"))
    return "".join(texts).replace("\xa0", " ").split()


def main() -> None:
    """Write all pictures."""
    HERE.mkdir(exist_ok=True)
    for name in PICTURES:
        (HERE / f"{name}.svg").write_text(svg(name), encoding="utf-8")


if __name__ == "__main__":
    main()
