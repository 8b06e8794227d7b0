import ctypes
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from chainrule.machines.native import linking, target
from chainrule.machines.native.builder import Builder, Value
from chainrule.machines.native.interruption import emit_stopped, run_interruptible


def counting():
    """Return a program that counts in memory until it is told to stop."""
    b = Builder("count", [("ptr", "place"), ("ptr", "stop")], target.host())
    again, out = b.label(), b.label()
    b.jump(again)
    b.start(again)
    count = b.load("i64", b.arguments["place"])
    b.store(b.add(count, Value("i64", "1")), b.arguments["place"])
    b.branch(emit_stopped(b, b.arguments["stop"]), out, again)
    b.start(out)
    b.ret()
    (address,) = linking.load(target.compile_object(b.text(), target.host()), ("count",))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)


def test_a_call_gives_its_result_and_an_unset_word():
    assert run_interruptible(lambda stop: ctypes.c_int64.from_address(stop).value + 5) == 5


def test_an_error_in_the_call_is_raised():
    with pytest.raises(ZeroDivisionError):
        run_interruptible(lambda _: 1 // 0)


def test_the_call_has_the_context_of_the_caller():
    with np.errstate(divide="raise"):
        assert run_interruptible(lambda _: np.geterr())["divide"] == "raise"


def test_in_another_thread_the_call_is_made_directly():
    made = []

    def caller():
        made.append(run_interruptible(lambda _: threading.current_thread()))

    thread = threading.Thread(target=caller)
    thread.start()
    thread.join(60)
    assert made == [thread]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_a_call_into_machine_code():
    code = f"""
import ctypes, os, signal, sys, threading, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from test_interruption import counting, run_interruptible
count, place = counting(), ctypes.c_int64(0)
def press():
    while place.value == 0:
        time.sleep(0.001)
    for _ in range(3):  # somebody who does not see at once that it has been heard
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)
presser = threading.Thread(target=press)
presser.start()
def call(stop):
    count(ctypes.addressof(place), stop)
    presser.join()
    time.sleep(0.02)
try:
    run_interruptible(call)
except KeyboardInterrupt:
    ended = place.value
    time.sleep(0.05)
    print("interrupted", ended == place.value > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"interrupted True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_whatever_a_handler_raises_ends_the_call():
    def handler(*_):
        raise TimeoutError

    count, place = counting(), ctypes.c_int64(0)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(TimeoutError):
            run_interruptible(lambda stop: count(ctypes.addressof(place), stop))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert place.value > 0
