"""A circuit: recorded gates with their inputs and outputs, frozen.

Wires are row numbers, set once, in forward order. A circuit also remembers the containers that the
function took and gave, the branches that plain Python took, and where each gate was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..gates.gate import inputs_of
from .columns import CONSTANT, INPUT, Columns
from .naming import unique_names
from .tree import Tree


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of the function: its name, its containers, and what was traced in it.

    Parameters
    ----------
    name : str
        The parameter's name.
    tree : Tree
        The containers.
    rows : tuple of int or None
        The input row of each leaf; None for a leaf that was not traced (an int, a string, None).
    leaves : tuple
        The leaves as they were given.
    names : tuple of str
        A variable name for each leaf.
    keyword : bool
        Whether the function must be given it by name.
    """

    name: str
    tree: Tree
    rows: tuple[int | None, ...]
    leaves: tuple[Any, ...]
    names: tuple[str, ...]
    keyword: bool = False


@dataclass(frozen=True, eq=False)
class Circuit:
    """Recorded gates, frozen.

    Parameters
    ----------
    columns : Columns
        The rows.
    arguments : tuple of Argument
        What the function took.
    outputs : tuple of int
        The rows of what it gave.
    output_tree : Tree
        The containers of what it gave.
    title : str
        The function's name, cleaned; "f" for a formula or a lambda.
    """

    columns: Columns
    arguments: tuple[Argument, ...]
    outputs: tuple[int, ...]
    output_tree: Tree
    title: str = "f"
    guards: tuple[tuple[int, bool | int], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The rows of the traced inputs, in order."""
        return tuple(row for a in self.arguments for row in a.rows if row is not None)

    @cached_property
    def names(self) -> list[str]:
        """A name for each row: the user's where there is one, a short one elsewhere; unique."""
        return unique_names(self)

    @cached_property
    def needed(self) -> bytearray:
        """Marks of the rows on which an output or a guard depends."""
        guards = [row for row, _ in self.guards]
        return self.columns.needed_for([*self.outputs, *guards])

    def gate_rows(self) -> Iterator[int]:
        """Iterate over the rows that gates made, in forward order."""
        return self.columns.gate_rows()

    def site_of(self, row: int) -> Any:
        """Return where a row was made."""
        return self.columns.site_of(row)  # type: ignore[attr-defined]

    def hint_of(self, row: int) -> str | None:
        """Return the name that the user gave a row, if any."""
        return self.columns.name_of(row)  # type: ignore[attr-defined,no-any-return]

    def well_formed(self) -> None:
        """Raise AssertionError if the rows are not a circuit: for our own tests."""
        columns = self.columns
        for row, gate in enumerate(columns.gates):
            sources = columns.inputs(row)
            assert all(0 <= k < row for k in sources), f"row {row} uses a later row"
            if gate is INPUT or gate is CONSTANT:
                assert not sources
                continue
            names = inputs_of(gate)
            variadic = any(name.startswith("*") for name in names)
            assert variadic or len(sources) == len(names), f"row {row}: {gate} of {len(sources)}"
        for row in (*self.inputs, *self.outputs):
            assert 0 <= row < len(columns)
        for row in self.inputs:
            assert columns.gates[row] is INPUT
