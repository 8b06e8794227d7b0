"""Handwritten digits for the workloads: MNIST from a folder, or made-up ones of the same shape.

The folder is $CHAINRULE_DATA, or its `mnist`; it holds the IDX files, gzipped. The time of a step
does not hang on what the pixels show.
"""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np

FILES = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
PIXELS, CLASSES = 784, 10
SHUFFLE = 1
"""The seed of the one order in which all contenders see the examples."""


def idx(path: Path) -> np.ndarray:
    """Return the array of bytes in a gzipped IDX file."""
    with gzip.open(path) as file:
        _, kind, dimensions = struct.unpack(">HBB", file.read(4))
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        assert kind == 8, f"{path} does not hold bytes"
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def mnist() -> Path | None:
    """Return the folder of the files, if there is one."""
    folder = Path(os.environ.get("CHAINRULE_DATA", "."))
    for place in (folder, folder / "mnist"):
        if all((place / name).is_file() for name in FILES):
            return place
    return None


def digits(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as float32 in [0, 1], a row each, and the labels as float32 one-hots."""
    folder = mnist()
    if folder is not None:
        images, labels = (idx(folder / name)[:count] for name in FILES)
    else:  # a blot of its own for each class, under noise, a fifth of the pixels inked
        labels = generator.integers(0, CLASSES, count)
        blots = generator.random((CLASSES, PIXELS)) < 0.2
        noise = generator.integers(0, 256, (count, PIXELS), np.uint8)
        images = np.where(blots[labels], noise, 0)
    x = images.reshape(count, PIXELS).astype(np.float32) / np.float32(255)
    return x, np.eye(CLASSES, dtype=np.float32)[labels]


def shuffled(count: int) -> np.ndarray:
    """Return the order that `cr.fit(..., seed=SHUFFLE)` has in its first epoch."""
    return np.random.default_rng(SHUFFLE).permutation(np.arange(count))
