"""The book's costs, and any other that has an `fn` in plain NumPy.

A cost is a class or an object with `fn(a, y)`: the cost of outputs `a` where `y` was wanted, summed
over the examples, one a column. That is all that training needs: its gradient comes from the chain
rule. `delta` is the book's name for the gradient at the weighted inputs, for those who want it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functions import sigmoid, softplus
from ..tracing.sites import here


def sigmoid_prime(z: Any) -> Any:
    """Return the slope of the sigmoid, which a cost's own `delta` may need.

    Examples
    --------
    >>> float(sigmoid_prime(0.0))
    0.25
    """
    return sigmoid(z) * sigmoid(-z)  # not 1 - sigmoid(z), which is 0 from z = 37 on


class QuadraticCost:
    """Half the squared distance from what was wanted (the book's eq. 6, for one example)."""

    @staticmethod
    def fn(a: Any, y: Any) -> Any:
        """Return the cost of outputs `a` where `y` was wanted.

        Examples
        --------
        >>> float(QuadraticCost.fn(np.array([[0.5], [1.0]]), np.array([[0.0], [1.0]])))
        0.125
        """
        return 0.5 * np.sum((a - y) ** 2)

    @staticmethod
    def delta(z: Any, a: Any, y: Any) -> Any:
        """Return the gradient at the weighted inputs `z` of the outputs `a`."""
        return (a - y) * sigmoid_prime(z)


class CrossEntropyCost:
    """The cross-entropy of outputs and what was wanted (the book's eq. 57, for one example)."""

    @staticmethod
    def fn(a: Any, y: Any) -> Any:
        """Return the cost of outputs `a` where `y` was wanted; 0 log 0 is 0.

        Infinite where an output is certain, 0 or 1, and wrong.

        Examples
        --------
        >>> float(CrossEntropyCost.fn(np.array([[0.5], [1.0]]), np.array([[0.0], [1.0]])))
        0.6931471805599453
        """
        right = np.where(y > 0, a, 1.0)
        wrong = np.where(y < 1, 1.0 - a, 1.0)
        with np.errstate(divide="ignore"):
            return -np.sum(y * np.log(right) + (1.0 - y) * np.log(wrong))

    @staticmethod
    def delta(z: Any, a: Any, y: Any) -> Any:
        """Return the gradient at the weighted inputs: the sigmoid's slope cancels (eq. 66)."""
        return a - y


COSTS: dict[str, Any] = {cost.__name__: cost for cost in (QuadraticCost, CrossEntropyCost)}
"""The costs that a file can name."""


def total(cost: Any, z: Any, y: Any) -> Any:
    """Return the cost of all examples, from the output layer's weighted inputs.

    Parameters
    ----------
    cost : class or object with `fn`
        One of the book's, or another.
    z, y : ndarray, shape (n, n_out)
        Weighted inputs and what was wanted, one example a row.
    """
    if cost is CrossEntropyCost:
        # -y log s(z) - (1 - y) log(1 - s(z)), finite where the sigmoid rounds to 0 or 1.
        return np.sum(softplus(z) - y * z)
    if cost is QuadraticCost:
        return QuadraticCost.fn(sigmoid(z), y)
    return cost.fn(sigmoid(z).T, y.T)


def name_of(cost: Any) -> str:
    """Return what a file calls a cost: the name of its class."""
    return str(getattr(cost, "__name__", type(cost).__name__))


def checked_cost(cost: Any) -> Any:
    """Return a cost that has what training needs.

    Raises
    ------
    TypeError
        If it has no `fn`.
    """
    if callable(getattr(cost, "fn", None)):
        return cost
    raise TypeError(
        f"{here()}cost must be a class or an object with fn(a, y), such as QuadraticCost, not "
        f"{cost!r}"
    )
