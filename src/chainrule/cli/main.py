"""The command `chainrule`: what it can do, and how it ends.

Each subcommand is a module of its own, imported when it is called: `chainrule --help` needs none of
them. To add one, write `cli/<name>.py` with a click command of that name and give it a line here.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

COMMANDS: dict[str, str] = {
    "tour": "Take the guided tour: circuits, their code, and a network that learns.",
    "show": "Show the value and the gradient of every wire, and say why.",
    "step": "Walk the backward pass gate by gate, forward and back.",
    "ledger": "Say why a gradient is this number: its contributions by path.",
    "latex": "Print the formula, the local gradients and the chain rule in LaTeX.",
    "code": "Print the backward pass as Python that runs without chainrule.",
    "check": "Check gradients against differences.",
    "train": "Train a network on a data set or a file.",
    "predict": "Say what a trained network makes of a file.",
    "evaluate": "Say how well a trained network does.",
    "bench": "Time chainrule beside its peers.",
}
"""The subcommands in the order of `--help`, and what each does."""

_EPILOG = """\b
Examples:
  chainrule tour
  chainrule show "(x + y) * z" x=-2 y=5 z=-4
  chainrule code neuron.py:cost w=[2,-3,-3] x=[-1,-2]
  chainrule train digits

\b
Completion, for bash (or zsh, fish):
  eval "$(_CHAINRULE_COMPLETE=bash_source chainrule)"

\b
NO_COLOR=1 does without colours. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""


class _Commands(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"chainrule.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say which is near when there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..errors import did_you_mean

            near = did_you_mean(args[0], COMMANDS)
            if not near and any(sign in args[0] for sign in "+-*/()=:. "):
                near = f" To show a formula or function: {ctx.info_name} show {args[0]!r} ..."
            ctx.fail(f"there is no command {args[0]!r}.{near}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, param, asked: _version(ctx) if asked else None,
    help="Show the version and exit.",
)
def chainrule() -> None:
    """Write the forward pass, read the backward pass."""


def _version(ctx: click.Context) -> None:
    from importlib import metadata

    try:
        click.echo(f"chainrule {metadata.version('chainrule')}")
    except metadata.PackageNotFoundError:
        click.echo("chainrule, not installed: run from its source")
    ctx.exit()


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    args : sequence of str, optional
        What stands after `chainrule`; by default what this process was started with.
    """
    _prepare_streams()
    try:
        # Usage lines then say what was typed: chainrule, or python -m chainrule.
        code = chainrule.main(args=args, complete_var="_CHAINRULE_COMPLETE", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes once more at exit: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk behind stdout
        click.echo(f"Error: {error.strerror or error}.", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0


def _prepare_streams() -> None:
    """Let a terminal that cannot show × or ─ show ? instead of ending in an error.

    A stream that is closed (`>&-`) is None in Python; here it is one that leads nowhere.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (to the end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
