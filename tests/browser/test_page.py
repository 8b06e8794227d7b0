"""The HTML picture in a real browser: stepped, played, dragged, by mouse and keys."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.readings.numbers import number

HOSTILE = '"><script>alert(1)</script>\u202egnp.\n'


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


def branch(x, y):
    if x > 0:
        return x * y
    return x + y


def shown(page, kind):
    """Return the visible labels of the picture by the row of their wire."""
    return page.evaluate(
        """(kind) => Object.fromEntries([...document.querySelectorAll(`.box text.${kind}`)]
            .filter((text) => getComputedStyle(text).visibility === "visible")
            .map((text) => [text.closest(".box").dataset.row, text.textContent]))""",
        kind,
    )


def sentence(page):
    return page.inner_text("#sentence")


def lit(page, panel):
    return [text.strip() for text in page.locator(f"#{panel} .is-lit code").all_inner_texts()]


def rule(page):
    return [row.locator("th, td").all_inner_texts() for row in page.locator("#rule-body tr").all()]


def test_the_whole_circuit_is_shown_first(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    # REFERENCE, A: values and gradients to the lecture's two decimals.
    assert shown(page, "value") == {
        "0": "-2.00", "1": "5.00", "2": "-4.00", "3": "3.00", "4": "-12.00",
    }  # fmt: skip
    assert shown(page, "gradient") == {
        "0": "-4.00", "1": "-4.00", "2": "3.00", "3": "-4.00", "4": "1.00",
    }  # fmt: skip
    assert page.title() == "lecture_a: forward and backward"


def test_steps_go_forward_gate_by_gate_then_backward(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    page.click("#next")
    assert sentence(page) == "Given x = -2.00, y = 5.00 and z = -4.00."
    assert set(shown(page, "value")) == {"0", "1", "2"} and shown(page, "gradient") == {}
    page.click("#next")
    assert sentence(page) == "q adds x and y: -2.00 + 5.00 = 3.00."
    assert lit(page, "source") == ["q = x + y"] == lit(page, "code")
    assert shown(page, "value")["3"] == "3.00" and "4" not in shown(page, "value")
    page.click("#next")
    page.click("#next")
    assert "its gradient is 1.00" in sentence(page)
    assert shown(page, "gradient") == {"4": "1.00"}
    page.click("#next")
    # The rule at the gate: local gradient, upstream gradient, their product, the sum.
    assert rule(page) == [
        ["q", "-4.00", "1.00", "-4.00", "dq = -4.00"],
        ["z", "3.00", "1.00", "3.00", "dz = 3.00"],
    ]
    assert lit(page, "source") == ["return q * z"] and lit(page, "code") == ["dq = z", "dz = q"]
    assert shown(page, "gradient") == {"2": "3.00", "3": "-4.00", "4": "1.00"}
    page.click("#next")
    page.click("#next")
    assert sentence(page) == "So dx = -4.00, dy = -4.00 and dz = 3.00."
    assert page.is_disabled("#next")
    for _ in range(7):
        page.click("#back")
    assert page.is_disabled("#back") and "Press Play" in sentence(page)


def test_partial_sums_at_a_fork_are_seen(opened):
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    page = opened(page_of(circuit))
    seen = []
    steps = int(page.get_attribute("#step", "max"))
    for _ in range(steps):
        page.keyboard.press("ArrowRight")
        gradient = shown(page, "gradient").get(str(circuit.row("x")))
        if gradient is not None and gradient not in seen:
            seen.append(gradient)
    assert seen == ["1.58", "1.55", "2.06"]  # REFERENCE, C


def test_at_a_fork_only_the_branch_in_use_is_lit(opened):
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    page = opened(page_of(circuit))
    num, x = circuit.row("num"), circuit.row("x")
    for kind in ("forward", "backward"):
        if kind == "backward":
            page.keyboard.press("End")
        page.click(f".box[data-row='{num}'] text.symbol")
        ids = page.eval_on_selector_all(f".is-{kind}.edge", "all => all.map((e) => e.id)")
        assert sorted(ids) == sorted([f"edge-{x}-{num}", f"edge-{circuit.row('sigy')}-{num}"])
        assert page.locator(f".wire.is-{kind}:not(.edge)").count() == 0


def test_keys_step_play_and_jump(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    page.keyboard.press("End")
    assert sentence(page).startswith("So dx")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#phase") == "Backward pass: add"
    page.keyboard.press("Home")
    assert page.input_value("#step") == "0"
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    for _ in range(50):  # a step takes 1.4 s; the policy forbids wait_for_function's eval
        page.wait_for_timeout(100)
        if int(page.input_value("#step")) >= 2:
            break
    assert page.inner_text("#phase") == "Forward pass: add"
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    # A number field keeps its own arrows and its spaces.
    at = page.input_value("#step")
    page.focus("#field-0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert page.input_value("#step") == at


def test_a_click_visits_the_gate(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    page.click(".box[data-row='3'] text.symbol")
    assert page.inner_text("#phase") == "Forward pass: add"
    page.keyboard.press("End")
    page.click(".box[data-row='3'] text.symbol")
    assert page.inner_text("#phase") == "Backward pass: add"


def test_dragging_agrees_with_the_engine(opened):
    circuit = cr.trace(lecture_c, 3.0, -4.0)
    page = opened(page_of(circuit))
    generator = np.random.default_rng(8)
    for x, y in generator.normal(0.0, 2.0, (12, 2)).round(3).tolist():
        page.fill("#field-0", str(x))
        page.fill("#field-1", str(y))
        there = circuit.at(x, y)
        values, gradients = shown(page, "value"), shown(page, "gradient")
        for row in [*circuit.inputs, *circuit.gate_rows()]:
            assert values[str(row)] == number(there.columns.values[row])
            assert gradients[str(row)] == number(there.gradient_of(row)), circuit.names[row]
        assert page.inner_text("#arrived-0") == f"dx = {number(there.gradients['x'])}"
        told = page.locator(".box.output > title").first.text_content()
        assert told.endswith(f"value {number(there.value)}\ngradient 1.00")
    page.click("#restore")
    assert shown(page, "gradient")[str(circuit.row("x"))] == "2.06"
    assert page.input_value("#field-0") == "3"


def test_a_slider_moves_both_passes_at_any_step(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    before = shown(page, "value")["0"]
    page.focus("#slider-0")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#phase") == "Backward pass: multiply"  # the step stays
    x = float(page.input_value("#field-0"))
    assert x > -2.0 and shown(page, "value")["0"] == number(x) != before
    assert rule(page)[1][1] == number(x + 5.0)
    assert "z gets" in sentence(page) and number(x + 5.0) in sentence(page)


def test_crossing_a_branch_is_said_instead_of_wrong_numbers(opened):
    page = opened(page_of(cr.trace(branch, 2.0, 3.0)))
    assert not page.is_visible("#warning")
    page.fill("#field-0", "-1")
    assert "plain Python would take another branch" in page.inner_text("#warning")
    assert "if x > 0:" in page.inner_text("#warning")
    assert set(shown(page, "gradient").values()) <= {"?"}
    gates = {row: text for row, text in shown(page, "value").items() if int(row) > 1}
    assert set(gates.values()) == {"?"}
    page.fill("#field-0", "4")
    assert not page.is_visible("#warning")
    assert "12.00" in shown(page, "value").values()


def test_arrays_are_stepped_and_the_page_says_why_they_cannot_be_dragged(opened):
    def cost(W, x):
        h = np.tanh(W @ x)
        return np.sum(h * h)

    page = opened(page_of(cr.trace(cost, np.ones((2, 3)), np.arange(3.0))))
    assert "W is an array" in page.inner_text("#inputs-note")
    assert page.locator("input[type=range]").count() == 1  # that of the steps
    page.keyboard.press("End")
    assert "dW = shape (2, 3)" in sentence(page)


def test_a_gate_within_a_group_lights_the_group(opened):
    def long(x):
        for _ in range(3):
            x = x * x
        return math.sin(x)

    circuit = cr.trace(long, 1.1)
    page = opened(circuit.picture(group="line").html)
    page.click("#next")
    page.click("#next")
    assert page.locator(".box.group.is-now").count() == 1
    page.keyboard.press("End")
    assert page.locator(".is-now").count() == 0


def test_a_hostile_circuit_runs_nothing(opened):
    circuit = cr.trace(lambda p: p[HOSTILE] * p["</script>"], {HOSTILE: 2.0, "</script>": 3.0})
    page = opened(page_of(circuit))
    page.keyboard.press("End")
    assert page.locator("script").count() == 2


def test_a_screen_reader_hears_each_step(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    said = page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert said.text_content() == "Forward pass: add. q adds x and y: -2.00 + 5.00 = 3.00."
    assert page.get_attribute("#step", "aria-valuetext") == "2 of 7: Forward pass: add"
    assert page.locator("[aria-current=step]").count() == 2
    # Everything that can be operated has a name.
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, summary, [tabindex]")].filter((e) =>
            !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).length"""
    )
    assert nameless == 0
    assert page.locator("svg[role=img] > title").count() == 1


def test_tab_goes_through_the_page_with_the_focus_in_sight(opened):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)))
    order = []
    for _ in range(12):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none", order[-1]
    assert order[:6] == ["canvas", "reset", "play", "next", "step", "slider-0"]


def contrast(page, selector):
    """Return the contrast of a text with what is behind it, as WCAG 2.2 counts it."""
    colours = page.evaluate(
        """(selector) => {
            const element = document.querySelector(selector);
            const own = getComputedStyle(element);
            let back = element;
            const clear = (e) => getComputedStyle(e).backgroundColor === "rgba(0, 0, 0, 0)";
            while (clear(back)) back = back.parentElement;
            const ink = element instanceof SVGElement ? own.fill : own.color;
            return [ink, getComputedStyle(back).backgroundColor];
        }""",
        selector,
    )

    def light(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted(map(light, colours), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_both_schemes(opened, scheme):
    page = opened(page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0)), scheme=scheme)
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    for selector in (
        "#sentence", "#phase", "#why", ".legend", ".note", "#rule .is-gradient", "#play",
        "#field-0", "#code .is-lit code", "svg text.value", "svg text.gradient",
        "svg text.name", "footer",
    ):  # fmt: skip
        assert contrast(page, selector) >= 4.5, selector


def test_the_page_fits_a_narrow_window(opened):
    page = opened(page_of(cr.trace(lecture_c, 3.0, -4.0)), width=360, height=740)
    page.keyboard.press("End")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_who_wants_less_motion_gets_none(opened):
    text = page_of(cr.trace(lecture_a, -2.0, 5.0, -4.0))
    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = opened(text, motion=motion)
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        running = page.evaluate(
            "document.getAnimations().filter((a) => a.animationName === 'flow').length"
        )
        assert (running > 0) == moves
