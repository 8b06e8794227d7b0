"""Outputs that are dead: saturated on the examples of their own class, which they never call.

With the quadratic cost, an output's error is multiplied by the slope of its sigmoid, which is
almost 0 where the sigmoid is saturated: such an output hardly learns, even where it is quite wrong
(the book's chapter 3, "The cross-entropy cost function"). It can happen in the first steps, when
nine examples of ten push an output down, and then stay so for a whole training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pairs import Array, Examples

SLOPE = 0.05  # of the sigmoid, at most 0.25: below it an output counts as saturated
FEW = 0.05  # of its class: a dead output still wins now and then where all others are down, too


@dataclass(frozen=True)
class DeadOutput:
    """An output that is dead.

    Attributes
    ----------
    output : int
        Which.
    largest : float
        What it gives at most on the examples of its own class, where 1 is wanted.
    examples : int
        How many of its class were looked at.
    right : int
        How many of them were read right.
    """

    output: int
    largest: float
    examples: int
    right: int

    def __str__(self) -> str:
        return (
            f"output {self.output} is dead: on the {self.examples} examples of class {self.output} "
            f"it gives at most {self.largest:.2g}, where its sigmoid is saturated and hardly "
            f"learns, and reads {self.right or 'none'} of them right. Try another seed, or "
            "network2 with its CrossEntropyCost."
        )


def dead_outputs(outputs: Array, examples: Examples) -> list[DeadOutput]:
    """Return the outputs that are dead on these examples.

    Parameters
    ----------
    outputs : ndarray, shape (n, n_out)
        What the network gives on each example.
    examples : Examples
        The examples. Where they have no classes, nothing can be said.
    """
    if outputs.shape[1] < 2 or not examples.has_classes:
        return []
    labels, predicted = examples.labels, outputs.argmax(axis=1)
    dead = []
    for k in np.unique(labels).tolist():
        rows = labels == k
        own = outputs[rows, k].astype(np.float64)
        right = int(np.sum(predicted[rows] == k))
        # Up at 1 it would often be predicted; here it is down at 0, or it just loses.
        if right < FEW * own.size and np.mean(own * (1.0 - own)) < SLOPE and own.mean() < 0.5:
            dead.append(DeadOutput(k, float(own.max()), own.size, right))
    return dead
