"""Ways to run the command line: in this process, and as a real one."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

import chainrule
from chainrule.cli.main import chainrule as group

SOURCE = str(Path(chainrule.__file__).resolve().parent.parent)
COMMAND = [sys.executable, "-m", "chainrule"]

NEURON = """\
import numpy as np
import math
import side

CONSTANT = 3.0

def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1.0 / (1.0 + math.exp(-dot))
    return f

def power(x, n: int = 2, *, scale=1.0):
    print("in power")
    return scale * x ** n

def picky(x, flag: bool, label: "str"):
    return x if flag and label == "a b" else -x

def any_names(**names):
    return names["p"] * names["q"]

def broken(x):
    y = x * 2
    return y / nothing

def lost(x):
    return math.floor(x) * 2.0

def doubled(x):
    return x * 2

def imported(x):
    import later
    return later.square(x)

class Thing:
    pass
"""


def write_files(folder):
    """Write a user's files into a folder."""
    (folder / "demo.py").write_text('print("importing")\n' + NEURON)
    (folder / "side.py").write_text("")
    (folder / "later.py").write_text("def square(x):\n    return x * x\n")
    (folder / "syntax.py").write_text("def f(x):\n    return x +\n")
    (folder / "name.py").write_text("import numpy as np\n\nvalue = undefined\n")
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")


def invoke(*args, **options):
    """Run a command in this process."""
    return CliRunner().invoke(group, [str(a) for a in args], prog_name="chainrule", **options)


def environment(**changes):
    """Return the environment of a real process without anything that says how to colour."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | {"PYTHONPATH": SOURCE, "PYTHONIOENCODING": "utf-8"} | changes


def run(*args, stdin="", folder=None, **changes):
    """Run a command as a real process."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env=environment(**changes),
        timeout=60,
    )
