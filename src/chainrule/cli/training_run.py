"""One training from the command line: examples, network and settings put together, and run."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NonFiniteCostError
from ..networks.metrics import METRICS
from ..training.checkpoint import load_metadata
from ..training.early_stopping import Best
from . import datasets, preparation, recipe, source_files
from .datasets import Examples, Layout
from .failure import Failed, Refused, said
from .preparation import Preparation
from .recipe import Settings
from .training_report import Report
from .written import check_logs, check_save

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Array]
_CHECKSUM = "checksum"  # its name among the notes of a network


class Run:
    """A training.

    Parameters
    ----------
    settings : Settings
        What decides its numbers.
    options : dict
        All options of the command: where files are, what to print.
    is_resumed : bool
        Whether it goes on from the file of `--save`.
    """

    def __init__(self, settings: Settings, options: dict[str, Any], *, is_resumed: bool) -> None:
        self.options, self.is_resumed = options, is_resumed
        self.path: str | None = options["save"]
        check_save(self.path, settings.source)
        examples = _examples(settings, options["data"])
        self.learned, self.held_out, self.test = _parted(settings, examples)
        self.planned = recipe.epochs_for(settings, len(self.learned))
        self.settings = settings = replace(settings, epochs=self.planned)
        self.cost = recipe.cost_for(settings, self.learned)
        try:
            self.net = recipe.network_for(settings, self.learned, self.cost)
            self.optimizer = recipe.optimizer_for(settings, len(self.learned))
        except (ValueError, TypeError) as error:
            raise Refused(said(error)) from error
        self.preparation = self._prepared()
        self.net.notes = {
            preparation.NOTE: self.preparation.record(),
            recipe.NOTE: settings.record(),
        }
        if self.path is not None:
            self.net.notes[_CHECKSUM] = _checksum(examples)
        if is_resumed:
            self._check_examples()
        self._check_metrics()
        check_logs(options["log"], self.path, settings.source)

    def tell(self) -> bool:
        """Train, tell about it, and return whether it came to its end."""
        options = self.options
        report = Report(self, as_json=options["as_json"], quiet=options["quiet"])
        report.begin()
        # A cost that overflows is told in words of ours; NumPy's warnings would come before them.
        with np.errstate(all="ignore"):
            self._train(progress=not options["quiet"])
            report.end()
        return not self.is_interrupted

    # ------------------------------------------------------------------ what it came to

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return 0 if self.net.state is None else self.net.state.epochs

    @property
    def best(self) -> Best | None:
        """The best epoch, with early stopping."""
        return None if self.net.state is None else self.net.state.best

    @property
    def is_tested(self) -> bool:
        """Whether what is looked at after each epoch is the set's own test set."""
        return self.learned.test is not None

    @property
    def is_stopped_early(self) -> bool:
        """Whether the patience of early stopping came to its end."""
        patience, best = self.settings.early_stopping, self.best
        return patience is not None and best is not None and self.epochs - best.epoch >= patience

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.epochs < self.planned and not self.is_stopped_early

    def scores(self, examples: Examples) -> dict[str, float]:
        """Return the cost and the metrics of examples, with the weights that were kept."""
        names = self._metrics()
        history, state = self.net.history, self.net.state
        is_as_told = state is not None and not state.rows and self.best is None
        if examples is self.held_out and is_as_told:  # the weights of the last epoch
            return {name: history[f"val_{name}"][-1] for name in ("cost", *names)}
        x, y = self._pair(examples)
        return self.net.evaluate(x, y, metrics=self.preparation.metrics(names))

    # ------------------------------------------------------------------ its parts

    def _prepared(self) -> Preparation:
        settings = self.settings
        standardise = settings.standardise
        if standardise is None:
            standardise = not datasets.is_named(settings.source)
        counts = self.cost.targets == "counts"
        return preparation.learned(
            self.learned,
            recipe.shape_for(settings, self.learned),
            standardise=standardise,
            scale_target=standardise and self.learned.classes is None and not counts,
        )

    def _pair(self, examples: Examples) -> Pair:
        assert examples.y is not None
        x = self.preparation.inputs(examples.x, self.settings.dtype)
        return x, self.preparation.targets(examples.y)

    def _metrics(self) -> tuple[str, ...]:
        return self.settings.metric or (("r2",) if self.learned.classes is None else ("accuracy",))

    def _check_metrics(self) -> None:
        kind = "numbers" if self.learned.classes is None else "classes"
        for name in self.settings.metric:
            if METRICS[name].kind not in (kind, "any"):
                raise Refused(
                    f"--metric {name} is for {METRICS[name].kind}, and {self.learned.title} has "
                    f"{kind}."
                )

    def _check_examples(self) -> None:
        """Refuse to go on with other examples than the training began with."""
        assert self.path is not None
        notes = load_metadata(self.path)["notes"]["notes"]
        if notes.get(_CHECKSUM) != self.net.notes[_CHECKSUM]:
            raise Failed(
                f"{self.settings.source} does not have the examples that {self.path} was begun "
                "with. Leave out --resume to begin anew."
            )

    def _epochs(self) -> int:
        """Return how many epochs there are in all; no more where early stopping had ended it."""
        patience = self.settings.early_stopping
        if self.is_resumed and patience is not None and self.path is not None:
            metadata = load_metadata(self.path)
            best, done = metadata.get("best"), int(metadata["epochs"])
            if best is not None and done - best["epoch"] >= patience:
                return done
        return self.planned

    def _train(self, progress: bool) -> None:
        settings = self.settings
        x, y = self._pair(self.learned)
        validation = None if self.held_out is None else self._pair(self.held_out)
        try:
            self.net.fit(
                x,
                y,
                epochs=self._epochs(),
                batch_size=None if settings.optimizer == "lbfgs" else settings.batch_size,
                optimizer=self.optimizer,
                validation_data=validation,
                class_weight=settings.class_weight,
                metrics=self.preparation.metrics(self._metrics()),
                early_stopping=settings.early_stopping,
                log=list(self.options["log"]) or None,
                checkpoint=self.path,
                resume=self.is_resumed,
                progress=progress,
                machine=settings.machine,
                threads=self.settings.threads,
            )
        except NonFiniteCostError as error:
            raise Failed(self._diverged(error)) from error
        except (ValueError, TypeError) as error:
            raise Failed(said(error)) from error
        except OSError as error:
            # A full disk does not say which of the files it could not take.
            where = error.filename or " or ".join(filter(None, [self.path, *self.options["log"]]))
            what = f"{error.strerror or error}."
            raise Failed(f"{where}: {what}" if where else what) from error

    def _diverged(self, error: NonFiniteCostError) -> str:
        """Return what to say of a cost that is no number, and where the last good weights are."""
        what = said(error).partition(". ")[0]
        done = error.result.epochs
        advice = "Take a smaller --learning-rate, or --clip-norm 1."
        if self.settings.optimizer == "lbfgs":
            advice = "Take another optimizer."
        if not done:
            kept = "It had not learned anything yet that could be kept."
        elif self.path is None:
            kept = "With --save FILE the weights from before that would have been kept."
        else:
            count = "the first epoch" if done == 1 else f"epoch {done}"
            kept = f"{self.path} has the weights as they were after {count}."
        return f"{what}. {advice}\n{kept}"


# ---------------------------------------------------------------------- examples


def _examples(settings: Settings, folder: str | None) -> Examples:
    if not datasets.is_named(settings.source):
        layout = Layout(settings.target, settings.header, settings.separator)
        return source_files.to_learn_from(settings.source, layout, settings.kind, settings.cost)
    for option, value in (
        ("--target", settings.target),
        ("--as", settings.kind),
        ("--separator", settings.separator),
        ("--header", settings.header),
    ):
        if value is not None:
            raise Refused(f"{option} is for files: {settings.source} has images and their classes.")
    return datasets.named(settings.source, folder)


def _parted(
    settings: Settings, examples: Examples
) -> tuple[Examples, Examples | None, Examples | None]:
    """Return what to learn from, what to look at after each epoch, and what to test on at last."""
    fraction = recipe.fraction_held_out(settings, examples)
    if not fraction:
        return examples, examples.test, None
    n = len(examples)
    count = round(fraction * n)
    if not 0 < count < n:
        raise Refused(
            f"--validation {fraction:g} of {n} {examples.noun} leaves none to "
            f"{'hold out' if not count else 'learn from'}."
        )
    order = np.random.default_rng(settings.seed).permutation(n)
    held_out, learned = np.sort(order[:count]), np.sort(order[count:])
    return examples.some(learned), examples.some(held_out), examples.test


def _checksum(examples: Examples) -> int:
    """Return a number that differs for other examples: of all of them, held out or not."""
    found = zlib.crc32(repr((examples.x.shape, examples.columns, examples.classes)).encode())
    for array in (examples.x, examples.y):
        if array is not None:
            found = zlib.crc32(np.ascontiguousarray(array).data.cast("B"), found)
    return found
