"""What a layer is: settings, and a forward pass in plain NumPy; its parameters live outside.

A layer is a frozen record. The network keeps its parameters, and what training carries from step to
step without training it, in dicts of arrays, and hands them in. So a forward pass is a function
like any other: traced, differentiated and compiled with the cost and the optimizer.

To write a layer: subclass `Layer` as a frozen dataclass whose fields are its settings; give
`parameters` if it has any, `outputs` if it changes the shape, and `__call__`. A layer that behaves
otherwise while it is trained (dropout, batch normalisation) gives `train` and `predict` instead.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
Shape = tuple[int, ...]


class Layer:
    """Passes a batch on as it is; the layers override what they change.

    Attributes
    ----------
    reads_integers : bool
        Whether it takes integers; all other layers take floats of the network's dtype.
    """

    reads_integers: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        # A dataclass writes no repr where there is one: so all layers have this shorter one.
        cls.__repr__ = Layer.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Return the call that makes it, without what is as it is by default."""
        record: Any = self  # a layer of the user's may be no dataclass
        parts = []
        for one in fields(record) if is_dataclass(record) else ():
            value = getattr(self, one.name)
            if one.default is MISSING:
                parts.append(repr(value))
            elif value != one.default:
                said = getattr(value, "__name__", None) or repr(value)
                parts.append(said if one.name == "activation" else f"{one.name}={said}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def parameters(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return the parameters to start with, drawn from the generator."""
        return {}

    def carried(self, generator: np.random.Generator, dtype: np.dtype[Any]) -> Arrays:
        """Return what training carries from step to step: running means, a random key."""
        return {}

    def outputs(self, inputs: Shape) -> Shape:
        """Return the shape of one example on its way out, from its shape on the way in.

        Raises
        ------
        ShapeError
            If the layer cannot take such an example.
        """
        return inputs

    def __call__(self, p: Any, x: Any) -> Any:
        """Return the outputs for a batch.

        Parameters
        ----------
        p : dict of str to array
            The parameters.
        x : array, shape (batch, *inputs)
            The batch.
        """
        return x

    def train(self, p: Any, x: Any, carried: Any) -> tuple[Any, Any]:
        """Return the outputs for a batch that is learned from, and what is carried on."""
        return self(p, x), carried

    def predict(self, p: Any, x: Any, carried: Any) -> Any:
        """Return the outputs for a batch that is asked about."""
        return self(p, x)
