"""Functions of the C library, called for one lane after the other."""

from __future__ import annotations

from ..builder import Builder, Value
from .lanes import Lanes, any_lane, choose


def by_lane(name: str, *inputs: Lanes) -> Lanes:
    """Return what a function of libm gives for each lane, in a loop over the lanes.

    Parameters
    ----------
    name : str
        The name for doubles; with an f behind it that for floats.
    *inputs : Lanes
        Its arguments.
    """
    b, kind = inputs[0].b, inputs[0].kind
    full = name if kind == "double" else name + "f"
    # Cold: what must be saved around a call is saved there, not on the common path.
    attributes = "cold nounwind memory(none)"
    count = inputs[0].value.lanes
    if not count:
        return Lanes(b, b.call(full, kind, *(x.value for x in inputs), attributes=attributes))

    def body(index: Value, made: Value) -> list[Value]:
        lane = [
            b.let(kind, f"extractelement {x.value.type} {x.value.name}, i64 {index.name}")
            for x in inputs
        ]
        one = b.call(full, kind, *lane, attributes=attributes)
        kept = f"insertelement {made.type} {made.name}, {kind} {one.name}, i64 {index.name}"
        return [b.let(made.type, kept)]

    (made,) = b.loop(0, count, 1, body, [inputs[0].value])
    return Lanes(b, made)


def rarely(chooser: Lanes, name: str, usual: Lanes, *inputs: Lanes) -> Lanes:
    """Return the usual value, but libm's in the rare lanes that are chosen.

    The calls are behind a branch that is taken where some lane is chosen.
    """
    b: Builder = usual.b

    def yes() -> list[Value]:
        return [choose(chooser, by_lane(name, *inputs), usual).value]

    (made,) = b.when(any_lane(chooser), yes, [usual.value])
    return Lanes(b, made)
