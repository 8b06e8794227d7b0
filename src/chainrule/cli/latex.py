"""`chainrule latex`: the formula, the local gradients and the chain rule, to be typeset."""

from __future__ import annotations

import click

from .failure import failures
from .options import common, target_and_values
from .screen import say, say_json
from .target import opened

_EXAMPLES = """\b
Examples:
  chainrule latex "(x + y) * z" x=-2 y=5 z=-4
  chainrule latex neuron.py:cost w=[2,-3,-3] x=[-1,-2] --document > neuron.tex
  chainrule latex "x / (1 + exp(-y))" x=3 y=-4 --part chain --notation df/dz
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@click.option(
    "--part",
    "parts",
    type=click.Choice(["formula", "forward", "local", "chain"]),
    multiple=True,
    help="What to write; all by default.",
)
@click.option(
    "--notation",
    type=click.Choice(["dz", "df/dz", "nabla"]),
    default="dz",
    show_default=True,
    help="How gradients are called.",
)
@click.option("--document", is_flag=True, help="Write a whole article, not only its equations.")
@common
def latex(
    target: str,
    values: tuple[str, ...],
    parts: tuple[str, ...],
    notation: str,
    document: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print the formula, the local gradients and the chain rule in LaTeX.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy. The equations need the package amsmath.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        chosen = parts or ("formula", "forward", "local", "chain")
        source = found.trace(texts).latex(parts=chosen, notation=notation, document=document)
        if as_json:
            say_json({"latex": source})
        else:
            say(source.rstrip("\n"))
