"""Right gradients pass, at ordinary and at odd points; wrong ones are named with their numbers.

The expected numbers are those of the lecture's circuits A to D, worked out with mpmath.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.debugging.check import check_circuit, check_gradients
from chainrule.errors import ChainruleError, DtypeError, GradientError
from chainrule.face import trace
from chainrule.gates import GATES

relu = GATES["relu"]
RNG = np.random.default_rng(2026)


def passes(function: Any, *args: Any, **options: Any) -> Any:
    report = check_gradients(function, *args, **options)
    assert report.ok, str(report)
    assert not report.failures
    return report


def fully(function: Any, *args: Any, **options: Any) -> Any:
    """Everything was compared: nothing left out."""
    report = passes(function, *args, **options)
    assert not report.not_checked, str(report)
    return report


# ---------------------------------------------------------------------- the lecture's circuits


def circuit_a(x: float, y: float, z: float) -> float:
    q = x + y
    return q * z


def neuron(w: Any, x: Any) -> Any:
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    return 1.0 / (1.0 + np.exp(-dot))


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def staged(x: float, y: float) -> float:
    sigy = sigmoid(y)
    num = x + sigy
    sigx = sigmoid(x)
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    return num * invden


def circuit_d(x: float, y: float, z: float, w: float) -> float:
    return 2 * (x * y + np.maximum(z, w))


def test_the_circuits_of_the_lecture() -> None:
    report = fully(circuit_a, -2.0, 5.0, -4.0)
    assert report.method == "the complex step"
    assert (report.inputs, report.elements, report.gates) == (3, 3, 2)
    fully("(x + y) * z", x=-2, y=5, z=-4)
    assert fully(neuron, np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0])).worst < 1e-14
    assert fully(staged, 3.0, -4.0).worst < 1e-14
    assert fully(circuit_d, 3.0, -4.0, 2.0, -1.0).method == "difference quotients"


def test_their_gradients_by_hand() -> None:
    fully(circuit_a, -2.0, 5.0, -4.0, gradient=lambda x, y, z: (-4.0, -4.0, 3.0))
    fully(circuit_a, -2.0, 5.0, -4.0, gradient=lambda x, y, z: {"z": 3.0, "x": -4.0, "y": -4.0})
    fully(
        neuron,
        np.array([2.0, -3.0, -3.0]),
        np.array([-1.0, -2.0]),
        gradient=lambda w, x: (
            [-0.196611933241481852537, -0.393223866482963705075, 0.196611933241481852537],
            [0.393223866482963705075, -0.589835799724445557612],
        ),
    )
    fully(staged, 3.0, -4.0, gradient=lambda x, y: (2.05956979557216491063, 1.59223275148380931389))
    fully(circuit_d, 3.0, -4.0, 2.0, -1.0, gradient=lambda *xs: (-8.0, 6.0, 2.0, 0.0))


@pytest.mark.parametrize(
    ("dx", "hint"),
    [
        (0.512144448839631603, "only the contribution through num is there: = where += was meant?"),
        (2.09533134338481860, "is missing"),
        (1.54742534673253331, "the contribution through num is missing"),
        (2.08134966088527644, ""),
        (6.84489202702037960, ""),
        (-1.03528089789290170, ""),
        (-2.05956979557216491, "the sign is turned"),
    ],
)
def test_common_slips_are_caught_and_named(dx: float, hint: str) -> None:
    dy = 1.59223275148380931389
    report = check_gradients(staged, 3.0, -4.0, gradient=lambda x, y: (dx, dy))
    assert not report
    (failure,) = report.failures
    assert (failure.input, failure.index, failure.given) == ("x", None, dx)
    assert failure.numeric == pytest.approx(2.05956979557216491063, rel=1e-12)
    said = "the complex step says 2.059569796"
    assert str(failure).startswith(f"the gradient by x is {float(f'{dx:.10g}')!r}, {said}")
    assert hint in failure.message


def test_the_wrong_input_and_element_are_named() -> None:
    W, b = RNG.normal(size=(2, 3)), RNG.normal(size=3)

    def cost(W: Any, b: Any) -> Any:
        return np.sum(np.tanh(W @ b))

    def by_hand(W: Any, b: Any) -> Any:
        dW, db = cr.grad(cost, (0, 1))(W, b)
        db[1] *= 1.001
        return dW, db

    report = check_gradients(cost, W, b, gradient=by_hand)
    assert [(f.input, f.index) for f in report.failures] == [("b", (1,))]
    assert check_gradients(cost, W, b, gradient=lambda W, b: by_hand(W, b)[0], argnums=0).ok
    wrong = check_gradients(cost, W, b, gradient=lambda W, b: by_hand(W, b)[0].T, argnums=0)
    assert "of shape (3, 2), not (2, 3)" in str(wrong)


# ---------------------------------------------------------------------- a wrong gate


def wrong_at(circuit: Any, name: str, gate: Any) -> int:
    row = circuit.row(name)
    circuit.columns.gates[row] = gate
    return row


def test_the_first_wrong_gate_is_named_with_its_line() -> None:
    def f(x: Any, y: Any) -> Any:
        q = x * y
        r = q + np.sin(x)
        return np.sum(r * q)

    x, y = np.full((3, 1), 3.0), np.array([[1.0], [2.0], [-4.0]])
    circuit = trace(f, x, y)
    swapped = dataclasses.replace(GATES["multiply"], local=GATES["multiply"].local[::-1])
    wrong_at(circuit, "q", swapped)
    wrong_at(circuit, "r", dataclasses.replace(GATES["add"], local=GATES["subtract"].local))
    report = circuit.check()
    first, second = report.failures[:2]
    line = f.__code__.co_firstlineno + 1
    assert (first.wire, first.gate, first.input, first.index) == ("q", "multiply", "x", (0, 0))
    assert (first.given, first.line, first.source) == (3.0, line, "q = x * y")
    assert first.numeric == pytest.approx(1.0)
    assert str(first) == (
        f"test_check.py:{line}: multiply makes q = x * y: its gradient by x at [0, 0] is 3.0, "
        "the complex step says 1.0"
    )
    assert (second.wire, second.line) == ("r", line + 1)
    assert any(finding.gate == "" for finding in report.failures), "the end is wrong too"
    assert str(report).splitlines()[0].startswith("gradient check: FAILED: 2 inputs")


def test_a_wrong_gate_in_a_long_chain_is_found() -> None:
    def f(x: float) -> float:
        for _ in range(4000):
            x = x + 0.001 * math.cos(x)
        return x

    circuit = trace(f, 0.5)
    assert check_circuit(circuit).gates == 0, "so many gates are checked only when one is wrong"
    row = [r for r in circuit.gate_rows() if circuit.columns.gates[r].name == "cos"][777]
    circuit.columns.gates[row] = dataclasses.replace(GATES["cos"], local=GATES["sin"].local)
    report = check_circuit(circuit)
    assert (report.failures[0].gate, report.failures[0].wire) == ("cos", circuit.names[row])


def test_a_rule_that_raises_or_has_the_wrong_shape_is_named() -> None:
    circuit = trace(lambda x: np.sum(np.exp(x), axis=0) @ np.ones(3), np.ones((2, 3)))
    total = next(r for r in circuit.gate_rows() if circuit.columns.gates[r].name == "sum")
    right = circuit.columns.gates[total]

    def fails(*args: Any, **settings: Any) -> Any:
        raise RuntimeError("no")

    for vjp, said in ((fails, "raises RuntimeError: no"), (lambda g, *a, **k: g, "has shape (3,)")):
        circuit.columns.gates[total] = dataclasses.replace(right, vjp=(vjp,))
        report = check_circuit(circuit)
        assert said in str(report.failures[0])
        assert report.failures[0].gate == "sum"


# ---------------------------------------------------------------------- no false alarms


@pytest.mark.parametrize("near", [0.0, 1e-300, 1e-13, -1e-13, 1e-9, -1e-6, 1e-3])
@pytest.mark.parametrize("function", [relu, np.abs, lambda x: np.maximum(x, 0.0) * 3.0])
def test_at_and_near_a_kink(function: Any, near: float) -> None:
    report = passes(lambda x: function(x), near)
    assert len(report.kinks) == (near == 0.0)
    passes(lambda x: np.sum(function(x + 1.0) + x), np.array([-1.0 + near, 2.0]))


def test_a_kink_is_listed_with_gate_wire_line_and_distance() -> None:
    def f(z: Any, w: Any) -> Any:
        m = np.maximum(z, w)
        return 2 * m

    report = passes(f, 2.0, 2.0)
    (kink,) = report.kinks
    assert (kink.gate, kink.wire, kink.distance) == ("maximum", "m", 0.0)
    assert (kink.line, kink.source) == (f.__code__.co_firstlineno + 1, "m = np.maximum(z, w)")
    assert "at its kink" in str(report)
    fully(f, 2.0, 2.0, gradient=lambda z, w: (0.4, 1.6))  # any subgradient will do
    wrong = check_gradients(f, 2.0, 2.0, gradient=lambda z, w: (-0.1, 2.1))
    assert "the slopes of the two sides of the kink are 0.0 and 2.0" in str(wrong)


def test_either_side_of_a_tie_will_do() -> None:
    def leaky(x: float) -> float:
        return np.where(x > 0, x, 0.1 * x)

    def branching(x: float) -> float:
        return x if x > 0 else 0.1 * x

    for f in (leaky, branching):
        fully(f, 0.0)
        assert fully(f, 0.0, gradient=lambda x: 1.0).kinks
        assert not check_gradients(f, 0.0, gradient=lambda x: 1.1).ok


def test_where_kinks_meet_nothing_is_called_wrong() -> None:
    # The slope is 1 on both sides, and 0 is what subgradients of 0 add up to.
    report = passes(lambda x: relu(x) - relu(-x), 0.0)
    assert len(report.kinks) == 2


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.max(x), np.ones(3)),
        (lambda x: np.sum(np.sort(x) * np.arange(4.0)), np.array([1.0, 1.0, 1.0, 0.0])),
        (lambda x: np.linalg.norm(x), np.zeros(3)),
        (lambda x: np.std(x), np.ones(4)),
        (lambda x: np.sum(np.clip(x, 0.0, 1.0)), np.array([0.0, 1.0, 0.5, 2.0])),
        (lambda x: np.sum(np.where(x > 0, x, 0.1 * x)), np.array([0.0, 1.0, -1.0])),
    ],
)
def test_ties(function: Any, x: Any) -> None:
    assert passes(function, x).kinks


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: np.exp(50 * x), (1.0,)),
        (lambda x: np.abs(np.exp(50 * x)), (1.0,)),
        (lambda x: np.sin(1e4 * x), (1.0,)),
        (lambda x: np.abs(np.sin(1e4 * x)), (1.0,)),
        (lambda x: np.sqrt(x), (1e-12,)),
        (lambda x: np.abs(np.sqrt(x)), (1e-12,)),
        (lambda x: np.log(np.abs(x)), (1e-250,)),
        (lambda x: np.sum(x**2), (np.array([1e-12, 3e-12]),)),
        (lambda x: np.sum(np.abs(x) ** 1.5), (np.array([1e12, -2e12]),)),
        (lambda x: np.abs((x + 1e8) - 1e8), (1.0,)),
        (lambda x: np.tanh(x), (20.0,)),
        (lambda x: 1 / (1 + np.exp(-x)), (-300.0,)),
        (GATES["sigmoid"], (-600.0,)),
        (lambda x, n: x**n, (-2.0, 3)),
        (lambda x: np.prod(x), (np.array([0.0, 0.0, 3.0]),)),
        (lambda x, y: x**y, (0.5, 250.0)),
        (lambda x: x**101.0, (-1.01,)),
    ],
)
def test_scales_and_stiffness(function: Any, args: Any) -> None:
    fully(function, *args)


def test_chains_matrices_and_containers() -> None:
    def chain(x: float) -> float:
        for _ in range(2000):
            x = x + 0.001 * np.abs(np.cos(x))
        return x

    fully(chain, 1.0)

    def net(parameters: Any, x: Any) -> Any:
        hidden = relu(x @ parameters["W"] + parameters["b"])
        logits = hidden @ parameters["out"][0] + parameters["out"][1]
        return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - logits[:, 0])

    parameters = {
        "W": RNG.normal(size=(20, 7)),
        "b": np.zeros(7),
        "out": (RNG.normal(size=(7, 3)), np.zeros(3)),
    }
    report = fully(net, parameters, RNG.normal(size=(5, 20)))
    assert report.directions == 6, "140 weights and 100 inputs go by directions"
    fully(lambda x: {"a": np.tanh(x), "b": (x * 2, x[0])}, np.ones(3))
    fully(lambda A: np.linalg.inv(A) @ A.T, np.eye(3) + 0.1)


def test_chaos_is_not_called_wrong() -> None:
    def logistic(x: float) -> float:
        for _ in range(80):
            x = 3.9 * abs(x) * (1 - x)
        return x

    assert not check_gradients(logistic, 0.3).failures


def test_float32_is_checked_in_float64() -> None:
    W = RNG.normal(size=(30, 8)).astype(np.float32)
    x = RNG.normal(size=(4, 30)).astype(np.float32)

    def cost(W: Any, b: Any) -> Any:
        return np.mean(relu(x @ W + b) ** 2)

    report = fully(cost, W, np.zeros(8, np.float32))
    assert report.worst < 1e-6
    circuit = trace(cost, W, np.zeros(8, np.float32))
    square = next(r for r in circuit.gate_rows() if circuit.columns.gates[r].name == "relu")
    slope = relu.local[0]
    circuit.columns.gates[square] = dataclasses.replace(
        relu, local=(lambda out, x: slope(out, x) * np.float32(1.0001),)
    )
    assert check_circuit(circuit).failures[0].gate == "relu", "far below what float32 could tell"
    # 0.1 * 3 - 0.3 is a tie in float32 and none in float64.
    tie = passes(
        lambda x: np.sum(relu(x * np.float32(3.0) - np.float32(0.3))), np.array([0.1], np.float32)
    )
    assert all(kink.gate == "relu" for kink in tie.kinks)


def test_branches_are_noted_only_near_their_boundary() -> None:
    def bent(x: float) -> float:
        if x > 1.0:
            return x * abs(x)
        return 3 * x - 2

    assert not fully(bent, 1.5).kinks
    assert not fully(bent, 1.0 + 1e-6).kinks
    report = passes(bent, 1.0)
    assert "the function branches on" in str(report)
    assert report.kinks[0].gate == "greater"

    def jump(x: float) -> float:
        if x > 1.0:
            return abs(x) + 10.0
        return abs(x)

    jumps = check_gradients(jump, 1.0)
    assert not jumps.failures
    assert jumps.kinks


# ---------------------------------------------------------------------- what cannot be checked


def test_an_infinite_slope_is_reported_as_such() -> None:
    report = passes(lambda x: np.sum(np.sqrt(x)), np.array([0.0, 4.0]))
    assert report.elements == 1
    assert "infinite slope" in str(report)
    (finding,) = report.not_checked
    assert (finding.gate, finding.index, finding.given) == ("sqrt", (0,), math.inf)
    assert "infinite slope" in str(passes(lambda x: np.sum(np.cbrt(x) + x), np.zeros(1)))


def test_the_first_nan_is_named() -> None:
    def f(x: Any) -> Any:
        logs = np.log(x)
        return np.sum(2 * logs)

    report = check_gradients(f, np.array([1.0, -1.0]))
    assert not report.ok
    assert str(report).startswith("gradient check: NOTHING COULD BE CHECKED")
    (finding,) = report.not_checked
    assert (finding.gate, finding.wire, finding.index) == ("log", "logs", (1,))
    assert finding.line == f.__code__.co_firstlineno + 1
    with pytest.raises(GradientError, match="first is NaN at"):
        report.raise_if_wrong()


def test_a_nan_in_the_gradient_of_a_finite_slope_is_wrong() -> None:
    circuit = trace(lambda x: np.sum(np.sin(x)), np.ones(2))
    row = next(r for r in circuit.gate_rows() if circuit.columns.gates[r].name == "sin")
    nan = dataclasses.replace(GATES["sin"], local=(lambda out, x: x * np.nan,))
    circuit.columns.gates[row] = nan
    report = check_circuit(circuit)
    assert "its gradient by x at [0] is nan, the complex step says 0.540302" in str(report)


def test_underflow_is_not_called_wrong() -> None:
    # The slope is 1e-304; on the way 1 / (1 + exp(700)) squared is 0.
    report = check_gradients(lambda x: 1 / (1 + np.exp(-x)), -700.0)
    assert not report.failures
    assert report.not_checked


def naive_slope(x: float) -> float:
    s = 1.0 / (1.0 + math.exp(-x))
    return (1.0 - s) * s


def test_a_slope_far_below_rounding_is_still_told_from_zero() -> None:
    # The sigmoid at 40 has the slope 4.2483542552915889e-18, and (1 - s) s is 0 in float64.
    report = check_gradients(sigmoid, 40.0, gradient=naive_slope)
    (failure,) = report.failures
    assert failure.given == 0.0
    assert failure.numeric == pytest.approx(4.2483542552915889e-18, rel=1e-12)
    fully(sigmoid, 40.0, gradient=lambda x: 4.2483542552915889e-18)
    circuit = trace(GATES["sigmoid"], 40.0)
    naive = dataclasses.replace(GATES["sigmoid"], local=(lambda s, x: (1 - s) * s,))
    circuit.columns.gates[circuit.outputs[0]] = naive
    assert check_circuit(circuit).failures[0].gate == "sigmoid"


def test_gradients_that_cancel_to_nothing_pass() -> None:
    x = RNG.normal(size=5)
    fully(lambda x: np.sum(GATES["softmax"](x)), x)
    fully(lambda x: np.sum(np.exp(x) / np.sum(np.exp(x))), x)
    fully(lambda x: np.sum(x - np.mean(x)), x)
    fully(lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, 1.1)


def test_small_elements_beside_large_ones_are_left_to_the_gates() -> None:
    x = np.array([1e-12, 1.0, 1e12])
    report = passes(lambda x: np.sum(np.abs(x) * x), x)
    assert (report.elements, len(report.not_checked), report.gates) == (1, 2, 3)


def test_a_branch_not_taken_does_not_count() -> None:
    with np.errstate(invalid="ignore"):
        fully(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), np.array([1.0, -1.0]))


def test_a_gradient_lost_in_rounding_is_not_confirmed() -> None:
    report = passes(lambda x: np.sum(np.abs(np.sin(x))) + 1, np.array([1e-14]))
    assert report.elements == 0
    assert "too uncertain" in str(report.not_checked[0])


# ---------------------------------------------------------------------- large, seeded, options


def test_a_large_input_takes_about_a_second() -> None:
    x = RNG.normal(size=100_000)

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * np.abs(x))

    report = fully(f, x)
    assert report.directions == 3

    def by_hand(x: Any) -> Any:
        gradient = cr.grad(f)(x)
        gradient[77_777] *= 1.01
        return gradient

    failure = check_gradients(f, x, gradient=by_hand).failures[0]
    assert (failure.input, failure.index) == ("x", (77_777,))


def test_the_first_wrong_element_of_a_large_input_is_bisected() -> None:
    W = RNG.normal(size=(50, 40))
    circuit = trace(lambda W: np.sum(np.exp(np.transpose(W))), W)
    row = next(r for r in circuit.gate_rows() if circuit.columns.gates[r].name == "transpose")
    right = circuit.columns.gates[row]

    def wrong(g: Any, *args: Any, **settings: Any) -> Any:
        part = np.array(right.vjp[0](g, *args, **settings))
        part[31, 17] *= 1.01
        return part

    circuit.columns.gates[row] = dataclasses.replace(right, vjp=(wrong,))
    gate, end = check_circuit(circuit).failures
    assert (gate.gate, gate.index) == ("transpose", (31, 17))
    assert (end.input, end.index) == ("W", (31, 17))
    assert end.given == pytest.approx(1.01 * math.exp(W[31, 17]))
    assert end.numeric == pytest.approx(math.exp(W[31, 17]))


def test_the_same_seed_gives_the_same_report() -> None:
    x = RNG.normal(size=200)

    def f(x: Any) -> Any:
        return np.outer(x, np.abs(x))

    assert check_gradients(f, x, seed=3) == check_gradients(f, x, seed=3)


def test_argnums_and_max_elements() -> None:
    x, y = np.ones(5), np.ones(3)

    def f(x: Any, y: Any, n: int) -> Any:
        return np.sum(x) * np.sum(y**n)

    assert fully(f, x, y, 2).inputs == 2
    assert fully(f, x, y, 2, argnums=1).elements == 3
    assert fully(f, x, y, 2, argnums="x").elements == 5
    assert fully(f, x, y, 2, argnums=(-2,), max_elements=2).directions == 3
    with pytest.raises(DtypeError, match="the gradient by n was to be checked"):
        check_gradients(f, x, y, 2, argnums=2)
    with pytest.raises(ValueError, match="argnums=5"):
        check_gradients(f, x, y, 2, argnums=5)
    with pytest.raises(ValueError, match=r"no argument 'xx'. Did you mean 'x'"):
        check_gradients(f, x, y, 2, argnums="xx")
    with pytest.raises(DtypeError, match=r"Write 3.0 instead of 3"):
        check_gradients(lambda n: n * 2, 3)
    with pytest.raises(TypeError, match="a function or a formula"):
        check_gradients(3.0)
    with pytest.raises(TypeError, match="a dict without y"):
        check_gradients(f, x, y, 2, gradient=lambda *a: {"x": x})
    with pytest.raises(TypeError, match="2 gradients in a tuple"):
        check_gradients(f, x, y, 2, gradient=lambda *a: x)


def test_it_works_as_an_assertion() -> None:
    assert check_gradients(circuit_a, 1.0, 2.0, 3.0, raises=True)
    with pytest.raises(
        AssertionError, match=r"the gradient by z is 0.0, the complex step says 3.0"
    ):
        check_gradients(circuit_a, 1.0, 2.0, 3.0, gradient=lambda x, y, z: (z, z, 0.0), raises=True)
    assert issubclass(GradientError, ChainruleError)


def test_the_arguments_are_left_as_they_were() -> None:
    x = np.arange(3.0)
    kept = x.copy()
    x.flags.writeable = False
    fully(lambda x: np.sum(np.abs(x) * 2), x, argnums=0)
    assert np.array_equal(x, kept)


def test_a_gradient_of_a_gradient() -> None:
    fully(cr.grad(lambda x: np.sum(np.tanh(x) ** 3)), np.linspace(-1, 1, 5))
