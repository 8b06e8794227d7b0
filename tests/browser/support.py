"""A headless browser for the pages: Debian's chromium through playwright, where both are there."""

from __future__ import annotations

import os
import shutil

ARGUMENTS = [
    "--headless",
    "--no-sandbox",  # root in a container has no user namespaces
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Return the browser's path; CHAINRULE_CHROMIUM may name another."""
    named = os.environ.get("CHAINRULE_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


def why_not() -> str:
    """Return why there is no browser, or "" where there is one."""
    if chromium() is None:
        return "no chromium: on Debian, apt-get install chromium"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "no playwright: pip install playwright"
    return ""
