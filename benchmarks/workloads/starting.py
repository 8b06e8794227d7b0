"""What the first epoch of W4 costs more than later ones: tracing, compiling, loading.

Each figure is of a fresh process; importing the library is not in it, and has a column of its own.
"""

from __future__ import annotations

from dataclasses import replace

from . import epoch
from .case import Aim, Case, Contender, Workload

COLD, CACHED = "chainrule, nothing cached", "chainrule, from the cache"

WORKLOAD = Workload(
    "start",
    "what the first epoch of W4 costs more than later ones, in a fresh process",
    (
        Case(
            "start",
            epoch.draw,
            (
                Contender(COLD, epoch.ours, ("chainrule",), "ours"),
                Contender(CACHED, epoch.ours, ("chainrule",), "ours", cache="kept"),
                epoch.JAX,
                epoch.NUMBA,
                replace(epoch.NUMPY, kind="limit"),  # it compiles nothing
            ),
            reference=epoch.NUMPY.name,
            tolerance=epoch.TOLERANCE,
            aims=(Aim(0.5, "", COLD), Aim(0.1, "", CACHED)),
            fresh=True,
        ),
    ),
)
