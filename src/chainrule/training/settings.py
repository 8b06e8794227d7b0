"""Settings of records such as optimizers: numbers in a range, checked when the record is made."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from ..tracing.sites import here

NOT_NEGATIVE = "0 or more, and finite"
POSITIVE = "above 0, and finite"
FRACTION = "from 0 to below 1"


def check_numbers(
    record: Any, ranges: Mapping[str, str] | None = None, but: Collection[str] = ()
) -> None:
    """Check the settings of a frozen dataclass, and make NumPy's numbers Python's.

    A NumPy number would widen float32 where it meets it; a Python float does not.

    Parameters
    ----------
    record : dataclass
        Its fields are changed in place, though it is frozen for everybody else.
    ranges : mapping of str to str
        What a setting may be, `POSITIVE` or `FRACTION`; `NOT_NEGATIVE` by default.
    but : collection of str
        Settings that are no numbers.

    Raises
    ------
    TypeError
        If a setting is no number.
    ValueError
        If it is out of its range.
    """
    kind = type(record).__name__
    for setting in fields(record):
        name = setting.name
        if name in but:
            continue
        value = getattr(record, name)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{here()}{kind}: {name} must be a number, not {value!r}") from None
        meant = (ranges or {}).get(name, NOT_NEGATIVE)
        if not _is(number, meant):
            raise ValueError(f"{here()}{kind}: {name} must be {meant}, not {number!r}")
        object.__setattr__(record, name, number)


def _is(number: float, meant: str) -> bool:
    if meant == POSITIVE:
        return 0.0 < number < math.inf
    return 0.0 <= number < (1.0 if meant == FRACTION else math.inf)
