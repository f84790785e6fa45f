"""A lead's day in a real browser: progress, a disagreement, a conversation, a label returned and revised."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import browser, check, follow
from tests.feedback.app.site import serving
from tests.feedback.conftest import Desk, database, desk, store
from tests.feedback.panel import hand_in, rated
from tutelage.records import Group
from tutelage.store import accounts, labels
from tutelage.store.accounts import Role
from tutelage.store.labels import Which

__all__ = ["browser", "database", "desk", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
Enter = Callable[[str, Role], Page]


@pytest.fixture
def enter(desk: Desk, browser: Browser) -> Iterator[Enter]:
    """Give a function that lets somebody in with a browser of their own; a complaint of a browser fails the test."""
    complaints: list[str] = []
    pages: list[Page] = []

    def come_in(name: str, role: Role) -> Page:
        context = browser.new_context(viewport=DESK, reduced_motion="reduce")
        group: Group | str = next(iter(accounts.GROUPS[role]), "")
        page = served.enter(context, name, group, role)  # type: ignore[arg-type]
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on(
            "request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(served.address) else None
        )
        pages.append(page)
        return page

    with serving(desk) as served:
        yield come_in
        for page in pages:
            page.context.close()
    assert complaints == []


def tab(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="About the labels").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def main_link(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()


def demonstrate(anna: Page) -> None:
    anna.get_by_role("button", name="Begin: Write an answer").click()
    anna.get_by_role("button", name="I have read this").click()
    anna.get_by_label("Your answer").fill("The moon is a star.")
    anna.get_by_role("button", name="Hand in").click()
    expect(anna.get_by_text("Handed in.")).to_be_visible()


def test_a_lead_finds_a_disagreement_asks_and_returns_a_label(enter: Enter, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    anna, lead = enter("Anna", "labeler"), enter("Lea", "lead")
    demonstrate(anna)
    (made,) = labels.demonstrations_of(desk.store, Which())
    desk.task("p", k=3, overlap=2, prompt={"text": "<b>Name three rivers</b>"})
    hand_in(desk, made.labeler, "t-p", order=[[0], [1], [2]], ratings=rated(7, 4, 1, violent=True))
    hand_in(desk, "ben", "t-p", order=[[2], [1], [0]], ratings=rated(2, 4, 6, violent=False))

    main_link(lead, "Labels")
    expect(lead.get_by_role("row", name="Write an answer training training")).to_contain_text("1 by people")
    check(lead)
    for page in ("Agreement", "Labelers", "Monitors", "File work"):
        tab(lead, page)
        check(lead)

    tab(lead, "Disagreements")
    check(lead)
    lead.get_by_role("link", name="<b>Name three rivers</b>").click()
    expect(lead.get_by_role("heading", name="One prompt, 2 labelers")).to_be_visible()
    check(lead)
    expect(lead.get_by_role("checkbox", name="Anna")).to_be_checked()
    lead.get_by_label("About", exact=True).select_option("Output A")
    lead.get_by_label("Message").fill("Why is this one better?")
    lead.get_by_role("button", name="Send").click()
    expect(lead.get_by_role("heading", name="Conversation")).to_be_visible()

    anna.reload()
    main_link(anna, "Messages 1 unread")
    anna.get_by_role("link", name="Why is this one better?").click()
    anna.get_by_label("Answer").fill("It names all three.")
    anna.get_by_role("button", name="Send").click()
    expect(anna.get_by_role("listitem").filter(has_text="It names all three.")).to_be_visible()

    main_link(lead, "Labels")
    main_link(lead, "Messages 1 unread")
    lead.get_by_role("link", name="Why is this one better?").click()
    expect(lead.get_by_text("It names all three.")).to_be_visible()
    returned_and_revised(lead, anna, made.labeler)
    (revised,) = labels.demonstrations_of(desk.store, Which())
    assert (revised.text, revised.supersedes) == ("The moon is no star.", made.id)


def returned_and_revised(lead: Page, anna: Page, labeler: str) -> None:
    """Return Anna's demonstration, found by her pseudonym; she finds the comment at home and hands in a change."""
    main_link(lead, "Labels")
    tab(lead, "Labelers")
    follow(lead.get_by_role("link", name=labeler))
    check(lead)
    follow(lead.get_by_role("row", name="Write an answer, training").get_by_role("link"))
    check(lead)
    lead.get_by_label("What to look at again").fill("Is the moon a star?")
    lead.get_by_role("button", name="Return with this comment").click()
    expect(lead.get_by_text("waits for a new revision")).to_be_visible()
    check(lead)

    anna.goto("/".join(anna.url.split("/")[:3]))
    expect(anna.get_by_role("heading", name="Returned to you")).to_be_visible()
    check(anna)
    anna.get_by_role("link", name="Look again").click()
    expect(anna.get_by_text("Is the moon a star?")).to_be_visible()
    expect(anna.get_by_label("Your answer")).to_have_value("The moon is a star.")
    check(anna)
    anna.get_by_label("Your answer").fill("The moon is no star.")
    anna.get_by_role("button", name="Hand in the change").click()
    expect(anna.get_by_text("Handed in.")).to_be_visible()
    expect(anna.get_by_role("heading", name="Returned to you")).to_have_count(0)
    lead.reload()
    expect(lead.get_by_text("answered by a new revision")).to_be_visible()
