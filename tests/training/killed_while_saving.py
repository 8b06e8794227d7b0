"""A program that is killed while it saves, again and again; run by test_checkpoint_kill.py.

    python killed_while_saving.py FOLDER KILLS

It forks a child that saves one generation after the other, kills it with SIGKILL, and looks at
what is there: the last generation that the child said it had begun, or the one before. Every
other child is killed at a moment of chance, the others right before one of the system's calls that
saving makes. A fork of this process, which has loaded everything, is a thousand times cheaper than
a new interpreter.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import numpy as np

from chainrule.training.checkpoint import load, save

CALLS = ("open", "fsync", "replace", "unlink")
MOST_CALLS = 6  # of one saving: open, fsync, replace, open and fsync of the folder


def child(path: str, first: int, said: int, doomed_call: int | None) -> None:
    """Save generations until the end comes."""
    if doomed_call is not None:
        left = doomed_call

        def before(call):
            def counted(*args, **options):
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return call(*args, **options)

            return counted

        for name in CALLS:
            setattr(os, name, before(getattr(os, name)))
    for generation in range(first, first + 1000):
        os.write(said, b"%d " % generation)
        weights = np.full(40_000, float(generation))
        save(path, {"weights": weights}, {"generation": generation})


def main() -> None:
    """Kill children and check what they leave."""
    folder, kills = sys.argv[1], int(sys.argv[2])
    path = os.path.join(folder, "training.safetensors")
    save(path, {"weights": np.zeros(40_000)}, {"generation": 0})
    chance, found, moved = random.Random(0), 0, 0
    for kill in range(kills):
        heard, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(path, found + 1, said, chance.randrange(2 * MOST_CALLS) if kill % 2 else None)
            os._exit(1)
        os.close(said)
        begun = b""
        if kill % 2 == 0:
            begun = os.read(heard, 100)  # so it has
            time.sleep(chance.random() * 0.004)
            os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with os.fdopen(heard, "rb") as pipe:
            latest = int((begun + pipe.read()).split()[-1])
        before = found
        tensors, metadata = load(path)  # raises if it is not whole
        found = metadata["generation"]
        assert found in (latest - 1, latest), (found, latest)
        assert (tensors["weights"] == found).all()
        moved += found > before
    print(f"{kills} kills, {moved} times something new")


if __name__ == "__main__":
    main()
