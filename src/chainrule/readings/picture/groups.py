"""Groups of gates that a picture draws as one box.

A group is a run of gates that were made one after the other: by one line, on the way to one name,
by one function, or by one round of a loop or one of several equal layers. Runs never overlap, so a
picture of groups has no circles. To add a way of grouping, add a function to `_WAYS`.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ...circuit.columns import CONSTANT
from ...tracing.sites import here
from ..numbers import plain, shortened
from .sigmoids import Shown

_LABEL = 26  # characters
_LONGEST_PERIOD = 64  # runs in one round of a repetition


@dataclass(slots=True)
class Group:
    """Gates that are drawn as one box.

    Attributes
    ----------
    rows : list of int
        The gates.
    label, remark : str
        What the box is called, and what more there is to say.
    line : int
        The line of the user's file, 0 where there is no single one.
    leaving : set of int
        The rows that something outside the group reads.
    """

    rows: list[int]
    label: str = ""
    remark: str = ""
    line: int = 0
    leaving: set[int] = field(default_factory=set)


def grouped(
    view: Shown, rows: Sequence[int], way: str | None, most: int
) -> tuple[list[Group], str | None]:
    """Return the groups of the gates in forward order, and how they were made.

    Raises
    ------
    ValueError
        If there is no such way.
    """
    if way is not None and way != "auto" and way not in _WAYS:
        known = ", ".join(repr(name) for name in _WAYS)
        raise ValueError(f"{here()}group must be 'auto', None, {known}, not {way!r}")
    if way is None:
        return [Group([row]) for row in rows], None
    if way != "auto":
        groups = _WAYS[way](view, rows)
        _find_leaving(view, groups)
        return groups, way
    if len(rows) <= most:
        return [Group([row]) for row in rows], None
    for name in _AUTOMATIC:
        groups = _WAYS[name](view, rows)
        _find_leaving(view, groups)
        if sum(_boxes(group) for group in groups) <= most:
            return groups, name
    groups = _blocks(rows, most)
    _find_leaving(view, groups)
    return groups, "blocks"


def _boxes(group: Group) -> int:
    """Return how many boxes a group takes: itself, and a tap for each of several wires out."""
    return 1 + (len(group.leaving) if len(group.leaving) > 1 else 0)


def _find_leaving(view: Shown, groups: Sequence[Group]) -> None:
    home = {row: group for group in groups for row in group.rows}
    for group in groups:
        for row in group.rows:
            for k in view.columns.inputs(row):
                if k in home and home[k] is not group:
                    home[k].leaving.add(k)
    for row in view.outputs:
        if row in home:
            home[row].leaving.add(row)


def _runs(
    rows: Sequence[int], key: Callable[[int], Any], describe: Callable[[Group], None]
) -> list[Group]:
    """Return runs of neighbours with one key; a key of None is a run of its own."""
    groups: list[Group] = []
    last: Any = None
    for row in rows:
        now = key(row)
        if groups and now is not None and now == last:
            groups[-1].rows.append(row)
        else:
            groups.append(Group([row]))
        last = now
    for group in groups:
        describe(group)
    return groups


def _by_line(view: Shown, rows: Sequence[int]) -> list[Group]:
    def key(row: int) -> Any:
        site = view.site(row)
        return (site.file, site.line) if site.line else None

    def describe(group: Group) -> None:
        site = view.site(group.rows[0])
        text = plain(site.source).removeprefix("return ")
        group.line = site.line
        group.label = shortened(text, _LABEL) or f"line {site.line}"
        group.remark = f"line {site.line}" if site.line else ""

    return _runs(rows, key, describe)


def _by_name(view: Shown, rows: Sequence[int]) -> list[Group]:
    names: dict[int, str] = {}
    name = ""
    for row in reversed(rows):  # gates without a name belong to the next one with a name
        name = view.hint(row) or name
        names[row] = name or view.circuit.title

    def describe(group: Group) -> None:
        group.label = shortened(plain(names[group.rows[0]]), _LABEL)
        group.line = view.line(group.rows[-1])

    return _runs(rows, names.__getitem__, describe)


def _by_function(view: Shown, rows: Sequence[int]) -> list[Group]:
    def key(row: int) -> Any:
        site = view.site(row)
        return (site.file, _function_at(site.file, site.line)) if site.line else None

    def describe(group: Group) -> None:
        site = view.site(group.rows[0])
        name = _function_at(site.file, site.line) or view.circuit.title
        group.label = shortened(plain(name), _LABEL)

    return _runs(rows, key, describe)


@lru_cache(maxsize=32)
def _functions(source: str) -> tuple[tuple[int, int, str], ...]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(
        (node.lineno, node.end_lineno or node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    )


def _function_at(file: str, line: int) -> str:
    """Return the innermost function of a file that holds a line; empty where there is none."""
    spans = _functions("".join(linecache.getlines(file)))
    holding = [(end - start, name) for start, end, name in spans if start <= line <= end]
    return min(holding, default=(0, ""))[1]


def _by_layer(view: Shown, rows: Sequence[int]) -> list[Group]:
    """Return the rounds of repetitions: neighbours that do the same to what they are given."""
    signs = [_sign(view, row) for row in rows]
    groups: list[Group] = []
    position = 0
    while position < len(rows):
        period, times = _repetition(signs, position)
        for k in range(times if times > 1 else 0):
            start = position + k * period
            label = f"layer {k + 1} of {times}"
            groups.append(Group(list(rows[start : start + period]), label))
        if times > 1:
            position += period * times
        else:
            groups.append(Group([rows[position]]))
            position += 1
    return groups


def _sign(view: Shown, row: int) -> Any:
    """Return what makes two gates alike: the gate, the line, and the rank of what it gives."""
    columns = view.columns
    fixed = tuple(columns.gates[k] is CONSTANT for k in columns.inputs(row))
    return columns.gates[row].name, view.line(row), np.ndim(columns.values[row]), fixed


def _repetition(signs: Sequence[Any], start: int) -> tuple[int, int]:
    """Return the period that begins here and covers most, and how often it comes; (1, 1) if none.

    A repetition of one gate is a chain, and no layer.
    """
    best = (1, 1)
    for period in range(2, min(_LONGEST_PERIOD, (len(signs) - start) // 2) + 1):
        if signs[start] != signs[start + period]:
            continue
        end = start
        while end + period < len(signs) and signs[end] == signs[end + period]:
            end += 1
        times = (end - start) // period + 1
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _blocks(rows: Sequence[int], most: int) -> list[Group]:
    """Return groups of equally many neighbours; half as many as boxes, as some have taps."""
    size = -(-2 * len(rows) // most)
    starts = range(0, len(rows), size)
    return [
        Group(list(rows[k : k + size]), f"gates {k + 1} to {min(k + size, len(rows))}")
        for k in starts
    ]


_WAYS: dict[str, Callable[[Shown, Sequence[int]], list[Group]]] = {
    "line": _by_line,
    "name": _by_name,
    "function": _by_function,
    "layer": _by_layer,
}
_AUTOMATIC: Iterable[str] = ("line", "name", "layer", "function")
