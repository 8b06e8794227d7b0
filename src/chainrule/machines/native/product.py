"""Emit matrix products for their exact shape, with whatever follows them in registers.

For each panel of B (the columns of one tile) the tiles along the rows of A run past it: a row of A
is read once a panel, in order, and the panel stays in the nearest cache that holds it. Where the
panel's rows lie far apart it is first copied together; where it has too many k it is cut along k,
and the sums wait in scratch memory. `product_plan` chooses the sizes, `product_tiles` emits the
sums of one tile, and here are the loops around them and what happens to finished sums.
"""

from __future__ import annotations

from dataclasses import replace

from .builder import Builder, Value, size_of, vector_of
from .product_plan import Plan, Product, flipped, in_dots, is_lying, is_upright, plan
from .product_tiles import Finish, Operands, dots, first_lanes, tile
from .target import Target
from .transpose import turned

__all__ = ["Product", "emit_product", "pieces", "scratch_bytes"]

# Finished vectors are handed to the epilogue one by one in the text, up to so many lines of it;
# beyond that they go through a small buffer, and one copy of the epilogue loops over them.
LINES = 160

Range = tuple[Value | int, Value | int]


def pieces(product: Product, target: Target) -> int:
    """Return into how many units of work of equal cost, for threads, a product is cut."""
    if not product.rows or not product.columns:
        return 0
    return _planned(product, target)[1].pieces


def scratch_bytes(product: Product, target: Target) -> int:
    """Return the bytes of workspace that each thread needs; aligned to 64 bytes, best so."""
    if not product.rows or not product.columns:
        return 0
    product, p = _planned(product, target)
    return _panel_bytes(p, product, target) + _waiting_bytes(p, product, target)


def emit_product(
    b: Builder,
    product: Product,
    a: Value,
    bb: Value,
    scratch: Value | None,
    first: Value,
    last: Value,
    finish: Finish,
) -> None:
    """Emit the pieces [first, last) of a product.

    Parameters
    ----------
    b : Builder
        The function in the making.
    product : Product
        Its shape.
    a, bb : Value
        Pointers to A[0, 0] and B[0, 0]. The product writes nothing but scratch memory, so what
        `finish` stores must not be read by the product.
    scratch : Value or None
        Pointer to `scratch_bytes` bytes; None where these are 0.
    first, last : Value
        Numbers of pieces, i64.
    finish : callable
        `finish(i, j, value, mask)` emits what happens to the sums of row i, columns j and
        following: a full vector, of which only the lanes in the mask count (None: all). It is
        called for each copy of the text that is needed, and once more for a text that is thrown
        away, to see how long it is: it should do nothing but emit.
    """
    if not product.rows or not product.columns:
        return
    computed, p = _planned(product, b.target)
    if computed is not product:
        a, bb = bb, a
    if is_lying(product):
        finish = _one_by_one(b, product, finish)
    turns = is_upright(product, b.target)
    _Writer(b, computed, p, turns, a, bb, scratch, finish).emit(first, last)


def _planned(product: Product, target: Target) -> tuple[Product, Plan]:
    """Return what is computed, the product or its transpose, and how it is cut."""
    if is_upright(product, target):
        product = flipped(product)
        return product, plan(product, target, whole=True)
    if is_lying(product):
        product = flipped(product)
    return product, plan(product, target)


def _one_by_one(b: Builder, product: Product, finish: Finish) -> Finish:
    """Return an epilogue for the transpose of a product of one column."""
    kind = product.kind
    width = b.target.lanes(kind)
    vector = vector_of(kind, width)
    only = first_lanes(b, kind, 1)
    zero = Value("i64", "0")

    def finish_lying(_: Value, j: Value, value: Value, mask: Value | None) -> None:
        def one(lane: Value) -> None:
            element = b.let(kind, f"extractelement {value.type} {value.name}, i64 {lane.name}")
            alone = b.let(
                vector,
                f"insertelement {vector} zeroinitializer, {kind} {element.name}, i32 0",
            )
            finish(b.add(j, lane), zero, alone, only)

        b.loop(0, width if mask is None else product.rows % width, 1, one)

    return finish_lying


def _panel_bytes(p: Plan, product: Product, target: Target) -> int:
    if not p.packed:
        return 0
    return p.block * p.width * target.lanes(product.kind) * size_of(product.kind)


def _waiting_bytes(p: Plan, product: Product, target: Target) -> int:
    """Return the bytes of the sums of one panel that wait for the next block of k."""
    if p.block == product.inner:
        return 0
    return product.rows * p.width * target.lanes(product.kind) * size_of(product.kind)


class _Writer:
    def __init__(
        self,
        b: Builder,
        product: Product,
        plan: Plan,
        turns: bool,
        a: Value,
        bb: Value,
        scratch: Value | None,
        finish: Finish,
    ) -> None:
        self.b, self.product, self.plan, self.finish = b, product, plan, finish
        self.a, self.bb, self.scratch = a, bb, scratch
        # Whether the tiles are the transpose's, to be turned before they are finished.
        self.turns = turns
        self.lanes = b.target.lanes(product.kind)
        self.vector = vector_of(product.kind, self.lanes)
        self.buffer: Value | None = None

    def emit(self, first: Value, last: Value) -> None:
        """Emit the loops over panels and tiles."""
        b, p = self.b, self.plan
        saved = None
        count = self.lanes if self.turns else p.height * p.width
        if self._length() * self._copies() > LINES:
            if b.block != "entry":  # else every round of a loop around us would take more stack
                saved = b.call("llvm.stacksave.p0", "ptr")
            self.buffer = b.scratch(self.vector, count)
        rows: Range = (0, p.row_tiles) if p.by_columns else (first, last)
        columns: Range = (first, last) if p.by_columns else (0, p.column_tiles)
        full = p.column_tiles - (1 if p.tail or p.last_width != p.width else 0)
        for start, stop, width, tail in (
            (0, full, p.width, 0),
            (full, p.column_tiles, p.last_width, p.tail),
        ):
            if start == stop:
                continue
            at, end = self._between(columns, start, stop)

            def panel(t: Value, width: int = width, tail: int = tail) -> None:
                self._panel(b.mul(t, _i64(p.width * self.lanes)), width, tail, rows)

            b.loop(at, end, 1, panel)
        if saved is not None:
            b.call("llvm.stackrestore.p0", "void", saved)

    def _copies(self) -> int:
        """Return how many vectors are finished in the text, all sizes of tiles together."""
        p = self.plan
        if self.turns:
            return self.lanes * (p.width + p.last_width)
        heights = p.height + (p.height - 1 if p.tall < p.row_tiles else 0)
        return heights * (p.width * (p.column_tiles > 1) + p.last_width)

    def _length(self) -> int:
        """Return how many lines the epilogue of one vector has."""
        b = self.b
        keep = (list(b.lines), b._count, b._labels, b.block)
        tail = self.product.rows if self.turns else self.plan.tail or self.lanes
        mask = first_lanes(b, self.product.kind, tail)
        self.finish(_i64(0), _i64(0), Value(self.vector, "undef"), mask)
        length = len(b.lines) - len(keep[0])
        b.lines[:] = keep[0]
        b._count, b._labels, b.block = keep[1:]
        return length

    def _between(self, bounds: Range, start: int, stop: int) -> Range:
        """Return the part of [first, last) in [start, stop)."""
        first, last = bounds
        if isinstance(first, int):
            return start, stop
        assert isinstance(last, Value)
        if start:
            first = self.b.call("llvm.smax.i64", "i64", first, _i64(start))
        if stop != self.plan.pieces:
            last = self.b.call("llvm.smin.i64", "i64", last, _i64(stop))
        return first, last

    def _panel(self, j: Value, width: int, tail: int, rows: Range) -> None:
        """Emit all the tiles of one panel."""
        b, p, product = self.b, self.plan, self.product
        counts = [self.lanes] * (width - 1) + [tail or self.lanes]
        pointer = self._element(self.bb, j, product.b_column)
        if p.block == product.inner:
            if p.packed:
                self._pack(pointer, counts, product.inner)
            self._tiles(j, counts, self._operands(pointer, counts), rows, product.inner, None)
            return
        assert self.scratch is not None
        waiting = b.address(
            self.scratch, _panel_bytes(p, product, b.target) // size_of(product.kind), product.kind
        )
        zero = b.constant(self.vector, 0.0)
        b.loop(
            0, product.rows * width, 1, lambda n: b.store(zero, b.address(waiting, n, self.vector))
        )

        def block(k: Value) -> None:
            rest = b.sub(_i64(product.inner), k)
            count = b.call("llvm.smin.i64", "i64", rest, _i64(p.block))
            self._pack(self._element(pointer, k, product.b_inner), counts, count)
            of = self._operands(pointer, counts)
            of = replace(of, a=self._element(of.a, k, product.a_inner))
            done = b.compare("sle", rest, _i64(p.block))
            self._tiles(j, counts, of, rows, count, (waiting, done))

        b.loop(0, product.inner, p.block, block)

    def _element(self, pointer: Value, index: Value, stride: int) -> Value:
        """Return the address of an element by its index along an axis."""
        step = index if stride == 1 else self.b.mul(index, _i64(stride))
        return self.b.address(pointer, step, self.product.kind)

    def _pack(self, pointer: Value, counts: list[int], count: int | Value) -> None:
        """Copy some rows of a panel of B together; where the mask ends there are zeros."""
        b, product = self.b, self.product
        assert self.scratch is not None

        def copy(_: Value, source: Value, to: Value) -> list[Value]:
            for v, lanes in enumerate(counts):
                mask = first_lanes(b, product.kind, lanes)
                vector = b.load(self.vector, b.address(source, v, self.vector), mask)
                b.store(vector, b.address(to, v, self.vector))
            ahead = b.address(source, product.b_inner, product.kind)
            return [ahead, b.address(to, len(counts), self.vector)]

        b.loop(0, count, 1, copy, [pointer, self.scratch])

    def _operands(self, pointer: Value, counts: list[int]) -> Operands:
        product = self.product
        of = Operands(
            product.kind, self.a, product.a_row, product.a_inner, pointer, product.b_inner,
            product.b_column,
        )  # fmt: skip
        if not self.plan.packed:
            return of
        assert self.scratch is not None
        return replace(of, b=self.scratch, b_inner=len(counts) * self.lanes)

    def _tiles(
        self,
        j: Value,
        counts: list[int],
        of: Operands,
        rows: Range,
        inner: int | Value,
        waiting: tuple[Value, Value] | None,
    ) -> None:
        """Emit the tiles along the rows: the tall ones, then those with a row less."""
        b, p = self.b, self.plan
        for start, stop, height in ((0, p.tall, p.height), (p.tall, p.row_tiles, p.height - 1)):
            if start == stop:
                continue
            at, end = self._between(rows, start, stop)

            def one(t: Value, height: int = height) -> None:
                i = b.mul(t, _i64(height))
                if height < p.height:
                    i = b.add(i, _i64(p.tall))
                self._tile(i, j, counts, of, height, inner, waiting)

            b.loop(at, end, 1, one)

    def _tile(
        self,
        i: Value,
        j: Value,
        counts: list[int],
        of: Operands,
        height: int,
        inner: int | Value,
        waiting: tuple[Value, Value] | None,
    ) -> None:
        b, product = self.b, self.product
        of = replace(of, a=self._element(of.a, i, product.a_row))
        # A copied panel has zeros where there are no columns.
        read = [self.lanes] * len(counts) if self.plan.packed else counts
        if in_dots(product):
            assert isinstance(inner, int)
            self._finished(i, j, counts, height, [dots(b, of, counts[0], inner)])
            return
        if waiting is None:
            self._ended(i, j, counts, height, tile(b, of, height, read, inner))
            return
        place, done = waiting
        own = b.address(place, b.mul(i, _i64(len(counts))), self.vector)
        places = [b.address(own, n, self.vector) for n in range(height * len(counts))]
        sums = tile(b, of, height, read, inner, [b.load(self.vector, at) for at in places])

        def keep() -> None:
            for value, at in zip(sums, places, strict=True):
                b.store(value, at)

        b.when(done, lambda: self._ended(i, j, counts, height, sums))
        b.when(b.xor(done, Value("i1", "true")), keep)

    def _ended(self, i: Value, j: Value, counts: list[int], height: int, sums: list[Value]) -> None:
        """Finish a tile, turned first where it belongs to the transpose."""
        b, width = self.b, len(counts)
        if not self.turns:
            self._finished(i, j, counts, height, sums)
            return
        rest = [b.constant(self.vector, 0.0)] * (self.lanes - height)
        for v, count in enumerate(counts):
            rows = turned(b, [*sums[v::width], *rest])[:count]
            self._finished(b.add(j, _i64(v * self.lanes)), i, [height], count, rows)

    def _finished(
        self, i: Value, j: Value, counts: list[int], height: int, sums: list[Value]
    ) -> None:
        """Hand the sums of a tile to the epilogue."""
        b, width = self.b, len(counts)
        mask = first_lanes(b, self.product.kind, counts[-1])
        if self.buffer is None:
            for n, value in enumerate(sums):
                v = n % width
                self.finish(
                    b.add(i, _i64(n // width)),
                    b.add(j, _i64(v * self.lanes)),
                    value,
                    mask if v == width - 1 else None,
                )
            return
        for n, value in enumerate(sums):
            b.store(value, b.address(self.buffer, n, self.vector))

        def row(r: Value, pointer: Value) -> list[Value]:
            def vector(v: Value) -> None:
                value = b.load(self.vector, b.address(pointer, v, self.vector))
                self.finish(b.add(i, r), b.add(j, b.mul(v, _i64(self.lanes))), value, None)

            unmasked = width - (counts[-1] < self.lanes)
            b.loop(0, unmasked, 1, vector)
            if counts[-1] < self.lanes:
                value = b.load(self.vector, b.address(pointer, width - 1, self.vector))
                column = b.add(j, _i64((width - 1) * self.lanes))
                self.finish(b.add(i, r), column, value, mask)
            return [b.address(pointer, width, self.vector)]

        b.loop(0, height, 1, row, [self.buffer])


def _i64(number: int) -> Value:
    return Value("i64", str(number))
