"""IDX files. Expected bytes are laid by hand, after the description on MNIST's page."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from chainrule.data import read_idx
from chainrule.errors import DataFileError
from tests.data.damage import damaged


def idx(code: int, shape: tuple[int, ...], elements: bytes) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + elements


IMAGES = idx(0x08, (3, 2, 4), bytes(range(24)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("code", "form", "dtype"),
    [(0x08, "B", "uint8"), (0x09, "b", "int8"), (0x0B, "h", "int16"), (0x0C, "i", "int32"),
     (0x0D, "f", "float32"), (0x0E, "d", "float64")],
)  # fmt: skip
def test_every_dtype_is_read_in_the_order_of_the_file(tmp_path, pack, code, form, dtype):
    path = tmp_path / "file"
    path.write_bytes(pack(idx(code, (2, 3), struct.pack(f">6{form}", 1, 2, 3, 4, 5, 100))))
    array = read_idx(path)
    np.testing.assert_array_equal(array, [[1, 2, 3], [4, 5, 100]])
    assert array.dtype == dtype and array.dtype.isnative and array.flags.writeable


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_empty_array_is_an_array(tmp_path, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(idx(0x08, (0, 28, 28), b"")))
    assert read_idx(path).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "this one with nothing"),
        (b"\0\0\x08", "starts with 00 00"),
        (b"\x89PNG\r\n", "this one with 89 50 4E 47"),
        (idx(0x0A, (3,), b"abc"), "one of 08 09 0B 0C 0D 0E"),
        (idx(0x08, (), b""), "declares 0 dimensions"),
        (idx(0x08, (1,) * 40, b"a"), "declares 40 dimensions"),
        (IMAGES[:10], "ends within its header"),
        (IMAGES[:-1], "declares 3 × 2 × 4 elements, 24 bytes, and has 23"),
        (IMAGES + b"\0", "24 bytes, and has 25"),
        (gzip.compress(IMAGES[:-1]), "declares 24 bytes of elements and ends after 23"),
        (gzip.compress(IMAGES + b"\0"), "declares 24 bytes of elements and has more"),
        (gzip.compress(IMAGES)[:-4], "gzip data is cut short or altered"),
        (gzip.compress(IMAGES)[:-8] + bytes(8), "gzip data is cut short or altered"),
        (gzip.compress(IMAGES) + b"more", "gzip data is cut short or altered"),
        (idx(0x0E, (0xFFFFFFFF,) * 32, b"a"), "more than the 4,294,967,296 bytes"),
        (idx(0x08, (0, *(0xFFFFFFFF,) * 31), b""), "more than the 4,294,967,296 bytes"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_file(tmp_path, data, message):
    path = tmp_path / "t10k-images"
    path.write_bytes(data)
    with pytest.raises(DataFileError, match="t10k-images cannot be read as an IDX") as caught:
        read_idx(path)
    assert message in str(caught.value)


def test_another_shape_than_expected_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(IMAGES)
    assert read_idx(path, shape=(None, 2, 4)).shape == (3, 2, 4)
    with pytest.raises(DataFileError, match="holds 3 × 2 × 4 elements; expected were any × 28"):
        read_idx(path, shape=(None, 28))


def peak_of_refusal(path, **options) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError):
            read_idx(path, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(idx(0x08, (10,), bytes(1 << 25)), 9))
    assert peak_of_refusal(path) < 1 << 20


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_declared_size_is_not_believed(tmp_path, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(idx(0x08, (1 << 30,), bytes(100))))
    assert peak_of_refusal(path) < 1 << 20


def test_a_file_that_is_larger_than_allowed_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(IMAGES)
    assert read_idx(path, most_bytes=24).size == 24
    with pytest.raises(DataFileError, match="more than the 23 bytes that most_bytes allows"):
        read_idx(path, most_bytes=23)


def test_damaged_files_give_the_one_error(memory_folder):
    path = memory_folder / "file"
    for data in damaged(IMAGES):
        path.write_bytes(data)
        try:
            array = read_idx(path, most_bytes=1 << 20)
        except DataFileError:
            continue
        assert array.nbytes <= len(data)  # a pixel was changed, or one shape became another


def test_damaged_gzip_gives_the_one_error_or_what_was_packed(memory_folder):
    path = memory_folder / "file"
    random = np.random.default_rng(0).integers(0, 4, (20, 8, 8), dtype=np.uint8)
    for data in damaged(gzip.compress(idx(0x08, random.shape, random.tobytes()))):
        path.write_bytes(data)
        try:
            array = read_idx(path, most_bytes=1 << 20)
        except DataFileError:
            continue
        # Time, flags and name in gzip's header are not covered by its checksum.
        np.testing.assert_array_equal(array, random)


def test_files_that_are_not_there_are_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")
