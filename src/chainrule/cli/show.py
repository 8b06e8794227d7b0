"""`chainrule show`: the picture, every wire with its numbers, and why; or pictures in files."""

from __future__ import annotations

from typing import Any

import click

from .failure import failures
from .options import common, target_and_values
from .screen import say, say_json
from .table import coloured
from .target import opened

_EXAMPLES = """\b
Examples:
  chainrule show "(x + y) * z" x=-2 y=5 z=-4
  chainrule show "q = x + y; q * z" x=-2 y=5 z=-4
  chainrule show neuron.py:cost w=[2,-3,-3] x=[-1,-2]
  chainrule show neuron.py:cost w=[2,-3,-3] x=[-1,-2] --svg neuron.svg --theme dark
  chainrule show "sum(W @ x)" W=[[1,2],[3,4]] x=@x.npy
  echo "1 / (1 + exp(-x))" | chainrule show - x=0.5 --json
  chainrule show -- "-x * y" x=3 y=2
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@click.option("--svg", metavar="FILE", help="Write the picture as SVG; - is stdout.")
@click.option("--png", metavar="FILE", help="Write the picture as PNG.")
@click.option("--html", metavar="FILE", help="Write a page that steps through both passes.")
@click.option(
    "--theme",
    type=click.Choice(["light", "dark", "safe"]),
    default="light",
    help="Colours of the files; those of safe the colour-blind can tell apart.",
)
@click.option(
    "--sigmoid",
    type=click.Choice(["gate", "parts"]),
    help="Draw each sigmoid as one gate, or taken apart; else as it was written.",
)
@click.option(
    "--group",
    type=click.Choice(["none", "line", "name", "function", "layer"]),
    help="Draw several gates as one box; else only where there are too many.",
)
@common
def show(
    target: str,
    values: tuple[str, ...],
    svg: str | None,
    png: str | None,
    html: str | None,
    theme: str,
    sigmoid: str | None,
    group: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show the value and the gradient of every wire, and say why.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy. With --svg, --png or --html only that file is written.
    """
    from .picture import save_picture, say_picture
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        circuit = found.trace(texts)
        if as_json:
            say_json(as_data(circuit))
            return
        grouping = {None: "auto", "none": None}.get(group, group)
        files = [(svg, "svg"), (png, "png"), (html, "html")]
        if quiet and not any(file for file, _ in files):
            say(coloured(circuit.table()))
            return
        picture = circuit.picture(theme=theme, sigmoid=sigmoid, group=grouping)
        for file, ending in files:
            if file:
                save_picture(picture, file, ending)
        if any(file for file, _ in files):
            return
        say_picture(picture)
        say()
        say(coloured(circuit.table()))
        say()
        say(circuit.words())


def as_data(circuit: Any) -> dict[str, Any]:
    """Return what `--json` writes of a circuit; gradients are null where the value is an array."""
    from ..errors import ChainruleError

    try:
        gradients = circuit.gradients
    except ChainruleError:
        gradients = None
    wires = [
        {
            "name": wire.name,
            "gate": wire.gate,
            "inputs": wire.inputs,
            "value": wire.value,
            "gradient": wire.gradient,
            "line": wire.line or None,
        }
        for wire in circuit
    ]
    return {"value": circuit.value, "gradients": gradients, "wires": wires}
