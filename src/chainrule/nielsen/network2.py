"""The network of the book's chapter 3: costs, regularisation, early stopping, monitoring, files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..functions import sigmoid
from ..tracing.sites import for_users, here
from ..training.batches import whole
from .costs import CrossEntropyCost, QuadraticCost, checked_cost, name_of, sigmoid_prime, total
from .files import read_network, write_network
from .layers import WATCHED, Layers, Pairs, SigmoidLayers, correct, number, weighted_of
from .pairs import Array, Examples
from .saturation import DeadOutput, dead_outputs

__all__ = [
    "CrossEntropyCost",
    "Network",
    "QuadraticCost",
    "load",
    "sigmoid",
    "sigmoid_prime",
    "vectorized_result",
]

Monitored = tuple[list[float], list[int], list[float], list[int]]


class Network(SigmoidLayers):
    """The book's network, with the improvements of its chapter 3.

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the inputs first: `[784, 30, 10]`.
    cost : class or object with `fn`
        `CrossEntropyCost`, `QuadraticCost`, or your own: `fn(a, y)` in plain NumPy gives the cost
        of outputs `a` where `y` was wanted, summed over examples, one a column. Its gradient is
        worked out from `fn`; a `delta` is not needed.
    seed : int, numpy.random.Generator or None
        Of the initial biases, then weights, then the order of the examples in each epoch.
    dtype : {"float64", "float32"}
        Of weights, biases and all that is computed with them. float32 is about twice as fast.

    Attributes
    ----------
    sizes, num_layers, weights, biases
        As in `network.Network`. The weights begin as `default_weight_initializer` draws them.
    history : History
        Of the last `SGD`: by epoch the mean `"cost"` of the training examples as they came, without
        regularisation; what was monitored, under the names of the four lists; how many
        `"dead_outputs"` there were; and `"seconds"`.
    notes : list of str
        What the last `SGD` has to say, as in `network.Network`.

    Notes
    -----
    M. Nielsen, "Neural Networks and Deep Learning" (2015), chapter 3.
    """

    @for_users
    def __init__(
        self,
        sizes: Sequence[int],
        cost: Any = CrossEntropyCost,
        *,
        seed: Any = None,
        dtype: Any = "float64",
    ) -> None:
        super().__init__(sizes, cost, seed, dtype)
        self.default_weight_initializer()

    def default_weight_initializer(self) -> None:
        """Draw biases from N(0, 1), and weights from N(0, 1 / n_in): sums stay near 1."""
        self._draw(lambda n_in: 1.0 / math.sqrt(n_in))

    def large_weight_initializer(self) -> None:
        """Draw biases and weights from N(0, 1), as in chapter 1."""
        self._draw(lambda n_in: 1.0)

    @for_users
    def SGD(  # noqa: N802, the book's name
        self,
        training_data: Pairs,
        epochs: int,
        mini_batch_size: int,
        eta: float,
        lmbda: float = 0.0,
        evaluation_data: Pairs | None = None,
        monitor_evaluation_cost: bool = False,
        monitor_evaluation_accuracy: bool = False,
        monitor_training_cost: bool = False,
        monitor_training_accuracy: bool = False,
        early_stopping_n: int = 0,
    ) -> Monitored:
        """Train by mini-batches, and print what is monitored after each epoch.

        Parameters
        ----------
        training_data, epochs, mini_batch_size, eta
            As in `network.Network.SGD`.
        lmbda : float
            L2 regularisation: weights shrink by a factor 1 - eta lmbda / n in each step, n the
            number of training examples; 0 is none. Biases do not shrink.
        evaluation_data : iterable of (x, y), optional
            Validation or test data, in general with integer labels.
        monitor_evaluation_cost, monitor_evaluation_accuracy : bool
            Whether to work out cost and accuracy on the evaluation data after each epoch.
        monitor_training_cost, monitor_training_accuracy : bool
            The same on the training data.
        early_stopping_n : int
            End after so many epochs in a row without a better accuracy on the evaluation data; 0
            never does. The weights are left as they are then.

        Returns
        -------
        evaluation_cost, evaluation_accuracy, training_cost, training_accuracy : list
            One entry an epoch; empty where not monitored. Accuracies count the right ones.

        Raises
        ------
        ShapeError, DtypeError, ValueError
            If the data does not fit the network, or there is nothing to monitor. Nothing is
            changed then.
        NonFiniteCostError
            If the cost or a weight becomes nan or infinite. The network is left as it was before
            that epoch.
        """
        training = self._read(training_data, "training_data")
        evaluation = (
            None if evaluation_data is None else self._read(evaluation_data, "evaluation_data")
        )
        patience = whole(early_stopping_n, "early_stopping_n", 0)
        if evaluation is None and (
            monitor_evaluation_cost or monitor_evaluation_accuracy or patience
        ):
            raise ValueError(
                f"{here()}there is no evaluation_data, on which cost, accuracy and early stopping "
                "depend: give evaluation_data."
            )
        costs: dict[str, list[float]] = {"evaluation": [], "training": []}
        accuracies: dict[str, list[int]] = {"evaluation": [], "training": []}
        plan = (
            ("training", training, monitor_training_cost, monitor_training_accuracy),
            ("evaluation", evaluation, monitor_evaluation_cost, monitor_evaluation_accuracy),
        )
        watched = training.some(WATCHED) if evaluation is None else evaluation
        dead: list[DeadOutput] = []
        lines: list[str] = []
        best, waited = 0, 0

        def look(layers: Layers) -> dict[str, float]:
            nonlocal best, waited
            lines.clear()
            watched_z = weighted_of(layers, watched.inputs)
            outputs = sigmoid(watched_z)
            dead[:] = dead_outputs(outputs, watched)
            seen = {"dead_outputs": float(len(dead))}
            for name, examples, with_cost, with_accuracy in plan:
                if examples is None or not (with_cost or with_accuracy):
                    continue
                same = examples is watched
                z = watched_z if same else weighted_of(layers, examples.inputs)
                if with_cost:
                    cost = self._mean_cost(z, examples) + _decay(layers, lmbda, len(examples))
                    costs[name].append(cost)
                    seen[f"{name}_cost"] = cost
                    lines.append(f"Cost on {name} data: {cost}")
                if with_accuracy:
                    count = correct(sigmoid(z), examples)
                    accuracies[name].append(count)
                    seen[f"{name}_accuracy"] = float(count)
                    lines.append(f"Accuracy on {name} data: {count} / {len(examples)}")
            if patience:
                count = correct(outputs, watched)
                best, waited = (count, 0) if count > best else (best, waited + 1)
            return seen

        def after(epoch: int) -> bool:
            print(f"Epoch {epoch} training complete", *lines, "", sep="\n")
            if patience and waited == patience:
                print(f"Early stopping: no better accuracy in the last {patience} epochs")
                return True
            return False

        self._train(training, epochs, mini_batch_size, eta, lmbda, look, after)
        self._tell(training, dead)
        return (
            costs["evaluation"],
            accuracies["evaluation"],
            costs["training"],
            accuracies["training"],
        )

    @for_users
    def update_mini_batch(self, mini_batch: Pairs, eta: float, lmbda: float, n: int) -> None:
        """Do one step of gradient descent on some examples, of mean cost.

        Parameters
        ----------
        mini_batch : iterable of (x, y)
            The examples.
        eta, lmbda : float
            Learning rate and regularisation, as in `SGD`.
        n : int
            How many training examples there are in all.
        """
        self._move(mini_batch, eta, lmbda, n)

    @for_users
    def accuracy(self, data: Pairs, convert: bool = False) -> int:
        """Return for how many examples the largest output is the right one.

        `convert` is the book's and not needed: whether answers are labels or columns is seen.
        """
        examples = self._read(data, "data")
        return correct(sigmoid(weighted_of(self._layers(), examples.inputs)), examples)

    @for_users
    def total_cost(self, data: Pairs, lmbda: float, convert: bool = False) -> float:
        """Return the mean cost of the examples, with regularisation as for so many of them.

        `convert` is the book's and not needed: whether answers are labels or columns is seen.
        """
        examples, layers = self._read(data, "data"), self._layers()
        cost = self._mean_cost(weighted_of(layers, examples.inputs), examples)
        return cost + _decay(layers, lmbda, len(examples))

    def _mean_cost(self, z: Array, examples: Examples) -> float:
        return float(total(self.cost, z, examples.targets)) / len(examples)

    @for_users
    def save(self, filename: Any) -> None:
        """Write sizes, weights, biases and the cost's name as JSON, whole or not at all."""
        biases, weights = self._checked()
        write_network(filename, self.sizes, weights, biases, name_of(self.cost))


@for_users
def load(filename: Any, cost: Any = None, *, seed: Any = None, dtype: Any = "float64") -> Network:
    """Return the network that a file holds, one of ours or of the book's.

    Parameters
    ----------
    filename : str or path
        What `save` wrote.
    cost : class or object with `fn`, optional
        In place of the one that the file names; needed where that is your own.
    seed, dtype
        As in `Network`, for what is trained from here on.

    Raises
    ------
    DataFileError
        If the file is not such a network.
    OSError
        If it cannot be read.
    """
    sizes, weights, biases, named = read_network(filename, own_cost=cost is not None)
    network = Network(sizes, named if cost is None else checked_cost(cost), seed=seed, dtype=dtype)
    network.weights = [w.astype(network.dtype) for w in weights]
    network.biases = [b.astype(network.dtype) for b in biases]
    return network


def vectorized_result(j: int, classes: int = 10) -> Array:
    """Return a column with 1.0 in place `j` and 0 elsewhere.

    Examples
    --------
    >>> vectorized_result(2, 4).ravel()
    array([0., 0., 1., 0.])
    """
    if not hasattr(j, "__index__") or not 0 <= j < classes:
        raise ValueError(f"{here()}{classes} classes have the labels 0 to {classes - 1}, not {j}")
    column = np.zeros((classes, 1))
    column[j] = 1.0
    return column


def _decay(layers: Layers, lmbda: Any, n: int) -> float:
    """Return the regularisation's part of the cost, lmbda / 2n times all weights squared."""
    squares = sum(float(np.sum(np.square(w, dtype=np.float64))) for w, _ in layers)
    return 0.5 * (number(lmbda, "lmbda") / n) * squares
