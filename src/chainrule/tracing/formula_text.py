"""The text of a formula: which characters it may hold, its statements, how it is pointed at.

To accept another sign of paper as a hint, add it to `_SIGNS`.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from dataclasses import dataclass
from typing import NoReturn

from ..errors import FormulaError

CHARACTERS = 10_000
BRACKETS = 100


def pointing(message: str, text: str, place: tuple[int, int]) -> str:
    """Return the message over the line of the formula, with a caret under the place."""
    number, column = place
    lines = text.split("\n")
    line = lines[min(max(number, 1), len(lines)) - 1]
    column = min(max(column, 0), len(line))
    start = max(0, column - 60)
    shown = ("…" if start else "") + line[start : start + 100]
    shown += "…" if len(line) > start + 100 else ""
    caret = " " * (column - start + (1 if start else 0)) + "^"
    return f"{message}\n    {shown}\n    {caret}"


def refuse(message: str, text: str, place: tuple[int, int]) -> NoReturn:
    """Raise a FormulaError that points at the place, a line from 1 and a column from 0."""
    raise FormulaError(pointing(message, text, place))


def lookalike(name: str) -> str:
    """Name the letters that are not ASCII: a Cyrillic letter can look like a Latin one."""
    strange = [c for c in name if not c.isascii()]
    return (
        f" ({name!r} holds {unicodedata.name(strange[0], 'an unnamed letter')})" if strange else ""
    )


_SIGNS = {
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "√": "sqrt(...)",
    "²": "** 2",
    "³": "** 3",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "∞": "inf",
}
_PLAIN = frozenset(c for c in map(chr, range(32, 127)) if c not in "\\`$?'\"")


def clean(text: str) -> str:
    """Return the text without comments and surrounding blanks, every character checked.

    Raises
    ------
    FormulaError
        If the text is too long or holds a character that is no part of a formula.
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a str, not {type(text).__name__}")
    if len(text) > CHARACTERS:
        raise FormulaError(
            f"a formula of {len(text):,} characters, where {CHARACTERS:,} are allowed; "
            "write a Python function instead"
        )
    # A formula has no blocks, so indentation means nothing.
    lines = text.replace("\r\n", "\n").replace("\t", " ").split("\n")
    text = "\n".join(line.partition("#")[0].strip(" ") for line in lines).strip("\n")
    _check_characters(text)
    return text


def _check_characters(text: str) -> None:
    """Refuse characters that are no part of a formula, and letters that Python reads as others."""
    line, start = 1, 0
    for index, character in enumerate(text):
        if character == "\n":
            line, start = line + 1, index + 1
        if character == "\n" or character in _PLAIN:
            continue
        place = (line, index - start)
        if character in _SIGNS:
            refuse(f"{character!r} in a formula; write {_SIGNS[character]}", text, place)
        if character in "'\"":
            refuse("a formula has no text; write names without quotes", text, place)
        name = unicodedata.name(character, "a control character")
        if character.isascii() or not ("a" + character).isidentifier():
            refuse(
                f"the character {character!a} ({name}) in a formula; write letters, digits, "
                "+ - * / ** % @ and brackets",
                text,
                place,
            )
        # Python's parser would read the mathematical bold "exp" as "exp".
        if unicodedata.normalize("NFKC", character) != character:
            refuse(
                f"Python would read {character!a} ({name}) as "
                f"{unicodedata.normalize('NFKC', character)!a}; write that",
                text,
                place,
            )
    if unicodedata.normalize("NFKC", text) != text:
        raise FormulaError("a letter and its accent as two characters; write the one that is both")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: a tree, where its text begins, and the name it gives its value, if any."""

    tree: ast.expr
    place: tuple[int, int]
    name: str | None


_SYMBOL = re.compile(
    r"(?P<augmented>(\*\*|//|<<|>>|[-+*/%@&|^])=)|[=!<>:]=|(?P<equals>=)"
    r"|(?P<opening>[(\[{])|(?P<closing>[)\]}])|(?P<end>[;\n]|\Z)"
)


def statements_of(text: str) -> list[Statement]:
    """Return the statements of a formula, each read by Python's parser; nothing is compiled or run.

    They are told apart here, at `;` and line ends outside brackets, so that the parser is asked
    for expressions only. Asked for a whole program, CPython looks for the line of an error in a
    file of the name it was given, and would read it.
    """
    found: list[Statement] = []
    opened: list[int] = []
    start, equals = 0, -1
    for symbol in _SYMBOL.finditer(text):
        at = symbol.start()
        if symbol["opening"]:
            opened.append(at)
            if len(opened) > BRACKETS:
                refuse(_TOO_DEEP, text, _place(text, at))
        elif symbol["closing"]:
            if not opened:
                refuse(f"{symbol.group()!r} closes nothing", text, _place(text, at))
            opened.pop()
        elif opened:
            continue
        elif symbol["augmented"]:
            refuse("a formula has no += and the like; write q = q + x", text, _place(text, at))
        elif symbol["equals"]:
            if equals >= 0 or not text[start:at].strip().isidentifier():
                what = "only a single name can be given a value: q = x + y"
                refuse(what, text, _place(text, at))
            equals = at
        elif symbol["end"] is not None:
            if text[start:at].strip():
                name = text[start:equals].strip() if equals >= 0 else None
                found.append(_statement(text, equals + 1 if name else start, at, name))
            start, equals = at + 1, -1
    if opened:
        refuse(f"{text[opened[-1]]!r} is never closed", text, _place(text, opened[-1]))
    return found


def _place(text: str, index: int) -> tuple[int, int]:
    """Return the line, from 1, and the column, from 0, of an index into the text."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index) - 1


def _statement(text: str, start: int, end: int, name: str | None) -> Statement:
    """Read one statement."""
    part = text[start:end].strip(" ")
    line, column = _place(text, start + text[start:end].find(part))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 0x1for: refused below anyway
            return Statement(ast.parse(part, "<formula>", "eval").body, (line, column), name)
    except SyntaxError as error:
        # Versions differ in how far right of the end they may point, and some do not point.
        down, right = (error.lineno or 1) - 1, (error.offset or 1) - 1
        place = (line + down, right if down else column + right)
        reason = error.msg
    except (RecursionError, MemoryError):
        refuse(_TOO_DEEP, text, (line, column))
    refuse(_explained(reason, part), text, place)


def _explained(reason: str, part: str) -> str:
    """Return what a SyntaxError of Python's means for someone who wrote a formula."""
    if "integer string conversion" in reason:
        return "a number of thousands of digits; write it as 1e300"
    if "parenthes" in reason:
        return f"this is no formula: {reason}"
    if not part:
        return "a name is given no value; write q = x + y"
    words = _WORDS_DONE_WITHOUT.intersection(re.findall(r"\w+", part))
    if words:
        word = min(words)
        return f"{word!r} is a word of Python's, not of formulas; if it is a name, write {word}_"
    if re.search(r"\d[A-Za-z_]", part):
        return "a product needs its sign: 2 * x"
    if "|" in part:
        return "a formula has no |; write abs(x) for |x|"
    if "!" in part.replace("!=", ""):
        return "a formula has no factorial; write the product"
    return "this is no formula; is a sign missing, as in 2 * x, or a value, as in x + ?"


_TOO_DEEP = "the formula is nested too deeply; name its parts: q = x + y; q * z"
_WORDS_DONE_WITHOUT = frozenset(keyword.kwlist) - {"if", "else", "and", "or", "not"}
