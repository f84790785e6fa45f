"""A labeler asks to withdraw and a lead does it, with real browsers, by roles and visible names only."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.labeling import PASSWORD, invited
from tutelage.store import Store, withdrawals
from tutelage.store.accounts import Role
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def check(page: Page) -> None:
    """No violation of accessibility and nothing wider than the screen, on a desk and on a phone, light and dark."""
    for size in ({"width": 390, "height": 844}, {"width": 1280, "height": 800}):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def enter(browser: Browser, address: str, store: Store, name: str, role: Role, group: str = "") -> Page:
    page = browser.new_context(base_url=address).new_page()
    page.goto(f"/enter/{invited(store, role, group, now=utc_now())}")
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name=f"Hello, {name}")).to_be_visible()
    return page


def test_a_labeler_asks_and_a_lead_withdraws(browser: Browser, address: str, store: Store) -> None:
    lead = enter(browser, address, store, "Lea", "lead")
    anna = enter(browser, address, store, "Anna", "labeler", "training")
    anna.get_by_role("link", name="Your account: Anna").click()
    expect(anna.get_by_role("row", name="Times that you signed in")).to_contain_text("1")
    anna.get_by_role("button", name="Ask to withdraw").click()
    expect(anna.get_by_role("status")).to_contain_text("You asked on")
    check(anna)
    lead.get_by_role("link", name="People", exact=True).click()
    expect(lead.get_by_role("row", name="Anna")).to_contain_text("asks to withdraw")
    check(lead)
    lead.get_by_role("link", name="Withdraw labels: Anna").click()
    expect(lead.get_by_role("heading", name="Withdraw Anna")).to_be_visible()
    check(lead)
    lead.get_by_role("checkbox", name="I know that this cannot be undone").check()
    lead.get_by_role("button", name="Withdraw").click()
    expect(lead.get_by_role("status")).to_contain_text("Anna was withdrawn on")
    check(lead)
    anna.reload()
    expect(anna.get_by_role("heading", name="Sign in")).to_be_visible()
    assert len(withdrawals.withdrawn(store)) == 1
    for page in (lead, anna):
        page.context.close()
