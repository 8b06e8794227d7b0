"""What the HTML picture shows, as plain data: texts for the page, numbers only for its sliders.

Everything that stands on the page is text made here, from the sentences, the lines of code and the
numbers that the other readings show, so that the page says what they say. Where the circuit can be
written as JavaScript, the data also tell where the page finds each number after an input was moved.
"""

from __future__ import annotations

import linecache
import math
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..circuit.circuit import Circuit
from ..circuit.columns import CONSTANT
from ..passes.at_point import contributions_at
from ..passes.backward import is_float
from ..passes.contributions import Contributions
from .javascript import NotWritableError, Program, program
from .notation import DZ, Notation
from .numbers import is_number, norm, number, plain, shape, value_text
from .sentences import Speaker
from .writer import Writer

MOST_GATES = 2000  # gates that a page steps through
_MOST_SOURCE = 80  # lines of the user's function that are shown without gaps
_MOST_SLIDERS = 60

Data = dict[str, Any]


def page_data(
    circuit: Circuit, gradients: Sequence[Any], notation: Notation = DZ
) -> tuple[Data, str]:
    """Return what the page shows, and the circuit as JavaScript ("" where it cannot be).

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    notation : Notation
        How gradients are called.
    """
    page = _Page(circuit, gradients, notation)
    data = page.data()
    found, reason = _program(page.circuit)
    data["live"] = None if found is None else _live(circuit, found)
    data["reason"] = reason
    return data, "" if found is None else found.source


def _program(circuit: Circuit) -> tuple[Program | None, str]:
    gates = sum(1 for row in circuit.gate_rows() if circuit.needed[row])
    if gates > MOST_GATES:
        return None, f"it has {gates} gates, and a page works with at most {MOST_GATES}"
    try:
        return program(circuit), ""
    except NotWritableError as error:
        return None, plain(str(error))


def _live(circuit: Circuit, found: Program) -> Data:
    guards = []
    for row, seen in found.guards:
        site = circuit.site_of(row)
        where = f"{os.path.basename(site.file)}:{site.line}" if site.line else ""
        guards.append({"row": row, "seen": seen, "where": plain(where), "line": line(site.source)})
    return {
        "gradients": {str(row): place for row, place in found.gradients.items()},
        "handed": {
            # A slope that never changes goes as text: a number would be taken for a place.
            f"{row}:{index}": [number(slope) if type(slope) is float else slope, part, total]
            for (row, index), (slope, part, total) in found.handed.items()
        },
        "guards": guards,
    }


class _Page:
    """Gathers the data of one circuit."""

    def __init__(self, circuit: Circuit, gradients: Sequence[Any], notation: Notation) -> None:
        self.gradients = gradients
        self.notation = notation
        self.given = circuit
        self.circuit = circuit
        floats = [row for row in circuit.inputs if is_float(circuit.columns.values[row])]
        self.active = circuit.columns.reached_from(floats)
        self.output = self._output()
        if self.output is None:
            self.handed = Contributions(circuit.columns, [])
        else:
            self.handed = contributions_at(circuit, self.output)
        if self.handed.columns is not circuit.columns:
            # Where the small gates of a sigmoid overflow, the page visits it as one gate.
            self.circuit = circuit = replace(circuit, columns=self.handed.columns)
        self.columns = circuit.columns
        self.speaker = Speaker(circuit, gradients, self.handed, self.active, notation)
        rows = [row for row in circuit.gate_rows() if circuit.needed[row]]
        self.rows = rows if len(rows) <= MOST_GATES else []

    def _output(self) -> int | None:
        """Return the row where the backward pass starts, if there is one."""
        if len(self.circuit.outputs) != 1 or not self.circuit.output_tree.is_leaf:
            return None
        (output,) = self.circuit.outputs
        return output if self.gradients[output] is not None and self.active[output] else None

    def data(self) -> Data:
        """Return everything but the live part."""
        formula = getattr(self.given, "_source", None)
        code, code_of = self._code()
        source, source_of = self._source()
        gates: list[Data] = []
        for row in self.rows:
            gate = self.columns.gates[row]
            gates.append(
                {
                    "row": row,
                    "name": self.speaker.name(row),
                    "gate": gate.name,
                    "symbol": gate.symbol or gate.name,
                    "why": gate.why,
                    "verb": self._verb(row),
                    "inputs": [self._input_of(k) for k in self.columns.inputs(row)],
                    "forward": self.speaker.forward(row),
                    "code": code_of.get((row, "forward"), []),
                    "source": source_of.get(row, []),
                    "line": self.circuit.site_of(row).line,
                }
            )
        # Backward in the order of the pass: a reason is told where a reader first meets the gate.
        for gate_data in reversed(gates):
            row = gate_data["row"]
            gate_data["backward"] = self.speaker.backward(row)
            gate_data["backward_code"] = code_of.get((row, "backward"), [])
            gate_data["handed"] = self._handed(row)
        return {
            "title": formula if isinstance(formula, str) else self.circuit.title,
            "output": self.output,
            "gates": gates,
            "inputs": self._inputs(),
            "wires": self._wires(),
            "code": code,
            "source": source,
        }

    # ------------------------------------------------------------------ wires and gates

    def _verb(self, row: int) -> str:
        said = self.speaker.forward(row)
        head = said.partition(":")[0]  # "q adds x and y: -2.00 + 5.00 = 3.00."
        return head.removeprefix(self.speaker.name(row)).strip()

    def _input_of(self, row: int) -> Data:
        constant = self.columns.gates[row] is CONSTANT
        return {"row": row, "name": self.speaker.name(row), "constant": constant}

    def _wires(self) -> list[Data]:
        kept = {*self.rows, *self.circuit.inputs}
        return [
            {
                "row": row,
                "name": self.speaker.name(row),
                "d": self._gradient_name(row),
                "gate": self.columns.gates[row].name,
                "value": _text(self.columns.values[row]),
                "gradient": _text(self.gradients[row]),
            }
            for row in sorted(kept)
        ]

    def _gradient_name(self, row: int) -> str:
        output = "f" if self.output is None else self.speaker.name(self.output)
        return self.notation.text(self.speaker.name(row), output)

    def _inputs(self) -> list[Data]:
        found = []
        for row in self.circuit.inputs[:_MOST_SLIDERS]:
            value = self.columns.values[row]
            entry = {"row": row, "name": self.speaker.name(row), "text": _text(value)}
            if type(value) is float:
                entry |= _slider(value)
            found.append(entry)
        return found

    def _handed(self, row: int) -> list[Data | None]:
        """Return what a gate hands to each input, as texts; None where nothing goes."""
        found: list[Data | None] = []
        totals: dict[int, Any] = {}
        for c in self.handed.of(row):
            if c.part is None:
                found.append(None)
                continue
            before = totals.get(c.row)
            if before is None:
                before = _sum([part for by, part in self.handed.to(c.row) if by > row])
            totals[c.row] = c.part if before is None else before + c.part
            found.append(
                {
                    # 1.00 for the exact slope 1 too: the page writes the same after a move.
                    "slope": "" if c.slope is None else _text(np.multiply(c.slope, 1.0)),
                    "part": _text(c.part),
                    "total": _text(totals[c.row]),
                }
            )
        return found

    # ------------------------------------------------------------------ code

    def _code(self) -> tuple[list[Data], dict[tuple[int, str], list[int]]]:
        """Return the lines of code, and which of them belong to each gate, by direction."""
        if not self.rows:
            return [], {}
        writer = Writer(self.circuit, self.output, self.notation)
        lines: list[Data] = []
        by_owner: dict[tuple[int, str], list[int]] = {}
        kind = ""
        for written in writer.lines:
            now = "backward" if written.kind in ("title", "backward") else "forward"
            if now != kind:
                lines.append({"text": f"# {now} pass", "kind": "title"})
                kind = now
            if written.kind == "title":
                continue
            by_owner.setdefault((written.row, written.kind), []).append(len(lines))
            lines.append({"text": line(written.text), "kind": written.kind})
        # A gate that has no line of its own is written inside the line of one that it feeds.
        owner: dict[int, int] = {}
        for row in reversed(self.rows):
            if (row, "forward") in by_owner or (row, "backward") in by_owner:
                owner[row] = row
            for k in self.columns.inputs(row):
                if row in owner:
                    owner[k] = owner[row]
        found = {}
        for row in self.rows:
            for direction in ("forward", "backward"):
                found[row, direction] = by_owner.get((owner.get(row, row), direction), [])
        return lines, found

    def _source(self) -> tuple[list[Data], dict[int, list[int]]]:
        """Return the lines of the user's source that made gates, and which belong to each gate."""
        source = getattr(self.given, "_source", None)
        if isinstance(source, str):
            shown = [{"number": "", "text": line(plain(source, 2000)), "file": ""}]
            return shown, {row: [0] for row in self.rows}
        sites = {row: self.circuit.site_of(row) for row in self.rows}
        used = {(site.file, site.line) for site in sites.values() if site.line}
        code = getattr(source, "__code__", None)
        lines: list[Data] = []
        place: dict[tuple[str, int], int] = {}
        for file in sorted({file for file, _ in used}):
            numbers = sorted(n for f, n in used if f == file)
            if code is not None and code.co_filename == file:
                numbers = sorted({code.co_firstlineno, *numbers})
            if numbers[-1] - numbers[0] < _MOST_SOURCE:
                numbers = list(range(numbers[0], numbers[-1] + 1))
            for before, n in zip([numbers[0] - 1, *numbers], numbers, strict=False):
                if n > before + 1:
                    lines.append({"number": "", "text": "...", "file": ""})
                place[file, n] = len(lines)
                text = line(linecache.getline(file, n).rstrip())
                name = plain(os.path.basename(file), 80)
                lines.append({"number": n, "text": text, "file": name})
        found = {row: [place[site.file, site.line]] for row, site in sites.items() if site.line}
        return (lines if any(entry["text"] for entry in lines) else []), found


def _sum(parts: Sequence[Any]) -> Any:
    if not parts:
        return None
    with np.errstate(all="ignore"):
        total = parts[0]
        for part in parts[1:]:
            total = total + part
    return total


def _text(value: Any) -> str:
    if value is None:
        return ""
    if is_number(value):
        return number(value)
    if np.asarray(value).dtype.kind == "f" and np.size(value) > 1:
        return f"{value_text(value)}, norm {norm(value)}"
    return value_text(value) if np.size(value) else f"shape {shape(value)}, empty"


def line(text: str) -> str:
    """Return a line of source as a page may show it: indented, no control or direction marks."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character)[0] == "C" else character
        for character in text.expandtabs(4)
    )[:400]


def _slider(value: float) -> Data:
    """Return the value and the ends of a slider around it, for JavaScript's Number()."""
    if not math.isfinite(value) or abs(value) > 1e12:
        return {"value": _for_number(value), "low": "-10", "high": "10", "step": "0.01"}
    reach = max(5.0, 2.0 * abs(value))
    step = 10.0 ** math.floor(math.log10(reach / 100))
    reach = math.ceil(reach / (10 * step)) * 10 * step
    low, high = (f"{edge:.12g}" for edge in (value - reach, value + reach))
    return {"value": _for_number(value), "low": low, "high": high, "step": f"{step:.12g}"}


def _for_number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
