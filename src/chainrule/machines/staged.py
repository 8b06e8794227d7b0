"""The staged machine: executes the module that the code reading writes.

The source is made of gate templates, checked names and number literals only; nothing a user typed
is in it. Python's `math` raises where NumPy gives inf or nan (exp overflows, log of 0): there
whoever asked for the machine says what runs instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def load(source: str, name: str) -> Callable[..., Any]:
    """Execute an emitted module and return one of its functions."""
    namespace: dict[str, Any] = {"__name__": "chainrule_staged"}
    exec(compile(source, f"<chainrule {name}>", "exec"), namespace)
    return namespace[name]  # type: ignore[no-any-return]


def staged(
    source: str, name: str, instead: Callable[..., Any], *, on_arrays: bool
) -> Callable[..., Any]:
    """Return a function of an emitted module, made to agree with the interpreter.

    Parameters
    ----------
    source : str
        The module.
    name : str
        The function in it.
    instead : callable
        Called with the same arguments where the emitted code raises: what `math` complains about,
        and guards of branches not taken.
    on_arrays : bool
        Whether NumPy's warnings are to be kept quiet; on plain floats there are none.
    """
    function = load(source, name)

    def on_floats(*args: Any) -> Any:
        try:
            return function(*args)
        except (ArithmeticError, ValueError):
            return instead(*args)

    def quietly(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return on_floats(*args)

    return quietly if on_arrays else on_floats
