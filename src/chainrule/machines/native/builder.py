"""Write one function of LLVM's language as text.

Text, because LLVM's own builders are reached through one foreign call an instruction, and because
text can be read, compared (two kernels of equal text are one kernel) and tested without LLVM.

A `Value` is a type and a name. Methods of `Builder` append one instruction and return its value;
`loop` makes a counted loop with carried values. Every method takes scalars and vectors alike; a
scalar that meets a vector is spread over its lanes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np

from .target import Target


class Value(NamedTuple):
    """An operand: its LLVM type and its name or literal."""

    type: str
    name: str

    @property
    def lanes(self) -> int:
        """How many lanes a vector has; 0 for a scalar."""
        return lanes_of(self.type)

    @property
    def element(self) -> str:
        """The type of a lane; a scalar's own type."""
        return element_of(self.type)


@cache
def lanes_of(kind: str) -> int:
    """Return the lanes of a vector type; 0 for a scalar type."""
    return int(kind[1 : kind.index(" ")]) if kind[0] == "<" else 0


@cache
def element_of(kind: str) -> str:
    """Return the type of a vector's lanes; a scalar type itself."""
    return kind[kind.index("x ") + 2 : -1] if kind[0] == "<" else kind


@cache
def vector_of(kind: str, lanes: int) -> str:
    """Return the vector type; with 0 lanes the scalar type."""
    return f"<{lanes} x {kind}>" if lanes else kind


_SIZES = {"double": 8, "float": 4, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "i1": 1, "ptr": 8}
_INTEGER_OF = {"double": "i64", "float": "i32"}


def size_of(kind: str) -> int:
    """Return the bytes of a scalar or vector type in memory."""
    return _SIZES[element_of(kind)] * max(lanes_of(kind), 1)


def integer_of(kind: str) -> str:
    """Return the integer type with the bits of a float type, lane by lane."""
    return vector_of(_INTEGER_OF[element_of(kind)], lanes_of(kind))


def literal(kind: str, number: float | int | bool) -> str:
    """Return how LLVM writes a number of a scalar type: floats by their bits, so none is lost."""
    if kind in ("double", "float"):
        number = float(number)
        if kind == "float":  # LLVM writes a float as the double of the same value
            with np.errstate(over="ignore"):
                number = float(np.float32(number))
        if math.isnan(number):
            return "0x7FF8000000000000"
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if kind == "i1":
        return "true" if number else "false"
    return str(int(number))


def constant(kind: str, number: float | int | bool) -> Value:
    """Return a literal; of a vector type, the same in every lane."""
    lanes = lanes_of(kind)
    word = literal(element_of(kind), number)
    if not lanes:
        return Value(kind, word)
    return Value(kind, f"splat ({element_of(kind)} {word})")


def lanes(kind: str, numbers: Sequence[float | int | bool]) -> Value:
    """Return a vector literal, one number a lane; `kind` is the lanes' type."""
    inside = ", ".join(f"{kind} {literal(kind, n)}" for n in numbers)
    return Value(vector_of(kind, len(numbers)), f"<{inside}>")


def _operation(word: str) -> Callable[[Builder, Value, Value], Value]:
    def method(self: Builder, x: Value, y: Value) -> Value:
        return self._binary(word, x, y)

    return method


class Builder:
    """The text of one function in the making.

    Parameters
    ----------
    name : str
        The function's name, without `@`.
    arguments : sequence of (str, str)
        LLVM type (with attributes, such as "ptr noalias") and name of each argument.
    target : Target
        What the code is for: how wide a vector is, whether there is FMA.
    returns : str
        The type of the result.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[tuple[str, str]],
        target: Target,
        returns: str = "void",
        attributes: str = "nounwind",
    ) -> None:
        self.name = name
        self.target = target
        self.arguments = {n: Value(t.split(" ")[0], "%" + n) for t, n in arguments}
        self._head = (
            f"define {returns} @{name}(" + ", ".join(f"{t} %{n}" for t, n in arguments) + ")"
        )
        self._attributes = attributes
        self.lines: list[str] = []
        self.declared: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self._count = 0
        self._labels = 0
        self.block = "entry"

    # ------------------------------------------------------------------ the text

    def text(self, name: str | None = None) -> str:
        """Return the whole function; declarations and globals are the caller's to gather."""
        head = self._head if name is None else self._head.replace(f"@{self.name}(", f"@{name}(", 1)
        body = "\n".join(self.lines)
        return f"{head} {self._attributes} {{\nentry:\n{body}\n}}\n"

    def rename(self, name: str) -> None:
        """Call the function otherwise."""
        self._head = self._head.replace(f"@{self.name}(", f"@{name}(", 1)
        self.name = name

    def fresh(self) -> str:
        """Return a new local name."""
        self._count += 1
        return f"%v{self._count}"

    def emit(self, line: str) -> None:
        """Append a line that gives no value."""
        self.lines.append("  " + line)

    def let(self, kind: str, operation: str) -> Value:
        """Append a line that gives a value of this type."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {operation}")
        return Value(kind, name)

    def comment(self, words: str) -> None:
        """Append a remark for whoever reads the listing."""
        self.lines.append("  ; " + words.replace("\n", " "))

    def ret(self, value: Value | None = None) -> None:
        """Return from the function."""
        self.emit("ret void" if value is None else f"ret {value.type} {value.name}")

    # ------------------------------------------------------------------ values

    def constant(self, like: Value | str, number: float | int | bool) -> Value:
        """Return a literal of a type, or of another value's type."""
        return constant(like if isinstance(like, str) else like.type, number)

    def splat(self, value: Value, count: int) -> Value:
        """Return a scalar in every lane; a vector, or 0 lanes, comes back as it is."""
        if not count or value.lanes:
            return value
        kind = vector_of(value.type, count)
        if not value.name.startswith("%"):
            return Value(kind, f"splat ({value.type} {value.name})")
        one = self.let(kind, f"insertelement {kind} poison, {value.type} {value.name}, i32 0")
        return self.let(
            kind, f"shufflevector {kind} {one.name}, {kind} poison, <{count} x i32> zeroinitializer"
        )

    def together(self, *values: Value) -> list[Value]:
        """Return the values with the scalars among them spread over the vectors' lanes."""
        count = max(v.lanes for v in values)
        return [self.splat(v, count) for v in values]

    def _binary(self, operation: str, x: Value, y: Value) -> Value:
        if x.lanes != y.lanes:
            x, y = self.together(x, y)
        return self.let(x.type, f"{operation} {x.type} {x.name}, {y.name}")

    fadd = _operation("fadd")
    fsub = _operation("fsub")
    fmul = _operation("fmul")
    fdiv = _operation("fdiv")
    frem = _operation("frem")
    add = _operation("add")
    sub = _operation("sub")
    mul = _operation("mul")
    sdiv = _operation("sdiv")
    srem = _operation("srem")
    shl = _operation("shl")
    lshr = _operation("lshr")
    ashr = _operation("ashr")
    xor = _operation("xor")
    and_ = _operation("and")
    or_ = _operation("or")

    def fneg(self, x: Value) -> Value:
        """Negate."""
        return self.let(x.type, f"fneg {x.type} {x.name}")

    def compare(self, predicate: str, x: Value, y: Value) -> Value:
        """Compare: "oeq", "olt", "une", "uno" for floats; "eq", "slt", "ult" for integers."""
        x, y = self.together(x, y)
        word = "fcmp" if x.element in _INTEGER_OF else "icmp"
        return self.let(vector_of("i1", x.lanes), f"{word} {predicate} {x.type} {x.name}, {y.name}")

    def select(self, chooser: Value, yes: Value, no: Value) -> Value:
        """Choose lane by lane."""
        count = max(chooser.lanes, yes.lanes, no.lanes)
        yes, no = self.splat(yes, count), self.splat(no, count)
        return self.let(
            yes.type,
            f"select {chooser.type} {chooser.name}, {yes.type} {yes.name}, {no.type} {no.name}",
        )

    def convert(self, word: str, x: Value, to: str) -> Value:
        """Convert: "fpext", "fptrunc", "sitofp", "fptosi", "sext", "zext", "trunc", "bitcast" ...

        `to` is the type of a lane.
        """
        kind = vector_of(to, x.lanes)
        return self.let(kind, f"{word} {x.type} {x.name} to {kind}")

    def bits(self, x: Value) -> Value:
        """Return a float's bits as an integer of the same width."""
        return self.convert("bitcast", x, element_of(integer_of(x.type)))

    def call(self, name: str, returns: str, *values: Value, attributes: str = "") -> Value:
        """Call a function or an intrinsic by its full name; it is declared when first used."""
        kinds = ", ".join(v.type for v in values)
        self.declared.setdefault(name, f"declare {returns} @{name}({kinds}) {attributes}".rstrip())
        inside = ", ".join(f"{v.type} {v.name}" for v in values)
        if returns == "void":
            self.emit(f"call void @{name}({inside})")
            return Value("void", "")
        return self.let(returns, f"call {returns} @{name}({inside})")

    def intrinsic(self, name: str, *values: Value) -> Value:
        """Call `llvm.<name>` overloaded on the first value's type: "sqrt", "fabs", "floor" ..."""
        if len(values) > 1:
            values = tuple(self.together(*values))
        kind = values[0].type
        suffix = (f"v{lanes_of(kind)}" if kind[0] == "<" else "") + {
            "double": "f64",
            "float": "f32",
        }.get(element_of(kind), element_of(kind))
        return self.call(f"llvm.{name}.{suffix}", kind, *values)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """Return x * y + z: rounded once where the target can, twice elsewhere."""
        x, y, z = self.together(x, y, z)
        if not self.target.fma:
            return self.fadd(self.fmul(x, y), z)
        return self.intrinsic("fma", x, y, z)

    # ------------------------------------------------------------------ memory

    def address(self, pointer: Value, index: Value | int, kind: str) -> Value:
        """Return the address of an element, counted in elements of a type."""
        if isinstance(index, int):
            if index == 0:
                return pointer
            index = Value("i64", str(index))
        return self.let(
            "ptr", f"getelementptr {kind}, ptr {pointer.name}, {index.type} {index.name}"
        )

    def load(self, kind: str, pointer: Value, mask: Value | None = None) -> Value:
        """Load; a vector from neighbouring elements; lanes that the mask leaves out give zero.

        Aligned to one element only: arrays of users are no better.
        """
        align = size_of(element_of(kind))
        if mask is None:
            return self.let(kind, f"load {kind}, ptr {pointer.name}, align {align}")
        zero = Value(kind, "zeroinitializer")
        name = f"llvm.masked.load.{_suffix(kind)}.p0"
        self.declared.setdefault(
            name, f"declare {kind} @{name}(ptr, <{lanes_of(kind)} x i1>, {kind})"
        )
        return self.let(
            kind,
            f"call {kind} @{name}(ptr align {align} {pointer.name}, {mask.type} {mask.name}, "
            f"{kind} {zero.name})",
        )

    def store(self, value: Value, pointer: Value, mask: Value | None = None) -> None:
        """Store; a vector to neighbouring elements, of these only the lanes in the mask."""
        align = size_of(value.element)
        if mask is None:
            self.emit(f"store {value.type} {value.name}, ptr {pointer.name}, align {align}")
            return
        name = f"llvm.masked.store.{_suffix(value.type)}.p0"
        self.declared.setdefault(
            name, f"declare void @{name}({value.type}, ptr, <{value.lanes} x i1>)"
        )
        self.emit(
            f"call void @{name}({value.type} {value.name}, ptr align {align} {pointer.name}, "
            f"{mask.type} {mask.name})"
        )

    def prefetch(self, pointer: Value, cache: int) -> None:
        """Have a cache line on its way into the nearest cache (1) or the one behind it (2)."""
        self.declared.setdefault(
            "llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
        )
        self.emit(f"call void @llvm.prefetch.p0(ptr {pointer.name}, i32 0, i32 {4 - cache}, i32 1)")

    def scratch(self, kind: str, count: int, align: int = 64) -> Value:
        """Return stack memory for some elements, zeroed by nobody.

        Call it before any loop begins: stack that is taken inside a loop is taken again each time.
        """
        return self.let("ptr", f"alloca {kind}, i64 {count}, align {align}")

    # ------------------------------------------------------------------ control

    def label(self) -> str:
        """Return a new block's name."""
        self._labels += 1
        return f"b{self._labels}"

    def jump(self, label: str) -> None:
        """Go to a block."""
        self.emit(f"br label %{label}")

    def branch(self, chooser: Value, yes: str, no: str) -> None:
        """Go to one of two blocks."""
        self.emit(f"br i1 {chooser.name}, label %{yes}, label %{no}")

    def start(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: int,
        body: Callable[..., Sequence[Value] | None],
        carried: Sequence[Value] = (),
    ) -> list[Value]:
        """Count from start (inclusive) to stop (exclusive); return the carried values at the end.

        `body(index, *carried)` returns the next carried values. The body may make blocks of its
        own. With literal bounds that give one round, or none, there is no loop.
        """
        if isinstance(start, int) and isinstance(stop, int):
            rounds = max(0, -(-(stop - start) // step))
            if rounds == 0:
                return list(carried)
            if rounds == 1:
                return list(body(Value("i64", str(start)), *carried) or ())
        first = start if isinstance(start, Value) else Value("i64", str(start))
        last = stop if isinstance(stop, Value) else Value("i64", str(stop))
        head, inside, after = self.label(), self.label(), self.label()
        before = self.block
        self.jump(head)
        self.start(head)
        index = Value("i64", self.fresh())
        names = [Value(v.type, self.fresh()) for v in carried]
        at = len(self.lines)
        self.lines += [""] * (1 + len(names))  # the phis, known when the body is written
        self.branch(self.compare("slt", index, last), inside, after)
        self.start(inside)
        following = list(body(index, *names) or ())
        following_index = self.add(index, Value("i64", str(step)))
        end = self.block
        self.jump(head)
        for k, (phi, begin, again) in enumerate(
            zip([index, *names], [first, *carried], [following_index, *following], strict=True)
        ):
            self.lines[at + k] = (
                f"  {phi.name} = phi {phi.type} [ {begin.name}, %{before} ], "
                f"[ {again.name}, %{end} ]"
            )
        self.start(after)
        return names

    @contextmanager
    def thrown_away(self) -> Iterator[None]:
        """Forget at the end what is written meanwhile: to see how long it is."""
        kept = list(self.lines), self._count, self._labels, self.block
        yield
        self.lines[:] = kept[0]
        self._count, self._labels, self.block = kept[1:]

    def when(
        self,
        chooser: Value,
        yes: Callable[[], Sequence[Value] | None],
        otherwise: Sequence[Value] = (),
    ) -> list[Value]:
        """Run `yes` where a scalar condition holds; return its values, or these otherwise."""
        inside, after = self.label(), self.label()
        before = self.block
        self.branch(chooser, inside, after)
        self.start(inside)
        given = list(yes() or ())
        end = self.block
        self.jump(after)
        self.start(after)
        return [
            self.let(a.type, f"phi {a.type} [ {a.name}, %{end} ], [ {b.name}, %{before} ]")
            for a, b in zip(given, otherwise, strict=True)
        ]


def _suffix(kind: str) -> str:
    element = element_of(kind)
    return f"v{lanes_of(kind)}" + {"double": "f64", "float": "f32", "ptr": "p0"}.get(
        element, element
    )


def module(builders: Sequence[Builder], extra: str = "") -> str:
    """Return the text of a module: what the functions declare, their globals, themselves."""
    declared: dict[str, str] = {}
    globals_: dict[str, str] = {}
    defined = {b.name for b in builders}
    for b in builders:
        declared |= b.declared
        globals_ |= b.globals
    heads = [line for name, line in declared.items() if name not in defined]
    return "\n".join([*globals_.values(), *heads, "", *(b.text() for b in builders), extra])
