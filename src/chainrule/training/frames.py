"""Tables of pandas, polars and xarray as arrays; nothing is imported that the caller has not.

NumPy makes arrays of objects of a table with words or missing values in it. Here the column at
fault is named instead, with what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from ..errors import DtypeError, ShapeError
from ..tracing.sites import here

Array = np.ndarray[Any, Any]


def as_array(value: Any, what: str) -> Array:
    """Return what the caller gave as an array.

    The index of a table is left out: rows are the examples in their order.

    Parameters
    ----------
    value : Any
        An array, a table or a column of pandas, polars or xarray, or what `np.asarray` takes.
    what : str
        How errors call it.

    Raises
    ------
    DtypeError
        If a column holds something else than numbers and truth values, or lacks some.
    ShapeError
        If it is a list whose parts differ in shape.
    """
    reader = _READERS.get(type(value).__module__.partition(".")[0])
    if reader is not None:
        return reader(value, what)
    try:
        return np.asarray(value)
    except ValueError:
        if not isinstance(value, (list, tuple)):
            raise
        raise ShapeError(
            f"{here()}the parts of {what} differ in shape, so that no array can be made of this "
            f"{type(value).__name__}. If they are batches, give a function that yields them: "
            "lambda epoch: iter(batches)."
        ) from None


# ---------------------------------------------------------------------- pandas


def _pandas(value: Any, what: str) -> Array:
    if not hasattr(value, "dtypes") or not hasattr(value, "isna"):
        return np.asarray(value)
    if not hasattr(value, "columns"):  # a column, or an index
        return _pandas_column(value, what, getattr(value, "name", None))
    kinds = set(map(str, value.dtypes))
    if len(kinds) == 1 and isinstance(value.dtypes.iloc[0], np.dtype):
        whole = np.asarray(value)  # often the table's own memory, not a copy
        if whole.dtype.kind in "fiub":
            return whole
    names = [str(name) for name in value.columns]
    columns = (value.iloc[:, k] for k in range(len(names)))  # by place: names may be there twice
    return _together(columns, names, what, len(value), _pandas_column)


def _pandas_column(column: Any, what: str, name: Any) -> Array:
    dtype = column.dtype
    title = _title(what, name)
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype) and kind in "fiub":
        return np.asarray(column)
    if str(dtype) == "category":
        _refuse(title, f"holds categories ({_some(dtype.categories)})", f"{_get(name)}.cat.codes")
    if kind == "O" and all(isinstance(one, Real) for one in column.dropna()):
        _refuse(title, "holds numbers as objects", f"pandas.to_numeric({_get(name)})")
    if kind == "O" or str(dtype).startswith(("str", "object")):
        _refuse(title, "holds words or objects", f"pandas.factorize({_get(name)})[0]")
    if kind in "mM":
        _refuse(title, f"holds times ({dtype})", f"({_get(name)} - start).dt.total_seconds()")
    if kind not in "fiub":
        _refuse(title, f"is of dtype {dtype}", f"{_get(name)}.astype('float32')")
    gone = np.asarray(column.isna())
    if kind != "f" and gone.any():
        _missing(title, gone, f"{_get(name)}.fillna(0)")
    target = getattr(dtype, "numpy_dtype", None)
    if not isinstance(target, np.dtype):
        target = np.dtype(getattr(dtype, "type", float))
    if kind == "f":
        return np.asarray(column.to_numpy(dtype=target, na_value=np.nan))
    return np.asarray(column.to_numpy(dtype=target))


# ---------------------------------------------------------------------- polars


def _polars(value: Any, what: str) -> Array:
    if hasattr(value, "collect") and not hasattr(value, "to_numpy"):
        raise DtypeError(f"{here()}{what} is a {type(value).__name__}: give {what}.collect().")
    if not hasattr(value, "columns"):
        return _polars_column(value, what, value.name or None)
    names = [str(name) for name in value.columns]
    if len(set(value.dtypes)) == 1 and not sum(value.null_count().row(0)):
        whole = np.asarray(value)
        if whole.dtype.kind in "fiub":
            return whole
    columns = (value.to_series(k) for k in range(len(names)))
    return _together(columns, names, what, len(value), _polars_column)


def _polars_column(column: Any, what: str, name: Any) -> Array:
    dtype, title = column.dtype, _title(what, name)
    if str(dtype).startswith(("Categorical", "Enum")):
        _refuse(title, f"is of dtype {dtype}", f"{_get(name)}.to_physical()")
    if str(dtype) in ("String", "Utf8", "Object"):
        _refuse(title, "holds words or objects", f"{_get(name)}.cast(pl.Categorical).to_physical()")
    if not (dtype.is_numeric() or str(dtype) == "Boolean"):
        _refuse(title, f"is of dtype {dtype}", f"{_get(name)}.cast(pl.Float32)")
    if column.null_count() and not dtype.is_float():
        _missing(title, np.asarray(column.is_null()), f"{_get(name)}.fill_null(0)")
    return np.asarray(column.to_numpy())


# ---------------------------------------------------------------------- xarray


def _xarray(value: Any, what: str) -> Array:
    if not hasattr(value, "dtype"):
        names = ", ".join(repr(str(name)) for name in list(getattr(value, "data_vars", ()))[:4])
        raise DtypeError(
            f"{here()}{what} is a {type(value).__name__} of several arrays ({names}): give one of "
            f"them, or stack them with {what}.to_dataarray()."
        )
    return np.asarray(value)


# ---------------------------------------------------------------------- in common

_READERS: dict[str, Callable[[Any, str], Array]] = {
    "pandas": _pandas,
    "polars": _polars,
    "xarray": _xarray,
}


def _together(
    columns: Iterator[Any],
    names: Sequence[str],
    what: str,
    rows: int,
    read: Callable[[Any, str, Any], Array],
) -> Array:
    """Return columns as one array, of the dtype that NumPy gives them together."""
    found = [read(column, what, name) for column, name in zip(columns, names, strict=True)]
    table = np.empty((rows, len(found)), np.result_type(*found) if found else float)
    for k, column in enumerate(found):
        table[:, k] = column
    return table


def _title(what: str, name: Any) -> str:
    return what if name is None else f"the column {str(name)!r} of {what}"


def _get(name: Any) -> str:
    return "column" if name is None else f"table[{name!r}]"


def _refuse(title: str, why: str, instead: str) -> NoReturn:
    raise DtypeError(
        f"{here()}{title} {why}, which no gate takes. Leave it out, or make numbers of it: "
        f"{instead}"
    )


def _missing(title: str, gone: Array, instead: str) -> NoReturn:
    count, first = int(gone.sum()), int(np.argmax(gone))
    raise DtypeError(
        f"{here()}{title} lacks {count} value{'' if count == 1 else 's'}, first in row {first}, "
        f"and only floats have nan. Say what is to stand there, {instead}, or drop the rows."
    )


def _some(names: Any) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:3])
    return shown + (", ..." if len(names) > 3 else "")
