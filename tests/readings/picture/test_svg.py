"""The document: well-formed, the same bytes every time, nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import chainrule
from chainrule.face import trace
from chainrule.readings.picture.svg import svg
from chainrule.readings.picture.themes import THEMES, blended

from .circuits import REFERENCE, A, C, small_network
from .reading import SVG

HOSTILE = [
    '"><script>alert(1)</script>',
    "a\nb\r\nc",
    "left\u202eright",
    "]]>&<!--",
    "nul\x00bell\x07",
    "</desc></svg>",
    "名前" * 30,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_are_text(hostile: str) -> None:
    circuit = trace("(x + y) * z", x=-2, y=5, z=-4)
    circuit.__dict__["names"] = [hostile, hostile + "2", "z", hostile, hostile]
    object.__setattr__(circuit, "title", hostile)
    picture = circuit.picture(theme="dark")
    root = ElementTree.fromstring(picture.svg)
    assert not [node for node in root.iter() if "script" in node.tag]
    assert "<script" not in picture.svg and "\u202e" not in picture.svg
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", picture.svg)
    texts = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert all("\n" not in text for text in texts)
    assert "\x1b" not in picture.text and "\u202e" not in picture.text
    assert "\x00" not in picture.text and len(picture.text.splitlines()) == 11


def test_hostile_settings_and_source_lines_are_text(tmp_path: Path) -> None:
    source = 'def f(x):\n    y = x + x * 2; name = "</text><script>\u202e"\n    return y * x\n'
    (tmp_path / "bad.py").write_text(source, encoding="utf-8")
    space: dict[str, object] = {}
    exec(compile(source, str(tmp_path / "bad.py"), "exec"), space)
    picture = trace(space["f"], 2.0).picture(group="line")
    assert "<script" not in picture.svg and "\u202e" not in picture.svg + picture.text
    assert "gates, line 2" in picture.svg
    ElementTree.fromstring(picture.svg)


def test_same_circuit_same_bytes() -> None:
    assert C.picture().svg == C.picture().svg
    script = (
        "from chainrule.tour.examples import staged; from chainrule.face import trace;"
        "import hashlib; p = trace(staged, 3.0, -4.0).picture();"
        "print(hashlib.sha256((p.svg + p.text).encode()).hexdigest())"
    )
    found = set()
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        env["PYTHONPATH"] = str(Path(chainrule.__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_nothing_is_fetched_and_nothing_runs() -> None:
    for theme in THEMES:
        text = small_network().picture(theme=theme).svg
        assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
        assert not re.search(r"@import|url\(|<script|\son\w+=|href", text)


def test_styles_stay_inside_their_picture() -> None:
    text = A.picture().svg
    key = ElementTree.fromstring(text).get("id")
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)[0]
    for selectors in re.findall(r"([^{}]+)\{", style):
        assert all(part.strip().startswith(f"#{key} ") for part in selectors.split(","))
    assert ElementTree.fromstring(C.picture().svg).get("id") != key


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", THEMES)
def test_every_text_can_be_read(name: str) -> None:
    theme = THEMES[name]
    pairs = [(theme.ground, c) for c in (theme.ink, theme.muted, theme.value, theme.gradient)]
    for ground, ink in [*pairs, (theme.fill, theme.ink), (theme.group, theme.ink)]:
        dark, light = sorted((luminance(ground), luminance(ink)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground, ink)


def test_ends_of_a_strip_have_their_colours() -> None:
    light = THEMES["light"]
    assert blended(light, 1.0) == light.high and blended(light, -1.0) == light.low
    assert blended(light, 0.0) == light.middle and blended(light, float("nan")) == light.muted


def test_safe_theme_tells_gradients_apart_by_their_slant() -> None:
    rule = r"text\.gradient[^{]*\{font-style:italic"
    assert re.search(rule, A.picture(theme="safe").svg)
    assert not re.search(rule, A.picture().svg)


@pytest.mark.parametrize("name", REFERENCE)
def test_parts_have_ids_on_request(name: str) -> None:
    circuit = REFERENCE[name]
    picture = circuit.picture()
    assert ' id="gate-' not in picture.svg
    root = ElementTree.fromstring(svg(picture.scenes, picture.theme, ids=True))
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    rows = [box.row for box in picture.graph.boxes if box.kind in ("gate", "input")]
    for row in rows:
        assert {f"gate-{row}", f"value-{row}", f"gradient-{row}"} <= set(ids)
        for source in circuit.columns.inputs(row):
            if source in rows:
                assert f"edge-{source}-{row}" in ids
