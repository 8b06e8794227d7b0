"""Costs: what a network's outputs cost where something else was wanted, one number an example.

Each is a record in `COSTS`: its formula in plain NumPy, which is traced with the network; what
targets it takes (`targets.py` checks them); and what the outputs mean once training is done. Costs
of classes take logits, what comes before the last sigmoid or softmax, because only from there are
they finite and exact: the logarithm of a sigmoid that has rounded to 0 is lost. `link` names the
activation, so that a network that ends with it can leave it out where a cost is taken.

To add a cost: write its formula and a record in `COSTS`. A function of the user's becomes one by
`cost_of`. Costs sum over a row's outputs, as a likelihood does; a mean over examples is the
network's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import ShapeError, did_you_mean
from ..functions import log_softmax, one_hot, softmax, softplus
from ..tracing.sites import here
from .decisions import as_numbers, largest, means, nearest_class, shares, sigmoids, which

Formula = Callable[[Any, Any], Any]
Reading = Callable[[Any], Any]


@dataclass(frozen=True)
class Cost:
    """A cost, and what its outputs mean.

    Parameters
    ----------
    name : str
        What it is called, in `COSTS` and in files.
    each : callable
        `each(outputs, targets)`: the cost of each example, shape (batch,), in plain NumPy. The
        targets are as `checked_targets` gives them: int64 labels with one axis fewer than the
        outputs, or floats of their shape. A function of the user's may give one number instead,
        for the whole batch.
    targets : {"classes", "binary", "numbers", "counts", "any"}
        What is wanted of an output. "any" is settled by the first targets: `for_targets`.
    decide : callable
        From outputs to what is predicted: classes from 0 on, or numbers.
    probabilities : callable or None
        From outputs to the probability of each class, if they have one.
    link : {"sigmoid", "softmax", None}
        The activation that makes probabilities of what `each`, `decide` and `probabilities` take;
        None where they take the outputs themselves.
    settings : mapping
        The numbers it was made with: `{"delta": 1.0}`.
    is_own : bool
        Whether it is a function of the user's, which no file can hold.
    """

    name: str
    each: Formula
    targets: str
    decide: Reading
    probabilities: Reading | None = None
    link: str | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    is_own: bool = False

    @property
    def classifies(self) -> bool:
        """Whether classes are predicted rather than numbers."""
        return self.targets in ("classes", "binary")

    def for_targets(self, y: Any, outputs: tuple[int, ...]) -> Cost:
        """Return the cost as these targets have it: of classes or of numbers.

        Only costs of "any" targets change. Integers, one for each example, with several outputs
        are labels, and so are truth values and rows with a single 1; all else is numbers.

        Parameters
        ----------
        y : array, shape (n, ...)
            What is wanted of the network.
        outputs : tuple of int
            The shape of one example's outputs.
        """
        if self.targets != "any":
            return self
        try:
            array = np.asarray(y)
        except ValueError:  # rows of unequal length, of which `checked_targets` has a word to say
            return self
        if not _are_classes(array, outputs):
            return replace(self, targets="numbers", decide=as_numbers)
        return replace(self, targets="classes", decide=nearest_class)

    def record(self) -> dict[str, Any]:
        """Return what a file keeps of it: JSON's kinds only. `cost_of` reads it.

        Raises
        ------
        ValueError
            If it is a function of the user's.
        """
        if self.is_own:
            raise ValueError(
                f"{here()}the cost {self.name} is a function of your own, which a file cannot "
                f"hold: use one of {', '.join(COSTS)}, or keep the parameters only."
            )
        return {"name": self.name, "targets": self.targets, **self.settings}


def cost_of(cost: Any) -> Cost:
    """Return the cost of a name, a function, a record from a file, or a `Cost` as it is.

    Parameters
    ----------
    cost : str, callable, dict or Cost
        A name in `COSTS`; a function `(outputs, targets)` that gives a number for each example,
        or one for the batch, in plain NumPy; or what `Cost.record` gave. The function gets
        integer labels as they are, and all other targets in the shape of the outputs, so that
        of one output there is a column of targets.

    Raises
    ------
    ValueError
        For a name that is not known.
    TypeError
        For anything else.

    Examples
    --------
    >>> cost_of("huber").settings
    {'delta': 1.0}
    >>> cost_of(lambda outputs, targets: abs(outputs - targets)[:, 0]).targets
    'any'
    """
    if isinstance(cost, Cost):
        return cost
    if isinstance(cost, Mapping) and "name" in cost:
        settings = {key: value for key, value in cost.items() if key not in ("name", "targets")}
        found = cost_of(cost["name"])
        if settings:
            found = huber(**settings) if found.name == "huber" else _refuse(cost)
        if cost.get("targets", found.targets) == found.targets or found.targets != "any":
            return found
        decide = nearest_class if cost["targets"] == "classes" else as_numbers
        return replace(found, targets=cost["targets"], decide=decide)
    if isinstance(cost, str):
        if cost in COSTS:
            return COSTS[cost]
        known = f" Write {ALSO_CALLED[cost]!r}." if cost in ALSO_CALLED else ""
        raise ValueError(
            f"{here()}there is no cost {cost!r}.{known or did_you_mean(cost, COSTS)} There are "
            f"{', '.join(COSTS)}; or give a function of outputs and targets."
        )
    if callable(cost) and not isinstance(cost, type):
        return _own(cost)
    return _refuse(cost)


def _refuse(cost: Any) -> Cost:
    raise TypeError(
        f"{here()}the cost must be one of {', '.join(COSTS)}, or a function of outputs and "
        f"targets, not {cost!r}"
    )


def _own(function: Formula) -> Cost:
    name = getattr(function, "__name__", type(function).__name__)
    return Cost(name, _Own(function, name), "any", as_numbers, is_own=True)


@dataclass(frozen=True)
class _Own:
    """A function of the user's, held to its shape; a record, so that it can be pickled."""

    function: Formula
    name: str

    def __call__(self, outputs: Any, targets: Any) -> Any:
        found = self.function(outputs, targets)
        if found is None:
            raise TypeError(
                f"{here()}the cost {self.name} gave None: return a number for each example."
            )
        shape = np.shape(found)
        if shape not in ((), (len(outputs),)):
            raise ShapeError(
                f"{here()}the cost {self.name} gave shape {shape} for a batch of {len(outputs)}: "
                "it must give one number for each example, or one for all. Sum over the other axes."
            )
        return found


# ---------------------------------------------------------------------- parts of formulas


def _summed(x: Any) -> Any:
    """Return the sum over all but the examples."""
    return np.sum(x, axis=tuple(range(1, x.ndim)))


def _rows(outputs: Any, targets: Any) -> Any:
    """Return targets in the shape of the outputs: labels become rows with a 1 at the label."""
    if targets.ndim == outputs.ndim:
        return targets
    return one_hot(targets, outputs.shape[-1], outputs.dtype)


def _mean_over_places(x: Any) -> Any:
    """Return the mean over all but the examples: over the places of a sequence or a picture."""
    return np.mean(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


# ---------------------------------------------------------------------- costs of classes


def softmax_cross_entropy(outputs: Any, targets: Any) -> Any:
    """Return -log of the softmax's share for the label, from logits.

    Examples
    --------
    Three logits alike: the label has a third, and costs log 3.

    >>> softmax_cross_entropy(np.zeros((1, 3)), np.array([2])).round(4)
    array([1.0986])
    """
    # log_softmax, not logsumexp less the logit: at logits of 1e4 that has no digits left.
    return _mean_over_places(-np.sum(_rows(outputs, targets) * log_softmax(outputs), axis=-1))


def binary_cross_entropy(outputs: Any, targets: Any) -> Any:
    """Return -y log s(z) - (1 - y) log(1 - s(z)), summed over the outputs, from logits z.

    Examples
    --------
    >>> binary_cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]])).round(4)
    array([0.6931, 0.    ])
    """
    # Not softplus(z) - y z, which takes near numbers from each other where the answer is right.
    y = _rows(outputs, targets)
    return _summed(y * softplus(-outputs) + (1.0 - y) * softplus(outputs))


def hinge(outputs: Any, targets: Any) -> Any:
    """Return by how much the label's output fails to lead all others by 1.

    With one output, which is to be positive for class 1: by how much it fails to be beyond ±1.

    Examples
    --------
    >>> hinge(np.array([[2.0, 1.5, -1.0]]), np.array([0]))
    array([0.5])
    >>> hinge(np.array([[0.25]]), np.array([[0.0]]))
    array([1.25])
    """
    if outputs.shape[-1] == 1:
        return _summed(np.maximum(1.0 - (2.0 * targets - 1.0) * outputs, 0.0))
    rows = _rows(outputs, targets)
    # The label's own output competes without the 1: the most by which any leads it, never below 0.
    leads = np.max(outputs + (1.0 - rows), axis=-1) - np.sum(rows * outputs, axis=-1)
    return _mean_over_places(leads)


# ---------------------------------------------------------------------- costs of numbers


def quadratic(outputs: Any, targets: Any) -> Any:
    """Return half the squared distance from what was wanted.

    Examples
    --------
    >>> quadratic(np.array([[3.0, 1.0]]), np.array([[0.0, 1.0]]))
    array([4.5])
    """
    off = outputs - _rows(outputs, targets)
    return 0.5 * _summed(off * off)


def absolute(outputs: Any, targets: Any) -> Any:
    """Return the distance from what was wanted, summed over the outputs: the L1 norm."""
    return _summed(abs(outputs - targets))


def poisson(outputs: Any, targets: Any) -> Any:
    """Return exp(z) - y z, summed: -log of a Poisson's probability, with z the log of its mean.

    log y!, which no parameter moves, is left out, so that the cost may be negative.

    Examples
    --------
    >>> poisson(np.array([[0.0]]), np.array([[2.0]]))
    array([1.])
    """
    return _summed(np.exp(outputs) - targets * outputs)


def huber(delta: float = 1.0) -> Cost:
    """Return the cost that is quadratic near the target and grows as a line beyond `delta`.

    Parameters
    ----------
    delta : float
        Where the line begins, in units of the targets; > 0.

    Raises
    ------
    ValueError
        If `delta` is not above 0.

    Notes
    -----
    P. Huber, "Robust estimation of a location parameter" (1964), with r the error: r²/2 up to
    delta, and delta · (|r| - delta/2) beyond.

    Examples
    --------
    >>> huber(2.0).each(np.array([[1.0], [5.0]]), np.array([[0.0], [0.0]]))
    array([0.5, 8. ])
    """
    try:
        delta = float(delta)
    except (TypeError, ValueError):
        raise TypeError(f"{here()}huber: delta must be a number, not {delta!r}") from None
    if not 0.0 < delta < float("inf"):
        raise ValueError(f"{here()}huber: delta must be above 0 and finite, not {delta!r}")

    each = partial(_huber, delta=delta)
    return Cost("huber", each, "numbers", as_numbers, settings={"delta": delta})


def _huber(outputs: Any, targets: Any, *, delta: float) -> Any:
    size = abs(outputs - targets)
    near = np.minimum(size, delta)  # no square of an error that is not squared: it may overflow
    return _summed(near * (size - 0.5 * near))


def _are_classes(y: Any, outputs: tuple[int, ...]) -> bool:
    if y.dtype.kind == "b":
        return True
    if not outputs or outputs[-1] == 1:
        return False
    if y.ndim == len(outputs):
        return y.dtype.kind in "iu"
    if y.shape[1:] != outputs or y.dtype.kind not in "iuf" or not y.size:
        return False
    return bool(np.all((y == 0) | (y == 1)) and np.all(np.sum(y, axis=-1) == 1))


COSTS: dict[str, Cost] = {
    cost.name: cost
    for cost in (
        # The lecture's; Nielsen, "Neural networks and deep learning" (2015), eq. 6 for one example.
        Cost("quadratic", quadratic, "any", as_numbers),
        # Bishop, "Pattern recognition and machine learning" (2006), eq. 4.108.
        Cost(
            "softmax_cross_entropy", softmax_cross_entropy, "classes", largest, softmax, "softmax"
        ),
        # Bishop (2006), eq. 4.90; several outputs are questions of their own.
        Cost("binary_cross_entropy", binary_cross_entropy, "binary", which, sigmoids, "sigmoid"),
        # The book's (eq. 63): a sigmoid for each class, of which one is wanted.
        Cost("cross_entropy", binary_cross_entropy, "classes", largest, shares, "sigmoid"),
        # Crammer & Singer, "On the algorithmic implementation of multiclass kernel-based vector
        # machines" (2001), eq. 3: as scikit-learn's hinge_loss. Weston and Watkins' sums instead.
        Cost("hinge", hinge, "classes", largest),
        huber(),
        Cost("absolute", absolute, "numbers", as_numbers),
        # McCullagh & Nelder, "Generalized linear models" (1989), section 6.2.
        Cost("poisson", poisson, "counts", means),
    )
}
"""The costs that have a name."""

ALSO_CALLED = {
    **dict.fromkeys(("mse", "squared_error", "mean_squared_error", "l2"), "quadratic"),
    **dict.fromkeys(("mae", "mean_absolute_error", "absolute_error", "l1"), "absolute"),
    **dict.fromkeys(("crossentropy", "log_loss", "nll", "softmax"), "softmax_cross_entropy"),
    "categorical_crossentropy": "softmax_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    **dict.fromkeys(("bce", "binary_crossentropy"), "binary_cross_entropy"),
    **dict.fromkeys(("smooth_l1", "huber_loss"), "huber"),
}
"""What other libraries call them, for words about a name that is not known."""
