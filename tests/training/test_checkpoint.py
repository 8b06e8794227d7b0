"""Checkpoints: what comes back, and a training that goes on from one to the bit."""

from __future__ import annotations

import json
import math
import signal
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataFileError, DtypeError
from chainrule.training.checkpoint import load, load_metadata, pack, save, unpack
from chainrule.training.history import History
from chainrule.training.result import FitResult, FitState

TENSORS = {
    "wide": np.arange(6.0).reshape(2, 3),
    "narrow": np.arange(4, dtype=np.float16),
    "flags": np.array([True, False, True]),
    "one": np.array(3, np.int32),
    "none": np.zeros((0, 5), np.float32),
    "odd": np.arange(7, dtype=np.uint8)[::2],
    "turned": np.arange(6.0, dtype=np.float32).reshape(2, 3).T,
    "großer Name": np.array([1, 2], np.uint64),
}


def same(found, expected) -> bool:
    """Whether two values are the same to the bit, types and layouts included."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, np.ndarray | np.generic):
        return (
            found.dtype == expected.dtype
            and found.shape == expected.shape
            and found.tobytes() == expected.tobytes()
            and np.isfortran(found) == np.isfortran(expected)
        )
    if isinstance(expected, float):
        return found.hex() == expected.hex()
    return found == expected


# ---------------------------------------------------------------------- tensors and metadata


def test_tensors_and_metadata_come_back(tmp_path):
    path = tmp_path / "weights.safetensors"
    metadata = {"sizes": [784, 30, 10], "name": "ein Netz ✓", "rate": 0.1, "nothing": None}
    save(path, TENSORS, metadata)
    tensors, found = load(path)
    assert found == metadata == load_metadata(path)
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
        assert tensor.dtype == TENSORS[name].dtype and tensor.shape == TENSORS[name].shape
        assert tensor.flags.writeable and tensor.flags.aligned and tensor.flags.c_contiguous


@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_is_the_machines(tmp_path, order):
    path = tmp_path / "weights.safetensors"
    save(path, {"w": np.array([1.5, -2.0], order + "f8")}, {})
    tensor = load(path)[0]["w"]
    assert tensor.tolist() == [1.5, -2.0] and tensor.dtype.isnative


def test_nothing_is_something_too(tmp_path):
    save(tmp_path / "empty", {}, {})
    assert load(tmp_path / "empty") == ({}, {})


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "ab":
        save(tmp_path / name, TENSORS, {"seed": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("dtype", [complex, "U3", "O", np.longdouble, "datetime64[s]"])
def test_dtypes_that_the_format_lacks_are_refused_and_nothing_is_written(tmp_path, dtype):
    if np.dtype(dtype) == np.float64:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(DtypeError, match="the tensor 'w' is of dtype"):
        save(tmp_path / "file", {"w": np.zeros(2, dtype)}, {})
    assert not list(tmp_path.iterdir())


def test_metadata_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(tmp_path / "file", {}, {"optimizer": cr.SGD(0.1)})
    assert not list(tmp_path.iterdir())


def test_the_safetensors_package_reads_the_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "weights.safetensors"
    save(path, TENSORS, {"name": "ours"})
    found = safetensors.load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
        assert tensor.dtype == TENSORS[name].dtype
    with pytest.importorskip("safetensors").safe_open(path, "np") as file:
        assert json.loads(file.metadata()["metadata"]) == {"name": "ours"}


def test_a_file_of_the_safetensors_package_is_told_from_a_damaged_one(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"w": np.zeros(2)}, tmp_path / "theirs")
    with pytest.raises(DataFileError, match="a safetensors file, but none that chainrule wrote"):
        load(tmp_path / "theirs")


# ---------------------------------------------------------------------- containers


CONTAINERS = [
    1.5,
    np.arange(3.0),
    {"W": [np.zeros((2, 3)), np.ones(2, np.float32)], "b": (0.5, -0.0)},
    {"a": [], "b": {}, "c": (), "d": None, "e": [[], [{}]]},
    {"a": {"b": np.zeros(1)}, "a.b": np.ones(1), "a.b#2": np.ones(2)},
    {1: np.zeros(1), "1": np.ones(1), "": 2.0},
    [math.nan, math.inf, -math.inf, 5e-324, 0.1, 1e308],
    (np.float32(0.1), np.float64(0.1), np.int64(7), np.bool_(True)),
    {"order": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "zero": np.array(2.0)},
    {"count": 3, "flag": True, "name": "adam", "big": 2**127 + 1},
    {"array": 1.0, "dict": [1.0], "scalar": np.ones(1)},
]


@pytest.mark.parametrize("value", CONTAINERS, ids=range(len(CONTAINERS)))
def test_containers_come_back_as_they_were(tmp_path, value):
    tensors: dict[str, np.ndarray] = {}
    save(tmp_path / "file", tensors, {"value": pack(value, "value", tensors)})
    found, metadata = load(tmp_path / "file")
    assert same(unpack(metadata["value"], found), value)
    assert not found


def test_tensors_have_readable_names():
    tensors: dict[str, np.ndarray] = {}
    pack({"layers": [{"W": np.zeros(1)}], "b": np.zeros(1)}, "parameters", tensors)
    assert list(tensors) == ["parameters.layers.0.W", "parameters.b"]


Layer = namedtuple("Layer", "W b")


def deep(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"layers": [Layer(1.0, 2.0)]}, r"parameters\['layers'\]\[0\] is a Layer, which"),
        (OrderedDict(a=1.0), "parameters is a OrderedDict, which"),
        ({(0, 1): 1.0}, "parameters is a dict, which"),
        ({True: 1.0}, "parameters is a dict, which"),
        ([1j], r"parameters\[0\] is a complex, which"),
        (np.ma.masked_array([1.0]), "parameters is a MaskedArray, which"),
        (deep(300), r"parameters\[0\]\[0\].* is a list, which .* up to 200 deep"),
    ],
)
def test_what_would_not_come_back_as_it_was_is_refused(value, said):
    with pytest.raises(TypeError, match=said):
        pack(value, "parameters", {})


def test_the_deepest_that_is_written_is_read(tmp_path):
    save(tmp_path / "file", {}, {"value": pack(deep(199), "value", {})})
    assert unpack(load_metadata(tmp_path / "file")["value"], {}) == deep(199)


# ---------------------------------------------------------------------- trainings


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(23, 3))
Y = np.sin(X.sum(axis=1, keepdims=True))
START = {
    "layers": [
        (RANDOM.normal(size=(3, 4)), np.zeros(4)),
        (RANDOM.normal(size=(4, 1)), np.zeros(1)),
    ],
    "scale": 1.0,
}


def cost(parameters, x, y):
    (W1, b1), (W2, b2) = parameters["layers"]
    return np.mean((parameters["scale"] * (np.tanh(x @ W1 + b1) @ W2 + b2) - y) ** 2)


OPTIMIZERS = [
    cr.SGD(0.1), cr.SGD(lambda step: 0.1 / (1.0 + step), momentum=0.9), cr.RMSprop(), cr.Adam(0.01),
    cr.AdamW(0.01),
]  # fmt: skip
GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64,
              np.random.PCG64DXSM]  # fmt: skip


def trained(epochs, start=START, machine="staged", **options):
    return cr.fit(cost, start, (X, Y), epochs=epochs, batch_size=4, machine=machine, **options)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_resuming_from_a_file_is_as_if_never_stopped(tmp_path, optimizer):
    path = tmp_path / "half.safetensors"
    cr.save_fit(path, trained(2, optimizer=optimizer, seed=3))
    half = cr.load_fit(path)
    assert half.epochs == 2 and len(half.history["cost"]) == 2
    whole = trained(2, half.parameters, optimizer=optimizer, state=half.state)
    expected = trained(4, optimizer=optimizer, seed=3)
    assert same(whole.parameters, expected.parameters)
    assert same(whole.state.optimizer, expected.state.optimizer)
    assert half.history["cost"] + whole.history["cost"] == expected.history["cost"]


@pytest.mark.parametrize("machine", ["native", "python"])
def test_so_it_is_on_every_machine(tmp_path, machine):
    path = tmp_path / "half.safetensors"
    options = {"optimizer": cr.Adam(0.01), "machine": machine}
    cr.save_fit(path, trained(1, seed=3, **options))
    half = cr.load_fit(path)
    whole = trained(1, half.parameters, state=half.state, **options)
    assert same(whole.parameters, trained(2, seed=3, **options).parameters)


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.__name__)
def test_every_generator_of_numpys_goes_on(tmp_path, generator):
    path = tmp_path / "half.safetensors"
    cr.save_fit(path, trained(1, seed=np.random.Generator(generator(5))))
    half = cr.load_fit(path)
    whole = trained(1, half.parameters, state=half.state)
    expected = trained(2, seed=np.random.Generator(generator(5)))
    assert same(whole.parameters, expected.parameters)


def test_a_callback_saves_after_each_epoch_and_any_of_them_goes_on(tmp_path):
    def keep(epoch, result):
        cr.save_fit(tmp_path / str(epoch), result, {"epoch": epoch})

    expected = trained(5, optimizer=cr.Adam(), seed=1, callback=keep)
    for epoch in range(1, 5):
        assert load_metadata(tmp_path / str(epoch))["notes"] == {"epoch": epoch}
        half = cr.load_fit(tmp_path / str(epoch))
        rest = trained(5 - epoch, half.parameters, optimizer=cr.Adam(), state=half.state)
        assert same(rest.parameters, expected.parameters)


@pytest.mark.parametrize("stop", range(1, 18))
def test_a_training_stopped_at_any_step_goes_on(tmp_path, monkeypatch, stop):
    """Three epochs of six batches; Ctrl-C comes, twice, while the batch `stop` is computed."""
    monkeypatch.setattr("chainrule.training.loop.TURN", 1e-12)  # one batch a turn
    calls, press = 0, math.inf

    def counted(parameters, x, y):
        nonlocal calls
        calls += 1
        if calls == press:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return cost(parameters, x, y)

    def train(epochs, start=START, **options):
        return cr.fit(counted, start, (X, Y), epochs=epochs, batch_size=4, optimizer=cr.Adam(0.01),
                      machine="python", **options)  # fmt: skip

    train(0, seed=1)
    before_the_first_step, calls = calls, 0
    expected = train(3, seed=1)
    calls, press = 0, before_the_first_step + stop
    stopped = train(3, seed=1)
    assert stopped.interrupted and (stopped.state.epochs, stopped.state.rows) == (
        stop // 6,
        4 * (stop % 6),
    )
    path = tmp_path / "stopped.safetensors"
    cr.save_fit(path, stopped)
    half = cr.load_fit(path)
    assert half.interrupted
    rest = train(3 - half.epochs, half.parameters, state=half.state)
    assert same(rest.parameters, expected.parameters)
    assert same(rest.state.optimizer, expected.state.optimizer)
    costs = half.history.get("cost", []) + rest.history["cost"]
    assert costs == expected.history["cost"]


def test_a_full_batch_needs_no_shuffles(tmp_path):
    result = cr.fit(cost, START, (X, Y), epochs=2, machine="staged")
    cr.save_fit(tmp_path / "file", result)
    assert cr.load_fit(tmp_path / "file").state.shuffles is None


def test_a_history_with_nan_comes_back(tmp_path):
    history = History({"cost": [1.0, 0.5], "val_accuracy": [math.nan, 0.1]})
    cr.save_fit(tmp_path / "file", FitResult(1.0, history, FitState({}), 2))
    found = cr.load_fit(tmp_path / "file").history
    assert found["cost"] == [1.0, 0.5] and math.isnan(found["val_accuracy"][0])


def test_generators_of_others_are_refused(tmp_path):
    state = FitState({}, shuffles={"bit_generator": "Mine"})
    with pytest.raises(TypeError, match="shuffled by a Mine, which a file cannot name"):
        cr.save_fit(tmp_path / "file", FitResult(1.0, History(), state, 0))


# ---------------------------------------------------------------------- other files


def test_a_checkpoint_of_something_else_is_no_training(tmp_path):
    save(tmp_path / "network", TENSORS, {"kind": "network"})
    with pytest.raises(DataFileError, match="it holds a 'network', not a training"):
        cr.load_fit(tmp_path / "network")


def test_a_later_schema_says_to_update(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.training.checkpoint._SCHEMA", 2)
    save(tmp_path / "file", TENSORS, {})
    monkeypatch.undo()
    with pytest.raises(DataFileError, match=r"its schema is 2, this version knows 1\. Update"):
        load(tmp_path / "file")


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path):
    for read in (load, load_metadata, cr.load_fit):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing")
