"""A LeNet on MNIST, over several seeds.

    python examples/recipes/conv_net.py --data FOLDER

The page docs/recipes/conv-net.md tells what is in it. After Y. LeCun et al., "Gradient-based
learning applied to document recognition" (1998), with relu, max pooling and Adam.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr


def lenet(side: int, seed: int) -> cr.Network:
    """Return the network for images of side x side pixels, one a row."""
    rest = (side // 2 - 4) // 2  # rows that are left after both poolings
    return cr.Network(
        cr.Reshape((1, side, side)),
        cr.Conv2D(1, 6, 5, "relu", padding="same", weights="he_uniform"),
        cr.MaxPool2D(2),
        cr.Conv2D(6, 16, 5, "relu", weights="he_uniform"),
        cr.MaxPool2D(2),
        cr.Flatten(),
        cr.Dense(16 * rest * rest, 120, "relu", weights="he_uniform"),
        cr.Dense(120, 84, "relu", weights="he_uniform"),
        cr.Dense(84, 10),
        cost="softmax_cross_entropy",
        seed=seed,
    )


def small() -> Any:
    """Return the embedded digits, each pixel three times as high and wide."""
    return tuple(
        (np.kron(part.images.reshape(-1, 8, 8), np.ones((1, 3, 3))).reshape(-1, 576), part.labels)
        for part in cr.data.load_digits().split(seed=0)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train over several seeds and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", help="the folder with MNIST, or where to download it to")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="the embedded digits, not MNIST")
    asked = parser.parse_args(arguments)
    if min(asked.seeds, asked.epochs, asked.batch_size) < 1:
        parser.error("--seeds, --epochs and --batch-size must be 1 or more")
    if asked.small:
        (x, y), test = small()
    else:
        try:
            digits = cr.data.mnist(asked.data)
        except (cr.ChainruleError, OSError) as error:
            parser.exit(1, f"{error}\nWith --small it takes the digits that come with chainrule.\n")
        x, y = digits.train.images, digits.train.labels
        test = digits.test.images, digits.test.labels
    steps = asked.epochs * -(-len(x) // asked.batch_size)
    print("% right after each epoch, seconds of the fastest epoch and of all\n")
    print(
        "| seed |",
        *(f"{epoch} |" for epoch in range(1, asked.epochs + 1)),
        "s an epoch | s in all |",
    )
    print("|---|" + "---|" * (asked.epochs + 2))
    for seed in range(asked.seeds):
        net = lenet(round(x.shape[1] ** 0.5), seed)
        start = time.perf_counter()
        history = net.fit(
            x, y, epochs=asked.epochs, batch_size=asked.batch_size, validation_data=test,
            optimizer=cr.Adam(cr.CosineDecay(0.002, steps)),
        )  # fmt: skip
        seconds = time.perf_counter() - start
        right = (f"{100 * a:.2f} |" for a in history["val_accuracy"])
        print(f"| {seed} |", *right, f"{min(history['seconds']):.2f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
