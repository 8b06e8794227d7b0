"""Write formulas as formulas: operators on the lanes of a register append instructions.

`Lanes` wraps a builder and a value; Python's operators on it are LLVM's, on floats and integers
alike, and a Python number is a constant in every lane. A function from `Lanes` to `Lanes` becomes
an emitter with `@vector`. One that is worth its own digits only in double is `@through_double`: its
floats are widened, and what it computes is rounded once.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..builder import Builder, Value, constant, size_of

Number = float | int


NAN = math.nan
INFINITY = math.inf


class Format(NamedTuple):
    """What differs between float64 and float32.

    Attributes
    ----------
    digits : int
        Bits after the leading one.
    bias : int
        The exponent's bias, also the largest exponent.
    shift : float
        Added to a small number, it rounds to a whole one, which is then in the lowest bits.
    smallest : float
        The smallest normal number.
    split : float
        Times a number, what halves its digits: Dekker 1971.
    """

    digits: int
    bias: int
    shift: float
    smallest: float
    split: float


FORMATS = {
    "double": Format(52, 1023, 1.5 * 2.0**52, 2.0**-1022, 2.0**27 + 1.0),
    "float": Format(23, 127, 1.5 * 2.0**23, 2.0**-126, 2.0**12 + 1.0),
}


class Lanes:
    """A register with a number, a whole number or a truth value in each lane."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b = b
        self.value = value

    # ------------------------------------------------------------------ what it is

    @property
    def kind(self) -> str:
        """The type of a lane: "double", "float", "i64", "i32", "i1"."""
        return self.value.element

    @property
    def format(self) -> Format:
        """What is special to floats of this type."""
        return FORMATS[self.kind]

    @property
    def is_float(self) -> bool:
        """Whether the lanes hold floats."""
        return self.kind in FORMATS

    @property
    def bit_count(self) -> int:
        """How many bits a lane has."""
        return 8 * size_of(self.kind)

    def of(self, number: Number | Lanes) -> Lanes:
        """Return a number as lanes of this type."""
        if isinstance(number, Lanes):
            return number
        return Lanes(self.b, constant(self.value.type, number))

    # ------------------------------------------------------------------ operators

    def _binary(self, words: tuple[str, str], x: Number | Lanes, y: Number | Lanes) -> Lanes:
        operation = getattr(self.b, words[0] if self.is_float else words[1])
        return Lanes(self.b, operation(self.of(x).value, self.of(y).value))

    def __add__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("fadd", "add"), self, other)

    def __radd__(self, other: Number) -> Lanes:
        return self._binary(("fadd", "add"), other, self)

    def __sub__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("fsub", "sub"), self, other)

    def __rsub__(self, other: Number) -> Lanes:
        return self._binary(("fsub", "sub"), other, self)

    def __mul__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("fmul", "mul"), self, other)

    def __rmul__(self, other: Number) -> Lanes:
        return self._binary(("fmul", "mul"), other, self)

    def __truediv__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("fdiv", "sdiv"), self, other)

    def __rtruediv__(self, other: Number) -> Lanes:
        return self._binary(("fdiv", "sdiv"), other, self)

    def __neg__(self) -> Lanes:
        return Lanes(self.b, self.b.fneg(self.value)) if self.is_float else 0 - self

    def __abs__(self) -> Lanes:
        return Lanes(self.b, self.b.intrinsic("fabs", self.value))

    def __lshift__(self, count: int) -> Lanes:
        return self._binary(("shl", "shl"), self, count)

    def __rshift__(self, count: int) -> Lanes:
        """Shift to the right without regard to the sign."""
        return self._binary(("lshr", "lshr"), self, count)

    def __and__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("and_", "and_"), self, other)

    def __or__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("or_", "or_"), self, other)

    def __xor__(self, other: Number | Lanes) -> Lanes:
        return self._binary(("xor", "xor"), self, other)

    def _compared(self, ordered: str, signed: str, other: Number | Lanes) -> Lanes:
        word = ordered if self.is_float else signed
        return Lanes(self.b, self.b.compare(word, self.value, self.of(other).value))

    def __lt__(self, other: Number | Lanes) -> Lanes:
        return self._compared("olt", "slt", other)

    def __le__(self, other: Number | Lanes) -> Lanes:
        return self._compared("ole", "sle", other)

    def __gt__(self, other: Number | Lanes) -> Lanes:
        return self._compared("ogt", "sgt", other)

    def __ge__(self, other: Number | Lanes) -> Lanes:
        return self._compared("oge", "sge", other)

    def equals(self, other: Number | Lanes) -> Lanes:
        """Whether the lanes are equal; NaN is not."""
        return self._compared("oeq", "eq", other)

    def is_nan(self) -> Lanes:
        """Whether the lanes are NaN."""
        return self._compared("uno", "ne", self)

    def is_nan_with(self, other: Lanes) -> Lanes:
        """Whether these or the other lanes are NaN."""
        return self._compared("uno", "ne", other)

    # ------------------------------------------------------------------ forms of it

    def bits(self) -> Lanes:
        """Return the bits of floats as whole numbers."""
        return Lanes(self.b, self.b.bits(self.value))

    def from_bits(self) -> Lanes:
        """Return the floats that have these bits."""
        kind = {"i64": "double", "i32": "float"}[self.kind]
        return Lanes(self.b, self.b.convert("bitcast", self.value, kind))

    def to(self, kind: str) -> Lanes:
        """Return floats as floats of another type."""
        if kind == self.kind:
            return self
        word = "fpext" if kind == "double" else "fptrunc"
        return Lanes(self.b, self.b.convert(word, self.value, kind))

    def sqrt(self) -> Lanes:
        """Return the square root."""
        return Lanes(self.b, self.b.intrinsic("sqrt", self.value))

    def with_sign_of(self, other: Lanes) -> Lanes:
        """Return these amounts with the other's signs, those of zeros too."""
        return Lanes(self.b, self.b.intrinsic("copysign", self.value, other.value))


def fma(x: Lanes, y: Number | Lanes, z: Number | Lanes) -> Lanes:
    """Return x * y + z, rounded once where the target can."""
    return Lanes(x.b, x.b.fma(x.value, x.of(y).value, x.of(z).value))


def choose(chooser: Lanes, yes: Number | Lanes, no: Number | Lanes) -> Lanes:
    """Choose lane by lane; at least one of the two is `Lanes`."""
    like = yes if isinstance(yes, Lanes) else no
    assert isinstance(like, Lanes)
    return Lanes(like.b, like.b.select(chooser.value, like.of(yes).value, like.of(no).value))


def at_most(x: Lanes, high: Number | Lanes) -> Lanes:
    """Return the smaller; the NaN of x."""
    high = x.of(high)
    return choose(high < x, high, x)


def at_least(x: Lanes, low: Number | Lanes) -> Lanes:
    """Return the larger; the NaN of x."""
    low = x.of(low)
    return choose(low > x, low, x)


def polynomial(x: Lanes, coefficients: Sequence[float], square: Lanes | None = None) -> Lanes:
    """Return c0 + c1 x + c2 x² + ..., even and odd powers apart: half as long to wait for.

    Parameters
    ----------
    x : Lanes
        Where.
    coefficients : sequence of float
        That of the lowest power first.
    square : Lanes, optional
        x², where it is at hand.
    """
    if len(coefficients) < 5:
        return _horner(x, coefficients)
    square = x * x if square is None else square
    odd = _horner(square, coefficients[1::2])
    return fma(odd, x, _horner(square, coefficients[0::2]))


def _horner(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    made = x.of(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        made = fma(made, x, c)
    return made


def whole(x: Lanes, factor: float) -> tuple[Lanes, Lanes]:
    """Return x times a factor rounded to the nearest whole number, as floats and as integers.

    For amounts below 2 ** 21 or so. Of NaN the first is NaN and the second anything.
    """
    form = x.format
    moved = fma(x, factor, form.shift)
    start = struct.unpack("<q", struct.pack("<d", form.shift))[0]
    if x.kind == "float":
        start = struct.unpack("<i", struct.pack("<f", form.shift))[0]
    return moved - form.shift, moved.bits() - start


def scaled(x: Lanes, n: Lanes) -> Lanes:
    """Return x times 2 ** n for whole n: rounded once, also where the result is subnormal.

    |n| may be twice the largest exponent; of NaN it may be anything.
    """
    b = x.b
    if b.target.masks and b.target.triple.startswith("x86_64"):  # one instruction of AVX-512
        suffix = "".join(
            f".{'v' + str(v.value.lanes) if v.value.lanes else ''}{name}"
            for v, name in ((x, "f64" if x.kind == "double" else "f32"), (n, n.kind))
        )
        return Lanes(b, b.call(f"llvm.ldexp{suffix}", x.value.type, x.value, n.value))
    # Two factors, because one of 2 ** -1074 would be subnormal itself. Their biased exponents add
    # up to n and twice the bias; they are positive, so that no shift with a sign is needed.
    form = x.format
    both = n + 2 * form.bias
    first = both >> 1
    second = both - first
    return x * (first << form.digits).from_bits() * (second << form.digits).from_bits()


def two_sum(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes]:
    """Return the rounded sum and its error, exactly: Knuth 1969."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def fast_two_sum(x: Lanes, y: Number | Lanes) -> tuple[Lanes, Lanes]:
    """Return the rounded sum and its error, exactly, for |x| >= |y|: Dekker 1971."""
    total = x + y
    return total, y - (total - x) if isinstance(y, Lanes) else x.of(y) - (total - x)


def two_product(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes]:
    """Return the rounded product and its error, exactly but for underflow.

    Without FMA, by Dekker's split, which overflows near the largest number.
    """
    product = x * y
    if x.b.target.fma:
        return product, fma(x, y, -product)
    a, c = _halves(x)
    d, e = (a, c) if y is x else _halves(y)
    return product, ((a * d - product) + a * e + c * d) + c * e


def _halves(x: Lanes) -> tuple[Lanes, Lanes]:
    spread = x * x.format.split
    high = spread - (spread - x)
    return high, x - high


def any_lane(x: Lanes) -> Value:
    """Return whether a truth value holds in some lane."""
    if not x.value.lanes:
        return x.value
    return x.b.call(f"llvm.vector.reduce.or.v{x.value.lanes}i1", "i1", x.value)


def vector(function: Callable[..., Lanes]) -> Callable[..., Value]:
    """Make an emitter of a function of `Lanes`."""

    @functools.wraps(function)
    def emitter(b: Builder, *values: Value, **settings: float) -> Value:
        return function(*(Lanes(b, v) for v in b.together(*values)), **settings).value

    return emitter


def through_double(function: Callable[..., Lanes]) -> Callable[..., Lanes]:
    """Make a function of float64 one of float32 too, rounded once at its end."""

    @functools.wraps(function)
    def either(*inputs: Lanes, **settings: float) -> Lanes:
        kind = inputs[0].kind
        return function(*(x.to("double") for x in inputs), **settings).to(kind)

    return either
