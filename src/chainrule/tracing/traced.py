"""The value that a traced function works on: it looks like a number or array and records itself.

Operators, NumPy's two protocols and array methods all end in one place, `draw`: compute the value,
append a row, hand out the next traced value. Python's control flow sees the concrete value; what
it decided is kept as a guard. Whatever would turn a traced value into a plain number is an error.
"""

from __future__ import annotations

import operator
import sys
from _thread import get_ident  # threading's, without the time of its lookup in every gate
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from ..circuit.columns import NO_SETTINGS
from ..errors import InPlaceError, LostTraceError, MissingGateError, MixedTraceError
from ..gates import GATES, UFUNCS
from ..gates.gate import Gate
from . import indexing, numpy_functions
from .sites import here
from .tape import Tape

_INTEGERS = (int, bool, np.integer, np.bool_)
_new = object.__new__


class Traced:
    """A wire of a recording, seen as the number or array on it.

    Users never make one: `chainrule.trace` and `chainrule.grad` hand them to the function.
    """

    __slots__ = ("_lens", "_row", "_tape")
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # == is a gate, as for arrays

    def __init__(self, tape: Tape, row: int) -> None:
        self._tape = tape
        self._row = row
        self._lens: indexing.Lens | None = None

    # ------------------------------------------------------------------ recording

    def __gate__(self, gate: Gate, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Draw a gate of which at least one input is traced."""
        return draw(self._tape, gate, inputs, settings)

    def _current(self) -> int:
        """Return the row, brought up to date if this is a view of something since written to."""
        if self._lens is not None:
            indexing.refresh(self)
        return self._row

    def _again(self) -> Any:
        """Return a second handle on the value: a copy, since a write moves the handle alone."""
        return self._tape.handle(self._current())

    def __pos__(self) -> Any:
        return self._again()

    def __divmod__(self, other: Any) -> Any:
        return np.floor_divide(self, other), np.mod(self, other)

    def __copy__(self) -> Any:
        return self._again()

    def __deepcopy__(self, memo: Any) -> Any:
        return self._again()

    @property
    def _value(self) -> Any:
        row = self._current()  # first: to draw a view again may renumber the rows
        return self._tape.values[row]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if not options and method == "__call__":
            gate = UFUNCS.get(ufunc)
            if gate is not None:
                return (
                    _draw_one(self, gate)
                    if len(inputs) == 1
                    else draw(self._tape, gate, inputs, NO_SETTINGS)
                )
        return numpy_functions.call_ufunc(self, ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return numpy_functions.call_function(function, args, options)

    # ------------------------------------------------------------------ what it looks like

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; `()` for a number."""
        return np.shape(self._value)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.size(self._value))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype; float64 for a Python float."""
        return np.asarray(self._value).dtype

    @property
    def T(self) -> Any:  # noqa: N802  # NumPy's name
        """The transpose."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802  # NumPy's name
        """The transpose of the last two axes."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        """The value itself: chainrule's wires are real."""
        return self

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError(f"{here()}iteration over {self._described()}, which is one number")
        return (self[k] for k in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value!r})"

    def __str__(self) -> str:
        return str(self._value)

    def __format__(self, spec: str) -> str:
        return format(self._value, spec)

    def _described(self) -> str:
        """Return how an error calls this value: its name if the user gave one."""
        name = self._tape.name_of(self._row)
        shape = self.shape
        kind = f"of shape {shape}" if shape else f"(= {self._value})"
        return f"the traced value {name!r} {kind}" if name else f"a traced value {kind}"

    # ------------------------------------------------------------------ Python decides

    def __bool__(self) -> bool:
        outcome = bool(self._value)
        self._tape.guard(self._row, outcome)
        return outcome

    def __index__(self) -> int:
        value = self._value
        if isinstance(value, _INTEGERS) or getattr(value, "dtype", np.dtype(float)).kind in "iub":
            number = operator.index(value)
            self._tape.guard(self._row, number)
            return number
        self._lost("used as an index", "index with an integer, or use np.where to choose by value")

    def __int__(self) -> int:
        if np.asarray(self._value).dtype.kind in "iub":
            return self.__index__()
        self._lost("turned into an int", "keep it as it is, or use np.floor, which has a gate")

    def __float__(self) -> float:
        if np.asarray(self._value).dtype.kind in "iub":
            return float(self.__index__())  # no gradient to lose: a decision, as an `if` is
        self._lost(
            "turned into a plain float",
            "call the NumPy function of that name (np.exp, not a math function imported under "
            "another name), or drop float(...); to fill an array with traced values, build it with "
            "np.stack or np.concatenate; to look at the number, print the value",
        )

    def __complex__(self) -> complex:
        self._lost("turned into a complex number", "chainrule's wires are real")

    def __round__(self, digits: int = 0) -> Any:
        self._lost("rounded by round()", "use np.rint, which has a gate (its slope is 0)")

    def __floor__(self) -> int:
        self._lost("rounded by math.floor", "use np.floor, which has a gate (its slope is 0)")

    def __ceil__(self) -> int:
        self._lost("rounded by math.ceil", "use np.ceil, which has a gate (its slope is 0)")

    def __trunc__(self) -> int:
        self._lost("rounded by math.trunc", "use np.trunc, which has a gate (its slope is 0)")

    def __array__(self, *args: Any, **options: Any) -> Any:
        if self.ndim == 0:
            remedy = (
                "put traced numbers together with np.array([...]) before a function of them, and "
                "drop np.float64(...)"
            )
            self._lost("turned into a plain array", remedy)
        self._lost(
            "turned into a plain array",
            "use np.stack or np.concatenate to put traced values together, and np functions "
            "rather than functions of other libraries",
        )

    def tolist(self) -> Any:
        """Return nested lists of traced numbers."""
        return [part.tolist() for part in self] if self.ndim else self

    def _lost(self, what: str, remedy: str) -> NoReturn:
        raise LostTraceError(
            f"{here(2)}{self._described()} would be {what}: its gradient would be "
            f"silently lost. Instead, {remedy}."
        )

    # ------------------------------------------------------------------ indexing

    def __getitem__(self, key: Any) -> Any:
        return indexing.get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.put(self, key, value)

    def _refuse_write(self) -> None:
        """Raise if this value must not be written to; define-by-run's leaves say no."""

    # ------------------------------------------------------------------ methods of arrays

    def copy(self) -> Any:
        """Return a copy that no longer shares writes with this one."""
        return np.copy(self)

    def flatten(self) -> Any:
        """Return a copy in one dimension."""
        return np.copy(np.reshape(self, (-1,)))

    def reshape(self, *shape: Any) -> Any:
        """Return the same elements in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """Return the elements in another dtype."""
        return numpy_functions.astype(self, dtype)

    def item(self) -> Any:
        """Return the one element as a traced Python float."""
        return GATES["item"](self)

    def conj(self) -> Any:
        """Return the value itself: chainrule's wires are real."""
        return self

    conjugate = conj


_OPERANDS = (Traced, float, int, np.ndarray, np.generic, list, tuple)


def _frame() -> Any:
    return sys._getframe(2)


def draw(tape: Tape, gate: Gate, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Compute a gate and record it on the tape of its traced inputs.

    Raises
    ------
    MixedTraceError
        If two inputs belong to different recordings, or the recording to another thread.
    """
    if tape.owner != get_ident():
        _elsewhere(inputs)
    # Views first: to draw one again may renumber the rows, so none is asked for before.
    for value in inputs:
        if isinstance(value, Traced):
            if value._tape is not tape:
                _mixed(tape, value)
            if value._lens is not None:
                indexing.refresh(value)
    rows = []
    for value in inputs:
        if isinstance(value, Traced):
            rows.append(value._row)
        else:
            if type(value) in (list, tuple):
                value = np.asarray(value)
            rows.append(tape.constant(value))
    arguments = [tape.values[row] for row in rows]
    try:
        result = gate.compute(arguments, settings)
    except (ValueError, TypeError, IndexError) as error:
        raise _explained(error, gate, inputs) from None
    wire = tape.emit(gate, tuple(rows), settings, result, _frame())
    if type(result) is np.ndarray and (result.base is not None or result is arguments[0]):
        indexing.look(wire, gate, inputs, settings)
    return wire


def _draw_one(wire: Traced, gate: Gate) -> Any:
    """Do what `draw` does for a gate with one input, faster where that is a float."""
    tape = wire._tape
    left = wire._row
    x = tape.values[left]
    if type(x) is not float or gate.scalar is None:
        return draw(tape, gate, (wire,), NO_SETTINGS)
    if tape.owner != get_ident():
        _elsewhere((wire,))
    try:
        value = gate.scalar(x)
    except (ArithmeticError, ValueError):
        value = gate.compute((x,), NO_SETTINGS)
    return tape.emit(gate, (left,), NO_SETTINGS, value, sys._getframe(1))


def _explained(error: Exception, gate: Gate, inputs: tuple[Any, ...]) -> Exception:
    """Return NumPy's error with the user's line and the shapes that met."""
    if str(error).startswith(here(2)) and here(2):
        return error
    shapes = " and ".join(str(np.shape(v._value if isinstance(v, Traced) else v)) for v in inputs)
    text = f"{here(2)}{gate.name} of {shapes}: {error}"
    hint = ""
    if gate.name == "matmul" and len(inputs) == 2:
        a, b = (np.shape(v._value if isinstance(v, Traced) else v) for v in inputs)
        if len(a) == len(b) == 2:
            text = f"{here(2)}matmul of {a} and {b}: inner sizes {a[1]} and {b[0]} differ."
            if a[0] == b[0]:
                hint = " Did you mean x.T @ y?"
            elif a[1] == b[1]:
                hint = " Did you mean x @ y.T?"
    kind: type[Exception] = _SHAPE_ERRORS.get(type(error), type(error))
    return kind(text + hint)


def _mixed(tape: Tape, value: Traced) -> NoReturn:
    raise MixedTraceError(
        f"{here(2)}{value._described()} belongs to another recording than the values it met. "
        "A Variable or a traced value cannot be used inside another trace or another thread: "
        "pass it as an argument, or use its .value as a constant."
    )


def _elsewhere(inputs: tuple[Any, ...]) -> NoReturn:
    value = next(value for value in inputs if isinstance(value, Traced))
    raise MixedTraceError(
        f"{here(2)}{value._described()} was made in another thread, and two threads cannot record "
        "on one tape. Make a Variable of its .value in this thread."
    )


from ..errors import ShapeError  # noqa: E402  # beside its only use

_SHAPE_ERRORS: dict[type, type[Exception]] = {ValueError: ShapeError}


def _binary(gate: Gate, on_floats: Any, *, swapped: bool = False) -> Any:
    """Make the operator method of a gate with two inputs."""

    def method(self: Traced, other: Any) -> Any:
        tape = self._tape
        values = tape.values
        left = self._row
        x = values[left]
        # Floats first, all in this frame: this is the path that define-by-run lives on. A float is
        # never a view, so there is no lens to look through.
        if type(x) is float and on_floats is not None:
            kind = type(other)
            if kind is tape.kind:
                if other._tape is not tape:
                    _mixed(tape, other)
                right = other._row
                y = values[right]
            elif kind is float:
                y = other
                right = tape.floats.get(y)
                if right is None:
                    right = tape.constant(y)
            else:
                y = None
            if type(y) is float:
                if tape.owner != get_ident():
                    _elsewhere((self,))
                if swapped:
                    x, y, left, right = y, x, right, left
                try:
                    value = on_floats(x, y)
                except ArithmeticError:
                    value = gate.compute((x, y), NO_SETTINGS)
                # Tape.emit, written out.
                row = len(values)
                try:
                    values.append(value)
                    tape.gates.append(gate)
                    tape.left.append(left)
                    tape.right.append(right)
                except BaseException:  # Ctrl-C between two columns would shift all later rows
                    tape.cut(row)
                    raise
                if tape.sites is not None:
                    site = tape.site
                    tape.row_sites.append(
                        tape.sites.number(sys._getframe(1)) if site is None else site
                    )
                wire: Any = _new(tape.kind)
                wire._tape = tape
                wire._row = row
                wire._lens = None
                if row >= tape.limit:
                    tape.tidy()
                return wire
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return draw(tape, gate, (other, self) if swapped else (self, other), NO_SETTINGS)

    method.__name__ = method.__qualname__ = gate.name
    return method


def _unary(gate: Gate) -> Any:
    """Make the operator method of a gate with one input."""

    def method(self: Traced) -> Any:
        return _draw_one(self, gate)

    method.__name__ = method.__qualname__ = gate.name
    return method


def _in_place(plain: Any) -> Any:
    """Make `x += y`: arrays are written to, numbers are replaced, as in NumPy."""

    def method(self: Traced, other: Any) -> Any:
        if not isinstance(self._tape.values[self._row], np.ndarray):
            return plain(self, other)
        indexing.refuse_write(self)
        result = plain(self, other)
        if result is NotImplemented:
            return result
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise InPlaceError(
                f"{here()}a result of dtype {result.dtype} cannot be written in place into an "
                f"array of dtype {self.dtype}. Write x = x + y, or make x a float array first."
            )
        return indexing.write(self, result)

    return method


_BINARY = {
    "add": ("add", operator.add),
    "sub": ("subtract", operator.sub),
    "mul": ("multiply", operator.mul),
    "truediv": ("divide", operator.truediv),
    "pow": ("power", None),
    "mod": ("mod", None),
    "floordiv": ("floor_divide", None),
    "matmul": ("matmul", None),
    "and": ("bitwise_and", None),
    "or": ("bitwise_or", None),
    "xor": ("bitwise_xor", None),
}
for _name, (_gate_name, _on_floats) in _BINARY.items():
    _gate = GATES[_gate_name]
    setattr(Traced, f"__{_name}__", _binary(_gate, _on_floats))
    setattr(Traced, f"__r{_name}__", _binary(_gate, _on_floats, swapped=True))
    setattr(Traced, f"__i{_name}__", _in_place(getattr(Traced, f"__{_name}__")))
for _name, _gate_name, _on_floats in (
    ("lt", "less", operator.lt),
    ("le", "less_equal", operator.le),
    ("gt", "greater", operator.gt),
    ("ge", "greater_equal", operator.ge),
    ("eq", "equal", operator.eq),
    ("ne", "not_equal", operator.ne),
):
    setattr(Traced, f"__{_name}__", _binary(GATES[_gate_name], _on_floats))
for _name, _gate_name in (("neg", "negative"), ("abs", "absolute"), ("invert", "invert")):
    setattr(Traced, f"__{_name}__", _unary(GATES[_gate_name]))
Traced.__hash__ = None  # type: ignore[assignment]  # setting __eq__ afterwards leaves it alone


def _delegated(function: Any) -> Any:
    def method(self: Traced, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = f"Return `np.{function.__name__}` of this value."
    return method


for _function in (
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.cumsum, np.cumprod, np.argmax,
    np.argmin, np.argsort, np.any, np.all, np.ravel, np.squeeze, np.swapaxes, np.dot, np.clip,
    np.take, np.repeat, np.trace, np.diagonal, np.round, np.nonzero, np.ptp,
):  # fmt: skip
    setattr(Traced, _function.__name__.replace("amax", "max"), _delegated(_function))


def is_traced(value: Any) -> bool:
    """Return whether a value is being recorded."""
    return isinstance(value, Traced)


def missing(what: str, remedy: str) -> MissingGateError:
    """Return the error for a function that has no gate."""
    return MissingGateError(f"{here(2)}{what} has no gate. {remedy}")


def refuse_plain_out(name: str) -> NoReturn:
    """Raise the error for a traced result that would be written into a plain array."""
    raise InPlaceError(
        f"{here(2)}{name} would write a traced value into a plain array, which would lose its "
        "gradient. Write `x = x + y` instead of `x += y`, or start from a traced array."
    )
