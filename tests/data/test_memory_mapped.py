"""Data larger than memory: a memory-mapped file goes through `fit` without being read into memory.

On Linux a limit on a process's own memory leaves out the pages of mapped files: under one that is
a quarter of the data, no copy of it can be made.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import chainrule as cr


def cost(w, x, y):
    return np.mean((x @ w - y) ** 2)


@pytest.mark.parametrize("machine", ["native", "staged"])
def test_it_trains_as_the_same_data_in_memory(tmp_path, machine):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 3)), random.normal(size=60)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    results = [
        cr.fit(cost, np.zeros(3), (data, y), epochs=3, batch_size=8, seed=0, machine=machine)
        for data in (mapped, x)
    ]
    np.testing.assert_array_equal(results[0].parameters, results[1].parameters)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)


ROWS, COLUMNS = 20_000, 4096
SCRIPT = """
    import resource, sys
    import numpy as np
    import chainrule as cr

    def cost(w, x, y):
        return np.mean((x @ w - y) ** 2)

    def train(x, **options):
        y = np.zeros(len(x), np.float32)
        return cr.fit(cost, np.zeros(x.shape[1], np.float32), (x, y), threads=1, **options)

    given = np.load(sys.argv[1], mmap_mode="r")
    HOW
    train(x[:256] if isinstance(x, np.ndarray) else cr.data.convert(given[:256], "f4"), **options)
    with open("/proc/self/status") as file:
        own = next(int(line.split()[1]) for line in file if line.startswith("VmData"))
    most = own * 1024 + ROOM
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    train(x, **options)
    try:
        np.array(given)
    except MemoryError:
        print("the limit holds")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit elsewhere")
@pytest.mark.parametrize(
    ("dtype", "how"),
    [
        ("f4", "x, options = given, {'batch_size': 64}"),
        ("f4", "x, options = given[::-2, 1000:3000], {'batch_size': 64}"),  # rows lie apart
        ("u1", "x, options = cr.data.convert(given, 'f4', divisor=255), {'batch_size': 64}"),
        ("u1", "x, options = cr.data.convert(given, 'f4'), {'batch_size': 64, 'shuffle': False}"),
    ],
)
def test_it_is_not_copied_into_memory(tmp_path, dtype, how):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=dtype, shape=(ROWS, COLUMNS))
    x[::500] = 1  # most of the file is a hole
    x.flush()
    script = textwrap.dedent(SCRIPT).replace("HOW", how).replace("ROOM", str(x.nbytes // 3))
    (tmp_path / "train.py").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "train.py", tmp_path / "x.npy"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the limit holds\n"
