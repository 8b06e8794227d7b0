"""L-BFGS: few, well-chosen steps on all the data, where the cost is smooth.

Each iteration evaluates cost and gradient several times, so it is no `update` to be traced into the
step of `fit`: `LBFGS` offers `steps` instead, which makes what the loop runs. One epoch is one
iteration. The cost's gradient is compiled; the few vector operations around it are NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..circuit.tree import flatten
from ..differentiate.compiled import compile
from ..differentiate.transforms import value_and_grad
from ..tracing.sites import here
from .batches import Array, whole
from .line_search import LineSearch, Point
from .settings import check_numbers
from .steps import Likeness, copied

_NOISE = 4.0  # by how many roundings a cost, a sum over many rows, is off


@dataclass(frozen=True)
class LBFGS:
    """Quasi-Newton steps with the curvature of the last few, for full batches.

    The direction is the gradient times an approximation of the inverse Hessian, made of the last
    steps s and the changes y of the gradient along them. How far to go is searched for, so there is
    no learning rate. Each epoch is one iteration, with mostly one or two evaluations of the cost.

    Parameters
    ----------
    memory : int
        How many pairs of s and y are kept, each as large as the parameters; at least 1.
    tolerance : float
        Where no element of the gradient is larger, it has converged: further epochs change
        nothing. In gradient units.
    evaluations : int
        How often a search evaluates the cost at most; at least 1.

    Notes
    -----
    D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization" (1989);
    J. Nocedal and S. Wright, "Numerical optimization" (2nd edition, 2006), algorithms 7.4 and 7.5,
    with a search for the strong Wolfe conditions (`line_search.py`).

    The cost in the history is the one before the epoch's step, as with the other optimizers.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import fit
    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> def cost(p, x, y):
    ...     return np.mean((p["slope"] * x + p["offset"] - y) ** 2)
    >>> start = {"slope": 0.0, "offset": 0.0}
    >>> result = fit(cost, start, (x, 2 * x + 1), epochs=10, optimizer=LBFGS())
    >>> {name: round(value, 9) for name, value in result.parameters.items()}
    {'slope': 2.0, 'offset': 1.0}
    """

    memory: int = 10
    tolerance: float = 1e-7
    evaluations: int = 25

    def __post_init__(self) -> None:
        for name in ("memory", "evaluations"):
            whole(getattr(self, name), name, 1)
        check_numbers(self, but=("memory", "evaluations"))

    def init(self, parameters: Any) -> dict[str, Any]:
        """Return the state to start with: no pairs."""
        leaves, _ = flatten(parameters)
        size = sum(np.size(leaf) for leaf in leaves)
        pairs = np.zeros((self.memory, size), np.result_type(*map(np.asarray, leaves)))
        return {"step": 0.0, "pairs": 0.0, "s": pairs, "y": pairs.copy()}

    def update(self, parameters: Any, gradients: Any, state: Any) -> NoReturn:
        """Raise TypeError: one gradient is not enough for a step."""
        raise TypeError(
            f"{here()}LBFGS evaluates the cost several times in a step, which update cannot: give "
            "it to cr.fit as the optimizer, by itself."
        )

    def steps(
        self, cost: Callable[..., Any], like: Likeness, parameters: Any, state: Any,
        data: Sequence[Array], batch_size: int, machine: str, threads: int | None,
    ) -> LBFGSSteps:  # fmt: skip
        """Return what the loop of `fit` runs, in the place of steps that call `update`.

        Parameters
        ----------
        cost : callable
            `cost(parameters, *data)` gives one float.
        like : Likeness
            What parameters and state are like.
        parameters, state : Any
            The moving leaves to start with.
        data : sequence of ndarray
            Arrays with one row an example.
        batch_size : int
            All rows.
        machine, threads
            What runs the cost and its gradient.

        Raises
        ------
        ValueError
            If the batch is not the whole of the data.
        TypeError
            If the cost carries something from step to step.
        """
        rows = len(data[0])
        if batch_size < rows:
            raise ValueError(
                f"{here()}LBFGS compares the cost at several points, so it must see all {rows} "
                f"rows each time, not {batch_size}: write batch_size=None, or take cr.Adam(1e-3) "
                "for mini-batches."
            )
        _, _, carry = like.whole(parameters, state)
        if like.carry is not None and flatten(carry)[0]:
            raise TypeError(
                f"{here()}LBFGS compares the cost at several points, so it must not change from "
                "one evaluation to the next, as a cost with a carry does. Leave out what draws "
                "random numbers or keeps running means (Dropout, BatchNorm), or take cr.Adam(1e-3)."
            )

        def plain(parameters: Any, *data: Any) -> Any:
            return cost(parameters, carry, *data)[0]

        gradient = value_and_grad(cost if like.carry is None else plain)
        if machine != "python":
            keywords = {} if threads is None else {"threads": threads}
            gradient = compile(gradient, machine=machine, **keywords)
        return LBFGSSteps(self, gradient, like, parameters, state, data)


class LBFGSSteps:
    """Iterations behind the interface of `Steps`.

    Arithmetic between evaluations is in float64. A point is rounded to the parameters' dtype before
    the cost sees it, so that s is the step that was taken.

    Parameters
    ----------
    settings : LBFGS
        What was chosen.
    gradient : callable
        `gradient(parameters, *data)` gives the cost and its gradient.
    like, parameters, state, data
        As `LBFGS.steps` has them.
    """

    def __init__(
        self, settings: LBFGS, gradient: Callable[..., Any], like: Likeness, parameters: Any,
        state: Any, data: Sequence[Array],
    ) -> None:  # fmt: skip
        self._settings, self._gradient, self._like, self._data = settings, gradient, like, data
        self.put(parameters, state)

    def put(self, parameters: Any, state: Any) -> None:
        """Go on with these parameters and this state."""
        self._parameters, self._state, self._carry = copied(self._like.whole(parameters, state))
        self._place: _Place | None = None  # worked out when it is first asked for
        self._is_over = False

    def values(self) -> tuple[Any, Any]:
        """Return copies of the parameters and the state as they are now."""
        now: tuple[Any, Any] = copied(self._like.moving(self._parameters, self._state, self._carry))
        return now

    def run(self, order: Array, first: int, batches: int) -> Array:
        """Do some iterations and return the costs before them; each has all rows, as they are."""
        costs = np.empty(batches)
        for k in range(batches):
            if self._place is None:
                self._place = self._evaluated(self._parameters)
            costs[k] = self._place.reported
            if not self._is_over:
                with np.errstate(all="ignore"):  # a step too far may overflow, and is taken back
                    self._iterate(self._place)
        return costs

    def _iterate(self, place: _Place) -> None:
        """Take a step, unless there is nowhere to go."""
        state = self._state
        if not place.is_finite or np.abs(place.gradient).max() <= self._settings.tolerance:
            self._is_over = True
            return
        found = self._searched(place)
        if found is None and state["pairs"]:
            state["pairs"] = 0.0  # they led nowhere: down the gradient, and collect new ones
            found = self._searched(place)
        if found is None:
            self._is_over = True  # as low as these numbers can tell
            return
        self._remember(found.position - place.position, found.gradient - place.gradient)
        state["step"] += 1.0
        self._parameters, self._place = found.parameters, found

    def _searched(self, place: _Place) -> _Place | None:
        """Return a better place along the direction of the pairs, or None."""
        direction = self._direction(place.gradient)
        slope = float(place.gradient @ direction)
        if not -np.inf < slope < 0.0:
            return None

        def evaluate(step: float) -> Point:
            there = self._at(place.position + step * direction)
            return Point(step, there.cost, float(there.gradient @ direction), there)

        search = LineSearch(
            evaluate,
            Point(0.0, place.cost, slope),
            noise=_NOISE * place.precision * abs(place.cost),
            most=self._settings.evaluations,
        )
        found = search.run(first=1.0)  # as long as Newton's
        return None if found is None else found.there

    def _direction(self, gradient: Array) -> Array:
        """Return minus the inverse Hessian times the gradient: algorithm 7.4, two loops.

        Without pairs, against the gradient.
        """
        memory, pairs = self._settings.memory, int(self._state["pairs"])
        if not pairs:
            # How long a first step should be is anybody's guess: as long as the gradient, and at
            # most 1. Divided first, so that no square overflows.
            largest = np.abs(gradient).max()
            unit = gradient / largest
            shrunk: Array = -unit * min(largest, 1.0 / np.sqrt(unit @ unit))
            return shrunk
        newest_first = [k % memory for k in range(pairs - 1, max(pairs - memory, 0) - 1, -1)]
        q, kept = gradient.copy(), []
        for k in newest_first:
            s, y = (self._state[name][k].astype(np.float64) for name in "sy")
            alpha = (s @ q) / (s @ y)
            q -= alpha * y
            kept.append((s, y, alpha))
        s, y, _ = kept[0]
        q *= (s @ y) / (y @ y)  # eq. 7.20: the size of the inverse Hessian along the last step
        for s, y, alpha in reversed(kept):
            q += s * (alpha - (y @ q) / (s @ y))
        return -q

    def _remember(self, s: Array, y: Array) -> None:
        """Keep a pair if the gradient rose along the step; over the oldest one if need be."""
        state = self._state
        s, y = (one.astype(state["s"].dtype) for one in (s, y))
        product, lengths = _dot(s, y), np.sqrt(_dot(s, s) * _dot(y, y))
        # Along a line where it falls, or hardly rises, the approximation would not stay positive.
        if product > np.finfo(s.dtype).eps * lengths:
            k = int(state["pairs"]) % self._settings.memory
            state["s"][k], state["y"][k] = s, y
            state["pairs"] += 1.0

    def _at(self, position: Array) -> _Place:
        """Return the cost and the gradient at a position, rounded to the parameters' dtypes."""
        leaves, tree = flatten(self._parameters)
        made: list[Any] = []
        first = 0
        for leaf in leaves:
            part = position[first : first + np.size(leaf)]
            first += part.size
            if isinstance(leaf, np.ndarray):
                made.append(part.astype(leaf.dtype).reshape(leaf.shape))
            else:
                made.append(type(leaf)(part[0]))
        return self._evaluated(tree.build(made))

    def _evaluated(self, parameters: Any) -> _Place:
        paths = getattr(self._gradient, "paths", 0)
        with np.errstate(all="ignore"):
            cost, gradient = self._gradient(parameters, *self._data)
            if getattr(self._gradient, "paths", 0) != paths:
                # What a call gives that is traced on the way is NumPy's, in other bits than the
                # machine's, and a training that is taken up again is traced elsewhere.
                cost, gradient = self._gradient(parameters, *self._data)
        leaves = flatten(parameters)[0]
        dtypes = {np.asarray(leaf).dtype for leaf in [cost, *leaves]}
        precision = max(float(np.finfo(dtype).eps) for dtype in dtypes)
        return _Place(
            parameters, _flat(leaves), float(cost), _flat(flatten(gradient)[0]), precision
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Parameters with what the cost is there; vectors in float64."""

    parameters: Any
    position: Array
    cost: float
    gradient: Array
    precision: float

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.cost) and np.isfinite(self.gradient).all())

    @property
    def reported(self) -> float:
        """The cost for the history: nan where only the gradient is, so that training ends there."""
        return self.cost if np.isfinite(self.gradient).all() else np.nan


def _flat(leaves: Sequence[Any]) -> Array:
    return np.concatenate([np.ravel(leaf).astype(np.float64) for leaf in leaves])


def _dot(a: Array, b: Array) -> float:
    return float(a.astype(np.float64) @ b.astype(np.float64))
