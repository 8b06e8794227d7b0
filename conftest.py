"""Run the code of README.md and docs/ with the tests: a block is a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import Page


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the pages that pytest meets in `testpaths`, or is given by name."""
    if file_path.suffix == ".md":
        page: pytest.Collector = Page.from_parent(parent, path=file_path)
        return page
    return None
