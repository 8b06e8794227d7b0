"""Training a network: what `Network.fit` hands to `fit`, and what it takes from it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NonFiniteCostError
from ..tracing.sites import here
from ..training.batches import generator_of, whole
from ..training.checkpoint import load_fit, load_metadata, save_fit
from ..training.fit import fit
from ..training.history import History
from ..training.logs import Log
from ..training.optimizers import Adam
from ..training.result import FitResult, FitState
from ..training.stream import is_stream
from . import forward
from .comparing import weights_of
from .costs import Cost
from .files import check_same, record
from .inputs import Prepared, checked_inputs, checked_pair, first_unfit, read_as
from .metrics import metrics_of
from .objective import example_weights, objective
from .scores import Scores
from .targets import check_lengths, check_several_classes, checked_targets

if TYPE_CHECKING:
    from .network import Network

Array = np.ndarray[Any, Any]

ONE_THREAD = 1 << 20  # products a step: below, threads wait for each other longer than they work


def train(
    net: Network,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int | None,
    optimizer: Any,
    validation_data: Any,
    validation_fraction: float,
    sample_weight: Any,
    class_weight: Any,
    metrics: Any,
    early_stopping: Any,
    callback: Any,
    log: Any,
    checkpoint: Any,
    resume: bool,
    seed: Any,
    **settings: Any,
) -> History:
    """Train a network; the settings are those of `Network.fit`."""
    data: Any
    scores = None
    seed = net.generator if seed is None else seed
    generator = generator_of(seed)
    if metrics is not None:
        metrics = metrics_of(metrics)
    if is_stream(x):
        _check_for_streams(y, validation_fraction, sample_weight, class_weight)
        data, cost = _stream(net, x)
        size = None
    else:
        inputs, targets, cost = _pair(net, x, y)
        if not resume:  # who goes on with other examples may well meet one class for a while
            check_several_classes(cost, targets)
        weights = example_weights(targets, sample_weight, class_weight, net.dtype, cost.classifies)
        data = (inputs, targets) if weights is None else (inputs, targets, weights)
        if validation_fraction and validation_data is None:
            held_out, kept = _split(len(inputs), validation_fraction, seed)
            own = None if sample_weight is None else np.asarray(sample_weight)[held_out]
            scores = Scores(net, inputs[held_out], targets[held_out], own, metrics=metrics)
            data = tuple(array[kept] for array in data)
        size = None if batch_size is None else whole(batch_size, "batch_size", 1)
        size = None if size is None else min(size, len(data[0]))
    net.cost = cost
    _warn_of_squashed_logits(net)
    if validation_data is not None:
        pair = checked_pair(validation_data, "validation_data")
        scores = Scores(net, *pair, metrics=metrics, name="validation_data")
    values, state, earlier = _standing(net, checkpoint, resume)
    carries = any(net.carried)
    # Logs before the checkpoint: who goes on from an older one cuts what they have too much.
    callbacks: list[Callable[..., Any]] = [Log(one) for one in _listed(log)]
    saver = None
    if checkpoint is not None:
        saver = _Saver(checkpoint, net, earlier)
        callbacks.append(saver)
    callbacks += _listed(callback)
    done = 0 if state is None else state.epochs
    try:
        result = fit(
            objective(forward.without_link(net.layers, cost.link), cost, net.l1, net.l2, carries),
            values[0],
            data,
            epochs=max(epochs - done, 0) if resume else epochs,
            batch_size=size,
            optimizer=Adam() if optimizer is None else optimizer,
            carry=values[1] if carries else None,
            validation=None if scores is None else scores.held_out(carries, net.carried),
            early_stopping=early_stopping,
            callback=callbacks or None,
            seed=generator,
            state=state,
            **settings | _threads(net, data, size, **settings),
        )
    except BaseException as stopped:  # a cost that is not finite, a callback, a second Ctrl-C
        if hasattr(stopped, "result"):
            _take(net, stopped.result, earlier)
        if isinstance(stopped, NonFiniteCostError) and not is_stream(x):
            _blame_data(stopped, data[0])
        raise
    _take(net, result, earlier, best=early_stopping)
    if saver is not None and saver.latest is not result.state:
        saver(result.epochs, result)
    return net.history


def _threads(
    net: Network, data: Any, size: int | None, *, machine: str, threads: int | None, **_: Any
) -> dict[str, Any]:
    """Return the setting of threads: one where steps are so short that others would only wait."""
    if threads is None and machine == "native" and isinstance(data, tuple):
        rows = len(data[0]) if size is None else size
        if rows * forward.products(net.layers, net.parameters, data[0].shape[1:]) < ONE_THREAD:
            return {"threads": 1}
    return {"threads": threads}


def _pair(net: Network, x: Any, y: Any) -> tuple[Any, Array, Cost]:
    """Return examples and targets as training takes them, and the cost as the targets have it."""
    inputs = checked_inputs(x, net.layers[0], net.reads, "x")
    outputs = forward.shape_through(net.layers, inputs.shape[1:])
    cost = net.cost.for_targets(y, outputs)
    targets = checked_targets(cost, y, outputs, net.dtype)
    check_lengths(inputs, targets)
    return read_as(inputs, net.reads), targets, cost


def _stream(net: Network, x: Any) -> tuple[Any, Cost]:
    """Return batches that are checked as they come, and the cost as the first of them has it."""
    batches = Prepared(x)
    first = checked_pair(batches.first, "a batch")
    cost = _pair(net, *first[:2])[2]

    def prepared(batch: Any) -> tuple[Any, ...]:
        batch = checked_pair(batch, "a batch")
        inputs, targets, _ = _pair(net, *batch[:2])
        weights = (weights_of(one, len(targets)) for one in batch[2:])
        return np.asarray(inputs), targets, *(np.asarray(one, net.dtype) for one in weights)

    batches.prepare = prepared
    return batches.stream(), cost


def _check_for_streams(y: Any, fraction: float, sample_weight: Any, class_weight: Any) -> None:
    for value, name in (
        (y, "y"), (fraction or None, "validation_fraction"), (sample_weight, "sample_weight"),
        (class_weight, "class_weight"),
    ):  # fmt: skip
        if value is not None:
            raise TypeError(
                f"{here()}x gives batches, which hold all there is of an example: (x, y) or "
                f"(x, y, weights). Leave {name} out, or give arrays."
            )


def _blame_data(error: NonFiniteCostError, x: Any) -> None:
    """Say so in the error if the examples themselves are not finite: it is the usual reason."""
    found = first_unfit(x)
    if found is not None:
        place, number = found
        spelt = ", ".join(map(str, place))
        error.args = (f"{error.args[0]} x[{spelt}] is {number}: that is where it comes from.",)


def _warn_of_squashed_logits(net: Network) -> None:
    """Warn of a last activation that leaves a cost of logits little to work with."""
    last, link = getattr(net.layers[-1], "activation", None), net.cost.link
    if link is not None and last in ("sigmoid", "softmax", "relu", "log_sigmoid") and last != link:
        warnings.warn(
            f"{here()}the cost {net.cost.name} takes logits, numbers of either sign, but the last "
            f"layer ends with {last}. Leave its activation out, or write {link!r}.",
            RuntimeWarning,
            stacklevel=4,  # past train, Network.fit and for_users, to the caller
        )


def _take(net: Network, result: FitResult, earlier: History, best: Any = None) -> None:
    """Let the network have what training came to; with early stopping, the best of it."""
    net.state = result.state
    net.history = _joined(earlier, result.history)
    net.last = (result.parameters, result.carry)
    kept = result.best if best else None
    net.parameters = kept.parameters if kept else result.parameters
    carry = kept.carry if kept else result.carry
    if carry is not None:
        net.carried = carry


def _standing(
    net: Network, checkpoint: Any, resume: bool
) -> tuple[tuple[Any, Any], FitState | None, History]:
    """Return where to start: parameters and carry, the state, and the history up to there."""
    if not resume:
        return (net.parameters, net.carried), None, History()
    if checkpoint is None:
        if net.state is None or net.last is None:
            return (net.parameters, net.carried), None, History()
        return net.last, net.state, net.history
    if not os.path.exists(checkpoint):
        return (net.parameters, net.carried), None, History()
    saved = load_fit(checkpoint)
    check_same(net, load_metadata(checkpoint)["notes"], checkpoint)
    return (saved.parameters, saved.carry), saved.state, saved.history


def _joined(earlier: History, later: History) -> History:
    if not earlier.entries:
        return later
    if not later.entries:
        return earlier
    both = History(earlier, later.notes)
    both.extend(**later)
    return both


class _Saver:
    """Writes a checkpoint after each epoch."""

    def __init__(self, path: Any, net: Network, earlier: History) -> None:
        self._path, self._earlier = path, earlier
        self._notes = {"network": record(net, own=True), "notes": net.notes}
        self.latest: FitState | None = None

    def __call__(self, epoch: int, result: FitResult) -> None:
        whole = replace(result, history=_joined(self._earlier, result.history))
        save_fit(self._path, whole, notes=self._notes)
        self.latest = result.state


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _split(n: int, fraction: Any, seed: Any) -> tuple[Array, Array]:
    """Return the rows that are held out and those that are learned from, drawn by a seed."""
    if isinstance(fraction, str) or not 0.0 < fraction < 1.0:
        raise ValueError(f"{here()}validation_fraction must be between 0 and 1, not {fraction!r}")
    count = round(fraction * n)
    if not 0 < count < n:
        raise ValueError(
            f"{here()}validation_fraction={fraction} of {n} examples leaves "
            f"{'none to hold out' if not count else 'none to learn from'}."
        )
    # An integer seed, or 0: whoever resumes must hold out the same examples again.
    seed = seed if isinstance(seed, (int, np.integer)) else 0
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[:count]), np.sort(order[count:])
