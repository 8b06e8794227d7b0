"""The module reading: a file that defines `forward_backward` and needs nothing of chainrule.

It needs math or NumPy only, carries the source of the few functions that NumPy lacks, and is for
the shapes and branches at which the circuit was traced: other shapes are an error, never a wrong
number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..circuit.circuit import Argument, Circuit
from ..circuit.naming import RESERVED
from ..circuit.tree import clean_name, is_name
from . import expressions
from .inlining import Line
from .notation import DZ, Notation
from .writer import Writer

INDENT = "    "


def module(circuit: Circuit, notation: Notation = DZ) -> str:
    """Return the source of a module with `forward_backward(...) -> (value, gradients)`.

    Parameters
    ----------
    circuit : Circuit
        A circuit with one scalar output.
    notation : Notation
        How the variables of gradients are called.
    """
    writer, signature, body = _written(circuit, notation)
    constants = [f"{name} = {_constant(name, value)}" for name, value in writer.constants.items()]
    return _assemble(circuit, writer, signature, body, constants)


def module_for_machine(circuit: Circuit) -> tuple[str, dict[str, Any]]:
    """Return the same module without its large constants, and those beside it, by their names."""
    writer, signature, body = _written(circuit, DZ)
    return _assemble(circuit, writer, signature, body), writer.constants


def _written(circuit: Circuit, notation: Notation) -> tuple[Writer, str, list[str]]:
    """Return the signature and body of `forward_backward`."""
    (output,) = circuit.outputs
    writer = Writer(circuit, output, notation)
    value = expressions.text_of(writer.outputs[0])
    gradients = {
        a.name: a.tree.build(
            [
                None if row not in writer.gradients else _Text(writer.gradients[row])
                for row in a.rows
            ]
        )
        for a in circuit.arguments
        if any(row is not None for row in a.rows)
    }
    title = clean_name(circuit.title)
    body = [
        f'"""Return the value of {title} and its gradient by each argument."""',
        *_preamble(circuit, writer),
        "# forward pass",
        *_forward(writer.lines),
        "",
        "# backward pass",
        *_backward(writer.lines),
        f"return {value}, {_container(gradients)}",
    ]
    parameters = [
        _parameter(a, writer) for a in circuit.arguments if any(row is not None for row in a.rows)
    ]
    return writer, f"forward_backward({', '.join(parameters)})", body


def _constant(name: str, value: Any) -> str:
    if value.size > expressions.LARGEST_LITERAL:
        raise ValueError(
            f"the circuit holds a constant array of {value.size} elements, too large to be written "
            "into a module: pass it to the function as an argument"
        )
    return expressions.text_of(expressions.literal(value))


def function(circuit: Circuit) -> tuple[str, dict[str, Any]]:
    """Return the source of a module with `forward(...)`, which gives all outputs of a circuit.

    It takes the traced leaves one by one, in the circuit's order, and is for machines; the arrays
    too large to stand in a line come beside it, by their names.
    """
    writer = Writer(circuit)
    texts = [_Text(tree) for tree in writer.outputs]
    body = [
        *_forward(writer.lines),
        f"return {_container(circuit.output_tree.build(texts))}",
    ]
    parameters = [writer.variable(row) for row in circuit.inputs]
    source = _assemble(circuit, writer, f"forward({', '.join(parameters)})", body)
    return source, writer.constants


class _Text:
    """An expression as a leaf of containers."""

    def __init__(self, tree: Any) -> None:
        self.text = expressions.text_of(tree)


def _container(value: Any) -> str:
    """Return the source of nested containers with expressions in them."""
    if isinstance(value, _Text):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)}: {_container(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_container, value)) + "]"
    if isinstance(value, tuple):
        parts = ", ".join(map(_container, value))
        return f"({parts},)" if len(value) == 1 else f"({parts})"
    return repr(value) if value is None or type(value) in (int, bool, float) else "None"


def _quoted(key: Any) -> str:
    return f'"{key}"' if is_name(key) else repr(key)


def _parameter(argument: Argument, writer: Writer) -> str:
    if argument.tree.is_leaf:
        (row,) = argument.rows
        assert row is not None  # others are constants, and no parameters
        return writer.variable(row)
    name = argument.name if is_name(argument.name) else clean_name(argument.name)
    inputs = {writer.variable(row) for row in writer.circuit.inputs}
    while name in inputs or name in RESERVED:
        name += "_"
    return name


def _access(container: Any, path: tuple[str | int, ...]) -> str:
    """Return how a leaf is reached in its containers: `["layers"][0].W`."""
    text = ""
    for key in path:
        if hasattr(container, "_fields"):
            text += f".{key}"
            container = getattr(container, str(key))
        else:
            text += f"[{_quoted(key)}]"
            container = container[key]
    return text


def _preamble(circuit: Circuit, writer: Writer) -> list[str]:
    """Return the lines that take containers apart and hold arrays to their shapes."""
    lines = []
    for argument in circuit.arguments:
        if not argument.tree.is_leaf:
            whole = _parameter(argument, writer)
            containers = argument.tree.build(argument.leaves)
            for row, path in zip(argument.rows, argument.tree.paths, strict=True):
                if row is not None:
                    lines.append(f"{writer.variable(row)} = {whole}{_access(containers, path)}")
        for row in argument.rows:
            if row is None:
                continue
            shape = np.shape(circuit.columns.values[row])
            if shape:
                name = writer.variable(row)
                message = f"{name} must have shape {shape}, for which this was written"
                lines.append(f"if np.shape({name}) != {shape}:")
                lines.append(f'    raise ValueError("{message}")')
    return lines


def _forward(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines if line.kind in ("forward", "guard")]


def _backward(lines: Iterable[Line]) -> list[str]:
    return [
        f"# backprop {line.text}" if line.kind == "title" else line.text
        for line in lines
        if line.kind in ("title", "backward")
    ]


def _assemble(
    circuit: Circuit, writer: Writer, signature: str, body: list[str], constants: Sequence[str] = ()
) -> str:
    fixed = [
        f"{clean_name(a.name)} = {a.leaves[0]!r}"
        for a in circuit.arguments
        if a.tree.is_leaf and a.rows == (None,) and type(a.leaves[0]) in (int, bool, type(None))
    ]
    note = f"; {', '.join(fixed)} as traced" if fixed else ""
    title = clean_name(circuit.title)
    text = "\n".join(body)
    copies = "\n\n\n".join(writer.copies.values())
    imports = [
        line
        for used, line in (("math.", "import math"), ("np.", "import numpy as np"))
        if used in "\n".join([text, copies, *constants])
    ]
    head = [f'"""{title} and its gradient, written by chainrule{note}."""']
    if imports:
        head.append("\n\n".join(imports))
    blocks = ["\n\n".join(head)]
    if constants:
        blocks.append("\n".join(constants))
    if copies:
        blocks.append(copies)
    indented = "\n".join(INDENT + line if line else "" for line in text.split("\n"))
    blocks.append(f"def {signature}:\n{indented}")
    return "\n\n\n".join(blocks) + "\n"
