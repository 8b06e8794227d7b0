"""A unique name for every wire: the user's own where there is one.

A name bound several times (in a loop, or in a helper called twice) belongs to the last value it
held, as at the end of the function; the earlier ones are numbered: y_1, y_2, y. Inputs always keep
theirs. Wires that the user never named are t1, t2, ...; an output is called after its function.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .columns import CONSTANT, INPUT
from .tree import is_name

if TYPE_CHECKING:
    from .circuit import Circuit

# Names that emitted modules use for themselves.
RESERVED = frozenset(
    {"math", "np", "numpy", "forward_backward", "float", "abs", "max", "min", "sum", "len", "range"}
)


def unique_names(circuit: Circuit) -> list[str]:
    """Return a name for each row; no two alike."""
    columns = circuit.columns
    count = len(columns)
    names = [""] * count
    taken: set[str] = set(RESERVED)
    for argument in circuit.arguments:
        for row, wanted in zip(argument.rows, argument.names, strict=True):
            name = wanted if row is None or wanted not in taken else f"{argument.name}_{wanted}"
            while row is not None and name in taken:
                name += "_"
            taken.add(name)
            if row is not None:
                names[row] = name
    hints: dict[int, str] = {}
    for row in range(count):
        if columns.gates[row] is INPUT or columns.gates[row] is CONSTANT:
            continue
        hint = circuit.hint_of(row)
        if hint and is_name(hint):
            hints[row] = hint
    if len(circuit.outputs) == 1:
        (output,) = circuit.outputs
        if not names[output] and output not in hints and is_name(circuit.title):
            hints[output] = circuit.title
    left = Counter(hints.values())
    # An input, or an emitted module's own name, keeps the bare form: all others get numbers.
    bare = {hint: hint not in taken for hint in left}
    taken.update(left)
    numbers: Counter[str] = Counter()
    for row, hint in hints.items():
        left[hint] -= 1
        if bare[hint] and left[hint] == 0:
            names[row] = hint
            continue
        while True:
            numbers[hint] += 1
            name = f"{hint}_{numbers[hint]}"
            if name not in taken:
                break
        taken.add(name)
        names[row] = name
    numbered = Counter[str]()
    for row in range(count):
        if not names[row]:
            letter = "c" if columns.gates[row] is CONSTANT else "t"
            while True:
                numbered[letter] += 1
                name = f"{letter}{numbered[letter]}"
                if name not in taken:
                    break
            names[row] = name
    return names
