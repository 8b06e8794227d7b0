"""Emit the kernel of `random_uniform`: Threefry-2x32, 20 rounds, a block of two words in each lane.

The function and its source are in `gates/random.py`, to which this agrees to the bit. Additions,
rotations and exclusive ors of whole numbers are all that it takes, on vectors of any width.
"""

from __future__ import annotations

from .builder import Builder, Value, constant, lanes, vector_of
from .graph import Graph
from .loops import Emitted
from .nodes import Node
from .target import Target

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))  # bits, for rounds in groups of four
_PARITY = 0x1BD11BDA
_GROUPS = 5
_VECTORS = 64  # of blocks in a piece of work for a thread
_COST = 80  # additions for a vector of blocks


def emit_random(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function that fills an array from a key."""
    (key,) = node.operands
    b = Builder(name, [("ptr", "p0"), ("ptr", "p1"), ("i64", "first"), ("i64", "last")], target)
    width = target.lanes(node.kind)
    words = 2 if node.kind != "double" else 1  # how many elements a block gives
    blocks = -(-node.size // words)
    schedule = _schedule(b, graph.nodes[key.node].kind, b.arguments["p0"], width)
    iota = lanes("i32", range(width))
    to = b.arguments["p1"]

    def vector(at: Value, ends: tuple[int, ...] | None) -> None:
        """Work out blocks from `at` on; of the last ones only so many lanes are wanted."""
        counter = b.add(b.splat(b.convert("trunc", at, "i32"), width), iota)
        for k, drawn in enumerate(_drawn(b, schedule, counter, node.kind)):
            place = b.address(to, b.add(at, Value("i64", str(k * blocks))), node.kind)
            if ends is None:
                b.store(drawn, place)
            elif ends[k]:
                b.store(drawn, place, lanes("i1", [lane < ends[k] for lane in range(width)]))

    # All whole vectors; those at the end of the second words may lack an element.
    whole = (node.size - (words - 1) * blocks) // width
    pieces = -(-whole // _VECTORS) + 1
    step = _VECTORS * width
    first, last = b.arguments["first"], b.arguments["last"]
    begin, end = (
        _least(b, b.mul(k, Value("i64", str(step))), whole * width) for k in (first, last)
    )
    b.loop(begin, end, width, lambda at: vector(at, None))
    left = blocks - whole * width
    if left:
        ends = (left, node.size - blocks - whole * width)
        is_last = b.compare("eq", last, Value("i64", str(pieces)))
        b.when(is_last, lambda: vector(Value("i64", str(whole * width)), ends))
    b.ret()
    arguments = [(key.node, key.offset), (node.number, 0)]
    cost = _COST * blocks / width
    return Emitted(b, arguments, pieces, False, cost, 0, [node.gate], node.size)


def _least(b: Builder, x: Value, most: int) -> Value:
    bound = Value("i64", str(most))
    return b.select(b.compare("slt", x, bound), x, bound)


def _schedule(b: Builder, kind: str, pointer: Value, width: int) -> list[tuple[Value, Value]]:
    """Return what the two words of a block get before the first round and after each group."""
    found = [b.load(kind, b.address(pointer, k, kind)) for k in range(2)]
    low = [b.convert("trunc", word, "i32") if kind == "i64" else word for word in found]
    low.append(b.xor(b.xor(*low), constant("i32", _PARITY)))
    keys = [b.splat(word, width) for word in low]
    return [
        (keys[k % 3], b.splat(b.add(low[(k + 1) % 3], constant("i32", k)), width))
        for k in range(_GROUPS + 1)
    ]


def _drawn(
    b: Builder, schedule: list[tuple[Value, Value]], counter: Value, kind: str
) -> list[Value]:
    """Return the elements that the blocks with these counters give."""
    x, y = b.add(counter, schedule[0][0]), schedule[0][1]  # the counter's second word is 0
    for group, keys in enumerate(schedule[1:]):
        for turn in _TURNS[group % 2]:
            x = b.add(x, y)
            y = b.xor(b.intrinsic("fshl", y, y, constant(y.type, turn)), x)
        x, y = b.add(x, keys[0]), b.add(y, keys[1])
    if kind == "i32":
        return [x, y]
    # What is left after the shift is positive as a number with a sign, too.
    if kind == "float":
        scale = constant(vector_of("float", x.lanes), 2.0**-24)
        shifted = (b.lshr(word, constant(word.type, 8)) for word in (x, y))
        return [b.fmul(b.convert("sitofp", word, "float"), scale) for word in shifted]
    high = b.convert("sitofp", b.lshr(x, constant(x.type, 5)), "double")
    low = b.convert("sitofp", b.lshr(y, constant(y.type, 6)), "double")
    whole = b.fadd(b.fmul(high, constant(high.type, 2.0**26)), low)
    return [b.fmul(whole, constant(whole.type, 2.0**-53))]
