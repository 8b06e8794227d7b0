"""What is wanted of a network, checked: what is taken, in which form, and what errors say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.networks.costs import COSTS, cost_of
from chainrule.networks.targets import (
    as_labels,
    check_outputs,
    check_several_classes,
    checked_targets,
    truth_of,
)

SOFTMAX, BINARY, SIGMOIDS = (
    COSTS[name] for name in ("softmax_cross_entropy", "binary_cross_entropy", "cross_entropy")
)
QUADRATIC, POISSON, HINGE = COSTS["quadratic"], COSTS["poisson"], COSTS["hinge"]
SHARES = [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("cost", "y", "outputs", "taken"),
    [
        (SOFTMAX, [2, 0, 1], (3,), np.array([2, 0, 1])),
        (SOFTMAX, np.array([[2], [0]], np.uint8), (3,), np.array([2, 0])),
        (SOFTMAX, [True, False], (2,), np.array([1, 0])),
        (SOFTMAX, SHARES, (2,), np.array(SHARES, np.float32)),
        (SOFTMAX, [[1, 0], [0, 1]], (2,), np.eye(2, dtype=np.float32)),
        (SOFTMAX, [[2, 0, 1, 1]], (4, 3), np.array([[2, 0, 1, 1]])),
        (SIGMOIDS, [1, 0], (2,), np.array([1, 0])),
        (SIGMOIDS, [1, 0], (1,), np.array([[1], [0]], np.float32)),
        (HINGE, [1, 0], (1,), np.array([[1], [0]], np.float32)),
        (BINARY, [1, 0], (1,), np.array([[1], [0]], np.float32)),
        (BINARY, [[0.0, 1.0]], (2,), np.array([[0, 1]], np.float32)),
        (BINARY, [0.25], (1,), np.array([[0.25]], np.float32)),
        (QUADRATIC, [1, 2], (1,), np.array([[1], [2]], np.float32)),
        (QUADRATIC, [[1.5], [2.0]], (1,), np.array([[1.5], [2]], np.float32)),
        (QUADRATIC, [1, 2], (3,), np.array([1, 2])),
        (QUADRATIC, np.eye(3), (3,), np.eye(3, dtype=np.float32)),
        (QUADRATIC, np.zeros((2, 3, 4)), (3, 4), np.zeros((2, 3, 4), np.float32)),
        (POISSON, [0, 3], (1,), np.array([[0], [3]], np.float32)),
        (cost_of(lambda z, y: 0.0), [1, 2], (3,), np.array([1, 2])),
    ],
)
def test_what_is_taken(cost, y, outputs, taken):
    found = checked_targets(cost, y, outputs)
    np.testing.assert_array_equal(found, taken)
    assert found.dtype == taken.dtype


@pytest.mark.parametrize(
    ("cost", "y", "outputs", "kind", "said"),
    [
        # Shapes.
        (SOFTMAX, [], (3,), ShapeError, "y has no rows: there is nothing to learn from"),
        (SOFTMAX, 3, (3,), ShapeError, "y is the single number 3: give an array, a row for each"),
        (SOFTMAX, [[1, 2]], (3,), ShapeError, "y has shape (1, 2), but the network has 3 outputs"),
        (SOFTMAX, [[1], [2, 3]], (3,), ShapeError, "the rows of y differ in length"),
        (QUADRATIC, [[1.0], [2.0, 3.0]], (3,), ShapeError, "the rows of y differ in length"),
        (SOFTMAX, [0, 1], (1,), ShapeError, "whose share is always 1. Give it an output for each"),
        (SOFTMAX, [0, 1], (), ShapeError, "needs an axis of classes in the outputs"),
        (BINARY, [0, 1], (3,), ShapeError, "outputs are of shape (n, 3). Give the last layer one"),
        (QUADRATIC, [0.5, 1.0], (3,), ShapeError, "or y 3 columns; labels are for cost='softmax"),
        (QUADRATIC, [[0.5, 1.0]], (3,), ShapeError, "Give the last layer 2 outputs."),
        (QUADRATIC, [[0.5, 1.0]], (1,), ShapeError, "are of shape (n, 1) or (n,). Give the last"),
        (QUADRATIC, [[0.5, 1.0]], (1,), ShapeError, "If these are 2 examples: y[0]."),
        (QUADRATIC, [[0.5], [1.0]], (2,), ShapeError, "Give the last layer one output."),
        (QUADRATIC, [[0], [1]], (2,), ShapeError, "If these are labels: y[:, 0]."),
        # Kinds.
        (SOFTMAX, ["cat", "dog"], (2,), DtypeError, "y holds words, such as 'cat': number the cl"),
        (SOFTMAX, np.array(["a", 1], object), (2,), DtypeError, "np.unique(y, return_inverse=True"),
        (SOFTMAX, None, (2,), DtypeError, "y is missing: give what is wanted for each example"),
        (SOFTMAX, np.array([0, 1], object), (2,), DtypeError, "floats or booleans, y.astype(int)."),
        (SOFTMAX, ["0", "1"], (2,), DtypeError, "y holds words, such as '0': y.astype(int)."),
        (SOFTMAX, [None, 1], (2,), DtypeError, "y is of dtype objects (NoneType): give integers"),
        (SOFTMAX, [1j, 0], (2,), DtypeError, "y is of dtype complex128: give integers, floats"),
        (SOFTMAX, np.ma.array([1]), (2,), DtypeError, "y is a MaskedArray: give a plain array"),
        (SOFTMAX, [1.0, 2.0], (3,), DtypeError, "such as 1.0, where labels are wanted, which are"),
        (SOFTMAX, [1.0, 2.0], (3,), DtypeError, "y.astype(int)"),
        (SOFTMAX, [1.0, 0.5], (3,), DtypeError, "y[1] is 0.5, which is no label. If these are num"),
        (QUADRATIC, ["1.5"], (1,), DtypeError, "y holds words, such as '1.5': y.astype(float)."),
        # Values.
        (SOFTMAX, [0, 3], (3,), ValueError, "y[1] is 3, but the network has 3 outputs: labels go"),
        (SOFTMAX, [0, 3], (3,), ValueError, "from 0 to 2. Mend: give the last layer 4 outputs."),
        (SOFTMAX, [1, 2, 3], (3,), ValueError, "y[2] is 3, but the network has 3 outputs"),
        (SOFTMAX, [1, 2, 3], (3,), ValueError, "Mend: if they begin at 1: y - 1."),
        (SOFTMAX, [1, -1], (2,), ValueError, "y[1] is -1, but the network has 2 outputs"),
        (SOFTMAX, [[0.5, 0.6]], (2,), ValueError, "y[0] is [0.5, 0.6], which are no probabilities"),
        (SOFTMAX, [[2.0, -1.0]], (2,), ValueError, "For several labels at once: cost='binary_cro"),
        (HINGE, SHARES, (2,), ValueError, "which the cost hinge does not take: give labels, y.arg"),
        (BINARY, [-1, 1], (1,), ValueError, "with two classes, -1 and 1: (y == 1).astype(int)."),
        (BINARY, [1, 2], (1,), ValueError, "y[1] is 2, but what is wanted here is 0 or 1, or a"),
        (BINARY, [0, 1, 2], (1,), ValueError, "several classes: 3 outputs and 'softmax_cross_ent"),
        (HINGE, [-1, 1], (1,), ValueError, "(y == 1).astype(int)"),
        (QUADRATIC, [0.0, np.nan], (1,), ValueError, "y[1] is nan. Leave such rows out: keep = np"),
        (QUADRATIC, [[np.inf]], (1,), ValueError, "np.isfinite(y).all(axis=1); x[keep], y[keep]"),
        (POISSON, [2, -1], (1,), ValueError, "y[1] is -1, but the cost poisson takes counts, 0"),
    ],
)
def test_what_is_refused(cost, y, outputs, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        checked_targets(cost, y, outputs)
    assert str(caught.value).startswith("test_targets.py:")
    assert kind is ValueError or isinstance(caught.value, ChainruleError)


def test_errors_call_them_by_name():
    with pytest.raises(ShapeError, match="validation_data\\[1\\] has no rows"):
        checked_targets(SOFTMAX, [], (2,), name="validation_data[1]")


def test_dtype_is_the_networks():
    assert checked_targets(QUADRATIC, [1], (1,), np.float64).dtype == np.float64
    y = np.ones((2, 1), np.float32)
    assert checked_targets(QUADRATIC, y, (1,), np.float32) is y  # not copied


def test_one_class_is_nothing_to_tell_apart():
    for cost, y, outputs in (
        (SOFTMAX, [3, 3, 3], (4,)),
        (SOFTMAX, np.eye(4)[[3, 3, 3]], (4,)),
        (BINARY, [1, 1, 1], (1,)),
        (QUADRATIC.for_targets([3], (4,)), [3, 3, 3], (4,)),
    ):
        targets = checked_targets(cost, y, outputs)
        label = 1 if outputs == (1,) else 3
        with pytest.raises(ValueError, match=f"y holds one class only, {label}, in all 3 rows"):
            check_several_classes(cost, targets)
        check_several_classes(cost, targets[:1])
    check_several_classes(SOFTMAX, np.array([0, 1]))
    check_several_classes(SOFTMAX, np.array([[0.6, 0.4], [0.9, 0.1]]))  # to be learned, too
    check_several_classes(BINARY, np.ones((3, 2)))  # each question has its own answer
    check_several_classes(COSTS["huber"], np.ones((3, 1)))


def test_labels_of_targets():
    assert as_labels(np.array([2, 0])).tolist() == [2, 0]
    assert as_labels(np.array([[0.2, 0.8], [0.9, 0.1]])).tolist() == [1, 0]
    assert as_labels(np.array([[1.0], [0.0]], np.float32)).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("cost", "y", "outputs"),
    [
        (SOFTMAX, [2, 0], (3,)),
        (SOFTMAX, np.eye(3)[[2, 0]], (3,)),
        (SIGMOIDS, [1, 0], (1,)),
        (BINARY, [1, 0], (1,)),
        (BINARY, [[1, 0, 1], [0, 0, 1]], (3,)),
        (HINGE, [2, 0], (3,)),
        (QUADRATIC, [2, 0], (3,)),
        (QUADRATIC, [0.5, 2.0], (1,)),
        (QUADRATIC, [[0.5, 2.0]], (2,)),
        (POISSON, [2, 0], (1,)),
    ],
)
def test_the_truth_is_in_the_form_of_decisions(cost, y, outputs):
    cost = cost.for_targets(y, outputs)
    targets = checked_targets(cost, y, outputs)
    truth = truth_of(cost, targets)
    decided = cost.decide(np.zeros((len(targets), *outputs)))
    assert truth.shape == decided.shape
    assert (truth.dtype.kind == "i") is (decided.dtype.kind == "i") is cost.classifies
    expected = y.argmax(axis=1) if isinstance(y, np.ndarray) else y
    np.testing.assert_allclose(truth, expected)


def test_outputs_that_a_cost_can_take():
    check_outputs(BINARY, (1,))
    check_outputs(SOFTMAX, (2,))
    with pytest.raises(ShapeError, match="cost='binary_cross_entropy'"):
        check_outputs(SOFTMAX, (1,))
