"""Run a function once on traced values and keep what it did as a circuit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Argument, Circuit
from ..circuit.tree import clean_name, flatten, is_name, leaf_names
from ..errors import DtypeError, MissingGateError
from .sites import here
from .substitutes import substituted
from .tape import Tape, recording
from .traced import Traced


def is_traceable(value: Any) -> bool:
    """Return whether a leaf becomes a wire: floats and arrays do; ints, strings, None do not."""
    return isinstance(value, (float, np.ndarray, np.floating))


def checked_leaf(value: Any, name: str) -> Any:
    """Return a leaf as the tape keeps it: arrays copied, so that later writes cannot reach it.

    Raises
    ------
    DtypeError
        For object, complex, string and other arrays that no gate can take.
    """
    if isinstance(value, (np.ma.MaskedArray, np.matrix)):
        raise DtypeError(
            f"{here()}the argument {name!r} is a {type(value).__name__}, whose operations mean "
            "something else than an array's. Pass np.asarray(x), with np.where for a mask."
        )
    if isinstance(value, (np.ndarray, np.longdouble)):
        if value.dtype.kind not in "fiub" or value.dtype == np.longdouble:
            raise DtypeError(
                f"{here()}the argument {name!r} is of dtype {value.dtype}, which has no "
                "gradient here. Make it a float array first, with x.astype(float)."
            )
        return np.array(value)  # also makes a plain array of a memory map
    return value


def kind_of(leaves: Sequence[Any]) -> str:
    """Return what the first traced leaf is called."""
    kind = next(type(leaf).__name__ for leaf in leaves if isinstance(leaf, Traced))
    return "value that is itself being traced" if kind == "Traced" else kind


def parameters_of(
    function: Callable[..., Any], args: Sequence[Any], keywords: dict[str, Any]
) -> list[tuple[str, Any, bool]]:
    """Return (name, value, by keyword) for each argument of a call."""
    try:
        bound = inspect.signature(function).bind(*args, **keywords)
    except ValueError:  # a builtin without a signature
        named = [("xyzuvw"[k] if k < 6 else f"x{k}", v, False) for k, v in enumerate(args)]
        return named + [(k, v, True) for k, v in keywords.items()]
    found: list[tuple[str, Any, bool]] = []
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            found += [(f"{name}_{k}", v, False) for k, v in enumerate(value)]
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found += [(k, v, True) for k, v in value.items()]
        else:
            found.append((name, value, kind is inspect.Parameter.KEYWORD_ONLY or name in keywords))
    return found


def record(
    function: Callable[..., Any],
    args: Sequence[Any],
    keywords: dict[str, Any],
    *,
    title: str | None = None,
    call: Callable[..., Any] | None = None,
    tape: Tape | None = None,
) -> Circuit:
    """Trace a function at a point.

    Parameters
    ----------
    function : callable
        Plain Python with operators, `math` or NumPy.
    args, keywords
        Its arguments: floats and arrays are traced, in containers too; the rest stays as it is.
    title : str, optional
        What to call it; its own name by default.
    call : callable, optional
        What to call with (tape, args, keywords) instead of the function itself.
    tape : Tape, optional
        What to record on; an empty one of its own by default.
    """
    tape = Tape(Traced) if tape is None else tape
    arguments = []
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, value, by_keyword in parameters_of(function, args, keywords):
        leaves, tree = flatten(value)
        if any(isinstance(leaf, Traced) for leaf in leaves):
            raise MissingGateError(
                f"{here()}trace of a {kind_of(leaves)}. Of a Variable, trace its .value; inside a "
                "traced function, call the function itself, or differentiate it with cr.grad."
            )
        label = name if is_name(name) else clean_name(name)
        names = leaf_names(label, tree) if not tree.is_leaf else [label]
        rows: list[int | None] = []
        traced = []
        for leaf, leaf_name in zip(leaves, names, strict=True):
            if is_traceable(leaf):
                own = checked_leaf(leaf, leaf_name) if tape.copies_inputs else leaf
                wire = tape.input(own, leaf_name)
                rows.append(wire._row)
                traced.append(wire)
            else:
                rows.append(None)
                traced.append(leaf)
        arguments.append(Argument(name, tree, tuple(rows), tuple(leaves), tuple(names), by_keyword))
        built = tree.build(traced)
        if by_keyword:
            named[name] = built
        else:
            positional.append(built)
    with recording(tape), substituted(function) as running:
        output = running(*positional, **named) if call is None else call(tape, positional, named)
    out_leaves, out_tree = flatten(output)
    outputs = tuple(row_of(tape, leaf) for leaf in out_leaves)
    own = str(title or getattr(function, "__name__", "f"))
    return Circuit(
        columns=tape,
        arguments=tuple(arguments),
        outputs=outputs,
        output_tree=out_tree,
        title=own if is_name(own) else "f",
        guards=tuple(tape.guards),
    )


def row_of(tape: Tape, value: Any) -> int:
    """Return the row of an output; one that no input reaches is a constant."""
    if isinstance(value, Traced):
        if value._tape is not tape:
            raise MissingGateError(f"{here()}the function gave a value of another recording.")
        return value._current()
    if isinstance(value, (list, tuple)):
        value = np.asarray(value)
    return tape.constant(value)
