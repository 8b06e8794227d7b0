"""`Network`: made, trained, asked; held to PyTorch, to loops by hand, and to its own words."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.networks import asking
from chainrule.networks.asking import BLOCK, Asking
from chainrule.networks.costs import cost_of
from chainrule.networks.forward import products
from chainrule.networks.objective import example_weights, penalty


def blobs(n=60, classes=3, dtype=np.float64, seed=0):
    """Return points around as many centres as there are classes, and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (rng.normal(size=(classes, 4))[y] + 0.3 * rng.normal(size=(n, 4))).astype(dtype), y


def small(seed=3, **settings):
    settings = {"cost": "softmax_cross_entropy", "dtype": "float64", **settings}
    return cr.Network(cr.Dense(4, 5, "tanh"), cr.Dense(5, 3), seed=seed, **settings)


# ---------------------------------------------------------------------- making


def test_sizes_make_nielsens_network():
    net = cr.Network([784, 30, 10], seed=0)
    assert [layer.activation for layer in net.layers] == ["sigmoid", "sigmoid"]
    assert net.cost.name == "quadratic" and net.dtype == np.float32
    w = net.parameters[0]["weights"]
    assert w.shape == (784, 30) and abs(w.std() - 1.0) < 0.02
    assert repr(cr.Network(cr.Dense(2, 3, "relu"), cost="hinge")) == (
        "Network(Dense(2, 3, 'relu'), cost='hinge'): 9 parameters"
    )


def test_seeds_make_networks_alike():
    one, two = small(seed=5), small(seed=np.random.default_rng(5))
    for a, b in zip(one.parameters, two.parameters, strict=True):
        np.testing.assert_array_equal(a["weights"], b["weights"])
    assert not np.array_equal(small(6).parameters[0]["weights"], one.parameters[0]["weights"])


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ((), {}, "a network needs layers"),
        ((2, 3), {}, r"sizes are given as one list: cr.Network\(\[2, 3\]\)"),
        (([784],), {}, "two integers or more, the inputs first"),
        (([784, 3.5],), {}, "two integers or more"),
        ((cr.Dense,), {}, "Dense itself: call it"),
        (("relu",), {}, "a layer such as cr.Dense"),
        (([2, 1],), {"dtype": "float16"}, "dtype must be 'float32' or 'float64'"),
        (([2, 1],), {"dtype": "nonsense"}, "dtype must be 'float32' or 'float64'"),
        (([2, 1],), {"l2": -1.0}, "l2 must be 0 or more"),
        (([2, 1],), {"l1": "much"}, "l1 must be a number"),
        (([2, 1],), {"cost": "crossentropy"}, "no cost 'crossentropy'"),
        (([2, 1],), {"seed": "today"}, "seed must be a whole number, 0 or more, .* not 'today'"),
    ],
)
def test_what_cannot_be_a_network(arguments, settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        cr.Network(*arguments, **settings)


# ---------------------------------------------------------------------- training


def test_one_step_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    x, y = blobs(dtype=np.float64)
    net = small(l2=0.01, l1=0.003)
    start = [{k: v.copy() for k, v in p.items()} for p in net.parameters]
    tensors = [torch.tensor(p[k], requires_grad=True) for p in start for k in ("weights", "biases")]
    w1, b1, w2, b2 = tensors
    logits = torch.tanh(torch.tensor(x) @ w1 + b1) @ w2 + b2
    total = torch.nn.functional.cross_entropy(logits, torch.tensor(y))
    for w in (w1, w2):
        total = total + 0.005 * (w * w).sum() + 0.003 * w.abs().sum()
    total.backward()
    history = net.fit(x, y, batch_size=None, optimizer=cr.SGD(0.5))
    assert history["cost"] == [pytest.approx(total.item(), rel=1e-12)]
    for layer, (w, b) in zip(net.parameters, ((w1, b1), (w2, b2)), strict=True):
        np.testing.assert_allclose(layer["weights"], (w - 0.5 * w.grad).detach(), rtol=1e-10)
        np.testing.assert_allclose(layer["biases"], (b - 0.5 * b.grad).detach(), rtol=1e-10)


def test_a_last_activation_that_is_the_costs_own_is_left_to_it():
    x, y = blobs()
    with_softmax = cr.Network(
        cr.Dense(4, 5, "tanh"), cr.Dense(5, 3), cr.Activation("softmax"),
        cost="softmax_cross_entropy", seed=3, dtype="float64",
    )  # fmt: skip
    plain = small()
    assert (
        with_softmax.fit(x, y, epochs=3, seed=1)["cost"]
        == plain.fit(x, y, epochs=3, seed=1)["cost"]
    )
    np.testing.assert_allclose(with_softmax.outputs(x).sum(axis=1), 1.0)
    np.testing.assert_allclose(with_softmax.predict_proba(x), with_softmax.outputs(x), rtol=1e-12)
    np.testing.assert_array_equal(with_softmax.predict(x), plain.predict(x))


def test_it_learns_and_says_so():
    x, y = blobs(200, dtype=np.float32)
    net = cr.Network(cr.Dense(4, 16, "relu"), cr.Dense(16, 3), cost="softmax_cross_entropy", seed=1)
    history = net.fit(
        x[:150], y[:150], epochs=30, batch_size=10, optimizer=cr.Adam(0.01),
        validation_data=(x[150:], y[150:]), metrics=["accuracy", "f1_macro"],
    )  # fmt: skip
    assert list(history) == ["cost", "val_cost", "val_accuracy", "val_f1_macro", "seconds"]
    assert history["val_accuracy"][-1] > 0.95 and net.history is history
    assert net.predict(x).dtype == np.int64
    assert net.parameters[0]["weights"].dtype == np.float32
    scores = net.evaluate(x[150:], y[150:], metrics=["accuracy"])
    assert scores["accuracy"] == history["val_accuracy"][-1]
    assert scores["cost"] == pytest.approx(history["val_cost"][-1], rel=1e-6)


def test_weights_of_examples_count_as_copies_do():
    x, y = blobs(20)
    counts = np.random.default_rng(2).integers(0, 4, 20)
    weighted, copied = small(), small()
    weighted.fit(x, y, epochs=4, batch_size=None, sample_weight=counts, optimizer=cr.SGD(0.3))
    copied.fit(
        np.repeat(x, counts, axis=0), np.repeat(y, counts), epochs=4, batch_size=None,
        optimizer=cr.SGD(0.3),
    )  # fmt: skip
    for a, b in zip(weighted.parameters, copied.parameters, strict=True):
        np.testing.assert_allclose(a["weights"], b["weights"], rtol=1e-10)


def test_weights_as_large_as_there_are():
    found = example_weights(np.zeros(3), [1e308, 1e308, 0.5e308], None, np.float64, False)
    np.testing.assert_allclose(found, [1.2, 1.2, 0.6])  # their sum is not finite


def test_examples_that_are_held_out_keep_their_weights():
    x, y = blobs()
    learned = np.ones(60)
    learned[::2] = 0.0  # nothing is said of these, neither while learning nor held out
    wrong = np.where(learned > 0, y, (y + 1) % 3)
    settings = {"epochs": 2, "validation_fraction": 0.5, "seed": 3, "sample_weight": learned}
    histories = [small().fit(x, targets, **settings) for targets in (y, wrong)]
    assert histories[0]["val_cost"] == histories[1]["val_cost"]
    assert histories[0]["val_accuracy"] == histories[1]["val_accuracy"]


def test_weights_of_classes():
    targets = np.array([0, 0, 0, 1])
    balanced = example_weights(targets, None, "balanced", np.float64, True)
    np.testing.assert_allclose(balanced, [2 / 3, 2 / 3, 2 / 3, 2])  # scikit-learn's formula
    chosen = example_weights(targets, [1, 1, 2, 1], {1: 3.0}, np.float64, True)
    np.testing.assert_allclose(chosen, np.array([1, 1, 2, 3]) / 1.75)
    assert example_weights(targets, None, None, np.float64, True) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sample_weight": [1.0]}, "one number for each of the 60 examples"),
        ({"sample_weight": np.arange(60.0) - 1.0}, r"sample_weight\[0\] is -1.0, but weights are"),
        ({"sample_weight": np.where(np.arange(60) == 7, np.nan, 1.0)}, r"weight\[7\] is nan"),
        ({"sample_weight": "even"}, "sample_weight must be numbers, not 'even'"),
        ({"sample_weight": np.zeros(60)}, "all weights are 0"),
        ({"class_weight": {7: 1.0}}, "class_weight names 7, but the labels are 0, 1, 2"),
        ({"class_weight": [1, 2]}, "must be a dict of label to weight, or 'balanced'"),
        ({"class_weight": {0: -1.0}}, "finite and 0 or more"),
        ({"class_weight": {0: "rare"}}, "class_weight must hold numbers"),
        ({"validation_data": np.zeros(3)}, r"must be \(x, y\)"),
        ({"validation_data": (np.zeros((2, 4)), np.zeros(3, int))}, r"validation_data\[0\] has 2"),
        ({"validation_fraction": 1.5}, "between 0 and 1"),
        ({"validation_data": (np.zeros((3, 4)),)}, "not a tuple of 1"),
        (
            {"validation_data": (np.zeros((3, 2)), [0, 1, 2])},
            r"validation_data: layers\[0\]",
        ),
        ({"validation_fraction": 0.001}, "leaves none to hold out"),
        ({"validation_fraction": "a tenth"}, "validation_fraction must be between 0 and 1, not"),
        ({"batch_size": "32"}, r"batch_size must be an integer, not '32' \(str\)"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"seed": "today"}, "seed must be a whole number, 0 or more, .* not 'today'"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, .* not -1"),
        ({"metrics": "accuarcy", "validation_fraction": 0.2}, "accuracy"),
        ({"metrics": "accuarcy"}, "there is no metric 'accuarcy'. Did you mean 'accuracy'?"),
        ({"metrics": 3}, "a metric must be one of accuracy"),
        ({"metrics": ["f1_macro", "f1_macro"]}, "two numbers would be called 'f1_macro'"),
        ({"epochs": -1}, "epochs must be at least 0"),
    ],
)
def test_settings_that_do_not_fit(settings, words):
    x, y = blobs()
    net = small()
    with pytest.raises((TypeError, ValueError), match=words):
        net.fit(x, y, **settings)
    np.testing.assert_array_equal(net.parameters[0]["weights"], small().parameters[0]["weights"])


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((4, 3)), [0, 1, 2, 0], r"layers\[0\]: Dense\(4, 5\) takes 4 numbers"),
        (np.zeros(4), [0, 1, 2, 0], "the first axis is that of the examples"),
        (np.zeros((0, 4)), [], "x has no rows"),
        ([["a", "b", "c", "d"]], [0], "x holds words"),
        (np.zeros((4, 4)), [0, 1, 2], "x has 4 rows and y has 3"),
        (np.zeros((4, 4)), [0, 1, 2, 3], "labels go from 0 to 2"),
        (np.zeros((4, 4)), [0.0, 1.0, 2.0, 0.0], r"astype\(int\)"),
        (np.zeros((4, 4)), ["a", "b", "c", "a"], "np.unique"),
        (np.zeros((4, 4)), [1, 1, 1, 1], "one class only"),
        (np.zeros((4, 4)), None, "y is missing: give what is wanted for each example"),
        (None, [0, 1], "x is missing: give examples, one a row"),
        (np.ma.masked_less(np.ones((4, 4)), 0), [0, 1, 2, 0], "x is a MaskedArray: give a plain"),
    ],
)
def test_examples_that_do_not_fit(x, y, words):
    with pytest.raises((TypeError, ValueError), match=words):
        small().fit(x, y)


def test_a_cost_that_diverges_leaves_the_last_good_weights():
    x, y = blobs()
    net = small(cost="quadratic")
    kept = {}
    with pytest.raises(cr.ChainruleError, match="epoch"), np.errstate(all="ignore"):
        net.fit(
            1e3 * x, y, epochs=50, optimizer=cr.SGD(1e9),
            callback=lambda epoch, r: kept.update(r.parameters[0]),
        )  # fmt: skip
    assert all(np.isfinite(p["weights"]).all() for p in net.parameters)


def test_early_stopping_keeps_the_best():
    x, y = blobs(40, seed=4)
    seen = {}
    net = small()
    net.fit(
        x, np.random.default_rng(0).permutation(y), epochs=200, optimizer=cr.Adam(0.05),
        validation_fraction=0.5, early_stopping=5, seed=1,
        callback=lambda epoch, r: seen.update({epoch: r.parameters[0]["weights"].copy()}),
    )  # fmt: skip
    costs = net.history["val_cost"]
    best = int(np.argmin(costs)) + 1
    assert len(costs) == best + 5
    np.testing.assert_array_equal(net.parameters[0]["weights"], seen[best])


def test_a_network_with_all_that_is_carried_learns_alike_on_every_machine():
    x, y = blobs(24)
    found = []
    for machine in ("native", "staged", "interpret", "python"):
        net = cr.Network(
            cr.Dense(4, 6), cr.BatchNorm(6), cr.Activation("relu"), cr.Dropout(0.3), cr.Dense(6, 3),
            cost="softmax_cross_entropy", seed=2, dtype="float64",
        )  # fmt: skip
        net.fit(x, y, epochs=3, batch_size=7, machine=machine, seed=1)
        found.append(net)
    for net in found[1:]:
        np.testing.assert_allclose(
            net.parameters[0]["weights"], found[0].parameters[0]["weights"], rtol=1e-9
        )
        np.testing.assert_allclose(net.carried[1]["mean"], found[0].carried[1]["mean"], rtol=1e-9)
        np.testing.assert_array_equal(net.carried[3]["key"], found[0].carried[3]["key"])


# ---------------------------------------------------------------------- asking


@pytest.mark.parametrize("cheap", [asking.CHEAP, 0], ids=["in NumPy", "in machine code"])
def test_many_examples_are_asked_as_few_are(cheap, monkeypatch):
    monkeypatch.setattr(asking, "CHEAP", cheap)
    x, _ = blobs(2 * BLOCK + 7)
    net = small()
    together = net.outputs(x)
    apart = np.concatenate([net.outputs(x[k : k + 100]) for k in range(0, len(x), 100)])
    np.testing.assert_allclose(together, apart, rtol=1e-12, atol=1e-14)
    assert Asking(net.layers)(net.parameters, net.carried, x[:1], net.reads).shape == (1, 3)


def test_changed_parameters_change_the_answers(monkeypatch):
    monkeypatch.setattr(asking, "CHEAP", 0)
    x, _ = blobs(2 * BLOCK)
    net = small()
    before = net.outputs(x)
    net.parameters = [{k: 0.0 * v for k, v in p.items()} for p in net.parameters]
    assert before.any() and not net.outputs(x).any()


def test_numbers_are_predicted_as_numbers():
    x = np.linspace(-1, 1, 50)[:, None]
    net = cr.Network(cr.Dense(1, 8, "tanh"), cr.Dense(8, 1), cost="huber", seed=0)
    net.fit(x, x[:, 0] ** 2, epochs=300, optimizer=cr.Adam(0.02), batch_size=None)
    assert net.predict(x).shape == (50,) and net.evaluate(x, x[:, 0] ** 2)["r2"] > 0.95
    with pytest.raises(TypeError, match="outputs have no probabilities under the cost huber"):
        net.predict_proba(x)


def test_a_cost_of_ones_own():
    def cubic(outputs, targets):
        return np.sum(abs(outputs - targets) ** 3, axis=1)

    net = cr.Network(cr.Dense(2, 1), cost=cubic, seed=0, dtype="float64")
    x = np.random.default_rng(1).normal(size=(40, 2))
    y = x @ [2.0, -1.0]
    net.fit(x, y, epochs=300, batch_size=None, optimizer=cr.Adam(0.05))
    np.testing.assert_allclose(net.parameters[0]["weights"][:, 0], [2.0, -1.0], atol=0.05)
    assert net.evaluate(x, y)["cost"] == pytest.approx(
        np.mean(abs(net.predict(x) - y) ** 3), rel=1e-12
    )


def test_input_gradients_are_central_differences():
    x, y = blobs(5)
    net = small()
    found = net.input_gradient(x, y)
    h = 1e-6
    for k in range(4):
        up, down = x.copy(), x.copy()
        up[:, k] += h
        down[:, k] -= h
        cost = cost_of("softmax_cross_entropy")
        slope = (cost.each(net.outputs(up), y) - cost.each(net.outputs(down), y)) / (2 * h)
        np.testing.assert_allclose(found[:, k], slope, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(net.input_gradient(x), net.input_gradient(x, net.predict(x)))


def test_what_a_cost_of_ones_own_must_give():
    x = np.ones((4, 2))
    for cost, words in (
        (lambda outputs, targets: None, "<lambda> gave None: return a number for each example"),
        (lambda outputs, targets: (outputs - targets) ** 2, "one number for each example, or one"),
    ):
        with pytest.raises((TypeError, ShapeError), match=words):
            cr.Network(cr.Dense(2, 3), cost=cost, seed=0).fit(x, np.ones((4, 3)))


def test_a_layer_of_ones_own_that_is_no_record():
    class Scaled(cr.Layer):
        def __init__(self, begin):
            self.begin = begin

        def parameters(self, generator, dtype):
            return {"factor": self.begin}

        def __call__(self, p, x):
            return x * p["factor"]

    net = cr.Network(Scaled(np.ones(2)), cr.Dense(2, 3), dtype="float64")
    assert repr(net).startswith("Network(Scaled(), Dense(2, 3)")
    with pytest.raises(TypeError, match=r"Scaled\(\) begins with a list as 'factor': .* arrays"):
        cr.Network(Scaled([1.0, 1.0]), cr.Dense(2, 3))


def test_there_is_a_target_for_each_example():
    x, y = blobs(5)
    for ask in (small().cost_at, small().input_gradient, small().evaluate):
        for targets in (y[:1], y[:3]):
            with pytest.raises(ShapeError, match=f"x has 5 rows and y has {len(targets)}"):
                ask(x, targets)


def test_a_network_can_be_looked_at():
    x, y = blobs(2)
    net = small()
    circuit = cr.trace(net.cost_at, x, y)
    assert circuit.value == pytest.approx(net.evaluate(x, y)["cost"], rel=1e-12)
    slope = cr.grad(lambda x: np.sum(net.outputs(x)))(x)
    assert slope.shape == x.shape


def test_penalties():
    parameters = [{"weights": np.array([[1.0, -2.0]]), "biases": np.array([5.0])}]
    assert penalty(parameters, 0.0, 0.0) == 0.0
    assert penalty(parameters, 0.5, 0.1) == pytest.approx(0.5 * 3 + 0.05 * 5)


def test_a_last_activation_that_is_not_the_costs_own():
    x, y = blobs()
    net = cr.Network(cr.Dense(4, 3, "relu"), cost="softmax_cross_entropy", seed=0)
    with pytest.warns(RuntimeWarning, match="takes logits.*ends with relu.*write 'softmax'"):
        net.fit(x, y)


def test_several_questions_at_once():
    x, y = blobs(60, dtype=np.float32)
    answers = np.stack([y == 0, y > 0, x[:, 0] > 0], axis=1).astype(int)
    net = cr.Network(cr.Dense(4, 8, "tanh"), cr.Dense(8, 3), cost="binary_cross_entropy", seed=0)
    net.fit(x, answers, epochs=150, batch_size=10, optimizer=cr.Adam(0.03))
    assert net.predict(x).shape == (60, 3)
    assert net.evaluate(x, answers)["accuracy"] == np.mean(net.predict(x) == answers) > 0.9


def test_counts():
    x = np.linspace(-1, 1, 80)[:, None]
    y = np.random.default_rng(0).poisson(np.exp(1.0 + x[:, 0]))
    net = cr.Network(cr.Dense(1, 1), cost="poisson", seed=0, dtype="float64")
    net.fit(x, y, epochs=60, batch_size=None, optimizer=cr.LBFGS())
    assert net.predict(x).mean() == pytest.approx(y.mean(), rel=1e-6)  # as in every such regression
    assert 0.1 < net.evaluate(x, y)["r2"] < 1.0


def test_products_of_an_example():
    images = cr.Network(
        cr.Conv2D(1, 6, 5, padding=2), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(1176, 10), seed=0
    )
    assert products(images.layers, images.parameters, (1, 28, 28)) == 28 * 28 * 25 * 6 + 11760
    words = cr.Network(cr.Embedding(9, 4), cr.Dense(4, 3), seed=0)
    assert products(words.layers, words.parameters, (7,)) == 7 * 12

    class Mine(cr.Layer):
        def parameters(self, generator, dtype):
            return {"table": np.zeros((2, 2), dtype)}

    assert products([Mine()], [{"table": np.zeros((2, 2))}], (2,)) == np.inf


def test_a_cost_of_ones_own_may_want_less_than_there_are_outputs():
    def pinball(outputs, targets):
        off = targets - outputs  # one number against three quantiles
        levels = np.array([0.1, 0.5, 0.9])
        return np.sum(np.maximum(levels * off, (levels - 1.0) * off), axis=1)

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (800, 1))
    y = x[:, 0] + rng.normal(0, 0.2, 800)
    net = cr.Network(cr.Dense(1, 8, "tanh"), cr.Dense(8, 3), cost=pinball, seed=0, dtype="float64")
    history = net.fit(
        x,
        y,
        epochs=60,
        optimizer=cr.Adam(cr.CosineDecay(0.02, 1500)),
        validation_data=(x[:50], y[:50, np.newaxis]),
    )
    assert list(history) == ["cost", "val_cost", "seconds"]
    below = np.mean(y[:, np.newaxis] < net.outputs(x), axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.06)
    assert list(net.evaluate(x, y)) == ["cost"]
