"""The ledger says why a gradient is this number.

A gradient is a sum over paths: along each path from the wire to the output the slopes multiply, and
what the paths bring adds up. The ledger lists the largest of these contributions and, exactly, what
the others bring together. Where a path carries arrays there is no product of numbers to list; then
the ledger says which gates hand the gradient back (its blocks), and how its norm grows or shrinks
from one named wire to the next (its layers).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, Columns
from ..gates.rules import shape_of
from ..passes.at_point import active_rows, recognised, seed_of
from ..passes.backward import is_float
from ..passes.contributions import Contributions
from ..passes.floats import as_numpy
from ..passes.paths import largest_paths
from .entries import Entry, Ledger
from .layers import layers_of, remarks
from .notation import DZ, Notation
from .numbers import is_number, length

_ELEMENT = re.compile(r"(?P<wire>.+)\[(?P<index>-?\d+(?:\s*,\s*-?\d+)*)\]")
_MOST_STOPS = 4  # places named where nothing passes


def ledger(
    circuit: Circuit,
    gradients: Sequence[Any],
    wire: str | None,
    row_of: Callable[[str], int],
    *,
    largest: int = 10,
    notation: Notation = DZ,
) -> Ledger:
    """Return the ledger of a wire's gradient.

    Parameters
    ----------
    circuit : Circuit
        A circuit with one float output.
    gradients : sequence
        The gradient of each row, None where there is none.
    wire : str or None
        The wire, or an element of it such as "w[0]"; None for the layers of the whole circuit.
    row_of : callable
        `row_of(name)` is the row of a wire; it raises where there is none.
    largest : int
        How many contributions are listed.
    notation : Notation
        How gradients are called.
    """
    (output,) = circuit.outputs
    named = circuit.names[output]
    if wire is None:
        found = layers_of(circuit, gradients, list(circuit.inputs), output)
        said = remarks(found, notation, named) or ["no named wire lies on the way"] * (not found)
        return Ledger("", named, None, "layers", layers=found, notes=tuple(said), notation=notation)
    if largest < 1:
        raise ValueError(f"largest must be at least 1, not {largest}")
    row, element = _found(circuit, wire, row_of)
    account = _Account(circuit, gradients, row, element, output)
    gradient = gradients[row]
    note = account.why_none()
    if note or gradient is None:
        zero = gradient if gradient is None else account.at(gradient)
        return Ledger(wire, named, zero, "paths", notes=(note,), notation=notation)
    if account.is_scalar:
        return account.paths(wire, largest, notation)
    return account.blocks(wire, largest, notation)


def _found(
    circuit: Circuit, wire: str, row_of: Callable[[str], int]
) -> tuple[int, tuple[int, ...] | None]:
    """Return the row and the element that a name such as "w[0]" means."""
    match = None if wire in circuit.names else _ELEMENT.fullmatch(wire)
    if match is None:
        return row_of(wire), None
    row = row_of(match["wire"])
    index = tuple(int(part) for part in match["index"].split(","))
    sizes = np.shape(circuit.columns.values[row])
    if len(index) != len(sizes) or any(not -n <= k < n for k, n in zip(index, sizes, strict=True)):
        raise IndexError(f"{match['wire']} has shape {sizes}, so there is no {wire}")
    return row, index


class _Account:
    """What lies between one wire and the output."""

    def __init__(
        self,
        circuit: Circuit,
        gradients: Sequence[Any],
        start: int,
        element: tuple[int, ...] | None,
        output: int,
    ) -> None:
        self.circuit, self.gradients = circuit, gradients
        self.start, self.element, self.output = start, element, output
        self.active = active_rows(circuit, output)
        self.columns = recognised(circuit)
        self.between = self._rows_between(self.columns)
        if len(self.between) < 2 and self.columns is not circuit.columns:
            # A wire inside a sigmoid that was taken as one gate leads on through the small gates.
            self.columns = circuit.columns
            self.between = self._rows_between(self.columns)
        self._handed: Contributions | None = None

    def _rows_between(self, columns: Columns) -> list[int]:
        """Return the rows on the way, the output first."""
        if self.start > self.output or not self.active[self.output]:
            return []
        onward = columns.reached_from([self.start], self.output + 1)
        needed = columns.needed_for([self.output])
        values = columns.values
        return [
            row
            for row in range(self.output, self.start - 1, -1)
            if onward[row] and needed[row] and self.active[row] and is_float(values[row])
        ]

    def at(self, value: Any) -> Any:
        """Return the element in question of an array in the wire's shape; a number as a float."""
        if self.element is not None:
            value = value[self.element]
        return float(value) if np.size(value) == 1 and np.ndim(value) == 0 else value

    @property
    def is_scalar(self) -> bool:
        """Whether one number flows along every path."""
        values = self.columns.values
        inner = all(np.size(values[row]) == 1 for row in self.between if row != self.start)
        return inner and (self.element is not None or np.size(values[self.start]) == 1)

    def why_none(self) -> str:
        """Say why there is nothing to list; "" where there is."""
        name, output = self.circuit.names[self.start], self.circuit.names[self.output]
        if self.columns.gates[self.start] is CONSTANT:
            return f"{name} is a constant, so it has no gradient."
        if not is_float(self.columns.values[self.start]):
            return f"{name} is no float, so it has no gradient."
        if not self.active[self.output]:
            return f"{output} does not move with any input, so every gradient is 0."
        if not self.between or self.between[0] != self.output or self.between[-1] != self.start:
            return f"{name} does not lead to {output}, so its gradient is 0."
        return ""

    # ------------------------------------------------------------------ paths

    def paths(self, wire: str, largest: int, notation: Notation) -> Ledger:
        """Return the ledger by paths of numbers."""
        edges, stops = self._edges()
        seed = float(seed_of(self.columns.values[self.output]))
        found = largest_paths(edges, self.between, self.start, self.output, largest, seed)
        gradient = float(np.asarray(self.at(self.gradients[self.start])).reshape(()))
        parts = [path.part for path in found.best]
        others = found.count - len(parts)
        remainder, rounding = _rest(gradient, parts)
        if not others:
            remainder, rounding = 0.0, remainder  # nothing is left but what the floats rounded
        entries = _told([path.rows for path in found.best], parts, self._name, self._is_named)
        return Ledger(
            wire=wire,
            output=self.circuit.names[self.output],
            gradient=gradient,
            kind="paths",
            entries=entries,
            others=others,
            remainder=remainder,
            rounding=rounding,
            notes=() if entries else self._where_it_stops(edges, stops),
            notation=notation,
        )

    def _edges(self) -> tuple[dict[int, list[tuple[int, float]]], dict[int, list[int]]]:
        """Return (row it feeds, slope) for each row, and the rows that take nothing from it."""
        columns, inside = self.columns, set(self.between)
        edges: dict[int, list[tuple[int, float]]] = {}
        stops: dict[int, list[int]] = {}
        with np.errstate(all="ignore"):
            for row in self.between:
                if row == self.start:
                    continue
                slopes: dict[int, float] = {}
                for index, source in enumerate(columns.inputs(row)):
                    if source in inside:
                        known = slopes.get(source, 0.0)
                        slopes[source] = known + self._slope(row, index, source)
                for source, slope in slopes.items():
                    if slope == 0:
                        stops.setdefault(source, []).append(row)
                    else:
                        edges.setdefault(source, []).append((row, slope))
        return edges, stops

    def _slope(self, row: int, index: int, source: int) -> float:
        columns = self.columns
        gate, settings = columns.gates[row], columns.settings_of(row)
        inputs = columns.inputs(row)
        out, arguments = columns.values[row], [columns.values[k] for k in inputs]
        if not gate.has_gradient:
            return 0.0
        is_local, rule = gate.rule(index)
        if is_local:
            try:
                slope = rule(out, *arguments, **settings)
            except ArithmeticError:
                slope = as_numpy(rule, out, *arguments, **settings)
        else:  # linear in what arrives: what it makes of 1 is its slope
            one = 1.0 if type(out) is float else np.ones(shape_of(out), out.dtype)[()]
            slope = rule(one, out, *arguments, **settings)
        if slope is None:
            return 0.0
        if type(slope) in (int, float) and math.isfinite(slope):
            return float(slope)
        if np.size(slope) != 1:
            slope = np.asarray(slope)[self.element if source == self.start else ...]
        found = float(np.asarray(slope).reshape(-1)[0])
        if not math.isfinite(found) and self._hands_nothing(row, source):
            return 0.0  # a branch not taken hands on nothing, whatever the slope behind it
        return found

    def _hands_nothing(self, row: int, source: int) -> bool:
        return all(not np.any(part) for k, part in self.handed.parts(row) if k == source)

    @property
    def handed(self) -> Contributions:
        """What each gate hands on; asked for only where it is needed."""
        if self._handed is None:
            seeds = [(self.output, seed_of(self.columns.values[self.output]))]
            self._handed = Contributions(self.columns, seeds, self.active)
        return self._handed

    def _where_it_stops(
        self, edges: dict[int, list[tuple[int, float]]], stops: dict[int, list[int]]
    ) -> tuple[str, ...]:
        """Name the gates with slope 0 that every path meets."""
        pending, seen = [self.start], {self.start}
        said: list[str] = []
        while pending and len(said) < _MOST_STOPS:
            row = pending.pop()
            for gate in stops.get(row, ()):
                name = self.columns.gates[gate].name
                said.append(f"{self._name(gate)} ({name}) along {self._name(row)}")
            for head, _ in edges.get(row, ()):
                if head not in seen:
                    seen.add(head)
                    pending.append(head)
        if not said:
            return ()
        return (f"Every path meets a slope of 0: {', '.join(said[:_MOST_STOPS])}.",)

    # ------------------------------------------------------------------ blocks

    def blocks(self, wire: str, largest: int, notation: Notation) -> Ledger:
        """Return the ledger by the gates that hand the gradient back, and by layers."""
        arrived: dict[int, Any] = {}
        gradient = self.at(self.gradients[self.start])
        with np.errstate(all="ignore"):
            for gate, part in self.handed.to(self.start):
                part = self.at(part)
                arrived[gate] = arrived[gate] + part if gate in arrived else part
            ordered = sorted(arrived.items(), key=lambda item: -_rank(item[1]))
            listed, rest = ordered[:largest], ordered[largest:]
            remainder: Any = 0.0
            for _, part in rest:
                remainder = remainder + part
            total = remainder
            for _, part in listed:
                total = total + part
            rounding: Any = gradient - total
        if is_number(gradient):
            remainder_, rounding = _rest(gradient, [part for _, part in listed])
            remainder, rounding = (remainder_, rounding) if rest else (0.0, remainder_)
        entries = tuple(
            Entry((self._name(self.start), self._name(gate)), (self._name(gate),), part)
            for gate, part in listed
        )
        named = self.circuit.names[self.output]
        layers = layers_of(self.circuit, self.gradients, [self.start], self.output)
        return Ledger(
            wire=wire,
            output=named,
            gradient=gradient,
            kind="blocks",
            entries=entries,
            others=len(rest),
            remainder=remainder,
            rounding=rounding,
            layers=layers,
            notes=tuple(remarks(layers, notation, named)),
            notation=notation,
        )

    def _name(self, row: int) -> str:
        return self.circuit.names[row]

    def _is_named(self, row: int) -> bool:
        return self.circuit.hint_of(row) is not None


def _told(
    paths: Sequence[tuple[int, ...]],
    parts: Sequence[float],
    name: Callable[[int], str],
    is_named: Callable[[int], bool],
) -> tuple[Entry, ...]:
    """Return entries whose `via` are the user's names, or all names where those tell too little."""
    short = [tuple(name(row) for row in rows[1:-1] if is_named(row)) for rows in paths]
    entries = []
    for rows, via, part in zip(paths, short, parts, strict=True):
        if short.count(via) > 1:
            via = tuple(name(row) for row in rows[1:-1])
        entries.append(Entry(tuple(map(name, rows)), via, part))
    return tuple(entries)


def _rest(gradient: float, parts: Sequence[float]) -> tuple[float, float]:
    """Return gradient - sum(parts), and what rounding that to a float leaves over."""
    if not all(map(math.isfinite, (gradient, *parts))):
        with np.errstate(all="ignore"):
            return float(np.float64(gradient) - np.sum(np.asarray(parts, float))), 0.0
    left = Fraction(gradient) - sum(map(Fraction, parts), Fraction(0))
    try:
        first = float(left)
    except OverflowError:
        return math.copysign(math.inf, left), 0.0
    return first, float(left - Fraction(first))


def _rank(part: Any) -> float:
    size = length(part)
    return size if size == size else math.inf


# ---------------------------------------------------------------------- text
