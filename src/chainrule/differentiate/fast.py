"""Compiled functions that are called at C speed: links of machine code before `Compiled`.

What the user holds is a chain of small callables. Each link has the entry of one recorded path; one
that meets other arguments, or a branch its path did not take, hands the very same arguments to the
next link, and the last one to `Compiled`, which knows every path or records a new one. So the
shapes and branches that alternate in a program all run without Python in between.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..machines.native.callable import callable_type
from .compiled import Compiled

_LINKS = 4  # paths with an entry of their own; a call that fits none tries this many first


def _compiled(link: Any) -> Compiled:
    found: Compiled = link.__dict__["_compiled"]
    return found


def _said(name: str) -> Callable[..., Any]:
    """Return a method that `Compiled` answers."""

    def method(self: Any) -> Any:
        return getattr(_compiled(self), name)()

    return functools.wraps(getattr(Compiled, name))(method)


@functools.cache
def _type() -> Any:
    members: dict[str, Any] = {
        name: _said(name) for name in ("code", "llvm", "assembly", "report", "__repr__")
    }
    members |= {
        "machine": property(lambda self: _compiled(self).machine),
        "paths": property(lambda self: _compiled(self).paths),
        "__doc__": Compiled.__doc__,
        "__module__": Compiled.__module__,
    }
    return callable_type("Compiled", members)


class _Links:
    """The chain of one function."""

    def __init__(
        self,
        function: Callable[..., Any],
        most_paths: int,
        threads: int | None,
        donated: tuple[int, ...],
    ) -> None:
        self._compiled = Compiled(function, "native", most_paths, threads, donated, self._on_new)
        self._links: list[Any] = []
        self._next = 0
        behind: Any = self._compiled
        for _ in range(_LINKS):
            behind = _type()(behind)
            behind.__dict__["_compiled"] = self._compiled
            self._links.insert(0, behind)
        self.first = self._links[0]
        functools.update_wrapper(self.first, function)

    def _on_new(self, running: Any) -> None:
        """Give the next link the entry of a new path; None: forget all."""
        if running is None:
            for link in self._links:
                link.set_entry(None)
            self._next = 0
        elif running.entry is not None:
            self._links[self._next % _LINKS].set_entry(running.entry.address, running.entry)
            self._next += 1


def fast(
    function: Callable[..., Any],
    most_paths: int,
    threads: int | None,
    donated: tuple[int, ...] = (),
) -> Any:
    """Return a function compiled by the native machine."""
    return _Links(function, most_paths, threads, donated).first
