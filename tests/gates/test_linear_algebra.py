"""Products, diagonals, inverses and determinants: gradients by differences, and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.gates import GATES, TABLES, Gate
from chainrule.gates.einsum import terms_of
from chainrule.gates.gate import Example
from tests.gates.vjps import call_vjp, check_vjp, drawn, with_wrong_vjp

LINEAR_ALGEBRA = TABLES["linear_algebra"]
CASES = [(gate, case) for gate in LINEAR_ALGEBRA for case in gate.examples]
rng = np.random.default_rng(0)


def labelled(case: object) -> str:
    return case.name if isinstance(case, Gate) else ""


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_value_is_numpys(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    value = gate(*inputs, **case.settings)
    if gate.numpy is not None:
        assert_array_equal(value, gate.numpy(*inputs, **case.settings))
    elif gate.name == "einsum":
        assert_array_equal(value, np.einsum(case.settings["subscripts"], *inputs))


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_gradient_of_examples(gate: Gate, case: Example) -> None:
    check_vjp(gate, drawn(case), **case.settings)


@pytest.mark.parametrize(
    ("gate", "case"), [(g, c) for g, c in CASES if g.pattern != "stops"], ids=labelled
)
def test_a_wrong_gradient_is_caught(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    out = gate.forward(*inputs, **case.settings)
    gradients = [
        call_vjp(gate, k, np.ones(np.shape(out)), inputs, **case.settings)
        for k in range(len(inputs))
    ]
    if not any(np.any(found) for found in gradients):
        pytest.skip("no elements, no gradient")
    with pytest.raises(AssertionError):
        check_vjp(with_wrong_vjp(gate), inputs, **case.settings)


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_float32_stays(gate: Gate, case: Example) -> None:
    inputs = [np.asarray(x, np.float32) for x in drawn(case)]
    out = gate.forward(*inputs, **case.settings)
    assert out.dtype == np.float32
    for index in range(len(inputs)):
        found = call_vjp(gate, index, np.ones_like(out), inputs, **case.settings)
        assert found is None or found.dtype == np.float32


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_code_computes_the_gate(gate: Gate, case: Example) -> None:
    inputs = [np.asarray(x) for x in drawn(case)]
    names = [f"x{k}" for k in range(len(inputs))]
    scope = {"np": np, **dict(zip(names, inputs, strict=True))}
    copied = gate.copied_source(case.settings, scalar=False)
    if copied is not None:  # must do with np alone, as in an emitted module
        scope[gate.name] = own = type(copied)(copied.__code__, {"np": np})
        own.__kwdefaults__ = copied.__kwdefaults__
    template = gate.expression(case.settings).replace("{*}", ", ".join(names))
    found = eval(template.format(*names), scope)
    assert_array_equal(found, gate.forward(*inputs, **case.settings))


@pytest.mark.parametrize("name", ["matmul", "dot", "inner", "outer"])
def test_non_contiguous_and_read_only(name: str) -> None:
    x = rng.normal(size=(6, 6))[::2, ::-2].T
    y = np.asfortranarray(rng.normal(size=(3, 3)))
    x.flags.writeable = y.flags.writeable = False
    check_vjp(GATES[name], [x, y])


# ---------------------------------------------------------------------- drawn at random


@st.composite
def matmul_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    m, k, n = (draw(st.integers(1, 3)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 2), max_size=2))
    of_x = [1 if draw(st.booleans()) else size for size in batch]
    of_y = [1 if draw(st.booleans()) else size for size in batch]
    x = (k,) if draw(st.booleans()) else (*of_x[draw(st.integers(0, len(batch))) :], m, k)
    y = (k,) if draw(st.booleans()) else (*of_y[draw(st.integers(0, len(batch))) :], k, n)
    return x, y


@given(shapes=matmul_shapes())
def test_matmul_of_any_rank(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    check_vjp(GATES["matmul"], [rng.normal(size=shape) for shape in shapes])


@given(m=st.integers(0, 3), n=st.integers(0, 3))
def test_dot_and_inner_of_any_rank(m: int, n: int) -> None:
    a = rng.normal(size=(2, 1, 3)[3 - m :])
    check_vjp(GATES["dot"], [a, rng.normal(size=((), (3,), (3, 2), (2, 3, 1))[n])])
    check_vjp(GATES["inner"], [a, rng.normal(size=((), (3,), (2, 3), (1, 2, 3))[n])])


@given(data=st.data())
def test_tensordot_over_any_axes(data: st.DataObject) -> None:
    a_shape = (2, 3, 2, 1)
    summed = data.draw(st.lists(st.integers(0, 3), unique=True, max_size=4))
    free = data.draw(st.lists(st.integers(1, 2), max_size=2))
    owners = data.draw(st.permutations([("sum", k) for k in summed] + [("free", n) for n in free]))
    b_shape = [a_shape[k] if kind == "sum" else k for kind, k in owners]
    b_axes = tuple(owners.index(("sum", k)) for k in summed)
    inputs = [rng.normal(size=a_shape), rng.normal(size=b_shape)]
    check_vjp(GATES["tensordot"], inputs, axes=(tuple(summed), b_axes))


@given(data=st.data())
def test_einsum_of_any_subscripts(data: st.DataObject) -> None:
    sizes = {"i": 2, "j": 3, "k": 1}
    letters = st.text("ijk", max_size=3)
    terms = data.draw(st.lists(letters, min_size=1, max_size=3))
    named = sorted(set("".join(terms)))
    output = "".join(data.draw(st.permutations(named))[: data.draw(st.integers(0, len(named)))])
    subscripts = ",".join(terms) + (f"->{output}" if data.draw(st.booleans()) else "")
    inputs = [rng.normal(size=[sizes[letter] for letter in term]) for term in terms]
    check_vjp(GATES["einsum"], inputs, subscripts=subscripts)


@given(
    rows=st.integers(1, 4), columns=st.integers(1, 4), k=st.integers(-5, 5), batch=st.integers(0, 2)
)
def test_diagonals_and_triangles(rows: int, columns: int, k: int, batch: int) -> None:
    x = rng.normal(size=(rows, columns))
    stacked = rng.normal(size=(rows, batch, columns))
    check_vjp(GATES["diag"], [x], k=k)
    for name in ("tril", "triu"):
        check_vjp(GATES[name], [x], k=k)
    for name in ("diagonal", "trace"):
        check_vjp(GATES[name], [x], offset=k)
        check_vjp(GATES[name], [stacked], offset=k, axis1=2, axis2=0)


# ---------------------------------------------------------------------- by hand


def test_matmul_by_hand() -> None:
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    g = np.array([[1.0, 0.0], [0.0, 0.0]])  # of the entry 1 * 5 + 2 * 7 alone
    assert_array_equal(call_vjp(GATES["matmul"], 0, g, [x, y]), [[5, 7], [0, 0]])
    assert_array_equal(call_vjp(GATES["matmul"], 1, g, [x, y]), [[1, 0], [2, 0]])


def test_matmul_hands_nan_on() -> None:
    x, y = np.ones((2, 2)), np.array([[np.nan, 1.0], [1.0, 1.0]])
    found = call_vjp(GATES["matmul"], 0, np.ones((2, 2)), [x, y])
    assert_array_equal(found, [[np.nan, 2.0], [np.nan, 2.0]])


def test_determinant_of_a_singular_matrix_has_a_slope() -> None:
    # By hand: the cofactors of [[1, 2], [2, 4]] are [[4, -2], [-2, 1]].
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert_allclose(call_vjp(GATES["det"], 0, 1.0, [x]), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)
    assert_allclose(call_vjp(GATES["det"], 0, 1.0, [np.zeros((3, 3))]), np.zeros((3, 3)))
    rank_two = np.diag([2.0, 3.0, 0.0])
    assert_allclose(call_vjp(GATES["det"], 0, 1.0, [rank_two]), np.diag([0, 0, 6.0]), atol=1e-14)


def test_inverse_and_solution_by_hand() -> None:
    # At the 1 by 1 matrix (4): d(1/a) = -1/16, d(b/a) = -b/16 along a and 1/4 along b.
    a, b = np.array([[4.0]]), np.array([3.0])
    assert_array_equal(call_vjp(GATES["inv"], 0, np.ones((1, 1)), [a]), [[-1 / 16]])
    assert_array_equal(call_vjp(GATES["solve"], 0, np.ones(1), [a, b]), [[-3 / 16]])
    assert_array_equal(call_vjp(GATES["solve"], 1, np.ones(1), [a, b]), [0.25])


def test_logabsdet_by_hand() -> None:
    # d log|det diag(2, -4)| = diag(1/2, -1/4).
    x = np.diag([2.0, -4.0])
    assert GATES["logabsdet"](x) == pytest.approx(math.log(8.0), rel=1e-15)
    assert GATES["signdet"](x) == -1.0
    assert_array_equal(call_vjp(GATES["logabsdet"], 0, 1.0, [x]), np.diag([0.5, -0.25]))


def test_a_singular_matrix_has_no_inverse() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        GATES["inv"](np.zeros((2, 2)))


def test_trace_by_hand() -> None:
    assert_array_equal(call_vjp(GATES["trace"], 0, 3.0, [np.ones((2, 2))]), 3 * np.eye(2))
    above = call_vjp(GATES["trace"], 0, 3.0, [np.ones((2, 3))], offset=1)
    assert_array_equal(above, [[0, 3, 0], [0, 0, 3]])


@pytest.mark.parametrize(
    ("subscripts", "ndims", "terms", "output"),
    [
        ("ij,jk", [2, 2], ["ij", "jk"], "ik"),
        ("ba", [2], ["ba"], "ab"),  # implicit output is alphabetical: a transpose
        ("ii", [2], ["ii"], ""),
        ("i...,i...", [3, 2], ["iab", "ib"], "ab"),
        (" i j -> j ", [2], ["ij"], "j"),
    ],
)
def test_subscripts(subscripts: str, ndims: list[int], terms: list[str], output: str) -> None:
    assert terms_of(subscripts, ndims) == (terms, output)


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("matmul", {}, "{0} @ {1}"),
        ("einsum", {"subscripts": "ij,j->i"}, "np.einsum('ij,j->i', {*})"),
        ("tensordot", {"axes": 2}, "np.tensordot({0}, {1})"),
        ("tensordot", {"axes": ((0,), (1,))}, "np.tensordot({0}, {1}, axes=((0,), (1,)))"),
        ("diag", {"k": -1}, "np.diag({0}, k=-1)"),
    ],
)
def test_code(name: str, settings: dict[str, object], code: str) -> None:
    assert GATES[name].expression(settings) == code
