"""NumPy's functions on traced values: which gates a call draws.

Most need nothing here: a ufunc draws the gate whose `forward` it is, and any other function the
gate that names it in its `numpy` field; its arguments are bound by NumPy's own signature. Spellings
made of several gates stand in `composed`. What is in neither is an error that names the line and
the nearest thing.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InPlaceError
from ..gates import GATES, UFUNCS, Gate, inputs_of, settings_of
from .composed import COMPOSED
from .missing import is_traced, missing
from .sites import here

BY_FUNCTION: dict[Any, Gate] = {
    gate.numpy: gate for gate in GATES.values() if gate.numpy is not None
}
# Second names that NumPy keeps for the same thing.
_SAME: dict[Any, Any] = {
    np.amax: np.max,
    np.amin: np.min,
    np.fabs: np.absolute,
    np.conjugate: np.positive,  # wires are real
}
_REDUCES: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}


# ---------------------------------------------------------------------- ufuncs


def call_ufunc(
    traced: Any, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Draw a ufunc, or one of its methods."""
    out = options.pop("out", None)
    if method == "reduce" and ufunc in _REDUCES:
        options = {k: v for k, v in options.items() if v is not None and k in ("axis", "keepdims")}
        # ufunc.reduce runs over axis 0 where the function runs over all.
        return _REDUCES[ufunc](*inputs, **{"axis": 0, **options})
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        axis = options.pop("axis", 0)
        accumulated: Any = np.cumsum if ufunc is np.add else np.cumprod
        return accumulated(*inputs, axis=axis)
    if method == "outer" and len(inputs) == 2:
        x, y = inputs
        return ufunc(np.reshape(x, (*np.shape(x), *(1,) * np.ndim(y))), y)
    if method != "__call__":
        missing(f"np.{ufunc.__name__}.{method}")
    gate = UFUNCS.get(_SAME.get(ufunc, ufunc))
    if gate is None:
        known = getattr(np, ufunc.__name__, None) is ufunc
        missing(f"np.{ufunc.__name__}" if known else f"the ufunc {ufunc.__name__}")
    dtype = options.pop("dtype", None)
    extra = [k for k, v in options.items() if not (k == "where" and v is True)]
    if extra:
        missing(
            f"np.{ufunc.__name__} with {extra[0]}=", "Leave it out, or choose with np.where(...)."
        )
    result = gate(*inputs)
    if dtype is not None:
        result = astype(result, dtype)
    if out is None:
        return result
    (target,) = out
    if not is_traced(target):
        raise InPlaceError(
            f"{here(2)}np.{ufunc.__name__} would write a traced value into a plain array, which "
            "would lose its gradient. Write `x = x + y` instead of `x += y`, or start from a "
            "traced array."
        )
    target[...] = result
    return target


# ---------------------------------------------------------------------- functions


@functools.cache
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


def call_function(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Draw a NumPy function that is not a ufunc."""
    function = _SAME.get(function, function)
    composed = COMPOSED.get(function)
    if composed is not None:
        try:
            _signature(composed).bind(*args, **options)
        except TypeError as error:
            missing(f"np.{function.__name__} ({error})", "Leave that argument out.")
        return composed(*args, **options)
    gate = BY_FUNCTION.get(function)
    if gate is None:
        missing(_spelled(function))
    inputs, settings = _bind(gate, function, args, options)
    return gate(*inputs, **settings)


def _spelled(function: Any) -> str:
    module = getattr(function, "__module__", "") or ""
    prefix = module.replace("numpy", "np", 1) if module.startswith("numpy") else "np"
    return f"{prefix}.{getattr(function, '__name__', function)}"


def _bind(
    gate: Gate, function: Any, args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the gate's inputs and settings for a call in NumPy's own spelling."""
    bound = _signature(function).bind(*args, **options)
    given = dict(bound.arguments)
    for name, each in bound.signature.parameters.items():
        if each.kind is each.VAR_KEYWORD:  # np.pad(x, 1, constant_values=2.0)
            given.update(given.pop(name, {}))
    inputs: list[Any] = []
    for name in inputs_of(gate):
        if name.startswith("*"):
            inputs.extend(given.pop(name[1:]))
        else:
            inputs.append(given.pop(name))
    defaults = settings_of(gate)
    settings = dict(defaults)
    for name, value in given.items():
        parameter = bound.signature.parameters.get(name)
        standard = parameter.default if parameter is not None else inspect.Parameter.empty
        if name in defaults:
            if value is not standard or name not in settings:
                settings[name] = plain(value)
        elif name == "dtype" and value is not None:
            inputs[0] = astype(inputs[0], value)
        elif not _is_same(value, standard):
            missing(f"{_spelled(function)} with {name}=", "Leave it out.")
    return inputs, settings


def _is_same(value: Any, standard: Any) -> bool:
    return value is standard or value is None or (isinstance(value, str) and value == standard)


def plain(value: Any) -> Any:
    """Return a setting as plain Python: traced integers become guards, lists become tuples."""
    if type(value) in (list, tuple):
        return tuple(plain(v) for v in value)
    if is_traced(value) or isinstance(value, np.integer):
        return operator.index(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return plain(value.tolist())
    return value


def astype(x: Any, dtype: Any) -> Any:
    """Cast between float dtypes; a cast to integers would lose the gradient."""
    dtype = np.dtype(dtype)
    if np.asarray(getattr(x, "_value", x)).dtype == dtype and np.ndim(x):
        return x._again() if is_traced(x) else x  # NumPy copies: writes are not shared
    if dtype.kind not in "fb" and x.dtype.kind == "f":
        missing(f"astype({dtype})", "A cast to integers loses the gradient; use np.floor instead.")
    return GATES["astype"](x, dtype=dtype.name)
