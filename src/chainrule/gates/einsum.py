"""Einstein summation: one gate for every product that subscripts can say.

The gradient of an operand is an einsum too: the upstream gradient takes the operand's place, and
the operand's subscripts become the output. Three things remain to be put right: an index that only
this operand had was summed away, and is copied back; an index it repeats reads a diagonal, and
comes back through an identity matrix; an axis of length 1 was broadcast, and is summed again.
"""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from .gate import Gate, example
from .rules import permuted, shape_of


def _einsum(*operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands)


def terms_of(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """Return the subscripts of each operand and of the output, in letters only.

    Examples
    --------
    >>> terms_of("ij,jk", [2, 2])
    (['ij', 'jk'], 'ik')
    >>> terms_of("...i,i->...", [3, 1])
    (['abi', 'i'], 'ab')
    """
    given, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    named = given.replace("...", "").replace(",", "")
    free = [letter for letter in string.ascii_letters if letter not in named]
    extra = [n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True)]
    broadcast = "".join(free[: max(extra)])
    if not arrow:  # implicit: what occurs once, in alphabetical order
        output = "..." + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    spelled = [
        term.replace("...", broadcast[len(broadcast) - n :])
        for term, n in zip(terms, extra, strict=True)
    ]
    return spelled, output.replace("...", broadcast)


def _einsum_vjp(index: int, g: Any, out: Any, *operands: Any, subscripts: str) -> Any:
    shapes = [shape_of(operand) for operand in operands]
    terms, output = terms_of(subscripts, [len(shape) for shape in shapes])
    shape, dtype = shapes[index], getattr(operands[index], "dtype", float)
    sizes: dict[str, int] = {}
    for term, lengths in zip(terms, shapes, strict=True):
        for letter, length in zip(term, lengths, strict=True):
            sizes[letter] = max(length, sizes.get(letter, length)) if length else 0
    factors = list(operands)
    factors[index] = g
    spelled = list(terms)
    spelled[index] = output
    mine = ""
    free = iter(c for c in string.ascii_letters if c not in sizes)
    for letter in terms[index]:
        if letter in mine:  # a diagonal: a letter of its own, tied by an identity matrix
            twin = next(free)
            sizes[twin] = sizes[letter]
            factors.append(np.eye(sizes[letter], dtype=dtype))
            spelled.append(letter + twin)
            letter = twin
        mine += letter
    known = set("".join(spelled))
    kept = [letter in known and n == sizes[letter] for letter, n in zip(mine, shape, strict=True)]
    target = "".join(letter for letter, keep in zip(mine, kept, strict=True) if keep)
    if spelled != [target]:
        g = np.einsum(f"{','.join(spelled)}->{target}", *factors)
    if not mine.endswith(target):  # a gap that broadcasting does not fill by itself
        inner = iter(shape_of(g))
        g = np.reshape(g, tuple(next(inner) if keep else 1 for keep in kept))
    return g if shape_of(g) == shape else np.broadcast_to(g, shape)


def _summed(x: Any, term: str, keep: str) -> tuple[Any, str]:
    """Return an operand with the letters that nobody else has summed away."""
    gone = tuple(k for k, letter in enumerate(term) if letter not in keep)
    return (np.sum(x, axis=gone), "".join(c for c in term if c in keep)) if gone else (x, term)


def _pair(x: Any, s: str, y: Any, t: str, keep: str) -> tuple[Any, str]:
    """Return the product of two operands, summed over the letters not kept: one matmul."""
    batch = [c for c in s if c in t and c in keep]
    inner = [c for c in s if c in t and c not in keep]
    left = [c for c in s if c not in t]
    right = [c for c in t if c not in s]
    sizes = dict(zip(s, shape_of(x), strict=True)) | dict(zip(t, shape_of(y), strict=True))

    def size(letters: list[str]) -> int:
        return math.prod(sizes[c] for c in letters)

    lead = tuple(sizes[c] for c in batch)
    x = permuted(x, [s.index(c) for c in batch + left + inner])
    y = permuted(y, [t.index(c) for c in batch + inner + right])
    x = np.reshape(x, (*lead, size(left), size(inner)))
    y = np.reshape(y, (*lead, size(inner), size(right)))
    letters = "".join(batch + left + right)
    return np.reshape(x @ y, tuple(sizes[c] for c in letters)), letters


def _einsum_of_matmul(*operands: Any, subscripts: str) -> Any:
    shapes = [shape_of(operand) for operand in operands]
    terms, output = terms_of(subscripts, [len(shape) for shape in shapes])
    lengths: dict[str, set[int]] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, length in zip(term, shape, strict=True):
            lengths.setdefault(letter, set()).add(length)
    if any(len(set(t)) < len(t) for t in terms) or any(
        len(found) > 1 for found in lengths.values()
    ):
        return NotImplemented  # diagonals, and axes of length 1 that are broadcast
    x, s = _summed(operands[0], terms[0], output + "".join(terms[1:]))
    for k in range(1, len(operands)):
        later = output + "".join(terms[k + 1 :])
        y, t = _summed(operands[k], terms[k], later + s)
        x, s = _summed(x, s, later + t)
        x, s = _pair(x, s, y, t, later)
    return permuted(x, [s.index(c) for c in output])


EINSUM = Gate(
    name="einsum",
    forward=_einsum,
    expand=_einsum_of_matmul,
    symbol="Σ",
    code=lambda subscripts: f"np.einsum({subscripts!r}, {{*}})",
    words="multiplies {*} and sums over shared indices",
    why="an entry is a sum of products: the slope along each factor is the product of the others",
    vjp=_einsum_vjp,
    pattern="products",
    is_view=True,
    examples=(
        example((2, 3), (3, 4), subscripts="ij,jk->ik"),
        example((2, 3), (3, 4), subscripts="ij,jk"),
        example((2, 3), subscripts="ba"),
        example((2, 3), subscripts="ij->ji"),
        example((2, 3), subscripts="ij->j"),
        example((2, 3), subscripts="ij->i"),
        example((2, 3), subscripts="ij->"),
        example((3, 3), subscripts="ii->i"),
        example((3, 3), subscripts="ii"),
        example((2, 3, 2), subscripts="iji->j"),
        example((3, 3, 3), subscripts="iii->i"),
        example((3, 3), (3,), subscripts="ii,i->i"),
        example((3,), (3,), subscripts="i,i"),
        example((2,), (3,), subscripts="i,j->ij"),
        example((2, 3), (4,), subscripts="ij,k->ik"),
        example((2, 3), (3, 2), (2, 2), subscripts="ij,jk,kl->il"),
        example((4, 2, 3), (4, 3, 2), subscripts="...ij,...jk->...ik"),
        example((4, 2, 3), (3, 2), subscripts="...ij,...jk"),
        example((2, 4, 3), (4, 3), subscripts="...i,...i->..."),
        example((1, 4, 3), (2, 1, 3), subscripts="...i,...i->..."),
        example((2, 3), (), subscripts="ij,->ij"),
        example((1, 3), (2, 3), subscripts="ij,ij->j"),
        example((2, 0), (0, 3), subscripts="ij,jk->ik"),
        example((2, 3), (2, 3), subscripts=" i j , i j -> i "),
    ),
)
