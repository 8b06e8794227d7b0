"""Arguments `name=value`: numbers, lists of numbers, files. Nothing is ever evaluated.

A value is a formula without names (`-4`, `1e-3`, `1/3`, `-pi/2`, `[1, 2, 3]`, `[[1, 2], [3, 4]]`),
read by the safe parser, or `@file.npy`, read without pickle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import FormulaError
from .failure import Refused

_NAME = re.compile(r"[^\W\d]\w*")
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def split(words: Sequence[str]) -> dict[str, str]:
    """Return the texts by name of arguments such as `x=-2`.

    Raises
    ------
    Refused
        If an argument has another form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not _NAME.fullmatch(name):
            raise Refused(f"{word!r} is not of the form name=value, such as x=-2.")
        if name in found:
            raise Refused(f"{name} is given twice: {found[name]} and {text}.")
        if not text:
            raise Refused(f"{name}= has no value.")
        found[name] = text
    return found


def read(name: str, text: str, kind: Any = None) -> Any:
    """Return the value that a text stands for.

    Parameters
    ----------
    name : str
        The argument, for messages.
    text : str
        What was typed after the `=`.
    kind : type or str, optional
        The annotation of the function's parameter. For int, bool and str the text is read as that;
        for everything else whole numbers become floats, since integers have no gradient.

    Raises
    ------
    Refused
        If the text stands for no such value.

    Examples
    --------
    >>> read("x", "-4"), read("x", "1/4"), read("n", "3", int)
    (-4.0, 0.25, 3)
    """
    if text.startswith("@"):
        return _array(name, text[1:])
    kind = getattr(kind, "__name__", kind)  # annotations may be texts
    if kind == "str":
        return text
    if kind == "bool":
        if text.lower() not in TRUE + FALSE:
            raise Refused(f"{name}={text}: true or false expected.")
        return text.lower() in TRUE
    if kind == "int":
        try:
            return int(text)
        except ValueError:
            raise Refused(f"{name}={text}: a whole number expected.") from None
    # Imported here: NumPy and the gates, which `--help` does without.
    from ..tracing.formula import parse

    try:
        formula = parse(text)
        if formula.names:
            raise Refused(
                f"{name}={text}: numbers expected, such as {name}=-2, {name}=[1,2,3] or "
                f"{name}=@file.npy."
            )
        return formula.evaluate({})
    except FormulaError as error:
        raise Refused(f"{name}={text}: {error}") from None


def _array(name: str, path: str) -> Any:
    import numpy as np

    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise Refused(f"{name}=@{path}: {error.strerror}.") from None
    except (ValueError, EOFError) as error:
        reason = str(error).partition("\n")[0] or "it ends too early"
        raise Refused(f"{name}=@{path}: not a plain .npy file ({reason}).") from None
    if array.dtype.kind not in "fiub":
        raise Refused(f"{name}=@{path}: numbers expected, not dtype {array.dtype}.")
    return array
