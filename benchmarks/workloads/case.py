"""The records of a benchmark: a workload has cases, a case has contenders, a contender a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Inputs = dict[str, np.ndarray]


class Skip(Exception):  # noqa: N818  # not an error: the message says what is not there
    """Raised by a contender that cannot run here."""


@dataclass(frozen=True)
class Run:
    """What a contender has prepared.

    Parameters
    ----------
    function : callable
        What is timed. It returns when its work is done, not when it is queued.
    arguments : tuple
        What it is called with.
    results : callable, optional
        Turns what the function returns into nested containers of arrays, in the order that all
        contenders of the case keep.
    times : int
        How often one call does the case's work.
    once : callable, optional
        Does the work once, where `function` does not: its results are compared.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    results: Callable[[Any], Any] = lambda value: value
    times: int = 1
    once: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Contender:
    """One way to do a case's work.

    Parameters
    ----------
    name : str
        What the tables call it.
    prepare : callable
        From the inputs to a `Run`; imports what it needs. Raises `Skip` where it cannot run.
    needs : tuple of str
        The modules without which it is skipped; their versions are printed.
    kind : {"ours", "peer", "limit"}
        A limit is less work than the case asks for, or all of it with nothing around it.
    not_compared : str
        Why its results are not compared; empty: they are.
    cache : {"empty", "kept"}
        What it finds on disk when it starts, of chainrule's own cache.
    """

    name: str
    prepare: Callable[[Inputs], Run]
    needs: tuple[str, ...] = ()
    kind: Literal["ours", "peer", "limit"] = "peer"
    not_compared: str = ""
    cache: Literal["empty", "kept"] = "empty"


@dataclass(frozen=True)
class Aim:
    """A ratio to reach: ours at most `factor` times the contender `of`.

    `of` may be "the best", the fastest peer. Where it is empty, `factor` is in seconds, for what
    the first call costs more than later ones.
    """

    factor: float
    of: str = "the best"
    ours: str = "chainrule"


@dataclass(frozen=True)
class Case:
    """Work of one size and dtype, and who does it.

    Parameters
    ----------
    name : str
        Unique; begins with the workload's name.
    draw : callable
        `draw(generator, quick)` returns the inputs that all contenders get.
    contenders : tuple of Contender
        In the order of the table.
    reference : str
        The contender whose results are held to be right.
    tolerance : float
        How far each array may be from the reference's, as a part of its largest magnitude.
    aims : tuple of Aim
        What is to be reached.
    threads : int
        How many each contender may use.
    per : int
        How many steps one call takes: times are of one.
    fresh : bool
        Whether to time what first calls cost more than later ones, each in a fresh process.
    """

    name: str
    draw: Callable[[np.random.Generator, bool], Inputs]
    contenders: tuple[Contender, ...]
    reference: str
    tolerance: float
    aims: tuple[Aim, ...] = ()
    threads: int = 1
    per: int = 1
    fresh: bool = False


@dataclass(frozen=True)
class Workload:
    """Cases that belong together."""

    name: str
    title: str
    cases: tuple[Case, ...] = field(default=())


def leaves(value: Any) -> list[np.ndarray]:
    """Return the arrays of nested containers in order; peers' arrays become NumPy's."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [np.asarray(value)]


def distance(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Return the largest difference as a part of the array's largest magnitude; inf: not alike."""
    if [array.shape for array in found] != [array.shape for array in expected]:
        return np.inf
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
            return np.inf
        ours, theirs = (np.nan_to_num(np.asarray(a, np.float64)) for a in (ours, theirs))
        if theirs.size:
            scale = float(np.abs(theirs).max()) or 1.0
            worst = max(worst, float(np.abs(ours - theirs).max()) / scale)
    return worst
