"""The grammar of a formula: which nodes of Python's tree it may hold, and the steps they become.

A reader for each kind of node returns the step that the node becomes and the parts to be computed
before it; `Reader` walks the tree with a stack of its own, so depth costs no recursion.
To allow another piece of Python's grammar, write a reader and add it to `_READERS`.
"""

from __future__ import annotations

import ast
import functools
import keyword
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..errors import FormulaError, did_you_mean
from ..gates import GATES
from ..gates.gate import Gate, inputs_of, settings_of
from .formula_functions import (
    FLATTENING,
    FUNCTIONS,
    OPERATORS,
    SETTINGS,
    choose,
    compare,
    fold,
    subscript,
    unknown_function,
)
from .formula_text import Statement, refuse

NODES = 5_000
LETTERS = 100
DEPTH = 400
NUMBERS_IN_LISTS = 1_000
LARGEST_EXPONENT = 1_000_000  # past it an exponent is a float like any other number


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a formula: `kind` says what to do with `what`, `place` is where it stands."""

    kind: str  # "push" a number or array, "load" or "store" a name, "apply" a function
    what: Any
    arity: int = 0
    place: tuple[int, int] = (0, 0)


def weak(value: Any) -> Any:
    """Return Python integers as floats: 9 ** 9 ** 9 in integers would never end."""
    return _float(value) if type(value) is int else value


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _signed(node: ast.expr) -> int | float | None:
    """Return the number that a node spells, with its sign; None if it is not a plain number."""
    sign = 1
    # One sign only: a number in a list or a setting is not the place for a chain of them.
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return sign * value
    return None


def _integer(node: ast.expr | None) -> int | None:
    value = None if node is None else _signed(node)
    return value if type(value) is int and abs(value) <= LARGEST_EXPONENT else None


_Parts = tuple[Step | None, list["ast.expr | Step"]]


class Reader:
    """Turns the tree of one formula into steps, refusing what is not on the list."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.origin = (1, 0)  # where the statement being read begins
        self.steps: list[Step] = []
        self.loads: dict[str, None] = {}
        self.stored: set[str] = set()
        self.nodes = 0
        self.numbers = 0

    def read(self, statements: list[Statement]) -> None:
        """Read these statements; `steps` and `loads` then hold the formula."""
        if not statements:
            raise FormulaError('the formula is empty; write one, as "(x + y) * z"')
        for statement in statements:
            self.origin = statement.place
            name, tree = statement.name, statement.tree
            is_last = statement is statements[-1]
            if name is None:
                if not is_last:
                    self._refuse(tree, "this value is used nowhere; name it: q = ...")
                self._expression(tree)
            else:
                self._check_name(tree, name)
                self._expression(tree)
                self.stored.add(name)
                self.steps.append(Step("store", name, 1))
                if is_last:
                    self.steps.append(Step("load", name))

    def _refuse(self, node: ast.AST, message: str) -> NoReturn:
        """Raise with a caret under the node."""
        refuse(message, self.text, self._place(node))

    def _place(self, node: ast.AST) -> tuple[int, int]:
        """Return the line, from 1, and the column in characters, from 0, of a node."""
        below = getattr(node, "lineno", 1) - 1
        line, start = self.origin[0] + below, 0 if below else self.origin[1]
        # The parser counts in bytes of UTF-8.
        before = self.lines[line - 1][start:].encode()[: getattr(node, "col_offset", 0)]
        return line, start + len(before.decode(errors="ignore"))

    def _expression(self, root: ast.expr) -> None:
        """Append the steps of an expression, inputs before what uses them."""
        work: list[tuple[ast.expr | Step, int]] = [(root, 0)]
        while work:
            node, depth = work.pop()
            if isinstance(node, Step):
                self.steps.append(node)
                continue
            self.nodes += 1
            if depth > DEPTH or self.nodes > NODES:
                what = "nested too deeply" if depth > DEPTH else "too long"
                self._refuse(
                    node, f"the formula is {what}; name its parts, or write a Python function"
                )
            reader = _READERS.get(type(node))
            if isinstance(node, ast.Attribute):
                self._refuse(node, _attribute(node))
            if reader is None:
                self._refuse(node, _REFUSALS.get(type(node), _ANYTHING_ELSE))
            step, parts = reader(self, node)
            if step is not None:
                work.append((step, depth))
            work.extend((part, depth + 1) for part in reversed(parts))

    def _apply(self, node: ast.AST, function: Callable[..., Any], parts: list[Any]) -> _Parts:
        """Return the step that applies a function to parts."""
        return Step("apply", function, len(parts), self._place(node)), parts

    # One method for each kind of node on the list.

    def _constant(self, node: ast.Constant) -> _Parts:
        number = _signed(node)
        if number is None:
            self._refuse(node, _refused_constant(node.value))
        return Step("push", _float(number), 0, self._place(node)), []

    def _name(self, node: ast.Name) -> _Parts:
        self._check_name(node, node.id)
        if node.id not in self.stored:
            self.loads.setdefault(node.id)
        return Step("load", node.id, 0, self._place(node)), []

    def _check_name(self, node: ast.AST, name: str) -> None:
        if len(name) > LETTERS:
            self._refuse(node, f"a name of {len(name):,} letters; at most {LETTERS}")
        if "__" in name:
            self._refuse(node, f"the name {name!r} has two underscores in a row; write one")
        if keyword.iskeyword(name):
            self._refuse(node, f"{name!r} is a word of Python's; write {name}_")

    def _binary(self, node: ast.BinOp) -> _Parts:
        function = OPERATORS.get(type(node.op))
        if function is None:
            self._refuse(node, _REFUSED_OPERATORS.get(type(node.op), _ANYTHING_ELSE))
        exponent = _integer(node.right) if isinstance(node.op, ast.Pow) else None
        if exponent is not None:  # x ** 2 stays x ** 2, not x ** 2.0
            return self._apply(node, function, [node.left, Step("push", exponent)])
        return self._apply(node, function, [node.left, node.right])

    def _unary(self, node: ast.UnaryOp) -> _Parts:
        if isinstance(node.op, ast.UAdd):
            return None, [node.operand]
        if isinstance(node.op, ast.Invert):
            self._refuse(node, "a formula has no ~; write not")
        return self._apply(node, OPERATORS[type(node.op)], [node.operand])

    def _boolean(self, node: ast.BoolOp) -> _Parts:
        return self._apply(node, fold(OPERATORS[type(node.op)]), list(node.values))

    def _comparison(self, node: ast.Compare) -> _Parts:
        for operator in node.ops:
            if type(operator) not in OPERATORS:
                self._refuse(node, "a formula compares numbers: < <= > >= == !=")
        operators = tuple(OPERATORS[type(operator)] for operator in node.ops)
        parts = [node.left, *node.comparators]
        return self._apply(node, functools.partial(compare, operators), parts)

    def _conditional(self, node: ast.IfExp) -> _Parts:
        return self._apply(node, choose, [node.body, node.test, node.orelse])

    def _array(self, node: ast.List | ast.Tuple) -> _Parts:
        value = self._numbers_of(node)
        return Step("push", value, 0, self._place(node)), []

    def _numbers_of(self, node: ast.List | ast.Tuple) -> np.ndarray[Any, Any]:
        """Return a list of numbers, or of rows of numbers, as an array."""
        rows = [e for e in node.elts if isinstance(e, (ast.List, ast.Tuple))]
        if len({len(row.elts) for row in rows}) > 1 or 0 < len(rows) < len(node.elts):
            self._refuse(node, "the rows of a matrix need the same length: [[1, 2], [3, 4]]")
        values = []
        for element in [e for row in rows for e in row.elts] if rows else node.elts:
            number = _signed(element)
            if number is None:
                self._refuse(element, "a list holds plain numbers, [1, -2.5], or rows of them")
            values.append(_float(number))
        self.numbers += len(values)
        if self.numbers > NUMBERS_IN_LISTS:
            self._refuse(
                node, f"more than {NUMBERS_IN_LISTS:,} numbers in lists; give the array as an input"
            )
        array = np.array(values, dtype=np.float64)
        return array.reshape(len(rows), -1) if rows else array

    def _subscript(self, node: ast.Subscript) -> _Parts:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        keys = tuple(self._key(part) for part in parts)
        key = keys if isinstance(node.slice, ast.Tuple) else keys[0]
        return self._apply(node, functools.partial(subscript, key), [node.value])

    def _key(self, node: ast.expr) -> int | slice:
        """Return a subscript: an integer, or a slice of integers."""
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            values = [_integer(bound) for bound in bounds]
            if all(v is not None or b is None for v, b in zip(values, bounds, strict=True)):
                return slice(*values)
        elif (number := _integer(node)) is not None:
            return number
        self._refuse(node, "a subscript is a plain integer or a slice: x[0], x[-1], x[1:3]")

    def _call(self, node: ast.Call) -> _Parts:
        function = node.func
        if isinstance(function, ast.Attribute):
            self._refuse(function, _attribute(function))
        if isinstance(function, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call)):
            self._refuse(node, "a number is not a function; a product needs its sign: 2 * (x + 1)")
        if not isinstance(function, ast.Name):
            self._refuse(function, "only functions can be called, by their name: exp(x)")
        name = function.id
        self._check_name(function, name)
        if name in self.stored:
            self._refuse(function, f"{name!r} is a value; a product needs its sign: {name} * (...)")
        for part in node.args:
            if isinstance(part, ast.Starred):
                self._refuse(part, "a formula has no *; write the inputs one by one")
        if name in ("max", "min") and len(node.args) > 1 and not node.keywords:
            gate = GATES["maximum" if name == "max" else "minimum"]
            return self._apply(node, fold(gate), node.args)
        if name not in FUNCTIONS:
            self._refuse(function, unknown_function(name))
        gate = FUNCTIONS[name]
        settings = self._settings(node, name, gate)
        self._check_arity(node, name, gate)
        if name in FLATTENING and (settings_of(gate) | settings)["axis"] is None:
            self._refuse(node, f"{name} of all axes at once; write {name}(x, axis=0)")
        return self._apply(node, functools.partial(gate, **settings), node.args)

    def _check_arity(self, node: ast.Call, name: str, gate: Gate) -> None:
        inputs, given = inputs_of(gate), len(node.args)
        if any(i.startswith("*") for i in inputs) and given >= len(inputs) - 1 and given > 0:
            return
        if given != len(inputs):
            count = f"{len(inputs)} input{'s' * (len(inputs) != 1)}"
            allowed = [s for s in settings_of(gate) if s in SETTINGS]
            more = f"; settings by name: {', '.join(s + '=...' for s in allowed)}" * bool(allowed)
            self._refuse(
                node, f"{name} takes {count}, {name}({', '.join(inputs)}), not {given}{more}"
            )

    def _settings(self, node: ast.Call, name: str, gate: Gate) -> dict[str, Any]:
        """Return the keyword settings of a call."""
        known = [setting for setting in settings_of(gate) if setting in SETTINGS]
        settings: dict[str, Any] = {}
        for given in node.keywords:
            if given.arg is None:
                self._refuse(given, "a formula has no **settings; write them one by one")
            if given.arg not in known:
                has = f"its settings are {', '.join(known)}" if known else "it has no settings"
                near = did_you_mean(given.arg, known)
                self._refuse(given, f"{name} has no setting {given.arg!r}; {has}.{near}")
            if given.arg in settings:
                self._refuse(given, f"{given.arg} is given twice")
            settings[given.arg] = self._setting(given.value)
        return settings

    def _setting(self, node: ast.expr) -> Any:
        """Return the value of a setting: a number, True, False, None, or a tuple of integers."""
        if isinstance(node, ast.Constant) and (node.value is None or type(node.value) is bool):
            return node.value
        if isinstance(node, (ast.Tuple, ast.List)):
            integers = [_integer(element) for element in node.elts]
            if None not in integers:
                return tuple(integers)
        number = _signed(node)
        if number is None or (type(number) is int and _integer(node) is None):
            self._refuse(node, "a setting is a plain number, True, False, or axes: axis=(0, 1)")
        return number


_READERS: dict[type[ast.AST], Callable[[Reader, Any], _Parts]] = {
    ast.BinOp: Reader._binary,
    ast.BoolOp: Reader._boolean,
    ast.Call: Reader._call,
    ast.Compare: Reader._comparison,
    ast.Constant: Reader._constant,
    ast.IfExp: Reader._conditional,
    ast.List: Reader._array,
    ast.Name: Reader._name,
    ast.Subscript: Reader._subscript,
    ast.Tuple: Reader._array,
    ast.UnaryOp: Reader._unary,
}


# ---------------------------------------------------------------------- refusals

_ANYTHING_ELSE = "this is no part of a formula; write a Python function"
_LOOP = "a formula has no loops; use sum(x) or mean(x), or write a Python function"
_REFUSALS: dict[type[ast.AST], str] = {
    ast.Await: "a formula has no await; write a Python function",
    ast.Dict: "a formula has no dictionaries; give each value its own name",
    ast.DictComp: _LOOP,
    ast.GeneratorExp: _LOOP,
    ast.Lambda: "a formula has no functions of its own; write a Python function",
    ast.ListComp: _LOOP,
    ast.NamedExpr: "a formula has no :=; name a part before it is used: q = x + y; q * z",
    ast.Set: "a formula has no sets; write [1, 2, 3] for an array",
    ast.SetComp: _LOOP,
    ast.Starred: "a formula has no *; write the values one by one",
    ast.Yield: "a formula has no yield; write a Python function",
    ast.YieldFrom: "a formula has no yield; write a Python function",
}
_REFUSED_OPERATORS: dict[type[ast.AST], str] = {
    ast.BitXor: "in Python ^ is no power; write ** for powers",
    ast.BitAnd: "a formula has no &; write and",
    ast.BitOr: "a formula has no |; write or, or abs(x) for |x|",
    ast.LShift: "a formula has no <<; write * 2 ** n",
    ast.RShift: "a formula has no >>; write / 2 ** n",
}


def _attribute(node: ast.Attribute) -> str:
    """Return what to say of `np.exp` or `x.real`."""
    function = "transpose" if node.attr == "T" else node.attr
    if isinstance(node.value, ast.Name) and function in FUNCTIONS:
        of = node.value.id
        instead = f"{function}(...)" if of in ("np", "numpy", "math") else f"{function}({of})"
        return f"a formula has no attributes such as .{node.attr}; write {instead}"
    return f"a formula has no attributes such as .{node.attr}; call functions by name, as abs(x)"


def _refused_constant(value: object) -> str:
    """Return what to say of a constant that is not a real number."""
    if isinstance(value, bool):
        return f"{value} is no number; write {int(value)}"
    if isinstance(value, complex):
        return "a formula has no complex numbers: chainrule's wires are real"
    return f"{'...' if value is ... else value!r} is no number"
