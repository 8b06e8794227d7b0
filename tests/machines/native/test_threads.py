import ctypes
import errno
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from chainrule.machines.native import linking, target, threads
from chainrule.machines.native.builder import Builder, Value, module
from chainrule.machines.native.threads import emit_barrier, emit_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="one thread elsewhere")

ROUNDS = 5  # barriers in a job


def job(name="job"):
    """Return the beginning of a job, its frame, its number of the thread."""
    made = Builder(name, [("ptr", "frame"), ("i64", "thread")], target.host())
    return made, made.arguments["frame"], made.arguments["thread"]


def linked(*jobs, extra=""):
    """Return a function of a frame that runs the last of the jobs; the pool is the first word."""
    main = Builder("main", [("ptr", "frame")], target.host(), returns="i64")
    frame = main.arguments["frame"]
    main.ret(emit_run(main, main.load("ptr", frame), Value("ptr", "@" + jobs[-1].name), frame))
    code = target.compile_object(module([*jobs, main], extra), target.host())
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(linking.load(code, ("main",))[0])


def sums():
    """Return a program: each thread adds up its share, then all shares, several times.

    Frame: pool, numbers (int64), their count, room for a sum of each thread, results, threads.
    """
    b, frame, thread = job()
    pool, numbers, count, shares, results, of = (
        b.load(kind, b.address(frame, k, "i64"))
        for k, kind in enumerate(["ptr", "ptr", "i64", "ptr", "ptr", "i64"])
    )
    first = b.sdiv(b.mul(thread, count), of)
    last = b.sdiv(b.mul(b.add(thread, Value("i64", "1")), count), of)

    def total(array, start, stop):
        def step(k, so_far):
            return [b.add(so_far, b.load("i64", b.address(array, k, "i64")))]

        return b.loop(start, stop, 1, step, [Value("i64", "0")])[0]

    def once(_):
        b.store(total(numbers, first, last), b.address(shares, thread, "i64"))
        emit_barrier(b, pool)
        b.store(total(shares, 0, of), b.address(results, thread, "i64"))
        emit_barrier(b, pool)

    b.loop(0, ROUNDS, 1, once)
    b.ret()
    return linked(b)


run = pytest.fixture(scope="module")(lambda: sums())


class Sum:
    """A frame of that program."""

    def __init__(self, count, numbers):
        self.numbers = np.arange(numbers)
        self.shares, self.results = np.zeros((2, count), np.int64)
        self.frame = (ctypes.c_int64 * 6)(
            threads.pool(count), self.numbers.ctypes.data, numbers, self.shares.ctypes.data,
            self.results.ctypes.data, count,
        )  # fmt: skip

    def check(self, run):
        self.results[:] = self.shares[:] = -1
        assert run(ctypes.addressof(self.frame)) == 0
        assert (self.results == self.numbers.sum()).all(), self.results


# ---------------------------------------------------------------------- jobs


@pytest.mark.parametrize("count", [2, 3, 8])
def test_short_jobs_with_barriers(run, count):
    mine = Sum(count, 101)
    for _ in range(2000 if count < 8 else 200):
        mine.check(run)


def test_calls_from_several_python_threads_at_once(run):
    def caller(k):
        try:
            mine = Sum(2 + k % 3, 50 + k)
            start.wait()
            for _ in range(100):
                mine.check(run)
        except BaseException as error:
            errors.append(error)

    errors, start = [], threading.Barrier(8)
    callers = [threading.Thread(target=caller, args=(k,)) for k in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    assert not errors
    assert not any(thread.is_alive() for thread in callers)


def test_one_pool_for_a_count_however_many_ask_at_once():
    found, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        found.append(threads.pool(5))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join(60)
    assert len(found) == 8
    assert set(found) == {threads.pool(5)}


def test_a_barrier_waits_for_a_thread_that_is_late_by_long():
    # While one sleeps, the others go to sleep at the barrier.
    b, frame, thread = job()
    pool, out = b.load("ptr", frame), b.load("ptr", b.address(frame, 1, "ptr"))
    for late in (0, 1):

        def wait(late=late):
            b.emit("call i32 @usleep(i32 20000)")
            b.store(Value("i64", "7"), b.address(out, late, "i64"))

        b.when(b.compare("eq", thread, Value("i64", str(late))), wait)
        emit_barrier(b, pool)
        mine = b.address(out, b.add(thread, Value("i64", "2")), "i64")
        b.store(b.add(b.load("i64", mine), b.load("i64", b.address(out, late, "i64"))), mine)
        emit_barrier(b, pool)
    b.ret()
    seen = np.zeros(5, np.int64)
    given = (ctypes.c_int64 * 2)(threads.pool(3), seen.ctypes.data)
    assert linked(b, extra="declare i32 @usleep(i32)")(ctypes.addressof(given)) == 0
    assert seen.tolist() == [7, 7, 14, 14, 14]


def test_a_job_on_its_own_pool_is_refused():
    inner, _, _ = job("inner")
    inner.ret()
    b, frame, thread = job()

    def nest():
        status = emit_run(b, b.load("ptr", frame), Value("ptr", "@inner"), frame)
        b.store(status, b.address(frame, 1, "i64"))

    b.when(b.compare("eq", thread, Value("i64", "0")), nest)
    b.ret()
    given = (ctypes.c_int64 * 2)(threads.pool(2), 0)
    assert linked(inner, b)(ctypes.addressof(given)) == 0
    assert given[1] == 35


# ---------------------------------------------------------------------- workers


def workers():
    """Return the fields of /proc for each thread that Python did not start."""
    known = {thread.native_id for thread in threading.enumerate()}
    found = []
    for task in os.listdir("/proc/self/task"):
        if int(task) not in known:
            with open(f"/proc/self/task/{task}/status") as file:
                found.append(dict(line.rstrip("\n").split(":\t", 1) for line in file))
    return found


proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@proc
def test_idle_workers_sleep(run):
    Sum(2, 10).check(run)
    for _ in range(100):
        if all(worker["State"].startswith("S") for worker in workers()):
            break
        time.sleep(0.05)
    else:
        pytest.fail(f"still running: {workers()}")
    Sum(2, 10).check(run)  # and they wake


@proc
def test_workers_leave_signals_to_python(run):
    Sum(2, 10).check(run)
    interrupt, fault = 1 << (2 - 1), 1 << (11 - 1)
    masks = [int(worker["SigBlk"], 16) for worker in workers()]
    # NumPy's and LLVM's threads, where there are any, block nothing or everything.
    assert [mask for mask in masks if mask & interrupt and not mask & fault]


@proc
def test_stopped_pools_start_again(run):
    mine = Sum(3, 10)
    mine.check(run)
    many = len(workers())
    threads._stop()
    assert len(workers()) < many
    mine.check(run)
    mine.check(run)


def test_a_system_without_more_threads_is_an_error_that_says_so(monkeypatch):
    refuse = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(lambda *_: errno.EAGAIN)
    symbols = {"pthread_create": ctypes.cast(refuse, ctypes.c_void_p).value}
    real = linking.load
    monkeypatch.setattr(threads.linking, "load", lambda code, names: real(code, names, symbols))
    monkeypatch.setattr(threads, "_runtime", threads._runtime.__wrapped__)
    with pytest.raises(OSError, match=r"did not start 5 threads .*CHAINRULE_NUM_THREADS"):
        threads.pool(6)
    assert 6 not in threads._POOLS


@pytest.mark.parametrize(
    ("machine", "other"),
    [("x86_64", target.SSE), ("aarch64", target.NEON), ("riscv64", target.SSE)],
)
def test_the_runtime_is_emitted_for_other_processors(machine, other):
    assert target.compile_object(threads._text(machine), other).startswith(b"\x7fELF")


# ---------------------------------------------------------------------- processes


BEGIN = f"""
import ctypes, os, sys, threading, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from test_threads import Sum, Value, job, linked, sums, threads
run = sums()
mine = Sum(2, 100)
mine.check(run)
"""


def python(code, *, timeout=60):
    """Run a script that has made a pool; return what it prints."""
    # Python 3.12 warns of forks beside threads, and means a child that hangs: what is tested here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_forked_children_have_pools_of_their_own():
    python(
        """
busy = True
def work(own):
    while busy:
        own.check(run)
others = [threading.Thread(target=work, args=(Sum(2 + k % 2, 1000),)) for k in range(3)]
for other in others: other.start()
for _ in range(8):
    child = os.fork()  # while jobs run, and others wait for the pool
    if child == 0:
        try:
            for again in range(10):
                mine.check(run)  # at the address from before the fork
            Sum(2, 10).check(run)
            Sum(4, 10).check(run)
            grandchild = os.fork()
            if grandchild == 0:
                mine.check(run)
                os._exit(0)
            os._exit(os.waitpid(grandchild, 0)[1] and 1)
        finally:
            os._exit(1)
    mine.check(run)
    assert os.waitpid(child, 0)[1] == 0
busy = False
for other in others: other.join()
"""
    )


def test_the_interpreter_ends_right_after_a_job():
    python("mine.check(run)")


def test_the_interpreter_ends_while_a_job_runs():
    python(
        """
b, frame, thread = job()
b.loop(0, 10**9, 1, lambda _: b.emit("call i32 @usleep(i32 1000)"))
b.ret()
forever = linked(b, extra="declare i32 @usleep(i32)")
address = ctypes.addressof(mine.frame)
threading.Thread(target=forever, args=(address,), daemon=True).start()
time.sleep(0.02)
"""
    )


def test_a_job_when_the_interpreter_ends_starts_the_workers_again():
    late = "lambda: (threads._stop(), mine.check(run), print('ran'))"
    assert python(f"import atexit; atexit.register({late})") == "ran\n"


# ---------------------------------------------------------------------- how many


def test_the_number_of_threads(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", " 3 ")
    assert threads.thread_count() == 3
    assert threads.thread_count(np.int64(2)) == 2
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "")
    assert threads.thread_count() == threads.usable_processors() >= 1
    monkeypatch.delenv("CHAINRULE_NUM_THREADS")
    assert threads.thread_count() == threads.usable_processors()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_tied_to_one_processor_has_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from chainrule.machines.native import threads; print(threads.thread_count())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "CHAINRULE_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.stdout == b"1\n"


@pytest.mark.parametrize("word", ["0", "-1", "two", "2.0", "1e1", "99999", "٣", "1" * 5000])
def test_a_bad_number_in_the_environment_names_the_variable(monkeypatch, word):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", word)
    with pytest.raises(ValueError, match=r"CHAINRULE_NUM_THREADS is .* from 1 to 1024"):
        threads.thread_count()


@pytest.mark.parametrize(
    ("number", "error"),
    [(0, ValueError), (-2, ValueError), (10**6, ValueError), (True, TypeError), (2.0, TypeError),
     ("2", TypeError)],
)  # fmt: skip
def test_a_bad_number_of_threads(number, error):
    with pytest.raises(error, match="whole number from 1 to 1024"):
        threads.thread_count(number)
