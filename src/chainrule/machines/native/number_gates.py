"""Gates of plain numbers: doubles, and `i1` for truth values, or lanes of either.

A gate is lowered by its entry in `elementwise.EMITTERS`. One without an entry may still be lowered
here by its record alone: a gate whose `scalar_code` is `{0}` gives its input (a sum of one number).

Exponentials and their kin are dozens of instructions, and LLVM takes a millisecond for each. Where
a function has many of them they become functions of their own, called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...gates.gate import Gate
from .builder import Builder, Value, constant
from .elementwise import EMITTERS
from .nodes import NotLowered

LOGICAL = frozenset(
    [f"logical_{word}" for word in ("and", "or", "xor", "not")]
    + [f"bitwise_{word}" for word in ("and", "or", "xor")]
    + ["invert"]
)
MANY, LONG = 10, 8
"""How often a gate comes that may become a function, and of how many instructions it is; a call
takes as long as a few."""
MOST_INLINE = 1000
"""Instructions that all gates of one kind may take in one function."""
MOST_LITERALS = 4
"""How many functions of one gate may hold literals of their own."""
_MOST_EXACT = 2**53
"""Up to here every integer is a double."""


def plain_number(number: Any) -> float:
    """Return a constant as a double, which it must be without loss.

    Raises
    ------
    NotLowered
        If it is no plain number, or too large an integer.
    """
    if not isinstance(number, (float, int)):
        raise NotLowered(f"a constant of type {type(number).__name__}")
    if isinstance(number, int) and abs(number) > _MOST_EXACT:
        raise NotLowered("an integer that no double can hold")
    return float(number)


def as_double(b: Builder, value: Value) -> Value:
    """Return a number; of a truth value 0.0 or 1.0."""
    return b.convert("uitofp", value, "double") if value.element == "i1" else value


def as_truth(b: Builder, value: Value) -> Value:
    """Return Python's truth of a number: nan is true."""
    return value if value.element == "i1" else b.compare("une", value, constant(value.type, 0.0))


def leave_unless(b: Builder, value: Value, seen: bool | int) -> None:
    """Append a guard: return 1 where Python would see something else, in any lane."""
    if isinstance(seen, bool):
        holds = as_truth(b, value)
        if not seen:
            holds = b.xor(holds, constant(holds.type, True))
    else:  # int() cuts towards zero; that of nan is an error in Python, and false here
        whole = b.intrinsic("trunc", as_double(b, value))
        holds = b.compare("oeq", whole, constant(whole.type, seen))
    if holds.lanes:
        holds = b.call(f"llvm.vector.reduce.and.v{holds.lanes}i1", "i1", holds)
    on, off = b.label(), b.label()
    b.branch(holds, on, off)
    b.start(off)
    b.ret(Value("i64", "1"))
    b.start(on)


class Function(NamedTuple):
    """A gate's function: its name, what it returns, and which operands it takes as arguments."""

    name: str
    returns: str
    takes: tuple[bool, ...]


class GateWriter:
    """Writes the gates of one function.

    Parameters
    ----------
    b : Builder
        The function.
    counts : mapping of Gate to int
        How many gates of each kind it will have.
    """

    def __init__(self, b: Builder, counts: Mapping[Gate, int]) -> None:
        self.b = b
        self.counts = counts
        self._known: dict[Gate, dict[Any, Function | None]] = {}

    def __call__(self, gate: Gate, values: Sequence[Value], settings: dict[str, Any]) -> Value:
        """Append a gate and return its value.

        Raises
        ------
        NotLowered
            If there is no emitter for the gate.
        """
        if gate.scalar_code == "{0}":
            return values[0]
        if gate.name not in EMITTERS:
            raise NotLowered(f"no emitter for {gate.name}")
        b = self.b
        if gate.name in LOGICAL:
            values = [as_truth(b, value) for value in values]
        elif gate.name == "where":
            values = [as_truth(b, values[0]), *(as_double(b, value) for value in values[1:])]
        else:
            values = [as_double(b, value) for value in values]
        if self.counts.get(gate, 0) >= MANY:
            function = self._function(gate, values, settings)
            if function is not None:
                taken = [v for v, takes in zip(values, function.takes, strict=True) if takes]
                given = ", ".join(f"{v.type} {v.name}" for v in taken)
                return b.let(function.returns, f"call {function.returns} @{function.name}({given})")
        result: Value = EMITTERS[gate.name](b, *values, **settings)
        return result

    def _function(
        self, gate: Gate, values: Sequence[Value], settings: dict[str, Any]
    ) -> Function | None:
        """Return the function of a gate; None for a short one."""
        # A literal may make a gate shorter, so the first few are part of the function.
        registers = tuple(v.name[0] == "%" for v in values)
        known = self._known.setdefault(gate, {})
        for takes in (registers, (True,) * len(registers)):
            parts = (v.type if taken else v for v, taken in zip(values, takes, strict=True))
            key = repr(settings), tuple(parts)
            if key in known:
                return known[key]
            if len(known) < MOST_LITERALS:
                break
        known[key] = self._written(gate, values, takes, settings)
        return known[key]

    def _written(
        self,
        gate: Gate,
        values: Sequence[Value],
        takes: tuple[bool, ...],
        settings: dict[str, Any],
    ) -> Function | None:
        inner = Builder(gate.name, [], self.b.target)
        inside = [
            Value(v.type, f"%x{k}") if taken else v
            for k, (v, taken) in enumerate(zip(values, takes, strict=True))
        ]
        result = EMITTERS[gate.name](inner, *inside, **settings)
        if len(inner.lines) < LONG or self.counts[gate] * len(inner.lines) <= MOST_INLINE:
            return None
        inner.ret(result)
        arguments = ", ".join(
            f"{v.type} {v.name}" for v, taken in zip(inside, takes, strict=True) if taken
        )
        body = "\n".join(inner.lines)
        # Named by what it is: equal ones of several functions are one.
        digest = hashlib.sha256(f"{result.type} {arguments} {body}".encode()).hexdigest()[:12]
        name = f"{gate.name}_{digest}"
        self.b.declared |= inner.declared
        self.b.globals |= inner.globals
        self.b.globals[name] = (
            f"define internal {result.type} @{name}({arguments}) "
            f"nounwind memory(none) noinline {{\nentry:\n{body}\n}}\n"
        )
        return Function(name, result.type, takes)
