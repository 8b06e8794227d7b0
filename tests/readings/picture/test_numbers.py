"""What stands in a picture is what the engine computed, to the lecture's decimals."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from chainrule.circuit.columns import CONSTANT
from chainrule.face import trace
from chainrule.functions import sigmoid
from chainrule.readings.numbers import number

from .circuits import REFERENCE, A, B, C, D, network
from .reading import SVG, numbers_in_svg, numbers_in_text


def one_gate(w0: Any, w1: Any, w2: Any, x0: Any, x1: Any) -> Any:
    dot = w0 * x0 + w1 * x1 + w2
    f = sigmoid(dot)
    return f


ONE = trace(one_gate, 2.0, -3.0, -3.0, -1.0, -2.0)


def expected(circuit: Any) -> dict[int, tuple[str, str]]:
    rows = [r for r in range(len(circuit)) if circuit.columns.gates[r] is not CONSTANT]
    return {
        row: (number(circuit.columns.values[row]), number(circuit.gradient_of(row))) for row in rows
    }


@pytest.mark.parametrize("name", REFERENCE)
def test_every_number_of_the_svg_is_the_engines(name: str) -> None:
    circuit = REFERENCE[name]
    found = numbers_in_svg(circuit.picture().svg)
    assert {r: (w["value"], w["gradient"]) for r, w in found.items()} == expected(circuit)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", REFERENCE)
def test_every_number_of_the_text_is_the_engines(name: str, width: int) -> None:
    circuit = REFERENCE[name]
    lines = circuit.picture(width=width).text.splitlines()
    assert max(map(len, lines)) <= width
    assert set(numbers_in_text(lines)) == set(expected(circuit).values())


def test_the_reference_to_the_lectures_decimals() -> None:
    # REFERENCE A, B and C, as the lecture prints them; D by hand.
    shown = {"A": (A, "z", "-4.00", "3.00"), "B": (B, "dot", "1.00", "0.20")}
    shown |= {"C": (C, "invden", "0.51", "3.02"), "D": (D, "w", "-1.00", "0")}
    for circuit, name, value, gradient in shown.values():
        found = numbers_in_svg(circuit.picture().svg)[circuit.row(name)]
        assert found == {"value": value, "gradient": gradient}


def test_sigmoid_as_one_gate_and_taken_apart() -> None:
    # REFERENCE B: -1, 0.37, 1.37, 0.73 and gradients -0.20, -0.53, -0.53, 1.
    parts = {("-1.00", "-0.20"), ("0.37", "-0.53"), ("1.37", "-0.53"), ("0.73", "1.00")}
    for circuit, mode in ((B, None), (ONE, "parts")):
        picture = circuit.picture(sigmoid=mode, width=120)
        assert picture.graph.gates == 8
        assert parts <= set(numbers_in_text(picture.text.splitlines()))
        assert all(symbol in picture.text for symbol in ("(−x)", "(eˣ)", "(1 +)", "(1/x)"))
        texts = [t.text for t in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]
        for value, gradient in parts:
            assert texts.count(value) and texts.count(gradient)
    for circuit, mode in ((B, "gate"), (ONE, None)):
        picture = circuit.picture(sigmoid=mode)
        assert picture.graph.gates == 5
        assert "(σ)" in picture.text and "0.73" in picture.text


def test_parts_of_a_sigmoid_have_the_gradients_of_the_written_one() -> None:
    taken = {b.symbol: b.gradient for b in ONE.picture(sigmoid="parts").graph.boxes}
    written = {b.symbol: b.gradient for b in B.picture().graph.boxes}
    for symbol in ("−x", "eˣ", "1 +"):
        assert taken[symbol] == pytest.approx(written[symbol], rel=1e-12)


def test_the_text_alternative_has_the_same_numbers() -> None:
    root = ElementTree.fromstring(C.picture().svg)
    assert root.get("role") == "img"
    ids = {node.get("id"): node for node in root.iter() if node.get("id")}
    title, told = (ids[key].text or "" for key in root.get("aria-labelledby", "").split())
    assert title == "The circuit of staged"
    for row, (value, gradient) in expected(C).items():
        name = C.names[row]
        said = [
            line
            for line in told.splitlines()
            if line.endswith(f"value {value}; gradient {gradient}")
        ]
        assert said, name
    assert "invden: divide of 1, den; value 0.51; gradient 3.02" in told


def test_arrays_show_shape_dtype_statistic_and_norm() -> None:
    circuit = network()
    picture = circuit.picture()
    hidden = circuit["hidden"]
    box = next(b for b in picture.graph.boxes if b.name == "hidden")
    assert box.value is hidden.value
    norm = number(np.linalg.norm(hidden.gradient))
    for text in (picture.svg, picture.text):
        for said in ("(64, 30) float64", "(20, 30) float64", "(10,) float64", f"norm {norm}"):
            assert said in text
    strips = [
        n for n in ElementTree.fromstring(picture.svg).iter() if "strip" in n.get("class", "")
    ]
    assert len(strips) > 20


def test_no_gradient_is_shown_where_there_is_none() -> None:
    circuit = trace(lambda x: x * 2.0, np.ones(3))
    assert all(t.style != "gradient" for t in circuit.picture().scene.texts)
    assert "gradient" not in circuit.picture().svg.split("<desc")[1].split("</desc>")[0]


def test_small_numbers_never_look_like_zero() -> None:
    svg = trace("x * y", x=1e-9, y=0.001).picture().svg
    assert ">0.00<" not in svg and "1e-09" in svg
