"""Gates with a kernel of their own: neither elementwise nor a reduction nor a product.

A form (`forms.py`) makes a node of form "own" for such a gate, with contiguous operands; here is
who writes its kernel. To add one: a file with the emitter, and its line in `KERNELS`.
"""

from __future__ import annotations

from collections.abc import Callable

from .convolution_sums import emit_sums
from .gather import emit_gather, emit_scatter
from .graph import Graph
from .loops import Emitted
from .nodes import Node
from .pooling import emit_pool, emit_spread
from .target import Target
from .threefry import emit_random

KERNELS: dict[str, Callable[[Graph, Node, Target, str], Emitted]] = {
    "conv2d": emit_sums,
    "index": emit_gather,
    "scatter": emit_scatter,
    "random_uniform": emit_random,
    "max_pool2d": emit_pool,
    "mean_pool2d": emit_pool,
    "max_pool2d_spread": emit_spread,
    "mean_pool2d_spread": emit_spread,
}
"""By the gate's name: `emit(graph, node, target, name)` gives the function and its arguments."""
