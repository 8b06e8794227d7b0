"""Write docs/images/*.svg: circuits as `picture()` draws them, a recipe's digit, and a terminal.

    python docs/make_pictures.py

Deterministic. A test holds the drawings current to the byte; of the terminal it holds the words,
since its drawing is rich's and may differ from one version of it to the next.
"""

from __future__ import annotations

import io
import re
import runpy
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html import unescape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from chainrule import trace
from chainrule.cli.picture import _coloured as coloured_picture
from chainrule.cli.table import coloured
from chainrule.tour import examples

HERE = Path(__file__).parent / "images"
WIDTH = 88

# ---------------------------------------------------------------------- circuits


def product() -> str:
    """Draw the first circuit of the tutorial."""
    return str(trace("q = x + y; q * z", x=-2, y=5, z=-4).picture().svg)


def neuron() -> str:
    """Draw the sigmoid neuron, taken apart, with the names that the README gives its inputs."""
    formula = "dot = w0 * x0 + w1 * x1 + w2; 1 / (1 + exp(-dot))"
    return str(trace(formula, w0=2, x0=-1, w1=-3, x1=-2, w2=-3).picture().svg)


def staged() -> str:
    """Draw the staged example, its sigmoids as one gate each."""
    return str(trace(examples.staged, 3.0, -4.0).picture(sigmoid="gate").svg)


def adversarial() -> str:
    """Draw the digit of the recipe about adversarial digits, before and after."""
    recipe = runpy.run_path(str(HERE.parents[1] / "examples" / "recipes" / "adversarial_digits.py"))
    return str(recipe["picture"](recipe["one_digit"]()))


DRAWINGS: dict[str, Callable[[], str]] = {
    "product": product,
    "neuron": neuron,
    "staged": staged,
    "adversarial": adversarial,
}

# ---------------------------------------------------------------------- terminals


def show() -> tuple[str, list[Text]]:
    """Return the command and the output of `chainrule show`."""
    circuit = trace("q = x + y; q * z", x=-2, y=5, z=-4)
    command = 'chainrule show "q = x + y; q * z" x=-2 y=5 z=-4'
    page = circuit.picture().page(WIDTH)
    drawn = coloured_picture(page.plain, page.spans)
    words = Text(circuit.words().rstrip("\n"))
    return command, [drawn, Text(), coloured(circuit.table()), Text(), words]


TERMINALS: dict[str, Callable[[], tuple[str, list[Text]]]] = {"show": show}


def terminal(name: str) -> str:
    """Return the picture of one terminal."""
    command, output = TERMINALS[name]()
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
    for name, draw in DRAWINGS.items():
        (HERE / f"{name}.svg").write_text(draw(), encoding="utf-8", newline="\n")
    for name in TERMINALS:
        (HERE / f"{name}.svg").write_text(terminal(name), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
