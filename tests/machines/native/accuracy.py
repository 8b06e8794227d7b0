"""Measure vector mathematics in ulp, against mpmath.

An ulp is the distance from one float to the next at the exact value; in the subnormal range, and
below it, it is the smallest float.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from chainrule.machines.native.elementwise import EMITTERS
from chainrule.machines.native.target import Target

from .lanes import run

BITS = 130
DTYPES = ("float64", "float32")
Array = np.ndarray[Any, Any]


def _gelu_by_tanh(x: Any) -> Any:
    # The constants are the gate's floats.
    u = mp.mpf(1.5957691216057308) * (x + mp.mpf(0.044715) * x**3)
    return x * _sigmoid(u)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x > -50 else mp.exp(x) / (1 + mp.exp(x))


def _erfc(x: Any) -> Any:
    return mp.erfc(x) if abs(x) < 100 else mp.mpf(0 if x > 0 else 2)  # mpmath's fails at 1e300


def _cbrt(x: Any) -> Any:
    return mp.sign(x) * mp.cbrt(abs(x))


class Function(NamedTuple):
    """A gate and what it should give.

    Attributes
    ----------
    exact : callable
        In mpmath's numbers.
    low, high : float
        Where it is neither constant nor infinite, roughly.
    gate : str
        The gate, where that is not the name.
    settings : dict
        The gate's settings.
    """

    exact: Callable[..., Any]
    low: float
    high: float
    gate: str = ""
    settings: dict[str, Any] = {}  # noqa: RUF012 (read only)


FUNCTIONS: dict[str, Function] = {
    "exp": Function(mp.exp, -746, 710),
    "exp2": Function(lambda x: mp.mpf(2) ** x, -1076, 1024),
    "expm1": Function(mp.expm1, -40, 710),
    "log": Function(mp.log, 0, 20),
    "log2": Function(lambda x: mp.log(x) / mp.log(2), 0, 20),
    "log10": Function(mp.log10, 0, 20),
    "log1p": Function(mp.log1p, -1, 20),
    "sigmoid": Function(_sigmoid, -746, 40),
    "log_sigmoid": Function(lambda x: -mp.log1p(mp.exp(-x)) if x > -800 else x, -60, 746),
    "softplus": Function(lambda x: mp.log1p(mp.exp(x)) if x < 800 else x, -746, 60),
    "silu": Function(lambda x: x * _sigmoid(x), -746, 40),
    "gelu": Function(lambda x: x * _erfc(-x / mp.sqrt(2)) / 2, -38, 10),
    "gelu by tanh": Function(_gelu_by_tanh, -21, 10, "gelu", {"approximate": True}),
    "elu": Function(lambda x: x if x > 0 else mp.expm1(x), -40, 5),
    "tanh": Function(mp.tanh, -20, 20),
    "sech_squared": Function(lambda x: mp.sech(x) ** 2, -373, 373),
    "sinh": Function(mp.sinh, -711, 711),
    "cosh": Function(mp.cosh, -711, 711),
    "arcsinh": Function(mp.asinh, -20, 20),
    "arccosh": Function(mp.acosh, 1, 20),
    "arctanh": Function(mp.atanh, -1, 1),
    "sin": Function(mp.sin, -30, 30),
    "cos": Function(mp.cos, -30, 30),
    "tan": Function(mp.tan, -30, 30),
    "arcsin": Function(mp.asin, -1, 1),
    "arccos": Function(mp.acos, -1, 1),
    "arctan": Function(mp.atan, -10, 10),
    "arctan2": Function(mp.atan2, -10, 10),
    "hypot": Function(mp.hypot, -10, 10),
    "power": Function(mp.power, -12, 12),
    "cbrt": Function(_cbrt, -10, 10),
    "erf": Function(lambda x: mp.erf(x) if abs(x) < 100 else mp.sign(x), -7, 7),
    "erfc": Function(_erfc, -7, 28),
}


def points(function: Function, dtype: str, count: int, rng: np.random.Generator) -> list[Array]:
    """Return arguments where a function is hard: everywhere, near 0 and 1, multiples of pi / 2.

    A fifth of `count` each; of two arguments the second is shuffled.
    """
    many = count // 5
    kind = {"float64": np.uint64, "float32": np.uint32}[dtype]
    inputs = 2 if function.exact in (mp.atan2, mp.hypot, mp.power) else 1
    arguments = []
    for _ in range(inputs):
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = [
                rng.integers(0, np.iinfo(kind).max, many, kind, endpoint=True).view(dtype),
                rng.uniform(function.low, function.high, many),
                rng.choice([-1, 1], many) * np.exp(rng.uniform(-40, 3, many)),
                1 + rng.choice([-1, 1], many) * np.exp(rng.uniform(-38, 0, many)),
                rng.integers(-60000, 60000, many) * (np.pi / 2),
            ]
            x = np.concatenate(drawn).astype(dtype)
        arguments.append(np.where(np.isfinite(x), x, 0.5).astype(dtype))
    if inputs == 2:
        rng.shuffle(arguments[1])
    if function.exact is mp.power:
        arguments[0] = np.abs(arguments[0])
        few = arguments[0].size // 3  # whole exponents
        arguments[1][:few] = np.rint(np.clip(arguments[1][:few], -40, 40))
    return arguments


def exact_values(function: Function, arguments: Sequence[Array]) -> list[Any]:
    """Return what a function should give; NaN where it is not real."""
    found = []
    with mp.workprec(BITS):
        for numbers in zip(*(x.tolist() for x in arguments), strict=True):
            try:
                value = function.exact(*map(mp.mpf, numbers))
            except ZeroDivisionError:
                value = mp.inf
            found.append(value if isinstance(value, mp.mpf) else mp.nan)
    return found


def errors(got: Array, exact: Sequence[Any]) -> Array:
    """Return the error of each value in ulp; infinite where it is not of the right kind."""
    digits, least = (52, -1074) if got.dtype == np.float64 else (23, -149)
    largest = float(np.finfo(got.dtype).max)
    found = np.zeros(len(exact))
    with mp.workprec(BITS):
        for k, (value, right) in enumerate(zip(got.tolist(), exact, strict=True)):
            if mp.isnan(right):
                found[k] = 0 if value != value else np.inf
                continue
            if abs(right) > largest and value in (right, np.sign(float(mp.sign(right))) * np.inf):
                continue
            if value != value or (abs(value) == np.inf and abs(right) < largest * (1 - 2**-20)):
                found[k] = np.inf
                continue
            power = max(mp.frexp(right)[1] - 1 - digits, least) if right else least
            value = max(min(value, 2 * largest), -2 * largest)
            found[k] = float(mp.ldexp(abs(mp.mpf(value) - right), -power))
    return found


def largest_errors(
    name: str, dtype: str, count: int, targets: Sequence[Target], seed: int = 0
) -> tuple[list[float], list[tuple[float, ...]]]:
    """Return the largest error on each target, and at which arguments it is met."""
    function = FUNCTIONS[name]
    arguments = points(function, dtype, count, np.random.default_rng(seed))
    exact = exact_values(function, arguments)
    found, where = [], []
    for target in targets:
        emitter = EMITTERS[function.gate or name]
        error = errors(run(emitter, *arguments, target=target, **function.settings), exact)
        at = int(np.argmax(error))
        found.append(float(error[at]))
        where.append(tuple(float(x[at]) for x in arguments))
    return found, where
