"""The picture in characters: fits its width, loses nothing, and no line ends in nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from chainrule.face import TracedCircuit, trace
from chainrule.readings.picture.text import as_ascii, cells

from .circuits import A, B, C, built, generated, loop, network, small_network

LEFT, RIGHT, UP, DOWN = (0, -1), (0, 1), (-1, 0), (1, 0)
BACK = {LEFT: RIGHT, RIGHT: LEFT, UP: DOWN, DOWN: UP}
WAYS = {
    "─": (LEFT, RIGHT), "│": (UP, DOWN), "╮": (LEFT, DOWN), "╯": (LEFT, UP), "╭": (RIGHT, DOWN),
    "╰": (RIGHT, UP), "┤": (UP, DOWN, LEFT), "├": (UP, DOWN, RIGHT), "┬": (LEFT, RIGHT, DOWN),
    "┴": (LEFT, RIGHT, UP), "●": (LEFT, RIGHT, UP, DOWN),
}  # fmt: skip


def test_the_lectures_first_circuit() -> None:
    assert A.picture().text == (
        "   -2.00\n"
        "x ────────╮\n"
        "   -4.00  │     3.00\n"
        "          ├─(+)────────╮\n"
        "   5.00   │     -4.00  │     -12.00\n"
        "y ────────╯            ├─(×)──────────▸ f\n"
        "   -4.00               │     1.00\n"
        "                       │\n"
        "   -4.00               │\n"
        "z ─────────────────────╯\n"
        "   3.00"
    )


@given(generated)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_line_ends_in_nothing(circuit: TracedCircuit) -> None:
    page = circuit.picture(group=None).page(100_000)
    taken = {(row, k) for row, a, b, style in page.spans if style != "wire" for k in range(a, b)}
    for row, line in enumerate(page.lines):
        for column, character in enumerate(line):
            if (row, column) in taken or character not in WAYS:
                continue
            for down, right in WAYS[character]:
                there = row + down, column + right
                beside = page.lines[there[0]][there[1] : there[1] + 1]
                if there in taken or beside == " ":
                    # Into a symbol or a name, or the blank that stands beside one.
                    assert not down, (character, row, column)
                else:
                    ways = WAYS.get(beside, (LEFT, RIGHT, UP, DOWN) if beside == "┼" else ())
                    assert BACK[down, right] in ways, (character, beside, row, column)


@given(generated)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_width_is_kept_and_every_gate_shown(circuit: TracedCircuit) -> None:
    picture = circuit.picture(group=None)
    gates = sum(1 for box in picture.graph.boxes if box.kind == "gate")
    for width in (60, 80, 120):
        page = picture.page(width)
        assert max(map(cells, page.lines)) <= width
        symbols = [s for s in page.spans if s[3] == "symbol"]
        assert len(symbols) == gates if picture.graph.gates <= 60 else symbols


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "circuit", [B, C, small_network(), network(), trace(loop, 1.0, 2.0)], ids=range(5)
)
def test_known_circuits_fit(circuit: TracedCircuit, width: int) -> None:
    lines = circuit.picture(width=width).text.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_what_does_not_fit_goes_on_below_under_its_name() -> None:
    lines = B.picture(width=60).text.splitlines()
    assert any(line.endswith("▸ t3 ...") for line in lines)
    assert any(line.lstrip().startswith("t3 ──") for line in lines)
    assert lines[-2].endswith("▸ f")
    assert sum("▸ f" in line for line in lines) == 1


def test_a_wire_used_twice_by_one_gate_says_so() -> None:
    assert "(× twice)" in trace("x * x", x=3).picture().text


def test_a_crossing_is_no_joint() -> None:
    text = trace("(a - d) * (b + c) * (a / c) * (b - d)", a=1, b=2, c=3, d=4).picture().text
    assert "┼" in text


def test_ascii() -> None:
    plain = as_ascii(A.picture().text)
    assert plain.isascii() and "x --------+" in plain
    assert len(plain) == len(A.picture().text)


def test_many_gates_are_grouped_in_the_terminal_before_they_are_elsewhere() -> None:
    circuit = built(2, [(3, 0, 0)] * 60)
    assert circuit.picture().graph.grouping is None
    assert "[generated]" in circuit.picture().text


def test_gates_whose_first_input_comes_from_below_say_so() -> None:
    circuit = trace("(x + y) - (y - x) / (x - y) / x", x=1, y=3)
    picture = circuit.picture(width=200)
    swapped = picture.scene.layout.swapped
    assert picture.text.count("lower first") == len(swapped)
    assert picture.svg.count(">first input below<") == len(swapped)
