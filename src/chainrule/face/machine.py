"""A circuit at a point as a callable: (value, gradients) at other points, on a machine by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np

from ..circuit.circuit import Argument, Circuit
from ..circuit.columns import CONSTANT
from ..circuit.tree import flatten
from ..errors import GuardError, ShapeError
from ..machines.interpret import run
from ..machines.staged import staged
from ..passes.backward import is_float
from ..passes.draw import draw
from ..readings.code import module_for_machine
from ..tracing.sites import here
from .point import Point, count


def machine(circuit: Point, name: str) -> Callable[..., Any]:
    """Return a function of the traced arguments that gives (value, gradients)."""
    if name not in ("interpret", "staged", "native"):
        raise ValueError(
            f"{here()}the machines are 'interpret', 'staged' and 'native', not {name!r}"
        )
    if name == "interpret":
        return partial(_interpreted, circuit)
    if name == "native":
        return _native(circuit)
    arrays = any(isinstance(value, np.ndarray) for value in circuit.columns.values)
    circuit._scalar_output()
    source, constants = module_for_machine(circuit)
    run = staged(
        source,
        "forward_backward",
        partial(_interpreted, circuit),
        on_arrays=arrays,
        constants=constants,
    )
    values = [circuit.columns.values[row] for row in circuit.inputs]
    of_rank_0 = any(isinstance(v, (np.ndarray, np.generic)) and v.ndim == 0 for v in values)
    if all(argument.tree.is_leaf for argument in _traced_arguments(circuit)) and not of_rank_0:
        return run

    def as_given(*args: Any) -> tuple[Any, dict[str, Any]]:
        value, gradients = run(*args)
        return value, _as_given(circuit, gradients)

    return as_given


def _interpreted(circuit: Point, *args: Any) -> tuple[Any, dict[str, Any]]:
    moved = copy(circuit)
    moved.__dict__.pop("_all_gradients", None)  # those of this point, if somebody looked
    columns = copy(circuit.columns)
    object.__setattr__(moved, "columns", columns)
    columns.values = run(circuit, _conformed(circuit, args))
    return moved.value, moved.gradients


def _native(circuit: Point) -> Callable[..., Any]:
    """Return machine code for both passes, drawn as one circuit."""
    from ..machines.native.machine import Native, NotLowered  # LLVM: only when used

    output = circuit._scalar_output()
    drawing = draw(circuit, output)
    rows = {s.wire: drawing.same[s.total] for s in drawing.sums}
    tape = drawing.columns
    wanted = [row for row in circuit.inputs if is_float(tape.values[row])]
    zeros = {
        row: tape._source(CONSTANT, _zero(tape.values[row]))._row
        for row in wanted
        if row not in rows
    }
    outputs = (output, *(rows[row] if row in rows else zeros[row] for row in wanted))
    _, tree = flatten(outputs)
    both = Circuit(tape, circuit.arguments, outputs, tree, circuit.title, circuit.guards)
    interpreted = partial(_interpreted, circuit)
    try:
        native = Native(both)
    except NotLowered:  # of a dtype without machine type: the interpreter knows all
        return interpreted

    dtypes = [np.asarray(tape.values[row]).dtype for row in circuit.inputs]

    def both_passes(*args: Any) -> tuple[Any, dict[str, Any]]:
        leaves = _conformed(circuit, args)
        if [np.asarray(leaf).dtype for leaf in leaves] != dtypes:
            return interpreted(*args)  # machine code is for the dtypes of the trace
        try:
            value, *slopes = native.run(leaves)
        except GuardError:
            return interpreted(*args)  # which says where Python would branch otherwise
        found = dict(zip(wanted, slopes, strict=True))
        by_name = {
            argument.name: argument.tree.build(
                None if row is None else found.get(row) for row in argument.rows
            )
            for argument in _traced_arguments(circuit)
        }
        return circuit.output_tree.build([value]), _as_given(circuit, by_name)

    return both_passes


def _zero(value: Any) -> Any:
    return 0.0 if type(value) is float else np.zeros_like(value)


def _traced_arguments(circuit: Point) -> list[Argument]:
    return [a for a in circuit.arguments if any(row is not None for row in a.rows)]


def _conformed(circuit: Point, args: Sequence[Any]) -> list[Any]:
    """Return the traced leaves of arguments, held to the shapes for which this was traced.

    Shapes may be part of what was recorded (x.size is a constant), so others are an error.
    """
    traced = _traced_arguments(circuit)
    if len(args) != len(traced):
        raise TypeError(
            f"{here()}{circuit.title} was traced with {count(len(traced), 'argument')} that "
            f"can change, not {len(args)}"
        )
    leaves = []
    for argument, value in zip(traced, args, strict=True):
        parts, tree = flatten(value)
        if tree.paths != argument.tree.paths:
            raise ShapeError(
                f"{here()}{argument.name} must have the containers with which {circuit.title} "
                f"was traced: leaves at {list(argument.tree.paths)}, not {list(tree.paths)}"
            )
        for part, row, name in zip(parts, argument.rows, argument.names, strict=True):
            if row is None:
                continue
            seen = circuit.columns.values[row]
            if np.shape(part) != np.shape(seen):
                raise ShapeError(
                    f"{here()}{name} has shape {np.shape(part)}, but {circuit.title} was traced "
                    f"for {np.shape(seen)}: trace it again for this shape"
                )
            leaves.append(float(part) if type(seen) is float else part)
    return leaves


def _as_given(circuit: Point, gradients: dict[str, Any]) -> dict[str, Any]:
    """Return emitted code's gradients in the user's own containers and kinds of numbers.

    The code knows no named tuples, and gives a number where there was an array of rank 0.
    """
    found = {}
    for argument in _traced_arguments(circuit):
        leaves = list(flatten(gradients[argument.name])[0])
        for k, row in enumerate(argument.rows):
            value = None if row is None or leaves[k] is None else circuit.columns.values[row]
            if isinstance(value, np.ndarray):
                leaves[k] = np.asarray(leaves[k], value.dtype)
            elif isinstance(value, np.generic):
                leaves[k] = value.dtype.type(leaves[k])
        found[argument.name] = argument.tree.build(leaves)
    return found
