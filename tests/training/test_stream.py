"""Training on batches that come one by one: as on the same batches of arrays, to the bit."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.tree import flatten
from chainrule.errors import DtypeError, NonFiniteCostError, ShapeError
from chainrule.training.stream import Stream, is_stream

RNG = np.random.default_rng(11)
X = RNG.normal(size=(23, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 3.0]).astype(np.float32)
START = {"w": np.zeros(3, np.float32), "b": 0.0}
MACHINES = ("native", "staged", "python")


def cost(p, x, y):
    return np.mean((x @ p["w"] + p["b"] - y) ** 2)


def batches(epoch, size=5):
    """Yield the batches of an epoch, whose order is made of its number."""
    order = np.random.default_rng(epoch).permutation(len(X))
    for k in range(0, len(X), size):
        yield X[order[k : k + size]], Y[order[k : k + size]]


class Again:
    """An object that can be gone through again and again, in the rows' own order."""

    def __init__(self, size=5):
        self.size = size
        self.opened = self.closed = 0

    def __iter__(self):
        self.opened += 1
        try:
            for k in range(0, len(X), self.size):
                yield X[k : k + self.size], Y[k : k + self.size]
        finally:
            self.closed += 1


def train(data: Any = batches, epochs=4, **options):
    given: dict[str, Any] = {
        "parameters": START, "optimizer": cr.Adam(0.05), "machine": "staged", **options,
    }  # fmt: skip
    return cr.fit(given.pop("cost", cost), given.pop("parameters"), data, epochs=epochs, **given)


def same(one, other):
    """Whether two results are the same to the bit, apart from time."""
    pairs = [(r.parameters, r.state.optimizer) for r in (one, other)]
    (left, tree), (right, its_tree) = map(flatten, pairs)
    return tree.paths == its_tree.paths and all(
        type(a) is type(b) and np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("make", [Again, lambda: list(Again()).copy, lambda: lambda: iter(Again())])
def test_it_is_as_with_arrays(machine, make):
    arrays = train((X, Y), batch_size=5, shuffle=False, machine=machine)
    stream = train(make(), machine=machine)
    assert same(stream, arrays) and stream.history["cost"] == arrays.history["cost"]
    assert stream.epochs == 4 and stream.state.rows == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_batches_of_many_sizes(machine):
    cuts = [0, 1, 4, 11, 12, 23]

    def uneven(epoch):
        return [(X[a:b], Y[a:b]) for a, b in pairwise(cuts)]

    result = train(uneven, 1, optimizer=cr.SGD(0.01), machine=machine)
    p, total = START, 0.0
    for x, y in uneven(0):
        value, slopes = cr.value_and_grad(cost)(p, x, y)
        total += float(value) * len(x)
        p = {name: p[name] - 0.01 * slopes[name] for name in p}
    np.testing.assert_allclose(result.parameters["w"], p["w"], rtol=1e-5)
    assert result.history["cost"] == [pytest.approx(total / 23, rel=1e-5)]  # each row counts once


def test_one_array_is_a_batch_too():
    result = cr.fit(
        lambda p, x: np.mean((p - x) ** 2), 0.0, lambda: iter([X[:10, 0], X[10:, 0]]), epochs=200
    )
    assert abs(result.parameters - X[:, 0].mean()) < 0.1


def test_arrays_that_are_not_contiguous_or_of_other_bytes():
    plain = train(lambda: iter([(X, Y)]))
    odd = X.astype(">f4")[::-1][::-1], np.stack([Y, Y], axis=1)[:, 0]
    for batch in (odd, (np.asfortranarray(X), Y), list(odd), (X.tolist(), Y)):
        if isinstance(batch[0], list):
            with pytest.raises(
                DtypeError, match=r"batch 2 of epoch 1\[0\] is of dtype float64, in"
            ):
                train(lambda: iter([(X, Y), batch]))  # noqa: B023
            continue
        assert same(train(lambda: iter([batch]), machine="native"),  # noqa: B023
                    train(lambda: iter([(X, Y)]), machine="native"))  # fmt: skip
    assert not same(plain, train((X, Y), epochs=1))


@pytest.mark.parametrize("machine", ["staged", "native"])
def test_a_carry_goes_along(machine):
    def counting(p, carry, x, y):
        return cost(p, x, y), {"rows": carry["rows"] + float(len(x))}

    result = train(cost=counting, carry={"rows": 0.0}, machine=machine)
    assert result.carry == {"rows": 4 * 23.0}


def test_branches():
    def huber(p, x, y):
        error = cost(p, x, y)
        return error if error < 2.0 else 2.0 * error

    results = [train(cost=huber, machine=machine) for machine in MACHINES]
    for other in results[1:]:
        np.testing.assert_allclose(other.parameters["w"], results[0].parameters["w"], rtol=1e-4)
        np.testing.assert_allclose(other.history["cost"], results[0].history["cost"], rtol=1e-4)


def test_more_branches_than_are_compiled():
    def stepping(p, x):
        total = np.sum(p * x)
        steps = 0
        while total > 1.0:
            total = total / 2.0
            steps += 1
        return total * steps + 0.1 * total

    data = [np.full((1, 1), 2.0**k) for k in range(30)]
    results = [
        cr.fit(stepping, np.ones(1), lambda: iter(data), optimizer=cr.SGD(1e-3), machine=machine)
        for machine in ("native", "python")
    ]
    np.testing.assert_allclose(results[0].parameters, results[1].parameters, rtol=1e-9)


# ---------------------------------------------------------------------- going on, stopping


@pytest.mark.parametrize("machine", ["staged", "native"])
def test_going_on_is_as_if_it_had_not_stopped(machine):
    whole, half = train(epochs=4, machine=machine), train(epochs=1, machine=machine)
    state = pickle.loads(pickle.dumps(half.state))
    rest = train(epochs=3, machine=machine, parameters=half.parameters, state=state)
    assert same(rest, whole) and rest.epochs == 4
    assert half.history["cost"] + rest.history["cost"] == whole.history["cost"]
    assert not same(whole, train(lambda: batches(0), epochs=4, machine=machine))


def pressing(at, times=2):
    """Return batches with Ctrl-C pressed before one of them."""
    count = 0

    def pressed(epoch):
        nonlocal count
        for batch in batches(epoch):
            count += 1
            if count == at:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)
            yield batch

    return pressed


@pytest.mark.parametrize("at", range(2, 11))
def test_ctrl_c_ends_it_after_the_epoch(at):
    part = train(pressing(at, times=1), epochs=3)
    assert part.interrupted and same(part, train(epochs=1 + (at - 1) // 5))


@pytest.mark.parametrize("at", range(2, 11))
def test_a_second_ctrl_c_ends_it_after_any_batch_and_it_can_go_on(at):
    whole = train(epochs=2)
    part = train(pressing(at), epochs=2)
    assert part.interrupted and part.epochs == (at - 1) // 5
    assert part.state.rows == min(5 * (at - 5 * part.epochs), 23)
    rest = train(epochs=2 - part.epochs, parameters=part.parameters, state=part.state)
    assert same(rest, whole) and rest.epochs == 2 and not rest.interrupted
    costs = [*part.history.get("cost", []), *rest.history["cost"]]
    assert costs == whole.history["cost"]


def test_other_batches_than_those_it_stopped_in():
    part = train(pressing(3), epochs=1)
    for data in (lambda epoch: batches(epoch, 4), lambda epoch: [(X[:6], Y[:6])]):
        with pytest.raises(ShapeError, match=r"within epoch 1, after 15 rows, where no batch of"):
            train(data, parameters=part.parameters, state=part.state)


def test_what_was_opened_is_closed():
    data = Again()
    train(data, epochs=3)
    assert (data.opened, data.closed) == (3, 3)
    stopped = Again()
    train(stopped, epochs=3, callback=lambda epoch, result: True)
    assert (stopped.opened, stopped.closed) == (1, 1)


def test_an_error_in_the_generator_comes_through():
    def failing():
        yield X, Y
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        train(failing)


def test_a_cost_that_is_not_finite_ends_it():
    def spoiled(epoch):
        yield from batches(0)
        if epoch == 1:
            yield X * np.float32(np.nan), Y

    with pytest.raises(
        NonFiniteCostError, match=r"cost became nan in epoch 2, at step 6.*after 1 epoch\."
    ) as caught:
        train(spoiled)
    assert same(caught.value.result, train(spoiled, epochs=1))


def test_the_callback_stops_and_validation_is_seen():
    held = train(Again(), validation=(X, Y), epochs=2)
    streamed = train(Again(), validation=Again(7), epochs=2)
    assert list(held.history) == ["cost", "val_cost", "seconds"]
    np.testing.assert_allclose(held.history["val_cost"], streamed.history["val_cost"], rtol=1e-5)
    with pytest.raises(
        TypeError, match=r"validation is a generator, which can be gone through onc"
    ):
        train(Again(), validation=batches(0))
    best = train(Again(), validation=(X, Y), epochs=500, early_stopping=3)
    assert best.epochs < 500 and best.best.value == min(best.history["val_cost"])


# ---------------------------------------------------------------------- what is refused


def test_a_generator_serves_one_epoch():
    assert same(train(batches(0), epochs=1), train(epochs=1))
    with pytest.raises(TypeError, match=r"data is a generator, which can be gone through once, bu"):
        train(batches(0), epochs=2)
    used = batches(0)
    list(used)
    with pytest.raises(ShapeError, match=r"test_stream\.py:\d+: data gives no batches"):
        train(used, epochs=1)


def test_an_epoch_without_batches():
    with pytest.raises(ShapeError, match=r"no batches for epoch 3: each epoch must go through it"):
        train(lambda epoch: batches(epoch) if epoch < 2 else [])


@pytest.mark.parametrize(
    ("batch", "kind", "said"),
    [
        ((X, Y, Y), ShapeError, "batch 2 of epoch 1 has 3 arrays, the first one had 2 arrays."),
        ((X,), ShapeError, "batch 2 of epoch 1 has 1 array, the first one had 2 arrays."),
        ((X[:, :2], Y), ShapeError,
         "the rows of batch 2 of epoch 1[0] are of shape (2,), those of the first batch were of "
         "(3,): only the number of rows may change."),
        ((X, Y.astype(float)), DtypeError,
         "batch 2 of epoch 1[1] is of dtype float64, in the first batch it was float32: bring "
         "every batch to the same, with .astype('float32')."),
        ((X, Y[:-1]), ShapeError, "the arrays of batch 2 of epoch 1 must have the same number of"),
        ((X[:0], Y[:0]), ShapeError, "batch 2 of epoch 1 has no rows"),
        ((X, Y.astype(str)), DtypeError, "batch 2 of epoch 1[1] is of dtype <U"),
        ((X, 3.0), ShapeError, "batch 2 of epoch 1[1] is the single number 3.0"),
        ({"x": X, "y": Y}, TypeError, "batch 2 of epoch 1 is a dict"),
        (None, DtypeError, "batch 2 of epoch 1[0] is of dtype object"),
    ],
)  # fmt: skip
def test_a_batch_unlike_the_first(batch, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        train(lambda: iter([(X, Y), batch]))
    assert str(caught.value).startswith("test_stream.py:")


def test_what_makes_no_batches():
    def whole(epoch):
        return X

    with pytest.raises(TypeError, match=r"whole must give the batches of an epoch: an iterator"):
        train(whole)
    with pytest.raises(DtypeError, match=r"the first batch\[0\] is of dtype <U1"):
        train(lambda: iter(["a"]))
    for option in ({"batch_size": 5}, {"replace": True}):
        with pytest.raises(ValueError, match=r"batch_size and replace are for arrays"):
            train(**option)
    with pytest.raises(TypeError, match=r"one argument for each array of the data, 2 in all"):
        train(lambda: iter([X]))
    with pytest.raises(ValueError, match=r"LBFGS needs all of the data at once: give it as array"):
        train(optimizer=cr.LBFGS())


def test_many_sizes_are_warned_of(monkeypatch):
    monkeypatch.setattr("chainrule.training.stream_steps.MOST_SIZES", 3)
    data = [(X[:n], Y[:n]) for n in (1, 2, 3, 4)]
    with pytest.warns(RuntimeWarning, match="the batches of an epoch are of 4 sizes"):
        train(lambda: iter(data), epochs=1, machine="python")


def test_which_data_is_a_stream():
    assert all(map(is_stream, (batches, batches(0), Again(), iter([]), map(len, []))))
    arrays = (X, [X, Y], (X,), range(3), b"12", memoryview(b"12"), "text", {"x": X}, {1}, 3.0, None)
    assert not any(map(is_stream, arrays))


def test_a_torch_loader_is_a_stream():
    torch = pytest.importorskip("torch")
    parts = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    loader = torch.utils.data.DataLoader(parts, batch_size=5)
    assert is_stream(loader) and not is_stream(torch.from_numpy(X))
    assert same(train(loader, machine="native"), train(Again(), machine="native"))


def test_how_far_it_is():
    stream = Stream(batches, 3)
    assert stream.part(2) == 0.0  # nobody knows
    list(stream.batches(0))
    assert stream.part(2) == 0.4 and stream.part(7) == 1.0


@pytest.mark.parametrize("machine", ["staged", "native"])
def test_batches_can_be_made_in_another_thread(machine):
    def threaded(epoch):
        made: list[Any] = []
        maker = threading.Thread(target=lambda: made.extend(batches(epoch)))
        maker.start()
        for k in range(5):
            while len(made) <= k:
                time.sleep(1e-4)
            yield made[k]
        maker.join()

    assert same(train(threaded, machine=machine), train(machine=machine))
