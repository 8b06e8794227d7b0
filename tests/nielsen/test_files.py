"""Networks in files: there and back, the book's own, and whatever else a file may hold."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest

from chainrule.errors import DataFileError
from chainrule.nielsen import files
from chainrule.nielsen.network2 import CrossEntropyCost, Network, QuadraticCost, load

# As json.dump writes it from the book's programs.
BOOK = (
    '{"sizes": [2, 3, 1], "weights": [[[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]], [[0.7, -0.8, 0.9]]],'
    ' "biases": [[[0.01], [0.02], [0.03]], [[0.04]]], "cost": "QuadraticCost"}'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.json"


def test_reads_the_books_file(path):
    path.write_text(BOOK)
    net = load(path)
    assert (net.sizes, net.cost) == ([2, 3, 1], QuadraticCost)
    # Worked out by hand in NumPy and mpmath.
    output = net.feedforward(np.array([[1.0], [2.0]])).item()
    assert output == pytest.approx(0.6854403118626003, rel=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cost", [QuadraticCost, CrossEntropyCost])
def test_there_and_back_to_the_bit(path, dtype, cost):
    net = Network([3, 4, 2], cost=cost, seed=0, dtype=dtype)
    net.biases[0][0] = 5e-324 if dtype == "float64" else 1e-45
    net.save(str(path))
    again = load(str(path), dtype=dtype)
    assert (again.sizes, again.cost, again.dtype) == (net.sizes, cost, net.dtype)
    for one, other in zip(again.biases + again.weights, net.biases + net.weights, strict=True):
        assert one.tobytes() == other.tobytes() and one.shape == other.shape
    assert set(json.loads(path.read_text())) == {"sizes", "weights", "biases", "cost"}
    again.SGD([(np.zeros((3, 1)), 1)], 1, 1, 0.5)


def test_an_own_cost_is_given_again(path):
    class Doubled:
        @staticmethod
        def fn(a, y):
            return 2.0 * np.sum((a - y) ** 2)

    Network([3, 2], cost=Doubled(), seed=0).save(path)
    with pytest.raises(DataFileError, match=r"its cost is 'Doubled', .* load\(filename, cost="):
        load(path)
    assert load(path, cost=Doubled).cost is Doubled


def test_a_cost_that_is_nearly_known(path):
    path.write_text(BOOK.replace("QuadraticCost", "QuadraticCosts"))
    with pytest.raises(DataFileError, match="Did you mean 'QuadraticCost'"):
        load(path)


def test_what_cannot_be_saved_leaves_the_old_file(path):
    net = Network([3, 2], seed=0)
    net.save(path)
    before = path.read_bytes()
    net.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="a weight or bias is nan or infinite"):
        net.save(path)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_missing_file(path):
    with pytest.raises(FileNotFoundError):
        load(path)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is not JSON as it should be"),
        (BOOK[:-1], "it is not JSON as it should be"),
        (b"\xff\xfe\x00", "it is not JSON as it should be"),
        (DEEP, "it is not JSON as it should be"),
        ("[1, 2]", "it should hold an object with sizes, weights, biases and cost"),
        ("{}", "'sizes' is missing"),
        (BOOK.replace('"cost"', '"costs"'), "'cost' is missing"),
        (BOOK.replace("[2, 3, 1]", "[2]", 1), "sizes should be a list of two or more whole numbe"),
        (BOOK.replace("[2, 3, 1]", "[2, 3.0, 1]", 1), "sizes should be"),
        (BOOK.replace("[2, 3, 1]", "[2, true, 1]", 1), "sizes should be"),
        (BOOK.replace("[2, 3, 1]", "[2, -3, 1]", 1), "sizes should be"),
        (BOOK.replace("[2, 3, 1]", '"231"', 1), "sizes should be"),
        (BOOK.replace("[2, 3, 1]", "[2, 3, 3, 1]", 1), "biases should be a list of 3"),
        (BOOK.replace("[2, 3, 1]", f"[2, {10**18}, 1]", 1), f"biases[0] should have {10**18} row"),
        (BOOK.replace("[2, 3, 1]", "[7, 3, 1]", 1), "the rows of weights[0] should have 7 number"),
        (BOOK.replace("0.6", "0.6, 0.7"), "the rows of weights[0] should have 2 numbers each"),
        (BOOK.replace("0.6", '"0.6"'), "weights[0] should hold numbers only"),
        (BOOK.replace("0.6", "true"), "weights[0] should hold numbers only"),
        (BOOK.replace("0.6", "null"), "weights[0] should hold numbers only"),
        (BOOK.replace("0.6", "[0.6]"), "weights[0] should hold numbers only"),
        (BOOK.replace("0.6", "NaN"), "NaN is no number"),
        (BOOK.replace("0.6", "-Infinity"), "-Infinity is no number"),
        (BOOK.replace("0.6", "1e999"), "weights[0] holds a number that is too large"),
        (BOOK.replace("0.6", "1" + "0" * 400), "weights[0] holds a number that is too large"),
        (BOOK.replace("0.6", "1" + "0" * 9999), "it is not JSON as it should be"),
        (BOOK.replace("[[0.04]]", "[0.04]"), "the rows of biases[1] should have 1 numbers each"),
        (BOOK.replace("[[0.04]]", "0.04"), "biases[1] should have 1 rows"),
        (BOOK.replace('"QuadraticCost"', "7"), "its cost is 'int', and known are QuadraticCost, "),
        (BOOK.replace("QuadraticCost", "os.system"), "its cost is 'os.system', and known are"),
        (BOOK.replace("QuadraticCost", "x" * 10**6), "its cost is 'xxx"),
    ],
)
def test_files_that_hold_something_else(path, content, said):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataFileError, match=re.escape(said)) as caught:
        load(path)
    assert re.match(
        r"test_files\.py:\d+: net\.json is no network of the book's: ", str(caught.value)
    )
    assert len(str(caught.value)) < 500


def test_files_that_are_too_large_are_not_read(path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    path.write_text(BOOK)
    with pytest.raises(DataFileError, match="it is larger than"):
        load(path)


def test_files_with_bytes_changed_give_a_network_or_one_error(path):
    rng = np.random.default_rng(0)
    good, seen = BOOK.encode(), {"network": 0, "error": 0}
    for _ in range(3000):
        content = bytearray(good)
        for _ in range(rng.integers(1, 3)):
            at = int(rng.integers(len(content)))
            match rng.integers(5):
                case 0:
                    content[at] = int(rng.integers(256))
                case 1:
                    del content[at : at + int(rng.integers(1, 9))]
                case 2:
                    content[at:at] = good[at : at + int(rng.integers(1, 30))]
                case 3:
                    content[at:at] = rng.choice([b"[", b"]", b'"', b"9", b"e", b",", b"{", b"-"])
                case 4 if 48 <= content[at] <= 57:
                    content[at : at + 1] = rng.bytes(1).hex().encode()
        path.write_bytes(bytes(content))
        try:
            net = load(path)
        except DataFileError:
            seen["error"] += 1
        else:
            assert [w.shape for w in net.weights] == [(3, 2), (1, 3)]
            assert all(np.isfinite(array).all() for array in net.weights + net.biases)
            seen["network"] += 1
    assert min(seen.values()) > 100
