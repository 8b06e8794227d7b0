"""Networks in files: parameters as tensors, layers and cost as JSON; nothing is run on reading.

A layer is kept as its class's name and its settings. `LAYERS` are the classes that a file may name:
a new layer needs a line there.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..circuit.tree import flatten
from ..errors import ChainruleError, DataFileError, ShapeError
from ..tracing.sites import here
from ..training import checkpoint
from ..training.history import History
from .activation import Activation
from .batch_norm import BatchNorm
from .convolution import Conv2D
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten, Reshape
from .layer import Layer
from .layer_norm import LayerNorm
from .pooling import AveragePool2D, MaxPool2D

if TYPE_CHECKING:
    from .network import Network

Make = Callable[..., "Network"]


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Activation, AveragePool2D, BatchNorm, Conv2D, Dense, Dropout, Embedding, Flatten, LayerNorm,
        MaxPool2D, Reshape,
    )
}  # fmt: skip


def save(net: Network, path: Any) -> None:
    """Write a network to a file, whole or not at all.

    Raises
    ------
    TypeError, ValueError
        If a layer, an activation, an initialiser or the cost is of the user's own making.
    OSError
        If it cannot be written; what was there before is still there.
    """
    tensors: dict[str, Any] = {}
    checkpoint.save(
        path,
        tensors,
        {
            "kind": "network",
            "network": record(net),
            "notes": net.notes,
            "parameters": checkpoint.pack(net.parameters, "parameters", tensors),
            "carried": checkpoint.pack(net.carried, "carried", tensors),
            "history": dict(net.history),
            "history_notes": list(net.history.notes),
        },
    )


def load(path: Any, make: Make) -> Network:
    """Return the network of a file that `save` wrote, or of a checkpoint of its training.

    Of a checkpoint with early stopping the best parameters are taken.

    Parameters
    ----------
    path : str or path
        The file.
    make : callable
        `Network`, which makes one of layers and settings.

    Raises
    ------
    DataFileError
        If the file is damaged, or holds no network.
    OSError
        If it is not there or cannot be read.
    """
    metadata = checkpoint.load_metadata(path)
    if metadata.get("kind") == "fit":
        notes = metadata.get("notes")
        packed = notes.get("network") if isinstance(notes, Mapping) else None
        if packed is None:
            _refuse(path, "it holds the training of something else than a network")
        result = checkpoint.load_fit(path)
        kept = result.best or result
        count = sum(np.size(leaf) for leaf in flatten(kept.parameters)[0])
        net = made(packed, path, make, count)
        net.notes = _notes(path, notes)
        return _with(path, net, kept.parameters, kept.carry, result.history)
    if metadata.get("kind") != "network":
        _refuse(path, f"it holds a {str(metadata.get('kind'))[:40]!r}, not a network")
    tensors, metadata = checkpoint.load(path)
    count = sum(array.size for array in tensors.values())
    net = made(metadata.get("network"), path, make, count)
    net.notes = _notes(path, metadata)
    try:
        parameters = checkpoint.unpack(metadata["parameters"], tensors)
        carried = checkpoint.unpack(metadata["carried"], tensors)
        if type(metadata["history"]) is not dict or tensors:
            raise ValueError("what is not a network's")
        history = History(metadata["history"], map(str, metadata.get("history_notes", ())))
    # What a well-formed file with a wrong content can do to the lines above.
    except (
        ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
    ) as reason:  # fmt: skip
        _refuse(path, f"its content is not that of a network ({reason!r})", reason)
    return _with(path, net, parameters, carried, history)


def record(net: Network, own: bool = False) -> dict[str, Any]:
    """Return a network's settings in JSON's kinds.

    Parameters
    ----------
    net : Network
        The network.
    own : bool
        Whether what is of the user's own making is named. `load` refuses such a file, but who
        makes the same network again can go on with its training.

    Raises
    ------
    TypeError, ValueError
        If something is of the user's own making, unless it may be.
    """
    cost = {"own": net.cost.name} if own and net.cost.is_own else net.cost.record()
    return {
        "layers": [_record_of(layer, own) for layer in net.layers],
        "cost": cost,
        "l1": net.l1,
        "l2": net.l2,
        "dtype": net.dtype.name,
    }


def made(packed: Any, path: Any, make: Make, count: int) -> Network:
    """Return a network of these settings, with parameters of its own.

    Parameters
    ----------
    packed : Any
        What `record` gave, from a file.
    path : str or path
        The file.
    make : callable
        `Network`.
    count : int
        How many numbers the file holds: a layer that would have more is not even made, or a few
        bytes could fill the memory.

    Raises
    ------
    DataFileError
        If they are none.
    """
    own = _own_in(packed)
    if own:
        _refuse(
            path,
            f"it holds {own}, which was of your own making and is not in the file. Make the "
            "network again and give fit this checkpoint with resume=True, or read its parameters "
            "by cr.load_fit",
        )
    try:
        layers = []
        for one in packed["layers"]:
            settings = {key: _tuples(value) for key, value in one.items() if key != "layer"}
            layer = LAYERS[one["layer"]](**settings)
            if _least(layer) > count:
                raise ValueError(f"{layer} has more parameters than the file")
            layers.append(layer)
        if packed["dtype"] not in ("float32", "float64"):
            raise ValueError(packed["dtype"])
        settings = {key: packed[key] for key in ("cost", "l1", "l2", "dtype")}
        if not isinstance(settings["cost"], dict):
            raise TypeError("no cost")
        return make(*layers, **settings, seed=0)
    except (
        ValueError, TypeError, LookupError, AttributeError, OverflowError, ChainruleError,
        MemoryError,
    ) as reason:  # fmt: skip
        _refuse(path, f"its settings are not those of a network ({reason})", reason)


def _least(layer: Layer) -> int:
    """Return a number that a layer with parameters has at least: its sizes, which come first."""
    if type(layer).parameters is Layer.parameters:
        return 0
    sizes = [getattr(layer, one.name) for one in fields(layer)]  # type: ignore[arg-type]
    return math.prod(itertools.takewhile(lambda size: type(size) is int, sizes))


def check_same(net: Network, notes: Any, path: Any) -> None:
    """Check that a checkpoint is of this network.

    Raises
    ------
    ShapeError
        If it is of another one.
    """
    kept = notes.get("network") if isinstance(notes, Mapping) else None
    ours = record(net, own=True)
    for what in ("layers", "cost", "l1", "l2", "dtype"):
        theirs = kept.get(what) if isinstance(kept, Mapping) else None
        mine = ours[what]
        if what == "cost" and isinstance(theirs, Mapping) and mine.get("targets") == "any":
            theirs = {**theirs, "targets": "any"}
        if _plain(theirs) != _plain(mine):
            if what == "layers":
                what, theirs, mine = _first_apart(theirs, mine)
            raise ShapeError(
                f"{here()}{os.fspath(path)} is a checkpoint of another network: its {what} is "
                f"{theirs!r}, here {mine!r}. Leave resume out to start anew, or name another file."
            )


def _first_apart(theirs: Any, mine: list[Any]) -> tuple[str, Any, Any]:
    """Return which layer is the first that differs, and both."""
    pairs = itertools.zip_longest(theirs if isinstance(theirs, list) else (), mine)
    k, (one, other) = next(
        (k, pair) for k, pair in enumerate(pairs) if _plain(pair[0]) != _plain(pair[1])
    )
    return f"layers[{k}]", one, other


def _record_of(layer: Layer, own: bool) -> dict[str, Any]:
    kind = type(layer)
    name = kind.__name__
    if LAYERS.get(name) is not kind:
        if own:
            return {"layer": {"own": name}}
        raise TypeError(
            f"{here()}{name} is a layer of your own, which a file cannot hold: keep "
            ".parameters by chainrule.training.checkpoint.save, or use the layers of chainrule."
        )
    settings = {one.name: getattr(layer, one.name) for one in fields(layer)}  # type: ignore[arg-type]
    return {"layer": name, **{key: _json(value, name, own) for key, value in settings.items()}}


def _json(value: Any, layer: str, own: bool) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_json(one, layer, own) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _json(one, layer, own) for key, one in value.items()}
    name = getattr(value, "__name__", repr(value))
    if own:
        return {"own": name}
    raise TypeError(
        f"{here()}{layer} has {name}, a function of your own, which a file cannot "
        "hold: use one that has a name, such as 'relu'."
    )


def _own_in(packed: Any) -> str:
    """Return the name of something of the user's own in a record; nothing if there is none."""
    waiting = [packed]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("own"), str):
                return str(one["own"])[:80]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return ""


def _notes(path: Any, packed: Any) -> dict[str, Any]:
    notes = packed.get("notes", {})  # files from before there were any have none
    if not isinstance(notes, dict):
        _refuse(path, "its notes are no dict")
    return notes


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Return settings with lists for tuples, as a file gives them."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _with(path: Any, net: Network, parameters: Any, carried: Any, history: History) -> Network:
    """Return the network with these parameters, if they are of its shapes."""
    for what, given, own in (
        ("parameters", parameters, net.parameters),
        ("carried", net.carried if carried is None else carried, net.carried),
    ):
        leaves, tree = flatten(given)
        expected, its_tree = flatten(own)
        alike = tree.paths == its_tree.paths and all(
            isinstance(new, np.ndarray) and (new.shape, new.dtype) == (old.shape, old.dtype)
            for new, old in zip(leaves, expected, strict=True)
        )
        if not alike:
            _refuse(path, f"its {what} are not those of its layers")
        setattr(net, what, given)
    net.history = history
    return net


def _refuse(path: Any, why: str, cause: BaseException | None = None) -> NoReturn:
    raise DataFileError(f"{os.fspath(path)} cannot be read as a network: {why}.") from cause
