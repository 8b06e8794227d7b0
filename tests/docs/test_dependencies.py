"""The page of dependencies has every package that pyproject.toml asks for, and each extra."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASKED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = ASKED["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = {*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)}
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
_REQUIREMENT = re.compile(r"(?P<name>[\w-]+)>=(?P<least>[\d.]+)")


@pytest.mark.parametrize("requirement", sorted(REQUIREMENTS))
def test_every_package_has_a_row_with_its_least_version(requirement):
    asked = _REQUIREMENT.match(requirement)
    word = re.compile(rf"(?<![\w-]){re.escape(asked['name'])}(?![\w-])", re.IGNORECASE)
    rows = [row for row in ROWS if word.search(row.split("|")[1])]
    assert rows, f"docs/dependencies.md has no row for {asked['name']}"
    said = {found for row in rows for found in re.findall(r"≥ ([\d.]+)", row)}
    least = {
        other["least"]
        for other in map(_REQUIREMENT.match, REQUIREMENTS)
        if other["name"] == asked["name"]
    }
    assert said <= least, f"docs/dependencies.md has {said} of {asked['name']}"


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_every_extra_has_its_part(extra):
    titles = re.findall(r"^## .*", PAGE, re.MULTILINE)
    assert any(f"`{extra}`" in title for title in titles)


def test_what_builds_it_is_named():
    for requirement in ASKED["build-system"]["requires"]:
        assert _REQUIREMENT.match(requirement)["name"] in PAGE
