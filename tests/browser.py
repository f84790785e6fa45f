"""The fixture `browser`: Debian's chromium, driven by playwright; it asks nothing of the network.

A folder's conftest.py takes it with `from tests.browser import browser`. Playwright's loop runs in the test's own
thread, where `asyncio.run` is then refused: so a browser lives no longer than one file of tests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["browser"]

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
