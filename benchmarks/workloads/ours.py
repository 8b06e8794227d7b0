"""chainrule as its users call it: what the workloads share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chainrule as cr
from chainrule.differentiate.compiled import MACHINES

from .case import Skip


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function on the fastest machine there is."""
    machine = "native" if "native" in MACHINES else "staged"
    result: Callable[..., Any] = cr.compile(function, machine=machine)
    return result


def fit() -> Callable[..., Any]:
    """Return `cr.fit`."""
    if not hasattr(cr, "fit"):
        raise Skip("this chainrule has no fit")
    result: Callable[..., Any] = cr.fit
    return result
