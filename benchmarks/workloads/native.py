"""C++ by hand: compile a few lines with the machine's own compiler and load them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

from .case import Skip

COMPILERS = ("g++", "clang++", "c++")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-std=c++17")
"""With -ffast-math: without it g++ calls `exp` for one element at a time, three times slower."""


def build(source: str, *, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Return a library of the source's `extern "C"` functions.

    Raises
    ------
    Skip
        If there is no compiler, or it refuses.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise Skip("no C++ compiler")
    with tempfile.TemporaryDirectory() as name:
        file, library = Path(name, "source.cpp"), Path(name, "library.so")
        file.write_text(source)
        done = subprocess.run(
            [compiler, *flags, str(file), "-o", str(library)], capture_output=True, text=True
        )
        if done.returncode:
            raise Skip(f"{compiler} fails: {done.stderr.strip().splitlines()[0]}")
        return ctypes.CDLL(str(library))
