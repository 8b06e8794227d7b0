"""From a circuit to module text: simplified rows, a graph, a program; or straight scalar code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...circuit.circuit import Circuit
from ...passes.expand import expand
from ...passes.recognise import recognise_sigmoids
from ...passes.simplify import simplify
from ...tracing.tape import Tape
from .builder import Builder
from .graph import Graph, knows
from .layout import Layout
from .program import Assembler, HostCall
from .scalars import scalar_function
from .target import Target

MOST_SCALARS = 3000
"""Rows: straight code takes LLVM longer than its length; more are for the machine of `large`."""


@dataclass(slots=True)
class Lowered:
    """Functions as text, and what must be known to call them.

    Attributes
    ----------
    builders : list of Builder
        The last is `@program(ptr frame)`, or `@scalars(ptr inputs, ptr outputs)`.
    layout : Layout
        The frame; of scalar code only its report.
    hosts : list of HostCall
        Gates that NumPy computes.
    """

    builders: list[Builder]
    layout: Layout
    hosts: list[HostCall]


def simplified(circuit: Circuit) -> tuple[Tape, list[int]]:
    """Return a circuit's rows drawn and simplified for the machine.

    The second part is where its inputs, outputs and guards went, in this order.
    """
    guards = [row for row, _ in circuit.guards]
    read = [*circuit.inputs, *circuit.outputs, *guards]
    columns = recognise_sigmoids(circuit.columns, read[len(circuit.inputs) :], circuit.hint_of)
    tape, rows = expand(columns, read, knows)
    same = simplify(tape, 0)
    return tape, [same[row] for row in rows]


def is_scalar(circuit: Circuit) -> bool:
    """Whether every wire is a plain Python number."""
    values, needed = circuit.columns.values, circuit.needed
    plain = (float, int, bool)
    return all(type(values[row]) is float for row in circuit.inputs) and all(
        type(value) in plain for value, mark in zip(values, needed, strict=True) if mark
    )


def lowered(
    circuit: Circuit,
    target: Target,
    threads: int = 1,
    over: dict[int, int] | None = None,
) -> Lowered:
    """Return the program of a circuit of arrays.

    Raises
    ------
    NotLowered
        If some value has no machine type.
    """
    tape, rows = simplified(circuit)
    n, m = len(circuit.inputs), len(circuit.outputs)
    graph = Graph(tape, rows[:n], rows)
    outputs = [graph.access[row] for row in rows[n : n + m]]
    checks = [
        (graph.access[row], seen)
        for row, (_, seen) in zip(rows[n + m :], circuit.guards, strict=True)
    ]
    program = Assembler(graph, outputs, checks, target, threads, over).program()
    return Lowered(program.builders, program.layout, program.hosts)


def lowered_scalars(circuit: Circuit, target: Target) -> Lowered:
    """Return the code of a circuit of plain numbers.

    Raises
    ------
    NotLowered
        If a gate has no emitter.
    """
    tape, rows = simplified(circuit)
    n, m = len(circuit.inputs), len(circuit.outputs)
    guards = _guards(rows[n + m :], circuit)
    builder = scalar_function(tape, rows[:n], rows[n : n + m], guards, target)
    gates = sum(1 for mark in tape.needed_for(rows) if mark)
    layout = Layout(
        inputs=[("double", ())] * n,
        outputs=[("double", ())] * m,
        constants=[],
        workspace=0,
        cost=float(gates),
        report=[f"{gates} scalar gates in one line of code"],
    )
    return Lowered([builder], layout, [])


def _guards(rows: Sequence[int], circuit: Circuit) -> list[tuple[int, Any]]:
    return [(row, seen) for row, (_, seen) in zip(rows, circuit.guards, strict=True)]
