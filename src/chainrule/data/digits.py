"""1,797 handwritten digits of 8 × 8 pixels: small enough to ship, real enough to learn.

They are those of the UCI repository (see DIGITS_LICENSE for authors and licence), which is what
scikit-learn's `load_digits` gives too. The file is two arrays of bytes and is read without pickle.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

BRIGHTEST = 16  # each pixel counts the dark points in a block of 4 × 4


@dataclass(frozen=True, eq=False)
class Digits:
    """Some handwritten digits.

    Parameters
    ----------
    images : ndarray of float64, shape (n, 64)
        One digit a row, its 8 × 8 pixels row by row, 0 (paper) to 1 (ink).
    labels : ndarray of int64, shape (n,)
        What was written: 0 to 9.
    """

    images: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Any) -> Digits:
        """Return some of the digits: `digits[:100]`, `digits[indices]`."""
        return Digits(self.images[rows], self.labels[rows])

    @property
    def targets(self) -> NDArray[np.float64]:
        """The labels one-hot, shape (n, 10): 1 in the label's column, 0 elsewhere."""
        targets = np.zeros((len(self), 10))
        targets[np.arange(len(self)), self.labels] = 1.0
        return targets

    def split(
        self, seed: int | np.random.Generator | None = 0, held_out: float = 0.2
    ) -> tuple[Digits, Digits]:
        """Return (training digits, held-out digits), shuffled.

        Parameters
        ----------
        seed : int, Generator or None
            The same seed gives the same split; None a new one each time.
        held_out : float
            The part that is held out, between 0 and 1.

        Raises
        ------
        ValueError
            If `held_out` leaves one of the two parts empty.

        Examples
        --------
        >>> train, test = load_digits().split(seed=0)
        >>> len(train), len(test)
        (1438, 359)
        """
        n_held_out = round(held_out * len(self)) if 0 < held_out < 1 else 0
        if not 0 < n_held_out < len(self):
            raise ValueError(
                f"held_out must leave both parts some of the {len(self)} digits, not {held_out!r}"
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self[order[n_held_out:]], self[order[:n_held_out]]


def load_digits() -> Digits:
    """Return all 1,797 digits, in the repository's order.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.images.shape, digits.labels[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    """
    with (
        resources.files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        images, labels = arrays["images"], arrays["labels"]
    return Digits(images.reshape(-1, 64) / float(BRIGHTEST), labels.astype(np.int64))
