r"""Expressions in LaTeX, with as many parentheses as they need.

A gate's LaTeX is the field `latex` of its record, where `#0` stands for its first input and `#(0)`
for that input in parentheses unless it needs none. Without the field it comes from the syntax tree
of the gate's code: a quotient becomes a fraction, a call \operatorname. Every name and every text
is escaped here; nothing of the user's reaches LaTeX otherwise.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..circuit.columns import CONSTANT, Columns
from ..gates import GATES, Gate
from ..tracing.tape import Tape, recording
from ..tracing.traced import Traced
from . import numbers

RELATION, SUM, PRODUCT, POWER, ATOM = range(5)
"""How tightly an expression holds together, loosest first."""

_SLOT = re.compile(r"#(?:\((\d+)\)|(\d+)|\*)")
_PLACEHOLDER = re.compile(r"\{(\d+|\*|out)\}")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?|\\.")
_NUMBERED = re.compile(r"(?P<base>.*?[A-Za-z])_?(?P<number>\d+)")
_INDEXED = re.compile(r"(?P<base>[A-Za-z])_(?P<word>\w+)")
_MOST_ITEMS = 8  # inputs of one gate, or elements of a list, that are written out
_MOST_GATES = 12  # gates of a rule up to which it is written out
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)
_ALIASES = {"abs": "absolute"}
_ESCAPES = {
    "\\": r"\backslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\wedge{}",
    "~": r"\sim{}",
    " ": r"\ ",
}


@dataclass(frozen=True, slots=True)
class Tex:
    """An expression in LaTeX.

    Parameters
    ----------
    text : str
        Math, without dollars.
    level : int
        How tightly it holds together.
    is_array : bool
        Whether it is an array: the product of two is written with ⊙.
    """

    text: str
    level: int = ATOM
    is_array: bool = False

    @property
    def width(self) -> int:
        """About how many characters wide it is."""
        return len(re.sub(r"[{}_^]|\\[,;!]", "", _COMMAND.sub("x", self.text)))

    def at_least(self, level: int) -> str:
        """Return the text, in parentheses where it holds together less tightly than that."""
        return self.text if self.level >= level else rf"\left({self.text}\right)"


# ---------------------------------------------------------------------- names and numbers


def escaped(text: str) -> str:
    """Return any text so that it stands in math as it is; what is not ASCII becomes "?"."""
    shown = numbers.plain(text, 60)
    return "".join(_ESCAPES.get(c, c if c.isascii() and c.isprintable() else "?") for c in shown)


@functools.lru_cache(maxsize=4096)
def name_tex(name: str) -> str:
    r"""Return a wire's name in LaTeX.

    Examples
    --------
    >>> print(*map(name_tex, ("x", "W1", "alpha", "sigy", "h_2", "w_out", "a_b_c")))
    x W_{1} \alpha \mathit{sigy} h_{2} w_{\mathrm{out}} \mathit{a\_b\_c}
    """
    numbered = _NUMBERED.fullmatch(name)
    if numbered and "_" not in numbered["base"]:
        return f"{_word(numbered['base'])}_{{{numbered['number']}}}"
    indexed = _INDEXED.fullmatch(name)
    if indexed and "_" not in indexed["word"]:
        return rf"{indexed['base']}_{{\mathrm{{{escaped(indexed['word'])}}}}}"
    return _word(name)


def _word(word: str) -> str:
    if _GREEK.fullmatch(word):
        return "\\" + word
    return (
        word
        if len(word) == 1 and word.isascii() and word.isalpha()
        else (rf"\mathit{{{escaped(word)}}}")
    )


def number_tex(value: Any, *, digits: int = 0) -> Tex:
    r"""Return a number as the readings write it, or with so many digits.

    Examples
    --------
    >>> print(number_tex(-0.196612).text, number_tex(4.2e-18).text, number_tex(2.0, digits=6).text)
    -0.20 4.2 \times 10^{-18} 2
    """
    text = numbers.brief(value, digits) if digits else numbers.number(value)
    special = {"nan": r"\mathrm{nan}", "inf": r"\infty", "-inf": r"-\infty"}.get(text)
    if special is None:
        mantissa, e, exponent = text.partition("e")
        if e and exponent.lstrip("+-").isdigit():
            text = rf"{mantissa} \times 10^{{{int(exponent)}}}"
        elif not text.lstrip("-").replace(".", "").isdigit():
            text = rf"\text{{{escaped(text)}}}"  # True, or an integer of many bits
        special = text
    level = SUM if special.startswith("-") else PRODUCT if r"\times" in special else ATOM
    return Tex(special, level)


# ---------------------------------------------------------------------- gates


def of_gate(
    gate: Gate, settings: Mapping[str, Any], inputs: Sequence[Tex], *, is_array: bool = False
) -> Tex:
    """Return a gate over its inputs."""
    if gate.latex:
        template = gate.latex if isinstance(gate.latex, str) else gate.latex(**settings)
        return of_template(template, inputs, is_array=is_array)
    names = {f"_{k}_": tex for k, tex in enumerate(inputs)}
    try:
        tree = _parsed(gate.expression(dict(settings)), len(inputs))
    except (SyntaxError, ValueError):  # a setting that is not written as source
        return _called(gate.name, [tex.text for tex in inputs])
    found = of_tree(tree, names)
    return Tex(found.text, found.level, is_array)


def of_template(template: str, inputs: Sequence[Tex], *, is_array: bool = False) -> Tex:
    r"""Return a template with its inputs: `\frac{#0}{#1}`.

    A minus sign, a sum or a product in it, outside all brackets, says how tightly it holds.
    """

    def slot(match: re.Match[str]) -> str:
        if match[0] == "#*":
            return ", ".join(tex.text for tex in inputs)
        if match[1] is not None:
            return inputs[int(match[1])].at_least(ATOM)
        return inputs[int(match[2])].text

    if template in ("#0",):
        return inputs[0]
    return Tex(_SLOT.sub(slot, template), _level(template), is_array)


@functools.lru_cache(maxsize=512)
def _level(template: str) -> int:
    """Return how tightly a template holds together, from its signs outside all brackets."""
    depth, level = 0, ATOM
    text = (
        template.replace(r"\left", "").replace(r"\right", "").replace(r"\{", "").replace(r"\}", "")
    )
    for sign in re.findall(r"\\[A-Za-z]+|\\.|.", text):
        if sign in "{([" or sign in (r"\lfloor", r"\lceil", r"\begin"):
            depth += 1
        elif sign in "})]" or sign in (r"\rfloor", r"\rceil", r"\end"):
            depth -= 1
        elif depth == 0:
            # What \sum reaches over is not seen, so it stands in parentheses wherever it is a part.
            if sign in (
                "<",
                ">",
                "=",
                r"\le",
                r"\ge",
                r"\ne",
                r"\wedge",
                r"\vee",
                r"\lnot",
                r"\sum",
                r"\prod",
                r"\bmod",
            ):
                level = min(level, RELATION)
            elif sign in ("+", "-"):
                level = min(level, SUM)
            elif sign in (r"\,", r"\cdot", r"\odot", r"\otimes"):
                level = min(level, PRODUCT)
            elif sign in ("^", "_"):
                level = min(level, POWER)
    return level


@functools.lru_cache(maxsize=1024)
def _parsed(template: str, count: int) -> ast.expr:
    def slot(match: re.Match[str]) -> str:
        if match[1] == "*":
            return ", ".join(f"_{k}_" for k in range(count))
        return f"_{match[1]}_"

    return ast.parse(_PLACEHOLDER.sub(slot, template), mode="eval").body


# ---------------------------------------------------------------------- syntax trees

_RELATIONS: dict[type, str] = {
    ast.Lt: "<",
    ast.LtE: r"\le",
    ast.Gt: ">",
    ast.GtE: r"\ge",
    ast.Eq: "=",
    ast.NotEq: r"\ne",
}
_BITS: dict[type, str] = {
    ast.BitAnd: r"\wedge",
    ast.BitOr: r"\vee",
    ast.BitXor: r"\oplus",
    ast.Mod: r"\bmod",
}


def of_tree(node: ast.expr, names: Mapping[str, Tex]) -> Tex:
    """Return a small expression; the names are those of its placeholders."""
    if isinstance(node, ast.Name):
        return names.get(node.id) or Tex(rf"\mathrm{{{escaped(node.id)}}}")
    if isinstance(node, ast.Constant):
        if type(node.value) in (int, float):
            return number_tex(node.value, digits=6)
        return Tex(rf"\text{{{_in_text(str(node.value))}}}")
    if isinstance(node, ast.UnaryOp):
        inner = of_tree(node.operand, names)
        if isinstance(node.op, ast.USub):
            return Tex(f"-{inner.at_least(PRODUCT)}", SUM, inner.is_array)
        if isinstance(node.op, ast.UAdd):
            return inner
        return Tex(rf"\lnot {inner.at_least(ATOM)}", RELATION, inner.is_array)
    if isinstance(node, ast.BinOp):
        return binary(node.op, of_tree(node.left, names), of_tree(node.right, names))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = of_tree(node.left, names), of_tree(node.comparators[0], names)
        sign = _RELATIONS.get(type(node.ops[0]), r"\sim")
        return Tex(f"{left.at_least(SUM)} {sign} {right.at_least(SUM)}", RELATION)
    if isinstance(node, ast.Attribute):
        if node.attr == "T":
            return Tex(rf"{of_tree(node.value, names).at_least(ATOM)}^{{\top}}", POWER, True)
        return Tex(rf"\mathrm{{{escaped(node.attr)}}}")
    if isinstance(node, ast.Subscript):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "s_":  # np.s_[1:, 0]
            return Tex(rf"\left[{_index(node.slice, names)}\right]")
        inner = of_tree(node.value, names)
        base = inner.at_least(POWER if "_" not in inner.text else ATOM)
        return Tex(rf"{{{base}}}_{{{_index(node.slice, names)}}}", POWER, inner.is_array)
    if isinstance(node, (ast.Tuple, ast.List)):
        items = [of_tree(item, names).text for item in node.elts[:_MOST_ITEMS]]
        rest = [r"\ldots"] if len(node.elts) > _MOST_ITEMS else []
        return Tex(rf"\left({', '.join(items + rest)}\right)", ATOM, True)
    if isinstance(node, ast.Call):
        return _call(node, names)
    return Tex(rf"\text{{{_in_text(ast.unparse(node))}}}")


def binary(operator: ast.operator, left: Tex, right: Tex) -> Tex:
    """Return two expressions joined by an operator of Python's."""
    both = left.is_array and right.is_array
    some = left.is_array or right.is_array
    if isinstance(operator, ast.Add):
        return Tex(f"{left.at_least(SUM)} + {_second(right, SUM)}", SUM, some)
    if isinstance(operator, ast.Sub):
        return Tex(f"{left.at_least(SUM)} - {_second(right, PRODUCT)}", SUM, some)
    if isinstance(operator, ast.Mult):
        return product([left, right])
    if isinstance(operator, ast.Div):
        if left.text.startswith("-") and _level(left.text[1:]) >= PRODUCT:
            # Python reads -x / y as (-x) / y; people write the minus before the fraction.
            return Tex(rf"-\frac{{{left.text[1:]}}}{{{right.text}}}", SUM, some)
        return Tex(rf"\frac{{{left.text}}}{{{right.text}}}", ATOM, some)
    if isinstance(operator, ast.Pow):
        whole = r"\frac" not in left.text and (
            r"\left" not in left.text or left.text.startswith(r"\left")
        )
        base = left.at_least(ATOM) if whole else rf"\left({left.text}\right)"
        return Tex(f"{base}^{{{right.text}}}", POWER, some)
    if isinstance(operator, ast.MatMult):
        return Tex(rf"{left.at_least(PRODUCT)}\,{right.at_least(POWER)}", PRODUCT, both)
    if isinstance(operator, ast.FloorDiv):
        return Tex(rf"\left\lfloor \frac{{{left.text}}}{{{right.text}}} \right\rfloor", ATOM, some)
    sign = _BITS.get(type(operator), r"\star")
    return Tex(f"{left.at_least(POWER)} {sign} {right.at_least(POWER)}", RELATION, some)


def product(factors: Sequence[Tex]) -> Tex:
    r"""Return a product: a number in front by a thin space, arrays by \odot, the rest by \cdot."""
    text = factors[0].at_least(PRODUCT)
    arrays = factors[0].is_array
    for before, factor in itertools.pairwise(factors):
        after = _second(factor, PRODUCT)
        if arrays and factor.is_array:
            joint = r" \odot "
        elif re.fullmatch(r"-?[\d.]+", before.text) and not re.match(r"[\d-]", after):
            joint = r"\,"
        else:
            joint = r" \cdot "
        text += joint + after
        arrays = arrays or factor.is_array
    return Tex(text, PRODUCT, arrays)


def _second(tex: Tex, level: int) -> str:
    """Return what follows a sign: a leading minus gets its parentheses."""
    return tex.at_least(ATOM) if tex.text.startswith("-") else tex.at_least(level)


def _call(node: ast.Call, names: Mapping[str, Tex]) -> Tex:
    inputs = [of_tree(part, names) for part in node.args[:_MOST_ITEMS]]
    rest = [r"\ldots"] if len(node.args) > _MOST_ITEMS else []
    called = node.func
    if isinstance(called, ast.Attribute):
        word = called.attr
        owner = called.value
        while isinstance(owner, ast.Attribute):
            owner = owner.value
        if not (isinstance(owner, ast.Name) and owner.id in ("np", "math")):
            inputs.insert(0, of_tree(called.value, names))  # a method: x.sum()
    elif isinstance(called, ast.Name):
        word = called.id
    else:
        return Tex(rf"\text{{{_in_text(ast.unparse(node))}}}")
    gate = GATES.get(_ALIASES.get(word, word))
    is_array = any(tex.is_array for tex in inputs)
    if gate is not None and isinstance(gate.latex, str) and gate.latex and not node.keywords:
        slots = [int(a or b) for a, b in _SLOT.findall(gate.latex) if a or b]
        if len(inputs) == max(slots, default=-1) + 1:
            return of_template(gate.latex, inputs, is_array=is_array)
    texts = [tex.text for tex in inputs] + rest
    for keyword in node.keywords:
        name = escaped(keyword.arg or "")
        texts.append(rf"\mathrm{{{name}}} = {of_tree(keyword.value, names).text}")
    return _called(word, texts)


def _called(word: str, texts: Sequence[str]) -> Tex:
    shown = [*texts[:_MOST_ITEMS], *([r"\ldots"] if len(texts) > _MOST_ITEMS else [])]
    return Tex(rf"\operatorname{{{escaped(word)}}}\left({', '.join(shown)}\right)", ATOM, True)


def _index(node: ast.expr, names: Mapping[str, Tex]) -> str:
    if isinstance(node, ast.Tuple):
        return ", ".join(_index(part, names) for part in node.elts)
    if isinstance(node, ast.Slice):
        ends = ["" if e is None else of_tree(e, names).text for e in (node.lower, node.upper)]
        step = "" if node.step is None else "{:}" + of_tree(node.step, names).text
        return "{:}".join(ends) + step
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return r"\ldots"
    return of_tree(node, names).text


def _in_text(text: str) -> str:
    r"""Return text for \text{...}, which is not math."""
    special = {
        "\\": r"\textbackslash{}",
        "^": r"\^{}",
        "~": r"\~{}",
        "<": "$<$",
        ">": "$>$",
        '"': "''",
    }
    shown = numbers.plain(text, 60)
    return "".join(
        special.get(c) or (f"\\{c}" if c in "{}$&#%_" else c if c.isascii() else "?") for c in shown
    )


# ---------------------------------------------------------------------- rules


def of_rule(
    columns: Columns, row: int, index: int, wire: Callable[[int], Tex], upstream: Tex, given: Any
) -> Tex | None:
    """Return the slope along one input, or a structural gate's gradient, as an expression.

    Parameters
    ----------
    columns : Columns
        The recorded gates.
    row, index : int
        The gate's row, and which input.
    wire : callable
        `wire(row)` is how a wire is written.
    upstream : Tex
        How the gradient that arrives is written.
    given : float or ndarray
        That gradient.

    Returns
    -------
    Tex or None
        None where it would be too long to read.
    """
    gate, inputs = columns.gates[row], columns.inputs(row)
    if gate.slope:
        names = {f"_{k}_": wire(source) for k, source in enumerate(inputs)} | {"_out_": wire(row)}
        return of_tree(_parsed(gate.slope[index], len(inputs)), names)
    tape = Tape(Traced, with_sites=False)
    texts: list[Tex] = []

    def lifted(value: Any, tex: Tex) -> Any:
        texts.append(tex)
        return tape.input(value)

    known: dict[int, Any] = {}
    for k in inputs:
        if k not in known:
            constant = columns.gates[k] is CONSTANT
            known[k] = columns.values[k] if constant else lifted(columns.values[k], wire(k))
    arguments = [known[k] for k in inputs]
    out = lifted(columns.values[row], wire(row))
    is_local, rule = gate.rule(index)
    with np.errstate(all="ignore"), recording(tape):
        if is_local:
            result = rule(out, *arguments, **columns.settings_of(row))
        else:
            g = lifted(given, upstream)
            result = rule(g, out, *arguments, **columns.settings_of(row))
    if not isinstance(result, Traced):
        return number_tex(result, digits=6) if numbers.is_number(result) else None
    if len(tape) - len(texts) > _MOST_GATES:
        return None
    constants = {id(columns.values[k]): k for k in inputs if columns.gates[k] is CONSTANT}
    for part in range(len(texts), len(tape)):
        value = tape.values[part]
        if tape.gates[part] is CONSTANT:
            if numbers.is_number(value):
                texts.append(number_tex(value, digits=6))
            elif id(value) in constants:
                texts.append(wire(constants[id(value)]))
            else:
                texts.append(Tex(r"\mathrm{const}", ATOM, True))
            continue
        parts = [texts[k] for k in tape.inputs(part)]
        many = np.ndim(value) > 0
        texts.append(of_gate(tape.gates[part], tape.settings_of(part), parts, is_array=many))
    return texts[result._current()]
