"""The options of `chainrule train`, section by section.

A new option: a line here, a field of `Settings` if it decides any number, and a case in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from ..networks.activations import ACTIVATIONS
from ..networks.costs import COSTS
from ..networks.metrics import METRICS
from ..training.steps import MACHINES
from .options import Count, Number, Separator, Sizes
from .recipe import NETWORKS, OPTIMIZERS, SCHEDULES
from .sections import SectionedOption

F = TypeVar("F", bound=Callable[..., Any])

_positive = Number(min=0.0, min_open=True)
_not_negative = Number(min=0.0)
_share = Number(0.0, 1.0, max_open=True)
_data = partial(click.option, cls=SectionedOption, section="Data")
_network = partial(click.option, cls=SectionedOption, section="Network")
_training = partial(click.option, cls=SectionedOption, section="Training")
_files = partial(click.option, cls=SectionedOption, section="Files")
_output = click.option

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    # ---- data
    _data(
        "--target",
        metavar="COLUMN",
        help="What to predict: a column of a CSV file by name, or by number from 0. By default the "
        "last; of an NPZ file the array y.",
    ),
    _data(
        "--as",
        "kind",
        type=click.Choice(["classes", "numbers"]),
        help="What the target is, where whole numbers could be either.",
    ),
    _data(
        "--header/--no-header",
        default=None,
        help="Whether the first line has the names of the columns. By default as it looks.",
    ),
    _data(
        "--separator",
        type=Separator(),
        metavar="CHARACTER",
        help=Separator.help,
    ),
    _data(
        "--standardise/--no-standardise",
        default=None,
        help="Whether columns get mean 0 and deviation 1. By default those of files do, and with "
        "them numbers to predict.",
    ),
    _data(
        "--validation",
        type=_share,
        metavar="FRACTION",
        help="Which part to hold out and look at after each epoch. By default a fifth of a file of "
        "50 rows or more, and the test set of a data set that has one.",
    ),
    _data(
        "--data",
        type=click.Path(exists=True, file_okay=False),
        metavar="FOLDER",
        help="Where the files of MNIST are, or $CHAINRULE_DATA; else they are downloaded.",
    ),
    # ---- network
    _network(
        "--network",
        type=click.Choice(NETWORKS),
        default="dense",
        show_default=True,
        help="Dense layers, or LeNet's convolutions before them, for images.",
    ),
    _network("--layers", type=Sizes(), help="The sizes of all layers, such as 784,30,10."),
    _network(
        "--hidden",
        type=Sizes(),
        help="Instead: those of the hidden layers, such as 512,512. [default: 128, after "
        "convolutions 120,84]",
    ),
    _network(
        "--activation",
        type=click.Choice(list(ACTIVATIONS)),
        metavar="NAME",
        default="relu",
        show_default=True,
        help="Of the hidden layers: " + ", ".join(ACTIVATIONS) + ".",
    ),
    _network(
        "--dropout",
        type=_share,
        default=0.0,
        metavar="RATE",
        help="Which part of each hidden layer to leave out while training.",
    ),
    _network(
        "--cost",
        type=click.Choice(list(COSTS)),
        metavar="NAME",
        help=", ".join(COSTS)
        + ". By default softmax_cross_entropy for classes and quadratic for numbers.",
    ),
    _network(
        "--l1",
        type=_not_negative,
        default=0.0,
        metavar="STRENGTH",
        help="What weights cost by their size.",
    ),
    _network(
        "--l2",
        type=_not_negative,
        default=0.0,
        metavar="STRENGTH",
        help="What weights cost by half their square.",
    ),
    _network(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Of the weights, and all that is computed with them.",
    ),
    # ---- training
    _training(
        "--epochs",
        type=Count(0),
        metavar="COUNT",
        help="How often every example is seen, with --resume in all. By default 30 times; of fewer "
        "than 1,000 examples more often, 500 times at most.",
    ),
    _training(
        "--batch-size",
        type=Count(1),
        metavar="COUNT",
        default=32,
        show_default=True,
        help="Examples of a step.",
    ),
    _training(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        default="adam",
        show_default=True,
        help="How the weights move.",
    ),
    _training(
        "--learning-rate",
        "--eta",
        type=_positive,
        metavar="RATE",
        help="How far. By default "
        + ", ".join(f"{rate:g} for {name}" for name, (_, rate) in OPTIMIZERS.items() if rate)
        + ".",
    ),
    _training(
        "--momentum",
        type=_share,
        metavar="PART",
        help="How much of the last step is kept, for sgd, momentum and nesterov. [default: 0.9, "
        "for sgd 0]",
    ),
    _training(
        "--schedule",
        type=click.Choice(SCHEDULES),
        default="constant",
        show_default=True,
        help="How the learning rate changes: a tenth after each third (step), down to a hundredth "
        "(exponential), to 0 (cosine), up for a tenth of the training and down to 0 (warm-up), "
        "up and down (one-cycle), a tenth when 5 epochs were no better (plateau).",
    ),
    _training(
        "--clip-norm", type=_positive, metavar="NORM", help="The largest norm of the gradient."
    ),
    _training(
        "--max-norm",
        type=_positive,
        metavar="NORM",
        help="The largest norm of the weights that lead into a neuron.",
    ),
    _training(
        "--class-weight",
        type=click.Choice(["balanced"]),
        help="Let all classes count alike, however many examples they have.",
    ),
    _training(
        "--early-stopping",
        type=Count(1),
        metavar="EPOCHS",
        help="End when so many epochs brought no lower cost on the examples held out, or on all "
        "where none are, and keep the best weights.",
    ),
    _training(
        "--seed",
        type=Count(0),
        metavar="NUMBER",
        default=0,
        show_default=True,
        help="Of the first weights, the order of the examples, and which ones are held out.",
    ),
    _training(
        "--threads",
        type=Count(1, 1024),
        metavar="COUNT",
        help="How many to compute with. By default as many as pay.",
    ),
    _training(
        "--machine",
        type=click.Choice(MACHINES),
        default="native",
        show_default=True,
        help="What runs the steps; all but native are slow.",
    ),
    _training(
        "--book",
        is_flag=True,
        help="The experiment of chapter 1 of Nielsen's book: sizes 784,30,10, quadratic cost, 30 "
        "epochs of mini-batches of 10, learning rate 3.",
    ),
    # ---- files
    _files(
        "--save",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Keep the network and the state of its training in this file, .safetensors, after "
        "each epoch.",
    ),
    _files(
        "--resume",
        is_flag=True,
        help="Go on from that file, as if never stopped, with the settings it has; --epochs may be "
        "more.",
    ),
    _files(
        "--log",
        type=click.Path(),
        multiple=True,
        metavar="FILE",
        help="Write the numbers of each epoch to run.jsonl, run.csv, or a folder for TensorBoard; "
        "may be repeated.",
    ),
    # ---- output
    _output(
        "--metric",
        type=click.Choice(list(METRICS)),
        multiple=True,
        metavar="NAME",
        help="What else to know of the examples held out; may be repeated. By default accuracy, of "
        "numbers r2: " + ", ".join(METRICS) + ".",
    ),
    _output("--json", "as_json", is_flag=True, help="Write the numbers alone, as JSON."),
    _output("-q", "--quiet", is_flag=True, help="No progress and no curve."),
    _output("-v", "--verbose", is_flag=True, help="Show tracebacks of errors."),
)


def train_options(function: F) -> F:
    """Add all of them to a command."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function
