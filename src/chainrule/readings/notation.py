"""How the gradient on a wire is spelled: dz, df/dz, or ∇z.

The lecture's code says `dz`, its blackboard df/dz, Nielsen's book nabla. A notation changes the
words, the code, the LaTeX and the pictures alike, and nothing else: never a number, never the keys
of the gradients. To add a spelling, add one entry to `NOTATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notation:
    """One way to write the gradient of an output by a wire.

    Parameters
    ----------
    name : str
        What a user passes as `notation=`.
    _text, _identifier, _latex : callable
        The spelling, from the names of the wire and of the output.
    """

    name: str
    _text: Callable[[str, str], str]
    _identifier: Callable[[str, str], str]
    _latex: Callable[[str, str], str]

    def text(self, wire: str, output: str = "f") -> str:
        """Return the gradient in a sentence, a picture or a table.

        Examples
        --------
        >>> [notation_of(name).text("z") for name in NOTATIONS]
        ['dz', 'df/dz', '∇z']
        """
        return self._text(wire, output)

    def term(self, wire: str, output: str = "f") -> str:
        """Return the gradient inside a formula: in parentheses where it is a quotient."""
        text = self._text(wire, output)
        return f"({text})" if "/" in text else text

    def identifier(self, wire: str, output: str = "f") -> str:
        """Return the gradient as a variable of emitted code.

        Examples
        --------
        >>> [notation_of(name).identifier("z", "cost") for name in NOTATIONS]
        ['dz', 'dcost_dz', 'nabla_z']
        """
        return self._identifier(wire, output)

    def heading_for(self, output: str = "f") -> str:
        """Return what stands over a column of gradients: "gradient", df/d·, ∇·."""
        return "gradient" if self.name == "dz" else self._text("·", output)

    def latex(self, wire: str, output: str = "f") -> str:
        r"""Return the gradient in LaTeX, from names that are LaTeX already.

        Examples
        --------
        >>> print(*(notation_of(name).latex("z") for name in NOTATIONS))
        \mathrm{d}z \frac{\partial f}{\partial z} \nabla_{z} f
        """
        return self._latex(wire, output)


NOTATIONS: dict[str, Notation] = {
    notation.name: notation
    for notation in (
        Notation(
            "dz",
            lambda wire, output: f"d{wire}",
            lambda wire, output: f"d{wire}",
            lambda wire, output: rf"\mathrm{{d}}{wire}",
        ),
        Notation(
            "df/dz",
            lambda wire, output: f"d{output}/d{wire}",
            lambda wire, output: f"d{output}_d{wire}",
            lambda wire, output: rf"\frac{{\partial {output}}}{{\partial {wire}}}",
        ),
        Notation(
            "nabla",
            lambda wire, output: f"∇{wire}",
            lambda wire, output: f"nabla_{wire}",
            lambda wire, output: rf"\nabla_{{{wire}}} {output}",
        ),
    )
}
"""The spellings, by what a user passes; the first is the default."""

DZ = NOTATIONS["dz"]


def notation_of(name: str | Notation) -> Notation:
    """Return a notation by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if isinstance(name, Notation):
        return name
    if name not in NOTATIONS:
        known = ", ".join(map(repr, NOTATIONS))
        raise ValueError(f"notation must be one of {known}, not {name!r}")
    return NOTATIONS[name]


def gradient_name(wire: str, notation: str = "dz", output: str = "f") -> str:
    """Return how the gradient on a wire is called, in plain text.

    Parameters
    ----------
    wire : str
        The wire's name.
    notation : {"dz", "df/dz", "nabla"}
        The spelling.
    output : str
        The output's name, which df/dz shows.

    Examples
    --------
    >>> gradient_name("W1", "df/dz", "cost")
    'dcost/dW1'
    """
    return notation_of(notation).text(wire, output)
