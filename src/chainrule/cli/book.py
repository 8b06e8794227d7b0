"""`chainrule train mnist --book`: the experiment of chapter 1 of Nielsen's book.

M. Nielsen, "Neural Networks and Deep Learning" (2015), chapter 1, "Implementing our network to
classify digits": 784, 30 and 10 sigmoid neurons, the quadratic cost, and 30 epochs of mini-batches
of 10 examples at the learning rate 3, on 50,000 images.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import time
from typing import Any

import numpy as np

from ..errors import NonFiniteCostError
from ..training.progress import duration
from . import datasets
from .datasets import Examples
from .failure import Failed, Refused
from .screen import say, say_json, styled

HIDDEN, EPOCHS, SIZE, ETA = (30,), 30, 10, 3.0
_IMAGES = 50_000  # to learn from; the other 10,000 of MNIST's are the book's validation data


def train_as_the_book(options: dict[str, Any], given: set[str]) -> bool:
    """Run the experiment, print what the book prints, and return whether it came to its end.

    Parameters
    ----------
    options : dict
        Those of `chainrule train`.
    given : set of str
        Which of them the user gave: the others are the book's.
    """
    from ..nielsen.network import Network

    began = time.perf_counter()
    source = options["source"]
    if not datasets.is_named(source):
        raise Refused(f"--book reads digits: {' or '.join(datasets.NAMES)}, not {source}.")
    examples = datasets.named(source, options["data"])
    assert examples.test is not None
    hidden = options["hidden"] if "hidden" in given else HIDDEN
    epochs = options["epochs"] if "epochs" in given else EPOCHS
    size = options["batch_size"] if "batch_size" in given else SIZE
    eta = options["learning_rate"] or ETA
    sizes = [math.prod(examples.x.shape[1:]), *hidden, 10]
    net = Network(sizes, seed=options["seed"], dtype=options["dtype"])
    training, test = _pairs(examples.some(slice(_IMAGES))), _pairs(examples.test)
    # In JSON's place on stdout the lines would be no data: they are progress then.
    aside: Any = contextlib.nullcontext()
    if options["quiet"]:
        aside = contextlib.redirect_stdout(io.StringIO())
    elif options["as_json"]:
        aside = contextlib.redirect_stdout(sys.stderr)
    try:
        with aside, np.errstate(all="ignore"):
            net.SGD(training, epochs, size, eta, test_data=test)
    except NonFiniteCostError as error:
        raise Failed(
            f"{error.args[0].partition('. ')[0]}. Take a smaller --learning-rate."
        ) from error
    took = time.perf_counter() - began
    is_over = net.history.entries == epochs
    if options["as_json"]:
        say_json(_data(source, net, eta, size, len(training), len(test), took, not is_over))
    elif net.history.entries:
        _tell(net, len(test), took, quiet=options["quiet"])
    return is_over


def _pairs(examples: Examples) -> list[tuple[Any, int]]:
    """Return examples as the book has them."""
    assert examples.y is not None
    columns = examples.x.reshape(len(examples), -1, 1)
    return list(zip(columns, examples.y.tolist(), strict=True))


def _best(net: Any) -> tuple[int, int]:
    """Return the best epoch, counted from 0 as the book does, and what it read right."""
    correct = [int(count) for count in net.history["correct"]]
    return correct.index(max(correct)), max(correct)


def _tell(net: Any, of: int, took: float, quiet: bool) -> None:
    if not quiet:
        say()
    epoch, best = _best(net)
    styled(f"best: {best} / {of} read right, {best / of:.2%}, after epoch {epoch}", "bold green")
    seconds = math.fsum(net.history["seconds"])
    count = net.history.entries
    say(f"{count} epochs in {duration(seconds)}, with reading and compiling {duration(took)}")
    if quiet:  # SGD has said it otherwise
        for note in net.notes:
            say(f"Note: {note}")


def _data(
    source: str, net: Any, eta: float, size: int, examples: int, of: int, took: float, stopped: bool
) -> dict[str, Any]:
    epoch, best = _best(net) if net.history.entries else (None, None)
    return {
        "source": source,
        "examples": examples,
        "sizes": net.sizes,
        "mini_batch_size": size,
        "eta": eta,
        "test_examples": of,
        "best_correct": best,
        "best_epoch": epoch,
        "interrupted": stopped,
        "seconds": took,
        "dead_outputs": net.notes,
        "history": dict(net.history),
    }
