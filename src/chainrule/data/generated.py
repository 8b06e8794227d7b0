"""Point sets that no straight line separates: moons, circles, spirals, XOR.

Each has two numbers a row, so that what a network makes of them can be drawn. The arguments are
named and used as in scikit-learn's `make_moons`; the rows come shuffled, so that a slice of them
has some of each class.
"""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float64], NDArray[np.int64]]
Seed = int | np.random.Generator | None


def moons(n: int = 100, noise: float = 0.1, seed: Seed = None) -> Points:
    """Return two half circles that reach into each other.

    Parameters
    ----------
    n : int
        How many points; half of them of each class.
    noise : float
        Standard deviation of what is added to each coordinate; the half circles have radius 1.
    seed : int, numpy.random.Generator or None
        The same seed gives the same points.

    Returns
    -------
    x : ndarray of float64, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        Their classes: 0 for the upper moon, 1 for the lower one.

    Examples
    --------
    >>> x, y = moons(200, seed=0)
    >>> x.shape, np.bincount(y).tolist()
    ((200, 2), [100, 100])
    """
    first, second = _halves(n)
    upper, lower = np.linspace(0, np.pi, first), np.linspace(0, np.pi, second)
    x = np.concatenate(
        [
            np.column_stack([np.cos(upper), np.sin(upper)]),
            np.column_stack([1 - np.cos(lower), 0.5 - np.sin(lower)]),
        ]
    )
    return _made(x, np.repeat([0, 1], [first, second]), noise, seed)


def circles(n: int = 100, noise: float = 0.05, seed: Seed = None, factor: float = 0.5) -> Points:
    """Return a circle in a circle.

    Parameters
    ----------
    n : int
        How many points; half of them of each class.
    noise : float
        Standard deviation of what is added to each coordinate; the outer circle has radius 1.
    seed : int, numpy.random.Generator or None
        The same seed gives the same points.
    factor : float
        Radius of the inner circle, from 0 to below 1.

    Returns
    -------
    x : ndarray of float64, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        Their classes: 0 for the outer circle, 1 for the inner one.
    """
    if not 0 <= factor < 1:
        raise ValueError(f"factor is a part of the outer radius, from 0 to below 1, not {factor!r}")
    first, second = _halves(n)
    # Not both ends: 0 and 2π are one point.
    outer = np.linspace(0, 2 * np.pi, first, endpoint=False)
    inner = np.linspace(0, 2 * np.pi, second, endpoint=False)
    x = np.concatenate(
        [
            np.column_stack([np.cos(outer), np.sin(outer)]),
            factor * np.column_stack([np.cos(inner), np.sin(inner)]),
        ]
    )
    return _made(x, np.repeat([0, 1], [first, second]), noise, seed)


def spirals(n: int = 200, noise: float = 0.02, seed: Seed = None, turns: float = 1.5) -> Points:
    """Return two spirals that wind around each other.

    Parameters
    ----------
    n : int
        How many points; half of them of each class.
    noise : float
        Standard deviation of what is added to each coordinate; the spirals end at radius 1.
    seed : int, numpy.random.Generator or None
        The same seed gives the same points.
    turns : float
        How often each goes round; > 0. Three make it hard.

    Returns
    -------
    x : ndarray of float64, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        Their classes. Class 1 is class 0 turned by half a circle.

    Notes
    -----
    After K. J. Lang and M. J. Witbrock, "Learning to tell two spirals apart" (1988): radius in
    proportion to the angle.
    """
    if not turns > 0:
        raise ValueError(f"turns must be above 0, not {turns!r}")
    arms = []
    for count, sign in zip(_halves(n), (1.0, -1.0), strict=True):
        radius = np.linspace(0.1, 1, count)  # from 0 on they would meet in the middle
        angle = 2 * np.pi * turns * radius
        arms.append(sign * radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    return _made(np.concatenate(arms), np.repeat([0, 1], _halves(n)), noise, seed)


def xor(n: int = 4, noise: float = 0.0, seed: Seed = None) -> Points:
    """Return the table of the exclusive or, or clouds of points around its four rows.

    Parameters
    ----------
    n : int
        How many points. They take the rows (0, 0), (0, 1), (1, 0), (1, 1) in turn, unshuffled.
    noise : float
        Standard deviation of what is added to each coordinate.
    seed : int, numpy.random.Generator or None
        The same seed gives the same points.

    Returns
    -------
    x : ndarray of float64, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        1 where one of the two is 1, 0 where none or both are.

    Examples
    --------
    >>> x, y = xor()
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    k = np.arange(_count(n)) % 4
    x = np.column_stack([k >> 1, k & 1]).astype(np.float64)
    return _noisy(x, noise, np.random.default_rng(seed)), (k >> 1) ^ (k & 1)


def _halves(n: int) -> tuple[int, int]:
    n = _count(n)
    return n // 2, n - n // 2


def _count(n: int) -> int:
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"n is a number of points, not {n!r} ({type(n).__name__})") from None
    if n < 2:
        raise ValueError(f"n must be at least 2, a point of each class, not {n}")
    return n


def _noisy(
    x: NDArray[np.float64], noise: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise is a standard deviation, 0 or more, not {noise!r}")
    return x + generator.normal(scale=noise, size=x.shape) if noise else x


def _made(x: NDArray[np.float64], y: NDArray[np.int64], noise: float, seed: Seed) -> Points:
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(y))
    return _noisy(x[order], noise, generator), y[order]
