"""The kernels of convolutions: every shape, order in memory, number of threads and processor."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.tree import flatten
from chainrule.gates.convolution import conv2d
from chainrule.machines.interpret import interpret
from chainrule.machines.native import target
from chainrule.machines.native.builder import module
from chainrule.machines.native.convolution_tiles import cut, groups, plan
from chainrule.machines.native.lowering import lowered
from chainrule.machines.native.machine import Native
from chainrule.networks.convolution import conv2d as strided
from chainrule.tracing.record import record
from tests.machines.native.fences import fenced
from tests.machines.native.test_agreement import agree
from tests.machines.native.test_targets import FIXED

NONE = ((0, 0), (0, 0))
TOLERANCE = {np.float64: 1e-11, np.float32: 1e-4}


def all_of(padding: Any) -> Any:
    """Return a function that gives a convolution and both its gradients."""

    def function(x: Any, weights: Any, g: Any) -> Any:
        gradient = cr.grad(lambda *given: np.sum(conv2d(*given, padding=padding) * g), (0, 1))
        return conv2d(x, weights, padding=padding), gradient(x, weights)

    return function


def given(images: Any, kernels: Any, padding: Any, dtype: Any = np.float64, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    sizes = (
        n + sum(around) - k + 1
        for n, k, around in zip(images[2:], kernels[2:], padding, strict=True)
    )
    shapes = (images, kernels, (images[0], kernels[0], *sizes))
    return tuple(generator.normal(size=shape).astype(dtype) for shape in shapes)


def held(images: Any, kernels: Any, padding: Any = NONE, dtype: Any = np.float64) -> Native:
    points = [given(images, kernels, padding, dtype, seed) for seed in (0, 1)]
    native = agree(all_of(padding), *points, rtol=TOLERANCE[dtype])
    assert not native._hosts
    return native


CASES = [
    ((2, 1, 5, 5), (2, 1, 3, 3), NONE),
    ((16, 1, 8, 8), (6, 1, 5, 5), ((2, 2), (2, 2))),
    ((16, 6, 7, 8), (16, 6, 5, 5), NONE),
    ((10, 3, 7, 6), (5, 3, 3, 3), ((1, 0), (0, 1))),
    ((1, 2, 9, 20), (3, 2, 3, 3), ((1, 1), (1, 1))),
    ((3, 2, 4, 4), (3, 2, 4, 4), NONE),
    ((20, 2, 4, 4), (3, 2, 4, 4), NONE),
    ((20, 9, 3, 3), (17, 9, 3, 3), NONE),
    ((9, 3, 5, 5), (2, 3, 1, 1), NONE),
    ((1, 33, 3, 3), (7, 33, 1, 1), NONE),
    ((33, 1, 4, 4), (1, 1, 2, 2), ((3, 0), (0, 3))),
    ((8, 9, 3, 3), (10, 9, 3, 3), ((2, 2), (2, 2))),
    ((2, 3, 3, 3), (2, 3, 1, 2), ((2, 1), (3, 0))),
    ((8, 3, 1, 1), (4, 3, 1, 1), NONE),
    ((1, 1, 1, 1), (1, 1, 1, 1), NONE),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("images", "kernels", "padding"), CASES)
def test_shapes(images, kernels, padding, dtype):
    held(images, kernels, padding, dtype)


@pytest.mark.parametrize("examples", [1, 7, 8, 15, 16, 17, 33, 100])
def test_any_number_of_examples(examples):
    held((examples, 2, 4, 5), (3, 2, 2, 3), ((0, 0), (1, 1)), np.float32)


@pytest.mark.parametrize("width", [3, 4, 8, 15, 16, 17, 31, 40])
def test_any_width(width):
    held((2, 1, 3, width), (2, 1, 2, 3), NONE, np.float32)


@pytest.mark.parametrize("channels", [1, 2, 5, 13, 25, 33])
def test_any_number_of_channels(channels):
    held((9, channels, 3, 4), (channels, channels, 2, 2), NONE, np.float32)


def test_empty_arrays_are_numpys_business():
    agree(all_of(NONE), given((0, 1, 3, 3), (2, 1, 2, 2), NONE), rtol=0.0)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize(("images", "kernels", "padding"), CASES[1:7])
def test_threads_give_the_same_bits(images, kernels, padding, threads, monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    point = given(images, kernels, padding, np.float32)
    circuit = record(all_of(padding), point, {})
    one, many = (Native(circuit, threads=count) for count in (1, threads))
    assert many.layout.threads == threads
    for x, y in zip(flatten(one(*point))[0], flatten(many(*point))[0], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("examples", [1, 3, 8, 17])
def test_nothing_is_read_beyond_the_arrays(examples):
    padding = ((1, 1), (0, 0))
    point = []
    for array in given((examples, 2, 5, 7), (3, 2, 3, 4), padding, np.float32):
        fence = fenced(array.size, np.float32).reshape(array.shape)
        fence[...] = array
        point.append(fence)
    agree(all_of(padding), tuple(point), rtol=1e-4)


@pytest.mark.parametrize("examples", [3, 19])
def test_sums_over_a_convolution_are_shared_by_threads(examples, monkeypatch):
    monkeypatch.setattr("chainrule.machines.native.assembler._WIDE", 1.0)
    monkeypatch.setattr("chainrule.machines.native.assembler._WAIT", 0.0)
    monkeypatch.setenv("CHAINRULE_CACHE", "off")

    def f(x, w):
        y = conv2d(x, w)
        return np.sum(y), np.sum(y, axis=(0, 2, 3)), np.max(y, axis=0), np.sum(y * y, axis=1)

    generator = np.random.default_rng(0)
    point = tuple(generator.normal(size=s) for s in ((examples, 2, 6, 7), (3, 2, 2, 3)))
    circuit = record(f, point, {})
    many = Native(circuit, threads=2)
    assert many.layout.threads == 2
    for x, y in zip(many(*point), interpret(circuit)(*point), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)


# ---------------------------------------------------------------------- what comes after


def net(x, w, b, u, v):
    """Bias, activation, padding, slices, statistics, a reshape and a product."""
    a = cr.relu(conv2d(x, w, padding=((1, 1), (1, 1))) + b.reshape(1, -1, 1, 1))
    a = np.pad(a, ((0, 0), (0, 0), (1, 0), (0, 2)))[:, :, ::2, 1:-1]
    a = np.tanh(conv2d(a, u * 2.0))
    a = a - np.mean(a, axis=(0, 2, 3), keepdims=True)
    flat = a.reshape(x.shape[0], -1)
    return np.sum(np.sin(flat @ v)) + np.sum(np.max(a, axis=(2, 3)) * 0.1)


@pytest.mark.parametrize("examples", [3, 19])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_network_and_its_gradients(examples, dtype):
    generator = np.random.default_rng(0)
    shapes = [(examples, 1, 6, 7), (3, 1, 3, 2), (3,), (2, 3, 2, 2), (2 * 3 * 7, 4)]
    point = tuple(generator.normal(size=shape).astype(dtype) for shape in shapes)
    circuit = record(cr.value_and_grad(net, (0, 1, 2, 3, 4)), point, {})
    native = Native(circuit, threads=1)
    assert not native._hosts
    value, slopes = native(*point)
    expected, its_slopes = interpret(circuit)(*point)
    rtol = TOLERANCE[dtype]
    assert value == pytest.approx(expected, rel=rtol)
    for x, y in zip(slopes, its_slopes, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * np.abs(y).max())


def test_bias_and_activation_are_computed_from_registers():
    def f(x, w, b):
        return cr.relu(conv2d(x, w) + b.reshape(1, 2, 1, 1))

    generator = np.random.default_rng(0)
    point = tuple(generator.normal(size=s) for s in ((16, 1, 4, 4), (2, 1, 3, 3), (2,)))
    native = agree(f, point, rtol=1e-12)
    assert any("conv2d, add, relu" in line for line in native.layout.report)


def test_a_long_epilogue_goes_through_a_buffer():
    def f(x, w):
        y = conv2d(x, w)
        return np.tanh(y) + np.exp(-y * y) * np.arctan(y), np.sum(y)

    generator = np.random.default_rng(0)
    for examples in (3, 35):
        shapes = ((examples, 2, 4, 21), (7, 2, 2, 2))
        agree(f, tuple(generator.normal(size=s) for s in shapes), rtol=1e-11)


def test_results_are_given_out_in_the_recorded_order():
    def f(x, w):
        y = conv2d(x, w)
        return y, 2.0 * y, y.transpose(1, 0, 2, 3), y[::2], y.reshape(-1), np.sum(y, axis=0)

    generator = np.random.default_rng(0)
    agree(f, tuple(generator.normal(size=s) for s in ((19, 2, 5, 4), (3, 2, 2, 3))), rtol=1e-12)


def test_views_of_images_and_kernels():
    def f(x, w):
        turned = conv2d(x[::-1, :, 1:].transpose(0, 1, 3, 2), w.transpose(1, 0, 2, 3)[:, :, ::-1])
        spread = conv2d(np.broadcast_to(x[:1], x.shape), w.transpose(1, 0, 3, 2))
        return np.sum(np.sin(turned)) + np.sum(np.cos(spread))

    generator = np.random.default_rng(0)
    for examples in (2, 11):
        shapes = ((examples, 2, 6, 5), (2, 3, 2, 3))
        point = tuple(generator.normal(size=s) for s in shapes)
        agree(cr.value_and_grad(f, (0, 1)), point, rtol=1e-10)


@pytest.mark.parametrize("stride", [2, (3, 1), (2, 3)])
@pytest.mark.parametrize("examples", [2, 9])
def test_strides_stay_in_machine_code(examples, stride):
    def f(x, w):
        y = np.tanh(strided(x, w, padding=1))  # so that images lie as a convolution lays them
        return np.sum(np.sin(strided(y, w.transpose(1, 0, 2, 3), stride=stride, padding=1)))

    generator = np.random.default_rng(0)
    point = tuple(generator.normal(size=s) for s in ((examples, 2, 7, 8), (3, 2, 3, 3)))
    native = agree(cr.value_and_grad(f, (0, 1)), point, rtol=1e-10)
    assert not native._hosts


def test_padding_what_a_product_leads_to():
    # The pad's kernel copies what the product's has stored; it does not compute it again.
    a = np.random.default_rng(0).normal(size=(5, 5))
    agree(lambda a: np.pad(np.tanh(a @ a), 1), (a,), rtol=1e-12)


def test_the_slope_of_relu_needs_no_second_array():
    def f(x, w):
        return np.sum(cr.relu(x @ w) ** 2)

    edges = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]])
    generator = np.random.default_rng(0)
    point = tuple(generator.normal(size=s) for s in ((9, 4), (4, 8)))
    agree(cr.value_and_grad(f, (0, 1)), point, rtol=1e-12)
    agree(lambda x: cr.grad(lambda x: np.sum(cr.relu(x)))(x), (edges,), rtol=0.0)


# ---------------------------------------------------------------------- plans and processors


def test_tiles_cover_everything_once():
    for things in range(1, 40):
        for most in range(1, 25):
            tiles = [
                start + k * size
                for start, size, count in groups(cut(things, most))
                for k in range(count)
            ] + [things]
            sizes = np.diff(tiles)
            assert tiles[0] == 0 and sizes.max() <= most and sizes.min() >= 1
            assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize(("channels", "vectors"), [(1, 1), (6, 4), (16, 8), (33, 3), (5, 100)])
def test_tiles_fit_the_registers(name, channels, vectors):
    high, wide = plan(channels, vectors, FIXED[name])
    assert high.height * wide.height + wide.height < FIXED[name].registers


@pytest.mark.parametrize("examples", [2, 16])
@pytest.mark.parametrize("name", FIXED)
def test_compiled_for(name, examples):
    padding = ((1, 1), (1, 1))
    point = given((examples, 2, 5, 5), (3, 2, 3, 3), padding, np.float32)
    circuit = record(all_of(padding), point, {})
    listing = target.assembly(module(lowered(circuit, FIXED[name]).builders), FIXED[name])
    assert {"SSE": "xmm", "AVX2": "vfmadd", "AVX512": "zmm", "NEON": "fmla"}[name] in listing
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
    for images, kernels, padding in CASES[1:5]:
        held(images, kernels, padding, dtype)
