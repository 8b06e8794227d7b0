"""Emit a convolution whose kernel is larger than its result: the gradient along the weights.

There examples and pixels are what is summed over, so vectors run along them: the examples of one
pixel, then those of the next, as they lie in memory. A tile is some output channels by some columns
of the result, and where these are few by some images; its sums are vectors, whose lanes are added
up at the end. They stay in registers along a row of the kernel and wait in scratch memory for the
next row, so that a row is read from far away once for all rows of the result.

A piece of work is a row of the result for the channels and images of a tile. Threads share no sum:
the numbers do not depend on how many there are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from .builder import Builder, Value, vector_of
from .convolution_tiles import Cut, cut, groups, index, met
from .graph import Graph
from .loops import Emitted
from .nodes import Node, contiguous
from .product_plan import MOST_SUMS
from .product_tiles import first_lanes
from .target import Target
from .values import across


@functools.cache
def plan(channels: int, images: int, columns: int, target: Target) -> tuple[Cut, Cut, Cut]:
    """Return the cheapest tiles of output channels by images by columns of the result."""

    def cycles(cuts: tuple[Cut, Cut, Cut]) -> float:
        return sum(
            n * m * k * (max(h * i * v, h + i * v, 4.0) + 0.1 * (h + i * v))
            for h, n in cuts[0].sizes
            for i, m in cuts[1].sizes
            for v, k in cuts[2].sizes
        )

    return min(
        (
            (cut(channels, height), cut(images, depth), cut(columns, width))
            for width in range(1, columns + 1)
            # Several images only where one has too few columns for a tile.
            for depth in range(1, 1 + (min(images, 4) if width == columns else 1))
            for height in range(1, channels + 1)
            if height * depth * width <= min(MOST_SUMS, target.registers - height - 1)
        ),
        key=cycles,
    )


def emit_sums(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function of a convolution of shape (channels, examples, height, width).

    Its operands are the image and the weights, with the axes that the gate gives them. Rows of both
    lie in memory as they are walked: `settings["step"]` elements, neighbours, for each column.
    """
    return _Sums(node, target, name).emitted()


class _Sums:
    def __init__(self, node: Node, target: Target, name: str) -> None:
        self.node, self.kind = node, node.kind
        self.x, self.weights = node.operands
        self.padding = node.settings["padding"]
        self.step: int = node.settings["step"]
        # Where a row holds all the examples, they are not walked one by one.
        self.examples = 1 if self.step > 1 else self.weights.shape[1]
        self.row = self.weights.shape[3] * self.step
        self.width = target.lanes(node.kind)
        self.vector = vector_of(node.kind, self.width)
        _, _, self.rows, self.columns = node.shape
        self.high, self.deep, self.wide = plan(*node.shape[:2], self.columns, target)
        sums = self.rows * self.high.height * self.deep.height * self.columns
        self.scratch = sums * target.vector_bytes
        names = ["image", "weights", "result", "scratch"]
        arguments = [*(("ptr", word) for word in names), ("i64", "first"), ("i64", "last")]
        self.b = Builder(name, arguments, target)

    def emitted(self) -> Emitted:
        """Return the function."""
        b, node = self.b, self.node
        first, last = b.arguments["first"], b.arguments["last"]
        turns = 0
        for o, height, count in groups(self.high):
            for image, depth, inside in groups(self.deep):
                # A tile of channels with one of images is a turn: all rows of its result, or what
                # of them lies between the first and the last piece.
                begin, turns = turns, turns + count * inside

                def turn(
                    at: Value, o: int = o, height: int = height, image: int = image,
                    depth: int = depth, inside: int = inside, begin: int = begin,
                ) -> None:  # fmt: skip
                    own = b.sub(at, index(begin))
                    channel = b.mul(b.sdiv(own, index(inside)), index(height))
                    place = b.mul(b.srem(own, index(inside)), index(depth))
                    done = b.mul(at, index(self.rows))
                    low = b.call("llvm.smax.i64", "i64", b.sub(first, done), index(0))
                    high = b.call("llvm.smin.i64", "i64", b.sub(last, done), index(self.rows))
                    corner = b.add(channel, index(o)), b.add(place, index(image))
                    self._turn(corner, (height, depth), (low, high))

                above = b.add(last, index(self.rows - 1))
                low = b.call("llvm.smax.i64", "i64", b.sdiv(first, index(self.rows)), index(begin))
                high = b.call("llvm.smin.i64", "i64", b.sdiv(above, index(self.rows)), index(turns))
                b.loop(low, high, 1, turn)
        b.ret()
        keys = [(x.node, x.offset) for x in node.operands] + [(node.number, 0)]
        products = node.size * math.prod(self.weights.shape[1:])
        cost = 1.2 * products / self.width
        pieces = turns * self.rows
        return Emitted(b, keys, pieces, False, cost, self.scratch, [node.gate], 2 * products)

    def _turn(
        self, corner: tuple[Value, Value], size: tuple[int, int], own: tuple[Value, Value]
    ) -> None:
        """Emit some rows of the results of some output channels and images."""
        b = self.b
        weights = self._at(b.arguments["weights"], corner[0], self.weights.strides[0])
        x = self._at(b.arguments["image"], corner[1], self.x.strides[0])
        scratch = b.arguments["scratch"]
        zero = b.constant(self.vector, 0.0)
        vectors = math.prod(size) * self.columns
        low, high = (b.mul(row, index(vectors)) for row in own)
        b.loop(low, high, 1, lambda n: b.store(zero, b.address(scratch, n, self.vector)))

        def example(e: Value) -> None:
            def kernel_row(k: Value) -> None:
                w = self._at(
                    self._at(weights, e, self.weights.strides[1]), k, self.weights.strides[2]
                )
                begin, end = met(b, k, self.rows, self.x.shape[2], self.padding[0])
                begin = b.call("llvm.smax.i64", "i64", _value(begin), own[0])
                end = b.call("llvm.smin.i64", "i64", _value(end), own[1])

                def row(i: Value) -> None:
                    y = b.sub(b.add(k, i), index(self.padding[0][0]))
                    image = self._at(self._at(x, e, self.x.strides[1]), y, self.x.strides[2])
                    sums = b.address(scratch, b.mul(i, index(vectors)), self.vector)
                    self._row(image, w, sums, size)

                b.loop(begin, end, 1, row)

            b.loop(0, self.weights.shape[2], 1, kernel_row)

        b.loop(0, self.examples, 1, example)
        self._folded(corner, size, (low, high))

    def _row(self, x: Value, w: Value, sums: Value, size: tuple[int, int]) -> None:
        """Add a row of the kernel times a row of the image to the sums of a row of the result."""
        b = self.b
        for start, width, count in groups(self.wide):

            def columns(t: Value, start: int = start, width: int = width) -> None:
                j = b.add(b.mul(t, index(width)), index(start))
                own = b.address(sums, b.mul(j, index(size[0])), self.vector)
                self._tile(self._at(x, j, self.step), w, own, (*size, width))

            b.loop(0, count, 1, columns)

    def _tile(self, x: Value, w: Value, sums: Value, size: tuple[int, int, int]) -> None:
        b, kind, far = self.b, self.kind, self.weights.strides[0]
        height, depth, width = size
        # Sums lie by rows, images, columns, channels.
        places = [
            b.address(sums, (d * self.columns + v) * height + h, self.vector)
            for d in range(depth)
            for v in range(width)
            for h in range(height)
        ]

        def vectors(at: Value, given: Sequence[Value], mask: Value | None) -> list[Value]:
            found = list(given)
            here, there = b.address(w, at, kind), b.address(x, at, kind)
            many = [
                b.load(self.vector, b.address(here, h * far, kind), mask) for h in range(height)
            ]
            for n in range(depth * width):
                d, v = divmod(n, width)
                place = b.address(there, d * self.x.strides[0] + v * self.step, kind)
                image = b.load(self.vector, place, mask)
                for h, weights in enumerate(many):
                    found[n * height + h] = b.fma(weights, image, found[n * height + h])
            return found

        whole = self.row - self.row % self.width
        found = [b.load(self.vector, place) for place in places]
        found = b.loop(0, whole, self.width, lambda at, *sums: vectors(at, sums, None), found)
        if self.row > whole:
            mask = first_lanes(b, kind, self.row - whole)
            found = vectors(index(whole), found, mask)
        for value, place in zip(found, places, strict=True):
            b.store(value, place)

    def _folded(
        self, corner: tuple[Value, Value], size: tuple[int, int], own: tuple[Value, Value]
    ) -> None:
        """Add up the lanes of the sums, and store the results."""
        b, strides = self.b, contiguous(self.node.shape)
        scratch, result = b.arguments["scratch"], b.arguments["result"]
        result = self._at(self._at(result, corner[0], strides[0]), corner[1], strides[1])

        def one(n: Value) -> None:
            total = across(b, "sum", b.load(self.vector, b.address(scratch, n, self.vector)))
            place = result
            for count, stride in ((size[0], strides[0]), (self.columns, 1), (size[1], strides[1])):
                place = self._at(place, b.srem(n, index(count)), stride)
                n = b.sdiv(n, index(count))
            b.store(total, self._at(place, n, strides[2]))

        b.loop(*own, 1, one)

    def _at(self, pointer: Value, steps: Value, stride: int) -> Value:
        """Return a pointer moved along an axis."""
        b = self.b
        return b.address(pointer, b.mul(steps, index(stride)), self.kind)


def _value(bound: Value | int) -> Value:
    return bound if isinstance(bound, Value) else index(bound)
