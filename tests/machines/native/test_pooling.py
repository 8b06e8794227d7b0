"""The kernels of pooling: however images lie in memory, with any threads and vectors."""

from __future__ import annotations

import dataclasses
import platform

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates import GATES
from chainrule.machines.interpret import interpret
from chainrule.machines.native import target
from chainrule.machines.native.builder import module
from chainrule.machines.native.lowering import lowered
from chainrule.machines.native.machine import Native
from chainrule.random import random_key, random_uniform
from chainrule.tracing.record import record
from tests.machines.native.test_agreement import agree
from tests.machines.native.test_targets import FIXED

WINDOWS = [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 3), (1, 1)), ((1, 2), (3, 2)), ((2, 2), (3, 3))]


def largest(images):
    return GATES["max_pool2d"](images, size=(2, 2), stride=(2, 2))


def pools(windows):
    size, stride = windows
    settings = {"size": size, "stride": stride}

    def function(x, g, h):
        largest = cr.grad(lambda x: np.sum(GATES["max_pool2d"](x, **settings) * g))(x)
        mean = cr.grad(lambda x: np.sum(GATES["mean_pool2d"](x, **settings) * h))(x)
        return (
            GATES["max_pool2d"](x, **settings),
            GATES["mean_pool2d"](x, **settings),
            largest,
            mean,
        )

    return function


def given(shape, windows, dtype=np.float32, seed=0):
    generator = np.random.default_rng(seed)
    size, stride = windows
    pooled = tuple((n - k) // s + 1 for n, k, s in zip(shape[-2:], size, stride, strict=True))
    draw = lambda shape: generator.normal(size=shape).astype(dtype)  # noqa: E731
    return draw(shape), draw((*shape[:-2], *pooled)), draw((*shape[:-2], *pooled))


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (5, 40), (1, 1, 3, 4), (0, 2, 5, 5), (3, 9, 67)])
def test_shapes(shape, windows):
    agree(pools(windows), given(shape, windows), given(shape, windows, seed=1), rtol=1e-6)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("windows", WINDOWS)
def test_threads_give_the_same_bits(threads, windows, monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    shape = (3, 5, 20, 21)
    circuit = record(pools(windows), given(shape, windows), {})
    native = Native(circuit, threads=threads)
    assert native.layout.threads == threads and not native._hosts
    one = Native(circuit, threads=1)
    for x, y in zip(native(*given(shape, windows)), one(*given(shape, windows)), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("examples", [2, 11, 19, 64])
def test_images_as_a_convolution_lays_them(examples, windows, dtype):
    """Behind convolutions of many examples, those lie innermost in memory."""
    size, stride = windows

    def cost(x, weights, v, use):
        images = cr.relu(GATES["conv2d"](x, weights))
        pooled = GATES[use](images, size=size, stride=stride)
        return np.sum(np.sin(GATES["conv2d"](pooled, v)))

    generator = np.random.default_rng(0)
    draw = lambda *shape: generator.normal(size=shape).astype(dtype)  # noqa: E731
    point = draw(examples, 2, 8, 7), draw(3, 2, 2, 3), draw(2, 3, 1, 2)
    for use in ("max_pool2d", "mean_pool2d"):
        circuit = record(cr.value_and_grad(lambda *a, use=use: cost(*a, use), (0, 1, 2)), point, {})
        native = Native(circuit, threads=1)
        assert not native._hosts
        value, slopes = native(*point)
        expected, its_slopes = interpret(circuit)(*point)
        rtol = 1e-4 if dtype is np.float32 else 1e-11
        assert value == pytest.approx(expected, rel=rtol)
        for x, y in zip(slopes, its_slopes, strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * np.abs(y).max())


def test_what_is_turned_back_is_given_out_whole_and_twice():
    generator = np.random.default_rng(0)
    x, weights = generator.normal(size=(19, 2, 8, 7)), generator.normal(size=(3, 2, 2, 3))

    def twice(x, weights):
        images = GATES["conv2d"](x, weights)
        return images, images, largest(images), largest(images)

    agree(twice, (x, weights), (2.0 * x, weights), rtol=1e-11)


@pytest.mark.parametrize("axes", [(0, 1, 3, 2), (1, 0, 2, 3), (3, 2, 1, 0)])
def test_views_are_copied(axes):
    windows = WINDOWS[0]

    def turned(x, g, h):
        return pools(windows)(np.transpose(x, axes)[..., ::-1], g, h)

    shape = (4, 6, 8, 10)
    x, *_ = given(shape, windows)
    _, g, h = given(tuple(shape[k] for k in axes), windows)
    agree(turned, (x, g, h), rtol=1e-6)


# ---------------------------------------------------------------------- other processors


def kernels(x, g, h, table, indices, key):
    drawn = [random_uniform(key, 77, dtype) for dtype in ("float32", "float64", "int32")]
    read = cr.value_and_grad(lambda table: np.sum(table[indices] * h[0, 0, 0, 0]))(table)
    return (
        pools(WINDOWS[0])(x, g, h),
        pools(WINDOWS[1])(x, g[..., :2, :2], g[..., :2, :2]),
        read,
        drawn,
    )


def arguments(dtype):
    generator = np.random.default_rng(2)
    table = generator.normal(size=(5, 37)).astype(dtype)
    pooled = given((2, 3, 6, 6), WINDOWS[0], dtype)
    return *pooled, table, generator.integers(-5, 5, size=9), random_key(0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FIXED)
def test_programs_are_compiled_for(name, dtype):
    circuit = record(kernels, arguments(dtype), {})
    text = module(lowered(circuit, FIXED[name]).builders)
    listing = target.assembly(text, FIXED[name])
    assert "zmm" not in listing or name == "AVX512"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the narrower kinds are x86-64's")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["SSE", "AVX2"])
def test_narrower_vectors_give_the_same(name, dtype, monkeypatch):
    here = target.host()
    if FIXED[name].vector_bytes > here.vector_bytes:
        pytest.skip("this processor is narrower still")
    monkeypatch.setenv("CHAINRULE_CACHE", "off")  # its key knows the processor we are on
    narrow = dataclasses.replace(FIXED[name], triple=here.triple)
    monkeypatch.setattr(target, "host", lambda: narrow)
    agree(kernels, arguments(dtype), rtol=1e-5 if dtype is np.float32 else 1e-13)
