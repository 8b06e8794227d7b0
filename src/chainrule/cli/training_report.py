"""What `chainrule train` prints: what is learned from, the curve, what it came to."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from ..readings.numbers import plain
from ..training.early_stopping import is_larger_better
from ..training.progress import duration
from . import recipe
from .datasets import Examples, counted
from .screen import is_ascii, say, say_json, styled, width

if TYPE_CHECKING:
    from .training_run import Run


class Report:
    """The words around a training.

    Parameters
    ----------
    run : Run
        The training.
    as_json : bool
        Whether to print one JSON object at the end and nothing else.
    quiet : bool
        Whether to print only what it came to.
    """

    def __init__(self, run: Run, *, as_json: bool, quiet: bool) -> None:
        self._run, self._as_json, self._quiet = run, as_json, quiet

    def begin(self) -> None:
        """Say what is going to happen."""
        if self._as_json or self._quiet:
            return
        say(_examples(self._run))
        say(repr(self._run.net))
        say(_training(self._run))
        say()
        sys.stdout.flush()

    def end(self) -> None:
        """Say what came of it."""
        if self._as_json:
            say_json(_data(self._run))
            return
        run = self._run
        history = run.net.history
        if not self._quiet and history.entries > 1:
            drawn = history.text(width(), ascii_only=is_ascii())
            for line in drawn.splitlines():
                styled(line, "cyan" if not line.lstrip().startswith("Note") else "yellow")
            say()
        say(_outcome(run))
        if run.is_stopped_early and (self._quiet or not history.notes):
            say(_why_stopped(run))
        if history.entries:
            for line, is_first in _results(run):
                styled(line, "bold green" if is_first else "")
        if run.path is not None:
            say(f"saved in {run.path}")
        elif not self._quiet:
            say("not saved: --save FILE keeps the network, for chainrule predict")


# ---------------------------------------------------------------------- before


def _examples(run: Run) -> str:
    learned = run.learned
    if learned.image is not None:
        size = " × ".join(map(str, learned.image[1:]))
        what = f"{counted(len(learned), 'images')} of {size}"
    else:
        columns = math.prod(learned.x.shape[1:])
        what = f"{counted(len(learned), 'rows')} of {_count(columns, 'column')}"
    parts = [f"{learned.title}: {what} to learn from"]
    if run.held_out is not None:
        parts.append(f"{len(run.held_out):,} {'to test on' if run.is_tested else 'held out'}")
    if run.test is not None:
        parts.append(f"{len(run.test):,} to test on")
    label = "" if learned.image is not None else f"{plain(learned.label or 'y')}: "
    if learned.classes is None:
        parts.append(f"{label}numbers")
    else:
        parts.append(f"{label}{len(learned.classes)} classes")
    return ", ".join(parts)


def _training(run: Run) -> str:
    settings = run.settings
    parts = [settings.optimizer]
    rate = recipe.learning_rate_of(settings)
    if rate is not None:
        parts.append(f"learning rate {rate:g}")
    if settings.schedule != "constant":
        parts.append(f"schedule {settings.schedule}")
    if settings.optimizer != "lbfgs":
        parts.append(f"mini-batches of {min(settings.batch_size, len(run.learned)):,}")
    parts.append(_count(run.planned, "epoch"))
    if run.is_resumed:
        parts.append(f"going on from {run.path}")
    return ", ".join(parts)


# ---------------------------------------------------------------------- after


def _outcome(run: Run) -> str:
    history = run.net.history
    seconds = math.fsum(history.get("seconds", []))
    took = f" in {duration(seconds)}" if history.entries else ""
    if run.is_interrupted:
        state = run.net.state
        within = ", and part of the next one" if state is not None and state.rows else ""
        return f"interrupted after {run.epochs} of {run.planned} epochs{took}{within}"
    return f"{_count(run.epochs, 'epoch')}{took}"


def _why_stopped(run: Run) -> str:
    best = run.best
    assert best is not None
    return (
        f"stopped: {run.settings.early_stopping} epochs were no better; the weights of epoch "
        f"{best.epoch} are kept"
    )


def _results(run: Run) -> list[tuple[str, bool]]:
    """Return the numbers, the first metric marked: it is what people look for."""
    history = run.net.history
    lines = [(f"cost {history['cost'][-1]:.4g} while learning", False)]
    for examples, words in _judged(run):
        scores = run.scores(examples)
        told = [f"{name} {_told(name, number)}" for name, number in scores.items()]
        metric = ", ".join(told[1:])
        lines.append((f"{metric} on the {counted(len(examples), words)} ({told[0]})", True))
    best = _best(run)
    if best:
        lines.append((best, False))
    return lines


def _judged(run: Run) -> list[tuple[Examples, str]]:
    """Return on what the network is judged, and what that is called."""
    noun = run.learned.noun
    found = []
    if run.held_out is not None:
        found.append((run.held_out, f"test {noun}" if run.is_tested else f"{noun} held out"))
    if run.test is not None:
        found.append((run.test, f"test {noun}"))
    return found or [(run.learned, f"{noun} learned from")]


def _best(run: Run) -> str:
    """Return the best epoch, where it is not the last one."""
    names = [n for n in run.net.history if n.startswith("val_") and n != "val_cost"]
    if not names or run.is_stopped_early:
        return ""
    name = names[0]
    found = run.net.history.best(name, is_larger_better(name))
    if found.value == run.net.history[name][-1]:
        return ""
    metric = name.removeprefix("val_")
    return f"best {metric} {_told(metric, found.value)}, after epoch {found.entry}"


def _data(run: Run) -> dict[str, Any]:
    """Return all of it in JSON's kinds."""
    settings, net = run.settings, run.net
    judged = {}
    if net.history.entries:
        for examples, words in _judged(run):
            judged[words.replace(run.learned.noun, "").strip().replace(" ", "_")] = {
                "examples": len(examples),
                **run.scores(examples),
            }
    return {
        "source": settings.source,
        "examples": len(run.learned),
        "classes": run.learned.classes,
        "network": [repr(layer) for layer in net.layers],
        "cost_function": net.cost.name,
        "parameters": sum(a.size for p in net.parameters for a in p.values()),
        "epochs": run.epochs,
        "interrupted": run.is_interrupted,
        "stopped_early": run.is_stopped_early,
        "seconds": math.fsum(net.history.get("seconds", [])),
        "cost": net.history["cost"][-1] if net.history.entries else None,
        "scores": judged,
        "saved": run.path,
        "settings": settings.record(),
        "history": dict(net.history),
        "notes": list(net.history.notes),
    }


# ---------------------------------------------------------------------- words


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _told(name: str, number: float) -> str:
    if "accuracy" in name:
        return f"{number:.2%}"
    return f"{number:.4g}"
