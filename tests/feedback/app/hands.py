"""A labeler's hands in a real browser: the moves that tests of the desk share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.feedback.app.site import Served, serving
from tests.feedback.conftest import Desk
from tutelage.store import completions, labels
from tutelage.store.labels import Which


@pytest.fixture
def served(desk: Desk) -> Iterator[Served]:
    with serving(desk) as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile; an error of a script fails the test."""
    made = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    made.set_default_timeout(10_000)
    errors: list[str] = []
    made.on("weberror", lambda error: errors.append(str(error.error)))
    yield made
    made.close()
    assert errors == []


def begin(page: Page, kind: str) -> None:
    page.get_by_role("button", name=f"Begin: {kind}").click()
    page.get_by_role("button", name="I have read this").click()
    page.get_by_role("heading", name=kind).wait_for()
    page.get_by_role("button", name="Hand in").wait_for()


def no_violation(page: Page) -> None:
    tags = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=tags).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def saved(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text="Saved ")).to_be_visible()


def letters(page: Page) -> dict[str, str]:
    """Return the text of each card by its letter, as the screen shows them."""
    return {letter: card(page, letter).inner_text().splitlines()[-1] for letter in "ABCD"}


def rows_on_screen(page: Page) -> list[set[str]]:
    """Return the letters in each row that holds any, as their accessible names tell."""
    named = page.get_by_role("button", name="Row ", disabled=True).all()
    told = [str(row.get_attribute("aria-label")) for row in named]
    return [set(name.split(": ")[1].split(", ")) for name in told if ": " in name]


def grip(page: Page, letter: str) -> Locator:
    return page.get_by_role("button", name=f"Output {letter}", exact=True).last


def card(page: Page, letter: str) -> Locator:
    """Return the list item of a card; a row that holds it comes before it."""
    return page.get_by_role("listitem").filter(has=grip(page, letter)).last


def stored(desk: Desk) -> list[set[str]]:
    """Return the last stored ranking as texts, best first."""
    (ranking,) = labels.rankings_of(desk.store, Which(purpose="train"))
    texts = completions.get(desk.store, [one for group in ranking.groups for one in group])
    return [{texts[one].text for one in group} for group in ranking.groups]


def to_board(page: Page) -> None:
    page.get_by_role("button", name="2 Rank").click()
    page.get_by_role("heading", name="Not placed").wait_for()
