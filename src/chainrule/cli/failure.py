"""How commands fail: one clear line with the user's file and line, a traceback only with -v.

Wrong arguments are `Refused`, or click's own UsageError (exit 2). What goes wrong later, in the
user's own function or in a gradient, becomes `Failed` (exit 1) on its way through `failures`.
"""

from __future__ import annotations

import os
import re
import traceback
from types import TracebackType

import click

from ..errors import ChainruleError, FormulaError
from ..tracing.sites import here

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PLACE = re.compile(r"^[^\s:]+:\d+: ")


class Failed(click.ClickException):
    """The arguments were fine, the work was not: exit 1."""

    exit_code = 1


class Refused(click.ClickException):
    """An argument that cannot be: exit 2.

    Unlike click's UsageError it prints no usage lines: what is wrong is not the form of the
    command, and the message says what to write instead.
    """

    exit_code = 2


class failures:  # noqa: N801 (reads as a statement: with failures(verbose): ...)
    """Turn what goes wrong inside into a message for the user.

    A class, not a generator: `here` must find no frame of contextlib's on the stack.

    Parameters
    ----------
    verbose : bool
        Whether to write the traceback too.
    """

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, click.ClickException | click.exceptions.Exit):
            if self.verbose and error is not None and error.__cause__ is not None:
                self._trace(error.__cause__)
            return
        if isinstance(error, BrokenPipeError) or not isinstance(error, Exception | SystemExit):
            return  # Ctrl-C, and a reader who left
        if self.verbose:
            self._trace(error)
        # What a message has for a place when no line of the user's is running is click's line.
        message = told(error, not_a_place=here())
        if isinstance(error, FormulaError):
            raise Refused(message) from None
        raise Failed(message) from None

    @staticmethod
    def _trace(error: BaseException) -> None:
        click.echo("".join(traceback.format_exception(error)).rstrip(), err=True)


def told(error: BaseException, not_a_place: str = "") -> str:
    """Return what to say of an error: the user's file and line, what happened, the line itself."""
    message = str(error)
    if not_a_place and message.startswith(not_a_place):
        message = message.removeprefix(not_a_place)
    frame = _user_line(error)
    # No fault of anybody's: a disk that is full, a file that may not be read.
    is_systems = frame is None and isinstance(error, OSError) and bool(error.strerror)
    if isinstance(error, OSError) and is_systems:
        message = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    elif not isinstance(error, ChainruleError):
        name = type(error).__name__
        message = f"{name}: {message}" if message else name
    lines = [message]
    if isinstance(error, SyntaxError) and error.filename:
        lines = [f"{os.path.basename(error.filename)}:{error.lineno}: {error.msg}"]
        if error.text:
            lines.append("    " + error.text.strip())
    elif frame is not None:
        if not _PLACE.match(message):
            lines = [f"{os.path.basename(frame.filename)}:{frame.lineno}: {message}"]
        if frame.line:
            lines.append("    " + frame.line)
    elif not isinstance(error, ChainruleError) and not is_systems:
        lines.append("This is a fault of chainrule's: -v shows where; please report it.")
    lines += getattr(error, "__notes__", [])
    return "\n".join(lines)


def said(error: BaseException) -> str:
    """Return the message of an error without a place, which on the command line is click's."""
    return str(error).removeprefix(here())


def _user_line(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost line of the user's own that led to the error."""
    library = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = os.path.abspath(frame.filename)
        if frame.filename.startswith("<") or path.startswith((_PACKAGE, library)):
            continue
        if {"site-packages", "dist-packages"} & set(path.split(os.sep)):
            continue
        if path.endswith(".py"):
            return frame
    return None
