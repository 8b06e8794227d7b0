"""What a network needs of the graph of objects in `define_by_run`, and that class lacks."""

from __future__ import annotations

from benchmarks.define_by_run import Value


def square(value: Value) -> Value:
    """Return value², one gate."""
    result = Value(value.data * value.data, (value,))

    def hand_on() -> None:
        value.grad += 2.0 * value.data * result.grad

    result.hand_on = hand_on
    return result


def relu(value: Value) -> Value:
    """Return the value where it is positive, else 0."""
    result = Value(max(value.data, 0.0), (value,))

    def hand_on() -> None:
        value.grad += result.grad if value.data > 0.0 else 0.0

    result.hand_on = hand_on
    return result


def total(values: list[Value]) -> Value:
    """Return the sum, added one by one as in a neuron."""
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result
