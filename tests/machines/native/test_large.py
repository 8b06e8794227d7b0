"""Large circuits of plain floats, rolled up or reordered, give what the reference machine gives."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.machines.native import bodies, large, rolled
from chainrule.machines.native.flat import flatten
from chainrule.machines.native.nodes import NotLowered
from chainrule.machines.native.target import AVX2, AVX512, NEON, SSE, assembly, host

from .number_circuits import (
    CANARY,
    STEPS,
    Machine,
    assert_agree,
    expected,
    inputs_of,
    program,
    random_function,
    read,
    recorded,
)
from .number_circuits import large as large_machine

POINT = [0.3, -0.4, 0.7]


@pytest.fixture(params=["as it is", "no vectors", "no loops", "no lines"])
def _ways(request, monkeypatch):
    """Switch parts off in turn: each must do without the others."""
    if request.param == "no vectors":
        monkeypatch.setattr(bodies, "MOST_LOOPS", 0)
    elif request.param == "no loops":
        monkeypatch.setattr(large, "MOST_ROLLED", 0)
    elif request.param == "no lines":
        monkeypatch.setattr(large, "MOST_STRAIGHT", 0)


def recurrence(x):
    y = x[0]
    for k in range(40):
        y = 0.9 * math.tanh(y * x[1]) + 0.01 * k - x[2]
    return y


def two_turns_back(x):
    a, b = x[0], x[1]
    for _ in range(40):
        a, b = b, 0.5 * (a + b) * x[2]
    return b


def delay_line(x):
    line = [x[k % 3] * (k + 1) for k in range(7)]
    for k in range(60):
        line.append(math.sin(line[k]) + 0.25 * line[k + 3])
    return sum(line)


def side_by_side(x):
    return sum(math.exp(-((0.1 * k - x[0]) ** 2)) * x[1 + k % 2] for k in range(50))


def every_turn_is_an_output(x):
    values = [x[0]]
    for _ in range(37):
        values.append(math.sin(values[-1]) * x[1])
    return values


def irregular_places(x):
    choice = np.random.default_rng(5)
    values = [math.sin(k * x[0] + x[1]) for k in range(30)]
    pairs = choice.integers(0, 30, (80, 2))
    return sum((values[a] - values[b] * x[2]) ** 2 for a, b in pairs.tolist())


def nested(x):
    state = list(x)
    for _ in range(12):
        state = [math.tanh(sum(s * 0.1 * (i + j) for j, s in enumerate(state))) for i in range(3)]
    return sum(state)


def everything_reads_the_first(x):
    first = [math.exp(x[0] + 0.01 * k) for k in range(24)]
    return sum(first[0] * f * x[1] for f in first)


def turns_read_the_first_turn(x):
    y, z, first = x[0], x[1], None
    for _ in range(40):
        y = math.sin(y + 1.0)
        first = y if first is None else first
        z = z * first + y
    return z


def with_a_defect(x):
    y = x[0]
    for k in range(60):
        y = y * y * 0.5 + x[1] if k != 29 else math.cos(y) - x[2]
    return y


def with_another_constant(x):
    y = x[0]
    for k in range(60):
        y = math.sin(y + (0.5 if k != 31 else -1.5)) * x[1]
    return y


def every_third_differs(x):
    y = x[0]
    for k in range(60):
        y = math.sin(y) if k % 3 else y * x[1] + 0.1
    return y


def two_loops(x):
    y, kept = x[0], []
    for _ in range(30):
        y = math.tanh(y) + x[1]
        kept.append(y)
    z = x[2]
    for value in reversed(kept):
        z = z * 0.5 + value * value
    return z


def backwards_and_in_strides(x):
    values = [math.sin(k * x[0]) for k in range(60)]
    return sum(a * b for a, b in zip(values[::2], values[::-2], strict=True)) * x[1]


def truths_between_turns(x):
    y, above = x[0], x[0] > 0.0
    for k in range(40):
        y = np.where(above, y * 0.9 - 0.02 * k, y * 0.5 + x[1])
        above = y > 0.0
    return y


STRUCTURES = [
    recurrence, two_turns_back, delay_line, side_by_side, every_turn_is_an_output,
    irregular_places, nested, everything_reads_the_first, turns_read_the_first_turn, with_a_defect,
    with_another_constant, every_third_differs, two_loops, backwards_and_in_strides,
    truths_between_turns,
]  # fmt: skip


@pytest.mark.usefixtures("_ways")
@pytest.mark.parametrize("function", STRUCTURES, ids=lambda f: f.__name__)
def test_structures(function):
    wanted = function if function is every_turn_is_an_output else cr.value_and_grad(function)
    circuit = recorded(wanted, POINT)
    assert_agree(
        large_machine(circuit), circuit, POINT, [-0.2, 0.9, 0.1], [math.inf, 1.0, 0.0], rtol=1e-9
    )


@pytest.mark.parametrize("target", [SSE, AVX2, host()], ids=["sse", "avx2", "host"])
def test_narrower_vectors(target):
    if target is AVX2 and not host().fma:
        pytest.skip("this processor has no AVX2")
    for function in (side_by_side, irregular_places, backwards_and_in_strides):
        circuit = recorded(cr.value_and_grad(function), POINT)
        assert_agree(large_machine(circuit, target), circuit, rtol=1e-12)


@pytest.mark.parametrize("target", [SSE, AVX2, AVX512, NEON], ids=["sse", "avx2", "avx512", "neon"])
def test_emission_for_other_processors(target):
    circuit = recorded(cr.value_and_grad(irregular_places), POINT)
    assert "scalars:" in assembly(program(circuit, target).text, target)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 60), st.booleans())
def test_random_programs_reordered(seed, gates, span, in_lines):
    circuit = recorded(cr.value_and_grad(random_function(seed, gates, span)), POINT)
    with pytest.MonkeyPatch.context() as patch:
        if not in_lines:
            patch.setattr(large, "MOST_STRAIGHT", 0)
        run = large_machine(circuit)
    assert_agree(run, circuit, POINT, [-0.1, 0.2, 0.3], rtol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from(range(len(STEPS))), min_size=1, max_size=6),
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
    st.integers(1, 70),
    st.integers(0, 80),
)
def test_random_loops(body, back, turns, defect):
    """Any body over any of the latest values, in any number of turns, with one turn of another."""

    def function(x):
        values = list(x) * 3
        for turn in range(turns):
            for k, step in enumerate(body):
                step = STEPS[step if turn != defect else (step + 1) % len(STEPS)]
                values.append(step(values[-back[2 * k]], values[-back[2 * k + 1]]))
        return sum(values[-4:])

    circuit = recorded(cr.value_and_grad(function), POINT)
    assert_agree(large_machine(circuit), circuit, POINT, rtol=1e-8)


def test_a_guard_in_every_turn():
    def decay(x):
        y = x[0]
        turns = 0
        while y > 1e-3:
            y = y * x[1] if y < 0.5 else y * 0.5
            turns += 1
        return y * turns

    circuit = recorded(cr.value_and_grad(decay), [0.9, 0.97])
    assert len(circuit.guards) > 300
    run = large_machine(circuit)
    # The same turns; one turn less, decided in the last one; another way from the first turn on.
    assert_agree(
        run, circuit, [0.9, 0.97], [0.9, 0.97000001], [0.9, 0.96], [0.4, 0.97], [1e-9, 0.5]
    )


def test_guards_side_by_side():
    def function(x):
        return sum(x[1] * k if x[0] > 0.1 * k else x[2] + k for k in range(100))

    circuit = recorded(cr.value_and_grad(function), [5.05, 0.5, 0.25])
    run = large_machine(circuit)
    assert any(part.lanes for part in parts_of(circuit) if isinstance(part, bodies.Body))
    for x in (5.05, 5.09, 5.0, 5.11, 0.0, 20.0, math.nan):
        assert_agree(run, circuit, [x, 0.5, 0.25])


def parts_of(circuit):
    """Return the parts of a circuit's program."""
    return large._parts(flatten(*read(circuit)), host().lanes("double"))


def test_a_loop_becomes_a_loop():
    flat = flatten(*read(recorded(recurrence, POINT)))
    (turns,) = rolled.find(flat)
    assert turns.period == 5 and turns.count >= 38  # * tanh * + -; the first turns fold constants


def test_what_does_not_wait_runs_side_by_side():
    lanes = [part.lanes for part in parts_of(recorded(side_by_side, POINT)) if part.turns.count > 1]
    assert sorted(map(bool, lanes)) == [False, True]  # the sum, and what is summed


def test_code_does_not_grow_with_the_turns():
    def long(turns):
        def function(x):
            y = x[0]
            for _ in range(turns):
                y = math.sin(y) * x[1]
            return y

        return program(recorded(cr.value_and_grad(function), POINT))

    short, longer = long(100), long(1000)
    assert short.kernels == longer.kernels and len(longer.text) < 1.1 * len(short.text)


@pytest.mark.parametrize("irregular", [False, True])
def test_many_gates(irregular):
    def regular(x):
        y = x[0]
        for _ in range(5000):
            u = y * x[1]
            v = math.exp(-(u * u))
            y = math.tanh(u + v) / (x[2] + 1.5) - v
        return y

    function = random_function(3, 20_000, 500) if irregular else regular
    circuit = recorded(cr.value_and_grad(function), POINT)
    made = program(circuit)
    assert len(made.text) < 200_000
    assert_agree(large_machine(circuit), circuit, rtol=1e-9)


def test_writes_its_own_memory_only():
    for function in STRUCTURES:
        circuit = recorded(function, POINT)
        made = program(circuit)
        machine = large.LargeMachine(made, host())
        cells = np.full(made.workspace_bytes // 8 + 2, CANARY)
        given, out = np.array([CANARY, *POINT, CANARY]), np.full(made.outputs + 2, CANARY)
        tables = made.tables.copy()
        arrays = (given[1:], out[1:], cells[1:], tables)
        assert machine._call(*(array.ctypes.data for array in arrays)) == 0
        for array in (given, out, cells):
            assert array[0] == array[-1] == CANARY
        assert given[1:-1].tolist() == POINT and (tables == made.tables).all()
        assert out[1:-1].tolist() == machine(POINT)  # whatever lay in the cells before


def test_threads_have_cells_of_their_own():
    circuit = recorded(cr.value_and_grad(two_loops), POINT)
    machine: Machine = large_machine(circuit)
    points = [[0.01 * k, 0.2, -0.01 * k] for k in range(64)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(machine, points * 4))
    assert found == [machine(point) for point in points] * 4
    np.testing.assert_allclose(found[5], expected(circuit, points[5]), rtol=1e-12)


def test_the_same_circuit_gives_the_same_program():
    one, other = (program(recorded(irregular_places, POINT)) for _ in range(2))
    assert one.text == other.text and (one.tables == other.tables).all()


def test_what_cannot_be_lowered_says_so():
    from .test_scalars import one_gate

    columns, inputs = one_gate("inv", None)
    with pytest.raises(NotLowered, match="no emitter for inv"):
        large.large_program(columns, inputs, [1], (), host())
    columns, inputs = one_gate("add", None, np.ones(2))
    with pytest.raises(NotLowered, match="constant of type ndarray"):
        large.large_program(columns, inputs, [2], (), host())


def test_inputs_are_counted():
    circuit = recorded(recurrence, POINT)
    assert inputs_of(circuit) == POINT
    with pytest.raises(AssertionError, match="as many numbers"):
        large_machine(circuit)([1.0])
