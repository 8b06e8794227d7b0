"""Functions that dispatch on nothing: `math.exp`, `np.array` and their kind, while tracing.

`math.exp(x)` asks x for a plain float, and the trace would be lost. So while a function is being
traced, the functions of `math` (and the names under which the function's own modules imported
them) stand for substitutes, which draw a gate for a traced value and call the original for
everything else. They are put back when the last trace in the process ends, whatever happened.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..gates import GATES
from .missing import is_traced, missing

_MATH = {
    "exp": "exp", "expm1": "expm1", "exp2": "exp2", "log1p": "log1p", "log2": "log2",
    "log10": "log10", "sqrt": "sqrt", "cbrt": "cbrt", "pow": "power", "fabs": "absolute",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "atan2": "arctan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fmod": "fmod",
    "degrees": "rad2deg", "radians": "deg2rad", "erf": "erf", "erfc": "erfc",
    "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
}  # fmt: skip


def _log(x: Any, base: Any = None) -> Any:
    return GATES["log"](x) if base is None else GATES["log"](x) / GATES["log"](base)


def _hypot(*coordinates: Any) -> Any:
    if len(coordinates) == 2:
        return GATES["hypot"](*coordinates)
    return GATES["sqrt"](functools.reduce(operator.add, (c * c for c in coordinates)))


def _fsum(values: Any) -> Any:
    return functools.reduce(operator.add, values)


def _dist(p: Any, q: Any) -> Any:
    return _hypot(*(a - b for a, b in zip(p, q, strict=True)))


def _isclose(a: Any, b: Any, *, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> bool:
    near = max(rel_tol * max(abs(a), abs(b)), abs_tol)
    return bool(abs(a - b) <= near)


def _stacked(values: Any, dtype: Any = None, *_: Any, **__: Any) -> Any:
    """Draw np.array of nested lists that hold traced values."""
    if is_traced(values):
        copied = np.copy(values)
    else:
        copied = np.stack([_stacked(v) if isinstance(v, (list, tuple)) else v for v in values])
    return copied if dtype is None or np.dtype(dtype).kind == "O" else copied.astype(dtype)


def _as_array(values: Any, dtype: Any = None, *_: Any, **__: Any) -> Any:
    if not is_traced(values):
        return _stacked(values, dtype)
    return values if dtype is None else values.astype(dtype)


def as_array(values: Any) -> Any:
    """Return nested lists as an array, drawn where they hold traced values."""
    return _stacked(values) if _holds_traced(values) else np.asarray(values)


def _holds_traced(values: Any) -> bool:
    pending = [values]
    while pending:
        value = pending.pop()
        if is_traced(value):
            return True
        if type(value) in (list, tuple):
            pending.extend(value)
    return False


def _substitute(name: str, original: Any, draw: Callable[..., Any], *, deep: bool = False) -> Any:
    """Make the function that stands for `original` while something is traced."""

    @functools.wraps(original)
    def substitute(*args: Any, **options: Any) -> Any:
        if any(_holds_traced(a) for a in args) if deep else any(map(is_traced, args)):
            return draw(*args, **options)
        return original(*args, **options)

    return substitute


def _without_gate(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **options: Any) -> Any:
        missing(f"math.{name}")

    return refuse


def _build() -> dict[Any, Any]:
    """Return original function -> substitute."""
    special = {"log": _log, "hypot": _hypot}
    deep: dict[str, Callable[..., Any]] = {"fsum": _fsum, "dist": _dist}
    table: dict[Any, Any] = {}
    for name, original in vars(math).items():
        if not isinstance(original, BuiltinFunctionType) or name in ("floor", "ceil", "trunc"):
            continue  # floor, ceil and trunc ask the value itself, which answers with an error
        if name in ("prod", "sumprod"):
            continue  # these use * and +, which draw
        if name in deep:
            table[original] = _substitute(name, original, deep[name], deep=True)
        elif name == "isclose":
            table[original] = _substitute(name, original, _isclose)
        else:
            gate = GATES.get(_MATH.get(name, ""))
            draw = special.get(name) or gate or _without_gate(name)
            table[original] = _substitute(name, original, draw)
    table[np.array] = _substitute("array", np.array, _stacked, deep=True)
    for original in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asarray_chkfinite):
        table[original] = _substitute(original.__name__, original, _as_array, deep=True)
    return table


_TABLE: dict[Any, Any] = {}
_NEVER = frozenset({"chainrule", "numpy"})
_lock = threading.Lock()
_active = 0
_undo: list[tuple[dict[str, Any], str, Any]] = []


def _replace_in(namespace: dict[str, Any]) -> None:
    for name, value in list(namespace.items()):
        if type(value) is BuiltinFunctionType or value is np.asarray_chkfinite:
            substitute = _TABLE.get(value)
            if substitute is not None:
                _undo.append((namespace, name, value))
                namespace[name] = substitute


def _namespaces(function: Any) -> Iterator[dict[str, Any]]:
    """Yield the global namespaces of the function and of what it calls, closes over, or holds."""
    pending = [function]
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, functools.partial):
            pending.append(item.func)
        elif hasattr(item, "__wrapped__"):
            pending.append(item.__wrapped__)
        if hasattr(item, "__func__"):
            item = item.__func__
        if isinstance(item, FunctionType):
            namespace = item.__globals__
            if id(namespace) not in seen:
                seen.add(id(namespace))
                yield namespace
            pending += _called(item.__code__, namespace)
            for cell in item.__closure__ or ():
                try:
                    pending.append(cell.cell_contents)
                except ValueError:  # a cell not filled yet
                    continue
        elif isinstance(item, type):
            pending += [v for v in vars(item).values() if isinstance(v, FunctionType)]
        elif not isinstance(item, ModuleType) and callable(item):
            call = type(item).__call__
            if isinstance(call, FunctionType):
                pending.append(call)


def _called(code: CodeType, namespace: dict[str, Any]) -> Iterator[Any]:
    """Yield the functions and classes of people's own modules whose names stand in the code."""
    for name in code.co_names:
        value = namespace.get(name)
        parts = [value]
        if isinstance(value, ModuleType) and _is_theirs(value.__name__):
            parts = [vars(value).get(part) for part in code.co_names]
        for part in parts:
            if isinstance(part, (FunctionType, type)) and _is_theirs(part.__module__):
                yield part
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # a function or comprehension inside
            yield from _called(constant, namespace)


def _is_theirs(module: str | None) -> bool:
    """Whether a module is neither Python's own, nor NumPy's, nor ours."""
    room = (module or "").partition(".")[0]
    return room == "__main__" or (room not in _NEVER and room not in sys.stdlib_module_names)


@contextmanager
def substituted(function: Any) -> Iterator[Any]:
    """Put the substitutes in place while the block runs.

    Parameters
    ----------
    function : callable
        What is about to be traced; the names that its modules imported are covered too.

    Yields
    ------
    callable
        The function to call: the substitute, where `math.exp` itself is traced.
    """
    global _active
    with _lock:
        if not _TABLE:
            _TABLE.update(_build())
        _active += 1
        if _active == 1:
            _replace_in(vars(math))
            _replace_in(vars(np))
        for namespace in _namespaces(function):
            # NumPy's and chainrule's own modules keep the originals: they never need more.
            if not namespace.get("__name__", "").startswith(("chainrule.", "numpy")):
                _replace_in(namespace)
    try:
        yield _TABLE.get(function, function) if type(function) is BuiltinFunctionType else function
    finally:
        with _lock:
            _active -= 1
            if _active == 0:
                while _undo:
                    namespace, name, original = _undo.pop()
                    namespace[name] = original
