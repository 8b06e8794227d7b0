"""The experiments of Nielsen's chapters 1 and 3 on MNIST, over several seeds.

    python examples/recipes/book_experiments.py --data FOLDER
    python examples/recipes/book_experiments.py costs weights --seeds 3

M. Nielsen, "Neural Networks and Deep Learning" (2015). The settings are the book's; each table says
what it measured. The page docs/recipes/book-experiments.md shows a run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.nielsen import network, network2


class Data(NamedTuple):
    """Pairs (x, y) as the book has them."""

    training: list[Any]
    test: list[Any]

    @property
    def inputs(self) -> int:
        """How many pixels an image has."""
        return len(self.test[0][0])


class Plan(NamedTuple):
    """How often, and how long compared with the book."""

    seeds: Sequence[int]
    part: float = 1.0  # of the epochs

    def epochs(self, of_the_book: int) -> int:
        """Return how many epochs to train where the book has so many."""
        return max(1, round(of_the_book * self.part))


class Run(NamedTuple):
    """What one training came to: accuracies in percent by epoch, and seconds."""

    test: list[float]
    training: list[float]
    training_cost: list[float]
    test_cost: list[float]
    seconds: float


def pairs(images: Any, labels: Any) -> list[Any]:
    """Return (column, label) for each image."""
    return [(x.reshape(-1, 1), int(y)) for x, y in zip(images, labels, strict=True)]


def mnist(folder: str | None) -> Data:
    """Return the book's 50,000 training and 10,000 test images."""
    digits = cr.data.mnist(folder)
    training, _, test = digits.split()
    return Data(pairs(training.images, training.labels), pairs(test.images, test.labels))


def small() -> Data:
    """Return the embedded digits: to see that the script runs."""
    training, test = cr.data.load_digits().split(seed=0)
    return Data(pairs(training.images, training.labels), pairs(test.images, test.labels))


def train(
    data: Data, hidden: int, epochs: int, eta: float, *, seed: int, cost: Any = None,
    lmbda: float = 0.0, large: bool = False, images: int | None = None, watch: bool = False,
) -> Run:  # fmt: skip
    """Train one network of chapter 3 in mini-batches of 10."""
    training = data.training[:images]
    cost = network2.CrossEntropyCost if cost is None else cost
    net = network2.Network([data.inputs, hidden, 10], cost, seed=seed, dtype="float32")
    if large:
        net.large_weight_initializer()
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        test_cost, right, training_cost, training_right = net.SGD(
            training, epochs, 10, eta, lmbda, data.test, monitor_evaluation_accuracy=True,
            monitor_training_accuracy=watch, monitor_training_cost=watch,
            monitor_evaluation_cost=watch,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    of_test, of_training = 100 / len(data.test), 100 / len(training)
    return Run(
        [of_test * n for n in right], [of_training * n for n in training_right],
        training_cost, test_cost, seconds,
    )  # fmt: skip


# ---------------------------------------------------------------------- the experiments


def neuron(data: Data | None = None, plan: Plan | None = None) -> None:
    """Teach one sigmoid neuron to give 0 for the input 1."""

    def quadratic(p, x, y):
        return 0.5 * np.mean((cr.sigmoid(p["w"] * x + p["b"]) - y) ** 2)

    def cross_entropy(p, x, y):
        z = p["w"] * x + p["b"]
        return np.mean(cr.functions.softplus(z) - y * z)

    x, y = np.array([1.0]), np.array([0.0])
    print("| cost | w = b | output at epochs 0, 50, 100, 150, 200, 250, 300 |")
    print("|---|---|---|")
    for cost in (quadratic, cross_entropy):
        for start in ({"w": 0.6, "b": 0.9}, {"w": 2.0, "b": 2.0}):
            outputs = [cr.sigmoid(start["w"] + start["b"])]
            state, p = None, start
            for _ in range(6):
                found = cr.fit(cost, p, (x, y), epochs=50, optimizer=cr.SGD(0.15), state=state)
                state, p = found.state, found.parameters
                outputs.append(cr.sigmoid(p["w"] + p["b"]))
            shown = ", ".join(f"{a:.2f}" for a in outputs)
            print(f"| {cost.__name__} | {start['w']}, {start['b']} | {shown} |")


def costs(data: Data, plan: Plan) -> None:
    """Train chapter 1's network, and the same with the cross-entropy."""
    epochs = plan.epochs(30)
    dead: list[str] = []
    head("network", "epochs", plan)
    for hidden in (30, 100):
        chapter_1 = [_chapter_1(data, hidden, epochs, seed, dead) for seed in plan.seeds]
        row(f"quadratic, eta 3.0, {hidden} hidden", epochs, chapter_1)
        crossed = [train(data, hidden, epochs, 0.5, seed=seed, large=True) for seed in plan.seeds]
        row(f"cross-entropy, eta 0.5, {hidden} hidden", epochs, crossed)
    print("", *dead, sep="\n")


def _chapter_1(data: Data, hidden: int, epochs: int, seed: int, dead: list[str]) -> Run:
    net = network.Network([data.inputs, hidden, 10], seed=seed, dtype="float32")
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        net.SGD(data.training, epochs, 10, 3.0, test_data=data.test)
    seconds = time.perf_counter() - start
    dead += [f"{hidden} hidden, seed {seed}: {note}" for note in net.notes]
    lines = [line.split() for line in printed.getvalue().splitlines() if line.startswith("Epoch ")]
    return Run([100 * int(line[2]) / int(line[4]) for line in lines], [], [], [], seconds)


def overfitting(data: Data, plan: Plan) -> None:
    """Overfit a thousand images in four hundred epochs, without regularisation and with it."""
    epochs = plan.epochs(400)
    lowest = []
    head("1,000 images, eta 0.5, 30 hidden", "epochs", plan)
    for lmbda in (0.0, 0.1):
        runs = [
            train(data, 30, epochs, 0.5, seed=s, lmbda=lmbda, large=True, images=1000, watch=True)
            for s in plan.seeds
        ]
        row(f"lambda {lmbda}: test", epochs, runs)
        row(f"lambda {lmbda}: training", epochs, runs, training=True)
        lowest.append(sorted(1 + int(np.argmin(run.test_cost)) for run in runs))
    print(f"\nThe cost on the test images was lowest after these epochs: without {lowest[0]},")
    print(f"with regularisation {lowest[1]}.")


def regularisation(data: Data, plan: Plan) -> None:
    """Learn all images without regularisation, with it, and with more neurons."""
    head("50,000 images", "epochs", plan)
    for hidden, epochs, eta, lmbda in (
        (30, 30, 0.5, 0.0), (30, 30, 0.5, 5.0), (100, 30, 0.5, 5.0), (100, 60, 0.1, 5.0),
    ):  # fmt: skip
        runs = [
            train(data, hidden, plan.epochs(epochs), eta, seed=seed, lmbda=lmbda, large=True)
            for seed in plan.seeds
        ]
        row(f"{hidden} hidden, eta {eta}, lambda {lmbda}", plan.epochs(epochs), runs)


def weights(data: Data, plan: Plan) -> None:
    """Begin with weights from N(0, 1), and from N(0, 1/n)."""
    for epochs in (1, 30):
        head("eta 0.1, lambda 5.0", "epochs", plan)
        for hidden in (30, 100):
            for large in (True, False):
                runs = [
                    train(data, hidden, plan.epochs(epochs), 0.1, seed=s, lmbda=5.0, large=large)
                    for s in plan.seeds
                ]
                name = f"{hidden} hidden, {'N(0, 1)' if large else 'N(0, 1/n)'}"
                row(name, plan.epochs(epochs), runs)
        print()


# ---------------------------------------------------------------------- the tables


def head(what: str, epochs: str, plan: Plan) -> None:
    """Print the head of a table."""
    seeds = ", ".join(map(str, plan.seeds))
    print(
        f"| {what} | {epochs} | % right after the last, seeds {seeds} | median | best | seconds |"
    )
    print("|---|---|---|---|---|---|")


def row(name: str, epochs: int, runs: Sequence[Run], *, training: bool = False) -> None:
    """Print what several seeds came to."""
    of = [run.training if training else run.test for run in runs]
    last = [accuracies[-1] for accuracies in of]
    best = statistics.median(max(accuracies) for accuracies in of)
    seconds = min(run.seconds for run in runs)
    shown = " ".join(f"{a:.2f}" for a in last)
    middle = statistics.median(last)
    print(
        f"| {name} | {epochs} | {shown} | {middle:.2f} | {best:.2f} | {seconds:.1f} |", flush=True
    )


EXPERIMENTS: dict[str, Callable[[Data, Plan], None]] = {
    "neuron": neuron,
    "costs": costs,
    "overfitting": overfitting,
    "regularisation": regularisation,
    "weights": weights,
}


def chosen(names: Sequence[str]) -> Iterator[tuple[str, Callable[[Data, Plan], None]]]:
    """Yield the experiments that were named, or all."""
    for name, experiment in EXPERIMENTS.items():
        if not names or name in names:
            yield name, experiment


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiments that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("experiments", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all if none")
    parser.add_argument("--data", help="the folder with MNIST, or where to download it to")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on")
    parser.add_argument("--part", type=float, default=1.0, help="of the book's epochs")
    parser.add_argument("--small", action="store_true", help="the embedded digits, not MNIST")
    asked = parser.parse_args(arguments)
    for name in asked.experiments:
        if name not in EXPERIMENTS:
            parser.error(f"there is no experiment {name}: choose of {', '.join(EXPERIMENTS)}")
    if asked.seeds < 1 or asked.part <= 0.0:
        parser.error("--seeds must be 1 or more, and --part larger than 0")
    try:
        no_mnist = asked.small or asked.experiments == ["neuron"]  # which looks at no images
        data = small() if no_mnist else mnist(asked.data)
    except (cr.ChainruleError, OSError) as error:
        parser.exit(1, f"{error}\nWith --small it takes the digits that come with chainrule.\n")
    plan = Plan(range(asked.seeds), asked.part)
    for name, experiment in chosen(asked.experiments):
        print(f"\n{name}: {(experiment.__doc__ or '').splitlines()[0]}\n")
        experiment(data, plan)


if __name__ == "__main__":
    main()
