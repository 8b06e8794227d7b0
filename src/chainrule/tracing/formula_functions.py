"""What a formula may compute with: constants, functions by name, operators, all of them gates.

To allow another function, add its gate to the gate tables; another spelling of one, add it to
`ALIASES`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

from ..errors import did_you_mean
from ..gates import GATES
from ..gates.gate import Gate, settings_of
from .formula_text import lookalike

Function = Callable[..., Any]

CONSTANTS: dict[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "e": math.e,
    "tau": math.tau,
    "inf": math.inf,
    "nan": math.nan,
}
"""Names that have a value, unless an input of that name is given."""

SETTINGS = (
    "alpha",
    "approximate",
    "axis",
    "axes",
    "ddof",
    "decimals",
    "k",
    "keepdims",
    "negative_slope",
    "offset",
    "ord",
    "slope",
)
"""Settings that cannot make an array grow."""

# A short formula must not be able to ask for a large array. What can be called makes no axis longer
# and adds none, so the cap on numbers in lists bounds every array that does not come from an input.
# Gates that need other settings than these cannot be called, nor can those below.
_GROWING = (
    "broadcast_to",
    "concatenate",
    "conv2d",
    "diag",
    "diagflat",
    "einsum",
    "expand_dims",
    "kron",
    "one_hot",
    "outer",
    "pad",
    "repeat",
    "stack",
    "tensordot",
    "tile",
)

FLATTENING = ("argsort", "cumprod", "cumsum", "sort")
"""Gates that join all axes into a long one where `axis` is None: to be called with an axis."""

ALIASES: dict[str, str] = {
    "abs": "absolute",
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "degrees": "rad2deg",
    "fabs": "absolute",
    "ln": "log",
    "pow": "power",
    "radians": "deg2rad",
}
"""Other spellings of gates: Python's, math's and paper's."""


def _may_be_called(gate: Gate) -> bool:
    return gate.name not in _GROWING and all(
        name in SETTINGS or default is not inspect.Parameter.empty
        for name, default in settings_of(gate).items()
    )


def _callable_gates() -> dict[str, Gate]:
    gates = {name: gate for name, gate in GATES.items() if _may_be_called(gate)}
    return gates | {alias: gates[name] for alias, name in ALIASES.items() if name in gates}


FUNCTIONS: dict[str, Gate] = _callable_gates()
"""What a formula may call, by name; `max` and `min` of several values come on top."""


def unknown_function(name: str) -> str:
    """Return what to say of a call to something that is not in `FUNCTIONS`."""
    if name in GATES:
        return f"formulas do without {name}; write a Python function for it"
    near = did_you_mean(name, [*FUNCTIONS, "max", "min"])
    if not near:
        near = f" If it is a value, a product needs its sign: {name} * (...)"
    return f"there is no function {name!r} in formulas{lookalike(name)}.{near}"


_GATE_OF_OPERATOR: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "mod",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.USub: "negative",
    ast.Not: "logical_not",
    ast.And: "logical_and",
    ast.Or: "logical_or",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
OPERATORS: dict[type[ast.AST], Function] = {
    node: GATES[name] for node, name in _GATE_OF_OPERATOR.items()
}
"""Gates, not Python's operators: 1 / 0 is inf as everywhere in chainrule, and never raises."""


def fold(function: Function) -> Function:
    """Make a function of two values one of any number."""
    return lambda *values: functools.reduce(function, values)


def compare(operators: tuple[Function, ...], *values: Any) -> Any:
    """Compute a < b < c as (a < b) and (b < c)."""
    outcomes = [op(values[k], values[k + 1]) for k, op in enumerate(operators)]
    return functools.reduce(OPERATORS[ast.And], outcomes)


def choose(chosen: Any, condition: Any, other: Any) -> Any:
    """Compute `chosen if condition else other`, elementwise."""
    return GATES["where"](condition, chosen, other)


def subscript(key: Any, value: Any) -> Any:
    """Compute `value[key]`."""
    return value[key]
