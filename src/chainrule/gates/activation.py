"""Activations: what the neurons of a network do to their input, most of it not in NumPy.

Each holds its digits over the whole range of floats, and so do its slopes: 1 - s is never formed
where s is near 1. Emitted modules carry copies of these functions, so each needs only `np` and
`math` and says for itself why it is written so. To add a gate, add an entry to `ACTIVATION`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .gate import Gate, example

TWO_OVER_SQRT_PI = 1.1283791670955126
SQRT_HALF = 0.7071067811865476
ONE_OVER_SQRT_2_PI = 0.3989422804014327
GELU_RATE = 1.5957691216057308  # 2 sqrt(2 / pi), Hendrycks & Gimpel 2016, arXiv:1606.08415


def _scalar_relu(x: float) -> float:
    return max(x, 0.0)  # in this order, max keeps a NaN


def _leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    return np.where(x > 0, x, negative_slope * x)


def _scalar_leaky_relu(x: float, *, negative_slope: float = 0.01) -> float:
    return x if x > 0 else negative_slope * x


def _leaky_relu_slope(out: Any, x: Any, *, negative_slope: float = 0.01) -> Any:
    # heaviside(-x, 1) is the 1 of the left side, and NaN where x is.
    return np.where(x > 0, 1.0, negative_slope * np.heaviside(-x, 1.0))


def _elu(x: Any, *, alpha: float = 1.0) -> Any:
    # The exponential never sees a positive x, where it is not taken but could overflow.
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _scalar_elu(x: float, *, alpha: float = 1.0) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _elu_slope(out: Any, x: Any, *, alpha: float = 1.0) -> Any:
    # Not out + alpha, which is 0 where the slope is 1e-17.
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0)))


def _sigmoid(x: Any) -> Any:
    # An exp that overflows is meant: 1 / inf is the right 0.
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))


def _scalar_sigmoid(x: float) -> float:
    # math.exp(-x) raises below -709, where e^x is the sigmoid to the last digit.
    return 1.0 / (1.0 + math.exp(-x)) if x > -709.0 else math.exp(x)


def _scalar_softplus(x: float) -> float:
    # The larger of x and 0 is taken out, so that exp cannot overflow; max keeps a NaN.
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _scalar_log_sigmoid(x: float) -> float:
    # The smaller of x and 0 is taken out, so that exp cannot overflow; min keeps a NaN.
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


def _silu(x: Any) -> Any:
    # An exp that overflows is meant: x / inf is the right 0.
    with np.errstate(over="ignore"):
        return x / (1.0 + np.exp(-x))


def _scalar_silu(x: float) -> float:
    # math.exp(-x) raises below -709, where x e^x is the value to the last digit.
    return x / (1.0 + math.exp(-x)) if x > -709.0 else x * math.exp(x)


def _erf(x: Any) -> Any:
    # NumPy has no erf; math's is right to the last digit. Adding 0.0 gives the dtype to return.
    return np.vectorize(math.erf, otypes=[float])(x).astype(np.result_type(x, 0.0))[()]


def _erfc(x: Any) -> Any:
    # NumPy has no erfc; math's is right to the last digit. Adding 0.0 gives the dtype to return.
    return np.vectorize(math.erfc, otypes=[float])(x).astype(np.result_type(x, 0.0))[()]


def _gelu(x: Any, *, approximate: bool = False) -> Any:
    if approximate:  # (1 + tanh u) / 2 is 1 / (1 + e^-2u), without the loss of digits left of 0
        with np.errstate(over="ignore"):
            return x / (1.0 + np.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)))
    # erfc(-z), not 1 + erf(z), which has no digits left of -6; NumPy has neither.
    tail = np.vectorize(math.erfc, otypes=[float])(-0.7071067811865476 * x)
    return (0.5 * x * tail).astype(np.result_type(x, 0.0))


def _scalar_gelu(x: float, *, approximate: bool = False) -> float:
    if not approximate:  # erfc(-z), not 1 + erf(z), which has no digits left of -6
        return 0.5 * x * math.erfc(-0.7071067811865476 * x)
    two_u = 1.5957691216057308 * (x + 0.044715 * x * x * x)
    # math.exp raises where it overflows.
    return x / (1.0 + math.exp(-two_u)) if two_u > -709.0 else x * math.exp(two_u)


def _gelu_slope(out: Any, x: Any, *, approximate: bool = False) -> Any:
    if not approximate:
        return 0.5 * erfc(-SQRT_HALF * x) + ONE_OVER_SQRT_2_PI * x * np.exp(-0.5 * x * x)
    # Beyond |x| = 100 the sigmoids are 0 or 1; the bound keeps 0 * inf away at |x| > 1e154.
    squared = np.minimum(x * x, 1e4)
    two_u = GELU_RATE * x * (1.0 + 0.044715 * squared)
    slope_of_two_u = GELU_RATE * (1.0 + 3 * 0.044715 * squared)
    return sigmoid(two_u) * (1.0 + x * sigmoid(-two_u) * slope_of_two_u)


def _softmax(x: Any, *, axis: Any = -1) -> Any:
    # Shares do not change when all x move alike; with the largest at 0, exp cannot overflow.
    shares = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return shares / np.sum(shares, axis=axis, keepdims=True)


def _log_softmax(x: Any, *, axis: Any = -1) -> Any:
    # The log of softmax(x) would be -inf where a share underflows; with the largest x at 0,
    # exp cannot overflow.
    moved = x - np.max(x, axis=axis, keepdims=True)
    return moved - np.log(np.sum(np.exp(moved), axis=axis, keepdims=True))


def _one_hot(labels: Any, *, classes: int, dtype: str = "float64") -> Any:
    # A label outside the classes would be a row of zeros, and learn nothing without a word.
    labels = np.asarray(labels)
    if np.any((labels < 0) | (labels >= classes) | (labels != np.floor(labels))):
        raise ValueError(f"one_hot: labels must be whole numbers from 0 to {classes - 1}")
    return (labels[..., np.newaxis] == np.arange(classes)).astype(dtype)


def _one_hot_of_gates(labels: Any, *, classes: int, dtype: str = "float64") -> Any:
    bad = (labels < 0) | (labels >= classes)
    if np.any(bad if labels.dtype.kind in "iub" else bad | (labels != np.floor(labels))):
        return NotImplemented  # as a guard: labels like these go back to Python, which refuses
    return (np.expand_dims(labels, -1) == np.arange(classes)).astype(dtype)


sigmoid: Gate = Gate(
    name="sigmoid",
    forward=_sigmoid,
    scalar=_scalar_sigmoid,
    symbol="σ",
    latex=r"\sigma\left(#0\right)",
    words="squashes {0} into 0 to 1 with the sigmoid",
    why="the sigmoid's slope is (1 - s) s, and 1 - s(x) is s(-x)",
    # s(-x), not 1 - s, which has lost every digit at x = 40.
    local=(lambda out, x: out * sigmoid(-x),),
    slope=("(1 - {out}) * {out}",),
)

erf: Gate = Gate(
    name="erf",
    forward=_erf,
    scalar=math.erf,
    symbol="erf",
    scalar_code="math.erf({0})",
    words="takes the error function of {0}",
    why="the error function is the area under a bell curve, which is its slope",
    local=(lambda out, x: TWO_OVER_SQRT_PI * np.exp(-x * x),),
    analytic=False,  # math.erf takes no complex numbers
)

erfc: Gate = Gate(
    name="erfc",
    forward=_erfc,
    scalar=math.erfc,
    symbol="erfc",
    scalar_code="math.erfc({0})",
    words="takes 1 minus the error function of {0}",
    why="what the error function gains is lost here",
    local=(lambda out, x: -TWO_OVER_SQRT_PI * np.exp(-x * x),),
    analytic=False,
)

ACTIVATION: tuple[Gate, ...] = (
    Gate(
        name="relu",
        forward=lambda x: np.maximum(x, 0.0),
        scalar=_scalar_relu,
        symbol="relu",
        code="np.maximum({0}, 0.0)",
        scalar_code="max({0}, 0.0)",
        latex=r"\max\left(#0, 0\right)",
        words="keeps {0} if it is positive and gives 0 otherwise",
        why="a positive input passes as it is, a negative one is cut off, and so is the kink",
        local=(lambda out, x: np.heaviside(x, 0.0),),
        pattern="routes",
        because=lambda out, x: "{0} > 0" if x > 0 else "{0} <= 0",
        kink=lambda x: x,
        selects=True,
        analytic=False,
    ),
    Gate(
        name="leaky_relu",
        forward=_leaky_relu,
        scalar=_scalar_leaky_relu,
        symbol="leaky",
        words="keeps {0} if it is positive and shrinks it otherwise",
        why="a positive input passes as it is, a negative one leaks; the kink counts as a leak",
        local=(_leaky_relu_slope,),
        kink=lambda x, *, negative_slope=0.01: x,
        analytic=False,
        examples=(example((), negative_slope=0.2),),
    ),
    Gate(
        name="elu",
        forward=_elu,
        scalar=_scalar_elu,
        symbol="elu",
        words="keeps {0} if it is positive and bends it into an exponential otherwise",
        why="a positive input passes as it is, a negative one with the slope of the exponential",
        local=(_elu_slope,),
        kink=lambda x, *, alpha=1.0: x,
        analytic=False,
        examples=(example((), alpha=0.5),),
    ),
    sigmoid,
    Gate(
        name="softplus",
        forward=lambda x: np.logaddexp(x, 0.0),
        scalar=_scalar_softplus,
        symbol="ln(1+eˣ)",
        code="np.logaddexp({0}, 0.0)",
        scalar_code="softplus({0})",
        latex=r"\ln\left(1 + e^{#0}\right)",
        words="takes the logarithm of 1 + e^{0}, a soft relu",
        why="the soft relu's slope is the soft step, the sigmoid",
        local=(lambda out, x: sigmoid(x),),
        analytic=False,
    ),
    Gate(
        name="log_sigmoid",
        forward=lambda x: -np.logaddexp(-x, 0.0),
        scalar=_scalar_log_sigmoid,
        symbol="ln σ",
        code="-np.logaddexp(-{0}, 0.0)",
        scalar_code="log_sigmoid({0})",
        latex=r"\ln\left(\sigma\left(#0\right)\right)",
        words="takes the logarithm of the sigmoid of {0}",
        why="the slope of log s is (1 - s) s / s, and 1 - s(x) is s(-x)",
        local=(lambda out, x: sigmoid(-x),),
        analytic=False,
    ),
    Gate(
        name="silu",
        forward=_silu,
        scalar=_scalar_silu,
        symbol="x σ",
        latex=r"#(0) \cdot \sigma\left(#0\right)",
        words="multiplies {0} by its own sigmoid",
        why="the sigmoid passes x on, and moves by itself times s(-x)",
        local=(lambda out, x: sigmoid(x) + out * sigmoid(-x),),
    ),
    Gate(
        name="gelu",
        forward=_gelu,
        scalar=_scalar_gelu,
        symbol="gelu",
        words="multiplies {0} by the chance that a normal number is smaller",
        why="the chance passes x on, and moves by the bell curve at x",
        local=(_gelu_slope,),
        analytic=False,
        examples=(example((), approximate=True),),
    ),
    erf,
    erfc,
    Gate(
        name="softmax",
        forward=_softmax,
        symbol="softmax",
        words="turns {0} into shares that add up to 1",
        expand=_softmax,
        why="each share gains by its gradient, less the mean gradient that the shares weigh",
        vjp=(lambda g, out, x, *, axis=-1: out * (g - np.sum(g * out, axis=axis, keepdims=True)),),
        pattern="products",
        examples=(example((4,)), example((2, 3)), example((2, 3), axis=0), example((0, 3))),
    ),
    Gate(
        name="log_softmax",
        forward=_log_softmax,
        symbol="ln softmax",
        words="turns {0} into logarithms of shares that add up to 1",
        expand=_log_softmax,
        why="each gets its own gradient, less its share of the sum of all",
        vjp=(lambda g, out, x, *, axis=-1: g - np.exp(out) * np.sum(g, axis=axis, keepdims=True),),
        pattern="products",
        examples=(example((4,)), example((2, 3)), example((2, 3), axis=0), example((0, 3))),
    ),
    Gate(
        name="one_hot",
        forward=_one_hot,
        symbol="1-hot",
        expand=_one_hot_of_gates,
        words="turns the labels {0} into rows with a 1 at the label",
        why="labels are names of classes, not amounts that could move a little",
        pattern="stops",
        analytic=False,
        examples=(
            example((3,), values=(np.array([0, 2, 1]),), classes=3),
            example((1, 2), values=(np.array([[1, 0]]),), classes=2, dtype="float32"),
        ),
    ),
)
