"""Random numbers from a key and a counter: the same on every machine, to the bit.

There is no state: number k of an array is a function of the key and of k, so that it does not
matter which machine, vector or thread works it out, nor in which order. The function is
Threefry-2x32 with 20 rounds: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as
easy as 1, 2, 3" (2011), section 4.2 and table 2; it passes the test batteries of TestU01 with 13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .gate import Gate, example
from .rules import call

DTYPES = ("float32", "float64", "int32")


# Emitted modules carry the source of this function, which needs nothing but np.
def _random_uniform(key: Any, *, shape: Any, dtype: str = "float64") -> Any:
    """Return numbers in [0, 1), or of int32 any, from the two 32-bit words of a key."""
    count = int(np.prod(shape, dtype=np.int64))
    # A double takes both words of a block; others take a word each, all the first ones first.
    blocks = count if dtype == "float64" else (count + 1) // 2
    counter = np.arange(blocks, dtype=np.uint64)
    first, second = counter.astype(np.uint32), (counter >> np.uint64(32)).astype(np.uint32)
    words = np.asarray(key).astype(np.uint32).reshape(2, 1)
    parity = np.uint32(0x1BD11BDA)
    keys = (words[0], words[1], words[0] ^ words[1] ^ parity)
    first, second = first + keys[0], second + keys[1]
    for group in range(1, 6):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[(group - 1) % 2]:
            first = first + second
            second = ((second << np.uint32(turn)) | (second >> np.uint32(32 - turn))) ^ first
        first = first + keys[group % 3]
        second = second + keys[(group + 1) % 3] + np.uint32(group)
    if dtype == "float64":  # 53 bits: 27 of one word, 26 of the other
        high, low = first >> np.uint32(5), second >> np.uint32(6)
        drawn = (high * 67108864.0 + low) * 2.0**-53
    else:
        drawn = np.concatenate([first, second])[:count]
        if dtype == "int32":
            drawn = drawn.view(np.int32)
        else:
            drawn = (drawn >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return drawn.reshape(shape)[()]


_KEY = np.array([1, -2], np.int32)

RANDOM: tuple[Gate, ...] = (
    Gate(
        name="random_uniform",
        forward=_random_uniform,
        symbol="rnd",
        code=call("random_uniform", "{0}", dtype="float64"),
        words="draws random numbers from the key {0}",
        why="another key gives other numbers altogether: there is no slope",
        pattern="stops",
        analytic=False,
        examples=(
            example((2,), values=(_KEY,), shape=(2, 3)),
            example((2,), values=(_KEY,), shape=(5,), dtype="float32"),
            example((2,), values=(_KEY,), shape=(2, 2), dtype="int32"),
            example((2,), values=(_KEY,), shape=(0, 2), dtype="float32"),
            example((2,), values=(_KEY,), shape=()),
        ),
    ),
)
