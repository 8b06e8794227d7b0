"""Whatever would lose a trace is an error with the line, the variable and the remedy."""

from __future__ import annotations

import copy
import decimal
import fractions
import math
import operator
import statistics
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import (
    ChainruleError,
    DtypeError,
    InPlaceError,
    LostTraceError,
    MissingGateError,
    MixedTraceError,
)

ARRAY = np.array([1.0, 2.0, 3.0])
convert = float  # under another name, as a library would have it


def product_then(lose: Any) -> Any:
    """Return a function that names a value h and then does something to it."""

    def f(x: Any) -> Any:
        h = x * 2.0
        lost = lose(h)
        return lost * np.sum(h)

    return f


NUMBERS = {
    "float": (float, "plain float"),
    "float under another name": (lambda h: convert(h), "plain float"),
    "int": (int, "int.*np.floor"),
    "round": (round, "round.*np.rint"),
    "round to digits": (lambda h: round(h, 2), "round.*np.rint"),
    "math.floor": (math.floor, "math.floor.*np.floor"),
    "math.ceil": (math.ceil, "math.ceil.*np.ceil"),
    "math.trunc": (math.trunc, "math.trunc.*np.trunc"),
    "complex": (complex, "complex number.*real"),
    "index": (lambda h: [1, 2, 3][h], "index.*np.where"),
    "range": (lambda h: list(range(h)), "index.*np.where"),
    "operator.index": (operator.index, "index"),
    "numpy float64": (np.float64, "plain array.*np.array.*drop np.float64"),
    "numpy float32": (np.float32, "plain array.*np.array.*drop np.float64"),
    "statistics": (lambda h: statistics.NormalDist(0.0, 1.0).cdf(float(h)), "plain float"),
    "decimal": (lambda h: decimal.Decimal(float(h)), "plain float"),
    "fraction": (lambda h: fractions.Fraction(float(h)), "plain float"),
    "a list in a function": (lambda h: np.sum([h, h]), r"np\.array\(\[\.\.\.\]\)"),
    "into a plain array": (lambda h: np.zeros(3).__setitem__(0, h), "plain float|plain array"),
    "filled": (lambda h: np.zeros(3).fill(h), "plain float|plain array"),
}
ARRAYS = {
    "np.array of objects": (lambda h: np.fromiter(h, dtype=float), "plain float|plain array"),
    "a C function": (lambda h: np.random.default_rng(0).normal(h), "plain array|plain float"),
    "into a slice": (lambda h: np.zeros(3).__setitem__(slice(None), h), "plain array"),
}


@pytest.mark.parametrize("how", NUMBERS)
def test_a_number_that_would_be_lost(how):
    lose, words = NUMBERS[how]
    with pytest.raises(LostTraceError, match=rf"(?s)test_lost.py:\d+: .*'h'.*(= 6.0).*{words}"):
        cr.trace(product_then(lose), 3.0)
    with pytest.raises(LostTraceError):
        cr.grad(product_then(lose))(3.0)
    assert issubclass(LostTraceError, TypeError)


@pytest.mark.parametrize("how", ARRAYS)
def test_an_array_that_would_be_lost(how):
    lose, words = ARRAYS[how]
    with pytest.raises(ChainruleError, match=rf"(?s)test_lost.py:\d+: .*{words}"):
        cr.trace(product_then(lose), ARRAY)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda h: np.median(h), "np.median.*np.sort"),
        (lambda h: np.nan_to_num(h), "nan_to_num.*np.where"),
        (lambda h: np.interp(h, ARRAY, ARRAY), "np.interp.*np.where"),
        (lambda h: np.linalg.svd(h.reshape(1, 3)), r"np\.linalg\.svd"),
        (lambda h: np.linalg.eigh(np.outer(h, h)), r"np\.linalg\.eigh"),
        (lambda h: np.fft.fft(h), r"np\.fft\.fft"),
        (lambda h: np.gcd(h, 2), "gcd"),
        (lambda h: np.quantile(h, 0.5), "quantile"),
        (lambda h: np.choose([0, 1, 0], [h, h]), "np.choose.*np.where"),
        (lambda h: math.gamma(h[0]), r"math\.gamma"),
        (lambda h: math.lgamma(h[0]), r"math\.lgamma"),
        (lambda h: h.astype(int), "astype.*np.floor"),
        (lambda h: np.add(h, 1.0, where=[True, False, True]), "where="),
        (lambda h: np.apply_along_axis(np.sum, 0, h), "apply_along_axis.*axis="),
        (lambda h: np.put(h, [0], 1.0), r"np\.put.*x\[i\]"),
        (lambda h: np.copyto(h, 1.0), r"np\.copyto.*x\[\.\.\.\]"),
        (lambda h: np.add.at(h, [0], 1.0), r"add\.at"),
    ],
)
def test_functions_without_a_gate(call, words):
    with pytest.raises(MissingGateError, match=rf"(?s)test_lost.py:\d+: .*{words}"):
        cr.trace(product_then(call), ARRAY)


def test_the_nearest_function_is_named():
    with pytest.raises(MissingGateError, match="Did you mean"):
        cr.trace(product_then(lambda h: np.nanprod(h)), ARRAY)


def test_np_vectorize_is_refused():
    with pytest.raises(ChainruleError, match=r"test_lost.py:\d+: .*(whole arrays|plain array)"):
        cr.trace(product_then(np.vectorize(lambda t: t * t)), ARRAY)


@pytest.mark.parametrize("write", ["+=", "*=", "-=", "/="])
def test_a_traced_value_added_to_a_plain_array_in_place(write):
    space: dict[str, Any] = {"np": np}
    source = f"def f(x):\n    total = np.zeros(3)\n    total {write} x\n    return np.sum(total)\n"
    exec(compile(source, "<stdin>", "exec"), space)
    with pytest.raises(InPlaceError, match=r"<stdin>:3: .*plain array.*x = x \+ y"):
        cr.trace(space["f"], ARRAY)


def test_an_element_of_a_plain_array_set_to_a_traced_number():
    def f(x):
        table = np.zeros(3)
        table[0] = x
        return np.sum(table)

    with pytest.raises(LostTraceError, match=r"test_lost.py:\d+: the traced value 'x'"):
        cr.trace(f, 2.0)
    with pytest.raises(LostTraceError):
        cr.grad(f)(2.0)


def test_object_arrays_do_not_come_about():
    def f(x):
        both = np.array([x, x * 2.0], dtype=object)
        return both[0] * both[1]

    assert cr.grad(f)(3.0) == 12.0  # drawn as a stack, never an object array
    with pytest.raises(DtypeError, match="dtype object"):
        cr.trace(np.sum, np.array([1.0, 2.0], dtype=object))
    with pytest.raises(DtypeError, match="complex128"):
        cr.trace(np.sum, np.array([1.0 + 2.0j]))


def test_integers_may_become_plain_numbers():
    def f(x):
        k = np.argmax(x)
        return x[int(k)] * float(k) + x[k]

    c = cr.trace(f, ARRAY)
    np.testing.assert_array_equal(c.gradients["x"], [0.0, 0.0, 3.0])
    assert len(c.guards) >= 2


# ---------------------------------------------------------------------- what is not lost


def test_sorting_works():
    def f(a, b, c):
        low, middle, high = sorted([a, b, c], key=lambda v: -v)
        return 3.0 * low + 2.0 * middle + high

    assert cr.grad(f, (0, 1, 2))(1.0, 3.0, 2.0) == (1.0, 3.0, 2.0)


def test_copies_are_values_of_their_own():
    def f(x):
        shallow, deep = copy.copy(x), copy.deepcopy([x])[0]
        deep[0] = 5.0
        shallow[1] = 0.0
        return np.sum(x * shallow * deep)

    def by_hand(x):
        s, d = x.copy(), x.copy()
        d[0], s[1] = 5.0, 0.0
        return np.sum(x * s * d)

    assert cr.trace(f, ARRAY).value == by_hand(ARRAY)
    np.testing.assert_array_equal(cr.grad(f)(ARRAY), cr.grad(by_hand)(ARRAY))


def test_looking_is_free():
    def f(x):
        assert f"{x:.2f} {x} {x!r}"
        assert isinstance(x.shape, tuple) and x.ndim == 0 and x.size == 1
        return x * x

    assert cr.grad(f)(3.0) == 6.0


# ---------------------------------------------------------------------- two recordings


def test_a_value_kept_from_a_finished_trace_in_another():
    kept = []

    def f(x):
        kept.append(x * x)
        return x

    cr.trace(f, 3.0)
    with pytest.raises(MixedTraceError, match=r"test_lost.py:\d+: .*another recording"):
        cr.trace(lambda y: y * kept[0], 2.0)
    with pytest.raises(MixedTraceError, match="another recording"):
        cr.grad(lambda y: y * kept[0])(2.0)
    with pytest.raises(ChainruleError, match=r"another recording|being traced"):
        cr.trace(lambda y: kept[0], 2.0)
    with pytest.raises(ChainruleError, match="being traced"):
        cr.trace(lambda y: y * y, kept[0])


def test_a_trace_inside_a_trace():
    with pytest.raises(
        ChainruleError, match=r"test_lost.py:\d+: .*being traced.*(chainrule|cr).grad"
    ):
        cr.trace(lambda x: cr.trace(lambda y: y * y, x).value, 2.0)


def test_an_error_in_the_function_leaves_nothing_behind():
    def f(x):
        raise KeyError("theirs")

    for run in (lambda: cr.trace(f, 1.0), lambda: cr.grad(f)(1.0)):
        with pytest.raises(KeyError, match="theirs"):
            run()
    assert math.exp(0.0) == 1.0 and type(math.exp).__name__ == "builtin_function_or_method"
    assert type(np.array).__name__ == "builtin_function_or_method"
    assert cr.grad(lambda x: x * x)(3.0) == 6.0
