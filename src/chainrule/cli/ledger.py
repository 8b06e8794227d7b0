"""`chainrule ledger`: why a gradient is this number."""

from __future__ import annotations

import click

from .failure import failures
from .options import Count, common, target_and_values
from .screen import say, say_json
from .target import opened

_EXAMPLES = """\b
Examples:
  chainrule ledger "x * y + x * x" x=3 y=-4
  chainrule ledger neuron.py:cost w=[2,-3,-3] x=[-1,-2] --wire w[0]
  chainrule ledger network.py:cost W1=@W1.npy W2=@W2.npy --layers
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@click.option(
    "--wire",
    "wires",
    metavar="NAME",
    multiple=True,
    help='The gradient of which wire; an element as "w[0]". Every input by default.',
)
@click.option("--layers", is_flag=True, help="How the norm grows or shrinks from wire to wire.")
@click.option(
    "--largest",
    type=Count(1),
    default=10,
    show_default=True,
    metavar="K",
    help="How many contributions to list.",
)
@common
def ledger(
    target: str,
    values: tuple[str, ...],
    wires: tuple[str, ...],
    layers: bool,
    largest: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say why a gradient is this number: its contributions by path.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        circuit = found.trace(texts)
        wanted: list[str | None] = list(wires)
        if not wanted and not layers:
            wanted = [circuit.names[row] for row in circuit.inputs]
        if layers:
            wanted.append(None)
        books = [circuit.ledger(wire, largest=largest) for wire in wanted]
        if as_json:
            say_json([book.records() for book in books])
            return
        for number, book in enumerate(books):
            if number:
                say()
            say(repr(book) if quiet else str(book))
