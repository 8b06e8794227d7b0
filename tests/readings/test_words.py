"""The words tell the truth: their numbers are the engine's, and every gate has something to say."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

import numpy as np
import pytest

from chainrule.face import trace
from chainrule.gates import GATES, Gate
from chainrule.readings.numbers import number
from chainrule.readings.words import words
from tests.gates.support import cases, points

NUMBER = r"-?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?|inf|nan)"
sigmoid = GATES["sigmoid"]


def neuron(w0: float, w1: float, w2: float, x0: float, x1: float) -> float:
    dot = w0 * x0 + w1 * x1 + w2
    f = 1.0 / (1.0 + math.exp(-dot))
    return f


def staged(x: float, y: float) -> float:
    sigy = sigmoid(y)
    num = x + sigy
    sigx = sigmoid(x)
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1 / den
    f = num * invden
    return f


# REFERENCE A to D: mpmath at 50 digits.
A = trace("(x + y) * z", x=-2, y=5, z=-4)
B = trace(neuron, 2.0, -3.0, -3.0, -1.0, -2.0)
C = trace(staged, 3.0, -4.0)
D = trace("2 * (x * y + max(z, w))", x=3, y=-4, z=2, w=-1)
EXPECTED = [
    (A, {"x": -4, "y": -4, "z": 3}),
    (
        B,
        {
            "w0": -0.196611933241481852537,
            "w1": -0.393223866482963705075,
            "w2": 0.196611933241481852537,
            "x0": 0.393223866482963705075,
            "x1": -0.589835799724445557612,
        },
    ),
    (C, {"x": 2.05956979557216491063, "y": 1.59223275148380931389}),
    (D, {"x": -8, "y": 6, "z": 2, "w": 0}),
]


def backward_of(text: str) -> str:
    return text.split("Backward pass\n")[1]


def says(circuit: Any, *sentences: str) -> None:
    text = circuit.words()
    for sentence in sentences:
        assert sentence in text, f"{sentence!r} is not in\n{text}"


# ---------------------------------------------------------------------- the lecture's circuits


@pytest.mark.parametrize(("circuit", "gradients"), EXPECTED)
def test_gradients_of_the_reference_are_told(circuit: Any, gradients: dict[str, float]) -> None:
    (closing,) = re.findall(r"^  So (.*)\.$", circuit.words(), re.MULTILINE)
    told = dict(re.findall(rf"d(\w+) = ({NUMBER})", closing))
    assert told == {name: number(float(value)) for name, value in gradients.items()}


@pytest.mark.parametrize(("circuit", "gradients"), EXPECTED)
def test_values_told_forward_are_those_of_the_engine(circuit: Any, gradients: Any) -> None:
    forward = circuit.words().split("\n\n")[0]
    told = dict(re.findall(rf"^  (?!Given)(\w+) .* = ({NUMBER})\.$", forward, re.MULTILINE))
    gates = [name for name, wire in circuit.wires.items() if wire.gate != "input"]
    assert told == {name: number(circuit[name].value) for name in gates}


@pytest.mark.parametrize("circuit", [A, B, C, D])
def test_gradients_told_backward_are_those_of_the_engine(circuit: Any) -> None:
    told = re.findall(
        rf"(\w+) gets [^,;]*?({NUMBER})(?:[;,]|\.$)", backward_of(circuit.words()), re.MULTILINE
    )
    uses = [name for name, _ in told]
    alone = [(name, text) for name, text in told if uses.count(name) == 1 and name in circuit]
    forked = set(re.findall(r"(\w+) is used", circuit.words()))
    assert alone
    for name, text in alone:
        if name not in forked:
            assert text == number(circuit[name].gradient), name


@pytest.mark.parametrize("circuit", [A, B, C, D])
def test_arithmetic_in_the_words_is_right(circuit: Any) -> None:
    forward = circuit.words().split("\n\n")[0]
    known = {"exp": math.exp, "maximum": max, "sigmoid": lambda x: 1 / (1 + math.exp(-x))}
    sums = re.findall(rf": (.*) = ({NUMBER})\.$", forward, re.MULTILINE)
    assert len(sums) == sum(wire.gate != "input" for wire in circuit)
    for left, right in sums:
        code = compile(ast.parse(left, mode="eval"), "words", "eval")
        assert eval(code, {"__builtins__": {}}, known) == pytest.approx(float(right), abs=0.02)


def test_the_lectures_sentences() -> None:
    says(
        D,
        "the max gate routes 2.00 to z, because 2 > -1; w gets 0",
        "add hands 2.00 to both t1 and t2",
        "multiply swaps: x gets y times 2.00 = -8.00, and y gets x times 2.00 = 6.00",
        "2 is a constant and gets nothing",
    )
    says(
        C,
        "xpysqr raises xpy to the power 2: (-1.00) ** 2 = 1.00.",
        "sigmoid has slope (1 - sigx) * sigx = 0.05 here, so x gets 0.05 times -0.79 = -0.04",
        "x is used 3 times, by xpy, sigx and num: 1.58 - 0.04 + 0.51 = 2.06.",
        "y is used 2 times, by xpy and sigy: 1.58 + 0.01 = 1.59.",
    )
    says(trace(lambda dot: sigmoid(dot), 1.0), "slope (1 - f) * f = 0.20", "dot gets 0.20")


# ---------------------------------------------------------------------- told truthfully


def test_ties() -> None:
    tie = trace("2 * (x * y + max(z, w))", x=3, y=-4, z=2, w=2)
    says(tie, "the max gate meets a tie, z = w = 2: each gets half of 2.00, which is 1.00")
    both = trace(lambda x: np.maximum(x, x), 2.0)
    says(both, "a tie, for both inputs are x", "x, which gets 1.00 in all")
    one = trace(lambda x: np.maximum(x, 0.0), 0.0)
    says(
        one, "a tie, x = 0: x gets half of 1.00, which is 0.50", "0 is a constant and gets nothing"
    )
    largest = trace(lambda x: np.max(x), np.array([1.0, 3.0, 3.0, 2.0]))
    says(largest, "a tie: 2 of the 4 elements of x share 1.00, 0.50 each")


def test_a_wire_that_feeds_both_inputs() -> None:
    says(trace("x * x", x=3), "both inputs are x: x gets 2 times x times 1.00 = 6.00")
    says(trace("x + x", x=3), "hands 1.00 to x twice; both inputs are x, which gets 2.00 in all")
    says(trace("x - x", x=3), "hands 1.00 to x and -1.00 to x", "which gets 0 in all")
    assert "is used" not in trace("x * x", x=3).words()


def test_where_nothing_goes() -> None:
    says(
        trace(lambda x: GATES["relu"](x), -3.0),
        "the relu gate stops 1.00, because -3 <= 0; x gets 0",
    )
    says(trace(lambda x: np.floor(x) + x, 2.5), "floor stops 1.00, because a staircase is flat")
    says(trace(lambda x: sigmoid(x), -1000.0), "sigmoid is flat here, with slope 0, so x gets 0")
    says(trace(lambda x: abs(x), 0.0), "slope 0, so x gets 0 (exactly at the kink: ")
    says(trace(lambda x: np.sqrt(x) * 0.0, 4.0), "the gradient that arrives is 0, so x gets 0")
    says(
        trace(lambda x: np.where(x > 0, x, -x), 2.0),
        "because the condition is True",
        "is a truth value and gets nothing",
        "greater is flat, because a truth value is flat",
    )
    says(
        trace(lambda x: np.clip(x, 0.0, 1.0), 0.25),
        "the clip gate routes 1.00 to x, because 0 <= 0.25 <= 1",
    )


def test_dead_and_unused_wires() -> None:
    def f(x: float, y: float, n: float) -> float:
        dead = x * y
        assert dead is not None
        return x + 1.0

    says(
        trace(f, 2.0, 3.0, 4.0),
        "dead does not lead to the output, so no gradient reaches it.",
        "y is not used, so its gradient is 0.",
        "dx = 1.00, dy = 0 and dn = 0",
    )


def test_nan_and_infinity_are_told() -> None:
    says(
        trace(lambda x: np.maximum(x, 1.0), math.nan), "cannot choose, because x is nan: x gets nan"
    )
    with np.errstate(all="ignore"):
        says(
            trace(lambda x: np.log(x), np.float64(0.0)),
            "log(0) = -inf",
            "= inf here, so x gets inf",
        )
        says(trace(lambda x: x * math.inf, math.nan), "dx = inf")


def test_small_numbers_are_never_shown_as_zero() -> None:
    text = trace(lambda dot: sigmoid(dot), 40.0).words()
    assert "dot gets 4.25e-18" in text and "0.00 " not in text


@pytest.mark.parametrize("seed", range(5))
def test_no_number_is_written_as_zero_unless_it_is(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for exponent in generator.uniform(-320.0, 308.0, 200):
        value = float(generator.choice([-1.0, 1.0]) * 10.0**exponent)
        if value:
            assert float(number(value)) == pytest.approx(value, rel=0.126)
    assert number(-0.0) == number(0.0) == "0"


def test_arrays_are_told_by_shape_and_norm() -> None:
    def net(X: Any, W1: Any, b1: Any, W2: Any, y: Any) -> Any:
        h = np.maximum(X @ W1 + b1, 0.0)
        out = h @ W2
        return np.mean((out - y) ** 2)

    generator = np.random.default_rng(0)
    shapes = [(5, 4), (4, 3), (3,), (3, 2), (5, 2)]
    c = trace(net, *[generator.normal(size=shape) for shape in shapes])
    routed = np.count_nonzero(c["h"].value)
    says(
        c,
        "t1 multiplies the matrices X (5, 4) and W1 (4, 3): shape (5, 3)",
        "dW1 = X.T @ dt1, shape (4, 3), norm",
        "dh = dout @ W2.T, shape (5, 3), norm",
        f"routes dh element by element: {routed} of 15 to t2",
        "b1, summed over its copies, shape (3,), norm",
        "over the 10 elements of t4, 0.10 to each",
    )
    spread = trace(lambda x: 0.5 * np.sum(x), np.ones((3, 4)))
    says(spread, "sum spreads 0.50 to all 12 elements of x")


def test_without_a_scalar_output_there_is_no_backward_pass() -> None:
    says(trace(lambda x: x * 2.0, np.ones(3)), "There are no gradients: ", "shape (3,)")
    says(trace(lambda x: (x, x * 2.0), 1.0), "There are no gradients: ", "2 outputs")
    says(trace(lambda x: 7.0, 1.0), "does not depend on any input")
    assert "So d" not in trace(lambda x: (x, x), 1.0).words()


def test_the_input_itself_as_output() -> None:
    says(trace(lambda x: x, 2.0), "its gradient is 1.00", "So dx = 1.00.")


# ---------------------------------------------------------------------- every gate


def told(gate: Gate, settings: dict[str, Any], inputs: list[Any]) -> tuple[str, str]:
    """Return what is told of a gate, forward and backward, in a circuit around it."""

    def around(scale: float, *values: Any) -> Any:
        made = gate(*values, **settings)
        total = made
        if np.asarray(made._value).dtype.kind != "f":
            total = np.where(made != 0, 1.0, 2.0)
        return scale * (np.sum(total) if total.shape else total)

    with np.errstate(all="ignore"):
        circuit = trace(around, 1.0, *inputs)
        text = circuit.words()
    row = next(r for r in circuit.gate_rows() if circuit.columns.gates[r] is gate)
    name = circuit.names[row]
    forward, backward = text.split("Backward pass")
    (first,) = re.findall(rf"^  {name} (.+)\.$", forward, re.MULTILINE)
    (last,) = re.findall(
        rf"^  (?:At {name},|No gradient passes {name}:|{name} does not) (.+)\.$",
        backward,
        re.MULTILINE,
    )
    return first, last


@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_every_gate_has_a_sentence_each_way(gate: Gate) -> None:
    for settings, inputs in cases(gate):
        floats = [x if np.asarray(x).dtype.kind != "f" else np.array(x) for x in inputs]
        for sentence in told(gate, settings, floats):
            assert len(sentence) > 10 and sentence.isprintable()
            assert "{" not in sentence and "None" not in sentence, sentence
            assert len(sentence) < 500, sentence


@pytest.mark.parametrize(
    "gate", [gate for gate in GATES.values() if gate.local is not None], ids=lambda gate: gate.name
)
def test_every_elementwise_gate_on_numbers(gate: Gate) -> None:
    for settings, inputs in points(gate):
        numbers = [x[0].item() for x in inputs]
        if not any(type(x) is float for x in numbers):
            continue
        first, last = told(gate, settings, numbers)
        assert "shape" not in first + last and ", norm" not in first + last


@pytest.mark.parametrize(
    "gate", [gate for gate in GATES.values() if gate.slope], ids=lambda gate: gate.name
)
def test_slopes_as_people_write_them_are_the_slopes(gate: Gate) -> None:
    assert gate.local is not None and len(gate.slope) == len(gate.local)
    for settings, inputs in points(gate):
        out = gate.forward(*inputs, **settings)
        for written, rule in zip(gate.slope, gate.local, strict=True):
            names = [f"x{k}" for k in range(len(inputs))]
            code = written.format(*names, out="out")
            known = {**dict(zip(names, inputs, strict=True)), "out": out, "exp": np.exp}
            np.testing.assert_allclose(
                eval(code, known), rule(out, *inputs, **settings), rtol=1e-9, err_msg=code
            )


# ---------------------------------------------------------------------- long circuits


def test_a_long_circuit_is_cut_in_the_middle_and_quick() -> None:
    def long(x: float) -> float:
        y = x
        for _ in range(100_000):
            y = y + x
        return y

    circuit = trace(long, 1e-3)
    text = circuit.words()
    assert text.count("\n") < 230
    assert "... and 99900 more gates" in text
    assert "x is used 100000 times" in text and "+ ... = 100001.00" in text


def test_most_is_kept() -> None:
    c = trace("x + x * x + x * x * x + x * x * x * x + exp(x)", x=1)
    for most in range(0, 30):
        text = words(c, [c.gradient_of(row) for row in range(len(c))], most=most)
        lines = [line for line in text.splitlines() if line.startswith("  ")]
        about_gates = [
            line for line in lines if not re.match(r"  (Given|The output|So|x is|\.)", line)
        ]
        assert len(about_gates) <= most
    assert "more gate" not in text
