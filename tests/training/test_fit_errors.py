"""What `fit` says of arguments that cannot be meant, before it starts, and where."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, DtypeError, NotScalarError, ShapeError
from chainrule.training.batches import Orders

X = np.linspace(0.0, 1.0, 10)


def cost(p, x, y):
    return np.mean((p * x - y) ** 2)


def fit(*args: Any, **options: Any) -> Any:
    return cr.fit(*args, **{"machine": "staged", **options})


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        ((X, X[:9]), ShapeError, "same number of rows, one an example; their shapes are (10,), (9"),
        ((X[:0], X[:0]), ShapeError, "data has no rows"),
        ((), ShapeError, "data holds no arrays"),
        ((X, 3.0), ShapeError, "data[1] is the single number 3.0"),
        ((X, [["a"], ["b"]]), DtypeError, "data[1] is of dtype <U1"),
        ((X, X * 1j), DtypeError, "data[1] is of dtype complex128"),
        ((X, np.ma.array(X)), DtypeError, "data[1] is a MaskedArray"),
        ({"x": X, "y": X}, TypeError, "give a tuple, such as (data['x'], data['y'])"),
        (X, TypeError, "one argument for each array of the data, 2 in all, which does not fit"),
    ],
)
def test_data(data, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        fit(cost, 1.0, data)
    assert str(caught.value).startswith("test_fit_errors.py:")


@pytest.mark.parametrize(
    ("parameters", "kind", "said"),
    [
        (2, DtypeError, "parameters is a int (int), which cannot be trained. Write 2.0;"),
        ({"w": np.arange(3)}, DtypeError, "Give parameters['w'].astype(float);"),
        ([1.0, (None,)], DtypeError, "parameters[1][0] is a NoneType"),
        ([np.ones(2) * 1j], DtypeError, "parameters[0] is a ndarray (complex128)"),
        ([], ValueError, "there are no parameters to train"),
    ],
)
def test_parameters(parameters, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        fit(cost, parameters, (X, X))


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
        ({"batch_size": 11}, ValueError, "batch_size is 11, but the data has 10 rows. Leave"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer, not 2.5 (float)"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0, not -1"),
        ({"optimizer": cr.Adam}, TypeError, "such as cr.Adam(1e-3), not Adam: call it."),
        ({"optimizer": "adam"}, TypeError, "an object with init and update"),
        ({"machine": "nativ"}, ValueError, "Did you mean 'native'?"),
        ({"machine": "staged", "threads": 2}, ValueError, "threads are for machine='native'"),
        ({"machine": "native", "threads": 0}, ValueError, "threads must be at least 1"),
        ({"validation": (X[:0], X[:0])}, ShapeError, "validation has no rows"),
        ({"lr": 0.1}, TypeError, "unexpected keyword argument 'lr'"),
    ],
)
def test_options(options, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        fit(cost, 1.0, (X, X), **options)


def test_the_cost():
    with pytest.raises(TypeError, match="a cost function was expected, not float"):
        fit(3.0, 1.0, X)
    with pytest.raises(NotScalarError, match=r"an array of shape \(10,\).*np.mean"):
        fit(lambda p, x, y: p * x - y, 1.0, (X, X))
    with pytest.raises(ChainruleError, match="silently lost"):
        fit(lambda p, x, y: float(p) + np.mean(x), 1.0, (X, X))


def test_a_parameter_that_the_cost_does_not_use():
    def line(p, x, y):
        return cost(p["w"], x, y)

    with pytest.warns(RuntimeWarning, match=r"line does not depend on parameters\['c'\]") as caught:
        result = fit(line, {"w": 0.0, "c": np.ones(2)}, (X, X), epochs=50)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(result.parameters["c"], np.ones(2))
    assert result.parameters["w"] > 0.5


class Broken:
    """An optimizer that does what `update` says."""

    def __init__(self, update: Any, state: Any = 0.0) -> None:
        self._update, self._state = update, state

    def init(self, parameters: Any) -> Any:
        return self._state

    def update(self, parameters: Any, gradients: Any, state: Any) -> Any:
        return self._update(parameters, gradients, state)


@pytest.mark.parametrize("machine", ["python", "staged", "native"])
@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (
            Broken(lambda p, g, s: ([p[0] - np.ones((2, 1)) * g[0]], s)),
            "changed the shape of parameters[0] from (3,) to (2, 3)",
        ),
        (
            Broken(lambda p, g, s: ([p[0] - np.full(3, 0.1) * g[0]], s)),
            "changed parameters[0] from float32 to float64: write its numbers as Python floats",
        ),
        (Broken(lambda p, g, s: ((p[0],), s)), "in the containers they came in"),
        (Broken(lambda p, g, s: ([p[0], s], s)), "with leaves parameters[0], not parameters[0], p"),
        (Broken(lambda p, g, s: (p, {"t": s["t"] + 1}), {"t": 0}), "Count in floats: 0.0, not 0"),
    ],
)
def test_optimizers_that_change_more_than_values(optimizer, said, machine):
    x = X.astype(np.float32)[:, None] * np.ones(3, np.float32)
    with pytest.raises((ShapeError, DtypeError), match=re.escape(said)):
        cr.fit(
            lambda p, x: np.mean((x @ p[0] - 1) ** 2), [np.zeros(3, np.float32)], x,
            optimizer=optimizer, machine=machine,
        )  # fmt: skip


@pytest.mark.parametrize("machine", ["python", "staged", "native"])
def test_constants_in_a_state_are_fine(machine):
    optimizer = Broken(
        lambda p, g, s: (p - s["rate"] * g, {**s, "n": s["n"] + 1.0}),
        {"rate": 0.5, "n": 0.0, "name": "mine", "none": None},
    )
    result = cr.fit(cost, 0.0, (X, X), epochs=3, optimizer=optimizer, machine=machine)
    assert result.state.optimizer == {"rate": 0.5, "n": 3.0, "name": "mine", "none": None}


def test_orders_have_every_row_once_in_each_epoch():
    orders = Orders(7, np.random.default_rng(0))
    drawn = orders.draw(3).reshape(3, 7)
    assert drawn.dtype == np.int64
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(7), (3, 1)))
    assert len({tuple(row) for row in drawn}) == 3
    np.testing.assert_array_equal(Orders(3, None).draw(2), [0, 1, 2, 0, 1, 2])


def test_history_takes_several_entries():
    history = cr.History()
    history.extend(cost=[3.0, 2.0], seconds=[0.1, 0.1])
    history.record(cost=1, seconds=0.2)
    assert dict(history) == {"cost": [3.0, 2.0, 1.0], "seconds": [0.1, 0.1, 0.2]}
    with pytest.raises(ValueError, match="of one length"):
        history.extend(cost=[1.0], seconds=[])
    with pytest.raises(ValueError, match="every entry of this history has cost, seconds"):
        history.extend(cost=[1.0])
    assert history.entries == 3
