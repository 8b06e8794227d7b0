"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp: what they take, give and refuse."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, NotScalarError, ShapeError


class Pair(NamedTuple):
    a: Any
    b: Any


def product(x, y, z):
    return x * x * y + z


# ---------------------------------------------------------------------- argnums, has_aux


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 12.0),
        (1, 4.0),
        (-1, 1.0),
        (-3, 12.0),
        ((0,), (12.0,)),
        ((0, 2), (12.0, 1.0)),
        ((2, 0), (1.0, 12.0)),
        ([1, -3], (4.0, 12.0)),
    ],
)
def test_argnums(argnums, expected):
    assert cr.grad(product, argnums)(2.0, 3.0, 5.0) == expected
    value, gradient = cr.value_and_grad(product, argnums)(2.0, 3.0, 5.0)
    assert value == 17.0 and gradient == expected


@pytest.mark.parametrize("argnums", [3, -4, (0, 7)])
def test_argnums_out_of_range(argnums):
    with pytest.raises(ValueError, match=r"argnums=-?\d, but .* 3 positional"):
        cr.grad(product, argnums)(2.0, 3.0, 5.0)


@pytest.mark.parametrize("argnums", [(0, 0), (1, -2)])
def test_argnums_that_name_an_argument_twice(argnums):
    with pytest.raises(ValueError, match="names an argument twice"):
        cr.grad(product, argnums)(2.0, 3.0, 5.0)


@pytest.mark.parametrize("argnums", [1.5, "x", True, (0, "x"), None])
def test_argnums_that_are_no_integers(argnums):
    with pytest.raises(TypeError, match="argnums must be an int or ints"):
        cr.grad(product, argnums)(2.0, 3.0, 5.0)


def test_keyword_arguments_are_passed_through():
    f = cr.grad(lambda x, *, n, y: x**n * y)
    assert f(2.0, n=3, y=5.0) == 60.0


def test_has_aux():
    def f(x, y):
        h = x * y
        return h * h, {"h": h, "label": "a", "n": 3}

    gradient, aux = cr.grad(f, has_aux=True)(2.0, 3.0)
    assert gradient == 36.0 and aux == {"h": 6.0, "label": "a", "n": 3}
    assert type(aux["h"]) is float
    (value, aux), gradients = cr.value_and_grad(f, (0, 1), has_aux=True)(2.0, 3.0)
    assert value == 36.0 and aux["h"] == 6.0 and gradients == (36.0, 24.0)
    value, pullback, aux = cr.vjp(f, 2.0, 3.0, has_aux=True)
    assert value == 36.0 and aux["n"] == 3 and pullback(1.0) == (36.0, 24.0)
    with pytest.raises(TypeError, match=r"\(output, aux\).* float"):
        cr.grad(lambda x: x * x, has_aux=True)(2.0)


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize("x", [3, True, np.int64(3), np.array([1, 2]), np.array([True])])
def test_integers_have_no_gradient(x):
    with pytest.raises(DtypeError, match=r"x was asked.*integer.*(astype\(float\)|pass [13]\.0)"):
        cr.grad(lambda x: np.sum(x * 1.0))(x)
    assert issubclass(DtypeError, TypeError)


@pytest.mark.parametrize("x", ["text", None, object(), 1 + 2j])
def test_other_things_have_no_gradient(x):
    with pytest.raises(DtypeError, match="respect to x"):
        cr.grad(lambda x: 1.0)(x)


def test_the_integer_is_found_in_its_container():
    with pytest.raises(DtypeError, match=r"p\['n'\]"):
        cr.grad(lambda p: p["x"] * p["n"])({"x": 2.0, "n": 3})


def test_one_number_is_wanted():
    with pytest.raises(NotScalarError, match=r"shape \(2,\).*np.sum or np.mean.*jacobian"):
        cr.grad(lambda x: x * x)(np.ones(2))
    with pytest.raises(NotScalarError, match=r"shape \(1,\)"):
        cr.grad(lambda x: x * x)(np.ones(1))
    with pytest.raises(NotScalarError, match=r"2 values in a container.*has_aux"):
        cr.grad(lambda x: (x, x))(2.0)
    with pytest.raises(DtypeError, match="no gradient"):
        cr.grad(lambda x: np.argmax(x))(np.ones(2))
    assert issubclass(NotScalarError, TypeError)


def test_what_is_not_a_function():
    for transform in (cr.grad, cr.value_and_grad, cr.jacobian, cr.hessian):
        with pytest.raises(TypeError, match="a function was expected, not int"):
            transform(3)
    with pytest.raises(TypeError, match="a function was expected"):
        cr.vjp(3, 1.0)
    with pytest.raises(TypeError, match="a function was expected"):
        cr.jvp(3, (1.0,), (1.0,))


def test_shapes_of_cotangents_and_tangents():
    _, pullback = cr.vjp(lambda x: x * x, np.ones(3))
    with pytest.raises(ShapeError, match=r"shape \(2,\), but the output has shape \(3,\)"):
        pullback(np.ones(2))
    with pytest.raises(ShapeError, match="containers of the output"):
        pullback((np.ones(3), 1.0))
    with pytest.raises(ShapeError, match="1 arguments, but 2 tangents"):
        cr.jvp(lambda x: x, (1.0,), (1.0, 2.0))
    with pytest.raises(ShapeError, match="tangent"):
        cr.jvp(lambda x: x, (np.ones(2),), (np.ones(3),))


# ---------------------------------------------------------------------- kinds of inputs

ODD_ARRAYS = {
    "rank 0": np.array(2.0),
    "float32": np.ones((2, 3), np.float32),
    "float16": np.ones(3, np.float16),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12.0)[::3],
    "reversed": np.arange(5.0)[::-1],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "empty": np.zeros((0, 3)),
    "other byte order": np.arange(3.0).astype(">f8"),
}


@pytest.mark.parametrize("kind", ODD_ARRAYS)
def test_gradients_have_the_shape_and_dtype_of_the_input(kind):
    x = ODD_ARRAYS[kind]
    if x.flags.writeable:
        x = x.copy(order="K")
        x.flags.writeable = False
    before = x.copy()
    gradient = cr.grad(lambda x: np.sum(x * x))(x)
    assert isinstance(gradient, np.ndarray)
    assert gradient.shape == x.shape and gradient.dtype == x.dtype
    np.testing.assert_array_equal(gradient, 2 * x)
    np.testing.assert_array_equal(x, before)
    assert gradient.flags.writeable and not np.shares_memory(gradient, x)


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.float32(2.0), np.array(2.0)])
def test_kinds_of_numbers(x):
    for f, slope in ((lambda x: x * x, 4.0), (lambda x: x, 1.0), (lambda x: 3.0, 0.0)):
        gradient = cr.grad(f)(x)
        assert type(gradient) is type(x) and gradient == slope
        assert getattr(gradient, "dtype", None) == getattr(x, "dtype", None)


def test_an_independent_output_has_zero_gradient():
    zeros = cr.grad(lambda p: 3.0)({"x": 2.0, "y": np.ones((2, 1), np.float32)})
    assert zeros["x"] == 0.0 and type(zeros["x"]) is float
    assert zeros["y"].shape == (2, 1) and zeros["y"].dtype == np.float32 and not zeros["y"].any()


def test_containers():
    def f(p):
        return p["pair"].a * p["list"][0] * p["list"][1][0] + np.sum(p["pair"].b) * p["rest"]

    point = {"pair": Pair(2.0, np.ones(3)), "list": [3.0, (4.0,)], "rest": 5.0}
    gradient = cr.grad(f)(point)
    assert list(gradient) == ["pair", "list", "rest"]
    assert type(gradient["pair"]) is Pair and gradient["pair"].a == 12.0
    np.testing.assert_array_equal(gradient["pair"].b, [5.0, 5.0, 5.0])
    assert gradient["list"] == [8.0, (6.0,)] and gradient["rest"] == 3.0
    assert cr.grad(lambda p: 2.0)({}) == {}
    assert cr.grad(lambda p, x: x, 0)([], 1.0) == []


def test_gradients_do_not_share_memory():
    x, y = cr.grad(lambda x, y: np.sum(x + y), (0, 1))(np.ones(3), np.ones(3))
    x[0] = 7.0
    assert y[0] == 1.0
    seed = np.ones(3)
    _, pullback = cr.vjp(lambda x: x + 1.0, np.ones(3))
    (gradient,) = pullback(seed)
    gradient[0] = 7.0
    assert seed[0] == 1.0 and pullback(seed)[0][0] == 1.0


# ---------------------------------------------------------------------- duality


def many(x, W, s):
    h = np.tanh(W @ x + s)
    return {"h": h, "outer": (np.outer(h, x) * s, np.sum(h) ** 2)}


POINT = (np.array([0.3, -0.7]), np.array([[0.5, 1.0], [-1.5, 0.2], [0.4, -0.6]]), 0.8)


@pytest.mark.parametrize("seed", range(4))
def test_vjp_and_jvp_are_dual(seed):
    """For random vectors u, v: u · (J v) is (Jᵀ u) · v."""
    generator = np.random.default_rng(seed)
    v = (generator.normal(size=2), generator.normal(size=(3, 2)), generator.normal())
    u = {
        "h": generator.normal(size=3),
        "outer": (generator.normal(size=(3, 2)), generator.normal()),
    }
    output, pushed = cr.jvp(many, POINT, v)
    value, pullback = cr.vjp(many, *POINT)
    pulled = pullback(u)
    np.testing.assert_array_equal(output["h"], value["h"])
    left = np.sum(u["h"] * pushed["h"]) + u["outer"][1] * pushed["outer"][1]
    left += np.sum(u["outer"][0] * pushed["outer"][0])
    right = sum(float(np.sum(a * b)) for a, b in zip(pulled, v, strict=True))
    assert left == pytest.approx(right, rel=1e-12)
    assert type(pulled[2]) is float


def test_jacobian_shapes():
    jacobian = cr.jacobian(many, argnums=(0, 1, 2))(*POINT)
    assert [block.shape for block in jacobian["h"]] == [(3, 2), (3, 3, 2), (3,)]
    assert [block.shape for block in jacobian["outer"][0]] == [(3, 2, 2), (3, 2, 3, 2), (3, 2)]
    assert [np.shape(block) for block in jacobian["outer"][1]] == [(2,), (3, 2), ()]
    x = np.array([2.0, 3.0])
    np.testing.assert_array_equal(cr.jacobian(lambda x: x * x)(x), np.diag([4.0, 6.0]))
    assert cr.jacobian(lambda x: np.zeros((0, 2)) * x)(x).shape == (0, 2, 2)
    assert cr.jacobian(lambda x: x * x)(3.0) == 6.0
    assert cr.jacobian(lambda x: x * x)(x.astype(np.float32)).dtype == np.float32


def test_the_jacobian_agrees_with_differences():
    def f(x):
        return np.array([x[0] * x[1], np.sin(x[2]), x[0] / x[2]]) * np.sum(x)

    x, h = np.array([0.4, -1.2, 0.9]), 1e-5
    columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(cr.jacobian(f)(x), np.stack(columns, axis=1), rtol=1e-8, atol=1e-9)


def test_hessians():
    def f(x):
        return np.sum(np.exp(x) * np.roll(x, 1)) + np.prod(x)

    x = np.array([0.5, -0.3, 1.1, 0.2])
    hessian = cr.hessian(f)(x)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-14)
    np.testing.assert_allclose(hessian, cr.jacobian(cr.jacobian(f))(x), rtol=1e-14)
    for v in np.eye(4):
        np.testing.assert_allclose(cr.hvp(f, x, v), hessian @ v, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(cr.jvp(cr.grad(f), (x,), (v,))[1], hessian @ v, rtol=1e-13)
    (xx, xy), (yx, yy) = cr.hessian(lambda x, y: x**3 * np.sum(y**2), (0, 1))(2.0, np.ones(2))
    assert xx == 24.0 and yy.shape == (2, 2)
    np.testing.assert_array_equal(xy, yx)


def test_hvp_in_containers():
    p = {"x": 2.0, "y": np.array([1.0, 3.0])}
    (product,) = cr.hvp(lambda p: p["x"] ** 2 * np.sum(p["y"] ** 3), (p,), (p,))
    # x x (2 s) + x (2 x 3 y²) y = 4 x s + 6 x s with s = 28; 2 x 3 y² x + x² 6 y y = 12 x² y²
    assert product["x"] == 2.0 * 28.0 * 2.0 + 6.0 * 2.0 * 28.0
    np.testing.assert_array_equal(product["y"], 12.0 * 4.0 * np.array([1.0, 9.0]))


# ---------------------------------------------------------------------- reference numbers


def staged_example(x, y):
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    return num * invden


def test_first_derivatives_of_the_staged_example():
    # mpmath, 50 digits.
    dx, dy = cr.grad(staged_example, (0, 1))(3.0, -4.0)
    assert dx == pytest.approx(2.05956979557216491063, rel=1e-15)
    assert dy == pytest.approx(1.59223275148380931389, rel=1e-15)


def test_second_derivatives_of_the_staged_example():
    (xx, xy), (yx, yy) = cr.hessian(staged_example, (0, 1))(3.0, -4.0)
    assert xx == pytest.approx(2.57306712741091185, rel=1e-14)
    assert xy == pytest.approx(2.12047446076242517, rel=1e-14)
    assert yx == pytest.approx(xy, rel=1e-15)
    assert yy == pytest.approx(1.68734622076147767, rel=1e-14)


def test_the_sigmoid_far_out():
    neuron = cr.grad(lambda t: 1.0 / (1.0 + np.exp(-t)))
    assert neuron(1.0) == pytest.approx(0.196611933241481852537, rel=1e-15)
    assert neuron(40.0) == pytest.approx(4.2483542552915889e-18, rel=1e-14)
    with np.errstate(over="ignore"):
        assert neuron(-1000.0) == 0.0
    second = cr.grad(cr.grad(lambda t: 1.0 / (1.0 + math.exp(-t))))
    assert second(1.0) == pytest.approx(-0.090857747672948409442, rel=1e-14)


HIGHER = {
    "exp(sin)": (lambda x: math.exp(math.sin(x)), lambda x: mpmath.exp(mpmath.sin(x)), 0.7),
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), lambda x: 1 / (1 + mpmath.exp(-x)), 0.6),
    "tanh of square": (lambda x: np.tanh(x * x), lambda x: mpmath.tanh(x * x), 0.8),
    "x to the x": (lambda x: x**x, lambda x: x**x, 1.3),
    "log of polynomial": (lambda x: np.log1p(x**4 + x), lambda x: mpmath.log1p(x**4 + x), 0.9),
    "quotient": (lambda x: x / (1.0 + x**2), lambda x: x / (1 + x**2), 0.4),
    "erf of sqrt": (lambda x: math.erf(math.sqrt(x)), lambda x: mpmath.erf(mpmath.sqrt(x)), 1.1),
    "atan": (lambda x: math.atan(x) * math.cosh(x), lambda x: mpmath.atan(x) * mpmath.cosh(x), 0.5),
    "sum": (
        lambda x: np.sum(np.sin(x * np.arange(1.0, 4.0))),
        lambda x: sum(mpmath.sin(k * x) for k in (1, 2, 3)),
        0.3,
    ),
}


@pytest.mark.parametrize("name", HIGHER)
def test_higher_orders_against_mpmath(name):
    function, exact, x = HIGHER[name]
    derivative = function
    with mpmath.workdps(40):
        for order in range(1, 5):
            derivative = cr.grad(derivative)
            expected = float(mpmath.diff(exact, mpmath.mpf(x), order))
            assert float(derivative(x)) == pytest.approx(expected, rel=1e-11, abs=1e-12), order


# ---------------------------------------------------------------------- nesting


def test_perturbations_are_not_confused():
    # d/dx (x d/dy (x + y)) = 1, and the classic x d/dy (x y) = x², whose slope is 2 x.
    assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(1.0))(3.0) == 1.0
    assert cr.grad(lambda x: x * cr.grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert cr.grad(lambda x: cr.grad(lambda y: x * y)(x) * x)(3.0) == 6.0
    assert cr.grad(lambda x: cr.grad(lambda y: y * y * x)(x))(3.0) == 12.0
    assert cr.grad(lambda x: cr.grad(lambda x: x * x)(5.0) * x)(3.0) == 10.0
    third = cr.grad(lambda x: cr.grad(lambda y: cr.grad(lambda z: x * y * z * z)(y))(x))(2.0)
    assert third == 16.0  # 2 x y z at z = y is 2 x y²; by y, at y = x, 4 x²; by x, 8 x


def test_transforms_inside_transforms():
    def f(x):
        value, pullback = cr.vjp(lambda t: t**3, x)
        _, pushed = cr.jvp(lambda t: t * t * x, (x,), (1.0,))
        return value + pullback(x)[0] + pushed

    # x³ + 3x²·x + 2x·x = 4x³ + 2x²
    assert cr.grad(f)(2.0) == pytest.approx(12 * 4.0 + 4 * 2.0)
    inner = cr.grad(lambda x: np.sum(cr.jacobian(lambda t: t * t * x)(x)))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(inner, [4.0, 8.0])  # sum of 2 x² on the diagonal


def test_gradients_of_compiled_functions():
    square = cr.compile(lambda x: x * x * x)
    assert square(2.0) == 8.0
    assert cr.grad(square)(2.0) == 12.0
    assert cr.grad(cr.grad(square))(2.0) == 12.0
    assert cr.compile(cr.grad(cr.grad(square)))(2.0) == 12.0


def test_names_and_docs_are_kept():
    def cost(x):
        """Give the cost."""
        return x * x

    for made in (cr.grad(cost), cr.value_and_grad(cost), cr.jacobian(cost), cr.compile(cost)):
        assert made.__name__ == "cost" and made.__doc__ == "Give the cost."
