"""What people hold in their hands: a circuit at a point, with everything that can be read off it.

`trace` makes one. Each reading and machine is a method here and a module of its own elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .circuit.circuit import Argument, Circuit
from .circuit.columns import CONSTANT, INPUT
from .circuit.tree import flatten
from .errors import (
    ChainruleError,
    DtypeError,
    NotScalarError,
    ShapeError,
    UnknownWireError,
    did_you_mean,
)
from .machines.interpret import run
from .machines.staged import staged
from .passes.backward import backward, is_float
from .passes.recognise import recognise_sigmoids
from .readings.notation import notation_of
from .tracing.record import record
from .tracing.record_formula import record_formula
from .tracing.sites import for_users, here

if TYPE_CHECKING:
    from .debugging.steps import Steps
    from .readings.ledger import Ledger


@dataclass(frozen=True)
class Wire:
    """One wire of a circuit: what is on it, and where it was made.

    Attributes
    ----------
    name : str
        The user's name for it, or a short one.
    gate : str
        The gate that made it; "input" or "constant" for what no gate made.
    value : float or ndarray
        What the forward pass put on it.
    gradient : float or ndarray or None
        The gradient of the output by it; None where there is none.
    line : int
        The line of the user's file that made it; 0 where there is no such line.
    file : str
        The file, as Python knows it.
    source : str
        The text of that line; empty where it cannot be had.
    inputs : tuple of str
        The names of the wires that feed its gate.
    """

    name: str
    gate: str
    value: Any
    gradient: Any
    line: int
    file: str
    source: str
    inputs: tuple[str, ...]

    def __repr__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"Wire({self.name} = {_short(self.value)}, {self.gate}{where})"


class TracedCircuit(Circuit):
    """A circuit at a point. Made by `trace`; never by hand."""

    _source: Callable[..., Any] | str

    def __repr__(self) -> str:
        gates = sum(1 for row in self.gate_rows() if self.needed[row])
        dtypes = {np.asarray(self.columns.values[row]).dtype.name for row in self.inputs}
        kinds = " and ".join(sorted(dtypes)) or "no floats"
        return (
            f"Circuit({_count(gates, 'gate')}, {_count(len(self.inputs), 'input')}, "
            f"{_count(len(self.outputs), 'output')}, {kinds})"
        )

    def __str__(self) -> str:
        return self.table()

    # ------------------------------------------------------------------ numbers

    @property
    def value(self) -> Any:
        """What the function gave: a float for a float, arrays for arrays, containers too."""
        return self.output_tree.build(self.columns.values[row] for row in self.outputs)

    @cached_property
    def _all_gradients(self) -> list[Any]:
        row = self._scalar_output()
        value = self.columns.values[row]
        seed = 1.0 if type(value) is float else np.ones((), value.dtype)[()]
        # Whatever depends on an input: an intermediate wire has a gradient because it leads there.
        active = self.columns.reached_from(self._float_inputs(), row + 1)
        if not active[row]:
            return [None] * len(self.columns)
        read = [row, *(guarded for guarded, _ in self.guards)]
        with np.errstate(all="ignore"):
            columns = recognise_sigmoids(self.columns, read, self.hint_of)
            found = backward(columns, [(row, seed)], active=active)
            if columns is not self.columns:
                # The wires inside a written-out sigmoid have gradients too.
                inside = backward(self.columns, [(row, seed)], active=active)
                found = [g if g is not None else h for g, h in zip(found, inside, strict=True)]
        return found + [None] * (len(self.columns) - len(found))

    def _float_inputs(self) -> list[int]:
        return [row for row in self.inputs if is_float(self.columns.values[row])]

    def _scalar_output(self) -> int:
        if not self.output_tree.is_leaf:
            raise NotScalarError(
                f"{here()}gradients are defined for one output, but {self.title} returned "
                f"{len(self.outputs)} in a container. Return the cost alone, or use vjp."
            )
        (row,) = self.outputs
        value = self.columns.values[row]
        if np.shape(value) != ():
            raise NotScalarError(
                f"{here()}gradients are defined for one number, but {self.title} returned an array "
                f"of shape {np.shape(value)}. Reduce it, with np.sum or np.mean, or use vjp."
            )
        if not is_float(value):
            raise DtypeError(
                f"{here()}{self.title} returned {value!r}, which has no gradient: a float was "
                "expected."
            )
        return row

    def gradient_of(self, row: int) -> Any:
        """Return the gradient on a wire by its number; zeros where none arrives at an input."""
        gradient = self._all_gradients[row]
        value = self.columns.values[row]
        if gradient is None:
            if self.columns.gates[row] is INPUT and is_float(value):
                if type(value) is float:
                    return 0.0
                zeros = np.zeros(np.shape(value), value.dtype)
                return zeros if isinstance(value, np.ndarray) else zeros[()]
            return None
        if isinstance(value, np.ndarray):
            return np.array(gradient, value.dtype)
        return gradient

    @property
    def gradients(self) -> dict[str, Any]:
        """The gradient by each argument, by its name, in its containers, shapes and dtypes.

        Arguments that were not traced (integers, strings) are left out; inside containers such a
        leaf has the gradient None.

        Raises
        ------
        NotScalarError
            If the function did not return one number.
        """
        self._scalar_output()
        found = {}
        for argument in self.arguments:
            if any(row is not None for row in argument.rows):
                leaves = [None if row is None else self.gradient_of(row) for row in argument.rows]
                found[argument.name] = argument.tree.build(leaves)
        return found

    # ------------------------------------------------------------------ wires

    @property
    def wires(self) -> dict[str, Wire]:
        """Every wire by its name, in forward order; constants are left out."""
        rows = [row for row in range(len(self)) if self.columns.gates[row] is not CONSTANT]
        return {self.names[row]: self.wire(row) for row in rows}

    def wire(self, row: int) -> Wire:
        """Return a wire by its number."""
        site = self.site_of(row)
        try:
            gradient = self.gradient_of(row)
        except NotScalarError:
            gradient = None
        return Wire(
            name=self.names[row],
            gate=self.columns.gates[row].name,
            value=self.columns.values[row],
            gradient=gradient,
            line=site.line,
            file=site.file,
            source=site.source,
            inputs=tuple(self.label(k) for k in self.columns.inputs(row)),
        )

    def label(self, row: int) -> str:
        """Return how a reading calls a wire: its name, or the number of a constant."""
        if self.columns.gates[row] is CONSTANT:
            return _short(self.columns.values[row])
        return self.names[row]

    def row(self, name: str) -> int:
        """Return the number of a wire by its name.

        Raises
        ------
        UnknownWireError
            If there is none of that name.
        """
        rows = self._rows_by_name
        if name not in rows:
            known = [n for n, r in rows.items() if self.columns.gates[r] is not CONSTANT]
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            raise UnknownWireError(
                f"{here()}no wire is called {name!r}.{did_you_mean(name, known)} There are: {shown}"
            )
        return rows[name]

    @cached_property
    def _rows_by_name(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> Wire:
        return self.wire(self.row(name))

    def __contains__(self, name: object) -> bool:
        return name in self._rows_by_name

    def __iter__(self) -> Iterator[Wire]:
        return iter(self.wires.values())

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
            from .readings.code import module

            return module(self, notation_of(notation))
        if style == "listing":
            from .readings.listing import listing

            return listing(self, notation_of(notation))
        raise ValueError(f"{here()}style must be 'module' or 'listing', not {style!r}")

    def words(self, *, notation: str = "dz") -> str:
        """Return a sentence for each gate from its actual numbers, forward and backward.

        `notation` says how gradients are called: "dz", "df/dz" or "nabla".
        """
        from .readings.words import words

        return words(self, self._gradients_or_none(), notation=notation_of(notation))

    def table(self, *, notation: str = "dz") -> str:
        """Return a table of the wires: name, gate, value, gradient, line.

        `notation` says what stands over the gradients: "dz", "df/dz" or "nabla".
        """
        from .readings.table import table

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
        from .readings.latex import latex

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
        from .debugging.steps import Steps

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
        from .readings.ledger import ledger

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
        """
        from .readings.picture.picture import Picture

        gradients = self._gradients_or_none()

        def page(svg: str) -> str:
            from .readings.html_picture import html_page

            return html_page(self, gradients, svg)

        return Picture(self, gradients, page=page, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows: the picture, LaTeX, text."""
        from .readings.notebook import bundle, image

        picture = self.picture()
        kinds = {
            "text/html": lambda: image(picture.svg, self.words()),
            "image/svg+xml": lambda: picture.svg,
            "text/latex": self.latex,
            "text/plain": lambda: str(self),
        }
        return bundle(kinds, include, exclude)

    def _gradients_or_none(self) -> list[Any]:
        """Return the gradient of each row; all None where the output is not one number."""
        try:
            self._scalar_output()
        except ChainruleError:
            return [None] * len(self)
        return [self.gradient_of(row) for row in range(len(self))]

    def machine(self, name: str = "interpret") -> Callable[..., Any]:
        """Return a function of the arguments that gives (value, gradients) on a machine.

        Parameters
        ----------
        name : {"interpret", "staged"}
            "interpret" is the reference, one gate at a time; "staged" executes `code()`.

        Returns
        -------
        callable
            Takes the traced arguments in order, in their containers and shapes.

        Raises
        ------
        GuardError
            When called with inputs for which plain Python would take another branch.
        """
        if name not in ("interpret", "staged"):
            raise ValueError(f"{here()}the machines are 'interpret' and 'staged', not {name!r}")
        if name == "interpret":
            return self._interpreted
        arrays = any(isinstance(value, np.ndarray) for value in self.columns.values)
        from .readings.code import module_for_machine

        self._scalar_output()
        source, constants = module_for_machine(self)
        run = staged(
            source,
            "forward_backward",
            self._interpreted,
            on_arrays=arrays,
            constants=constants,
        )
        values = [self.columns.values[row] for row in self.inputs]
        of_rank_0 = any(isinstance(v, (np.ndarray, np.generic)) and v.ndim == 0 for v in values)
        if all(argument.tree.is_leaf for argument in self._traced_arguments) and not of_rank_0:
            return run

        def as_given(*args: Any) -> tuple[Any, dict[str, Any]]:
            value, gradients = run(*args)
            return value, self._as_given(gradients)

        return as_given

    def _interpreted(self, *args: Any) -> tuple[Any, dict[str, Any]]:
        moved = copy(self)
        moved.__dict__.pop("_all_gradients", None)  # those of this point, if somebody looked
        columns = copy(self.columns)
        object.__setattr__(moved, "columns", columns)
        columns.values = run(self, self._conformed(args))
        return moved.value, moved.gradients

    @property
    def _traced_arguments(self) -> list[Argument]:
        return [a for a in self.arguments if any(row is not None for row in a.rows)]

    def _conformed(self, args: Sequence[Any]) -> list[Any]:
        """Return the traced leaves of arguments, held to the shapes for which this was traced.

        Shapes may be part of what was recorded (x.size is a constant), so others are an error.
        """
        traced = self._traced_arguments
        if len(args) != len(traced):
            raise TypeError(
                f"{here()}{self.title} was traced with {_count(len(traced), 'argument')} that "
                f"can change, not {len(args)}"
            )
        leaves = []
        for argument, value in zip(traced, args, strict=True):
            parts, tree = flatten(value)
            if tree.paths != argument.tree.paths:
                raise ShapeError(
                    f"{here()}{argument.name} must have the containers with which {self.title} "
                    f"was traced: leaves at {list(argument.tree.paths)}, not {list(tree.paths)}"
                )
            for part, row, name in zip(parts, argument.rows, argument.names, strict=True):
                if row is None:
                    continue
                seen = self.columns.values[row]
                if np.shape(part) != np.shape(seen):
                    raise ShapeError(
                        f"{here()}{name} has shape {np.shape(part)}, but {self.title} was traced "
                        f"for {np.shape(seen)}: trace it again for this shape"
                    )
                leaves.append(float(part) if type(seen) is float else part)
        return leaves

    def _as_given(self, gradients: dict[str, Any]) -> dict[str, Any]:
        """Return emitted code's gradients in the user's own containers and kinds of numbers.

        The code knows no named tuples, and writes a number where there was an array of rank 0.
        """
        found = {}
        for argument in self._traced_arguments:
            leaves = list(flatten(gradients[argument.name])[0])
            for k, row in enumerate(argument.rows):
                value = None if row is None else self.columns.values[row]
                if isinstance(value, np.ndarray):
                    leaves[k] = np.asarray(leaves[k], value.dtype)
                elif isinstance(value, np.generic):
                    leaves[k] = value.dtype.type(leaves[k])
            found[argument.name] = argument.tree.build(leaves)
        return found

    def check(self, **options: Any) -> Any:
        """Check the gradients at this point against differences; return a report.

        The options are those of `check_gradients`.
        """
        from .debugging.check import check_circuit

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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype}{list(value.shape)}"
    return f"{float(value):.6g}" if is_float(value) else str(value)
