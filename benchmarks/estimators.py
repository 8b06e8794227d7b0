"""Estimators beside scikit-learn's: the same data, settings and seeds; seconds and accuracy.

    python benchmarks/estimators.py [--json] [--data FOLDER] [--seeds N] [--threads N] [set ...]

The sets are `digits` (1,347 of the embedded digits), `covertype` (as many rows, columns and
classes as that set has, drawn by `make_classification`) and `mnist` (from FOLDER or CHAINRULE_DATA;
left out where there is none). They are float64, as scikit-learn's own loaders give them;
`mnist-float32` is what `cr.data.mnist` gives. Each contender has a process of its
own, so that neither has the other's threads beside it. There, a fit of two epochs has
imported and compiled all that is needed before; `first` is a fit with nothing compiled, imports not
counted. Accuracy is that on rows held out. With --threads, both are held to so many.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np

AIM = 1 / 3
EPOCHS = {"digits": 200, "covertype": 3, "mnist": 10, "mnist-float32": 10}
OURS, THEIRS = "BackpropClassifier", "MLPClassifier"


def data(name: str, folder: str | None) -> tuple[Any, Any, Any, Any]:
    """Return examples and labels to learn from, and others to be asked about."""
    from sklearn.datasets import load_digits, make_classification
    from sklearn.model_selection import train_test_split

    if name.startswith("mnist"):
        import chainrule as cr

        images = cr.data.mnist(folder)
        train, test = images.train, images.test
        dtype = np.dtype(name.partition("-")[2] or "float64")
        return train.images.astype(dtype), train.labels, test.images.astype(dtype), test.labels
    if name == "digits":
        x, y = load_digits(return_X_y=True)
    else:
        x, y = make_classification(
            581_012, 54, n_informative=20, n_redundant=10, n_classes=7, random_state=0
        )
    x, held_x, y, held_y = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return x, y, held_x, held_y


def measure(name: str, contender: str, seeds: int, folder: str | None, is_first: bool) -> None:
    """Fit in this process, and print seconds, accuracies and epochs."""
    from sklearn.neural_network import MLPClassifier

    from chainrule.sklearn import BackpropClassifier

    warnings.simplefilter("ignore")  # a few epochs are not enough, both say
    kind = {OURS: BackpropClassifier, THEIRS: MLPClassifier}[contender]
    x, y, held_x, held_y = data(name, folder)
    if not is_first:
        kind(max_iter=2).fit(x, y)
    found: dict[str, list[float]] = {"seconds": [], "accuracy": [], "epochs": [], "predict": []}
    for seed in range(1 if is_first else seeds):
        model = kind(max_iter=EPOCHS[name], random_state=seed)
        began = time.perf_counter()
        model.fit(x, y)
        found["seconds"].append(time.perf_counter() - began)
        began = time.perf_counter()
        found["accuracy"].append(float(model.score(held_x, held_y)))
        found["predict"].append(time.perf_counter() - began)
        found["epochs"].append(model.n_iter_)
    print(json.dumps(found))


def measured(name: str, contender: str, given: Any, is_first: bool = False) -> dict[str, Any]:
    """Return what `measure` found in a process of its own."""
    command = [sys.executable, __file__, "--measure", contender, "--seeds", str(given.seeds), name]
    command += ["--first"] * is_first + (["--data", given.data] if given.data else [])
    environment = dict(os.environ)
    if given.threads:
        names = (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "CHAINRULE_NUM_THREADS",
        )
        environment |= dict.fromkeys(names, str(given.threads))
    with tempfile.TemporaryDirectory() as empty:
        if is_first:
            environment["CHAINRULE_CACHE"] = empty
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def row(name: str, ours: dict[str, Any], theirs: dict[str, Any], first: float) -> str:
    """Return the line of a set."""
    middle = statistics.median
    ratio = middle(ours["seconds"]) / middle(theirs["seconds"])
    accuracies = [f"{100 * middle(one['accuracy']):6.2f}%" for one in (ours, theirs)]
    return (
        f"{name:14} {middle(ours['seconds']):8.3f} s {middle(theirs['seconds']):8.3f} s "
        f"{ratio:6.2f} {'yes' if ratio <= AIM else 'NO':>4}  {first:8.3f} s  "
        f"{accuracies[0]} {accuracies[1]}  {middle(ours['epochs']):5.0f} "
        f"{middle(theirs['epochs']):5.0f}"
    )


def main(given: Any) -> None:
    """Measure each set and print a table, or JSON."""
    everything = {}
    if not given.json:
        print(
            f"{'':14} {OURS:>10}   {'MLP':>8}  {'ratio':>6} {'1/3':>4}  {'first':>8}    "
            f"{'accuracy':>6} {'MLP':>8}  epochs   MLP"
        )
    for name in given.sets or list(EPOCHS):
        folder = given.data or os.environ.get("CHAINRULE_DATA")
        if name.startswith("mnist") and not folder:
            print(f"{name:14} left out: give --data FOLDER, or CHAINRULE_DATA", file=sys.stderr)
            continue
        theirs = measured(name, THEIRS, given)
        ours = measured(name, OURS, given)
        first = measured(name, OURS, given, is_first=True)["seconds"][0]
        everything[name] = {OURS: ours, THEIRS: theirs, "first": first}
        if not given.json:
            print(row(name, ours, theirs, first), flush=True)
            for who, one in ((OURS, ours), (THEIRS, theirs)):
                each = zip(one["seconds"], one["accuracy"], one["epochs"], strict=True)
                said = ", ".join(f"{s:.2f} s {100 * a:.2f}% {n}" for s, a, n in each)
                print(f"    {who}: {said}")
    if given.json:
        print(json.dumps({"threads": given.threads, "seeds": given.seeds, "sets": everything}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", choices=[*EPOCHS, []])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="a folder with the files of MNIST")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(
            arguments.sets[0], arguments.measure, arguments.seeds, arguments.data, arguments.first
        )
    else:
        main(arguments)
