"""Functions of the C library, called for one lane after the other."""

from __future__ import annotations

from collections.abc import Callable

from ..builder import Builder, Value


def by_lane(name: str) -> Callable[..., Value]:
    """Return an emitter that calls a function of libm once for each lane.

    Parameters
    ----------
    name : str
        The name for doubles; with an f behind it that for floats.
    """

    def emitter(b: Builder, *values: Value) -> Value:
        values = tuple(b.together(*values))
        kind, count = values[0].element, values[0].lanes
        full = name if kind == "double" else name + "f"
        if not count:
            return b.call(full, kind, *values, attributes="nounwind memory(none)")
        made = Value(values[0].type, "poison")
        for k in range(count):
            lane = [b.let(kind, f"extractelement {v.type} {v.name}, i32 {k}") for v in values]
            one = b.call(full, kind, *lane, attributes="nounwind memory(none)")
            made = b.let(
                made.type, f"insertelement {made.type} {made.name}, {kind} {one.name}, i32 {k}"
            )
        return made

    return emitter
