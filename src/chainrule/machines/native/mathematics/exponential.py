"""Exponentials and what is made of one: sigmoid, tanh and their kin, in float64 and float32.

e^x = 2^n e^r with n the whole number nearest to x / log 2, so that |r| <= log(2) / 2. The digits of
log 2 are in two numbers, the first so short that n times it is exact: Cody & Waite 1980. e^r - 1 is
r + r² q(r).

What is made of one exponential takes it of a negative number, e = e^-|x| <= 1, and divides by 1 + e
with the errors of the sum and of the quotient put right. Gates on x and -x, and tanh and its slope,
write the same instructions up to there, which are then done once.
"""

from __future__ import annotations

from .coefficients import COSH, EXP, EXP_SINGLE, SINH
from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    at_least,
    at_most,
    choose,
    fast_two_sum,
    fma,
    polynomial,
    scaled,
    through_double,
    two_product,
    two_sum,
    vector,
    whole,
)

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
# log 2 in two parts: 33 and 53 bits for float64, 15 and 24 for float32.
LN2_PARTS = (float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33"))
LN2_PARTS_SINGLE = (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20"))


def bounded(x: Lanes) -> Lanes:
    """Return x within the range in which e^x is neither 0 nor infinite, and a little more."""
    low, high = (-746.0, 711.0) if x.kind == "double" else (-105.0, 90.0)
    return at_least(at_most(x, high), low)


def reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Return n as a float, n, r and r's error, for x = n log 2 + r."""
    high, low = LN2_PARTS if x.kind == "double" else LN2_PARTS_SINGLE
    turns, n = whole(x, LOG2_E)
    start = fma(turns, -high, x)
    r = fma(turns, -low, start)
    return turns, n, r, fma(turns, -low, start - r)


def expm1_near(r: Lanes, error: Lanes | None = None) -> Lanes:
    """Return e^r - 1 for |r| <= log(2) / 2."""
    square = r * r
    bend = polynomial(r, EXP if r.kind == "double" else EXP_SINGLE, square)
    if error is None:
        return fma(square, bend, r)
    return r + fma(square, bend, error)


def exp_long(x: Lanes, missing: Lanes | float) -> tuple[Lanes, Lanes]:
    """Return m - 1 and n with e^(x + missing) = m 2^n, for an x within bounds."""
    _, n, r, error = reduced(x)
    near = expm1_near(r, error)
    return fma(1.0 + near, missing, near), n


def exp_parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return m and n with e^x = m 2^n, for an x within bounds."""
    _, n, r, _ = reduced(x)
    return 1.0 + expm1_near(r), n


def exp_of(x: Lanes) -> Lanes:
    """Return e^x."""
    return scaled(*exp_parts(bounded(x)))


def exp2_of(x: Lanes) -> Lanes:
    """Return 2^x."""
    low, high = (-1080.0, 1030.0) if x.kind == "double" else (-152.0, 130.0)
    x = at_least(at_most(x, high), low)
    turns, n = whole(x, 1.0)
    return scaled(1.0 + expm1_near((x - turns) * LN2), n)


def expm1_of(x: Lanes) -> Lanes:
    """Return e^x - 1, with all its digits near 0."""
    low, high = (-45.0, 711.0) if x.kind == "double" else (-20.0, 90.0)
    _, n, r, error = reduced(at_least(at_most(x, high), low))
    # 2^n (e^r - 1 + 1 - 2^-n), so that 2^n is not needed where it is infinite.
    rest = 1.0 - scaled(r.of(1.0), 0 - n)
    return scaled(expm1_near(r, error) + rest, n).with_sign_of(x)


class Inverse:
    """1 / (base + e) for |e| <= base, to about twice as many digits as a number has."""

    def __init__(self, base: float, e: Lanes, missing: Lanes | None = None) -> None:
        total, error = fast_two_sum(e.of(base), e)
        error = error if missing is None else error + missing
        self.high = 1.0 / total
        # total * high is 1 up to a rounding: the rest is exact with FMA, and without by parts.
        product, below = two_product(total, self.high)
        self.low = self.high * ((1.0 - product) - below - error * self.high)

    def times(self, x: Lanes, error: Lanes | None = None) -> Lanes:
        """Return x / (base + e); x may come with what is missing in it."""
        product, below = two_product(x, self.high)
        if error is not None:
            below = fma(error, self.high, below)
        return product + fma(x, self.low, below)

    def squared_times(self, x: Lanes) -> Lanes:
        """Return x / (base + e)²."""
        square, below = two_product(self.high, self.high)
        below = fma(self.high + self.high, self.low, below)
        product, rest = two_product(x, square)
        return product + fma(x, below, rest)


def decayed(x: Lanes) -> Lanes:
    """Return e^-|x|."""
    m, n = exp_parts(at_least(-abs(x), -746.0 if x.kind == "double" else -105.0))
    return scaled(m, n)


def sigmoid_of(x: Lanes) -> Lanes:
    """Return 1 / (1 + e^-x): for negative x as e^x / (1 + e^x), without overflow."""
    e = decayed(x)
    return Inverse(1.0, e).times(choose(x < 0.0, e, 1.0))


def silu_of(x: Lanes) -> Lanes:
    """Return x / (1 + e^-x); NaN at -inf, as that quotient is."""
    # From |bound| on, it is x or -0.0; the product's error could not be had of a huge x.
    bound = 760.0 if x.kind == "double" else 115.0
    near = at_least(at_most(x, bound), -bound)
    m, n = exp_parts(-abs(near))
    # Of a negative x, x e^x may have digits where e^x has lost them: 2^n comes last.
    negative = x < 0.0
    made = Inverse(1.0, scaled(m, n)).times(*two_product(near, choose(negative, m, 1.0)))
    made = choose(x > bound, x, scaled(made, choose(negative, n, 0)))
    return choose(x.equals(-INFINITY), NAN, made.with_sign_of(x))


def _tanh_parts(x: Lanes) -> tuple[tuple[Lanes, Lanes], Lanes, Lanes]:
    """Return e - 1 and its error for e = e^-2|x|, and m and n with e = m 2^n."""
    y = at_least(-2.0 * abs(x), -750.0 if x.kind == "double" else -108.0)  # 4 e^y is 0 there
    _, n, r, error = reduced(y)
    near = expm1_near(r, error)
    # Not e - 1: near 0 that has lost the digits that e^r - 1 has.
    form = x.format
    power = ((at_least(n, -60) + form.bias) << form.digits).from_bits()
    # With n = 0 the first is smaller than the second, but it is 0: nothing is lost.
    return fast_two_sum(power - 1.0, near * power), 1.0 + near, n


def tanh_of(x: Lanes) -> Lanes:
    """Return the hyperbolic tangent: (1 - e) / (1 + e) with e = e^-2|x|."""
    less, _, _ = _tanh_parts(x)
    return Inverse(2.0, *less).times(*less).with_sign_of(x)


def sech_squared_of(x: Lanes) -> Lanes:
    """Return 1 - tanh² with all its digits: 4 e / (1 + e)² with e = e^-2|x|."""
    less, m, n = _tanh_parts(x)
    return scaled(Inverse(2.0, *less).squared_times(m), n + 2)


def _sinh_cosh(x: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Return sinh r, cosh r - 1, (2^n + 2^-n) / 2, (2^n - 2^-n) / 2, all over 2^k, and 2^k."""
    x = at_most(abs(x), 720.0)
    _, n, r, error = reduced(x)
    square = r * r
    s = r + fma(r * square, polynomial(square, SINH), error)
    c = square * fma(square, polynomial(square, COSH), 0.5)
    # 2^n overflows before its half does, and the error of a product before that.
    large = n > 900
    n = n - choose(large, n.of(200), n.of(0))
    one = s.of(0.5)
    up, down = scaled(one, n), scaled(one, 0 - n)
    return s, c, up + down, up - down, choose(large, s.of(2.0**200), s.of(1.0))


@through_double
def sinh_of(x: Lanes) -> Lanes:
    """Return the hyperbolic sine, by those of n log 2 and of r."""
    s, c, high, low, back = _sinh_cosh(x)
    # high * s may cancel half of low, which has no error.
    product, below = two_product(high, s)
    most, error = two_sum(low, product)
    return ((most + fma(low, c, error + below)) * back).with_sign_of(x)


@through_double
def cosh_of(x: Lanes) -> Lanes:
    """Return the hyperbolic cosine, by those of n log 2 and of r."""
    s, c, high, low, back = _sinh_cosh(x)
    return (high + fma(high, c, low * s)) * back


exp = vector(exp_of)
exp2 = vector(exp2_of)
expm1 = vector(expm1_of)
sigmoid = vector(sigmoid_of)
silu = vector(silu_of)
tanh = vector(tanh_of)
sech_squared = vector(sech_squared_of)
sinh = vector(sinh_of)
cosh = vector(cosh_of)
