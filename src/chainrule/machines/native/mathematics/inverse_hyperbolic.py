"""The inverses of sinh, cosh and tanh: logarithms of 1 + t, with t to more digits than one number.

From 2^30 on, arcsinh and arccosh are log(2 x); their squares would overflow further on.
"""

from __future__ import annotations

from .lanes import (
    INFINITY,
    NAN,
    Lanes,
    at_most,
    choose,
    fast_two_sum,
    through_double,
    two_product,
    two_sum,
    vector,
)
from .logarithm import finished, log1p_sum

LARGE = 2.0**30


def _log_of_sum(size: Lanes, t: Lanes, missing: Lanes) -> Lanes:
    """Return log(1 + t + missing), or of a large size log(2 size)."""
    large = size > LARGE
    t = choose(large, size - 1.0, t)
    missing = choose(large, 0.0, missing)
    doubled = choose(large, size.of(1.0), size.of(0.0))
    return finished(size + 1.0, log1p_sum(t, missing, doubled))


@through_double
def arcsinh_of(x: Lanes) -> Lanes:
    """Return log(x + sqrt(1 + x²)), written for |x| as log(1 + t): all digits near 0."""
    size = abs(x)
    near = at_most(size, LARGE)
    square = near * near
    bend = square / (1.0 + (1.0 + square).sqrt())
    return _log_of_sum(size, *two_sum(near, bend)).with_sign_of(x)


@through_double
def arccosh_of(x: Lanes) -> Lanes:
    """Return log(x + sqrt(x² - 1)), written with x - 1: all digits near 1."""
    d, below = two_sum(at_most(x, LARGE), x.of(-1.0))
    product, rest = two_product(d, d)
    # d² + 2 d, with its error; then the root with its error, by one step of Newton.
    square, error = two_sum(2.0 * d, product)
    error = error + rest + 2.0 * (below + below * d)
    root = square.sqrt()
    again, rest = two_product(root, root)
    step = ((square - again) - rest + error) / (2.0 * root)
    step = choose(d.equals(0.0), 0.0, step)  # 0 / 0
    t, missing = two_sum(root, d)
    made = _log_of_sum(x, t, missing + below + step)
    return choose(x < 1.0, NAN, made)


@through_double
def arctanh_of(x: Lanes) -> Lanes:
    """Return log((1 + x) / (1 - x)) / 2, written for |x| as log(1 + t): all digits near 0."""
    size = abs(x)
    twice = size + size
    down, below = fast_two_sum(size.of(1.0), -size)
    inverse = 1.0 / down
    t = twice * inverse
    product, rest = two_product(t, down)
    missing = inverse * ((twice - product) - rest - t * below)
    made = finished(1.0 - size, 0.5 * log1p_sum(t, missing))
    return choose(size.equals(1.0), INFINITY, made).with_sign_of(x)


arcsinh = vector(arcsinh_of)
arccosh = vector(arccosh_of)
arctanh = vector(arctanh_of)
