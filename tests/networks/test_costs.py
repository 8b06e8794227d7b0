"""Costs against PyTorch, scikit-learn and numbers by hand; their gradients; what outputs mean."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks.costs import COSTS, Cost, cost_of, huber
from tests.networks.agreement import assert_float32, assert_gradients

Z = np.random.default_rng(1).normal(size=(6, 4)) * 3
LABELS = np.array([0, 3, 1, 2, 3, 3])
SHARES = np.random.default_rng(2).dirichlet(np.ones(4), 6)
YES = np.random.default_rng(3).integers(0, 2, (6, 4)).astype(float)
COUNTS = np.random.default_rng(4).poisson(2.0, (6, 4)).astype(float)
NUMBERS = np.random.default_rng(5).normal(size=(6, 4))

CASES = [
    ("softmax_cross_entropy", LABELS),
    ("softmax_cross_entropy", SHARES),
    ("binary_cross_entropy", YES),
    ("cross_entropy", LABELS),
    ("hinge", LABELS),
    ("quadratic", NUMBERS),
    ("quadratic", LABELS),
    ("huber", NUMBERS),
    ("absolute", NUMBERS),
    ("poisson", COUNTS),
]


def peers(torch):
    F = torch.nn.functional

    def softmax(z, y):
        return F.cross_entropy(z, y, reduction="none")

    def binary(z, y):
        return F.binary_cross_entropy_with_logits(z, rows(y), reduction="none").sum(1)

    def rows(y):
        return y if y.ndim == 2 else F.one_hot(y, 4).double()

    def hinge(z, y):  # the margin to the best of the others
        others = z + (1 - rows(y))
        return others.max(1).values - z.gather(1, y[:, None])[:, 0]

    return {
        "softmax_cross_entropy": softmax,
        "binary_cross_entropy": binary,
        "cross_entropy": binary,
        "hinge": hinge,
        "quadratic": lambda z, y: 0.5 * F.mse_loss(z, rows(y), reduction="none").sum(1),
        "huber": lambda z, y: F.huber_loss(z, y, reduction="none").sum(1),
        "absolute": lambda z, y: F.l1_loss(z, y, reduction="none").sum(1),
        "poisson": lambda z, y: F.poisson_nll_loss(z, y, reduction="none").sum(1),
    }


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_costs_and_gradients_are_pytorchs(name, targets):
    torch = pytest.importorskip("torch")
    z = torch.tensor(Z, requires_grad=True)
    expected = peers(torch)[name](z, torch.tensor(targets))
    weights = np.linspace(0.5, 2.0, 6)
    (expected * torch.tensor(weights)).sum().backward()
    each = COSTS[name].each
    np.testing.assert_allclose(each(Z, targets), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    gradient = cr.grad(lambda z: np.sum(weights * each(z, targets)))(Z)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_gradients_on_all_machines(name, targets):
    each = COSTS[name].each
    weights = np.linspace(0.5, 2.0, 6)
    assert_gradients(lambda z: np.sum(weights * each(z, targets)), Z)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_float32_stays_and_extreme_logits_are_finite(name, targets):
    if targets.dtype.kind == "f":
        targets = targets.astype(np.float32)
    each = COSTS[name].each
    assert each(Z.astype(np.float32), targets).dtype == np.float32
    assert_float32(lambda z: np.mean(each(z, targets)), Z.astype(np.float32))
    signs = np.sign(Z).astype(np.float32)
    size = np.float32(80.0 if name == "poisson" else 1e4)  # exp(1e4) is no float
    assert_float32(lambda z: np.mean(each(z, targets)), signs * size)


@pytest.mark.parametrize("size", [1e4, -1e4, 30.0])
def test_costs_keep_their_digits_where_the_answer_is_sure(size):
    mpmath = pytest.importorskip("mpmath")
    z = np.array([[size, 0.0]], np.float32)
    expected = float(mpmath.log1p(mpmath.exp(-abs(mpmath.mpf(size)))))
    right = np.array([0 if size > 0 else 1])
    softmax = COSTS["softmax_cross_entropy"].each(z, right)
    np.testing.assert_allclose(softmax, [expected], atol=1e-7)
    binary = COSTS["binary_cross_entropy"].each(z[:, :1], np.array([[size > 0]], np.float32))
    np.testing.assert_allclose(binary, [expected], rtol=1e-6)


def test_hinges_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    several = COSTS["hinge"].each(Z, LABELS)
    assert np.mean(several) == pytest.approx(metrics.hinge_loss(LABELS, Z, labels=range(4)))
    yes = YES[:, :1]
    single = COSTS["hinge"].each(Z[:, :1], yes)
    assert np.mean(single) == pytest.approx(metrics.hinge_loss(yes[:, 0], Z[:, 0]))


def test_a_sequence_costs_the_mean_of_its_places():
    z, labels = np.stack([Z, -Z], axis=1), np.stack([LABELS, LABELS[::-1]], axis=1)
    for name in ("softmax_cross_entropy", "hinge"):
        each = COSTS[name].each
        expected = 0.5 * (each(Z, LABELS) + each(-Z, LABELS[::-1]))
        np.testing.assert_allclose(each(z, labels), expected, rtol=1e-12)


def test_huber_bends_where_it_says():
    each = huber(2.0).each
    zero = np.zeros((1, 1))
    # By hand: 1.5²/2, 2²/2 at the bend, 2 · (3 - 1).
    for error, cost, slope in ((1.5, 1.125, 1.5), (2.0, 2.0, 2.0), (-3.0, 4.0, -2.0)):
        r = np.array([[error]])
        assert each(r, zero) == [cost]
        assert cr.grad(lambda r: np.sum(each(r, zero)))(r) == [[slope]]


def test_an_error_of_any_size_has_a_gradient():
    far = np.array([[1e30]], np.float32)  # its square is no float32
    slope = cr.grad(lambda z: np.sum(huber().each(z, np.zeros_like(z))))(far)
    assert slope == [[1.0]]


def test_poisson_is_fitted_by_the_mean():
    z, counts = np.log(np.full((4, 1), 2.5)), np.array([[1.0], [4.0], [2.0], [3.0]])
    slope = cr.grad(lambda z: np.sum(COSTS["poisson"].each(z, counts)))(z)
    assert np.sum(slope) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(COSTS["poisson"].decide(z), np.full(4, 2.5))


# ---------------------------------------------------------------------- what outputs mean


def test_decisions_and_probabilities():
    z = np.array([[1.0, 3.0, 2.0], [0.5, -1.0, 0.0]])
    shares = COSTS["softmax_cross_entropy"].probabilities(z)
    np.testing.assert_allclose(shares[1], np.exp(z[1]) / np.exp(z[1]).sum())
    assert COSTS["softmax_cross_entropy"].decide(z).tolist() == [1, 0]
    assert COSTS["hinge"].decide(z).tolist() == [1, 0]
    assert COSTS["hinge"].probabilities is None
    assert COSTS["binary_cross_entropy"].decide(z).tolist() == [[1, 1, 1], [1, 0, 0]]
    np.testing.assert_allclose(COSTS["binary_cross_entropy"].probabilities(z), cr.sigmoid(z))
    s = cr.sigmoid(z)
    shares = COSTS["cross_entropy"].probabilities(z)
    np.testing.assert_allclose(shares, s / s.sum(axis=1, keepdims=True))
    far = COSTS["cross_entropy"].probabilities(np.array([[-999.0, -1000.0]]))
    np.testing.assert_allclose(far, [[cr.sigmoid(1.0), cr.sigmoid(-1.0)]])


@pytest.mark.parametrize("name", ["binary_cross_entropy", "cross_entropy", "hinge"])
def test_one_output_of_two_classes(name):
    z = np.array([[2.0], [-2.0]])
    assert COSTS[name].decide(z).tolist() == [1, 0]
    if COSTS[name].probabilities:
        s = cr.sigmoid(2.0)
        np.testing.assert_allclose(COSTS[name].probabilities(z), [[1 - s, s], [s, 1 - s]])


@pytest.mark.parametrize(
    ("y", "outputs", "targets"),
    [
        (LABELS, (4,), "classes"),
        (np.eye(4)[LABELS], (4,), "classes"),
        (NUMBERS, (4,), "numbers"),
        (np.array([3, 7]), (1,), "numbers"),
        (np.array([True, False]), (1,), "classes"),
        (np.array([[1, 2], [3, 4]]), (2,), "numbers"),
        ([[1.0], [2.0, 3.0]], (4,), "any"),
    ],
)
def test_the_quadratic_cost_is_of_classes_or_numbers_by_its_targets(y, outputs, targets):
    settled = COSTS["quadratic"].for_targets(y, outputs)
    assert settled.targets == targets
    assert settled.for_targets(NUMBERS, (4,)).targets in (targets, "numbers")
    assert cost_of(settled.record()) == settled
    assert COSTS["huber"].for_targets(y, outputs) is COSTS["huber"]


def test_what_the_quadratic_cost_predicts():
    outputs = np.array([[0.1, 0.9], [0.8, 0.3]])
    assert COSTS["quadratic"].for_targets([0, 1], (2,)).decide(outputs).tolist() == [1, 0]
    yes = COSTS["quadratic"].for_targets([True], (1,))
    assert yes.decide(outputs[:, :1]).tolist() == [0, 1]
    numbers = COSTS["quadratic"].for_targets([0.5, 1.0], (1,))
    assert numbers.decide(outputs[:, :1]).tolist() == [0.1, 0.8]
    assert numbers.decide(outputs) is outputs


# ---------------------------------------------------------------------- costs of one's own


def test_a_function_is_a_cost():
    def asymmetric(outputs, targets):
        off = outputs - targets
        return np.sum(np.maximum(off, -3.0 * off), axis=1)

    cost = cost_of(asymmetric)
    assert (cost.name, cost.is_own, cost.targets) == ("asymmetric", True, "any")
    assert cost.each(np.array([[2.0]]), np.array([[1.0]])) == [1.0]
    with pytest.raises(ValueError, match="the cost asymmetric is a function of your own, which"):
        cost.record()
    mean = cost_of(lambda outputs, targets: np.mean(abs(outputs - targets)))
    assert mean.each(Z, NUMBERS) == pytest.approx(np.mean(abs(Z - NUMBERS)))


def test_a_function_that_gives_too_much_is_refused():
    cost = cost_of(lambda outputs, targets: (outputs - targets) ** 2)
    with pytest.raises(ShapeError, match=re.escape("gave shape (6, 4) for a batch of 6")):
        cost.each(Z, NUMBERS)


def test_records_are_json():
    for cost in (*COSTS.values(), huber(0.5)):
        again = cost_of(json.loads(json.dumps(cost.record())))
        assert (again.name, again.targets, again.settings) == (
            cost.name,
            cost.targets,
            cost.settings,
        )
    assert cost_of(COSTS["hinge"]) is COSTS["hinge"]


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("quadratik", ValueError, "Did you mean 'quadratic'?"),
        ("mse", ValueError, "there is no cost 'mse'. Write 'quadratic'."),
        ("bce", ValueError, "Write 'binary_cross_entropy'."),
        (3, TypeError, "the cost must be one of quadratic, softmax_cross_entropy"),
        (Cost, TypeError, "or a function of outputs and targets"),
        ({"name": "hinge", "delta": 2.0}, TypeError, "the cost must be one of"),
        ({"name": "huber", "delta": -1.0}, ValueError, "delta must be above 0 and finite, not -1"),
    ],
)
def test_what_is_no_cost(given, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        cost_of(given)
    assert str(caught.value).startswith("test_costs.py:")


def test_delta_is_a_number():
    with pytest.raises(TypeError, match="delta must be a number, not 'wide'"):
        huber("wide")
