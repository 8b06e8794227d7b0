"""The signature of a circuit's entry: its containers with leaves in place of values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...circuit.circuit import Circuit
from .signature import (
    Array,
    Float,
    OutArray,
    OutBool,
    OutFloat,
    OutInt,
    OutScalar,
    Scalar,
    Signature,
    Static,
    nodes,
)


def signature_of(circuit: Circuit) -> Signature | None:
    """Return what a call of the circuit takes and gives; None where no entry can say it."""
    if any(argument.keyword for argument in circuit.arguments):
        return None
    values = circuit.columns.values
    arguments = []
    try:
        for argument in circuit.arguments:
            leaves = [
                Static(leaf) if row is None else _taken(values[row])
                for leaf, row in zip(argument.leaves, argument.rows, strict=True)
            ]
            arguments.append(argument.tree.build(leaves))
        given = [_given(k, values[row]) for k, row in enumerate(circuit.outputs)]
        return Signature(tuple(arguments), circuit.output_tree.build(given))
    except (TypeError, ValueError):  # a container or dtype of its own kind: Python's to take
        return None


def _taken(value: Any) -> Any:
    if type(value) is float:
        return Float()
    if isinstance(value, np.ndarray):
        return Array(value.dtype, value.shape)
    return Scalar(value.dtype)


def _given(index: int, value: Any) -> Any:
    kinds = {float: OutFloat, int: OutInt, bool: OutBool}
    if type(value) in kinds:
        return kinds[type(value)](index)
    if isinstance(value, np.ndarray):
        return OutArray(index, value.dtype, value.shape)
    return OutScalar(index, value.dtype)


def described(signature: Signature | None) -> str:
    """Return a signature as text that is the same in every process."""
    if signature is None:
        return "no entry"
    words = []
    for node in nodes((signature.arguments, signature.result)):
        if isinstance(node, Static):
            words.append(f"Static {type(node.value).__name__}")
        elif isinstance(node, dict):
            words.append(f"dict {list(node)!r}")
        elif isinstance(node, (tuple, list)):
            words.append(f"{type(node).__name__} {len(node)}")
        else:
            words.append(repr(node))
    return "; ".join(words)
