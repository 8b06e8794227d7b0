"""Checkpoints: a training in a file, from which `fit` goes on to the bit.

A checkpoint is a safetensors file (`safetensors_file.py`): arrays are tensors under readable names
(`parameters.W1`), everything else is JSON in its metadata. There is no pickle, so reading one
runs nothing.

`save` and `load` keep any tensors and any JSON, for a network or another program's state.
`save_fit` and `load_fit` keep what `fit` returns. To keep more of it: a new entry in `save_fit`,
read with `.get` in `load_fit` so that older files stay readable; for what older programs would
misread, a new `_SCHEMA`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from ..errors import DataFileError
from .early_stopping import Best
from .history import History
from .result import FitResult, FitState
from .safetensors_file import Array, read, read_metadata, write

_SCHEMA = 1
_DEEPEST = 200  # containers in containers; JSON is read by recursion
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")

Path = str | os.PathLike[str]


def save(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> None:
    """Write tensors and what belongs to them to a file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file; by custom it ends in `.safetensors`.
    tensors : mapping of str to ndarray
        Arrays by name.
    metadata : mapping
        What JSON can hold, with texts as keys.

    Raises
    ------
    DtypeError
        If a tensor's dtype is none of the format's.
    OSError
        If it cannot be written; what was there before is still there.
    """
    write(path, tensors, {"schema": str(_SCHEMA), "metadata": json.dumps(dict(metadata))})


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the tensors and the metadata of a file that `save` wrote.

    Raises
    ------
    DataFileError
        If it is damaged, or something else wrote it, or a later version did.
    OSError
        If it is not there or cannot be read.
    """
    tensors, texts = read(path)
    return tensors, _metadata(path, texts)


def load_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata alone, without reading the tensors; raises as `load` does."""
    return _metadata(path, read_metadata(path))


def _metadata(path: Path, texts: dict[str, str]) -> dict[str, Any]:
    schema = texts.get("schema", "")
    if schema.isdecimal() and len(schema) < 10 and int(schema) > _SCHEMA:
        _refuse(path, f"its schema is {schema}, this version knows {_SCHEMA}. Update chainrule")
    try:
        metadata = json.loads(texts["metadata"])
        if schema != str(_SCHEMA) or not isinstance(metadata, dict):
            raise ValueError(f"schema {schema[:20]!r}")
    except (ValueError, KeyError, RecursionError) as reason:
        _refuse(path, f"its metadata is not what chainrule writes ({reason})", reason)
    return metadata


# ---------------------------------------------------------------------- what fit returns


def save_fit(path: Path, result: FitResult, notes: Mapping[str, Any] | None = None) -> None:
    """Write the result of a training to a file, whole or not at all.

    Whoever reads the file while it is written, or after a crash, finds the one before or this
    one. So it may be called from the callback of `fit`, after each epoch.

    Parameters
    ----------
    path : str or path
        The file, in the safetensors format; by custom it ends in `.safetensors`.
    result : FitResult
        What `fit` returned, or gave to its callback.
    notes : mapping, optional
        What else to keep, as JSON: settings, names. `load_metadata(path)["notes"]`, in
        `chainrule.training.checkpoint`, gives it back.

    Raises
    ------
    TypeError
        If a parameter or the optimizer's state has a container other than dict, list and tuple,
        or a leaf that is no float, array, integer, text or None.
    OSError
        If it cannot be written; what was there before is still there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from chainrule import fit
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "line.safetensors"
    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> def cost(p, x, y):
    ...     return np.mean((p["slope"] * x + p["offset"] - y) ** 2)
    >>> data, start = (x, 2 * x + 1), {"slope": 0.0, "offset": 0.0}
    >>> save_fit(path, fit(cost, start, data, epochs=50, batch_size=5, seed=0))
    >>> half = load_fit(path)
    >>> whole = fit(cost, half.parameters, data, epochs=50, batch_size=5, state=half.state)
    >>> whole.parameters == fit(cost, start, data, epochs=100, batch_size=5, seed=0).parameters
    True
    """
    state, tensors = result.state, dict[str, Array]()
    if state.shuffles is not None and state.shuffles.get("bit_generator") not in _GENERATORS:
        raise TypeError(
            f"the rows were shuffled by a {state.shuffles.get('bit_generator')}, which a file "
            f"cannot name: give fit a seed, or a generator on {', '.join(_GENERATORS)}."
        )
    metadata = {
        "kind": "fit",
        "parameters": pack(result.parameters, "parameters", tensors),
        "optimizer": pack(state.optimizer, "optimizer", tensors),
        "shuffles": pack(state.shuffles, "shuffles", tensors),
        "epochs": state.epochs,
        "rows": state.rows,
        "total": float(state.total),
        "history": dict(result.history),
        "history_notes": list(result.history.notes),
        "interrupted": result.interrupted,
        "carry": pack(state.carry, "carry", tensors),
        "best": None
        if state.best is None
        else {
            "epoch": state.best.epoch,
            "value": float(state.best.value),
            "parameters": pack(state.best.parameters, "best.parameters", tensors),
            "carry": pack(state.best.carry, "best.carry", tensors),
        },
        "notes": dict(notes or {}),
    }
    save(path, tensors, metadata)


def load_fit(path: Path) -> FitResult:
    """Return the result that `save_fit` wrote.

    `fit(cost, result.parameters, data, state=result.state, ...)` goes on from it as if it had not
    stopped, to the bit, given the same cost, data, batch size and optimizer.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    FitResult
        With the history up to then.

    Raises
    ------
    DataFileError
        If the file is damaged, or is no checkpoint of a training.
    OSError
        If it is not there or cannot be read.
    """
    tensors, metadata = load(path)
    if metadata.get("kind") != "fit":
        _refuse(path, f"it holds a {str(metadata.get('kind'))[:40]!r}, not a training")
    try:
        parameters = unpack(metadata["parameters"], tensors)
        state = FitState(
            optimizer=unpack(metadata["optimizer"], tensors),
            epochs=_count(metadata["epochs"]),
            rows=_count(metadata["rows"]),
            total=float(metadata["total"]),
            shuffles=_checked_shuffles(unpack(metadata["shuffles"], tensors)),
            carry=unpack(metadata.get("carry"), tensors),
            best=_best(metadata.get("best"), tensors),
        )
        history = History(metadata["history"], map(str, metadata.get("history_notes", ())))
        if type(metadata["history"]) is not dict:  # History takes [] for an empty one
            raise TypeError("no history")
        if tensors:
            raise ValueError(f"nothing refers to {min(tensors)!r}")
        interrupted = metadata["interrupted"] is True
    # What a well-formed file with a wrong content can do to the lines above.
    except (
        ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
    ) as reason:  # fmt: skip
        _refuse(path, f"its content is not that of a training ({reason!r})", reason)
    return FitResult(parameters, history, state, state.epochs, interrupted)


def _best(packed: Any, tensors: dict[str, Array]) -> Best | None:
    if packed is None:
        return None
    return Best(
        epoch=_count(packed["epoch"]),
        value=float(packed["value"]),
        parameters=unpack(packed["parameters"], tensors),
        carry=unpack(packed["carry"], tensors),
    )


def _count(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no count")
    return number


def _checked_shuffles(shuffles: Any) -> dict[str, Any] | None:
    """Return the state of a generator if it is one; the name must not lead anywhere else."""
    if shuffles is None:
        return None
    if type(shuffles) is not dict or shuffles["bit_generator"] not in _GENERATORS:
        raise ValueError("no state of a generator")
    kind = getattr(np.random, shuffles["bit_generator"])
    kind(0).state = shuffles
    return shuffles


# ---------------------------------------------------------------------- containers as JSON


def pack(value: Any, name: str, tensors: dict[str, Array]) -> Any:
    """Return containers as JSON, putting their arrays among the tensors.

    Parameters
    ----------
    value : Any
        Dicts, lists and tuples of arrays, floats, integers, texts, None.
    name : str
        What the tensors' names start with.
    tensors : dict of str to ndarray
        Where the arrays go, as they are.

    Raises
    ------
    TypeError
        For what would not come back as it was.
    """
    return _packed(value, (name,), tensors)


def _packed(value: Any, path: tuple[Any, ...], tensors: dict[str, Array]) -> Any:
    kind = type(value)
    if value is None or kind in (float, int, bool, str):
        return value
    if kind is np.ndarray:
        # The layout decides in which order a machine adds up, so it is part of the bits.
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        return {"array": _named(value, path, tensors)} | ({"order": "F"} if fortran else {})
    if isinstance(value, np.generic):
        return {"scalar": _named(np.asarray(value), path, tensors)}
    if kind in (dict, list, tuple) and len(path) <= _DEEPEST:
        if kind is not dict:
            parts = [_packed(part, (*path, k), tensors) for k, part in enumerate(value)]
            return {kind.__name__: parts}
        if all(type(key) in (str, int) for key in value):
            items = value.items()
            return {"dict": [[key, _packed(part, (*path, key), tensors)] for key, part in items]}
    place = path[0] + "".join(f"[{key!r}]" for key in path[1:9])
    raise TypeError(
        f"{place} is a {kind.__name__}, which a checkpoint cannot bring back as it was. It keeps "
        "arrays, floats, integers, texts and None, in lists, tuples and dicts whose keys are "
        f"texts or integers, up to {_DEEPEST} deep."
    )


def _named(array: Array, path: tuple[Any, ...], tensors: dict[str, Array]) -> str:
    plain = ".".join(map(str, path))
    name, k = plain, 1
    while name in tensors:  # {"a": {"b": ...}, "a.b": ...}
        k += 1
        name = f"{plain}#{k}"
    tensors[name] = array
    return name


def unpack(packed: Any, tensors: dict[str, Array]) -> Any:
    """Return what `pack` packed, taking the arrays out of the tensors.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is nothing that `pack` makes.
    """
    if packed is None or type(packed) in (float, int, bool, str):
        return packed
    if type(packed) is not dict or not packed:
        raise TypeError(f"a {type(packed).__name__} where a container ought to be")
    what = next(iter(packed))
    content = packed[what]
    if what == "array":
        # Taken out: two names for one array would be written to as one.
        array = tensors.pop(content)
        return np.asfortranarray(array) if packed.get("order") == "F" else array
    if what == "scalar":
        return tensors.pop(content)[()]
    if type(content) is not list:
        raise TypeError(f"no container: {what!r}")
    if what == "dict":
        made = {key: unpack(part, tensors) for key, part in content}
        if len(made) < len(content) or not all(type(key) in (str, int) for key in made):
            raise ValueError("keys")
        return made
    parts = [unpack(part, tensors) for part in content]
    return {"list": list, "tuple": tuple}[what](parts)


def _refuse(path: Path, why: str, cause: BaseException | None = None) -> NoReturn:
    raise DataFileError(f"{os.fspath(path)} cannot be read as a checkpoint: {why}.") from cause
