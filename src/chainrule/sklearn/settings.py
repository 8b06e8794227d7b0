"""Settings of the estimators, checked when they are fitted, as scikit-learn wants it."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import did_you_mean
from .solvers import SOLVERS

# Each with the least and the largest number that it may be, and whether they belong to it.
_NUMBERS = {
    "alpha": (0.0, True, math.inf),
    "learning_rate_init": (0.0, False, math.inf),
    "power_t": (0.0, True, math.inf),
    "tol": (0.0, True, math.inf),
    "momentum": (0.0, True, 1.0),
    "validation_fraction": (0.0, False, 1.0),
    "beta_1": (0.0, True, 1.0),
    "beta_2": (0.0, True, 1.0),
    "epsilon": (0.0, False, math.inf),
}
_SWITCHES = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping")
_SCHEDULES = ("constant", "invscaling", "adaptive")
_DTYPES = ("auto", "float32", "float64")


def check_settings(estimator: Any) -> None:
    """Raise TypeError or ValueError for a parameter that cannot be meant, with its name."""
    given = estimator.get_params(deep=False)
    for name, (least, is_least, largest) in _NUMBERS.items():
        value = given[name]
        if not _is_number(value, Real):
            raise TypeError(f"{name} must be a number, not {value!r}")
        if not (least < value < largest or (is_least and value == least)):
            low = "0 or more" if is_least else "above 0"
            high = " and finite" if largest == math.inf else f" and below {largest:g}"
            raise ValueError(f"{name} must be {low}{high}, not {value!r}")
    _check_count(given["max_iter"], "max_iter")
    if given["n_iter_no_change"] != math.inf:
        _check_count(given["n_iter_no_change"], "n_iter_no_change")
    if not _is(given["batch_size"], "auto"):
        _check_count(given["batch_size"], "batch_size", " or 'auto'")
    for name in _SWITCHES:
        if not isinstance(given[name], bool | np.bool_):  # "no" would be a yes
            raise TypeError(f"{name} must be True or False, not {given[name]!r}")
    solver = given["solver"]
    if isinstance(solver, str):
        _check_choice(solver, "solver", SOLVERS)
    elif isinstance(solver, type) or not all(hasattr(solver, n) for n in ("init", "update")):
        raise TypeError(
            f"solver must be {', '.join(map(repr, SOLVERS))} or an optimizer such as "
            f"cr.AdamW(1e-3), not {solver!r}"
        )
    _check_choice(given["learning_rate"], "learning_rate", _SCHEDULES)
    if given["learning_rate"] != "constant" and not _is(solver, "sgd"):
        # MLPClassifier ignores it without a word.
        raise ValueError(
            f"learning_rate={given['learning_rate']!r} is for solver='sgd'. For a schedule with "
            "another: solver=cr.Adam(cr.CosineDecay(1e-3, steps))"
        )
    _check_choice(given["dtype"], "dtype", _DTYPES)


def sizes_of(hidden_layer_sizes: Any) -> list[int]:
    """Return the sizes of the hidden layers, given as one or several.

    Raises
    ------
    TypeError, ValueError
        If they are no sizes.
    """
    given = hidden_layer_sizes
    if isinstance(given, str) or not (_is_number(given, Real) or hasattr(given, "__iter__")):
        raise TypeError(f"hidden_layer_sizes must be whole numbers, not {given!r}")
    sizes: list[Any] = list(given) if hasattr(given, "__iter__") else [given]
    for size in sizes:
        _check_count(size, "hidden_layer_sizes", " each")
    return [int(size) for size in sizes]


def _check_count(value: Any, name: str, more: str = "") -> None:
    if not _is_number(value, Integral):
        raise TypeError(f"{name} must be a whole number, 1 or more{more}, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more{more}, not {value!r}")


def _check_choice(value: Any, name: str, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}.{hint}")


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word
