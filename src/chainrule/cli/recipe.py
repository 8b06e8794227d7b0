"""From settings to a network and an optimizer: what `chainrule train` makes of its options.

To add an optimizer or a schedule: a line in `OPTIMIZERS` or `SCHEDULES`, and in `_schedule`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import DataFileError
from .failure import Refused

if TYPE_CHECKING:
    from ..networks.costs import Cost
    from ..networks.layer import Layer
    from ..networks.network import Network
    from .datasets import Examples

NOTE = "settings"  # their name among the notes of a network

# By name: the class, and the learning rate that it begins with if nobody says.
OPTIMIZERS: dict[str, tuple[str, float | None]] = {
    "sgd": ("SGD", 0.1),
    "momentum": ("SGD", 0.02),
    "nesterov": ("SGD", 0.02),
    "rmsprop": ("RMSprop", 0.001),
    "adam": ("Adam", 0.001),
    "adamw": ("AdamW", 0.001),
    "adagrad": ("Adagrad", 0.01),
    "adadelta": ("Adadelta", 1.0),
    "lion": ("Lion", 0.0001),
    "lbfgs": ("LBFGS", None),
}
SCHEDULES = ("constant", "step", "exponential", "cosine", "warm-up", "one-cycle", "plateau")
TIMED = ("step", "exponential", "cosine", "warm-up", "one-cycle")  # end with the training
NETWORKS = ("dense", "lenet")
_HIDDEN = {"dense": (128,), "lenet": (120, 84)}
_WITH_MOMENTUM = ("sgd", "momentum", "nesterov")
_EPOCHS, _SEEN, _MOST_EPOCHS = 30, 30_000, 500  # by default; examples seen in all of them
_FROM_ROWS = 50  # smaller files are not parted unless asked to


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a training, besides the examples; kept with the network.

    The names are those of the options of `chainrule train`, which says what they mean.
    """

    source: str
    target: str | None
    kind: str | None
    header: bool | None
    separator: str | None
    standardise: bool | None
    validation: float | None
    network: str
    layers: tuple[int, ...] | None
    hidden: tuple[int, ...] | None
    activation: str
    dropout: float
    cost: str | None
    l1: float
    l2: float
    dtype: str
    epochs: int | None
    batch_size: int
    optimizer: str
    learning_rate: float | None
    momentum: float | None
    schedule: str
    clip_norm: float | None
    max_norm: float | None
    class_weight: str | None
    early_stopping: int | None
    metric: tuple[str, ...]
    seed: int
    threads: int | None
    machine: str

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of all settings."""
        return tuple(one.name for one in fields(Settings))

    def record(self) -> dict[str, Any]:
        """Return them in JSON's kinds."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @staticmethod
    def read(record: Any, path: str) -> Settings:
        """Return the settings that a file holds.

        Raises
        ------
        DataFileError
            If they are none.
        """
        if not isinstance(record, Mapping) or set(record) != set(Settings.names()):
            raise DataFileError(
                f"{path} does not say how it was trained: `chainrule train` did not write it, or "
                "another version did. Without --resume it is begun anew."
            )
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
        }
        return Settings(**values)


def check(settings: Settings) -> None:
    """Refuse settings that do not go together.

    Raises
    ------
    Refused
        Saying what to leave out.
    """
    if settings.layers is not None and settings.hidden is not None:
        raise Refused("--layers has the hidden layers in it: leave out --hidden.")
    if settings.network != "dense" and settings.layers is not None:
        raise Refused(
            f"--layers is for dense networks: with --network {settings.network}, --hidden says "
            "which layers follow the convolutions."
        )
    if settings.momentum is not None and settings.optimizer not in _WITH_MOMENTUM:
        raise Refused(
            f"--momentum is for --optimizer {', '.join(_WITH_MOMENTUM)}, not {settings.optimizer}."
        )
    if settings.optimizer == "nesterov" and settings.momentum == 0.0:
        raise Refused("--optimizer nesterov looks ahead along its momentum, which cannot be 0.")
    if settings.optimizer == "lbfgs":
        given = {
            "--learning-rate": settings.learning_rate is not None,
            "--schedule": settings.schedule != "constant",
            "--clip-norm": settings.clip_norm is not None,
            "--max-norm": settings.max_norm is not None,
            "--dropout": settings.dropout > 0.0,
        }
        for option, is_given in given.items():
            if is_given:
                raise Refused(
                    f"--optimizer lbfgs searches on all examples for how far to go: leave out "
                    f"{option}."
                )


# ---------------------------------------------------------------------- the network


def cost_for(settings: Settings, examples: Examples) -> Cost:
    """Return the cost, by default the one that fits what is to be predicted.

    Raises
    ------
    Refused
        If it cannot be taken of these examples.
    """
    from ..networks.costs import cost_of

    is_classes = examples.classes is not None
    cost = cost_of(settings.cost or ("softmax_cross_entropy" if is_classes else "quadratic"))
    if is_classes and cost.targets in ("numbers", "counts"):
        raise Refused(
            f"--cost {cost.name} is for numbers, and {examples.title} has classes: take "
            "softmax_cross_entropy, cross_entropy, hinge or quadratic."
        )
    if not is_classes and cost.targets in ("classes", "binary"):
        raise Refused(
            f"--cost {cost.name} is for classes, and {examples.title} has numbers to predict: take "
            "quadratic, huber, absolute or poisson."
        )
    if cost.targets == "binary" and len(examples.classes or ()) != 2:
        raise Refused(
            f"--cost {cost.name} is for two classes, and {examples.title} has "
            f"{len(examples.classes or ())}: take softmax_cross_entropy or cross_entropy."
        )
    if settings.class_weight and not is_classes:
        raise Refused(f"--class-weight is for classes, and {examples.title} has numbers.")
    return cost


def shape_for(settings: Settings, examples: Examples) -> tuple[int, ...]:
    """Return the shape in which the network takes an example.

    Raises
    ------
    Refused
        If convolutions are wanted of something else than images.
    """
    if settings.network == "dense":
        return (math.prod(examples.x.shape[1:]),)
    if examples.image is None:
        raise Refused(
            f"--network {settings.network} is for images, and {examples.title} has columns. An NPZ "
            "file may hold images, as an array x of shape (n, height, width)."
        )
    if min(examples.image[1:]) < 4:
        raise Refused(f"--network {settings.network} is for images of 4 × 4 pixels and more.")
    return examples.image


def network_for(settings: Settings, examples: Examples, cost: Cost) -> Network:
    """Return the network, with the parameters that the seed gives it.

    Raises
    ------
    Refused
        If its sizes do not fit the examples.
    """
    from ..networks.network import Network

    return Network(
        *_layers(settings, examples, cost),
        cost=cost.name,
        l1=settings.l1,
        l2=settings.l2,
        seed=settings.seed,
        dtype=settings.dtype,
    )


def _layers(settings: Settings, examples: Examples, cost: Cost) -> list[Layer]:
    from ..networks.dense import Dense
    from ..networks.dropout import Dropout

    shape = shape_for(settings, examples)
    outputs = _outputs(examples, cost)
    layers: list[Layer] = []
    if settings.network == "lenet":
        layers, (width,) = _convolutions(shape, settings.activation)
    else:
        (width,) = shape
    hidden = settings.hidden if settings.hidden is not None else _HIDDEN[settings.network]
    if settings.layers is not None:
        hidden = _checked_sizes(settings.layers, width, outputs, examples)
    for size in hidden:
        layers.append(Dense(width, size, settings.activation))
        if settings.dropout:
            layers.append(Dropout(settings.dropout))
        width = size
    # Squared distances from rows of 0 and 1 want outputs between them: the book's last layer.
    squared = cost.name == "quadratic" and examples.classes is not None
    layers.append(Dense(width, outputs, "sigmoid" if squared else None))
    return layers


def _outputs(examples: Examples, cost: Cost) -> int:
    if examples.classes is not None:
        return 1 if cost.targets == "binary" else len(examples.classes)
    assert examples.y is not None
    return math.prod(examples.y.shape[1:])


def _checked_sizes(
    sizes: tuple[int, ...], inputs: int, outputs: int, examples: Examples
) -> tuple[int, ...]:
    """Return the hidden ones of the sizes of all layers."""
    right = ",".join(map(str, (inputs, *sizes[1:-1], outputs)))
    if len(sizes) < 2 or sizes[0] != inputs:
        raise Refused(
            f"--layers begins with the inputs, of which {examples.title} has {inputs}, not "
            f"{sizes[0]}: --layers {right}, or --hidden for the layers between."
        )
    if sizes[-1] != outputs:
        what = "one output"
        if examples.classes is not None and outputs > 1:
            what = f"an output for each of the {outputs} classes"
        elif outputs > 1:
            what = f"{outputs} outputs"
        raise Refused(
            f"--layers ends with {what} of {examples.title}, not {sizes[-1]}: --layers {right}."
        )
    return sizes[1:-1]


def _convolutions(shape: tuple[int, ...], activation: str) -> tuple[list[Layer], tuple[int, ...]]:
    """Return LeNet-5's convolutions for images of any size, and how many numbers leave them.

    Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998), section II,
    with the activation of today's networks and the largest of four numbers for their mean.
    """
    from ..networks.convolution import Conv2D
    from ..networks.flatten import Flatten
    from ..networks.forward import shape_through
    from ..networks.pooling import MaxPool2D

    # As there, the second convolution has no padding; small images have no pixels to spare.
    padding: Any = 0 if min(shape[1:]) >= 20 else "same"
    layers: list[Layer] = [
        Conv2D(shape[0], 6, 5, activation, padding="same"),
        MaxPool2D(2),
        Conv2D(6, 16, 5, activation, padding=padding),
        MaxPool2D(2),
        Flatten(),
    ]
    return layers, shape_through(layers, shape)


# ---------------------------------------------------------------------- the optimizer


def learning_rate_of(settings: Settings) -> float | None:
    """Return the learning rate to begin with; None for an optimizer that has none."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    return OPTIMIZERS[settings.optimizer][1]


def epochs_for(settings: Settings, rows: int) -> int:
    """Return how many epochs there are; by default more of a small set, for as many steps."""
    if settings.epochs is not None:
        return settings.epochs
    return min(max(_EPOCHS, math.ceil(_SEEN / rows)), _MOST_EPOCHS)


def optimizer_for(settings: Settings, rows: int) -> Any:
    """Return the optimizer, for so many rows to learn from."""
    import chainrule as cr

    name = OPTIMIZERS[settings.optimizer][0]
    kind = getattr(cr, name)
    rate = learning_rate_of(settings)
    if rate is None:
        return kind()
    steps = epochs_for(settings, rows) * math.ceil(rows / min(settings.batch_size, rows))
    more: dict[str, Any] = {}
    if name == "SGD":
        momentum = 0.0 if settings.optimizer == "sgd" else 0.9
        more["momentum"] = momentum if settings.momentum is None else settings.momentum
        more["nesterov"] = settings.optimizer == "nesterov"
    optimizer = kind(_schedule(settings.schedule, rate, float(max(steps, 2))), **more)
    if settings.clip_norm is not None:
        optimizer = cr.Clipped(optimizer, norm=settings.clip_norm)
    if settings.max_norm is not None:
        optimizer = cr.MaxNorm(optimizer, settings.max_norm)
    return optimizer


def _schedule(name: str, rate: float, steps: float) -> Any:
    """Return the learning rate of each of so many steps."""
    from ..training import schedules

    if name == "step":
        return schedules.StepDecay(rate, every=max(steps // 3, 1.0))
    if name == "exponential":
        return schedules.ExponentialDecay(rate, every=steps, factor=0.01)
    if name == "cosine":
        return schedules.CosineDecay(rate, steps=steps)
    if name == "warm-up":
        rise = max(steps // 10, 1.0)
        return schedules.WarmUp(rise, schedules.CosineDecay(rate, steps=max(steps - rise, 1.0)))
    if name == "one-cycle":
        return schedules.OneCycle(rate, steps=steps)
    if name == "plateau":
        return schedules.Plateau(rate, patience=5)
    return rate


def fraction_held_out(settings: Settings, examples: Examples) -> float:
    """Return which part of the examples is held out to look at after each epoch.

    A set with a test set of its own shows that, unless something is chosen by the numbers: what is
    chosen by looking at a test set is no longer tested by it.
    """
    if settings.validation is not None:
        return settings.validation
    chooses = settings.early_stopping is not None or settings.schedule == "plateau"
    if examples.test is not None:
        return 0.1 if chooses else 0.0
    return 0.2 if len(examples) >= _FROM_ROWS else 0.0
