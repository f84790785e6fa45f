"""A labeler asks to withdraw and a lead does it, with real browsers, by roles and visible names only."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import check, come_in
from tests.labeling import invited
from tutelage.store import Store, withdrawals
from tutelage.store.accounts import Role
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def enter(browser: Browser, address: str, store: Store, name: str, role: Role, group: str = "") -> Page:
    page = browser.new_context(base_url=address).new_page()
    return come_in(page, f"/enter/{invited(store, role, group, now=utc_now())}", name)


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
