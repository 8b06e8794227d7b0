"""What was measured, as plain data, as text, and as the tables of `docs/benchmarks.md`."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .case import Aim, Case, Workload
from .harness import Outcome, cores, missing

PACKAGES = {"sklearn": "scikit-learn"}  # a module whose distribution bears another name
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def duration(seconds: float) -> str:
    """Return a time with three digits and the unit that fits.

    Examples
    --------
    >>> duration(0.0421), duration(9.4e-8)
    ('42.1 ms', '94 ns')
    """
    if seconds >= 999.5:
        return f"{seconds:.0f} s"
    for size, unit in UNITS:
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.2g} ns" if seconds else "0"


def ratio(value: float) -> str:
    """Return a ratio with two decimals, or none where it is large."""
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def machine() -> dict[str, str]:
    """Return what a figure depends on beside the code."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if "model name" in line), name)
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{name}, {len(cores()) or 'unknown'} cores to run on",
        "system": platform.system(),
        "Python": platform.python_version(),
    }


def versions(workloads: Iterable[Workload]) -> dict[str, str]:
    """Return the version of every package that a contender needs; those not installed too."""
    found = {"numpy": importlib.metadata.version("numpy")}
    for workload in workloads:
        for case in workload.cases:
            for contender in case.contenders:
                absent = missing(contender)
                for module in contender.needs:
                    package = PACKAGES.get(module, module)
                    try:
                        found[package] = importlib.metadata.version(package)
                    except importlib.metadata.PackageNotFoundError:
                        found[package] = "not installed" if module in absent else "unknown"
    return found


def data(workload: Workload, case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return all that is known of a case, for JSON and for the tables."""
    medians = {o.name: o.median for o in outcomes if o.seconds and not o.failure}
    kinds = {o.name: o.kind for o in outcomes}
    peers = [name for name in medians if kinds[name] == "peer"]
    first = {o.name: o.first for o in outcomes if o.name in medians}
    return {
        "workload": workload.name,
        "title": workload.title,
        "case": case.name,
        "threads": case.threads,
        "tolerance": case.tolerance,
        "reference": case.reference,
        "best": min(peers, key=lambda name: medians[name], default=None),
        "contenders": [
            {
                "name": o.name,
                "kind": o.kind,
                "median": medians.get(o.name),
                "rounds": o.seconds,
                "first": o.first,
                "import": o.imported,
                "distance": str(o.distance) if o.distance == math.inf else o.distance,
                "not_compared": next(c.not_compared for c in case.contenders if c.name == o.name),
                "skipped": o.skipped,
                "failure": o.failure,
            }
            for o in outcomes
        ],
        "aims": [_judged(aim, case, medians, first, peers) for aim in case.aims],
    }


def _judged(
    aim: Aim, case: Case, medians: dict[str, float], first: dict[str, float], peers: list[str]
) -> dict[str, Any]:
    """Return an aim in words, what was found, and whether that reaches it; None: not measured."""
    if not aim.of:
        words = f"{aim.ours}: first call at most {duration(aim.factor)} more than later ones"
        found = (medians if case.fresh else first).get(aim.ours)
    else:
        words = f"at most {aim.factor} × {aim.of}"
        of = aim.of
        if of == "the best" and peers:
            of = min(peers, key=lambda name: medians[name])
        both = aim.ours in medians and of in medians
        found = medians[aim.ours] / medians[of] if both else None
    return {
        "aim": words,
        "found": found,
        "is_ratio": bool(aim.of),
        "reached": None if found is None else found <= aim.factor,
    }


def text(case: dict[str, Any]) -> str:
    """Return a case as a table for people."""
    threads = {1: "one thread", 2: "two threads"}[case["threads"]]
    lines = [f"{case['case']}: {case['title']}; {threads}"]
    timed = [c for c in case["contenders"] if c["median"] is not None]
    ours = next((c["median"] for c in timed if c["kind"] == "ours"), None)
    best = next((c["median"] for c in timed if c["name"] == case["best"]), None)
    limit = next((c["median"] for c in timed if c["kind"] == "limit"), None)
    heads = ("", "median", "× ours", "× best peer", "× limit", "first call", "import")
    lines.append("  {:34}{:>9}{:>9}{:>12}{:>9}{:>12}{:>10}".format(*heads))
    for c in timed:
        ratios = [ratio(c["median"] / of) if of else "" for of in (ours, best, limit)]
        name = f"limit: {c['name']}" if c["kind"] == "limit" else c["name"]
        more = ["+" + duration(c["first"]), duration(c["import"]) if c["import"] > 1e-3 else ""]
        lines.append(
            "  {:34}{:>9}{:>9}{:>12}{:>9}{:>12}{:>10}".format(
                name, duration(c["median"]), *ratios, *more
            )
        )
    for c in case["contenders"]:
        if c["skipped"]:
            lines.append(f"  skipped: {c['name']} ({c['skipped']})")
        elif c["failure"]:
            lines.append(f"  NOT TIMED: {c['name']}: {c['failure']}")
        elif c["not_compared"] and c["kind"] != "limit":
            lines.append(f"  not compared: {c['name']} ({c['not_compared']})")
    lines.extend(f"  aim: {aim_text(aim)}" for aim in case["aims"])
    return "\n".join(lines)


def aim_text(aim: dict[str, Any]) -> str:
    """Return an aim with what was found."""
    if aim["found"] is None:
        return f"{aim['aim']}: not measured"
    found = f"{aim['found']:.2f} ×" if aim["is_ratio"] else duration(aim["found"])
    return f"{aim['aim']}: {found}, {'reached' if aim['reached'] else 'NOT REACHED'}"


def markdown(report: dict[str, Any]) -> str:
    """Return the table of the documentation: a row for each case."""
    about = report["machine"]
    lines = [
        f"{about['date']}; {about['processor']}; {about['system']}; Python {about['Python']}; "
        + ", ".join(f"{name} {version}" for name, version in report["versions"].items())
        + f". Medians of {report['rounds']} rounds"
        + (", small inputs (`--quick`)." if report["quick"] else "."),
        "",
        "| workload | chainrule | peers | limit | aim and what was found |",
        "|---|---|---|---|---|",
    ]
    for case in report["cases"]:
        groups: dict[str, list[str]] = {"ours": [], "peer": [], "limit": []}
        for c in sorted(case["contenders"], key=lambda c: c["median"] or 0.0):
            if c["median"] is not None:
                short = c["name"].removeprefix("chainrule").removeprefix(", ")
                groups[c["kind"]].append(f"{short} {duration(c['median'])}".strip())
        cells = [f"**{case['case']}**", *(", ".join(groups[kind]) for kind in groups)]
        lines.append(f"| {' | '.join(cells)} | {'; '.join(map(aim_text, case['aims']))} |")
    titles = {case["workload"]: case["title"] for case in report["cases"]}
    lines += ["", *(f"- **{name}**: {title}." for name, title in titles.items())]
    return "\n".join(lines) + "\n"
