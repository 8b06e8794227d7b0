"""Elements rearranged, joined and copied: gradients go back to where the elements came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from chainrule.errors import MissingGateError
from chainrule.gates import GATES, TABLES, Gate
from chainrule.gates.gate import Example
from tests.gates.vjps import call_vjp, check_vjp, drawn, with_wrong_vjp

SHAPE = TABLES["shape"]
CASES = [(gate, case) for gate in SHAPE for case in gate.examples]
JOINS = ("concatenate", "stack")


def labelled(case: object) -> str:
    return case.name if isinstance(case, Gate) else ""


def numpys(gate: Gate, inputs: list[object], settings: dict[str, object]) -> object:
    if gate.name in JOINS:
        shaped = [np.ravel(x) for x in inputs] if settings.get("axis", 0) is None else inputs
        return gate.numpy(shaped, **settings)
    return gate.numpy(*inputs, **settings)


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_value_is_numpys(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    if gate.name == "astype":
        assert_array_equal(gate(*inputs, **case.settings), inputs[0])
    elif gate.name == "item":
        assert gate(*inputs) == np.asarray(inputs[0]).item()
    else:
        assert_array_equal(gate(*inputs, **case.settings), numpys(gate, inputs, case.settings))


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_gradient_of_examples(gate: Gate, case: Example) -> None:
    check_vjp(gate, drawn(case), **case.settings)


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_a_wrong_gradient_is_caught(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    if np.size(gate.forward(*inputs, **case.settings)) == 0 or np.size(inputs[0]) == 0:
        pytest.skip("no elements, no gradient")
    with pytest.raises(AssertionError):
        check_vjp(with_wrong_vjp(gate), inputs, **case.settings)


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_code_computes_the_gate(gate: Gate, case: Example) -> None:
    inputs = [np.asarray(x) for x in drawn(case)]
    names = [f"x{k}" for k in range(len(inputs))]
    template = gate.expression(case.settings).replace("{*}", ", ".join(names))
    scope = {"np": np, **dict(zip(names, inputs, strict=True))}
    found = eval(template.format(*names), scope)
    assert_array_equal(found, gate.forward(*inputs, **case.settings))


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_float32_stays(gate: Gate, case: Example) -> None:
    if gate.name in ("astype", "item"):
        pytest.skip("changes the dtype, to another or to Python's float")
    inputs = [np.asarray(x, np.float32) for x in drawn(case)]
    out = gate.forward(*inputs, **case.settings)
    assert out.dtype == np.float32
    for index in range(len(inputs)):
        found = call_vjp(gate, index, np.ones_like(out), inputs, **case.settings)
        assert found.dtype == np.float32


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_non_contiguous_and_read_only(gate: Gate, case: Example) -> None:
    inputs = []
    for x in drawn(case):
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]) if np.ndim(x) else (2,))[..., ::2]
        strided = wide if np.ndim(x) else wide[0, ...]
        strided[...] = x
        strided.flags.writeable = False
        inputs.append(strided)
    check_vjp(gate, inputs, **case.settings)


# ---------------------------------------------------------------------- drawn at random

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


@given(shape=shapes, data=st.data())
def test_gradient_of_transpose(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    signed = tuple(k - len(shape) if data.draw(st.booleans()) else k for k in axes)
    check_vjp(GATES["transpose"], [np.random.default_rng(0).normal(size=shape)], axes=signed)


@given(shape=shapes, data=st.data())
def test_gradient_of_broadcast_to(shape: tuple[int, ...], data: st.DataObject) -> None:
    lead = tuple(data.draw(st.lists(st.integers(0, 2), max_size=2)))
    target = lead + tuple(data.draw(st.integers(0, 3)) if n == 1 else n for n in shape)
    check_vjp(GATES["broadcast_to"], [np.random.default_rng(0).normal(size=shape)], shape=target)


@given(shape=shapes, reps=st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple))
def test_gradient_of_tile(shape: tuple[int, ...], reps: tuple[int, ...]) -> None:
    check_vjp(GATES["tile"], [np.random.default_rng(0).normal(size=shape)], reps=reps)


@given(shape=shapes, data=st.data(), mode=st.sampled_from(["constant", "edge", "symmetric"]))
def test_gradient_of_pad(shape: tuple[int, ...], data: st.DataObject, mode: str) -> None:
    width = st.tuples(st.integers(0, 3), st.integers(0, 3))
    widths = tuple(data.draw(width) for _ in shape)
    x = np.random.default_rng(0).normal(size=shape)
    check_vjp(GATES["pad"], [x], pad_width=widths, mode=mode)


@given(shape=shapes, data=st.data())
def test_gradient_of_repeat(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    count = st.integers(0, 3)
    repeats = data.draw(count | st.tuples(*[count] * shape[axis]))
    x = np.random.default_rng(0).normal(size=shape)
    check_vjp(GATES["repeat"], [x], repeats=repeats, axis=axis)


@given(shape=shapes, data=st.data())
def test_gradient_of_joins(shape: tuple[int, ...], data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for n in data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)):
        own = list(shape)
        own[axis] = n
        parts.append(rng.normal(size=own))
    check_vjp(GATES["concatenate"], parts, axis=axis)
    layers = [rng.normal(size=shape) for _ in range(3)]
    check_vjp(GATES["stack"], layers, axis=data.draw(st.integers(-len(shape) - 1, len(shape))))


# ---------------------------------------------------------------------- by hand


def test_copies_add_up() -> None:
    # Each element of (a, b) stands at three places with gradients that are counted by hand.
    g = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    x = np.zeros(2)
    assert_array_equal(call_vjp(GATES["tile"], 0, g, [x], reps=3), [1 + 3 + 5, 2 + 4 + 6])
    assert_array_equal(call_vjp(GATES["repeat"], 0, g, [x], repeats=3), [1 + 2 + 3, 4 + 5 + 6])
    assert_array_equal(call_vjp(GATES["repeat"], 0, g, [x], repeats=(1, 5)), [1, 20])
    # edge of width (1, 3): a twice, b four times.
    assert_array_equal(
        call_vjp(GATES["pad"], 0, g, [x], pad_width=(1, 3), mode="edge"), [1 + 2, 3 + 4 + 5 + 6]
    )
    # reflect of width (0, 2) on (a, b, c) is a b c b a.
    found = call_vjp(GATES["pad"], 0, g[:5], [np.zeros(3)], pad_width=(0, 2), mode="reflect")
    assert_array_equal(found, [1 + 5, 2 + 4, 3])


def test_parts_go_back() -> None:
    g = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    parts = [np.zeros((2, 1)), np.zeros((2, 2))]
    assert_array_equal(call_vjp(GATES["concatenate"], 0, g, parts, axis=1), [[1], [4]])
    assert_array_equal(call_vjp(GATES["concatenate"], 1, g, parts, axis=1), [[2, 3], [5, 6]])


def test_nan_moves_with_its_element() -> None:
    g = np.array([1.0, np.nan, 3.0])
    x = np.zeros(3)
    assert_array_equal(call_vjp(GATES["roll"], 0, g, [x], shift=1), [np.nan, 3.0, 1.0])
    assert_array_equal(call_vjp(GATES["flip"], 0, g, [x]), [3.0, np.nan, 1.0])


def test_copy_does_not_share() -> None:
    x = np.zeros(3)
    GATES["copy"](x)[0] = 1.0
    assert x[0] == 0.0
    assert GATES["copy"].local[0](x, x) == 1
    assert GATES["copy"](2.0) == 2.0


def test_other_borders_are_refused() -> None:
    with pytest.raises(MissingGateError, match=r"mode='linear_ramp'.*np\.concatenate"):
        GATES["pad"](np.ones(3), pad_width=1, mode="linear_ramp")


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("transpose", {"axes": None}, "{0}.T"),
        ("transpose", {"axes": (1, 0)}, "{0}.T"),
        ("transpose", {"axes": (0, 2, 1)}, "np.swapaxes({0}, -1, -2)"),
        ("transpose", {"axes": (1, 2, 0)}, "{0}.transpose(1, 2, 0)"),
        ("reshape", {"shape": (-1, 784), "order": "C"}, "{0}.reshape(-1, 784)"),
        ("reshape", {"shape": 6}, "{0}.reshape(6)"),
        ("reshape", {"shape": ()}, "np.reshape({0}, ())"),
        ("reshape", {"shape": (2, 3), "order": "F"}, "{0}.reshape(2, 3, order='F')"),
        ("concatenate", {"axis": 1}, "np.concatenate([{*}], axis=1)"),
        ("flip", {"axis": 0}, "{0}[::-1]"),
        ("pad", {"pad_width": {1: (0, 2)}}, "np.pad({0}, {{1: (0, 2)}})"),
        ("broadcast_to", {"shape": (3,)}, "np.broadcast_to({0}, (3,))"),
        ("astype", {"dtype": "float32"}, "{0}.astype(np.float32)"),
    ],
)
def test_code(name: str, settings: dict[str, object], code: str) -> None:
    assert GATES[name].expression(settings) == code
