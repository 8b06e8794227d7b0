"""`fit`: train anything that has a scalar cost in plain NumPy.

Cost, gradient and optimizer are one step (`steps.py`), which a machine runs over mini-batches
(`batches.py`) in a loop that can be looked at and stopped (`loop.py`). Here the arguments are
checked and the parts put together.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..circuit.tree import flatten
from ..data.converted import Converted
from ..errors import DtypeError, ShapeError
from ..passes.backward import is_float
from ..tracing.record import record
from ..tracing.sites import for_users, here
from .batches import Array, Orders, checked_batch_size, checked_data, generator_at, whole
from .early_stopping import EarlyStopping, early_stopping_of
from .loop import Callback, Loop, Validation
from .optimizers import SGD, Optimizer
from .progress import shown
from .result import FitResult, FitState
from .steps import DEFAULT_MACHINE, Likeness, check_machine, copied, place, step_of, steps_on
from .stream import Stream, is_stream, mean_cost
from .stream_steps import StreamLoop, fed_on

Cost = Callable[..., Any]


@for_users
def fit(
    cost: Cost,
    parameters: Any,
    data: Any,
    *,
    epochs: int = 1,
    batch_size: int | None = None,
    optimizer: Optimizer | None = None,
    seed: int | np.random.Generator | None = None,
    shuffle: bool = True,
    replace: bool = False,
    carry: Any = None,
    validation: Any = None,
    early_stopping: EarlyStopping | int | bool | None = None,
    callback: Callback | Sequence[Callback] | None = None,
    progress: bool | None = None,
    machine: str = DEFAULT_MACHINE,
    threads: int | None = None,
    state: FitState | None = None,
) -> FitResult:
    """Train parameters so that a cost becomes small.

    Parameters
    ----------
    cost : callable
        `cost(parameters, *batch)` gives one float: what is to become small on these rows of the
        data, in plain Python and NumPy. A mean over the rows makes the learning rate independent
        of the size of the batch. What it reads from outside (globals, closures) is read once.
    parameters : Any
        Where to start: a float, a float array, or tuples, lists and dicts of them. Left as they
        are: the trained ones are new.
    data : array, tuple of arrays, or batches
        Floats, integers or booleans, one row an example; the same number of rows in all. Tables
        of pandas or polars, memory-mapped files and what `cr.data.convert` gives count as arrays.
        Or batches as they come, each a tuple of arrays: an object that can be gone through once
        an epoch, or a function that gives the batches of epoch number 0, 1, ...
    epochs : int
        How often every example is seen.
    batch_size : int, optional
        Rows of a batch, one step each; the last batch of an epoch has what is left. 1 is
        stochastic gradient descent; None, the default, the full batch.
    optimizer : Optimizer, optional
        `SGD(0.1)` by default; `Adam`, ..., or any object with `init` and `update`.
    seed : int or numpy.random.Generator, optional
        Of the shuffles. NumPy's global generator is never touched. Not used with `state`, which
        goes on with shuffles of its own.
    shuffle : bool
        Whether each epoch has the rows in a new order. A full batch is left in its order.
    replace : bool
        Whether each row of a batch is drawn from all rows, as if put back: sampling with
        replacement. An epoch then is as many draws as there are rows.
    carry : Any, optional
        What the cost hands on from step to step without training it, in containers of arrays:
        running means, the key of random numbers. With it, `cost(parameters, carry, *batch)` gives
        `(cost, carry)`. Not used with `state`, which goes on with its own.
    validation : array, tuple of arrays, or callable, optional
        Data held out, on which the cost is recorded as `"val_cost"` after each epoch; or a
        function that takes the parameters, and the carry if there is one, and gives a dict of
        numbers to record by name.
    early_stopping : EarlyStopping, int or bool, optional
        End when the cost has no new best for so many epochs, on held-out data if there is some;
        True for 10. The best parameters are in the result's `.best`.
    callback : callable or sequence of them, optional
        `callback(epoch, result)` after each epoch, counted from 1, with the `FitResult` so far.
        If it returns True, the training ends.
    progress : bool, optional
        Whether to tell on stderr how far it is. None: only in a terminal.
    machine : {"native", "staged", "interpret", "python"}
        What runs the steps. "python" traces each one anew: slow, and the reference.
    threads : int, optional
        How many threads the native machine may use.
    state : FitState, optional
        The `state` of an earlier result, whose `parameters` are given too: this call goes on as
        if that one had not stopped, to the bit.

    Returns
    -------
    FitResult
        `.parameters`, `.history`, `.state`, `.epochs`, `.interrupted`, `.carry` and `.best`.

    Raises
    ------
    NonFiniteCostError
        If the cost or a parameter becomes nan or infinite. Its `.result` is the training as it
        was before.
    DtypeError
        If a parameter is no float, or the optimizer changes its dtype.
    ShapeError
        If the arrays of the data differ in length or are empty, or a shape changes on the way.
    NotScalarError
        If the cost is not one number.

    Warns
    -----
    RuntimeWarning
        If the cost does not depend on one of the parameters.

    Notes
    -----
    Ctrl-C ends the training after the epoch, a second one after the steps that are running, a
    tenth of a second or so: `fit` returns the result so far with `.interrupted` set. A third one
    raises, and so does one before the first step, while the step is compiled. Whatever a callback
    raises has the training so far as its `.result`.

    Examples
    --------
    A line through points on y = 2x + 1:

    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> def cost(p, x, y):
    ...     return np.mean((p["slope"] * x + p["offset"] - y) ** 2)
    >>> result = fit(cost, {"slope": 0.0, "offset": 0.0}, (x, 2 * x + 1), epochs=200)
    >>> {name: round(value, 3) for name, value in result.parameters.items()}
    {'slope': 2.0, 'offset': 1.0}
    """
    if not callable(cost):
        raise TypeError(f"{here()}a cost function was expected, not {type(cost).__name__}")
    optimizer = _checked_optimizer(SGD(0.1) if optimizer is None else optimizer)
    _check_parameters(parameters)
    epochs = whole(epochs, "epochs", 0)
    if threads is not None:
        threads = whole(threads, "threads", 1)
    stream = None
    arrays: tuple[Array | Converted, ...] = ()
    if is_stream(data):
        stream = Stream(data, epochs, getattr(state, "epochs", 0))
        rows, size, first = sys.maxsize, 1, stream.first
        _check_options_of_streams(optimizer, batch_size, replace)
    else:
        arrays = checked_data(data)
        rows = len(arrays[0])
        size = checked_batch_size(batch_size, rows)
        first = [array[:size] for array in arrays]
    _check_cost(cost, parameters, carry, first)
    if replace and (size == rows or not shuffle):
        raise ValueError(
            f"{here()}replace=True draws the rows of each batch at random: it needs a batch_size "
            f"below the {rows} rows of the data, and shuffle=True."
        )
    begun = optimizer.init(copied(parameters))
    fresh = FitState(begun, carry=copied(carry))
    standing = fresh if state is None else _checked_state(state, fresh, rows, size)
    generator = _generator(seed, standing) if shuffle and size < rows and not stream else None
    begun = copied(parameters), copied(standing.optimizer), copied(standing.carry)
    like = Likeness(*begun)
    check_machine(machine, threads)
    values, own = like.moving(*begun), getattr(optimizer, "steps", None)
    watchers: dict[str, Any] = {
        "validate": _validation(cost, validation, carry is not None),
        "after_epoch": getattr(optimizer, "after_epoch", None),
        "early_stopping": early_stopping_of(early_stopping),
        "callback": _one(callback),
    }
    if stream is not None:
        fed = fed_on(machine, step_of(cost, optimizer, like), *values, first, threads)
        loop: Loop = StreamLoop(stream, fed, like, standing, parameters, **watchers)
    else:
        if not callable(own):
            step = step_of(cost, optimizer, like)
            steps = steps_on(machine, step, *values, arrays, size, threads)
        else:  # L-BFGS, which is more than an update
            whole_arrays = [np.asarray(array) for array in arrays]
            steps = own(cost, like, *values, whole_arrays, size, machine, threads)
        orders = Orders(rows, generator, replace)
        loop = Loop(steps, like, orders, standing, rows, size, parameters, **watchers)
    done = standing.epochs
    del begun, fresh, standing, values  # the machine has copies; these are as large again
    return loop.run(epochs, shown(progress, epochs, done))


def _checked_optimizer(optimizer: Any) -> Optimizer:
    if isinstance(optimizer, type) or not all(
        callable(getattr(optimizer, name, None)) for name in ("init", "update")
    ):
        what = optimizer.__name__ if isinstance(optimizer, type) else repr(optimizer)
        raise TypeError(
            f"{here()}the optimizer must be an object with init and update, such as cr.Adam(1e-3), "
            f"not {what}" + (": call it." if isinstance(optimizer, type) else ".")
        )
    made: Optimizer = optimizer
    return made


def _check_options_of_streams(optimizer: Optimizer, batch_size: Any, replace: bool) -> None:
    if batch_size is not None or replace:
        raise ValueError(
            f"{here()}batch_size and replace are for arrays: this data comes in batches, and "
            "whoever makes them decides what is in each."
        )
    if callable(getattr(optimizer, "steps", None)):
        raise ValueError(
            f"{here()}{type(optimizer).__name__} needs all of the data at once: give it as arrays, "
            "or take an optimizer for batches, such as cr.Adam(1e-3)."
        )


def _check_parameters(parameters: Any) -> None:
    leaves, tree = flatten(parameters)
    if not leaves:
        raise ValueError(f"{here()}there are no parameters to train")
    for leaf, path in zip(leaves, tree.paths, strict=True):
        if isinstance(leaf, (np.ma.MaskedArray, np.matrix)) or not is_float(leaf):
            kind = getattr(leaf, "dtype", None) or type(leaf).__name__
            name = place("parameters", path)
            remedy = "Give floats and float arrays, in tuples, lists or dicts"
            if isinstance(leaf, int):
                remedy = f"Write {float(leaf)!r}"
            elif type(leaf) is np.ndarray and leaf.dtype.kind in "iub":
                remedy = f"Give {name}.astype(float)"
            raise DtypeError(
                f"{here()}{name} is a {type(leaf).__name__} ({kind}), which cannot be trained. "
                f"{remedy}; what is not to be trained belongs to the data or into the cost."
            )


def _check_cost(cost: Cost, parameters: Any, carry: Any, batch: Sequence[Array]) -> None:
    """Hold the cost against the data, and warn of parameters that it does not use."""
    title = getattr(cost, "__name__", "cost")
    carried = () if carry is None else (carry,)
    try:
        inspect.signature(cost).bind(parameters, *carried, *batch)
    except TypeError as reason:
        with_carry = ", the carry" if carried else ""
        raise TypeError(
            f"{here()}{title} is called with the parameters{with_carry} and one argument for each "
            f"array of the data, {1 + len(carried) + len(batch)} in all, which does not fit: "
            f"{reason}."
        ) from None
    except ValueError:
        pass  # a builtin without a signature
    circuit = record(cost, (parameters, *carried, *batch), {})
    paths = circuit.output_tree.paths
    if carried and (paths[0] != (0,) or any(path[0] != 1 for path in paths[1:])):
        raise TypeError(
            f"{here()}with a carry, {title} must return (cost, carry): the cost of the batch, and "
            "what is carried on to the next one."
        )
    needed = circuit.columns.needed_for(circuit.outputs[:1])
    argument = circuit.arguments[0]
    for row, path in zip(argument.rows, argument.tree.paths, strict=True):
        if row is not None and not needed[row]:
            warnings.warn(
                f"{here()}{title} does not depend on {place('parameters', path)}: it has no "
                "gradient to follow. Leave it out of the parameters, or use it.",
                RuntimeWarning,
                stacklevel=4,  # past fit and for_users, to the caller
            )


def _checked_state(state: Any, fresh: FitState, rows: int, size: int) -> FitState:
    """Hold a state against the one that this training begins with, and against the batches."""
    if not isinstance(state, FitState):
        raise TypeError(
            f"{here()}state must be the .state of an earlier result, not {type(state).__name__}"
        )
    leaves, tree = flatten((state.optimizer, state.carry))
    expected, its_tree = flatten((fresh.optimizer, fresh.carry))
    if tree.paths != its_tree.paths or list(map(np.shape, leaves)) != list(map(np.shape, expected)):
        raise ShapeError(
            f"{here()}this state is of another optimizer or of other parameters: give those that "
            "it came with, result.parameters and the same optimizer, and a carry if there was one."
        )
    if state.rows >= rows or state.rows % size:
        raise ShapeError(
            f"{here()}this state stopped within an epoch, after {state.rows} rows, which batches "
            f"of {size} out of {rows} rows do not reach: go on with the same data and batch_size."
        )
    return state


def _generator(seed: Any, standing: FitState) -> np.random.Generator:
    if standing.shuffles is not None:
        return generator_at(standing.shuffles)
    return np.random.default_rng(seed)


def _validation(cost: Cost, validation: Any, carries: bool) -> Validation | None:
    """Return what gives the numbers of an epoch from its parameters and carry."""
    if validation is None:
        return None
    if not callable(validation):
        stream = Stream(validation, 2, what="validation") if is_stream(validation) else None
        held_out = () if stream else checked_data(validation, "validation")

        def held(parameters: Any, carry: Any) -> dict[str, float]:
            def on(*batch: Array) -> float:
                found = cost(parameters, carry, *batch)[0] if carries else cost(parameters, *batch)
                return float(found)

            found = mean_cost(on, stream) if stream else on(*map(np.asarray, held_out))
            return {"val_cost": found}

        return held

    def numbers(parameters: Any, carry: Any) -> dict[str, float]:
        found = validation(parameters, carry) if carries else validation(parameters)
        if not isinstance(found, Mapping) or {"cost", "seconds"} & found.keys():
            raise TypeError(
                f"{here()}validation must give a dict of numbers under names of their own, such as "
                f"{{'val_accuracy': 0.93}}, not {found!r}"
            )
        return {str(name): float(number) for name, number in found.items()}

    return numbers


def _one(callbacks: Callback | Sequence[Callback] | None) -> Callback | None:
    """Return one callback that calls all of them; True from any ends the training."""
    if callbacks is None or callable(callbacks):
        return callbacks
    for one in callbacks:
        if not callable(one):
            raise TypeError(f"{here()}a callback must be callable, not {one!r}")
    every = tuple(callbacks)

    def call(epoch: int, result: FitResult) -> bool:
        answers = [one(epoch, result) for one in every]  # each is called, whatever the others say
        return any(answer is True for answer in answers)

    return call if every else None
