"""What is said when a traced value meets a function for which there is no gate."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import MissingGateError, did_you_mean
from ..gates import GATES, UFUNCS
from .sites import here

_REMEDIES = {
    "median": "Write the mean of the middle elements of np.sort(x).",
    "nan_to_num": "Write np.where(np.isfinite(x), x, 0.0).",
    "nansum": "Write np.sum(np.where(np.isnan(x), 0.0, x)).",
    "nanmean": "Sum np.where(np.isnan(x), 0.0, x) and divide by the count of numbers.",
    "interp": "Write the piecewise line with np.where.",
    "copyto": "Assign with x[...] = y to a traced array.",
    "put": "Assign with x[i] = y to a traced array.",
    "vectorize": "Write the function on whole arrays.",
    "choose": "Write np.where(...), or np.select(...) for many cases.",
    "piecewise": "Write np.where(...), or np.select(...) for many cases.",
    "slogdet": "Write np.log(np.abs(np.linalg.det(x))).",
    "apply_along_axis": "Write the function with axis=.",
}


def is_traced(value: Any) -> bool:
    """Return whether a value records what is done to it."""
    return hasattr(value, "__gate__")


def missing(what: str, near: str = "") -> NoReturn:
    """Raise the error for a call that has no gate."""
    name = what.rsplit(".", 1)[-1]
    remedy = _REMEDIES.get(name, "")
    if not remedy:
        known = [*GATES, *(ufunc.__name__ for ufunc in UFUNCS)]
        remedy = (near or did_you_mean(name, known).strip()) + (
            " Write it with the functions listed in the reference of gates."
        )
    raise MissingGateError(
        f"{here(2)}{what} of a traced value has no gate, so its gradient would be lost. "
        f"{remedy.strip()}"
    )
