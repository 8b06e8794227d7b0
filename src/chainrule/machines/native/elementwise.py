"""An emitter for each elementwise gate: its inputs' registers in, its value's register out.

The inputs are scalars or vectors of one element type, "double" or "float" ("i64" and "i32" too for
sums, products and comparisons); truth values are `i1`. Arithmetic is rounded where NumPy rounds,
so its results are NumPy's bits; ties, NaN, infinities and signed zeros are those of the gate's
`forward`. The transcendental functions are in `mathematics`. A gate that is missing here is drawn
out of simpler gates, or NumPy computes it. To add one, add it to `EMITTERS` and its cost to `COST`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np

from .builder import Builder, Value, constant, element_of
from .mathematics import (
    angle,
    error_function,
    exponential,
    inverse_hyperbolic,
    logarithm,
    power,
    soft,
    trigonometric,
)

Emitter = Callable[..., Value]

_WHOLE = frozenset(("i1", "i8", "i16", "i32", "i64"))


def number_of(value: Value) -> float | None:
    """Return the number that a literal of a float type stands for; None for a register."""
    word = value.name.removeprefix("splat (").removesuffix(")").rpartition(" ")[2]
    if value.element not in ("double", "float") or not word.startswith("0x"):
        return None
    return float(struct.unpack("<d", struct.pack("<Q", int(word, 16)))[0])


def is_whole(value: Value) -> bool:
    """Whether a value is of an integer type."""
    return element_of(value.type) in _WHOLE


def _compared(b: Builder, signed: str, x: Value, y: Value) -> Value:
    """Compare integers; truth values without a sign, for the one bit of True is -1 with one."""
    return b.compare(signed.replace("s", "u") if x.element == "i1" else signed, x, y)


# ---------------------------------------------------------------------------- arithmetic


def _either(word: str) -> Emitter:
    """Return the emitter of an operation that floats and integers have: "add" and "fadd"."""

    def emitter(b: Builder, x: Value, y: Value) -> Value:
        operation = getattr(b, word if is_whole(x) else "f" + word)
        made: Value = operation(x, y)
        return made

    return emitter


def _divide(b: Builder, x: Value, y: Value) -> Value:
    return b.fdiv(x, y)


def _negative(b: Builder, x: Value) -> Value:
    return b.sub(constant(x.type, 0), x) if is_whole(x) else b.fneg(x)


def _absolute(b: Builder, x: Value) -> Value:
    if is_whole(x):
        return b.select(b.compare("slt", x, constant(x.type, 0)), _negative(b, x), x)
    return b.intrinsic("fabs", x)


def _positive(b: Builder, x: Value) -> Value:
    return x


def _square(b: Builder, x: Value) -> Value:
    return b.mul(x, x) if is_whole(x) else b.fmul(x, x)


def _reciprocal(b: Builder, x: Value) -> Value:
    return b.fdiv(constant(x.type, 1.0), x)


def _sqrt(b: Builder, x: Value) -> Value:
    return b.intrinsic("sqrt", x)


def _sign(b: Builder, x: Value) -> Value:
    one, zero, minus = (constant(x.type, n) for n in (1, 0, -1))
    if is_whole(x):
        low = b.select(b.compare("slt", x, zero), minus, zero)
        return b.select(b.compare("sgt", x, zero), one, low)
    # The sum of x and 0 is +0 of both zeros, and keeps NaN.
    low = b.select(b.compare("olt", x, zero), minus, b.fadd(x, zero))
    return b.select(b.compare("ogt", x, zero), one, low)


def _larger(ordered: str, whole: str) -> Emitter:
    """Return the emitter of maximum or minimum, as `x if x >= y or isnan(x) else y`."""

    def emitter(b: Builder, x: Value, y: Value) -> Value:
        if is_whole(x):
            return b.select(_compared(b, whole, x, y), x, y)
        # Not llvm.maxnum, which drops the NaN that np.maximum keeps. In this order the first
        # choice is one instruction of x86, which gives x if either is NaN; so y's is left to see.
        made = b.select(b.compare(ordered, y, x), y, x)
        return b.select(b.compare("uno", y, y), y, made)

    return emitter


_maximum = _larger("ogt", "sge")
_minimum = _larger("olt", "sle")


def _share(b: Builder, x: Value, y: Value) -> Value:
    x, y = b.together(x, y)
    made = b.select(b.compare("ogt", x, y), constant(x.type, 1.0), constant(x.type, 0.0))
    made = b.select(b.compare("oeq", x, y), constant(x.type, 0.5), made)
    return b.select(b.compare("uno", x, y), constant(x.type, math.nan), made)


def _rooted(
    b: Builder, x: Value, form: Callable[[Value, Value], Value], at_infinity: float
) -> Value:
    """Return a form in x and its root, with the zeros and the -inf of pow."""
    # pow(-0.0, 0.5) is +0.0, and pow(-inf, 0.5) is inf, where a root gives -0.0 and NaN.
    x = b.fadd(x, constant(x.type, 0.0))
    made = form(x, _sqrt(b, x))
    below = b.compare("oeq", x, constant(x.type, -math.inf))
    return b.select(below, constant(x.type, at_infinity), made)


def _power(b: Builder, x: Value, y: Value) -> Value:
    exponent = number_of(y)
    x, y = b.together(x, y)
    one = constant(x.type, 1.0)
    if exponent == 0.0:
        return one  # of NaN too
    if exponent == 1.0:
        return x
    if exponent == 2.0:
        return b.fmul(x, x)
    if exponent == 3.0:
        return b.fmul(b.fmul(x, x), x)
    if exponent == 4.0:
        squared = b.fmul(x, x)
        return b.fmul(squared, squared)
    if exponent == -1.0:
        return b.fdiv(one, x)
    if exponent == -2.0:
        inverse = b.fdiv(one, x)  # first: the square could overflow where its inverse is a number
        return b.fmul(inverse, inverse)
    if exponent == 0.5:
        # NumPy's power of an array is the plain root, Python's of a float is not.
        return _sqrt(b, x) if x.lanes else _rooted(b, x, lambda x, root: root, math.inf)
    if exponent == -0.5:
        return _rooted(b, x, lambda x, root: b.fdiv(one, root), 0.0)
    if exponent == 1.5:
        return _rooted(b, x, b.fmul, math.inf)
    return power.power(b, x, y)


# ---------------------------------------------------------------------------- comparison


def _comparison(ordered: str, signed: str) -> Emitter:
    def emitter(b: Builder, x: Value, y: Value) -> Value:
        return _compared(b, signed, x, y) if is_whole(x) else b.compare(ordered, x, y)

    return emitter


def truth(b: Builder, x: Value) -> Value:
    """Return whether a number is not 0; NaN is true, as in Python."""
    if x.element == "i1":
        return x
    return b.compare("ne" if is_whole(x) else "une", x, constant(x.type, 0))


def _logical(word: str) -> Emitter:
    def emitter(b: Builder, x: Value, y: Value) -> Value:
        made: Value = getattr(b, word)(truth(b, x), truth(b, y))
        return made

    return emitter


def _logical_not(b: Builder, x: Value) -> Value:
    known = truth(b, x)
    return b.xor(known, constant(known.type, True))


def _bitwise(word: str) -> Emitter:
    def emitter(b: Builder, x: Value, y: Value) -> Value:
        made: Value = getattr(b, word)(x, y)
        return made

    return emitter


def _invert(b: Builder, x: Value) -> Value:
    return b.xor(x, constant(x.type, True if x.element == "i1" else -1))


def _test(predicate: str, number: float) -> Emitter:
    """Return the emitter of a test of |x| against a number."""

    def emitter(b: Builder, x: Value) -> Value:
        return b.compare(predicate, b.intrinsic("fabs", x), constant(x.type, number))

    return emitter


def _isnan(b: Builder, x: Value) -> Value:
    return b.compare("uno", x, x)


def _signbit(b: Builder, x: Value) -> Value:
    whole = b.bits(x)
    return b.compare("slt", whole, constant(whole.type, 0))


def _where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    return b.select(truth(b, condition), x, y)


def _heaviside(b: Builder, x: Value, y: Value) -> Value:
    x, y = b.together(x, y)
    zero = constant(x.type, 0.0)
    made = b.select(b.compare("ogt", x, zero), constant(x.type, 1.0), zero)
    made = b.select(b.compare("oeq", x, zero), y, made)
    return b.select(b.compare("uno", x, x), x, made)


def _slope_if_reached(b: Builder, slope: Value, g: Value) -> Value:
    slope, g = b.together(slope, g)
    zero = constant(slope.type, 0.0)
    endless = b.compare("uge", b.intrinsic("fabs", slope), constant(slope.type, math.inf))
    return b.select(b.and_(endless, b.compare("oeq", g, zero)), zero, slope)


# ---------------------------------------------------------------------------- steps


def _rounding(name: str) -> Emitter:
    def emitter(b: Builder, x: Value) -> Value:
        return x if is_whole(x) else b.intrinsic(name, x)

    return emitter


_rint = _rounding("rint")


def _round(b: Builder, a: Value, *, decimals: int = 0) -> Value:
    if decimals == 0:
        return _rint(b, a)
    factor = constant(a.type, 10.0 ** abs(decimals))
    there, back = (b.fmul, b.fdiv) if decimals > 0 else (b.fdiv, b.fmul)
    return back(_rint(b, there(a, factor)), factor)


def _fmod(b: Builder, x: Value, y: Value) -> Value:
    return b.frem(x, y)


def _mod(b: Builder, x: Value, y: Value) -> Value:
    """Return the remainder with the sign of y; a zero has it too."""
    x, y = b.together(x, y)
    zero = constant(x.type, 0.0)
    rest = b.frem(x, y)
    apart = b.xor(b.compare("olt", y, zero), b.compare("olt", rest, zero))
    moved = b.select(apart, b.fadd(rest, y), rest)
    made = b.select(b.compare("oeq", rest, zero), b.intrinsic("copysign", zero, y), moved)
    # A division by 0 keeps the NaN of the remainder.
    return b.select(b.compare("oeq", y, zero), rest, made)


def _floor_divide(b: Builder, x: Value, y: Value) -> Value:
    """Return the quotient rounded down, by the remainder: x / y may be rounded up to a whole."""
    x, y = b.together(x, y)
    zero, half, one = (constant(x.type, n) for n in (0.0, 0.5, 1.0))
    rest = b.frem(x, y)
    quotient = b.fdiv(b.fsub(x, rest), y)
    apart = b.xor(b.compare("olt", y, zero), b.compare("olt", rest, zero))
    steps = b.and_(apart, b.compare("une", rest, zero))
    quotient = b.select(steps, b.fsub(quotient, one), quotient)
    down = b.intrinsic("floor", quotient)
    # The division may have been rounded to just below a whole number.
    short = b.compare("ogt", b.fsub(quotient, down), half)
    down = b.select(short, b.fadd(down, one), down)
    plain = b.fdiv(x, y)
    signed_zero = b.intrinsic("copysign", zero, plain)
    down = b.select(b.compare("oeq", quotient, zero), signed_zero, down)
    return b.select(b.compare("oeq", y, zero), plain, down)


def _clip(b: Builder, a: Value, a_min: Value, a_max: Value) -> Value:
    # NumPy's order of the two bounds, which decides where a_min > a_max.
    return _minimum(b, _maximum(b, a, a_min), a_max)


# ---------------------------------------------------------------------------- activation


def _relu(b: Builder, x: Value) -> Value:
    return _maximum(b, x, constant(x.type, 0.0))


def _leaky_relu(b: Builder, x: Value, *, negative_slope: float = 0.01) -> Value:
    leak = b.fmul(constant(x.type, negative_slope), x)
    return b.select(b.compare("ogt", x, constant(x.type, 0.0)), x, leak)


def _scaled(high: float, low: float) -> Emitter:
    """Return the emitter of a product with high / low, rounded in the type of x as NumPy does."""

    def emitter(b: Builder, x: Value) -> Value:
        kind = np.float32 if x.element == "float" else np.float64
        return b.fmul(x, constant(x.type, float(kind(high) / kind(low))))

    return emitter


EMITTERS: dict[str, Emitter] = {
    # arithmetic
    "add": _either("add"),
    "subtract": _either("sub"),
    "multiply": _either("mul"),
    "divide": _divide,
    "negative": _negative,
    "power": _power,
    "square": _square,
    "sqrt": _sqrt,
    "reciprocal": _reciprocal,
    "absolute": _absolute,
    "sign": _sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "share": _share,
    "positive": _positive,
    # comparison
    "greater": _comparison("ogt", "sgt"),
    "greater_equal": _comparison("oge", "sge"),
    "less": _comparison("olt", "slt"),
    "less_equal": _comparison("ole", "sle"),
    "equal": _comparison("oeq", "eq"),
    "not_equal": _comparison("une", "ne"),
    "logical_and": _logical("and_"),
    "logical_or": _logical("or_"),
    "logical_xor": _logical("xor"),
    "logical_not": _logical_not,
    "bitwise_and": _bitwise("and_"),
    "bitwise_or": _bitwise("or_"),
    "bitwise_xor": _bitwise("xor"),
    "invert": _invert,
    "isnan": _isnan,
    "isinf": _test("oeq", math.inf),
    "isfinite": _test("olt", math.inf),
    "signbit": _signbit,
    "where": _where,
    "heaviside": _heaviside,
    "slope_if_reached": _slope_if_reached,
    # steps
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "rint": _rint,
    "trunc": _rounding("trunc"),
    "round": _round,
    "floor_divide": _floor_divide,
    "mod": _mod,
    "fmod": _fmod,
    "clip": _clip,
    # activation
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": soft.elu,
    "sigmoid": exponential.sigmoid,
    "softplus": soft.softplus,
    "log_sigmoid": soft.log_sigmoid,
    "silu": exponential.silu,
    # exponential and trigonometric
    "deg2rad": _scaled(math.pi, 180.0),
    "rad2deg": _scaled(180.0, math.pi),
    "sech_squared": exponential.sech_squared,
    "exp": exponential.exp,
    "expm1": exponential.expm1,
    "log1p": logarithm.log1p,
    "logaddexp": soft.logaddexp,
    "logaddexp2": soft.logaddexp2,
    "softshare": soft.softshare,
    "arcsin": angle.arcsin,
    "arccos": angle.arccos,
    "arctan": angle.arctan,
    "arctan2": angle.arctan2,
    "arcsinh": inverse_hyperbolic.arcsinh,
    "arccosh": inverse_hyperbolic.arccosh,
    "arctanh": inverse_hyperbolic.arctanh,
    "exp2": exponential.exp2,
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "sinc": trigonometric.sinc,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
    "hypot": power.hypot,
    "cbrt": power.cbrt,
    "erf": error_function.erf,
    "erfc": error_function.erfc,
    "gelu": error_function.gelu,
}
"""The emitter of each gate, by the gate's name: `emitter(b, *values, **settings)`."""

COST: dict[str, int] = {
    "positive": 0,
    "divide": 8,
    "reciprocal": 8,
    "sqrt": 16,
    "maximum": 3,
    "minimum": 3,
    "share": 5,
    "sign": 4,
    "heaviside": 5,
    "slope_if_reached": 4,
    "clip": 6,
    "relu": 1,
    "leaky_relu": 3,
    "power": 150,
    "mod": 140,
    "fmod": 140,
    "floor_divide": 140,
    "exp": 17,
    "exp2": 15,
    "expm1": 22,
    "log": 31,
    "log2": 37,
    "log10": 40,
    "log1p": 45,
    "logaddexp": 85,
    "logaddexp2": 85,
    "softshare": 40,
    "sigmoid": 35,
    "silu": 45,
    "elu": 24,
    "softplus": 77,
    "log_sigmoid": 77,
    "gelu": 100,
    "tanh": 44,
    "sech_squared": 48,
    "sinh": 30,
    "cosh": 28,
    "arcsinh": 84,
    "arccosh": 84,
    "arctanh": 62,
    "sin": 45,
    "cos": 45,
    "tan": 75,
    "sinc": 58,
    "arcsin": 65,
    "arccos": 65,
    "arctan": 40,
    "arctan2": 70,
    "hypot": 17,
    "cbrt": 50,
    "erf": 85,
    "erfc": 85,
}
"""What a gate costs, in additions in a register; 1 where it is not listed.

Measured for float64 with AVX-512, in loops over 2,048 numbers.
"""

__all__ = ["COST", "EMITTERS", "Emitter", "number_of", "truth"]
