"""Limits on gradients and weights: optimizers around another optimizer.

`Clipped` shortens the gradients before the optimizer sees them, `MaxNorm` the weights after it has
moved them. Both are optimizers themselves, so they can be put around each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..tracing.sites import here
from .descent import AfterEpoch, each
from .optimizers import Optimizer
from .settings import POSITIVE, check_numbers


class _Around:
    """An optimizer around another one, with the state of that one and no other."""

    optimizer: Optimizer

    def __post_init__(self) -> None:
        kind, inner = type(self).__name__, self.optimizer
        if isinstance(inner, type) or not hasattr(inner, "update"):
            raise TypeError(
                f"{here()}{kind} goes around an optimizer, as in {kind}(cr.Adam(1e-3), 1.0), "
                f"not around {inner!r}"
            )
        if callable(getattr(inner, "steps", None)):
            raise TypeError(
                f"{here()}{kind} cannot go around {type(inner).__name__}, which searches along its "
                "own direction for how far to go: it needs the gradients and the weights as they "
                "are."
            )

    @property
    def after_epoch(self) -> AfterEpoch | None:
        """What the other optimizer wants called between epochs."""
        hook: AfterEpoch | None = getattr(self.optimizer, "after_epoch", None)
        return hook

    def init(self, parameters: Any) -> Any:
        """Return the state to start with, the other optimizer's."""
        return self.optimizer.init(parameters)


@dataclass(frozen=True)
class Clipped(_Around):
    """An optimizer that is given gradients of limited size.

    With `norm`, all gradients together are one long vector g, which keeps its direction::

        g ← g · norm / max(‖g‖, norm)

    With `value`, each element is cut off on its own, from -value to value.

    Parameters
    ----------
    optimizer : Optimizer
        What moves the parameters.
    norm : float, optional
        The largest norm of all gradients, in gradient units; > 0.
    value : float, optional
        The largest size of an element, in gradient units; > 0. One of the two must be given.

    Notes
    -----
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks"
    (2013), algorithm 1, for `norm`. The norm is added up in float64, so that the squares of large
    float32 gradients, which are what clipping is for, do not overflow. A nan stays one.

    Examples
    --------
    >>> from chainrule.training.optimizers import SGD
    >>> optimizer = Clipped(SGD(1.0), norm=1.0)
    >>> p, _ = optimizer.update([0.0, 0.0], [3.0, -4.0], optimizer.init([0.0, 0.0]))
    >>> [round(one, 9) for one in p]
    [-0.6, 0.8]
    """

    optimizer: Optimizer
    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.norm is None) == (self.value is None):
            raise TypeError(
                f"{here()}Clipped: give one limit, as in cr.Clipped(cr.SGD(0.1), norm=1.0) or "
                "cr.Clipped(cr.SGD(0.1), value=0.5). For both, put one around the other."
            )
        other = "value" if self.value is None else "norm"
        check_numbers(self, {"norm": POSITIVE, "value": POSITIVE}, but=("optimizer", other))

    def update(self, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        """Return the parameters after one step, and the state."""
        if self.value is not None:
            low, high = -self.value, self.value
            clipped = each(lambda g: np.clip(g, low, high), gradients)
        elif self.norm is not None:
            # At most 1, and exactly 1 for short gradients; never 0/0.
            scale = (self.norm / np.maximum(_norm_of(flatten(gradients)[0]), self.norm)).item()
            clipped = each(lambda g: g * scale, gradients)
        return self.optimizer.update(parameters, clipped, state)


@dataclass(frozen=True)
class MaxNorm(_Around):
    """An optimizer that keeps the weights that lead into each unit within a length.

    After each step, a unit whose weights w are too long gets them back in the same direction::

        w ← w · limit / max(‖w‖, limit)

    What leads into a unit: of a matrix a column, as in `Dense`, whose weights have shape (inputs,
    outputs); of an array of more axes all but the first one, as in `Conv2D`, whose weights have
    shape (outputs, inputs, height, width). Biases and other vectors are left as they are.

    Parameters
    ----------
    optimizer : Optimizer
        What moves the parameters.
    limit : float
        The largest norm, in parameter units; > 0. The paper takes 3 to 4.
    axis : {0, 1}
        Which axis of a matrix the inputs are on: 0 for (inputs, outputs), 1 for (outputs, inputs),
        as in Nielsen's book and in PyTorch.

    Notes
    -----
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
    (2014), section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.training.optimizers import SGD
    >>> optimizer = MaxNorm(SGD(1.0), 5.0)
    >>> weights = np.array([[6.0, 3.0], [8.0, 4.0]])  # columns of norm 10 and 5
    >>> optimizer.update(weights, np.zeros((2, 2)), optimizer.init(weights))[0]
    array([[3., 3.],
           [4., 4.]])
    """

    optimizer: Optimizer
    limit: float = 3.0
    axis: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, {"limit": POSITIVE}, but=("optimizer", "axis"))
        if self.axis not in (0, 1):
            raise ValueError(
                f"{here()}MaxNorm: axis must be 0, for weights of shape (inputs, outputs), or 1, "
                f"for (outputs, inputs), not {self.axis!r}"
            )

    def update(self, parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        """Return the parameters after one step, and the state."""
        moved, following = self.optimizer.update(parameters, gradients, state)
        return each(self._within, moved), following

    def _within(self, weights: Any) -> Any:
        axes = np.ndim(weights)
        if axes < 2:
            return weights
        into = self.axis if axes == 2 else tuple(range(1, axes))
        norms = np.sqrt(np.sum(weights * weights, axis=into, keepdims=True))
        return weights * (self.limit / np.maximum(norms, self.limit))


def _norm_of(gradients: Iterable[Any]) -> Any:
    total: Any = 0.0
    for g in gradients:
        is_float = type(getattr(g, "_value", g)) is float  # traced or not; it has no astype
        wide = g if is_float else g.astype(np.float64)
        total = total + np.sum(wide * wide)
    return np.sqrt(total)
