"""Reading, writing and scattering by index: each gradient goes back to where its element was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices, integer_array_indices
from numpy.testing import assert_array_equal

from chainrule.gates import GATES, TABLES, Gate
from chainrule.gates.gate import Example
from chainrule.gates.indexing import PLACEHOLDER, filled, text_of_index
from tests.gates.vjps import call_vjp, check_vjp, drawn, with_wrong_vjp

INDEXING = TABLES["indexing"]
CASES = [(gate, case) for gate in INDEXING for case in gate.examples]
GRADIENTS = [(gate, case) for gate, case in CASES if gate.has_gradient]
ROW = (PLACEHOLDER,)


def labelled(case: object) -> str:
    return case.name if isinstance(case, Gate) else ""


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_value_is_numpys(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    value = gate(*inputs, **case.settings)
    if gate.name == "index":
        key = filled(case.settings["template"], inputs[1:])
        assert_array_equal(value, inputs[0][key])
    elif gate.name == "set_index":
        expected = inputs[0].copy()
        expected[filled(case.settings["template"], inputs[2:])] = inputs[1]
        assert_array_equal(value, expected)
    elif gate.name == "scatter":
        expected = np.zeros(case.settings["shape"])
        np.add.at(expected, filled(case.settings["template"], inputs[1:]), inputs[0])
        assert_array_equal(value, expected)
    elif gate.numpy is not None:
        assert_array_equal(value, gate.numpy(*inputs, **case.settings))


@pytest.mark.parametrize(("gate", "case"), GRADIENTS, ids=labelled)
def test_gradient_of_examples(gate: Gate, case: Example) -> None:
    check_vjp(gate, drawn(case), **case.settings)


@pytest.mark.parametrize(("gate", "case"), GRADIENTS, ids=labelled)
def test_a_wrong_gradient_is_caught(gate: Gate, case: Example) -> None:
    inputs = drawn(case)
    if np.size(gate(*inputs, **case.settings)) == 0 or np.size(inputs[0]) == 0:
        pytest.skip("no elements, no gradient")
    with pytest.raises(AssertionError):
        check_vjp(with_wrong_vjp(gate), inputs, **case.settings)


@pytest.mark.parametrize(("gate", "case"), GRADIENTS, ids=labelled)
def test_float32_stays(gate: Gate, case: Example) -> None:
    inputs = [np.asarray(x, np.float32) if np.asarray(x).dtype == float else x for x in drawn(case)]
    out = gate(*inputs, **case.settings)
    assert out.dtype == np.float32
    g = np.ones_like(out)
    for index, x in enumerate(inputs):
        if np.asarray(x).dtype == np.float32:
            assert call_vjp(gate, index, g, inputs, **case.settings).dtype == np.float32


@pytest.mark.parametrize(("gate", "case"), CASES, ids=labelled)
def test_code_computes_the_gate(gate: Gate, case: Example) -> None:
    inputs = [np.asarray(x) for x in drawn(case)]
    names = [f"x{k}" for k in range(len(inputs))]
    # The copied source must do with np alone, as in an emitted module.
    copied = gate.copied_source(case.settings, scalar=False)
    scope = {"np": np, **dict(zip(names, inputs, strict=True))}
    if copied is not None:
        own = type(copied)(copied.__code__, {"np": np}, closure=copied.__closure__)
        own.__kwdefaults__ = copied.__kwdefaults__
        scope[gate.name] = own
    found = eval(gate.expression(case.settings).format(*names), scope)
    assert_array_equal(found, gate.forward(*inputs, **case.settings))


# ---------------------------------------------------------------------- drawn at random


@given(data=st.data(), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
def test_basic_indices(data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    template = key if isinstance(key, tuple) else (key,)
    x = np.random.default_rng(0).normal(size=shape)
    assert_array_equal(GATES["index"](x, template=template), x[key])
    check_vjp(GATES["index"], [x], template=template)
    check_vjp(GATES["scatter"], [np.array(x[key])], template=template, shape=shape)
    check_vjp(GATES["set_index"], [x, np.array(x[key]) + 1.0], template=template)


@given(data=st.data(), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
def test_integer_arrays(data: st.DataObject, shape: tuple[int, ...]) -> None:
    arrays = list(data.draw(integer_array_indices(shape)))
    template = (PLACEHOLDER,) * len(arrays)
    x = np.random.default_rng(0).normal(size=shape)
    read = x[tuple(arrays)]
    check_vjp(GATES["index"], [x, *arrays], template=template)
    check_vjp(GATES["scatter"], [read, *arrays], template=template, shape=shape)
    value = np.random.default_rng(1).normal(size=read.shape)
    check_vjp(GATES["set_index"], [x, value, *arrays], template=template)


@given(bits=st.lists(st.booleans(), min_size=6, max_size=6))
def test_masks(bits: list[bool]) -> None:
    mask = np.array(bits).reshape(2, 3)
    x = np.random.default_rng(0).normal(size=(2, 3, 2))
    check_vjp(GATES["index"], [x, mask], template=(PLACEHOLDER, 1))
    check_vjp(GATES["set_index"], [x, np.array([3.0, 4.0]), mask], template=ROW)


@given(data=st.data(), axis=st.integers(-2, 1), count=st.integers(0, 4))
def test_along_an_axis(data: st.DataObject, axis: int, count: int) -> None:
    shape = [2, 3]
    length, shape[axis] = shape[axis], count
    places = st.integers(-length, length - 1)
    size = int(np.prod(shape))
    indices = np.array(data.draw(st.lists(places, min_size=size, max_size=size)), dtype=int)
    x = np.random.default_rng(0).normal(size=(2, 3))
    check_vjp(GATES["take_along_axis"], [x, indices.reshape(shape)], axis=axis)


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple), data=st.data())
def test_sort(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    check_vjp(GATES["sort"], [np.random.default_rng(0).normal(size=shape)], axis=axis)


# ---------------------------------------------------------------------- by hand


def test_an_element_read_twice_gets_both_gradients() -> None:
    rows = np.array([2, 0, 2])
    found = call_vjp(
        GATES["index"], 0, np.array([1.0, 2.0, 4.0]), [np.zeros(3), rows], template=ROW
    )
    assert_array_equal(found, [2.0, 0.0, 5.0])


def test_negative_and_positive_indices_meet() -> None:
    rows = np.array([0, -3])  # the same element of three
    found = call_vjp(GATES["index"], 0, np.array([1.0, 2.0]), [np.zeros(3), rows], template=ROW)
    assert_array_equal(found, [3.0, 0.0, 0.0])


def test_what_was_overwritten_gets_nothing() -> None:
    x, value = np.zeros(3), np.array([7.0])
    g = np.array([1.0, 2.0, 4.0])
    template = (slice(0, 2),)
    assert_array_equal(GATES["set_index"](x, value, template=template), [7.0, 7.0, 0.0])
    assert_array_equal(x, np.zeros(3))
    assert_array_equal(call_vjp(GATES["set_index"], 0, g, [x, value], template=template), [0, 0, 4])
    # The one value went to two places.
    assert_array_equal(call_vjp(GATES["set_index"], 1, g, [x, value], template=template), [3.0])


def test_of_two_writes_to_a_place_the_last_counts() -> None:
    # NumPy: "if an index is repeated, the last value is assigned".
    rows = np.array([1, 0, 1])
    inputs = [np.zeros(2), np.array([5.0, 6.0, 7.0]), rows]
    assert_array_equal(GATES["set_index"](*inputs, template=ROW), [6.0, 7.0])
    found = call_vjp(GATES["set_index"], 1, np.array([10.0, 20.0]), inputs, template=ROW)
    assert_array_equal(found, [0.0, 10.0, 20.0])


def test_nan_outside_what_is_read_stays_outside() -> None:
    g = np.array([np.nan, 1.0])
    found = call_vjp(GATES["index"], 0, g, [np.zeros(4)], template=(slice(1, 3),))
    assert_array_equal(found, [0.0, np.nan, 1.0, 0.0])
    g = np.array([1.0, np.nan, 2.0])
    found = call_vjp(GATES["set_index"], 0, g, [np.zeros(3), 5.0], template=(1,))
    assert_array_equal(found, [1.0, 0.0, 2.0])


def test_python_numbers() -> None:
    x = np.array([1.0, 2.0])
    assert_array_equal(GATES["set_index"](x, 5.0, template=(0,)), [5.0, 2.0])
    assert call_vjp(GATES["set_index"], 1, np.array([3.0, 4.0]), [x, 5.0], template=(0,)) == 3.0
    assert_array_equal(GATES["scatter"](2.0, template=(1,), shape=(2,)), [0.0, 2.0])


def test_complex_values_are_written_whole() -> None:
    found = GATES["set_index"](np.zeros(2), np.array([1.0 + 2.0j]), template=(slice(1),))
    assert_array_equal(found, [1.0 + 2.0j, 0.0])


def test_sort_sends_gradients_home() -> None:
    x = np.array([3.0, 1.0, 2.0])
    assert_array_equal(call_vjp(GATES["sort"], 0, np.array([10.0, 20.0, 30.0]), [x]), [30, 10, 20])
    tied = call_vjp(GATES["sort"], 0, np.array([1.0, 2.0, 4.0]), [np.array([5.0, 5.0, 5.0])])
    assert_array_equal(tied, [1.0, 2.0, 4.0])  # ties keep their order


def test_sort_of_a_python_setting_kind() -> None:
    x = np.array([3.0, 1.0])
    assert_array_equal(GATES["sort"](x, kind="stable"), [1.0, 3.0])
    assert GATES["sort"].expression({"axis": 0, "kind": None}) == "np.sort({0}, axis=0)"


@pytest.mark.parametrize(
    ("template", "inside", "alone"),
    [
        ((slice(1, None), None), "1:, None", "np.s_[1:, None]"),
        ((slice(None, None, -1),), "::-1", "np.s_[::-1]"),
        ((Ellipsis, -1), "..., -1", "np.s_[..., -1]"),
        ((PLACEHOLDER, slice(2), PLACEHOLDER), "{1}, :2, {2}", "np.s_[{1}, :2, {2}]"),
        ((PLACEHOLDER,), "{1}", "{1}"),
        ((2,), "2", "2"),
        ((), "()", "()"),
    ],
)
def test_code_of_an_index(template: tuple[object, ...], inside: str, alone: str) -> None:
    assert text_of_index(template, 1) == inside
    assert text_of_index(template, 1, alone=True) == alone
