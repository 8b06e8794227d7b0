"""What is done to examples before a network sees them, and to its answers before people do.

A network that was trained here is of little use without it: which columns it takes, what its
classes are called, by which numbers a column is standardised. So the record of it is kept in the
network's file, among its notes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataFileError
from .datasets import is_named, numbered
from .failure import Failed

if TYPE_CHECKING:
    from ..networks.metrics import Metric
    from ..networks.network import Network
    from .datasets import Examples

Array = np.ndarray[Any, Any]
NOTE = "preparation"  # its name among the notes of a network
_BLOCK = 4096  # rows that are standardised at a time, in float64
# How a metric of numbers grows with their unit.
_POWERS = {"mean_absolute_error": 1, "root_mean_squared_error": 1, "mean_squared_error": 2}


@dataclass(frozen=True, eq=False)
class Preparation:
    """What a network takes, and what its answers mean.

    Parameters
    ----------
    columns : tuple of str
        The columns of a table, in the order in which the network takes them.
    label : str
        What is predicted.
    classes : tuple of str or None
        What the classes are called, in their order.
    shape : tuple of int or None
        The shape of one example, as the network takes it. None: as it comes.
    mean, scale : tuple of float or None
        Inputs become (x - mean) / scale, a number for each column, or one for all.
    target_mean, target_scale : float or None
        The same for what is predicted.
    """

    columns: tuple[str, ...] = ()
    label: str = "label"
    classes: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    target_mean: float | None = None
    target_scale: float | None = None

    def inputs(self, x: Array, dtype: Any) -> Array:
        """Return examples as the network takes them."""
        shape = x.shape[1:] if self.shape is None else self.shape
        if math.prod(x.shape[1:]) != math.prod(shape):
            raise Failed(
                f"the network takes examples of {_spelt(shape)} numbers, these have "
                f"{_spelt(x.shape[1:])}."
            )
        if self.mean is None or self.scale is None:
            return np.reshape(x, (len(x), *shape)).astype(dtype, copy=False)
        made = np.empty((len(x), *shape), dtype)
        mean, scale = np.array(self.mean), np.array(self.scale)
        for rows in _blocks(len(x)):
            block = np.reshape(x[rows].astype(np.float64), (len(x[rows]), -1))
            # Before it becomes float32: a year or a time stamp would lose its digits.
            made[rows] = ((block - mean) / scale).reshape(-1, *shape)
        return made

    def targets(self, y: Array) -> Array:
        """Return what is to be predicted as the network learns it."""
        if self.target_mean is None or self.target_scale is None:
            return y
        made: Array = (y.astype(np.float64) - self.target_mean) / self.target_scale
        return made

    def numbers(self, answers: Array) -> Array:
        """Return predicted numbers in the units of the target."""
        if self.target_mean is None or self.target_scale is None:
            return answers
        made: Array = answers.astype(np.float64) * self.target_scale + self.target_mean
        return made

    def known_labels(self, examples: Examples) -> Array:
        """Return the labels of a file as numbers of the network's classes.

        Raises
        ------
        Failed
            If it has none, or one that is no class.
        """
        if examples.y is None:
            raise Failed(
                f"{examples.title} has no {self.label!r}: there is nothing to compare with. To "
                "predict it: chainrule predict."
            )
        if self.classes is None:
            if examples.classes is not None and not is_named(examples.title):
                raise Failed(
                    f"{examples.title}: {examples.label!r} holds words, such as "
                    f"{examples.classes[0]!r}, but all that the network knows are numbers."
                )
            return examples.y
        return numbered(examples, self.classes)

    def metrics(self, names: Sequence[str]) -> list[Metric]:
        """Return metrics by name, in the units of the target."""
        from dataclasses import replace

        from ..networks.metrics import metric_of

        found = []
        for name in names:
            metric = metric_of(name)
            if self.target_scale is not None and name in _POWERS:
                metric = replace(metric, function=_scaled(metric, self.target_scale))
            found.append(metric)
        return found

    def record(self) -> dict[str, Any]:
        """Return it in JSON's kinds."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def of_network(net: Network, path: str) -> Preparation:
    """Return what the notes of a network say; of one trained elsewhere, what is plain to see.

    Raises
    ------
    DataFileError
        If they are no such record.
    """
    record = net.notes.get(NOTE)
    if record is None:
        return Preparation()
    try:
        return _read(record)
    except (KeyError, TypeError, ValueError) as reason:
        raise DataFileError(
            f"{path}: its notes on how examples are prepared are damaged ({reason})."
        ) from reason


def learned(
    examples: Examples, shape: tuple[int, ...], *, standardise: bool, scale_target: bool
) -> Preparation:
    """Return the preparation for a network that is to be trained on these examples.

    Parameters
    ----------
    examples : Examples
        What is learned from, without what is held out.
    shape : tuple of int
        The shape of one example, as the network takes it.
    standardise : bool
        Whether inputs get mean 0 and deviation 1: each column, of images all pixels together.
    scale_target : bool
        Whether numbers to predict do.
    """
    mean = scale = target_mean = target_scale = None
    if standardise:
        mean, scale = _moments(examples.x, by_column=examples.x.ndim == 2, title=examples.title)
    if scale_target and examples.y is not None:
        means, scales = _moments(examples.y, by_column=False, title=examples.title)
        (target_mean,), (target_scale,) = means, scales
    return Preparation(
        examples.columns,
        examples.label or "label",
        examples.classes,
        shape,
        mean,
        scale,
        target_mean,
        target_scale,
    )


def _moments(
    x: Array, *, by_column: bool, title: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return means and standard deviations; 1 for the deviation of what is constant."""
    rows = x if by_column else np.reshape(x, (-1, 1))
    with np.errstate(all="ignore"):
        mean = rows.mean(axis=0, dtype=np.float64)
        squares = sum(((rows[k] - mean) ** 2).sum(axis=0) for k in _blocks(len(rows)))
        scale = np.sqrt(squares / len(rows))
    if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
        raise Failed(f"{title} holds numbers too large to be standardised: --no-standardise.")
    # A constant column may have a deviation that is the rounding of its mean.
    scale[scale <= 1e-14 * np.abs(mean)] = 1.0
    return tuple(mean.tolist()), tuple(scale.tolist())


def _blocks(n: int) -> Iterator[slice]:
    return (slice(first, first + _BLOCK) for first in range(0, n, _BLOCK))


def _scaled(metric: Metric, scale: float) -> Any:
    def function(targets: Any, predicted: Any, *, sample_weight: Any = None) -> float:
        found = metric.function(targets, predicted, sample_weight=sample_weight)
        return float(found) * scale ** _POWERS[metric.name]

    return function


def _spelt(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _read(record: Mapping[str, Any]) -> Preparation:
    found = {one.name: record[one.name] for one in fields(Preparation)}
    kinds: dict[str, type] = {
        "columns": str,
        "classes": str,
        "shape": int,
        "mean": float,
        "scale": float,
    }
    for name, kind in kinds.items():
        if found[name] is not None:
            if type(found[name]) is not list:
                raise TypeError(name)
            found[name] = tuple(_checked(one, kind, name) for one in found[name])
    _checked(found["label"], str, "label")
    for name in ("target_mean", "target_scale"):
        if found[name] is not None:
            _checked(found[name], float, name)
    if found["columns"] is None:
        raise TypeError("columns")
    made = Preparation(**found)
    if made.mean is not None:
        widths = (1, math.prod(made.shape or ()))
        if made.scale is None or len(made.mean) != len(made.scale) or len(made.mean) not in widths:
            raise ValueError("mean and scale")
        if min(made.scale) <= 0.0:
            raise ValueError("scale")
    if made.target_mean is not None and not (made.target_scale or 0.0) > 0.0:
        raise ValueError("target_scale")
    return made


def _checked(value: Any, kind: type, name: str) -> Any:
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{name}: {value!r}")
    return value
