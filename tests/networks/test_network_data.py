"""What a network learns from: arrays of any dtype, files, tables, batches as they come."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import NonFiniteCostError

ROWS = 40
RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (ROWS, 6)).astype(np.uint8)
Y = RNG.integers(0, 3, ROWS)


def network(**settings):
    return cr.Network(
        cr.Dense(6, 8, "tanh"), cr.Dense(8, 3), cost="softmax_cross_entropy", seed=2, **settings
    )


def trained(x, y=Y, **settings):
    net = network()
    net.fit(x, y, **{"epochs": 3, "batch_size": 8, "seed": 1, **settings})
    return net


def weights(net):
    return net.parameters[0]["weights"]


EXPECTED = weights(trained(BYTES.astype(np.float32)))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", ">f4", "float16"])
def test_rows_become_the_networks_dtype_when_they_are_read(dtype):
    net = trained(BYTES.astype(dtype))
    assert weights(net).dtype == np.float32
    np.testing.assert_array_equal(weights(net), EXPECTED)
    np.testing.assert_array_equal(
        net.outputs(BYTES.astype(dtype)), net.outputs(BYTES.astype(np.float32))
    )


def test_bytes_that_are_scaled_when_they_are_read():
    scaled = cr.data.convert(BYTES, "float32", divisor=255)
    net = trained(scaled)
    same = trained(BYTES.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(weights(net), weights(same))
    assert net.evaluate(scaled, Y) == same.evaluate(np.asarray(scaled), Y)
    trained(scaled, validation_fraction=0.2)


def test_files_in_memory_maps(tmp_path):
    np.save(tmp_path / "x.npy", BYTES)
    net = trained(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(weights(net), EXPECTED)


def test_tables():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(BYTES, columns=list("abcdef"), index=range(100, 100 + ROWS))
    net = trained(table, pandas.Series(Y))
    np.testing.assert_array_equal(weights(net), EXPECTED)
    np.testing.assert_array_equal(net.predict(table), net.predict(BYTES))
    table["c"] = "word"
    with pytest.raises(TypeError, match="'c'"):
        trained(table)


# ---------------------------------------------------------------------- batches


def parts(x=BYTES, y=Y, size=8):
    for first in range(0, ROWS, size):
        yield x[first : first + size], y[first : first + size]


def test_batches_as_they_come():
    by_epoch = []

    def batches(epoch):
        by_epoch.append(epoch)
        return parts()

    in_order = weights(trained(BYTES, shuffle=False))
    net = trained(batches, None)
    np.testing.assert_array_equal(weights(net), in_order)
    assert by_epoch[-2:] == [1, 2] and net.history.entries == 3
    np.testing.assert_array_equal(weights(trained(list_of_batches(), None)), in_order)
    once = trained(parts(), None, epochs=1)
    np.testing.assert_array_equal(weights(once), weights(trained(BYTES, epochs=1, shuffle=False)))


class list_of_batches:  # noqa: N801  # read as a call
    def __iter__(self):
        return parts()

    def __len__(self):
        return 5


COUNT = np.ones(len(BYTES))


def test_batches_with_weights():
    count = np.linspace(0.5, 1.5, 8)
    net = trained(lambda: [(BYTES[:8], Y[:8], count)], None)
    same = network()
    same.fit(BYTES[:8], Y[:8], sample_weight=count, epochs=3, batch_size=8, shuffle=False)
    np.testing.assert_allclose(weights(net), weights(same), rtol=1e-5)


def test_batches_go_on_from_a_checkpoint(tmp_path):
    path, whole = tmp_path / "run.safetensors", trained(lambda epoch: parts(), None)
    trained(lambda epoch: parts(), None, epochs=1, checkpoint=path)
    again = trained(lambda epoch: parts(), None, checkpoint=path, resume=True)
    np.testing.assert_array_equal(weights(again), weights(whole))


@pytest.mark.parametrize(
    ("x", "settings", "words"),
    [
        (lambda: parts(), {"y": Y}, "Leave y out, or give arrays"),
        (lambda: parts(), {"sample_weight": Y}, "Leave sample_weight out"),
        (lambda: parts(), {"validation_fraction": 0.1}, "Leave validation_fraction out"),
        (lambda: iter([BYTES]), {}, r"a batch must be \(x, y\)"),
        (lambda: iter([]), {}, "x gives no batches"),
        (lambda: parts(x=BYTES[:, :5]), {}, r"layers\[0\]: Dense\(6, 8"),
        (lambda: parts(y=Y + 1), {}, "labels go from 0 to 2"),
        (iter([(BYTES, Y)]), {}, "can be gone through once"),
        (
            lambda: [(BYTES, Y, -COUNT)],
            {},
            r"sample_weight\[0\] is -1.0, but weights are 0",
        ),
        (lambda: [(BYTES, Y, COUNT[:, None])], {}, r"one number for each of the \d+ examples"),
    ],
)
def test_batches_that_do_not_fit(x, settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        trained(x, **{"y": None, **settings})


# ---------------------------------------------------------------------- what goes wrong


def test_a_nan_in_the_examples_is_named():
    x = BYTES.astype(np.float64)
    x[7, 2] = np.nan
    with pytest.raises(NonFiniteCostError, match=r"x\[7, 2\] is nan: that is where it comes from"):
        trained(x)


class Doubled(cr.Layer):
    def __call__(self, p, x):
        return 2.0 * x


def test_what_is_of_ones_own_can_be_gone_on_with_but_not_loaded(tmp_path):
    def cost(outputs, targets):
        return np.sum((outputs - targets) ** 4, axis=1)

    def make(activation=np.sin):
        return cr.Network(cr.Dense(6, 4, activation), Doubled(), cr.Dense(4, 1), cost=cost, seed=1)

    path, y = tmp_path / "own.safetensors", BYTES[:, 0] / 255
    settings = {"batch_size": 8, "seed": 3, "optimizer": cr.SGD(1e-3)}
    x = BYTES / 255
    whole, half, rest = make(), make(), make()
    whole.fit(x, y, epochs=4, **settings)
    half.fit(x, y, epochs=2, checkpoint=path, **settings)
    rest.fit(x, y, epochs=4, checkpoint=path, resume=True, **settings)
    np.testing.assert_array_equal(weights(rest), weights(whole))
    with pytest.raises(ValueError, match=r"its layers\[0\] is"):
        make(np.cos).fit(x, y, epochs=4, checkpoint=path, resume=True, **settings)
    with pytest.raises(cr.ChainruleError, match="which was of your own making"):
        cr.Network.load(path)
