"""kill -9 while a checkpoint is saved leaves the one before or the new one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("CHAINRULE_KILLS", "200"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX's")


def test_killing_at_any_moment_leaves_a_whole_file(tmp_path):
    script = Path(__file__).with_name("killed_while_saving.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(KILLS)],
        capture_output=True,
        text=True,
        timeout=60 + KILLS,
        # BLAS in one thread: a process with several is no good to fork.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    kills, moved = map(int, re.findall(r"\d+", done.stdout))
    assert kills == KILLS
    assert moved > 0  # or it would have been killed before it ever did anything
