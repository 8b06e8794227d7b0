"""One forward pass on a tape, and the backward passes that can be run from it.

At the top level the forward pass is recorded and the backward pass computes with plain values.
Inside another trace (a gradient of a gradient, or a gradient inside a traced function) the same
rules are called with traced values, so the backward pass is recorded too, on the same tape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT
from ..circuit.tree import Tree, flatten
from ..errors import DtypeError, NotScalarError
from ..passes.backward import backward, is_float
from ..passes.recognise import recognise_sigmoids
from ..tracing.record import checked_leaf, parameters_of, row_of
from ..tracing.sites import here
from ..tracing.substitutes import substituted
from ..tracing.tape import Tape, current_tape, recording
from ..tracing.traced import Traced


def to_argnums(argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    """Return argnums as a tuple of positions, each within the arguments given.

    Raises
    ------
    TypeError
        If it is neither an integer nor integers.
    ValueError
        If there is no such argument.
    """
    numbers = tuple(argnums) if isinstance(argnums, (tuple, list, range)) else (argnums,)
    for k in numbers:
        if not isinstance(k, int) or isinstance(k, bool):
            raise TypeError(f"{here()}argnums must be an int or ints, not {argnums!r}")
        if not -count <= k < count:
            raise ValueError(
                f"{here()}argnums={k}, but the function was given {count} positional "
                f"argument{'s' * (count != 1)}"
            )
    positions = tuple(k % count for k in numbers)
    if len(set(positions)) < len(positions):
        raise ValueError(f"{here()}argnums={argnums!r} names an argument twice")
    return positions


class Pullback:
    """A recorded call of a function and what its inputs and outputs were.

    Attributes
    ----------
    value : Any
        What the function gave, containers and all.
    aux : Any
        The second part of what it gave, with `has_aux`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        keywords: dict[str, Any],
        argnums: tuple[int, ...],
        *,
        has_aux: bool = False,
    ) -> None:
        outer = _outer_tape(args, argnums)
        self.nested = outer is not None
        self.tape = tape = outer if outer is not None else Tape(Traced)
        tape.read_by(self)
        self.trees: list[Tree] = []
        self.rows: list[int] = []
        self.given: list[Any] = []
        self._spans: list[tuple[int, int]] = []
        new_args = list(args)
        names = _names(function, args, keywords)
        for position in argnums:
            leaves, tree = flatten(args[position])
            wires = []
            start = len(self.rows)
            for leaf, path in zip(leaves, tree.paths, strict=True):
                wire = _input_wire(tape, leaf, names[position], path, self.nested)
                wires.append(wire)
                self.rows.append(wire._row)
                self.given.append(leaf)
            self._spans.append((start, len(self.rows)))
            self.trees.append(tree)
            new_args[position] = tree.build(wires)
        with recording(tape), substituted(function) as running:
            result = running(*new_args, **keywords)
        self.aux = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    f"{here()}has_aux=True wants a function that returns (output, aux), but it "
                    f"returned {type(getattr(result, '_value', result)).__name__}"
                )
            result, aux = result
            self.aux = aux if self.nested else _plain_tree(aux)
        leaves, self.out_tree = flatten(result)
        self.out_rows = [row_of(tape, leaf) for leaf in leaves]
        self.outputs = leaves if self.nested else [tape.values[row] for row in self.out_rows]
        self.value = self.out_tree.build(self.outputs)

    def scalar_seed(self) -> list[Any]:
        """Return the seed of a gradient: 1 for the one output, which must be one float.

        Raises
        ------
        NotScalarError
            If the output is not one number.
        """
        values = [self.tape.values[row] for row in self.out_rows]
        if not self.out_tree.is_leaf:
            raise NotScalarError(
                f"{here()}the gradient is defined for one number, but the function returned "
                f"{len(values)} values in a container. Return the cost alone, or (cost, rest) with "
                "has_aux=True; for all of them use vjp or jacobian."
            )
        (value,) = values
        if np.shape(value) != ():
            raise NotScalarError(
                f"{here()}the gradient is defined for one number, but the function returned an "
                f"array of shape {np.shape(value)}. Reduce it, with np.sum or np.mean, or use vjp "
                "or jacobian."
            )
        if not is_float(value):
            kind = getattr(value, "dtype", type(value).__name__)
            raise DtypeError(
                f"{here()}the function returned {value!r} of type {kind}, which has no gradient."
            )
        return [1.0 if type(value) is float else np.ones((), value.dtype)[()]]

    def gradients(self, seeds: Sequence[Any]) -> list[Any]:
        """Return the gradient of each input leaf for these gradients of the output leaves."""
        tape = self.tape
        start = [
            (row, seed)
            for row, seed in zip(self.out_rows, seeds, strict=True)
            if seed is not None and tape.gates[row] is not CONSTANT
        ]
        found: list[Any] = [None] * len(self.rows)
        if start and self.rows:
            last = max(row for row, _ in start)
            active = tape.reached_from(self.rows, last + 1)
            start = [(row, seed) for row, seed in start if active[row]]
            if start:
                found = self._run(start, active)
        return [
            self._finished(gradient, row, leaf)
            for gradient, row, leaf in zip(found, self.rows, self.given, strict=True)
        ]

    def _run(self, start: list[tuple[int, Any]], active: bytearray) -> list[Any]:
        tape = self.tape
        wanted = self.rows
        columns = recognise_sigmoids(
            tape, [*self.out_rows, *(row for row, _ in tape.guards)], tape.name_of
        )
        if not self.nested:
            with np.errstate(all="ignore"):
                every = backward(columns, start, active=active)
        else:

            def lift(row: int) -> Any:
                return tape.values[row] if tape.gates[row] is CONSTANT else tape.made(tape, row)

            def at_site(row: int) -> None:
                tape.site = -abs(tape.row_sites[row]) if tape.sites is not None else None

            before = tape.site
            try:
                with np.errstate(all="ignore"), recording(tape):
                    every = backward(columns, start, active=active, lift=lift, on_row=at_site)
            finally:
                tape.site = before
        return [every[row] if row < len(every) else None for row in wanted]

    def _finished(self, gradient: Any, row: int, leaf: Any) -> Any:
        value = self.tape.values[row]
        if gradient is None:
            if type(value) is float:
                return 0.0
            zeros = np.zeros(np.shape(value), value.dtype)
            return zeros if isinstance(value, np.ndarray) else zeros[()]
        if self.nested or type(value) is float:
            return gradient
        if isinstance(leaf, np.ndarray):
            # A fresh array: a gradient that was handed through unchanged may be the seed itself.
            return np.array(gradient, dtype=leaf.dtype, copy=True)
        return gradient

    def arranged(self, gradients: Sequence[Any], single: bool) -> Any:
        """Return gradients in the containers of their arguments."""
        parts = [
            tree.build(gradients[start:end])
            for tree, (start, end) in zip(self.trees, self._spans, strict=True)
        ]
        return parts[0] if single else tuple(parts)


def _outer_tape(args: Sequence[Any], argnums: tuple[int, ...]) -> Tape | None:
    for position in argnums:
        for leaf in flatten(args[position])[0]:
            if isinstance(leaf, Traced):
                return leaf._tape
    return current_tape()


def _names(
    function: Callable[..., Any], args: Sequence[Any], keywords: dict[str, Any]
) -> list[str]:
    try:
        named = parameters_of(function, args, keywords)
    except TypeError:  # the call itself is wrong; the function's own error says it better
        return [f"x{k}" for k in range(len(args))]
    return [name for name, _, _ in named][: len(args)]


def _input_wire(tape: Tape, leaf: Any, name: str, path: tuple[Any, ...], nested: bool) -> Traced:
    shown = name + "".join(f"[{key!r}]" for key in path)
    if isinstance(leaf, Traced):
        # A row of its own: the same value may also reach the function through a closure.
        return leaf._tape.alias(leaf._current())  # type: ignore[no-any-return]
    if isinstance(leaf, (bool, int, np.integer, np.bool_)) or (
        isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iub"
    ):
        dtype = getattr(leaf, "dtype", type(leaf).__name__)
        remedy = f"pass {float(leaf)!r}" if np.ndim(leaf) == 0 else f"pass {name}.astype(float)"
        raise DtypeError(
            f"{here()}the gradient with respect to {shown} was asked, but it is an integer "
            f"({dtype}): integers have no gradient. Instead, {remedy}, or leave it out of argnums."
        )
    if not is_float(checked_leaf(leaf, shown)):
        raise DtypeError(
            f"{here()}the gradient with respect to {shown} was asked, but it is a "
            f"{type(leaf).__name__}. Give floats or float arrays, in tuples, lists or dicts."
        )
    value = checked_leaf(leaf, shown)
    if nested:
        return tape.input(value)  # type: ignore[no-any-return]
    return tape.input(value, name if not path else shown)  # type: ignore[no-any-return]


def _plain_tree(aux: Any) -> Any:
    leaves, tree = flatten(aux)
    return tree.build([v._value if isinstance(v, Traced) else v for v in leaves])
