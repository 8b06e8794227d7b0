"""What a picture shows: boxes and the wires between them, before anything has a place.

Inputs, gates and outputs are boxes; a box gives one wire, which may feed several others. Numbers
that never change are written at their gate. A group of gates can be one box (see `groups`); when
several wires leave it, each gets a small box of its own, a tap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT, INPUT
from ...gates.gate import Gate, settings_of
from ..notation import DZ, Notation
from ..numbers import brief, is_number, plain, shape, shortened
from .groups import Group, grouped
from .sigmoids import Shown, shown

_LONGEST = 18  # characters of a name or a note
_ORDERED = frozenset({"add", "multiply", "maximum", "minimum", "equal", "not_equal", "hypot"})


@dataclass(slots=True)
class Box:
    """One thing in the picture.

    Attributes
    ----------
    kind : {"input", "constant", "gate", "group", "tap", "output"}
        What it is.
    symbol : str
        What stands in it; empty for inputs and taps.
    name, note : str
        The user's name for its wire, and a remark: constants, settings.
    value, gradient : float or ndarray or None
        What is on its wire.
    row : int
        The circuit's row of its wire; -1 for a wire that the circuit does not have.
    has_wire : bool
        Whether a wire leaves it.
    in_order : bool
        Whether it matters which of its inputs is the first.
    line : int
        The line of the user's file; 0 where there is none.
    call : str
        How to speak of its wire where it has no name of the user's: t1.
    said : str
        What the text alternative says it is: "x + y", "input".
    """

    kind: str
    symbol: str = ""
    name: str = ""
    note: str = ""
    value: Any = None
    gradient: Any = None
    row: int = -1
    has_wire: bool = True
    in_order: bool = False
    line: int = 0
    call: str = ""
    said: str = ""


@dataclass(slots=True)
class Graph:
    """Boxes and wires. Wires lead from a smaller number to a larger one.

    Attributes
    ----------
    boxes : list of Box
        The boxes.
    targets : list of list of (int, int)
        For each box which boxes its wire feeds, and at which of their inputs.
    title : str
        The name of the function.
    gates : int
        How many gates the boxes stand for.
    grouping : str or None
        How gates were grouped.
    notation : Notation
        How gradients are called in the text of a picture.
    """

    title: str
    boxes: list[Box] = field(default_factory=list)
    targets: list[list[tuple[int, int]]] = field(default_factory=list)
    gates: int = 0
    grouping: str | None = None
    notation: Notation = DZ

    def gradient_of(self, box: Box) -> str:
        """Return what the gradient on a box's wire is called."""
        named = box.name and self.notation is not DZ
        return self.notation.text(box.name, self.title) if named else "gradient"

    def add(self, box: Box) -> int:
        """Add a box and return its number."""
        self.boxes.append(box)
        self.targets.append([])
        return len(self.boxes) - 1

    def sources(self) -> list[list[int]]:
        """Return for each box those that feed it, in the order of its inputs."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.boxes]
        for source, fed in enumerate(self.targets):
            for target, port in fed:
                found[target].append((port, source))
        return [[source for _, source in sorted(pairs)] for pairs in found]


def graph(
    circuit: Any,
    gradients: Sequence[Any],
    *,
    sigmoid: str | None = None,
    group: str | None = "auto",
    most: int = 200,
    notation: Notation = DZ,
) -> Graph:
    """Return what to draw of a circuit.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    sigmoid : {None, "gate", "parts"}
        None draws sigmoids as they were written, "gate" each as one gate, "parts" each taken
        apart.
    group : {"auto", None, "line", "name", "function", "layer"}
        How to group gates; "auto" groups where there are more than `most` gates.
    most : int
        How many gates are drawn one by one.
    notation : Notation
        How gradients are called.
    """
    view = shown(circuit, gradients, sigmoid)
    columns = view.columns
    needed = columns.needed_for(list(view.outputs))
    rows = [row for row in columns.gate_rows() if needed[row]]
    groups, grouping = grouped(view, rows, group, most)
    found = Graph(view.circuit.title, gates=len(rows), grouping=grouping, notation=notation)
    home: dict[int, int] = {}  # the box whose wire carries a row
    for row, gate in enumerate(columns.gates):
        if gate is INPUT:
            home[row] = found.add(_source(view, row))
    for part in groups:
        _add_group(found, view, part, home)
    _add_outputs(found, view, home)
    return found


def _source(view: Shown, row: int) -> Box:
    is_input = view.columns.gates[row] is INPUT
    value = view.columns.values[row]
    return Box(
        "input" if is_input else "constant",
        name=_name(view.name(row)) if is_input else _constant(value),
        value=value if is_input or not is_number(value) else None,
        gradient=view.gradients[row] if is_input else None,
        row=view.origin[row],
        call=_name(view.name(row)) if is_input else _constant(value),
        said="input" if is_input else "constant",
    )


def _add_group(found: Graph, view: Shown, part: Group, home: dict[int, int]) -> None:
    columns, inside = view.columns, set(part.rows)
    sources = [
        k
        for row in part.rows
        for k in columns.inputs(row)
        if k not in inside and columns.gates[k] is not CONSTANT
    ]
    if len(part.rows) == 1:
        (row,) = part.rows
        if not sources:  # a gate of nothing but constants
            for k in columns.inputs(row):
                if k not in home:
                    home[k] = found.add(_source(view, k))
                sources.append(k)
        box = found.add(_gate(view, row))
        leaving = [row]
    else:
        sources = list(dict.fromkeys(sources))
        leaving = [row for row in part.rows if row in part.leaving]
        box = found.add(_group(view, part, leaving))
    for port, k in enumerate(sources):
        found.targets[home[k]].append((box, port))
    if len(leaving) == 1:
        home[leaving[0]] = box
        return
    for row in leaving:
        tap = Box(
            "tap",
            name=_name(view.name(row)),
            value=columns.values[row],
            gradient=view.gradients[row],
            row=view.origin[row],
            call=_name(view.name(row)),
            said="a wire out of the group",
        )
        home[row] = found.add(tap)
        found.targets[box].append((home[row], 0))


def _group(view: Shown, part: Group, leaving: Sequence[int]) -> Box:
    alone = leaving[0] if len(leaving) == 1 else None
    count = f"{len(part.rows)} gates"
    return Box(
        "group",
        symbol=part.label,
        name="" if alone is None else _name(view.hint(alone)),
        note=f"{count}, {part.remark}" if part.remark else count,
        value=None if alone is None else view.columns.values[alone],
        gradient=None if alone is None else view.gradients[alone],
        row=-1 if alone is None else view.origin[alone],
        line=part.line,
        call="" if alone is None else _name(view.name(alone)),
        said=f"{part.label} ({count})",
    )


def _gate(view: Shown, row: int) -> Box:
    columns = view.columns
    gate, inputs = columns.gates[row], columns.inputs(row)
    symbol, note = _symbol(view, row)
    named = [
        _constant(columns.values[k]) if columns.gates[k] is CONSTANT else view.name(k)
        for k in inputs[:4]
    ]
    wires = [k for k in inputs if columns.gates[k] is not CONSTANT]
    return Box(
        "gate",
        symbol=symbol,
        name=_name(view.hint(row)),
        note=note,
        value=columns.values[row],
        gradient=view.gradients[row],
        row=view.origin[row],
        in_order=len(set(wires)) > 1 and gate.name not in _ORDERED,
        line=view.line(row),
        call=_name(view.name(row)),
        said=f"{gate.name} of {', '.join(named)}{', ...' if len(inputs) > 4 else ''}",
    )


def _symbol(view: Shown, row: int) -> tuple[str, str]:
    """Return what stands in a gate and the remark below it.

    An operator takes its constant along: × 2, 1 ÷; a function has it below: (·, 0).
    """
    columns = view.columns
    gate, inputs = columns.gates[row], columns.inputs(row)
    symbol = gate.symbol or gate.name
    notes = _settings(gate, columns.settings_of(row))
    fixed = [k for k in inputs if columns.gates[k] is CONSTANT]
    is_operator = not any(c.isalnum() for c in symbol) and len(symbol) <= 2
    if is_operator and len(inputs) == 1 and not notes and symbol in "+−¬~":
        symbol += "x"
    if fixed and len(fixed) < len(inputs):
        texts = ["·" if k not in fixed else _constant(columns.values[k]) for k in inputs]
        small = all(is_number(columns.values[k]) for k in fixed)
        if is_operator and len(inputs) == 2 and small:
            first, second = texts
            if first == "1" and symbol == "÷":
                symbol = "1/x"
            else:
                symbol = f"{first} {symbol}" if second == "·" else f"{symbol} {second}"
        elif len(inputs) == 2 and gate.name in _ORDERED:
            notes.append("".join(t for t in texts if t != "·"))
        else:
            rest = ", ..." if len(texts) > 4 else ""
            notes.append(f"({', '.join(texts[:4])}{rest})")
    return plain(symbol, _LONGEST), plain(" ".join(notes), _LONGEST + 6)


def _settings(gate: Gate, settings: dict[str, Any]) -> list[str]:
    """Return the settings that say something: [1:], axis=0."""
    if not settings:
        return []
    template = gate.expression(settings)
    if template.startswith("{0}["):
        return [] if "{" in template[3:] else [template[3:]]
    usual = settings_of(gate)
    return [
        f"{key}={value!r}"
        for key, value in settings.items()
        if not (key in usual and _same(usual[key], value))
    ]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(np.all(one == other))


def _constant(value: Any) -> str:
    return brief(value, 4) if is_number(value) else f"{np.asarray(value).dtype}{shape(value)}"


def _name(text: str | None) -> str:
    return shortened(plain(text or ""), _LONGEST)


def _add_outputs(found: Graph, view: Shown, home: dict[int, int]) -> None:
    many = len(view.outputs) > 1
    for number, row in enumerate(view.outputs):
        if row not in home:
            home[row] = found.add(_source(view, row))
        name = view.name(row)
        if view.columns.gates[row] is INPUT or view.columns.gates[row] is CONSTANT:
            name = f"{view.circuit.title}[{number}]" if many else view.circuit.title
        source = found.boxes[home[row]]
        if source.kind in ("gate", "group", "tap") and len(found.targets[home[row]]) == 0:
            source.name = ""  # the end of the wire has it
        out = Box("output", name=_name(name), has_wire=False, row=view.origin[row], said="output")
        found.targets[home[row]].append((found.add(out), 0))


def gates_of(found: Graph) -> Iterator[int]:
    """Iterate over the numbers of the boxes that are gates or groups."""
    return (k for k, box in enumerate(found.boxes) if box.kind in ("gate", "group"))
