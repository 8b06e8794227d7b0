"""NPZ files: arrays as NumPy writes them, and archives that declare what they do not hold."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from chainrule.data import read_npz, read_npz_parts
from chainrule.errors import DataFileError
from tests.data.damage import damaged

X = np.arange(24.0).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "x",
    [X, X.astype(np.float32), np.asfortranarray(X), X.astype(">f8"), X.reshape(6, 2, 2),
     X.astype(np.uint8), np.zeros((6, 0))],
    ids=["f8", "f4", "fortran", "big-endian", "images", "u1", "empty"],
)  # fmt: skip
def test_arrays_come_back_as_they_were(tmp_path, write, x):
    path = tmp_path / "data.npz"
    write(path, x=x, y=Y)
    table = read_npz(path)
    np.testing.assert_array_equal(table.x, x)
    assert table.x.dtype == x.dtype.newbyteorder("=") and table.x.flags.writeable
    np.testing.assert_array_equal(table.y, Y)
    assert table.label == "y" and table.classes is None


def test_names_and_words(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, images=X, kinds=np.array(["cat", "dog", "cat", "ant", "dog", "cat"]))
    table = read_npz(path, x="images", y="kinds")
    assert table.classes == ("ant", "cat", "dog") and table.y.tolist() == [1, 2, 1, 0, 2, 1]
    assert table.columns == ("images 1", "images 2", "images 3", "images 4")
    assert read_npz(path, x="images", y=None).y is None
    with pytest.raises(DataFileError, match=r"no array 'x', but 'images', 'kinds'"):
        read_npz(path)


@pytest.mark.parametrize("names", ["x y", "X y", "data target", "images labels", "x_train y_train"])
def test_one_part_by_its_customary_names(tmp_path, names):
    x, y = names.split()
    np.savez(tmp_path / "data.npz", **{x: X, y: Y, "more": X})
    train, test = read_npz_parts(tmp_path / "data.npz")
    np.testing.assert_array_equal(train.x, X)
    assert test is None and train.label == y


def test_two_parts_have_the_same_classes(tmp_path):
    path = tmp_path / "data.npz"
    words, other = np.array(["b", "a", "c", "a", "b", "a"]), np.array(["c", "b", "c"])
    parts = {"x_train": X, "y_train": words, "x_test": X[:3], "y_test": other}
    np.savez(path, **parts)
    train, test = read_npz_parts(path)
    assert train.classes == test.classes == ("a", "b", "c")
    assert train.y.tolist() == [1, 0, 2, 0, 1, 0] and test.y.tolist() == [2, 1, 2]
    np.savez(path, **{**parts, "y_test": np.array(["c", "z", "c"])})
    with pytest.raises(DataFileError, match="y_test has 'z', which y_train never has"):
        read_npz_parts(path)
    np.savez(path, **{**parts, "y_train": Y, "y_test": Y[:3]})
    train, test = read_npz_parts(path)
    assert test.y.tolist() == Y[:3].tolist() and test.classes is None


def test_other_names_are_said(tmp_path):
    np.savez(tmp_path / "data.npz", a=X, b=Y)
    with pytest.raises(DataFileError, match=r"called x and y, or x_train, .* are called 'a', 'b'"):
        read_npz_parts(tmp_path / "data.npz")
    (tmp_path / "text.npz").write_bytes(b"no archive")
    with pytest.raises(DataFileError, match=r"text\.npz cannot be read .* not a whole NPZ file"):
        read_npz_parts(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        read_npz_parts(tmp_path / "nothing.npz")


class Loaded:
    """What a pickle of this would run."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.array([Loaded()], dtype=object), Y, "holds object, not numbers"),
        (np.zeros(6, "f4,i4"), Y, "not numbers"),
        (X.astype(complex), Y, "holds complex128, not numbers"),
        (X[:5], Y, r"have the shapes \(5, 4\) and \(6,\): as many rows"),
        (X[:0], Y, r"x has the shape \(0, 4\)"),
        (np.float64(3), Y, r"x has the shape \(\)"),
    ],
)
def test_other_contents_are_refused(tmp_path, x, y, message):
    np.savez(tmp_path / "data.npz", x=x, y=y)
    with pytest.raises(DataFileError, match=message):
        read_npz(tmp_path / "data.npz")


def forged(shape: str, content: bytes = b"", kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive whose x declares this shape."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\1\0\x76\0" + head + b"\n" + content)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        forged("(1073741824,)"),
        forged("(2, 99999999999999999999)"),
        forged("(0, 99999999999999999999)"),
        forged("(-1, -1)", bytes(8)),
        forged("(True,)", bytes(8)),
        forged("((1,),)", bytes(8)),
        forged("(" * 60 + ")" * 60),
        forged("(2,)", bytes(15)),
        forged("(2,)", bytes(17)),
        forged("(1,)", bytes(8), zipfile.ZIP_BZIP2),
        forged("(1,)", bytes(8), zipfile.ZIP_LZMA),
        b"",
        b"x,y\n1,2\n",
    ],
)
def test_what_is_declared_is_not_believed(tmp_path, data):
    path = tmp_path / "data.npz"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=r"data\.npz cannot be read as a table"):
            read_npz(path, y=None)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_an_array_larger_than_allowed_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "data.npz", x=np.zeros(1 << 20), y=Y)
    with pytest.raises(DataFileError, match=r"larger than the 1,048,576 bytes"):
        read_npz(tmp_path / "data.npz", most_bytes=1 << 20)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_damaged_files_give_the_one_error_or_the_arrays(memory_folder, write):
    whole = io.BytesIO()
    write(whole, x=X, y=Y)
    path = memory_folder / "data.npz"
    for data in damaged(whole.getvalue()):
        path.write_bytes(data)
        try:
            table, _ = read_npz_parts(path)
        except DataFileError:
            continue
        np.testing.assert_array_equal(table.x, X)  # dates and the like are not checked
        np.testing.assert_array_equal(table.y, Y)
