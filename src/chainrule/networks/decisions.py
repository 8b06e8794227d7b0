"""What outputs mean once training is done: the classes or numbers that they predict.

The records of `costs.py` name one of these each. They are asked of plain arrays, a row an example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functions import sigmoid, softmax, softplus


def as_numbers(outputs: Any) -> Any:
    """Return outputs as they are; a single column as one axis, as NumPy and scikit-learn do."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


def means(outputs: Any) -> Any:
    """Return the numbers whose logarithms the outputs are."""
    with np.errstate(over="ignore"):
        return as_numbers(np.exp(outputs))


def largest(outputs: Any) -> Any:
    """Return the class of the largest logit; of one logit, whether it is positive."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0).astype(np.int64)
    return np.argmax(outputs, axis=-1)


def nearest_class(outputs: Any) -> Any:
    """Return the class whose one-hot row is nearest: the largest output's, or 1 from 0.5 on."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] >= 0.5).astype(np.int64)
    return np.argmax(outputs, axis=-1)


def which(outputs: Any) -> Any:
    """Return yes or no for each output on its own; one column as one axis."""
    return as_numbers((outputs > 0).astype(np.int64))


def sigmoids(outputs: Any) -> Any:
    """Return the probability of each yes; of one output, the no's before it as a column."""
    if outputs.shape[-1] == 1:
        return np.concatenate([sigmoid(-outputs), sigmoid(outputs)], axis=-1)
    return sigmoid(outputs)


def shares(outputs: Any) -> Any:
    """Return each class's sigmoid, in rows that add up to 1."""
    if outputs.shape[-1] == 1:
        return sigmoids(outputs)
    # From logarithms: where all sigmoids round to 0, their shares are still there.
    return softmax(-softplus(-outputs))
