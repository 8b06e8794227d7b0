"""How a reading writes a value: two decimals where that tells the truth, more where it does not.

The readings for people (words, table) share these. The lecture writes 0.20 for 0.196612, and so do
we; but 0.00 never stands for a number that is not zero. A zero is written 0, also the negative one.
An array is written as its shape and a small statistic.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

_COARSEST = 0.125  # the relative error up to which two decimals tell the truth
_LARGE = 1e9  # from here on two decimals say nothing
_LONGEST_INTEGER = 15  # digits of a Python int that are written out


def number(value: Any) -> str:
    """Return a number as the lecture writes it.

    Examples
    --------
    >>> [number(v) for v in (0.196612, -12.0, 0.0042, 4.2483542552915889e-18, -0.0, float("nan"))]
    ['0.20', '-12.00', '0.0042', '4.25e-18', '0', 'nan']
    """
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return brief(value)
    x = float(value)
    if x == 0:
        return "0"
    if not math.isfinite(x):
        return str(x)
    if abs(x) >= _LARGE:
        return f"{x:.6g}"
    if abs(round(x, 2) - x) <= _COARSEST * abs(x):
        return f"{x:.2f}"
    return f"{x:.3g}"


def brief(value: Any, digits: int = 6) -> str:
    """Return a number without needless zeros: a constant, or one side of a comparison.

    Examples
    --------
    >>> [brief(v) for v in (2.0, -1, 0.1, 1 / 3, True)]
    ['2', '-1', '0.1', '0.333333', 'True']
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        whole = int(value)
        # Python refuses to write an int of more than 4300 digits.
        if whole.bit_length() > 3 * _LONGEST_INTEGER:
            return f"an integer of {whole.bit_length()} bits"
        return str(whole)
    x = float(value)
    return "0" if x == 0 else f"{x:.{digits}g}"


def apart(values: Sequence[Any]) -> list[str]:
    """Return numbers with as many digits as it takes to tell them apart.

    Examples
    --------
    >>> apart([2.0, -1.0]), apart([2.0, 2.0000001]), apart([0.7310585786, 0.5])
    (['2', '-1'], ['2', '2.0000001'], ['0.731', '0.5'])
    """
    different = len({float(v) for v in values})
    texts: list[str] = []
    for digits in (3, 6, 9, 12, 17):
        texts = [brief(v, digits) for v in values]
        if len(set(texts)) >= different:
            break
    return texts


def exact(value: Any) -> str:
    """Return a number to six digits, as a table shows it."""
    return brief(value, 6)


def is_number(value: Any) -> bool:
    """Return whether a value is one number, not an array with axes."""
    return np.ndim(value) == 0


def is_zero(value: Any) -> bool:
    """Return whether a gradient is nothing at all: None, or zero everywhere."""
    return value is None or not np.any(value)


def statistic(array: Any) -> str:
    """Return the range of an array's elements in a few words.

    Examples
    --------
    >>> statistic(np.array([1.0, -2.0])), statistic(np.zeros(3)), statistic(np.array([True, False]))
    ('-2.00 to 1.00', 'all 0', '1 of 2 True')
    """
    array = np.asarray(array)
    if array.size == 0:
        return "empty"
    if array.dtype.kind == "b":
        return f"{np.count_nonzero(array)} of {array.size} True"
    odd = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    strays = int(np.count_nonzero(odd))
    if strays == array.size:
        return "all nan"
    low, high = np.min(array[~odd]), np.max(array[~odd])
    text = f"all {number(low)}" if low == high else f"{number(low)} to {number(high)}"
    if strays:
        text = f"{text.removeprefix('all ')}, {strays} of {array.size} nan"
    return text


def length(array: Any) -> float:
    """Return the Euclidean norm of an array's elements; a number's magnitude."""
    if type(array) is float:
        return abs(array)
    with np.errstate(all="ignore"):
        flat = np.ravel(np.asarray(array, np.float64))
        # Scaled by the largest element, because the squares could overflow or underflow.
        largest = float(np.max(np.abs(flat), initial=0.0))
        if largest == 0 or not math.isfinite(largest):
            return largest
        return largest * float(np.linalg.norm(flat / largest))


def norm(array: Any) -> str:
    """Return the Euclidean norm of an array's elements, written as a number."""
    return number(length(array))


def shape(value: Any) -> str:
    """Return the shape of an array as Python writes it."""
    return str(tuple(np.shape(value)))


def value_text(value: Any) -> str:
    """Return a value in a sentence: a number, or an array's shape and range."""
    if is_number(value):
        return number(value)
    return f"shape {shape(value)}, {statistic(value)}"


def plain(text: str, most: int = 200) -> str:
    """Return text of the user's without what could disturb a terminal or a page.

    Control characters, line ends and marks that turn the direction of writing are left out.
    """
    spaced = "".join(" " if character.isspace() else character for character in text)
    # Category C: control characters, format characters such as U+202E, halves of surrogates.
    kept = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return shortened(" ".join(kept.split()), most)


def shortened(text: str, most: int) -> str:
    """Return text of at most that many characters, dots in place of what was cut.

    Examples
    --------
    >>> shortened("x * y * z", 7)
    'x * ...'
    """
    return text if len(text) <= most else text[: max(most - 3, 0)] + "..."[:most]


def listed(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them.

    Examples
    --------
    >>> listed(["x"]), listed(["x", "y"]), listed(["x", "y", "z"])
    ('x', 'x and y', 'x, y and z')
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def clauses(phrases: Sequence[str]) -> str:
    """Return phrases as a sentence lists them, told apart by more than a comma if they have one."""
    if len(phrases) < 2:
        return "".join(phrases)
    joint = "; " if any("," in phrase for phrase in phrases) else ", "
    return f"{joint.join(phrases[:-1])}{joint}and {phrases[-1]}"
