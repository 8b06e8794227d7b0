"""A gate's own rule written out with the user's names: `X.T @ dq` for the second input of matmul.

Nothing is kept by hand here: the rule draws, because it is plain NumPy, and what it drew is put
into one expression. Where people write a slope otherwise than the rule computes it, the gate's
record says how (`Gate.slope`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, Columns
from ..gates import Gate
from ..tracing.tape import Tape, recording
from ..tracing.traced import Traced
from . import expressions, numbers
from .notation import DZ, Notation

LONGEST = 60  # characters of a formula that can still be read aloud
_MOST_GATES = 12
_MODULE = re.compile(r"\b(?:np|math)\.(?=[a-z])")

_TWO_SIGNS = re.compile(r"([-+])(-[\w.]+)")


def formula(
    columns: Columns,
    row: int,
    index: int,
    name: Callable[[int], str],
    upstream: Any,
    notation: Notation = DZ,
    output: str = "f",
) -> str | None:
    """Return the slope along one input, or a structural gate's gradient, as an expression.

    Parameters
    ----------
    columns : Columns
        The recorded gates.
    row : int
        The gate's row.
    index : int
        Which input.
    name : callable
        `name(row)` is the variable of a wire.
    upstream : float or ndarray
        The gradient that arrives.
    notation : Notation
        How its gradient is called.
    output : str
        The output's name.

    Returns
    -------
    str or None
        None where it would be too long to read, or would only repeat a number.
    """
    gate = columns.gates[row]
    inputs = columns.inputs(row)
    if gate.slope:
        names = [_tree(columns, k, name) for k in inputs]
        text = gate.slope[index].replace("{out}", f"{{{len(inputs)}}}")
        return _short(expressions.filled(text, [*names, expressions.name(name(row))]))
    tape = Tape(Traced, with_sites=False)
    trees: list[ast.expr | None] = []

    def wire(value: Any, tree: ast.expr) -> Any:
        trees.append(tree)
        return tape.input(value)

    known: dict[int, Any] = {}
    for k in inputs:
        if k not in known:
            value = columns.values[k]
            constant = columns.gates[k] is CONSTANT
            known[k] = value if constant else wire(value, _tree(columns, k, name))
    arguments = [known[k] for k in inputs]
    out = wire(columns.values[row], expressions.name(name(row)))
    is_local, rule = gate.rule(index)
    with np.errstate(all="ignore"), recording(tape):
        if is_local:
            result = rule(out, *arguments, **columns.settings_of(row))
        else:
            g = wire(upstream, expressions.name(notation.term(name(row), output)))
            result = rule(g, out, *arguments, **columns.settings_of(row))
    if not isinstance(result, Traced) or len(tape) - len(trees) > _MOST_GATES:
        return None
    return _short(_written(tape, trees, result._current()))


def _written(tape: Tape, trees: list[ast.expr | None], result: int) -> ast.expr | None:
    """Return one expression for a row of a small tape whose first rows have the given trees."""
    for row in range(len(trees), result + 1):
        if tape.gates[row] is CONSTANT:
            trees.append(literal(tape.values[row]))
            continue
        parts = [trees[k] for k in tape.inputs(row)]
        scalar = all(type(tape.values[k]) is float for k in (row, *tape.inputs(row)))
        trees.append(written_out(tape.gates[row], tape.settings_of(row), parts, scalar=scalar))
    return trees[result]


def written_out(
    gate: Gate, settings: dict[str, Any], parts: Sequence[ast.expr | None], *, scalar: bool
) -> ast.expr | None:
    """Return a gate's code over its inputs; None where that is no readable expression."""
    inputs = [part for part in parts if part is not None]
    if len(inputs) < len(parts):
        return None
    try:
        return expressions.filled(gate.expression(settings, scalar=scalar), inputs)
    except (SyntaxError, ValueError, IndexError):  # such as a setting that is not written as source
        return None


def literal(value: Any) -> ast.expr | None:
    """Return a constant as a person writes it: 2, not 2.0; None for an array."""
    if not numbers.is_number(value):
        return None
    text = numbers.brief(value)
    return signed(text)


def signed(text: str) -> ast.expr:
    """Return the text of a number as a tree, so that a minus sign gets its parentheses."""
    if text.startswith("-"):
        return ast.UnaryOp(ast.USub(), expressions.name(text[1:]))
    return expressions.name(text)


def _tree(columns: Columns, row: int, name: Callable[[int], str]) -> ast.expr:
    if columns.gates[row] is CONSTANT:
        return literal(columns.values[row]) or expressions.name(name(row))
    return expressions.name(name(row))


def _short(tree: ast.expr | None) -> str | None:
    if tree is None:
        return None
    text = spoken(tree)
    # A slope by cases is for machines: the number says which case it is.
    return text if len(text) <= LONGEST and "where(" not in text else None


def spoken(tree: ast.expr) -> str:
    """Return an expression without the names of modules: exp(x), not np.exp(x)."""
    return _TWO_SIGNS.sub(r"\1(\2)", _MODULE.sub("", expressions.text_of(tree)))
