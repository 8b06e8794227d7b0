"""`chainrule step`: walk the backward pass gate by gate, forward and back, with keys."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .failure import failures
from .options import common, target_and_values
from .screen import say, say_json
from .target import opened

if TYPE_CHECKING:
    from ..debugging.step import Step
    from ..debugging.steps import Steps

_EXAMPLES = """\b
Examples:
  chainrule step "(x + y) * z" x=-2 y=5 z=-4
  chainrule step neuron.py:cost w=[2,-3,-3] x=[-1,-2] --break dot
  chainrule step "x * x + x" x=3 --json

\b
Keys: n or space the next gate, p back, c on to the next break, b a break on a wire's name,
w what is on every wire so far, q quit. Without a terminal all steps are printed.
"""

_KEYS = "n next  p back  c continue  b break  w wires  q quit"
_NEXT = ("n", " ", "\r", "\n", "\x1b[C", "\x1b[B")
_BACK = ("p", "\x7f", "\x1b[D", "\x1b[A")


@click.command(epilog=_EXAMPLES)
@target_and_values
@click.option(
    "--break",
    "breaks",
    metavar="NAME",
    multiple=True,
    help="Stop where this wire gets something; without a terminal, print only those steps.",
)
@click.option(
    "--notation",
    type=click.Choice(["dz", "df/dz", "nabla"]),
    default="dz",
    show_default=True,
    help="How gradients are called.",
)
@common
def step(
    target: str,
    values: tuple[str, ...],
    breaks: tuple[str, ...],
    notation: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Walk the backward pass gate by gate, forward and back.

    TARGET is a formula (- reads it from stdin), or a function in your own file, which is run.
    Values are numbers, lists, or @file.npy.
    """
    from .values import split

    texts = split(values)
    with failures(verbose), opened(target) as found:
        steps = found.trace(texts).steps(notation=notation)
        steps.break_on(*breaks)
        if as_json:
            say_json([taken.record() for taken in _all(steps)])
        elif sys.stdin.isatty() and sys.stdout.isatty() and not quiet:
            with Keys() as keys:
                _walk(steps, keys)
        else:
            for taken in _all(steps):
                say(repr(taken) if quiet else str(taken))


def _all(steps: Steps) -> Any:
    """Iterate over the steps that touch a break; over all where there is none."""
    return iter(steps.run, None) if steps.breaks else steps


class Keys:
    """Keys as they are pressed, without Enter.

    The terminal stays in this mode for the whole walk: `click.getchar` changes it for each key and
    drops what was typed in between. It serves where there is no termios.
    """

    def __enter__(self) -> Keys:
        try:
            import termios
            import tty
        except ImportError:  # Windows
            self._restore: Callable[[], None] | None = None
            return self
        screen = sys.stdin.fileno()
        saved = termios.tcgetattr(screen)
        self._restore = lambda: termios.tcsetattr(screen, termios.TCSADRAIN, saved)
        self._listen: Callable[[], object] = lambda: tty.setcbreak(screen, termios.TCSADRAIN)
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        if self._restore is not None:
            self._restore()

    def read(self) -> str:
        """Wait for a key; "" at the end of the input."""
        if self._restore is None:
            return click.getchar()
        screen = sys.stdin.fileno()
        key = os.read(screen, 1)
        # An arrow is an escape and two more bytes, which are there already.
        if key == b"\x1b" and select.select([screen], [], [], 0.05)[0]:
            key += os.read(screen, 2)
        return key.decode("ascii", "replace")

    def line(self, question: str) -> str:
        """Ask for a line of text."""
        if self._restore is not None:
            self._restore()
        try:
            return str(click.prompt(question, default="", show_default=False)).strip()
        except click.Abort:
            return ""
        finally:
            if self._restore is not None:
                self._listen()


def _walk(steps: Steps, keys: Keys) -> None:
    """Go by the user's keys."""
    say(f"{len(steps)} steps. {_KEYS}")
    say(_wires(steps))
    if steps.breaks:
        _show(steps, steps.run())
    while True:
        sys.stdout.flush()
        key = keys.read()
        if key in ("", "q", "Q", "\x04", "\x1b"):
            return
        if key in _NEXT:
            _show(steps, next(steps, None))
        elif key in _BACK:
            undone = steps.back()
            say("at the start" if undone is None else f"back: {undone!r}")
            say(_wires(steps) if steps.current is None else str(steps.current))
        elif key == "c":
            _show(steps, steps.run())
        elif key == "b":
            _set_break(steps, keys.line("break on wire"))
        elif key == "w":
            say(_wires(steps))
        else:
            say(_KEYS)


def _set_break(steps: Steps, name: str) -> None:
    from ..errors import UnknownWireError

    if not name:
        return
    try:
        _show(steps, steps.run_to(name))
    except UnknownWireError as error:
        say(str(error))
        return
    steps.break_on(name)


def _show(steps: Steps, taken: Step | None) -> None:
    say("the end: every gradient is complete" if taken is None else str(taken))
    if taken is None:
        say(_wires(steps))


def _wires(steps: Steps) -> str:
    """Return what is on each wire so far, a line each."""
    return "\n".join(f"  {line}" for line in steps.told())
