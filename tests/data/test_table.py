"""CSV files: what is read, and what is said of cells that are no numbers."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from chainrule.data import Table, read_csv
from chainrule.data.table import first_row
from chainrule.errors import DataFileError
from tests.data.damage import damaged

IRIS = "length,width,kind\n5.1,3.5,setosa\n4.9,3.0,virginica\n-6e1,2,setosa\n"


def read(text: str, **options) -> Table:
    return read_csv(io.StringIO(text, newline=""), **options)


def test_a_header_numbers_and_words():
    table = read(IRIS)
    np.testing.assert_array_equal(table.x, [[5.1, 3.5], [4.9, 3.0], [-60, 2]])
    assert table.x.dtype == np.float64 and table.x.flags.writeable and table.x.flags.c_contiguous
    assert table.columns == ("length", "width") and table.label == "kind"
    assert table.classes == ("setosa", "virginica") and table.y.tolist() == [0, 1, 0]
    assert table.y.dtype == np.int64 and len(table) == 3
    assert repr(table) == "Table(3 rows of 2, label 'kind', 2 classes)"


@pytest.mark.parametrize("text", ["1,2,a\n3,4,b\n", "1;2;a\n3;4;b", "1\t2\ta\r\n3\t4\tb\r\n",
                                  "\n1|2|a\n\n3|4|b\n\n", '"1","2","a"\n"3"," 4","b"\n',
                                  "\ufeff1,2,a\n3,4,b\n"])  # fmt: skip
def test_spellings_of_one_table(tmp_path, text):
    (tmp_path / "table.csv").write_text(text, encoding="utf-8", newline="")
    options = {"delimiter": "|"} if "|" in text else {}
    for table in (read(text, **options), read_csv(tmp_path / "table.csv", **options)):
        np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
        assert table.columns == ("column 1", "column 2") and table.classes == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "dtype", "y"),
    [
        (["0", "1", "7"], np.int64, [0, 1, 7]),
        (["1.000e+00", "2.000e+00", "-3"], np.int64, [1, 2, -3]),  # as np.savetxt writes them
        (["0.5", "1", "2"], np.float64, [0.5, 1, 2]),
        (["99999999999999999999", "1", "2"], np.float64, [1e20, 1, 2]),
    ],
)
def test_labels_that_are_numbers_stay_numbers(labels, dtype, y):
    table = read("".join(f"1,{label}\n" for label in labels))
    assert table.y.dtype == dtype and table.classes is None
    np.testing.assert_array_equal(table.y, y)


def test_labels_by_name_by_position_or_none():
    text = "kind,a,b\nx,1,2\ny,3,4\n"
    for label in ("kind", 0, -3):
        table = read(text, label=label)
        assert table.columns == ("a", "b") and table.label == "kind" and table.classes == ("x", "y")
        np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
    table = read("a,b\n1,2\n3,4\n", label=None)
    assert table.y is None and table.label is None and table.columns == ("a", "b")
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("1,cat\n3,dog\n", False),
        ("0,1,label\n3,4,1\n", True),  # pandas' names for the columns of an array
        ("nan,cat\n3,dog\n", False),
        (",a,b\n1,2,3\n", True),  # the index that pandas writes
    ],
)
def test_a_header_is_recognised(text, is_one):
    if "nan" in text:  # no header, and so an error
        with pytest.raises(DataFileError, match="line 1, 'column 1': 'nan'"):
            read(text)
    else:
        assert len(read(text)) == text.count("\n") - is_one


def test_or_said():
    assert read("1,2\n3,4\n", header=True).columns == ("1",)
    with pytest.raises(DataFileError, match=r"line 1, 'column 1': 'a' is not a finite number"):
        read("a,b\n1,2\n", header=False)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the input cannot be read as a table: it is empty."),
        ("\n\n", {}, "it is empty"),
        ("a,b\n", {}, "it has a header and no rows"),
        ("1\n2\n", {}, "it has one column, which cannot be example and label at once"),
        ("a,b,c\n1,2,3\n1,x,3\n", {}, "the input, line 3, 'b': 'x' is not a finite number."),
        ("a,b,c\n1,,3\n", {}, "line 2, 'b': a cell is empty. All columns but the label's hold"),
        ("a,b,c\n1,nan,3\n", {}, "line 2, 'b': 'nan' is not a finite number"),
        ("a,b,c\n1,2,3\n\n1,-1e999,3\n", {}, "line 4, 'b': '-inf' is not a finite number"),
        ("a,b,c\n1,2,\n", {}, "the input, line 2: the label is missing."),
        ("a,b\n1,2.5\n3,nan\n", {}, "the input, line 3: the label 'nan' is not a finite number"),
        ("a,b\n1,2\n3,-inf\n", {}, "the input, line 3: the label '-inf' is not a finite number"),
        ("a,b,c\n1,2,3\n4,5\n", {}, "line 3 has 2 cells, the first line 3"),
        ('1,"2\n3', {}, "unexpected end of data, after line 1"),
        ('a,b\n1,2\n1,"2"3\n', {}, "expected after"),
        ("a,b\n1,2\n", {"label": "c"}, "it has no column 'c'."),
        ("kinds,b\n1,2\n", {"label": "kind"}, "no column 'kind'. Did you mean 'kinds'?"),
        ("1,2\n", {"label": 2}, "it has 2 columns, so that none has the position 2"),
        ("?,2,3\n1,2,3\n", {"header": False}, "If this line has the columns' names, say header"),
        ("a,b\n" + "9" * 50 + "z,1\n", {}, "'" + "9" * 37 + "...' is not a finite"),
        ("1," + "a" * 200_000 + "\n", {}, "field larger than field limit (131072), after line 1"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(text, options, message):
    with pytest.raises(DataFileError) as caught:
        read(text, **options)
    assert message in str(caught.value)


def test_a_file_is_named(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_bytes(b"1,2\n3,\xff\n")
    with pytest.raises(DataFileError, match=r"iris\.csv cannot be .* not UTF-8"):
        read_csv(path)
    with path.open(encoding="utf-8") as file, pytest.raises(DataFileError, match="not UTF-8"):
        read_csv(file)
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "nothing.csv")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_text(IRIS)
    assert len(read_csv(path, most_bytes=len(IRIS))) == 3
    for source in (path, io.StringIO(IRIS)):
        with pytest.raises(DataFileError, match=r"larger than the 10 bytes .* mmap_mode='r'"):
            read_csv(source, most_bytes=10)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(IRIS,))
    writer.start()
    assert len(read_csv(path)) == 3
    writer.join()


def test_a_compressed_file(tmp_path):
    path = tmp_path / "iris"  # its name does not tell
    path.write_bytes(gzip.compress(("\ufeff" + IRIS).encode()))
    table = read_csv(path)
    np.testing.assert_array_equal(table.x, read(IRIS).x)
    assert table.columns == ("length", "width") and table.classes == ("setosa", "virginica")


def test_the_first_row_alone(tmp_path):
    path = tmp_path / "iris.csv"
    for pack in (bytes, gzip.compress):
        path.write_bytes(pack(("\ufeff" + IRIS).encode()))
        assert first_row(path) == ["length", "width", "kind"]
        assert first_row(path, delimiter="|") == ["length,width,kind"]
    for data in (gzip.compress(IRIS.encode())[:-30], b"\xff\n", b'"a\x00b\r'):
        path.write_bytes(data)
        with contextlib.suppress(DataFileError):
            first_row(path)
    path.write_bytes(b"")
    assert first_row(path) == []


@pytest.mark.parametrize("line", [b"1,2\n", b"1"])
def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, line):
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(line * (1 << 23)))
    assert path.stat().st_size < 1 << 16
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=r"bomb\.csv\.gz is larger than the 65,536 bytes"):
            read_csv(path, most_bytes=1 << 16)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_the_separator_is_the_one_that_makes_most_cells():
    table = read('"a,b,c";d;kind\n1;2;x\n3;4;y\n')
    assert table.columns == ("a,b,c", "d") and table.classes == ("x", "y")
    assert read("a\tb, of c\tkind\n1\t2\tx\n").columns == ("a", "b, of c")


def test_numbers_become_classes_when_asked():
    table = read("1,7\n1,3\n1,7\n").as_classes()
    assert table.classes == ("3", "7") and table.y.tolist() == [1, 0, 1]
    assert table.as_classes() is table
    for text, options in (("1,0.5\n", {}), ("1,2\n", {"label": None})):
        with pytest.raises(ValueError, match="classes are integers or words; this table has"):
            read(text, **options).as_classes()


def test_agrees_with_numpy_on_many_numbers(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 7)) * 10.0 ** np.arange(-3, 4)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c,d,e,f,g", comments="")
    table = read_csv(tmp_path / "x.csv")
    expected = np.loadtxt(tmp_path / "x.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(np.column_stack([table.x, table.y]), expected)


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files_give_the_one_error_or_finite_numbers(memory_folder, packed):
    path = memory_folder / "table.csv"
    whole = (IRIS + "5,6,'x'\n" * 20).encode()
    expected = read_csv(io.StringIO(whole.decode()))
    for data in damaged(gzip.compress(whole) if packed else whole):
        path.write_bytes(data)
        try:
            table = read_csv(path)
        except DataFileError:
            continue
        if packed and data[:2] == b"\x1f\x8b":  # what the checksum leaves: the header's date, ...
            np.testing.assert_array_equal(table.x, expected.x)
        assert np.isfinite(table.x).all() and len(table.x) == len(table.y)
