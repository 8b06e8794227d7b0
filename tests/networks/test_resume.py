"""Networks in files, and trainings that go on as if they had never stopped."""

from __future__ import annotations

import functools
import json
import signal

import numpy as np
import pytest

import chainrule as cr
import chainrule.training.loop as loop_module
from chainrule.errors import DataFileError
from chainrule.networks import files
from chainrule.training import checkpoint

ROWS, BATCH, EPOCHS = 14, 4, 3
STEPS = EPOCHS * 4
X = np.random.default_rng(0).normal(size=(ROWS, 3))
Y = np.arange(ROWS) % 3


def network(seed=2, dtype="float32", width=6, **settings):
    """Return a network of which everything is carried that can be."""
    return cr.Network(
        cr.Dense(3, width), cr.BatchNorm(width), cr.Activation("tanh"), cr.Dropout(0.25),
        cr.Dense(width, 3), cost="softmax_cross_entropy", seed=seed, dtype=dtype, **settings,
    )  # fmt: skip


def train(net, **settings):
    optimizer = cr.Adam(cr.Plateau(0.05, patience=0, factor=0.5))
    return net.fit(
        X, Y, epochs=EPOCHS, batch_size=BATCH, seed=7, validation_data=(X[:5], Y[:5]),
        **{"optimizer": optimizer} | settings,
    )  # fmt: skip


# What else a training may have to take up again: the settings of fit, and the width of the network,
# which must be large for threads to share a step.
TRAININGS = {
    "plateau": ({}, 6),
    "momentum, drawn with replacement": (
        {"optimizer": cr.SGD(cr.OneCycle(0.1, STEPS), 0.9, nesterov=True), "replace": True}, 6,
    ),
    "early stopping": (
        {"optimizer": cr.AdamW(cr.CosineDecay(0.1, STEPS)), "early_stopping": 2}, 6,
    ),
    "warm-up": ({"optimizer": cr.RMSprop(cr.WarmUp(6, cr.Plateau(0.05, patience=0)))}, 6),
    "clipping": ({"optimizer": cr.Clipped(cr.Lion(0.01), norm=0.5), "shuffle": False}, 6),
    "two threads": ({"threads": 2}, 4096),
    "no machine code": ({"optimizer": cr.Adagrad(0.1), "machine": "staged"}, 6),
}  # fmt: skip


def same(one, two):
    pairs = zip([*one.parameters, *one.carried], [*two.parameters, *two.carried], strict=True)
    return all(
        a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a) for a, b in pairs
    )


def numbers(history):
    return {name: values for name, values in history.items() if name != "seconds"}


@pytest.fixture(scope="module")
def whole():
    net = network()
    train(net)
    return net


@pytest.fixture(scope="module")
def never_stopped():
    """Return what gives the network of a training that was not stopped."""

    @functools.cache
    def trained(name):
        settings, width = TRAININGS[name]
        net = network(width=width)
        train(net, **settings)
        return net

    return trained


@pytest.mark.parametrize("stop", range(1, STEPS))
@pytest.mark.parametrize("name", TRAININGS)
def test_stopped_at_any_step_it_goes_on_to_the_bit(
    name, stop, never_stopped, tmp_path, monkeypatch
):
    """Ctrl-C is pressed in each step in turn, twice; a new process would find the file alone."""
    monkeypatch.setattr(loop_module, "TURN", 1e-12)  # a turn is one batch
    settings, width = TRAININGS[name]
    path, net = tmp_path / "run.safetensors", network(width=width)
    whole = never_stopped(name)
    run, steps = loop_module.Loop._timed, 0

    def pressed(self, *arguments):
        nonlocal steps
        steps += 1
        if steps == stop:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return run(self, *arguments)

    monkeypatch.setattr(loop_module.Loop, "_timed", pressed)
    train(net, checkpoint=path, **settings)
    monkeypatch.undo()
    state = cr.load_fit(path).state
    assert (state.epochs, state.rows) == (stop // 4, BATCH * (stop % 4))
    again = network(seed=99, width=width)  # its own parameters are not those that count
    history = train(again, checkpoint=path, resume=True, **settings)
    assert same(again, whole)
    assert numbers(history) == numbers(whole.history)
    assert same(cr.Network.load(path), whole)


def test_it_goes_on_in_memory_too(whole):
    net = network()
    for epochs in range(1, EPOCHS + 1):
        net.fit(
            X, Y, epochs=epochs, batch_size=BATCH, seed=7, resume=True,
            optimizer=cr.Adam(cr.Plateau(0.05, patience=0, factor=0.5)),
            validation_data=(X[:5], Y[:5]),
        )  # fmt: skip
    assert same(net, whole) and numbers(net.history) == numbers(whole.history)


def test_a_finished_training_is_left_as_it_is(whole, tmp_path):
    path, net = tmp_path / "run.safetensors", network()
    train(net, checkpoint=path)
    before = path.read_bytes()
    history = train(network(seed=5), checkpoint=path, resume=True)
    assert numbers(history) == numbers(whole.history) and path.read_bytes() == before


def test_a_checkpoint_of_another_network(tmp_path):
    path = tmp_path / "run.safetensors"
    train(network(), checkpoint=path)
    other = cr.Network(cr.Dense(3, 3), cost="softmax_cross_entropy")
    with pytest.raises(ValueError, match=r"of another network: its layers\[0\] is .*6, .* here "):
        train(other, checkpoint=path, resume=True)
    more = cr.Network(*network().layers, cr.Activation("tanh"), cost="softmax_cross_entropy")
    with pytest.raises(ValueError, match=r"its layers\[5\] is None, here \{'layer': 'Activation'"):
        train(more, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"its l2 is 0\.0, here 0\.5"):
        train(network(l2=0.5), checkpoint=path, resume=True)


def test_without_resume_a_checkpoint_is_begun_anew(tmp_path):
    path = tmp_path / "run.safetensors"
    train(network(), checkpoint=path)
    net = network()
    train(net, checkpoint=path)
    assert cr.load_fit(path).history.entries == EPOCHS


def test_logs_are_gone_on_with(tmp_path):
    path, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    net = network()
    net.fit(X, Y, epochs=2, checkpoint=path, log=log, seed=1)
    net.fit(X, Y, epochs=4, checkpoint=path, log=[log], seed=1, resume=True)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert [line["cost"] for line in lines] == net.history["cost"]


# ---------------------------------------------------------------------- save and load


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back_as_it_was(dtype, tmp_path):
    net = network(dtype=dtype, l2=0.25)
    train(net)
    net.save(tmp_path / "net.safetensors")
    back = cr.Network.load(tmp_path / "net.safetensors")
    assert same(back, net) and back.history == net.history and back.l2 == 0.25
    assert repr(back) == repr(net) and back.dtype == net.dtype
    np.testing.assert_array_equal(back.outputs(X), net.outputs(X))
    np.testing.assert_array_equal(back.predict(X), net.predict(X))


def test_what_the_targets_settled_comes_back(tmp_path):
    net = cr.Network([3, 4, 3], seed=1)
    net.fit(X, Y, epochs=1)
    net.save(tmp_path / "net.safetensors")
    assert cr.Network.load(tmp_path / "net.safetensors").predict(X).dtype == np.int64


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (lambda: cr.Network(cr.Dense(2, 1, lambda x: x), cost="huber"), "a function of your own"),
        (lambda: cr.Network(cr.Dense(2, 1), cost=lambda a, b: (a - b)[:, 0]), "of your own"),
        (lambda: cr.Network(type("Mine", (cr.Layer,), {})(), cost="huber"), "a layer of your own"),
    ],
)
def test_what_no_file_can_hold(net, words, tmp_path):
    with pytest.raises((TypeError, ValueError), match=words):
        net().save(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def saved(tmp_path, change):
    """Return the file of a network whose metadata were changed."""
    net = network()
    tensors = {}
    metadata = {
        "kind": "network",
        "network": files.record(net),
        "parameters": checkpoint.pack(net.parameters, "parameters", tensors),
        "carried": checkpoint.pack(net.carried, "carried", tensors),
        "history": {},
    }
    change(metadata)
    checkpoint.save(tmp_path / "net.safetensors", tensors, metadata)
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(kind="other"),
        lambda m: m.pop("network"),
        lambda m: m["network"].update(layers=[{"layer": "os.system"}]),
        lambda m: m["network"].update(layers=[{"layer": "Dense", "n_in": 2, "n_out": 10**30}]),
        lambda m: m["network"].update(layers=[{"layer": "Dense", "n_in": 10**5, "n_out": 10**5}]),
        lambda m: m["network"]["layers"][0].update(n_in=4),
        lambda m: m["network"]["layers"][0].update(strange=4),
        lambda m: m["network"].update(dtype="object"),
        lambda m: m["network"].update(cost="huber"),
        lambda m: m["network"].update(cost={"name": "__import__"}),
        lambda m: m["network"].update(l2=-1.0),
        lambda m: m.update(history=[]),
        lambda m: m.update(parameters=None),
        lambda m: m.update(carried={"array": "nowhere"}),
    ],
)
def test_a_file_that_is_no_network(change, tmp_path):
    path = saved(tmp_path, change)
    with pytest.raises(DataFileError, match="cannot be read as a network"):
        cr.Network.load(path)


def test_the_training_of_something_else(tmp_path):
    path = tmp_path / "fit.safetensors"
    cr.save_fit(path, cr.fit(lambda p, x: np.mean((x - p) ** 2), 0.0, np.arange(3.0)))
    with pytest.raises(DataFileError, match="training of something else"):
        cr.Network.load(path)
    with pytest.raises(FileNotFoundError):
        cr.Network.load(tmp_path / "none.safetensors")
