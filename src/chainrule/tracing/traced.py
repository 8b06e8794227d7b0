"""The value that a traced function works on: it looks like a number or array and records itself.

Operators, NumPy's two protocols and array methods all end in one place, `draw`: compute the value,
append a row, hand out the next traced value. Python's control flow sees the concrete value; what
it decided is kept as a guard. Whatever would turn a traced value into a plain number is an error.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from ..circuit.columns import NO_SETTINGS
from ..errors import LostTraceError
from ..gates import GATES, UFUNCS
from ..gates.gate import Gate
from . import indexing, numpy_functions
from .draw import draw, draw_one
from .operators import arithmetic, comparison, delegated, unary
from .sites import here
from .tape import Tape

_INTEGERS = (int, bool, np.integer, np.bool_)


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
                    draw_one(self, gate)
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
        value = self._value
        return () if type(value) is float else np.shape(value)

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

    # ------------------------------------------------------------------ operators

    __add__, __radd__, __iadd__ = arithmetic("add", operator.add)
    __sub__, __rsub__, __isub__ = arithmetic("subtract", operator.sub)
    __mul__, __rmul__, __imul__ = arithmetic("multiply", operator.mul)
    __truediv__, __rtruediv__, __itruediv__ = arithmetic("divide", operator.truediv)
    __pow__, __rpow__, __ipow__ = arithmetic("power")
    __mod__, __rmod__, __imod__ = arithmetic("mod")
    __floordiv__, __rfloordiv__, __ifloordiv__ = arithmetic("floor_divide")
    __matmul__, __rmatmul__, __imatmul__ = arithmetic("matmul")
    __and__, __rand__, __iand__ = arithmetic("bitwise_and")
    __or__, __ror__, __ior__ = arithmetic("bitwise_or")
    __xor__, __rxor__, __ixor__ = arithmetic("bitwise_xor")
    __lt__ = comparison("less", operator.lt)
    __le__ = comparison("less_equal", operator.le)
    __gt__ = comparison("greater", operator.gt)
    __ge__ = comparison("greater_equal", operator.ge)
    __eq__ = comparison("equal", operator.eq)
    __ne__ = comparison("not_equal", operator.ne)
    __neg__ = unary("negative")
    __abs__ = unary("absolute")
    __invert__ = unary("invert")

    sum = delegated(np.sum)
    mean = delegated(np.mean)
    prod = delegated(np.prod)
    max = delegated(np.max)
    min = delegated(np.min)
    var = delegated(np.var)
    std = delegated(np.std)
    ptp = delegated(np.ptp)
    cumsum = delegated(np.cumsum)
    cumprod = delegated(np.cumprod)
    argmax = delegated(np.argmax)
    argmin = delegated(np.argmin)
    argsort = delegated(np.argsort)
    any = delegated(np.any)
    all = delegated(np.all)
    ravel = delegated(np.ravel)
    squeeze = delegated(np.squeeze)
    swapaxes = delegated(np.swapaxes)
    dot = delegated(np.dot)
    clip = delegated(np.clip)
    take = delegated(np.take)
    repeat = delegated(np.repeat)
    trace = delegated(np.trace)
    diagonal = delegated(np.diagonal)
    round = delegated(np.round)
    nonzero = delegated(np.nonzero)
