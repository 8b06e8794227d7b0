"""Tables of other libraries as data: numbers come through, and a column at fault is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from chainrule.errors import DtypeError, ShapeError
from chainrule.training.frames import as_array

A, B = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]


def refused(value, said: str) -> None:
    with pytest.raises(DtypeError, match=re.escape(said)) as caught:
        as_array(value, "data[0]")
    assert str(caught.value).startswith("test_frames.py:")


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def pl():
    return pytest.importorskip("polars")


def test_other_things_are_what_numpy_makes_of_them():
    x = np.ones((2, 2))
    assert as_array(x, "x") is x
    assert as_array([[1, 2]], "x").shape == (1, 2)


def test_lists_of_which_no_array_can_be_made():
    batch = np.ones((5, 3)), np.ones(5)
    with pytest.raises(ShapeError, match=r"the parts of x differ in shape.* lambda epoch: iter\("):
        as_array([batch, batch], "x")


class TestPandas:
    def test_numbers(self, pd):
        table = pd.DataFrame({"a": A, "b": B}, index=[7, 8, 9])  # the index is of no account
        found = as_array(table, "x")
        np.testing.assert_array_equal(found, np.column_stack([A, B]))
        assert np.shares_memory(found, table.to_numpy())  # not copied
        np.testing.assert_array_equal(as_array(table["a"], "x"), A)
        assert as_array(table[["a"]], "x").shape == (3, 1)
        np.testing.assert_array_equal(as_array(table.index, "x"), [7, 8, 9])

    @pytest.mark.parametrize(
        ("column", "dtype"),
        [
            ([1, 2, 3], np.int64),
            (np.array([1, 2, 3], np.float32), np.float32),
            (np.array([1, 2, 3], np.uint8), np.uint8),
            ([True, False, True], np.bool_),
            ("Int64", np.int64),
            ("UInt8", np.uint8),
            ("Float32", np.float32),
            ("boolean", np.bool_),
        ],
    )
    def test_kinds_of_numbers(self, pd, column, dtype):
        if isinstance(column, str):
            column = pd.array([1, 0, 1], dtype=column)
        one = pd.Series(column)
        found = as_array(one, "x")
        assert found.dtype == dtype
        table = pd.DataFrame({"a": A, "c": column})
        together = as_array(table, "x")
        assert together.dtype == np.result_type(float, dtype) and together.flags.c_contiguous
        np.testing.assert_array_equal(together, np.column_stack([A, found]))

    def test_floats_that_are_missing_are_nan(self, pd):
        column = pd.Series([1.0, None, 3.0], dtype="Float64")
        np.testing.assert_array_equal(as_array(column, "x"), [1.0, np.nan, 3.0])

    def test_columns_of_one_name(self, pd):
        table = pd.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"])
        np.testing.assert_array_equal(as_array(table, "x"), [[1, 2], [3, 4]])
        assert as_array(pd.DataFrame(), "x").shape == (0, 0)

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda pd: ["x", "y", "z"],
             "the column 'c' of data[0] holds words or objects, which no gate takes. Leave it out, "
             "or make numbers of it: pandas.factorize(table['c'])[0]"),
            (lambda pd: np.array([1, {}, 3], dtype=object), "'c' of data[0] holds words or obj"),
            (lambda pd: np.array([1, None, 3.5], dtype=object),
             "the column 'c' of data[0] holds numbers as objects, which no gate takes. Leave it "
             "out, or make numbers of it: pandas.to_numeric(table['c'])"),
            (lambda pd: pd.Categorical(["cat", "dog", "cat"]),
             "the column 'c' of data[0] holds categories ('cat', 'dog'), which no gate takes. Leave"
             " it out, or make numbers of it: table['c'].cat.codes"),
            (lambda pd: pd.to_datetime(["2020", "2021", "2022"]),
             "holds times (datetime64["),
            (lambda pd: np.array([1j, 2, 3]), "is of dtype complex128"),
            (lambda pd: pd.array([1, None, None], dtype="Int64"),
             "the column 'c' of data[0] lacks 2 values, first in row 1, and only floats have nan. "
             "Say what is to stand there, table['c'].fillna(0), or drop the rows."),
            (lambda pd: pd.array([None, True, False], dtype="boolean"), "lacks 1 value, first in "),
            (lambda pd: pd.period_range("2020", periods=3, freq="D"), "holds words or objects"),
        ],
    )  # fmt: skip
    def test_what_is_no_number_is_named(self, pd, make, said):
        refused(pd.DataFrame({"a": A, "b": B, "c": make(pd)}), said)

    def test_a_column_alone(self, pd):
        refused(pd.Series(["a", "b"]), "data[0] holds words or objects")
        refused(pd.Series(["a", "b"], name="kind"), "the column 'kind' of data[0] holds words")


class TestPolars:
    def test_numbers(self, pl):
        table = pl.DataFrame({"a": A, "b": B})
        np.testing.assert_array_equal(as_array(table, "x"), np.column_stack([A, B]))
        mixed = table.with_columns(c=pl.Series([True, False, True]), d=pl.Series([1.0, None, 2.0]))
        found = as_array(mixed, "x")
        np.testing.assert_array_equal(found[:, 2], [1, 0, 1])
        np.testing.assert_array_equal(found[:, 3], [1, np.nan, 2])
        assert as_array(table["a"].cast(pl.Float32), "x").dtype == np.float32

    def test_what_is_no_number_is_named(self, pl):
        table = pl.DataFrame({"a": A})
        for column, said in (
            (pl.Series(["x", "y", "z"]), "the column 'c' of data[0] holds words or objects"),
            (pl.Series(["x", "y", "x"], dtype=pl.Categorical), "table['c'].to_physical()"),
            (pl.Series([1, None, 2]), "lacks 1 value, first in row 1, and only floats have nan."),
            (pl.Series([[1], [2], [3]]), "is of dtype List(Int64)"),
        ):
            refused(table.with_columns(c=column), said)
        refused(table.lazy(), "data[0] is a LazyFrame: give data[0].collect().")


def test_xarray():
    xr = pytest.importorskip("xarray")
    np.testing.assert_array_equal(as_array(xr.DataArray([A, B]), "x"), [A, B])
    refused(xr.Dataset({"q": ("x", A)}), "data[0] is a Dataset of several arrays ('q'): give one")
