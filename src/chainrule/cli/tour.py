"""`chainrule tour`: circuits, their code, their check, and a network that learns to read digits.

Every section is a function that prints a few lines; `tour` calls them in order. What they show is
in `chainrule.tour`: the examples, the training loop, the drawings.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .failure import failures
from .options import Count
from .screen import console, has_bars, is_ascii, say, say_code, say_json, styled, width

if TYPE_CHECKING:
    from ..data.digits import Digits
    from ..face import TracedCircuit
    from ..tour.training import Run, Way

_PICTURED = (3, 6, 8)
INTERRUPTED = 130

_EXAMPLES = """\b
Examples:
  chainrule tour
  chainrule tour --seed 7
  chainrule tour --quick --json
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--seed",
    type=Count(0),
    metavar="NUMBER",
    default=0,
    show_default=True,
    help="Of the split, weights and order.",
)
@click.option("--quick", is_flag=True, help="Train only for a moment.")
@click.option("--json", "as_json", is_flag=True, help="Write the numbers alone, as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
def tour(seed: int, quick: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Take the guided tour: circuits, their code, and a network that learns.

    Four circuits with every value and gradient, the backward pass as code, a gradient check; then
    a network of 64, 30 and 10 neurons learns 1,797 handwritten digits in three ways. Ctrl-C ends
    it and keeps what was learned so far.
    """
    with failures(verbose):
        circuits = _traced()
        if not as_json:
            _circuits(circuits)
            _code(circuits["C"])
            _check(circuits["C"])
        runs = _network(seed, quick, as_json, quiet)
        if as_json:
            say_json(_as_data(circuits, runs))
        elif runs[-1].is_complete:
            _next_steps()
    if not runs[-1].is_complete:
        raise click.exceptions.Exit(INTERRUPTED)


def _traced() -> dict[str, TracedCircuit]:
    from ..face import trace
    from ..tour import examples

    return {
        "A": trace("q = x + y; q * z", x=-2, y=5, z=-4),
        "B": trace(examples.neuron, [2.0, -3.0, -3.0], [-1.0, -2.0]),
        "C": trace(examples.staged, 3.0, -4.0),
        "D": trace(examples.mix, 3.0, -4.0, 2.0, -1.0),
    }


# ------------------------------------------------------------------ circuits


def _circuits(circuits: dict[str, TracedCircuit]) -> None:
    from ..tour import examples

    _title("A formula is a circuit")
    _prose(
        "Values flow forward through the gates. Then gradients flow back: each says how much the "
        "result would grow for each unit that this wire grows."
    )
    _prompt('chainrule show "q = x + y; q * z" x=-2 y=5 z=-4')
    _table(circuits["A"])

    _title("Each gate passes the gradient on in its own way")
    _function(examples.mix)
    _table(circuits["D"])
    say(circuits["D"].words().rstrip())

    _title("A neuron")
    _function(examples.neuron)
    _table(circuits["B"])


def _code(staged: TracedCircuit) -> None:
    import numpy as np

    from ..face import trace
    from ..tour import examples

    _title("The backward pass is code, too")
    _function(examples.staged)
    _table(staged)
    _prose("The same in steps, as one would write it by hand; every line can be checked:")
    say_code(staged.code(style="listing"))

    _title("For arrays as well")
    _function(examples.layer)
    _prose("For 5 rows of 3 numbers and 2 neurons. It runs where chainrule is not installed:")
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), np.zeros(2)
    say_code(trace(examples.layer, x, w, b).code())


def _check(staged: TracedCircuit) -> None:
    _title("Trust, but check")
    _prose("Each gradient against what the function does when its inputs are moved a little:")
    say(str(staged.check()).rstrip())


# ------------------------------------------------------------------ digits


def _network(seed: int, quick: bool, as_json: bool, quiet: bool) -> list[Run]:
    from ..data.digits import load_digits
    from ..tour import examples
    from ..tour.training import QUICK, WAYS, train

    training, held_out = load_digits().split(seed)
    if not as_json:
        _title("A network learns to read digits")
        _prose(
            f"{len(training):,} handwritten digits of 8 by 8 pixels to learn from, {len(held_out)} "
            "held out to test on. 64 inputs, 30 hidden neurons, 10 outputs. This is all of it:"
        )
        for function in (examples.sigmoid, examples.output, examples.cost, examples.descend):
            _function(function)
        _prose("where step is what backpropagation makes of the cost:")
        say_code('step = cr.compile(cr.value_and_grad(cost), machine="staged")')
    runs: list[Run] = []
    for way in QUICK if quick else WAYS:
        if not as_json:
            _title(way.name[0].upper() + way.name[1:])
        sys.stdout.flush()
        with _Progress(way, quiet) as progress:
            runs.append(train(way, training, held_out, seed, progress))
        if not as_json:
            _trained(runs[-1])
        if not runs[-1].is_complete:
            break
    if not as_json:
        _title("What it reads")
        best = max(runs, key=lambda run: run.accuracy)
        _pictures(best, held_out)
        _summary(runs)
    return runs


class _Progress:
    """A bar on stderr while a way of training runs; without bars, one line when it starts."""

    def __init__(self, way: Way, quiet: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.name = way.name
        self.announces = not quiet and not has_bars(sys.stderr)
        self.bar = Progress(
            BarColumn(40),
            TextColumn("{task.percentage:>3.0f} %  cost {task.fields[cost]}"),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,  # the curve takes its place
            disable=quiet or not has_bars(sys.stderr),
        )

    def __enter__(self) -> Callable[[int, int, float], None]:
        if self.announces:
            click.echo(f"training: {self.name}", err=True)
        self.bar.start()
        task = self.bar.add_task(self.name, total=1, cost="")

        def progress(done: int, of: int, cost: float) -> None:
            self.bar.update(task, completed=done, total=of, cost=f"{cost:.4f}")

        return progress

    def __exit__(self, *error: object) -> None:
        self.bar.stop()


def _trained(run: Run) -> None:
    from ..training.curve import curve, under_curve

    lines = curve(run.costs, width=width(), ascii_only=is_ascii())
    for line in lines:
        styled(line, "cyan")
    if lines:
        seen = f"{run.epochs:,.0f}" if run.is_complete else f"{run.epochs:,.1f}"
        noun = "epoch" if seen == "1" else "epochs"
        say(under_curve("cost", f"{seen} {noun}", width()))
    each = run.seconds / max(run.steps, 1) * 1e3
    say(f"{run.steps:,} steps in {run.seconds:.1f} s, {each:.2g} ms each")
    styled(f"{run.accuracy:.1%} of the held-out digits read right", "bold green")
    if not run.is_complete:
        say("(interrupted: this is how far it came)")


def _pictures(run: Run, held_out: Digits) -> None:
    """Show three digits that the network reads right, and one that it does not."""
    import numpy as np

    from ..tour.drawing import digits
    from ..tour.training import read

    answers = read(run.parameters, held_out)
    is_right = answers == held_out.labels
    right = [np.flatnonzero(is_right & (held_out.labels == digit))[:1] for digit in _PICTURED]
    wrong = np.flatnonzero(answers != held_out.labels)[:1]
    rows = np.concatenate([*right, wrong])
    for line in digits(list(held_out.images[rows]), is_ascii()):
        say(line)
    captions = [
        f"{answers[k]}" if answers[k] == held_out.labels[k] else f"{answers[k]}? No, {truth}."
        for k, truth in zip(rows, held_out.labels[rows], strict=True)
    ]
    say((" " * 3).join(f"{caption:^16}" for caption in captions).rstrip())
    say()


def _summary(runs: list[Run]) -> None:
    styled(f"{'':<46}{'steps':>8}{'seconds':>9}{'held out':>10}", "bold")
    for run in runs:
        say(f"{run.way.name:<46}{run.steps:>8,}{run.seconds:>9.1f}{run.accuracy:>10.1%}")


def _next_steps() -> None:
    program = click.get_current_context().find_root().info_name
    _title("Now yours")
    for line in (
        'show "x * exp(-x)" x=2',
        "code FILE.py:FUNCTION x=[1,2,3]",
        "check FILE.py:FUNCTION x=[1,2,3]",
        "--help",
    ):
        _prompt(f"{program} {line}")
    say()
    say("or in Python:")
    say()
    say_code('import chainrule as cr\n\nprint(cr.trace("(x + y) * z", x=-2, y=5, z=-4))')


# ------------------------------------------------------------------ how it looks


def _title(text: str) -> None:
    line = "-" if is_ascii() else "─"
    say()
    styled(f"{line * 2} {text} ".ljust(width(), line), "bold blue")
    say()


def _prose(text: str) -> None:
    import textwrap

    say(textwrap.fill(text, width()))
    say()


def _prompt(command: str) -> None:
    styled(f"$ {command}", "bold")


def _function(function: Callable[..., Any]) -> None:
    say_code(inspect.getsource(function))
    say()


def _table(circuit: TracedCircuit) -> None:
    from .table import coloured

    say(coloured(circuit.table()))
    say()


def _as_data(circuits: dict[str, TracedCircuit], runs: list[Run]) -> dict[str, Any]:
    return {
        "circuits": {
            letter: {"value": circuit.value, "gradients": circuit.gradients}
            for letter, circuit in circuits.items()
        },
        "training": [
            {
                "name": run.way.name,
                "batch_size": run.way.batch_size,
                "learning_rate": run.way.learning_rate,
                "steps": run.steps,
                "seconds": run.seconds,
                "cost": run.costs[-1] if run.costs else None,
                "held_out_accuracy": run.accuracy,
                "is_complete": run.is_complete,
            }
            for run in runs
        ],
    }
