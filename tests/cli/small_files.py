"""Small files to learn from."""

import gzip

import numpy as np

import chainrule as cr
from tests.cli.support import invoke
from tests.data.test_idx import idx

KINDS = ("cat", "dog", "eel")


def blobs(n=60, seed=0):
    """Return points around three centres, and which centre."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.normal(size=(3, 2))[y] * 3 + 0.3 * rng.normal(size=(n, 2)), y


def write_csv(path, columns, rows):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_files(folder):
    """Write pets.csv, whose kinds are words, prices.csv, shapes.npz and a small MNIST."""
    x, y = blobs()
    rows = [[*map(float, one), KINDS[k]] for one, k in zip(x.round(3), y, strict=True)]
    write_csv(folder / "pets.csv", ["length", "width", "kind"], rows)
    write_csv(folder / "new.csv", ["width", "length"], [[row[1], row[0]] for row in rows[:6]])
    prices = [[*row[:2], round(1000 * row[0] - 500 * row[1] + 2e5, 1)] for row in rows]
    write_csv(folder / "prices.csv", ["length", "width", "price"], prices)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(folder / "shapes.npz", x=images, y=np.arange(60) % 3, weights=rng.normal(size=60))
    (folder / "data" / "mnist").mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 10)):
        pixels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for name, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            packed = gzip.compress(idx(0x08, array.shape, array.tobytes()))
            (folder / "data" / "mnist" / f"{part}-{name}-ubyte.gz").write_bytes(packed)


def train(*args, source="pets.csv", **options):
    """Train a tiny network in this process, in two epochs."""
    small = ["--machine", "interpret", "--epochs", 2, "-q"]
    if "--hidden" not in args and "--layers" not in args:
        small += ["--hidden", 4]
    return invoke("train", source, *small, *args, **options)


def saved(path):
    """Return the network of a file."""
    return cr.Network.load(path)
