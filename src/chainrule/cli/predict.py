"""`chainrule predict`: what a trained network makes of examples."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from typing import TYPE_CHECKING, Any

import click

from .datasets import Layout
from .failure import Failed, Refused, failures
from .options import layout_options, networks, sources
from .screen import plain_data, say
from .sections import SectionedCommand

if TYPE_CHECKING:
    from .asked import Asked

_EXAMPLES = """\b
Examples:
  chainrule predict run.safetensors new.csv
  chainrule predict run.safetensors new.csv --proba --output answers.csv
  head -n 5 new.csv | chainrule predict run.safetensors -
"""


@click.command(cls=SectionedCommand, epilog=_EXAMPLES)
@click.argument("network", metavar="NETWORK.safetensors", shell_complete=networks)
@click.argument("source", metavar="FILE.csv|FILE.npz|digits|...", shell_complete=sources)
@layout_options
@click.option("--proba", is_flag=True, help="The probability of each class too, as CSV.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write to this file, as CSV, instead of stdout.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
def predict(
    network: str,
    source: str,
    target: str | None,
    header: bool | None,
    separator: str | None,
    data: str | None,
    proba: bool,
    output: str | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Say what a trained network makes of a file.

    Prints a line for each row: the name of its class, or a number. Columns are found by their
    names, in any order; what was to be predicted may be missing. A - is stdin.
    """
    from .asked import Asked

    with failures(verbose):
        _check_output(output, (network, source))
        asked = Asked(network, source, Layout(target, header, separator), data)
        answers = _answers(asked)
        shares = _shares(asked) if proba else None
        label = asked.preparation.label
        if as_json:
            found: dict[str, Any] = {"label": label, "answers": answers}
            if shares is not None:
                found |= {"classes": asked.names(), "probabilities": shares}
            text = json.dumps(plain_data(found), indent=2, allow_nan=False) + "\n"
        elif output is None and shares is None:
            text = "".join(f"{answer}\n" for answer in _lines(answers))
        else:
            text = _table(label, answers, shares, asked)
        if output is None:
            say(text.removesuffix("\n"))
        else:
            _write(output, text)


def _answers(asked: Asked) -> list[Any]:
    """Return the answers: names of classes, numbers, or lists of numbers."""
    decided = asked.net.predict(asked.x)
    if asked.predicts_classes:
        if decided.ndim != 1:
            return list(decided.tolist())
        names = asked.names()
        return [names[k] for k in decided.tolist()]
    digits = 7 if asked.net.dtype == "float32" else 16
    scale = asked.preparation.target_scale
    places = None if scale is None else digits - 1 - math.floor(math.log10(scale))
    return list(_rounded(asked.preparation.numbers(decided).tolist(), digits, places))


def _rounded(value: Any, digits: int, places: int | None = None) -> Any:
    """Return numbers with as many digits, or places after the point, as were computed."""
    if isinstance(value, list):
        return [_rounded(one, digits, places) for one in value]
    return float(f"{value:.{digits}g}") if places is None else round(value, places)


def _shares(asked: Asked) -> list[list[float]]:
    if not asked.predicts_classes:
        raise Failed(f"--proba is for classes: {asked.path} predicts numbers.")
    if asked.net.cost.probabilities is None:
        raise Failed(
            f"--proba: {asked.path} was trained with the cost {asked.net.cost.name}, which gives "
            "its outputs no such meaning. Train with --cost softmax_cross_entropy."
        )
    shares: list[list[float]] = _rounded(asked.net.predict_proba(asked.x).tolist(), 7)
    return shares


def _lines(answers: list[Any]) -> list[str]:
    return [",".join(map(str, one)) if isinstance(one, list) else str(one) for one in answers]


def _table(label: str, answers: list[Any], shares: list[list[float]] | None, asked: Asked) -> str:
    """Return answers as CSV, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(answers[0]) if isinstance(answers[0], list) else 0
    head = [f"{label} {k + 1}" for k in range(several)] or [label]
    writer.writerow([*head, *(asked.names() if shares is not None else [])])
    for row, answer in enumerate(answers):
        cells = answer if several else [answer]
        writer.writerow([*cells, *(shares[row] if shares is not None else [])])
    return text.getvalue()


def _check_output(path: str | None, read: tuple[str, ...]) -> None:
    """Refuse to write over what is read."""
    if path is None or not os.path.exists(path):
        return
    for one in read:
        if os.path.exists(one) and os.path.samefile(path, one):
            raise Refused(f"--output {path} is a file that is read: name another one.")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror or error}.") from error
