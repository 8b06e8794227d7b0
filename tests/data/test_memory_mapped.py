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


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit elsewhere")
def test_it_is_not_copied_into_memory(tmp_path):
    script = """
        import resource, sys
        import numpy as np
        import chainrule as cr

        def cost(w, x, y):
            return np.mean((x @ w - y) ** 2)

        def train(x):
            y = np.zeros(len(x))
            return cr.fit(cost, np.zeros(512), (x, y), epochs=1, batch_size=64, threads=1)

        x = np.load(sys.argv[1], mmap_mode="r")
        train(x[:256])  # compiles
        with open("/proc/self/status") as file:
            own = next(int(line.split()[1]) for line in file if line.startswith("VmData"))
        most = own * 1024 + x.nbytes // 4
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        train(x)
        try:
            x + 0.0
        except MemoryError:
            print("the limit holds")
    """
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=float, shape=(20_000, 512))
    x[::500] = 1.0  # most of the file is a hole
    x.flush()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "x.npy")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the limit holds\n"
