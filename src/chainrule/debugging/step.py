"""One step of the backward pass: a gate hands its gradient on, and wires get their parts of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..readings.numbers import brief, is_number, norm, number, plain, shortened, statistic

if TYPE_CHECKING:
    from .steps import Steps

MOST_ADDED = 8  # wires of one gate that are written out one by one


@dataclass(frozen=True)
class Added:
    """What a step adds to one wire.

    Attributes
    ----------
    wire : str
        The wire that feeds the gate.
    part : float or ndarray
        What is added: the local gradient times what came from above.
    before : float, ndarray or None
        The partial sum on the wire before; None when this is the first to arrive.
    after : float or ndarray
        The partial sum after.
    arrival, arrivals : int
        Which of how many contributions this is, from 1: more than one at a fork.
    """

    wire: str
    part: Any
    before: Any
    after: Any
    arrival: int
    arrivals: int
    _slope: Callable[[], Any] = field(repr=False, compare=False)

    @cached_property
    def slope(self) -> Any:
        """The local gradient along the wire; None where the gate has none, such as a matmul."""
        return self._slope()

    @property
    def is_fork(self) -> bool:
        """Whether the wire gets more than one contribution in all."""
        return self.arrivals > 1


@dataclass(frozen=True, repr=False)
class Step:
    """One gate of the backward pass.

    Attributes
    ----------
    number, of : int
        Which step this is, from 1, and how many there are.
    wire : str
        The wire that the gate made.
    gate : str
        The gate's name.
    upstream : float or ndarray
        The gradient that comes from above: that of `wire`, complete now.
    added : tuple of Added
        What is added to which wire; empty where the gate stops the gradient.
    """

    number: int
    of: int
    wire: str
    gate: str
    upstream: Any
    added: tuple[Added, ...]
    _steps: Steps = field(repr=False, compare=False)
    _row: int = field(repr=False, compare=False)

    # What only a reader of the step asks for is looked up then: a walk over 1e5 gates is quick.

    @cached_property
    def expression(self) -> str:
        """The gate over the names of its inputs: "x + y"."""
        return self._steps._expression(self._row)

    @property
    def line(self) -> int:
        """The line of the user's file that made the gate; 0 where there is no such line."""
        return int(self._steps._circuit.site_of(self._row).line)

    @property
    def file(self) -> str:
        """The file of that line."""
        return str(self._steps._circuit.site_of(self._row).file)

    @property
    def source(self) -> str:
        """The text of that line."""
        return str(self._steps._circuit.site_of(self._row).source)

    def called(self, wire: str) -> str:
        """Return what the gradient of a wire is called."""
        return self._steps.called(wire)

    def __repr__(self) -> str:
        """Say the step in one line."""
        said = "; ".join(self._sum(a) for a in self.added[:MOST_ADDED]) or "it stops here"
        more = len(self.added) - MOST_ADDED
        rest = f"; and {more} more" if more > 0 else ""
        above = self._above()
        return f"{self.number}/{self.of} {self._gate()}: {above} gives {said}{rest}"

    def __str__(self) -> str:
        """Say the step in a few lines, a line for each wire that gets something."""
        source = plain(self.source, 60)
        where = f"   line {self.line}" if self.line else ""
        if self.line and source not in ("", self._gate()):
            where += f": {source}"
        lines = [f"step {self.number} of {self.of}   {self._gate()}{where}"]
        rows = [("from above", self._above(), "")]
        for a in self.added[:MOST_ADDED]:
            local = "" if a.slope is None else f"local {_text(a.slope)}"
            fork = f"(fork: {a.arrival} of {a.arrivals})" if a.is_fork else ""
            rows.append((local, self._sum(a), fork))
        if not self.added:
            rows.append(("", "it stops here: the gate is flat", ""))
        widths = [max(len(row[k]) for row in rows) for k in (0, 1)]
        for local, said, fork in rows:
            lines.append(f"  {local:<{widths[0]}}  {said:<{widths[1]}}  {fork}".rstrip())
        if len(self.added) > MOST_ADDED:
            lines.append(f"  ... and {len(self.added) - MOST_ADDED} more wires")
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """Return the step as data, for `--json`."""
        return {
            "step": self.number,
            "of": self.of,
            "wire": self.wire,
            "gate": self.gate,
            "expression": self.expression,
            "upstream": self.upstream,
            "added": [
                {
                    "wire": a.wire,
                    "local": a.slope,
                    "part": a.part,
                    "before": a.before,
                    "after": a.after,
                    "arrival": a.arrival,
                    "arrivals": a.arrivals,
                }
                for a in self.added
            ],
            "line": self.line or None,
        }

    def _gate(self) -> str:
        return f"{shortened(self.wire, 40)} = {self.expression}"

    def _above(self) -> str:
        return self._steps.gradient_text(self.wire, self.upstream)

    def _sum(self, added: Added) -> str:
        name = self.called(added.wire)
        if not is_number(added.after):
            # Norms do not add up, so they are not written as a sum.
            now = self._steps.gradient_text(added.wire, added.after)
            return now if added.before is None else f"{now} (was {norm(added.before)})"
        if added.before is None:
            return f"{name} = {_text(added.after)}"
        part = _text(added.part)
        sign = f"- {part[1:]}" if part.startswith("-") else f"+ {part}"
        return f"{name} = {_text(added.before)} {sign} = {_text(added.after)}"


def _text(value: Any) -> str:
    if type(value) is int:
        return brief(value)
    return number(value) if is_number(value) else statistic(value)
