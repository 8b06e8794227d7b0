"""The gradient check: the engine's gradient, or your own, against numbers that no rule made.

The circuit is recorded once. The numeric gradient comes from the gates' forward functions alone:
by the complex step where every gate on the way allows it, else by central differences whose step
fits the function. Small inputs are compared element by element, large ones along random
directions; then every gate is compared by itself, so that a report names the gate and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Argument, Circuit
from ..errors import DtypeError, MissingRuleError, did_you_mean
from ..passes.backward import is_float
from ..tracing.record import record
from ..tracing.record_formula import record_formula
from ..tracing.sites import here
from .end_to_end import EndToEnd
from .evaluation import Evaluation
from .gate_check import GateCheck
from .handwritten import by_row
from .kinks import kinks_at_the_point, listed
from .report import Finding, GradientReport, at, label, makes, number, place

MAX_ELEMENTS = 64
_MOST_GATES = 3000  # beyond that, gates are checked only to find one that is known to be wrong


def check_gradients(
    function: Callable[..., Any] | str,
    /,
    *args: Any,
    argnums: int | str | Sequence[int | str] | None = None,
    gradient: Callable[..., Any] | None = None,
    rtol: float | None = None,
    seed: int = 0,
    max_elements: int = MAX_ELEMENTS,
    raises: bool = False,
    **keywords: Any,
) -> GradientReport:
    """Compare the gradients of a function at a point with numeric ones.

    Parameters
    ----------
    function : callable or str
        Plain Python with operators, `math` or NumPy, or a formula whose values are given by name.
        Where it gives several numbers, a random weighting of them is checked.
    *args, **keywords
        Its arguments.
    argnums : int, str or sequence of them, optional
        The arguments to check, by position or by name; all that hold floats by default.
    gradient : callable, optional
        A gradient written by hand, to be checked instead of the engine's. Called with the same
        arguments; returns what `grad` with these argnums would, or a dict by argument name.
    rtol : float, optional
        The relative error to allow. By default 1e-9 for the complex step, 1e-6 for differences,
        and 1e-3 for the rounding of float32; the estimated error of the numeric gradient is
        allowed beside it.
    seed : int
        Of the random directions and weights; the same seed gives the same report.
    max_elements : int
        Inputs of more elements than this are checked along random directions.
    raises : bool
        Whether to raise when something is wrong.

    Returns
    -------
    GradientReport
        True if nothing was wrong; `print` shows it.

    Raises
    ------
    GradientError
        With `raises`, if a gradient is wrong; an AssertionError too.

    Examples
    --------
    >>> def f(x, y):
    ...     return x * y
    >>> bool(check_gradients(f, 4.0, -3.0))
    True
    >>> wrong = check_gradients(f, 4.0, -3.0, gradient=lambda x, y: (x, y))
    >>> print(wrong.failures[0])
    the gradient by x is 4.0, the complex step says -3.0
    """
    circuit, original = _recorded(function, args, keywords)
    return check_circuit(
        circuit,
        argnums=argnums,
        gradient=gradient,
        rtol=rtol,
        seed=seed,
        max_elements=max_elements,
        raises=raises,
        function=original,
    )


def check_circuit(
    circuit: Circuit,
    *,
    argnums: int | str | Sequence[int | str] | None = None,
    gradient: Callable[..., Any] | None = None,
    rtol: float | None = None,
    seed: int = 0,
    max_elements: int = MAX_ELEMENTS,
    raises: bool = False,
    function: Callable[..., Any] | None = None,
) -> GradientReport:
    """Compare the gradients of a recorded circuit with numeric ones.

    Parameters
    ----------
    circuit : Circuit
        What to check, at the point where it was recorded.
    function : callable, optional
        The recorded function, called again where Python would branch otherwise.
    argnums, gradient, rtol, seed, max_elements, raises
        As in `check_gradients`.
    """
    source = getattr(circuit, "_source", None)
    if function is None and callable(source):
        function = source
    chosen = _chosen(circuit, argnums)
    rows = [
        row
        for argument in chosen
        for row in argument.rows
        if row is not None and is_float(circuit.columns.values[row])
    ]
    given = None
    if gradient is not None:
        result = gradient(*_positional(circuit), **_named(circuit))
        given = by_row(circuit, chosen, isinstance(argnums, (int, str)), result)
    with np.errstate(all="ignore"):
        report = _check(circuit, rows, given, rtol, seed, max_elements, function)
    return report.raise_if_wrong() if raises else report


def _check(
    circuit: Circuit,
    rows: list[int],
    given: dict[int, Any] | None,
    rtol: float | None,
    seed: int,
    max_elements: int,
    function: Callable[..., Any] | None,
) -> GradientReport:
    generator = np.random.default_rng(seed)
    evaluation = Evaluation(circuit, rows, _seeds(circuit, generator))
    nan = _first_nan(circuit, evaluation)
    if nan is not None:
        return GradientReport(not_checked=(nan,), inputs=len(rows))
    failures: list[Finding] = []
    trouble: Exception | None = None
    engine: list[Any] = []
    try:
        engine = evaluation.gradients()
    except MissingRuleError:
        raise
    except Exception as error:  # a wrong rule may raise anything; the gate check will name it
        trouble = error
    ends = None
    if trouble is None:
        ends = EndToEnd(evaluation, engine, given, generator, rtol, max_elements, function).run()
        failures += ends.failures
    wrong_gates, not_sharp, gates, worst = [], [], 0, 0.0
    few = len(evaluation.main) <= _MOST_GATES
    if given is None and (few or failures or trouble is not None):
        for row in evaluation.main:
            outcome = GateCheck(evaluation.columns, row, evaluation.active, generator).run()
            gates += bool(outcome.compared)
            worst = max(worst, outcome.worst)
            if outcome.wrong is not None:
                wrong_gates.append(_gate_failure(circuit, row, outcome.wrong))
                if not few:
                    break
            elif outcome.not_sharp and ends is not None and _matters(engine, row):
                not_sharp += [
                    _not_sharp(circuit, row, circuit.columns.inputs(row)[index])
                    for index in outcome.not_sharp
                ]
    if trouble is not None and not wrong_gates:
        raise trouble
    told = {finding.wire for finding in ends.not_checked} if ends is not None else set()
    not_sharp = [finding for finding in not_sharp if finding.wire not in told]
    near: tuple[list[int], list[int]] = ([], [])
    if ends is not None:
        near = (sorted(ends.crossed), sorted(ends.branched))
    return GradientReport(
        failures=(*wrong_gates, *failures),
        kinks=tuple(listed(evaluation, {*kinks_at_the_point(evaluation), *near[0]}, near[1])),
        not_checked=(*(ends.not_checked if ends else ()), *not_sharp),
        worst=max([worst, ends.worst if ends else 0.0, *map(_apart, [*wrong_gates, *failures])]),
        method=ends.method if ends else "difference quotients",
        evaluations=evaluation.count,
        inputs=len(rows),
        elements=ends.elements if ends else 0,
        directions=ends.directions if ends else 0,
        gates=gates,
    )


# ---------------------------------------------------------------------- what is checked


def _recorded(
    function: Callable[..., Any] | str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Circuit, Callable[..., Any] | None]:
    if not isinstance(function, str):
        if not callable(function):
            raise TypeError(
                f"{here()}check_gradients wants a function or a formula, not "
                f"{type(function).__name__}"
            )
        with np.errstate(all="ignore"):  # the report says where NaN and inf come from
            return record(function, args, keywords), function
    if args:
        raise TypeError(f"{here()}the values of a formula are given by name: x=3.0")
    return record_formula(function, keywords), None


def _chosen(circuit: Circuit, argnums: int | str | Sequence[int | str] | None) -> list[Argument]:
    """Return the arguments that argnums names; all that hold floats by default."""
    arguments = circuit.arguments

    def holds_floats(argument: Argument) -> bool:
        values = circuit.columns.values
        return any(row is not None and is_float(values[row]) for row in argument.rows)

    if argnums is None:
        found = [a for a in arguments if holds_floats(a)]
        if not found:
            raise DtypeError(
                f"{here()}no argument of {circuit.title} holds a float: there is no gradient to "
                "check. Write 3.0 instead of 3."
            )
        return found
    wanted = [argnums] if isinstance(argnums, (int, str)) else list(argnums)
    names = [a.name for a in arguments]
    found = []
    for one in wanted:
        if isinstance(one, str):
            if one not in names:
                raise ValueError(
                    f"{here()}{circuit.title} has no argument {one!r}.{did_you_mean(one, names)}"
                )
            one = names.index(one)
        if not -len(arguments) <= one < len(arguments):
            raise ValueError(
                f"{here()}argnums={one}, but {circuit.title} was given {len(arguments)} arguments"
            )
        argument = arguments[one]
        if not holds_floats(argument):
            raise DtypeError(
                f"{here()}the gradient by {argument.name} was to be checked, but it holds no "
                "float: integers have no gradient. Write 3.0 instead of 3."
            )
        found.append(argument)
    return found


def _positional(circuit: Circuit) -> list[Any]:
    return [a.tree.build(a.leaves) for a in circuit.arguments if not a.keyword]


def _named(circuit: Circuit) -> dict[str, Any]:
    return {a.name: a.tree.build(a.leaves) for a in circuit.arguments if a.keyword}


def _seeds(circuit: Circuit, generator: np.random.Generator) -> list[tuple[int, Any]]:
    """Return the weights of the outputs: 1 for one number, random ones otherwise.

    Raises
    ------
    DtypeError
        If no output is a float.
    """
    rows = [row for row in circuit.outputs if is_float(circuit.columns.values[row])]
    if not rows:
        raise DtypeError(
            f"{here()}{circuit.title} returned no float: there is no gradient to check."
        )
    if len(rows) == 1 and np.shape(circuit.columns.values[rows[0]]) == ():
        return [(rows[0], 1.0)]
    seeds = []
    for row in rows:
        shape = np.shape(circuit.columns.values[row])
        # Away from 0, so that no output goes unseen.
        weights = generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape)
        seeds.append((row, float(weights) if shape == () else weights))
    return seeds


# ---------------------------------------------------------------------- what is said


def _first_nan(circuit: Circuit, evaluation: Evaluation) -> Finding | None:
    """Return where the first NaN or infinity appears, if the value is not finite."""
    if np.isfinite(evaluation.value):
        return None
    values, columns = evaluation.base, evaluation.columns
    word = "NaN" if np.isnan(evaluation.value) else "infinite"
    bad = np.isnan if word == "NaN" else (lambda x: ~np.isfinite(x))
    for row, value in enumerate(values):
        if not circuit.needed[row] or not is_float(value) or not np.any(bad(value)):
            continue
        spot = tuple(int(k) for k in np.argwhere(bad(np.asarray(value)))[0])
        sources = columns.inputs(row)
        if not sources:
            message = f"the value is {word}: {label(circuit, row)} holds it{at(spot)}"
        else:
            shown = ", ".join(
                f"{label(circuit, k)} = {number(values[k])}"
                for k in sources
                if np.ndim(values[k]) == 0 and k in evaluation.main + list(evaluation.rows)
            )
            message = f"{makes(circuit, row)}: here the value first is {word}{at(spot)}" + (
                f", from {shown}" if shown else ""
            )
        return Finding(message, input="", index=spot or None, **place(circuit, row))
    return Finding(f"the value is {word}")


def _apart(finding: Finding) -> float:
    """Return the relative error of a finding; 0 where it has no two numbers to compare."""
    if finding.given is None or finding.numeric is None:
        return 0.0
    size = max(abs(finding.given), abs(finding.numeric))
    return abs(finding.given - finding.numeric) / size if np.isfinite(size) and size else 0.0


def _gate_failure(circuit: Circuit, row: int, wrong: Any) -> Finding:
    """Return the sentence for a gate whose rule disagrees with its forward function."""
    by = label(circuit, circuit.columns.inputs(row)[wrong.input])
    same = circuit.columns.inputs(row).count(circuit.columns.inputs(row)[wrong.input])
    by += f" (input {wrong.input + 1})" if same > 1 else ""
    if wrong.problem:
        said = f"its gradient by {by} {wrong.problem}"
    else:
        said = (
            f"its gradient by {by}{at(wrong.index)} is {number(wrong.given)}, "
            f"the {wrong.method} says {number(wrong.numeric)}"
        )
        if circuit.columns.gates[row].local is None:
            said += " (under a random upstream gradient)"
    return Finding(
        f"{makes(circuit, row)}: {said}",
        input=by,
        index=wrong.index,
        given=wrong.given,
        numeric=wrong.numeric,
        **place(circuit, row),
    )


def _matters(engine: list[Any], row: int) -> bool:
    """Return whether a gradient arrives at a gate; what was not chosen need not be checked."""
    upstream = engine[row]
    return upstream is not None and bool(np.any(np.asarray(upstream) != 0))


def _not_sharp(circuit: Circuit, row: int, source: int) -> Finding:
    return Finding(
        f"{makes(circuit, row)}: its gradient by {label(circuit, source)} cannot be told by "
        "differences here: the slope is infinite or lost in rounding",
        input=label(circuit, source),
        **place(circuit, row),
    )
