"""MNIST and Fashion-MNIST: where they are found, what they hold, what is said without a network.

The files are made here, a few images each; nothing is fetched from the web.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from chainrule.data import fashion_mnist, images, mnist
from chainrule.data.download import Known
from chainrule.errors import DataFileError
from tests.data.server import Server, serving
from tests.data.test_idx import idx

NAMES = [known.name for known in images.MNIST.files]


def small_set(seed: int = 0) -> dict[str, bytes]:
    random = np.random.default_rng(seed)
    files = {}
    for part, n in (("train", 12), ("t10k", 5)):
        pixels = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, n, dtype=np.uint8)
        for name, array in (
            (f"{part}-images-idx3-ubyte", pixels),
            (f"{part}-labels-idx1-ubyte", labels),
        ):
            files[name + ".gz"] = gzip.compress(idx(0x08, array.shape, array.tobytes()))
    return files


SMALL = small_set()


def pixels_of(data: bytes) -> np.ndarray:
    return np.frombuffer(gzip.decompress(data), np.uint8)[16:].reshape(-1, 784)


def put(folder, files=SMALL):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No folder of the user's, and no way to the web."""
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    for name in ("MNIST", "FASHION_MNIST"):
        known = getattr(images, name)
        monkeypatch.setattr(images, name, replace(known, addresses=("http://127.0.0.1:9/",)))


def test_what_a_set_holds(tmp_path):
    put(tmp_path)
    digits = mnist(tmp_path)
    train = digits.train
    assert (len(train), len(digits.test)) == (12, 5)
    assert train.images.shape == (12, 784) and train.images.dtype == np.float32
    assert train.labels.dtype == np.int64
    pixels = pixels_of(SMALL["train-images-idx3-ubyte.gz"])
    np.testing.assert_array_equal(train.images, (pixels / 255).astype(np.float32))
    labels = np.frombuffer(gzip.decompress(SMALL["train-labels-idx1-ubyte.gz"]), np.uint8)[8:]
    np.testing.assert_array_equal(train.labels, labels)
    assert train.targets.dtype == np.float32
    np.testing.assert_array_equal(train.targets, np.eye(10)[train.labels])
    np.testing.assert_array_equal(train[3:5].images, train.images[3:5])
    assert repr(train) == "LabelledImages(12 images, 10 classes)"
    assert train.names[3] == "3"


def test_the_last_training_images_are_held_out(tmp_path):
    put(tmp_path)
    digits = mnist(tmp_path)
    training, validation, test = digits.split(validation=4)
    assert (len(training), len(validation), len(test)) == (8, 4, 5)
    np.testing.assert_array_equal(validation.images, digits.train.images[8:])
    for wrong in (12, -1, 10_000):
        with pytest.raises(
            ValueError, match=rf"some of the 12 images to learn from, not be {wrong}"
        ):
            digits.split(validation=wrong)


@pytest.mark.parametrize("inside", ["", "mnist", "MNIST/raw"])
def test_a_folder_has_the_files_or_has_them_in_a_folder(tmp_path, inside):
    put(tmp_path / inside)
    assert len(mnist(tmp_path).train) == 12


def test_unpacked_files_will_do(tmp_path):
    put(tmp_path, {name.removesuffix(".gz"): gzip.decompress(SMALL[name]) for name in NAMES})
    assert len(mnist(str(tmp_path)).train) == 12


@pytest.mark.parametrize("inside", ["data", "data/mnist"])
def test_the_variable_names_the_folder_or_the_one_above(tmp_path, monkeypatch, inside):
    put(tmp_path / "data" / "mnist")
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / inside))
    assert len(mnist().train) == 12


def test_then_the_users_own_folder_is_looked_in(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "empty"))
    put(tmp_path / "home" / "chainrule" / "mnist")
    monkeypatch.setattr("sys.platform", "linux")
    assert len(mnist().train) == 12


def test_a_folder_that_is_given_is_the_only_one(tmp_path, monkeypatch):
    put(tmp_path / "mnist")
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    with pytest.raises(DataFileError, match=r"is not in .*elsewhere: its files are"):
        mnist(tmp_path / "elsewhere", download=False)


def test_one_set_does_not_pass_for_the_other(tmp_path, monkeypatch):
    put(tmp_path / "mnist")
    put(tmp_path / "fashion-mnist", small_set(1))
    for inside in ("", "mnist"):
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / inside))
        if inside:
            with pytest.raises(DataFileError, match="Fashion-MNIST is not in"):
                fashion_mnist(download=False)
        else:
            clothes = fashion_mnist().train
            assert not np.array_equal(clothes.images, mnist().train.images)
            assert clothes.names[9] == "Ankle boot"


def test_what_is_missing_is_said_with_what_to_put_where(tmp_path):
    put(tmp_path / "mnist", {name: SMALL[name] for name in NAMES[:3]})
    with pytest.raises(DataFileError) as caught:
        mnist(tmp_path, download=False)
    message = str(caught.value)
    assert message.startswith(
        f"MNIST is not in {tmp_path}: its files are train-images-idx3-ubyte.gz,"
    )
    assert f"Put them into {tmp_path / 'mnist'}, or set CHAINRULE_DATA" in message


def test_without_a_network_the_words_are_clear(tmp_path):
    with pytest.raises(DataFileError) as caught:
        mnist(tmp_path)
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz could not be downloaded" in message
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz: [Errno" in message
    assert "Without a network: bring train-images-idx3-ubyte.gz, train-labels" in message
    assert f"into {tmp_path / 'mnist'}, or set CHAINRULE_DATA" in message


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataFileError, match=r"MNIST is not in .*file, and "):
        mnist(tmp_path / "file")


def test_what_is_missing_is_downloaded_checked_and_read(tmp_path, monkeypatch):
    files = tuple(
        Known(name, len(SMALL[name]), hashlib.md5(SMALL[name]).hexdigest()) for name in NAMES
    )
    with serving(Server(dict(SMALL))) as server:
        source = replace(images.MNIST, addresses=(server.address,), files=files)
        monkeypatch.setattr(images, "MNIST", source)
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
        first = mnist()
        assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(NAMES)
        second = mnist()
        assert len(server.asked) == 4  # not again
    np.testing.assert_array_equal(first.test.images, second.test.images)


def replaced(**new: bytes) -> dict[str, bytes]:
    names = {
        "train_labels": NAMES[1],
        "t10k_images": NAMES[2],
        "t10k_labels": NAMES[3],
    }
    return SMALL | {names[key]: data for key, data in new.items()}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (replaced(train_labels=idx(8, (11,), bytes(11))), "holds 11 elements; expected were 12"),
        (replaced(t10k_images=idx(8, (5, 8, 8), bytes(320))), "5 × 8 × 8 elements; expected"),
        (replaced(t10k_labels=idx(8, (5,), bytes([0, 1, 2, 3, 10]))), "label 10; MNIST has 0 to 9"),
        (replaced(t10k_labels=idx(0x0D, (5,), bytes(20))), "holds float32; expected were bytes"),
        (replaced(t10k_labels=b""), "cannot be read as an IDX file"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_together_are_refused(tmp_path, files, message):
    put(tmp_path, files)
    with pytest.raises(DataFileError, match=message):
        mnist(tmp_path)


@pytest.mark.parametrize("source", [images.MNIST, images.FASHION_MNIST], ids=lambda s: s.title)
def test_the_known_files_are_well_formed(source):
    assert [known.name for known in source.files] == NAMES and len(source.names) == 10
    assert all(len(known.md5) == 32 and int(known.md5, 16) for known in source.files)
    assert all(url.startswith("https://") and url.endswith("/") for url in source.addresses)
