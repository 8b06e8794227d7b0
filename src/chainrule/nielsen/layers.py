"""What the book's two networks share: sigmoid layers, their gradient, and their training by `fit`.

Weights are the book's, one row an output, and examples its columns. Training has both the other way
round, examples and weights as rows of the inputs: so a mini-batch is gathered by copying rows, and
no product needs a transpose.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..differentiate.compiled import compile
from ..differentiate.transforms import value_and_grad
from ..errors import DtypeError, NonFiniteCostError, ShapeError
from ..functions import sigmoid
from ..tracing.sites import for_users, here
from ..tracing.traced import Traced
from ..training.batches import generator_of, whole
from ..training.fit import fit
from ..training.history import History
from .costs import checked_cost, total
from .pairs import Array, Examples, read
from .saturation import DeadOutput

Pairs = Iterable[tuple[Any, Any]]
Layers = list[tuple[Any, Any]]
"""Weights (n_in, n_out) and biases (n_out,) of each layer: how training has them."""

CHUNK = 4096  # rows that are looked at in one go: their hidden layers stay small
WATCHED = 1000  # training examples on which dead outputs are looked for, where no others are given
ONE_THREAD = 1 << 20  # products a step: below, threads wait for each other longer than they work


class SigmoidLayers:
    """A network of sigmoid layers.

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the inputs first.
    cost : class or object with `fn`
        What is to become small.
    seed : int, Generator or None
        Of the initial biases and weights and of the order of the examples.
    dtype : "float64" or "float32"
        Of weights, biases and all that is computed with them.
    """

    sizes: list[int]
    num_layers: int
    biases: list[Array]
    weights: list[Array]
    history: History

    def __init__(self, sizes: Sequence[int], cost: Any, seed: Any, dtype: Any) -> None:
        self.sizes = _checked_sizes(sizes)
        self.num_layers = len(self.sizes)
        self.cost = checked_cost(cost)
        self.dtype = _checked_dtype(dtype)
        self._generator = generator_of(seed)
        self.history = History()

    @property
    def notes(self) -> list[str]:
        """What the last training has to say, such as which outputs are dead."""
        return self.history.notes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sizes}, {self.dtype})"

    def _draw(self, scale: Callable[[int], float]) -> None:
        """Draw biases from N(0, 1), then weights from N(0, scale(n_in)²)."""
        normal, dtype = self._generator.standard_normal, self.dtype
        self.biases = [normal((n, 1)).astype(dtype) for n in self.sizes[1:]]
        self.weights = [
            (normal((n_out, n_in)) * scale(n_in)).astype(dtype)
            for n_in, n_out in pairwise(self.sizes)
        ]

    @for_users
    def feedforward(self, a: Any) -> Any:
        """Return the outputs for inputs `a`.

        Parameters
        ----------
        a : ndarray, shape (n_in, 1) or (n_in, n)
            A column vector, or several side by side. It may be traced: `cr.grad` of what you make
            of the outputs is then the gradient along the inputs.

        Returns
        -------
        ndarray, shape (n_out, 1) or (n_out, n)

        Raises
        ------
        ShapeError, DtypeError
            If `a` is no column of the network's inputs, or not of numbers.
        """
        shape = np.shape(a)
        if len(shape) != 2 or shape[0] != self.sizes[0]:
            raise ShapeError(
                f"{here()}feedforward takes a column vector of shape ({self.sizes[0]}, 1), not "
                f"{shape}." + (" Write .reshape(-1, 1)." if shape == (self.sizes[0],) else "")
            )
        if not isinstance(a, Traced) and np.asarray(a).dtype.kind not in "fiub":
            raise DtypeError(f"{here()}feedforward takes numbers, not {np.asarray(a).dtype}")
        return sigmoid(_weighted(*self._checked(), a))

    @for_users
    def backprop(self, x: Any, y: Any) -> tuple[list[Array], list[Array]]:
        """Return the gradient of the cost of one example, layer by layer.

        Parameters
        ----------
        x : ndarray, shape (n_in, 1)
            The inputs.
        y : ndarray, shape (n_out, 1), or int
            What the network is to give, or which output is to be the largest.

        Returns
        -------
        nabla_b, nabla_w : list of ndarray
            In the shapes of `biases` and `weights`.
        """
        _, nabla_b, nabla_w = self._gradient(read([(x, y)], self.sizes, self.dtype, "the example"))
        return nabla_b, nabla_w

    # ------------------------------------------------------------------ for the two networks

    def _read(self, data: Any, what: str) -> Examples:
        return read(data, self.sizes, self.dtype, what)

    def _gradient(self, examples: Examples) -> tuple[float, list[Array], list[Array]]:
        """Return the cost of examples, summed, and its gradient in the book's shapes."""
        parameters = self._checked()
        value, nabla = _gradient_of(self.cost)(parameters, examples.inputs.T, examples.targets.T)
        return value, *nabla

    def _move(self, mini_batch: Pairs, eta: Any, lmbda: Any = 0.0, n: Any = 1) -> None:
        """Do one step of gradient descent, one of those that an epoch over n examples has."""
        examples = self._read(mini_batch, "mini_batch")
        eta = number(eta, "eta")
        kept, rate = _kept(eta, lmbda, whole(n, "n", 1)), eta / len(examples)
        _, nabla_b, nabla_w = self._gradient(examples)
        biases, weights = self._checked()
        self.biases = [b - rate * nb for b, nb in zip(biases, nabla_b, strict=True)]
        self.weights = [kept * w - rate * nw for w, nw in zip(weights, nabla_w, strict=True)]

    def _train(
        self, training: Examples, epochs: Any, mini_batch_size: Any, eta: Any, lmbda: Any,
        look: Callable[[Layers], dict[str, float]], after: Callable[[int], bool],
    ) -> None:  # fmt: skip
        """Run epochs of mini-batches, and leave what came of them in weights and biases.

        Parameters
        ----------
        training : Examples
            What to learn from.
        epochs, mini_batch_size, eta, lmbda
            As the caller gave them.
        look : callable
            Gives numbers for the history from the layers, after each epoch.
        after : callable
            Called after that with the number of the epoch, from 0; True ends the training.
        """
        epochs, size = whole(epochs, "epochs", 0), whole(mini_batch_size, "mini_batch_size", 1)
        eta = number(eta, "eta")
        kept, cost = _kept(eta, lmbda, len(training)), self.cost
        size = min(size, len(training))
        products = size * sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

        def mean_cost(layers: Layers, x: Any, y: Any) -> Any:
            return total(cost, _weighted_rows(layers, x), y) / len(x)

        self.history = History()
        try:
            result = fit(
                mean_cost,
                self._layers(),
                (training.inputs, training.targets),
                epochs=epochs,
                batch_size=size,
                optimizer=_BookDescent(eta, kept),
                seed=self._generator,
                validation=look,
                callback=lambda epoch, _: after(epoch - 1),
                progress=False,
                machine="native",
                threads=1 if products < ONE_THREAD else None,
            )
        except NonFiniteCostError as error:
            self._take(error.result)
            raise
        self._take(result)
        if result.interrupted:
            print(f"Stopped by Ctrl-C after {result.epochs} epochs")

    def _tell(self, training: Examples, dead: Sequence[DeadOutput]) -> None:
        """Note and print what a person should know of the training that has just ended."""
        notes = [str(output) for output in dead]
        if self.sizes[-1] > 1 and len(training) > 1 and training.has_classes:
            labels = training.labels
            if (labels == labels[0]).all():
                notes.insert(
                    0,
                    f"training_data holds one class only, {labels[0]}, in all {len(training)} "
                    "examples: there is nothing to tell apart. Give examples of two classes or "
                    "more.",
                )
        self.notes.extend(notes)
        for note in notes:
            print(f"Note: {note}")

    def _layers(self) -> Layers:
        biases, weights = self._checked()
        return [
            (np.ascontiguousarray(w.T), b[:, 0].copy())
            for b, w in zip(biases, weights, strict=True)
        ]

    def _take(self, result: Any) -> None:
        self.weights = [np.ascontiguousarray(w.T) for w, _ in result.parameters]
        self.biases = [b.reshape(-1, 1) for _, b in result.parameters]
        self.history = result.history

    def _checked(self) -> tuple[list[Array], list[Array]]:
        """Return biases and weights, which the user may have changed, as arrays that fit."""
        found = []
        for name, sizes in (
            ("biases", [(n, 1) for n in self.sizes[1:]]),
            ("weights", [(n_out, n_in) for n_in, n_out in pairwise(self.sizes)]),
        ):
            arrays = [np.asarray(array, self.dtype) for array in getattr(self, name)]
            shapes = [array.shape for array in arrays]
            if shapes != sizes:
                raise ShapeError(
                    f"{here()}a network of sizes {self.sizes} has {name} of shapes "
                    f"{', '.join(map(str, sizes))}, not {', '.join(map(str, shapes)) or 'none'}"
                )
            found.append(arrays)
        return found[0], found[1]


def weighted_of(layers: Layers, inputs: Array) -> Array:
    """Return the weighted inputs of the output layer, one example a row."""
    parts = [
        _weighted_rows(layers, inputs[start : start + CHUNK])
        for start in range(0, len(inputs), CHUNK)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def correct(outputs: Array, examples: Examples) -> int:
    """Return for how many examples the largest output is the right one."""
    return int((outputs.argmax(axis=1) == examples.labels).sum())


def _weighted_rows(layers: Layers, a: Any) -> Any:
    z = None
    for w, b in layers:
        a = a if z is None else sigmoid(z)
        z = a @ w + b
    return z


def _weighted(biases: Sequence[Any], weights: Sequence[Any], a: Any) -> Any:
    z = None
    for b, w in zip(biases, weights, strict=True):
        a = a if z is None else sigmoid(z)
        z = w @ a + b
    return z


@functools.lru_cache(maxsize=32)
def _gradient_of(cost: Any) -> Any:
    """Return the compiled gradient for a cost: all networks of the same sizes share its code."""

    def cost_of(parameters: Any, x: Any, y: Any) -> Any:
        biases, weights = parameters
        return total(cost, _weighted(biases, weights, x).T, y.T)

    return compile(value_and_grad(cost_of))


@dataclass(frozen=True)
class _BookDescent:
    """w ← kept · w - eta · g, and biases without `kept`: the book's eqs. 93 and 94.

    The numbers are state, not constants of the circuit: another eta needs no other machine code.
    """

    eta: float
    kept: float

    def init(self, parameters: Any) -> dict[str, float]:
        return {"eta": self.eta, "kept": self.kept}

    def update(self, parameters: Layers, gradients: Layers, state: Any) -> tuple[Layers, Any]:
        eta, kept = state["eta"], state["kept"]
        moved = [
            (kept * w - eta * gw, b - eta * gb)
            for (w, b), (gw, gb) in zip(parameters, gradients, strict=True)
        ]
        return moved, state


def _checked_sizes(sizes: Any) -> list[int]:
    try:
        found = [operator.index(size) for size in sizes]
    except TypeError:
        found = []
    if len(found) < 2 or min(found) < 1:
        raise ValueError(
            f"{here()}sizes must be two or more whole numbers of neurons, such as [784, 30, 10], "
            f"not {sizes!r}"
        )
    return found


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found not in (np.float64, np.float32):
        raise DtypeError(f"{here()}dtype must be 'float64' or 'float32', not {dtype!r}")
    return found


def _kept(eta: float, lmbda: Any, n: int) -> float:
    """Return the part of themselves that weights keep in a step (the book's eq. 93)."""
    return 1.0 - eta * (number(lmbda, "lmbda") / n)


def number(value: Any, name: str) -> float:
    """Return a setting as a float, 0 or more and finite.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0.0 <= found < math.inf:
        raise ValueError(f"{here()}{name} must be a number, 0 or more, not {value!r}")
    return found
