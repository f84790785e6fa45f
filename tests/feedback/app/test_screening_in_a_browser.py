"""Screening, instructions and questions with a real browser, by what a person sees: roles and visible names only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import SIZES, check, come_in
from tests.feedback.app.screened import ITEMS, publish
from tests.labeling import invited
from tutelage.feedback import instructions
from tutelage.store import Store, accounts, screening
from tutelage.web.site import utc_now

# What pages store is tested on both databases where it is stored.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Enter = Callable[[str, str], Page]


@pytest.fixture
def enter(browser: Browser, address: str, store: Store) -> Iterator[Enter]:
    """Give a function that lets somebody in with a browser of their own; a complaint of a browser fails the test."""
    publish(store)
    instructions.publish_defaults(store, now=utc_now() - timedelta(hours=1))
    complaints: list[str] = []
    pages: list[Page] = []

    def let_in(name: str, role: str) -> Page:
        page = browser.new_context(base_url=address, viewport=SIZES[0]).new_page()
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(address) else None)
        group = next(iter(accounts.GROUPS[role]), "")  # type: ignore[index]
        link = invited(store, role, group, now=utc_now())  # type: ignore[arg-type]
        return come_in(page, f"/enter/{link}", name)

    yield let_in
    for page in pages:
        page.context.close()
    assert complaints == []


def arrived(page: Page, heading: str) -> None:
    """Wait for the page that a click leads to: a click returns before."""
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()


def main_link(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
    arrived(page, name)


def answer_by_hand(cleo: Page) -> None:
    """Go through all items: a flag by mouse, the next by keyboard, an order with a tie, a text, two topics."""
    cleo.get_by_role("button", name="Sensitive", exact=True).click()
    arrived(cleo, "Sensitive speech: 2 of 2")
    cleo.get_by_role("button", name="Not sensitive").focus()
    cleo.keyboard.press("Enter")
    arrived(cleo, "Order: 1 of 1")
    check(cleo)
    for text, place in (("Red, blue", "1"), ("Red, blue, green", "2"), ("Blue, red", "1")):
        output = cleo.get_by_role("group", name=re.compile("^Output [A-C]$"))
        output.filter(has=cleo.get_by_text(text, exact=True)).get_by_role("radio", name=place).check()
    cleo.get_by_role("button", name="Keep and go on").click()
    arrived(cleo, "Answers to sensitive prompts: 1 of 1")
    check(cleo)
    cleo.get_by_role("textbox", name="Your answer").fill("I am sorry.\n\n  Tell me <b>more</b>.")
    cleo.get_by_role("button", name="Keep and go on").click()
    arrived(cleo, "What you can judge: 1 of 2")
    check(cleo)
    cleo.get_by_role("button", name="Yes").click()
    arrived(cleo, "What you can judge: 2 of 2")
    cleo.get_by_role("button", name="No").click()
    expect(cleo.get_by_role("button", name="Hand in")).to_be_visible()


def score_by_hand(researcher: Page) -> None:
    main_link(researcher, "Scoring")
    expect(researcher.get_by_text("Tell me <b>more</b>.")).to_be_visible()
    check(researcher)
    researcher.get_by_role("radio", name="6").check()
    researcher.get_by_role("button", name="Keep and go on").click()
    expect(researcher.get_by_text("No text waits for your score.")).to_be_visible()


def test_a_candidate_is_screened_scored_and_taken(enter: Enter, store: Store) -> None:
    cleo = enter("Cleo", "candidate")
    check(cleo)
    cleo.get_by_role("link", name="Go to the screening").click()
    arrived(cleo, "Screening")
    check(cleo)
    cleo.get_by_role("button", name="Begin").click()
    arrived(cleo, "Sensitive speech: 1 of 2")
    check(cleo)
    answer_by_hand(cleo)
    check(cleo)
    cleo.get_by_role("button", name="Hand in").click()
    expect(cleo.get_by_role("status")).to_contain_text("Handed in on")
    who = screening.find(store)[0].candidate
    assert len(screening.answers(store, who)) == len(ITEMS)
    for name in ("Ruth", "Emil"):
        score_by_hand(enter(name, "researcher"))
    lead = enter("Lea", "lead")
    main_link(lead, "Candidates")
    check(lead)
    lead.get_by_role("link", name=who).click()
    expect(lead.get_by_role("row", name="Order")).to_contain_text("100 % (3 / 3)")
    check(lead)
    lead.get_by_role("radio", name="Take as a labeler of training data").check()
    lead.get_by_role("textbox", name="Reason").fill("Careful and kind.")
    lead.get_by_role("button", name="Record the decision").click()
    expect(lead.get_by_role("row", name=who)).to_contain_text("taken")
    cleo.goto("/")
    expect(cleo.get_by_role("navigation", name="Main").get_by_role("link", name="Screening")).to_have_count(0)


def test_a_question_becomes_an_example_that_is_read_before_going_on(enter: Enter) -> None:
    anna, lead = enter("Anna", "labeler"), enter("Lea", "lead")
    main_link(anna, "Instructions")
    check(anna)
    anna.get_by_role("link", name="comparison-1").click()
    arrived(anna, "Rating and ranking outputs for training")
    check(anna)
    anna.get_by_role("button", name="I have read this").click()
    arrived(anna, "Hello, Anna")
    main_link(anna, "Messages")
    check(anna)
    anna.get_by_role("link", name="Write to the leads").click()
    anna.get_by_role("textbox", name="Message").fill("Are two empty outputs tied?")
    check(anna)
    anna.get_by_role("button", name="Send").click()
    arrived(anna, "Conversation")
    main_link(lead, "Messages")
    expect(lead.get_by_text("unread", exact=True)).to_be_visible()
    check(lead)
    lead.get_by_role("link", name="Are two empty outputs tied?").click()
    arrived(lead, "Conversation")
    check(lead)
    lead.get_by_role("textbox", name="Answer").fill("Yes.")
    lead.get_by_role("button", name="Send").click()
    expect(lead.get_by_role("listitem").filter(has_text="Yes.")).to_be_visible()
    lead.get_by_role("link", name="Make it a worked example").click()
    lead.get_by_role("textbox", name="Example").fill("**Prompt.** *Anything.*\nA and B are empty.\n**Order.** A tie.")
    lead.get_by_role("radio", name="all that were made for this task").check()
    lead.get_by_role("button", name="Show it and the labels in doubt").click()
    expect(lead.get_by_role("heading", name="0 labels would be in doubt")).to_be_visible()
    check(lead)
    lead.get_by_role("button", name="Publish the new version").click()
    expect(lead.get_by_text("Version comparison-2")).to_be_visible()
    check(lead)
    anna.goto("/instructions/comparison-2")
    expect(anna.get_by_text("This version is new: you have read comparison-1.")).to_be_visible()
    expect(anna.get_by_role("insertion").filter(has_text="A and B are empty.")).to_be_visible()
    check(anna)
    anna.get_by_role("button", name="I have read this").click()
    arrived(anna, "Hello, Anna")
