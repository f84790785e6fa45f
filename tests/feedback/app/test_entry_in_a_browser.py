"""Coming in with a real browser, by what a person sees: roles and visible names only."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import check, come_in, follow, opened
from tests.labeling import PASSWORD
from tutelage.store import Store, accounts
from tutelage.web.site import utc_now

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Give an empty page at the app's address, in which every complaint of the browser fails the test."""
    with opened(browser, address) as made:
        yield made


def first_link(store: Store) -> str:
    return f"/enter/{accounts.invite_first_admin(store, now=utc_now())}"


def test_an_administrator_comes_in_and_invites_a_labeler_who_comes_in(
    page: Page, browser: Browser, store: Store
) -> None:
    link = first_link(store)
    page.goto(link)
    check(page)
    come_in(page, link, "Ada")
    check(page)
    page.get_by_role("link", name="Invite people").click()
    page.get_by_role("combobox", name="As").select_option("a held-out labeler, who only judges results")
    page.get_by_role("textbox", name="For whom").fill("Hal of the night shift")
    page.get_by_role("button", name="Make link").click()
    shown = page.get_by_role("status")
    expect(shown).to_contain_text("Send this link to Hal of the night shift. It works once")
    check(page)
    found = re.search(r"http://\S+/enter/\S+", shown.inner_text())
    assert found
    other = browser.new_context().new_page()
    come_in(other, found[0], "Hal")
    expect(other.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(
        ["Home", "Instructions", "Messages"]
    )
    page.get_by_role("link", name="People", exact=True).click()
    row = page.get_by_role("row", name="Hal")
    expect(row).to_contain_text("held out")
    page.get_by_role("button", name="Suspend: Hal").click()
    expect(page.get_by_role("row", name="Hal")).to_contain_text("suspended")
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    other.context.close()
    page.get_by_role("link", name="Log").click()
    page.get_by_role("link", name="Check the chain").click()
    expect(page.get_by_role("status")).to_contain_text("The chain is whole")
    check(page)


def test_signing_in_by_keyboard_and_a_password_that_is_wrong(page: Page, store: Store) -> None:
    come_in(page, first_link(store), "Ada")
    page.get_by_role("link", name="Your account: Ada").click()
    page.get_by_role("textbox", name="What it is for").fill("a script")
    page.get_by_role("combobox", name="Works for").select_option("30 days")
    page.get_by_role("textbox", name="Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("status")).to_contain_text("Copy the token now")
    check(page)
    page.get_by_role("button", name="Revoke a script").click()
    expect(page.get_by_role("button", name="Revoke a script")).to_have_count(0)
    follow(page.get_by_role("button", name="Sign out"))
    check(page)
    page.goto("/log")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for text in ("Ada", "a wrong password"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Ada")
    check(page)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Log")).to_be_visible()
