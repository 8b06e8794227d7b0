"""Writes in place and views mean what they mean in NumPy, with the gradient of what happened.

Every program here is plain NumPy. It runs on plain arrays, on a Variable and under `grad`; the
values must be the same, and the gradients those of central differences of the plain run.
"""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InPlaceError, LostTraceError, NotScalarError

START = np.array([0.7, -1.3, 2.1, 0.4, -0.6, 1.9])
WEIGHTS = np.array([1.0, -2.0, 3.0, 0.5, 1.5, -1.0])


def differences(function, x, step=1e-6):
    """Central differences of a function of one array."""
    slopes = np.zeros_like(x)
    for k in range(x.size):
        moved = [x.copy(), x.copy()]
        moved[0].flat[k] += step
        moved[1].flat[k] -= step
        slopes.flat[k] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return slopes


def by_variable(function, x):
    """Return (value, gradient) by define by run."""
    leaf = cr.Variable(x)
    output = function(leaf)
    output.backward()
    return output.value, leaf.grad


def check(function, x=START):
    """Hold both ways of differentiating to the plain run."""
    expected = function(x.copy())
    slopes = differences(function, x)
    for value, gradient in (by_variable(function, x), cr.value_and_grad(function)(x)):
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)


def weighed(*arrays):
    """Return a number that depends on each element differently."""
    return sum(np.sum(np.ravel(a) * WEIGHTS[: np.size(a)]) * (k + 1) for k, a in enumerate(arrays))


def set_one(x):
    y = x.copy()
    y[0] = y[1] * y[2]
    return weighed(y)


def set_slice_scaled(x):
    y = x * 1.0
    y[1:] *= 2.0
    y[:-1] += y[1:] * y[1:]
    return weighed(y)


def write_to_base_then_read_view(x):
    y = x * x
    v = y[2:]
    y[3] = x[0]
    y += 1.0
    return weighed(v, y)


def write_to_view_then_read_base(x):
    y = x * x
    v = y[1:4]
    v[...] = v * x[0]
    return weighed(y, v)


def view_of_view(x):
    y = x * 3.0
    v = y.reshape(2, 3)
    w = v.T
    u = w[1:]
    u[0, 1] = x[5] * x[0]
    w *= 2.0
    y[0] = u[1, 1]
    v[1] += y[:3]
    return weighed(y, v, w, u)


def siblings(x):
    y = x + 0.0
    a, b = y[:4], y[2:]
    a *= b
    b -= a
    a[::-1] = b
    return weighed(a, b, y)


def reversed_view(x):
    y = x * 1.0
    y[::-1][1:3] = x[:2] * x[2:4]
    y += y[::-1]
    return weighed(y)


def squeezed_and_expanded(x):
    y = x * 1.0
    column = np.expand_dims(y, 1)
    column[2, 0] = x[0] * x[1]
    flat = np.squeeze(column)
    flat[3:] = flat[:3]
    column *= x[0]
    return weighed(y, flat)


def new_axis(x):
    y = x * 1.0
    y[None, :, None][0, 1] = x[3] ** 2
    return weighed(y)


def broadcast_write(x):
    y = np.reshape(x, (2, 3)) * 1.0
    y[:, 1:] = x[0] * x[1]
    y[...] += x[:3]
    y[1] = x[3:4]
    return weighed(y)


def mask_write(x):
    y = x * 1.0
    y[y > 0.5] *= x[1]
    y[x < 0] = x[2]
    return weighed(y)


def mask_write_of_many(x):
    y = x * 1.0
    y[np.array([True, False, True, False, True, False])] = x[:3] * x[3:]
    return weighed(y)


def numbered_write(x):
    y = x * 1.0
    y[[0, 2, 2]] = x[3:] * x[0]  # of two writes to one place the last counts
    y[np.array([4, 5])] += x[1]
    return weighed(y)


def rows_in_a_loop(x):
    y = np.reshape(x, (3, 2)) * 1.0
    total = 0.0
    for row in y:
        row += total
        total = total + np.sum(row * row)
    return weighed(y) + total


def overwritten_twice(x):
    y = x * 1.0
    y[2] = x[0]
    y[2] = x[1] * y[2]
    y[:] = y[::-1] * x
    return weighed(y)


def swapped(x):
    y = x * 1.0
    y[0], y[1] = y[1], y[0]
    y[2:4], y[4:] = y[4:], y[2:4].copy()
    return weighed(y * x)


def out_argument(x):
    y = x * 1.0
    np.multiply(y, x, out=y)
    np.exp(y[:2], out=y[:2])
    return weighed(y)


def copies_do_not_share(x):
    y = x * 1.0
    for other in (y.copy(), y.flatten(), +y, y[[0, 1, 2, 3, 4, 5]], y + 0.0, np.repeat(y, 1)):
        other *= 7.0
        other[0] = 9.0
    return weighed(y)


def aliases_share(x):
    y = x * 1.0
    z = y
    z += x[0]
    z[1] = 5.0
    return weighed(y)


def number_is_replaced(x):
    a = x[0]
    b = a
    b += x[1]
    b *= x[2]
    return a * b


def no_axes(x):
    y = x * 1.0
    v = y[2, ...]
    v += x[0]
    v *= 2.0
    v[()] = v * x[1]
    return weighed(y, v)


def no_axes_aliased(x):
    y = np.reshape(x[:1] * x[1], ())
    z = y.copy()
    for name in (z, z):
        name += x[2]
        name *= 2.0
    return z * x[0]


def prefix_sums(x):
    y = x * 1.0
    for k in range(1, 6):
        y[k] += y[k - 1] * 0.5
    return weighed(y)


def split_parts(x):
    y = x * 1.0
    first, second = np.split(y, 2)
    first *= second
    second[0] = first[1]
    return weighed(y)


def moved_axes(x):
    y = np.reshape(x * 1.0, (1, 2, 3))
    np.swapaxes(y, 1, 2)[0, 0] *= x[1]
    np.moveaxis(y, 0, 2)[1] += x[0]
    np.flip(y, 2)[..., 0] = 2.0
    return weighed(y)


def base_forgotten(x):
    v = (x * 1.0)[1:5]
    v[1:3] *= x[0]
    return weighed(v)


def with_itself(x):
    y = x * 1.0
    y *= y
    y[1:] = y[:-1]
    y[:3] += y[3:]
    return weighed(y)


PROGRAMS = [
    set_one, set_slice_scaled, write_to_base_then_read_view, write_to_view_then_read_base,
    view_of_view, siblings, reversed_view, squeezed_and_expanded, new_axis, broadcast_write,
    mask_write, mask_write_of_many, numbered_write, rows_in_a_loop, overwritten_twice, swapped,
    out_argument, copies_do_not_share, aliases_share, number_is_replaced, no_axes, no_axes_aliased,
    prefix_sums, split_parts, moved_axes, base_forgotten, with_itself,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(program):
    check(program)


def random_program(seed):
    """Make a program of views and writes, the same for the same seed."""

    def program(x):
        rng = np.random.default_rng(seed)
        arrays = [x * 1.0, np.reshape(x * x, (2, 3))]
        for _ in range(12):
            a = arrays[rng.integers(len(arrays))]
            b = arrays[rng.integers(len(arrays))]
            kind = rng.integers(12)
            low = int(rng.integers(0, 2))
            if kind == 0 and len(a) > 2:
                arrays.append(a[low:])
            elif kind == 1:
                arrays.append(a[::-1])
            elif kind == 2:
                arrays.append(a.T)
            elif kind == 3:
                arrays.append(np.reshape(a, -1))
            elif kind == 4:
                arrays.append(a[:, None] if np.ndim(a) == 1 else a[:, -1])
            elif kind == 5:
                a *= 1.0 + 0.1 * low
            elif kind == 6:
                a += np.tanh(np.sum(b))
            elif kind == 7:
                a[low] = np.cos(np.sum(b))
            elif kind == 8:
                a[a > 0] *= 0.5
            elif kind == 9:
                a[...] = np.sin(a) + x[low]
            elif kind == 10 and np.shape(a) == np.shape(b):
                a -= 0.3 * b
            else:
                arrays.append(a * 1.1)
        return sum(np.sum(np.cos(a * (k + 1))) for k, a in enumerate(arrays))

    return program


@pytest.mark.parametrize("seed", range(60))
def test_random_program(seed):
    check(random_program(seed))


def test_view_matches_memory():
    """Whatever shares memory in NumPy is a view here, and nothing else is."""
    calls = [
        lambda a: a[1:], lambda a: a[0], lambda a: a[0, ...], lambda a: a[[0, 1]],
        lambda a: a[a > 0], lambda a: a.T, lambda a: a.reshape(-1), lambda a: a.T.reshape(-1),
        np.ravel, lambda a: np.ravel(a.T), lambda a: a.flatten(), lambda a: a.copy(), np.copy,
        np.squeeze, lambda a: a[None], lambda a: np.expand_dims(a, 0), np.flip, np.fliplr,
        lambda a: np.swapaxes(a, 0, 1), lambda a: np.moveaxis(a, 0, 1), np.diagonal, np.diag,
        lambda a: np.broadcast_to(a, (2, 2, 3)), lambda a: np.split(a, 3, axis=1)[1],
        lambda a: a.astype(float), lambda a: np.concatenate([a]), lambda a: np.stack([a]),
        lambda a: np.take(a, 1, axis=0), lambda a: np.take(a, [0, 1], axis=0), np.exp,
        lambda a: np.where(a > 0, a, 0.0), lambda a: np.maximum(a, -9.0), lambda a: +a,
        lambda a: np.sum(a, axis=0), lambda a: np.clip(a, -9.0, 9.0), lambda a: np.tile(a, 1),
        lambda a: np.repeat(a, 1), lambda a: np.pad(a, 0), lambda a: np.roll(a, 0), np.real,
        lambda a: np.atleast_2d(a), lambda a: np.einsum("ij->ji", a), lambda a: np.triu(a),
        lambda a: np.sort(a), lambda a: np.cumsum(a, 0), lambda a: a[::2].ravel(),
        lambda a: a[:, ::2].ravel(), lambda a: a[:, :1].ravel(), lambda a: a[0, ::2].ravel(),
        lambda a: a.real, lambda a: a.conj(), lambda a: np.round(a), lambda a: np.vstack([a]),
    ]  # fmt: skip
    plain = np.reshape(START, (2, 3)).copy()
    for number, call in enumerate(calls):
        base = cr.Variable(plain) * 1.0
        result, expected = call(base), call(plain)
        shares = isinstance(expected, np.ndarray) and np.shares_memory(expected, plain)
        assert (result._lens is not None or result is base) == shares, f"call {number}"


def test_write_into_read_only_view():
    y = cr.Variable(START) * 1.0
    wide = np.broadcast_to(y, (2, 6))
    with pytest.raises(InPlaceError, match=r"np.broadcast_to made: NumPy refuses it.*\.copy\(\)"):
        wide[0] = 1.0


def test_shape_cannot_grow():
    y = cr.Variable(START[:3]) * 1.0
    with pytest.raises(InPlaceError, match=r"cannot grow.*x = x \+ y"):
        y += np.ones((2, 3))


def test_number_has_no_items():
    y = cr.Variable(1.0) * 2.0
    with pytest.raises(InPlaceError, match="item assignment to a number"):
        y[0] = 1.0


def test_dtype_is_kept():
    x = cr.Variable(np.float32([1.0, 2.0]))
    y = x * 1.0
    y += np.array([0.5, 0.5])  # float64
    y[0] = cr.Variable(2.0) * 3.0
    assert y.dtype == np.float32
    np.sum(y).backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [0.0, 1.0])


def test_float_into_integers():
    x = cr.Variable(START)
    order = np.argsort(x)
    with pytest.raises(InPlaceError, match="would be rounded"):
        order[0] = x[0]
    with pytest.raises(InPlaceError, match="cannot be written in place"):
        order += 0.5


def test_traced_into_plain_array():
    x = cr.Variable(START)
    plain = np.zeros(6)
    with pytest.raises(LostTraceError, match=r"\.value.*np\.stack"):
        plain[:1] = x[0]
    with pytest.raises(ValueError, match="array element") as caught:  # NumPy's own words
        plain[0] = x[0]
    assert isinstance(caught.value.__cause__, LostTraceError)
    with pytest.raises(InPlaceError, match="would write a traced value into a plain array"):
        plain += x


def test_constant_written_after_use():
    """A buffer that is used again does not reach back into what was computed from it."""

    def program(x):
        buffer = np.zeros(6)
        total = 0.0
        for k in range(3):
            buffer[:] = k + 1.0
            total = total + np.sum(x * x * buffer)
        return total

    check(program)


def test_deep_chain_of_views():
    """Neither reading nor refreshing views of views recurses."""
    x = cr.Variable(START)
    base = x * 1.0
    view = base
    for _ in range(5000):
        view = view[...]
    base[0] = 4.0
    np.sum(view * view).backward()
    assert view.value[0] == 4.0
    np.testing.assert_allclose(x.grad, [0.0, *(2 * START[1:])])
    view[1] = 1.0
    assert base.value[1] == 1.0


def test_input_array_is_left_alone():
    def program(x):
        x[0] = 5.0
        return np.sum(x * x)

    given = START.copy()
    gradient = cr.grad(program)(given)
    np.testing.assert_array_equal(given, START)
    np.testing.assert_allclose(gradient, [0.0, *(2 * START[1:])])


def test_second_derivative_through_writes():
    def program(x):
        y = x * x
        y[1:] *= y[:-1]
        return np.sum(y * y)

    expected = np.stack(
        [differences(lambda v, k=k: cr.grad(program)(v)[k], START, 1e-5) for k in range(6)]
    )
    np.testing.assert_allclose(cr.hessian(program)(START), expected, rtol=1e-6, atol=1e-6)


def test_not_scalar_under_grad():
    with pytest.raises(NotScalarError):
        cr.grad(lambda x: x[1:])(START)
