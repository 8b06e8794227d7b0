"""Circuits of very many plain floats: loops where the recording repeats, runs of gates elsewhere.

LLVM's time grows faster than a block: straight code for a gradient of 100,000 gates, cut in
functions, would take it ten seconds. So the recording is rolled up again (`rolled`); what repeats
becomes loops, in vectors where turns do not wait for each other (`bodies`); short rests become
straight lines, long ones runs of equal gates (`reordered`). Every loop is a kernel (`turns`) and
the program is a list of calls in a table: kernel, arguments. Equal loops share a kernel, so the
code is small whatever the circuit, and takes a fraction of a second to compile.
"""

from __future__ import annotations

import ctypes
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...circuit.columns import Columns
from ...errors import GuardError
from . import linking
from .bodies import Body, bodies_of, needed_by
from .builder import Builder, Value, constant, module
from .flat import Flat, flatten
from .number_gates import leave_unless
from .places import Places, Tables, call_of
from .reordered import Runs, calls_of, reorder
from .rolled import Turns, find
from .scalars import Guards
from .target import Target, compile_object
from .turns import emit

MOST_STRAIGHT = 1500
"""Rows of the longest straight line: longer rests are reordered."""
MOST_CODE = 6000
"""Rows of all bodies and straight lines together: a third of a second of LLVM's time."""
MOST_ROLLED = 200
"""How many loops are taken from a recording; each costs a millisecond to look at."""


@dataclass(frozen=True, slots=True)
class LargeProgram:
    """The code and the data of a circuit of plain floats.

    `i64 @scalars(ptr inputs, ptr outputs, ptr cells, ptr tables)` returns 0, or 1 where plain
    Python would branch otherwise. Inputs and outputs are arrays of doubles. The cells are memory
    for one call at a time, and may hold anything before it.

    Parameters
    ----------
    text : str
        LLVM's text of the module.
    tables : ndarray of int64
        Read by the code; shared by all calls.
    workspace_bytes : int
        How much memory the cells take.
    inputs, outputs : int
        How many numbers go in and come out.
    kernels, calls : int
        How many loops were written, and how often they are called in one run.
    """

    text: str
    tables: NDArray[np.int64]
    workspace_bytes: int
    inputs: int
    outputs: int
    kernels: int
    calls: int

    def compiled(self, target: Target) -> bytes:
        """Return the machine code as an object file."""
        return compile_object(self.text, target)

    def load(self, code: bytes) -> int:
        """Load the machine code and return the address of `@scalars`."""
        (address,) = linking.load(code, ("scalars",))
        return address


class LargeMachine:
    """A loaded program, called with floats; each thread has cells of its own.

    Parameters
    ----------
    program : LargeProgram
        What to run.
    target : Target
        The processor that we run on.
    """

    def __init__(self, program: LargeProgram, target: Target) -> None:
        self.program = program
        address = program.load(program.compiled(target))
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)(address)
        self._local = threading.local()

    def __call__(self, inputs: Sequence[float]) -> list[float]:
        """Return the outputs.

        Raises
        ------
        GuardError
            If plain Python would branch otherwise at these inputs.
        """
        program = self.program
        given = np.array(inputs, np.float64)
        assert given.shape == (program.inputs,), "as many numbers as the program has inputs"
        outputs = np.empty(program.outputs)
        cells = getattr(self._local, "cells", None)
        if cells is None:
            cells = self._local.cells = np.empty(program.workspace_bytes, np.uint8)
        memory = (given, outputs, cells, program.tables)
        if self._call(*(array.ctypes.data for array in memory)):
            raise GuardError("plain Python would branch otherwise for these inputs")
        return outputs.tolist()


def large_program(
    columns: Columns,
    inputs: Sequence[int],
    outputs: Sequence[int],
    guards: Guards,
    target: Target,
) -> LargeProgram:
    """Return the program of a circuit of plain floats.

    Parameters
    ----------
    columns : Columns
        The rows; only those that an output or a guard needs are run.
    inputs, outputs : sequence of int
        The rows that are read from the first array and written to the second, in order.
    guards : sequence of (int, bool or int)
        Rows on which Python branched, and what it saw.
    target : Target
        What the code is for.

    Raises
    ------
    NotLowered
        If a wire is no plain number, or a gate has no emitter.
    """
    flat = flatten(columns, inputs, outputs, guards)
    parts = _parts(flat, target.lanes("double"))
    places = _placed(flat, parts)
    tables = Tables()
    calls = [
        call_of(flat, part, places, tables)
        if isinstance(part, Body)
        else calls_of(flat, part, places, tables)
        for part in parts
    ]
    uses = Counter(kernel for some in calls for kernel in some.kernels)
    numbers = {kernel: k for k, kernel in enumerate(uses)}
    literals = {some.kernels[0]: some.literals for some in calls if len(some.kernels) == 1}
    builders = [
        emit(
            kernel,
            f"k{k}",
            flat.operations,
            target,
            literals.get(kernel) if uses[kernel] == 1 else None,
        )
        for kernel, k in numbers.items()
    ]
    table = [
        np.stack((np.array([numbers[k] for k in some.kernels])[some.numbers], some.offsets), 1)
        for some in calls
    ]
    count = sum(map(len, table))
    at = tables.add(np.concatenate(table)) if count else 0
    entry = _entry(flat, places, count, len(builders), at, target)
    return LargeProgram(
        module([*builders, entry]),
        tables.joined(),
        8 * max(places.count, 1),
        len(inputs),
        len(outputs),
        len(builders),
        count,
    )


def _parts(flat: Flat, lanes: int) -> list[Body | Runs]:
    """Return loops, straight lines and runs in an order in which they can be run."""
    rolled = find(flat)
    rolled = sorted(rolled, key=lambda t: -t.count * t.period)[:MOST_ROLLED]
    code = 0
    kept = []
    for turns in rolled:
        if code + turns.period <= MOST_CODE:
            code += turns.period
            kept.append(turns)
    kept.sort(key=lambda t: t.start)
    parts: list[Body | Runs] = []
    at = flat.inputs
    for turns in [*kept, Turns(len(flat), 1, 0)]:
        rest = turns.start - at
        if 0 < rest <= MOST_STRAIGHT and code + rest <= MOST_CODE:
            code += rest
            parts += bodies_of(flat, Turns(at, rest, 1), 0)
        elif rest:
            parts.append(reorder(flat, at, turns.start, lanes))
        if turns.count:
            parts += bodies_of(flat, turns, lanes)
        at = turns.stop
    return parts


def _placed(flat: Flat, parts: list[Body | Runs]) -> Places:
    """Return places for all that must lie in memory."""
    need = np.zeros(len(flat), np.bool_)
    need[flat.outputs[flat.outputs >= 0]] = True
    needed_by([part for part in parts if isinstance(part, Body)], need)
    for part in parts:
        if isinstance(part, Runs):
            read = flat.sources[:, part.cells]
            need[read[read >= 0]] = True
    places = Places.begun(flat, need)
    # Loops first: a lonely cell may have to lie beside one of them.
    for part in parts:
        if isinstance(part, Runs):
            places.give(part.cells)
        elif part.turns.count > 1:
            places.give_body(part)
    for part in parts:
        if isinstance(part, Body) and part.turns.count == 1:
            places.give_body(part)
    return places


def _entry(
    flat: Flat, places: Places, calls: int, kernels: int, table: int, target: Target
) -> Builder:
    """Write `@scalars`: take the inputs in, make the calls, give the outputs out."""
    names = ("inputs", "outputs", "cells", "tables")
    b = Builder("scalars", [("ptr", name) for name in names], target, "i64")
    inputs, outputs, cells, tables = (b.arguments[name] for name in names)

    def copy(k: Value) -> None:
        b.store(b.load("double", b.address(inputs, k, "double")), b.address(cells, k, "double"))

    b.loop(0, flat.inputs, 1, copy)
    for source, seen in flat.checks:
        for one in seen:
            leave_unless(b, _value(b, flat, source, cells, places), one)

    def call(k: Value) -> None:
        row = b.address(tables, table, "i8")
        row = b.address(row, b.shl(k, Value("i64", "1")), "i64")
        number = b.load("i64", row)
        arguments = b.address(tables, b.load("i64", b.address(row, 1, "i64")), "i8")
        labels = [b.label() for _ in range(kernels)]
        bad, good = b.label(), b.label()
        cases = " ".join(f"i64 {n}, label %{label}" for n, label in enumerate(labels))
        b.emit(f"switch i64 {number.name}, label %{good} [ {cases} ]")
        for n, label in enumerate(labels):
            b.start(label)
            status = b.call(f"k{n}", "i64", cells, tables, arguments)
            b.branch(b.compare("eq", status, Value("i64", "0")), good, bad)
        b.start(bad)
        b.ret(Value("i64", "1"))
        b.start(good)

    if calls:
        b.loop(0, calls, 1, call)
    for k, source in enumerate(flat.outputs.tolist()):
        b.store(_value(b, flat, source, cells, places), b.address(outputs, k, "double"))
    b.ret(Value("i64", "0"))
    return b


def _value(b: Builder, flat: Flat, source: int, cells: Value, places: Places) -> Value:
    """Return the number that a cell holds, or a constant."""
    if source < 0:
        return constant("double", float(flat.numbers[-2 - source]))
    return b.load("double", b.address(cells, int(places.of[source]), "double"))
