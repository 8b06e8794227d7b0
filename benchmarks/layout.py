"""The layout of pictures over 50 generated circuits, beside Graphviz's dot where it is installed.

    python benchmarks/layout.py [circuits]

Counted on the lines that are drawn: crossings (pairs of wires that cross), bends, overlaps (which
must be 0) and area; and the time, for the whole SVG on our side, for the plain layout on dot's. dot
gets boxes of the same sizes and the same edges, left to right, each wire leaving in the middle of
the right side and arriving in the middle of the left. We draw the wires of one box as one that
forks; dot draws them apart; so crossings are counted by edge too, each with its whole way.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import chainrule as cr
from chainrule.readings.picture.picture import Picture
from chainrule.readings.picture.quality import Point, crossings, line_of, quality
from chainrule.readings.picture.scene import Scene

DOT_LIMIT = 20.0  # seconds
_INCH = 72.0


def program(gates: int, reach: int, inputs: int, seed: int) -> Callable[..., float]:
    """Return a function of that many gates, each of which reads values made shortly before."""

    def generated(*start: float) -> float:
        rng = random.Random(seed)
        values = list(start)
        unread = set(range(len(values)))
        while len(values) < gates + inputs - len(unread):
            recent = range(max(0, len(values) - reach), len(values))
            first, second = rng.choice(recent), rng.choice(recent)
            kind = rng.randrange(6)
            if kind == 0:
                values.append(np.tanh(values[first]))
            elif kind == 1:
                values.append(values[first] * 0.5)
            elif kind == 2:
                values.append(values[first] - values[second])
            elif kind == 3:
                values.append(values[first] * values[second])
            else:
                values.append(values[first] + values[second])
            unread -= {first, second} if kind > 1 else {first}
            unread.add(len(values) - 1)
        total = values[-1]
        for k in sorted(unread)[:-1]:
            total = total + values[k]
        return total

    return generated


def circuit(number: int) -> cr.face.TracedCircuit:
    """Return one of the circuits: from 5 gates to 200, chains and thickets."""
    gates = round(5 * 40 ** (number / 49)) if number < 50 else 200
    inputs = 2 + number % 5
    reach = (4, 8, 14, 24)[number % 4]
    values = [1.0 + 0.25 * k for k in range(inputs)]
    return cr.trace(program(gates, reach, inputs, number), *values)


def crossings_by_edge(scene: Scene) -> int:
    """Count crossings with each edge going its whole way by itself, as dot draws them."""
    arriving = {
        (s.wire, round(s.end[0] + s.run, 2), s.end[1]): s
        for s in scene.layout.segments
        if s.target < 0
    }
    edges = []
    for segment in scene.layout.segments:
        if segment.target < 0:
            continue
        way = [segment]
        while (key := (way[-1].wire, round(way[-1].start[0], 2), way[-1].start[1])) in arriving:
            way.append(arriving[key])
        line = [point for part in reversed(way) for point in line_of(part)]
        edges.append((segment.wire, line))
    return crossings(edges)


def dot(scene: Scene) -> tuple[int, float, float] | None:
    """Return dot's crossings, its area and its time for the same boxes; None if it gives up."""
    lines = ["digraph { rankdir=LR; nodesep=0.22; ranksep=0.36; node [shape=box fixedsize=true];"]
    for number, room in enumerate(scene.extents):
        wide, tall = (room.left + room.right) / _INCH, 2 * max(room.up, room.down) / _INCH
        lines.append(f"n{number} [width={wide:.3f} height={tall:.3f} label=x];")
    for source, fed in enumerate(scene.graph.targets):
        lines += [f"n{source}:e -> n{target}:w;" for target, _ in fed]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            ["dot", "-Tplain"],
            input="\n".join([*lines, "}"]),
            capture_output=True,
            text=True,
            check=True,
            timeout=DOT_LIMIT,
        )
    except subprocess.TimeoutExpired:
        return None
    seconds = time.perf_counter() - start
    area, edges = 0.0, []
    for words in map(str.split, done.stdout.splitlines()):
        if words[0] == "graph":
            area = float(words[2]) * float(words[3]) * _INCH**2
        elif words[0] == "edge":
            numbers = [float(word) for word in words[4 : 4 + 2 * int(words[3])]]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            edges.append((int(words[1][1:]), _sampled(points)))
    return crossings(edges), area, seconds


def _sampled(control: list[Point], steps: int = 16) -> list[Point]:
    """Return points along a chain of Bézier curves."""
    line = [control[0]]
    for k in range(0, len(control) - 1, 3):
        a, b, c, d = control[k : k + 4]
        for step in range(1, steps + 1):
            t = step / steps
            u = 1 - t
            weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
            x, y = (
                sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True))
                for axis in (0, 1)
            )
            line.append((x, y))
    return line


def main() -> None:
    """Print a line for each circuit and the sums."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    has_dot = shutil.which("dot") is not None
    if not has_dot:
        print("dot is not installed (apt install graphviz): our own figures only\n")
    print("gates | crossings  by edge  dot | bends overlaps | area, Mpx  dot | time, s   dot")
    sums = np.zeros(4, int)
    ratios, slowest = [], 0.0
    for number in range(count):
        traced = circuit(number)
        gradients = traced._gradients_or_none()
        start = time.perf_counter()
        picture = Picture(traced, gradients, group=None)
        picture.svg  # noqa: B018 (drawn on first sight)
        seconds = time.perf_counter() - start
        found = quality(picture.scene)
        by_edge = crossings_by_edge(picture.scene)
        theirs = dot(picture.scene) if has_dot else None
        slowest = max(slowest, seconds)
        sums += (found.crossings, by_edge, theirs[0] if theirs else 0, found.overlaps)
        if theirs:
            ratios.append(found.area / theirs[1])
        said = (
            (f"{theirs[0]:4d}", f"{theirs[1] / 1e6:5.2f}", f"{theirs[2]:6.3f}")
            if theirs
            else ("   -", "    -", "     -")
        )
        print(
            f"{picture.graph.gates:5d} | {found.crossings:9d} {by_edge:8d} {said[0]} | "
            f"{found.bends:5d} {found.overlaps:8d} | {found.area / 1e6:9.2f} {said[1]} | "
            f"{seconds:7.3f} {said[2]}"
        )
    print(f"\ncrossings {sums[0]}, by edge {sums[1]}, overlaps {sums[3]}; slowest {slowest:.2f} s")
    if has_dot:
        print(
            f"dot: crossings {sums[2]}; ours are {sums[0] / max(sums[2], 1):.2f} times that "
            f"({sums[1] / max(sums[2], 1):.2f} by edge), area {np.median(ratios):.2f} (median)"
        )
    if sums[3]:
        sys.exit("overlaps: a fault of the layout")


if __name__ == "__main__":
    main()
