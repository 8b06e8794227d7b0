"""Arrays that are converted as they are read, alone and in `fit`."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import convert

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (40, 6), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 40, dtype=np.uint8)


def test_rows_are_converted_when_they_are_read():
    lazy = convert(IMAGES, "float32", divisor=255)
    assert lazy.array is IMAGES and lazy.shape == (40, 6) and lazy.ndim == 2 and len(lazy) == 40
    expected = IMAGES.astype(np.float32) / np.float32(255)
    for rows in (slice(None), slice(3, 9), [5, 1], np.array([7]), 2):
        found = lazy[rows]
        assert type(found) is np.ndarray and found.dtype == np.float32
        np.testing.assert_array_equal(found, expected[rows])
    np.testing.assert_array_equal(np.asarray(lazy), expected)
    assert np.asarray(lazy, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="cannot be had uncopied"):
        np.array(lazy, copy=False)
    assert repr(lazy) == "Converted(40 × 6, uint8 to float32 / 255)"
    assert convert(LABELS, int)[3] == LABELS[3] and convert(LABELS, int).dtype == np.int64


@pytest.mark.parametrize(
    ("array", "dtype", "options", "kind", "said"),
    [
        (IMAGES, "uint8", {}, TypeError, "converted to float32, float64, int32, int64 as they are"),
        (IMAGES, "float16", {}, TypeError, "not to float16"),
        (IMAGES / 2, "int64", {}, TypeError, "float64 cannot become int64 without a loss: give"),
        (["a"], "float32", {}, TypeError, "<U1 cannot become float32"),
        (3, "float32", {}, ValueError, "an array with one row an example was expected, not the"),
        (IMAGES, "float32", {"divisor": 0}, ValueError, "a divisor is for floats, finite and not"),
        (IMAGES, "float32", {"divisor": 1e-60}, ValueError, "a divisor is for floats"),
        (IMAGES, "int64", {"divisor": 2}, ValueError, "this is 2.0 for int64"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted(array, dtype, options, kind, said):
    with pytest.raises(kind, match=re.escape(said)):
        convert(array, dtype, **options)


def cost(p, x, labels):
    scores = cr.log_softmax(x @ p["W"] + p["b"])
    return -np.mean(np.sum(scores * cr.one_hot(labels, 3), axis=1))


@pytest.mark.parametrize("machine", ["native", "staged", "python"])
@pytest.mark.parametrize("size", [7, None])
def test_training_is_as_on_the_converted_arrays(machine, size):
    start = {"W": np.zeros((6, 3), np.float32), "b": np.zeros(3, np.float32)}
    lazy = convert(IMAGES, "f4", divisor=255), convert(LABELS, "i8")
    results = [
        cr.fit(cost, start, data, epochs=3, batch_size=size, seed=0, machine=machine,
               validation=data)
        for data in (lazy, tuple(map(np.asarray, lazy)))
    ]  # fmt: skip
    np.testing.assert_array_equal(results[0].parameters["W"], results[1].parameters["W"])
    assert results[0].history["val_cost"] == results[1].history["val_cost"]


def test_bytes_as_they_are_have_no_machine_code():
    start = {"W": np.zeros((6, 3)), "b": np.zeros(3)}
    with pytest.warns(RuntimeWarning, match=r"values of uint8.*cr\.data\.convert\(x, 'float32'\)"):
        cr.fit(cost, start, (IMAGES, LABELS.astype(int)), batch_size=8)
