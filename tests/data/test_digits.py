"""The embedded digits, against checksums taken from scikit-learn's copy and against that copy."""

import hashlib
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from chainrule.data.digits import Digits, load_digits


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_shapes_ranges_and_dtypes():
    digits = load_digits()
    assert len(digits) == 1797
    assert digits.images.shape == (1797, 64) and digits.images.dtype == np.float64
    assert digits.labels.shape == (1797,) and digits.labels.dtype == np.int64
    assert digits.images.min() == 0.0 and digits.images.max() == 1.0
    assert sorted(set(digits.labels.tolist())) == list(range(10))


def test_checksums():
    # of scikit-learn 1.9.1's load_digits, as bytes
    digits = load_digits()
    assert sha256((digits.images * 16).astype(np.uint8)) == (
        "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    )
    assert sha256(digits.labels.astype(np.uint8)) == (
        "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
    )


def test_agrees_with_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    ours = load_digits()
    assert (ours.images * 16 == theirs.data).all()
    assert (ours.labels == theirs.target).all()


def test_targets_are_one_hot():
    digits = load_digits()[:20]
    assert digits.targets.shape == (20, 10)
    assert (digits.targets.sum(1) == 1).all()
    assert (digits.targets.argmax(1) == digits.labels).all()


def test_split_parts_the_digits_by_seed():
    digits = load_digits()
    train, test = digits.split(seed=3)
    assert (len(train), len(test)) == (1438, 359)
    rows = {(row.tobytes(), label) for row, label in zip(digits.images, digits.labels, strict=True)}
    parts = [
        {(r.tobytes(), n) for r, n in zip(d.images, d.labels, strict=True)} for d in (train, test)
    ]
    assert parts[0] | parts[1] == rows
    assert not parts[0] & parts[1]
    again, _ = digits.split(seed=3)
    other, _ = digits.split(seed=4)
    assert (again.images == train.images).all()
    assert (other.labels != train.labels).any()


def test_split_takes_a_generator_and_leaves_the_global_one_alone():
    np.random.seed(0)  # the global generator is what must not move
    before = np.random.get_state()[1].copy()
    load_digits().split(np.random.default_rng(1), held_out=0.5)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.2, 1e-9, float("nan")])
def test_split_needs_two_parts(held_out):
    with pytest.raises(ValueError, match="held_out must leave both parts"):
        load_digits().split(0, held_out)


def test_slices_are_digits():
    few = load_digits()[[3, 1]]
    assert isinstance(few, Digits) and few.labels.tolist() == [3, 1]


def test_file_is_small_and_its_licence_beside_it():
    folder = resources.files("chainrule.data")
    assert len(folder.joinpath("digits.npz").read_bytes()) < 50_000
    licence = folder.joinpath("DIGITS_LICENSE").read_text("utf-8")
    assert "Alpaydin" in licence and "Kaynak" in licence and "CC BY 4.0" in licence


def test_loading_needs_no_pickle():
    # A fresh process in which unpickling is an error.
    program = (
        "import pickle\n"
        "def refuse(*args, **keywords): raise SystemExit('pickle was used')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "from chainrule.data.digits import load_digits\n"
        "print(len(load_digits()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "1797", done.stderr
