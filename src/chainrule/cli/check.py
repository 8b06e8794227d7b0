"""`chainrule check`: the gradients against differences, gate by gate and input by input."""

from __future__ import annotations

import dataclasses
import sys

import click

from .failure import failures
from .options import common, target_and_values
from .screen import has_colour, say, say_json
from .target import opened

_EXAMPLES = """\b
Examples:
  chainrule check "x * exp(-x)" x=2
  chainrule check neuron.py:cost w=[2,-3,-3] x=[-1,-2]
  chainrule check neuron.py:cost w=@w.npy x=@x.npy --quiet && echo right
"""


@click.command(epilog=_EXAMPLES)
@target_and_values
@common
def check(target: str, values: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool) -> None:
    """Check gradients against differences.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy. Exit code 0: all gradients are right; 1: one is wrong.
    With --quiet only the exit code, and what is wrong.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        report = found.trace(texts).check()
        if as_json:
            say_json({"ok": report.ok, **dataclasses.asdict(report)})
        elif not (quiet and report.ok):
            _say_report(str(report), report.ok)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _say_report(text: str, ok: bool) -> None:
    if not has_colour(sys.stdout):
        say(text)
        return
    from rich.text import Text

    verdict, line, rest = text.partition("\n")
    say(Text(verdict, "bold green" if ok else "bold red").append(line + rest, "not bold default"))
