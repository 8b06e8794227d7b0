"""What every gate promises: one function a promise, which fails if a gate breaks it.

NumPy, central differences and the complex step are the outside authorities here. To add a
promise, write a `check_...`, name it in `test_tables.py`, and add a gate that breaks it there.
"""

from __future__ import annotations

import itertools
import math
import string
from typing import Any

import numpy as np

from chainrule.gates import Gate, inputs_of, settings_of

from .support import Dual, arity, cases, central, examples, is_real, points, run_emitted

PATTERNS = {"distributes", "routes", "swaps", "scales", "moves", "spreads", "products", "stops"}
ODD = (0.0, -0.0, 1.0, -1.0, 0.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan)
STEP_OF_VJP = 1e-4


def assert_same(actual: Any, expected: Any, message: str, rtol: float = 0.0) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{message}: {actual.shape}, not {expected.shape}"
    # 1e-14 of the largest: cancellation inside a gate is not a fault of the way it was called.
    scale = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    np.testing.assert_allclose(actual, expected, rtol, rtol * scale, err_msg=message)


# ---------------------------------------------------------------------- values


def layouts(x: Any) -> dict[str, Any]:
    """Return the same array laid out otherwise."""
    x = np.asarray(x)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]) if x.ndim else (), x.dtype)
    if x.ndim:
        wide[..., ::2] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    return {
        "not contiguous": wide[..., ::2] if x.ndim else x,
        "Fortran order": np.asfortranarray(x) if x.ndim else x,
        "read-only": frozen,
    }


def check_layouts(gate: Gate) -> None:
    """The value does not depend on how the inputs lie in memory, and leaves them as they were."""
    for settings, inputs in cases(gate):
        expected = gate.forward(*(np.array(x) for x in inputs), **settings)
        for layout in ("not contiguous", "Fortran order", "read-only"):
            given = [layouts(x)[layout] for x in inputs]
            assert_same(gate(*given, **settings), expected, f"{gate.name}, {layout}", 1e-15)
        given = [np.array(x) for x in inputs]
        gate(*given, **settings)
        for x, before in zip(given, inputs, strict=True):
            assert np.array_equal(x, before), f"{gate.name} changes its input"


def check_numpy(gate: Gate) -> None:
    """The value is NumPy's, where NumPy has the function."""
    function = gate.forward if isinstance(gate.forward, np.ufunc) else gate.numpy
    if function is None:
        return
    for settings, inputs in cases(gate):
        # concatenate and stack take a list
        arguments = inputs if arity(gate) is not None else [inputs]
        by_place = settings.values() if gate.name == "astype" else ()  # np.astype(x, dtype, /)
        by_name = {} if by_place else settings
        expected = function(*arguments, *by_place, **by_name)
        assert_same(gate(*inputs, **settings), expected, f"{gate.name} {settings}")


def check_shapes(gate: Gate) -> None:
    """An elementwise gate keeps 0-d and empty shapes, and broadcasts."""
    for settings, inputs in points(gate):
        out = gate.forward(*inputs, **settings)
        single = gate(*(np.array(x[0]) for x in inputs), **settings)
        assert np.shape(single) == (), f"{gate.name}: 0-d"
        assert_same(single, out[0], f"{gate.name}: 0-d", 1e-14)
        for shape in ((0,), (0, 3)):
            empty = gate(*(np.zeros(shape, x.dtype) for x in inputs), **settings)
            assert np.shape(empty) == shape, f"{gate.name}: empty"
        if len(inputs) > 1:
            grid = gate(inputs[0][:3, np.newaxis], *(x[:2] for x in inputs[1:]), **settings)
            assert np.shape(grid) == (3, 2), f"{gate.name} does not broadcast"


def check_float32(gate: Gate) -> None:
    """float32 stays float32, in the value and in every slope."""
    for settings, inputs in cases(gate):
        if not any(is_real(x) for x in inputs) or "dtype" in settings:
            continue
        single = [np.asarray(x, np.float32) if is_real(x) else x for x in inputs]
        double = [np.asarray(x, np.float64) if is_real(x) else x for x in single]
        expected = gate.forward(*double, **settings)
        out = gate(*single, **settings)
        if not is_real(expected) or gate.name == "item":
            continue
        assert np.asarray(out).dtype == np.float32, f"{gate.name}: float32 in, {out.dtype} out"
        assert_same(out, expected, f"{gate.name} in float32", 2e-5)
        if not gate.has_gradient:
            continue
        for index, x in enumerate(single):
            if not is_real(x):
                continue
            is_local, rule = gate.rule(index)
            upstream = () if is_local else (np.ones_like(out),)
            slope = rule(*upstream, out, *single, **settings)
            # A Python number takes the dtype of what it meets (NEP 50).
            if slope is not None and type(slope) not in (int, float):
                assert slope.dtype == np.float32, f"{gate.name}: the slope is {slope.dtype}"


def check_python_floats(gate: Gate) -> None:
    """Python floats give a Python float, NumPy's value, at ordinary and at odd points."""
    for settings, inputs in points(gate):
        columns = [x.tolist() for x in inputs]
        odd = itertools.product(
            *((True, False) if isinstance(x[0], bool) else ODD for x in columns)
        )
        for values in (*zip(*columns, strict=True), *itertools.islice(odd, 200)):
            if gate.name == "power" and values == (-math.inf, 0.5):
                continue  # NumPy says inf for arrays of exponents and NaN for one exponent
            out = gate(*values, **settings)
            with np.errstate(all="ignore"):
                given = (np.float64(v) if type(v) is float else v for v in values)
                expected = gate.forward(*given, **settings)
            assert type(out) in (float, bool), f"{gate.name}{values} is a {type(out).__name__}"
            assert_same(out, expected, f"{gate.name}{values}", 2e-15)


# ---------------------------------------------------------------------- slopes


def check_central(gate: Gate) -> None:
    """Each local slope is that of central differences."""
    assert gate.local is not None
    for settings, inputs in points(gate):
        out = gate.forward(*inputs, **settings)
        for index, x in enumerate(inputs):
            slope = gate.local[index](out, *inputs, **settings)
            if not is_real(x) or out.dtype == bool:
                exact = type(slope) is int and slope == 0
                assert exact, f"{gate.name}: a truth value has a slope"
                continue
            numeric = central(lambda *v: gate.forward(*v, **settings), inputs, index)  # noqa: B023
            assert_same(
                np.broadcast_to(slope, numeric.shape),
                numeric,
                f"{gate.name} {settings}: slope along input {index}",
                1e-8,
            )


def check_complex_step(gate: Gate) -> None:
    """Each local slope of an analytic gate is that of the complex step, to nearly all digits."""
    assert gate.local is not None
    for settings, inputs in points(gate):
        out = gate.forward(*inputs, **settings)
        for index, x in enumerate(inputs):
            if not gate.analytic or not is_real(x):
                continue
            given = [x + 1e-30j if k == index else x for k, x in enumerate(inputs)]
            expected = np.imag(gate.forward(*given, **settings)) / 1e-30
            slope = gate.local[index](out, *inputs, **settings)
            assert_same(
                np.broadcast_to(slope, expected.shape),
                expected,
                f"{gate.name} {settings}: slope along input {index} by the complex step",
                1e-13,
            )


def check_second_order(gate: Gate) -> None:
    """The slope of each slope, by the rules of the gates it is made of, is the numeric one."""
    assert gate.local is not None
    for settings, inputs in points(gate):
        if not all(is_real(x) for x in inputs):
            continue
        for index, along in itertools.product(range(len(inputs)), repeat=2):

            def slope_at(*values: Any, index: int = index, settings: Any = settings) -> Any:
                out = gate.forward(*values, **settings)
                slope = gate.local[index](out, *values, **settings)
                return np.broadcast_to(slope, np.shape(values[0])) * 1.0

            numeric = central(slope_at, inputs, along)
            duals = [
                Dual(x, np.ones_like(x)) if k == along else Dual(x, np.zeros_like(x))
                for k, x in enumerate(inputs)
            ]
            slope = gate.local[index](gate(*duals, **settings), *duals, **settings)
            tangent = slope.tangent if isinstance(slope, Dual) else 0.0
            assert_same(
                np.broadcast_to(tangent, numeric.shape),
                numeric,
                f"{gate.name} {settings}: slope along {along} of the slope along {index}",
                1e-7,
            )


def check_vjp(gate: Gate) -> None:
    """Each vjp has its input's shape, and is the gradient of central differences."""
    tried = False
    for settings, inputs in examples(gate):
        generator = np.random.default_rng(7)
        out = gate.forward(*inputs, **settings)
        g = generator.uniform(-1.0, 1.0, np.shape(out))
        for index, x in enumerate(inputs):
            if not is_real(x):
                continue
            tried = True
            given = gate.rule(index)[1](g, out, *inputs, **settings)
            numeric = np.zeros(np.shape(x))
            for place in np.ndindex(np.shape(x)):
                step = np.zeros(np.shape(x))
                step[place] = STEP_OF_VJP
                numeric[place] = np.sum(
                    g * central(lambda *v: gate.forward(*v, **settings), inputs, index, step)  # noqa: B023
                )
            where = f"{gate.name} {settings}: vjp of input {index}"
            if given is None:  # nothing flows
                given = np.zeros(np.shape(x))
            assert_same(given, numeric, where, 1e-8)
    assert tried, f"{gate.name} has no example with a real input"


def check_nan(gate: Gate) -> None:
    """NaN is never hidden: a slope that depends on an input is NaN where the input is."""
    assert gate.local is not None
    for settings, inputs in points(gate):
        for index, x in enumerate(inputs):
            if not is_real(x):
                continue
            if type(gate.local[index](inputs[0], *inputs, **settings)) is int:
                continue  # the slope is the same everywhere; where it is 0, x may only choose
            given = [np.full_like(x, np.nan) if k == index else x for k, x in enumerate(inputs)]
            with np.errstate(all="ignore"):
                out = gate.forward(*given, **settings)
                if not isinstance(gate.forward, np.ufunc) and is_real(out):
                    assert np.isnan(out).all(), f"{gate.name} hides the NaN of input {index}"
                for along, rule in enumerate(gate.local):
                    plain = rule(gate.forward(*inputs, **settings), *inputs, **settings)
                    if along != index or np.ndim(plain) == 0 or not _varies(gate, index, along):
                        continue
                    slope = rule(out, *given, **settings)
                    assert np.isnan(slope).all(), f"{gate.name}: slope {along} hides the NaN"


def _varies(gate: Gate, index: int, along: int) -> bool:
    """Return whether the slope along one input depends on another input."""
    assert gate.local is not None
    for settings, inputs in points(gate):
        rolled = [np.roll(x, 1) if k == index else x for k, x in enumerate(inputs)]
        one, two = (
            gate.local[along](gate.forward(*given, **settings), *given, **settings)
            for given in (inputs, rolled)
        )
        if not np.array_equal(one, two):
            return True
    return False


# ---------------------------------------------------------------------- the entries themselves


def check_entry(gate: Gate) -> None:
    """The entry is complete and agrees with itself."""
    assert gate.name.isidentifier()
    assert gate.why, f"{gate.name}: why"
    assert not gate.why.endswith("."), f"{gate.name}: why is part of a sentence"
    assert "{" not in gate.why, f"{gate.name}: why is the same for all inputs"
    assert gate.words, f"{gate.name}: words"
    assert gate.symbol, f"{gate.name}: symbol"
    assert gate.pattern in PATTERNS, f"{gate.name}: pattern {gate.pattern!r}"
    assert gate.local is None or gate.vjp is None, f"{gate.name}: local and vjp"
    if not gate.has_gradient:
        assert gate.pattern == "stops", f"{gate.name}: no gradient"
    count = arity(gate)
    if gate.local is not None:
        assert count == len(gate.local) == len(gate.domain), f"{gate.name}: number of inputs"
    elif isinstance(gate.vjp, tuple):
        assert count == len(gate.vjp), f"{gate.name}: number of inputs"
    if gate.local is None:
        assert gate.examples, f"{gate.name}: examples"
    for one in gate.examples:
        if gate.local is None and count is not None:
            assert len(one.shapes) == count, f"{gate.name}: example {one}"
        assert set(one.settings) <= set(settings_of(gate)), f"{gate.name}: example {one}"
    places = {part[1] for part in string.Formatter().parse(gate.words) if part[1] is not None}
    known = {"*", *(str(k) for k, name in enumerate(inputs_of(gate)) if name[0] != "*")}
    assert places <= known, f"{gate.name}: its words speak of {places - known}"
    for low, high in gate.domain:
        assert low < high, f"{gate.name}: domain"
    if gate.kink is not None and gate.local is not None:
        for settings, inputs in points(gate):
            kink = gate.kink(*inputs, **settings)
            assert np.shape(kink)[-1:] == np.shape(inputs[0]), f"{gate.name}: kink"


def check_code(gate: Gate) -> None:
    """What the gate emits, executed with nothing but np and math, gives the gate's value."""
    for settings, inputs in cases(gate):
        out = gate.forward(*inputs, **settings)
        emitted = run_emitted(gate, settings, inputs, scalar=False)
        assert_same(emitted, out, f"{gate.name} {settings}: emitted code", 1e-15)
        assert np.asarray(emitted).dtype == np.asarray(out).dtype, f"{gate.name}: dtype of the code"
        if gate.local is None and (gate.scalar is None or any(np.shape(x) for x in inputs)):
            continue  # of the structural gates few take Python floats
        columns = [np.atleast_1d(x).tolist() for x in inputs]
        for values in zip(*columns, strict=True):
            emitted = run_emitted(gate, settings, list(values), scalar=True)
            expected = gate(*values, **settings)
            assert_same(emitted, expected, f"{gate.name}{values}: scalar code", 2e-15)
            assert isinstance(emitted, (float, bool)), f"{gate.name}: {type(emitted)} from floats"
