"""Programs on Python floats: the lecture's circuits, `math`, and all of Python's control flow."""

from __future__ import annotations

import functools
import math
from math import cos, exp, log, sqrt
from math import tanh as squash
from typing import NamedTuple

from .program import program

# ---------------------------------------------------------------------- the lecture


def circuit_a(x, y, z):
    q = x + y
    f = q * z
    return f


def neuron_in_gates(w0, x0, w1, x1, w2):
    dot = w0 * x0 + w1 * x1 + w2
    minus = -dot
    power = exp(minus)
    below = 1.0 + power
    return 1.0 / below


def neuron_written_out(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1.0 / (1.0 + math.exp(-dot))
    return f


def neuron_by_power(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    return (1 + math.e ** (-dot)) ** -1


def neuron_by_tanh(w, x):
    dot = sum(a * b for a, b in zip(w, (*x, 1.0), strict=True))
    return 0.5 * (1 + squash(0.5 * dot))


def neuron_by_quotient(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    e = exp(dot)
    return e / (e + 1)


def staged_example(x, y):
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def circuit_d(x, y, z, w):
    return 2 * (x * y + max(z, w))


def sigmoid(t):
    return 1.0 / (1.0 + math.exp(-t))


def hand_network(w1, b1, w2, b2):
    """Give the cost of network E over its mini-batch, without NumPy."""
    cost = 0.0
    for x, y in (((1.0, 2.0), 1.0), ((-1.0, 0.5), 0.0)):
        hidden = [
            sigmoid(sum(w * v for w, v in zip(row, x, strict=True)) + b)
            for row, b in zip(w1, b1, strict=True)
        ]
        (output,) = (
            sigmoid(sum(w * v for w, v in zip(row, hidden, strict=True)) + b)
            for row, b in zip(w2, b2, strict=True)
        )
        cost += 0.5 * abs(output - y) ** 2
    return cost


# ---------------------------------------------------------------------- math


def many_functions(x, y):
    a = math.sin(x) * cos(y) + math.tan(x / 3)
    b = math.asin(x / 4) + math.acos(y / 4) + math.atan(x * y) + math.atan2(x, y)
    c = math.sinh(x) - math.cosh(y) + math.asinh(x) + math.atanh(y / 3) + math.acosh(1 + x * x)
    d = math.expm1(y) + math.log1p(x * x) + math.log2(x) + math.log10(y) + log(x, 3.0)
    e = math.sqrt(x) + math.cbrt(y) + math.pow(x, y) + math.hypot(x, y) + math.exp2(y)
    return a + b + c + d + e + math.erf(x) * math.erfc(y) + math.degrees(math.radians(x) * y)


def with_constants(x):
    tau = math.tau * x
    return math.pi * x + math.e**x + tau - math.copysign(1.0, -3.0)


def black_scholes(spot, strike, rate, volatility, years):
    def normal(t):
        return 0.5 * (1.0 + math.erf(t / sqrt(2.0)))

    spread = volatility * sqrt(years)
    d1 = (log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
    d2 = d1 - spread
    return spot * normal(d1) - strike * exp(-rate * years) * normal(d2)


def integer_powers(x, y):
    return x**3 - x**-2 + 2**x + x**0 + x**1 * y**2.5 + (-x) ** 3 + x**y


def divisions(x, y):
    return x / y - 3 / x + y / 2 + (x % 1.5) + 5.0 % y - divmod(x, 2.0)[1]


def distance(p, q):
    return math.dist(p, q) + math.fsum([*p, *q]) + math.hypot(*p, *q)


# ---------------------------------------------------------------------- Python


def power_tower(x, depth=4):
    return x if depth == 0 else power_tower(x, depth - 1) ** 0.5 * x


def helper_of_helper(x, y):
    def outer(a):
        def inner(b):
            return b * y + a

        return inner(a * x) - inner(y)

    return outer(x) * outer(y)


def make_scaled(factor):
    def scaled(x):
        return factor * x * math.sin(factor * x)

    return scaled


def loop_of_updates(x, n=5):
    y = x
    for k in range(n):
        y = y * x + k
    return y


def augmented(x, y):
    total = 0.0
    total += x * y
    total -= y
    total *= x
    total /= 2 + y
    total **= 2
    return total


def square_root_by_newton(x):
    guess = x
    while abs(guess * guess - x) > 1e-14 * x:
        guess = 0.5 * (guess + x / guess)
    return guess


def fixed_point(x):
    y = 0.5
    for _ in range(200):
        new = math.cos(x * y)
        if abs(new - y) < 1e-13:
            break
        y = new
    else:
        raise RuntimeError("no fixed point")
    return y


def collatz_like(x):
    steps = 0
    while x < 10.0:
        x = 1.5 * x + 1.0 if steps % 2 else x * x
        steps += 1
    return x


def horner(x, coefficients):
    value = 0.0
    for c in reversed(coefficients):
        value = value * x + c
    return value


def comprehension(values):
    squares = [v * v for v in values if v > 0.5]
    by_name = {f"v{k}": v for k, v in enumerate(squares)}
    return sum(by_name.values()) / len(squares)


def builtins_used(a, b, c):
    low, middle, high = sorted([a, b, c])
    key = max([a, b, c], key=lambda v: -abs(v))
    return low * 3 + middle**2 - high / 2 + min(a, b, c) * max((a, b)) + abs(a) + key + pow(b, 2)


def truth(x, y):
    gain = 2.0 if x > 0 and not y > 1 else 3.0
    if 0 < x < 2 or y == 7.0:
        gain = gain * x
    if x:
        gain += y
    return gain


def match_and_try(x, kind):
    match kind:
        case "square":
            y = x * x
        case _:
            y = x
    try:
        y = y + {"a": x}["b"]
    except KeyError:
        y = y * 2
    return (lambda t, *rest: t + sum(rest))(y, x, x)


def walrus_and_unpacking(x, y):
    if (product := x * y) > 0:
        product = product + 1
    (a, (b, *rest)), c = (x, (y, product, x)), product
    first = second = a * b
    return first * second + sum(rest) * c


def with_star_args(*terms, scale, shift=1.0, **named):
    return scale * sum(t * t for t in terms) + shift + named["extra"] * terms[0]


def keyword_only(x, *, rate, depth: int = 2):
    return x * rate**depth


class Affine:
    """A callable with state."""

    def __init__(self, w, b):
        self.w, self.b = w, b

    def __call__(self, x):
        return self.w * x + self.b


class Cell:
    """An object that keeps what it computes in attributes."""

    def __init__(self, decay):
        self.decay = decay
        self.h = 0.0

    def step(self, x):
        self.h = self.decay * self.h + math.tanh(x)
        return self.h

    @property
    def energy(self):
        return self.h**2

    @staticmethod
    def combine(a, b):
        return a * b


def with_classes(x, decay):
    cell = Cell(decay)
    for k in range(3):
        cell.step(x * (k + 1))
    layers = [Affine(decay, x), Affine(2.0, decay)]
    y = x
    for layer in layers:
        y = layer(y)
    return Cell.combine(cell.energy, y)


class Point(NamedTuple):
    """Two numbers with names."""

    x: float
    y: float

    def length(self):
        return math.sqrt(self.x**2 + self.y**2)


def with_named_tuple(p, q):
    middle = Point((p.x + q.x) / 2, (p.y + q.y) / 2)
    return middle.length() * p.x


def nested_containers(parameters):
    (a, b), tail = parameters["pair"], parameters["more"]["tail"]
    return a * b + tail[0] * tail[1][0] + parameters["bias"] ** 2 + tail[2]


def unused_and_constant(x, y, z):
    ignored = x * 100.0
    ignored = 3.0
    return y * ignored + 0.0 * z


def returns_its_input(x):
    return x


def names_in_the_way(math, np, dx, d, forward_backward):
    dd = dx * d
    f = dd + math * np
    float_ = f / forward_backward
    return float_ + dd


def same_wire_many_times(x):
    y = x + x
    z = y * y
    return z - z / 2 + z * y + x


def saturated(x):
    return 1.0 / (1.0 + math.exp(-40.0 * x))


def euler_pendulum(angle, speed, length):
    time_step = 0.05
    for _ in range(12):
        force = -9.81 / length * math.sin(angle)
        angle, speed = angle + time_step * speed, speed + time_step * force
    return angle**2 + speed


def runge_kutta(y, rate):
    def slope(v):
        return rate * v * (1 - v)

    h = 0.2
    for _ in range(4):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def newton_step(x, a):
    for _ in range(3):
        x = x - (x**3 - a) / (3 * x**2)
    return x


bound_method = Affine(1.5, 0.25).__call__
partial_horner = functools.partial(horner, coefficients=(1.0, -2.0, 0.5))
short = lambda x, y: (x - y) * (x + y) * x  # noqa: E731  # lambdas have no names for wires
scaled_three = make_scaled(3.0)

PAIR = ([2.0, -3.0, -3.0], [-1.0, -2.0])
SCALARS = (
    program(circuit_a, -2.0, 5.0, -4.0),
    program(neuron_in_gates, 2.0, -1.0, -3.0, -2.0, -3.0),
    program(neuron_written_out, *PAIR),
    program(neuron_by_power, *PAIR),
    program(neuron_by_tanh, *PAIR),
    program(neuron_by_quotient, *PAIR),
    program(staged_example, 3.0, -4.0),
    program(circuit_d, 3.0, -4.0, 2.0, -1.0, other=(3.0, -4.0, -2.0, -1.0)),
    program(
        hand_network,
        [[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]],
        [0.01, 0.02, 0.03],
        [[0.7, -0.8, 0.9]],
        [0.04],
    ),
    program(many_functions, 1.3, 0.7),
    program(with_constants, 0.3),
    program(black_scholes, 100.0, 95.0, 0.03, 0.2, 0.5),
    program(integer_powers, 1.2, 0.8),
    program(divisions, 5.3, 1.7),
    program(distance, (1.0, 2.0, 0.5), [0.3, -1.0, 2.0]),
    program(power_tower, 1.7),
    program(power_tower, 1.7, 2),
    program(helper_of_helper, 0.4, 1.1),
    program(scaled_three, 0.7),
    program(loop_of_updates, 1.1),
    program(loop_of_updates, 0.9, keywords={"n": 3}),
    program(augmented, 1.5, 0.5),
    program(square_root_by_newton, 2.0, other=(2.1,), smooth=False),
    program(fixed_point, 0.8, smooth=False),
    program(collatz_like, 1.5, other=(2.5,)),
    program(horner, 0.7, [1.0, -2.0, 3.0, 0.5]),
    program(comprehension, [1.0, 0.2, 3.0], other=([1.0, 0.7, 3.0],)),
    program(builtins_used, 0.5, -1.0, 2.0, other=(2.0, 0.5, -1.0)),
    program(truth, 1.2, 0.4, other=(-1.0, 0.4)),
    program(match_and_try, 1.3, "square"),
    program(match_and_try, 1.3, "other"),
    program(walrus_and_unpacking, 1.2, 0.9),
    program(with_star_args, 1.0, 2.0, keywords={"scale": 0.5, "extra": 3.0}),
    program(keyword_only, 1.5, keywords={"rate": 0.7}),
    program(Affine(1.5, 0.25), 2.0),
    program(bound_method, 2.0),
    program(with_classes, 0.4, 0.9),
    program(with_named_tuple, Point(1.0, 2.0), Point(0.5, -1.0)),
    program(
        nested_containers,
        {"pair": (1.0, 2.0), "more": {"tail": [3.0, (0.5,), 4]}, "bias": 0.1, "label": "a"},
    ),
    program(unused_and_constant, 1.0, 2.0, 3.0),
    program(returns_its_input, 1.5),
    program(names_in_the_way, 1.0, 2.0, 3.0, 4.0, 5.0),
    program(same_wire_many_times, 1.3),
    program(saturated, 1.0),
    program(saturated, -15.0),
    program(euler_pendulum, 0.5, 0.1, 1.2),
    program(runge_kutta, 0.2, 1.7),
    program(newton_step, 1.1, 2.0),
    program(partial_horner, 0.9),
    program(short, 1.5, 0.5),
)
