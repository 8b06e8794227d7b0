"""`chainrule code`: the backward pass as Python source."""

from __future__ import annotations

import click

from .failure import failures
from .options import common, target_and_values
from .screen import say_code, say_json
from .target import opened

_EXAMPLES = """\b
Examples:
  chainrule code "(x + y) * z" x=-2 y=5 z=-4
  chainrule code "x / (1 + exp(-y))" x=3 y=-4 --style listing
  chainrule code neuron.py:cost w=[2,-3,-3] x=[-1,-2] > neuron_backward.py
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@click.option(
    "--style",
    type=click.Choice(["module", "listing"]),
    default="module",
    show_default=True,
    help="A module with a function, or the numbered steps at this one point.",
)
@common
def code(
    target: str, values: tuple[str, ...], style: str, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Print the backward pass as Python that runs without chainrule.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        source = found.trace(texts).code(style)
        if as_json:
            say_json({"style": style, "code": source})
        else:
            say_code(source)
