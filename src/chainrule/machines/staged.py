"""The staged machine: executes the module that the code reading writes.

The source is made of gate templates, checked names and number literals only; nothing a user typed
is in it. Python's `math` raises where NumPy gives inf or nan (exp overflows, log of 0): there
whoever asked for the machine says what runs instead.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_INSTEAD = "__instead__"  # no user's name starts with two underscores
_POWER = "__power__"


def staged(
    source: str,
    name: str,
    instead: Callable[..., Any],
    *,
    on_arrays: bool,
    constants: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Return a function of an emitted module, made to agree with the interpreter.

    Parameters
    ----------
    source : str
        The module.
    name : str
        The function in it.
    instead : callable
        Called with the same arguments where the emitted code raises: what `math` complains about,
        and guards of branches not taken.
    on_arrays : bool
        Whether NumPy's warnings are to be kept quiet; on plain floats there are none.
    constants : mapping of str to ndarray, optional
        Arrays that the module uses and does not hold.
    """
    tree = _RealPowers().visit(ast.parse(source))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            node.body = [_guarded(node)]
    namespace = {
        "__name__": "chainrule_staged",
        _INSTEAD: instead,
        _POWER: _real_power,
        **(constants or {}),
    }
    # Inside the function, not around it: a call more would cost a third of a small backward pass.
    exec(builtins.compile(ast.fix_missing_locations(tree), "<chainrule>", "exec"), namespace)
    function: Callable[..., Any] = namespace[name]
    if not on_arrays:
        return function

    def quietly(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return quietly


def _guarded(function: ast.FunctionDef) -> ast.Try:
    """Return the body in a `try` that hands over to `instead`."""
    arguments: list[ast.expr] = [ast.Name(a.arg, ast.Load()) for a in function.args.args]
    call = ast.Call(ast.Name(_INSTEAD, ast.Load()), arguments, [])
    complaints = ast.Tuple(
        [ast.Name("ArithmeticError", ast.Load()), ast.Name("ValueError", ast.Load())], ast.Load()
    )
    handler = ast.ExceptHandler(complaints, None, [ast.Return(call)])
    return ast.Try(function.body, [handler], [], [])


class _RealPowers(ast.NodeTransformer):
    """Sends `x ** y` through `_real_power` where the exponent is not a whole number."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow) or _is_whole(node.right):
            return node
        return ast.Call(ast.Name(_POWER, ast.Load()), [node.left, node.right], [])


def _is_whole(exponent: ast.expr) -> bool:
    if isinstance(exponent, ast.UnaryOp):
        exponent = exponent.operand
    value = getattr(exponent, "value", None)
    return isinstance(value, (int, float)) and float(value).is_integer()


def _real_power(x: Any, y: Any) -> Any:
    """Return x ** y; refuse a complex result, where NumPy and the interpreter say nan."""
    result = x**y
    if type(result) is complex:
        raise ValueError("a negative number to a broken power")
    return result
