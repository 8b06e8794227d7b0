"""Every program of the corpus through every reading and machine.

Values are held to the plain function's own, gradients to central differences, machines and emitted
code to each other.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GuardError

from .program import Program
from .programs import PROGRAMS
from .support import (
    along,
    arguments,
    assert_near,
    assert_same,
    in_float64,
    is_float,
    is_single,
    leaves,
    mapped,
    plainly,
    second_point,
    tolerance,
)

IDS = [f"{k}-{p.name}" for k, p in enumerate(PROGRAMS)]
# Programs that evaluate a branch not taken warn as NumPy does without chainrule.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
each = pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
MACHINES = ("interpret", "staged", "native")
SMALL = 14  # float elements up to which a whole Hessian is made


@functools.cache
def circuit_of(program: Program) -> Any:
    """Trace a program once for all tests; the arguments given are the program's own."""
    return cr.trace(program.function, *program.args, **program.keywords)


def directions(program: Program, seed: int) -> Any:
    """Draw a direction for each float leaf of (args, keywords)."""
    generator = np.random.default_rng(seed)
    return mapped(
        lambda leaf: generator.normal(size=np.shape(leaf))[()] if is_float(leaf) else None,
        (program.args, program.keywords),
    )


def float_leaves(value: Any) -> list[Any]:
    return [leaf for leaf in leaves(value) if is_float(leaf)]


def of_floats(program: Program) -> tuple[Any, list[Any]]:
    """Return the program as a function of the list of its float leaves, and those."""

    # A name of its own: what a function closes over is searched for `from math import exp`.
    original = program.function

    def function(values: list[Any]) -> Any:
        remaining = iter(values)
        args, keywords = mapped(
            lambda leaf: next(remaining) if is_float(leaf) else leaf,
            (program.args, program.keywords),
        )
        return original(*args, **keywords)

    return function, float_leaves((program.args, program.keywords))


def test_the_corpus_is_large():
    assert len({p.function for p in PROGRAMS}) >= 60


@each
def test_the_value_is_the_plain_functions_own(program):
    circuit = circuit_of(program)
    circuit.well_formed()
    assert_same(circuit.value, plainly(program, program.args), 1e-15, "value")


@each
def test_gradients_have_the_containers_shapes_and_dtypes_of_the_arguments(program):
    gradients = circuit_of(program).gradients
    given = [a for a in circuit_of(program).arguments if any(r is not None for r in a.rows)]
    assert list(gradients) == [a.name for a in given]
    for argument in given:
        value = argument.tree.build(argument.leaves)
        gradient = gradients[argument.name]
        if not float_leaves(value):
            assert gradient is None
            continue
        assert type(gradient) is type(value)
        for g, leaf in zip(leaves(gradient), leaves(value), strict=True):
            if is_float(leaf):
                assert type(g) is type(leaf), argument.name
                assert np.shape(g) == np.shape(leaf)
                assert getattr(g, "dtype", None) == getattr(leaf, "dtype", None)
            else:
                assert g is None


@each
def test_gradients_agree_with_differences(program):
    if program.at_a_kink:
        pytest.skip("on a kink, where a difference is no gradient")
    gradients = [g for g in leaves(circuit_of(program).gradients) if g is not None]
    single = is_single((program.args, program.keywords))
    for seed in range(3):
        steps = directions(program, seed)
        ours = sum(
            float(np.sum(np.float64(1.0) * g * d))
            for g, d in zip(gradients, [d for d in leaves(steps) if d is not None], strict=True)
        )
        expected = along(program, steps)
        assert ours == pytest.approx(expected, rel=3e-4 if single else 3e-8, abs=1e-8)


@each
def test_machines_agree(program):
    circuit = circuit_of(program)
    rtol = tolerance(program)
    for where, args in (("here", program.args), ("there", second_point(program))):
        given = arguments(circuit, args, program.keywords)
        before = copy.deepcopy(given)
        results = []
        for machine in MACHINES:
            try:
                results.append(circuit.machine(machine)(*given))
            except GuardError:
                results.append(None)
        assert_same(given, before, 0.0, "the arguments")
        reference, staged, native = results
        if reference is None or staged is None or native is None:
            assert where == "there" and reference is staged is native, f"{where}: one refuses"
            continue
        assert_same(staged, reference, rtol, where)
        assert_same(native, reference, rtol, where)
        assert_same(reference[0], plainly(program, args), rtol, f"{where}, the value")
        traced = cr.trace(program.function, *args, **program.keywords)
        assert_same(reference[1], traced.gradients, rtol, f"{where}, traced anew")


@each
def test_at_traces_the_same_function_elsewhere(program):
    circuit = circuit_of(program)
    args = second_point(program)
    there = circuit.at(*args)
    assert_same(there.value, plainly(program, args), 1e-15, "value")
    back = there.at(*program.args)
    assert_same(back.value, circuit.value, 0.0, "value")
    assert_same(back.gradients, circuit.gradients, 0.0, "gradients")


@each
def test_compiled_gradients_agree(program):
    function, point = of_floats(program)
    _, there = of_floats(Program(program.function, second_point(program), program.keywords))
    rtol = tolerance(program)
    both = cr.value_and_grad(function)
    compiled = [cr.compile(both, machine=machine) for machine in MACHINES]
    for values in (point, there, point, there):
        expected = both(values)
        before = copy.deepcopy(values)
        for run in compiled:
            result = run(values)
            assert_near(result[0], expected[0], rtol, run.machine)
            for one, two in zip(result[1], expected[1], strict=True):
                assert np.shape(one) == np.shape(two)
                assert getattr(one, "dtype", None) == getattr(two, "dtype", None)
                assert_near(one, two, rtol, run.machine)
        assert_same(values, before, 0.0, "the arguments")
    assert all(run.paths <= 2 for run in compiled)


@each
def test_inputs_are_left_untouched(program):
    args, keywords = copy.deepcopy((program.args, program.keywords))
    circuit = cr.trace(program.function, *args, **keywords)
    assert circuit.gradients is not None
    circuit.code(), circuit.code("listing")
    assert_same((args, keywords), (program.args, program.keywords), 0.0, "the arguments")


@each
def test_transforms_agree_with_the_circuit(program):
    function, point = of_floats(program)
    circuit = circuit_of(program)
    gradients = [g for g in leaves(circuit.gradients) if g is not None]
    rtol = tolerance(program)
    value, gradient = cr.value_and_grad(function)(point)
    assert_same(value, circuit.value, 0.0, "value")
    for one, two in zip(gradient, gradients, strict=True):
        assert type(one) is type(two)
        assert_near(one, two, rtol, "gradient")
    output, pullback = cr.vjp(function, point)
    assert_same(output, circuit.value, 0.0, "value")
    (pulled,) = pullback(np.ones((), np.asarray(value).dtype)[()])
    for one, two in zip(pulled, gradients, strict=True):
        assert_near(one, two, rtol, "pullback")
    if not all(np.isfinite(leaf).all() for leaf in point):
        return  # a tangent of anything times an infinite slope
    along_it = [np.cos(np.arange(np.size(leaf))).reshape(np.shape(leaf)) for leaf in point]
    tangents = [float(d) if type(x) is float else d for x, d in zip(point, along_it, strict=True)]
    _, pushed = cr.jvp(function, (point,), (tangents,))
    expected = sum(
        float(np.sum(np.float64(1) * g * d)) for g, d in zip(gradients, along_it, strict=True)
    )
    scale = max(1e-300, max(float(np.max(np.abs(g), initial=0.0)) for g in gradients))
    assert float(pushed) == pytest.approx(expected, rel=10 * rtol, abs=10 * rtol * scale)


@each
def test_second_derivatives_agree_with_differences(program):
    if not program.smooth or program.at_a_kink:
        pytest.skip("not smooth enough for differences of gradients")
    function, point = of_floats(program)
    point = in_float64(point)
    generator = np.random.default_rng(3)
    vector = [generator.normal(size=np.shape(leaf)) for leaf in point]
    vector = [float(v) if type(x) is float else v for x, v in zip(point, vector, strict=True)]
    (product,) = cr.hvp(function, (point,), (vector,))
    gradient = cr.grad(function)

    def gradient_at(step: float) -> list[Any]:
        return gradient([x + step * v for x, v in zip(point, vector, strict=True)])

    h = 1e-4
    near, far = gradient_at(h), gradient_at(2 * h)
    back, further = gradient_at(-h), gradient_at(-2 * h)
    # Errors of differences scale with the gradient, and with 1 / h of its rounding.
    scale = max(float(np.max(np.abs(g), initial=0.0)) for g in near)
    for k, one in enumerate(product):
        assert np.shape(one) == np.shape(point[k])
        expected = (8 * (near[k] - back[k]) - (far[k] - further[k])) / (12 * h)
        np.testing.assert_allclose(one, expected, rtol=2e-6, atol=1e-9 + 1e-10 * scale)
    if 0 < sum(map(np.size, point)) <= SMALL:
        blocks = cr.hessian(function)(point)
        flat = np.concatenate([np.ravel(v) for v in vector])
        rows = [
            np.concatenate([np.reshape(b, (np.size(point[k]), -1)) for b in blocks[k]], axis=1)
            for k in range(len(point))
        ]
        matrix = np.concatenate(rows)
        size = max(float(np.max(np.abs(matrix), initial=0.0)), 1e-12)
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9, atol=1e-9 * size)
        whole = np.concatenate([np.ravel(p) for p in product])
        np.testing.assert_allclose(matrix @ flat, whole, rtol=1e-8, atol=1e-8 * size)


@each
def test_the_readings_for_people_work(program):
    circuit = circuit_of(program)
    assert "Circuit(" in repr(circuit) and "\n" not in repr(circuit)
    assert str(circuit) == circuit.table()
    assert circuit.words().strip()
    names = list(circuit.wires)
    assert len(set(names)) == len(names)
    for name, wire in circuit.wires.items():
        assert name.isidentifier() and circuit[name].name == name
        assert wire.gate == "input" or (wire.line > 0 and wire.file.endswith(".py"))
