"""Choose how a matrix product is cut into tiles, for its shape and the target's registers.

Every cut that fits the registers is tried, and the cheapest by a small model of the machine is
taken: in one cycle begin one FMA and one load of a vector; a tile has a cost of its own. Heights
differ by one row at most, so that 128 rows become 18 tiles of 6 and 4 of 5, not 21 and a rest of 2
whose sums would wait for each other; and so that pieces of work are of equal cost.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .builder import size_of
from .product_tiles import CHAINS
from .target import Target

# Bytes of a panel of B (all its k, the columns of one tile) that stay in the second cache while
# the rows of A run past it. A longer panel is cut along k.
PANEL = 384 * 1024
# A panel is copied together where it is too large for the first cache and so many rows read it
# that the copy costs nothing to speak of; or where its rows are a multiple of half a page apart, so
# that they fall on the same few places of the caches, and at least some tiles read it.
WORTH_PACKING, ROWS_TO_PACK, TILES_TO_PACK = 64 * 1024, 256, 5
WORTH_SPREADING = 16 * 1024  # bytes of such a panel: a smaller one has places enough
FIRST_CACHE = 32 * 1024  # bytes: a larger panel is read from the second cache
HALF_PAGE, PAGE = 2048, 4096
COPY = 4.0  # cycles that it takes to copy a vector of B
# A whole B of at most so many bytes stays in the second cache while tiles go along the rows of C.
NEAR = 512 * 1024
# A transposed A of so many k is copied: every k is on a page of its own.
INNER_TO_PACK = 512
# More sums than this leave LLVM too few registers, and gain nothing.
MOST_SUMS = 24


@dataclass(frozen=True)
class Product:
    """C[i, j] = the sum over k of A[i, k] * B[k, j].

    Parameters
    ----------
    rows, columns, inner : int
        The ranges of i, j and k. Any may be 0.
    kind : str
        "float" or "double".
    a_row, a_inner : int
        The strides of A along i and k, in elements: any, so that A may be transposed.
    b_inner : int
        The stride of B along k, in elements.
    b_column : int
        The stride of B along j. Where it is not 1 the product runs along k if it can (A and B
        contiguous in k), and gathers B's elements one by one if not.
    threads : int
        How many threads the pieces should suit.
    far : bool
        Whether what follows reads and writes arrays as large as C, too large to be in the caches.
    """

    rows: int
    columns: int
    inner: int
    kind: str
    a_row: int
    a_inner: int
    b_inner: int
    b_column: int = 1
    threads: int = 1
    far: bool = False


@dataclass(frozen=True)
class Plan:
    """How a product is cut.

    Parameters
    ----------
    height, tall, row_tiles : int
        Of the tiles along i the first `tall` have `height` rows, the others one less.
    width, column_tiles, last_width : int
        Vectors of a tile along j, and of the last tile.
    tail : int
        Lanes in use in the last vector of the last tile; 0 where it is full.
    by_columns : bool
        Whether the pieces for threads are the tiles along j, not those along i.
    block : int
        How many k at a time; all of them where less than two blocks are needed.
    packed : bool
        Whether a panel of B is copied into scratch memory before it is used.
    packs_rows : bool
        Whether A is.
    along_rows : bool
        Whether all tiles of some rows come one after another, so that what follows walks through
        its arrays in order, and not those of a panel; B is then copied as a whole, if it is.
    """

    height: int
    tall: int
    row_tiles: int
    width: int
    column_tiles: int
    last_width: int
    tail: int
    by_columns: bool
    block: int
    packed: bool
    packs_rows: bool
    along_rows: bool = False

    @property
    def pieces(self) -> int:
        """Into how many units of work the product is cut."""
        return self.column_tiles if self.by_columns else self.row_tiles


@functools.cache
def plan(product: Product, target: Target, whole: bool = False) -> Plan:
    """Return the cheapest way to cut a product, or to cut it with all rows in one tile."""
    return min(_plans(product, target, whole), key=lambda p: _cost(p, product, target))


def flipped(product: Product) -> Product:
    """Return the product that gives the transpose: B's columns times A's rows."""
    return replace(
        product,
        rows=product.columns,
        columns=product.rows,
        a_row=product.b_column,
        a_inner=product.b_inner,
        b_inner=product.a_inner,
        b_column=product.a_row,
    )


def is_lying(product: Product) -> bool:
    """Return whether a product of one column is computed as one row: then lanes are in use."""
    return product.columns == 1


def is_upright(product: Product, target: Target) -> bool:
    """Return whether a narrow product is computed as its transpose, and turned in registers.

    Lanes along the rows are all in use, where A's rows are neighbours. The turn costs about as
    many shuffles as a vector has lanes, log2(lanes) times.
    """
    lanes = target.lanes(product.kind)
    most = min(MOST_SUMS // 2, target.registers - 4, lanes - 1)
    spared = product.inner * (lanes - product.columns)
    return is_narrow(product, target) or (
        product.a_row == 1
        and 1 < product.columns <= most
        and product.rows >= lanes
        and spared > 2 * lanes * lanes.bit_length()
    )


def is_narrow(product: Product, target: Target) -> bool:
    """Return whether a very narrow product runs along k, for which B is first transposed."""
    lanes = target.lanes(product.kind)
    return (
        product.a_inner == 1
        and product.a_row != 1
        and 1 < product.columns <= lanes // 4
        and product.rows >= 4 * lanes  # so that the transpose of B costs little
        and product.inner >= 2 * lanes
    )


def in_dots(product: Product) -> bool:
    """Return whether the product runs along k, lanes being neighbours in k."""
    return product.b_column != 1 and product.a_inner == 1 and product.b_inner == 1


def _plans(product: Product, target: Target, whole: bool) -> Iterator[Plan]:
    """Yield the ways to cut a product that fit the registers."""
    lanes = target.lanes(product.kind)
    vectors = -(-product.columns // lanes)
    rows = product.rows
    # One row needs many sums side by side; a tile that is turned is long enough as it is.
    widest = 1 if whole else 8 if rows == 1 else 4
    if in_dots(product):
        shapes = [(rows if whole else 1, 1)]
    else:
        shapes = [
            (height, width)
            for width in range(1, min(max(vectors, 1), widest) + 1)
            for height in range(rows if whole else 1, max(rows, 1) + 1)
            if height * width <= min(MOST_SUMS, target.registers - width - 1)
        ]
    for most, width in shapes:
        column_tiles = max(-(-vectors // width), 1)
        for by_columns in {whole, product.threads > 1 and not _is_along_rows(product)}:
            row_tiles = -(-rows // most)
            if not by_columns:  # as many tiles for each thread, if there are rows enough
                row_tiles = min(rows, -(-row_tiles // product.threads) * product.threads)
            row_tiles = max(row_tiles, 1)
            height = -(-rows // row_tiles)
            yield _filled(product, target, height, row_tiles, width, column_tiles, by_columns)


def _is_along_rows(product: Product) -> bool:
    """Return whether tiles go along the rows of C: where B stays near, and what follows is far."""
    size = size_of(product.kind)
    return product.far and product.inner * product.columns * size <= NEAR


def _filled(
    product: Product,
    target: Target,
    height: int,
    row_tiles: int,
    width: int,
    column_tiles: int,
    by_columns: bool,
) -> Plan:
    lanes = target.lanes(product.kind)
    vectors = -(-product.columns // lanes)
    size = size_of(product.kind)
    row = width * lanes * size
    block, panel = product.inner, product.inner * row
    reread = product.b_column == 1 and row_tiles >= TILES_TO_PACK
    along_rows = _is_along_rows(product)
    if reread and panel > PANEL and not along_rows:
        block = -(-product.inner // -(-panel // PANEL))
    crowded = product.b_inner * size % HALF_PAGE == 0 and panel > WORTH_SPREADING
    large = (panel > WORTH_PACKING or along_rows) and product.rows >= ROWS_TO_PACK
    packed = block < product.inner or (
        reread and product.columns * size > row and (large or crowded)
    )
    return Plan(
        height=height,
        tall=product.rows - row_tiles * (height - 1),
        row_tiles=row_tiles if product.rows else 0,
        width=width,
        column_tiles=column_tiles if product.columns else 0,
        last_width=max(vectors - (column_tiles - 1) * width, 0),
        tail=product.columns % lanes,
        by_columns=by_columns,
        block=block,
        packed=packed,
        packs_rows=(
            product.a_row == 1
            and not by_columns
            and product.inner >= INNER_TO_PACK
            and column_tiles >= TILES_TO_PACK
        ),
        along_rows=along_rows,
    )


def _cost(p: Plan, product: Product, target: Target) -> tuple[float, int]:
    """Return the cycles of the thread with most to do, by a simple model."""
    size = size_of(product.kind)
    along_rows = [(p.height, p.tall), (p.height - 1, p.row_tiles - p.tall)]
    along_columns = [(p.width, p.column_tiles - 1), (p.last_width, min(p.column_tiles, 1))]
    # Rows of A a page apart share the eight or so places that the first cache has for them.
    crowded = product.a_inner == 1 and p.height > 8 and product.a_row * size % PAGE == 0
    panel = product.inner * p.width * target.vector_bytes
    is_near = panel <= FIRST_CACHE and not p.along_rows
    total, text = 0.0, 0
    for height, rows in along_rows:
        for width, columns in along_columns:
            sums = height * width
            if sums * rows * columns == 0:
                continue
            chains = max(1, min(-(-CHAINS // sums), product.inner // 2))
            # What a round of k waits for: the FMAs, the loads, or the FMA that it adds to.
            step = max(sums, 0.75 * (height + width) + 0.5, 4.0 / chains) + 0.5 / chains
            # Loads that come late: the squarer, the fewer. B's are later from the second cache.
            step += 0.15 * (height + width) if is_near else 0.12 * height + 0.24 * width
            # The end of a tile and the start of the next overlap, the less the more sums there are;
            # and less where an element of A is spread into a register of its own, for several
            # vectors, than where it is part of its only FMA. Fitted to measurements.
            end = (3 + 0.25 * sums + 0.06 * sums**2) * (1.8 if width > 1 else 1.0)
            total += rows * columns * (product.inner * step + end)
            text += sums
    if p.packed:
        copied = product.inner * -(-product.columns // target.lanes(product.kind)) * COPY
        total += copied if p.by_columns else copied * product.threads
    pieces = max(p.pieces, 1)
    share = -(-pieces // product.threads) / pieces
    # Each size of tile is a text of its own, that LLVM takes its time for.
    total *= share * (1.1 if crowded else 1.0) * (1.0 + 0.001 * text)
    return total, -p.height  # of equal costs the higher tile: it reads B less often
