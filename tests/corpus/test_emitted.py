"""The emitted modules and listings of the corpus, in a process that has NumPy and nothing else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr

from .program import Program
from .programs import PROGRAMS
from .support import arguments, assert_near, leaves, tolerance

IDS = [f"{k}-{p.name}" for k, p in enumerate(PROGRAMS)]
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

RUNNER = """
import os, pickle, sys, warnings
here = sys.argv[1]
sys.path.insert(0, os.path.join(here, "only"))
import numpy as np
np.seterr(all="ignore")
warnings.simplefilter("ignore", SyntaxWarning)
try:
    import chainrule
except ImportError:
    pass
else:
    sys.exit("chainrule can be imported: the process is not bare")

def leaves(value):
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]

with open(os.path.join(here, "tasks.pickle"), "rb") as file:
    tasks = pickle.load(file)
found = []
for module, listing, args, names in tasks:
    try:
        space = {"__name__": "emitted"}
        exec(compile(module, "module.py", "exec"), space)
        value, gradients = space["forward_backward"](*args)
        script = {}
        exec(compile(listing, "listing.py", "exec"), script)
        slopes = {name: script["d" + name] for name in names if "d" + name in script}
        found.append((value, leaves(gradients), slopes))
    except Exception as error:
        found.append(repr(error))
assert "chainrule" not in sys.modules
with open(os.path.join(here, "found.pickle"), "wb") as file:
    pickle.dump(found, file)
"""


def bare(value: Any) -> Any:
    """Return the same containers without our own classes: named tuples become namespaces."""
    if hasattr(value, "_fields"):
        return SimpleNamespace(**{k: bare(v) for k, v in zip(value._fields, value, strict=True)})
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(bare(v) for v in value)
    return value


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, Any]]:
    """Run everything in one process; return (circuit, what was found) for each program."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "only").mkdir()
    packages = os.path.dirname(os.path.dirname(np.__file__))
    for name in ("numpy", "numpy.libs"):
        if os.path.exists(os.path.join(packages, name)):
            (folder / "only" / name).symlink_to(os.path.join(packages, name))
    circuits, tasks = [], []
    for program in PROGRAMS:
        c = cr.trace(program.function, *program.args, **program.keywords)
        args = [bare(a) for a in arguments(c, program.args, program.keywords)]
        names = [name for name in c.wires if f"d{name}" not in c.wires]
        circuits.append(c)
        tasks.append((c.code(), c.code("listing"), args, names))
    (folder / "tasks.pickle").write_bytes(pickle.dumps(tasks))
    (folder / "run.py").write_text(RUNNER)
    command = [sys.executable, "-S", "-I", str(folder / "run.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = pickle.loads((folder / "found.pickle").read_bytes())
    return list(zip(circuits, found, strict=True))


@pytest.mark.parametrize(("number", "program"), list(enumerate(PROGRAMS)), ids=IDS)
def test_emitted_code_stands_alone(emitted: list[Any], number: int, program: Program):
    circuit, found = emitted[number]
    assert not isinstance(found, str), f"{found}\n{circuit.code()}\n{circuit.code('listing')}"
    value, gradients, slopes = found
    rtol = tolerance(program)
    assert_near(value, circuit.value, rtol, "value")
    for one, two in zip(gradients, leaves(circuit.gradients), strict=True):
        assert (one is None) == (two is None)
        if two is not None:
            assert np.shape(one) == np.shape(two)
            # A Python float's gradient may be a NumPy number where arrays are about.
            assert getattr(one, "dtype", None) == getattr(two, "dtype", getattr(one, "dtype", None))
            assert_near(one, two, rtol, "gradient")
    inputs = [circuit.names[row] for row in circuit.inputs if row not in circuit.outputs]
    for name in inputs:
        moves = np.any(circuit[name].gradient if circuit[name].gradient is not None else 0)
        assert name in slopes or not moves or f"d{name}" in circuit.wires
    for name, slope in slopes.items():
        gradient = circuit[name].gradient
        assert gradient is not None, f"d{name} = {slope}, but {name} has no gradient"
        assert_near(slope, gradient, rtol, f"d{name} of the listing")


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_emitted_code_reads_well(program: Program):
    c = cr.trace(program.function, *program.args, **program.keywords)
    for text in (c.code(), c.code("listing")):
        assert "chainrule" not in text.replace("written by chainrule", "")
        assert all(line == line.rstrip() for line in text.split("\n"))
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert text.isascii()
    assert c.code() == c.code()  # the same text each time
