"""The workloads' inputs and contenders, without any peer: each table row has what it needs."""

import gzip
import struct

import numpy as np
import pytest

from benchmarks.workloads import bench, digits, graphs
from benchmarks.workloads.case import Inputs

CASES = [case for workload in bench.workloads() for case in workload.cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_records(case):
    names = [c.name for c in case.contenders]
    assert len(set(names)) == len(names) and case.reference in names
    assert not next(c for c in case.contenders if c.name == case.reference).needs
    for aim in case.aims:
        assert aim.of in ("", "the best", *names) and aim.ours in names
    assert all(c.not_compared or c.kind != "limit" or c.name == "tape in C++" or case.fresh
               for c in case.contenders)  # fmt: skip
    if not case.name.startswith(("W4", "W5", "start")):
        inputs: Inputs = case.draw(np.random.default_rng(0), True)
        again = case.draw(np.random.default_rng(0), True)
        assert all(np.array_equal(inputs[name], again[name]) for name in inputs)


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def write_idx(path, array):
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def test_digits_from_a_folder(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (7, 28, 28), np.uint8)
    labels = np.arange(7, dtype=np.uint8)
    (tmp_path / "mnist").mkdir()
    for name, array in zip(digits.FILES, (images, labels), strict=True):
        write_idx(tmp_path / "mnist" / name, array)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    x, y = digits.digits(5, generator)
    assert x.dtype == y.dtype == np.float32 and x.shape == (5, 784)
    np.testing.assert_array_equal(x[3], images[3].ravel() / np.float32(255))
    np.testing.assert_array_equal(y.argmax(1), labels[:5])


def test_digits_made_up(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    x, y = digits.digits(50, np.random.default_rng(0))
    assert x.shape == (50, 784) and 0.05 < np.mean(x > 0) < 0.4 and x.max() == 1.0
    np.testing.assert_array_equal(y.sum(1), np.ones(50))


@pytest.mark.parametrize("draw", [graphs.draw_chain, graphs.draw_mixed])
def test_graphs_have_their_gates_and_live_gradients(draw):
    inputs = draw(np.random.default_rng(0), True)
    rows = [(0, 0, 0, 0.0)] * 2
    graph = graphs.function(inputs, lambda wire: wire.then("sin"))
    graph(graphs.Wire(rows, 0), graphs.Wire(rows, 1))
    assert len(rows) == pytest.approx(10_000, rel=0.001)
    value, (dx, dy) = graphs.reference(inputs).function(*graphs.POINT)
    assert min(abs(value), abs(dx), abs(dy)) > 1e-3
    step = 1e-6
    x, y = graphs.POINT
    plain = graphs.function(inputs, np.sin)
    assert dx == pytest.approx((plain(x + step, y) - plain(x - step, y)) / (2 * step), rel=1e-5)
    assert dy == pytest.approx((plain(x, y + step) - plain(x, y - step)) / (2 * step), rel=1e-5)
