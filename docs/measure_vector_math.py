"""Measure the errors of the native machine's mathematics and write them into docs/vector-math.md.

    python docs/measure_vector_math.py --points 20000

Takes a few minutes. A test holds the table to a smaller sample.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from chainrule.machines.native.target import host  # noqa: E402
from tests.machines.native.accuracy import DTYPES, FUNCTIONS, largest_errors  # noqa: E402
from tests.machines.native.lanes import narrower  # noqa: E402

PAGE = ROOT / "docs" / "vector-math.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


def table(count: int) -> str:
    """Return the table: the largest error of each function, over this machine and narrower ones."""
    targets = [host(), *narrower()]
    rows = ["| function | float64, ulp | float32, ulp |", "|---|---|---|"]
    for name in FUNCTIONS:
        cells = [name]
        for dtype in DTYPES:
            found, where = largest_errors(name, dtype, count, targets, seed=1)
            print(name, dtype, found, where, file=sys.stderr)
            cells.append(f"{math.ceil(100 * max(found)) / 100:.2f}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20000, help="arguments for each function")
    measured = table(parser.parse_args().points)
    PAGE.write_text(TABLE.sub(lambda _: measured, PAGE.read_text(encoding="utf-8")), "utf-8")


if __name__ == "__main__":
    main()
