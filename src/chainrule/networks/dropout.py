"""Dropout: while it is trained, a network must do without some of its numbers, others each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..random import random_key, random_split, random_uniform
from ..tracing.sites import here
from .layer import Arrays, Layer


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets numbers to 0 at random in training, and makes up for it in those that stay.

    In training, x ← x · kept / (1 - rate), where `kept` is 0 with probability `rate` and 1 else,
    for each number of each example anew; so the mean of what comes out stays the same, and the
    network that is asked, which keeps everything, needs no scaling.

    What it carries is `"key"`, from which a step draws, and leaves another for the next one.

    Parameters
    ----------
    rate : float
        Which part is dropped, from 0 to below 1.

    Raises
    ------
    TypeError
        If the rate is no number.
    ValueError
        If it is out of its range.

    Notes
    -----
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
    (2014), section 10 for the scaling in training. As in PyTorch, a NaN or inf that is dropped is
    still NaN.

    Examples
    --------
    >>> layer = Dropout(0.5)
    >>> x = np.ones((1, 1000))
    >>> y, _ = layer.train({}, x, layer.carried(np.random.default_rng(0), x.dtype))
    >>> sorted(set(y.ravel().tolist())), bool(abs(y.mean() - 1.0) < 0.1)
    ([0.0, 2.0], True)
    >>> bool(np.all(layer.predict({}, x, {}) == x))
    True
    """

    rate: float

    def __post_init__(self) -> None:
        try:
            rate = float(self.rate)
        except (TypeError, ValueError):
            raise TypeError(f"{here()}Dropout: rate must be a number, not {self.rate!r}") from None
        if not 0.0 <= rate < 1.0:
            raise ValueError(
                f"{here()}Dropout: rate must be from 0 to below 1, not {rate!r}: the part that is "
                "dropped, 0.2 for one in five."
            )
        object.__setattr__(self, "rate", rate)  # frozen for everybody else

    def carried(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return the first key, drawn from the generator."""
        return {"key": random_key(generator)}

    def train(self, p: Any, x: Any, carried: Any) -> tuple[Any, Any]:
        """Return a batch without what is dropped, and the next step's key."""
        if self.rate == 0.0:
            return x, carried
        keys = random_split(carried["key"])
        # Single precision will do: the rate is met to 2⁻²⁴.
        kept = random_uniform(keys[1], x.shape, "float32") >= self.rate
        return x * (kept.astype(x.dtype) * (1.0 / (1.0 - self.rate))), {"key": keys[0]}
