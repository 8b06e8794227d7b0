"""Embedding: a vector for each of so many things, which training moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import DtypeError
from ..tracing.sites import here
from ..training.batches import whole
from .layer import Arrays, Layer, Shape


@dataclass(frozen=True)
class Embedding(Layer):
    """Looks up a vector for each whole number: characters, words, categories.

    Its parameter is `"vectors"`, shape (count, features), drawn from the standard normal
    distribution as in PyTorch.

    Parameters
    ----------
    count : int
        How many things there are; they are numbered from 0. As in NumPy, -1 is the last.
    features : int
        How long a vector is.

    Raises
    ------
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> layer = Embedding(3, 2)
    >>> layer({"vectors": np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])}, np.array([[2, 0]]))
    array([[[4., 5.],
            [0., 1.]]])
    >>> layer.outputs((7,))
    (7, 2)
    """

    reads_integers: ClassVar[bool] = True

    count: int
    features: int

    def __post_init__(self) -> None:
        keep = object.__setattr__  # frozen for everybody else
        keep(self, "count", whole(self.count, "Embedding: count", 1))
        keep(self, "features", whole(self.features, "Embedding: features", 1))

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return the vectors to start with."""
        drawn = generator.standard_normal((self.count, self.features))
        return {"vectors": drawn.astype(dtype)}

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape of an example with a vector for each of its numbers."""
        return (*inputs, self.features)

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the vectors of a batch of whole numbers.

        Raises
        ------
        DtypeError
            If they are floats.
        IndexError
            If a number is not below `count`.
        """
        if x.dtype.kind not in "iu":
            raise DtypeError(
                f"{here()}Embedding({self.count}, {self.features}) looks up whole numbers, not "
                f"{x.dtype}. Give x.astype(np.int64)."
            )
        return p["vectors"][x]
