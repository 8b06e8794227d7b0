"""What people hold in their hands: a circuit at a point, with everything that can be read off it.

`trace` makes one. Each reading and machine is a method here and a module of its own elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..circuit.circuit import Circuit
from ..errors import DtypeError, did_you_mean
from ..readings.notation import notation_of
from ..tracing.record import record
from ..tracing.record_formula import record_formula
from ..tracing.sites import for_users, here
from .point import Point

if TYPE_CHECKING:
    from ..debugging.steps import Steps
    from ..readings.entries import Ledger


class TracedCircuit(Point):
    """A circuit at a point. Made by `trace`; never by hand."""

    _source: Callable[..., Any] | str

    def __str__(self) -> str:
        return self.table()

    # ------------------------------------------------------------------ elsewhere

    def at(self, *args: Any, **changed: Any) -> TracedCircuit:
        """Trace the same function at another point.

        Parameters
        ----------
        *args
            New positional arguments, from the first on.
        **changed
            Arguments by name; those not named keep their values.
        """
        values = {a.name: a.tree.build(a.leaves) for a in self.arguments}
        names = list(values)
        if len(args) > len(names):
            raise TypeError(f"{here()}{self.title} takes {len(names)} arguments, not {len(args)}")
        for name, value in [*zip(names, args, strict=False), *changed.items()]:
            if name not in values:
                raise TypeError(
                    f"{here()}{self.title} has no argument {name!r}.{did_you_mean(name, names)}"
                )
            values[name] = value
        if isinstance(self._source, str):
            return trace(self._source, **values)
        positional = [values[a.name] for a in self.arguments if not a.keyword]
        keywords = {a.name: values[a.name] for a in self.arguments if a.keyword}
        return trace(self._source, *positional, **keywords)

    # ------------------------------------------------------------------ readings

    def code(self, style: str = "module", *, notation: str = "dz") -> str:
        """Return the backward pass as source code.

        Parameters
        ----------
        style : {"module", "listing"}
            "module": a module that defines `forward_backward(...) -> (value, gradients)` and needs
            only math or NumPy. "listing": the hand-staged form at this point, lines numbered.
        notation : {"dz", "df/dz", "nabla"}
            How gradients are called: the variables dz, df_dz or nabla_z.

        Raises
        ------
        NotScalarError
            If the function did not return one number.
        """
        self._scalar_output()
        if style == "module":
            from ..readings.code import module

            return module(self, notation_of(notation))
        if style == "listing":
            from ..readings.listing import listing

            return listing(self, notation_of(notation))
        raise ValueError(f"{here()}style must be 'module' or 'listing', not {style!r}")

    def words(self, *, notation: str = "dz") -> str:
        """Return a sentence for each gate from its actual numbers, forward and backward.

        `notation` says how gradients are called: "dz", "df/dz" or "nabla".
        """
        from ..readings.words import words

        return words(self, self._gradients_or_none(), notation=notation_of(notation))

    def table(self, *, notation: str = "dz") -> str:
        """Return a table of the wires: name, gate, value, gradient, line.

        `notation` says what stands over the gradients: "dz", "df/dz" or "nabla".
        """
        from ..readings.table import table

        return table(self, self._gradients_or_none(), notation=notation_of(notation))

    def latex(
        self,
        *,
        parts: Sequence[str] = ("formula", "forward", "local", "chain"),
        notation: str = "dz",
        document: bool = False,
        most: int = 60,
    ) -> str:
        """Return the circuit in LaTeX: formula, forward pass, local gradients, chain rule.

        Parameters
        ----------
        parts : sequence of {"formula", "forward", "local", "chain"}
            What to write. A circuit that gives no single number has the first two only.
        notation : {"dz", "df/dz", "nabla"}
            How gradients are called.
        document : bool
            Whether to put a whole article around it; else it needs the package amsmath.
        most : int
            How many lines a part has at most; those in the middle are left out.
        """
        from ..readings.latex import latex

        chosen = notation_of(notation)
        gradients = self._gradients_or_none()
        return latex(self, gradients, parts=parts, notation=chosen, document=document, most=most)

    def steps(self, *, notation: str = "dz") -> Steps:
        """Return the backward pass gate by gate, to be walked forward and back.

        Examples
        --------
        >>> steps = trace("(x + y) * z", x=-2, y=5, z=-4).steps()
        >>> for step in steps:
        ...     print(step.upstream, {a.wire: a.after for a in step.added})
        1.0 {'t1': -4.0, 'z': 3.0}
        -4.0 {'x': -4.0, 'y': -4.0}
        """
        from ..debugging.steps import Steps

        self._scalar_output()
        return Steps(self, notation_of(notation))

    def ledger(self, wire: str | None = None, *, largest: int = 10, notation: str = "dz") -> Ledger:
        """Return why a gradient is this number: its contributions by path, or by block and layer.

        Parameters
        ----------
        wire : str, optional
            The wire's name; an element as "w[0]". Without one: the gradient's norm at every named
            wire, and the gain from layer to layer.
        largest : int
            How many contributions are listed, the largest first.
        notation : {"dz", "df/dz", "nabla"}
            How gradients are called.
        """
        from ..readings.ledger import ledger

        self._scalar_output()
        return ledger(
            self,
            self._gradients_or_none(),
            wire,
            self.row,
            largest=largest,
            notation=notation_of(notation),
        )

    def picture(self, **options: Any) -> Any:
        """Return a picture: `.svg`, `.text`, `.save("x.svg|png|html|txt")`.

        Parameters
        ----------
        theme : {"light", "dark", "safe"}
            The colours; those of "safe" the colour-blind can tell apart.
        sigmoid : {None, "gate", "parts"}
            None draws sigmoids as they were written, "gate" each as one gate, "parts" each taken
            apart.
        group : {"auto", None, "line", "name", "function", "layer"}
            How to draw several gates as one box; "auto" does so where there are more than `most`.
        most : int
            How many gates "auto" draws one by one; 200 unless told.
        width : int
            Of the text in characters; 100 unless told.
        wrap : {"auto", None} or float
            From which width in pixels on a drawing is broken into bands; "auto" breaks those that
            are long and low, such as a loop.
        notation : {"dz", "df/dz", "nabla"}
            How gradients are called in the text that goes with the picture, and on the page.
        """
        from ..readings.picture.picture import Picture

        gradients = self._gradients_or_none()

        def page(svg: str) -> str:
            from ..readings.html_picture import html_page

            return html_page(self, gradients, svg, notation_of(options.get("notation", "dz")))

        return Picture(self, gradients, page=page, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows: the picture, LaTeX, text."""
        from ..readings.notebook import bundle, image

        picture = self.picture()
        kinds = {
            "text/html": lambda: image(picture.svg, self.words()),
            "image/svg+xml": lambda: picture.svg,
            "text/latex": self.latex,
            "text/plain": lambda: str(self),
        }
        return bundle(kinds, include, exclude)

    def machine(self, name: str = "interpret") -> Callable[..., Any]:
        """Return a function of the arguments that gives (value, gradients) on a machine.

        Parameters
        ----------
        name : {"interpret", "staged", "native"}
            "interpret" is the reference, one gate at a time; "staged" executes `code()`; "native"
            is machine code.

        Returns
        -------
        callable
            Takes the traced arguments in order, in their containers and shapes.

        Raises
        ------
        GuardError
            When called with inputs for which plain Python would take another branch.
        """
        from .machine import machine

        return machine(self, name)

    def check(self, **options: Any) -> Any:
        """Check the gradients at this point against differences; return a report.

        The options are those of `check_gradients`.
        """
        from ..debugging.check import check_circuit

        return check_circuit(self, **options)


@for_users
def trace(function: Callable[..., Any] | str, /, *args: Any, **keywords: Any) -> TracedCircuit:
    """Run a function once and return what it did as a circuit.

    Parameters
    ----------
    function : callable or str
        Plain Python with operators, `math` or NumPy; or a formula such as `"(x + y) * z"`, whose
        values are given by name.
    *args, **keywords
        The arguments. Floats and arrays are traced, in tuples, lists and dicts too; everything
        else (integers, strings, None) is passed as it is and counts as a constant. In a formula
        integers are floats.

    Returns
    -------
    TracedCircuit
        The circuit at this point.

    Raises
    ------
    FormulaError
        If a formula is not plain arithmetic.
    LostTraceError, MissingGateError
        If a traced value would become a plain number, or met a function that has no gate.

    Examples
    --------
    >>> c = trace("(x + y) * z", x=-2, y=5, z=-4)
    >>> c.value, c.gradients
    (-12.0, {'x': -4.0, 'y': -4.0, 'z': 3.0})
    """
    if isinstance(function, str):
        if args:
            raise TypeError(f"{here()}the values of a formula are given by name: x=3.0")
        return _at_point(record_formula(function, keywords), function)
    if not callable(function):
        raise TypeError(
            f"{here()}trace wants a function or a formula, not {type(function).__name__}"
        )
    circuit = record(function, args, keywords)
    if not circuit.inputs:
        integers = [a.name for a in circuit.arguments if isinstance(a.leaves, tuple)]
        raise DtypeError(
            f"{here()}nothing to trace: no argument of {circuit.title} holds a float or an array "
            f"({', '.join(integers) or 'it was given none'}). Write 3.0 instead of 3."
        )
    return _at_point(circuit, function)


def _at_point(circuit: Circuit, source: Callable[..., Any] | str) -> TracedCircuit:
    parts = {field.name: getattr(circuit, field.name) for field in fields(circuit)}
    traced = TracedCircuit(**parts)
    object.__setattr__(traced, "_source", source)
    return traced
