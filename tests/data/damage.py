"""Files damaged at random, for the tests of everything that reads files from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

COUNT = int(os.environ.get("CHAINRULE_FUZZ", "2500"))
"""How many damaged files each test tries; of checkpoints, IDX, gzip and CSV 10,000 in all."""


def damaged(data: bytes, seed: int = 0, count: int = COUNT) -> Iterator[bytes]:
    """Yield files that differ from this one: cut, changed, lengthened, put together anew."""
    random = Random(seed)
    kinds = (_cut, _flipped, _flipped, _overwritten, _without, _with, _zeroed, _doubled, _moved)
    made = 0
    while made < count:
        new = random.choice(kinds)(data, random)
        if random.random() < 0.2:  # twice
            new = random.choice(kinds)(new, random)
        if new != data:
            made += 1
            yield new


def _place(data: bytes, random: Random) -> int:
    # Often near the start: that is where the headers are.
    end = len(data) if random.random() < 0.5 else min(len(data), 64)
    return random.randrange(end + 1)


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _flipped(data: bytes, random: Random) -> bytes:
    new = bytearray(data or b"\0")
    new[min(_place(data, random), len(new) - 1)] ^= 1 << random.randrange(8)
    return bytes(new)


def _overwritten(data: bytes, random: Random) -> bytes:
    k, value = _place(data, random), random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
    n = random.choice([1, 2, 4, 8])
    return data[:k] + bytes([value]) * min(n, len(data) - k) + data[k + n :]


def _without(data: bytes, random: Random) -> bytes:
    k = _place(data, random)
    return data[:k] + data[k + random.choice([1, 1, 2, 8, 64]) :]


def _with(data: bytes, random: Random) -> bytes:
    k = _place(data, random)
    return data[:k] + random.randbytes(random.choice([1, 1, 2, 8, 64])) + data[k:]


def _zeroed(data: bytes, random: Random) -> bytes:
    k, n = _place(data, random), random.choice([8, 64, 512])
    return data[:k] + bytes(len(data[k : k + n])) + data[k + n :]


def _doubled(data: bytes, random: Random) -> bytes:
    k, n = _place(data, random), random.choice([1, 8, 64, 1 << 20])
    return data[: k + n] + data[k : k + n] + data[k + n :]


def _moved(data: bytes, random: Random) -> bytes:
    k, n, to = _place(data, random), random.choice([1, 8, 64]), _place(data, random)
    piece, rest = data[k : k + n], data[:k] + data[k + n :]
    return rest[:to] + piece + rest[to:]
