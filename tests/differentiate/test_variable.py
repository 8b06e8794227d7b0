"""Define by run: the lecture's numbers, what `.grad` means, what is refused, and memory."""

import copy
import gc
import math
import pickle
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import chainrule as cr
from chainrule import Variable
from chainrule.differentiate import thread_tape, variable
from chainrule.errors import (
    DtypeError,
    InPlaceError,
    LostTraceError,
    MissingGateError,
    MissingRuleError,
    MixedTraceError,
    NotScalarError,
    ShapeError,
)
from chainrule.gates import GATES
from chainrule.passes.backward import backward

from .test_in_place import PROGRAMS, START, by_variable, check, random_program


def tape():
    return variable._of_thread.tape


def one_sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


# ---------------------------------------------------------------------- the lecture's numbers


def test_circuit_a():
    x, y, z = Variable(-2.0), Variable(5.0), Variable(-4.0)
    q = x + y
    f = q * z
    f.backward()
    assert (q.value, f.value) == (3.0, -12.0)
    assert (q.grad, z.grad, x.grad, y.grad, f.grad) == (-4.0, 3.0, -4.0, -4.0, 1.0)
    assert type(f.value) is float
    assert type(x.grad) is float


def test_product():
    x, y = Variable(4.0), Variable(-3.0)
    (x * y).backward()
    assert (x.grad, y.grad) == (-3.0, 4.0)


@pytest.mark.parametrize("sigmoid", [cr.sigmoid, one_sigmoid])
def test_neuron_b(sigmoid):
    w = [Variable(2.0), Variable(-3.0), Variable(-3.0)]
    x = [Variable(-1.0), Variable(-2.0)]
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = sigmoid(dot)
    f.backward()
    assert f.value == pytest.approx(0.731058578630004879251, rel=1e-15)
    assert dot.grad == pytest.approx(0.196611933241481852537, rel=1e-15)
    assert [v.grad for v in x] == pytest.approx(
        [0.393223866482963705075, -0.589835799724445557612], rel=1e-15
    )
    assert [v.grad for v in w] == pytest.approx(
        [-0.196611933241481852537, -0.393223866482963705075, 0.196611933241481852537], rel=1e-15
    )


@pytest.mark.parametrize(("dot", "slope"), [(40.0, 4.2483542552915889e-18), (-1000.0, 0.0)])
def test_neuron_b_saturated(dot, slope):
    x = Variable(dot)
    cr.sigmoid(x).backward()
    assert x.grad == pytest.approx(slope, rel=1e-15)


def test_staged_example_c():
    x, y = Variable(3.0), Variable(-4.0)
    sigy = cr.sigmoid(y)
    num = x + sigy
    sigx = cr.sigmoid(x)
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    f.backward()
    assert f.value == 1.5456448841066441
    expected = {
        "sigy": (sigy, 0.512144448839631603459),
        "num": (num, 0.512144448839631603459),
        "sigx": (sigx, -0.791593447272593499235),
        "xpy": (xpy, 1.58318689454518699847),
        "xpysqr": (xpysqr, -0.791593447272593499235),
        "den": (den, -0.791593447272593499235),
        "invden": (invden, 3.01798620996209155803),
        "x": (x, 2.05956979557216491063),
        "y": (y, 1.59223275148380931389),
    }
    for name, (wire, gradient) in expected.items():
        assert wire.grad == pytest.approx(gradient, rel=1e-15), name


def test_circuit_d():
    x, y, z, w = Variable(3.0), Variable(-4.0), Variable(2.0), Variable(-1.0)
    (2.0 * (x * y + np.maximum(z, w))).backward()
    assert (x.grad, y.grad, z.grad, w.grad) == (-8.0, 6.0, 2.0, 0.0)
    w.value = 2.0
    (2.0 * (x * y + np.maximum(z, w))).backward()
    assert (z.grad, w.grad) == (1.0, 1.0)


def test_network_e():
    w1 = Variable([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]])
    b1 = Variable([0.01, 0.02, 0.03])
    w2 = Variable([[0.7, -0.8, 0.9]])
    b2 = Variable([0.04])
    inputs, targets = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([[1.0], [0.0]])

    def cost():
        hidden = cr.sigmoid(inputs @ w1.T + b1)
        output = cr.sigmoid(hidden @ w2.T + b2)
        return 0.5 * np.sum((output - targets) ** 2), output

    total, output = cost()
    total.backward()
    close = {"rtol": 1e-13}
    np.testing.assert_allclose(output.value.ravel(), [0.6854403118626003, 0.6709903606777697])
    np.testing.assert_allclose(total.value, 0.27458793076179083, **close)
    np.testing.assert_allclose(
        b1.grad, [0.01479251742375717, -0.01517058050822974, 0.01479413553546807], **close
    )
    np.testing.assert_allclose(b2.grad, [0.08030656388095817], **close)
    np.testing.assert_allclose(
        w1.grad,
        [
            [-0.03705146701222055, -0.00929795347946894],
            [0.0407951704833014, 0.01163315222718888],
            [-0.04158398303821426, -0.01269531785932561],
        ],
        **close,
    )
    np.testing.assert_allclose(
        w2.grad, [[0.03205887659355019, 0.03069735471347533, 0.05738342994516801]], **close
    )
    for p in (w1, b1, w2, b2):
        p.value -= 3.0 / 2 * p.grad
    np.testing.assert_allclose(
        w2.value, [[0.6519116851096747, -0.846046032070213, 0.813924855082248]], **close
    )
    np.testing.assert_allclose(b2.value, [-0.08045984582143725], **close)
    assert w1.grad is None
    assert cost()[0].value < total.value


# ---------------------------------------------------------------------- NumPy and forks


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.exp(x) * np.sin(x) / (2.0 + np.cos(x))),
        lambda x: np.mean(x**2) + np.max(x) - np.prod(x),
        lambda x: np.sum(np.tanh(x) @ np.outer(x, x)),
        lambda x: np.sum(np.where(x > 0, x * x, np.sqrt(np.abs(x)))),
        lambda x: np.sum(np.concatenate([x, x[::-1]]) * np.arange(12.0)),
        lambda x: np.sum(cr.softmax(x) * cr.relu(x)) + cr.logsumexp(x),
        lambda x: np.linalg.norm(np.stack([x, x * x])) + x[0] ** x[2] + x[0] % 0.3,
        lambda x: sum(abs(v) ** 1.5 for v in x) + x.sum() - x.std(),
        lambda x: 2 - x[0] + 3 * x[1] - (4 / x[2]) + 2 ** x[3] - (-x[4]),
    ],
)
def test_numpy_functions(function):
    check(function)


def test_fork():
    x = Variable(3.0)
    a = x * x
    b = a + x
    (a * b + a).backward()  # x^4 + x^3 + x^2
    assert x.grad == 4 * 27 + 3 * 9 + 2 * 3
    assert a.grad == 9.0 + 12.0 + 1.0  # a itself, b, and 1


def test_scalars_and_arrays_mix():
    w, b = Variable(2.0), Variable(np.float32(0.5))
    x = np.array([1.0, 2.0, 3.0])
    np.sum(w * x + b).backward()
    assert (w.grad, b.grad) == (6.0, 3.0)
    assert type(w.grad) is float
    assert type(b.grad) is np.float32


def test_python_decides():
    x = Variable(2.0)
    y = x
    while y < 100.0:
        y = y * y
    y.backward()
    assert (y.value, x.grad) == (256.0, 8 * 2.0**7)
    assert sorted([Variable(2.0), Variable(1.0)])[0].value == 1.0
    assert [10, 20, 30][np.argmax(Variable([1.0, 3.0, 2.0]))] == 20


def test_division_by_zero_as_numpy():
    x = Variable(0.0)
    y = 1.0 / x
    assert y.value == math.inf
    assert math.isnan((x / 0.0).value)


# ---------------------------------------------------------------------- what grad means


def test_backward_sets_and_never_adds():
    x = Variable(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad == 6.0
    (x * 5.0).backward()
    assert x.grad == 5.0
    (y + x * 5.0).backward()  # several outputs: add them
    assert x.grad == 11.0


def test_grad_is_none_until_backward():
    x = Variable(3.0)
    y = x * x
    assert x.grad is None
    assert y.grad is None
    with pytest.raises(TypeError):
        x.value -= 0.1 * x.grad


def test_assignment_forgets_the_gradient():
    w = Variable(3.0)
    cost = w * w
    cost.backward()
    w.value -= 0.5 * w.grad
    assert w.value == 0.0
    assert w.grad is None
    cost.backward()  # the old cost, of the old value: not this leaf's gradient any more
    assert w.grad is None
    assert cost.value == 9.0


def test_two_models_in_turn():
    a, b = Variable(1.0), Variable(2.0)
    (a * 3.0).backward()
    (b * 4.0).backward()
    assert (a.grad, b.grad) == (3.0, 4.0)
    b.value += 1.0
    assert (a.grad, b.grad) == (3.0, None)


def test_intermediate_has_the_latest_gradient():
    x = Variable(2.0)
    y = x * x
    z = y * 3.0
    z.backward()
    assert y.grad == 3.0
    (x * 1.0).backward()
    assert y.grad is None
    later = y * 2.0
    assert later.grad is None


def test_unreached_leaf_has_zeros():
    """Behind a step nothing flows: the gradient is 0, as `grad` says it, not None."""
    x, y, z = Variable([1.5, -2.0]), Variable(3.0), Variable(1.0)
    (np.sum(np.sign(x)) * np.where(y > 0, 2.0, z) + 0.0 * np.floor(y)).backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.0])
    assert (y.grad, z.grad) == (0.0, 0.0)
    other = Variable(1.0)
    assert other.grad is None


def test_gradients_are_not_shared():
    a, b = Variable([1.0, 2.0]), Variable([3.0, 4.0])
    seed = np.ones(2)
    y = a + b
    y.backward(gradient=seed)
    a.grad[0] = 7.0
    y.grad[0] = 8.0
    np.testing.assert_array_equal(b.grad, [1.0, 1.0])
    np.testing.assert_array_equal(y.grad, [1.0, 1.0])
    np.testing.assert_array_equal(seed, [1.0, 1.0])


def test_value_is_a_copy():
    given = np.array([1.0, 2.0])
    x = Variable(given)
    given[0] = 9.0
    x.value[0] = 9.0
    np.sum(x * x).backward()
    np.testing.assert_array_equal(x.value, [1.0, 2.0])
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_seeds():
    x = Variable([1.0, 2.0])
    (x * x).backward(gradient=[1.0, 10.0])
    np.testing.assert_array_equal(x.grad, [2.0, 40.0])
    y = Variable(3.0)
    (y * y).backward(gradient=2)
    assert y.grad == 12.0
    y.backward()
    assert y.grad == 1.0


def test_views_of_a_leaf_follow_it():
    w = Variable([[1.0, 2.0], [3.0, 4.0]])
    turned = w.T
    before = turned * 1.0
    w.value = [[5.0, 6.0], [7.0, 8.0]]
    np.testing.assert_array_equal(turned.value, [[5.0, 7.0], [6.0, 8.0]])
    np.testing.assert_array_equal(before.value, [[1.0, 3.0], [2.0, 4.0]])
    np.sum(turned * np.array([[1.0, 2.0], [3.0, 4.0]])).backward()
    np.testing.assert_array_equal(w.grad, [[1.0, 3.0], [2.0, 4.0]])


def test_accumulating_into_a_leaf_number():
    total, x = Variable(0.0), Variable(2.0)
    start = total
    for _ in range(3):
        total += x * x
    total.backward()
    assert (start.value, start.grad, x.grad) == (0.0, 1.0, 12.0)


def test_copies():
    x = Variable([1.0, 2.0])
    model = copy.deepcopy({"x": x, "n": 3})
    assert model["x"].is_leaf
    assert copy.copy(x).is_leaf
    loaded = pickle.loads(pickle.dumps(x))
    loaded.value = [3.0, 4.0]
    np.testing.assert_array_equal(x.value, [1.0, 2.0])
    with pytest.raises(LostTraceError, match=r"would not be saved with it. Save its \.value"):
        pickle.dumps(x * 2.0)


def test_how_it_looks():
    assert repr(Variable(3.0)) == "Variable(3.0)"
    assert f"{Variable(3.14159):.2f}" == "3.14"
    x = Variable([[1.0, 2.0]])
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((1, 2), 2, 2, 1, np.float64)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, r"Variable of int, which has no gradient: write cr.Variable\(3\.0\)"),
        (True, r"Variable of bool.*cr.Variable\(1\.0\)"),
        (np.int64(3), r"of int64.*cr.Variable\(3\.0\)"),
        (np.arange(3), r"of int64.*astype\(float\)"),
        ([1, 2], r"of int64.*astype\(float\)"),
        (np.array(["a"]), "give a float"),
        (np.array([None]), "give a float"),
        (1j, "give a float"),
        (None, "of NoneType: give a float"),
        ("3.0", "of str: give a float"),
        ({}, "of dict: give a float"),
    ],
)
def test_leaf_must_be_float(value, words):
    with pytest.raises(DtypeError, match=r"test_variable.py:\d+: .*" + words):
        Variable(value)


def test_leaf_of_a_variable():
    with pytest.raises(MixedTraceError, match=r"cr.Variable\(x.value\)"):
        Variable(Variable(1.0) * 2.0)


def test_assignment_is_checked():
    w, n = Variable(np.float32([1.0, 2.0])), Variable(1.0)
    w.value = [3, 4.5]
    assert w.value.dtype == np.float32
    n.value = np.float32(2.0)
    assert type(n.value) is float
    with pytest.raises(ShapeError, match=r"shape \(\) to the value of a leaf of shape \(2,\)"):
        w.value = 1.0
    with pytest.raises(ShapeError, match=r"shape \(2,\) to the value of a leaf of shape \(\)"):
        n.value = w.value
    with pytest.raises(DtypeError, match="complex128"):
        n.value = 1j
    with pytest.raises(DtypeError, match=r"an update is not recorded. Give its \.value"):
        n.value = n * 2.0
    with pytest.raises(InPlaceError, match="was computed from others"):
        (n * 2.0).value = 1.0


def test_grad_cannot_be_assigned():
    w = Variable(1.0)
    with pytest.raises(InPlaceError, match="there is nothing to reset"):
        w.grad = None


def test_output_must_be_one_float():
    x = Variable([1.0, 2.0])
    with pytest.raises(NotScalarError, match=r"test_variable.py:\d+.*shape \(2,\).*np.sum"):
        (x * 2.0).backward()
    with pytest.raises(ShapeError, match=r"shape \(3,\) for an output of shape \(2,\)"):
        (x * 2.0).backward(gradient=np.ones(3))
    with pytest.raises(DtypeError, match="which has no gradient"):
        (x[0] > 1.0).backward()


def test_leaf_arrays_refuse_writes():
    x = Variable([1.0, 2.0])
    words = r"which is a leaf.*write x = x \+ y.*x\.value = "
    with pytest.raises(InPlaceError, match=words):
        x += 1.0
    with pytest.raises(InPlaceError, match=words):
        x[0] = 1.0
    with pytest.raises(InPlaceError, match=words):
        x[1:][0] = 1.0
    with pytest.raises(InPlaceError, match=words):
        x.reshape(2, 1).T[...] *= 2.0
    with pytest.raises(InPlaceError, match=words):
        np.exp(x, out=x)
    np.testing.assert_array_equal(x.value, [1.0, 2.0])
    y = +x
    y[0] = 5.0
    np.sum(y * y).backward()
    np.testing.assert_array_equal(x.grad, [0.0, 4.0])


def test_lost_values():
    x = Variable(1.0)
    with pytest.raises(LostTraceError, match=r"test_variable.py:\d+.*\.value.*np\.exp"):
        math.exp(x)
    with pytest.raises(LostTraceError, match=r"\.value"):
        float(x)
    with pytest.raises(LostTraceError, match=r"turned into a plain array.*\.value"):
        np.asarray(x)
    with pytest.raises(LostTraceError):
        int(x)
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_variable_within_a_trace():
    v = Variable(2.0)
    with pytest.raises(MixedTraceError, match="another recording"):
        cr.grad(lambda x: x * v)(1.0)
    with pytest.raises(MixedTraceError, match="another recording"):
        cr.grad(lambda x: np.sum(v + x))(np.ones(2))
    assert cr.grad(lambda x: x * (v * v).value)(1.0) == 4.0
    with pytest.raises((MixedTraceError, MissingGateError)):
        cr.grad(lambda x: x * x)(v)
    with pytest.raises((MixedTraceError, MissingGateError)):
        cr.trace(lambda x: x * x, v)


def test_failed_backward_leaves_no_trace():
    x = Variable([1.0, 2.0])
    y = np.sum(x * x)
    broken = x * 2.0
    without = next(gate for gate in GATES.values() if not gate.has_gradient)
    tape().gates[broken._row] = without
    with pytest.raises(MissingRuleError):
        (np.sum(broken) + np.sum(x * x)).backward()  # reaches x first, then fails
    y.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def in_thread(function):
    """Run a function in another thread, which has a fresh tape; give or raise what it does."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_threads_do_not_mix():
    x = Variable(2.0)
    y = x * 3.0
    foreign = in_thread(lambda: Variable(2.0) * 3.0)
    with pytest.raises(MixedTraceError, match="another"):
        foreign * y
    for use in (
        lambda: y + 1.0,
        lambda: np.exp(y),
        lambda: x + y,
        lambda: Variable(1.0) + x,
        lambda: np.sum(np.stack([x, y])),
        lambda: y.backward(),
        lambda: setattr(x, "value", 1.0),
    ):
        with pytest.raises(MixedTraceError, match=r"thread"):
            in_thread(use)
    assert in_thread(lambda: y.value) == 6.0

    def whole():
        v = Variable(3.0)
        (v * v).backward()
        return v.grad

    assert in_thread(whole) == 6.0


# ---------------------------------------------------------------------- size


def test_long_chain():
    n = 200_000
    x = Variable(1.0)
    y = x
    for _ in range(n):
        y = y + x
    y.backward()
    assert (y.value, x.grad) == (n + 1.0, n + 1.0)


def test_long_mixed_chain():
    """Forks at every step, against the same recurrence for value and slope on plain floats."""
    x = Variable(0.9)
    y, value, slope = x, 0.9, 1.0
    for _ in range(3000):
        u = y * x
        v = np.exp(-u * u)
        y = np.tanh(u + v) / (x + 1.5) - v
        du = slope * 0.9 + value
        value_u = value * 0.9
        value_v = math.exp(-value_u * value_u)
        dv = -2.0 * value_u * du * value_v
        t = math.tanh(value_u + value_v)
        dt = (1.0 - t * t) * (du + dv)
        value, slope = t / 2.4 - value_v, dt / 2.4 - t / 2.4**2 - dv
    y.backward()
    assert y.value == pytest.approx(value, rel=1e-12)
    assert x.grad == pytest.approx(slope, rel=1e-10)


def test_bytes_a_gate():
    """Under 200 bytes a gate at the peak, on a fresh tape."""
    n = 50_000

    def measure():
        x = Variable(0.5)
        gc.collect()
        tracemalloc.start()
        try:
            y = x
            for _ in range(n):
                y = y * x + 0.5
            y.backward()
            return tracemalloc.get_traced_memory()[1] / (2 * n)
        finally:
            tracemalloc.stop()

    assert in_thread(measure) < 200


def test_rows_stay_bounded(monkeypatch):
    """A loop that never goes backward, and one that does, keep only what is needed."""
    monkeypatch.setattr(thread_tape, "FEWEST_ROWS", 1000)
    monkeypatch.setattr(thread_tape, "ROWS_A_SECOND", 0)

    def run():
        tape().limit = 1000
        w = Variable(0.5)
        sizes = []
        for step in range(6000):
            y = w * (step + 0.5) + 1.0  # a new constant each time
            sizes.append(len(tape()))
        assert max(sizes) < 2100
        y.backward()
        for _ in range(2000):
            cost = (w - 3.0) ** 2
            cost.backward()
            w.value -= 0.01 * w.grad
            sizes.append(len(tape()))
        assert w.value == pytest.approx(3.0)
        assert max(sizes) < 2100

    in_thread(run)


def test_bytes_stay_bounded(monkeypatch):
    monkeypatch.setattr(thread_tape, "FEWEST_BYTES", 2**20)

    def run():
        tape().room = 2**20
        w = Variable(np.ones(1000))
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(600):
                data = Variable(np.ones(1000))  # leaves, constants, gradients: all must go
                cost = np.sum((w * data + np.full(1000, 2.0)) ** 2)
                cost.backward()
                w.value = w.value * 0.5
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert in_thread(run) < 6 * 2**20


@pytest.fixture
def always_tidy(monkeypatch):
    """Drop dead rows and number the others anew after every single gate."""
    plain = thread_tape.ThreadTape.tidy

    def tidy(self):
        plain(self)
        self.limit = 0

    monkeypatch.setattr(thread_tape, "MOST_LIVE", 1.0)
    monkeypatch.setattr(thread_tape.ThreadTape, "tidy", tidy)
    # Few objects for the collector to ask: the tests' own heap is large.
    gc.collect()
    gc.freeze()
    before = tape()._frozen, tape().limit
    # Counted once: the collector counts one by one, and there are a million.
    frozen = gc.get_freeze_count()
    monkeypatch.setattr(gc, "get_freeze_count", lambda: frozen)
    tape()._frozen = frozen
    tape().limit = 0
    yield
    gc.unfreeze()
    tape()._frozen, tape().limit = before


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_tidying_changes_nothing(program, always_tidy):
    expected = cr.value_and_grad(program)(START)
    value, gradient = by_variable(program, START)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("seed", range(12))
def test_tidying_changes_nothing_at_random(seed, always_tidy):
    program = random_program(seed)
    expected = cr.value_and_grad(program)(START)
    value, gradient = by_variable(program, START)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


def test_tidying_keeps_gradients(always_tidy):
    a, b = Variable(2.0), Variable([1.0, 2.0])
    y = a * b
    z = np.sum(y * y)
    z.backward()
    for _ in range(5):
        Variable(1.0) * 2.0
    assert a.grad == 20.0
    np.testing.assert_array_equal(b.grad, [8.0, 16.0])
    np.testing.assert_array_equal(y.grad, [4.0, 8.0])
    a.value = 3.0
    for _ in range(5):
        Variable(1.0) * 2.0
    assert a.grad is None
    z.backward()
    np.testing.assert_array_equal(b.grad, [8.0, 16.0])
    assert len(tape()) < 40


def test_frozen_objects_are_safe(monkeypatch):
    """gc.freeze hides Variables from the collector: then rows are kept rather than lost."""

    def run():
        x = Variable(2.0)
        y = x * x
        gc.freeze()
        try:
            tape().tidy()
            (y * 3.0).backward()
            return x.grad
        finally:
            gc.unfreeze()

    assert in_thread(run) == 12.0


# The functions that change a recording: an operator, a row, a view, a renumbering, a pass.
RECORDING = ("method", "append", "emit", "write", "refresh", "install", "run_backward")


class Interruption(BaseException):
    """What Ctrl-C raises, between any two steps."""


def interrupted(function, after):
    """Run a function, interrupted after so many lines that record; return how many there were."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == after:
                raise Interruption
        return trace if frame.f_code.co_name in RECORDING else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except Interruption:
        pass
    finally:
        sys.settrace(before)
    return lines


def test_interruptions(always_tidy):
    """After Ctrl-C at any line, the next cell of a notebook computes rightly."""
    x = Variable([0.5, 2.0])
    kept = np.sum(x * x)

    def program():
        y = Variable(0.5)
        y = np.tanh(y * 1.5)
        z = x * y
        view = z[::-1]
        view[0] = y
        np.sum(z).backward()

    for line in range(1, interrupted(program, math.inf)):
        interrupted(program, line)
        columns = tape()
        assert len(columns.values) == len(columns.gates), line
        assert len(columns.values) == len(columns.left) == len(columns.right), line
        kept.backward()
        np.testing.assert_array_equal(x.grad, [1.0, 4.0])


# ---------------------------------------------------------------------- the sweep over floats


def test_float_sweep_agrees_with_backward():
    """The quick sweep gives what the general one gives, for every gate on floats."""
    rng = np.random.default_rng(5)
    tried = 0
    for gate in GATES.values():
        if gate.local is None or gate.examples or gate.name.startswith(("bitwise", "invert")):
            continue
        points = [
            float(rng.uniform(max(low, -2.0) + 0.05, min(high, 2.0) - 0.05))
            for low, high in gate.domain
        ]
        leaves = [Variable(p) for p in points]
        y = gate(*leaves)
        if type(y.value) is not float:
            continue
        y = y * 1.5 + y
        quick = backward(tape(), [(y._row, 1.0)])
        general = backward(tape(), [(y._row, 1.0)], on_row=lambda row: None)
        assert quick == general, gate.name
        tried += 1
    assert tried > 40


def test_float_sweep_meets_arrays():
    x = Variable([1.0, 2.0, 3.0])
    total = Variable(1.0)
    for k in range(3):
        total = total * x[k].item() + np.sum(x).item() * 2.0
    total.backward()
    gradient = cr.grad(
        lambda v: ((v[0] + np.sum(v) * 2.0) * v[1] + np.sum(v) * 2.0) * v[2] + np.sum(v) * 2.0
    )(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(x.grad, gradient, rtol=1e-15)


@pytest.mark.parametrize("value", [np.float32(2.0), np.array([2.0]), np.array(2.0, np.float32)])
def test_float_sweep_leaves_arrays_their_kind(value):
    x = Variable(value)
    y = x.item() * 3.0
    assert type(y.value) is float
    y.backward()
    assert type(x.grad) is type(value)
    assert (x.grad.shape, x.grad.dtype) == (value.shape, value.dtype)
    assert x.grad.item() == 3.0


def test_branch_not_taken():
    """An infinite slope behind a choice that fell elsewhere stays out."""
    x = Variable(0.0)
    y = np.maximum(np.sqrt(x) - 1.0, x * 2.0)
    y.backward()
    assert x.grad == 2.0
