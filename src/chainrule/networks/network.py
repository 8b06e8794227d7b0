"""`Network`: layers and a cost, trained, asked, saved.

The layers are settings, the parameters arrays; a forward pass is a plain function of both
(`forward.py`). Training hands one objective to `fit` (`training.py` of this room); asking runs the
same forward pass block by block (`asking.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..differentiate.transforms import grad
from ..errors import DtypeError
from ..tracing.sites import for_users, here
from ..tracing.traced import Traced
from ..training.batches import generator_of
from ..training.history import History
from ..training.result import FitState
from ..training.steps import DEFAULT_MACHINE
from . import forward
from .asking import Asking
from .construction import checked_dtype, checked_layers, checked_strength
from .costs import Cost, cost_of
from .files import load, save
from .inputs import checked_inputs
from .layer import Shape
from .objective import mean_cost
from .onnx_file import export
from .scores import Scores
from .targets import check_lengths, checked_targets
from .training import train

Array = np.ndarray[Any, Any]


class Network:
    """Layers one after the other, with a cost.

    Parameters
    ----------
    *layers : Layer, or one sequence of int
        The layers; or the sizes of Nielsen's network, the inputs first: `[784, 30, 10]` has sigmoid
        layers whose weights and biases are drawn from N(0, 1).
    cost : str, callable or Cost
        What the outputs cost where something else was wanted: "quadratic" (the default),
        "softmax_cross_entropy", "binary_cross_entropy", "cross_entropy", "hinge", "huber",
        "absolute", "poisson"; or a function `(outputs, targets)` in plain NumPy that gives a
        number for each example.
    l1, l2 : float
        What large weights cost beside it: l1 · Σ|w| + l2/2 · Σw², of arrays of two axes and more;
        >= 0, cost units per weight unit.
    seed : int, numpy.random.Generator or None
        Of the first parameters, then of what training draws unless `fit` has a seed.
    dtype : {"float32", "float64"}
        Of the parameters and all that is computed with them.

    Attributes
    ----------
    layers : tuple of Layer
        As given.
    cost : Cost
        Of the outputs.
    parameters : list of dict of str to ndarray
        The parameters of each layer. They may be changed or replaced at any time.
    carried : list of dict of str to ndarray
        What training carries from step to step: running means, random keys.
    history : History
        Of all the training since the network was made, or since the last `fit` without `resume`.
    notes : dict
        What else files are to keep, in JSON's kinds, by names: what the classes are called.

    Examples
    --------
    >>> import chainrule as cr
    >>> x, y = cr.data.xor(200, seed=0)
    >>> net = cr.Network(
    ...     cr.Dense(2, 16, "tanh"), cr.Dense(16, 2), cost="softmax_cross_entropy", seed=1
    ... )
    >>> history = net.fit(x, y, epochs=60, batch_size=20, optimizer=cr.Adam(0.02))
    >>> net.evaluate(x, y)["accuracy"] > 0.95
    True
    >>> net
    Network(Dense(2, 16, 'tanh'), Dense(16, 2), cost='softmax_cross_entropy'): 82 parameters
    """

    @for_users
    def __init__(
        self,
        *layers: Any,
        cost: Any = "quadratic",
        l1: float = 0.0,
        l2: float = 0.0,
        seed: int | np.random.Generator | None = None,
        dtype: Any = "float32",
    ) -> None:
        self.layers = checked_layers(layers)
        self.cost: Cost = cost_of(cost)
        self.l1, self.l2 = checked_strength(l1, "l1"), checked_strength(l2, "l2")
        self.dtype = checked_dtype(dtype)
        self.generator = generator_of(seed)
        self.parameters, self.carried = forward.begun(self.layers, self.generator, self.dtype)
        self.history = History()
        self.notes: dict[str, Any] = {}
        self.state: FitState | None = None  # of the last training, with its own parameters
        self.last: tuple[Any, Any] | None = None
        self._asking: dict[bool, Asking] = {}

    # ------------------------------------------------------------------ training

    @for_users
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int | None = 32,
        optimizer: Any = None,
        validation_data: Any = None,
        validation_fraction: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        metrics: Any = None,
        early_stopping: Any = None,
        callback: Any = None,
        log: Any = None,
        checkpoint: Any = None,
        resume: bool = False,
        progress: bool | None = None,
        seed: int | np.random.Generator | None = None,
        shuffle: bool = True,
        replace: bool = False,
        machine: str = DEFAULT_MACHINE,
        threads: int | None = None,
    ) -> History:
        """Train the network on examples.

        Parameters
        ----------
        x : array, shape (n, ...), or batches
            The examples: arrays, tables of pandas or polars, memory-mapped files, or what
            `cr.data.convert` gives. Or batches as they come, tuples (x, y) or (x, y, weights): an
            object that can be gone through once an epoch, or a function that gives the batches of
            epoch 0, 1, ...; then `y`, `batch_size`, `shuffle` and weights stay out.
        y : array, shape (n,) or (n, outputs)
            What is wanted for them: labels from 0 on, or numbers, as the cost takes them.
        epochs : int
            How often every example is seen; with `resume`, those already done counted.
        batch_size : int, optional
            Examples of a step, at most as many as there are: 1 is stochastic gradient descent,
            None the full batch.
        optimizer : Optimizer, optional
            `Adam(0.001)` by default.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Examples held out: after each epoch their `"val_cost"`, without what weights cost, and
            metrics are recorded.
        validation_fraction : float
            Instead: which part of the examples to hold out, between 0 and 1, drawn by the seed.
        sample_weight : array, shape (n,), optional
            How much each example counts, in its part of `validation_fraction` too; >= 0. Weights
            are scaled to a mean of 1.
        class_weight : dict or "balanced", optional
            How much each class counts, by its label.
        metrics : sequence of str or callable, optional
            By default "accuracy" for classes and "r2" for numbers; on held-out examples only.
        early_stopping : EarlyStopping, int or bool, optional
            End when so many epochs brought no new best, True for 10, and keep the best parameters.
        callback : callable or sequence of them, optional
            `callback(epoch, result)` after each epoch; True ends the training.
        log : str, path or sequence of them, optional
            Files for the numbers of each epoch: `run.jsonl`, `run.csv`, a folder for TensorBoard.
        checkpoint : str or path, optional
            A file that the training is written to after each epoch, and when it ends.
        resume : bool
            Whether to go on from the checkpoint, if there is one, as if it had not been stopped, to
            the bit; without a checkpoint, from where the last `fit` ended.
        progress : bool, optional
            Whether to tell on stderr how far it is. None: only in a terminal.
        seed : int, numpy.random.Generator or None
            Of the shuffles. None: the generator of the network.
        shuffle, replace, machine, threads
            As in `cr.fit`.

        Returns
        -------
        History
            `"cost"`, with what weights cost, `"val_..."` and `"seconds"` of each epoch.

        Raises
        ------
        ShapeError, DtypeError, ValueError
            If examples, targets or weights do not fit the network; nothing is changed then.
        NonFiniteCostError
            If the cost or a parameter becomes nan or infinite. The network is left as it was
            after the last good epoch.

        Notes
        -----
        Ctrl-C ends the training after the epoch, a second one after the steps that are running;
        weights and history are kept.
        """
        return train(
            self, x, y, epochs=epochs, batch_size=batch_size, optimizer=optimizer,
            validation_data=validation_data, validation_fraction=validation_fraction,
            sample_weight=sample_weight, class_weight=class_weight, metrics=metrics,
            early_stopping=early_stopping, callback=callback, log=log, checkpoint=checkpoint,
            resume=resume, progress=progress, seed=seed, shuffle=shuffle, replace=replace,
            machine=machine, threads=threads,
        )  # fmt: skip

    # ------------------------------------------------------------------ asking

    @for_users
    def outputs(self, x: Any) -> Any:
        """Return what the last layer gives for each example.

        Parameters
        ----------
        x : array, shape (n, ...)
            The examples; may be traced: `cr.grad(lambda x: np.sum(net.outputs(x)))(x)`.
        """
        return self._ask(x, with_link=True)

    __call__ = outputs

    @for_users
    def predict(self, x: Any) -> Array:
        """Return what is predicted for each example: its class from 0 on, or numbers.

        Which of them, the cost says. With "quadratic" and functions of your own it depends on
        the targets of the last `fit`: labels, or numbers.
        """
        found: Array = self.cost.decide(self._ask(x))
        return found

    @for_users
    def predict_proba(self, x: Any) -> Array:
        """Return the probability of each class for each example, shape (n, classes).

        Raises
        ------
        TypeError
            If the cost gives the outputs no such meaning.
        """
        if self.cost.probabilities is None:
            raise TypeError(
                f"{here()}outputs have no probabilities under the cost {self.cost.name}: train "
                "with cost='softmax_cross_entropy' or 'binary_cross_entropy', or look at .outputs."
            )
        found: Array = self.cost.probabilities(self._ask(x))
        return found

    @for_users
    def evaluate(
        self, x: Any, y: Any, *, metrics: Any = None, sample_weight: Any = None
    ) -> dict[str, float]:
        """Return the mean cost of examples, without what weights cost, and metrics.

        Parameters
        ----------
        x, y : array
            Examples and what is wanted for them.
        metrics : sequence of str or callable, optional
            By default "accuracy" for classes and "r2" for numbers.
        sample_weight : array, shape (n,), optional
            How much each example counts.
        """
        return Scores(self, x, y, sample_weight, metrics=metrics).of(self.parameters, self.carried)

    @for_users
    def cost_at(self, x: Any, y: Any) -> Any:
        """Return the mean cost of examples as a function of plain NumPy, which can be traced.

        `cr.trace(net.cost_at, x, y)` shows the circuit; it is as `evaluate` has it, not as
        training does: dropout is off.
        """
        cost, targets = self._settled(x, y)
        return mean_cost(cost, self._ask(x), targets)

    @for_users
    def input_gradient(self, x: Any, y: Any = None) -> Array:
        """Return along which change of each input its cost grows.

        Parameters
        ----------
        x : array, shape (n, ...)
            The examples.
        y : array, optional
            What is wanted for them. None: what the network predicts.

        Returns
        -------
        ndarray
            The gradient of each example's own cost, in the shape of `x`.
        """
        if self.layers[0].reads_integers:
            raise DtypeError(f"{here()}the first layer takes integers, which have no gradient")
        examples = checked_inputs(x, self.layers[0], self.reads, "x")
        x = np.asarray(examples).astype(self.dtype, copy=False)
        if y is None:
            y = self.predict(x)
        cost, targets = self._settled(x, y)
        layers = forward.without_link(self.layers, cost.link)

        def total(inputs: Any) -> Any:
            outputs = forward.predict(layers, self.parameters, self.carried, inputs)
            return np.sum(cost.each(outputs, targets))

        found: Array = grad(total)(x)
        return found

    # ------------------------------------------------------------------ files

    @for_users
    def save(self, path: Any) -> None:
        """Write the network to a safetensors file, whole or not at all; see `load`.

        Raises
        ------
        TypeError, ValueError
            If a layer, an activation or the cost is of your own making, which no file can hold.
        OSError
            If it cannot be written; what was there before is still there.
        """
        save(self, path)

    @staticmethod
    @for_users
    def load(path: Any) -> Network:
        """Return the network that `save` wrote, or that a checkpoint of `fit` holds.

        Raises
        ------
        DataFileError
            If the file is damaged, or holds no network.
        OSError
            If it is not there or cannot be read.
        """
        return load(path, Network)

    @for_users
    def export_onnx(self, path: Any, *, shape: Shape | None = None) -> None:
        """Write the network to an ONNX file, for other runtimes; needs the package onnx.

        Parameters
        ----------
        path : str or path
            The file.
        shape : tuple of int, optional
            Of one example; not needed where the first layer is dense.

        Raises
        ------
        MissingExtraError
            If onnx is not installed: `pip install chainrule[onnx]`.
        TypeError
            If a layer or an activation is of your own making.
        ShapeError
            If the shape does not fit the layers, or is needed and not given.
        """
        export(self, path, shape)

    # ------------------------------------------------------------------ what others ask

    @property
    def reads(self) -> np.dtype[Any]:
        """The dtype that the first layer reads: integers for an embedding, else the network's."""
        return np.dtype(np.int64) if self.layers[0].reads_integers else self.dtype

    def _settled(self, x: Any, y: Any) -> tuple[Cost, Any]:
        """Return the cost as these targets have it, and the targets as it takes them."""
        shape = forward.shape_through(self.layers, tuple(np.shape(x)[1:]))
        cost = self.cost.for_targets(getattr(y, "_value", y), shape)
        targets = checked_targets(cost, y, shape, self.dtype)
        check_lengths(x, targets)
        return cost, targets

    def _ask(self, x: Any, *, with_link: bool = False) -> Any:
        layers = self.layers if with_link else forward.without_link(self.layers, self.cost.link)
        if isinstance(x, Traced):
            forward.shape_through(layers, x.shape[1:])
            return forward.predict(layers, self.parameters, self.carried, x)
        array = checked_inputs(x, self.layers[0], self.reads, "x")
        forward.shape_through(layers, array.shape[1:])
        asking = self._asking.get(with_link)
        if asking is None:
            asking = self._asking[with_link] = Asking(layers)
        return asking(self.parameters, self.carried, array, self.reads)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles hold: all but compiled programs."""
        return {**self.__dict__, "_asking": {}}

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in flatten(self.parameters)[0])
        layers = ", ".join(map(repr, self.layers))
        return f"Network({layers}, cost={self.cost.name!r}): {count:,} parameters"
