"""A notation changes words, code, tables, LaTeX, steps and the ledger alike, and no number."""

import re

import numpy as np
import pytest

from chainrule import trace
from chainrule.readings.notation import NOTATIONS, gradient_name, notation_of

SPELLED = {"dz": "dq", "df/dz": "df/dq", "nabla": "∇q"}
VARIABLE = {"dz": "dq", "df/dz": "df_dq", "nabla": "nabla_q"}
LATEX = {
    "dz": r"\mathrm{d}q",
    "df/dz": r"\frac{\partial f}{\partial q}",
    "nabla": r"\nabla_{q} f",
}
C = trace("q = x + y; q * z", x=-2, y=5, z=-4)


def network(W, x):
    q = W @ x
    cost = np.sum(q * q)
    return cost


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_reading_spells_it_so(notation):
    assert gradient_name("q", notation) == SPELLED[notation]
    assert SPELLED[notation].replace("q", "x") in C.words(notation=notation)
    assert re.search(rf"^ +{VARIABLE[notation]} = z$", C.code(notation=notation), re.MULTILINE)
    assert f"{VARIABLE[notation]} = z" in C.code(style="listing", notation=notation)
    assert LATEX[notation] in C.latex(notation=notation)
    assert f"{SPELLED[notation]} = -4.00" in str(C.steps(notation=notation)[0])
    assert str(C.ledger("q", notation=notation)).startswith(f"{SPELLED[notation]} = -4")


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_code_runs_and_its_keys_stay(notation):
    module: dict = {}
    exec(C.code(notation=notation), module)
    assert module["forward_backward"](-2.0, 5.0, -4.0) == (-12.0, C.gradients)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_arrays_in_words_name_the_gradient(notation):
    c = trace(network, np.ones((2, 3)), np.ones(3))
    q = gradient_name("q", notation, "cost")
    term = f"({q})" if "/" in q else q
    words = c.words(notation=notation)
    assert f"outer({term}, x)" in words and f"W.T @ {term}" in words
    assert f"{gradient_name('W', notation, 'cost')} of shape (2, 3)" in words


def test_the_heading_of_the_table():
    headings = [C.table(notation=name).splitlines()[2].split()[3] for name in NOTATIONS]
    assert headings == ["gradient", "df/d·", "∇·"]


def test_the_default_is_dz():
    assert C.words() == C.words(notation="dz") and C.code() == C.code(notation="dz")


@pytest.mark.parametrize("method", ["words", "code", "table", "latex", "steps"])
def test_an_unknown_notation_is_an_error(method):
    with pytest.raises(ValueError, match=r"'dz', 'df/dz', 'nabla', not 'd'"):
        getattr(C, method)(notation="d")
    assert notation_of(NOTATIONS["nabla"]) is NOTATIONS["nabla"]


def test_a_variable_that_is_taken_is_avoided():
    c = trace("q = df_dq + y; q * z", df_dq=1.0, y=5, z=-4)
    module: dict = {}
    exec(c.code(notation="df/dz"), module)
    assert module["forward_backward"](1.0, 5.0, -4.0) == (c.value, c.gradients)
