"""Layers one after the other: the shapes between them, and a batch on its way through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tracing.sites import here
from .activation import Activation
from .convolution import Conv2D
from .dense import Dense
from .embedding import Embedding
from .layer import Arrays, Layer, Shape

Layers = Sequence[Layer]


def shape_through(layers: Layers, inputs: Shape) -> Shape:
    """Return the shape of one example's outputs, from that of its inputs.

    Raises
    ------
    ShapeError
        If a layer cannot take what the one before it gives; it says which.
    """
    shape = inputs
    for number, layer in enumerate(layers):
        try:
            shape = layer.outputs(shape)
        except ShapeError as reason:
            place = f"{here()}layers[{number}]"
            raise ShapeError(f"{place}: {str(reason).removeprefix(here())}") from None
    return shape


def products(layers: Layers, parameters: Any, inputs: Shape) -> float:
    """Return how many products an example takes on its way; infinity for layers not known here."""
    total, shape = 0.0, inputs
    for layer, p in zip(layers, parameters, strict=True):
        shape = layer.outputs(shape)
        for name, array in p.items():
            if array.ndim < 2 or type(layer) is Embedding:
                continue
            if type(layer) not in (Dense, Conv2D) or name != "weights":
                return math.inf
            neurons = array.shape[0] if array.ndim == 4 else array.shape[1]
            total += array.size * math.prod(shape) / neurons
    return total


def train(layers: Layers, parameters: Any, carried: Any, x: Any) -> tuple[Any, list[Any]]:
    """Return the outputs for a batch that is learned from, and what is carried on."""
    onward = []
    for layer, p, kept in zip(layers, parameters, carried, strict=True):
        x, kept = layer.train(p, x, kept)
        onward.append(kept)
    return x, onward


def predict(layers: Layers, parameters: Any, carried: Any, x: Any) -> Any:
    """Return the outputs for a batch that is asked about."""
    for layer, p, kept in zip(layers, parameters, carried, strict=True):
        x = layer.predict(p, x, kept)
    return x


def without_link(layers: Layers, link: str | None) -> tuple[Layer, ...]:
    """Return the layers without a last activation that the cost takes on itself.

    A cost of logits followed by its link is exact where the activation's own outputs have
    rounded to 0 or 1. A layer that goes leaves its place to one that passes on what it gets.
    """
    last: Any = layers[-1]
    if link is None or getattr(last, "activation", None) != link:
        return tuple(layers)
    if isinstance(last, Activation):
        return (*layers[:-1], Layer())
    return (*layers[:-1], replace(last, activation=None))


def begun(layers: Layers, generator: Any, dtype: Any) -> tuple[list[Arrays], list[Arrays]]:
    """Return the parameters of all layers, and what they carry, drawn in their order."""
    parameters = [layer.parameters(generator, dtype) for layer in layers]
    carried = [layer.carried(generator, dtype) for layer in layers]
    for layer, made in zip((*layers, *layers), (*parameters, *carried), strict=True):
        for name, array in made.items():
            if not isinstance(array, np.ndarray):
                raise TypeError(
                    f"{here()}{layer!r} begins with a {type(array).__name__} as {name!r}: its "
                    "methods must give arrays, np.zeros(3, dtype)."
                )
    return parameters, carried
