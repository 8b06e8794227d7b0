"""Sine, cosine and tangent of large numbers: the rare branch, one lane at a time, out of line.

x is a whole number of 53 bits times 2^e, and of 2/pi times it only the bits below 4 count: those of
2/pi that give more are left out, and 192 bits follow. So n and r have all their digits up to the
largest float, after Payne & Hanek 1983. C libraries are not always as careful: glibc 2.36 errs by
8 ulp at 6381956970095103 * 2^797, the double nearest to a multiple of pi / 2.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from ..builder import Builder, Value
from .lanes import NAN, Lanes, any_lane, choose, fast_two_sum, fma, two_product, two_sum

BITS = 1216
WINDOW = 192
HALF_PI_REST = float.fromhex("0x1.1a62633145c07p-54")  # pi / 2, less the number math.pi / 2
TABLE = "two_over_pi"
ATTRIBUTES = "cold noinline nounwind memory(none)"

Rest = Callable[[Lanes, Lanes, Lanes, Lanes], Lanes]


@functools.cache
def two_over_pi() -> int:
    """Return 2 / pi in units of 2^-BITS, by Machin's formula in whole numbers."""
    guard = 64
    one = 1 << (BITS + guard)

    def inverse_tangent(n: int) -> int:
        total, term, k = 0, one // n, 1
        while term:
            total += (1 if k % 4 == 1 else -1) * (term // k)
            term //= n * n
            k += 2
        return total

    pi = 4 * (4 * inverse_tangent(5) - inverse_tangent(239))
    return (one * one * 2 // pi) >> guard


def _table() -> str:
    """Return 2 / pi as bytes, the lowest first, with zeros above."""
    count = BITS // 8 + 16
    inside = ", ".join(f"i8 {byte}" for byte in two_over_pi().to_bytes(count, "little"))
    return f"@{TABLE} = internal constant [{count} x i8] [{inside}]"


def _reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return n, r and the error of r for a scalar |x| of 2^20 or more."""
    b, bits = x.b, x.bits()
    digits = (bits & ((1 << 52) - 1)) | (1 << 52)
    exponent = (bits >> 52) & 0x7FF
    exponent = choose(exponent > 2046, 2046, choose(exponent < 1043, 1043, exponent))
    # The window's lowest bit, such that the highest two bits of its product are 2 and 1.
    lowest = (BITS - WINDOW + 2 + 1075) - exponent
    place = b.address(Value("ptr", f"@{TABLE}"), (lowest >> 3).value, "i8")
    found = b.let("i256", f"load i256, ptr {place.name}, align 1")
    found = b.lshr(found, b.convert("zext", (lowest & 7).value, "i256"))
    window = b.convert("trunc", found, f"i{WINDOW}")
    product = Lanes(b, b.mul(b.convert("zext", digits.value, f"i{WINDOW}"), window))
    turns = Lanes(b, b.convert("trunc", (product >> (WINDOW - 3)).value, "i64"))
    n = ((turns + 1) & 7) >> 1  # to the nearest
    rest = product << 2
    parts = []
    for k in range(WINDOW // 32):
        part = b.convert("trunc", (rest >> (WINDOW - 32 * (k + 1))).value, "i32")
        word = "uitofp" if k else "sitofp"
        parts.append(Lanes(b, b.convert(word, part, "double")) * 2.0 ** (-32 * (k + 1)))
    high, low = two_sum(parts[0], parts[1])
    for smaller in parts[2:]:
        high, error = two_sum(high, smaller)
        low = low + error
    high, low = fast_two_sum(high, low)
    r, below = two_product(high, high.of(math.pi / 2))
    below = fma(high, HALF_PI_REST, fma(low, math.pi / 2, below))
    r, below = fast_two_sum(r, below)
    negative = x < 0.0
    return choose(negative, 0 - n, n), choose(negative, -r, r), choose(negative, -below, below)


def large(name: str, rest: Rest, chooser: Lanes, usual: Lanes, x: Lanes) -> Lanes:
    """Return the usual value, and in the lanes that are chosen that of a large x.

    Parameters
    ----------
    name : str
        What the function is called.
    rest : callable
        Gives the function's value of n, r, the error of r, and x, all of them doubles.
    chooser : Lanes
        Truth values; where none is true, nothing is done.
    usual : Lanes
        The value elsewhere.
    x : Lanes
        The arguments.
    """
    b = x.b
    _define(b, name, rest)

    def yes() -> list[Value]:
        wide = x.to("double")
        made = Lanes(b, _by_lane(b, name, wide.value)).to(x.kind)
        return [choose(chooser, made, usual).value]

    (made,) = b.when(any_lane(chooser), yes, [usual.value])
    return Lanes(b, made)


def _define(b: Builder, name: str, rest: Rest) -> None:
    """Add the function `double @name(double)` to the module."""
    if name in b.globals:
        return
    inner = Builder(name, [("double", "x")], b.target, "double", ATTRIBUTES)
    x = Lanes(inner, Value("double", "%x"))
    made = rest(*_reduced(x), x)
    inner.ret(choose(abs(x) < math.inf, made, NAN).value)
    b.globals[TABLE] = _table()
    b.globals[name] = inner.text().replace("define ", "define internal ", 1)
    b.declared |= inner.declared


def _by_lane(b: Builder, name: str, x: Value) -> Value:
    """Call a function for one lane after the other."""
    if not x.lanes:
        return b.let("double", f"call double @{name}(double {x.name}) {ATTRIBUTES}")

    def body(index: Value, made: Value) -> list[Value]:
        lane = b.let("double", f"extractelement {x.type} {x.name}, i64 {index.name}")
        one = b.let("double", f"call double @{name}(double {lane.name}) {ATTRIBUTES}")
        kept = f"insertelement {x.type} {made.name}, double {one.name}, i64 {index.name}"
        return [b.let(x.type, kept)]

    return b.loop(0, x.lanes, 1, body, [x])[0]
