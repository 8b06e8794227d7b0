"""`chainrule bench`: chainrule beside its peers, on the workloads of the repository.

The workloads are not part of the installed package: they live in `benchmarks/` of the source.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from .failure import Failed, Refused, failures
from .options import Count
from .screen import has_bars, say

_SOURCE = Path(__file__).resolve().parents[3]
_MARK = Path("benchmarks", "workloads", "bench.py")
_EXAMPLES = """\b
Examples:
  chainrule bench --list
  chainrule bench W1 "W2 1e5 float32" --rounds 15
  chainrule bench W4 --quick --only NumPy --only JAX
  chainrule bench --markdown table.md --json run.json

\b
Peers that are not installed are skipped: pip install -e '.[peers]' brings the large ones.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("workloads", nargs=-1, metavar="[WORKLOAD]...")
@click.option("--list", "as_list", is_flag=True, help="Say what there is to run.")
@click.option("--rounds", type=Count(1), help="Timed rounds of each case: 9, or 3.")
@click.option("--quick", is_flag=True, help="Small inputs and 3 short rounds, to try it out.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="Take chainrule and peers that begin so."
)
@click.option("--data", type=click.Path(exists=True), help="A folder with MNIST's four files.")
@click.option("--json", "json_file", type=click.Path(allow_dash=True), help="Write all figures.")
@click.option("--markdown", type=click.Path(allow_dash=True), help="Write the docs' table.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
def bench(
    workloads: tuple[str, ...],
    as_list: bool,
    rounds: int | None,
    quick: bool,
    only: tuple[str, ...],
    data: str | None,
    json_file: str | None,
    markdown: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Time chainrule beside its peers.

    Every contender runs in a process of its own, one at a time; results are compared first, then
    timed in interleaved rounds. Exit code 1: results differ, or chainrule did not run.

    A file - is stdout, which then has no tables. MNIST is read from --data or $CHAINRULE_DATA;
    without it, made-up digits of the same shape take its place.
    """
    with failures(verbose):
        program = _benchmarks()
        if as_list:
            say(program.listing())
            return
        if data is not None:
            import os

            os.environ["CHAINRULE_DATA"] = data
        to_stdout = "-" in (json_file, markdown)
        try:
            program.chosen(workloads)
        except program.UnknownWorkload as error:
            raise Refused(str(error)) from None
        found = program.run(
            workloads,
            rounds=rounds or (3 if quick else 9),
            quick=quick,
            only=("chainrule", *only) if only else (),
            say=_silence if quiet else _progress,
            show=_silence if to_stdout else lambda table: say(table + "\n"),
        )
        _write(json_file, json.dumps(found, indent=2, allow_nan=False) + "\n")
        if markdown is not None:
            report = importlib.import_module("benchmarks.workloads.report")
            _write(markdown, report.markdown(found))
    if not program.is_sound(found):
        raise click.exceptions.Exit(1)


def _benchmarks() -> Any:
    """Return the module that runs the workloads, from the clone installed or the folder we are in.

    Raises
    ------
    Failed
        If neither has them.
    """
    for root in (_SOURCE, Path.cwd()):
        if (root / _MARK).is_file():
            sys.path.insert(0, str(root))
            return importlib.import_module("benchmarks.workloads.bench")
    raise Failed(
        "the benchmarks are not part of the installed package: they are in the folder benchmarks/ "
        "of chainrule's repository. Clone it, go into the clone, and run this command there, or "
        "install the clone with pip install --editable ."
    )


def _progress(words: str) -> None:
    """Tell on stderr what is going on: in a terminal on one line, which overwrites itself."""
    if has_bars(sys.stderr):
        click.echo(f"\r\x1b[2K{words}\r", err=True, nl=False)
    elif "round" not in words:
        click.echo(words, err=True)


def _silence(words: str) -> None:
    pass


def _write(path: str | None, content: str) -> None:
    if path is not None:
        with click.open_file(path, "w", encoding="utf-8") as file:
            file.write(content)
