"""Random numbers from keys: the published function, the same on all machines, and random."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError
from chainrule.machines.native.machine import Native
from chainrule.random import random_key, random_split, random_uniform
from chainrule.tracing.record import record

MACHINES = ("interpret", "staged", "native")
DTYPES = ("float64", "float32", "int32")
SAMPLES = 1_000_000


def key_of(*words: int) -> np.ndarray:
    return np.array(words, np.uint32).view(np.int32)


# ---------------------------------------------------------------------- the function


def test_published_values():
    # Random123 1.14, tests/kat_vectors: "threefry2x32 20", counter 0 and key 0.
    found = random_uniform(np.zeros(2, np.int32), 2, "int32").view(np.uint32)
    assert [hex(word) for word in found] == ["0x6b200159", "0x99ba4efe"]


@pytest.mark.parametrize("count", [2, 10, 1000])
def test_words_are_jaxs(count):
    jax_random = pytest.importorskip("jax.extend.random")
    words = np.array([0x13198A2E, 0x03707344], np.uint32)
    half = count // 2
    counters = np.concatenate([np.arange(half), np.zeros(half)]).astype(np.uint32)
    expected = np.asarray(jax_random.threefry_2x32(words, counters))
    found = random_uniform(words.view(np.int32), count, "int32").view(np.uint32)
    np.testing.assert_array_equal(found, expected)


def test_floats_are_the_words_high_bits():
    key = random_key(3)
    words = random_uniform(key, 2, "int32").view(np.uint32).tolist()
    single = random_uniform(key, 2, "float32")
    assert single.dtype == np.float32
    assert single.tolist() == [(word >> 8) / 2**24 for word in words]
    (double,) = random_uniform(key, 1)
    # As genrand_res53 of the Mersenne Twister: 27 bits of one word and 26 of the next.
    assert double == ((words[0] >> 5) * 2**26 + (words[1] >> 6)) / 2**53


def test_shapes_and_kinds_of_keys():
    key = key_of(5, 2**32 - 1)
    assert random_uniform(key, (2, 3)).shape == (2, 3)
    assert random_uniform(key).shape == () and random_uniform(key, ()).dtype == np.float64
    assert random_uniform(key, (0, 4), "float32").shape == (0, 4)
    wide = np.array([5, -1])  # int64: the low 32 bits count
    np.testing.assert_array_equal(random_uniform(wide, 7), random_uniform(key, 7))
    np.testing.assert_array_equal(
        random_uniform(key, (2, 3), "float32").ravel(), random_uniform(key, 6, "float32")
    )


def test_seeds():
    assert random_key(1).dtype == np.int32 and random_key(1).shape == (2,)
    np.testing.assert_array_equal(random_key(1), random_key(1))
    assert not np.array_equal(random_key(1), random_key(2))
    assert not np.array_equal(random_key(), random_key())
    one, two = np.random.default_rng(4), np.random.default_rng(4)
    np.testing.assert_array_equal(random_key(one), random_key(two))
    assert not np.array_equal(random_key(one), random_key(np.random.default_rng(4)))


def test_wrong_keys_and_dtypes():
    with pytest.raises(ShapeError, match=r"shape \(2,\), not \(2, 2\).*random_split"):
        random_uniform(random_split(random_key(0)), 3)
    with pytest.raises(DtypeError, match="whole numbers, not float64"):
        random_uniform([0.5, 0.5], 3)
    with pytest.raises(DtypeError, match="float32, float64, int32, not float16"):
        random_uniform(random_key(0), 3, np.float16)


# ---------------------------------------------------------------------- the machines


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("machine", MACHINES)
def test_machines_agree_to_the_bit(machine, dtype):
    for count in (0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 4097):

        def drawn(key, count=count):
            following, mine = random_split(key)
            return following, random_uniform(mine, count, dtype)

        compiled = cr.compile(drawn, machine=machine)
        key = key_of(1, 2)
        for _ in range(3):
            expected = drawn(key)
            for x, y in zip(compiled(key), expected, strict=True):
                np.testing.assert_array_equal(x, y)
                assert x.dtype == y.dtype
            key = expected[0]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_agree_to_the_bit(threads, dtype):
    def drawn(key):
        return random_uniform(key, (301, 1003), dtype)

    circuit = record(drawn, (key_of(1, 2),), {})
    native = Native(circuit, threads=threads)
    assert native.layout.threads == threads and not native._hosts
    np.testing.assert_array_equal(native(key_of(3, 4)), drawn(key_of(3, 4)))


def test_keys_of_two_words_of_64_bits_on_the_native_machine():
    compiled = cr.compile(lambda key: random_uniform(key, 20))
    for words in ([1, 2], [-1, 2**31], [2**40 + 7, -5]):
        key = np.array(words)
        np.testing.assert_array_equal(compiled(key), random_uniform(key, 20))


def test_no_gradient_goes_to_the_key():
    def cost(x, key):
        return np.sum(x * random_uniform(key, 3))

    key = random_key(0)
    np.testing.assert_array_equal(cr.grad(cost)(np.ones(3), key), random_uniform(key, 3))


# ---------------------------------------------------------------------- is it random?
# The bounds are five standard deviations, or their probability: a right generator fails one
# of them in a million keys, and the keys are fixed.

FIVE = 5.0


@functools.cache
def sample_of(way: str) -> np.ndarray:
    """Return a sample drawn in one of the ways that people draw them."""
    key = random_key(0)
    if way in DTYPES:
        return random_uniform(key, SAMPLES, way).astype(float)
    rows = []
    for k in range(SAMPLES // 1000):
        if way == "split":
            key, mine = random_split(key)
        else:
            mine = key_of(0, k)
        rows.append(random_uniform(mine, 1000, "float32"))
    return np.concatenate(rows).astype(float)


@pytest.fixture(params=["float64", "float32", "split", "counted"])
def sample(request):
    return sample_of(request.param)


def test_mean_and_variance(sample):
    n = len(sample)
    assert abs(sample.mean() - 0.5) < FIVE * math.sqrt(1 / 12 / n)
    # The fourth central moment is 1/80: the variance of the variance is (1/80 - 1/144) / n.
    assert abs(np.mean((sample - 0.5) ** 2) - 1 / 12) < FIVE * math.sqrt((1 / 80 - 1 / 144) / n)
    assert sample.min() >= 0.0 and sample.max() < 1.0


def chi_square(counts: np.ndarray) -> float:
    """Return how many standard deviations too uneven the counts are."""
    expected = counts.sum() / counts.size
    found = np.sum((counts - expected) ** 2) / expected
    free = counts.size - 1
    # Wilson and Hilferty (1931): the cube root is nearly normal.
    spread = math.sqrt(2 / (9 * free))
    return float(((found / free) ** (1 / 3) - (1 - 2 / (9 * free))) / spread)


def test_uniform_in_one_and_two_dimensions(sample):
    assert abs(chi_square(np.bincount((sample * 1024).astype(int), minlength=1024))) < FIVE
    pairs = (sample[::2] * 32).astype(int) * 32 + (sample[1::2] * 32).astype(int)
    assert abs(chi_square(np.bincount(pairs, minlength=1024))) < FIVE
    low = (sample * 2.0**24).astype(int) % 256  # the lowest bits of single precision
    assert abs(chi_square(np.bincount(low, minlength=256))) < FIVE


def test_neighbours_are_not_correlated(sample):
    centred = sample - 0.5
    # A block's two words are half of the sample apart; 1000 numbers have one key.
    for lag in (1, 2, 15, 16, 17, 32, 500, 999, 1000, 1001, len(sample) // 2):
        count = len(sample) - lag
        found = 12.0 * np.mean(centred[:-lag] * centred[lag:])
        assert abs(found) < FIVE / math.sqrt(count), lag


def test_bits_are_even_and_independent():
    words = random_uniform(random_key(5), SAMPLES, "int32").view(np.uint32)
    bits = ((words[:, np.newaxis] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float32)
    assert np.max(np.abs(bits.mean(axis=0) - 0.5)) < FIVE * 0.5 / math.sqrt(SAMPLES)
    signs = 2.0 * bits - 1.0
    products = signs.T @ signs / SAMPLES - np.eye(32)
    assert np.max(np.abs(products)) < 5.5 / math.sqrt(SAMPLES)  # 496 pairs


def test_a_bit_of_the_key_changes_half_of_the_bits():
    start = random_uniform(key_of(0, 0), 20_000, "int32")
    for bit in range(64):
        words = [0, 0]
        words[bit // 32] = 1 << (bit % 32)
        changed = (start ^ random_uniform(key_of(*words), 20_000, "int32")).view(np.uint8)
        share = np.unpackbits(changed).mean()
        assert abs(share - 0.5) < FIVE * 0.5 / math.sqrt(32 * 20_000), bit
