"""The HTML picture: what the page holds, and that nothing of the user's can get out of its place.

tests/browser steps through the same pages and drags in a real browser; test_javascript compares
their numbers with the engine's.
"""

from __future__ import annotations

import json
import linecache
import math
import re
from html.parser import HTMLParser

import numpy as np

import chainrule as cr
from chainrule.circuit.columns import CONSTANT, INPUT
from chainrule.readings.html_data import line, page_data
from chainrule.readings.notation import NOTATIONS

HOSTILE = '"><script>alert(1)</script>\u202egnp.\n]]>'


def page_of(circuit):
    return circuit.picture().html


def lecture_a(x, y, z):
    q = x + y
    return q * z


def lecture_c(x, y):
    sigy = 1.0 / (1.0 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + math.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


class Elements(HTMLParser):
    """Collects start tags, and the text inside of script elements."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags = []
        self.scripts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.scripts and self.tags[-1][0] == "script":
            self.scripts[-1] += data


def test_the_page_is_one_file_that_fetches_nothing():
    page = page_of(cr.trace(lecture_c, 3.0, -4.0))
    found = Elements(page)
    (policy,) = [a["content"] for t, a in found.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in found.tags:
        assert not {"src", "href", "srcset", "action", "data"} & set(attributes), tag
        assert not any(name.startswith("on") for name in attributes), tag
        assert "style" not in attributes, tag  # the policy would drop it
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert [t for t, _ in found.tags].count("style") == 1


def test_a_picture_saves_itself_as_a_page(tmp_path):
    circuit = cr.trace(lecture_a, -2.0, 5.0, -4.0)
    file = circuit.picture().save(tmp_path / "x.html")
    assert file.read_text("utf-8") == page_of(circuit)


def test_gradients_are_called_as_the_notation_says():
    circuit = cr.trace(lecture_a, -2.0, 5.0, -4.0)
    data, _ = page_data(circuit, circuit._gradients_or_none(), NOTATIONS["nabla"])
    assert [wire["d"] for wire in data["wires"]] == ["∇x", "∇y", "∇z", "∇q", "∇lecture_a"]
    assert "nabla_q = z" in [entry["text"] for entry in data["code"]]


def test_the_page_is_the_same_each_time():
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    assert page_of(circuit) == page_of(cr.trace(lecture_c, 3.0, -4.0)) == page_of(circuit)


def test_hostile_names_and_source_stay_text():
    namespace = {}
    remark = f'{HOSTILE!r}"><script>alert(2)</script><!--'
    text = f"def f(x, y):\n    q = x * y  # {remark}\n    return q + x"
    exec(compile(text, "<hostile>", "exec"), namespace)
    linecache.cache["<hostile>"] = (len(text), None, text.splitlines(True), "<hostile>")
    namespace["f"].__name__ = HOSTILE
    circuit = cr.trace(namespace["f"], 2.0, 3.0)
    page = page_of(circuit)
    found = Elements(page)
    assert [t for t, _ in found.tags].count("script") == 2
    assert "alert(2)" in page and "<script>alert" not in page
    assert "\u202e" not in page
    data = json.loads(found.scripts[0])
    assert any("alert(2)</script>" in entry["text"] for entry in data["source"])


def test_hostile_keys_and_formulas_stay_text():
    circuit = cr.trace(lambda p: p[HOSTILE] * p["</script>"], {HOSTILE: 2.0, "</script>": 3.0})
    page = page_of(circuit)
    assert [t for t, _ in Elements(page).tags].count("script") == 2
    assert line("a\u202eb\x00c\td") == "a\ufffdb\ufffdc   d"


def test_the_data_tell_the_steps():
    circuit = cr.trace(lecture_a, -2.0, 5.0, -4.0)
    data, source = page_data(circuit, circuit._gradients_or_none())
    assert [gate["name"] for gate in data["gates"]] == ["q", "lecture_a"]
    times = data["gates"][1]
    assert times["forward"] == "lecture_a multiplies q by z: 3.00 * -4.00 = -12.00."
    assert times["backward"].startswith("At lecture_a, multiply swaps: q gets z times 1.00 = -4.00")
    assert times["handed"] == [
        {"slope": "-4.00", "part": "-4.00", "total": "-4.00"},
        {"slope": "3.00", "part": "3.00", "total": "3.00"},
    ]
    assert [data["code"][k]["text"] for k in times["code"]] == ["lecture_a = q * z"]
    assert [data["code"][k]["text"] for k in times["backward_code"]] == ["dq = z", "dz = q"]
    assert [data["source"][k]["text"] for k in times["source"]] == ["    return q * z"]
    assert data["live"] is not None and "function run" in source and data["reason"] == ""


def test_partial_sums_at_a_fork_add_up():
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    totals = [
        handed["total"]
        for gate in reversed(data["gates"])
        for k, handed in zip(gate["inputs"], gate["handed"], strict=True)
        if k["name"] == "x" and handed
    ]
    # REFERENCE: 1.583 via xpy, - 0.036 via sigx, + 0.512 via num.
    assert totals == ["1.58", "1.55", "2.06"]


def test_a_formula_is_the_title_and_the_source():
    page = cr.trace("(x + y) * z  < 1e9", x=1.0, y=2.0, z=3.0).picture().html
    assert "<h1>(x + y) * z &lt; 1e9</h1>" in page


def test_exact_slopes_are_written_as_numbers():
    circuit = cr.trace(lecture_a, -2.0, 5.0, -4.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    assert [handed["slope"] for handed in data["gates"][0]["handed"]] == ["1.00", "1.00"]


def test_arrays_are_stepped_but_not_dragged():
    def cost(W, x):
        h = np.tanh(W @ x)
        return np.sum(h * h)

    circuit = cr.trace(cost, np.ones((2, 3)), np.arange(3.0))
    data, source = page_data(circuit, circuit._gradients_or_none())
    assert data["live"] is None and source == ""
    assert data["reason"] == "W is an array, and a page works with plain floats only"
    assert all(gate["backward"] for gate in data["gates"])
    assert data["gates"][0]["handed"][0]["part"].startswith("shape (2, 3)")


def test_what_has_no_gradient_is_stepped_forward():
    circuit = cr.trace(lambda x: (x * x, x + 1.0), 2.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    assert data["output"] is None and len(data["gates"]) == 2
    assert page_of(circuit)


def test_a_guard_is_told_with_its_line():
    def branch(x):
        if x > 0:
            return x * x
        return -x

    circuit = cr.trace(branch, 2.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    (guard,) = data["live"]["guards"]
    assert guard["seen"] is True and guard["line"] == "if x > 0:"
    assert guard["where"].startswith("test_html.py:")


def test_where_small_gates_overflow_the_sigmoid_is_one_gate():
    circuit = cr.trace(lambda x: 1.0 / (1.0 + math.exp(-x)), -1000.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    assert [gate["gate"] for gate in data["gates"]] == ["sigmoid"]
    assert "nan" not in json.dumps(data)


def test_a_large_circuit_keeps_its_picture_without_steps():
    def long(x):
        for _ in range(2100):
            x = x * 1.001
        return x

    circuit = cr.trace(long, 1.0)
    data, source = page_data(circuit, circuit._gradients_or_none())
    assert data["gates"] == [] and source == ""
    assert "2100 gates, and a page works with at most 2000" in data["reason"]


def test_every_wire_of_the_picture_is_in_the_data():
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    data, _ = page_data(circuit, circuit._gradients_or_none())
    rows = {wire["row"] for wire in data["wires"]}
    drawn = {int(row) for row in re.findall(r'class="box gate" data-row="(\d+)"', page_of(circuit))}
    assert drawn and drawn <= rows
    kinds = (INPUT, CONSTANT)
    assert {r for r in rows if circuit.columns.gates[r] not in kinds} == set(circuit.gate_rows())
