"""Fused programs of all sizes, layouts and orders; their memory; their branches."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.machines.native.machine import Native
from chainrule.machines.native.memory import Span, offsets
from chainrule.tracing.record import record
from tests.machines.native.test_agreement import agree

SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 67, 4095, 4096, 4097, 12289]
SHAPES = [(1, 1), (1, 7), (7, 1), (2, 3), (5, 17), (17, 5), (16, 16), (33, 31), (3, 4099), (67, 2)]


def drawn(*shapes: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", SIZES)
def test_one_axis_of_any_length(n, dtype):
    def function(x, y):
        z = np.exp(-x * x) * 3.0 + y
        largest = np.max(z) if n else 0.0
        return z, np.sum(z * y), largest, np.mean(np.tanh(y)) if n else 0.0, x > y

    agree(
        function, tuple(drawn((n,), (n,), dtype=dtype)), rtol=1e-5 if dtype is np.float32 else 1e-13
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_two_axes_reduced_and_broadcast(shape, dtype):
    m, n = shape

    def function(x, row, column, turned):
        z = x * row + np.tanh(column) - turned.T
        return (
            z,
            np.sum(z, axis=0),
            np.sum(z * z, axis=1),
            np.max(z, axis=0),
            np.min(x, axis=1, keepdims=True),
            np.prod(1 + 0.1 * x, axis=1),
            np.sum(z),
            np.any(z > 1, axis=0),
            np.all(x < 2, axis=1),
            z.T @ row.reshape(1, n).repeat(m, axis=0),
        )

    inputs = drawn((m, n), (n,), (m, 1), (n, m), dtype=dtype)
    agree(function, tuple(inputs), rtol=2e-4 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_views_of_all_kinds(dtype):
    def function(x, y):
        middle = x[1:-1, ::2]
        back = y[::-1, 1:6]
        joined = np.concatenate([middle, back[:3]], axis=0)
        stacked = np.stack([x[0], x[-1]], axis=1)
        padded = np.pad(middle * 2.0, ((1, 0), (0, 2)), constant_values=3.0)
        rolled = np.roll(x, 2, axis=1)
        cut = np.flip(x, axis=1).reshape(-1)[3:20]
        corner = np.broadcast_to(y[:, :1], (5, 4)) + x[:, :4]
        return (
            joined,
            stacked,
            padded,
            rolled,
            cut,
            corner,
            np.diagonal(x @ y.T),
            x.T.reshape(2, 25),
        )

    inputs = tuple(drawn((5, 10), (5, 10), dtype=dtype))
    agree(function, inputs, rtol=1e-5 if dtype is np.float32 else 1e-13)

    def cost(x, y):
        return sum(np.sum(part * part) for part in function(x, y))

    agree(cr.value_and_grad(cost, (0, 1)), inputs, rtol=1e-4 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
        ((1, 17), (17, 1)), ((33, 65), (65, 31)), ((10, 784), (784, 30)),
    ],
)  # fmt: skip
def test_products_and_their_gradients(a, b):
    def cost(x, y):
        return np.sum(np.tanh(x @ y) * 0.5 + 1.0)

    agree(cr.value_and_grad(cost, (0, 1)), tuple(drawn(a, b)), rtol=1e-10)


def test_dtypes_meet_as_in_numpy():
    def function(x, y, n, mask):
        return (
            x + y, x * 2, x * np.float64(2), n * 2 + 1, n / 2, x * n.astype(np.float32),
            np.where(mask, x, 0), np.sum(mask), np.sum(n), mask & (x > 0), n > x, (n + 1) * mask,
            np.mean(n), x.astype(np.float64) - y, np.maximum(n, 2), -n,
        )  # fmt: skip

    x, y = drawn((6,), (6,))
    n, mask = np.arange(6), np.array([True, False, True, True, False, False])
    agree(function, (x.astype(np.float32), y, n, mask), rtol=1e-6)


def test_inputs_of_any_layout():
    def function(x, y):
        return x * 2 + y, np.sum(x @ y.T)

    compiled = cr.compile(function, machine="native")
    x, y = drawn((6, 7), (6, 7))
    expected = function(x, y)
    raw = np.zeros(6 * 7 * 8 + 1, np.uint8)
    misaligned = raw[1:].view(np.float64).reshape(6, 7)
    misaligned[...] = x
    readonly = x.copy()
    readonly.flags.writeable = False
    wide = np.zeros((6, 14))
    wide[:, ::2] = x
    for given in (x, np.asfortranarray(x), misaligned, readonly, wide[:, ::2], x[::-1][::-1]):
        for _ in range(2):
            found = compiled(given, y)
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-15)
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-13)
    swapped = x.astype(">f8")
    np.testing.assert_allclose(compiled(swapped, y)[0], expected[0], rtol=1e-15)


def test_branches_on_values_are_taken_anew():
    def newton(x, limit=1e-12):
        y = x
        while abs(y * y - x) > limit * x:
            y = 0.5 * (y + x / y)
        return y

    compiled = cr.compile(cr.value_and_grad(newton))
    for x in (2.0, 9.0, 1e-3, 1e6, 2.5, 9.0, 1e6):
        value, slope = compiled(x)
        assert value == pytest.approx(x**0.5, rel=1e-12)
        assert slope == pytest.approx(0.5 / x**0.5, rel=1e-9)

    def chosen(x):
        return np.sum(x) if np.max(x) > 1 else np.sum(x * x)

    compiled = cr.compile(chosen)
    for scale in (0.1, 10.0, 0.2, 20.0, 0.1):
        x = scale * np.array([0.5, 1.0, -0.25])
        assert compiled(x) == pytest.approx(chosen(x), rel=1e-15)
    assert compiled.paths == 2


def test_numpy_computes_what_has_no_code():
    def function(a):
        return np.linalg.inv(a @ a.T + np.eye(4)) * 2.0, np.sort(np.tanh(a), axis=0)

    (a,) = drawn((4, 4))
    native = agree(function, (a,), rtol=1e-12)
    assert native.entry is None
    compiled = cr.compile(np.linalg.inv)
    compiled(a)
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError):
            compiled(np.zeros((4, 4)))
    np.testing.assert_array_equal(compiled(a), np.linalg.inv(a))


def test_whatever_has_no_type_is_interpreted():
    compiled = cr.compile(lambda x: np.tanh(x) * 2)
    x = np.ones(3, np.float16)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(x), np.tanh(x) * 2)
    with pytest.raises(ValueError, match="float16"):
        compiled.llvm()


def test_nothing_is_written_beside_the_buffers():
    def function(p, x, y):
        h = np.tanh(x @ p[0] + p[1])
        z = h @ p[2]
        cost = np.mean((z - y) ** 2) + np.sum(np.max(h, axis=0))
        return cost, h.T, np.exp(z[::2]), np.sum(h, axis=0)

    step = cr.value_and_grad(lambda p, x, y: function(p, x, y)[0])
    p, rest = drawn((5, 7), (7,), (7, 3)), drawn((13, 5), (13, 3))
    for traced in (function, step):
        native = Native(record(traced, (p, *rest), {}), threads=1)
        layout = native.layout
        leaves = [*p, *rest]
        plain = native.run(leaves)
        fence = 192
        sizes = [int(np.prod(shape)) * {"double": 8}[kind] for kind, shape in layout.outputs]
        buffers = [np.full(2 * fence + n, 0xA5, np.uint8) for n in (*sizes, layout.workspace)]
        shift = [-b.ctypes.data % 64 for b in buffers]  # the workspace is aligned, fences are long
        at = layout.workspace_slot
        frame = (ctypes.c_void_p * (at + 4))()
        starts = [s + 64 for s in shift]
        for k, array in enumerate(leaves):
            frame[k] = array.ctypes.data
        for k, b in enumerate(buffers[:-1]):
            frame[len(leaves) + k] = b.ctypes.data + starts[k]
        for k, array in enumerate(layout.constants):
            frame[len(leaves) + len(sizes) + k] = array.ctypes.data
        frame[at] = buffers[-1].ctypes.data + starts[-1]
        assert native._call(ctypes.addressof(frame)) == 0
        for b, start, n in zip(buffers, starts, (*sizes, layout.workspace), strict=True):
            assert (b[:start] == 0xA5).all() and (b[start + n :] == 0xA5).all()
        for b, start, n, value in zip(buffers, starts, sizes, plain, strict=False):
            np.testing.assert_array_equal(b[start : start + n].view(float), np.ravel(value))


def test_threads_give_what_one_gives():
    def function(x, w):
        h = np.tanh(x @ w)
        return np.sum(h), np.sum(h, axis=0), h @ w.T, np.max(h), np.sum(h * x[:, :1], axis=1)

    inputs = tuple(drawn((257, 130), (130, 127)))
    circuit = record(function, inputs, {})
    one, several = Native(circuit, threads=1), Native(circuit, threads=3)
    assert one.layout.threads == 1 and several.layout.threads == 3
    first = several(*inputs)
    for x, y in zip(one(*inputs), first, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)
    for _ in range(5):  # the same bits at a given number of threads
        for x, y in zip(several(*inputs), first, strict=True):
            np.testing.assert_array_equal(x, y)


def test_python_threads_compile_and_call_at_once():
    compiled = cr.compile(cr.value_and_grad(lambda x, k: np.sum(np.sin(x * k) @ x.T)))
    (x,) = drawn((8, 8))
    expected = {
        k: cr.value_and_grad(lambda x, k=k: np.sum(np.sin(x * k) @ x.T))(x) for k in range(4)
    }
    wrong: list[Any] = []

    def work(k: int) -> None:
        for _ in range(50):
            value, slope = compiled(x, k)
            if abs(value - expected[k][0]) > 1e-10 or np.abs(slope - expected[k][1]).max() > 1e-10:
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k % 4,)) for k in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong and compiled.paths == 4


def test_what_can_be_looked_at():
    compiled = cr.compile(cr.value_and_grad(lambda w, x: np.sum(np.tanh(x @ w) ** 2)))
    with pytest.raises(ValueError, match="call the function first"):
        compiled.llvm()
    w, x = drawn((4, 3), (6, 4))
    compiled(w, x)
    assert "define i64 @program" in compiled.llvm()
    assert "ret" in compiled.assembly()
    assert "6x3  matmul, tanh" in compiled.report()
    assert "def forward" in compiled.code()
    assert compiled.machine == "native" and compiled.__name__ == "<lambda>"


def test_workspace_is_shared_by_buffers_that_never_meet():
    generator = np.random.default_rng(5)
    for _ in range(50):
        spans = []
        for _ in range(20):
            first = int(generator.integers(0, 10))
            spans.append(
                Span(int(generator.integers(1, 999)), first, first + int(generator.integers(0, 4)))
            )
        places, total = offsets(spans)
        for j, a in enumerate(spans):
            assert places[j] % 64 == 0 and places[j] + a.size <= total
            for k, b in enumerate(spans[:j]):
                if a.first <= b.last and b.first <= a.last:
                    assert places[j] >= places[k] + b.size or places[k] >= places[j] + a.size
        assert total <= sum(-(-s.size // 64) * 64 for s in spans)


def test_donated_arrays_hold_the_results():
    def step(p, x):
        w, v = p
        return [w - 0.1 * (w @ x @ x.T), v * 2.0 + w[:, :1]], np.sum(w)

    compiled = cr.compile(step, donate_argnums=0)
    w, v, x = drawn((5, 5), (5, 3), (5, 4))
    compiled([w.copy(), v.copy()], x)  # recorded: nothing is overwritten yet
    expected = step([w, v], x)
    given = [w.copy(), v.copy()]
    (new_w, new_v), total = compiled(given, x)
    assert new_w is given[0] and new_v is given[1]
    np.testing.assert_allclose(new_w, expected[0][0], rtol=1e-12)
    np.testing.assert_allclose(new_v, expected[0][1], rtol=1e-12)
    assert total == pytest.approx(expected[1], rel=1e-12)
    with pytest.raises(ValueError, match="must be a writeable, contiguous"):
        compiled([np.asfortranarray(w), v.copy()], x)
    room = np.zeros(40)
    with pytest.raises(ValueError, match="shares memory"):
        compiled([w.copy(), room[:15].reshape(5, 3)], room[10:30].reshape(5, 4))
    assert not room.any()


def test_donated_arrays_may_change_places():
    @cr.compile(donate_argnums=(0, 1))
    def swapped(a, b):
        return b, a

    a, b = drawn((4,), (4,))
    swapped(a, b)
    one, two = swapped(a.copy(), b.copy())
    np.testing.assert_array_equal(one, b)
    np.testing.assert_array_equal(two, a)


def test_damaged_code_on_disk_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))

    def function(x):
        return np.sum(np.tanh(x) * 3.0, axis=0)

    (x,) = drawn((4, 5))
    expected = function(x)
    generator = np.random.default_rng(7)
    circuit = record(function, (x,), {})
    Native(circuit, threads=1)
    files = list((tmp_path / "cache").glob("*.object"))
    if not files:
        pytest.skip("no cache here: another has changed a source since this process began")
    for _ in range(20):
        data = bytearray(files[0].read_bytes())
        data[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
        files[0].write_bytes(bytes(data))
        np.testing.assert_allclose(Native(circuit, threads=1)(x), expected, rtol=1e-14)
