"""The network of the book's chapter 1: sigmoid layers, quadratic cost, mini-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..differentiate.transforms import grad
from ..functions import sigmoid
from ..tracing.sites import for_users
from .costs import QuadraticCost, sigmoid_prime
from .layers import WATCHED, Layers, Pairs, SigmoidLayers, correct, weighted_of
from .saturation import DeadOutput, dead_outputs

__all__ = ["Network", "QuadraticCost", "sigmoid", "sigmoid_prime"]


class Network(SigmoidLayers):
    """The book's network.

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the inputs first: `[784, 30, 10]`.
    seed : int, numpy.random.Generator or None
        Of the initial biases, then weights, N(0, 1), then the order of the examples in each epoch.
        NumPy's global generator is never touched.
    dtype : {"float64", "float32"}
        Of weights, biases and all that is computed with them. float32 is about twice as fast.

    Attributes
    ----------
    sizes : list of int
        As given.
    num_layers : int
        How many layers, the inputs counted.
    weights : list of ndarray, shape (n_out, n_in)
        Of each layer but the inputs.
    biases : list of ndarray, shape (n_out, 1)
        Likewise. Both may be changed or replaced at any time: they are the network's state.
    history : History
        Of the last `SGD`: by epoch the mean `"cost"` of the training examples as they came, with
        test data how many were `"correct"`, how many `"dead_outputs"` there were, and `"seconds"`.
    notes : list of str
        What the last `SGD` has to say: one note for each output that was dead at its end, and one
        if all of the training examples were of one class.

    Notes
    -----
    M. Nielsen, "Neural Networks and Deep Learning" (2015), chapter 1.

    Examples
    --------
    >>> from chainrule.nielsen import network
    >>> net = network.Network([2, 3, 1], seed=0)
    >>> [w.shape for w in net.weights], [b.shape for b in net.biases]
    ([(3, 2), (1, 3)], [(3, 1), (1, 1)])
    >>> x, y = np.array([[0.5], [-1.0]]), np.array([[1.0]])
    >>> nabla_b, nabla_w = net.backprop(x, y)
    >>> net.feedforward(x).shape, nabla_w[0].shape
    ((1, 1), (3, 2))
    """

    @for_users
    def __init__(self, sizes: Sequence[int], *, seed: Any = None, dtype: Any = "float64") -> None:
        super().__init__(sizes, QuadraticCost, seed, dtype)
        self._draw(lambda n_in: 1.0)

    @for_users
    def SGD(  # noqa: N802, the book's name
        self,
        training_data: Pairs,
        epochs: int,
        mini_batch_size: int,
        eta: float,
        test_data: Pairs | None = None,
    ) -> None:
        """Train by mini-batches, and print a line after each epoch.

        Parameters
        ----------
        training_data : iterable of (x, y)
            Columns of shape (n_in, 1) and (n_out, 1), or an integer label for `y`. The list stays
            as it is: shuffled is the order in which it is used.
        epochs : int
            How often every example is seen.
        mini_batch_size : int
            Examples of a step; the last one of an epoch has what is left.
        eta : float
            Learning rate: step against the mean gradient, parameter units per gradient unit.
        test_data : iterable of (x, y), optional
            After each epoch it is printed how many of these are read right.

        Raises
        ------
        ShapeError, DtypeError, ValueError
            If the data does not fit the network. Nothing is changed then.
        NonFiniteCostError
            If the cost or a weight becomes nan or infinite. The network is left as it was before
            that epoch.

        Notes
        -----
        Ctrl-C ends the training after the epoch, a second one after the steps that are running;
        weights and history are kept.
        """
        training = self._read(training_data, "training_data")
        test = None if test_data is None else self._read(test_data, "test_data")
        watched = training.some(WATCHED) if test is None else test
        dead: list[DeadOutput] = []
        right = 0

        def look(layers: Layers) -> dict[str, float]:
            nonlocal right
            outputs = sigmoid(weighted_of(layers, watched.inputs))
            dead[:] = dead_outputs(outputs, watched)
            seen = {"dead_outputs": float(len(dead))}
            if test is not None:
                right = correct(outputs, test)
                seen["correct"] = float(right)
            return seen

        def after(epoch: int) -> bool:
            told = " complete" if test is None else f": {right} / {len(test)}"
            print(f"Epoch {epoch}{told}")
            return False

        self._train(training, epochs, mini_batch_size, eta, 0.0, look, after)
        self._tell(training, dead)

    @for_users
    def update_mini_batch(self, mini_batch: Pairs, eta: float) -> None:
        """Do one step of gradient descent on some examples, of mean cost."""
        self._move(mini_batch, eta)

    @for_users
    def evaluate(self, test_data: Pairs) -> int:
        """Return for how many examples the largest output is the right one."""
        examples = self._read(test_data, "test_data")
        return correct(sigmoid(weighted_of(self._layers(), examples.inputs)), examples)

    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        """Return the gradient of the cost along the outputs: `output_activations - y`.

        It is worked out from the cost. Training works out all of its gradient and does not ask
        here.
        """
        return grad(self.cost.fn)(np.asarray(output_activations, self.dtype), y)
