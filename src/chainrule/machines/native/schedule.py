"""Decide what is computed in one pass over memory: nodes become kernels.

A kernel walks one domain (a shape) once. Its members are the nodes it stores and the reductions it
makes there; a matrix product may be the source of its elements, and then the members are the
product's epilogue. Every other elementwise node is computed again wherever it is read, which is
free, unless it is dear and read by several kernels: then it is stored.

The order is greedy: each node joins the first kernel of its domain that comes late enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .elementwise import COST
from .graph import Graph
from .nodes import Access, Node, Shape

_CHEAP = 3  # additions: what a store and a load cost, roughly
SOURCES = ("product", "convolution")  # forms whose elements other members find in registers
ALONE = (*SOURCES, "transpose", "pieces", "own", "host")  # forms that begin a kernel of their own


@dataclass(slots=True)
class Kernel:
    """One pass over a domain.

    Attributes
    ----------
    domain : tuple of int
        The shape that is walked.
    source : Node or None
        The product or convolution that gives elements; or the node, of a form in `ALONE`, that is
        all of it.
    members : list of Node
        What is stored or reduced, in order.
    """

    domain: Shape
    source: Node | None = None
    members: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Schedule:
    """Kernels in order.

    Attributes
    ----------
    kernels : list of Kernel
        What is run.
    stored : set of int
        The nodes that have memory of their own.
    place : dict of int to int
        The kernel of each node that a kernel makes.
    """

    kernels: list[Kernel]
    stored: set[int]
    place: dict[int, int]


def plan(
    graph: Graph, outputs: Sequence[int], after: dict[int, int], first: Sequence[int] = ()
) -> Schedule:
    """Return the kernels of a graph.

    Parameters
    ----------
    graph : Graph
        What is to be computed.
    outputs : sequence of int
        The nodes that the caller reads: they are stored.
    after : dict of int to int
        Output nodes that are written over an input node: they must come after its last reader.
    first : sequence of int
        Guards: they must come before anything is written over.
    """
    live = _live(graph, outputs)
    stored = set(outputs)
    for node in live:
        if node.form != "each":
            stored.add(node.number)
        for access in (*node.operands, *node.places):
            source = graph.nodes[access.node]
            whole = access.is_whole(source.shape) and node.form in ("each", "reduce")
            if source.form == "each" and not whole:
                stored.add(source.number)
    while True:
        schedule = _grouped(graph, live, stored, after, first)
        dear = _read_twice(graph, schedule) - stored
        if not dear:
            return schedule
        stored |= dear


def _live(graph: Graph, outputs: Sequence[int]) -> list[Node]:
    marks = bytearray(len(graph.nodes))
    for number in outputs:
        marks[number] = 1
    for node in reversed(graph.nodes):
        if marks[node.number]:
            for access in node.operands:
                marks[access.node] = 1
    return [node for node in graph.nodes if marks[node.number]]


def domain_of(graph: Graph, node: Node) -> Shape:
    """Return the shape that is walked to make a node."""
    return node.operands[0].shape if node.form == "reduce" else node.shape


def leaves(graph: Graph, node: Node, stored: set[int]) -> Iterator[tuple[Access, bool]]:
    """Iterate over what a node reads from memory, and whether at its own index alone."""
    pending = [(access, True) for access in node.operands]
    seen: set[int] = set()
    domain = domain_of(graph, node)
    while pending:
        access, _ = pending.pop()
        source = graph.nodes[access.node]
        if source.form == "each" and source.number not in stored:
            if source.number not in seen:
                seen.add(source.number)
                pending += [(a, True) for a in source.operands]
            continue
        yield access, access.is_whole(source.shape) and source.shape == domain


def _grouped(
    graph: Graph,
    live: list[Node],
    stored: set[int],
    after: dict[int, int],
    first: Sequence[int],
) -> Schedule:
    made = [
        node
        for node in live
        if node.form not in ("input", "constant") and (node.form != "each" or node.number in stored)
    ]
    reads = {node.number: list(leaves(graph, node, stored)) for node in made}
    waits = _waits(made, reads, after, first)
    kernels: list[Kernel] = []
    place: dict[int, int] = {}
    for node in _ordered(made, reads, waits):
        domain = domain_of(graph, node)
        alone = node.form in ALONE
        earliest = 0
        for access, same in reads[node.number]:
            at = place.get(access.node)
            if at is None:
                continue
            source = graph.nodes[access.node]
            together = same and not alone and source.form in ("each", *SOURCES)
            earliest = max(earliest, at if together else at + 1)
        for reader, same in waits.get(node.number, {}).items():
            if reader in place:
                earliest = max(earliest, place[reader] + (not same))
        if not alone:
            for at in range(earliest, len(kernels)):
                kernel = kernels[at]
                if kernel.domain == domain and _open(kernel):
                    kernel.members.append(node)
                    place[node.number] = at
                    break
            else:
                place[node.number] = len(kernels)
                kernels.append(Kernel(domain, None, [node]))
            continue
        place[node.number] = len(kernels)
        kernels.append(Kernel(domain, node, []))
    return Schedule(kernels, stored, place)


_Reads = dict[int, list[tuple[Access, bool]]]


def _waits(
    made: list[Node], reads: _Reads, after: dict[int, int], first: Sequence[int]
) -> dict[int, dict[int, bool]]:
    """Return for each node written over an input who must read that first.

    And whether the two may share a kernel: where each reads at its own index alone, all of an
    element is read before any of it is written.
    """
    forms = {node.number: node.form for node in made}
    waits: dict[int, dict[int, bool]] = {}
    for output, over in after.items():
        waits[output] = {number: False for number in first if number != output}
        for number, found in reads.items():
            if number == output:
                continue
            for access, same in found:
                if access.node == over:
                    mine = waits[output]
                    mine[number] = mine.get(number, True) and same and forms[number] not in ALONE
    return waits


def _ordered(made: list[Node], reads: _Reads, waits: dict[int, dict[int, bool]]) -> Iterator[Node]:
    """Iterate in the recorded order, but after those that one waits for.

    Where two wait for each other the recorded order stands: they may still share a kernel, and if
    they cannot, neither is written over its input (`is_over`).
    """
    known = {node.number for node in made}
    left = {node.number: node for node in made}
    pending = {n: {a.node for a, _ in reads[n] if a.node in known and a.node != n} for n in left}
    while left:
        done: list[Node] = []
        for number, node in left.items():
            if pending[number] & left.keys() or waits.get(number, {}).keys() & left.keys():
                continue
            done.append(node)
            break
        if not done:
            done = [next(node for n, node in left.items() if not pending[n] & left.keys())]
        for node in done:
            del left[node.number]
            yield node


def _open(kernel: Kernel) -> bool:
    return kernel.source is None or kernel.source.form in SOURCES


def cost(node: Node) -> int:
    """Return what one element costs, in additions."""
    return COST.get(node.gate, 1) if node.gate != "copy" else 0


def _read_twice(graph: Graph, schedule: Schedule) -> set[int]:
    """Return the dear nodes that several kernels would compute again."""
    readers: dict[int, int] = {}
    found: set[int] = set()
    price: dict[int, int] = {}
    for node in graph.nodes:
        if node.form == "each":
            price[node.number] = min(
                cost(node)
                + sum(price.get(a.node, 0) for a in node.operands if a.node not in schedule.stored),
                1000,
            )
    for at, kernel in enumerate(schedule.kernels):
        for member in ([kernel.source] if kernel.source else []) + kernel.members:
            pending = [a.node for a in member.operands]
            seen: set[int] = set()
            while pending:
                number = pending.pop()
                node = graph.nodes[number]
                if node.form != "each" or number in schedule.stored or number in seen:
                    continue
                seen.add(number)
                if readers.setdefault(number, at) != at and price[number] > _CHEAP:
                    found.add(number)
                # A smaller operand that is dear is computed once, not once for each element.
                if node.shape != kernel.domain and node.size > 1 and price[number] > _CHEAP:
                    found.add(number)
                pending += [a.node for a in node.operands]
    # Storing a node makes those it is made of cheap again: only the last ones are needed.
    return {n for n in found if not any(n in _inside(graph, m, found) for m in found if m != n)}


def _inside(graph: Graph, number: int, among: set[int]) -> set[int]:
    """Return which of some nodes a node is directly made of."""
    return {a.node for a in graph.nodes[number].operands} & among


def is_over(graph: Graph, schedule: Schedule, output: int, source: int) -> bool:
    """Whether an output may be written over an input: nobody reads that any more."""
    return schedule.place[output] >= _last_reader(graph, schedule, source)


def _last_reader(graph: Graph, schedule: Schedule, source: int) -> int:
    """Return the first place at which nobody else still reads a node."""
    last = -1
    for at, kernel in enumerate(schedule.kernels):
        for node in ([kernel.source] if kernel.source else []) + kernel.members:
            for access, same in leaves(graph, node, schedule.stored):
                if access.node == source:
                    # Where the writer reads it at its own index, together is late enough.
                    alone = node.form in ALONE
                    last = max(last, at + 1 if alone or not same else at)
    return last
