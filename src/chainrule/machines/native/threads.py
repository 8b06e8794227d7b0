"""Run one function on several threads at once: the pool, and how emitted code calls it.

A pool for T threads is T - 1 workers and whoever calls. Emitted code posts a job,
`void job(ptr frame, i64 thread)`; every thread runs it, with barriers where all must have come
before any goes on. A thread that waits spins for a moment, for that is what a barrier costs least
with; then it yields, and then it sleeps, so that an idle process costs nothing, and a machine with
other work to do gets on with it. Several callers queue.

The workers are threads of the system, not of Python: no interpreter lock, no signals, nothing for
the interpreter to end. The code is `threads.ll`, compiled when the first pool is asked for; a
pool's first words are the addresses of its functions, so that programs need no other link to it.
A pool stays at its address for as long as the process, and in a forked child, where its workers
are gone, the next job starts them again: programs may keep the address.

To let the threads do something new, write it as a job. Only waiting itself belongs in `threads.ll`.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import operator
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import cache, linking, target
from .builder import Builder, Value

_SPIN = 3e-6  # seconds; some forty barriers' worth. Longer is worse where threads share a processor
_MOST = 1024  # threads: more is a slip of the pen
_HEAD, _WORKER = 4096, 128  # bytes: at least those of `%pool` without workers, of `%worker`
_X86 = "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
# Not `yield`, which does nothing on most: isb takes as long as a pause should.
_ARM = "declare void @llvm.aarch64.isb(i32)", "call void @llvm.aarch64.isb(i32 15)"
_PAUSES = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}
# Which processor this is, and how to leave it: by forbidding it for a moment.
_PROCESSORS = """\
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)

define internal i32 @processor() nounwind {
  %number = call i32 @sched_getcpu()
  ret i32 %number
}

define internal void @leave(i32 %processor) noinline nounwind {
entry:
  %allowed = alloca [128 x i8], align 16
  %others = alloca [128 x i8], align 16
  %known = call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  %copied = call i32 @sched_getaffinity(i32 0, i64 128, ptr %others)
  %failed = or i32 %known, %copied
  %fine = icmp eq i32 %failed, 0
  %low = icmp ult i32 %processor, 1024
  %go = and i1 %fine, %low
  br i1 %go, label %move, label %done
move:
  %byte = lshr i32 %processor, 3
  %bit = and i32 %processor, 7
  %at = getelementptr i8, ptr %others, i32 %byte
  %old = load i8, ptr %at, align 1
  %bit8 = trunc i32 %bit to i8
  %mask = shl i8 1, %bit8
  %rest = xor i8 %mask, -1
  %new = and i8 %old, %rest
  store i8 %new, ptr %at, align 1
  %moved = call i32 @sched_setaffinity(i32 0, i64 128, ptr %others)
  %restored = call i32 @sched_setaffinity(i32 0, i64 128, ptr %allowed)
  br label %done
done:
  ret void
}
"""
_NO_PROCESSORS = """\
define internal i32 @processor() nounwind {
  ret i32 0
}

define internal void @leave(i32 %processor) nounwind {
  ret void
}
"""
_LOCK = threading.Lock()
_POOLS: dict[int, int] = {}  # threads to address


# ---------------------------------------------------------------------- how many


def thread_count(threads: int | None = None) -> int:
    """Return how many threads to use.

    Parameters
    ----------
    threads : int, optional
        What the user asks for; else ``CHAINRULE_NUM_THREADS``, else as many as there are
        processors for this process.

    Raises
    ------
    TypeError, ValueError
        If the number, or that of the variable, is none of 1 to 1024.
    """
    if threads is not None:
        wrong = f"threads is a whole number from 1 to {_MOST}, not {threads!r}"
        if isinstance(threads, bool) or not hasattr(threads, "__index__"):
            raise TypeError(wrong)
        count = operator.index(threads)
        if not 1 <= count <= _MOST:
            raise ValueError(wrong)
    elif word := os.environ.get("CHAINRULE_NUM_THREADS", "").strip():
        count = int(word) if word.isascii() and word.isdigit() and len(word) < 9 else 0
        if not 1 <= count <= _MOST:
            raise ValueError(
                f"the environment variable CHAINRULE_NUM_THREADS is {word[:40]!r}; "
                f"it must be a whole number from 1 to {_MOST}, or unset"
            )
    else:
        count = usable_processors()
    return count if os.name == "posix" else 1  # threads.ll is written for POSIX


def usable_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:  # a container may have less time than processors: microseconds of each period
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = map(int, file.read().split())
        count = min(count, max(1, round(quota / period)))
    except (OSError, ValueError):  # "max": as much as there is
        pass
    return count


# ---------------------------------------------------------------------- pools


def pool(threads: int) -> int:
    """Return the address of the pool for so many threads, started when first asked for.

    Parameters
    ----------
    threads : int
        The threads of a job, the caller's included; at least 2.

    Raises
    ------
    OSError
        If the system gives no more threads.
    """
    try:
        return _POOLS[threads]
    except KeyError:
        pass
    with _LOCK:
        if threads not in _POOLS:
            _POOLS[threads] = _started(threads)
        return _POOLS[threads]


def _started(threads: int) -> int:
    runtime = _runtime()
    address = linking.pages(_HEAD + _WORKER * threads)
    spins = max(1, int(_SPIN / runtime.pause))
    head = runtime.run, runtime.barrier, threads, spins, int(signal.SIG_SETMASK)
    ctypes.memmove(address, (ctypes.c_int64 * len(head))(*head), 8 * len(head))
    runtime.prepare(address)
    error = runtime.start(address)
    if error:
        runtime.stop(address)
        raise OSError(
            error,
            f"the system did not start {threads - 1} threads ({os.strerror(error)}); ask for less "
            "with threads= or CHAINRULE_NUM_THREADS",
        )
    return address


class _Runtime(NamedTuple):
    run: int
    barrier: int
    prepare: Callable[[int], None]
    start: Callable[[int], int]
    stop: Callable[[int], None]
    pause: float  # seconds that one takes


@functools.cache
def _runtime() -> _Runtime:
    """Compile or fetch the functions of `threads.ll`."""
    text = _text(platform.machine().lower())
    key = cache.key(["threads", text])
    found = cache.load(key)
    code = found["object"] if found else target.compile_object(text, target.host())
    if not found:
        cache.store(key, {"object": code, "meta": None})
    names = ("run", "barrier", "prepare", "start", "stop", "pauses")
    run, barrier, prepare, start, stop, pauses = linking.load(code, names)
    function = functools.partial(ctypes.CFUNCTYPE, ctypes.c_int64)
    pausing = function(ctypes.c_void_p, ctypes.c_int64)(pauses)
    return _Runtime(
        run,
        barrier,
        function(ctypes.c_void_p)(prepare),
        function(ctypes.c_void_p)(start),
        function(ctypes.c_void_p)(stop),
        _measured(pausing),
    )


def _text(machine: str) -> str:
    """Return `threads.ll` for a processor, named as the system names it."""
    with open(os.path.join(os.path.dirname(__file__), "threads.ll"), encoding="utf-8") as file:
        text = file.read()
    declare, pause = _PAUSES.get(machine, ("", ""))
    processors = _PROCESSORS if sys.platform == "linux" else _NO_PROCESSORS
    text = text.replace("{processors}", processors)
    return text.replace("{declare}", declare).replace("{pause}", pause)


def _measured(pausing: Any) -> float:
    """Return what a pause takes, in seconds: 10 to 60 ns, by the processor."""
    word, count = ctypes.c_int32(0), 1000
    took = []
    for _ in range(3):
        start = time.perf_counter()
        pausing(ctypes.addressof(word), count)
        took.append(time.perf_counter() - start)
    return min(took) / count  # the least: the others were interrupted


def _after_fork() -> None:
    """Make the pools of a forked child work: its parent's workers are not in it."""
    global _LOCK
    _LOCK = threading.Lock()  # another thread may have held it
    for address in _POOLS.values():
        _runtime().prepare(address)


def _stop() -> None:
    """End the workers before their code may be unloaded; those of a running job are left."""
    for address in list(_POOLS.values()):
        _runtime().stop(address)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_stop)


def no_threads(count: int) -> OSError:
    """Return the error of a program whose threads could not be started."""
    return OSError(
        f"{count} threads could not be started; set CHAINRULE_NUM_THREADS=1 to do without"
    )


# ---------------------------------------------------------------------- emitted code


def emit_run(b: Builder, pool: Value, job: Value, frame: Value) -> Value:
    """Emit: run a job on all threads of a pool, and wait for it.

    Parameters
    ----------
    b : Builder
        The function that runs it.
    pool : Value
        Address from `pool`.
    job : Value
        Address of a function `void (ptr frame, i64 thread)`.
    frame : Value
        Handed to it.

    Returns
    -------
    Value
        An i64: 0, or the number of a system's error where the job did not run: no threads to be
        had in a forked child, or a job that runs a job on its own pool.
    """
    run = b.load("ptr", pool)
    return b.let("i64", f"call i64 {run.name}(ptr {pool.name}, ptr {job.name}, ptr {frame.name})")


def emit_barrier(b: Builder, pool: Value) -> None:
    """Emit: wait until all threads of the job are here.

    What any of them wrote before is seen by all after. All threads must come to the same barriers,
    so a job may end early only where all threads do.
    """
    barrier = b.load("ptr", b.address(pool, 1, "ptr"))
    b.emit(f"call void {barrier.name}(ptr {pool.name})")
