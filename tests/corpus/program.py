"""The record of a corpus program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Program:
    """A plain function, the point at which it is traced, and what holds for it.

    Parameters
    ----------
    function : callable
        Plain Python; gives one number.
    args, keywords
        Where it is traced.
    other : tuple, optional
        A second point; the first one moved a little by default.
    smooth : bool
        Whether second derivatives are compared with differences.
    peers : bool
        Whether autograd and JAX can run it: they have no writes in place, and no `math`.
    at_a_kink : bool
        Whether the point lies on a kink, where differences say nothing.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    other: tuple[Any, ...] | None = None
    smooth: bool = True
    peers: bool = False
    at_a_kink: bool = False

    @property
    def name(self) -> str:
        """What the tests call it."""
        return getattr(self.function, "__name__", type(self.function).__name__)


def program(function: Callable[..., Any], *args: Any, **options: Any) -> Program:
    """Write a `Program` shortly."""
    return Program(function, args, **options)
