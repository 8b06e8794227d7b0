"""Python expressions as syntax trees, so that no text is ever spliced and no parenthesis is wrong.

A gate's code template is parsed once; its placeholders are replaced by the trees of its inputs.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_PLACEHOLDER = re.compile(r"\{(\d+|\*)\}")
LARGEST_INLINE = 12  # elements of a constant array that stand inside an expression
LARGEST_LITERAL = 10_000  # elements of a constant array that are written out at all


@functools.lru_cache(maxsize=1024)
def _parsed(template: str, count: int) -> ast.expr:
    """Return the tree of a template, with names _0_, _1_, ... for its inputs."""

    def slot(match: re.Match[str]) -> str:
        if match[1] == "*":
            return ", ".join(f"_{k}_" for k in range(count))
        return f"_{match[1]}_"

    return ast.parse(_PLACEHOLDER.sub(slot, template), mode="eval").body


def _copied(node: Any, inputs: Sequence[ast.expr]) -> Any:
    """Return a copy of a template's tree with the inputs for its placeholders."""
    if isinstance(node, ast.Name) and node.id.startswith("_") and node.id.endswith("_"):
        return inputs[int(node.id[1:-1])]
    if isinstance(node, list):
        return [_copied(part, inputs) for part in node]
    if not isinstance(node, ast.AST):
        return node
    return type(node)(**{field: _copied(part, inputs) for field, part in ast.iter_fields(node)})


def filled(template: str, inputs: Sequence[ast.expr]) -> ast.expr:
    """Return a template's expression with these inputs in it."""
    return _copied(_parsed(template, len(inputs)), inputs)  # type: ignore[no-any-return]


def name(text: str) -> ast.Name:
    """Return a variable."""
    return ast.Name(text, ast.Load())


def literal(value: Any) -> ast.expr:
    """Return a number or array as source that gives exactly it back."""
    if isinstance(value, np.ndarray) and value.ndim:
        dtype = "bool" if value.dtype == bool else f"np.{value.dtype.name}"
        if value.size == 0:
            return _parse(f"np.zeros({value.shape!r}, dtype={dtype})")
        number = even_number(value)
        if number is not None:
            shape = value.shape[0] if value.ndim == 1 else value.shape
            return _parse(f"np.full({shape!r}, {_number(number)}, dtype={dtype})")
        return _parse(f"np.array({_nested(value.tolist())}, dtype={dtype})")
    if isinstance(value, (np.generic, np.ndarray)):
        kind = np.asarray(value).dtype.name
        return _parse(f"np.{'bool_' if kind == 'bool' else kind}({_number(value.item())})")
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        sign = math.copysign(1.0, value)
        tree: ast.expr = ast.Constant(abs(value))
        # Not Constant(-2.0), which would be written into -2.0 ** 2 without its parentheses.
        return ast.UnaryOp(ast.USub(), tree) if sign < 0 else tree
    return _parse(_number(value))


def even_number(value: np.ndarray[Any, Any]) -> float | int | bool | None:
    """Return the number that an array holds throughout, or None."""
    if value.size == 0:
        return None
    first = value.flat[0]
    even = first == first and bool(np.all(value == first))
    return first.item() if even else None


def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    return _number(value)


def _number(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "math.nan"
        if math.isinf(value):
            return "math.inf" if value > 0 else "-math.inf"
    return repr(value)


def text_of(tree: ast.expr) -> str:
    """Return the source of an expression."""
    return ast.unparse(tree)


def source_of(function: Callable[..., Any], called: str) -> str:
    """Return the source of a gate's function under another name, without annotations."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise TypeError(f"{function} must be a def: its source is copied into modules")
    tree.name = called
    tree.returns = None
    tree.decorator_list = []
    arguments = tree.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    if arguments.vararg is not None:
        arguments.vararg.annotation = None
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            raise TypeError(f"{function}: annotated assignments are not copied")
    return ast.unparse(tree)
