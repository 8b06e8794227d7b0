"""The arguments and options that commands share, with their completion."""

from __future__ import annotations

import ast
import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def target_and_values(function: F) -> F:
    """Add the arguments TARGET and NAME=VALUE..."""
    values = click.argument("values", metavar="[NAME=VALUE]...", nargs=-1, shell_complete=_names)
    target = click.argument("target", metavar="FORMULA|FILE.py:FUNCTION", shell_complete=_targets)
    return target(values(function))


def common(function: F) -> F:
    """Add the options --json, -q and -v."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors."),
        click.option("-q", "--quiet", is_flag=True, help="Only the result."),
        click.option("--json", "as_json", is_flag=True, help="Write JSON."),
    ):
        function = option(function)
    return function


def _targets(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete a file, then after its colon the functions in it. The file is only read."""
    file, colon, start = typed.rpartition(":")
    if not colon or not file.endswith(".py"):
        return [CompletionItem(typed, type="file")]
    return [CompletionItem(f"{file}:{name}") for name in _functions(file) if name.startswith(start)]


def _names(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the names that have no value yet, up to the equals sign."""
    target, given = ctx.params.get("target") or "", ctx.params.get("values") or ()
    file, colon, function = target.rpartition(":")
    names: list[str] = []
    if colon and file.endswith(".py"):
        names = _functions(file).get(function, [])
    else:
        from ..tracing.formula import parse

        with contextlib.suppress(ValueError):
            names = list(parse(target).names)
    taken = {word.partition("=")[0] for word in given}
    return [CompletionItem(f"{n}=") for n in names if n not in taken and n.startswith(typed)]


def _functions(file: str) -> dict[str, list[str]]:
    """Return the arguments of each function that a file defines, without running it."""
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse(Path(file).read_bytes())
        return {
            node.name: [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
            + [a.arg for a in node.args.kwonlyargs]
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
        }
    return {}


class Separator(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """What stands between the cells of a CSV file."""

    name = "CHARACTER"
    help = "What stands between cells, such as ; or tab. By default , ; | or tabs, as it looks."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the character."""
        if value in ("tab", "\\t"):
            return "\t"
        if len(value) != 1 or value in '\r\n"':
            self.fail(f"{value!r} is not one character.", param, ctx)
        return str(value)


def layout_options(function: F) -> F:
    """Add what says where examples are and how their file is laid out."""
    for option in (
        click.option(
            "--data",
            type=click.Path(exists=True, file_okay=False),
            metavar="FOLDER",
            help="Where the files of MNIST are, or $CHAINRULE_DATA; else they are downloaded.",
        ),
        click.option(
            "--separator",
            type=Separator(),
            metavar="CHARACTER",
            help=Separator.help,
        ),
        click.option(
            "--header/--no-header",
            default=None,
            help="Whether the first line has the names of the columns. By default as it looks.",
        ),
        click.option(
            "--target",
            metavar="COLUMN",
            help="The column with the right answers, if it is not called as in training.",
        ),
    ):
        function = option(function)
    return function


class Sizes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Sizes of layers, such as 784,30,10."""

    name = "SIZES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the sizes."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(word) for word in value.split(","))
        except ValueError:
            sizes = ()
        if not sizes or min(sizes) < 1:
            self.fail(f"{value!r} is no list of sizes such as 784,30,10.", param, ctx)
        return sizes


class Count(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"  # in click's own words an "integer range"


class Number(click.FloatRange):
    """A number within bounds, and finite."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def sources(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete a data set, or a file."""
    from .datasets import NAMES

    sets = [CompletionItem(name) for name in NAMES if name.startswith(typed)]
    return sets or [CompletionItem(typed, type="file")]


def networks(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the file of a network."""
    return [CompletionItem(typed, type="file")]
