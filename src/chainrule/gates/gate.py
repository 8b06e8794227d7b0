"""One record per gate: all that the engine knows of it, in one entry of one table.

The tracer, the backward pass, every reading, every machine, the reference page and the tests
read the record; none of them knows a gate by name. To add a gate, add one `Gate(...)` to a table
of this folder. Its rule is plain NumPy: called with arrays it computes, called with traced values
it draws, so a gradient is itself made of gates and can be differentiated again.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import MissingRuleError

Interval = tuple[float, float]
Rule = Callable[..., Any]

REAL: Interval = (-math.inf, math.inf)
POSITIVE: Interval = (0.0, math.inf)
UNIT: Interval = (-1.0, 1.0)
ABOVE_ONE: Interval = (1.0, math.inf)

PYTHON_SCALARS = (float, int, bool)


@dataclass(frozen=True, slots=True)
class Example:
    """Arguments on which the tests and the reference page try a gate.

    Parameters
    ----------
    shapes : tuple of tuple of int
        The shape of each array input; `()` is a number.
    settings : dict
        The keyword settings.
    values : tuple, optional
        For each input a value to use as it is, such as an index array, or None where one is to
        be drawn in the input's shape. Empty means that all are drawn.
    """

    shapes: tuple[tuple[int, ...], ...]
    settings: dict[str, Any]
    values: tuple[Any, ...] = ()


def example(*shapes: tuple[int, ...], values: tuple[Any, ...] = (), **settings: Any) -> Example:
    """Write an `Example` shortly: `example((2, 3), axis=1)`."""
    return Example(shapes, settings, values)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Gate:
    """A gate: its forward function, its gradient, and how it is said and written.

    Parameters
    ----------
    name : str
        NumPy's name where NumPy has one.
    forward : callable
        `forward(*inputs, **settings)` in NumPy. A ufunc, or a function whose positional
        parameters are the array inputs and whose keyword-only parameters are the settings, both
        named as in NumPy's own signature.
    why : str
        One sentence: why the gradient is what it is; for a gate without gradient, why it has none.
    local : tuple of callable, optional
        Elementwise gates. One function an input: `local[i](out, *inputs, **settings)` is the slope
        of the output along input i. The literals 1, -1 and 0 are exact: the chain rule passes on,
        negates or drops the upstream gradient without a multiplication.
    vjp : tuple of callable or callable, optional
        Structural gates. One function an input, `vjp[i](g, out, *inputs, **settings)`, each giving
        the gradient of that input in its own shape, or None where nothing flows. A gate with any
        number of inputs gives one function `vjp(index, g, out, *inputs, **settings)`.
    numpy : callable, optional
        NumPy's function that draws this gate when it meets a traced value. A ufunc `forward`
        draws it anyway.
    scalar : callable, optional
        The same on Python floats, faster. It may raise what `math` raises; the gate then gives
        what NumPy gives.
    symbol : str
        What stands in the circle of a picture.
    code : str or callable
        A NumPy expression with `{0}`, `{1}` for the inputs, `{*}` for all of them separated by
        commas; or a function of the settings that returns one. Empty means `name({*}, settings)`.
        A template that calls the gate's own name makes emitted modules carry a copy of the source
        of `forward`, which then must need nothing but `np` and `math`.
    scalar_code : str, optional
        The same for Python floats, with `math`; a call of the gate's own name copies `scalar`.
        Empty means that `code` serves both.
    latex : str or callable
        LaTeX with `#0`, `#1` for the inputs, `#(0)` for one in parentheses unless it needs none,
        `#*` for all of them; or a function of the settings that returns it. Empty means what the
        syntax tree of `code` gives.
    words : str
        What the gate does, as a verb with its inputs: "multiplies {0} by {1}".
    pattern : str
        How the backward pass treats the upstream gradient, in the lecture's words: "distributes"
        (add), "routes" (max), "swaps" (multiply), "scales" (any other slope), "moves" (reshape,
        index), "spreads" (sum), "products" (matmul), or "stops" (no gradient).
    slope : tuple of str, optional
        How a person writes the slope along each input, where the rule computes it otherwise (to
        keep digits, or to reuse the output): Python over `{0}`, `{1}` and `{out}`.
    because : callable, optional
        For a gate that chooses, on plain numbers: the reason for the choice as a template over its
        inputs, `because(out, *inputs, **settings)`, such as "{0} > {1}".
    expand : callable, optional
        What simpler gates it is made of, in plain NumPy: `expand(*inputs, **settings)` is drawn in
        the gate's place by a machine that does not know the gate itself. It may give
        `NotImplemented` for settings that it has no answer to.
    domain : tuple of (float, float)
        For each input the open interval in which the gate is real; tests draw from it.
    kink : callable, optional
        `kink(*inputs, **settings)`: zero where the slope jumps; positive on one side, negative on
        the other. Any number of kinks may be given by an array with an extra first axis.
    steep : bool
        Whether the slope can be infinite or NaN at a finite input.
    selects : bool
        Whether some input elements get an exact zero because they were not chosen.
    analytic : bool
        Whether the forward function extends to complex numbers (for the complex step).
    is_view : bool
        Whether NumPy's result may share memory with the input.
    examples : tuple of Example
        Arguments for the tests; elementwise gates need none.
    """

    name: str
    forward: Callable[..., Any]
    why: str
    local: tuple[Rule, ...] | None = None
    vjp: tuple[Rule, ...] | Rule | None = None
    numpy: Callable[..., Any] | None = None
    scalar: Callable[..., Any] | None = None
    symbol: str = ""
    code: str | Callable[..., str] = ""
    scalar_code: str = ""
    latex: str | Callable[..., str] = ""
    words: str = ""
    pattern: str = "scales"
    slope: tuple[str, ...] = ()
    because: Rule | None = None
    expand: Rule | None = None
    domain: tuple[Interval, ...] = (REAL,)
    kink: Callable[..., Any] | None = None
    steep: bool = False
    selects: bool = False
    analytic: bool = True
    is_view: bool = False
    examples: tuple[Example, ...] = ()

    def __repr__(self) -> str:
        return f"Gate({self.name!r})"

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Compute on plain values; draw when an input is traced.

        A traced value is any object with a method `__gate__(gate, inputs, settings)`: the tables
        know nothing more of the tracer.
        """
        for value in inputs:
            draw = getattr(value, "__gate__", None)
            if draw is not None:
                return draw(self, inputs, settings)
        return self.compute(inputs, settings)

    def compute(self, inputs: tuple[Any, ...] | list[Any], settings: dict[str, Any]) -> Any:
        """Return the value for plain inputs: Python floats in, Python float out.

        Where `math` raises (exp overflows, log of 0), the value is NumPy's: inf or nan.
        """
        for value in inputs:
            if type(value) not in PYTHON_SCALARS:
                return self.forward(*inputs, **settings)
        if self.scalar is not None:
            try:
                value = self.scalar(*inputs, **settings)
                if type(value) is int and float in map(type, inputs):
                    return float(value)  # max(-1.0, 0) is the float 0.0, as in NumPy
                if type(value) is not complex:  # (-8.0) ** 0.5: NumPy says nan
                    return value
            except (ArithmeticError, ValueError):
                pass
        with np.errstate(all="ignore"):
            # float64 at once: NumPy's integer power refuses 2 ** -1, and 9 ** 9 ** 9 would hang.
            value = self.forward(*(float(v) if type(v) is int else v for v in inputs), **settings)
        return value.item() if isinstance(value, np.generic) else value

    def rule(self, index: int) -> tuple[bool, Rule]:
        """Return (is_local, rule) for one input.

        Raises
        ------
        MissingRuleError
            If the gate has no gradient; the message says why.
        """
        if self.local is not None:
            return True, self.local[index]
        if isinstance(self.vjp, tuple):
            return False, self.vjp[index]
        if self.vjp is not None:
            return False, functools.partial(self.vjp, index)
        raise MissingRuleError(f"the gate {self.name} has no gradient: {self.why}")

    @property
    def has_gradient(self) -> bool:
        """Whether a gradient passes this gate."""
        return self.local is not None or self.vjp is not None

    def expression(self, settings: dict[str, Any], *, scalar: bool = False) -> str:
        """Return the template of the gate's code, settings filled in, `{0}` for the inputs."""
        if scalar and self.scalar_code:
            return self.scalar_code
        if self.code:
            return self.code if isinstance(self.code, str) else self.code(**settings)
        keywords = "".join(f", {key}={value!r}" for key, value in settings.items())
        return f"{self.name}({{*}}{keywords})"

    def copied_source(self, settings: dict[str, Any], *, scalar: bool) -> Rule | None:
        """Return the function whose source an emitted module must carry, or None."""
        if not self.expression(settings, scalar=scalar).startswith(self.name + "("):
            return None
        return self.scalar if scalar and self.scalar is not None else self.forward


@functools.cache
def settings_of(gate: Gate) -> dict[str, Any]:
    """Return the gate's settings and their defaults, read from its forward function."""
    if isinstance(gate.forward, np.ufunc):
        return {}
    parameters = inspect.signature(gate.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@functools.cache
def inputs_of(gate: Gate) -> tuple[str, ...]:
    """Return the names of the gate's array inputs; one that starts with * takes any number."""
    if isinstance(gate.forward, np.ufunc):
        return ("x", "y", "z")[: gate.forward.nin]
    return tuple(
        "*" + p.name if p.kind is p.VAR_POSITIONAL else p.name
        for p in inspect.signature(gate.forward).parameters.values()
        if p.kind is not p.KEYWORD_ONLY
    )
