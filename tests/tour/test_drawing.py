"""The drawings: no wider than told, never an error, and the line goes where the numbers go."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.tour.drawing import digits
from chainrule.training.curve import curve, under_curve


@given(
    st.lists(st.floats(min_value=0), max_size=300),
    st.integers(0, 100),
    st.integers(0, 20),
    st.booleans(),
)
def test_fits_whatever_it_is_given(values, width, height, ascii_only):
    lines = curve(values, width, height, ascii_only)
    assert len(lines) in (0, height)
    assert all(len(line) <= width for line in lines)
    assert not ascii_only or all(line.isascii() for line in lines)


def test_a_falling_line_by_hand():
    assert curve([4.0, 3.0, 2.0, 1.0], width=14, height=5, ascii_only=True) == [
        "      4 |**",  # 3 and more
        "        |  *",  # 2 and more
        "        |   *",
        "        |",
        "      0 +----",
    ]


def test_braille_dots_by_hand():
    # Eight columns of dots for two values: four high, four low, the fall drawn on the fifth.
    lines = curve([1.0, 0.0], width=14, height=2)
    assert lines == ["      1 ┤⠉⠉⣆⣀", "      0 └────"]


def test_what_is_not_finite_leaves_a_gap():
    top = curve([1.0, math.nan, math.inf, 1.0], width=14, height=2, ascii_only=True)[0]
    assert top == "      1 |*  *"
    assert curve([math.nan], 40, 5) == [] and curve([], 40, 5) == []


def test_all_zero():
    assert curve([0.0, 0.0], 14, 3, ascii_only=True) == [
        "      1 |",
        "        |****",
        "      0 +----",
    ]


def test_under_curve_ends_with_the_axis():
    line = under_curve("cost", "12 epochs", 72)
    assert line.endswith("12 epochs") and len(line) == len(curve([1.0], 72)[-1])


@pytest.mark.parametrize("ascii_only", [True, False])
def test_digits_side_by_side(ascii_only):
    images = [np.zeros(64), np.ones(64)]
    lines = digits(images, ascii_only)
    full = "@" if ascii_only else "█"
    assert lines == [" " * 19 + full * 16] * 8
