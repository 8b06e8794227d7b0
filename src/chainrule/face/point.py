"""A circuit at a point: its value, its gradients, and its wires by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..errors import ChainruleError, DtypeError, NotScalarError, UnknownWireError, did_you_mean
from ..passes.backward import backward, is_float
from ..passes.recognise import recognise_sigmoids
from ..tracing.sites import here


@dataclass(frozen=True)
class Wire:
    """One wire of a circuit: what is on it, and where it was made.

    Attributes
    ----------
    name : str
        The user's name for it, or a short one.
    gate : str
        The gate that made it; "input" or "constant" for what no gate made.
    value : float or ndarray
        What the forward pass put on it.
    gradient : float or ndarray or None
        The gradient of the output by it; None where there is none.
    line : int
        The line of the user's file that made it; 0 where there is no such line.
    file : str
        The file, as Python knows it.
    source : str
        The text of that line; empty where it cannot be had.
    inputs : tuple of str
        The names of the wires that feed its gate.
    """

    name: str
    gate: str
    value: Any
    gradient: Any
    line: int
    file: str
    source: str
    inputs: tuple[str, ...]

    def __repr__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"Wire({self.name} = {_short(self.value)}, {self.gate}{where})"


class Point(Circuit):
    """A circuit with the numbers of the point at which it was traced."""

    def __repr__(self) -> str:
        gates = sum(1 for row in self.gate_rows() if self.needed[row])
        dtypes = {np.asarray(self.columns.values[row]).dtype.name for row in self.inputs}
        kinds = " and ".join(sorted(dtypes)) or "no floats"
        return (
            f"Circuit({count(gates, 'gate')}, {count(len(self.inputs), 'input')}, "
            f"{count(len(self.outputs), 'output')}, {kinds})"
        )

    # ------------------------------------------------------------------ numbers

    @property
    def value(self) -> Any:
        """What the function gave: a float for a float, arrays for arrays, containers too."""
        return self.output_tree.build(self.columns.values[row] for row in self.outputs)

    @cached_property
    def _all_gradients(self) -> list[Any]:
        row = self._scalar_output()
        value = self.columns.values[row]
        seed = 1.0 if type(value) is float else np.ones((), value.dtype)[()]
        # Whatever depends on an input: an intermediate wire has a gradient because it leads there.
        active = self.columns.reached_from(self._float_inputs(), row + 1)
        if not active[row]:
            return [None] * len(self.columns)
        read = [row, *(guarded for guarded, _ in self.guards)]
        with np.errstate(all="ignore"):
            columns = recognise_sigmoids(self.columns, read, self.hint_of)
            found = backward(columns, [(row, seed)], active=active)
            if columns is not self.columns:
                # The wires inside a written-out sigmoid have gradients too.
                inside = backward(self.columns, [(row, seed)], active=active)
                found = [g if g is not None else h for g, h in zip(found, inside, strict=True)]
        return found + [None] * (len(self.columns) - len(found))

    def _float_inputs(self) -> list[int]:
        return [row for row in self.inputs if is_float(self.columns.values[row])]

    def _scalar_output(self) -> int:
        if not self.output_tree.is_leaf:
            raise NotScalarError(
                f"{here()}gradients are defined for one output, but {self.title} returned "
                f"{len(self.outputs)} in a container. Return the cost alone, or use vjp."
            )
        (row,) = self.outputs
        value = self.columns.values[row]
        if np.shape(value) != ():
            raise NotScalarError(
                f"{here()}gradients are defined for one number, but {self.title} returned an array "
                f"of shape {np.shape(value)}. Reduce it, with np.sum or np.mean, or use vjp."
            )
        if not is_float(value):
            raise DtypeError(
                f"{here()}{self.title} returned {value!r}, which has no gradient: a float was "
                "expected."
            )
        return row

    def gradient_of(self, row: int) -> Any:
        """Return the gradient on a wire by its number; zeros where none arrives at an input."""
        gradient = self._all_gradients[row]
        value = self.columns.values[row]
        if gradient is None:
            if self.columns.gates[row] is INPUT and is_float(value):
                if type(value) is float:
                    return 0.0
                zeros = np.zeros(np.shape(value), value.dtype)
                return zeros if isinstance(value, np.ndarray) else zeros[()]
            return None
        if isinstance(value, np.ndarray):
            return np.array(gradient, value.dtype)
        return gradient

    @property
    def gradients(self) -> dict[str, Any]:
        """The gradient by each argument, by its name, in its containers, shapes and dtypes.

        Arguments that were not traced (integers, strings) are left out; inside containers such a
        leaf has the gradient None.

        Raises
        ------
        NotScalarError
            If the function did not return one number.
        """
        self._scalar_output()
        found = {}
        for argument in self.arguments:
            if any(row is not None for row in argument.rows):
                leaves = [None if row is None else self.gradient_of(row) for row in argument.rows]
                found[argument.name] = argument.tree.build(leaves)
        return found

    # ------------------------------------------------------------------ wires

    @property
    def wires(self) -> dict[str, Wire]:
        """Every wire by its name, in forward order; constants are left out."""
        rows = [row for row in range(len(self)) if self.columns.gates[row] is not CONSTANT]
        return {self.names[row]: self.wire(row) for row in rows}

    def wire(self, row: int) -> Wire:
        """Return a wire by its number."""
        site = self.site_of(row)
        try:
            gradient = self.gradient_of(row)
        except NotScalarError:
            gradient = None
        return Wire(
            name=self.names[row],
            gate=self.columns.gates[row].name,
            value=self.columns.values[row],
            gradient=gradient,
            line=site.line,
            file=site.file,
            source=site.source,
            inputs=tuple(self.label(k) for k in self.columns.inputs(row)),
        )

    def label(self, row: int) -> str:
        """Return how a reading calls a wire: its name, or the number of a constant."""
        if self.columns.gates[row] is CONSTANT:
            return _short(self.columns.values[row])
        return self.names[row]

    def row(self, name: str) -> int:
        """Return the number of a wire by its name.

        Raises
        ------
        UnknownWireError
            If there is none of that name.
        """
        rows = self._rows_by_name
        if name not in rows:
            known = [n for n, r in rows.items() if self.columns.gates[r] is not CONSTANT]
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            raise UnknownWireError(
                f"{here()}no wire is called {name!r}.{did_you_mean(name, known)} There are: {shown}"
            )
        return rows[name]

    @cached_property
    def _rows_by_name(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> Wire:
        return self.wire(self.row(name))

    def __contains__(self, name: object) -> bool:
        return name in self._rows_by_name

    def __iter__(self) -> Iterator[Wire]:
        return iter(self.wires.values())

    def _gradients_or_none(self) -> list[Any]:
        """Return the gradient of each row; all None where the output is not one number."""
        try:
            self._scalar_output()
        except ChainruleError:
            return [None] * len(self)
        return [self.gradient_of(row) for row in range(len(self))]


def count(number: int, noun: str) -> str:
    """Return "1 gate" or "3 gates"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype}{list(value.shape)}"
    return f"{float(value):.6g}" if is_float(value) else str(value)
