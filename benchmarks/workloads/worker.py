"""The process of one contender: prepares, hands in its results, then times rounds when asked to.

It reads one word a line on stdin and answers each with a line of JSON. Whatever a peer prints goes
to stderr. The environment that limits threads is set by `harness`, before anything is imported.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import timeit
from typing import Any

import numpy as np

from .case import Case, Contender, Run, Skip, leaves


def find(table: str, case: str, contender: str) -> tuple[Case, Contender]:
    """Return a case and a contender by name, from the module that lists the workloads."""
    for workload in importlib.import_module(table).WORKLOADS:
        for one in workload.cases:
            if one.name == case:
                return one, next(c for c in one.contenders if c.name == contender)
    raise LookupError(case)


def prepare(case: Case, contender: Contender, inputs: str, results: str) -> tuple[Run, Any]:
    """Run once; write the results to a file; return what took how long, in seconds."""
    with np.load(inputs) as file:
        arrays = dict(file)
    start = time.perf_counter()
    for module in contender.needs:
        importlib.import_module(module)
    imported = time.perf_counter()
    if "torch" in contender.needs:
        sys.modules["torch"].set_num_threads(case.threads)
    run = contender.prepare(arrays)
    ready = time.perf_counter()
    once = run.once or run.function
    value = once(*run.arguments)
    first = time.perf_counter() - ready
    np.savez(results, *leaves(run.results(value)))
    del value
    start_again = time.perf_counter()
    run.function(*run.arguments)
    again = time.perf_counter() - start_again
    return run, {
        "import": imported - start,
        "first": first,
        "again": again,
        "more": max(0.0, first - again / run.times),
    }


def timer(run: Run) -> timeit.Timer:
    """Return a timer of one call, with the arguments in local variables.

    The garbage collector stays on, as in anybody's program; timeit would switch it off.
    """
    names = ", ".join(f"a{k}" for k in range(len(run.arguments)))
    setup = "gc.enable(); f = run.function"
    if names:
        setup += f"; {names}, = run.arguments"
    return timeit.Timer(f"f({names})", setup, globals={"gc": gc, "run": run})


def calls_for(clock: timeit.Timer, seconds: float) -> int:
    """Return how many calls take about this long."""
    calls = 1
    while (taken := clock.timeit(calls)) < seconds / 4:
        calls = max(2 * calls, int(calls * seconds / 4 / max(taken, 1e-9)))
    return max(1, round(calls * seconds / taken))


def main(table: str, case_name: str, name: str, inputs: str, results: str, seconds: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**said: Any) -> None:
        print(json.dumps(said), file=answers, flush=True)

    case, contender = find(table, case_name, name)
    try:
        run, took = prepare(case, contender, inputs, results)
    except Skip as why:
        answer(skipped=str(why))
        return
    clock, calls = timer(run), 0
    answer(**took)
    for _ in sys.stdin:
        if not calls:
            calls = 1 if took["again"] > float(seconds) else calls_for(clock, float(seconds))
        elif took["again"] < 0.1:
            clock.timeit(1)  # the others have been running: warm the caches up again
        answer(seconds=clock.timeit(calls) / calls / run.times / case.per, calls=calls)


if __name__ == "__main__":
    main(*sys.argv[1:])
