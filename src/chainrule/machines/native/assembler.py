"""Put a program together: kernels from the schedule, the memory that they use, and their order.

Small programs are for one thread. A large one is tried with several, and taken if what the threads
save is more than what they wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .convolution_tiles import emit_convolution
from .epilogue import emit_epilogue, emit_turned
from .graph import Graph
from .layout import STOPPABLE, Layout
from .loops import Emitted, Loops, bytes_of, emit_loops
from .memory import ALIGNMENT, Span, offsets
from .nodes import Access, Node
from .own import KERNELS
from .program import Body, Places, Program, Step, nodes_of, stride_of
from .schedule import SOURCES, Kernel, Schedule, is_over, leaves, plan
from .target import Target
from .values import Stream, aligned, is_immediate

_WIDE = 8000  # vector operations: what a kernel must cost to be split among threads
_WAIT = 1500  # vector operations in the time of a barrier


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
        # Of the recorded arrays: a node that turns them in memory is a matrix.
        self.shapes = [access.shape for access in outputs]
        for access in outputs:
            node = graph.nodes[access.node]
            own = access.is_whole(node.shape) and node.number not in taken
            if not own or node.form in ("input", "constant"):
                made = graph.copy(access)
                if made.node in taken:  # the same array again, turned before
                    made = graph.copied(made)
                node = graph.nodes[made.node]
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
            outputs=[(n.kind, s) for n, s in zip(self.outputs, self.shapes, strict=True)],
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
        body = Body(
            graph,
            self.target,
            threads,
            Places(self.slot, self.extra, self.work_slot),
            self.guards,
            set(schedule.place),
            layout.cost > STOPPABLE,
        )
        body.written(steps, program)
        self.waits = body.waits
        return program

    def _with_memory(self) -> set[int]:
        """Return the nodes that must be in memory: products only where others read them."""
        graph, schedule = self.graph, self.schedule
        found = {n.number for n in self.outputs} | {n.number for n, _ in self.guards}
        for at, kernel in enumerate(schedule.kernels):
            for node in nodes_of(kernel):
                if node.form not in SOURCES:
                    found.add(node.number)
                for access, same in leaves(graph, node, schedule.stored):
                    source = graph.nodes[access.node]
                    here = schedule.place.get(source.number) == at
                    if not (same and here and source.form in SOURCES):
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
        if source is not None and source.form == "own":
            emitted = KERNELS[source.gate](graph, source, self.target, "k")
            return [Step(emitted, self._is_wide(emitted, threads))]
        stores: list[tuple[Access, Stream]] = []
        reductions: list[tuple[Node, Stream]] = []
        for node in nodes_of(kernel):
            if node.form == "reduce":
                reductions.append((node, _reduced(graph, node, kernel.domain)))
            elif node.number in self.in_memory:
                whole = graph.whole(node)
                stores.append((whole, aligned(whole, kernel.domain)))
        return [self._step(Loops(kernel.domain, stores, reductions), source, threads)]

    def _step(self, loops: Loops, product: Node | None, threads: int) -> Step:
        graph, stored = self.graph, self.schedule.stored
        if product is None:
            emitted = emit_loops(graph, stored, loops, self.target, "k")
        elif product.form == "convolution":
            emitted = emit_convolution(graph, stored, product, loops, self.target, "k")
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
            touched = {a.node for n in nodes_of(kernel) for a in n.operands}
            touched |= {n for s in parts for n, _ in s.emitted.arguments}
            touched |= {n.number for n in nodes_of(kernel)}
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
                    size = stride_of(node) * self.count
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
