"""Groups: each way of making one box of several gates, and circuits too large to draw otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule.face import trace

from .circuits import A, C, loop, network, small_network

LOOP = trace(loop, 1.0, 2.0)


def groups(circuit: Any, way: str) -> list[tuple[str, str]]:
    found = circuit.picture(group=way).graph.boxes
    return [(box.symbol, box.note) for box in found if box.kind == "group"]


def test_by_line() -> None:
    found = groups(C, "line")
    assert [label for label, _ in found] == [
        "sigy = 1.0 / (1.0 + mat...",
        "sigx = 1.0 / (1.0 + mat...",
    ]
    assert all(note.startswith("4 gates, line ") for _, note in found)


def test_by_function() -> None:
    found = groups(network(), "function")
    assert [label for label, _ in found] == ["output", "sigmoid", "output", "sigmoid", "cost"]
    assert [note for _, note in found] == ["2 gates", "4 gates", "2 gates", "4 gates", "5 gates"]


def test_by_name() -> None:
    assert [label for label, _ in groups(small_network(), "name")] == ["h", "out", "two_layers"]


def test_by_layer() -> None:
    def deep(x: Any, w: Any) -> Any:
        for _ in range(4):
            x = np.tanh(x @ w)
        return np.sum(x)

    circuit = trace(deep, np.ones((2, 3)), np.eye(3))
    assert groups(circuit, "layer") == [(f"layer {k} of 4", "2 gates") for k in (1, 2, 3, 4)]


def test_a_group_with_several_wires_out_has_a_tap_for_each() -> None:
    def two(x: Any) -> Any:
        a, b = x * 2.0, x * x
        return (a + b) * a

    found = trace(two, 3.0).picture(group="line").graph
    taps = [box for box in found.boxes if box.kind == "tap"]
    assert [tap.value for tap in taps] == [6.0, 9.0]
    assert [tap.gradient for tap in taps] == [15.0 + 6.0, 6.0]  # by hand: 2a + b, and a


@pytest.mark.parametrize("way", ["line", "name", "function", "layer"])
@pytest.mark.parametrize("circuit", [A, C, LOOP, network()], ids=["A", "C", "loop", "network"])
def test_no_way_loses_a_gate_or_an_input(circuit: Any, way: str) -> None:
    found = circuit.picture(group=way).graph
    counts = [int(b.note.split()[0]) for b in found.boxes if b.kind == "group"]
    assert sum(counts) + sum(b.kind == "gate" for b in found.boxes) == found.gates
    assert sum(b.kind == "input" for b in found.boxes) == len(circuit.inputs)
    for box, fed in enumerate(found.targets):
        assert all(target > box for target, _ in fed)


def test_large_circuits_are_grouped_by_themselves() -> None:
    def long(x: float) -> float:
        for _ in range(20_000):
            x = math.sin(x) + 0.5
        return x

    circuit = trace(long, 1.0)
    circuit._gradients_or_none()
    picture = circuit.picture()
    boxes = sum(box.kind in ("gate", "group") for box in picture.graph.boxes)
    assert picture.graph.gates == 40_000 and boxes <= 200
    assert picture.svg and picture.text


def test_small_circuits_are_not() -> None:
    assert C.picture().graph.grouping is None
    assert C.picture(most=8).graph.grouping == "line"
    assert C.picture(most=3).graph.grouping == "function"


def test_options_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="group must be 'auto', None, 'line'"):
        A.picture(group="colour")
    with pytest.raises(ValueError, match="sigmoid must be None, 'gate' or 'parts'"):
        A.picture(sigmoid="whole")
    with pytest.raises(ValueError, match="theme must be one of 'light', 'dark', 'safe'"):
        A.picture(theme="blue")
