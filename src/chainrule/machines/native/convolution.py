"""Choose how a convolution is computed: what vectors run along, and who sums.

- *beside*: along the examples, which lie innermost, where there are enough to fill vectors. Every
  pixel has its own loop bounds, so nothing is computed with the zeros around an image.
- *along*: along the columns of the result, for few examples.
- *sums*: along what is summed over, where the kernel is larger than the result: gradients along
  the weights, whose kernel is the upstream gradient, with examples for channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...gates import Gate
from .nodes import FLOATS, Access, kind_of
from .orders import innermost_axis, laid, outward, packed, padded, permuted

if TYPE_CHECKING:
    from .graph import Graph

_LEAST = 8  # examples: with fewer, vectors along them are not worth another order in memory


def convolved(
    graph: Graph, row: int, gate: Gate, sources: list[Access], settings: dict[str, Any]
) -> Access | None:
    """Return how a row that is a convolution reads its node."""
    value = graph.columns.values[row]
    kind = kind_of(value)
    if kind not in FLOATS.values() or 0 in (*np.shape(value), *sources[0].shape):
        return None
    x, weights = (graph.as_kind(source, kind) for source in sources)
    padding = settings.get("padding", ((0, 0), (0, 0)))
    examples, channels, height, width = np.shape(value)
    if _sums(graph, x, weights, height * width):
        return _summed(graph, row, gate, x, weights, padding)
    more: dict[str, Any] = {"row": row, "settings": {"beside": True, "padding": padding}}
    if examples >= _LEAST:
        x = laid(graph, x, 0)
        shape = (channels, height, width, examples)
        made = graph.node("convolution", gate.name, kind, shape, operands=[x, weights], **more)
        graph.laid[made.number] = 0
        return outward(graph.whole(made), 0)
    x = _along_columns(graph, x, padding, row)
    more["settings"] = {"beside": False, "padding": (padding[0], (0, 0))}
    shape = (examples, channels, height, width)
    made = graph.node("convolution", gate.name, kind, shape, operands=[x, weights], **more)
    return graph.whole(made)


def _sums(graph: Graph, x: Access, weights: Access, pixels: int) -> bool:
    """Whether to sum along vectors."""
    examples, channels, *_ = x.shape
    if innermost_axis(graph, x) == 0:
        return False
    if innermost_axis(graph, x) == 1 or innermost_axis(graph, weights) == 1:
        return True
    return math.prod(weights.shape[2:]) > pixels and (examples < _LEAST or channels > examples)


def _summed(graph: Graph, row: int, gate: Gate, x: Access, weights: Access, padding: Any) -> Access:
    channels, kind = x.shape[1], graph.nodes[x.node].kind
    if channels >= _LEAST:
        x, weights, step = packed(graph, x, 1), packed(graph, weights, 1), channels
        if any(padding[1]):
            x = padded(graph, x, ((0, 0), (0, 0), (0, 0), padding[1]), 0.0, row, 1)
    else:
        x, weights, step = _along_columns(graph, x, padding, row), laid(graph, weights, 3), 1
    shape = np.shape(graph.columns.values[row])
    shape = (shape[1], shape[0], *shape[2:])
    made = graph.node(
        "own", gate.name, kind, shape, operands=[x, weights], row=row,
        settings={"step": step, "padding": (padding[0], (0, 0))},
    )  # fmt: skip
    return permuted(graph.whole(made), (1, 0, 2, 3))


def _along_columns(graph: Graph, x: Access, padding: Any, row: int) -> Access:
    """Return an image with neighbours along its columns, and zeros left and right of them."""
    x = laid(graph, x, 3)
    if any(padding[1]):
        x = padded(graph, x, ((0, 0), (0, 0), (0, 0), padding[1]), 0.0, row, 3)
    return x
