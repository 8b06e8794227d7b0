"""Let Ctrl-C end a long call into machine code.

Python handles signals between its own instructions, and in the main thread only: while that one is
inside machine code, Ctrl-C waits for the call to end. So a long call is made from another thread,
and the main thread, waiting, hears the signal. It sets a word in memory; the program looks at it
now and then (`emit_stopped`), leaves early, and only then is KeyboardInterrupt raised: nothing of
the user's is written after that.

A program for several threads must leave on all of them at once: the first thread looks, writes
what it saw where all can read it, and all read it behind the next barrier.
"""

from __future__ import annotations

import contextvars
import ctypes
import inspect
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from .builder import Builder, Value

_T = TypeVar("_T")


def run_interruptible(call: Callable[[int], _T]) -> _T:
    """Make a long call that Ctrl-C can end.

    It costs some 50 µs, so it is for calls that take longer than anybody waits without a word.

    Parameters
    ----------
    call : callable
        Given the address of a stop word, an int64 that is 0, and another number once the program
        is to leave. It is called from another thread, in the caller's context (`np.errstate`
        holds), or directly where the caller is not the main thread, which alone hears signals.

    Returns
    -------
    object
        What the call returns.

    Raises
    ------
    KeyboardInterrupt
        Or whatever else the handler of a signal raised, once the call has ended; what the call
        itself raises otherwise.
    """
    stop = ctypes.c_int64(0)
    if threading.current_thread() is not threading.main_thread():
        return call(ctypes.addressof(stop))
    context, ended = contextvars.copy_context(), threading.Event()
    results: list[_T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(context.run(call, ctypes.addressof(stop)))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    interruption: BaseException | None = None
    threading.Thread(target=work, name="chainrule", daemon=True).start()
    with _CtrlC(stop) as ctrl_c:
        while True:
            try:
                while not ended.is_set():
                    ended.wait()
                break
            except BaseException as error:  # of another signal's handler: the program still writes
                stop.value = 1
                interruption = interruption or error
    if interruption is not None:
        raise interruption
    ctrl_c.passed_on()
    if errors:
        raise errors[0]
    return results[0]


class _CtrlC:
    """Ctrl-C sets the stop word while the block runs, and is heard after it.

    The handler raises nothing: an exception could come at any line, also while one is handled.
    """

    def __init__(self, stop: ctypes.c_int64) -> None:
        self._stop = stop
        self._pressed = False
        self._before: Any = None

    def __enter__(self) -> _CtrlC:
        self._before = signal.getsignal(signal.SIGINT)
        if callable(self._before):
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exception: object) -> None:
        if callable(self._before):
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._stop.value = 1
        self._pressed = True

    def passed_on(self) -> None:
        """Call the handler that was there before, if Ctrl-C was pressed: it raises, as a rule."""
        if self._pressed:
            self._before(signal.SIGINT, inspect.currentframe())


def emit_stopped(b: Builder, stop: Value) -> Value:
    """Emit: whether the program is to leave; an i1. `stop` is the address of the stop word."""
    word = b.let("i64", f"load atomic i64, ptr {stop.name} monotonic, align 8")
    return b.compare("ne", word, Value("i64", "0"))
