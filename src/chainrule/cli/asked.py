"""A trained network from a file and what it is asked about: for `predict` and `evaluate`."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..networks.dense import Dense
from . import datasets, preparation, source_files
from .datasets import Examples, Layout
from .failure import Failed, Refused

if TYPE_CHECKING:
    from ..networks.network import Network

Array = np.ndarray[Any, Any]


class Asked:
    """A trained network and examples.

    Parameters
    ----------
    path : str
        The network's file, from `chainrule train --save`, `Network.save` or a checkpoint.
    source : str
        The examples: a data set, of which the test set is taken, or a file.
    layout : Layout
        How the file is laid out.
    folder : str or None
        Where data sets are.
    """

    def __init__(self, path: str, source: str, layout: Layout, folder: str | None) -> None:
        self.path = path
        self.net = _loaded(path)
        self.preparation = preparation.of_network(self.net, path)
        self.examples = self._examples(source, layout, folder)
        self.x = self._inputs()

    @property
    def predicts_classes(self) -> bool:
        """Whether the answers are classes."""
        return self.net.cost.classifies

    def names(self) -> list[str]:
        """Return what the classes are called, by their numbers if nobody has named them."""
        if self.preparation.classes is not None:
            return list(self.preparation.classes)
        outputs = self.net.outputs(self.x[:1]).shape[-1]
        return [str(k) for k in range(max(int(outputs), 2))]

    def _examples(self, source: str, layout: Layout, folder: str | None) -> Examples:
        if datasets.is_named(source):
            found = datasets.named(source, folder)
            return found.test or found
        columns = self.preparation.columns
        first = self.net.layers[0]
        width = None
        if self.preparation.shape is not None:
            width = math.prod(self.preparation.shape)
        elif isinstance(first, Dense):
            width = first.n_in
        return source_files.to_ask_about(source, layout, columns, self.preparation.label, width)

    def _inputs(self) -> Array:
        """Return the examples as the network takes them."""
        own, image = self.examples.x.shape[1:], self.examples.image
        known = self.preparation.shape
        # A network that was trained elsewhere does not say whether it takes rows or images.
        possible = [own, (math.prod(own),), *([image] if image else [])]
        for shape in possible if known is None else [known]:
            if math.prod(shape) == math.prod(own) and self._takes(shape):
                x = self.preparation.inputs(self.examples.x, self.net.dtype)
                return np.reshape(x, (len(x), *shape))
        wanted = getattr(self.net.layers[0], "n_in", "other") if known is None else _spelt(known)
        raise Failed(
            f"{self.path} takes examples of {wanted} numbers; {self.examples.title} has "
            f"{_spelt(own)}."
        )

    def _takes(self, shape: tuple[int, ...]) -> bool:
        from ..networks.forward import shape_through

        try:
            shape_through(self.net.layers, shape)
        except ShapeError:
            return False
        return True


def _spelt(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _loaded(path: str) -> Network:
    from ..networks.network import Network

    if not os.path.exists(path):
        raise Refused(f"there is no file {path!r}: `chainrule train ... --save FILE` writes one.")
    try:
        return Network.load(path)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror or error}.") from error
