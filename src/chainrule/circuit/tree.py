"""Containers in and out: tuple, list, dict, named tuple, nested as deep as the user likes.

`flatten` turns a value into its leaves and a `Tree` that knows the shape; `Tree.build` turns other
leaves back into the same containers. No recursion: a list nested ten thousand deep works.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """The containers of a value without its leaves.

    Parameters
    ----------
    steps : tuple
        In post-order: None for a leaf, or (make, count), which takes the last `count` values.
    paths : tuple of Path
        The keys and positions that lead to each leaf.
    kinds : tuple of type
        The containers' types, outer ones first.
    """

    steps: tuple[Any, ...]
    paths: tuple[Path, ...]
    kinds: tuple[type, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Whether the value is no container at all."""
        return self.steps == (None,)

    def build(self, leaves: Iterable[Any]) -> Any:
        """Return the containers with these leaves in them."""
        stack: list[Any] = []
        leaf = iter(leaves)
        for step in self.steps:
            if step is None:
                stack.append(next(leaf))
            else:
                make, count = step
                parts = stack[len(stack) - count :]
                del stack[len(stack) - count :]
                stack.append(make(parts))
        return stack[0]

    def map(self, function: Callable[[Any], Any], leaves: Iterable[Any]) -> Any:
        """Return the containers with `function` of each leaf."""
        return self.build(map(function, leaves))


def _maker(value: Any) -> tuple[Callable[[list[Any]], Any], list[tuple[str | int, Any]]] | None:
    """Return how to rebuild this container and its parts, or None for a leaf."""
    if isinstance(value, dict):
        keys = list(value)
        if type(value) is dict:
            return lambda parts: dict(zip(keys, parts, strict=True)), list(value.items())
        # A copy keeps what the class itself knows: a defaultdict its default.
        blank = copy(value)
        blank.clear()

        def filled(parts: list[Any]) -> Any:
            new = copy(blank)
            for key, part in zip(keys, parts, strict=True):
                new[key] = part
            return new

        return filled, list(value.items())
    if isinstance(value, tuple):
        parts: list[tuple[str | int, Any]] = list(enumerate(value))
        if hasattr(value, "_fields"):
            named = type(value)
            return lambda new: named(*new), list(zip(value._fields, value, strict=True))
        return lambda new: tuple(new), parts
    if type(value) is list:
        return list, list(enumerate(value))
    return None


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """Return the leaves of nested tuples, lists and dicts, and the tree that holds them.

    Examples
    --------
    >>> leaves, tree = flatten({"W": 1.0, "b": (2.0, 3.0)})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> tree.paths
    (('W',), ('b', 0), ('b', 1))
    >>> tree.build([10, 20, 30])
    {'W': 10, 'b': (20, 30)}
    """
    leaves: list[Any] = []
    paths: list[Path] = []
    steps: list[Any] = []
    kinds: list[type] = []
    pending: list[tuple[str, Any, Path]] = [("visit", value, ())]
    while pending:
        action, item, path = pending.pop()
        if action == "close":
            steps.append(item)
            continue
        maker = _maker(item)
        if maker is None:
            leaves.append(item)
            paths.append(path)
            steps.append(None)
            continue
        make, parts = maker
        kinds.append(type(item))
        pending.append(("close", (make, len(parts)), path))
        for key, part in reversed(parts):
            pending.append(("visit", part, (*path, key)))
    return leaves, Tree(tuple(steps), tuple(paths), tuple(kinds))


def leaf_names(name: str, tree: Tree) -> list[str]:
    """Return a Python name for each leaf of an argument called `name`.

    A dict key that is a name serves alone (`params["W1"]` is W1); positions are joined to the
    argument's name (`layers[0]["W"]` is layers_0_W).

    Examples
    --------
    >>> leaf_names("params", flatten({"W": 1.0, "b": 2.0})[1])
    ['W', 'b']
    >>> leaf_names("layers", flatten([{"W": 1.0}, {"W": 2.0}])[1])
    ['layers_0_W', 'layers_1_W']
    """
    short = [str(path[-1]) if len(path) == 1 and is_name(path[-1]) else None for path in tree.paths]
    return [
        brief or clean_name("_".join([name, *map(str, path)]))
        for brief, path in zip(short, tree.paths, strict=True)
    ]


def is_name(text: Any) -> bool:
    """Return whether the text can be a variable in emitted code."""
    return (
        isinstance(text, str)
        and text.isidentifier()
        and text.isascii()
        and not keyword.iskeyword(text)
        and not text.startswith("__")
    )


def clean_name(text: str) -> str:
    """Return a name made of the text: other characters become underscores."""
    name = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in text)
    name = name.lstrip("_") or "t"
    if not is_name(name):
        name = f"t_{name}"
    return name
