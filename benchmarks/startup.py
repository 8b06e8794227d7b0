"""What importing and starting cost: fresh processes, interleaved, medians.

`import chainrule` is measured beside `import numpy`, alone and with every public name used once.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

import numpy as np

import chainrule as cr

ROUNDS = 15
USE_ALL = "import numpy, chainrule; [getattr(chainrule, name) for name in chainrule.__all__]"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import numpy, chainrule": [sys.executable, "-c", "import numpy, chainrule"],
    "every public name used": [sys.executable, "-c", USE_ALL],
    "chainrule --help": [sys.executable, "-m", "chainrule", "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        seconds(command)  # writes the bytecode files
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(measured) for name, measured in times.items()}
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, chainrule {cr.__version__}")
    for name, median in medians.items():
        print(f"{name:28} {median * 1e3:8.1f} ms")
    above = (medians["import numpy, chainrule"] - medians["import numpy"]) * 1e3
    everything = (medians["every public name used"] - medians["import numpy"]) * 1e3
    print(f"{'chainrule above numpy':28} {above:8.1f} ms   (aim: at most 30)")
    print(f"{'all names above numpy':28} {everything:8.1f} ms")
    print(f"{'chainrule --help':28} {medians['chainrule --help'] * 1e3:8.1f} ms   (aim: under 300)")


if __name__ == "__main__":
    main()
