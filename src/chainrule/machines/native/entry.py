"""The C-level function that Python calls: arguments in, program run, results out.

`emit_entry` writes, for a signature, a function with CPython's vectorcall signature. It recognises
the arguments without converting any, calls `i64 @scalars(ptr inputs, ptr outputs)` (all Python
floats) or `i64 @program(ptr frame)` (anything else), and makes the results through the C API.
Whenever it does not recognise its arguments, or the program returns another status than 0, the very
same arguments go to the callable's `slow`, and plain Python decides.

The text goes into one module with the program. Its functions:

- `@entry`: the code for `set_entry`.
- `@entry_table_at`: returns the table of addresses, which `Entry` fills after loading; the text has
  no address, and no symbol from outside.
- `@entry_release`: frees the workspace that waits for the next call.

A frame has the pointers of `Frame`, in this order: the inputs' data, the outputs', the constants',
the workspace, and what else the program wants. Numbers are read where Python objects have them.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from types import CellType
from typing import Any

from . import python_api as api
from .builder import Builder, Value, constant
from .callable import fill_table, forward
from .entry_arguments import Index, Matching, has_dict, inside
from .entry_results import Results, room
from .signature import OutArray, Signature
from .table import NULL, Source, TableBuilder, number
from .target import Target

_ALIGNMENT = 64
_ON_STACK = 4096  # bytes of workspace that need no memory of their own
_MISMATCH, _FAILED, _NO_MEMORY = "no.match", "failed", "no.memory"  # blocks of the entry


@dataclass(frozen=True, slots=True)
class Frame:
    """How many pointers of each kind a frame has.

    Parameters
    ----------
    inputs, outputs : int
        As the signature has.
    constants : int
        Pointers that are the same at every call.
    extras : int
        Such pointers after the workspace's: a pool of threads, a function that calls NumPy. A 0
        there is a null pointer, at every call anew: room for a status.
    """

    inputs: int
    outputs: int
    constants: int = 0
    extras: int = 0

    @property
    def workspace(self) -> int:
        """The place of the workspace's pointer."""
        return self.inputs + self.outputs + self.constants

    @property
    def size(self) -> int:
        """How many pointers there are."""
        return self.workspace + 1 + self.extras


@dataclass(frozen=True, slots=True)
class EntryText:
    """An entry's functions, and what must be known to load them.

    Attributes
    ----------
    builders : tuple of Builder
        The functions.
    names : tuple of str
        Those whose addresses `Entry` is given, in this order.
    sources : tuple of Source
        What is in the table.
    wiring : str
        The digest of table and code: code from the disk must have been emitted with the same.
    frame : Frame
        The frame; for `@scalars` only its counts of inputs and outputs mean something.
    """

    builders: tuple[Builder, ...]
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    wiring: str
    frame: Frame


def emit_entry(
    signature: Signature,
    target: Target,
    *,
    name: str = "entry",
    program: str | None = None,
    workspace_bytes: int = 0,
    constants: int = 0,
    extras: int = 0,
    long: bool = False,
    calls_python: bool = False,
    check_finite: bool = False,
    cells: Sequence[tuple[CellType, Any]] = (),
) -> EntryText:
    """Write the functions that make a program callable from Python.

    Parameters
    ----------
    signature : Signature
        What a call takes and gives.
    target : Target
        What the code is for.
    name : str
        The function's name, and the beginning of the others'.
    program : {"scalars", "program"}, optional
        The function to call; by default `scalars` where everything is a Python float.
    workspace_bytes : int
        How much memory a program needs, aligned to 64 bytes. No two calls at once share it.
    constants, extras : int
        How many pointers the frame has besides (see `Frame`).
    long : bool
        Whether the program takes so long that Python's lock is released around it.
    calls_python : bool
        Whether the program calls back into Python. Status 2 with an exception set raises it.
    check_finite : bool
        Whether plain Python decides when a float of the result is infinite or NaN.
    cells : sequence of (CellType, object)
        Closure cells, and what they must still hold.

    Returns
    -------
    EntryText
        The functions, for the module in which the program is.
    """
    return _Writer(
        signature, target, name, program, workspace_bytes, constants, extras, long, calls_python
    ).write(check_finite, cells)


class _Writer:
    """Writes an entry."""

    def __init__(
        self,
        signature: Signature,
        target: Target,
        name: str,
        program: str | None,
        workspace_bytes: int,
        constants: int,
        extras: int,
        long: bool,
        calls_python: bool,
    ) -> None:
        self.signature = signature
        self.program = program or ("scalars" if signature.is_scalar else "program")
        self.inputs, self.outputs = signature.inputs, signature.outputs
        self.frame = Frame(len(self.inputs), len(self.outputs), constants, extras)
        self.long = long
        self.numbers = sum(not isinstance(leaf, OutArray) for leaf in self.outputs)
        if self.program == "scalars":
            workspace_bytes = 8 * (len(self.inputs) + len(self.outputs))
        self.workspace_bytes = workspace_bytes
        arguments = [("ptr", "self"), ("ptr", "arguments"), ("i64", "count"), ("ptr", "names")]
        self.b = TableBuilder(name, arguments, target, "ptr")
        holds = long or calls_python or has_dict(signature.arguments)
        self.to_hold = inside(signature.arguments) if holds else 0

    def write(self, check_finite: bool, cells: Sequence[tuple[CellType, Any]]) -> EntryText:
        b = self.b
        self._take_stack()
        results = Results(b, self.signature, _FAILED, self.made)
        scalars = self.program == "scalars"
        if scalars:
            self._work()
        self._count_is(len(self.signature.arguments))
        for cell, held in cells:
            now = b.field(b.object(cell), api.CELL_CONTENTS)
            b.require(b.compare("eq", now, b.object(held)), _MISMATCH)
        matching = Matching(b, _MISMATCH, _FAILED, self._take, self.held)
        for k, template in enumerate(self.signature.arguments):
            matching.match(template, b.load("ptr", b.address(b.arguments["arguments"], k, "ptr")))
        if not scalars:
            matching.arrays(self.pointers)
        status = self._run_scalars(results) if scalars else self._run(results)
        b.require(b.compare("eq", status, number(0)), _FAILED)
        if check_finite:
            self._finite(results)
        result = results.result()
        self._let_go()
        b.ret(result)
        self._go_wrong()
        return self._text()

    def _go_wrong(self) -> None:
        """Write the blocks behind everything that did not work."""
        b = self.b
        if self.taken is not None:
            b.start(_NO_MEMORY)
            b.invoke("PyErr_NoMemory", "ptr")
            b.jump(_FAILED)
        b.start(_FAILED)
        b.each(room(self.signature), lambda k: self._drop(self.made, k))
        self._let_go()
        raised = b.compare("ne", b.invoke("PyErr_Occurred", "ptr"), NULL)
        give_up, pass_on = b.label(), b.label()
        b.branch(raised, give_up, pass_on)
        b.start(give_up)
        b.ret(NULL)
        b.start(_MISMATCH)
        self._let_go()
        b.jump(pass_on)
        b.start(pass_on)
        vectorcall = b.slot("function", "PyObject_Vectorcall")
        b.lines.append(forward(b.table, vectorcall).rstrip())

    # ------------------------------------------------------------------ memory

    def _take_stack(self) -> None:
        """Take all stack memory at the beginning: LLVM wants it there."""
        b = self.b
        self.made = self._nulls(room(self.signature))
        self.held = self._nulls(self.to_hold) if self.to_hold else None
        self.taken = self._nulls(1) if self.workspace_bytes > _ON_STACK else None
        if self.program == "scalars" and self.taken is None:
            self.read = b.array_of("double", len(self.inputs))
            self.given = b.array_of("double", len(self.outputs))
        elif self.program != "scalars":
            self.pointers = b.array_of("ptr", self.frame.size)
            self.given = b.array_of("i64", self.numbers)
            if 0 < self.workspace_bytes <= _ON_STACK:
                self.space = b.scratch("i8", self.workspace_bytes, _ALIGNMENT)

    def _nulls(self, count: int) -> Value:
        b = self.b
        memory = b.array_of("ptr", count)
        b.each(count, lambda k: b.store(NULL, b.address(memory, k, "ptr")))
        return memory

    def _work(self) -> Value:
        """Return the workspace: what the last call has put back, or new memory."""
        b = self.b
        if self.taken is None:
            return self.space if self.program != "scalars" and self.workspace_bytes else NULL
        waiting = b.let("ptr", f"atomicrmw xchg ptr @{b.name}_workspace, ptr null acquire")

        def fresh() -> list[Value]:
            size = number(self.workspace_bytes + _ALIGNMENT)
            memory = b.invoke("PyMem_RawMalloc", "ptr", size)
            b.require(b.compare("ne", memory, NULL), _NO_MEMORY)
            return [memory]

        (memory,) = b.when(b.compare("eq", waiting, NULL), fresh, [waiting])
        b.store(memory, self.taken)
        start = b.add(b.convert("ptrtoint", memory, "i64"), number(_ALIGNMENT - 1))
        aligned = b.convert("inttoptr", b.and_(start, number(-_ALIGNMENT)), "ptr")
        if self.program == "scalars":
            self.read = aligned
            self.given = b.address(aligned, len(self.inputs), "double")
        return aligned

    def _put_back(self) -> None:
        """Leave the workspace to the next call; free it where one waits already."""
        b = self.b
        if self.taken is None:
            return
        memory = b.load("ptr", self.taken)

        def back() -> None:
            b.store(NULL, self.taken or NULL)
            other = b.let(
                "ptr", f"atomicrmw xchg ptr @{b.name}_workspace, ptr {memory.name} acq_rel"
            )
            b.invoke("PyMem_RawFree", "void", other)  # null where none waited

        b.when(b.compare("ne", memory, NULL), back)

    def _drop(self, things: Value, k: Index) -> None:
        b = self.b
        b.invoke("Py_DecRef", "void", b.load("ptr", b.address(things, k, "ptr")))

    def _let_go(self) -> None:
        """Put the workspace back and drop what is held."""
        self._put_back()
        held = self.held
        if held is not None:
            self.b.each(self.to_hold, lambda k: self._drop(held, k))

    # ------------------------------------------------------------------ the call

    def _count_is(self, count: int) -> None:
        b = self.b
        bits = b.and_(b.arguments["count"], number(api.VECTORCALL_OFFSET_FLAG - 1))
        unnamed = b.compare("eq", b.arguments["names"], NULL)
        b.require(b.and_(b.compare("eq", bits, number(count)), unnamed), _MISMATCH)

    def _take(self, index: Index, data: Value) -> None:
        """Note an input: its value for `@scalars`, for `@program` where its data is.

        Of an array at first the array itself: `Matching.arrays` finds its data.
        """
        b = self.b
        if self.program == "scalars":
            b.store(b.load("double", data), b.address(self.read, index, "double"))
        else:
            b.store(data, b.address(self.pointers, index, "ptr"))

    def _run_scalars(self, results: Results) -> Value:
        for leaf in self.outputs:
            results.number(leaf, self.given, leaf.index)
        return self._call(self.read, self.given)

    def _run(self, results: Results) -> Value:
        b, frame = self.b, self.frame
        outputs = b.address(self.pointers, frame.inputs, "ptr")
        results.arrays(outputs)
        numbers = [leaf for leaf in self.outputs if not isinstance(leaf, OutArray)]
        for k, leaf in enumerate(numbers):
            results.number(leaf, self.given, k)
            b.store(b.address(self.given, k, "i64"), b.address(outputs, leaf.index, "ptr"))
        for first, start, count in (
            (frame.inputs + frame.outputs, 0, frame.constants),
            (frame.workspace + 1, frame.constants, frame.extras),
        ):
            self._data(first, start, count)
        b.store(self._work(), b.address(self.pointers, frame.workspace, "ptr"))
        status = self._call(self.pointers)
        self._put_back()
        return status

    def _data(self, place: int, start: int, count: int) -> None:
        """Copy constants or extras from the table into the frame."""
        b = self.b
        slot = [b.slot("data", start + k) for k in range(count)][:1]  # the others come after it

        def one(k: Index) -> None:
            at = slot[0] + k if isinstance(k, int) else b.add(k, number(slot[0]))
            to = b.address(self.pointers, place, "ptr")
            b.store(b.at_slot(at), b.address(to, k, "ptr"))

        b.each(count, one)

    def _call(self, *pointers: Value) -> Value:
        b = self.b
        state = b.invoke("PyEval_SaveThread", "ptr") if self.long else NULL
        inside = ", ".join(f"ptr {p.name}" for p in pointers)
        # Not `call`, which declares: the module has the function, whoever wrote it.
        status = b.let("i64", f"call i64 @{self.program}({inside})")
        if self.long:
            b.invoke("PyEval_RestoreThread", "void", state)
        return status

    def _finite(self, results: Results) -> None:
        """Leave where a float of the result is infinite or NaN: x * 0 is then NaN."""
        b = self.b
        zero = constant("double", 0.0)

        def more(slots: Value, place: Index, total: Value) -> Value:
            value = b.load("double", b.address(slots, place, "double"))
            return b.fadd(total, b.fmul(value, zero))

        total = zero
        if self.program == "scalars" and len(self.outputs) > 8:
            (total,) = b.loop(
                0, len(self.outputs), 1, lambda k, t: [more(self.given, k, t)], [zero]
            )
        else:
            for slots, place in results.floats():
                total = more(slots, place, total)
        b.require(b.compare("oeq", total, zero), _FAILED)

    # ------------------------------------------------------------------ the other functions

    def _text(self) -> EntryText:
        b = self.b
        table, workspace = Value("ptr", b.table), f"@{b.name}_workspace"
        at = Builder(f"{b.name}_table_at", [], b.target, "ptr")
        at.ret(table)
        release = Builder(f"{b.name}_release", [], b.target)
        if self.taken is not None:
            b.globals[workspace] = f"{workspace} = internal global ptr null"
            waiting = release.let("ptr", f"atomicrmw xchg ptr {workspace}, ptr null acquire")
            slot = b.slot("function", "PyMem_RawFree")
            free = release.load("ptr", release.address(table, slot, "ptr"))
            release.emit(f"call void {free.name}(ptr {waiting.name})")
        release.ret()
        b.globals[table.name] = (
            f"{table.name} = internal global [{len(b.sources)} x ptr] zeroinitializer"
        )
        names = (b.name, at.name, release.name)
        return EntryText(
            (*b.parts.values(), b, at, release), names, tuple(b.sources), b.wiring, self.frame
        )


class Entry:
    """A loaded entry: its table filled, and what it refers to kept alive.

    Give it to `set_entry` as `keep`; when it goes, so does the workspace that waits.

    Parameters
    ----------
    text : EntryText
        What `emit_entry` wrote, now or when the code was compiled.
    addresses : sequence of int
        Where the functions `text.names` are.
    data : sequence of int
        The frame's constants, then its extras.
    keep : object
        What these addresses point into.
    """

    __slots__ = ("__weakref__", "_kept", "address")

    def __init__(
        self, text: EntryText, addresses: Sequence[int], data: Sequence[int] = (), keep: Any = None
    ) -> None:
        frame = text.frame
        assert len(data) == frame.constants + frame.extras, (len(data), frame)
        self.address, table_at, release = addresses
        self._kept = (text.sources, keep)
        # At the process's end its memory goes anyway.
        weakref.finalize(self, ctypes.CFUNCTYPE(None)(release)).atexit = False
        fill_table(table_at, [source.address(list(data)) for source in text.sources])
