"""Run the code of README.md and docs/ with the tests: a block is a test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.docs.pages import Page

# The same examples in every run: a failure is found where a change is made, not a week later. To
# look further: HYPOTHESIS_PROFILE=explore.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Compiled code is kept for this run alone: tests neither find nor leave any in the user's folder.
_CACHE = tempfile.TemporaryDirectory(prefix="chainrule-tests-")
os.environ["CHAINRULE_CACHE"] = _CACHE.name


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the pages that pytest meets in `testpaths`, or is given by name."""
    if file_path.suffix == ".md":
        page: pytest.Collector = Page.from_parent(parent, path=file_path)
        return page
    return None
