"""Callables at C speed: what they forward, how long they live, what they look like."""

from __future__ import annotations

import copy
import ctypes
import functools
import gc
import inspect
import sys
import threading
import weakref

import pytest

from chainrule.machines.native import linking, python_api, target
from chainrule.machines.native.callable import callable_type

MEMBERS = {
    "__doc__": "A callable of the tests.",
    "__repr__": lambda self: f"<{self.__dict__.get('__name__')}>",
    "code": lambda self: "the code",
    "paths": property(lambda self: self.__dict__.setdefault("_paths", [])),
}
NATIVE = callable_type("Native", MEMBERS, native=python_api.supported())
PLAIN = callable_type("Plain", MEMBERS, native=False)

# Entries of their own: they know no argument and answer with a Python int made by a C function.
ANSWERS = """
define ptr @answer{0}(ptr %self, ptr %arguments, i64 %count, ptr %names) {{
  %make = inttoptr i64 {1} to ptr
  %answer = call ptr %make(i64 {0})
  ret ptr %answer
}}
"""

either = pytest.mark.parametrize("kind", [NATIVE, PLAIN])
native_only = pytest.mark.skipif(not python_api.supported(), reason="an unknown interpreter")


def told(*arguments, **named):
    """What it was told."""
    return arguments, named


@pytest.fixture(scope="module")
def answers():
    make = python_api.address("PyLong_FromLongLong")
    text = "".join(ANSWERS.format(k, make) for k in (1, 2))
    code = target.compile_object(text, target.host())
    return linking.load(code, ["answer1", "answer2"])


def test_this_interpreter_is_known():
    # Where a layout has changed the machine is merely slow: here is where that is noticed.
    assert python_api.supported() == (sys.version_info[:2] in python_api.KNOWN)


@either
def test_arguments_arrive_as_they_were(kind):
    f = kind(told)
    things = [object() for _ in range(12)]
    assert f() == ((), {})
    assert f(*things) == (tuple(things), {})
    assert f(1, b=2, a=3) == ((1,), {"b": 2, "a": 3})
    assert list(f(b=2, a=3)[1]) == ["b", "a"]
    assert f(self=1, slow=2) == ((), {"self": 1, "slow": 2})
    assert f(*things, **{"x": 1, "y": 2}) == (tuple(things), {"x": 1, "y": 2})
    assert list(map(f, [1, 2])) == [((1,), {}), ((2,), {})]
    assert functools.partial(f, 1, k=2)(3) == ((1, 3), {"k": 2})
    assert functools.reduce(f, [1, 2, 3]) == ((((1, 2), {}), 3), {})


@either
@pytest.mark.parametrize(
    ("slow", "answer"),
    [(abs, 3), (complex, 3 + 0j), (functools.partial(max, 5), 5), ({3: 4}.get, 4)],
)
def test_every_callable_will_do(kind, slow, answer):
    f = kind(slow)
    assert f.slow is slow
    assert f(3) == answer


@either
def test_exceptions_pass_through(kind):
    def fails(x):
        raise LookupError(x)

    with pytest.raises(LookupError, match="17"):
        kind(fails)(17)
    with pytest.raises(TypeError, match="positional argument"):
        kind(fails)()
    with pytest.raises(TypeError, match="needs a callable, got int"):
        kind(3)


@either
def test_a_callable_looks_like_the_function(kind):
    def double(x, *, times=2):
        """Multiply."""

    f = functools.update_wrapper(kind(told), double)
    assert (f.__name__, f.__doc__, f.__wrapped__) == ("double", "Multiply.", double)
    assert f.__module__ == __name__
    assert inspect.signature(f) == inspect.signature(double)
    assert repr(f) == "<double>" and f.code() == "the code"
    f.paths.append(1)
    assert f.paths == [1] and f.__dict__["_paths"] == [1]
    f.note = "mine"
    assert f.note == "mine" and callable(f) and isinstance(f, kind)
    assert kind.__doc__ == "A callable of the tests."
    assert copy.copy(f) is f and copy.deepcopy([f])[0] is f
    assert f == f and f != kind(told) and hash(f) == hash(f)


@either
def test_what_cannot_be_changed(kind):
    f = kind(told)
    with pytest.raises(AttributeError):
        f.slow = max
    with pytest.raises(AttributeError):
        del f.slow
    assert f(1) == ((1,), {})


@either
def test_a_cycle_is_collected(kind):
    def cycle():
        f = kind(lambda: f)
        f.itself = f
        assert f() is f
        return weakref.ref(f)

    gone = cycle()
    gc.collect()
    assert gone() is None


@native_only
def test_the_collector_sees_all_that_is_held():
    f = NATIVE(told)
    assert f.__dict__ == {}
    assert {id(x) for x in gc.get_referents(f)} == {id(told), id(f.__dict__), id(NATIVE)}


@native_only
def test_a_cleared_object_can_still_be_called():
    # What lives on in a cycle that is being taken apart may be called by a finaliser.
    class Last:
        def __del__(self):
            try:
                seen.append(self.f())
            except TypeError as error:
                seen.append(str(error))

    seen = []
    last = Last()
    last.f = NATIVE(told)
    last.f.back = last
    del last
    gc.collect()
    assert len(seen) == 1
    slot_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(
        ("PyType_GetSlot", ctypes.pythonapi)
    )
    clear = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)(slot_of(NATIVE, 51))  # tp_clear
    cleared = NATIVE(told)
    assert clear(cleared) == 0 and cleared.slow is None
    with pytest.raises(TypeError, match="vectorcall"):
        cleared(1)


@either
def test_objects_come_and_go_without_a_trace(kind):
    def slow():
        return None

    kind(slow)()
    before = sys.getrefcount(slow), sys.getrefcount(kind), len(gc.get_objects())
    for _ in range(2000):
        f = kind(slow)
        f.paths.append(f)
        f()
        f.set_entry(None, keep=f)
        weakref.ref(f)
        del f
    gc.collect()
    after = sys.getrefcount(slow), sys.getrefcount(kind), len(gc.get_objects())
    assert after[:2] == before[:2] and after[2] - before[2] < 100


@native_only
def test_calls_go_where_the_entry_points(answers):
    f = NATIVE(told)
    assert f.native and f.entry is None
    f.set_entry(answers[0])
    assert f() == f(1, 2, k=3) == 1 and f.entry == answers[0]
    f.set_entry(answers[1], keep=f)
    assert f() == 2
    f.set_entry(None)
    assert f(5) == ((5,), {}) and f.entry is None


def test_the_stand_in_ignores_entries():
    f = PLAIN(told)
    f.set_entry(1)  # an address that would crash
    assert f(3) == ((3,), {}) and f.entry is None and not f.native


@native_only
def test_entries_change_while_threads_call(answers):
    f = NATIVE(lambda: 0)
    seen, stop = set(), threading.Event()

    def call():
        mine = set()
        while not stop.is_set():
            mine.update(f() for _ in range(50))
        seen.update(mine)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for k in range(3000):
        f.set_entry((None, *answers)[k % 3])
    f.set_entry(answers[1])
    stop.set()
    for thread in threads:
        thread.join()
    assert f() == 2 and seen <= {0, 1, 2}


def test_an_unknown_interpreter_is_left_alone(monkeypatch):
    monkeypatch.setattr(python_api, "supported", lambda: False)
    assert not callable_type("Any", {})(told).native
    with pytest.raises(RuntimeError, match="may not touch"):
        callable_type("Any", {}, native=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("KNOWN", ()), ("FLOAT_VALUE", 24), ("LIST_ITEMS", 32), ("TUPLE_ITEMS", 32)]
    + [(f"ARRAY_{word}", 40) for word in ("DATA", "NDIM", "SHAPE", "DESCR", "FLAGS")]
    + [("DESCR_KIND", 25), ("_NUMPY_2", 0x03000000)],
)
def test_another_layout_is_noticed(monkeypatch, name, value):
    monkeypatch.setattr(python_api, name, value)
    assert not python_api.supported.__wrapped__()
