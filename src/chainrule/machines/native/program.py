"""Write the function that runs a program: calls of kernels in order, guards, barriers.

`@body(ptr frame, i64 thread)` calls the kernels; `@program(ptr frame)` runs it, on one thread or on
a pool of them, and returns 0, or 1 where plain Python would have branched otherwise, or 2 where a
gate that NumPy computes has raised, 3 where the threads could not be started, or 4 where somebody
has asked a long program to stop. A frame is an array of pointers: the inputs' data, the
outputs', the constants', the workspace, the function that calls NumPy, the pool of threads, and
the status (a number in the place of a pointer). Programs that take long have two more: the address
of a word that is not 0 when they are to stop, and what the first thread has seen there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .builder import Builder, Value, constant, module
from .graph import Graph
from .interruption import emit_stopped
from .layout import Layout
from .loops import Emitted, bytes_of
from .memory import ALIGNMENT
from .nodes import Node
from .schedule import Kernel
from .target import Target
from .threads import emit_barrier, emit_run
from .values import MEMORY, Stream, fold, is_immediate, load, store


@dataclass(slots=True)
class HostCall:
    """A gate that NumPy computes: the nodes it reads and writes, and where they are."""

    node: Node
    reads: list[tuple[int, int]]  # frame slot, offset in bytes
    writes: tuple[int, int]


@dataclass(slots=True)
class Program:
    """Text, and what must be known to call it.

    Attributes
    ----------
    builders : list of Builder
        The functions.
    layout : Layout
        The frame.
    inputs, outputs : list of Node
        In the order of the frame.
    hosts : list of HostCall
        Gates run by NumPy, by number.
    """

    builders: list[Builder]
    layout: Layout
    inputs: list[Node]
    outputs: list[Node]
    hosts: list[HostCall] = field(default_factory=list)

    def text(self) -> str:
        """Return the module's text."""
        return module(self.builders)


@dataclass(slots=True)
class Step:
    """One call in the body."""

    emitted: Emitted
    wide: bool
    partial: list[tuple[Node, Stream]] = field(default_factory=list)


@dataclass(slots=True)
class Places:
    """Where everything of a program is.

    Attributes
    ----------
    slot : dict of int to (int, int)
        The frame's slot of each node in memory, and the offset there in bytes.
    extra : dict of tuple to int
        Offsets in the workspace of what only one call needs: scratch memory, a copy of a
        reduction for each thread.
    work_slot : int
        The workspace's slot.
    """

    slot: dict[int, tuple[int, int]]
    extra: dict[Any, int]
    work_slot: int


class Body:
    """Writes `@body` and `@program`.

    Parameters
    ----------
    graph : Graph
        The nodes.
    target : Target
        The processor.
    threads : int
        How many threads run the body at once.
    places : Places
        Where everything is in memory.
    guards : list of (Node, bool or int)
        What plain Python saw.
    made : set of int
        The nodes that kernels make.
    long : bool
        Whether the program is to look whether it should stop.

    Attributes
    ----------
    waits : int
        How many barriers were written.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        threads: int,
        places: Places,
        guards: list[tuple[Node, bool | int]],
        made: set[int],
        long: bool,
    ) -> None:
        self.graph, self.target, self.count = graph, target, threads
        self.slot, self.extra, self.work_slot = places.slot, places.extra, places.work_slot
        self.guards, self.made, self.long = guards, made, long
        self.waits = 0
        self.last = ""

    def written(self, steps: list[tuple[Kernel, list[Step]]], program: Program) -> None:
        """Give a program its functions."""
        kernels: dict[str, Builder] = {}
        body = self._body(steps, program, kernels)
        program.builders = [*kernels.values(), body, self._entry()]

    def _body(
        self, steps: list[tuple[Kernel, list[Step]]], program: Program, kernels: dict[str, Builder]
    ) -> Builder:
        b = Builder(
            "body", [("ptr", "frame"), ("i64", "thread")], self.target, attributes="nounwind"
        )
        self.b = b
        self.frame, self.thread = b.arguments["frame"], b.arguments["thread"]
        self.bases: dict[int, Value] = {}
        used = {slot for slot, _ in self.slot.values()}
        calls_numpy = any(k.source and k.source.form == "host" for k, _ in steps)
        used |= {self.work_slot} | ({self.work_slot + 1} if calls_numpy else set())
        used |= {self.work_slot + 2} if self.count > 1 else set()
        for slot in sorted(used):
            self.bases[slot] = b.load("ptr", b.address(self.frame, slot, "ptr"))
        made = {n.number: k for k, (n, _) in enumerate(self.guards)}
        for at, (kernel, parts) in enumerate(steps):
            self._report(program, kernel, parts)
            if at and self.long:
                self._look()
            if kernel.source is not None and kernel.source.form == "host":
                self._host(kernel.source, program)
            for k, step in enumerate(parts):
                self._call(step, at, k, kernels)
            for node in nodes_of(kernel):
                if node.number in made:
                    self._check(*self.guards[made[node.number]])
        for node, seen in self.guards:
            if node.number not in self.made:
                self._check(node, seen)
        self._meet("")
        b.ret()
        return b

    def _leave(self, condition: Value, status: int) -> None:
        """Leave the body with a status where a condition holds."""
        b = self.b
        out, on = b.label(), b.label()
        b.branch(condition, out, on)
        b.start(out)
        b.store(Value("i64", str(status)), b.address(self.frame, self.work_slot + 3, "ptr"))
        b.ret()
        b.start(on)

    def _look(self) -> None:
        """Leave where somebody has asked the program to stop: on all threads at once."""
        b = self.b
        word = b.load("ptr", b.address(self.frame, self.work_slot + 4, "ptr"))
        if self.count == 1:
            self._leave(emit_stopped(b, word), 4)
            return
        seen = b.address(self.frame, self.work_slot + 5, "ptr")
        self._alone_unless(
            False, lambda: b.store(b.convert("zext", emit_stopped(b, word), "i64"), seen)
        )
        self._meet("")
        self._leave(b.compare("ne", b.load("i64", seen), Value("i64", "0")), 4)

    def _pointer(self, number: int, offset: int) -> Value:
        node = self.graph.nodes[number]
        slot, place = self.slot[number]
        kind = MEMORY.get(node.kind, node.kind)
        size = {"double": 8, "i64": 8, "float": 4, "i32": 4, "i8": 1}[kind]
        return self.b.address(self.bases[slot], place + offset * size, "i8")

    def _call(self, step: Step, at: int, k: int, kernels: dict[str, Builder]) -> None:
        b, emitted = self.b, step.emitted
        text = emitted.builder.text("k")
        if text not in kernels:
            kernels[text] = emitted.builder
            emitted.builder.rename(f"k{len(kernels) - 1}")
        function = kernels[text]
        partial = {node.number: node for node, _ in step.partial}

        def call() -> None:
            values = []
            for number, offset in emitted.arguments:
                if number in partial:
                    start = self.extra[(at, k, number)]
                    base = b.address(self.bases[self.work_slot], start, "i8")
                    move = b.mul(self.thread, Value("i64", str(stride_of(partial[number]))))
                    values.append(b.address(base, move, "i8"))
                else:
                    values.append(self._pointer(number, offset))
            if emitted.scratch:
                base = b.address(self.bases[self.work_slot], self.extra[(at, k, "scratch")], "i8")
                if step.wide:
                    each = -(-emitted.scratch // ALIGNMENT) * ALIGNMENT
                    base = b.address(base, b.mul(self.thread, Value("i64", str(each))), "i8")
                values.append(base)
            first, last = self._range(emitted.pieces, step.wide)
            b.call(function.name, "void", *values, first, last)

        self._alone_unless(step.wide, call)
        if step.partial:
            for node, _ in step.partial:
                start = self.extra[(at, k, node.number)]
                self._alone_unless(False, lambda n=node, s=start: self._combine(n, s))

    def _alone_unless(self, wide: bool, run: Any) -> None:
        """Run on all threads, or on the first alone."""
        if self.count == 1:
            run()
            return
        self._meet("wide" if wide else "narrow")
        if wide:
            run()
        else:
            self.b.when(self.b.compare("eq", self.thread, Value("i64", "0")), run)

    def _meet(self, following: str) -> None:
        """Wait for all threads where what follows may read what others have written.

        What the first thread does alone it may follow up alone; "" is for all to read.
        """
        if self.count > 1 and self.last and not self.last == following == "narrow":
            emit_barrier(self.b, self.bases[self.work_slot + 2])
            self.waits += 1
        self.last = following

    def _range(self, pieces: int, wide: bool) -> tuple[Value, Value]:
        if not wide:
            return Value("i64", "0"), Value("i64", str(pieces))
        b, count = self.b, Value("i64", str(self.count))
        all_of = Value("i64", str(pieces))
        following = b.add(self.thread, Value("i64", "1"))
        first = b.sdiv(b.mul(self.thread, all_of), count)
        return first, b.sdiv(b.mul(following, all_of), count)

    def _combine(self, node: Node, start: int) -> None:
        """Add up what the threads have found, in the order of the threads."""
        b, kind = self.b, MEMORY.get(node.kind, node.kind)
        base = b.address(self.bases[self.work_slot], start, "i8")
        out = self._pointer(node.number, 0)
        width = self.target.lanes(node.kind) if node.kind in ("double", "float", "i64") else 1
        full = node.size - node.size % width

        def at(index: Value, lanes: int) -> None:
            total: Value | None = None
            for thread in range(self.count):
                place = b.address(b.address(base, thread * stride_of(node), "i8"), index, kind)
                part = load(b, node.kind, place, 1, lanes, None, lanes)
                total = part if total is None else fold(b, node.gate, total, part)
            assert total is not None
            store(b, total, b.address(out, index, kind), 1, lanes, None, lanes)

        b.loop(0, full, width, lambda index: at(index, width))
        b.loop(full, node.size, 1, lambda index: at(index, 0))

    def _check(self, node: Node, seen: bool | int) -> None:
        """Leave the program where plain Python would branch otherwise."""
        b = self.b
        if is_immediate(node):
            return
        self._meet("")
        value = load(b, node.kind, self._pointer(node.number, 0), 0, 0, None, 1)
        if type(seen) is bool and node.kind != "i1":
            zero = constant(value.type, 0)
            value = b.compare("une" if node.kind in ("double", "float") else "ne", value, zero)
        self._leave(b.compare("ne", value, constant(value.type, seen)), 1)

    def _host(self, node: Node, program: Program) -> None:
        """Let NumPy compute a gate."""
        b = self.b
        reads = [self.slot[a.node] for a in node.operands]
        program.hosts.append(HostCall(node, reads, self.slot[node.number]))
        number = Value("i64", str(len(program.hosts) - 1))
        function = self.bases[self.work_slot + 1]
        status = b.let("i64", f"call i64 {function.name}(i64 {number.name}, ptr %frame)")
        self._leave(b.compare("ne", status, Value("i64", "0")), 2)

    def _entry(self) -> Builder:
        b = Builder("program", [("ptr", "frame")], self.target, returns="i64")
        frame = b.arguments["frame"]
        status = b.address(frame, self.work_slot + 3, "ptr")
        b.store(Value("i64", "0"), status)
        if self.count == 1:
            b.call("body", "void", frame, Value("i64", "0"))
        else:
            pool = b.load("ptr", b.address(frame, self.work_slot + 2, "ptr"))
            failed = emit_run(b, pool, Value("ptr", "@body"), frame)
            bad = b.compare("ne", failed, Value("i64", "0"))
            b.ret(b.select(bad, Value("i64", "3"), b.load("i64", status)))
            return b
        b.ret(b.load("i64", status))
        return b

    def _report(self, program: Program, kernel: Kernel, parts: list[Step]) -> None:
        gates = [gate for step in parts for gate in step.emitted.gates]
        gates = gates or [n.gate for n in nodes_of(kernel)]
        shape = "x".join(map(str, kernel.domain)) or "1"
        program.layout.report.append(f"{shape:>16}  {', '.join(gates)}")


def nodes_of(kernel: Kernel) -> list[Node]:
    """Return what a kernel makes, its source first."""
    return ([kernel.source] if kernel.source is not None else []) + kernel.members


def stride_of(node: Node) -> int:
    """Return the bytes from one thread's copy of a node to the next."""
    return -(-bytes_of(node) // ALIGNMENT) * ALIGNMENT
