"""Define by run: numbers and arrays that record what is done to them, wherever it is done.

Nothing is traced and no function is needed: compute with Variables in plain Python, then ask the
result to go backward.
"""

from __future__ import annotations

import threading
from typing import Any, NoReturn

import numpy as np

from ..circuit.columns import INPUT
from ..errors import (
    DtypeError,
    InPlaceError,
    LostTraceError,
    MixedTraceError,
    NotScalarError,
    ShapeError,
)
from ..passes.backward import is_float
from ..tracing.sites import here
from ..tracing.traced import Traced
from .thread_tape import ThreadTape


class Variable(Traced):
    """A float, or array of floats, that records what is computed from it.

    A Variable made by a call is a leaf; operators, NumPy functions and chainrule's functions on
    Variables give further Variables.

    Parameters
    ----------
    value : float, ndarray of floats or nested list of floats
        Copied, so that later writes to the array do not reach it.

    Raises
    ------
    DtypeError
        For integers, which have no gradient: write `3.0`.

    Notes
    -----
    `y.backward()` sets `.grad` of every leaf that y was computed from. It *sets*: nothing adds up
    from call to call and there is nothing to reset; calling it twice gives the same numbers. For
    the gradient of several outputs, add the outputs.

    A gradient belongs to a value. Before the first `backward()`, and after an assignment to
    `.value`, `.grad` is None, so an update with a stale gradient is an error, not a wrong number.
    A leaf that the latest `backward()` did not meet keeps the gradient of the last one that did,
    so two models may be trained in turns. An intermediate Variable has the `.grad` of the latest
    `backward()`, if that met it.

    `.value` is a copy; on a leaf it can be assigned: `w.value -= 0.1 * w.grad`. What was computed
    from the old value stays as it was; views (`w.T`, `w[1:]`) look at the new one.

    `y += x`, `y[i] = x` and writes through views change a computed array as in NumPy, with the
    right gradient. A leaf array refuses them, since they might mean either a computation or an
    update. A number is replaced, as in plain Python.

    Variables belong to the thread that made them. Rows that no Variable needs any more are
    dropped from time to time; a Variable that is kept (in a list of costs, say) keeps all that it
    was computed from, so keep its `.value`.

    Examples
    --------
    >>> x, y, z = Variable(-2.0), Variable(5.0), Variable(-4.0)
    >>> f = (x + y) * z
    >>> f.backward()
    >>> f.value, x.grad, y.grad, z.grad
    (-12.0, -4.0, -4.0, 3.0)

    Three steps of gradient descent:

    >>> w = Variable(1.0)
    >>> for _ in range(3):
    ...     cost = (w - 3.0) ** 2
    ...     cost.backward()
    ...     w.value -= 0.25 * w.grad
    >>> w.value
    2.75
    """

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        self._tape = _of_thread.tape
        self._lens = None
        self._row = self._tape.leaf(_leaf_value(value))

    _tape: ThreadTape

    # ------------------------------------------------------------------ values

    @property
    def is_leaf(self) -> bool:
        """Whether this was made by a call of Variable, not computed."""
        return self._lens is None and self._tape.gates[self._row] is INPUT

    @property
    def value(self) -> Any:
        """The number, or a copy of the array; on a leaf it can be assigned."""
        value = self._value
        return np.array(value) if isinstance(value, np.ndarray) else value

    @value.setter
    def value(self, new: Any) -> None:
        if not self.is_leaf:
            raise InPlaceError(
                f"{here()}{self._described()} was computed from others, so its value is theirs to "
                "say. Assign to the leaf it was computed from, or make a new one: "
                "cr.Variable(x.value)."
            )
        tape = self._tape
        if tape.owner != threading.get_ident():
            raise MixedTraceError(
                f"{here()}{self._described()} was made in another thread, and two threads cannot "
                "record on one tape. Assign to it in the thread that made it."
            )
        before = self._row
        value = _same_kind(new, tape.values[before])
        self._row = tape.leaf(value)
        tape.leaf_gradients.pop(before, None)
        if self._row >= tape.limit or tape.room < 0:
            tape.tidy()

    # ------------------------------------------------------------------ gradients

    @property
    def grad(self) -> Any:
        """The gradient of the latest `backward()` that met this value; None if none did."""
        return self._tape.gradient_of(self._current())

    @grad.setter
    def grad(self, new: Any) -> NoReturn:
        raise InPlaceError(
            f"{here()}.grad is written by backward(), which sets it and never adds to it: there "
            "is nothing to reset."
        )

    def backward(self, gradient: Any = None) -> None:
        """Set the gradient of this output by every leaf it was computed from.

        Parameters
        ----------
        gradient : float or ndarray, optional
            The upstream gradient, in the shape of this output; 1 for a single number.

        Raises
        ------
        NotScalarError
            If this is not one number and no gradient was given.
        ShapeError
            If the gradient has another shape.
        DtypeError
            If this is an integer or boolean, such as a comparison gives.

        Examples
        --------
        >>> x = Variable([1.0, 2.0])
        >>> (x * x).backward(gradient=[1.0, 10.0])
        >>> x.grad
        array([ 2., 40.])
        """
        tape = self._tape
        if tape.owner != threading.get_ident():
            raise MixedTraceError(
                f"{here()}{self._described()} was made in another thread. Call backward() there."
            )
        row = self._current()
        seed = _seed(tape.values[row], gradient)
        with np.errstate(all="ignore"):
            tape.run_backward(row, seed)

    # ------------------------------------------------------------------ what it is not

    def _described(self) -> str:
        shape = self.shape
        return f"the Variable of shape {shape}" if shape else f"the Variable (= {self._value})"

    def __float__(self) -> float:
        if self.dtype.kind != "f":
            return super().__float__()
        self._lost(
            "turned into a plain float",
            "take the number with .value, or use the NumPy function of the same name (np.exp for "
            "math.exp), and np.stack to put Variables into an array",
        )

    def __array__(self, *args: Any, **options: Any) -> Any:
        self._lost(
            "turned into a plain array",
            "take the array with .value, or use NumPy's functions (np.stack puts Variables into "
            "an array)",
        )

    def _refuse_write(self) -> None:
        if self.is_leaf:
            raise InPlaceError(
                f"{here(2)}a write in place to {self._described()}, which is a leaf. To compute "
                "with it, write x = x + y (or y = x.copy(), and write to y); to update it, assign "
                "x.value = ..."
            )

    def _again(self) -> Any:
        # The copy of a leaf is computed from it, and may be written to.
        return self._tape.alias(self._row) if self.is_leaf else super()._again()

    def __copy__(self) -> Any:
        return self.__deepcopy__(None)

    def __deepcopy__(self, memo: Any) -> Any:
        # Of a model: its leaves are leaves again.
        return type(self)(self.value) if self.is_leaf else self._again()

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise LostTraceError(
                f"{here()}{self._described()} was computed from others, which would not be saved "
                "with it. Save its .value."
            )
        return type(self), (self.value,)


def _inside_a_trace(tape: ThreadTape, row: int) -> NoReturn:
    raise MixedTraceError(
        f"{here()}a Variable was given to chainrule.grad or its kind, which record on their own. "
        "Give its .value, or compute with Variables alone and call backward()."
    )


class _OfThread(threading.local):
    """The tape of the thread that asks."""

    def __init__(self) -> None:
        self.tape = ThreadTape(Variable)
        self.tape.made = _inside_a_trace


_of_thread = _OfThread()


def _leaf_value(value: Any) -> Any:
    """Return a leaf's value as the tape keeps it."""
    if isinstance(value, Traced):
        raise MixedTraceError(
            f"{here(2)}a Variable of {value._described()}, which is recorded already. For a new "
            "leaf with its value, write cr.Variable(x.value)."
        )
    if isinstance(value, (list, tuple)):
        value = np.array(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.array(value)
    if is_float(value):
        return value if isinstance(value, np.generic) else float(value)
    dtype = getattr(value, "dtype", type(value).__name__)
    if getattr(value, "dtype", np.dtype(type(value))).kind in "iub":
        array = "x.astype(float)" if np.ndim(value) else repr(float(value))
        raise DtypeError(
            f"{here(2)}a Variable of {dtype}, which has no gradient: write cr.Variable({array})."
        )
    raise DtypeError(
        f"{here(2)}a Variable of {dtype}: give a float, an array of floats or a list of floats."
    )


def _same_kind(new: Any, old: Any) -> Any:
    """Return a value to assign, in the shape and dtype of the one that was there."""
    if isinstance(new, Traced):
        raise DtypeError(
            f"{here(2)}an assignment of {new._described()} to a leaf's value: an update is not "
            "recorded. Give its .value."
        )
    given = np.asarray(new)
    if given.dtype.kind not in "fiu":
        raise DtypeError(
            f"{here(2)}an assignment of {given.dtype} to the value of a leaf of "
            f"{np.asarray(old).dtype}: floats were expected."
        )
    if given.shape != np.shape(old):
        raise ShapeError(
            f"{here(2)}an assignment of shape {given.shape} to the value of a leaf of shape "
            f"{np.shape(old)}: a leaf keeps its shape."
        )
    if type(old) is float:
        return float(given)
    copied = np.array(given, dtype=old.dtype)
    return copied if isinstance(old, np.ndarray) else copied[()]


def _seed(value: Any, gradient: Any) -> Any:
    """Return the upstream gradient at an output."""
    if not is_float(value):
        kind = getattr(value, "dtype", type(value).__name__)
        raise DtypeError(f"{here(2)}backward() of {value!r} of type {kind}, which has no gradient.")
    shape = np.shape(value)
    if gradient is None:
        if shape:
            raise NotScalarError(
                f"{here(2)}backward() needs one number, but this is an array of shape {shape}. "
                "Reduce it, with np.sum or np.mean, or give backward(gradient=...), an array of "
                "that shape."
            )
        gradient = 1.0
    elif isinstance(gradient, Traced):
        gradient = gradient.value if isinstance(gradient, Variable) else gradient._value
    given = np.array(gradient, getattr(value, "dtype", float))
    if given.shape != shape:
        raise ShapeError(
            f"{here(2)}backward(gradient=...) of shape {given.shape} for an output of shape "
            f"{shape}: they must be the same."
        )
    return float(given) if type(value) is float else given[()]
