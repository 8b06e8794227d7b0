"""Nothing stands on anything, wires run straight where they can, and 200 gates take no second."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from chainrule.face import TracedCircuit, trace
from chainrule.readings.picture.graph import graph
from chainrule.readings.picture.layers import layered
from chainrule.readings.picture.layout import plan
from chainrule.readings.picture.order import crossings, ordered
from chainrule.readings.picture.quality import crossings as crossings_of
from chainrule.readings.picture.quality import overlaps, quality
from chainrule.readings.picture.scene import scene

from .circuits import REFERENCE, A, B, built, generated, loop, network, small_network


@given(generated)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_stands_on_anything(circuit: TracedCircuit) -> None:
    picture = circuit.picture()
    assert list(overlaps(picture.scene)) == []
    for segment in picture.scene.layout.segments:
        assert segment.start[0] < segment.end[0] and segment.run >= 0


@given(generated)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_wires_lead_to_the_right_and_none_is_lost(circuit: TracedCircuit) -> None:
    found = circuit.picture().graph
    drawn = plan(found)
    level = {point: k for k, column in enumerate(drawn.columns) for point in column}
    assert sorted(level) == list(range(len(drawn.wire)))
    for point, before in enumerate(drawn.before):
        assert all(level[source] == level[point] - 1 for source in before)
    for box, sources in enumerate(found.sources()):
        assert [drawn.wire[p] for p in drawn.before[box]] == sources


@pytest.mark.parametrize(
    "circuit", [*REFERENCE.values(), small_network(), network(), trace(loop, 1.0, 2.0)]
)
@pytest.mark.parametrize("group", [None, "line", "name", "function", "layer"])
def test_nothing_overlaps_in_known_circuits(circuit: TracedCircuit, group: str | None) -> None:
    assert list(overlaps(circuit.picture(group=group).scene)) == []


def test_the_check_finds_overlaps() -> None:
    found = scene(graph(A, A._gradients_or_none()))
    found.layout.y[3] = found.layout.y[0]  # on the wire of x
    found.layout.x[3] = found.layout.x[0] + 30
    assert any("box" in said for said in overlaps(found))


def test_crossings_are_counted_on_lines() -> None:
    one, two = [(0.0, 0.0), (10.0, 10.0)], [(0.0, 10.0), (5.0, 5.0), (10.0, 0.0)]
    assert crossings_of([(0, one), (1, two)]) == 1
    assert crossings_of([(0, one), (0, two)]) == 0
    assert crossings_of([(0, one), (1, [(0.0, 11.0), (10.0, 11.0)])]) == 0


def test_trees_have_no_crossings_and_keep_the_order_of_their_formula() -> None:
    for circuit in (A, B, REFERENCE["D"]):
        found = circuit.picture().scene
        assert quality(found).crossings == 0
        names = [b.name for b in found.graph.boxes if b.kind == "input"]
        ys = dict(zip(names, found.layout.y, strict=False))
        order = sorted(names, key=ys.__getitem__)
        assert (
            order
            == {
                3: ["x", "y", "z"],
                4: ["x", "y", "z", "w"],
                5: ["w_0", "x_0", "w_1", "x_1", "w_2"],
            }[len(names)]
        )


def test_inputs_are_at_the_left_and_the_output_at_the_right() -> None:
    found = B.picture().scene
    inputs = [k for k, box in enumerate(found.graph.boxes) if box.kind == "input"]
    (end,) = (k for k, box in enumerate(found.graph.boxes) if box.kind == "output")
    assert {found.layout.x[k] for k in inputs} == {min(found.layout.x)}
    assert found.layout.x[end] == max(found.layout.x)


def test_chains_and_passing_wires_run_straight() -> None:
    chain = built(1, [(3, 0, 0)] * 6)
    picture = B.picture().scene
    y = {b.symbol or b.name: picture.layout.y[k] for k, b in enumerate(picture.graph.boxes)}
    assert y["−x"] == y["eˣ"] == y["1 +"] == y["1/x"] == y["f"]
    for found in (chain.picture().scene, picture):
        for segment in found.layout.segments:
            if segment.target < 0:  # goes on through another column
                again = [s for s in found.layout.segments if s.start[1] == segment.end[1]]
                assert again


def test_200_gates_are_drawn_one_by_one() -> None:
    many = [(k % 5, (7 * k) % 9, (11 * k) % 23) for k in range(160)]
    circuit = built(4, many[:100])
    assert 200 <= circuit.picture().graph.gates <= 210
    assert circuit.picture(group=None).svg


def test_columns_are_as_short_as_can_be() -> None:
    # 0 and 1 feed 3; 2 feeds only 4, which 3 feeds: 2 moves next to 4.
    targets, sources = [[3], [3], [4], [4], []], [[], [], [], [0, 1], [3, 2]]
    assert layered(5, targets, sources) == [0, 0, 1, 1, 2]
    assert layered(5, targets, sources, left=[2]) == [0, 0, 0, 1, 2]


def test_order_takes_away_what_can_be_taken_away() -> None:
    before, after = [[], [], [1], [0]], [[3], [2], [], []]
    columns = [[0, 1], [2, 3]]
    assert crossings(columns, after) == 1
    assert crossings(ordered(columns, before, after), after) == 0
