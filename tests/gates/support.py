"""What the tests of the gate tables share: draws, numeric slopes, duals, and emitted code."""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import math
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.gates import GATES, UFUNCS, Gate, inputs_of, settings_of
from chainrule.gates.gate import REAL

POINTS = 24
STEP = 1e-4
BY_FUNCTION = {gate.numpy: gate for gate in GATES.values() if gate.numpy is not None}


# ---------------------------------------------------------------------- draws


def draw(generator: np.random.Generator, interval: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from an open interval, away from its ends; an interval of booleans gives booleans."""
    low, high = interval
    if isinstance(low, bool):
        return generator.integers(0, 2, shape).astype(bool)
    if math.isinf(low) and math.isinf(high):
        return generator.uniform(-3.0, 3.0, shape)
    if math.isinf(high):
        return low + generator.uniform(0.1, 4.0, shape)
    return low + (high - low) * generator.uniform(0.02, 0.98, shape)


def settings_to_try(gate: Gate) -> list[dict[str, Any]]:
    """Return the settings on which to try a gate: the defaults, and those of its examples."""
    found = [example.settings for example in gate.examples]
    defaults = settings_of(gate).values()
    if gate.local is not None and inspect.Parameter.empty not in defaults:
        found.insert(0, {})
    return found


def points(gate: Gate, seed: int = 2026) -> Iterator[tuple[dict[str, Any], list[np.ndarray]]]:
    """Yield settings and inputs of an elementwise gate, with no kink within two steps."""
    for settings in settings_to_try(gate):
        generator = np.random.default_rng(seed)
        inputs = [draw(generator, interval, (POINTS,)) for interval in gate.domain]
        if gate.kink is not None:
            inputs = away_from_kinks(gate, inputs, settings)
        yield settings, inputs


def away_from_kinks(
    gate: Gate, inputs: list[np.ndarray], settings: dict[str, Any]
) -> list[np.ndarray]:
    """Keep the points with the same signs of the kinks on all sides."""
    assert gate.kink is not None
    here = np.sign(gate.kink(*inputs, **settings))
    keep = here != 0
    for index, step in itertools.product(range(len(inputs)), (-2 * STEP, 2 * STEP)):
        keep &= np.sign(gate.kink(*moved(inputs, index, step), **settings)) == here
    keep = keep.reshape(-1, POINTS).all(axis=0)
    assert keep.sum() > POINTS // 2, f"{gate.name}: nearly all points are at kinks"
    return [x[keep] for x in inputs]


def examples(gate: Gate, seed: int = 2026) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield settings and inputs of a structural gate's examples."""
    for example in gate.examples:
        generator = np.random.default_rng(seed)
        count = len(example.shapes)
        domain = (*gate.domain, *[REAL] * count)[:count]
        values = example.values or (None,) * count
        yield (
            example.settings,
            [
                draw(generator, interval, shape) if value is None else value
                for value, interval, shape in zip(values, domain, example.shapes, strict=True)
            ],
        )


def cases(gate: Gate) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield settings and inputs of any gate."""
    return points(gate) if gate.local is not None else examples(gate)


def is_real(x: Any) -> bool:
    """Return whether an input can be moved a little."""
    return np.asarray(x).dtype.kind == "f"


# ---------------------------------------------------------------------- slopes from outside


def moved(inputs: list[Any], index: int, step: Any) -> list[Any]:
    """Return the inputs with one of them moved."""
    return [x + step if k == index else x for k, x in enumerate(inputs)]


def central(function: Callable[..., Any], inputs: list[Any], index: int, step: Any = STEP) -> Any:
    """Return the slope along one input by central differences of fourth order."""

    def difference(h: Any) -> Any:
        return function(*moved(inputs, index, h)) - function(*moved(inputs, index, -h))

    return (8.0 * difference(step) - difference(2.0 * step)) / (12.0 * np.max(step))


class Dual(np.lib.mixins.NDArrayOperatorsMixin):
    """A value and how it moves: forward mode, by which a rule is differentiated once more."""

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value, self.tangent = np.asarray(value), np.asarray(tangent)
        self.shape, self.dtype = self.value.shape, self.value.dtype
        self.ndim, self.size = self.value.ndim, self.value.size

    def __gate__(self, gate: Gate, inputs: Any, settings: Any) -> Dual:
        return push(gate, inputs, settings)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any) -> Dual:
        assert method == "__call__"
        return push(UFUNCS[ufunc], inputs, {})

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Dual:
        return push(BY_FUNCTION[function], args, options)


def push(gate: Gate, inputs: Any, settings: Any) -> Dual:
    """Return a gate's value and tangent, by its local slopes or, row by row, by its vjp."""
    values = [x.value if isinstance(x, Dual) else x for x in inputs]
    out = np.asarray(gate.forward(*values, **settings))
    tangent = np.zeros(out.shape)
    for index, x in enumerate(inputs):
        if not isinstance(x, Dual) or not is_real(x.value):
            continue
        is_local, rule = gate.rule(index)
        if is_local:
            tangent = tangent + rule(out, *values, **settings) * x.tangent
            continue
        for place in np.ndindex(out.shape):
            g = np.zeros(out.shape)
            g[place] = 1.0
            tangent[place] += np.sum(rule(g, out, *values, **settings) * x.tangent)
    return Dual(out, tangent)


# ---------------------------------------------------------------------- emitted code


def expression(gate: Gate, settings: dict[str, Any], names: list[str], *, scalar: bool) -> str:
    """Return the gate's code over these names."""
    template = gate.expression(settings, scalar=scalar)
    return template.replace("{*}", ", ".join(names)).format(*names)


def run_emitted(gate: Gate, settings: dict[str, Any], inputs: list[Any], *, scalar: bool) -> Any:
    """Execute the gate's code as an emitted module would: with np, math and its own copy."""
    names = [f"x{k}" for k in range(len(inputs))]
    text = expression(gate, settings, names, scalar=scalar)
    allowed: dict[str, Any] = {"np": np, "math": math}
    copied = gate.copied_source(settings, scalar=scalar)
    if copied is not None:
        exec(_as_module(gate.name, copied), allowed)
    tree = ast.parse(text, mode="eval")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known = {*allowed, *dir(builtins), *names}
    assert used <= known, f"{gate.name}: its code uses {used - known}"
    return eval(compile(tree, gate.name, "eval"), allowed, dict(zip(names, inputs, strict=True)))


def _as_module(name: str, function: Callable[..., Any]) -> Any:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef), f"{name}: the copy is not a def"
    definition.name, definition.returns = name, None
    parameters = definition.args
    for part in (*parameters.args, *parameters.kwonlyargs, parameters.vararg):
        if part is not None:
            part.annotation = None  # an emitted module has no Any
    return compile(ast.fix_missing_locations(tree), name, "exec")


def arity(gate: Gate) -> int | None:
    """Return the number of inputs, None where it is any."""
    names = inputs_of(gate)
    return None if any(name.startswith("*") for name in names) else len(names)
