"""Emit a convolution with what follows it in registers: no image is unrolled into a matrix.

A tile is some output channels by some vectors along the last axis of the result, at one place of
the others. Its sums stay in registers while channels, rows and columns of the kernel run: an
element of the weights is spread over a vector and meets a vector of the image in one FMA. What lies
beside the image is never met: the loops over the kernel begin and end where the image does.

The last axis is the examples' where there are enough of them to fill vectors (the image lies with
its examples innermost, `orders.py`), and the columns' otherwise.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from .builder import Builder, Value, vector_of
from .epilogue import Writer
from .graph import Graph
from .loops import Emitted, Loops
from .nodes import Node
from .product_loops import LINES
from .product_plan import MOST_SUMS
from .product_tiles import first_lanes
from .target import Target

Range = tuple[Value | int, Value | int]


@dataclass(frozen=True)
class Cut:
    """How a number of things is cut into tiles: the first `tall` have `height`, the rest one less.

    Parameters
    ----------
    height, tall, count : int
        Of the tiles.
    """

    height: int
    tall: int
    count: int

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The sizes of tiles, and how many there are of each."""
        both = [(self.height, self.tall), (self.height - 1, self.count - self.tall)]
        return [(size, number) for size, number in both if number]


def cut(things: int, most: int) -> Cut:
    """Cut into as few tiles as there can be, of sizes that differ by one at most."""
    count = -(-things // most)
    height = -(-things // count)
    return Cut(height, things - count * (height - 1), count)


@functools.cache
def plan(channels: int, vectors: int, target: Target) -> tuple[Cut, Cut]:
    """Return the cheapest tiles of channels by vectors that fit the registers.

    In one cycle begin one FMA and one load; an FMA takes four, for which enough sums are needed.
    """

    def cycles(cuts: tuple[Cut, Cut]) -> float:
        return sum(
            n * m * (max(h * v, h + v, 4.0) + 0.1 * (h + v) + 0.5)
            for h, n in cuts[0].sizes
            for v, m in cuts[1].sizes
        )

    return min(
        (
            (cut(channels, height), cut(vectors, width))
            for width in range(1, min(vectors, 4) + 1)
            for height in range(1, channels + 1)
            if height * width <= min(MOST_SUMS, target.registers - width - 1)
        ),
        key=cycles,
    )


def emit_convolution(
    graph: Graph, stored: set[int], node: Node, loops: Loops, target: Target, name: str
) -> Emitted:
    """Return the function of a convolution and of the members of its kernel."""
    return _Convolution(graph, stored, node, loops, target, name).emitted()


class _Convolution(Writer):
    """The sums are those of a convolution.

    The node's shape is (channels, height, width, examples) where `settings["beside"]`, else
    (examples, channels, height, width). Its operands are the image and the weights, both with the
    axes that the gate gives them.
    """

    def __init__(
        self, graph: Graph, stored: set[int], node: Node, loops: Loops, target: Target, name: str
    ) -> None:
        self.x, self.weights = node.operands
        self.beside: bool = node.settings["beside"]
        self.padding = node.settings["padding"]
        self.inner = math.prod(self.weights.shape[1:])
        super().__init__(graph, stored, node, loops, target, name)
        self.kind = node.kind
        self.vector = vector_of(self.kind, self.width)
        self.lane_stride = self.x.strides[0 if self.beside else 3]
        lanes = node.shape[-1]
        self.high, self.wide = plan(self.weights.shape[0], -(-lanes // self.width), target)
        self.tail = lanes % self.width
        self.buffer: Value | None = None

    def _pieces(self) -> int:
        return self.node.shape[2] * self.node.shape[1 if self.beside else 0]

    def _sums(self, first: Value, last: Value) -> None:
        b = self.b
        copies = sum(h for h, _ in self.high.sizes) * sum(v for v, _ in self.wide.sizes)
        if copies * self._length() > LINES:
            self.buffer = b.scratch(self.vector, self.high.height * self.wide.height)
        b.loop(first, last, 1, self._place)

    def _length(self) -> int:
        """Return how many lines the members of one vector have."""
        b, none = self.b, index(0)
        with b.thrown_away():
            before = len(b.lines)
            self._finish([none] * 4, b.constant(self.vector, 0.0), None)
            return len(b.lines) - before

    def _place(self, piece: Value) -> None:
        """Emit all the tiles at one place: a pixel of all examples, or a row of one."""
        b = self.b
        inside = index(self.node.shape[2])
        outer, inner = b.sdiv(piece, inside), b.srem(piece, inside)
        x = self.named[("in", self.x.node, self.x.offset)]
        sn, _, sy, sx = self.x.strides
        (top, _), (left, _) = self.padding
        if self.beside:
            rows, columns = self._met(outer, 0), self._met(inner, 1)
            x = self._at(x, b.sub(outer, index(top)), sy)
            x = self._at(x, b.sub(inner, index(left)), sx)
        else:
            rows, columns = self._met(inner, 0), (0, self.weights.shape[3])
            x = self._at(self._at(x, outer, sn), b.sub(inner, index(top)), sy)

        def tiles(at: Value, width: int, tail: bool) -> None:
            lane = b.mul(at, index(self.width))
            own = self._at(x, lane, self.lane_stride)
            for start, height, count in groups(self.high):

                def tile(t: Value, start: int = start, height: int = height) -> None:
                    o = b.add(b.mul(t, index(height)), index(start))
                    sums = self._tile(own, o, height, width, tail, rows, columns)
                    self._finished([o, outer, inner, lane], sums, width, tail)

                b.loop(0, count, 1, tile)

        across = groups(self.wide)
        for start, width, count in across:
            # The last of all tiles may end in the middle of a vector: it is a text of its own.
            rest = int(self.tail > 0 and start == across[-1][0])

            def vectors(t: Value, start: int = start, width: int = width) -> None:
                tiles(b.add(b.mul(t, index(width)), index(start)), width, False)

            b.loop(0, count - rest, 1, vectors)
            if rest:
                tiles(index(start + width * (count - 1)), width, True)

    def _met(self, at: Value, axis: int) -> Range:
        kernel, size = self.weights.shape[2 + axis], self.x.shape[2 + axis]
        return met(self.b, at, kernel, size, self.padding[axis])

    def _tile(
        self, x: Value, o: Value, height: int, width: int, tail: bool, rows: Range, columns: Range
    ) -> list[Value]:
        """Emit the sums of one tile, vector by vector, channel by channel."""
        b, kind = self.b, self.kind
        _, sc, sy, sx = self.x.strides
        wo, wc, wi, wj = self.weights.strides
        weights = self._at(self.named[("in", self.weights.node, self.weights.offset)], o, wo)
        masks: list[Value | None] = [None] * width
        if tail:
            masks[-1] = first_lanes(b, kind, self.tail)

        def element(_: Value, x: Value, w: Value, *sums: Value) -> list[Value]:
            found = list(sums)
            image = [
                b.load(self.vector, self._at(x, v * self.width, self.lane_stride), masks[v])
                for v in range(width)
            ]
            for h in range(height):
                spread = b.splat(b.load(kind, b.address(w, h * wo, kind)), self.width)
                for v, vector in enumerate(image):
                    at = h * width + v
                    found[at] = b.fma(spread, vector, found[at])
            return [b.address(x, sx, kind), b.address(w, wj, kind), *found]

        def row(_: Value, x: Value, w: Value, *sums: Value) -> list[Value]:
            first = [self._at(x, columns[0], sx), self._at(w, columns[0], wj)]
            _, _, *found = b.loop(*columns, 1, element, [*first, *sums])
            return [b.address(x, sy, kind), b.address(w, wi, kind), *found]

        def channel(_: Value, x: Value, w: Value, *sums: Value) -> list[Value]:
            first = [self._at(x, rows[0], sy), self._at(w, rows[0], wi)]
            _, _, *found = b.loop(*rows, 1, row, [*first, *sums])
            return [b.address(x, sc, kind), b.address(w, wc, kind), *found]

        zeros = [b.constant(self.vector, 0.0)] * (height * width)
        _, _, *sums = b.loop(0, self.weights.shape[1], 1, channel, [x, weights, *zeros])
        return sums

    def _at(self, pointer: Value, steps: Value | int, stride: int) -> Value:
        """Return a pointer moved along an axis."""
        b = self.b
        if isinstance(steps, int):
            return b.address(pointer, steps * stride, self.kind)
        if steps.name == "0" or not stride:
            return pointer
        far = steps if stride == 1 else b.mul(steps, index(stride))
        return b.address(pointer, far, self.kind)

    def _finished(self, place: list[Value], sums: list[Value], width: int, tail: bool) -> None:
        """Hand the sums of a tile to the members."""
        b = self.b
        o, outer, inner, lane = place

        def one(h: Value, v: Value, value: Value, mask: Value | None) -> None:
            channel, at = b.add(o, h), b.add(lane, b.mul(v, index(self.width)))
            first = [channel, outer] if self.beside else [outer, channel]
            self._finish([*first, inner, at], value, mask)

        mask = first_lanes(b, self.kind, self.tail or self.width)
        whole = width - tail
        if self.buffer is None:
            for n, value in enumerate(sums):
                h, v = divmod(n, width)
                one(index(h), index(v), value, mask if v == whole else None)
            return
        buffer = self.buffer
        for n, value in enumerate(sums):
            b.store(value, b.address(buffer, n, self.vector))

        def channels(h: Value) -> None:
            own = b.address(buffer, b.mul(h, index(width)), self.vector)

            def vector(v: Value) -> None:
                one(h, v, b.load(self.vector, b.address(own, v, self.vector)), None)

            b.loop(0, whole, 1, vector)
            if tail:
                last = b.load(self.vector, b.address(own, whole, self.vector))
                one(h, index(whole), last, mask)

        b.loop(0, len(sums) // width, 1, channels)


def groups(of: Cut) -> list[tuple[int, int, int]]:
    """Return for each size of tiles where they start, their size and their number."""
    found, start = [], 0
    for size, number in of.sizes:
        found.append((start, size, number))
        start += size * number
    return found


def met(b: Builder, at: Value, kernel: int, size: int, padding: tuple[int, int]) -> Range:
    """Return from where to where a kernel meets an image and not what is around it.

    Element k of the kernel meets pixel `at + k - padding[0]` of so many.
    """
    before, after = padding
    if not before and not after:
        return 0, kernel
    outside = b.sub(index(before), at)
    first = b.call("llvm.smax.i64", "i64", outside, index(0))
    return first, b.call("llvm.smin.i64", "i64", b.add(outside, index(size)), index(kernel))


def index(number: int) -> Value:
    """Return a literal index."""
    return Value("i64", str(number))
