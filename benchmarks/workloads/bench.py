"""Run workloads by name and collect the report: what `chainrule bench` calls."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import report
from .case import Case, Workload
from .harness import TABLE, Say, measure


class UnknownWorkload(ValueError):  # noqa: N818  # the message is for people, near names included
    """No workload or case has this name."""


def workloads(table: str = TABLE) -> tuple[Workload, ...]:
    """Return the workloads of a table."""
    found: tuple[Workload, ...] = importlib.import_module(table).WORKLOADS
    return found


def chosen(names: Sequence[str], table: str = TABLE) -> list[tuple[Workload, Case]]:
    """Return the cases of the named workloads, or cases by their own names; all without names."""
    everything = [(workload, case) for workload in workloads(table) for case in workload.cases]
    known = [name for workload, case in everything for name in (workload.name, case.name)]
    for name in names:
        if name.lower() not in map(str.lower, known):
            near = difflib.get_close_matches(name, known, 1, 0.5)
            mend = f"Did you mean {near[0]!r}?" if near else "--list shows them."
            raise UnknownWorkload(f"there is no workload {name!r}. {mend}")
    wanted = [name.lower() for name in names]
    return [
        (workload, case)
        for workload, case in everything
        if not wanted or workload.name.lower() in wanted or case.name.lower() in wanted
    ]


def listing(table: str = TABLE) -> str:
    """Return the workloads, their cases and who takes part."""
    lines = []
    for workload in workloads(table):
        lines.append(f"{workload.name:6} {workload.title}")
        for case in workload.cases:
            if case.name != workload.name:
                lines.append(f"       {case.name}")
        names = dict.fromkeys(c.name for case in workload.cases for c in case.contenders)
        lines.append("         " + ", ".join(names))
    return "\n".join(lines)


def run(
    names: Sequence[str] = (),
    *,
    rounds: int = 9,
    quick: bool = False,
    only: Sequence[str] = (),
    table: str = TABLE,
    say: Say = lambda words: None,
    show: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure the named workloads; `show` is given each case's table when it is done."""
    cases = chosen(names, table)

    def measured() -> Iterator[dict[str, Any]]:
        for workload, case in cases:
            outcomes = measure(case, rounds=rounds, quick=quick, only=only, table=table, say=say)
            found = report.data(workload, case, outcomes)
            show(report.text(found))
            yield found

    return {
        "machine": report.machine(),
        "versions": report.versions(dict.fromkeys(workload for workload, _ in cases)),
        "rounds": rounds,
        "quick": quick,
        "cases": list(measured()),
    }


def is_sound(found: dict[str, Any]) -> bool:
    """Return whether all results agreed and chainrule itself ran wherever it takes part."""
    contenders = [c for case in found["cases"] for c in case["contenders"]]
    differs = any("differs from" in c["failure"] for c in contenders)
    return not differs and not any(c["failure"] for c in contenders if c["kind"] == "ours")
