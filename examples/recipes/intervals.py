"""Measure which share of new examples intervals hold, from costs of one's own.

    python examples/recipes/intervals.py
    python examples/recipes/intervals.py --diabetes

Quantiles by the pinball cost, a normal distribution by its likelihood, and intervals of one width;
each before and after calibration. The page docs/recipes/own-cost.md tells the story. The table is
of generated data, or of the diabetes data that come with scikit-learn.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import chainrule as cr

Array = np.ndarray[Any, Any]
Part = tuple[Array, Array]  # x, shape (n, features), and y, shape (n,)

SHARE = 0.9  # that the intervals are to hold
QUANTILES = np.array([0.05, 0.95])
Z = 1.6448536269514722  # the 0.95 quantile of N(0, 1)


def pinball(outputs: Any, targets: Any) -> Any:
    """Return a cost that is smallest at the quantiles: Koenker and Bassett (1978)."""
    missing = targets - outputs
    return np.sum(np.maximum(QUANTILES * missing, (QUANTILES - 1.0) * missing), axis=1)


def normal(outputs: Any, targets: Any) -> Any:
    """Return -log of a normal distribution's density, with mean and log of the deviation."""
    mean, log_deviation = outputs[:, 0], outputs[:, 1]
    return 0.5 * ((targets[:, 0] - mean) * np.exp(-log_deviation)) ** 2 + log_deviation


def ends_of_quantiles(outputs: Array) -> tuple[Array, Array]:
    """Return the two quantiles."""
    return outputs[:, 0], outputs[:, 1]


def ends_of_normal(outputs: Array) -> tuple[Array, Array]:
    """Return the 5% and 95% quantiles of the normal distribution."""
    half = Z * np.exp(outputs[:, 1])
    return outputs[:, 0] - half, outputs[:, 0] + half


def ends_of_width(outputs: Array) -> tuple[Array, Array]:
    """Return the prediction twice: all of the width comes from the calibration."""
    return outputs[:, 0], outputs[:, 0]


def margin(low: Array, high: Array, y: Array) -> float:
    """Return what to add at both ends so that new examples fall inside with the wanted share.

    The quantile of conformal prediction: Romano, Patterson and Candes, "Conformalized quantile
    regression" (2019), eq. 7.
    """
    outside = np.sort(np.maximum(low - y, y - high))
    k = min(math.ceil(SHARE * (len(y) + 1)), len(y))
    return float(outside[k - 1])


def generated(seeds: Sequence[int]) -> Iterator[tuple[Part, ...]]:
    """Yield 400 examples to learn from, 400 to calibrate with and 20,000 to judge by."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        yield tuple(sample(n, rng) for n in (400, 400, 20_000))


def sample(n: int, rng: np.random.Generator) -> Part:
    """Return points around a sine, with noise that is larger on the right."""
    x = rng.uniform(-3.0, 3.0, n)
    deviation = 0.1 + 0.4 * np.where(x > 0, np.sin(x), 0.0)
    return x[:, np.newaxis], np.sin(2.0 * x) + deviation * rng.normal(size=n)


def diabetes(seeds: Sequence[int]) -> Iterator[tuple[Part, ...]]:
    """Yield 200, 120 and 122 of the 442 patients, standardised."""
    from sklearn.datasets import load_diabetes  # only for its data

    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(axis=0), (y - y.mean()) / y.std()
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(x))
        parts = np.split(order, [200, 320])
        yield tuple((x[rows], y[rows]) for rows in parts)


WAYS: dict[str, tuple[Any, int, Callable[[Array], tuple[Array, Array]]]] = {
    "quantiles, pinball cost": (pinball, 2, ends_of_quantiles),
    "normal, likelihood": (normal, 2, ends_of_normal),
    "one width, quadratic cost": ("quadratic", 1, ends_of_width),
}


def measured(
    way: str, parts: tuple[Part, ...], *, seed: int, hidden: int, epochs: int, l2: float
) -> list[float]:
    """Return coverage before and after calibration, in the worse half after, and mean width."""
    cost, outputs, ends = WAYS[way]
    (x, y), (x_calibration, y_calibration), (x_test, y_test) = parts
    net = cr.Network(
        cr.Dense(x.shape[1], hidden, "tanh"), cr.Dense(hidden, hidden, "tanh"),
        cr.Dense(hidden, outputs), cost=cost, l2=l2, seed=seed, dtype="float64",
    )  # fmt: skip
    steps = epochs * -(-len(x) // 32)
    net.fit(x, y, epochs=epochs, optimizer=cr.Adam(cr.CosineDecay(0.01, steps)))
    low, high = ends(net.outputs(x_test))
    before = (low <= y_test) & (y_test <= high)
    extra = margin(*ends(net.outputs(x_calibration)), y_calibration)
    inside = (low - extra <= y_test) & (y_test <= high + extra)
    right = x_test[:, 0] > np.median(x_test[:, 0])
    halves = [float(inside[half].mean()) for half in (right, ~right)]
    width = float(np.mean(high - low)) + 2.0 * extra
    return [float(before.mean()), float(inside.mean()), min(halves), width]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train over several seeds and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--diabetes", action="store_true", help="scikit-learn's data")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="300, or 60 for diabetes")
    asked = parser.parse_args(arguments)
    if min(asked.seeds, 1 if asked.epochs is None else asked.epochs) < 1:
        parser.error("--seeds and --epochs must be 1 or more")
    hidden, l2, epochs = (16, 0.01, 60) if asked.diabetes else (32, 0.0, 300)
    try:
        splits = list((diabetes if asked.diabetes else generated)(range(asked.seeds)))
    except ModuleNotFoundError:
        parser.exit(1, "--diabetes takes its data from scikit-learn: pip install scikit-learn\n")
    print("| intervals of | before | calibrated | least to most | worse half | mean width |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        found = np.array(
            [
                measured(way, parts, seed=seed, hidden=hidden, epochs=asked.epochs or epochs, l2=l2)
                for seed, parts in enumerate(splits)
            ]
        )
        before, after, half, width = found.mean(axis=0)
        least, most = found[:, 1].min(), found[:, 1].max()
        first = f"{before:.1%}" if before else ""  # of one width there is none before
        print(
            f"| {way} | {first} | {after:.1%} | {least:.1%} to {most:.1%} | {half:.1%} "
            f"| {width:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
