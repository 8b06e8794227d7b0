"""What a gradient check says: which numbers were wrong, where, and what could not be checked.

Everything in a report is a frozen record with its own sentence, so that a test can look at the
numbers and a person can read the lines.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT, INPUT
from ..errors import GradientError
from ..readings.notebook import bundle
from ..readings.numbers import plain

Index = tuple[int, ...]
_MOST_LINES = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that could not be checked.

    Parameters
    ----------
    message : str
        The whole sentence, with the user's file and line where there is one.
    wire : str
        The wire of the gate, or the input itself.
    gate : str
        The gate; empty where the gradient of an input is meant.
    input : str
        The wire that the gradient is by.
    index : tuple of int or None
        The element; None for a number.
    given, numeric : float or None
        The gradient that was checked, and what the numeric one is.
    file, line, source : str, int, str
        Where the gate was made; empty, 0 and empty where there is no such line.
    """

    message: str
    wire: str = ""
    gate: str = ""
    input: str = ""
    index: Index | None = None
    given: float | None = None
    numeric: float | None = None
    file: str = ""
    line: int = 0
    source: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Kink:
    """A point where the slope jumps, or where plain Python branches, at the checked inputs.

    Parameters
    ----------
    message : str
        The whole sentence.
    wire, gate : str
        The wire and the gate that has the kink.
    distance : float
        How far the gate's inputs are from it, as the gate measures it; 0 at the kink.
    index : tuple of int or None
        The first element at the kink.
    count : int
        How many elements are at it.
    file, line, source : str, int, str
        Where the gate was made.
    """

    message: str
    wire: str
    gate: str
    distance: float
    index: Index | None = None
    count: int = 1
    file: str = ""
    line: int = 0
    source: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, repr=False)
class GradientReport:
    """The outcome of a gradient check; true if nothing was wrong.

    Parameters
    ----------
    failures : tuple of Finding
        Wrong gates in forward order, then wrong gradients of inputs.
    kinks : tuple of Kink
        Kinks at the point. A gradient between the slopes of the two sides is a right one.
    not_checked : tuple of Finding
        What no number could be had for: infinite slopes, NaN, gradients lost in rounding.
    worst : float
        The largest relative error among the gradients that were right.
    method : str
        How the numeric gradient was had.
    evaluations : int
        How many times the circuit was run for it.
    inputs, elements, directions, gates : int
        How many were compared.
    """

    failures: tuple[Finding, ...] = ()
    kinks: tuple[Kink, ...] = ()
    not_checked: tuple[Finding, ...] = ()
    worst: float = 0.0
    method: str = ""
    evaluations: int = 0
    inputs: int = 0
    elements: int = 0
    directions: int = 0
    gates: int = 0

    @property
    def ok(self) -> bool:
        """Whether something was checked and nothing was wrong."""
        checked = self.elements + self.directions + self.gates
        return not self.failures and (checked > 0 or not self.not_checked)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"GradientReport({self._verdict()})"

    def __str__(self) -> str:
        lines = [f"gradient check: {self._verdict()}"]
        lines += _shown("wrong", self.failures)
        lines += _shown("kink", self.kinks)
        lines += _shown("not checked", self.not_checked)
        if self.method:
            runs = _count(self.evaluations, "run")
            lines.append(
                f"  by {self.method}, {runs} of the circuit; worst relative error {self.worst:.1g}"
            )
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows: the whole report, not one line of it."""
        return bundle({"text/html": self._as_html, "text/plain": self.__str__}, include, exclude)

    def _as_html(self) -> str:
        head, *rest = str(self).splitlines()
        mark = "&#10003;" if self.ok else "&#10007;"
        lines = "".join(f"<li>{html.escape(plain(line, 1000))}</li>" for line in rest)
        verdict = html.escape(plain(head, 1000))
        return f"<div><strong>{mark} {verdict}</strong><ul>{lines}</ul></div>"

    def _verdict(self) -> str:
        word = "passed" if self.ok else "FAILED" if self.failures else "NOTHING COULD BE CHECKED"
        compared = [
            _count(number, noun)
            for number, noun in (
                (self.inputs, "input"),
                (self.elements, "element"),
                (self.directions, "direction"),
                (self.gates, "gate"),
            )
            if number
        ]
        found = [
            _count(number, noun) if noun != "wrong" else f"{number} wrong"
            for number, noun in (
                (len(self.failures), "wrong"),
                (len(self.kinks), "kink"),
            )
            if number
        ]
        if self.not_checked:
            found.append(f"{len(self.not_checked)} not checked")
        said = ", ".join(compared) or "nothing compared"
        return f"{word}: {said}" + (f"; {', '.join(found)}" if found else "")

    def raise_if_wrong(self) -> GradientReport:
        """Return the report itself if it is good.

        Raises
        ------
        GradientError
            If a gradient is wrong, or nothing could be checked; an AssertionError too.
        """
        if not self.ok:
            raise GradientError(str(self))
        return self


def _shown(title: str, findings: Sequence[Any]) -> list[str]:
    # The same sentence from many gates (a loop) is said once.
    unique = Counter(str(finding) for finding in findings)
    lines = [f"  {title}: {text}" for text in unique]
    left = len(lines) - _MOST_LINES
    return lines[:_MOST_LINES] + ([f"  {title}: ... and {left} more"] if left > 0 else [])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


# ---------------------------------------------------------------------- how things are called


def label(circuit: Circuit, row: int) -> str:
    """Return what a sentence calls a wire: its name, or a constant's number."""
    if circuit.columns.gates[row] is not CONSTANT:
        return circuit.names[row]
    value = circuit.columns.values[row]
    if np.ndim(value):
        return f"an array of shape {np.shape(value)}"
    return f"{float(value):.6g}" if not isinstance(value, (bool, np.bool_)) else str(bool(value))


def makes(circuit: Circuit, row: int, *, placed: bool = True) -> str:
    """Return "demo.py:12: multiply makes q = x * y"; not placed, "q = x * y"."""
    gate = circuit.columns.gates[row]
    if gate is INPUT:
        return f"the input {circuit.names[row]}"
    labels = [label(circuit, k) for k in circuit.columns.inputs(row)]
    template = gate.expression(circuit.columns.settings_of(row))
    text = template.replace("{*}", ", ".join(labels)).format(*labels)
    if len(text) > 70:
        text = f"{gate.name}({', '.join(labels)})"
    if len(text) > 70:
        text = f"{gate.name}(...)"
    made = f"{circuit.names[row]} = {text}"
    return f"{where(circuit, row)}{gate.name} makes {made}" if placed else made


def where(circuit: Circuit, row: int) -> str:
    """Return "demo.py:12: ", or "" where there is no line."""
    site = circuit.site_of(row)
    return f"{site}: " if site.line else ""


def place(circuit: Circuit, row: int) -> dict[str, Any]:
    """Return the fields that say where a gate was made."""
    site = circuit.site_of(row)
    gate = circuit.columns.gates[row]
    return {
        "wire": circuit.names[row],
        "gate": "" if gate is INPUT else gate.name,
        "file": site.file,
        "line": site.line,
        "source": site.source if site.line else "",
    }


def at(index: Index | None) -> str:
    """Return " at [2, 0]", or "" for a number."""
    return f" at {list(index)}" if index else ""


def number(value: Any) -> str:
    """Return a number to ten digits: more are noise."""
    return repr(float(f"{float(value):.10g}") + 0.0)  # + 0.0: no minus before a zero
