"""L-BFGS: recursion and line search against the book, minima against other people's."""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.batches import checked_data
from chainrule.training.checkpoint import load, pack, save, unpack
from chainrule.training.lbfgs import LBFGS, LBFGSSteps
from chainrule.training.line_search import CURVATURE, DECREASE, LineSearch, Point
from chainrule.training.steps import Likeness

MACHINES = ["native", "staged", "interpret", "python"]
NOTHING = np.zeros(1)  # data for costs that need none


class Training:
    """What `fit` puts together, without its loop."""

    def __init__(
        self, cost: Any, parameters: Any, data: Any = NOTHING, optimizer: Any = None,
        machine: str = "native", state: Any = None, carry: Any = None, batch_size: Any = None,
    ) -> None:  # fmt: skip
        optimizer = optimizer or LBFGS()
        arrays = checked_data(data)
        begun = optimizer.init(parameters) if state is None else state
        self.evaluations = 0
        self._like = Likeness(parameters, begun, carry)
        moving = self._like.moving(parameters, begun, carry)
        size = batch_size or len(arrays[0])
        self.steps = optimizer.steps(cost, self._like, *moving, arrays, size, machine, None)
        self._evaluated, self.steps._evaluated = self.steps._evaluated, self._counted

    def _counted(self, parameters: Any) -> Any:
        self.evaluations += 1
        return self._evaluated(parameters)

    def run(self, epochs: int) -> np.ndarray:
        return self.steps.run(np.arange(1), 0, epochs)

    @property
    def parameters(self) -> Any:
        return self._like.whole(*self.steps.values())[0]

    @property
    def state(self) -> Any:
        return self._like.whole(*self.steps.values())[1]


def rosenbrock(p: Any, nothing: Any) -> Any:
    return np.sum((1.0 - p[:-1]) ** 2 + 100.0 * (p[1:] - p[:-1] ** 2) ** 2) + 0.0 * np.sum(nothing)


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of other packages as it is imported
        return pytest.importorskip("torch")


# ---------------------------------------------------------------------- the line search


def line(function: Any, slope: Any) -> Any:
    """Return `evaluate` along a function, which notes where it was called."""

    def evaluate(step: float) -> Point:
        evaluate.steps.append(step)
        return Point(step, float(function(step)), float(slope(step)))

    evaluate.steps = []
    return evaluate


# J. More and D. Thuente, "Line search algorithms with guaranteed sufficient decrease" (1994),
# eqs. 5.1 and 5.2, and lines that a network's cost may have.
LINES = {
    "5.1": (lambda a: -a / (a * a + 2.0), lambda a: (a * a - 2.0) / (a * a + 2.0) ** 2),
    "5.2": (
        lambda a: (a + 0.004) ** 5 - 2.0 * (a + 0.004) ** 4,
        lambda a: 5.0 * (a + 0.004) ** 4 - 8.0 * (a + 0.004) ** 3,
    ),
    "wave": (lambda a: -math.sin(a), lambda a: -math.cos(a)),
    "kink": (lambda a: abs(a - 1.0), lambda a: math.copysign(1.0, a - 1.0)),
}


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", ["5.1", "5.2", "wave"])
def test_the_strong_wolfe_conditions_hold(name, first):
    evaluate = line(*LINES[name])
    start = evaluate(0.0)
    found = LineSearch(evaluate, start, noise=0.0, most=25).run(first)
    assert found is not None
    assert found.cost <= start.cost + DECREASE * found.step * start.slope
    assert abs(found.slope) <= CURVATURE * abs(start.slope)
    assert len(evaluate.steps) <= 18


def test_a_parabola_takes_one_guess_and_its_lowest_point():
    evaluate = line(lambda a: (a - 3.0) ** 2, lambda a: 2.0 * (a - 3.0))
    # Too far: 3.59 of Nocedal and Wright is exact for a parabola. Too near: it is flat enough.
    assert LineSearch(evaluate, evaluate(0.0), noise=0.0, most=25).run(first=100.0).step == 3.0
    assert LineSearch(evaluate, evaluate(0.0), noise=0.0, most=25).run(first=1.0).step == 1.0
    # 10: a tenth of the way is as near to an end as it looks.
    assert evaluate.steps == [0.0, 100.0, 10.0, 3.0, 0.0, 1.0]


@pytest.mark.parametrize("what", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("edge", [0.5, 1e-6])
def test_the_search_comes_back_from_where_the_cost_ends(edge, what):
    def function(a: float) -> float:
        return (a - edge) ** 2 if a < 0.9 * edge else what

    evaluate = line(function, lambda a: 2.0 * (a - edge))
    found = LineSearch(evaluate, evaluate(0.0), noise=0.0, most=25).run(first=1.0)
    assert found is not None and 0.0 < found.step < 0.9 * edge and found.cost < edge**2


def test_where_the_cost_is_flat_to_rounding_the_slope_decides():
    def function(a: float) -> float:  # a valley of depth 1e-6 on a hill of 100
        return float(np.float32(100.0 + 1e-6 * (a - 3.0) ** 2))

    evaluate = line(function, lambda a: 2e-6 * (a - 3.0))
    noise = float(np.spacing(np.float32(100.0)))
    found = LineSearch(evaluate, evaluate(0.0), noise=noise, most=25).run(first=100.0)
    assert found is not None and abs(found.step - 3.0) < 3.0


def test_the_best_is_given_when_the_evaluations_are_used_up():
    kink = line(*LINES["kink"])  # nowhere flat enough
    found = LineSearch(kink, kink(0.0), noise=0.0, most=6).run(first=3.0)
    assert found is not None and found.cost < 1.0
    assert len(kink.steps) == 7
    downhill = line(lambda a: -a, lambda a: -1.0)  # without end
    assert LineSearch(downhill, downhill(0.0), noise=0.0, most=4).run(1.0).step >= 8.0
    # A slope that is wrong: there is nothing better to be found.
    liar = line(lambda a: a, lambda a: -1.0)
    assert LineSearch(liar, liar(0.0), noise=0.0, most=9).run(1.0) is None


# ---------------------------------------------------------------------- the direction


def test_two_loops_are_the_bfgs_update_written_out():
    rng = np.random.default_rng(0)
    size, memory = 6, 4
    curvature = rng.normal(size=(size, size))
    curvature = curvature @ curvature.T + np.eye(size)
    pairs = [(s, curvature @ s) for s in rng.normal(size=(7, size))]
    training = Training(rosenbrock, np.zeros(size), optimizer=LBFGS(memory=memory))
    for s, y in pairs:
        training.steps._remember(s, y)
    assert training.state["pairs"] == 7.0
    s, y = pairs[-1]
    inverse = (s @ y) / (y @ y) * np.eye(size)  # eq. 7.20
    for s, y in pairs[-memory:]:  # eqs. 7.16 and 7.17
        rho = 1.0 / (y @ s)
        v = np.eye(size) - rho * np.outer(y, s)
        inverse = v.T @ inverse @ v + rho * np.outer(s, s)
    gradient = rng.normal(size=size)
    np.testing.assert_allclose(training.steps._direction(gradient), -inverse @ gradient, rtol=1e-9)


def test_without_pairs_it_goes_down_the_gradient_by_1_at_most():
    training = Training(rosenbrock, np.zeros(2))
    for scale, length in ((0.1, 0.5), (1.0, 1.0), (1e200, 1.0)):
        direction = training.steps._direction(scale * np.array([3.0, -4.0]))
        np.testing.assert_allclose(direction, length * np.array([-0.6, 0.8]), rtol=1e-12)


def test_pairs_along_which_the_gradient_falls_are_left_out():
    training = Training(rosenbrock, np.zeros(2))
    s = np.array([1.0, 0.0])
    for y in ([-1.0, 0.0], [0.0, 1.0], [1e-17, 1.0], [0.0, 0.0]):
        training.steps._remember(s, np.array(y))
    assert training.state["pairs"] == 0.0
    training.steps._remember(s, np.array([1e-3, 1.0]))
    assert training.state["pairs"] == 1.0


# ---------------------------------------------------------------------- minima


@pytest.mark.parametrize("machine", MACHINES)
def test_rosenbrock(machine):
    training = Training(rosenbrock, np.array([-1.2, 1.0]), machine=machine)
    costs = training.run(60)
    np.testing.assert_allclose(training.parameters, [1.0, 1.0], atol=1e-10)
    assert costs[0] == pytest.approx(24.2)  # at (-1.2, 1), by hand
    assert (np.diff(costs) <= 0.0).all()
    assert training.evaluations < 70


def test_no_more_evaluations_than_scipy_takes():
    optimize = pytest.importorskip("scipy.optimize")
    start = np.linspace(-1.2, 1.2, 40)
    training = Training(rosenbrock, start, optimizer=LBFGS(tolerance=1e-6))
    training.run(500)
    np.testing.assert_allclose(training.parameters, 1.0, atol=1e-6)
    theirs = optimize.minimize(
        lambda p: (rosenbrock(p, NOTHING), optimize.rosen_der(p)),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 10, "gtol": 1e-6, "ftol": 0.0, "maxiter": 1000},
    )
    np.testing.assert_allclose(theirs.x, 1.0, atol=1e-6)
    assert training.evaluations < 1.3 * theirs.nfev


def digits(dtype: str) -> tuple[Any, Any]:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    return (x[:500] / 16.0).astype(dtype), np.eye(10, dtype=dtype)[y[:500]]


def softmax_cost(p: Any, x: Any, y: Any) -> Any:
    """Logistic regression as scikit-learn has it at C = 0.1, divided by the number of rows."""
    log_shares = cr.log_softmax(x @ p["W"] + p["b"], axis=1)
    return -np.mean(np.sum(y * log_shares, axis=1)) + 0.5 / (0.1 * len(x)) * np.sum(p["W"] ** 2)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_logistic_regression_is_scikit_learn_s(dtype):
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = digits(dtype)
    start = {"W": np.zeros((64, 10), dtype), "b": np.zeros(10, dtype)}
    training = Training(softmax_cost, start, (x, y))
    training.run(200)
    x64, labels = x.astype(float), y.argmax(axis=1)
    theirs = linear.LogisticRegression(C=0.1, tol=1e-9, max_iter=2000).fit(x64, labels)
    optimum = softmax_cost({"W": theirs.coef_.T, "b": theirs.intercept_}, x64, y)
    found = {name: value.astype(float) for name, value in training.parameters.items()}
    assert training.parameters["W"].dtype == dtype
    above = softmax_cost(found, x64, y) / optimum - 1.0
    assert above < (1e-10 if dtype == "float64" else 1e-6)
    if dtype == "float64":
        np.testing.assert_allclose(found["W"], theirs.coef_.T, atol=1e-5)
        assert np.abs(training.steps._place.gradient).max() < 1e-7


def test_as_low_as_pytorch_s(torch):
    x, y = digits("float64")
    rows, targets = torch.tensor(x), torch.tensor(y)
    rng = np.random.default_rng(1)
    start = [0.3 * rng.normal(size=shape) for shape in ((64, 8), (8,), (8, 10))]

    def cost(p: Any, x: Any, y: Any) -> Any:
        return -np.mean(np.sum(y * cr.log_softmax(np.tanh(x @ p[0] + p[1]) @ p[2], axis=1), axis=1))

    training = Training(cost, start, (x, y))
    costs = training.run(40)
    theirs = [torch.tensor(value, requires_grad=True) for value in start]
    optimizer = torch.optim.LBFGS(
        theirs, max_iter=40, max_eval=1000, history_size=10, line_search_fn="strong_wolfe",
        tolerance_grad=1e-7, tolerance_change=0.0,
    )  # fmt: skip

    def closure() -> Any:
        optimizer.zero_grad()
        logits = torch.tanh(rows @ theirs[0] + theirs[1]) @ theirs[2]
        found = -torch.mean(torch.sum(targets * torch.log_softmax(logits, 1), 1))
        found.backward()
        return found

    first = optimizer.step(closure).item()
    assert costs[0] == pytest.approx(first, rel=1e-12)
    assert costs[-1] < 1.5 * closure().item()


# ---------------------------------------------------------------------- what may go wrong


@pytest.mark.parametrize("machine", MACHINES)
def test_costs_that_end_somewhere(machine):
    def cost(p: Any, nothing: Any) -> Any:  # lowest at (1, 1/4); nan below 0, inf at 0
        return p["a"] - math.log(p["a"]) + 4.0 * p["b"] - np.log(p["b"]) + np.sum(nothing)

    training = Training(cost, {"a": 9.0, "b": np.float64(30.0)}, machine=machine)
    training.run(40)
    assert training.parameters["a"] == pytest.approx(1.0, abs=1e-7)
    assert training.parameters["b"] == pytest.approx(0.25, abs=1e-7)
    assert type(training.parameters["a"]) is float


def test_a_first_step_that_overflows():
    def cost(p: Any, nothing: Any) -> Any:
        return np.exp(-200.0 * p) + 1e-3 * np.exp(200.0 * p) + np.sum(nothing)

    training = Training(cost, np.float32(0.3))
    costs = training.run(60)
    assert training.parameters == pytest.approx(math.log(1e3) / 400.0, rel=1e-4)
    assert np.isfinite(costs).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_has_converged_stays_as_it_is(dtype):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 4)).astype(dtype)
    y = rng.normal(size=30).astype(dtype)

    def cost(p: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ p - y) ** 2) + 10.0

    training = Training(cost, np.zeros(4, dtype), (x, y))
    training.run(60)
    expected = np.linalg.lstsq(x.astype(float), y.astype(float), rcond=None)[0]
    np.testing.assert_allclose(training.parameters, expected, atol=1e-6)
    before, state, evaluations = training.parameters, training.state, training.evaluations
    costs = training.run(40)
    assert training.evaluations == evaluations and len(set(costs)) == 1
    assert training.parameters.tobytes() == before.tobytes()
    assert all(np.array_equal(training.state[name], state[name]) for name in state)
    # Taken up again, it is still where it was.
    again = Training(cost, before, (x, y), state=state)
    again.run(3)
    assert again.parameters.tobytes() == before.tobytes()


def test_where_it_is_flat_it_stays():
    training = Training(lambda p, nothing: 0.0 * p + np.sum(nothing), 1.0)
    training.run(5)
    assert training.parameters == 1.0 and training.evaluations <= 2


def test_a_cost_that_is_nan_at_the_start_is_reported():
    training = Training(lambda p, nothing: np.log(p) + np.sum(nothing), -1.0)
    assert np.isnan(training.run(2)).all()
    # Only the slope is not finite: the square root at 0.
    training = Training(lambda p, nothing: np.sqrt(p) + np.sum(nothing), 0.0)
    assert np.isnan(training.run(1)).all()


def test_a_direction_that_leads_up_is_forgotten():
    training = Training(rosenbrock, np.array([-1.2, 1.0]))
    training.run(5)
    parameters, states = training.steps.values()
    states[0][3][...] *= -1.0  # y: as if the cost were a hill
    training.steps.put(parameters, states)
    assert training.run(60)[-1] < 1e-15


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stop", [0, 1, 3, 8, 14])
def test_resuming_is_bitwise(dtype, stop, tmp_path):
    x, y = digits(dtype)
    start = {"W": np.zeros((64, 10), dtype), "b": np.zeros(10, dtype)}
    whole = Training(softmax_cost, start, (x, y), LBFGS(memory=5))
    costs = whole.run(20)
    half = Training(softmax_cost, start, (x, y), LBFGS(memory=5))
    first = half.run(stop)
    tensors: dict[str, Any] = {}
    packed = pack([half.parameters, half.state], "all", tensors)
    save(tmp_path / "x.safetensors", tensors, {"all": packed})
    tensors, metadata = load(tmp_path / "x.safetensors")
    parameters, state = unpack(metadata["all"], tensors)
    rest = Training(softmax_cost, parameters, (x, y), LBFGS(memory=5), state=state)
    assert np.concatenate([first, rest.run(20 - stop)]).tobytes() == costs.tobytes()
    for name in start:
        assert rest.parameters[name].tobytes() == whole.parameters[name].tobytes()
    assert rest.state["s"].tobytes() == whole.state["s"].tobytes()


def test_values_are_copies():
    training = Training(rosenbrock, np.array([-1.2, 1.0]))
    training.run(2)
    before = training.state
    kept = {name: np.copy(value) for name, value in before.items()}
    training.run(3)
    assert all(np.array_equal(before[name], kept[name]) for name in kept)


def test_the_state_has_the_parameters_dtype_and_one_shape():
    state = LBFGS(memory=3).init({"W": np.zeros((2, 2), np.float32), "b": np.zeros(2, np.float32)})
    assert state["s"].shape == state["y"].shape == (3, 6) and state["s"].dtype == np.float32
    assert LBFGS().init([1.0, np.float32(2.0)])["s"].dtype == np.float64
    assert state["s"] is not state["y"]


def test_containers_and_dtypes_are_kept():
    start = {"W": np.ones((2, 2), np.float32), "more": [np.ones(1), (2.0, np.float32(3.0))]}

    def cost(p: Any, nothing: Any) -> Any:
        (vector, (number, small)) = p["more"]
        total = np.sum((p["W"] - 0.5) ** 2) + np.sum((vector - 0.1) ** 2)
        return total + (number - 0.3) ** 2 + (small - 0.25) ** 2 + np.sum(nothing)

    for machine in MACHINES:
        training = Training(cost, start, machine=machine)
        training.run(20)
        found = training.parameters
        vector, (number, small) = found["more"]
        assert found["W"].dtype == np.float32 and vector.dtype == np.float64
        assert type(number) is float and type(small) is np.float32
        np.testing.assert_allclose(found["W"], 0.5, atol=1e-6)
        assert number == pytest.approx(0.3, abs=1e-6) and small == pytest.approx(0.25, abs=1e-6)


# ---------------------------------------------------------------------- in fit


@pytest.mark.parametrize("machine", ["native", "python"])
def test_fit_runs_it(machine, tmp_path):
    x, y = digits("float32")
    start = {"W": np.zeros((64, 10), np.float32), "b": np.zeros(10, np.float32)}
    settings = {"optimizer": LBFGS(memory=5), "machine": machine}
    whole = cr.fit(softmax_cost, start, (x, y), epochs=15, **settings)
    by_hand = Training(softmax_cost, start, (x, y), LBFGS(memory=5), machine).run(15)
    assert whole.history["cost"] == by_hand.tolist()
    half = cr.fit(softmax_cost, start, (x, y), epochs=6, callback=lambda *_: None, **settings)
    cr.save_fit(tmp_path / "x.safetensors", half)
    half = cr.load_fit(tmp_path / "x.safetensors")
    rest = cr.fit(softmax_cost, half.parameters, (x, y), epochs=9, state=half.state, **settings)
    assert half.history["cost"] + rest.history["cost"] == whole.history["cost"]
    assert rest.parameters["W"].tobytes() == whole.parameters["W"].tobytes()


def test_fit_says_where_it_cannot_go_on():
    with pytest.raises(ValueError, match="LBFGS compares the cost at several points"):
        cr.fit(lambda p, x: np.mean((x - p) ** 2), 0.0, np.ones(4), batch_size=2, optimizer=LBFGS())
    with pytest.raises(cr.ChainruleError, match="the cost became nan in epoch 1"):
        cr.fit(lambda p, x: np.mean(x) + np.sqrt(p), 0.0, np.ones(4), optimizer=LBFGS())


# ---------------------------------------------------------------------- what it refuses


def test_batches_and_carries_are_refused():
    data = np.zeros(10)
    with pytest.raises(ValueError, match=r"all 10 rows each time, not 4: write batch_size=None"):
        Training(rosenbrock, np.zeros(2), data, batch_size=4)
    with pytest.raises(TypeError, match=r"must not change .* as a cost with a carry does"):
        Training(lambda p, c, x: (p, c), 1.0, data, carry={"mean": 0.0})
    # Nothing in it: nothing changes.
    training = Training(lambda p, c, x: ((p - 2.0) ** 2 + np.sum(x), c), 1.0, data, carry=[{}, {}])
    training.run(10)
    assert training.parameters == pytest.approx(2.0)


def test_settings_that_make_no_sense_say_so():
    with pytest.raises(TypeError, match=r"memory must be an integer, not 2\.5"):
        LBFGS(memory=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="memory must be at least 1, not 0"):
        LBFGS(memory=0)
    with pytest.raises(ValueError, match="LBFGS: tolerance must be 0 or more"):
        LBFGS(tolerance=-1.0)
    with pytest.raises(TypeError, match=r"give it to cr\.fit as the optimizer, by itself"):
        LBFGS().update(1.0, 1.0, {})
    assert isinstance(Training(rosenbrock, np.zeros(2)).steps, LBFGSSteps)
