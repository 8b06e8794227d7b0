"""Adversarial digits: how many are misread when every pixel may change a little.

    python examples/recipes/adversarial_digits.py --data FOLDER

The attack is one step along the sign of the input gradient; the defence is to train on what it
makes. I. Goodfellow, J. Shlens and C. Szegedy, "Explaining and harnessing adversarial examples"
(2015). The page docs/recipes/adversarial-digit.md tells the story; `picture` draws its digit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr

Array = np.ndarray[Any, Any]
STEPS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)  # of pixels, which go from 0 to 1


def network(pixels: int, hidden: int, seed: int, dtype: str = "float32") -> cr.Network:
    """Return a network that is not trained yet."""
    return cr.Network(
        cr.Dense(pixels, hidden, "relu"), cr.Dense(hidden, 10),
        cost="softmax_cross_entropy", seed=seed, dtype=dtype,
    )  # fmt: skip


def attacked(net: cr.Network, x: Array, y: Array, step: float) -> Array:
    """Return images in which each pixel went one step to where the cost grows."""
    moved: Array = np.clip(x + step * np.sign(net.input_gradient(x, y)), 0.0, 1.0)
    return moved


def costs(p: Any, x: Any, y: Any) -> Any:
    """Return the cost of each example, as the network has it."""
    hidden = cr.relu(x @ p[0]["weights"] + p[0]["biases"])
    logits = hidden @ p[1]["weights"] + p[1]["biases"]
    right = cr.one_hot(y, 10, dtype=x.dtype)
    return -np.sum(right * cr.log_softmax(logits), axis=1)


def harden(net: cr.Network, x: Array, y: Array, *, step: float, epochs: int, seed: int) -> None:
    """Train on the examples and on what the attack makes of them, half and half."""

    def cost(p: Any, x: Any, y: Any) -> Any:
        along = cr.grad(lambda x: np.sum(costs(p, x, y)))(x)
        worse = np.clip(x + step * np.sign(along), 0.0, 1.0)
        return 0.5 * np.mean(costs(p, x, y)) + 0.5 * np.mean(costs(p, worse, y))

    result = cr.fit(
        cost, net.parameters, (x, y), epochs=epochs, batch_size=64, seed=seed,
        optimizer=cr.Adam(0.001), progress=False,
    )  # fmt: skip
    net.parameters = result.parameters


# ---------------------------------------------------------------------- the picture


class Attack(NamedTuple):
    """One digit and what became of it."""

    before: Array
    change: Array  # -1, 0 or 1 for each pixel
    after: Array
    read: tuple[int, int]  # what the network reads, before and after
    sure: tuple[float, float]  # with which probability


def one_digit() -> Attack:
    """Attack one of the embedded digits: a 2, each pixel by one of sixteen steps of grey."""
    train, test = cr.data.load_digits().split(seed=0)
    net = network(64, 64, seed=0, dtype="float64")
    net.fit(train.images, train.labels, epochs=30, optimizer=cr.Adam(0.003))
    x, y = test.images[3:4], test.labels[3:4]
    after = attacked(net, x, y, 1 / 16)
    both = net.predict_proba(np.concatenate([x, after]))
    read = both.argmax(axis=1)
    return Attack(
        x[0], np.round(16 * (after - x)[0]), after[0],
        (int(read[0]), int(read[1])), (float(both[0].max()), float(both[1].max())),
    )  # fmt: skip


def picture(attack: Attack, pixel: int = 18) -> str:
    """Return the digit, the change and the attacked digit side by side, as SVG."""
    side = round(len(attack.before) ** 0.5)
    size, gap = side * pixel, 2 * pixel
    panels = (
        (attack.before, f"read as {attack.read[0]}", f"{attack.sure[0]:.1%} sure"),
        (0.5 + 0.5 * attack.change, "black: one step darker", "white: one step lighter"),
        (attack.after, f"read as {attack.read[1]}", f"{attack.sure[1]:.1%} sure"),
    )
    width, height = 3 * size + 4 * gap, size + gap + 3 * pixel
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="sans-serif" font-size="15">',
        f"<title>A {attack.read[0]}, a change too small to notice, and the sum, "
        f"which the network reads as {attack.read[1]}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for k, (pixels, above, below) in enumerate(panels):
        left = gap + k * (size + gap)
        for place, value in enumerate(pixels):
            grey = 255 - round(16 * float(value)) * 255 // 16  # ink is dark
            row, column = divmod(place, side)
            lines.append(
                f'<rect x="{left + column * pixel}" y="{gap + row * pixel}" width="{pixel}" '
                f'height="{pixel}" fill="#{grey:02x}{grey:02x}{grey:02x}"/>'
            )
        lines.append(
            f'<rect x="{left}" y="{gap}" width="{size}" height="{size}" fill="none" '
            'stroke="#888888"/>'
        )
        middle = left + size // 2
        for text, line in ((above, 1.0), (below, 2.2)):
            y = gap + size + round(line * pixel) + 6
            lines.append(f'<text x="{middle}" y="{y}" text-anchor="middle">{text}</text>')
    return "\n".join([*lines, "</svg>", ""])


# ---------------------------------------------------------------------- the table


def accuracies(net: cr.Network, x: Array, y: Array, rng: np.random.Generator | None) -> list[float]:
    """Return the accuracy under the attack by step; with a generator, under random signs."""
    found = []
    for step in STEPS:
        if rng is None:
            moved = attacked(net, x, y, step)
        else:
            signs = rng.choice([-1.0, 1.0], x.shape)
            moved = np.clip(x + step * signs, 0.0, 1.0)
        found.append(net.evaluate(moved, y)["accuracy"])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Train over several seeds, attack and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", help="the folder with MNIST, or where to download it to")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--step", type=float, default=0.1, help="that the defence trains with")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="the embedded digits, not MNIST")
    asked = parser.parse_args(arguments)
    if min(asked.seeds, asked.epochs, asked.hidden) < 1:
        parser.error("--seeds, --epochs and --hidden must be 1 or more")
    if asked.small:
        train, test = cr.data.load_digits().split(seed=0)
    else:
        try:
            train, test = (digits := cr.data.mnist(asked.data)).train, digits.test
        except (cr.ChainruleError, OSError) as error:
            parser.exit(1, f"{error}\nWith --small it takes the digits that come with chainrule.\n")
    x, y = train.images.astype(np.float32), train.labels
    x_test, y_test = test.images.astype(np.float32), test.labels
    rows: dict[str, list[list[float]]] = {
        "random signs": [], "attacked": [], "trained for it, attacked": [],
    }  # fmt: skip
    times: dict[str, list[float]] = {"plain": [], "trained for it": []}
    for seed in range(asked.seeds):
        start = time.perf_counter()
        net = network(x.shape[1], asked.hidden, seed)
        net.fit(x, y, epochs=asked.epochs, batch_size=64, seed=seed)
        times["plain"].append(time.perf_counter() - start)
        rows["random signs"].append(accuracies(net, x_test, y_test, np.random.default_rng(seed)))
        rows["attacked"].append(accuracies(net, x_test, y_test, None))
        start = time.perf_counter()
        hard = network(x.shape[1], asked.hidden, seed)
        harden(hard, x, y, step=asked.step, epochs=asked.epochs, seed=seed)
        times["trained for it"].append(time.perf_counter() - start)
        rows["trained for it, attacked"].append(accuracies(hard, x_test, y_test, None))
    print("| % right, median (least to most) |", *(f"{step:g} |" for step in STEPS))
    print("|---|" + "---|" * len(STEPS))
    for name, found in rows.items():
        of = 100 * np.array(found).T
        cells = (f"{np.median(a):.1f} ({a.min():.1f} to {a.max():.1f}) |" for a in of)
        print(f"| {name} |", *cells)
    for name, seconds in times.items():
        print(f"\n{name}: {min(seconds):.1f} seconds", end="")
    print()


if __name__ == "__main__":
    main()
