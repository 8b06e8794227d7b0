"""Pickles and copies of networks: the numbers travel, compiled programs stay."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule.networks import asking
from chainrule.networks.costs import huber
from chainrule.networks.dense import Dense
from chainrule.networks.network import Network


def own_cost(outputs, targets):
    return np.sum((outputs - targets) ** 4, axis=1)


def trained(cost):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(600, 3)), generator.normal(size=(600, 1))
    net = Network(Dense(3, 4, "tanh"), Dense(4, 1), cost=cost, seed=1)
    net.fit(x, y, epochs=2, batch_size=100, machine="python")
    return net, x, y


@pytest.mark.parametrize(
    "cost", ["quadratic", huber(0.5), own_cost], ids=["quadratic", "huber", "own"]
)
@pytest.mark.parametrize("travel", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_network_that_travelled_predicts_and_goes_on_as_before(cost, travel, monkeypatch):
    monkeypatch.setattr(asking, "CHEAP", 0)
    net, x, y = trained(cost)
    there = travel(net)
    before = net.predict(x)  # 600 examples: a compiled program, which must not travel
    assert np.array_equal(there.predict(x), before)
    again = travel(net)
    for one in (net, again):
        one.fit(x, y, epochs=3, batch_size=100, resume=True, machine="python")
    # NumPy: its sums depend on where arrays lie in memory
    np.testing.assert_allclose(again.predict(x), net.predict(x), rtol=1e-5, atol=1e-6)
    assert len(again.history["cost"]) == 3


def test_with_a_function_that_cannot_be_pickled_the_parameters_can():
    net, _, _ = trained(lambda outputs, targets: np.sum((outputs - targets) ** 2, axis=1))
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"lambda|local"):
        pickle.dumps(net)
    assert len(pickle.loads(pickle.dumps(net.parameters))) == 2


def test_who_goes_on_may_meet_one_class_for_a_while():
    x = np.eye(4)
    net = Network(Dense(4, 2), cost="softmax_cross_entropy", seed=0)
    with pytest.raises(ValueError, match="one class only"):
        net.fit(x, [1, 1, 1, 1], machine="python")
    net.fit(x, [1, 1, 1, 1], epochs=1, resume=True, machine="python")
    net.fit(x, [0, 0, 0, 0], epochs=2, resume=True, machine="python", optimizer=cr.Adam())
    assert len(net.history["cost"]) == 2
