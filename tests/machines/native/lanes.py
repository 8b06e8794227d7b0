"""Run an emitter over arrays: one function `void @sweep(ptr out, ptr x, ptr y, ..., i64 count)`."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.machines.native.builder import Builder, Value, vector_of
from chainrule.machines.native.target import SSE, Target, compile_object, host, load

KINDS = {"f8": "double", "f4": "float", "i8": "i64", "i4": "i32", "b1": "i1", "u1": "i8"}


def narrower() -> list[Target]:
    """Return this machine with its features switched off: without FMA, and as plain as can be."""
    here = host()
    if not here.triple.startswith("x86_64"):
        return [dataclasses.replace(here, fma=False)]
    plain = dataclasses.replace(SSE, triple=here.triple)
    old = dataclasses.replace(plain, cpu="sandybridge", vector_bytes=32)
    return [dataclasses.replace(here, fma=False), old, plain]


def text_of(
    emitter: Callable[..., Value],
    kinds: tuple[str, ...],
    lanes: int,
    target: Target,
    **settings: Any,
) -> tuple[str, str]:
    """Return the module of a sweep and the element type of what it stores."""
    b = Builder(
        "sweep",
        [("ptr", "out"), *(("ptr", f"p{k}") for k in range(len(kinds))), ("i64", "count")],
        target,
    )
    made: list[str] = []

    def body(index: Value) -> None:
        values = []
        for k, kind in enumerate(kinds):
            memory = "i8" if kind == "i1" else kind
            address = b.address(Value("ptr", f"%p{k}"), index, memory)
            value = b.load(vector_of(memory, lanes), address)
            values.append(b.convert("trunc", value, "i1") if kind == "i1" else value)
        value = emitter(b, *values, **settings)
        if value.element == "i1":
            value = b.convert("zext", value, "i8")
        made.append(value.element)
        b.store(value, b.address(Value("ptr", "%out"), index, value.element))

    b.loop(Value("i64", "0"), Value("i64", "%count"), max(lanes, 1), body)
    b.ret()
    parts = [*b.globals.values(), *b.declared.values(), b.text()]
    return "\n".join(parts), made[0]


@functools.cache
def _compiled(text: str, target: Target) -> int:
    return load(compile_object(text, target), ("sweep",))[0]


def run(
    emitter: Callable[..., Value],
    *arrays: Any,
    target: Target | None = None,
    lanes: int | None = None,
    **settings: Any,
) -> np.ndarray[Any, Any]:
    """Return an emitter's values for one-dimensional arrays of one length.

    Parameters
    ----------
    emitter : callable
        From `EMITTERS` or `mathematics`.
    *arrays : ndarray
        Float, integer or truth values.
    target : Target, optional
        What to compile for; by default this machine.
    lanes : int, optional
        Elements per vector, 0 for scalars; by default as many as the target has.
    """
    target = host() if target is None else target
    given = [np.ascontiguousarray(a) for a in arrays]
    kinds = tuple(KINDS[a.dtype.str[1:]] for a in given)
    if lanes is None:
        lanes = min(target.lanes(k) for k in kinds if k != "i1")
    text, kind = text_of(emitter, kinds, lanes, target, **settings)
    count = given[0].size
    step = max(lanes, 1)
    padded = -(-count // step) * step
    full = [np.concatenate([a, np.ones(padded - count, a.dtype)]) for a in given]
    dtype = {"double": "f8", "float": "f4", "i64": "i8", "i32": "i4", "i8": "?"}[kind]
    out = np.empty(padded, dtype)
    types = [ctypes.c_void_p] * (1 + len(full)) + [ctypes.c_int64]
    function = ctypes.CFUNCTYPE(None, *types)(_compiled(text, target))
    function(out.ctypes.data, *(a.ctypes.data for a in full), padded)
    return out[:count]
