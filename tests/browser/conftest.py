"""Open a page in a headless browser, with no network, and note whatever goes wrong in it."""

from __future__ import annotations

import pytest

from .support import ARGUMENTS, chromium, why_not


@pytest.fixture(scope="session")
def browser():
    reason = why_not()
    if reason:
        pytest.skip(f"the pages were not tried in a browser: {reason}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A fresh profile each time: playwright makes it, and removes it.
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens a page; the test fails if the page complained or asked."""
    troubles = []
    asked = []
    contexts = []

    def open_page(text, *, scheme="light", width=1280, height=900, motion="reduce"):
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            reduced_motion=motion,
            offline=True,
        )
        contexts.append(context)
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url == file.as_uri()
                else troubles.append(f"asked for {request.url}")
            ),
        )
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles
    assert [url for url in asked if not url.startswith("file:")] == []
