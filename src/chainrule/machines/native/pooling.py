"""Emit the kernels of pooling: several windows side by side, in a vector's lanes.

Where a convolution has laid its examples out innermost, lanes are examples, and neighbours in
memory. Else they are the windows of a row, a stride apart: with a stride of 2 whole stretches are
read and their even and odd elements parted, and put together again when a gradient is written.
Threads share the planes (a channel, or a channel of an image), so that no element is another's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .builder import Builder, Value, constant, lanes, size_of, vector_of
from .elementwise import EMITTERS
from .graph import Graph
from .loops import Emitted
from .nodes import Node, Shape
from .target import Target
from .values import load, store

_COST = 6  # additions for each element of a window

Parts = dict[tuple[int, int], Value]  # element (i, j) of the windows in the lanes


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over planes of an image; each pair is rows, columns.

    Attributes
    ----------
    planes : int
        How many planes there are.
    image, count : (int, int)
        The size of a plane, and how many windows it has.
    inner : int
        How many examples lie side by side at each element; 1 where lanes are windows.
    size, stride : (int, int)
        Of the windows.
    """

    planes: int
    image: tuple[int, int]
    count: tuple[int, int]
    inner: int
    size: tuple[int, int]
    stride: tuple[int, int]

    @property
    def step(self) -> int:
        """How far apart in memory the same element of two neighbouring lanes is."""
        return self.stride[1] if self.inner == 1 else 1

    @property
    def overlap(self) -> bool:
        """Whether an element may be in two windows."""
        return any(k > s for k, s in zip(self.size, self.stride, strict=True))

    @property
    def tile(self) -> bool:
        """Whether every element is in exactly one window."""
        return self.size == self.stride and all(
            n == k * s for n, k, s in zip(self.image, self.count, self.stride, strict=True)
        )


def emit_pool(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function of max_pool2d or mean_pool2d."""
    return _Pooling(node, target, name, node.operands[0].shape, node.shape).pooled()


def emit_spread(graph: Graph, node: Node, target: Target, name: str) -> Emitted:
    """Return the function of max_pool2d_spread or mean_pool2d_spread."""
    return _Pooling(node, target, name, node.shape, node.operands[0].shape).spread()


class _Pooling:
    def __init__(self, node: Node, target: Target, name: str, image: Shape, pooled: Shape) -> None:
        inner = node.settings["inner"]
        # Behind the planes: rows, columns, and the examples where they are innermost.
        high, wide, *_ = image[len(image) - 2 - (inner > 1) :]
        rows, columns, *_ = pooled[len(image) - 2 - (inner > 1) :]
        self.w = Windows(
            math.prod(image) // max(high * wide * inner, 1),
            (high, wide),
            (rows, columns),
            inner,
            node.settings["size"],
            node.settings["stride"],
        )
        self.node, self.kind, self.vector = node, node.kind, target.lanes(node.kind)
        pointers = [("ptr", f"p{k}") for k in range(len(node.operands) + 1)]
        self.b = Builder(name, [*pointers, ("i64", "first"), ("i64", "last")], target)
        self.pointers = [self.b.arguments[name] for _, name in pointers]

    # ------------------------------------------------------------------ forward and backward

    def pooled(self) -> Emitted:
        """Write the largest or the mean of each window."""
        b, w = self.b, self.w
        image, to = self.pointers

        def windows(place: Sequence[Value], count: int) -> None:
            value, *rest = self._parts(self._in_image(image, place), count).values()
            for part in rest:
                is_max = self.node.gate == "max_pool2d"
                value = EMITTERS["maximum"](b, value, part) if is_max else b.fadd(value, part)
            if self.node.gate == "mean_pool2d":
                value = b.fdiv(value, constant(value.type, float(math.prod(w.size))))
            b.store(value, self._in_pooled(to, place), _mask(value.lanes, count))

        return self._walked(windows)

    def spread(self) -> Emitted:
        """Write to each element of the windows its share."""
        b, w, kind = self.b, self.w, self.kind
        pooled, to = self.pointers[0], self.pointers[-1]

        def windows(place: Sequence[Value], count: int) -> None:
            wide = _lanes_of(count, self.vector)
            at = self._in_pooled(pooled, place)
            g = b.load(vector_of(kind, wide), at, _mask(wide, count))
            if self.node.gate == "max_pool2d_spread":
                image = self._in_image(self.pointers[1], place)
                values = _shares(b, g, self._parts(image, count))
            else:
                share = b.fdiv(g, constant(g.type, float(math.prod(w.size))))
                values = {(i, j): share for i in range(w.size[0]) for j in range(w.size[1])}
            self._give(self._in_image(to, place), values, count)

        def clear(plane: Value) -> None:
            size = math.prod(w.image) * w.inner
            start = b.address(to, b.mul(plane, _i64(size)), kind)
            memset = "llvm.memset.p0.i64"
            b.declared.setdefault(memset, f"declare void @{memset}(ptr, i8, i64, i1)")
            length = size * size_of(kind)
            b.emit(f"call void @{memset}(ptr {start.name}, i8 0, i64 {length}, i1 false)")

        return self._walked(windows, None if w.tile else clear)

    # ------------------------------------------------------------------ loops

    def _walked(
        self,
        windows: Callable[[Sequence[Value], int], None],
        clear: Callable[[Value], None] | None = None,
    ) -> Emitted:
        """Call `windows((plane, row, column, example), lanes)` for a vector at a time."""
        b, w = self.b, self.w
        (rows, columns), zero = w.count, _i64(0)

        def vectors(count: int, at: Callable[[Value, int], None]) -> None:
            full = count - count % self.vector
            b.loop(0, full, self.vector, lambda k: at(k, self.vector))
            if count > full:
                at(_i64(full), count - full)

        def row(plane: Value, y: Value) -> None:
            if w.inner == 1:
                vectors(columns, lambda x, count: windows((plane, y, x, zero), count))
                return

            def column(x: Value) -> None:
                vectors(w.inner, lambda n, count: windows((plane, y, x, n), count))

            b.loop(0, columns, 1, column)

        def plane(k: Value) -> None:
            if clear is not None:
                clear(k)
            b.loop(0, rows, 1, lambda y: row(k, y))

        b.loop(b.arguments["first"], b.arguments["last"], 1, plane)
        b.ret()
        lanes_of_all = w.inner if w.inner > 1 else columns
        vectors_in_all = w.planes * rows * columns * w.inner / max(lanes_of_all, 1)
        vectors_in_all *= -(-lanes_of_all // self.vector)
        elements = math.prod(w.size)
        return Emitted(
            b,
            [*((a.node, a.offset) for a in self.node.operands), (self.node.number, 0)],
            w.planes,
            False,
            vectors_in_all * elements * _COST,
            0,
            [self.node.gate],
            w.planes * math.prod(w.count) * w.inner * elements,
        )

    # ------------------------------------------------------------------ elements

    def _at(
        self, pointer: Value, size: tuple[int, int], plane: Value, y: Value, x: Value, n: Value
    ) -> Value:
        """Return the address of an element of a plane of this size."""
        b, (high, wide) = self.b, size
        row = b.add(b.mul(plane, _i64(high)), y)
        column = b.add(b.mul(row, _i64(wide)), x)
        return b.address(pointer, b.add(b.mul(column, _i64(self.w.inner)), n), self.kind)

    def _in_pooled(self, pointer: Value, place: Sequence[Value]) -> Value:
        plane, y, x, n = place
        return self._at(pointer, self.w.count, plane, y, x, n)

    def _in_image(self, pointer: Value, place: Sequence[Value]) -> Value:
        """Return the address of the first element of a window."""
        b, (plane, y, x, n) = self.b, place
        down, right = (b.mul(k, _i64(s)) for k, s in zip((y, x), self.w.stride, strict=True))
        return self._at(pointer, self.w.image, plane, down, right, n)

    def _parts(self, start: Value, count: int) -> Parts:
        """Return element (i, j) of the windows in the lanes; those in the first begin at start."""
        b, w, kind = self.b, self.w, self.kind
        wide = _lanes_of(count, self.vector)
        found: Parts = {}
        for i in range(w.size[0]):
            row = b.address(start, i * w.image[1] * w.inner, kind)
            for j in range(w.size[1]):
                place = b.address(row, j * w.inner, kind)
                if w.step != 2:
                    mask = _mask(wide, count) if w.step == 1 else None
                    found[i, j] = load(b, kind, place, w.step, wide, mask, count)
                elif j % 2 == 0:
                    pair = min(2, w.size[1] - j)  # the last window may be the end of the array
                    real = _mask(2 * wide, 2 * (count - 1) + pair)
                    both = b.load(vector_of(kind, 2 * wide), place, real)
                    for k in range(pair):
                        found[i, j + k] = _shuffled(b, both, both, range(k, 2 * wide, 2))
        return found

    def _give(self, start: Value, values: Parts, count: int) -> None:
        """Write to the elements of the windows in the lanes; add to them where windows overlap."""
        b, w, kind = self.b, self.w, self.kind
        for i in range(w.size[0]):
            row = b.address(start, i * w.image[1] * w.inner, kind)
            if w.step == 2 and not w.overlap:
                even = values[i, 0]
                odd = values.get((i, 1), constant(even.type, 0.0))
                wide = even.lanes
                order = [k // 2 + k % 2 * wide for k in range(2 * wide)]
                real = _mask(2 * wide, 2 * (count - 1) + w.size[1])
                b.store(_shuffled(b, even, odd, order), row, real)
                continue
            for j in range(w.size[1]):
                value, place = values[i, j], b.address(row, j * w.inner, kind)
                mask = _mask(value.lanes, count) if w.step == 1 else None
                if w.overlap:
                    before = load(b, kind, place, w.step, value.lanes, mask, count)
                    value = b.fadd(before, value)
                store(b, value, place, w.step, value.lanes, mask, count)


def _shares(b: Builder, g: Value, parts: Parts) -> Parts:
    """Return what each element of the windows gets of the gradient of their largest."""
    one, zero = constant(g.type, 1.0), constant(g.type, 0.0)
    top, *rest = parts.values()
    for part in rest:
        top = EMITTERS["maximum"](b, top, part)
    chosen = {at: b.compare("oeq", part, top) for at, part in parts.items()}
    count = zero
    for mask in chosen.values():
        count = b.fadd(count, b.select(mask, one, zero))
    share = b.fdiv(g, count)  # where the largest is NaN nothing equals it, and no share is used
    other = b.select(b.compare("uno", top, top), constant(g.type, math.nan), zero)
    return {at: b.select(mask, share, other) for at, mask in chosen.items()}


def _i64(number: int) -> Value:
    return Value("i64", str(number))


def _lanes_of(count: int, most: int) -> int:
    """Return the lanes of the smallest vector that holds so many elements."""
    return min(most, 1 << max(count - 1, 1).bit_length())


def _mask(wide: int, count: int) -> Value | None:
    return None if count == wide else lanes("i1", [k < count for k in range(wide)])


def _shuffled(b: Builder, x: Value, y: Value, order: Sequence[int]) -> Value:
    kind = vector_of(x.element, len(order))
    taken = ", ".join(f"i32 {k}" for k in order)
    return b.let(
        kind, f"shufflevector {x.type} {x.name}, {y.type} {y.name}, <{len(order)} x i32> <{taken}>"
    )
