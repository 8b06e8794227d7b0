"""A circuit as a function of float64 numbers, apart from the rules that are to be checked.

Only the gates' forward functions are used. What was float32 is widened, so that differences of
values keep their digits; what no checked input reaches is computed once. Along a direction the
function can also be run on complex numbers, and it tells whether a move crossed a kink or would
have made plain Python branch otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT, Columns
from ..circuit.tree import flatten
from ..gates.gate import Gate
from ..passes.backward import backward, is_float

Direction = Mapping[int, Any]
"""For each input row that moves, how far, in its shape."""


def is_narrow(value: Any) -> bool:
    """Return whether a value is a float of less than 64 bits."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and dtype.kind == "f" and dtype.itemsize < 8


def _widened(value: Any) -> Any:
    return value.astype(np.float64) if is_narrow(value) else value


def _with_dtype(settings: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Return settings in which a float dtype is the one we compute in."""
    given = settings.get("dtype")
    if given is None or np.dtype(given).kind != "f":
        return settings
    return {**settings, "dtype": dtype}


class Widened(Columns):
    """The rows of a circuit in float64; where they were made stays with the circuit."""

    __slots__ = ()

    @classmethod
    def of(cls, circuit: Circuit) -> Columns:
        """Return the circuit's own rows if they are float64 already, else widened ones."""
        given = circuit.columns
        if not any(is_narrow(value) for value in given.values):
            return given
        wide = cls()
        for row, gate in enumerate(given.gates):
            inputs, settings = given.inputs(row), _with_dtype(given.settings_of(row), "float64")
            if gate is INPUT or gate is CONSTANT:
                value = _widened(given.values[row])
            else:
                value = gate.compute([wide.values[k] for k in inputs], settings)
            wide.append(gate, inputs, settings, value)
        return wide


class Evaluation:
    """A circuit's outputs, weighted and summed to one number, as a function of some inputs.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    rows : sequence of int
        The input rows that may move.
    seeds : sequence of (int, ndarray)
        The output rows, each with its weights.
    """

    def __init__(
        self, circuit: Circuit, rows: Sequence[int], seeds: Sequence[tuple[int, Any]]
    ) -> None:
        self.circuit = circuit
        self.rows = tuple(rows)
        self.seeds = seeds
        self.count = 0
        with np.errstate(all="ignore"):
            self.columns = Widened.of(circuit)
        self.base = self.columns.values
        gates = self.columns.gates
        reached = self.columns.reached_from(self.rows)
        self.active = reached
        to_output = self.columns.needed_for([row for row, _ in seeds])
        self.path = [r for r in circuit.gate_rows() if reached[r] and circuit.needed[r]]
        self.main = [r for r in self.path if to_output[r]]
        self.is_analytic = all(gates[r].analytic or not is_float(self.base[r]) for r in self.main)
        self.guards = [(row, seen) for row, seen in circuit.guards if reached[row]]
        with np.errstate(all="ignore"):
            self.sides = {r: self.side(r, self.base) for r in self.path if gates[r].kink}
            self.rounded = self._rounded_over_a_kink()
        self.value = self.total(self.base)

    # ------------------------------------------------------------------ running

    def at(self, direction: Direction, t: float) -> list[Any]:
        """Return the value of every row, the inputs moved by t along the direction."""
        self.count += 1
        values = list(self.base)
        for row, step in direction.items():
            moved = np.asarray(values[row], float) + t * step
            values[row] = float(moved) if type(values[row]) is float else moved
        columns = self.columns
        with np.errstate(all="ignore"):
            for row in self.path:
                arguments = [values[k] for k in columns.inputs(row)]
                values[row] = columns.gates[row].compute(arguments, columns.settings_of(row))
        return values

    def at_complex(
        self, direction: Direction, t: complex, values: list[Any] | None = None
    ) -> complex:
        """Return the number at an imaginary step from the point, or from other values.

        Truth values and indices stay as they are.
        """
        self.count += 1
        columns = self.columns
        values = list(self.base if values is None else values)
        for row, step in direction.items():
            values[row] = np.asarray(values[row], complex) + t * step
        with np.errstate(all="ignore"):
            for row in self.main:
                if is_float(self.base[row]):
                    arguments = [values[k] for k in columns.inputs(row)]
                    values[row] = forward_complex(
                        columns.gates[row], arguments, columns.settings_of(row)
                    )
        return complex(sum(np.sum(weights * values[row]) for row, weights in self.seeds))

    def total(self, values: Sequence[Any]) -> float:
        """Return the number for these values of all rows."""
        with np.errstate(all="ignore"):
            return float(sum(np.sum(weights * values[row]) for row, weights in self.seeds))

    def gradients(self, values: list[Any] | None = None, *, narrow: bool = False) -> list[Any]:
        """Return the engine's gradient of each row.

        Parameters
        ----------
        values : list, optional
            The values of the rows, as `at` gives them; the recorded ones by default.
        narrow : bool
            Whether to compute in the dtypes of the recording, rather than in float64.
        """
        columns = self.circuit.columns if narrow else self.columns
        if values is not None:
            given, columns = columns, Columns()
            columns.gates, columns.left, columns.right = given.gates, given.left, given.right
            columns.more, columns.settings = given.more, given.settings
            columns.values = values
        seeds = [(r, _like(w, columns.values[r])) for r, w in self.seeds if self.active[r]]
        if not seeds:
            return [None] * len(columns)
        with np.errstate(all="ignore"):
            found = backward(columns, seeds, active=self.active)
        return found + [None] * (len(columns) - len(found))

    # ------------------------------------------------------------------ kinks and branches

    def side(self, row: int, values: Sequence[Any]) -> Any:
        """Return on which side of its kinks a gate is: the sign for each of them."""
        columns = self.columns
        kink = columns.gates[row].kink
        assert kink is not None
        arguments = [values[k] for k in columns.inputs(row)]
        return np.sign(np.asarray(kink(*arguments, **columns.settings_of(row)), float))

    def crossed(self, values: Sequence[Any]) -> list[int]:
        """Return the rows whose kinks lie between the point and these values."""
        with np.errstate(all="ignore"):
            return [
                row
                for row, here in self.sides.items()
                if row in self.rounded or not np.array_equal(self.side(row, values), here, True)
            ]

    def branched(self, values: Sequence[Any]) -> list[int]:
        """Return the rows on which plain Python would decide otherwise at these values."""
        return [row for row, seen in self.guards if type(seen)(values[row]) != seen]

    def _rounded_over_a_kink(self) -> set[int]:
        """Return the rows that float32 put on another side of a kink than float64 does."""
        own = self.circuit.columns
        if own is self.columns:
            return set()
        return {
            row
            for row, here in self.sides.items()
            if not np.array_equal(self.side(row, own.values), here, True)
        }


def forward_complex(gate: Gate, arguments: list[Any], settings: dict[str, Any]) -> Any:
    """Run a gate's forward function on complex numbers."""
    if gate.local is None:
        # Structural gates take their dtype from one input: all of them must have it.
        if any(np.iscomplexobj(x) for x in arguments):
            arguments = [np.asarray(x, complex) if is_float(x) else x for x in arguments]
        settings = _with_dtype(settings, "complex128")
    return gate.forward(*arguments, **settings)


def _like(weights: Any, value: Any) -> Any:
    return float(weights) if type(value) is float else np.asarray(weights, value.dtype)[()]


def plain_call(
    circuit: Circuit, function: Callable[..., Any], seeds: Sequence[tuple[int, Any]]
) -> Callable[[Sequence[Any]], float]:
    """Return the number as the user's own function gives it, called without tracing."""

    def call(values: Sequence[Any]) -> float:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for argument in circuit.arguments:
            leaves = [
                leaf if row is None else values[row]
                for row, leaf in zip(argument.rows, argument.leaves, strict=True)
            ]
            built = argument.tree.build(leaves)
            if argument.keyword:
                named[argument.name] = built
            else:
                positional.append(built)
        with np.errstate(all="ignore"):
            outputs, _ = flatten(function(*positional, **named))
            by_row = dict(zip(circuit.outputs, outputs, strict=True))
            return float(sum(np.sum(weights * by_row[row]) for row, weights in seeds))

    return call
