"""From a circuit to module text: simplified rows, a graph, a program; or straight scalar code."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...circuit.circuit import Circuit
from ...passes.expand import expand
from ...passes.recognise import recognise_sigmoids
from ...passes.simplify import simplify
from ...tracing.tape import Tape
from .assembler import Assembler
from .builder import Builder, Value, module
from .graph import Graph, knows
from .large import LargeProgram, large_program
from .layout import Layout
from .program import HostCall
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
    text : str
        Functions that were written as text.
    """

    builders: list[Builder]
    layout: Layout
    hosts: list[HostCall]
    text: str = ""

    def module(self, more: Sequence[Builder] = ()) -> str:
        """Return the module's text, with the functions of an entry."""
        text = module([*self.builders, *more])
        known = set(text.splitlines())
        written = (
            line
            for line in self.text.splitlines()
            if not (line.startswith("declare ") and line in known)
        )
        return "\n".join([text, *written])


def simplified(circuit: Circuit) -> tuple[Tape, list[int], list[bool | int]]:
    """Return a circuit's rows drawn and simplified for the machine.

    The second part is where its inputs, outputs and guards went, in this order; the third what
    the guards must see.
    """
    with _uncollected():
        return _simplified(circuit)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave the cyclic garbage collector out: a million rows make none, and it walks them all."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _simplified(circuit: Circuit) -> tuple[Tape, list[int], list[bool | int]]:
    guards = [row for row, _ in circuit.guards]
    read = [*circuit.inputs, *circuit.outputs, *guards]
    columns = recognise_sigmoids(circuit.columns, read[len(circuit.inputs) :], circuit.hint_of)
    tape, rows, more = expand(columns, read, knows)
    same = simplify(tape, 0)
    seen = [value for _, value in (*circuit.guards, *more)]
    return tape, [same[row] for row in (*rows, *(row for row, _ in more))], seen


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
    tape, rows, seen = simplified(circuit)
    n, m = len(circuit.inputs), len(circuit.outputs)
    graph = Graph(tape, rows[:n], rows)
    outputs = [graph.access[row] for row in rows[n : n + m]]
    checks = [(graph.access[row], value) for row, value in zip(rows[n + m :], seen, strict=True)]
    checks += graph.guards
    program = Assembler(graph, outputs, checks, target, threads, over).program()
    return Lowered(program.builders, program.layout, program.hosts)


def lowered_scalars(circuit: Circuit, target: Target) -> Lowered:
    """Return the code of a circuit of plain numbers.

    Raises
    ------
    NotLowered
        If a gate has no emitter.
    """
    tape, rows, seen = simplified(circuit)
    n, m = len(circuit.inputs), len(circuit.outputs)
    guards = list(zip(rows[n + m :], seen, strict=True))
    if sum(tape.needed_for(rows)) > MOST_SCALARS:
        return _large(large_program(tape, rows[:n], rows[n : n + m], guards, target), target)
    builder = scalar_function(tape, rows[:n], rows[n : n + m], guards, target)
    gates = sum(1 for mark in tape.needed_for(rows) if mark)
    layout = Layout(
        inputs=[("double", ())] * n,
        outputs=[("double", ())] * m,
        constants=[],
        workspace=0,
        cost=float(gates),
        operations=gates,
        report=[f"{gates} scalar gates in one line of code"],
    )
    return Lowered([builder], layout, [])


def _large(program: LargeProgram, target: Target) -> Lowered:
    """Return a large program as one that is called like a small one.

    The memory of its wires waits for the next call in one slot, which callers empty and fill
    atomically: two calls at once never share it.
    """
    b = Builder("scalars", [("ptr", "inputs"), ("ptr", "outputs")], target, returns="i64")
    slot = "@large_cells"
    b.globals[slot] = f"{slot} = internal global ptr null"
    b.globals["@large_tables"] = "@large_tables = internal global ptr null"
    waiting = b.let("ptr", f"atomicrmw xchg ptr {slot}, ptr null acquire")
    size = Value("i64", str(program.workspace_bytes))
    (cells,) = b.when(
        b.compare("eq", waiting, Value("ptr", "null")),
        lambda: [b.call("malloc", "ptr", size)],
        [waiting],
    )
    tables = b.load("ptr", Value("ptr", "@large_tables"))
    inputs, outputs = b.arguments["inputs"], b.arguments["outputs"]
    status = b.let(
        "i64",
        f"call i64 @large(ptr {inputs.name}, ptr {outputs.name}, ptr {cells.name}, "
        f"ptr {tables.name})",
    )
    other = b.let("ptr", f"atomicrmw xchg ptr {slot}, ptr {cells.name} acq_rel")
    b.call("free", "void", other)
    b.ret(status)
    at = Builder("large_tables_at", [], target, returns="ptr")
    at.ret(Value("ptr", "@large_tables"))
    layout = Layout(
        inputs=[("double", ())] * program.inputs,
        outputs=[("double", ())] * program.outputs,
        constants=[program.tables],
        workspace=program.workspace_bytes,
        cost=float(program.workspace_bytes // 8),
        report=[f"{program.kernels} loops, called {program.calls} times"],
    )
    return Lowered([b, at], layout, [], program.text.replace("@scalars(", "@large("))
