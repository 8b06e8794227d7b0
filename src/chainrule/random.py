"""Random numbers inside functions that are traced and compiled: from keys, not from a generator.

NumPy's generators have a state, which a compiled step cannot move: what they draw while a function
is traced would be drawn once and for all. A key is a small array that goes through the step like
any other: it says all that its numbers will be, the same to the bit on every machine and with any
number of threads. A key is used once; `random_split` makes new ones of it::

    following, key = random_split(key)
    noise = random_uniform(key, x.shape, "float32")
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError
from .gates import GATES
from .gates.random import DTYPES
from .tracing.sites import here

Array = np.ndarray[Any, Any]


def random_key(seed: int | np.random.Generator | None = None) -> Array:
    """Return a key to begin with: an int32 array of shape (2,).

    Parameters
    ----------
    seed : int or numpy.random.Generator, optional
        Equal ints give equal keys; a generator is asked for the key; None gives a new one each
        time.

    Examples
    --------
    >>> bool(np.all(random_key(3) == random_key(3)))
    True
    """
    if isinstance(seed, np.random.Generator):
        return seed.integers(-(2**31), 2**31, size=2, dtype=np.int32)
    return np.random.SeedSequence(seed).generate_state(2, np.uint32).view(np.int32)


def random_split(key: Any, count: int = 2) -> Any:
    """Return new keys made of one, which is not to be used any more.

    Parameters
    ----------
    key : int32 array, shape (2,)
        From `random_key` or from an earlier split.
    count : int
        How many keys to make.

    Returns
    -------
    int32 array, shape (count, 2)
        A key in each row.

    Raises
    ------
    ShapeError, DtypeError
        If the key is none.
    """
    return _drawn(key, (operator.index(count), 2), "int32")


def random_uniform(key: Any, shape: int | tuple[int, ...] = (), dtype: Any = "float64") -> Any:
    """Return uniform random numbers from 0 to below 1.

    Parameters
    ----------
    key : int32 array, shape (2,)
        From `random_key` or `random_split`; the same key gives the same numbers.
    shape : int or tuple of int
        How many are drawn.
    dtype : dtype
        float64 (multiples of 2⁻⁵³), float32 (multiples of 2⁻²⁴), or int32: then any 32 bits.

    Returns
    -------
    array
        The numbers. The gradient does not go through them to the key.

    Raises
    ------
    ShapeError
        If the key has not shape (2,).
    DtypeError
        If the key holds no whole numbers, or there are no numbers of this dtype.

    Notes
    -----
    Threefry-2x32 with 20 rounds: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
    (2011). JAX's keys are made of the same function.

    Examples
    --------
    >>> key = random_key(0)
    >>> u = random_uniform(key, 1000)
    >>> bool(0.0 <= u.min() and u.max() < 1.0), u.shape
    (True, (1000,))
    """
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return _drawn(key, tuple(operator.index(n) for n in sizes), np.dtype(dtype).name)


def _drawn(key: Any, shape: tuple[int, ...], dtype: str) -> Any:
    key = key if hasattr(key, "__gate__") else np.asarray(key)
    if key.shape != (2,):
        raise ShapeError(
            f"{here()}a random key has shape (2,), not {key.shape}. Make one by random_key(seed), "
            "and several out of one with random_split(key, count)."
        )
    if key.dtype.kind not in "iu":
        raise DtypeError(
            f"{here()}a random key holds whole numbers, not {key.dtype}. Make one with "
            "random_key(seed)."
        )
    if dtype not in DTYPES:
        raise DtypeError(
            f"{here()}random numbers are {', '.join(DTYPES)}, not {dtype}: draw float32 and cast."
        )
    return GATES["random_uniform"](key, shape=shape, dtype=dtype)
