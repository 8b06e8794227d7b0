"""Code from the disk is only taken with a table like the one it was emitted with.

Which of the objects that code looks at are one and the same differs from process to process: keys
of dicts out of a file, numbers that happen to be cached. Reading a longer table than there is would
end the process.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

KEYS = """
import json, sys
import numpy as np, chainrule as cr
key = "weights"
one, two = key, key
if sys.argv[1] == "apart":
    one, two = json.loads('"weights"'), json.loads('["weights"]')[0]
rng = np.random.default_rng(0)
p = [{one: rng.random((300, 64))}, {two: rng.random((64, 10))}]
f = cr.compile(lambda p, x: np.maximum(x @ p[0]["weights"], 0.0) @ p[1]["weights"])
x = rng.random((5, 300))
expected = x @ p[0]["weights"] @ p[1]["weights"]
for _ in range(2):
    np.testing.assert_allclose(f(p, x), expected, rtol=1e-12)
"""

# Of three numbers two are the same object, and it differs which.
STATICS = """
import sys
import numpy as np, chainrule as cr
a, b = int("1000"), int("1000")
n, m, k = {"apart": (a, b, b), "shared": (a, a, b)}[sys.argv[1]]
f = cr.compile(lambda x, n, m, k: np.tanh(x * n + m - k))
x = np.arange(50.0)
for _ in range(2):
    np.testing.assert_allclose(f(x, n, m, k), np.tanh(x * 1000.0), rtol=1e-12)
try:
    wrong = f(x, n, m, 7)
except Exception as error:
    sys.exit(repr(error))
np.testing.assert_allclose(wrong, np.tanh(x * 1000.0 + 993.0), rtol=1e-12)
"""


@pytest.mark.parametrize("program", [KEYS, STATICS])
@pytest.mark.parametrize("runs", ["apart shared shared", "shared apart apart"])
def test_other_identities_in_the_next_process(program, runs, tmp_path):
    environment = os.environ | {"CHAINRULE_CACHE": str(tmp_path)}
    for how in runs.split():
        done = subprocess.run(
            [sys.executable, "-c", program, how], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (how, done.returncode, done.stderr[-800:])
