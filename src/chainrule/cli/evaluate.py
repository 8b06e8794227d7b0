"""`chainrule evaluate`: how well a trained network does on examples whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..networks.metrics import METRICS
from ..readings.numbers import plain
from .datasets import Layout, counted
from .failure import Failed, failures, said
from .options import layout_options, networks, sources
from .screen import say, say_json
from .sections import SectionedCommand

if TYPE_CHECKING:
    from .asked import Asked

_EXAMPLES = """\b
Examples:
  chainrule evaluate run.safetensors mnist
  chainrule evaluate run.safetensors others.csv --confusion
  chainrule evaluate run.safetensors others.csv --metric f1_macro --json
"""


@click.command(cls=SectionedCommand, epilog=_EXAMPLES)
@click.argument("network", metavar="NETWORK.safetensors", shell_complete=networks)
@click.argument("source", metavar="FILE.csv|FILE.npz|digits|mnist|...", shell_complete=sources)
@layout_options
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    multiple=True,
    metavar="NAME",
    help="What to know beside the cost; may be repeated. By default accuracy, of numbers r2: "
    + ", ".join(METRICS)
    + ".",
)
@click.option("--confusion", is_flag=True, help="Which classes are taken for which.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("-q", "--quiet", is_flag=True, help="The numbers alone, without their names.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
def evaluate(
    network: str,
    source: str,
    target: str | None,
    header: bool | None,
    separator: str | None,
    data: str | None,
    metric: tuple[str, ...],
    confusion: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say how well a trained network does.

    Of a data set its test set is asked; of a file, all rows. Cost and metrics are as in training:
    the cost of numbers counts in standard deviations of what was learned from, metrics in the
    numbers' own unit.
    """
    from .asked import Asked

    with failures(verbose):
        asked = Asked(network, source, Layout(target, header, separator), data)
        labels = asked.preparation.known_labels(asked.examples)
        scores = _scores(asked, labels, metric)
        matrix = _matrix(asked, labels) if confusion else None
        if as_json:
            found: dict[str, Any] = {"examples": len(asked.examples), **scores}
            if matrix is not None:
                found["classes"], found["confusion"] = asked.names(), matrix
            say_json(found)
            return
        if not quiet:
            say(f"{asked.examples.title}: {counted(len(asked.examples), asked.examples.noun)}")
        for name, number in scores.items():
            told = f"{number:.2%}" if "accuracy" in name else f"{number:.6g}"
            say(told if quiet else f"{name} {told}")
        if matrix is not None:
            say()
            for line in _drawn(matrix.tolist(), asked.names()):
                say(line)


def _scores(asked: Asked, labels: Any, metric: tuple[str, ...]) -> dict[str, float]:
    names = metric or (("accuracy",) if asked.predicts_classes else ("r2",))
    for name in names:
        kind = METRICS[name].kind
        if kind != ("classes" if asked.predicts_classes else "numbers"):
            raise Failed(f"--metric {name} is for {kind}, which {asked.path} does not predict.")
    targets = asked.preparation.targets(labels)
    try:
        return asked.net.evaluate(asked.x, targets, metrics=asked.preparation.metrics(names))
    except (ValueError, TypeError) as error:
        raise Failed(said(error)) from error


def _matrix(asked: Asked, labels: Any) -> Any:
    from ..networks.class_metrics import confusion_matrix

    if not asked.predicts_classes:
        raise Failed(f"--confusion is for classes: {asked.path} predicts numbers.")
    classes = range(len(asked.names()))
    return confusion_matrix(labels, asked.net.predict(asked.x), classes=list(classes))


def _drawn(matrix: list[list[int]], names: list[str]) -> list[str]:
    """Return a confusion matrix as text, a row for each class."""
    short = [plain(name, 12) for name in names]
    left = max(map(len, short))
    widths = [
        max(len(name), *(len(f"{row[k]:,}") for row in matrix)) for k, name in enumerate(short)
    ]
    lines = ["rows: what it is; columns: what it is taken for"]
    lines.append(" " * left + "".join(f"  {n:>{w}}" for n, w in zip(short, widths, strict=True)))
    for name, row in zip(short, matrix, strict=True):
        cells = "".join(
            f"  {f'{count:,}' if count else '.':>{w}}" for count, w in zip(row, widths, strict=True)
        )
        lines.append(f"{name:<{left}}{cells}")
    return lines
