"""The training step, and what runs it over mini-batches.

`step_of` makes one function of cost, gradient and optimizer. A machine runs it behind the `Steps`
interface: `PlainSteps` is a Python loop that calls the step (compiled by `cr.compile`, or as it
is), slow and obvious; the native machine's `Epoch` compiles the loop with the step. Each has values
of its own, which nobody else writes to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from ..circuit.tree import Path, flatten
from ..data.converted import Converted
from ..differentiate.compiled import compile
from ..differentiate.transforms import value_and_grad
from ..errors import DtypeError, ShapeError, did_you_mean
from ..tracing.passing import ghost
from ..tracing.record import is_traceable
from ..tracing.sites import here
from .batches import Array
from .optimizers import Optimizer

MACHINES = ("native", "staged", "interpret", "python")
DEFAULT_MACHINE = "native"

Step = Callable[..., Any]
_S = TypeVar("_S")


class Steps(Protocol):
    """A step with its data and its values (moving leaves), ready to go."""

    def run(self, order: Array, first: int, batches: int) -> Array:
        """Do some batches and return their costs, float64.

        Batch k has the rows `order[k * batch_size : (k + 1) * batch_size]`. The order is that of
        an epoch; of several, one after the other, where all batches are full. It may be ignored
        where a batch has all rows.
        """

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and the state as they are now."""

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state."""


def step_of(cost: Callable[..., Any], optimizer: Optimizer, like: Likeness) -> Step:
    """Return `step(parameters, state, *batch) -> (cost, parameters, state)`.

    Parameters
    ----------
    cost : callable
        `cost(parameters, *batch)` gives one float; with something to carry,
        `cost(parameters, carry, *batch)` gives it and what is carried on.
    optimizer : Optimizer
        What moves the parameters.
    like : Likeness
        What the values are like. The step takes and gives their moving leaves.
    """
    carries = like.carry is not None
    gradient = value_and_grad(cost, has_aux=carries)

    def step(moving: Any, state: Any, *batch: Any) -> tuple[Any, Any, Any]:
        before, counting, carried = like.whole(moving, state)
        if carries:
            (value, carried), gradients = gradient(before, carried, *batch)
        else:
            value, gradients = gradient(before, *batch)
        return value, *like.moving(*optimizer.update(before, gradients, counting), carried)

    step.__name__ = f"step_of_{getattr(cost, '__name__', 'cost')}"
    return step


class Likeness:
    """What parameters, optimizer state and carry are like; a machine has the moving leaves.

    Parameters
    ----------
    parameters, optimizer, carry : Any
        What the first step starts with; None for no carry.
    """

    def __init__(self, parameters: Any, optimizer: Any, carry: Any = None) -> None:
        self._parameters = Alike(parameters, "parameters")
        self._optimizer = Alike(optimizer, "state")
        self.carry = None if carry is None else Alike(carry, "carry", "the cost")

    def moving(self, parameters: Any, optimizer: Any, carry: Any) -> tuple[Any, Any]:
        """Return what a machine moves: the parameters' leaves, and those of the state.

        Raises
        ------
        ShapeError, DtypeError
            If the values are not like those given.
        """
        states = [self._optimizer.moving(optimizer)]
        if self.carry is not None:
            states.append(self.carry.moving(carry))
        return self._parameters.moving(parameters), states

    def whole(self, moving: Any, states: Any) -> tuple[Any, Any, Any]:
        """Return parameters, optimizer state and carry with these moving leaves in them."""
        carry = self.carry.whole(states[1]) if self.carry is not None else None
        return self._parameters.whole(moving), self._optimizer.whole(states[0]), carry

    def with_optimizer(self, states: Any, optimizer: Any) -> Any:
        """Return the state with another one of the optimizer."""
        return [self._optimizer.moving(optimizer), *states[1:]]


class Alike:
    """The containers, shapes and dtypes that values keep from step to step.

    A machine that writes over the old values relies on it; so what an optimizer gives is checked,
    while the step is traced. Leaves that are neither floats nor arrays are constants: they stay
    here, and only the others, the moving ones, go through the machine.

    Parameters
    ----------
    given : Any
        What the first step starts with.
    what : str
        How errors call it.
    maker : str
        Who gives the following ones.
    """

    def __init__(self, given: Any, what: str, maker: str = "the optimizer") -> None:
        leaves, self._tree = flatten(given)
        # It is only asked what they are like: not to keep them all the while.
        self._leaves = [ghost(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        self._what, self._maker = what, maker
        self._returns = "(cost, carry)" if what == "carry" else "(parameters, state)"

    def whole(self, moving: Sequence[Any]) -> Any:
        """Return the containers with these moving leaves in them."""
        following = iter(moving)
        return self._tree.build(
            next(following) if is_traceable(leaf) else leaf for leaf in self._leaves
        )

    def moving(self, values: Any) -> list[Any]:
        """Return the moving leaves.

        Raises
        ------
        ShapeError, DtypeError
            If the values are not like those given.
        """
        leaves, tree = flatten(values)
        if (tree.paths, tree.kinds) != (self._tree.paths, self._tree.kinds):
            raise ShapeError(
                f"{here()}{self._maker} must give the {self._what} back in the containers "
                f"they came in, with leaves {_paths(self._what, self._tree.paths)}, not "
                f"{_paths(self._what, tree.paths)}. It returns {self._returns}."
            )
        alike = map(self._alike, leaves, self._leaves, tree.paths)
        return [new for new, old in zip(alike, self._leaves, strict=True) if is_traceable(old)]

    def _alike(self, new: Any, old: Any, path: Path) -> Any:
        name = place(self._what, path)
        if not is_traceable(old):
            if new is old or (type(new) is type(old) and bool(new == old)):
                return new
            raise DtypeError(
                f"{here()}{self._maker} changed {name} from {old!r}: what is neither a float nor "
                "an array is a constant of the compiled step. Count in floats: 0.0, not 0."
            )
        if np.shape(new) != np.shape(old):
            raise ShapeError(
                f"{here()}{self._maker} changed the shape of {name} from {np.shape(old)} to "
                f"{np.shape(new)}: update each leaf by something of its own shape."
            )
        plain = getattr(new, "_value", new)
        if type(old) is float:
            return new if type(plain) is float else new.item() if hasattr(new, "item") else new
        dtype = plain.dtype if hasattr(plain, "dtype") else np.dtype(type(plain))
        if dtype != old.dtype:
            raise DtypeError(
                f"{here()}{self._maker} changed {name} from {old.dtype} to {dtype}: write its "
                "numbers as Python floats, which leave the dtype as it is; np.float64(0.1) and "
                "arrays of float64 widen it."
            )
        return new


def place(name: str, path: Path) -> str:
    """Return how errors call a leaf: `parameters['W'][0]`."""
    return name + "".join(f"[{key!r}]" for key in path)


def _paths(name: str, paths: Sequence[Path]) -> str:
    return ", ".join(place(name, path) for path in paths[:4]) + (", ..." if len(paths) > 4 else "")


def copied(values: Any) -> Any:
    """Return the containers with copies of the arrays; one of shape () becomes a NumPy number.

    NumPy's own arithmetic makes numbers of arrays of shape (): so the step's values are always of
    the same kind.
    """
    leaves, tree = flatten(values)
    return tree.build(
        (np.array(leaf, order="C") if leaf.ndim else leaf[()])
        if isinstance(leaf, np.ndarray)
        else leaf
        for leaf in leaves
    )


class PlainSteps:
    """The reference: a Python loop.

    Parameters
    ----------
    step : callable
        As `step_of` makes it.
    parameters, state : list
        The moving leaves to start with; copied.
    data : sequence of ndarray or Converted
        Arrays with one row an example.
    batch_size : int
        Rows of a batch.
    machine : {"staged", "interpret", "python"}
        What runs the step; "python" traces it anew at each call.
    """

    def __init__(
        self, step: Step, parameters: Any, state: Any, data: Sequence[Array | Converted],
        batch_size: int, machine: str,
    ) -> None:  # fmt: skip
        self._step = step if machine == "python" else compile(step, machine=machine)
        self._now = (copied(parameters), copied(state))
        self._data = data
        self._batch_size = batch_size
        whole = batch_size == len(data[0])  # in the rows' own order: no need to gather them
        self._whole = [np.asarray(array) for array in data] if whole else None

    def run(self, order: Array, first: int, batches: int) -> Array:
        """Do some batches and return their costs."""
        costs = np.empty(batches)
        size = self._batch_size
        for k in range(batches):
            rows = order[(first + k) * size : (first + k + 1) * size]
            batch = self._whole or [array[rows] for array in self._data]
            with np.errstate(all="ignore"):  # the loop says what is no longer finite, and where
                cost, parameters, state = self._step(*self._now, *batch)
            self._now = parameters, state
            costs[k] = cost
        return costs

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and the state as they are now."""
        parameters, state = self._now
        return copied(parameters), copied(state)

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state."""
        self._now = copied(parameters), copied(state)


def check_machine(machine: str, threads: int | None) -> None:
    """Check the name of a machine.

    Raises
    ------
    ValueError
        If there is no such machine, or it has no threads.
    """
    if machine not in MACHINES:
        raise ValueError(
            f"{here()}machine must be one of {', '.join(MACHINES)}, not {machine!r}."
            f"{did_you_mean(str(machine), MACHINES)}"
        )
    if machine != "native" and threads is not None:
        raise ValueError(
            f"{here()}threads are for machine='native': on {machine!r}, NumPy decides."
        )


def steps_on(
    machine: str, step: Step, parameters: Any, state: Any, data: Sequence[Array | Converted],
    batch_size: int, threads: int | None,
) -> Steps:  # fmt: skip
    """Return the steps on a machine, over data of which they make batches."""

    def native() -> Steps:
        from ..machines.native.epoch import Epoch  # LLVM: 70 ms, for those who use it

        return Epoch(step, parameters, state, data, batch_size, threads=threads)

    def plain(name: str) -> Steps:
        return PlainSteps(step, parameters, state, data, batch_size, name)

    return on_machine(machine, native, plain)


def on_machine(machine: str, native: Callable[[], _S], plain: Callable[[str], _S]) -> _S:
    """Return what runs the steps on a machine.

    Where the native machine has no code for a step, the staged one runs it, with a warning.

    Parameters
    ----------
    machine : str
        Its name, checked.
    native, plain : callable
        Make the steps of the native machine; those of another, by its name.
    """
    if machine != "native":
        return plain(machine)
    from ..machines.native.nodes import NotLowered  # LLVM: 70 ms, for those who use it

    try:
        return native()
    except NotLowered as reason:
        warnings.warn(
            f"{here()}no machine code for this training: {reason}. It runs on machine='staged'; "
            "name that machine to do without this warning. Data of a dtype without machine code "
            "can be brought to another as it is read: cr.data.convert(x, 'float32').",
            RuntimeWarning,
            stacklevel=5,  # past fit and for_users, to the caller
        )
        return plain("staged")
