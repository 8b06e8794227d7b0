"""A gradient that somebody wrote by hand, laid beside the inputs, and the slip that explains it.

The common slips leave fingerprints: a contribution left out, `=` where `+=` was meant, a sign. The
engine knows every contribution to an input's gradient, so the fingerprints can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Argument, Circuit
from ..circuit.tree import flatten
from ..passes.contributions import Contributions
from ..tracing.sites import here
from .evaluation import Evaluation


def by_row(
    circuit: Circuit, chosen: Sequence[Argument], single: bool, given: Any
) -> dict[int, Any]:
    """Return the given gradient of each input row.

    Parameters
    ----------
    circuit : Circuit
        The recorded function.
    chosen : sequence of Argument
        The arguments that the gradient is by.
    single : bool
        Whether a bare gradient was asked for, as with `argnums=0`.
    given : Any
        What the gradient function returned: as `chainrule.grad` would, or a dict by name.

    Raises
    ------
    TypeError
        If it has other containers than the arguments.
    """
    names = [argument.name for argument in chosen]
    parts: Sequence[Any]
    if isinstance(given, dict) and (set(given) == set(names) or not _is_dict(chosen)):
        missing = [name for name in names if name not in given]
        if missing:
            raise TypeError(
                f"{here()}the gradient function returned a dict without {', '.join(missing)}; "
                f"it has {', '.join(map(str, given)) or 'nothing'}"
            )
        parts = [given[name] for name in names]
    elif single or (len(chosen) == 1 and not _is_tuple_of(given, 1)):
        parts = [given]
    else:
        if not isinstance(given, (tuple, list)) or len(given) != len(chosen):
            raise TypeError(
                f"{here()}the gradient function must return {len(chosen)} gradients in a tuple, "
                f"or a dict, for {', '.join(names)}; it returned {type(given).__name__}"
            )
        parts = given
    found: dict[int, Any] = {}
    for argument, part in zip(chosen, parts, strict=True):
        if argument.tree.is_leaf:
            leaves: list[Any] = [part]
        else:
            leaves, tree = flatten(part)
            if tree.paths != argument.tree.paths:
                raise TypeError(
                    f"{here()}the gradient by {argument.name} must have its containers: leaves at "
                    f"{list(argument.tree.paths)}, not at {list(tree.paths)}"
                )
        for row, leaf in zip(argument.rows, leaves, strict=True):
            if row is not None:
                found[row] = leaf
    return found


def _is_dict(chosen: Sequence[Argument]) -> bool:
    return len(chosen) == 1 and isinstance(chosen[0].tree.build(chosen[0].leaves), dict)


def _is_tuple_of(given: Any, count: int) -> bool:
    return isinstance(given, tuple) and len(given) == count


def _users_name(circuit: Circuit, row: int) -> str:
    """Return the first name of the user's on the way forward: of -x in the sigmoid sigx, sigx."""
    columns = circuit.columns
    found = row
    for later in range(row + 1, len(circuit)):
        if circuit.hint_of(found):
            break
        if found in columns.inputs(later):
            found = later
    return circuit.names[found if circuit.hint_of(found) else row]


def slip(evaluation: Evaluation, row: int, flat: int, given: float) -> str:
    """Return what would explain a wrong gradient of one element, or ""."""
    seeds = [(r, w) for r, w in evaluation.seeds if evaluation.active[r]]
    with np.errstate(all="ignore"):
        found = Contributions(evaluation.columns, seeds, evaluation.active).to(row)
    circuit = evaluation.circuit
    parts = [
        (_users_name(circuit, consumer), float(np.asarray(part).flat[flat]))
        for consumer, part in found
    ]
    parts = [part for part in parts if part[1] != 0.0]
    total = sum(part for _, part in parts)
    if total == 0.0 or len(parts) > 64:
        return ""

    def same(value: float) -> bool:
        return abs(value - given) <= 1e-9 * max(abs(value), abs(given))

    if same(-total):
        return "the sign is turned"
    if len(parts) > 1:
        for name, part in parts:
            if same(total - part):
                return f"the contribution through {name} is missing"
            if same(part):
                return f"only the contribution through {name} is there: = where += was meant?"
            if same(total - 2.0 * part):
                return f"the contribution through {name} has the wrong sign"
    for factor in (2.0, 0.5):
        if same(factor * total):
            return f"it is {'twice' if factor == 2.0 else 'half'} as large"
    return ""
