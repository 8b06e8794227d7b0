"""The entry of compiled functions: what it recognises, what it makes, what it leaves to Python.

The programs here are a few lines of LLVM's language, so that what is tested is the entry: copies
of the inputs, twice a number, a status. `slow` says that it was called, and with what.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import math
import pickle
import sys
import threading
import tracemalloc
import weakref
from typing import NamedTuple

import numpy as np
import pytest

from chainrule.machines.native import linking, python_api
from chainrule.machines.native.builder import Builder, Value, module
from chainrule.machines.native.callable import callable_type
from chainrule.machines.native.entry import Entry, emit_entry
from chainrule.machines.native.signature import (
    Array,
    Float,
    OutArray,
    OutBool,
    OutConstant,
    OutFloat,
    OutInt,
    OutScalar,
    Scalar,
    Signature,
    Static,
)
from chainrule.machines.native.target import AVX2, NEON, SSE, compile_object, host

pytestmark = pytest.mark.skipif(not python_api.supported(), reason="an unknown interpreter")

KINDS = {"f": "float", "d": "double", "l": "i64", "i": "i32", "?": "i8"}


class Unmade(NamedTuple):
    only: object


def _fail(items):
    raise LookupError(items)


Unmade._make = _fail


class Slow(Exception):  # noqa: N818  # not an error: how a test sees that plain Python was asked
    """The slow path was taken."""


class Pair(NamedTuple):
    first: object
    second: object


def slow(*arguments, **named):
    raise Slow(arguments, named)


Function = callable_type("Function", {}) if python_api.supported() else None


def load(signature, *functions, data=(), answer=slow, **options):
    """Return a callable of these functions (builders, or text)."""
    builders = [f for f in functions if isinstance(f, Builder)]
    text = "\n".join(f for f in functions if isinstance(f, str))
    emitted = emit_entry(signature, host(), **options)
    code = compile_object(module([*builders, *emitted.builders], text), host())
    entry = Entry(emitted, linking.load(code, emitted.names), data)
    f = Function(answer)
    f.set_entry(entry.address, entry)
    return f


def scalars(count, status=0):
    """Write `@scalars`: each output is twice the input at its place."""
    b = Builder("scalars", [("ptr", "i"), ("ptr", "o")], host(), "i64", "alwaysinline nounwind")
    i, o = b.arguments.values()

    def one(k):
        value = b.load("double", b.address(i, k, "double"))
        b.store(b.fadd(value, value), b.address(o, k, "double"))

    for k in range(count) if count < 20 else ():
        one(k)
    if count >= 20:
        b.loop(0, count, 1, one)
    b.ret(Value("i64", str(status)))
    return b


def copies(signature, pairs, status=0):
    """Write `@program`: copy inputs to outputs, of pairs (input, output)."""
    b = Builder("program", [("ptr", "frame")], host(), "i64")
    frame, inputs = b.arguments["frame"], signature.inputs
    for source, goal in pairs:
        leaf = inputs[source]
        kind = KINDS[leaf.dtype.char] if hasattr(leaf, "dtype") else "double"
        count = math.prod(getattr(leaf, "shape", ()))
        start = b.load("ptr", b.address(frame, source, "ptr"))
        end = b.load("ptr", b.address(frame, len(inputs) + goal, "ptr"))

        def one(k, start=start, end=end, kind=kind):
            b.store(b.load(kind, b.address(start, k, kind)), b.address(end, k, kind))

        b.loop(0, count, 1, one)
    b.ret(Value("i64", str(status)))
    return b


def same(a, b):
    """Whether two results are the same, containers, types and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, (float, np.generic)):
        return np.array(a).tobytes() == np.array(b).tobytes()
    return a == b


def threads_all(count, work):
    """Run work(k) in threads at once; raise what one of them raised."""
    start, errors = threading.Barrier(count), []

    def run(k):
        try:
            start.wait()
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# ---------------------------------------------------------------------- floats


@pytest.fixture(scope="module")
def doubled():
    """(x, y) -> (2 x, (2 y, 2 x))."""
    signature = Signature((Float(), Float()), (OutFloat(0), (OutFloat(1), OutFloat(0))))
    return load(signature, scalars(2))


@pytest.mark.parametrize(
    "x", [1.5, -0.0, 0.0, math.inf, -math.inf, math.nan, 5e-324, sys.float_info.max]
)
def test_floats_keep_their_bits(doubled, x):
    assert same(doubled(x, -1.25), (2 * x, (-2.5, 2 * x)))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (1.0,),
        (1.0, 2.0, 3.0),
        (1.0, 2),
        (True, 1.0),
        (1.0, None),
        (np.float64(1.0), 2.0),
        (1.0, np.array(2.0)),
        (type("Own", (float,), {})(1.0), 2.0),
        (1.0, "2"),
    ],
)
def test_anything_but_floats_goes_to_python_unchanged(doubled, arguments):
    with pytest.raises(Slow) as seen:
        doubled(*arguments)
    given, named = seen.value.args
    assert named == {} and len(given) == len(arguments)
    assert all(a is b for a, b in zip(given, arguments, strict=True))


def test_keywords_go_to_python(doubled):
    for arguments, named in [((1.0,), {"y": 2.0}), ((1.0, 2.0), {"z": 3.0}), ((), {"x": 1.0})]:
        with pytest.raises(Slow) as seen:
            doubled(*arguments, **named)
        assert seen.value.args == (arguments, named)
    assert doubled(*(1.0, 2.0), **{}) == (2.0, (4.0, 2.0))


def test_every_way_to_call(doubled):
    assert [doubled(x, 1.0)[0] for x in (1.0, 2.0)] == [2.0, 4.0]
    assert list(map(doubled, [1.0], [2.0])) == [(2.0, (4.0, 2.0))]
    assert doubled.__call__(1.0, 2.0) == (2.0, (4.0, 2.0))

    class Holder:
        f = doubled  # no descriptor: not bound to an instance

    assert Holder().f(1.0, 2.0) == (2.0, (4.0, 2.0))


F = Float()


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ((), ()),
        ((F,), (1.5,)),
        (((F, F), [F], {"a": F, "b": F}), ((1.0, 2.0), [3.0], {"a": 4.0, "b": 5.0})),
        (([(F, (F,)), []], ()), ([(1.0, (2.0,)), []], ())),
        ((Pair(F, [F]), F), (Pair(1.0, [2.0]), 3.0)),
        (({"a": {"b": [F, F]}, 3: F},), ({"a": {"b": [1.0, 2.0]}, 3: 7.0},)),
        (([F] * 9, (F,) * 40), ([0.5 * k for k in range(9)], tuple(float(k) for k in range(40)))),
        (([F] * 3000, F), ([0.5 * k for k in range(3000)], -1.0)),
    ],
)
def test_containers_of_floats(arguments, given):
    numbers = itertools.count()

    def out(template):
        if isinstance(template, Float):
            return OutFloat(next(numbers))
        if isinstance(template, dict):
            return {key: out(item) for key, item in template.items()}
        items = [out(item) for item in template]
        if isinstance(template, Pair):
            return Pair(*items)
        return type(template)(items)

    def twice(value):
        if isinstance(value, float):
            return 2 * value
        if isinstance(value, dict):
            return {key: twice(item) for key, item in value.items()}
        return (
            Pair(*map(twice, value)) if isinstance(value, Pair) else type(value)(map(twice, value))
        )

    signature = Signature(arguments, out(arguments))
    f = load(signature, scalars(len(signature.inputs)))
    for _ in range(3):
        assert same(f(*given), twice(given))


@pytest.mark.parametrize(
    "wrong",
    [
        ([1.0, 2.0], {"a": 3.0, "b": (4.0,)}),
        ((1.0,), {"a": 3.0, "b": (4.0,)}),
        ((1.0, 2.0, 3.0), {"a": 3.0, "b": (4.0,)}),
        (Pair(1.0, 2.0), {"a": 3.0, "b": (4.0,)}),
        ((1.0, 2.0), {"a": 3.0}),
        ((1.0, 2.0), {"a": 3.0, "c": (4.0,)}),
        ((1.0, 2.0), {"a": 3.0, "b": (4.0,), "c": 1.0}),
        ((1.0, 2.0), {"a": 3.0, "b": (4,)}),
        ((1.0, 2.0), type("Own", (dict,), {})({"a": 3.0, "b": (4.0,)})),
        ((1.0, 2.0), [3.0, (4.0,)]),
        (1.0, {"a": 3.0, "b": (4.0,)}),
    ],
)
def test_other_containers_go_to_python(wrong):
    template = ((F, F), {"a": F, "b": (F,)})
    f = load(Signature(template, OutFloat(0)), scalars(1))
    assert f((1.0, 2.0), {"b": (4.0,), "a": 3.0}) == 2.0  # the order of keys is nothing
    with pytest.raises(Slow):
        f(*wrong)


def test_a_status_goes_to_python():
    f = load(Signature((F,), [OutFloat(0)]), scalars(1, status=1))
    with pytest.raises(Slow) as seen:
        f(2.5)
    assert seen.value.args == ((2.5,), {})


@pytest.mark.parametrize("count", [2, 30])
def test_python_decides_on_what_is_not_finite(count):
    signature = Signature((F,) * count, [OutFloat(k) for k in range(count)])
    f = load(signature, scalars(count), check_finite=True)
    numbers = [0.5 * k for k in range(count)]
    assert f(*numbers) == [2 * x for x in numbers]
    for place, bad in itertools.product((0, count - 1), (math.inf, -math.inf, math.nan, 1e308)):
        with pytest.raises(Slow):
            f(*numbers[:place], bad, *numbers[place + 1 :])


# ---------------------------------------------------------------------- arrays

f8, f4 = np.dtype("f8"), np.dtype("f4")
ARRAY = Array(f8, (2, 3))


@pytest.fixture(scope="module")
def copied():
    """Two arrays -> (second, [first])."""
    signature = Signature(
        (ARRAY, [Array(f4, (5,))]), (OutArray(0, f4, (5,)), [OutArray(1, f8, (2, 3))])
    )
    return load(signature, copies(signature, [(0, 1), (1, 0)]))


def test_arrays_are_fresh(copied):
    x, y = np.arange(6.0).reshape(2, 3), np.arange(5, dtype="f4")
    given = copied(x, [y])
    assert same(given, (y, [x]))
    assert not np.shares_memory(given[1][0], x)
    for array in (given[0], given[1][0]):
        assert array.flags.owndata and array.flags.writeable and array.base is None
    given[0][:] = 7
    assert same(copied(x, [y]), (y, [x]))


def test_a_copy_of_a_dtype_is_as_good(copied):
    x = pickle.loads(pickle.dumps(np.arange(6.0).reshape(2, 3)))
    y = pickle.loads(pickle.dumps(np.ones(5, f4)))
    assert same(copied(x, [y]), (y, [x]))
    read_only = np.ones((2, 3))
    read_only.flags.writeable = False
    assert same(copied(read_only, [y]), (y, [read_only]))


class Own(np.ndarray):
    pass


@pytest.mark.parametrize(
    "x",
    [
        np.ones((2, 3), f4),
        np.ones((2, 3), ">f8"),
        np.ones((2, 3), np.int64),
        np.ones((2, 3), "m8[s]"),
        np.ones((2, 3), object),
        np.ones((3, 2)),
        np.ones(6),
        np.ones((1, 2, 3)),
        np.array(1.0),
        np.ones((3, 2)).T,
        np.ones((2, 6))[:, ::2],
        np.ones((2, 3))[::-1],
        np.zeros(49, np.uint8)[1:].view(f8).reshape(2, 3),
        np.ones((2, 3)).view(Own),
        np.ma.ones((2, 3)),
        [[1.0] * 3] * 2,
        1.0,
        np.float64(1.0),
        None,
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')} {np.shape(x)}",
)
def test_other_arrays_go_to_python(copied, x):
    with pytest.raises(Slow) as seen:
        copied(x, [np.ones(5, f4)])
    assert seen.value.args[0][0] is x


DTYPES = ["f8", "f4", "i8", "i4", "?"]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7,), (2, 1, 3, 2)])
@pytest.mark.parametrize("kind", DTYPES)
def test_every_dtype_and_shape(kind, shape):
    signature = Signature((Array(kind, shape),), OutArray(0, kind, shape))
    f = load(signature, copies(signature, [(0, 0)]))
    x = np.arange(math.prod(shape)).reshape(shape).astype(kind)
    assert same(f(x), x)


@pytest.mark.parametrize("kind", DTYPES)
def test_scalars_of_numpy(kind):
    signature = Signature(
        (Scalar(kind), Array(kind, (1,))), (OutScalar(0, kind), OutScalar(1, kind))
    )
    f = load(signature, copies(signature, [(0, 0), (1, 1)]))
    x, y = np.dtype(kind).type(1), np.ones(1, kind)
    assert same(f(x, y), (x, y[0]))
    for wrong in (1.0, 1, np.float16(1), np.array(1.0), True):
        with pytest.raises(Slow):
            f(wrong, y)


def test_numbers_of_python():
    arguments = (F, Scalar("i8"), Scalar("?"), Scalar("?"))
    result = {"x": OutFloat(0), "n": OutInt(1), "yes": OutBool(2), "no": (OutBool(3), OutInt(1))}
    signature = Signature(arguments, result)
    f = load(signature, copies(signature, [(k, k) for k in range(4)]))
    for n in (-5, 2**62, 0):
        given = f(-0.0, np.int64(n), np.True_, np.False_)
        assert same(given, {"x": -0.0, "n": n, "yes": True, "no": (False, n)})


def test_the_same_output_twice_is_one_array():
    a, constant = OutArray(0, f8, (3,)), [1, 2]
    signature = Signature(
        (Array(f8, (3,)),), Pair(a, {"k": a, "c": OutConstant(constant), "n": OutConstant(None)})
    )
    f = load(signature, copies(signature, [(0, 0)]))
    x = np.arange(3.0)
    given = f(x)
    assert type(given) is Pair and given.first is given.second["k"] and same(given.first, x)
    assert given.second["c"] is constant and given.second["n"] is None
    gone = weakref.ref(f(x).first)
    assert gone() is None  # no reference too many


def test_static_arguments():
    thing, big = object(), 10**20
    statics = (Static(thing), Static(big), [Static("a word")], Static(None), Static(1.5))
    f = load(Signature((F, *statics), OutFloat(0)), scalars(1))
    number = 1.5
    word = "".join(["a", " ", "word"])
    assert f(2.0, thing, 10 ** len("x" * 20), [word], None, statics[-1].value) == 4.0
    good = (thing, big, ["a word"], None, number)
    for place, wrong in [(0, object()), (1, 10**20 + 1), (1, 1e20), (2, ["a"]), (3, 0)]:
        with pytest.raises(Slow):
            f(2.0, *good[:place], wrong, *good[place + 1 :])
    one = load(Signature((Static(1),), OutConstant("yes")), scalars(0))
    assert one(1) == "yes"
    for wrong in (True, 1.0, np.int64(1), 2):
        with pytest.raises(Slow):
            one(wrong)


# ---------------------------------------------------------------------- frame and workspace

LOOK = """
define internal i64 @program(ptr %frame) nounwind {
  br label %head
head:
  %k = phi i64 [ 0, %0 ], [ %next, %body ]
  %more = icmp slt i64 %k, 5
  br i1 %more, label %body, label %done
body:
  %from = getelementptr ptr, ptr %frame, i64 %k
  %seen = load i64, ptr %from
  %out.at.0 = getelementptr ptr, ptr %frame, i64 0
  %out.at = load ptr, ptr %out.at.0
  %out = getelementptr i64, ptr %out.at, i64 %k
  store i64 %seen, ptr %out
  %next = add i64 %k, 1
  br label %head
done:
  %last = getelementptr ptr, ptr %frame, i64 4
  store i64 77, ptr %last
  ret i64 0
}
"""


@pytest.mark.parametrize("size", [0, 8, 4096, 4097, 10**6])
def test_the_frame(size):
    # One output: what the frame held (output, two constants, workspace, an extra).
    signature = Signature((), OutArray(0, "i8", (5,)))
    f = load(signature, LOOK, data=(123, 456, 0), constants=2, extras=1, workspace_bytes=size)
    for _ in range(3):
        given = f()
        assert given[0] == given.ctypes.data
        assert list(given[1:3]) == [123, 456] and given[4] == 0  # 77 was of another call
        assert given[3] % 64 == 0 and (given[3] != 0) == (size > 0)
    assert f()[3] == given[3] or size <= 4096  # the next call finds what the last one left


WAIT = """
define internal i64 @program(ptr %frame) nounwind {{
  %number.at = load ptr, ptr %frame
  %number = load i64, ptr %number.at
  %out.0 = getelementptr ptr, ptr %frame, i64 1
  %out = load ptr, ptr %out.0
  %work.0 = getelementptr ptr, ptr %frame, i64 2
  %work = load ptr, ptr %work.0
  br label %fill
fill:
  %k = phi i64 [ 0, %0 ], [ %k.next, %fill ]
  %at = getelementptr i64, ptr %work, i64 %k
  store i64 %number, ptr %at
  %k.next = add i64 %k, 1
  %full = icmp eq i64 %k.next, {count}
  br i1 %full, label %look, label %fill
look:
  %j = phi i64 [ 0, %fill ], [ %j.next, %look ]
  %sum = phi i64 [ 0, %fill ], [ %sum.next, %look ]
  %there = getelementptr i64, ptr %work, i64 %j
  %found = load i64, ptr %there
  %sum.next = add i64 %sum, %found
  %j.next = add i64 %j, 1
  %end = icmp eq i64 %j.next, {count}
  br i1 %end, label %done, label %look
done:
  store i64 %sum.next, ptr %out
  ret i64 0
}}
"""


@pytest.mark.parametrize("long", [False, True])
def test_sixteen_threads_have_workspaces_of_their_own(long):
    count = 20_000
    signature = Signature((Array("i8", (1,)),), OutInt(0))
    f = load(signature, WAIT.format(count=count), workspace_bytes=8 * count, long=long)

    def work(k):
        mine = np.array([k])
        for _ in range(100):
            assert f(mine) == k * count

    tracemalloc.start()
    try:
        threads_all(16, work)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 3 * 8 * count  # one of them waits
    finally:
        tracemalloc.stop()


def test_a_long_call_lets_others_run():
    flag = ctypes.c_int64(0)
    text = """
define internal i64 @program(ptr %frame) nounwind {
  %flag.at = getelementptr ptr, ptr %frame, i64 1
  %flag = load ptr, ptr %flag.at
  br label %again
again:
  %k = phi i64 [ 0, %0 ], [ %next, %again ]
  %seen = load atomic i64, ptr %flag acquire, align 8
  %set = icmp ne i64 %seen, 0
  %next = add i64 %k, 1
  %tired = icmp eq i64 %next, 20000000000
  %stop = or i1 %set, %tired
  br i1 %stop, label %done, label %again
done:
  %out = load ptr, ptr %frame
  store i64 %seen, ptr %out
  ret i64 0
}
"""
    f = load(Signature((), OutInt(0)), text, data=(ctypes.addressof(flag),), constants=1, long=True)
    timer = threading.Timer(0.02, lambda: setattr(flag, "value", 5))
    timer.start()
    assert f() == 5
    timer.join()


# ---------------------------------------------------------------------- errors

RAISE = """
define internal i64 @program(ptr %frame) nounwind {{
  %set = inttoptr i64 {set} to ptr
  %kind = inttoptr i64 {kind} to ptr
  call void %set(ptr %kind)
  ret i64 2
}}
"""


@pytest.mark.parametrize("size", [0, 10**5])
@pytest.mark.parametrize("calls_python", [False, True])
def test_what_the_program_raises_is_raised(size, calls_python):
    text = RAISE.format(set=python_api.address("PyErr_SetNone"), kind=id(KeyboardInterrupt))
    signature = Signature(([ARRAY],), (OutArray(0, f8, (100,)), OutFloat(1)))
    f = load(signature, text, workspace_bytes=size, calls_python=calls_python)
    with pytest.raises(KeyboardInterrupt):
        f([np.ones((2, 3))])


def test_no_memory():
    signature = Signature((ARRAY,), (OutArray(0, f8, (3,)), OutArray(1, f8, (2**58,))))
    with pytest.raises(MemoryError):
        load(signature, copies(signature, []))(np.ones((2, 3)))
    signature = Signature((ARRAY,), OutArray(0, f8, (3,)))
    with pytest.raises(MemoryError):
        load(signature, copies(signature, []), workspace_bytes=2**60)(np.ones((2, 3)))


class Key:
    """A key of a dict that does something when it is looked up."""

    def __init__(self, action):
        self.action = action

    def __hash__(self):
        return 17

    def __eq__(self, other):
        self.action()
        return isinstance(other, Key)


def test_a_key_that_drops_the_arguments():
    wanted = Key(lambda: None)
    signature = Signature(
        ([ARRAY, F], {wanted: [ARRAY]}, [F]), (OutArray(0, f8, (2, 3)), OutArray(1, f8, (2, 3)))
    )
    f = load(signature, copies(signature, [(0, 0), (2, 1)]))
    first, second, last = [np.full((2, 3), 5.0), 1e9], {}, [2.5]

    def drop():
        first.clear()
        second.clear()
        last.clear()

    second[Key(drop)] = [np.full((2, 3), 6.0)]
    # The dict changed while it was searched, and the last argument is another one: Python decides.
    with pytest.raises(Slow):
        f(first, second, last)
    first, second, last = [np.full((2, 3), 5.0), 1e9], {}, (2.5,)
    signature = Signature((*signature.arguments[:2], (F,)), signature.result)
    f = load(signature, copies(signature, [(0, 0), (2, 1)]))
    others = []

    def overwrite():
        first.clear()
        others.extend(np.full((2, 3), -1.0) for _ in range(20))  # memory that was freed is reused

    second[Key(overwrite)] = [np.full((2, 3), 6.0)]
    given = f(first, second, last)
    assert same(given, (np.full((2, 3), 5.0), np.full((2, 3), 6.0)))
    assert first == []


CALL = """
define internal i64 @program(ptr %frame) nounwind {
  %call.0 = getelementptr ptr, ptr %frame, i64 2
  %call = load ptr, ptr %call.0
  call void %call()
  %status = call i64 @copies(ptr %frame)
  ret i64 %status
}
"""


@pytest.mark.parametrize(
    ("option", "kind"), [("long", ctypes.CFUNCTYPE), ("calls_python", ctypes.PYFUNCTYPE)]
)
def test_arguments_dropped_by_the_program_live_to_its_end(option, kind):
    others, first = [], []

    def overwrite():
        first.clear()
        others.extend(np.full((2, 3), -1.0) for _ in range(20))

    call = kind(None)(overwrite)
    signature = Signature(([ARRAY],), OutArray(0, f8, (2, 3)))
    copy = copies(signature, [(0, 0)]).text("copies")
    data = (ctypes.cast(call, ctypes.c_void_p).value,)
    f = load(signature, CALL, copy, data=data, constants=1, **{option: True})
    for _ in range(10):
        first.append(np.full((2, 3), 5.0))
        assert same(f(first), np.full((2, 3), 5.0)) and first == []


def test_a_key_that_raises():
    def fails():
        raise ZeroDivisionError

    f = load(Signature(({Key(fails): F},), OutFloat(0)), scalars(1))
    with pytest.raises(ZeroDivisionError):
        f({Key(fails): 1.0})


# ---------------------------------------------------------------------- nothing leaks


def leaky(kind):
    """Return a callable and arguments, one for each way through an entry."""
    x, pair = np.ones((2, 3)), Pair(1.25, [np.ones(4, f4)])
    arguments = ([ARRAY, {"k": ARRAY}], Pair(F, [Array(f4, (4,))]))
    result = (
        OutFloat(0),
        [OutArray(1, f8, (2, 3)), {"k": OutArray(2, f8, (50, 60))}],
        Pair(OutScalar(3, f4), OutConstant(x)),
        (OutInt(4), OutArray(1, f8, (2, 3))),
    )
    signature = Signature(arguments, result)
    given = ([x, {"k": x}], pair)
    options = {"workspace_bytes": 20000, "answer": lambda *arguments: None}
    if kind == "fast":
        return load(signature, copies(signature, [(0, 1)]), **options), given
    if kind == "long":
        return load(signature, copies(signature, [(0, 1)]), long=True, **options), given
    if kind == "status":
        return load(signature, copies(signature, [], status=1), **options), given
    if kind == "mismatch":
        return load(signature, copies(signature, []), **options), (given[0], Pair(1.25, [x]))
    if kind == "raises":
        text = RAISE.format(set=python_api.address("PyErr_SetNone"), kind=id(LookupError))
        return load(signature, text, **options), given
    if kind == "make":
        unmade = Signature(arguments, (*result[:2], Unmade(OutScalar(3, f4))))
        return load(unmade, copies(unmade, []), **options), given
    assert kind == "memory"
    huge = Signature(arguments, (*result[:2], OutArray(3, f8, (2**58,))))
    return load(huge, copies(huge, []), **options), given


@pytest.mark.parametrize("kind", ["fast", "long", "status", "mismatch", "raises", "make", "memory"])
def test_nothing_leaks(kind):
    f, given = leaky(kind)
    x = given[0][0]
    watched = [*given, x, given[0][1], given[1][1], *given[1], f8, f4, np.ndarray, Pair]

    def call(times):
        for _ in range(times):
            with contextlib.suppress(LookupError, MemoryError):
                f(*given)

    call(100)
    gc.collect()
    before = [sys.getrefcount(thing) for thing in watched]
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        call(5000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    after = [sys.getrefcount(thing) for thing in watched]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 50
    # A workspace is 20 kB, and waits; NumPy counts the 2^61 bytes that it did not get.
    assert grown % 2**61 < 100_000 or abs(grown) < 100_000


def test_the_workspace_goes_with_the_callable():
    signature = Signature((F,), [OutFloat(0)])
    f = load(signature, copies(signature, []), program="program", workspace_bytes=10**7)
    tracemalloc.start()
    try:
        f(1.0)
        assert tracemalloc.get_traced_memory()[0] > 10**7
        f = None
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10**6
    finally:
        tracemalloc.stop()


def test_many_callables_and_threads_at_once():
    signature = Signature(([(F, F)],), [OutFloat(1), OutFloat(0)])

    def work(k):
        f = load(signature, scalars(2))
        for _ in range(50):
            assert f([(float(k), 1.0)]) == [2.0, 2.0 * k]

    threads_all(4, work)


# ---------------------------------------------------------------------- text and signatures


def test_text_is_the_same_every_time_and_has_no_address():
    def written():
        thing = object()
        signature = Signature(
            ([F, ARRAY], {"key": Static(thing)}), (OutArray(0, f8, (3,)), OutConstant(thing))
        )
        emitted = emit_entry(signature, host(), workspace_bytes=10**6)
        text = module(emitted.builders)
        for source in emitted.sources:
            assert str(source.address([])) not in text
        return text, [source.kind for source in emitted.sources]

    assert written() == written()


def test_a_copy_of_a_dtype_makes_the_same_signature():
    copy = pickle.loads(pickle.dumps(np.ones(1))).dtype
    assert copy is not f8 and Array(copy, (1,)) == Array(f8, (1,))
    assert Array(copy, ()).dtype is OutArray(0, copy, ()).dtype is Scalar(copy).dtype is f8


@pytest.mark.parametrize("target", [SSE, AVX2, NEON], ids=["SSE", "AVX2", "NEON"])
def test_it_is_emitted_for_other_processors(target):
    signature = Signature(([F, ARRAY], {"k": Static(1)}), Pair(OutArray(0, f8, (3,)), OutFloat(1)))
    emitted = emit_entry(signature, target, workspace_bytes=10**6, long=True, check_finite=True)
    program = "define internal i64 @program(ptr %frame) {\n  ret i64 0\n}\n"
    assert compile_object(module(emitted.builders, program), target)


def test_what_is_no_signature():
    with pytest.raises(TypeError, match="no leaf of a template: 3"):
        Signature((F, [3]), OutFloat(0))
    with pytest.raises(TypeError, match="no leaf of a template: Float"):
        Signature((F,), F)
    with pytest.raises(TypeError, match="plain numbers in native byte order, got >f8"):
        Array(">f8", (2,))
    with pytest.raises(TypeError, match="plain numbers"):
        OutArray(0, object, ())
    with pytest.raises(ValueError, match=r"without a gap, got \[0, 2"):
        Signature((), (OutFloat(0), OutFloat(2)))
    with pytest.raises(ValueError, match="output 0 is"):
        Signature((), (OutFloat(0), OutInt(0)))
    with pytest.raises(TypeError, match="not a named tuple"):
        Signature((type("Row", (tuple,), {})(),), ())
