"""chainrule as its users call it: what the workloads share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import chainrule as cr


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function on the native machine."""
    result: Callable[..., Any] = cr.compile(function, machine="native")
    return result


def fit() -> Callable[..., Any]:
    """Return `cr.fit` on the native machine, whatever its default."""
    return partial(cr.fit, machine="native")
