"""Workloads for the tests of the harness: contenders that are right, wrong, late or not there."""

import os
import sys
import time

import numpy as np

from benchmarks.workloads.case import Aim, Case, Contender, Run, Skip, Workload


def draw(generator, quick):
    return {"x": generator.normal(size=5 if quick else 50)}


def right(inputs):
    return Run(lambda x: (x * x, {"sum": x.sum()}), (inputs["x"],))


def rounded(inputs):
    return Run(lambda x: (x * x * (1 + 1e-12), [x.sum()]), (inputs["x"],))


def wrong(inputs):
    return Run(lambda x: (x * x, x.sum() + 1e-3), (inputs["x"],))


def nan(inputs):
    return Run(lambda x: (x * x, np.nan), (inputs["x"],))


def other_shape(inputs):
    return Run(lambda x: (x * x, x[:1]), (inputs["x"],))


def skipped(inputs):
    raise Skip("not today")


def broken(inputs):
    print("to stdout, where it must not disturb the answers")
    raise RuntimeError("cannot do that")


def leaves(inputs):
    return Run(lambda: sys.exit(3))


def twice(inputs):
    """Do the work twice in a call; its results are those of once."""

    def run(x, times=2):
        time.sleep(0.004 * times)
        return x * x * times, x.sum() * times

    return Run(run, (inputs["x"],), times=2, once=lambda x: run(x, 1))


def surroundings(inputs):
    """Return what the process was given instead of results."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return Run(lambda: [cores, int(os.environ["OMP_NUM_THREADS"])])


def only_threads(inputs):
    return Run(lambda: [1, 1])


WORKLOADS = (
    Workload(
        "P",
        "a planted workload",
        (
            Case(
                "P all",
                draw,
                (
                    Contender("chainrule", rounded, ("numpy",), "ours"),
                    Contender("right", right),
                    Contender("wrong", wrong),
                    Contender("nan", nan),
                    Contender("other shape", other_shape),
                    Contender("skipped", skipped),
                    Contender("absent", right, ("no_such_module",)),
                    Contender("broken", broken),
                    Contender("leaves", leaves),
                    Contender("limit", right, kind="limit", not_compared="a limit"),
                ),
                reference="right",
                tolerance=1e-9,
                aims=(Aim(1e6, "right"), Aim(0.0), Aim(1.0, "absent"), Aim(60.0, "")),
            ),
        ),
    ),
    Workload(
        "S",
        "once, twice, and from the start",
        (
            Case(
                "S",
                draw,
                (Contender("chainrule", twice, (), "ours"), Contender("right", right)),
                reference="right",
                tolerance=1e-9,
            ),
            Case(
                "S start",
                draw,
                (Contender("chainrule", twice, (), "ours"), Contender("right", right)),
                reference="right",
                tolerance=1e-9,
                aims=(Aim(60.0, ""),),
                fresh=True,
            ),
            Case(
                "S one core",
                draw,
                (
                    Contender("chainrule", surroundings, (), "ours"),
                    Contender("right", only_threads),
                ),
                reference="right",
                tolerance=0.0,
            ),
        ),
    ),
)
