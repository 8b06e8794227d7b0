"""Time the contenders of a case: a process each, one at a time, in interleaved rounds.

Results are compared before anything is timed; who differs is not timed, and said so. A process
that has nothing to do waits for a word on its pipe, so only one computes at any time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case, Contender, distance

ROOT = Path(__file__).resolve().parents[2]
TABLE = "benchmarks.workloads.table"
SLOW = 1.0  # seconds: contenders whose call takes longer sit two of three rounds out
PATIENCE = 600.0  # seconds before a process that does not answer is ended

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What was found out about one contender.

    Attributes
    ----------
    seconds : list of float
        The time of one step in each round.
    imported, first : float
        Seconds to import the peer; of its first call less those of its second.
    distance : float or None
        From the reference's results, as `case.distance` says; None where it is not compared.
    failure : str
        Why it was not timed; empty: it was.
    """

    name: str
    kind: str
    seconds: list[float] = field(default_factory=list)
    imported: float = 0.0
    first: float = 0.0
    distance: float | None = None
    skipped: str = ""
    failure: str = ""

    @property
    def median(self) -> float:
        """The median of the rounds, in seconds."""
        return statistics.median(self.seconds)


class Worker:
    """The process of a contender, as its parent sees it."""

    def __init__(
        self, case: Case, contender: Contender, folder: Path, table: str, seconds: float
    ) -> None:
        mark = f"{case.contenders.index(contender)}-{time.monotonic_ns()}"
        self.results = folder / f"results-{mark}.npz"
        self._log = folder / f"log-{mark}.txt"
        cache = folder / ("cache" if contender.cache == "kept" else f"cache-{mark}")
        words = [table, case.name, contender.name, folder / "inputs.npz", self.results, seconds]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.workloads.worker", *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                env=environment(case.threads, cache, contender.kind),
                preexec_fn=pin(case.threads),
            )

    def hear(self) -> dict[str, Any]:
        """Return the next answer, or the reason why there is none as its `failure`."""
        assert self._process.stdout is not None
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        log = self._log.read_text("utf-8", "replace").strip().splitlines()
        return {"failure": log[-1] if log else f"ended with code {code}"}

    def ask(self) -> dict[str, Any]:
        """Let it time a round."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("round\n")
            self._process.stdin.flush()
        return self.hear()

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def environment(threads: int, cache: Path, kind: str = "peer") -> dict[str, str]:
    """Return the environment of a worker: how many threads each library may start."""
    count = str(threads)
    # chainrule calls NumPy's products while it traces, and never after; their threads would go on
    # spinning for a tenth of a second on the cores that its own threads need.
    blas = "1" if kind == "ours" else count
    libraries = ("OMP", "MKL", "NUMBA", "CHAINRULE")
    eigen = "true" if threads > 1 else "false"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # Python's bytecode is kept, as it is for anybody's program; without it starting takes longer.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {
        **{f"{name}_NUM_THREADS": count for name in libraries},
        "OPENBLAS_NUM_THREADS": blas,
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={count}",
        "JAX_PLATFORMS": "cpu",
        # Without these, glibc may hand the memory of results back to the system at each call, or
        # may not, as chance has it: page faults then cost more than the work. JAX is no exception.
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CHAINRULE_CACHE": str(cache),
        "PYTHONPATH": path,
    }


def cores() -> list[int]:
    """Return the cores that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(threads: int) -> Callable[[], None] | None:
    """Return what ties a new process to as many cores as it may use threads.

    The last ones: the first core of a machine has the most interrupts to serve.
    """
    chosen = cores()[-threads:]
    return (lambda: os.sched_setaffinity(0, chosen)) if chosen else None


def missing(contender: Contender) -> list[str]:
    """Return the modules that a contender needs and that are not installed."""
    return [name for name in contender.needs if importlib.util.find_spec(name) is None]


def measure(
    case: Case,
    *,
    rounds: int = 9,
    quick: bool = False,
    only: Sequence[str] = (),
    seed: int = 0,
    table: str = TABLE,
    say: Say = lambda words: None,
) -> list[Outcome]:
    """Compare and time the contenders of a case.

    Parameters
    ----------
    case : Case
        What to measure.
    rounds : int
        How often each contender is timed; slow ones, a third as often.
    quick : bool
        Whether to take small inputs and short rounds.
    only : sequence of str
        Beginnings of the names of the contenders to take; the reference always takes part.
    seed : int
        Of the inputs.
    table : str
        The module whose `WORKLOADS` hold the case.
    say : callable
        Is told what is going on.

    Returns
    -------
    list of Outcome
        In the order of the case's contenders.
    """
    chosen = [
        c
        for c in case.contenders
        if not only or c.name == case.reference or any(map(c.name.startswith, only))
    ]
    outcomes = {c.name: Outcome(c.name, c.kind) for c in chosen}
    if 0 < len(cores()) < case.threads:
        for outcome in outcomes.values():
            outcome.skipped = f"needs {case.threads} cores"
        return list(outcomes.values())
    with (
        tempfile.TemporaryDirectory(prefix="chainrule-bench-") as name,
        contextlib.ExitStack() as running,
    ):
        folder = Path(name)
        np.savez(folder / "inputs.npz", **case.draw(np.random.default_rng(seed), quick))

        def start(contender: Contender) -> tuple[Worker, dict[str, Any]]:
            worker = Worker(case, contender, folder, table, 0.01 if quick else 0.05)
            running.callback(worker.end)
            return worker, worker.hear()

        workers = list(_compared(case, chosen, outcomes, start, say))
        for k in range(rounds):
            say(f"{case.name}: round {k + 1} of {rounds}")
            for contender, worker in workers:
                outcome = outcomes[contender.name]
                if k % 3 and outcome.seconds and outcome.seconds[0] * case.per > SLOW:
                    continue
                if case.threads > 1:
                    time.sleep(0.05)  # threads that spin for a while have gone to sleep by then
                if case.fresh:
                    again, answer = start(contender)
                    again.end()
                else:
                    answer = worker.ask()
                if "failure" in answer:
                    outcome.failure = answer["failure"]
                else:
                    outcome.seconds.append(answer["more" if case.fresh else "seconds"])
    return list(outcomes.values())


def _compared(
    case: Case,
    chosen: list[Contender],
    outcomes: dict[str, Outcome],
    start: Callable[[Contender], tuple[Worker, dict[str, Any]]],
    say: Say,
) -> Iterator[tuple[Contender, Worker]]:
    """Start the contenders one by one; yield those that agree with the reference."""
    expected: list[np.ndarray] | None = None
    for contender in sorted(chosen, key=lambda c: c.name != case.reference):  # stable
        outcome = outcomes[contender.name]
        if lacking := missing(contender):
            outcome.skipped = f"{' and '.join(lacking)} not installed"
            continue
        say(f"{case.name}: {contender.name} prepares")
        worker, answer = start(contender)
        outcome.skipped = answer.get("skipped", "")
        outcome.failure = answer.get("failure", "")
        if outcome.skipped or outcome.failure:
            continue
        outcome.imported = answer["import"]
        outcome.first = answer["more"]
        if not contender.not_compared:
            with np.load(worker.results) as file:
                found = list(file.values())
            if expected is None and contender.name == case.reference:
                expected = found
            if expected is None:
                outcome.failure = f"the reference, {case.reference}, gave nothing to compare with"
                continue
            outcome.distance = distance(found, expected)
            if not outcome.distance <= case.tolerance:
                outcome.failure = (
                    f"differs from {case.reference} by {outcome.distance:.1e} of the largest "
                    f"magnitude, tolerance {case.tolerance:.0e}"
                )
                continue
        yield contender, worker
