"""`chainrule train`: a network learns from a data set or from a file.

Options become `Settings` (`recipe.py`), a source `Examples` (`datasets.py`), both a `Run`
(`training_run.py`), which is told about (`training_report.py`). `--book` is `book.py`.

The options themselves are in `train_options.py`.
"""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from .datasets import NAMES
from .failure import Refused, failures
from .options import sources
from .recipe import TIMED, Settings, check
from .sections import SectionedCommand
from .train_options import train_options

_FREE = (
    "source",
    "epochs",
    "threads",
    "machine",
)  # what may change when a training is gone on with
_BOOKS = ("hidden", "epochs", "batch_size", "learning_rate", "seed", "dtype", "data")
_OUTPUT = ("book", "as_json", "quiet", "verbose", "source")

_EXAMPLES = """\b
Examples:
  chainrule train digits
  chainrule train mnist --hidden 512,512 --epochs 20 --save mnist.safetensors
  chainrule train mnist --epochs 40 --save mnist.safetensors --resume
  chainrule train mnist --network lenet --schedule one-cycle
  chainrule train flowers.csv --target kind --hidden 16 --early-stopping 20
  chainrule train prices.csv --cost huber --metric mean_absolute_error
  chainrule train mnist --book

\b
Data goes to stdout, progress to stderr. Ctrl-C ends the training and keeps what was
learned. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""


@click.command(cls=SectionedCommand, epilog=_EXAMPLES)
@click.argument(
    "source", metavar="|".join((*NAMES, "FILE.csv", "FILE.npz")), shell_complete=sources
)
@train_options
@click.pass_context
def train(ctx: click.Context, /, **options: Any) -> None:
    """Train a network on a data set or a file.

    The digits come with chainrule; the images of MNIST and Fashion-MNIST are downloaded once. A
    CSV file has numbers in its columns, and one column to predict: classes or numbers. An NPZ file
    has arrays x and y.
    """
    given = {
        name
        for name in options
        if ctx.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
    }
    with failures(options["verbose"]):
        if options["book"]:
            _check_book(given)
            from .book import train_as_the_book

            is_over = train_as_the_book(options, given)
        else:
            from .training_run import Run

            settings, saved = _settings(options, given)
            check(settings)
            is_over = Run(settings, options, is_resumed=saved).tell()
    if not is_over:
        raise click.exceptions.Exit(130)


def _check_book(given: set[str]) -> None:
    for name in sorted(given):
        if name not in (*_BOOKS, *_OUTPUT):
            raise Refused(
                f"{_option(name)} is not part of --book, whose network, cost and optimizer are the "
                f"book's. It goes with {', '.join(map(_option, _BOOKS))}."
            )


def _settings(options: dict[str, Any], given: set[str]) -> tuple[Settings, bool]:
    """Return the settings, and whether they are those of a training to go on with."""
    import os

    settings = Settings(**{name: options[name] for name in Settings.names()})
    path = options["save"]
    if options["resume"] and path is None:
        raise Refused("--resume goes on from the file of --save: name it, --save run.safetensors.")
    if not options["resume"] or not os.path.exists(path):
        return settings, False
    saved = _saved(path)
    for name in sorted(given & set(Settings.names())):
        mine, its = getattr(settings, name), getattr(saved, name)
        if mine != its and (name not in _FREE or (name == "epochs" and saved.schedule in TIMED)):
            raise Refused(
                f"{path} was trained with {_said(name, its)}, not {_said(name, mine)}"
                + (
                    f", and its schedule, {saved.schedule}, ends with the training"
                    if name == "epochs"
                    else ""
                )
                + f". Leave out {_option(name)}, or leave out --resume to begin anew."
            )
    from dataclasses import replace

    return replace(saved, **{name: options[name] for name in _FREE if name in given}), True


def _saved(path: str) -> Settings:
    from ..training.checkpoint import load_metadata
    from . import recipe

    notes: Any = load_metadata(path).get("notes")
    for key in ("notes", recipe.NOTE):
        notes = notes.get(key) if isinstance(notes, dict) else None
    return Settings.read(notes, path)


def _option(name: str) -> str:
    return {"kind": "--as", "as_json": "--json", "source": "the source"}.get(
        name, "--" + name.replace("_", "-")
    )


def _said(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    if value is None or value == "":
        return f"the default of {_option(name)}"
    if isinstance(value, bool):
        return _option(name) if value else _option(name).replace("--", "--no-", 1)
    return f"{_option(name)} {value}"
