"""The circuit as JavaScript: what lets a page work both passes out again while an input is dragged.

Only circuits of Python floats are written. Nothing about a gate is kept here: its `scalar_code` and
`scalar` are Python, and their syntax trees are translated; the backward pass is drawn by the same
rules as everywhere. What JavaScript lacks (Python's `%`, `round`, `erf`) is in html/arithmetic.js,
as `M`. To teach the translation a function of `math`, add it there and to `_FUNCTIONS`.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..errors import ChainruleError
from ..gates import Gate
from ..passes.backward import is_float
from ..passes.draw import Drawing, draw
from ..tracing.tape import recording
from ..tracing.traced import Traced
from . import expressions

_PYTHON = (float, int, bool)
_LARGEST_EXACT = 2**53  # beyond it an integer is no longer exactly a number of JavaScript's

_NATIVE = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh",
    "exp", "expm1", "floor", "hypot", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt",
    "tan", "tanh", "trunc",
)  # fmt: skip
_OURS = (
    "copysign", "degrees", "erf", "erfc", "exp2", "fmod", "isfinite", "isinf", "isnan", "radians",
)  # fmt: skip
_FUNCTIONS = {f"math.{name}": f"Math.{name}" for name in _NATIVE}
_FUNCTIONS |= {f"math.{name}": f"M.{name}" for name in _OURS}
_FUNCTIONS |= {
    "abs": "Math.abs",
    "bool": "M.truth",
    "float": "Number",
    "max": "M.max",
    "min": "M.min",
    "np.round": "M.round",
    "round": "M.round",
}
_VALUES = {
    "math.inf": "Infinity",
    "math.nan": "NaN",
    "math.pi": "Math.PI",
    "math.e": "Math.E",
}
_SIGNS: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",  # not ===, for which true is not 1
    ast.NotEq: "!=",
}
_CALLED = {ast.Pow: "M.pow", ast.Mod: "M.mod", ast.FloorDiv: "M.floordiv"}


class NotWritableError(ChainruleError, ValueError):
    """A circuit that cannot be written as JavaScript; the message says why, for the page."""


# ---------------------------------------------------------------------- Python -> JavaScript


def translated(tree: ast.expr, functions: dict[str, ast.FunctionDef] | None = None) -> str:
    """Return a Python expression over floats as JavaScript.

    Parameters
    ----------
    tree : ast.expr
        The expression.
    functions : dict, optional
        Functions it may call, beside those of `math`: their parameters order the keywords.

    Raises
    ------
    NotWritableError
        For what has no counterpart.

    Examples
    --------
    >>> translated(ast.parse("math.exp(x) if x > 0 else -x ** 2", mode="eval").body)
    '((x > 0) ? Math.exp(x) : (-M.pow(x, 2)))'
    """
    known = functions or {}

    def say(node: ast.expr) -> str:
        return translated(node, known)

    match tree:
        case ast.Constant(value=bool(value)):
            return "true" if value else "false"
        case ast.Constant(value=int() | float() as value):
            return repr(float(value) if abs(value) > _LARGEST_EXACT else value)
        case ast.Name(id=name):
            return name
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(place))):
            return f"{name}[{place}]"
        case ast.Attribute() if (name := ast.unparse(tree)) in _VALUES:
            return _VALUES[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"(!{_test(operand, known)})"
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            return f"({'-' if isinstance(op, ast.USub) else '+'}{say(operand)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _CALLED:
            return f"{_CALLED[type(op)]}({say(left)}, {say(right)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return f"({say(left)} {_SIGNS[type(op)]} {say(right)})"
        case ast.Compare(left=left, ops=ops, comparators=rights):
            sides = [say(part) for part in (left, *rights)]
            links = [
                f"{sides[k]} {_SIGNS[type(op)]} {sides[k + 1]}"
                for k, op in enumerate(ops)
                if type(op) in _SIGNS
            ]
            if len(links) == len(ops):
                return links[0] if len(links) == 1 else f"({' && '.join(links)})"
        case ast.BoolOp(op=op, values=values):
            sign = " && " if isinstance(op, ast.And) else " || "
            return f"({sign.join(_test(value, known) for value in values)})"
        case ast.IfExp(test=test, body=body, orelse=other):
            return f"({_test(test, known)} ? {say(body)} : {say(other)})"
        case ast.Call(func=function, args=args, keywords=keywords):
            called = ast.unparse(function)
            if called in known:
                return f"{called}({', '.join(_ordered(known[called], args, keywords, say))})"
            if called in _FUNCTIONS and not keywords:
                return f"{_FUNCTIONS[called]}({', '.join(map(say, args))})"
    raise NotWritableError(f"{ast.unparse(tree)} has no counterpart in JavaScript")


def _test(tree: ast.expr, known: dict[str, ast.FunctionDef]) -> str:
    """Return a condition: Python's truth of a NaN is True, JavaScript's is false."""
    text = translated(tree, known)
    plain = isinstance(tree, (ast.Compare, ast.BoolOp))
    return f"({text})" if plain else f"M.truth({text})"


def _ordered(
    function: ast.FunctionDef, args: list[ast.expr], keywords: list[ast.keyword], say: Any
) -> list[str]:
    given = {keyword.arg: say(keyword.value) for keyword in keywords}
    names = [argument.arg for argument in function.args.kwonlyargs]
    return [*map(say, args), *(given.get(name, "undefined") for name in names)]


def function_text(function: ast.FunctionDef) -> str:
    """Return a small Python function as a JavaScript one; keywords come last, in their order."""
    arguments = function.args
    parts = [argument.arg for argument in arguments.args]
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parts.append(argument.arg + (f" = {translated(default)}" if default is not None else ""))
    body = " ".join(_statement(node) for node in function.body)
    return f"function {function.name}({', '.join(parts)}) {{ {body.strip()} }}"


def _statement(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return ""
        case ast.Return(value=ast.expr() as value):
            return f"return {translated(value)};"
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return f"const {name} = {translated(value)};"
        case ast.If(test=test, body=body, orelse=[]):
            return f"if ({_test(test, {})}) {{ {' '.join(map(_statement, body))} }}"
    raise NotWritableError(f"{ast.unparse(node)} has no counterpart in JavaScript")


# ---------------------------------------------------------------------- circuits


@dataclass(frozen=True, slots=True)
class Program:
    """A circuit and its backward pass as a JavaScript function.

    Parameters
    ----------
    source : str
        `function run(x)`: takes the inputs in order and returns an array `r`; needs `M`.
    gradients : dict of int to int
        Where in `r` the gradient of each row stands; a row's value is at its own number.
    handed : dict
        By (gate's row, number of the input): the slope (a place in `r`, a float that it always is,
        or None), and the places of the contribution and of the sum so far.
    guards : tuple of (int, bool or int)
        Rows, and what plain Python saw there: with anything else the function would be another.
    """

    source: str
    gradients: dict[int, int]
    handed: dict[tuple[int, int], tuple[int | float | None, int, int]]
    guards: tuple[tuple[int, bool | int], ...]


def program(circuit: Circuit) -> Program:
    """Write a circuit of floats with one output, and its backward pass.

    Raises
    ------
    NotWritableError
        If it has arrays, or a gate that cannot be translated; the message is for people.
    """
    values = circuit.columns.values
    if len(circuit.outputs) != 1 or not circuit.output_tree.is_leaf:
        raise NotWritableError(f"{circuit.title} returns several outputs in a container")
    (output,) = circuit.outputs
    for row in range(len(circuit)):
        if circuit.needed[row] and type(values[row]) not in _PYTHON:
            kind = "an array" if np.ndim(values[row]) else f"a {type(values[row]).__name__}"
            raise NotWritableError(
                f"{circuit.names[row]} is {kind}, and a page works with plain floats only"
            )
    if type(values[output]) is not float:
        raise NotWritableError(f"{circuit.title} returned {values[output]!r}, not a float")
    # Gate by gate as it was written: the page shows every wire of a written-out sigmoid.
    drawing = draw(circuit, output, recognise=False)
    slopes = _draw_slopes(circuit, drawing)
    same = [*drawing.same, *range(len(drawing.same), len(drawing.columns))]
    handed = _handed(circuit, drawing, slopes, same)
    gradients = {s.wire: same[s.total] for s in drawing.sums}
    roots = {row for row in range(len(circuit)) if circuit.needed[row]}
    roots.update(gradients.values())
    for slope, part, total in handed.values():
        roots.update((part, total), (slope,) if type(slope) is int else ())
    functions: dict[str, ast.FunctionDef] = {}
    lines = _lines(circuit, drawing, sorted(roots), functions)
    copies: list[str] = []
    whole = draw(circuit, output)
    if whole.columns.gates[: whole.start] != drawing.columns.gates[: drawing.start]:
        # As the engine does: the gradients outside of such a sigmoid come from the one gate, which
        # does not overflow.
        outside = {s.wire: whole.same[s.total] for s in whole.sums}
        inner = _lines(circuit, whole, sorted(outside.values()), functions)
        copies = ["function whole(x) {", "const r = [];", *inner, "return r;", "}"]
        lines.append("const w = whole(x);")
        for place, (wire, row) in enumerate(outside.items(), len(drawing.columns)):
            lines.append(f"r[{place}] = w[{row}];")
            gradients[wire] = place
    texts = [function_text(function) for function in functions.values()]
    body = ["function run(x) {", "const r = [];", *lines, "return r;", "}"]
    return Program("\n".join([*texts, *copies, *body]), gradients, handed, tuple(circuit.guards))


def _draw_slopes(circuit: Circuit, drawing: Drawing) -> dict[tuple[int, int], int | float]:
    """Draw each local gradient alone: the row that holds it, or the float that it always is."""
    tape = drawing.columns
    reached = {s.wire for s in drawing.sums}
    found: dict[tuple[int, int], int | float] = {}

    def lift(row: int) -> Any:
        return tape.values[row] if tape.gates[row] is CONSTANT else tape.made(tape, row)

    with np.errstate(all="ignore"), recording(tape):
        for row in circuit.gate_rows():
            gate, inputs = tape.gates[row], tape.inputs(row)
            if gate.local is None or row not in reached:
                continue
            for index, source in enumerate(inputs):
                if source not in reached or not is_float(tape.values[source]):
                    continue
                settings = tape.settings_of(row)
                slope = gate.local[index](lift(row), *map(lift, inputs), **settings)
                if isinstance(slope, Traced):
                    found[row, index] = slope._current()
                else:
                    found[row, index] = float(slope)
    return found


def _handed(
    circuit: Circuit,
    drawing: Drawing,
    slopes: dict[tuple[int, int], int | float],
    same: list[int],
) -> dict[tuple[int, int], tuple[int | float | None, int, int]]:
    """Return what each gate hands to each of its inputs."""
    by_gate: dict[int, list[Any]] = {}
    for s in drawing.sums[1:]:  # the first is the seed
        by_gate.setdefault(s.answers, []).append(s)
    found: dict[tuple[int, int], tuple[int | float | None, int, int]] = {}
    for row, events in by_gate.items():
        following = 0
        for index, source in enumerate(circuit.columns.inputs(row)):
            # The events are in the order of the inputs, those that get nothing left out.
            if following < len(events) and events[following].wire == source:
                s = events[following]
                slope = slopes.get((row, index))
                found[row, index] = (slope, same[s.part], same[s.total])
                following += 1
    return found


def _lines(
    circuit: Circuit, drawing: Drawing, roots: list[int], functions: dict[str, ast.FunctionDef]
) -> list[str]:
    """Return the statements that fill `r`; the gates' own functions they call join the dict."""
    tape = drawing.columns
    needed = tape.needed_for(roots)
    lines = [f"r[{row}] = x[{place}];" for place, row in enumerate(circuit.inputs)]
    for row in range(len(tape)):
        gate = tape.gates[row]
        if not needed[row] or gate is INPUT:
            continue
        if gate is CONSTANT:
            lines.append(f"r[{row}] = {_number(tape.values[row])};")
            continue
        if any(type(tape.values[k]) not in _PYTHON for k in (row, *tape.inputs(row))):
            raise NotWritableError(f"the gate {gate.name} works on arrays")
        parts = [_place(tape, k) for k in tape.inputs(row)]
        settings = tape.settings_of(row)
        _copy(gate, settings, functions)
        try:
            tree = expressions.filled(gate.expression(settings, scalar=True), parts)
            lines.append(f"r[{row}] = {translated(tree, functions)};")
        except (NotWritableError, SyntaxError) as error:
            raise NotWritableError(
                f"the gate {gate.name} is not written for pages yet: {error}"
            ) from error
    return lines


def _place(tape: Any, row: int) -> ast.expr:
    if tape.gates[row] is CONSTANT:
        return expressions.literal(tape.values[row])
    return ast.Subscript(expressions.name("r"), ast.Constant(row), ast.Load())


def _number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return translated(expressions.literal(value))


def _copy(gate: Gate, settings: dict[str, Any], functions: dict[str, ast.FunctionDef]) -> None:
    """Take the gate's own Python function in, where its code calls it."""
    source = gate.copied_source(settings, scalar=True)
    if source is None or gate.name in functions:
        return
    try:
        (node,) = ast.parse(expressions.source_of(source, gate.name)).body
        assert isinstance(node, ast.FunctionDef)
        function_text(node)
    except (NotWritableError, TypeError, SyntaxError) as error:
        raise NotWritableError(
            f"the gate {gate.name} is not written for pages yet: {error}"
        ) from error
    functions[gate.name] = node
