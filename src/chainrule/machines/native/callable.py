"""A type whose objects are called at C speed: the face of a compiled function.

An object holds two things. `slow` is a Python callable that can always answer. `entry` is the
address of machine code with CPython's vectorcall signature (PEP 590): at first code that passes
the very same arguments on to `slow`; after `set_entry` code that `entry.py` emitted, which does
the same with whatever it does not recognise.

The type is made with `PyType_FromSpec`, out of four small functions in LLVM's language and
CPython's own. Where `python_api.supported` says no, a Python class stands in for it: same methods,
every call slow.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import cache, linking, python_api, target
from .python_api import read

# Where an object's fields are: the object's header comes first.
ENTRY, SLOW, DICT, WEAK, END = 16, 24, 32, 40, 48

_FUNCTIONS = (
    "PyObject_Vectorcall",
    "Py_DecRef",
    "PyObject_GC_UnTrack",
    "PyObject_ClearWeakRefs",
    "PyObject_GC_Del",
)


def forward(table: str, slot: int) -> str:
    """Return instructions that call an object's `slow` with what the object was called with.

    For a function with the arguments `%self, %arguments, %count, %names`, whose table has
    `PyObject_Vectorcall` in that slot. A jump: the caller's frame is gone while `slow` runs. The
    object keeps `slow` alive, and whoever calls keeps the object.
    """
    return f"""\
  %slow.at = getelementptr i8, ptr %self, i64 {SLOW}
  %slow = load ptr, ptr %slow.at, align 8
  %vectorcall.at = getelementptr ptr, ptr {table}, i64 {slot}
  %vectorcall = load ptr, ptr %vectorcall.at, align 8
  %passed.on = tail call ptr %vectorcall(ptr %slow, ptr %arguments, i64 %count, ptr %names)
  ret ptr %passed.on
"""


def _call(slot: int, argument: str, name: str) -> str:
    """Return instructions that call a `void (*)(PyObject *)` of the table."""
    return f"""\
  %{name}.at = getelementptr ptr, ptr @callable_table, i64 {slot}
  %{name}.code = load ptr, ptr %{name}.at, align 8
  call void %{name}.code(ptr {argument})
"""


def _when_held(field: int, name: str, then: str) -> str:
    """Return instructions that do something with a field's object where there is one."""
    return f"""\
  %{name}.at = getelementptr i8, ptr %self, i64 {field}
  %{name} = load ptr, ptr %{name}.at, align 8
  %{name}.none = icmp eq ptr %{name}, null
  br i1 %{name}.none, label %after.{name}, label %with.{name}
with.{name}:
{then}  br label %after.{name}
after.{name}:
"""


def _visit(name: str, value: str, otherwise: str) -> str:
    """Return instructions that show an object to the collector, and stop where it says so."""
    return f"""\
  %{name}.answer = call i32 %visit(ptr {value}, ptr %with)
  %{name}.stop = icmp ne i32 %{name}.answer, 0
  br i1 %{name}.stop, label %{name}.yes, label %{name}.no
{name}.yes:
  ret i32 %{name}.answer
{name}.no:
{otherwise}"""


def _drop(field: int, name: str) -> str:
    """Return instructions that let go of a field's object; the field is empty before that."""
    emptied = f"  store ptr null, ptr %{name}.at, align 8\n"
    return _when_held(field, name, emptied + _call(1, f"%{name}", f"{name}.drop"))


def text() -> str:
    """Return the module with the functions that the type is made of."""
    # A cleared object may still be reached by a finaliser: without an entry CPython answers
    # with a TypeError.
    clear = f"  %entry.at = getelementptr i8, ptr %self, i64 {ENTRY}\n"
    clear += "  store ptr null, ptr %entry.at, align 8\n"
    clear += _drop(SLOW, "slow") + _drop(DICT, "dict")
    kind = f"  %kind.at = getelementptr i8, ptr %self, i64 {python_api.TYPE}\n"
    kind += "  %kind = load ptr, ptr %kind.at, align 8\n"
    return f"""\
@callable_table = internal global [{len(_FUNCTIONS)} x ptr] zeroinitializer

define ptr @callable_table_at() {{
  ret ptr @callable_table
}}

define ptr @callable_forward(ptr %self, ptr %arguments, i64 %count, ptr %names) {{
{forward("@callable_table", 0)}}}

define i32 @callable_traverse(ptr %self, ptr %visit, ptr %with) {{
{_when_held(SLOW, "slow", _visit("slow.seen", "%slow", ""))}\
{_when_held(DICT, "dict", _visit("dict.seen", "%dict", ""))}\
{kind}  %answer = call i32 %visit(ptr %kind, ptr %with)
  ret i32 %answer
}}

define i32 @callable_clear(ptr %self) {{
{clear}  ret i32 0
}}

define void @callable_dealloc(ptr %self) {{
{_call(2, "%self", "untrack")}\
{_when_held(WEAK, "weak", _call(3, "%self", "weak.clear"))}\
{clear}{kind}{_call(4, "%self", "free")}{_call(1, "%kind", "kind.drop")}  ret void
}}
"""


# ---------------------------------------------------------------------- the type


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _GetSet(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("get", ctypes.c_void_p),
        ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    )


# From structmember.h, typeslots.h and object.h.
_OBJECT, _SIZE, _READONLY = 6, 19, 1  # T_OBJECT: an empty field reads as None
_TP_CALL, _TP_CLEAR, _TP_DEALLOC, _TP_TRAVERSE, _TP_MEMBERS, _TP_GETSET = 50, 51, 52, 71, 72, 73
_HAVE_VECTORCALL, _HAVE_GC, _HAVE_VERSION_TAG = 1 << 11, 1 << 14, 1 << 18
_KEPT: list[Any] = []  # tables that a type points into for good
_CODE: dict[str, int] = {}
_LOCK = threading.Lock()


def _code() -> dict[str, int]:
    """Return the addresses of the functions in `text`, ready to be called."""
    if _CODE:
        return _CODE
    with _LOCK:
        if not _CODE:
            key = cache.key(["callable", text()])
            found = cache.load(key)
            code = found["object"] if found else target.compile_object(text(), target.host())
            if not found:
                cache.store(key, {"object": code, "meta": None})
            names = ("table_at", "forward", "traverse", "clear", "dealloc")
            addresses = linking.load(code, [f"callable_{name}" for name in names])
            functions = dict(zip(names, addresses, strict=True))
            fill_table(functions["table_at"], [python_api.address(name) for name in _FUNCTIONS])
            _CODE.update(functions)
    return _CODE


def fill_table(table_at: int, addresses: list[int]) -> None:
    """Write addresses into the table that the function at `table_at` returns."""
    at = ctypes.CFUNCTYPE(ctypes.c_void_p)(table_at)()
    ctypes.memmove(at, (ctypes.c_size_t * len(addresses))(*addresses), 8 * len(addresses))


def _native_type(name: str) -> Any:
    code = _code()
    generic = [python_api.address(f"PyObject_Generic{word}Dict") for word in ("Get", "Set")]
    members = (_Member * 5)(
        _Member(b"__vectorcalloffset__", _SIZE, ENTRY, _READONLY),
        _Member(b"__dictoffset__", _SIZE, DICT, _READONLY),
        _Member(b"__weaklistoffset__", _SIZE, WEAK, _READONLY),
        _Member(b"slow", _OBJECT, SLOW, _READONLY, b"The Python callable that can always answer."),
    )
    getset = (_GetSet * 2)(_GetSet(b"__dict__", *generic))
    slots = (_Slot * 7)(
        _Slot(_TP_CALL, python_api.address("PyVectorcall_Call")),
        _Slot(_TP_CLEAR, code["clear"]),
        _Slot(_TP_DEALLOC, code["dealloc"]),
        _Slot(_TP_TRAVERSE, code["traverse"]),
        _Slot(_TP_MEMBERS, ctypes.addressof(members)),
        _Slot(_TP_GETSET, ctypes.addressof(getset)),
    )
    flags = _HAVE_VECTORCALL | _HAVE_GC | _HAVE_VERSION_TAG
    spec = _Spec(f"{__name__}.{name}".encode(), END, 0, flags, slots)
    _KEPT.append((members, getset, slots, spec))
    make: Callable[..., Any] = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(
        ("PyType_FromSpec", ctypes.pythonapi)
    )
    return make(ctypes.addressof(spec))


def _new(cls: type, slow: Callable[..., Any]) -> Any:
    if not callable(slow):
        raise TypeError(f"{cls.__name__} needs a callable, got {type(slow).__name__}")
    made: Any = object.__new__(cls)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(slow))
    ctypes.c_void_p.from_address(id(made) + SLOW).value = id(slow)
    ctypes.c_void_p.from_address(id(made) + ENTRY).value = _code()["forward"]
    return made


def _set_entry(self: Any, entry: int | None, keep: Any = None) -> None:
    """Point calls at other code.

    Safe while other threads call: one aligned pointer is stored, and code is never unloaded.

    Parameters
    ----------
    entry : int or None
        The address of a vectorcall function; None for the one that calls `slow`.
    keep : object, optional
        What that code needs alive (its `Entry`). It is kept as long as this object, for a thread
        may still run the code when the next one is set.
    """
    if keep is not None:
        self.__dict__.setdefault("_kept", []).append(keep)
    ctypes.c_void_p.from_address(id(self) + ENTRY).value = entry or _code()["forward"]


def _entry(self: Any) -> int | None:
    """Return the address of the code that calls reach; None for the one that calls `slow`."""
    at = read(ctypes.c_void_p, id(self) + ENTRY)
    return None if at in (None, _code()["forward"]) else int(at)


_NATIVE: dict[str, Any] = {
    "__new__": staticmethod(_new),
    "entry": property(_entry),
    "set_entry": _set_entry,
    "native": True,
}


class _Plain:
    """What stands in for the native type where objects may not be touched."""

    native = False
    entry = None

    def __init__(self, slow: Callable[..., Any]) -> None:
        if not callable(slow):
            raise TypeError(f"{type(self).__name__} needs a callable, got {type(slow).__name__}")
        self.__dict__["_slow"] = slow

    @property
    def slow(self) -> Callable[..., Any]:
        """The Python callable that answers."""
        answer: Callable[..., Any] = self.__dict__["_slow"]
        return answer

    def set_entry(self, entry: int | None, keep: Any = None) -> None:
        """Do nothing: every call goes to `slow`."""

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        return self.__dict__["_slow"](*arguments, **named)


def callable_type(name: str, members: Mapping[str, Any], *, native: bool | None = None) -> Any:
    """Make a type of callable objects.

    Parameters
    ----------
    name : str
        The type's name.
    members : mapping of str to object
        What its objects have besides: plain functions, properties, `__repr__`, `__doc__`,
        `__module__`. State belongs into an object's `__dict__`, as do `__name__` and
        `__wrapped__`: `functools.update_wrapper` works. Not `__call__`.
    native : bool, optional
        Whether calls go through machine code; by default where the interpreter is known. `True`
        elsewhere is a `RuntimeError`.

    Returns
    -------
    type
        `type(slow)` makes an object; it has `slow`, `entry`, `set_entry(address, keep)` and
        `native`. It has a `__dict__`, can be referred to weakly and takes part in garbage
        collection; it is no base class, and copies are the object itself, as with functions.

    Examples
    --------
    >>> Doubler = callable_type("Doubler", {"__repr__": lambda self: "<twice>"})
    >>> twice = Doubler(lambda x: 2 * x)
    >>> twice, twice(4)
    (<twice>, 8)
    """
    if native is None:
        native = python_api.supported()
    elif native and not python_api.supported():
        raise RuntimeError("machine code may not touch the objects of this interpreter")
    alike = {"__copy__": lambda self: self, "__deepcopy__": lambda self, memo: self}
    if not native:
        return type(name, (_Plain,), {**alike, **members})
    made = _native_type(name)
    for key, value in {**_NATIVE, **alike, **members}.items():
        setattr(made, key, value)
    return made
