"""Formulas as text: `(x + y) * z` becomes steps that are run on numbers or on traced values.

User text is never evaluated. Python's parser only reads it; the tree is held against a list of what
a formula may hold (`formula_tree`) and turned into a flat list of steps: push, load, store, apply.
Whatever is not on the list is refused, with a caret under it and what to write instead. Nothing
recurses, so a formula cannot exhaust the stack, and caps keep every formula quick to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import did_you_mean
from .formula_functions import CONSTANTS, FUNCTIONS
from .formula_text import clean, lookalike, pointing, refuse, statements_of
from .formula_tree import Reader, Step, weak


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that has been read and found harmless.

    Parameters
    ----------
    text : str
        What the user wrote, without comments and surrounding blanks.
    names : tuple of str
        The names that need a value, in order of first appearance. Constants such as `pi` are not
        among them; `inputs` adds those for which a value is given.
    """

    text: str
    names: tuple[str, ...]
    loads: tuple[str, ...] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)

    def inputs(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the inputs in order of first appearance, given these values.

        A constant's name is an input if it has a value here.

        Raises
        ------
        FormulaError
            If a name has no value, or a value no name.
        """
        names = tuple(n for n in self.loads if n in values or n not in CONSTANTS)
        for name in names:
            if name not in values:
                known = [*values, *CONSTANTS, *FUNCTIONS]
                near = did_you_mean(name, known) or did_you_mean(name.lower(), known)
                place = next(s.place for s in self.steps if (s.kind, s.what) == ("load", name))
                refuse(
                    f"no value for {name!r}; give {name}=...{near}{lookalike(name)}",
                    self.text,
                    place,
                )
        for name in values:
            if name not in names:
                has = f"has {', '.join(names)}" if names else "has no inputs"
                near = did_you_mean(name, names)
                refuse(f"a value for {name!r}, but the formula {has}.{near}", self.text, (1, 0))
        return names

    def evaluate(
        self, values: Mapping[str, Any], named: Callable[[str, Any], None] | None = None
    ) -> Any:
        """Compute the formula on numbers, arrays or traced values.

        Parameters
        ----------
        values : mapping of str to number, array or traced value
            A value for each input. Python integers become floats.
        named : callable, optional
            Called as `named(name, value)` at each assignment, in order.

        Returns
        -------
        float, ndarray or traced value
            The value of the last statement.

        Raises
        ------
        FormulaError
            If a name has no value, or a value no name.

        Examples
        --------
        >>> parse("q = x + y; q * z").evaluate({"x": -2, "y": 5, "z": -4})
        -12.0
        """
        known: dict[str, Any] = dict(CONSTANTS)
        known.update((name, weak(values[name])) for name in self.inputs(values))
        stack: list[Any] = []
        for step in self.steps:
            if step.kind == "push":
                stack.append(step.what)
            elif step.kind == "load":
                stack.append(known[step.what])
            elif step.kind == "store":
                known[step.what] = stack.pop()
                if named is not None:
                    named(step.what, known[step.what])
            else:
                inputs = stack[len(stack) - step.arity :]
                del stack[len(stack) - step.arity :]
                try:
                    stack.append(step.what(*inputs))
                except Exception as error:
                    error.add_note(pointing("in the formula", self.text, step.place))
                    raise
        return stack[-1]


def parse(text: str) -> Formula:
    """Read a formula.

    It may hold numbers, names, `+ - * / // % ** @`, comparisons, `and or not`, `a if c else b`
    (both sides are computed), calls of gates by name with settings such as `axis=0`, lists of
    numbers, subscripts with numbers, and statements `name = formula` separated by `;` or lines.
    The value is that of the last statement.

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the text is anything else; the message shows where, and what to write instead.

    Examples
    --------
    >>> parse("(x + y) * z").names
    ('x', 'y', 'z')
    >>> parse("x.real")
    Traceback (most recent call last):
        ...
    chainrule.errors.FormulaError: a formula has no attributes such as .real; call ...
        x.real
         ^
    """
    text = clean(text)
    reader = Reader(text)
    reader.read(statements_of(text))
    names = tuple(name for name in reader.loads if name not in CONSTANTS)
    return Formula(text, names, tuple(reader.loads), tuple(reader.steps))
