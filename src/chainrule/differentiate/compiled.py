"""`compile`: run a function on a machine chosen by name.

The function is traced at the first call; later calls of the same shapes, dtypes and constants run
the circuit without Python. What plain Python decided on traced values is guarded: a call that
would take another branch is traced again, and both circuits are kept. `Compiled` is what decides;
for the native machine an object called at C speed stands before it (`fast.py`).
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT
from ..circuit.tree import flatten
from ..errors import GuardError, did_you_mean
from ..machines.interpret import interpret
from ..machines.staged import staged
from ..readings.code import function as source_of
from ..tracing.record import is_traceable, parameters_of, record
from ..tracing.sites import here
from ..tracing.tape import current_tape
from ..tracing.traced import Traced
from .captured import Captured

MACHINES = ("interpret", "staged", "native")
MOST_PATHS = 64
_SMALL = 1 << 16  # bytes of arrays that a compiled function may keep from its trace


class Compiled:
    """A function that runs on a machine.

    Attributes
    ----------
    machine : str
        The machine's name.
    paths : int
        How many circuits have been recorded so far.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        machine: str,
        most_paths: int,
        threads: int | None = None,
        donated: tuple[int, ...] = (),
        on_new: Callable[[Any], None] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.machine = machine
        self._most = most_paths
        self._threads = threads
        self._donated = donated
        self._on_new = on_new
        self._captured: Captured | None = None
        self._renewed = 0
        self._recorded: dict[Any, list[Callable[..., Any]]] = {}
        self._lock = threading.RLock()
        self._latest: Circuit | None = None
        self._running: Any = None
        self._without_code = ""

    @property
    def paths(self) -> int:
        """How many circuits have been recorded so far."""
        return sum(len(found) for found in self._recorded.values())

    def __repr__(self) -> str:
        name = getattr(self._function, "__name__", "function")
        return f"Compiled({name}, machine={self.machine!r}, {self.paths} paths)"

    def code(self) -> str:
        """Return the source that the staged machine runs, for the latest recorded circuit.

        Raises
        ------
        ValueError
            If nothing was called yet.
        """
        if self._latest is None:
            raise ValueError(f"{here()}nothing is compiled yet: call the function first")
        return source_of(self._latest)[0]

    def llvm(self) -> str:
        """Return the code of the latest recorded circuit in LLVM's language."""
        return str(self._native().llvm(self._latest))

    def assembly(self) -> str:
        """Return the code of the latest recorded circuit in this processor's assembly language."""
        return str(self._native().assembly(self._latest))

    def report(self) -> str:
        """Return what was fused into which loops, the buffers, and the work of a call."""
        return str(self._native().report())

    def _native(self) -> Any:
        if self.machine != "native":
            raise ValueError(
                f"{here()}the machine {self.machine!r} makes no machine code: compile with "
                "machine='native'"
            )
        if self._latest is None:
            raise ValueError(f"{here()}nothing is compiled yet: call the function first")
        if self._running is None:
            raise ValueError(
                f"{here()}the latest circuit has no machine code; the interpreter runs it: "
                f"{self._without_code}"
            )
        return self._running

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Run the function; record it first where these shapes or branches are new."""
        given = args
        key: Any = len(args)
        if keywords:  # in the order of the signature, as the circuit has them
            named = parameters_of(self._function, args, keywords)
            given = tuple(value for _, value, _ in named)
            key = tuple(name for name, _, _ in named)  # f(1.0, z=3.0) is not f(1.0, 3.0)
        leaves: Any = given
        for value in given:
            if type(value) is not float:  # plain floats need no look inside
                leaves, tree = flatten(given)
                key = (key, tree.kinds, tree.paths, tuple(map(_kind, leaves)))
                break
        if current_tape() is not None or any(isinstance(leaf, Traced) for leaf in leaves):
            return self._function(*args, **keywords)  # inside another trace: be part of it
        if self._captured is not None and not self._is_as_captured():
            return self._function(*args, **keywords)
        known = self._recorded.setdefault(key, [])
        tried = 0
        while True:
            for run in known[tried:]:
                tried += 1
                try:
                    result = run(*(leaves if leaves is given else filter(is_traceable, leaves)))
                except GuardError:
                    continue
                if _is_finite(result):
                    return result
                # An infinity may hide a branch not taken, whose slope was finite where traced.
                return self._function(*args, **keywords)
            with self._lock:
                if len(known) == tried:  # else another thread has just recorded one: perhaps this
                    return self._new_path(known, args, keywords)

    def _is_as_captured(self) -> bool:
        """Forget what was recorded if something was captured that is another object now.

        False where that happens again and again.
        """
        assert self._captured is not None
        what = self._captured.changed()
        if what is None:
            return True
        with self._lock:
            self._recorded.clear()
            self._captured = None
            self._renewed += 1
            if self._on_new is not None:
                self._on_new(None)
        if self._renewed <= self._most:
            return True
        warnings.warn(
            f"{here()}{getattr(self._function, '__name__', 'the function')} reads {what}, which "
            f"has changed more than {self._most} times: each time it was compiled anew, and now "
            "Python runs it. Make it an argument.",
            RuntimeWarning,
            stacklevel=3,
        )
        return False

    def _new_path(self, known: list[Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if len(known) >= self._most:
            warnings.warn(
                f"{here()}{getattr(self._function, '__name__', 'the function')} took more than "
                f"{self._most} branches for the same shapes; further ones are run by Python. "
                "Choose with np.where instead of if, or raise most_paths.",
                RuntimeWarning,
                stacklevel=2,
            )
            return self._function(*args, **keywords)
        circuit = record(self._function, args, keywords)
        running = self._machine(circuit)
        known.append(running)
        self._latest = slim(circuit)
        if self._on_new is not None and self._running is running:
            self._on_new(running)
        return circuit.output_tree.build(_fresh(circuit, row) for row in circuit.outputs)

    def _machine(self, circuit: Circuit) -> Callable[..., Any]:
        if self.machine == "native":
            from ..machines.native.machine import Native, NotLowered  # LLVM: only when used

            try:
                if self._captured is None:
                    self._captured = Captured(self._function)
                self._running = Native(
                    circuit,
                    threads=self._threads,
                    donated=_leaves_of(circuit, self._donated),
                    cells=self._captured.cells,
                )
                return self._running  # type: ignore[no-any-return]
            except NotLowered as reason:
                self._running, self._without_code = None, str(reason)
                return interpret(slim(circuit))
        interpreted = interpret(circuit)
        if self.machine == "interpret":
            return interpreted
        arrays = any(isinstance(value, np.ndarray) for value in circuit.columns.values)
        source, constants = source_of(circuit)
        return staged(source, "forward", interpreted, on_arrays=arrays, constants=constants)


def _is_finite(value: Any) -> bool:
    pending = [value]
    while pending:
        value = pending.pop()
        if type(value) is float:
            if value - value != 0.0:  # inf and nan are not 0 here, and math.isfinite costs more
                return False
        elif isinstance(value, (tuple, list)):
            pending.extend(value)
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif not np.isfinite(value).all():
            return False
    return True


def _fresh(circuit: Circuit, row: int) -> Any:
    """Return an output that the caller may write to without reaching the recording."""
    value = circuit.columns.values[row]
    return np.array(value) if isinstance(value, np.ndarray) else value


def _kind(leaf: Any) -> Any:
    """Return what a leaf must have in common with the one that was traced."""
    if isinstance(leaf, np.ndarray):
        return leaf.shape, leaf.dtype.str
    if is_traceable(leaf):
        return type(leaf)
    return type(leaf), leaf if leaf.__hash__ is not None else repr(leaf)


def _leaves_of(circuit: Circuit, positions: tuple[int, ...]) -> list[int]:
    """Return the numbers, among the traced leaves, of those in some arguments."""
    count = len(circuit.arguments)
    chosen = {k % count for k in positions if -count <= k < count}
    wanted = {row for k in chosen for row in circuit.arguments[k].rows if row is not None}
    return [k for k, row in enumerate(circuit.inputs) if row in wanted]


def slim(circuit: Circuit) -> Circuit:
    """Return the circuit without the arrays that its gates computed: shapes and dtypes stay."""
    values = circuit.columns.values
    if sum(v.nbytes for v in values if isinstance(v, np.ndarray)) < _SMALL:
        return circuit
    columns = copy(circuit.columns)
    columns.values = [
        np.broadcast_to(np.zeros((), value.dtype), value.shape)
        if isinstance(value, np.ndarray) and gate is not CONSTANT
        else value
        for gate, value in zip(columns.gates, values, strict=True)
    ]
    return replace(circuit, columns=columns)


def compile(
    function: Callable[..., Any] | None = None,
    *,
    machine: str = "native",
    most_paths: int = MOST_PATHS,
    threads: int | None = None,
    donate_argnums: int | tuple[int, ...] = (),
) -> Any:
    """Return a function that runs on a machine; also a decorator.

    Parameters
    ----------
    function : callable
        What to run: plain Python, or a gradient such as `value_and_grad(cost)`.
    machine : {"native", "staged", "interpret"}
        "native" runs machine code made for this processor; "staged" executes emitted Python;
        "interpret" is the reference, one gate at a time.
    most_paths : int
        How many branches are recorded for the same shapes before Python takes over.
    threads : int, optional
        How many threads the native machine may use for large work; by default
        ``CHAINRULE_NUM_THREADS``, else as many as there are processors.
    donate_argnums : int or tuple of int
        Positional arguments that the caller gives away, as in JAX: from the second call of a
        shape on, results of the same shape and dtype are written over their arrays where that is
        safe. Only for the native machine.

    Returns
    -------
    Compiled
        Same arguments and results. Integers, strings and other constants are part of what was
        compiled: a call with others is traced anew. What the function reads from outside
        (globals, closures) is read at the trace and kept.

    Examples
    --------
    >>> step = compile(lambda x: x * x if x > 0 else -x)
    >>> step(3.0), step(-3.0), step(4.0), step.paths
    (9.0, 3.0, 16.0, 2)
    """
    if machine not in MACHINES:
        raise ValueError(
            f"{here()}machine must be one of {', '.join(MACHINES)}, not {machine!r}."
            f"{did_you_mean(str(machine), MACHINES)}"
        )
    if function is None:
        return functools.partial(
            compile,
            machine=machine,
            most_paths=most_paths,
            threads=threads,
            donate_argnums=donate_argnums,
        )
    if not callable(function):
        raise TypeError(f"{here()}a function was expected, not {type(function).__name__}")
    if machine == "native":
        from .fast import fast  # the C-level entry: only when used

        donated = (donate_argnums,) if isinstance(donate_argnums, int) else donate_argnums
        return fast(function, most_paths, threads, tuple(donated))
    return Compiled(function, machine, most_paths)
