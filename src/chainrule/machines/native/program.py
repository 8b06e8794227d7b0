"""Put a program together: kernels in order, the memory they use, the function that runs them.

`@body(ptr frame, i64 thread)` calls the kernels; `@program(ptr frame)` runs it, on one thread or on
a pool of them, and returns 0, or 1 where plain Python would have branched otherwise, or 2 where a
gate that NumPy computes has raised, 3 where the threads could not be started, or 4 where somebody
has asked a long program to stop. A frame is an array of pointers: the inputs' data, the
outputs', the constants', the workspace, the function that calls NumPy, the pool of threads, and
the status (a number in the place of a pointer). Programs that take long have two more: the address
of a word that is not 0 when they are to stop, and what the first thread has seen there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .builder import Builder, Value, constant, module
from .epilogue import emit_epilogue, emit_turned
from .graph import Graph
from .interruption import emit_stopped
from .layout import STOPPABLE, Layout
from .loops import Emitted, Loops, bytes_of, emit_loops
from .memory import ALIGNMENT, Span, offsets
from .nodes import Access, Node
from .schedule import Kernel, Schedule, is_over, leaves, plan
from .target import Target
from .threads import emit_barrier, emit_run
from .values import MEMORY, Stream, aligned, fold, is_immediate, load, store

_WIDE = 8000  # vector operations: what a kernel must cost to be split among threads
_WAIT = 1500  # vector operations in the time of a barrier


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


class Assembler:
    """Makes a program of a graph.

    Parameters
    ----------
    graph : Graph
        The nodes.
    outputs : sequence of Access
        What the caller reads.
    guards : sequence of (Access, bool or int)
        What plain Python saw.
    target : Target
        The processor.
    threads : int
        How many threads may be used; small programs use one.
    over : dict of int to int
        Positions of outputs that are written over an input, by position.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[Access],
        guards: Sequence[tuple[Access, bool | int]],
        target: Target,
        threads: int = 1,
        over: dict[int, int] | None = None,
    ) -> None:
        self.graph, self.target, self.threads = graph, target, threads
        taken: set[int] = set()
        self.outputs: list[Node] = []
        for access in outputs:
            node = graph.nodes[access.node]
            own = access.is_whole(node.shape) and node.number not in taken
            if not own or node.form in ("input", "constant"):
                node = graph.nodes[graph.copy(access).node]
            taken.add(node.number)
            self.outputs.append(node)
        self.guards: list[tuple[Node, bool | int]] = []
        for access, seen in guards:
            node = graph.nodes[access.node]
            if not access.is_whole(node.shape) or node.form == "input":
                node = graph.nodes[graph.copy(access).node]
            self.guards.append((node, seen))
        self.wanted = over or {}
        self.over = {self.outputs[o].number: graph.inputs[i] for o, i in self.wanted.items()}

    def program(self) -> Program:
        """Return the program."""
        graph = self.graph
        read = [n.number for n in self.outputs] + [n.number for n, _ in self.guards]
        first = [n.number for n, _ in self.guards]
        self.schedule: Schedule = plan(graph, read, self.over, first)
        program = self._assembled(1)
        alone = any(k.source and k.source.form == "host" for k in self.schedule.kernels)
        if self.threads > 1 and not alone and program.layout.cost > 2 * _WIDE:
            shared = self._assembled(self.threads)
            if self.gain > 2 * self.waits * _WAIT:
                program = shared
        program.layout.stops = bool(self.guards or program.hosts)
        program.layout.over = {
            o: i
            for o, i in self.wanted.items()
            if is_over(graph, self.schedule, self.outputs[o].number, graph.inputs[i])
        }
        return program

    # ------------------------------------------------------------------ kernels

    def _assembled(self, threads: int) -> Program:
        graph, schedule = self.graph, self.schedule
        self.count = threads
        self.in_memory = self._with_memory()
        steps: list[tuple[Kernel, list[Step]]] = []
        for kernel in schedule.kernels:
            steps.append((kernel, self._steps(kernel, threads)))
        self._place(steps)
        inputs = [graph.nodes[n] for n in graph.inputs]
        layout = Layout(
            inputs=[(n.kind, n.shape) for n in inputs],
            outputs=[(n.kind, n.shape) for n in self.outputs],
            constants=[self._array(n) for n in self.constants],
            workspace=self.workspace,
            threads=threads,
            cost=sum(s.emitted.cost for _, ss in steps for s in ss),
            buffers=self.buffers,
            operations=sum(s.emitted.operations for _, ss in steps for s in ss),
        )
        program = Program([], layout, inputs, self.outputs)
        wide = sum(s.emitted.cost for _, ss in steps for s in ss if s.wide)
        self.gain = wide * (1 - 1 / threads)
        self.waits = 0
        kernels: dict[str, Builder] = {}
        body = self._body(steps, program, kernels)
        program.builders = [*kernels.values(), body, self._entry(program, threads)]
        return program

    def _with_memory(self) -> set[int]:
        """Return the nodes that must be in memory: products only where others read them."""
        graph, schedule = self.graph, self.schedule
        found = {n.number for n in self.outputs} | {n.number for n, _ in self.guards}
        for at, kernel in enumerate(schedule.kernels):
            for node in _nodes(kernel):
                if node.form != "product":
                    found.add(node.number)
                for access, same in leaves(graph, node, schedule.stored):
                    source = graph.nodes[access.node]
                    here = schedule.place.get(source.number) == at
                    if not (same and here and source.form == "product"):
                        found.add(source.number)
        return found

    def _steps(self, kernel: Kernel, threads: int) -> list[Step]:
        graph = self.graph
        source = kernel.source
        if source is not None and source.form == "host":
            return []
        if source is not None and source.form == "pieces":
            return [self._step(loops, None, threads) for loops in self._parts(source)]
        if source is not None and source.form == "transpose":
            emitted = emit_turned(graph, source, self.target, "k")
            return [Step(emitted, self._is_wide(emitted, threads))]
        stores: list[tuple[Access, Stream]] = []
        reductions: list[tuple[Node, Stream]] = []
        for node in _nodes(kernel):
            if node.form == "reduce":
                reductions.append((node, _reduced(graph, node, kernel.domain)))
            elif node.number in self.in_memory:
                whole = graph.whole(node)
                stores.append((whole, aligned(whole, kernel.domain)))
        return [self._step(Loops(kernel.domain, stores, reductions), source, threads)]

    def _step(self, loops: Loops, product: Node | None, threads: int) -> Step:
        graph, stored = self.graph, self.schedule.stored
        if product is None:
            emitted = emit_loops(graph, stored, loops, self.target, "k", threads)
        else:
            emitted = emit_epilogue(graph, stored, product, loops, self.target, "k", threads)
        wide = self._is_wide(emitted, threads)
        partial: list[tuple[Node, Stream]] = []
        if wide and emitted.partial:
            partial = [
                (n, s) for n, s in loops.reductions if product is not None or _is_split(loops, s)
            ]
        return Step(emitted, wide, partial)

    def _is_wide(self, emitted: Emitted, threads: int) -> bool:
        return threads > 1 and emitted.cost > _WIDE and emitted.pieces > 1

    def _parts(self, node: Node) -> list[Loops]:
        """Return the passes that write a node part by part."""
        graph = self.graph
        parts = []
        if node.fill is not None:
            number = np.dtype({"double": "f8", "float": "f4", "i64": "i8", "i32": "i4",
                               "i1": "?"}[node.kind]).type(node.fill)  # fmt: skip
            fill = graph.node("constant", "constant", node.kind, (), value=number)
            whole = graph.whole(node)
            parts.append(Loops(node.shape, [(graph.whole(fill), aligned(whole, node.shape))], []))
        for access, place in zip(node.operands, node.places, strict=True):
            out = aligned(place, place.shape)
            parts.append(Loops(place.shape, [(self._cast(access, node.kind), out)], []))
        return parts

    def _cast(self, access: Access, kind: str) -> Access:
        graph = self.graph
        if graph.nodes[access.node].kind == kind:
            return access
        made = graph.node("each", "copy", kind, access.shape, operands=[access], operand_kind=kind)
        return graph.whole(made)

    # ------------------------------------------------------------------ memory

    def _place(self, steps: list[tuple[Kernel, list[Step]]]) -> None:
        """Give every node in memory its slot of the frame and its offset."""
        graph = self.graph
        self.slot: dict[int, tuple[int, int]] = {}
        self.constants: list[Node] = []
        for k, number in enumerate(graph.inputs):
            self.slot[number] = (k, 0)
        for k, node in enumerate(self.outputs):
            self.slot[node.number] = (len(graph.inputs) + k, 0)
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for at, (kernel, parts) in enumerate(steps):
            touched = {a.node for n in _nodes(kernel) for a in n.operands}
            touched |= {n for s in parts for n, _ in s.emitted.arguments}
            touched |= {n.number for n in _nodes(kernel)}
            for number in touched:
                node = graph.nodes[number]
                if node.form == "constant":
                    if number not in self.slot and (
                        not is_immediate(node) or kernel.source is not None
                    ):
                        self.slot[number] = (-1, len(self.constants))
                        self.constants.append(node)
                elif number in self.in_memory and number not in self.slot:
                    first.setdefault(number, at)
                    last[number] = at
        for node, _ in self.guards:
            if node.number in last:
                last[node.number] = len(steps)
        lead = len(graph.inputs) + len(self.outputs)
        for k, node in enumerate(self.constants):
            self.slot[node.number] = (lead + k, 0)
        work = lead + len(self.constants)
        spans: list[Span] = []
        owners: list[Any] = []
        for number in first:
            spans.append(Span(bytes_of(graph.nodes[number]), first[number], last[number]))
            owners.append(number)
        for at, (_, parts) in enumerate(steps):
            for k, step in enumerate(parts):
                for node, _ in step.partial:
                    size = _stride(node) * self.count
                    spans.append(Span(size, at, at))
                    owners.append((at, k, node.number))
                if step.emitted.scratch:
                    each = -(-step.emitted.scratch // ALIGNMENT) * ALIGNMENT
                    spans.append(Span(each * (self.count if step.wide else 1), at, at))
                    owners.append((at, k, "scratch"))
        places, self.workspace = offsets(spans)
        self.buffers = len(spans)
        self.extra: dict[Any, int] = {}
        for owner, place in zip(owners, places, strict=True):
            if isinstance(owner, int):
                self.slot[owner] = (work, place)
            else:
                self.extra[owner] = place
        self.work_slot = work

    def _array(self, node: Node) -> np.ndarray[Any, Any]:
        return np.require(node.value, requirements=["C", "A"])

    # ------------------------------------------------------------------ the body

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
        for slot in sorted(used | {self.work_slot, self.work_slot + 1, self.work_slot + 2}):
            if slot <= self.work_slot or program_needs(self, slot):
                self.bases[slot] = b.load("ptr", b.address(self.frame, slot, "ptr"))
        made = {n.number: k for k, (n, _) in enumerate(self.guards)}
        self.last = ""
        for at, (kernel, parts) in enumerate(steps):
            self._report(program, kernel, parts)
            if at and program.layout.cost > STOPPABLE:
                self._look()
            if kernel.source is not None and kernel.source.form == "host":
                self._host(kernel.source, program)
            for k, step in enumerate(parts):
                self._call(step, at, k, kernels)
            for node in _nodes(kernel):
                if node.number in made:
                    self._check(*self.guards[made[node.number]])
        for node, seen in self.guards:
            if node.number not in self.schedule.place:
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
                    move = b.mul(self.thread, Value("i64", str(_stride(partial[number]))))
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
                place = b.address(b.address(base, thread * _stride(node), "i8"), index, kind)
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

    def _entry(self, program: Program, threads: int) -> Builder:
        b = Builder("program", [("ptr", "frame")], self.target, returns="i64")
        frame = b.arguments["frame"]
        status = b.address(frame, self.work_slot + 3, "ptr")
        b.store(Value("i64", "0"), status)
        if threads == 1:
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
        gates = gates or [n.gate for n in _nodes(kernel)]
        shape = "x".join(map(str, kernel.domain)) or "1"
        program.layout.report.append(f"{shape:>16}  {', '.join(gates)}")


def program_needs(assembler: Assembler, slot: int) -> bool:
    """Whether the body reads the slot of the host function or of the pool."""
    at = slot - assembler.work_slot
    if at == 1:
        return any(
            k.source is not None and k.source.form == "host" for k in assembler.schedule.kernels
        )
    return assembler.count > 1


def _nodes(kernel: Kernel) -> list[Node]:
    return ([kernel.source] if kernel.source is not None else []) + kernel.members


def _stride(node: Node) -> int:
    return -(-bytes_of(node) // ALIGNMENT) * ALIGNMENT


def _reduced(graph: Graph, node: Node, domain: tuple[int, ...]) -> Stream:
    """Return where a reduction's results go along its domain."""
    whole = graph.whole(node)
    kept = iter(zip(whole.shape, whole.strides, strict=True))
    strides = []
    for k in range(len(domain)):
        if k in node.axes:
            strides.append(0)
        else:
            n, s = next(kept)
            strides.append(0 if n == 1 else s)
    return Stream(node.number, 0, tuple(strides))


def _is_split(loops: Loops, s: Stream) -> bool:
    """Whether the axis that threads split is one that this reduction adds along."""
    long = [k for k, n in enumerate(loops.domain) if n != 1]
    return not long or s.strides[long[0]] == 0
