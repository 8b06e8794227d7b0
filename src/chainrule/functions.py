"""The functions that NumPy lacks: each draws one gate on traced values and computes on plain ones.

Everything else is called by NumPy's own name (`np.exp`, `np.where`, ...). To add one: add its gate
to a table, then a function here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gates import GATES, Gate
from .tracing.substitutes import as_array


def _call(name: str, x: Any, **settings: Any) -> Any:
    gate: Gate = GATES[name]
    return gate(as_array(x) if isinstance(x, (list, tuple)) else x, **settings)


def relu(x: Any) -> Any:
    """Return x where it is positive and 0 elsewhere; the slope at 0 is 0.

    Examples
    --------
    >>> relu(-2.0), relu(3.0)
    (0.0, 3.0)
    """
    return _call("relu", x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Return x where it is positive and `negative_slope * x` elsewhere.

    Examples
    --------
    >>> leaky_relu(-2.0)
    -0.02
    """
    return _call("leaky_relu", x, negative_slope=negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive and `alpha * (exp(x) - 1)` elsewhere.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by
    exponential linear units" (2015).
    """
    return _call("elu", x, alpha=alpha)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) without overflow; the slope keeps its digits on both sides.

    Examples
    --------
    >>> sigmoid(1.0)
    0.7310585786300049
    """
    return _call("sigmoid", x)


def log_sigmoid(x: Any) -> Any:
    """Return the logarithm of the sigmoid, -log(1 + exp(-x)), without overflow."""
    return _call("log_sigmoid", x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent: `np.tanh` under the name of its neighbours here."""
    return _call("tanh", x)


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)) without overflow.

    Examples
    --------
    >>> softplus(1000.0)
    1000.0
    """
    return _call("softplus", x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """Return x times the probability that a standard normal number is below x.

    With `approximate` the formula with tanh. Source: Hendrycks, Gimpel, "Gaussian error linear
    units" (2016).
    """
    return _call("gelu", x, approximate=approximate)


def silu(x: Any) -> Any:
    """Return x times its sigmoid, also called swish."""
    return _call("silu", x)


def softmax(x: Any, axis: int = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return _call("softmax", x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return the logarithm of the softmax along an axis, without overflow."""
    return _call("log_softmax", x, axis=axis)


def logsumexp(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))) along an axis, without overflow.

    Examples
    --------
    >>> import numpy as np
    >>> float(logsumexp(np.array([1000.0, -1000.0])))
    1000.0
    """
    return _call("logsumexp", x, axis=axis, keepdims=keepdims)


def one_hot(labels: Any, classes: int, dtype: Any = "float64") -> Any:
    """Return an array with a last axis of length `classes` that is 1 at the label and 0 elsewhere.

    Examples
    --------
    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    return _call("one_hot", labels, classes=classes, dtype=np.dtype(dtype).name)


def erf(x: Any) -> Any:
    """Return the error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return _call("erf", x)


def erfc(x: Any) -> Any:
    """Return 1 - erf(x), with all its digits for large x."""
    return _call("erfc", x)


FUNCTIONS = (
    relu,
    leaky_relu,
    elu,
    sigmoid,
    log_sigmoid,
    tanh,
    softplus,
    gelu,
    silu,
    softmax,
    log_softmax,
    logsumexp,
    one_hot,
    erf,
    erfc,
)
"""All of them, in the order of the reference."""
