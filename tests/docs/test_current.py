"""The pages say what is true today: generated ones are current, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import chainrule
from chainrule.cli.main import COMMANDS
from chainrule.gates import GATES
from tests.docs.pages import run_command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.*)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def script(name: str) -> ModuleType:
    """Return a script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["gates.md", "reference.md"])
def test_generated_page_is_current(name):
    written = script("make_reference").PAGES[name]()
    assert text_of(DOCS / name) == written, "run: python docs/make_reference.py"


@pytest.mark.parametrize("drawing", ["product", "neuron", "staged"])
def test_drawing_is_current_to_the_byte(drawing):
    committed = text_of(DOCS / "images" / f"{drawing}.svg")
    fresh = script("make_pictures").DRAWINGS[drawing]()
    assert committed == fresh, "run: python docs/make_pictures.py"


@pytest.mark.parametrize("name", ["show"])
def test_terminal_shows_what_the_command_prints(name):
    pictures = script("make_pictures")
    committed = text_of(DOCS / "images" / f"{name}.svg")
    assert pictures.words_of(committed) == pictures.words_of(pictures.terminal(name)), (
        "run: python docs/make_pictures.py"
    )


def test_the_terminal_is_that_of_the_command(monkeypatch):
    pictures = script("make_pictures")
    command, output = pictures.show()
    monkeypatch.setenv("COLUMNS", str(pictures.WIDTH))
    printed, code = run_command(command)
    shown = "\n".join(text.plain for text in output)
    assert (printed.split(), code) == (shown.split(), 0)


def test_every_picture_is_made_by_the_script_and_used():
    pictures = script("make_pictures")
    made = {f"{name}.svg" for name in (*pictures.DRAWINGS, *pictures.TERMINALS)}
    assert {path.name for path in (DOCS / "images").iterdir()} == made
    linked = {Path(m["target"]).name for page in PAGES for m in _LINK.finditer(text_of(page))}
    assert made <= linked


@pytest.mark.parametrize("path", sorted((DOCS / "images").iterdir()), ids=lambda path: path.name)
def test_pictures_load_nothing(path):
    bare = re.sub(r"<!--.*?-->|xmlns=\S+", "", text_of(path), flags=re.DOTALL)
    assert "http" not in bare


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a forge makes of a page's headings."""
    titles = (match["title"] for match in _HEADING.finditer(_CODE.sub("", text_of(page))))
    return {
        re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")
        for title in titles
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for match in _LINK.finditer(_CODE.sub("", text_of(page))):
        target = match["target"]
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors_of(file), f"{page.name} links to {target}"


def test_every_page_is_in_the_index():
    index = text_of(DOCS / "index.md")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).as_posix()
        assert name == "index.md" or f"({name})" in index, f"docs/index.md lacks {name}"


def test_every_public_name_is_in_the_reference():
    reference = text_of(DOCS / "reference.md")
    for name in chainrule.__all__:
        if name != "__version__":
            assert re.search(rf"\b{name}\b", reference), f"docs/reference.md lacks {name}"


def test_every_gate_is_on_its_page():
    gates = text_of(DOCS / "gates.md")
    for name in GATES:
        assert re.search(rf"^\| `?(cr\.)?{name}`? \|", gates, re.MULTILINE), f"no row for {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    assert f"chainrule {command}" in text_of(DOCS / "howto" / "command-line.md")


def test_the_citation_names_this_version():
    assert f"chainrule {chainrule.__version__}" in text_of(ROOT / "README.md")


def test_files_that_the_architecture_names_are_there():
    source = ROOT / "src" / "chainrule"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    text = text_of(DOCS / "architecture.md")
    for name in set(re.findall(r"`([\w/]+\.(?:py|js|css))`", text)):
        assert any(f"/{file}".endswith(f"/{name}") for file in files), f"there is no {name}"
