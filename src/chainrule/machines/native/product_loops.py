"""The loops around the tiles of a matrix product, and what happens to finished sums.

For each panel of B (the columns of one tile) the tiles along the rows of A run past it: a row of A
is read once a panel, in order, and the panel stays in the nearest cache that holds it. A panel with
too many k is cut along k, and the sums wait in scratch memory. Where what follows goes through
large arrays, tiles go along the rows instead: read in order, memory is twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .builder import Builder, Value, size_of, vector_of
from .product_packing import layout, pack_panel, pack_rows
from .product_plan import NEAR, Plan, Product, in_dots
from .product_tiles import Finish, Operands, dots, first_lanes, tile
from .transpose import turned

# Finished vectors are handed to the epilogue one by one in the text, up to so many lines of it;
# beyond that they go through a small buffer, and one copy of the epilogue loops over them.
LINES = 240

Fetch = Callable[[Value, Value], None]
Range = tuple[Value | int, Value | int]


@dataclass(frozen=True)
class Panel:
    """The columns of one tile, and what their tiles along the rows have in common.

    Parameters
    ----------
    j : Value
        The first column.
    counts : list of int
        How many lanes of each vector are columns.
    of : Operands
        Where to read.
    rows : (int or Value, int or Value)
        The first and the last tile along the rows.
    inner : int or Value
        How many k.
    k, waiting, done : Value, optional
        Where the panel is cut along k: the first k of this part, where the sums wait, and
        whether this part is the last.
    """

    j: Value
    counts: list[int]
    of: Operands
    rows: Range
    inner: int | Value
    k: Value | None = None
    waiting: Value | None = None
    done: Value | None = None


class Loops:
    """The loops of one product in the making; arguments as in `product.emit_product`."""

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
        fetch: Fetch | None = None,
    ) -> None:
        self.b, self.product, self.plan, self.finish = b, product, plan, finish
        self.fetch = fetch
        self.a, self.bb, self.scratch = a, bb, scratch
        # Whether the tiles are the transpose's, to be turned before they are finished.
        self.turns = turns
        self.lanes = b.target.lanes(product.kind)
        self.vector = vector_of(product.kind, self.lanes)
        self.layout = layout(plan, product, b.target)
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
        if p.packs_rows:
            self._pack_rows(rows)
        if p.along_rows:
            self._along_rows(rows, columns)
        else:
            self._each_panel(rows, columns, self._panel)
        if saved is not None:
            b.call("llvm.stackrestore.p0", "void", saved)

    def _along_rows(self, rows: Range, columns: Range) -> None:
        """Emit the tiles of some rows one after another, for all rows."""
        if self.plan.packed:
            self._each_panel(rows, columns, self._pack)
        self._each_tile(
            rows,
            lambda i, height: self._each_panel(
                rows, columns, lambda panel: self._tile(i, height, panel)
            ),
        )

    def _each_panel(self, rows: Range, columns: Range, body: Callable[[Panel], None]) -> None:
        """Loop over the full panels, then over the last."""
        b, p, inner = self.b, self.plan, self.product.inner
        full, _ = self._column_texts()
        for start, stop, width, tail in (
            (0, full, p.width, 0),
            (full, p.column_tiles, p.last_width, p.tail),
        ):
            if start == stop:
                continue
            at, end = self._between(columns, start, stop)
            counts = [self.lanes] * (width - 1) + [tail or self.lanes]

            def panel(t: Value, counts: list[int] = counts) -> None:
                j = b.mul(t, _i64(p.width * self.lanes))
                body(Panel(j, counts, self._operands(j, counts), rows, inner))

            b.loop(at, end, 1, panel)

    def _copies(self) -> int:
        """Return how many vectors are finished in the text, all sizes of tiles together."""
        p = self.plan
        full, last = self._column_texts()
        width = (p.width if full else 0) + (p.last_width if last else 0)
        if self.turns:
            return self.lanes * width
        return width * (p.height + (p.height - 1 if p.tall < p.row_tiles else 0))

    def _column_texts(self) -> tuple[int, int]:
        """Return how many panels are alike, and whether the last one is a text of its own."""
        p = self.plan
        last = int(p.tail > 0 or p.last_width != p.width)
        return p.column_tiles - last, last

    def _length(self) -> int:
        """Return how many lines the epilogue of one vector has."""
        b = self.b
        tail = self.product.rows if self.turns else self.plan.tail or self.lanes
        mask = first_lanes(b, self.product.kind, tail)
        with b.thrown_away():
            before = len(b.lines)
            self.finish(_i64(0), _i64(0), Value(self.vector, "undef"), mask)
            return len(b.lines) - before

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

    def _pack(self, panel: Panel) -> None:
        """Emit the copy of a panel that is not cut along k."""
        source = self._element(self.bb, panel.j, self.product.b_column)
        pack_panel(self.b, self.product, source, panel.of.b, panel.counts, self.product.inner)

    def _panel(self, panel: Panel) -> None:
        """Emit all the tiles of one panel."""
        b, p, product = self.b, self.plan, self.product
        if p.block == product.inner:
            if p.packed:
                self._pack(panel)
            self._tiles(panel)
            return
        counts, width = panel.counts, len(panel.counts)
        pointer = self._element(self.bb, panel.j, product.b_column)
        waiting = self._scratch(self.layout.waiting)
        zero = b.constant(self.vector, 0.0)
        b.loop(
            0, product.rows * width, 1, lambda n: b.store(zero, b.address(waiting, n, self.vector))
        )

        def block(k: Value) -> None:
            rest = b.sub(_i64(product.inner), k)
            count = b.call("llvm.smin.i64", "i64", rest, _i64(p.block))
            source = self._element(pointer, k, product.b_inner)
            pack_panel(b, product, source, panel.of.b, counts, count)
            done = b.compare("sle", rest, _i64(p.block))
            self._tiles(replace(panel, inner=count, k=k, waiting=waiting, done=done))

        b.loop(0, product.inner, p.block, block)

    def _element(self, pointer: Value, index: Value, stride: int) -> Value:
        """Return the address of an element by its index along an axis."""
        step = index if stride == 1 else self.b.mul(index, _i64(stride))
        return self.b.address(pointer, step, self.product.kind)

    def _scratch(self, offset: int) -> Value:
        """Return an address in scratch memory."""
        assert self.scratch is not None
        return self.b.address(self.scratch, offset, "i8")

    def _operands(self, j: Value, counts: list[int]) -> Operands:
        """Return where the tiles of the panel from column j on read."""
        product = self.product
        of = Operands(
            product.kind, self.a, product.a_row, product.a_inner,
            self._element(self.bb, j, product.b_column), product.b_inner, product.b_column,
        )  # fmt: skip
        if not self.plan.packed:
            return of
        copy = self._scratch(self.layout.panel)
        if self.plan.along_rows:  # the panels before it have j columns together
            copy = self._element(copy, j, product.inner)
        return replace(of, b=copy, b_inner=len(counts) * self.lanes)

    def _each_tile(self, rows: Range, body: Callable[[Value, int], None]) -> None:
        """Loop over the first rows of the tall tiles, then of those with a row less."""
        b, p = self.b, self.plan
        for start, stop, height in ((0, p.tall, p.height), (p.tall, p.row_tiles, p.height - 1)):
            if start == stop:
                continue
            at, end = self._between(rows, start, stop)

            def one(t: Value, height: int = height) -> None:
                i = b.mul(t, _i64(height))
                body(i if height == p.height else b.add(i, _i64(p.tall)), height)

            b.loop(at, end, 1, one)

    def _pack_rows(self, rows: Range) -> None:
        """Copy A, for all panels."""

        def pack(i: Value, height: int) -> None:
            source = self._element(self.a, i, self.product.a_row)
            to = self._element(self._scratch(self.layout.rows), i, self.product.inner)
            pack_rows(self.b, self.product, source, to, height)

        self._each_tile(rows, pack)

    def _tiles(self, panel: Panel) -> None:
        self._each_tile(panel.rows, lambda i, height: self._tile(i, height, panel))

    def _tile(self, i: Value, height: int, panel: Panel) -> None:
        b, product, j, counts = self.b, self.product, panel.j, panel.counts
        of = replace(panel.of, a=self._element(self.a, i, product.a_row))
        if self.plan.packs_rows:
            copy = self._element(self._scratch(self.layout.rows), i, product.inner)
            of = replace(of, a=copy, a_inner=height)
        if panel.k is not None:
            of = replace(of, a=self._element(of.a, panel.k, of.a_inner))
        # A copied panel has zeros where there are no columns.
        read = [self.lanes] * len(counts) if self.plan.packed else counts
        if in_dots(product):
            assert isinstance(panel.inner, int)
            rows = [replace(of, a=b.address(of.a, r * of.a_row, of.kind)) for r in range(height)]
            sums = [dots(b, row, counts[0], panel.inner) for row in rows]
            self._ended(i, j, counts, height, sums)
            return
        if panel.waiting is None or panel.done is None:
            self._fetched(i, j, counts, height)
            ahead = self._ahead(i, height, panel)
            self._ended(i, j, counts, height, tile(b, of, height, read, panel.inner, ahead=ahead))
            return
        own = b.address(panel.waiting, b.mul(i, _i64(len(counts))), self.vector)
        places = [b.address(own, n, self.vector) for n in range(height * len(counts))]
        sums = tile(b, of, height, read, panel.inner, [b.load(self.vector, at) for at in places])

        def keep() -> None:
            for value, at in zip(sums, places, strict=True):
                b.store(value, at)

        b.when(panel.done, lambda: self._ended(i, j, counts, height, sums))
        b.when(b.xor(panel.done, Value("i1", "true")), keep)

    def _ahead(self, i: Value, height: int, panel: Panel) -> Callable[[Value], None] | None:
        """Return what has the next panel on its way: for each k of a tile, a line of one vector.

        The first tiles take a vector each; what the others ask for again is there already.
        """
        b, p, product, width = self.b, self.plan, self.product, len(panel.counts)
        size = product.inner * product.columns * size_of(product.kind)
        enough = p.row_tiles // (1 if p.by_columns else product.threads) >= width
        if p.along_rows or product.b_column != 1 or size <= NEAR or not enough:
            return None
        n = b.srem(b.sdiv(i, _i64(height)), _i64(width))
        column = b.add(panel.j, b.mul(b.add(n, _i64(width)), _i64(self.lanes)))
        start = self._element(self.bb, column, product.b_column)

        def line(k: Value) -> None:
            b.prefetch(self._element(start, k, product.b_inner), 2)

        return line

    def _fetched(self, i: Value, j: Value, counts: list[int], height: int) -> None:
        """Have what the epilogue will read on its way while the sums are made."""
        b, fetch = self.b, self.fetch
        if fetch is None or self.turns:
            return
        columns = [b.add(j, _i64(v * self.lanes)) if v else j for v in range(len(counts))]

        def row(r: Value) -> None:
            for column in columns:
                fetch(b.add(i, r), column)

        b.loop(0, height, 1, row)

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
