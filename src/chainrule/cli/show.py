"""`chainrule show`: every wire with its value and gradient, and a sentence for each gate."""

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
  chainrule show "sum(W @ x)" W=[[1,2],[3,4]] x=@x.npy
  echo "1 / (1 + exp(-x))" | chainrule show - x=0.5 --json
  chainrule show -- "-x * y" x=3 y=2
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@common
def show(target: str, values: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool) -> None:
    """Show the value and the gradient of every wire, and say why.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        circuit = found.trace(texts)
        if as_json:
            say_json(as_data(circuit))
            return
        say(coloured(circuit.table()))
        if not quiet:
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
