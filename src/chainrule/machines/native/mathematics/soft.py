"""Smooth versions of choices: sums of exponentials under a logarithm, and shares of them."""

from __future__ import annotations

from .exponential import LOG2_E, decayed, exp2_of, exp_of, expm1_of, sigmoid_of
from .lanes import (
    Lanes,
    at_least,
    at_most,
    choose,
    through_double,
    vector,
)
from .logarithm import log1p_sum

LN2 = 0.6931471805599453


def softplus_of(x: Lanes) -> Lanes:
    """Return log(1 + e^x): the larger of x and 0 is taken out, so that nothing overflows."""
    return at_least(x, 0.0) + log1p_sum(decayed(x))


def log_sigmoid_of(x: Lanes) -> Lanes:
    """Return the logarithm of the sigmoid; -0.0 at infinity, as NumPy has it."""
    return -softplus_of(-x)


@through_double
def logaddexp_of(x: Lanes, y: Lanes) -> Lanes:
    """Return log(e^x + e^y), with the digits of the larger input."""
    bend = log1p_sum(exp_of(-abs(x - y)))
    # inf - inf is NaN where two equal infinities are their own sum.
    return choose(x.equals(y), x + LN2, choose(x > y, x, y) + bend)


@through_double
def logaddexp2_of(x: Lanes, y: Lanes) -> Lanes:
    """Return log2(2^x + 2^y), with the digits of the larger input."""
    bend = log1p_sum(exp2_of(-abs(x - y))) * LOG2_E
    return choose(x.equals(y), x + 1.0, choose(x > y, x, y) + bend)


def softshare_of(x: Lanes, y: Lanes, *, rate: float = 1.0) -> Lanes:
    """Return the share of e^(rate x) in its sum with e^(rate y); of equal infinities half."""
    return choose(x.equals(y), 0.5, sigmoid_of(rate * (x - y)))


def elu_of(x: Lanes, *, alpha: float = 1.0) -> Lanes:
    """Return x where it is positive, and alpha (e^x - 1) elsewhere."""
    return choose(x > 0.0, x, alpha * expm1_of(at_most(x, 0.0)))


softplus = vector(softplus_of)
log_sigmoid = vector(log_sigmoid_of)
logaddexp = vector(logaddexp_of)
logaddexp2 = vector(logaddexp2_of)
softshare = vector(softshare_of)
elu = vector(elu_of)
