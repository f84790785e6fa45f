"""The fixture `browser`: Debian's chromium, driven by playwright, which asks nothing of the network; and common steps.

A folder's conftest.py takes it with `from tests.browser import browser`. Playwright's loop runs in the test's own
thread, where `asyncio.run` is then refused: so a browser lives no longer than one file of tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from tests.labeling import PASSWORD

__all__ = ["browser"]

#: A desk and a phone.
SIZES: tuple[ViewportSize, ViewportSize] = ({"width": 1280, "height": 800}, {"width": 390, "height": 844})

#: Chromium looks for updates, time and its maker's services otherwise.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


def chromium() -> str:
    """Return the path of the browser; without one, fail with the command that installs it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("The browser tests need chromium; install it with: apt-get install chromium fonts-noto-core")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser for the tests of one file. Its sandbox refuses to run as root."""
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield launched
        launched.close()


@contextlib.contextmanager
def opened(browser: Browser, address: str, token: str = "", **options: Any) -> Iterator[Page]:
    """Give an empty page, signed in by a session's token; every complaint and dialog of the browser fails the test."""
    context = browser.new_context(base_url=address, viewport=SIZES[0], **options)
    if token:
        context.add_cookies([{"name": "tutelage", "value": token, "url": address}])
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield page
    context.close()
    # A page that answers with a refusal is a complaint of the browser's, not of ours.
    assert [text for text in complaints if "the server responded with a status" not in text] == []


def follow(step: Locator) -> None:
    """Click what leads to another page, and wait until that one is there: the old one would be checked else."""
    with step.page.expect_navigation():
        step.click()


def check(page: Page) -> None:
    """No violation of accessibility, and nothing wider than the screen, on a desk and on a phone, light and dark."""
    for size in SIZES:
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(page)
            assert found.violations_count == 0, (page.url, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
    page.set_viewport_size(SIZES[0])
    page.emulate_media(color_scheme="light")


def come_in(page: Page, link: str, name: str) -> Page:
    """Make an account by an invitation's link; give the page where one then is."""
    page.goto(link)
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("link", name=f"Your account: {name}")).to_be_visible()
    return page


def shown_link(page: Page) -> str:
    """Return the invitation's link that the page shows."""
    found = re.search(r"http://\S+/enter/\S+", page.get_by_role("status").inner_text())
    assert found
    return found[0]
