"""The workloads, in the order of the table. `chainrule bench` runs them by name."""

from __future__ import annotations

from . import arrays, deep, epoch, graphs, moons, point, starting, wide
from .case import Workload

WORKLOADS: tuple[Workload, ...] = (
    point.WORKLOAD,
    arrays.WORKLOAD,
    moons.WORKLOAD,
    epoch.WORKLOAD,
    wide.WORKLOAD,
    graphs.WORKLOAD,
    deep.WORKLOAD,
    starting.WORKLOAD,
)
